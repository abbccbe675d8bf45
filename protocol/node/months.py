"""Sums of whole months, kept until a case of that month changes: most months of a county never change again, so they are counted once.

    async with months.alone(), journal.read() as c:
        await months.keep_step(c)                                    what is kept is as true as what `c` sees
        some = await months.blocks(c, scope, starts, now_ms, count)

A row of case_row changes by an entry of its case, or by a transaction that says so (REFOLDS). So the lanes that went on since, and the
counter, name all that can have changed. A month is counted again when a changed case lies in it now, or when it holds another number of cases than
it did: one that left it can't hide, since whatever came in its place is a changed case that lies in it. What only time changes has its
instant (`until_ms`). A scope is all that a question holds besides its time; what other tables decide can't be kept.

Who came again hangs on all months: see visitors.py, kept in the same step.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.calendar import local_date, start_of_day_ms
from protocol.node.journal.rows import among, bound, named
from protocol.node.journal.writing import REFOLDS
from protocol.node.visitors import Visitors

SCOPES_MAX: Final = 8  # questions that differ in more than their time; a month of one holds some 50 KB in a county
MONTHS_MAX: Final = 240
LANES_MAX, SUBJECTS_MAX = 128, 2_000  # lanes that went on, and cases that changed, beyond which all is counted anew
AT_ONCE: Final = 400  # selects of one union; SQLite takes 500
EMPTY_UNTIL_MS: Final = 1 << 62

Cells = tuple[int, ...]  # the sums of one group, two counters in most


class Block(msgspec.Struct, frozen=True):
    """A month: groups by name, each code → its sums · good from made_ms to until_ms."""

    parts: dict[str, dict[Any, Cells]]
    made_ms: int
    until_ms: int


Count = Callable[[int, int], Awaitable[Block]]  # from_ms, to_ms → what lies between


def starts_between(from_ms: int, to_ms: int) -> list[int]:
    """When each month begins that lies wholly in a time, and when the last of them ends; [] when none does."""
    at = month_of(from_ms)
    found = [at] if at == from_ms else []
    while (at := month_after(at)) <= to_ms:
        found.append(at)
    return found if len(found) > 1 else []


def month_of(ms: int) -> int:
    """The instant at which its month begins, by the day of UTC+8."""
    return start_of_day_ms(local_date(ms).replace(day=1))


def month_after(start_ms: int) -> int:
    return start_of_day_ms((local_date(start_ms) + timedelta(32)).replace(day=1))


class Months:
    def __init__(self) -> None:
        self._scopes: dict[Any, dict[int, Block]] = {}
        self._counts: dict[int, int] = {}  # month → cases, whoever may see them and whether they are counted
        self.visitors = Visitors()
        self._lanes: dict[tuple[str, str], tuple[int, bytes]] = {}
        self._refolds = -1
        self._alone = asyncio.Lock()

    def forget(self) -> None:
        self._clear()
        self._refolds = -1

    def _clear(self) -> None:
        self._scopes.clear()
        self._counts.clear()
        self.visitors.forget()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Enter before the snapshot is taken: an older one must not put back what a newer one took out."""
        async with self._alone:
            yield

    async def keep_step(self, c: AsyncConnection) -> None:
        """Takes out what is no longer true of what `c` sees."""
        lanes = {(r[0], r[1]): (r[2], bytes(r[3])) for r in await named(c, "select ledger, origin, seq, hash from lane", {})}
        refolds = next((row[0] for row in await named(c, "select value from counter where name = :name", {"name": REFOLDS})), 0)
        before, self._lanes = self._lanes, lanes
        known, self._refolds = self._refolds == refolds, refolds
        moved = {key: before.get(key, (0, b""))[0] for key, head in lanes.items() if before.get(key) != head}
        is_cut = any(lanes.get(key, (0, b""))[0] <= seq for key, seq in moved.items()) or not before.keys() <= lanes.keys()
        if not known or is_cut or len(moved) > LANES_MAX:
            self._clear()
        elif moved:
            try:
                await self._let_go(c, moved)
            except BaseException:
                self.forget()  # half of it may be out: nobody can tell any more what still holds
                raise

    async def blocks(self, c: AsyncConnection, scope: Any, starts: Sequence[int], now_ms: int, count: Count) -> dict[int, Block]:
        """starts: of the months asked for → their sums, counted where they are not kept."""
        kept = self._scopes.pop(scope, {})
        self._scopes[scope] = kept  # the last asked for is at the end
        while len(self._scopes) > SCOPES_MAX or (sum(map(len, self._scopes.values())) > MONTHS_MAX and len(self._scopes) > 1):
            del self._scopes[next(iter(self._scopes))]
        self._counts |= await _counts(c, [start for start in starts if start not in self._counts])
        found = {}
        for start in starts:
            block = kept.get(start)
            if block is None or not block.made_ms <= now_ms <= block.until_ms:
                block = await count(start, month_after(start)) if self._counts[start] else Block({}, now_ms, EMPTY_UNTIL_MS)
                kept[start] = block
            found[start] = block
        return found

    async def _let_go(self, c: AsyncConnection, moved: dict[tuple[str, str], int]) -> None:
        changed: set[str] = set()
        for (ledger, origin), seq in moved.items():
            sql = "select distinct subject from entry where ledger = :ledger and origin = :origin and seq > :seq limit :most"
            values = {"ledger": ledger, "origin": origin, "seq": seq, "most": SUBJECTS_MAX + 1}
            changed |= {row[0] for row in await named(c, sql, values)}
            if len(changed) > SUBJECTS_MAX:
                self._clear()
                return
        sql = f"select logged_ms from case_row where {among(c, 'subject', 'changed')}"
        stale = {month_of(row[0]) for row in await named(c, sql, {"changed": bound(c, sorted(changed))})}
        await self.visitors.changed(c, changed)
        counts = await _counts(c, sorted(self._counts))
        stale |= {start for start, count in counts.items() if count != self._counts[start]}
        self._counts = counts
        for kept in self._scopes.values():
            for start in stale & kept.keys():
                del kept[start]


async def _counts(c: AsyncConnection, starts: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for at in range(0, len(starts), AT_ONCE):
        parts = [
            f"select {start} as start, count(*) as number from case_row where logged_ms >= {start} and logged_ms < {month_after(start)}"
            for start in starts[at : at + AT_ONCE]
        ]
        found |= {int(row[0]): int(row[1]) for row in await named(c, " union all ".join(parts), {})}
    return found
