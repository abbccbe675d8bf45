"""Sums of stretches of some five days, kept until a case of that stretch changes: most of a year never changes again, so it is counted once.

    async with stretches.alone(), journal.read() as c:
        await stretches.keep_step(c)                                 what is kept is as true as what `c` sees
        some = await stretches.blocks(c, scope, spans, now_ms, count)

The lanes that went on name the cases that changed (moved.py). A stretch is counted again when a changed case lies in it now, or when it holds another
number of cases than it did: one that left it can't hide, since whatever came in its place is a changed case that lies in it. To count them all is a
walk along all cases, done only where one that changed may have lain elsewhere before: neither new nor seen lately. What only time changes has its instant (`until_ms`). A scope is all that a question holds besides its time; what other tables decide can't be kept. A stretch never goes
over the end of a month, so each month is made of whole ones; of a time that cuts one its part is kept in the same way.

Who came again hangs on all of them: see visitors.py, kept in the same step.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.calendar import local_date, start_of_day_ms
from protocol.node.journal.rows import among, bound, named
from protocol.node.moved import Lane, Moved
from protocol.node.visitors import Visitors

SCOPES_MAX: Final = 8  # questions that differ in more than their time
BLOCKS_MAX: Final = 600  # of all scopes; in a county one holds some 20 KB
STRANGE_MAX: Final = 50  # changed cases of which it is looked up whether they are new
LIES_MAX: Final = 5_000  # changed cases of which it is known where they lie
FIRSTS: Final = (1, 6, 11, 16, 21, 26)  # days of a month on which a stretch begins
LANES_MAX, SUBJECTS_MAX = 128, 2_000  # lanes that went on, and cases that changed, beyond which all is counted anew
AT_ONCE: Final = 400  # selects of one union; SQLite takes 500
EMPTY_UNTIL_MS: Final = 1 << 62

Span = tuple[int, int]  # from_ms, to_ms: a stretch, or a part of one
Cells = tuple[int, ...]  # the sums of one group, two counters in most


class Block(msgspec.Struct, frozen=True):
    """A span: groups by name, each code → its sums · good from made_ms to until_ms."""

    parts: dict[str, dict[Any, Cells]]
    made_ms: int
    until_ms: int


Count = Callable[[int, int], Awaitable[Block]]  # from_ms, to_ms → what lies between


def parts_of(from_ms: int, to_ms: int) -> list[Span]:
    """A time cut where stretches begin, so that no part lies in two of them; [] for an empty time."""
    found, at = [], from_ms
    while at < to_ms:
        end = min(stretch_after(stretch_of(at)), to_ms)
        found.append((at, end))
        at = end
    return found


def stretch_of(ms: int) -> int:
    """The instant at which its stretch begins, by the day of UTC+8."""
    day = local_date(ms)
    return start_of_day_ms(day.replace(day=max(first for first in FIRSTS if first <= day.day)))


def stretch_after(start_ms: int) -> int:
    day = local_date(start_ms)
    later = [first for first in FIRSTS if first > day.day]
    return start_of_day_ms(day.replace(day=later[0]) if later else (day.replace(day=1) + timedelta(32)).replace(day=1))


class Stretches:
    def __init__(self) -> None:
        self._scopes: dict[Any, dict[Span, Block]] = {}
        self._counts: dict[int, int] = {}  # stretch → cases, whoever may see them and whether they are counted
        self._lies: dict[str, int] = {}  # case that changed lately → its stretch
        self.visitors = Visitors()
        self._moved = Moved()
        self._alone = asyncio.Lock()

    def forget(self) -> None:
        self._clear()
        self._moved.forget()

    def _clear(self) -> None:
        self._scopes.clear()
        self._counts.clear()
        self._lies.clear()
        self.visitors.forget()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Enter before the snapshot is taken: an older one must not put back what a newer one took out."""
        async with self._alone:
            yield

    async def keep_step(self, c: AsyncConnection) -> None:
        """Takes out what is no longer true of what `c` sees."""
        moved = await self._moved.since(c)
        if moved is None or len(moved) > LANES_MAX:
            self._clear()
        elif moved:
            try:
                await self._let_go(c, moved)
            except BaseException:
                self.forget()  # half of it may be out: nobody can tell any more what still holds
                raise

    async def blocks(self, c: AsyncConnection, scope: Any, spans: Collection[Span], now_ms: int, count: Count) -> dict[Span, Block]:
        """spans: those asked for → their sums, counted where they are not kept."""
        kept = self._scopes.pop(scope, {})
        self._scopes[scope] = kept  # the last asked for is at the end
        while len(self._scopes) > SCOPES_MAX or (sum(map(len, self._scopes.values())) > BLOCKS_MAX and len(self._scopes) > 1):
            del self._scopes[next(iter(self._scopes))]
        self._counts |= await _counts(c, sorted({stretch_of(from_ms) for from_ms, _ in spans} - self._counts.keys()))
        found = {}
        for span in spans:
            block = kept.get(span)
            if block is None or not block.made_ms <= now_ms <= block.until_ms:
                block = await count(*span) if self._counts[stretch_of(span[0])] else Block({}, now_ms, EMPTY_UNTIL_MS)
                kept[span] = block
            found[span] = block
        return found

    async def _let_go(self, c: AsyncConnection, moved: dict[Lane, int]) -> None:
        changed: set[str] = set()
        for (ledger, origin), seq in moved.items():
            sql = "select distinct subject from entry where ledger = :ledger and origin = :origin and seq > :seq and sort = 'dispute' limit :most"
            values = {"ledger": ledger, "origin": origin, "seq": seq, "most": SUBJECTS_MAX + 1}
            changed |= {row[0] for row in await named(c, sql, values)}
            if len(changed) > SUBJECTS_MAX:
                self._clear()
                return
        sql = f"select subject, logged_ms from case_row where {among(c, 'subject', 'changed')}"
        lies = {row.subject: stretch_of(row.logged_ms) for row in await named(c, sql, {"changed": bound(c, sorted(changed))})}
        await self.visitors.changed(c, changed)
        stale = set(lies.values()) | await self._left(c, changed, lies, moved)
        self._lies = (self._lies if len(self._lies) < LIES_MAX else {}) | lies
        for kept in self._scopes.values():
            for span in [span for span in kept if stretch_of(span[0]) in stale]:
                del kept[span]

    async def _left(self, c: AsyncConnection, changed: set[str], lies: dict[str, int], moved: dict[Lane, int]) -> set[int]:
        """Stretches that hold another number of cases than they did. lies: case → its stretch now."""
        strange = {subject for subject in changed if self._lies.get(subject) is None or lies.get(subject) != self._lies[subject]}
        if len(strange) <= STRANGE_MAX and await _are_new(c, strange, moved):
            came = Counter(start for subject in strange if (start := lies.get(subject)) in self._counts)
            self._counts |= {start: self._counts[start] + count for start, count in came.items()}
            return set(came)
        before, self._counts = self._counts, await _counts(c, sorted(self._counts))
        return {start for start, count in self._counts.items() if count != before[start]}


async def _are_new(c: AsyncConnection, subjects: Collection[str], moved: dict[Lane, int]) -> bool:
    """Claims that nothing was known of these before."""
    sql = f"select ledger, origin, min(seq) as seq from entry where {among(c, 'subject', 'some')} group by subject, ledger, origin"
    rows = await named(c, sql, {"some": bound(c, subjects)}) if subjects else []
    return all((row.ledger, row.origin) in moved and row.seq > moved[row.ledger, row.origin] for row in rows)


async def _counts(c: AsyncConnection, starts: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for at in range(0, len(starts), AT_ONCE):
        parts = [
            f"select {start} as start, count(*) as number from case_row where logged_ms >= {start} and logged_ms < {stretch_after(start)}"
            for start in starts[at : at + AT_ONCE]
        ]
        found |= {int(row[0]): int(row[1]) for row in await named(c, " union all ".join(parts), {})}
    return found
