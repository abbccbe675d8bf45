"""Node programs that start warm: forked by a launcher that has imported all they need, where `yidi demo` starts them by exec.

    warm.start_so()        for every program of a node that this process starts from now on (tests/conftest.py)

To start one costs 1.1 s of a core until its pages answer, nearly all for imports and routes, and 1 s after that where its folder holds
no compiled templates yet; a warm one 0.1 and nothing: its launcher compiled them. A run of all tests starts 120. It is a process like another:
a session, log and pid of its own, its signals and its exit code; `-m deploy.cli hub --folder …` is run to its end. What is not as after an exec: the seed of
hashes is the same for all of one launcher, and what Python, the loader or a module reads of the environment as it begins is this process's. Whatever has
an environment of its own (libfaketime, a kill point), another program before it (strace), or is measured, is begun by exec: `begun` of
deploy/demo/county.py. `./run demo`, `./run faults` and `./run bench` start nothing warm, nor does tests/stories/test_demo.py.

One launcher a test process; when that ends, however it ends, the launcher ends as well, and the kernel kills what is left of its programs.
"""

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from deploy.demo import county
from tests.kit.source import ROOT

ROOM = "·" * 200  # for the words that a child shows as its own
ANSWERS_BYTES_MAX = 64
_guard = threading.Lock()
_launcher: "Launcher | None" = None


class Process:
    """As much of asyncio's as callers of `begun` use, of a child of the launcher."""

    def __init__(self, pid: int, told: int) -> None:
        self.pid, self._told, self._code = pid, told, None
        os.set_blocking(told, False)

    def __del__(self) -> None:
        if self._told >= 0:
            os.close(self._told)

    @property
    def returncode(self) -> int | None:
        """-9: killed, by a signal of that number."""
        if self._code is None:
            with suppress(BlockingIOError):
                self._code = int(os.read(self._told, 16) or -signal.SIGKILL)  # nothing: it went with its launcher
                os.close(self._told)
                self._told = -1
        return self._code

    async def wait(self) -> int:
        while (code := self.returncode) is None:
            loop, ended, mine = asyncio.get_running_loop(), asyncio.Event(), os.dup(self._told)  # several may wait
            loop.add_reader(mine, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(mine)
                os.close(mine)
        return code

    def send_signal(self, number: int) -> None:
        if self.returncode is not None:
            raise ProcessLookupError(f"{self.pid} has ended")
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Launcher:
    def __init__(self) -> None:
        self._asks, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = (sys.executable, "-m", "tests.kit.launcher", str(theirs.fileno()), ROOM)
        environ, null = county.environment(), subprocess.DEVNULL
        with theirs:
            self.process = subprocess.Popen(
                words, stdin=null, stdout=null, env=environ, pass_fds=[theirs.fileno()], cwd=ROOT, start_new_session=True
            )
        if self._asks.recv(ANSWERS_BYTES_MAX) != b"ready":
            self.close()
            raise OSError("the launcher did not start: see what it said")

    def start(self, words: Sequence[str], log: Path) -> Process:
        asked = {"words": list(words), "folder": str(Path.cwd()), "environ": county.environment()}
        told, tells = os.pipe()
        try:
            with log.open("ab") as written:
                socket.send_fds(self._asks, [json.dumps(asked).encode()], [written.fileno(), tells])
            pid = self._asks.recv(ANSWERS_BYTES_MAX)
            assert pid, f"the launcher ended with {self.process.wait()}"
        except BaseException:
            os.close(told)
            raise
        finally:
            os.close(tells)
        return Process(int(pid), told)

    def close(self) -> None:
        self._asks.close()
        self.process.wait()


async def begun(words: Sequence[str], log: Path) -> Process:
    """Like its namesake of deploy/demo/county.py. words: this Python, -m, a module and its words."""
    assert tuple(words[:2]) == (sys.executable, "-m"), f"begun by exec alone: {words}"
    launcher = await asyncio.to_thread(_the_launcher)
    return launcher.start(words[2:], log)


def _the_launcher() -> Launcher:
    global _launcher
    with _guard:
        if _launcher is None:
            _launcher = Launcher()
            atexit.register(_launcher.close)
        return _launcher


def start_so() -> None:
    """Where Linux is not, by exec as ever."""
    if sys.platform == "linux":
        county.Demo.begun = staticmethod(begun)
