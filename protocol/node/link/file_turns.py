"""Whose turn it is among the files that wait: a later one comes, however many nobody gives.

    rows = await turns.next(AT_ONCE, first, rests, is_new_asked)      rows of `blob`, at most so many, in this order

1. What somebody looks at. 2. What had no turn since the start: small pictures, then the oldest. 3. What had one, round and round. Each fourth
time it is the other way round between the last two, so neither waits for the end of the other. Two places in the table are kept for each
kind, nothing for each file.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from protocol.node.bodies import THUMB
from protocol.node.link.parts import Journal

LOOKED_AT_MAX: Final = 1_000  # files that rest, passed over in one look
LOOK_S: Final = 2.0  # after so many in vain: where 100,000 wait each look costs some tenths of a second
OTHERWISE_EACH: Final = 4
Row = dict[str, Any]
Place = tuple[int, str]  # added_ms, address
START: Final[Place] = (-1, "")
END: Final[Place] = (2**62, "")
_WAITS: Final = "stage in (1, 2)"
_BETWEEN: Final = (
    f"{_WAITS} and (added_ms > :ms or (added_ms = :ms and address > :address))"
    " and (added_ms < :to_ms or (added_ms = :to_ms and address <= :to_address)) and what"
)


class Turns:
    """has_any: something waits · has_new: the last turn held something that had none before."""

    def __init__(self, journal: Journal, clock: Callable[[], int]) -> None:
        self._journal, self._clock = journal, clock
        self.has_any = self.has_new = False
        self._newest = {True: START, False: START}  # small pictures, others → how far they had a turn
        self._last = {True: START, False: START}  # → which had a turn again last
        self._count, self._look_s = 0, 0.0

    async def next(self, most: int, first: Sequence[str], rests: Callable[[Row], bool], is_new_asked: bool) -> list[Row]:
        """first: addresses in order · rests: not yet · is_new_asked: False where nobody can be asked, and no file has had its turn by that."""
        self.has_new, self._count = False, self._count + 1
        self.has_any = bool(await self._journal.rows("blob", _WAITS, {}, limit=1))
        if not self.has_any:
            return []
        found = {row["address"]: row for row in await self._opened(first) if not rests(row)}

        def is_out(row: Row) -> bool:
            return row["address"] in found or rests(row)

        for is_new in (False, True) if self._count % OTHERWISE_EACH == 0 else (True, False):
            room = most - len(found)
            if is_new and is_new_asked:
                some = await self._new(room, is_out)
                self.has_new = bool(some)
            else:
                some = await self._again(room, is_out)
            found |= {row["address"]: row for row in some}
        return list(found.values())[:most]

    # ── the rest is private ──

    async def _opened(self, first: Sequence[str]) -> list[Row]:
        if not first:
            return []
        names = {f"a{n}": address for n, address in enumerate(first)}
        rows = await self._journal.rows("blob", f"{_WAITS} and address in ({', '.join(f':{name}' for name in names)})", names)
        return sorted((row for row in rows if row["address"] in first), key=lambda row: first.index(row["address"]))

    async def _new(self, most: int, is_out: Callable[[Row], bool]) -> list[Row]:
        found: list[Row] = []
        now = (self._clock(), "")
        for is_small in (True, False):
            self._newest[is_small] = min(self._newest[is_small], now)  # a clock that was put back makes what comes new no older
            rows = await self._between(is_small, self._newest[is_small], END, most - len(found))
            if rows:
                self._newest[is_small] = _place(rows[-1])
            found += [row for row in rows if not is_out(row)]
        return found

    async def _again(self, most: int, is_out: Callable[[Row], bool]) -> list[Row]:
        """One of the full files at least: small pictures that nobody gives may be many too."""
        now = asyncio.get_running_loop().time()
        if now < self._look_s:
            return []
        large, more = await self._round(False, min(most, 1), is_out)
        small, many = await self._round(True, most - len(large), is_out)
        if not large and not small and (more or many):
            self._look_s = now + LOOK_S
        rest = await self._round(False, most - len(large) - len(small), is_out) if large else ([], False)
        return small + large + rest[0]

    async def _round(self, is_small: bool, most: int, is_out: Callable[[Row], bool]) -> tuple[list[Row], bool]:
        """Those that are due, to the very end: of a clock that was ahead and was put back only the first are new, at each turn. Whether there
        are more than were looked at."""
        began = self._last[is_small]
        if most <= 0:
            return [], False
        rows = await self._between(is_small, began, END, LOOKED_AT_MAX)
        if len(rows) < LOOKED_AT_MAX and began > START:
            rows += await self._between(is_small, START, began, LOOKED_AT_MAX - len(rows))
        found: dict[str, Row] = {}
        for row in rows:
            self._last[is_small] = _place(row)
            if not is_out(row):
                found[row["address"]] = row
                if len(found) == most:
                    break
        return list(found.values()), len(rows) >= LOOKED_AT_MAX

    async def _between(self, is_small: bool, after: Place, until: Place, most: int) -> list[Row]:
        if most <= 0:
            return []
        values = {"ms": after[0], "address": after[1], "to_ms": until[0], "to_address": until[1]}
        kind = f"{'=' if is_small else '<>'} '{THUMB}'"
        return (await self._journal.rows("blob", f"{_BETWEEN} {kind}", values, order="added_ms, address", limit=most))[:most]


def _place(row: Row) -> Place:
    return row["added_ms"], row["address"]
