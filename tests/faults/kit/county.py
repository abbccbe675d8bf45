"""Real counties to be broken: hub, township with its leaf, two villages; seeded wires; the hub on SQLCipher or PostgreSQL.

    async with standing(folder, chance) as county:                 four programs and two nats-servers, their pages answer
    async with standing(folder, chance, database=database) as …    its hub on a database of its own

A county is founded once for a program and copied for each round, with ports of its own; keys, people and *common* are the same in all.
`await county.settle()` waits until every node holds the same of what two of them hear, and the files that come to it; `truth.judge` asks the
rest.
"""

import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg

from deploy.demo import build
from deploy.demo.build import Ports
from deploy.demo.cast import NODES
from deploy.demo.county import WIRES, Demo, Process, answers, begun
from deploy.nats.servers import free_ports
from protocol import certificate as certificates
from protocol.certificate import Certificate
from protocol.node.bodies import WANTED
from protocol.node.config import load
from protocol.node.identity import Identity
from protocol.node.journal.engine import connect_sqlite
from tests.faults.kit.database import Database
from tests.faults.kit.proxy import Proxy
from tests.kit.county import County, end

ALL = tuple(node.folder for node in NODES)
START_S_MAX, SETTLE_S_MAX, FETCH_S_MAX = 60.0, 120.0, 90.0
ASK_S = 0.2
Lanes = dict[tuple[str, str], tuple[int, bytes]]
_SQL = "select ledger, origin, seq, hash from lane where seq > 0"
_WANTED = f"select count(*) from blob where stage = {WANTED}"
_template: Path | None = None


