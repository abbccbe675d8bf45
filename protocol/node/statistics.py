"""What the cases of a time and a place come to, within what the actor may see: the questions behind the page of figures.

    found = await statistics.found(actor, Asked(from_ms, to_ms, before=(…), months=(…), place="330523"))

A case counts where and when it was registered; one that was voided, merged into another or went on with another office counts
no more. What is said of it is what holds now. Each figure is one of `listing.KINDS`, and the list behind it asks with the same words.

All that is summed stands in one index (case_figures). Two counters travel in one sum, each in 31 bits: a sum costs as much as reading
the row. Answers are kept until an entry comes, KEPT_MS at most, for clocks run out without one.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.access import CASE_POWERS
from protocol.events import Actor
from protocol.node import listing
from protocol.node.journal import Journal
from protocol.node.listing import Narrowed, Where
from protocol.views import FIGURES

KEPT_MS: Final = 10_000
ANSWERS_MAX: Final = 64  # each a few hundred rows
HIGH: Final = 1 << 31  # the second counter of a sum
_DURING: Final = f"{listing.COUNTED} and logged_ms >= :from_ms and logged_ms < :to_ms"


def _bits(low: str, high: str) -> str:
    return f"sum((case when (figures & {FIGURES[low]}) > 0 then 1 else 0 end) + (case when (figures & {FIGURES[high]}) > 0 then {HIGH} else 0 end))"


_RESULT: Final = _bits("accepted", "resolved")
_TIME: Final = f"sum(case when {listing.LATE} then {HIGH} when (figures & {FIGURES['kept']}) > 0 then 1 else 0 end)"
_REST: Final = f"{_bits('raised', 'followed')}, sum(case when (figures & {FIGURES['money']}) > 0 then {HIGH} + follow_ups else follow_ups end), sum(amount_fen)"
_WHOLE: Final = f"count(*), {_RESULT}, {_TIME}, {_REST}"
_PART: Final = f"count(*), {_RESULT}, {_TIME}"


class Sums(msgspec.Struct, frozen=True):
    """Numbers of cases, but follow_ups (how many were made) and amount_fen. Of parts only the first five are asked."""

    registered: int = 0
    accepted: int = 0
    resolved: int = 0
    on_time: int = 0
    late: int = 0
    raised: int = 0
    followed: int = 0
    follow_ups: int = 0
    money: int = 0
    amount_fen: int = 0
    again: int = 0

    @property
    def timed(self) -> int:
        return self.on_time + self.late

    @property
    def resolved_rate(self) -> float | None:
        """Of those accepted. What ended well without having been accepted is in the number, and can't lift the rate over one."""
        return min(self.resolved / self.accepted, 1.0) if self.accepted else None

    @property
    def on_time_rate(self) -> float | None:
        return self.on_time / self.timed if self.timed else None

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*[getattr(self, name) + getattr(other, name) for name in self.__struct_fields__])


class Asked(msgspec.Struct, frozen=True):
    """Times are half open: the first instant, and the first one after. before: what it is compared to · months: when each of some
    consecutive months begins, and when the last ends · place: with what lies below · type: 2 or 4 digits.
    """

    from_ms: int
    to_ms: int
    before: tuple[int, int]
    months: tuple[int, ...]
    place: str = ""
    type: str = ""


class Found(msgspec.Struct, frozen=True):
    """types: by the type of the case · places: by ledger · intakes, risks, endings: by code, "" = none · months: in step with those asked for."""

    whole: Sums
    before: Sums
    types: dict[str, Sums]
    places: dict[str, Sums]
    intakes: dict[str, Sums]
    risks: dict[str, Sums]
    endings: dict[str, Sums]
    months: tuple[Sums, ...]
    at_ms: int


class _Kept(NamedTuple):
    position: int | None
    found: Found


class Statistics:
    def __init__(self, journal: Journal, clock: Callable[[], int]) -> None:
        self._journal, self._clock = journal, clock
        self._kept: dict[Any, _Kept] = {}

    def forget(self) -> None:
        """All is counted anew, as after an entry."""
        self._kept.clear()

    async def found(self, actor: Actor, asked: Asked) -> Found:
        """All zero for who may see no case."""
        who, now_ms = (actor.offices, actor.powers & CASE_POWERS, asked), self._clock()
        async with self._journal.read() as c:
            newest = (await _all(c, "select max(position) from entry", {}))[0][0]
            known = self._kept.get(who)
            if known is not None and known.position == newest and 0 <= now_ms - known.found.at_ms < KEPT_MS:
                return known.found
            found = await _found(c, actor, asked, now_ms)
        if len(self._kept) >= ANSWERS_MAX:
            self._kept.clear()
        self._kept[who] = _Kept(newest, found)
        return found


