"""storm: people use the hub's pages while all 233 nodes of the county come back at once after an outage.

As backlog.py; meanwhile `READERS` people look at the list, at a search, at a case and save, one after the other without a pause.
`page_p99_ms`: of what they asked from the word to go until everything is drained. Floor: the same people at the same pages before it,
as long, in the same run. `save_p99_ms`: of the saves among them.
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
from tests.bench.kit.centre import ACCOUNT, Centre
from tests.bench.kit.wires import wires

READERS = 4
QUIET_S = 10.0
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


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    quiet, storm, drains = list[Took](), list[Took](), list[float]()
    async with Centre.found(folder, await wires(sizes.entries), sizes.nodes) as centre:
        for _ in range(runs):
            async with centre.hub(), centre.crowd() as crowd:
                async with _reading(centre.pages) as took:
                    await asyncio.sleep(sizes.quiet_s)
                quiet.append(took)
                async with _reading(centre.pages) as took:
                    drains.append((await crowd.go()).drained_s)
                storm.append(took)
    p99 = {name: [[percentile(getattr(one, name), 99) for one in some] for some in (storm, quiet)] for name in Took._fields}
    return {
        "page_p99_ms": figure(*_two(p99["pages_ms"])),
        "page_p50_ms": figure([percentile(one.pages_ms, 50) for one in storm], "ms", [percentile(one.pages_ms, 50) for one in quiet]),
        "save_p99_ms": figure(*_two(p99["saves_ms"]), target=50),
        "drain_s": figure(drains, "s", target=60),
        "pages_per_s": figure([len(one.pages_ms) / took_s for one, took_s in zip(storm, drains, strict=True)], "1/s"),
    }


def _two(pair: list[list[float]]) -> tuple[list[float], str, list[float]]:
    return pair[0], "ms", pair[1]


@asynccontextmanager
async def _reading(port: int):
    took = Took([], [])
    people = [await Page(f"http://127.0.0.1:{port}", ACCOUNT).sign_in() for _ in range(READERS)]
    tasks = [asyncio.create_task(_read(page, Random(n), took)) for n, page in enumerate(people)]
    try:
        yield took
        while not (took.pages_ms and took.saves_ms) and not any(task.done() for task in tasks):  # over before anybody had seen a page
            await asyncio.sleep(0.02)
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(ended, asyncio.CancelledError):
                raise ended
        for page in people:
            await page.http.aclose()


async def _read(page: Page, chance: Random, took: Took) -> None:
    cases = [row["subject"] for row in (await page.get("/cases"))["rows"]]
    while True:
        for path in ("/", "/cases", "/cases?text=围墙", f"/cases/{chance.choice(cases)}", "/cases?view=incoming"):
            await _timed(took.pages_ms, lambda path=path: page.http.get(path, headers=HTML))
        await _timed(took.saves_ms, lambda: page.http.post("/cases", data={"command_id": new_id(), **FORM}))


async def _timed(into: list[float], ask: Callable[[], Awaitable]) -> None:
    began = time.perf_counter()
    got = await ask()
    assert got.status_code < 400, f"{got.url}: {got.status_code}"
    into.append((time.perf_counter() - began) * 1000)
