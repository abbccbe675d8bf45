"""How many cases each list holds for an actor: what lies in the actor's region as the tallies have it, the rest asked of the store.

async with tallies.alone(), journal.read() as c:
    of = await seen(c, actor, await tallies.now(c), now_ms)        {ledger: Tally} of what the actor may see
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.access import CASE_POWERS, in_region
from protocol.events import Actor
from protocol.node import listing, tallies
from protocol.node.journal import Journal
from protocol.node.journal.rows import fetch, named
from protocol.node.kept import Kept
from protocol.node.listing import TASK_VIEWS, VIEWS
from protocol.node.spread import Spread, spread
from protocol.node.tallies import Of, Open, Tallies
from protocol.place import within

PLACED: Final = ("all", "open", "overdue", "soon")  # of VIEWS: what is told of any place
TALLIED: Final = ("open", "held", "due", "overdue", "soon")  # of VIEWS
_COUNTED: Final = tuple(name for name in (*VIEWS, *TASK_VIEWS) if name != "all")
_ASKED: Final = tuple(name for name in _COUNTED if name not in TALLIED)


class Counts:
    """Answers are kept until an entry comes or a date runs out (Kept)."""

    def __init__(self, journal: Journal, clock: Callable[[], int]) -> None:
        self._journal, self._clock = journal, clock
        self._tallies, self._kept = Tallies(clock), Kept(clock)

    async def lists(self, actor: Actor) -> dict[str, int]:
        """How many cases each of VIEWS but `all`, and tasks each of TASK_VIEWS, holds."""
        return await self._of("lists", actor, lambda c, of: counted(c, actor, of, self._clock()))

    async def total(self, actor: Actor, path: str = "") -> int:
        """How many cases there are for this actor; path: in this place and below it."""

        async def ask(c: AsyncConnection, _of: Of) -> dict[str, int]:
            return await seen_totals(c, actor, await self._tallies.totals(c))

        found = await self._of("total", actor, ask)
        return sum(cases for ledger, cases in found.items() if not path or within(ledger, path))

    async def in_place(self, actor: Actor, view: str, path: str) -> int:
        """How many of a view (one of PLACED) lie in this place and below it."""
        if view == "all":
            return await self.total(actor, path)
        of, _ = await self.places(actor)
        opened = sum((one.opened for ledger, one in of.items() if within(ledger, path)), Open())
        return {"open": opened.cases, "overdue": opened.late, "soon": opened.soon}[view]

    async def spread(self, actor: Actor, from_ms: int, to_ms: int) -> Spread:
        """How cases lie over places now; fresh: what was registered in this time, to_ms no more."""

        async def ask(c: AsyncConnection, of: Of) -> Spread:
            return await spread(c, actor, await seen(c, actor, of, self._clock()), from_ms, to_ms)

        return await self._of("spread", actor, ask, from_ms, to_ms)

    async def places(self, actor: Actor) -> tuple[Of, dict[str, int]]:
        """What is open by ledger, and how many cases of each ledger are offered to the actor's office."""

        async def ask(c: AsyncConnection, of: Of) -> tuple[Of, dict[str, int]]:
            sql = "select ledger, count(*) as cases from case_row where offer_to = :office group by ledger"
            coming = {row.ledger: int(row.cases) for row in await named(c, sql, {"office": actor.office})}
            return await seen(c, actor, of, self._clock()), coming

        return await self._of("places", actor, ask, actor.office)

    async def _of(self, what: str, actor: Actor, ask: Callable[[AsyncConnection, Of], Awaitable[Any]], *more: Any) -> Any:
        """more: what the answer hangs on besides the actor."""
        key = (what, *who(actor), *more)
        async with self._tallies.alone(), self._journal.read() as c:
            of = await self._tallies.now(c)
            return await self._kept.of(c, key, lambda: ask(c, of), until=self._tallies.until)


def who(actor: Actor) -> tuple[Any, ...]:
    """All of an actor that what may be seen of cases hangs on."""
    return actor.offices, actor.powers & CASE_POWERS


async def counted(c: AsyncConnection, actor: Actor, of: Of, now_ms: int) -> dict[str, int]:
    """How many cases each of VIEWS but `all`, and tasks each of TASK_VIEWS, holds. of: of all ledgers."""
    if not actor.powers & CASE_POWERS:
        return dict.fromkeys(_COUNTED, 0)
    region = await seen(c, actor, of, now_ms)
    opened = sum((one.opened for one in region.values()), Open())
    held = sum((own for one in of.values() for office in actor.offices if (own := one.holders.get(office))), Open())
    tallied = (opened.cases, held.cases, held.pressing, opened.late, opened.soon)
    return dict(zip(TALLIED, tallied, strict=True)) | await asked(c, actor, _ASKED, now_ms)


async def asked(c: AsyncConnection, actor: Actor, views: Sequence[str], now_ms: int) -> dict[str, int]:
    """How many each of these of VIEWS and TASK_VIEWS holds, by a walk along an index each."""
    seen, parts, values = await listing.visible(c, actor), [], {}
    for name in views:
        of_tasks = name in TASK_VIEWS
        condition, some = listing.task_view(name, actor) if of_tasks else listing.view(name, actor, now_ms, seen)
        parts.append(f"(select count(*) from {'task_row' if of_tasks else 'case_row'} where {condition})")
        values.update(some)
    row = (await fetch(c, "select " + ", ".join(parts), values))[0]
    return dict(zip(views, row, strict=True))


async def seen_totals(c: AsyncConnection, actor: Actor, totals: Mapping[str, int]) -> dict[str, int]:
    """Ledger → how many cases of it the actor may see. totals: of all ledgers."""
    if not actor.powers & CASE_POWERS:
        return {}
    own = {ledger: cases for ledger, cases in totals.items() if in_region(actor, ledger)}
    others = await listing.elsewhere(c, actor)
    return own if others is None else own | await tallies.total(c, others)


async def seen(c: AsyncConnection, actor: Actor, of: Of, now_ms: int) -> Of:
    """What of this the actor may see: access.may_see_case. of: of all ledgers."""
    if not actor.powers & CASE_POWERS:
        return {}
    own = {ledger: one for ledger, one in of.items() if in_region(actor, ledger)}
    others = await listing.elsewhere(c, actor)
    return own if others is None else own | await tallies.tally(c, others, now_ms)
