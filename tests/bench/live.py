"""live: from a village's commit to the county's, and to a screen at the county, over real programs and real nats-servers.

Hub, township with its leaf and a village, each a process of its own (tests.bench.kit.timed tells the instant of each commit). A clerk
registers one case after the other; an operator's page at the hub has its stream open. `leaf`: the village's client is at the
township's leaf, the county beyond it; `direct`: it is at the county's server. Floor: the bare task between two programs' places
here: a commit of the same bytes, a publish over a nats-server, a commit there (between the two commits, as above). The way of one entry is
told in four parts: `leaves` (the village's commit → its batch goes out), `comes` (→ its rows lie in the county's transaction: wire, proof,
turn), `folds` (→ views and search are written), `lands` (→ the county's commit).
"""

import asyncio
import time
from contextlib import asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import nats
from nats.aio.msg import Msg

from deploy.demo import build
from deploy.demo.cast import VILLAGE
from deploy.demo.check import Page, new_id
from deploy.demo.county import Demo
from protocol.node.journal.engine import connect_sqlite
from tests.bench.figure import Figure, figure, percentile
from tests.bench.kit import floors
from tests.bench.kit.county import county
from tests.bench.kit.programs import Commits, running

ENTRY_BYTES = 1_400
PAUSE_S = 0.12  # between saves: a ledger's Have and a page's stream gather for 50 ms, and a clerk is slower
WAIT_S_MAX = 60
TARGETS = {("direct", "commit", 50): 5, ("direct", "commit", 99): 11, ("leaf", "screen", 99): 100}


class Sizes(NamedTuple):
    saves: int
    disputes: int
    ways: tuple[str, ...] = ("direct", "leaf")


class Took(NamedTuple):
    """Milliseconds from the village's commit, one of each save."""

    commit: list[float]
    screen: list[float]
    leaves: list[float]
    comes: list[float]
    folds: list[float]
    lands: list[float]


FULL, SLICE = Sizes(60, 120), Sizes(3, 12, ("direct",))


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    demo = await county(folder, disputes=sizes.disputes)
    took: dict[str, list[Took]] = {way: [] for way in sizes.ways}
    floor: list[list[float]] = []
    for way in sizes.ways:
        _wire_free(demo, way)
        watch = await Commits.listen()
        programs = ("hub", "town", "gaoyu") if way == "leaf" else ("hub", "gaoyu")
        async with running(demo, *programs, watch=watch):
            clerk, operator = await Page(demo.url("gaoyu"), "wangfang").sign_in(), await Page(demo.url("hub"), "zhoumin").sign_in()
            async with Screen.open(operator) as screen:
                await _saved(clerk, watch, screen, 3)
                for _ in range(runs):
                    took[way].append(await _saved(clerk, watch, screen, sizes.saves))
                    floor.append(await bare(folder, sizes.saves))
            await clerk.http.aclose()
            await operator.http.aclose()
        watch.close()
    floors = {percent: [percentile(one, percent) for one in floor] for percent in (50, 99)}
    return {
        f"{'leaf_' if way == 'leaf' else ''}{what}_p{percent}_ms": _figure(some, what, percent, floors, TARGETS.get((way, what, percent)))
        for way, some in took.items()
        for what in Took._fields
        for percent in ((50, 99) if what in ("commit", "screen") else (50,))
    }


def _figure(some: list[Took], what: str, percent: int, floors: dict[int, list[float]], target: float | None) -> Figure:
    floor = floors[percent] if what in ("commit", "screen") else ()
    return figure([percentile(getattr(one, what), percent) for one in some], "ms", floor, target)


def _wire_free(demo: Demo, way: str) -> None:
    """Nobody speaks through this program's wires: they would be measured too."""
    ports = demo.ports
    first = ports.county if way == "direct" else ports.leaf
    ends = {"town": ports.county_leaf, "gaoyu leaf": first, "gaoyu county": ports.county}
    build.write_configs(demo.folder, msgspec.structs.replace(ports, wires={**ports.wires, **ends}))


