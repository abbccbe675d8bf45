"""`yidi demo`: a whole county on one machine. The county's hub and server, a township with its leaf, two villages; wires that can be cut.

First start: founds the county, enrols the nodes, plays a drawn year of disputes at their desks. Then four real programs run, each
in its own folder with its own keys, until Ctrl-C. A second start finds the same data.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from deploy.demo import build
from deploy.demo.build import Ports
from deploy.demo.cast import COUNTY, NODES, PASSWORD, PEOPLE
from deploy.demo.wire import Wire
from deploy.nats.servers import free_ports
from protocol.node.identity import write_whole
from protocol.tables import Tables

START_S_MAX = 60
HELP = "命令：cut 高禹 | heal 高禹 | cut 县 | heal 县 | 回车看状态 | Ctrl-C 结束"


WIRES = ("town", "gaoyu leaf", "gaoyu county", "liangpeng leaf", "liangpeng county")


def say(text: str) -> None:
    print(text, flush=True)


def choose_ports(near: bool) -> Ports:
    """near: the well-known ports of the pages where they are free, so that addresses stay easy to say."""
    free = iter(free_ports(len(NODES) + 3 + len(WIRES)))
    pages = {}
    for node in NODES:
        other = next(free)
        pages[node.folder] = node.port if near and is_free(node.port) else other
    return Ports(pages, next(free), next(free), next(free), {name: next(free) for name in WIRES})


def where_free(ports: Ports) -> Ports:
    """The same, with another one in the place of each that somebody has now."""

    def one(port: int) -> int:
        return port if is_free(port) else free_ports(1)[0]

    pages, wires = ({name: one(port) for name, port in some.items()} for some in (ports.pages, ports.wires))
    return Ports(pages, one(ports.county), one(ports.county_leaf), one(ports.leaf), wires)


def is_free(port: int) -> bool:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Process(Protocol):
    """A program that was begun: what is asked of asyncio's."""

    pid: int

    @property
    def returncode(self) -> int | None: ...
    def send_signal(self, signal: int) -> None: ...
    def kill(self) -> None: ...
    async def wait(self) -> int: ...


async def begun(words: Sequence[str | Path], log: Path, more: Mapping[str, str] | None = None) -> Process:
    """A program in a session of its own, which goes on when ours is ended; what it says is added to `log`. more: variables."""
    with log.open("ab") as written:
        return await asyncio.create_subprocess_exec(
            *words,
            stdout=written,
            stderr=written,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            env={**environment(), **(more or {})},
        )


def environment() -> dict[str, str]:
    """Ours, for a node that is configured by its file alone."""
    return {key: value for key, value in os.environ.items() if not key.startswith("YIDI_")}


class Demo:
    """The folder, the processes, the wires. `begun` may be another's: (words of a program, its log) → the program, begun."""

    begun: Callable[[Sequence[str], Path], Awaitable[Process]] = staticmethod(begun)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, Process] = {}
        self.wires: dict[str, Wire] = {}
        self.ports = Ports({}, 0, 0, 0, {})

    async def prepare(self, near: bool, disputes: int, seed: int) -> None:
        """Builds the county in an empty folder; else takes what is there. What a break left half built is built anew.

        near: addresses stay what they were said to be, as far as they are free.
        """
        state = self.folder / "demo.json"
        if state.exists():
            self.ports = where_free(msgspec.json.decode(state.read_bytes(), type=Ports)) if near else choose_ports(near)
            build.write_configs(self.folder, self.ports)
            say(f"用已有的数据：{self.folder}")
            return
        for node in NODES:
            shutil.rmtree(self.folder / node.folder, ignore_errors=True)
        self.ports = choose_ports(near)
        await build.build(self.folder, self.ports, disputes, seed, bar)
        write_whole(state, msgspec.json.encode(self.ports))

    async def start(self) -> None:
        ports = self.ports
        targets = {"town": ports.county_leaf, "gaoyu leaf": ports.leaf, "liangpeng leaf": ports.leaf}
        for name, port in ports.wires.items():
            self.wires[name] = await Wire(port).start(targets.get(name, ports.county))
        first, *others = NODES
        await self.start_node(first.folder)  # the others dial its server
        starts = [asyncio.create_task(self.start_node(node.folder)) for node in others]
        try:
            await asyncio.gather(*starts)
        finally:
            for start in starts:
                start.cancel()

    async def spawn(self, name: str) -> Process:
        """The program of a node, begun; its pages need not answer yet."""
        words = (sys.executable, "-m", "deploy.cli", "hub" if name == "hub" else "edge", "--folder", str(self.folder / name))
        self.processes[name] = process = await self.begun(words, self.folder / f"{name}.log")
        return process

    async def start_node(self, name: str) -> None:
        """Returns when its pages answer. Raises RuntimeError with the end of its log."""
        began, process = time.monotonic(), await self.spawn(name)
        while not await answers(self.ports.pages[name]):
            if process.returncode is not None or time.monotonic() - began > START_S_MAX:
                tail = (self.folder / f"{name}.log").read_text(errors="replace")[-1500:]
                raise RuntimeError(f"{name} 没有起来：\n{tail}")
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Ends what this program started, by pid, and nothing else."""
        for process in self.processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()
        for wire in self.wires.values():
            await wire.stop()

    def cut(self, what: str) -> None:
        """what: a village's folder, or `county`: every way up from the township and its villages."""
        for name in self._ways(what):
            self.wires[name].cut()

    def heal(self, what: str) -> None:
        for name in self._ways(what):
            self.wires[name].heal()

    def is_cut(self, what: str) -> bool:
        return all(self.wires[name].is_cut for name in self._ways(what))

    @staticmethod
    def _ways(what: str) -> list[str]:
        ways = [n for n in WIRES if (n == "town" or n.endswith(" county") if what == "county" else n.startswith(f"{what} "))]
        if not ways:
            raise ValueError(f"{what} has no wire that can be cut")
        return ways

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports.pages[name]}"


