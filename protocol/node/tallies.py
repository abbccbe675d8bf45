"""What is open in each ledger and how many cases lie there, kept in memory until something happens in that ledger.

    async with tallies.alone(), journal.read() as c:
        of = await tallies.now(c)                      {ledger: Tally}: as true as what `c` sees; never change it
        totals = await tallies.totals(c)               {ledger: cases}, after `now`: few pages ask, so it is counted only then

Each page tells how many are open, late or the office's own. A walk along 30,000 open ones took 0.1 s of whoever
opened a page just after a save; a save concerns one ledger, so only that one is walked again, and one of whose cases a date runs out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.node.journal.rows import fetch, is_postgres, one_of
from protocol.node.kept import KEPT_MS, as_of
from protocol.node.listing import AHEAD_MS, FIRST_DUE_MS, IS_OPEN, NEVER_MS, Where, dates
from protocol.node.moved import Moved


class Open(NamedTuple):
    """Numbers of open cases: all, past a date, ending within a day, and past one or ending within three."""

    cases: int = 0
    late: int = 0
    soon: int = 0
    pressing: int = 0

    def __add__(self, other: "Open") -> "Open":  # type: ignore[override]  # of the numbers, not of the tuple
        return Open(self.cases + other.cases, self.late + other.late, self.soon + other.soon, self.pressing + other.pressing)


class Tally(msgspec.Struct, frozen=True):
    """Of one ledger. holders: by the office that holds them · types: by the 2-digit type, "" = none was
    written · until_ms: the first moment at which a date makes it another."""

    opened: Open
    holders: dict[str, Open]
    types: dict[str, Open]
    until_ms: int


Of = Mapping[str, Tally]  # by ledger; one without an open case is left out
_OPEN: Final = (
    "select ledger, holder, type, count(*) as cases, "
    + ", ".join(f"sum(case when {FIRST_DUE_MS} < :{name} then 1 else 0 end)" for name in AHEAD_MS)
    + ", min(case "
    + " ".join(f"when {FIRST_DUE_MS} >= :{name} then {FIRST_DUE_MS} - {ms}" for name, ms in reversed(AHEAD_MS.items()))
    + f" end) from case_row where {IS_OPEN} and {{inside}} group by ledger, holder, type"
)


class Tallies:
    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._of: dict[str, Tally] = {}
        self._totals: dict[str, int] = {}
        self._moved_on: set[str] | None = None  # ledgers of which the total is not known any more; None = all
        self._moved = Moved()
        self._as_of: Any = None
        self._looked_ms = 0
        self._alone = asyncio.Lock()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Enter before the snapshot is taken: an older one must not put back what a newer one took out."""
        async with self._alone:
            yield

    async def now(self, c: AsyncConnection) -> Of:
        now_ms = self._clock()
        try:
            stale = await self._stale(c, now_ms)
            if stale is None or stale:
                await self._count(c, stale, now_ms)
        except BaseException:
            self._as_of = None  # half of it may be counted
            self._moved.forget()
            raise
        self._looked_ms = now_ms
        return self._of

    async def totals(self, c: AsyncConnection) -> Mapping[str, int]:
        if self._moved_on is None or self._moved_on:
            found = await total(c, _inside(c, self._moved_on))
            self._totals, self._moved_on = _replaced(self._totals, self._moved_on, found), set()
        return self._totals

    async def until(self, _c: AsyncConnection, _now_ms: int) -> int:
        """The first moment in ms at which a date makes one of what `now` gave last another: for Kept."""
        return min((one.until_ms for one in self._of.values()), default=NEVER_MS)

    async def _stale(self, c: AsyncConnection, now_ms: int) -> Collection[str] | None:
        """Ledgers that are to be counted anew; None = all."""
        is_later = is_postgres(c) and now_ms >= self._looked_ms + KEPT_MS  # an entry may be seen there after one with a higher position
        before, self._as_of = self._as_of, await as_of(c)
        moved = await self._moved.since(c) if before != self._as_of or is_later else {}
        ledgers = None if moved is None or before is None else {ledger for ledger, _ in moved}
        self._moved_on = None if ledgers is None or self._moved_on is None else self._moved_on | ledgers
        if ledgers is None or now_ms < self._looked_ms:
            return None
        return ledgers | {ledger for ledger, tally in self._of.items() if now_ms >= tally.until_ms}

    async def _count(self, c: AsyncConnection, ledgers: Collection[str] | None, now_ms: int) -> None:
        self._of = _replaced(self._of, ledgers, await tally(c, _inside(c, ledgers), now_ms))


def _inside(c: AsyncConnection, ledgers: Collection[str] | None) -> Where:
    return ("1 = 1", {}) if ledgers is None else one_of(c, "ledger", "some", ledgers)


def _replaced(old: dict[str, Any], ledgers: Collection[str] | None, new: dict[str, Any]) -> dict[str, Any]:
    return new if ledgers is None else {ledger: one for ledger, one in old.items() if ledger not in ledgers} | new


async def total(c: AsyncConnection, where: Where) -> dict[str, int]:
    """Ledger → the rows of case_row of which this holds."""
    sql, values = where
    return {
        ledger: int(cases) for ledger, cases in await fetch(c, f"select ledger, count(*) from case_row where {sql} group by ledger", values)
    }


async def tally(c: AsyncConnection, where: Where, now_ms: int) -> dict[str, Tally]:
    """Of the open ones among the rows of case_row of which this holds."""
    inside, values = where
    of: dict[str, list[Any]] = {}
    for row in await fetch(c, _OPEN.format(inside=inside), {**values, **dates(now_ms)}):
        of.setdefault(row[0], []).append(row[1:])
    return {ledger: _one(rows) for ledger, rows in of.items()}


def _one(rows: Iterable[Sequence[Any]]) -> Tally:
    """rows: holder, type, cases, those that end before each of AHEAD_MS, and when the next of them does so."""
    holders: dict[str, Open] = {}
    types: dict[str, Open] = {}
    until_ms = NEVER_MS
    for holder, type_, cases, late, soon, pressing, next_ms in rows:
        opened = Open(int(cases), int(late), int(soon - late), int(pressing))
        for of, key in ((holders, holder or ""), (types, (type_ or "")[:2])):
            of[key] = of[key] + opened if key in of else opened
        until_ms = min(until_ms, until_ms if next_ms is None else int(next_ms) + 1)
    return Tally(sum(holders.values(), Open()), holders, types, until_ms)
