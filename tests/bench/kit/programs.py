"""Real programs of a demo county for the benches: started in their own processes, watched through /proc, ended by pid.

watch = await Commits.listen()                       what every program started with it commits, and when
async with running(demo, "hub", "town", watch=watch) as programs:
    await watch.of_subject("hub", case)              at_ns of the first commit there that touched the case
"""

import asyncio
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from deploy.demo.county import Demo, Process, answers, begun
from deploy.demo.wire import Wire
from tests.bench.kit.points import Reached

HUBS = ("hub", "beside")  # beside: a second program of it
START_S_MAX = 120
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_S = os.sysconf("SC_CLK_TCK")


class Commits(asyncio.DatagramProtocol):
    """Datagrams of tests.bench.kit.timed."""

    def __init__(self) -> None:
        self.port = 0
        self.heard: dict[str, list[tuple[int, frozenset[tuple[str, str]], frozenset[str]]]] = defaultdict(list)
        self.points: dict[str, Reached] = defaultdict(list)
        self._came = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def listen(cls) -> "Commits":
        made = cls()
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: made, local_addr=("127.0.0.1", 0))
        made.transport, made.port = transport, transport.get_extra_info("sockname")[1]
        return made

    def datagram_received(self, data: bytes, addr: Any) -> None:
        name, at_ns, *rest = msgspec.msgpack.decode(data)
        if len(rest) == 1:
            self.points[name].append((rest[0], at_ns))
            return
        lanes, subjects = rest
        self.heard[name].append((at_ns, frozenset((ledger, origin) for ledger, origin in lanes), frozenset(subjects)))
        task = asyncio.ensure_future(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()

    async def of_subject(self, name: str, subject: str, timeout_s: float = 60) -> int:
        """at_ns of the first commit at `name` that touched this subject."""
        return await self._first(name, lambda one: subject in one[2], timeout_s)

    async def _first(self, name: str, fits: Callable[[Any], bool], timeout_s: float) -> int:
        async with asyncio.timeout(timeout_s), self._came:
            while True:
                found = next((one[0] for one in self.heard[name] if fits(one)), None)
                if found is not None:
                    return found
                await self._came.wait()

    def forget(self) -> None:
        self.heard.clear()
        self.points.clear()

    def close(self) -> None:
        self.transport.close()


class Program:
    """One `yidi hub` or `yidi edge`."""

    def __init__(self, process: Process, port: int, log: Path, start_s: float) -> None:
        self.process, self.port, self.log, self.start_s = process, port, log, start_s

    @classmethod
    async def start(cls, name: str, folder: Path, port: int, watch: Commits | None = None, cold: bool = False) -> "Program":
        """Returns when its pages answer; start_s says after how long. cold: by exec, in a test too. Raises RuntimeError with the end of its log."""
        role = "hub" if name in HUBS else "edge"
        words = ["-m", "deploy.cli"] if watch is None else ["-m", "tests.bench.kit.timed", str(watch.port), name]
        log = folder / f"{name}.log"
        began = time.monotonic()
        process = await (begun if cold else Demo.begun)((sys.executable, *words, role, "--folder", str(folder / name)), log)
        while not await answers(port):
            if process.returncode is not None or time.monotonic() - began > START_S_MAX:
                raise RuntimeError(f"{name} did not start:\n{log.read_text(errors='replace')[-1500:]}")
            await asyncio.sleep(0.02)
        return cls(process, port, log, time.monotonic() - began)

    @property
    def pid(self) -> int:
        return self.process.pid

    def rss_mb(self) -> float:
        return rss_mb(self.pid)

    def cpu_s(self) -> float:
        return cpu_s(self.pid)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process.returncode is None:
            self.process.send_signal(how)
            try:
                await asyncio.wait_for(self.process.wait(), 20)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


@asynccontextmanager
async def running(demo: Demo, *names: str, watch: Commits | None = None, cold: bool = False) -> AsyncIterator[dict[str, Program]]:
    """The wires of the county and the programs named, in this order, until the block ends."""
    ports, programs = demo.ports, {}
    targets = {"town": ports.county_leaf, "gaoyu leaf": ports.leaf, "liangpeng leaf": ports.leaf}
    try:
        for wire, port in ports.wires.items():
            demo.wires[wire] = await Wire(port).start(targets.get(wire, ports.county))
        for name in names:
            programs[name] = await Program.start(name, demo.folder, ports.pages[name], watch, cold)
        yield programs
    finally:
        for program in reversed(programs.values()):
            await program.stop()
        for wire in demo.wires.values():
            await wire.stop()


def rss_mb(pid: int) -> float:
    """Resident memory of one process, without its children."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


def cpu_s(pid: int) -> float:
    """User and system time of one process, threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S