async def answers(port: int) -> bool:
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 1)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        line = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in line


def bar(words: str, done: int, total: int) -> None:
    if sys.stdout.isatty():
        width = 28
        filled = width * done // max(total, 1)
        print(f"\r{words} {'█' * filled}{'░' * (width - filled)} {done}/{total}", end="\n" if done >= total else "", flush=True)
    elif done >= total:
        say(f"{words} {done}/{total}")


def invitation(demo: Demo) -> str:
    tables = Tables.packaged()
    lines = ["", "一地演示县已经起来（只在本机）：", ""]
    for node in NODES:
        who = [p for p in PEOPLE if p.node == node.folder]
        lines.append(f"  {tables.office_name(node.path)}   {demo.url(node.folder)}{node.home}")
        lines += [
            f"      账号 {p.account:<12} {p.name}（{p.title}）{'  手机页 ' + demo.url(node.folder) + '/task' if p.kind == 'cadre' else ''}"
            for p in who
        ]
    return "\n".join([*lines, "", f"  密码都是 {PASSWORD}", "", HELP, ""])


async def play(folder: Path, disputes: int) -> int:
    demo = Demo(folder)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await demo.prepare(near=True, disputes=disputes or build.DISPUTES, seed=build.SEED)
        say("正在启动县、镇、村四个节点 …")
        await demo.start()
        say(invitation(demo))
        listen(demo, loop)
        dead = asyncio.create_task(watch(demo))
        await asyncio.wait({dead, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if dead.done():
            say(f"{dead.result()} 自己停了，看 {folder}/{dead.result()}.log")
            return 1
    finally:
        say("\n正在停止 …")
        await demo.stop()
    say(f"已停止。数据留在 {folder}，下次接着用。")
    return 0


def listen(demo: Demo, loop: asyncio.AbstractEventLoop) -> None:
    """Takes commands, typed or piped; without an input there are none."""

    def heard() -> None:
        line = sys.stdin.readline()
        if line:
            order(demo, line.split())
        else:
            loop.remove_reader(sys.stdin)

    try:
        loop.add_reader(sys.stdin, heard)
    except (OSError, ValueError):
        return  # no input that can be waited for


async def watch(demo: Demo) -> str:
    """Returns the name of the first node that ends by itself."""
    waits = {asyncio.create_task(process.wait()): name for name, process in demo.processes.items()}
    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    return waits[done.pop()]


def order(demo: Demo, words: list[str]) -> None:
    names = {"高禹": "gaoyu", "gaoyu": "gaoyu", "良朋": "liangpeng", "liangpeng": "liangpeng", "县": "county", "county": "county"}
    if len(words) == 2 and words[0] in ("cut", "heal", "断", "通") and words[1] in names:
        (demo.cut if words[0] in ("cut", "断") else demo.heal)(names[words[1]])
    for word, name in (("高禹村", "gaoyu"), ("良朋村", "liangpeng"), ("县", "county")):
        say(f"  {word}：{'断开' if demo.is_cut(name) else '连通'}")
    say(HELP)


async def prove(as_json: bool, disputes: int) -> int:
    """`--check`: the same programs on free ports in a folder of their own, which is thrown away."""
    from deploy.demo.check import story

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="yidi-demo-") as folder:
        demo = Demo(Path(folder))
        ok, figures = False, {"steps": 0, "entries": 0, "digests_equal": 0}
        try:
            await demo.prepare(near=False, disputes=disputes or build.DISPUTES_CHECK, seed=random.SystemRandom().randrange(10**6))
            say("正在启动县、镇、村四个节点 …")
            await demo.start()
            await story(demo, say, figures)
            ok = True
        except Exception as wrong:  # noqa: BLE001, said, and the exit tells
            say(f"✗ {wrong or type(wrong).__name__}")
            if not isinstance(wrong, AssertionError):
                traceback.print_exc()
        finally:
            await demo.stop()
            if not ok:
                for node in NODES:
                    log = Path(folder) / f"{node.folder}.log"
                    if log.exists():
                        say(f"── {node.folder}.log\n{log.read_text(errors='replace')[-800:]}")
    seconds = round(time.monotonic() - began, 1)
    say(f"{'全部核对通过' if ok else '没有通过'}，用时 {seconds} 秒")
    if as_json:
        say(json.dumps({"command": "demo --check", "ok": ok, "seconds": seconds, "figures": figures}))
    return 0 if ok else 1


def main(folder: Path, *, check: bool, as_json: bool, disputes: int = 0) -> int:
    if check:
        return asyncio.run(prove(as_json, disputes))
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    code = asyncio.run(play(folder.resolve(), disputes))
    if as_json:
        say(json.dumps({"command": "demo", "ok": code == 0, "seconds": round(time.monotonic() - began, 1), "figures": {}}))
    return code


assert NODES[0].path == COUNTY
