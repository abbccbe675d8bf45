"""statistics: the questions behind 统计 and 地图 in a county of `cases` cases, and a list behind one number; SQL and folding, without the page.

cold: an entry of a case drawn from all came since, so no answer is good any more, and what is kept of its month neither; first: nothing is kept, as
after a start; warm: the answer is still good. `all`: a time that holds every case; `year`: one that holds
as many as a county registers in a year, among all those of its past. Floor: counting the same rows along the same index, which is the least that any figure of them costs.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec

from protocol.access import CASE_POWERS
from protocol.calendar import DAY_MS, local_date
from protocol.commands import AddNote
from protocol.events import Actor
from protocol.node.listing import COUNTED, Narrowed
from protocol.node.node import Node
from protocol.node.statistics import Asked
from protocol.node.web.periods import period
from tests.bench.figure import Figure, figure, percentile
from tests.bench.kit.county import county, opened

TARGET_MS = 100
YEAR_CASES = 7_000  # what a county plans for
DAYS_MAX, MONTHS, SEED = 400, 12, 20261127
MAP_MS = 30 * DAY_MS
COUNTY = "330523"


class Sizes(NamedTuple):
    cases: int
    disputes: int
    rounds: int


FULL, SLICE = Sizes(100_000, 120, 20), Sizes(20, 12, 2)


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    demo = await county(folder, sizes.cases, into=("hub", "town"), disputes=sizes.disputes)
    node = await opened(demo.folder / "hub")
    try:
        return await _measured(node, runs, sizes)
    finally:
        await node.close()


async def _measured(node: Node, runs: int, sizes: Sizes) -> dict[str, Figure]:
    operator = Actor("", "", COUNTY, frozenset(CASE_POWERS), "")
    last = await _last_day(node)
    everything = _asked(last, DAYS_MAX)
    days = 0
    while await _count(node, _asked(last, days)) < min(YEAR_CASES, sizes.cases // 2):
        days += 1
    year = _asked(last, days)
    step = (year.to_ms - year.from_ms) // MONTHS
    year = msgspec.structs.replace(year, months=tuple(year.from_ms + n * step for n in range(MONTHS + 1)))  # those of that year
    took: dict[str, list[float]] = {}
    draw = Random(SEED)
    floors: list[float] = []
    for _ in range(runs):
        seen = {
            "year_cold_p50_ms": (lambda: _found(node, operator, year), lambda: _entry(node, draw)),
            "all_cold_p50_ms": (lambda: _found(node, operator, everything), lambda: _entry(node, draw)),
            "all_first_p50_ms": (lambda: _found(node, operator, everything), lambda: _forget(node)),
            "warm_p50_ms": (lambda: _found(node, operator, everything), _nothing),
            "list_p50_ms": (lambda: _list(node, operator, everything), _nothing),
            "map_p50_ms": (lambda: node.reads.spread(operator, everything.to_ms - MAP_MS, everything.to_ms), _nothing),
        }
        for name, (ask, before) in seen.items():
            took.setdefault(name, []).append(await _p50(ask, before, sizes.rounds))
        floors.append(await _p50(lambda: _count(node, everything), _nothing, sizes.rounds))
    whole = (await node.reads.statistics.found(operator, everything)).whole
    assert whole.registered == (counted := await _count(node, everything)), f"{whole.registered} in the figures, {counted} in the store"
    assert whole.registered > sizes.cases * 0.9, "it holds nearly all"
    return {name: figure(some, "ms", floors, target=TARGET_MS) for name, some in took.items()}


def _asked(last: date, days: int) -> Asked:
    return period("days", last, last - timedelta(days), last).asked("", "")


async def _p50(ask: Callable[[], Awaitable[Any]], before: Callable[[], Awaitable[Any]], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        await before()
        began = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - began) * 1000)
    return percentile(took, 50)


async def _nothing() -> None:
    pass


async def _forget(node: Node) -> None:
    node.reads.statistics.forget()


async def _entry(node: Node, draw: Random) -> None:
    """What was written about a case of any time, projected as every entry is."""
    many = await _one(node, "select count(*) from case_row")
    sql = "select subject, ledger from case_row order by logged_ms limit 1 offset :at"
    ((case, ledger),) = await node.journal.select(sql, {"at": draw.randrange(many)})
    powers = frozenset({"note"})
    await node.desk.submit(
        AddNote(id=f"{draw.getrandbits(128):032x}", case=case, text="又来问过。"), Actor("", "", ledger.split("/")[0], powers, "")
    )


async def _found(node: Node, actor: Actor, asked: Asked) -> None:
    await node.reads.statistics.found(actor, asked)


async def _list(node: Node, actor: Actor, asked: Asked) -> None:
    await node.reads.cases(actor, narrowed=Narrowed("resolved", asked.from_ms, asked.to_ms))


async def _count(node: Node, asked: Asked) -> int:
    sql = f"select count(*) from case_row where {COUNTED} and logged_ms >= :from_ms and logged_ms < :to_ms"
    return await _one(node, sql, from_ms=asked.from_ms, to_ms=asked.to_ms)


async def _last_day(node: Node) -> date:
    return local_date(await _one(node, "select max(logged_ms) from case_row"))


async def _one(node: Node, sql: str, **values: int) -> int:
    ((answer,),) = await node.journal.select(sql, values)
    return answer
