"""The process that `warm` has programs from: `python -m tests.kit.launcher FD …`. It has imported what a node needs, and forks.

It has one thread, no event loop and no files but its own: nothing that a fork would share. Asked by a datagram on FD {words, folder, environ}
with two files, it answers with the pid of a child that runs `-m words` there, writing into the first; when that has ended, its code goes into the second, as
subprocess tells it. When nobody can ask any more (the other end of FD is closed), it ends; and with it, however it ends, what is left of its children.
"""

import ctypes
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

ASKED_BYTES_MAX = 1 << 18
PROGRAMS = (
    "deploy.cli",
    "deploy.county",
    "deploy.running",
    "edge.web.pages",
    "hub.web.enrol",
    "hub.web.joining",
    "hub.web.pages",
    "hub.web.renewal",
)
LATE = (  # what libraries import only while a program runs, some under names of their own: one that is gone is imported later
    "anyio._backends._asyncio", "concurrent.futures.thread", "encodings.idna", "encodings.utf_8_sig", "uvicorn.lifespan.on",
    "uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto",
)  # fmt: skip
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class Compiled(BytecodeCache):
    """Every template of both programs: a program that compiles them in its node's folder, as after an exec, takes 1.3 s of a core for it beside its
    first pages. Jinja checks the template's text against what was compiled."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, CodeType]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        checksum, code = self._kept.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code:
            self._kept[bucket.key] = bucket.checksum, bucket.code


class Routed:
    """In the place of `routed`: the pages of both programs, put together before there is a node. Each program takes its own once, for it adds to them;
    if it opens its node again, it makes others."""

    def __init__(self, app: Any) -> None:
        self._real, self._made = app.routed, dict[Path, Any]()
        app.routed = self.make
        for routes_of in (import_module("edge.web.pages").edge_app, import_module("hub.web.pages").app):
            environment = routes_of(SimpleNamespace(tables=dict)).state.environment
            for name in environment.list_templates():
                environment.get_template(name)
        app.routed = self.take

    def make(self, routes: list, dist: Path, *more: Any) -> Any:
        self._made[dist] = made = self._real(routes, dist, *more)
        return made

    def take(self, routes: list, dist: Path, *more: Any) -> Any:
        return self._made.pop(dist, None) or self._real(routes, dist, *more)


def load() -> None:
    """All that `yidi hub` and `yidi edge` import, and put together, before their pages answer."""
    for name in PROGRAMS:
        import_module(name)
    for name in LATE:
        with suppress(ImportError):
            import_module(name)
    app, kept = import_module("protocol.node.web.app"), Compiled()
    app.compiled = lambda _folder: kept
    Routed(app)
    del sys.modules["deploy.cli"]  # each program runs it as its own `__main__`
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "an import began a thread, which a fork would lose"
    gc.collect()
    gc.freeze()  # else a look for cycles in a child copies every page of it


def serve(asked: socket.socket) -> list[str]:
    """Returns in each child, with its words. In the launcher itself it ends by SystemExit."""
    mine, awake = os.getpid(), socket.socketpair()
    for end in awake:
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(awake[1].fileno())
    tells: dict[int, int] = {}  # pid → where its end is told
    asked.send(b"ready")
    while True:
        readable, _, _ = select.select([asked, awake[0]], [], [])
        with suppress(BlockingIOError):
            awake[0].recv(4096)
        _reap(tells)
        if asked not in readable:
            continue
        message, files, _, _ = socket.recv_fds(asked, ASKED_BYTES_MAX, 2)
        if not message:
            break
        pid = os.fork()
        if pid == 0:
            for end in (asked, *awake):
                end.close()
            return _become(json.loads(message), files[0], mine)
        os.close(files[0])
        tells[pid] = files[1]
        asked.send(str(pid).encode())
    raise SystemExit


def _reap(tells: dict[int, int]) -> None:
    while tells:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        told = tells.pop(pid)
        with suppress(BrokenPipeError):  # nobody waits for it
            os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(told)


def _become(asked: dict, log: int, parent: int) -> list[str]:
    """What an exec would have made of this process: session, signals, files, folder, environment. Random numbers and locks of logging are made
    anew by Python itself, OpenSSL's too."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    _show(["python", "-m", *asked["words"]])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for file in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208, names alone
        if file > 2:
            with suppress(OSError):  # the one by which they were listed
                os.close(file)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    return asked["words"]


def _show(words: list[str]) -> None:
    """To `ps` and to whoever reads /proc/PID/cmdline: over our own words, as far as there is room."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])  # arg_start, arg_end in proc(5)
    said = "\0".join(words).encode()[: end - begin - 1]
    with suppress(OSError), open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(begin)
        memory.write(said.ljust(end - begin, b"\0"))


if __name__ == "__main__":
    load()
    sys.argv = words = serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
