"""Opening the journal so that its views know who was revoked, and folding again what a change of *common* made old.

    shelf = Shelf(clock); journal = await open_journal(url, key, shelf)

What a revoked node wrote after its last good entry is kept and passed on, but set aside in every fold: of a case it waits for
the holder's review, of a person it does not count at all. It may have arrived before the revocation did; that changes
nothing, since the subjects concerned are folded again.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import text

from protocol import views
from protocol.entry import Admitted, node_of
from protocol.node.journal import Journal
from protocol.node.journal.rebuild import fill
from protocol.node.listing import INDICES
from protocol.node.shelf import Shelf, Stale
from protocol.tables import Tables

SUBJECTS_MAX = 200  # of one transaction: about 0.1 s


class Folding:
    """protocol.views with what the shelf knows about lanes."""

    TABLES = views.TABLES
    VERSION = getattr(views, "VERSION", 0)

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def rows(self, sort: str, admitted: list[Admitted], tables: Tables) -> dict[str, list[dict[str, Any]]]:
        if not self._shelf.revoked:
            return views.rows(sort, admitted, tables)
        good = self._shelf.good_until((a.head.ledger, a.head.origin) for a in admitted)
        if sort == "person":
            admitted = [a for a in admitted if a.head.seq <= good.get((a.head.ledger, a.head.origin), a.head.seq)]
        return views.rows(sort, admitted, tables, good) if admitted else {}

    def search_text(self, sort: str, admitted: list[Admitted]) -> str:
        return views.search_text(sort, admitted)


async def open_journal(url: str, key: bytes | None, shelf: Shelf, **options: Any) -> Journal:
    """`Journal.open` with these views, the indices of the lists, and the shelf loaded from it. Raises what `Journal.open` raises."""
    return await furnish(await Journal.open(url, key, shelf, views=Folding(shelf), **options), shelf)


async def furnish(journal: Journal, shelf: Shelf) -> Journal:
    """Indices of the lists, and the shelf as *common* says. For a journal with `Folding(shelf)` as its views."""
    async with journal.writing() as w:
        for statement in INDICES:
            await w.connection.execute(text(statement))
    await fold_again(journal, shelf, await shelf.load(journal))
    return journal


async def fold_again(journal: Journal, shelf: Shelf, stale: Stale) -> None:
    """In short transactions, so that the desk can be used meanwhile: a change of the calendar touches every case there is."""
    if stale.tables:
        await fill(journal)
        return
    lanes = [(ledger, origin, head.seq) for (ledger, origin), head in (await journal.heads()).items() if node_of(origin) in stale.nodes]
    for ledger, origin, seq in lanes:
        last = shelf.last_good(ledger, origin)
        if last is not None and seq > last:
            await _project(journal, await _written_after(journal, ledger, origin, last))


async def _written_after(journal: Journal, ledger: str, origin: str, seq: int) -> list[str]:
    sql = text("select distinct subject from entry where ledger = :ledger and origin = :origin and seq > :seq and sort <> 'lane'")
    async with journal.read() as c:
        return [row[0] for row in await c.execute(sql, {"ledger": ledger, "origin": origin, "seq": seq})]


async def _project(journal: Journal, subjects: Iterable[str]) -> None:
    some = list(subjects)
    for at in range(0, len(some), SUBJECTS_MAX):
        async with journal.writing() as w:
            await w.project(some[at : at + SUBJECTS_MAX])
