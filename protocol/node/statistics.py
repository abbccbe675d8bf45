"""What the cases of a time and a place come to, within what the actor may see: the questions behind the page of figures.

    found = await statistics.found(actor, Asked(from_ms, to_ms, before=(…), months=(…), place="330523"))

A case counts where and when it was registered; one that was voided, merged into another or went on with another office counts
no more. What is said of it is what holds now. Each figure is one of `listing.KINDS`, and the list behind it asks with the same words.

All that is summed stands in one index (case_figures). Two counters travel in one sum, each in 31 bits: a sum costs as much as reading
the row. Answers are kept until an entry comes, KEPT_MS at most, for clocks run out without one; then only the stretches of days that
changed are counted again (stretches.py).
"""

from collections import Counter
from collections.abc import Callable, Iterable
from operator import add
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import place
from protocol.access import CASE_POWERS
from protocol.events import Actor
from protocol.node import listing
from protocol.node.journal import Journal
from protocol.node.journal.rows import named
from protocol.node.listing import Narrowed, Where
from protocol.node.stretches import Block, Cells, Span, Stretches, parts_of, stretch_after, stretch_of
from protocol.node.visitors import Visit
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
_GROUPS: Final = {"types": ("type", _WHOLE), "places": ("ledger", _PART), "ways": ("intake, risk, ending", _PART)}
_NEXT: Final = (
    f"min(case when (figures & {FIGURES['open']}) > 0 and duty_ms >= :now_ms then duty_ms end)"  # it will be late without an entry
)
_NEVER_MS: Final = 1 << 62


class Sums(msgspec.Struct, frozen=True):
    """Numbers of cases, but follow_ups (how many were made) and amount_fen. Of parts only the first five are asked, of types and places `again` too."""

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
        self._stretches = Stretches()

    def forget(self, stretches: bool = True) -> None:
        """All is counted anew; stretches=False: as after an entry that changed none of them."""
        self._kept.clear()
        if stretches:
            self._stretches.forget()

    async def found(self, actor: Actor, asked: Asked) -> Found:
        """All zero for who may see no case."""
        who = (actor.offices, actor.powers & CASE_POWERS, asked)
        async with self._journal.read() as c:
            known = await self._known(c, who)
        if isinstance(known, Found):
            return known
        async with self._stretches.alone(), self._journal.read() as c:
            known = await self._known(c, who)  # somebody asked the same meanwhile
            if isinstance(known, Found):
                return known
            await self._stretches.keep_step(c)
            found = await _found(c, actor, asked, self._clock(), self._stretches)
        if len(self._kept) >= ANSWERS_MAX:
            self._kept.clear()
        self._kept[who] = _Kept(known, found)
        return found

    async def _known(self, c: AsyncConnection, who: Any) -> Found | int | None:
        """The answer, where it is kept and still good; else the position of the newest entry."""
        newest = (await named(c, "select max(position) from entry", {}))[0][0]
        known = self._kept.get(who)
        if known is not None and known.position == newest and 0 <= self._clock() - known.found.at_ms < KEPT_MS:
            return known.found
        return None if newest is None else int(newest)


