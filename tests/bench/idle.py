"""idle: two nodes meet and there is nothing new. A Have each way of every ledger, and nothing else, whatever lies behind.

A real township's edge with `cases` cases of history. This program speaks at the township's own server with the county's credentials and
says the county's Have of each of the township's ledgers, with the question for theirs (`want`); the round ends when the edge's Have of
every one has come back and equals it. The same with the demo's few cases beside it: what a round costs must not grow with history.
Floor: as many echoes of the same bytes between two clients of that server. Anything but a Have on the wire fails the bench.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from nats.aio.msg import Msg

from deploy.demo.cast import TOWNSHIP
from deploy.demo.county import Demo
from protocol import have
from protocol.have import Have, Lanes
from protocol.node.identity import Identity
from protocol.node.link import subjects
from protocol.node.link.client import Link
from protocol.node.link.creds import AUTHORITY, CREDS
from protocol.place import COMMON, within
from tests.bench.figure import Figure, figure
from tests.bench.kit import floors
from tests.bench.kit.county import county, opened
from tests.bench.kit.programs import running

WAIT_S_MAX = 30
HAVE_BYTES = 400
GATHERED_S = 0.3  # a ledger's Have is not said twice within 50 ms: rounds must not wait for each other


class Sizes(NamedTuple):
    cases: int
    disputes: int
    rounds: int


FULL, SLICE = Sizes(100_000, 120, 10), Sizes(20, 12, 1)


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    long, long_cpu, floor = await _rounds(await county(folder / "long", sizes.cases, disputes=sizes.disputes), runs, sizes.rounds)
    short, short_cpu, short_floor = await _rounds(await county(folder / "short", disputes=sizes.disputes), runs, sizes.rounds)
    return {
        "round_s": figure(long, "s", floor, target=0.1),
        "few_cases_round_s": figure(short, "s", short_floor),
        "edge_cpu_ms": figure(long_cpu, "ms"),
        "few_cases_edge_cpu_ms": figure(short_cpu, "ms"),
    }


async def _rounds(demo: Demo, runs: int, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Of each run: seconds of a round, CPU milliseconds of the edge for it, seconds of its floor (the medians of `rounds`)."""
    lanes = await _shared(demo)
    took, cpu, floor = [], [], []
    async with running(demo, "town") as programs, _county(demo) as other:
        await other.round(lanes)  # the edge learns who speaks
        for _ in range(runs):
            some, before = [], programs["town"].cpu_s()
            for _ in range(rounds):
                await asyncio.sleep(GATHERED_S)
                some.append(await other.round(lanes))
            took.append(sorted(some)[len(some) // 2])
            cpu.append((programs["town"].cpu_s() - before) * 1000 / rounds)
            floor.append(await floors.echoes_s(len(lanes), HAVE_BYTES))
    return took, cpu, floor


async def _shared(demo: Demo) -> dict[str, Lanes]:
    """Ledger → lanes, of all that the township and the county both hold, as the township does."""
    town = await opened(demo.folder / "town")
    try:
        return {
            ledger: await town.journal.lanes(ledger)
            for ledger in await town.journal.ledgers()
            if ledger == COMMON or within(ledger, TOWNSHIP)
        }
    finally:
        await town.close()


class Other:
    """The county, as far as the wire goes."""

    def __init__(self, demo: Demo) -> None:
        identity = Identity(demo.folder / "hub")
        self.signer, self.about = identity.signer(), identity.about()
        authority = identity.folder / AUTHORITY
        self.link = Link(
            self.about.node, self.about.branch, identity.folder / CREDS, (f"127.0.0.1:{demo.ports.leaf}",),
            authority if authority.exists() else None,
        )  # fmt: skip
        self.town = Identity(demo.folder / "town").about().node
        self.heard: dict[str, Have] = {}
        self.foreign: list[str] = []
        self._came = asyncio.Event()

    async def hear(self, msg: Msg) -> None:
        if msg.subject.startswith("y1.have."):
            ledger, speaker = subjects.read(msg.subject)
            if speaker == self.town:
                self.heard[ledger] = have.read(msg.data)
                self._came.set()
        else:
            self.foreign.append(msg.subject)

    async def round(self, lanes: dict[str, Lanes]) -> float:
        """Seconds until every ledger was answered. Raises AssertionError when something else was said, or something differs."""
        self.heard.clear()
        began = time.monotonic()
        for ledger, some in lanes.items():
            said = Have(self.about.node, ledger, some, time.time_ns() // 1_000_000, "bench", want=True)
            await self.link.publish(subjects.have(ledger, self.about.node), have.sign(said, self.signer.key))
        async with asyncio.timeout(WAIT_S_MAX):
            while not lanes.keys() <= self.heard.keys():
                self._came.clear()
                await self._came.wait()
        took = time.monotonic() - began
        assert not self.foreign, f"nothing was new, yet this was said: {self.foreign[:3]}"
        for ledger, some in lanes.items():
            assert self.heard[ledger].lanes == some, f"{ledger} is not the same at both"
        return took


@asynccontextmanager
async def _county(demo: Demo) -> AsyncIterator[Other]:
    other = Other(demo)
    for subject in subjects.heard_subjects(other.signer.certificate):
        await other.link.subscribe(subject, other.hear)
    running_ = asyncio.create_task(other.link.run())
    try:
        async with asyncio.timeout(WAIT_S_MAX):
            while not other.link.is_connected:
                await asyncio.sleep(0.05)
            await other.link.confirm()
        yield other
    finally:
        running_.cancel()
        await asyncio.gather(running_, return_exceptions=True)
