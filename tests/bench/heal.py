"""heal: a wire that was cut carries again; seconds until the first entry that was written meanwhile is committed at the county.

Real programs: hub, township with its leaf, a village; all of the village's wires, or every way up from the township, are cut for `cuts_s` seconds (TCP
reset, new connections dropped). The village writes while they are cut. Floor: a bare client of the same library and the same settings
behind a wire that is cut and healed at the same moments: seconds until it is connected again.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import nats

from deploy.demo.check import Page
from deploy.demo.county import Demo
from deploy.demo.wire import Wire
from deploy.nats.servers import free_ports
from tests.bench.figure import Figure, figure
from tests.bench.kit import floors
from tests.bench.kit.county import county
from tests.bench.kit.programs import Commits, running
from tests.bench.live import form

WAIT_S_MAX = 60


class Sizes(NamedTuple):
    cuts_s: tuple[float, ...]
    disputes: int
    places: tuple[str, ...] = ("village", "township")


FULL, SLICE = Sizes((1, 5, 20), 120), Sizes((0.5,), 12, ("village",))
CUT = {"village": "gaoyu", "township": "county"}  # of the county: every way up from the township and its villages


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    demo = await county(folder, disputes=sizes.disputes)
    watch = await Commits.listen()
    took: dict[str, list[float]] = {}
    floor: list[float] = []
    async with _bare() as bare, running(demo, "hub", "town", "gaoyu", watch=watch):
        clerk = await Page(demo.url("gaoyu"), "wangfang").sign_in()
        await _delivered(clerk, watch)
        for _ in range(runs):
            for place in sizes.places:
                for cut_s in sizes.cuts_s:
                    entry_s, connected_s = await _cut_and_heal(demo, CUT[place], cut_s, clerk, watch, bare)
                    took.setdefault(f"{place} {cut_s:g} s", []).append(entry_s)
                    floor.append(connected_s)
        await clerk.http.aclose()
    watch.close()
    every = [one for some in took.values() for one in some]
    figures = {"first_entry_s": figure(every, "s", floor, target=1.5)}
    for name, some in took.items():
        figures[f"first_entry_s {name}"] = figure(some, "s", target=1.5)
    return figures


async def _delivered(clerk: Page, watch: Commits) -> None:
    case = (await clerk.post("/cases", form(0)))["case"]
    await watch.of_subject("hub", case, WAIT_S_MAX)


async def _cut_and_heal(demo: Demo, what: str, cut_s: float, clerk: Page, watch: Commits, bare: "Bare") -> tuple[float, float]:
    """Seconds from the heal to (the commit at the county, the bare client's connection)."""
    demo.cut(what)
    bare.wire.cut()
    await asyncio.sleep(cut_s / 2)
    case = (await clerk.post("/cases", form(1)))["case"]
    await asyncio.sleep(cut_s / 2)
    assert not bare.client.is_connected, "the bare client is connected through a cut wire"
    healed_ns = time.monotonic_ns()
    demo.heal(what)
    bare.wire.heal()
    connected = asyncio.create_task(bare.connected())
    there_ns = await watch.of_subject("hub", case, WAIT_S_MAX)
    await _delivered(clerk, watch)
    assert there_ns > healed_ns, "it went another way than the one that was cut"
    return (there_ns - healed_ns) / 1e9, (await connected - healed_ns) / 1e9


class Bare(NamedTuple):
    wire: Wire
    client: Any

    async def connected(self) -> int:
        async with asyncio.timeout(WAIT_S_MAX):
            while not self.client.is_connected:
                await asyncio.sleep(0.002)
        return time.monotonic_ns()


@asynccontextmanager
async def _bare() -> AsyncIterator[Bare]:
    """A nats-server of its own, a wire before it, a client with the link's own settings."""
    async with floors.nats_server() as port:
        (before,) = free_ports(1)
        wire = await Wire(before).start(port)
        client = await nats.connect(f"nats://127.0.0.1:{before}", **floors.PATIENT)
        try:
            yield Bare(wire, client)
        finally:
            await client.close()
            await wire.stop()