class _Question:
    """One question of a time, put together from stretches that are kept."""

    def __init__(
        self, c: AsyncConnection, seen: Where, sees: Callable[[Visit], bool], asked: Asked, now_ms: int, stretches: Stretches | None
    ) -> None:
        """sees: what `seen` claims, of a row in memory; asked only where there are stretches."""
        self._c, self._seen, self._sees, self._asked, self._now_ms, self._stretches = c, seen, sees, asked, now_ms, stretches
        self._inside, values = _inside(seen, asked.place, asked.type)
        self._scope = (self._inside, repr(sorted(values.items())))
        self._values = {**values, "now_ms": now_ms}
        self._blocks: dict[Span, Block] = {}
        self._first = self._last = 0

    async def prepare(self, spans: Iterable[tuple[int, int]]) -> None:
        """Counts the stretches that these times are made of."""
        for what in ("min", "max"):
            ((ms,),) = await named(self._c, f"select {what}(logged_ms) from case_row where {listing.COUNTED}", {})
            self._first, self._last = (ms or 0, self._last) if what == "min" else (self._first, ms or 0)
        parts = {part for span in spans for part in self._cut(span)}
        if self._stretches is None:
            self._blocks = {part: await self._count(*part) for part in parts}
        else:
            self._blocks = await self._stretches.blocks(self._c, self._scope, parts, self._now_ms, self._count)

    def sums(self, span: Span) -> dict[str, dict[Any, Cells]]:
        found: dict[str, dict[Any, Cells]] = {name: {} for name in _GROUPS}
        for block in map(self._blocks.__getitem__, self._cut(span)):
            for name, groups in block.parts.items():
                into = found[name]
                for code, cells in groups.items():
                    into[code] = tuple(map(add, into[code], cells)) if code in into else cells
        return found

    async def again(self, *spans: tuple[int, int]) -> list[Counter[tuple[str, str]]]:
        """Of each time: cases whose applicant had come before about the same, by ledger and type."""
        visitors = self._stretches.visitors if self._stretches else None
        if visitors:
            await visitors.read(self._c)
        if visitors is None or visitors.are_too_many:
            return [await self._asked_again(span) for span in spans]
        place_, type_ = self._asked.place, self._asked.type

        def counts(visit: Visit) -> bool:
            return visit.figures > 0 and visit.type.startswith(type_) and (not place_ or place.within(visit.ledger, place_))

        found = visitors.came_again(self._sees, counts)
        return [Counter((visit.ledger, visit.type) for visit in found if from_ms <= visit.logged_ms < to_ms) for from_ms, to_ms in spans]

    async def _asked_again(self, span: tuple[int, int]) -> Counter[tuple[str, str]]:
        sql, values = _both((self._inside, self._values), listing.narrowed(Narrowed("again", *span), self._now_ms, self._seen))
        rows = await named(self._c, f"select ledger, type, count(*) as cases from case_row where {sql} group by ledger, type", values)
        return Counter({(row.ledger, row.type or ""): int(row.cases) for row in rows})

    def _cut(self, span: Span) -> list[Span]:
        """The stretches and parts of stretches of which it is made, as far as there are cases. One that has none after its last moment asked for is whole."""
        from_ms, to_ms = span
        if from_ms <= self._first:
            from_ms = stretch_of(self._first)
        if to_ms > self._last:
            to_ms = stretch_after(self._last)
        return parts_of(from_ms, to_ms)

    async def _count(self, from_ms: int, to_ms: int) -> Block:
        """A walk along the index for each way of looking: SQLite sorts for each grouping anyway."""
        values, parts, until_ms = {**self._values, "from_ms": from_ms, "to_ms": to_ms}, {}, _NEVER_MS
        for name, (columns, sums) in _GROUPS.items():
            sql = f"select {columns}, {sums}, {_NEXT} from case_row where {self._inside} and {_DURING} group by {columns}"
            width, groups = columns.count(",") + 1, {}
            for row in await named(self._c, sql, values):
                code = tuple(cell or "" for cell in row[:width])
                groups[code if width > 1 else code[0]] = tuple(int(cell or 0) for cell in row[width:-1])
                until_ms = min(until_ms, until_ms if row[-1] is None else int(row[-1]))
            parts[name] = groups
        return Block(parts, self._now_ms, until_ms)


async def _found(c: AsyncConnection, actor: Actor, asked: Asked, now_ms: int, stretches: Stretches) -> Found:
    seen = await listing.visible(c, actor)
    of_rows_alone = not any(place.is_unit(office) for office in actor.offices)  # what a unit sees hangs on tasks too
    sees = await listing.sees(c, actor) if of_rows_alone else _nothing
    question = _Question(c, seen, sees, asked, now_ms, stretches if of_rows_alone else None)
    now, trend = (asked.from_ms, asked.to_ms), list(zip(asked.months, asked.months[1:], strict=False))
    await question.prepare([now, asked.before, *trend])
    here, past = question.sums(now), question.sums(asked.before)
    again = await question.again(now, asked.before)
    types = _with_again({code: _whole(cells) for code, cells in here["types"].items()}, again[0], 1)
    return Found(
        sum(types.values(), Sums()),
        msgspec.structs.replace(sum(map(_whole, past["types"].values()), Sums()), again=again[1].total()),
        types,
        _with_again({code: _part(cells) for code, cells in here["places"].items()}, again[0], 0),
        _by(here["ways"], 0),
        _by(here["ways"], 1),
        _by(here["ways"], 2),
        tuple(_trend(question.sums(span)["types"].values()) for span in trend),
        now_ms,
    )


def _with_again(parts: dict[str, Sums], again: Counter[tuple[str, str]], column: int) -> dict[str, Sums]:
    """column: 0 by ledger, 1 by type."""
    counted: Counter[str] = Counter()
    for codes, cases in again.items():
        counted[codes[column]] += cases
    return {code: msgspec.structs.replace(sums, again=counted[code]) for code, sums in parts.items()}


def _nothing(_visit: Visit) -> bool:
    return False


def _inside(seen: Where, place: str, type: str, alone: bool = False) -> Where:
    return _both(seen, listing.in_place(place, alone) if place else None, listing.of_type(type) if type else None)


def _both(*wheres: Where | None) -> Where:
    """All of these hold."""
    some = [where for where in wheres if where is not None]
    return " and ".join(f"({sql})" for sql, _ in some), {name: value for _, values in some for name, value in values.items()}


def _pair(sum_: int) -> tuple[int, int]:
    high, low = divmod(sum_, HIGH)
    return low, high


def _part(cells: Cells) -> Sums:
    """registered, accepted with resolved, on time with late."""
    return Sums(cells[0], *_pair(cells[1]), *_pair(cells[2]))


def _whole(cells: Cells) -> Sums:
    return Sums(cells[0], *_pair(cells[1]), *_pair(cells[2]), *_pair(cells[3]), *_pair(cells[4]), cells[5])


def _trend(some: Iterable[Cells]) -> Sums:
    whole = sum(map(_whole, some), Sums())
    return Sums(whole.registered, whole.accepted, whole.resolved)


def _by(groups: dict[Any, Cells], column: int) -> dict[str, Sums]:
    found: dict[str, Sums] = {}
    for codes, cells in groups.items():
        code = codes[column]
        found[code] = found.get(code, Sums()) + _part(cells)
    return found