class BrokenDemo(Demo):
    """before: node → words before its command (strace …) · environ: node → variables of its program · wires are ours."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder)
        self.seed = seed
        self.before: dict[str, list[str]] = {}
        self.environ: dict[str, dict[str, str]] = {}
        self.starts_s: list[float] = []  # how long each start took, for a row that says so

    async def start_wires(self) -> None:
        ports = self.ports
        targets = {"town": ports.county_leaf, "gaoyu leaf": ports.leaf, "liangpeng leaf": ports.leaf}
        for n, (name, port) in enumerate(ports.wires.items()):
            self.wires[name] = await Proxy(port, self.seed + n).start(targets.get(name, ports.county))

    async def spawn(self, name: str) -> Process:
        """The program of a node, begun; its pages need not answer yet. What is peculiar to it works from its exec on, so it gets one."""
        if not (self.before.get(name) or self.environ.get(name)):
            return await super().spawn(name)
        role = "hub" if name == "hub" else "edge"
        words = (*self.before.get(name, ()), sys.executable, "-m", "deploy.cli", role, "--folder", str(self.folder / name))
        self.processes[name] = process = await begun(words, self.folder / f"{name}.log", self.environ.get(name))
        return process

    async def start_node(self, name: str) -> None:
        """Returns when its pages answer. Raises RuntimeError with the end of its log."""
        began, process = time.monotonic(), await self.spawn(name)
        while not await answers(self.ports.pages[name]) or process.returncode is not None:  # another one may answer there
            if process.returncode is not None or time.monotonic() - began > START_S_MAX:
                tail = (self.folder / f"{name}.log").read_text(errors="replace")[-1500:]
                raise RuntimeError(f"{name} ended with {process.returncode} instead of starting:\n{tail}")
            await asyncio.sleep(0.05)
        self.starts_s.append(time.monotonic() - began)


class BrokenCounty(County):
    """nodes: folders of those that take part · once: the one-time password of who joined last."""

    demo: BrokenDemo

    def __init__(self, folder: Path, chance: random.Random, nodes: Sequence[str] = ALL, database: Database | None = None) -> None:
        super().__init__(folder)
        self.demo = BrokenDemo(folder, chance.randrange(2**31))
        self.nodes, self.database, self.once = tuple(nodes), database, ""

    @property
    def store(self) -> str:
        """Where the hub keeps its journal, for what a round says of itself."""
        return f"hub on {'PostgreSQL' if self.database else 'SQLCipher'}"

    async def lay(self) -> None:
        """Everything but the programs: the copied folders, ports, wires."""
        template = await founded()
        for node in self.nodes:
            shutil.copytree(template / node, self.home(node))
        self.demo.ports = _ports()
        build.write_configs(self.folder, self.demo.ports)
        if self.database:
            url = await self.database.copy_of(self.home("hub"))
            for left in self.home("hub").glob("journal.db*"):
                left.unlink()
            self._store_in(url)
        await self.demo.start_wires()

    def _store_in(self, url: str) -> None:
        """The hub's configuration names this database, and no other."""
        toml = self.home("hub") / "yidi.toml"
        toml.write_text(toml.read_text().partition("[store]\n")[0] + f'[store]\nurl = "{url}"\n')

    async def empty_store(self) -> None:
        """The hub, which stands still, gets a database with nothing in it; the one it had stays as it is."""
        assert self.database
        self._store_in(await self.database.empty())

    async def raise_(self, *nodes: str) -> None:
        """Starts programs, all at once."""
        await asyncio.gather(*(self.demo.start_node(node) for node in nodes or self.nodes))

    async def stop(self) -> None:
        await super().stop()
        for node in self.nodes:
            self._end_server(node)

    def _end_server(self, node: str) -> None:
        """A nats-server of ours that outlived its killed program: by the pid of its file, and only if it is that one."""
        for file in (self.home(node) / "identity").glob("*.pid"):
            with suppress(OSError, ValueError):
                pid = int(file.read_text())
                if Path(f"/proc/{pid}/cwd").resolve() == file.parent.resolve():
                    os.kill(pid, signal.SIGKILL)

    async def kill(self, node: str) -> None:
        """SIGKILL, and what it started dies with it or is taken over at the next start."""
        await end(self.demo.processes[node], signal.SIGKILL)

    async def online_by_disk(self, node: str, seconds: float = 40.0) -> None:
        """Until the county holds as much of this node's own lanes as the node does."""
        began, me = time.monotonic(), self.certificate(node).node
        while True:
            mine = {lane: head for lane, head in (await self.lanes(node)).items() if lane[1].partition(":")[0] == me}
            theirs = await self.lanes("hub")
            if all(theirs.get(lane) == head for lane, head in mine.items()):
                return
            assert time.monotonic() - began < seconds, f"{node} is not heard of at the county"
            await asyncio.sleep(ASK_S)

    # ── what is on the disks ──

    def certificate(self, node: str) -> Certificate:
        return Identity(self.home(node)).certificate()

    async def lanes(self, node: str) -> Lanes:
        """(ledger, origin) → (seq, hash), read beside the program, whether it runs or not."""
        return {(r[0], r[1]): (r[2], bytes(r[3])) for r in await self._read(node, _SQL)}

    async def _read(self, node: str, sql: str) -> list[Any]:
        """Rows of the node's store, beside its program."""
        url = load(self.home(node) / "yidi.toml", {}).store.url
        if url.startswith("postgres"):
            c = await asyncpg.connect(url.replace("+asyncpg", ""))
            try:
                return list(await c.fetch(sql))
            finally:
                await c.close()
        return await asyncio.to_thread(self._read_file, node, sql)

    def _read_file(self, node: str, sql: str) -> list[Any]:
        c = connect_sqlite(self.home(node) / "journal.db", Identity(self.home(node)).key("store"), False)
        try:
            return list(c.execute(sql))
        finally:
            c.close()

    async def differing(self, nodes: Iterable[str]) -> list[str]:
        """One line for each lane that two of these nodes hear and do not hold alike."""
        held = {node: await self.lanes(node) for node in nodes}
        mine = {node: self.certificate(node) for node in held}
        found = []
        for lane in sorted({lane for lanes in held.values() for lane in lanes}):
            seen = {node: held[node].get(lane, (0, b"")) for node in held if certificates.hears(mine[node], lane[0])}
            if len(set(seen.values())) > 1:
                found.append(f"{lane[0]} {lane[1]}: " + " ".join(f"{node}={seq}" for node, (seq, _) in seen.items()))
        return found

    async def settle(self, *nodes: str, seconds: float = SETTLE_S_MAX, files: bool = True) -> None:
        """Until these nodes (all by default) hold the same of whatever two of them hear, and still do a moment later; then until none of them
        waits for a file (files=False: while people write on, somebody always does). Whoever waits longer than FETCH_S_MAX is left to the judge,
        who says what is missing."""
        began, calm, left = time.monotonic(), 0, list[str]()
        while calm < 3:
            left = await self.differing(nodes or self.nodes)
            calm = 0 if left else calm + 1
            assert time.monotonic() - began < seconds, f"not the same after {seconds:.0f} s: " + " · ".join(left[:8])
            await asyncio.sleep(ASK_S)
        began = time.monotonic()
        while files and await self.awaited(*(nodes or self.nodes)) and time.monotonic() - began < FETCH_S_MAX:
            await asyncio.sleep(ASK_S)

    async def awaited(self, *nodes: str) -> int:
        """How many files these nodes still wait for, as their tables say."""
        return sum([(await self._read(node, _WANTED))[0][0] for node in nodes])


@asynccontextmanager
async def standing(
    folder: Path, chance: random.Random, *, nodes: Sequence[str] = ALL, database: Database | None = None
) -> AsyncIterator[BrokenCounty]:
    """A county whose pages answer; all its programs are ended when the block is left."""
    async with laid(folder, chance, nodes=nodes, database=database) as county:
        await county.raise_()
        yield county


@asynccontextmanager
async def laid(
    folder: Path, chance: random.Random, *, nodes: Sequence[str] = ALL, database: Database | None = None
) -> AsyncIterator[BrokenCounty]:
    """The same before any program is started: for what must be arranged first."""
    county = BrokenCounty(folder, chance, nodes, database)
    try:
        await county.lay()
        yield county
    finally:
        await county.stop()


async def founded() -> Path:
    """The folders every county begins as."""
    global _template
    if _template is None:
        made = tempfile.TemporaryDirectory(prefix="yidi-county-")
        demo = Demo(Path(made.name))
        await demo.prepare(near=False, disputes=0, seed=1)
        _kept.append(made)  # goes with the program
        _template = demo.folder
    return _template


_kept: list[tempfile.TemporaryDirectory] = []


def _ports() -> Ports:
    drawn = iter(free_ports(len(NODES) + 3 + len(WIRES)))
    pages = {node.folder: next(drawn) for node in NODES}
    return Ports(pages, next(drawn), next(drawn), next(drawn), {name: next(drawn) for name in WIRES})
