"""storm: people use the hub's pages while all 233 nodes of the county come back at once after an outage.

As backlog.py, with stand-ins for the nodes (their leaves, disks and folds are not here, and what they say of *common* reaches the hub
alone: see kit/stand_ins.py); meanwhile `READERS` people look at the list, at a search, at a case and save, one after the other without a
pause. `page_p99_ms`: of what they asked from the word to go until everything is drained. Floor: the same people at the same pages before
it, as long, in the same run. `save_p99_ms`: of the saves among them. A round of each page and a save go before both: after a start the
first save waits until the others were asked (protocol/node/gate.py), and here nobody is there yet who would answer.
`beside_…`: the same once more, in runs of their own, with a second program of the hub on the same PostgreSQL (`[root] beside`). The first
pulls, and has the lead until the end; the people are at the second one's pages. On two cores both, PostgreSQL, the nats-server and the
stand-ins share them, so this says what a second loop is worth and not what a second machine would be.

Targets: a save is to take less than 50 ms whatever the network does (that is said of an edge); a drain a minute. Of pages it is only
written that a storm must not starve them: 1,000 ms is this bench's own number, a page that comes before one presses again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

from deploy.demo.check import Page, new_id
from tests.bench.crowd import COUNTY
from tests.bench.figure import Figure, figure, percentile
from tests.bench.kit.centre import ACCOUNT, Centre, Crowd
from tests.bench.kit.wires import wires

READERS = 4
QUIET_S = 10.0
PAGE_MS_MAX, SAVE_MS_MAX, DRAIN_S_MAX = 1_000, 50, 60
HTML = {"Accept": "text/html"}
FORM = {"ledger": COUNTY, "type": "0204", "account": "两家为围墙滴水争执。", "party_name": ["张福根", "李水木"], "party_side": ["applicant", "respondent"], "party_phone": ["", ""]}  # fmt: skip


class Sizes(NamedTuple):
    """entries, nodes: see backlog · quiet_s: how long the pages are used before."""

    entries: int
    nodes: int
    quiet_s: float


FULL, SLICE = Sizes(60_000, 233, QUIET_S), Sizes(300, 6, 0.5)
NEEDS = ("postgresql",)


class Took(NamedTuple):
    pages_ms: list[float]
    saves_ms: list[float]


class Storm(NamedTuple):
    """A run: what was asked before it and during it, and how long it took."""

    quiet: Took
    storm: Took
    drained_s: float


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    alone, beside = list[Storm](), list[Storm]()
    async with Centre.found(folder, await wires(sizes.entries), sizes.nodes) as centre:
        for _ in range(runs):
            async with centre.hub(), centre.crowd() as crowd:
                alone.append(await _storm(centre.pages, crowd, sizes.quiet_s))
            async with centre.hub(), centre.beside() as port, centre.crowd() as crowd:
                leads = await centre.leader()
                beside.append(await _storm(port, crowd, sizes.quiet_s))
                assert leads and await centre.leader() == leads, "the other program came to lead: its pages were not beside the pulls"
    return _figures("", alone) | _figures("beside_", beside)


def _figures(which: str, some: list[Storm]) -> dict[str, Figure]:
    def both(kind: str, percent: float, target: float | None = None) -> Figure:
        storm = [percentile(getattr(one.storm, kind), percent) for one in some]
        quiet = [percentile(getattr(one.quiet, kind), percent) for one in some]
        return figure(storm, "ms", quiet, target=target)

    return {
        f"{which}page_p99_ms": both("pages_ms", 99, PAGE_MS_MAX),
        f"{which}page_p50_ms": both("pages_ms", 50),
        f"{which}save_p99_ms": both("saves_ms", 99, SAVE_MS_MAX),
        f"{which}drain_s": figure([one.drained_s for one in some], "s", target=DRAIN_S_MAX),
        f"{which}pages_per_s": figure([len(one.storm.pages_ms) / one.drained_s for one in some], "1/s"),
    }


async def _storm(port: int, crowd: Crowd, quiet_s: float) -> Storm:
    """People at the pages of that port, before and while the crowd comes."""
    async with _reading(port):
        pass
    async with _reading(port) as quiet:
        await asyncio.sleep(quiet_s)
    async with _reading(port) as storm:
        told = await crowd.go()
    return Storm(quiet, storm, told.drained_s)


@asynccontextmanager
async def _reading(port: int):
    """Who has asked by the end is answered first, and counts: of those who wait longest most are still waiting then. Not over before
    somebody has seen a page and saved."""
    took, over = Took([], []), asyncio.Event()
    people = [await Page(f"http://127.0.0.1:{port}", ACCOUNT).sign_in() for _ in range(READERS)]
    cases = [row["subject"] for row in (await people[0].get("/cases"))["rows"]]
    tasks = [asyncio.create_task(_read(page, cases, Random(n), took, over)) for n, page in enumerate(people)]
    try:
        yield took
        while not (took.pages_ms and took.saves_ms) and not any(task.done() for task in tasks):
            await asyncio.sleep(0.02)
        over.set()
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for page in people:
            await page.http.aclose()


async def _read(page: Page, cases: list[str], chance: Random, took: Took, over: asyncio.Event) -> None:
    while True:
        for path in ("/", "/cases", "/cases?text=围墙", f"/cases/{chance.choice(cases)}", "/cases?view=incoming"):
            await _timed(took.pages_ms, lambda path=path: page.http.get(path, headers=HTML))
            if over.is_set():
                return
        await _timed(took.saves_ms, lambda: page.http.post("/cases", data={"command_id": new_id(), **FORM}))
        if over.is_set():
            return


async def _timed(into: list[float], ask: Callable[[], Awaitable]) -> None:
    began = time.perf_counter()
    got = await ask()
    assert got.status_code < 400, f"{got.url}: {got.status_code}"
    into.append((time.perf_counter() - began) * 1000)