class Screen:
    """A page's stream as a browser holds it open; `at_ns`: text → when it first came."""

    def __init__(self) -> None:
        self.text, self._came = "", asyncio.Condition()
        self.seen: list[tuple[int, str]] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, page: Page):
        screen = cls()
        async with page.stream(view="list", list="all") as lines:
            reading = asyncio.create_task(screen._read(lines))
            try:
                yield screen
            finally:
                reading.cancel()

    async def _read(self, lines: Any) -> None:
        async for line in lines:
            if line.startswith("data:"):
                async with self._came:
                    self.seen.append((time.monotonic_ns(), line))
                    self._came.notify_all()

    async def shows(self, text: str) -> int:
        """When it first stood there."""
        async with asyncio.timeout(WAIT_S_MAX), self._came:
            while True:
                found = next((at_ns for at_ns, line in self.seen if text in line), None)
                if found is not None:
                    return found
                await self._came.wait()


async def _saved(clerk: Page, watch: Commits, screen: Screen, saves: int) -> Took:
    took = Took([], [], [], [], [], [])
    for n in range(saves):
        screen.seen.clear()
        watch.forget()
        case = (await clerk.post("/cases", form(n)))["case"]
        began, there = await watch.of_subject("gaoyu", case), await watch.of_subject("hub", case)
        shown = await screen.shows(case)
        took.commit.append((there - began) / 1e6)
        took.screen.append((shown - began) / 1e6)
        way = [began, *_way(watch, began, there), there]
        for part, (before, after) in zip((took.leaves, took.comes, took.folds, took.lands), pairwise(way), strict=True):
            part.append((after - before) / 1e6)
        await asyncio.sleep(PAUSE_S)
    return took


def _way(watch: Commits, began: int, there: int) -> list[int]:
    """When the village published after its commit, and when the county had written the entry and its views, before its own."""
    published = next(at_ns for point, at_ns in watch.points["gaoyu"] if point == "link.publish" and at_ns >= began)
    before = [(point, at_ns) for point, at_ns in watch.points["hub"] if at_ns <= there]
    return [
        published,
        *(next(at_ns for name, at_ns in reversed(before) if name == point) for point in ("journal.append", "journal.commit")),
    ]


def form(n: int) -> dict[str, object]:
    account = f"张福根说东邻李水木新砌的围墙往他家屋檐下占了半尺，滴水没处落，要求拆回老墙脚。第{n}回来说。"
    return {
        "command_id": new_id(), "ledger": VILLAGE, "type": "0204", "account": account, "place_text": "三组晒谷场东边",
        "party_name": ["张福根", "李水木"], "party_side": ["applicant", "respondent"], "party_phone": ["13800000011", ""],
    }  # fmt: skip


async def bare(folder: Path, count: int) -> list[float]:
    """Milliseconds from a commit here to the commit there, with a publish between them and nothing else."""
    async with floors.nats_server() as port:
        here, there = [await nats.connect(f"nats://127.0.0.1:{port}", **floors.PATIENT) for _ in range(2)]
        with closing(_store(folder / "here.db")) as mine, closing(_store(folder / "there.db")) as theirs:
            took = await _echoes(here, there, mine, theirs, count)
        await here.close()
        await there.close()
    for left in (*folder.glob("here.db*"), *folder.glob("there.db*")):
        left.unlink()
    return took


async def _echoes(here: Any, there: Any, mine: Any, theirs: Any, count: int) -> list[float]:
    done = asyncio.Queue[int]()

    async def heard(msg: Msg) -> None:
        await asyncio.to_thread(_commit, theirs, msg.data)
        done.put_nowait(time.monotonic_ns())

    await there.subscribe("floor", cb=heard)
    await there.flush()
    took = []
    for _ in range(count):
        await asyncio.to_thread(_commit, mine, bytes(ENTRY_BYTES))
        began = time.monotonic_ns()
        await here.publish("floor", bytes(ENTRY_BYTES))
        took.append((await done.get() - began) / 1e6)
        await asyncio.sleep(0.02)
    return took


def _store(path: Path) -> Any:
    c = connect_sqlite(path, floors.KEY, True)
    c.execute("create table if not exists row (id integer primary key, content blob)")
    return c


def _commit(c: Any, content: bytes) -> None:
    c.execute("begin immediate")
    c.execute("insert into row (content) values (?)", (content,))
    c.execute("commit")
