"""What this node knows already of who comes and of what is brought, asked while a case is being written.

    known = Known(journal)
    await known.of_name(actor, "叶根土")          cases with a party of that name
    await known.of_number(actor, "13800001234")   cases with a party of that telephone or card number
    await known.alike(actor, ledger, "0204", text, apart)   open ones of the same place that may be the same matter

Only what the actor may see, from this node's own rows. Each answer costs an index and some hundred rows at most, however many cases there are.
"""

from collections.abc import Collection
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.case import COMING, OPEN
from protocol.events import Actor
from protocol.node import listing
from protocol.node.journal import Journal
from protocol.node.journal.rows import among, bound, named
from protocol.node.journal.search import normal, subjects
from protocol.views import UNCOUNTED, number_key

HITS_MAX: Final = 300  # texts that hold a name; beyond, the last that came speak for it
OF_ONE_MAX: Final = 100  # cases of one person that are looked at
ALIKE_LOOKED_AT: Final = 200  # open cases of one place, the last that moved
ALIKE_MAX: Final = 2
SHARED_ENOUGH: Final = 0.35  # of the shorter one's pairs of signs; two accounts of different matters share a tenth
PAIRS_MIN: Final = 8  # a few words share anything with everything
_COLUMNS: Final = "subject, code, title, type, status, ledger, parties, logged_ms"
_OVER_ELSEWHERE: Final = tuple(status for status in UNCOUNTED if status != "transferred")  # a slip, or the same case under another number


class Before(msgspec.Struct, frozen=True):
    """A case as it is named beside a form."""

    subject: str
    code: str
    title: str
    type: str
    status: str
    ledger: str
    parties: str
    logged_ms: int

    @property
    def is_open(self) -> bool:
        """Claims that the matter is not over: what comes by 转办 goes on here once it is taken up."""
        return self.status in (*OPEN, COMING)


class Known:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def of_name(self, actor: Actor, name: str) -> list[Before]:
        """The last registered first."""
        async with self._journal.read() as c:
            hits = await subjects(c, name, most=HITS_MAX)
            like = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            is_party = "('、' || parties || '、') like :name escape '\\'"
            found = await _of(c, actor, f"{among(c, 'subject', 'hits')} and {is_party}", {"hits": bound(c, hits), "name": f"%、{like}、%"})
        return [one for one in found if name in one.parties.split("、")]

    async def of_number(self, actor: Actor, number: str) -> list[Before]:
        """The last registered first; [] for what is too short to be anybody's own."""
        key = number_key(number)
        if not key:
            return []
        async with self._journal.read() as c:
            has_it = f"subject in (select subject from number_row where number = :key limit {HITS_MAX})"
            return await _of(c, actor, has_it, {"key": key})

    async def alike(self, actor: Actor, ledger: str, type: str, text: str, apart: Collection[str] = ()) -> list[Before]:
        """ALIKE_MAX at most, the likest first: open ones of this very ledger and those that come to it by 转办, of the same type, or told in
        nearly the same words.

        type: 2 digits speak for their 4-digit ones, and the other way · apart: subjects that are shown already.
        """
        async with self._journal.read() as c:
            seen, values = await listing.visible(c, actor)
            last = f"order by updated_ms desc, subject desc limit {ALIKE_LOOKED_AT}"
            goes_on = f"select subject from case_row where {seen} and {listing.IS_OPEN} and (ledger || '') = :ledger {last}"
            comes = (
                f"select subject from case_row where {seen} and status = '{COMING}' and ledger = :ledger {last}"  # each by its own index
            )
            sql = f"select subject from ({goes_on}) o union all select subject from ({comes}) c"
            rows = await named(c, f"select {_COLUMNS}, account from case_row where subject in ({sql})", {**values, "ledger": ledger})
        asked, ranked = _pairs(text), []
        for row in rows:
            shared = _shared(asked, _pairs(f"{row.title} {row.account or ''}"))
            of_type = row.type and (row.type.startswith(type) or type.startswith(row.type))
            if row.subject not in apart and (of_type or shared >= SHARED_ENOUGH):
                ranked.append((shared, _before(row)))
        return [one for _, one in sorted(ranked, key=lambda two: (two[0], two[1].logged_ms), reverse=True)[:ALIKE_MAX]]


async def _of(c: AsyncConnection, actor: Actor, condition: str, values: dict[str, Any]) -> list[Before]:
    seen, some = await listing.visible(c, actor)
    left_out = ", ".join(f"'{status}'" for status in _OVER_ELSEWHERE)
    where = f"{condition} and {seen} and status not in ({left_out})"
    sql = f"select {_COLUMNS} from case_row where {where} order by (logged_ms + 0) desc, subject desc limit {OF_ONE_MAX}"
    return [_before(row) for row in await named(c, sql, {**values, **some})]


def _before(row: Any) -> Before:
    return Before(**{name: getattr(row, name) or "" for name in Before.__struct_fields__ if name != "logged_ms"}, logged_ms=row.logged_ms)


def _pairs(text: str) -> set[str]:
    signs = "".join(sign for sign in normal(text) if sign.isalnum())
    return {signs[at : at + 2] for at in range(len(signs) - 1)}


def _shared(some: set[str], others: set[str]) -> float:
    """Part of the smaller one's that the other has too."""
    fewest = min(len(some), len(others))
    return len(some & others) / fewest if fewest >= PAIRS_MIN else 0.0
