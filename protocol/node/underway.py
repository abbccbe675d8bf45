"""Cases that this node wrote in and whose newest entry some level still lacks."""

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.node import marks
from protocol.node.journal.rows import chunks, named
from protocol.node.shelf import Shelf
from protocol.node.signer import Signer

ENTRIES_MAX: Final = 50  # of one ledger; where more are on their way the last ones are looked at
LANES_MAX: Final = 200  # of one statement: SQLite takes no expression that is deeper than 1,000


_COLUMNS: Final = (
    "subject, ledger, holder, logged_office, offer_to, convened, updated_ms, last_seq"  # what tells who may see it, and how far it is
)


async def rows(c: AsyncConnection, signer: Signer, shelf: Shelf, before_ms: int) -> list[dict[str, Any]]:
    """Some columns of case_row, the newest first: what was written here before then. There may be hundreds, of which few are shown."""
    origin = signer.origin
    own = {
        row.ledger: row.seq for row in await named(c, "select ledger, seq from lane where origin = :origin and seq > 0", {"origin": origin})
    }
    late = await marks.behind(c, {(ledger, origin): seq for ledger, seq in own.items()}, shelf, signer.certificate)
    after = [(ledger, max(had, own[ledger] - ENTRIES_MAX)) for (ledger, _), had in late.items()]
    found = list[dict[str, Any]]()
    for some in chunks(after, LANES_MAX):
        beyond = " or ".join(f"(ledger = :l{n} and seq > :s{n})" for n in range(len(some)))
        values = {f"{name}{n}": value for n, lane in enumerate(some) for name, value in zip("ls", lane, strict=True)}
        written = f"select subject from entry where origin = :origin and sort = 'dispute' and ({beyond})"
        sql = f"select {_COLUMNS} from case_row where subject in ({written}) and last_origin = :origin and updated_ms < :before"
        found += [row._asdict() for row in await named(c, sql, {"origin": origin, "before": before_ms, **values})]
    there = [row for row in found if row["last_seq"] > late.get((row["ledger"], origin), row["last_seq"])]
    return sorted(there, key=lambda row: row["updated_ms"], reverse=True)