async def _found(c: AsyncConnection, actor: Actor, asked: Asked, now_ms: int) -> Found:
    seen = await listing.visible(c, actor)
    inside, values = _inside(seen, asked.place, asked.type)
    values = {**values, "now_ms": now_ms}
    now, before = {"from_ms": asked.from_ms, "to_ms": asked.to_ms}, {"from_ms": asked.before[0], "to_ms": asked.before[1]}
    rows = f"from case_row where {inside} and {_DURING}"
    types = {row[0] or "": _whole(row[1:]) for row in await _all(c, f"select type, {_WHOLE} {rows} group by type", {**values, **now})}
    places = {row[0]: _part(row[1:]) for row in await _all(c, f"select ledger, {_PART} {rows} group by ledger", {**values, **now})}
    ways = await _all(c, f"select intake, risk, ending, {_PART} {rows} group by intake, risk, ending", {**values, **now})
    (past,) = await _all(c, f"select {_WHOLE} {rows}", {**values, **before})
    again = await _again(c, seen, asked, now_ms)
    return Found(
        msgspec.structs.replace(sum(types.values(), Sums()), again=again[0]),
        msgspec.structs.replace(_whole(past), again=again[1]),
        types,
        places,
        _by(ways, 0),
        _by(ways, 1),
        _by(ways, 2),
        await _months(c, inside, values, asked.months),
        now_ms,
    )


async def _again(c: AsyncConnection, seen: Where, asked: Asked, now_ms: int) -> tuple[int, int]:
    """Of the time asked for, and of the one before."""
    both = Narrowed("again", min(asked.from_ms, asked.before[0]), max(asked.to_ms, asked.before[1]))
    inside, values = _both(_inside(seen, asked.place, asked.type), listing.narrowed(both, now_ms, seen))
    counts = [f"coalesce(sum(case when logged_ms >= :{n}_from and logged_ms < :{n}_to then 1 else 0 end), 0)" for n in ("now", "past")]
    times = {"now_from": asked.from_ms, "now_to": asked.to_ms, "past_from": asked.before[0], "past_to": asked.before[1]}
    (row,) = await _all(c, f"select {', '.join(counts)} from case_row where {inside}", {**values, **times})
    return int(row[0]), int(row[1])


async def _months(c: AsyncConnection, inside: str, values: dict[str, Any], bounds: Sequence[int]) -> tuple[Sums, ...]:
    """A look along the index for each: grouping by a month that is counted out of each row costs three times as much."""
    parts = [
        f"select {n} as month, count(*), {_RESULT} from case_row where {inside} and {listing.COUNTED} and logged_ms >= :m{n} and logged_ms < :m{n + 1}"
        for n in range(len(bounds) - 1)
    ]
    times = {f"m{n}": ms for n, ms in enumerate(bounds)}
    rows = await _all(c, " union all ".join(parts) + " order by month", {**values, **times}) if parts else []
    return tuple(_part((*row[1:], None)) for row in rows)


def _inside(seen: Where, place: str, type: str, alone: bool = False) -> Where:
    return _both(seen, listing.in_place(place, alone) if place else None, listing.of_type(type) if type else None)


def _both(*wheres: Where | None) -> Where:
    """All of these hold."""
    some = [where for where in wheres if where is not None]
    return " and ".join(f"({sql})" for sql, _ in some), {name: value for _, values in some for name, value in values.items()}


def _pair(sum_: Any) -> tuple[int, int]:
    high, low = divmod(int(sum_ or 0), HIGH)
    return low, high


def _part(row: Sequence[Any]) -> Sums:
    """registered, accepted with resolved, on time with late."""
    return Sums(int(row[0]), *_pair(row[1]), *_pair(row[2]))


def _whole(row: Sequence[Any]) -> Sums:
    return Sums(int(row[0]), *_pair(row[1]), *_pair(row[2]), *_pair(row[3]), *_pair(row[4]), int(row[5] or 0))


def _by(rows: Sequence[Any], column: int) -> dict[str, Sums]:
    found: dict[str, Sums] = {}
    for row in rows:
        code = row[column] or ""
        found[code] = found.get(code, Sums()) + _part(row[3:])
    return found


async def _all(c: AsyncConnection, sql: str, values: dict[str, Any]) -> list[Any]:
    used = {name: value for name, value in values.items() if f":{name}" in sql}
    return list((await c.execute(text(sql), used)).all())
