"""A loop that leaves out waiting, and tells the CPU of one program apart from that of those who stand in for the others.

    figure = play(main)                    a coroutine on such a loop, from any thread
    with loop.apart(): …                   what stands in for others: no time passes in it, and `spent_s` leaves it out
    before = loop.spent_s(); … ; loop.spent_s() - before

Work takes as long as it takes, also in the store's thread; only where nothing is to be done before the next timer the clock jumps to it.
So a minute of a program that sleeps most of it takes as long as its work, and it is the same work: what it gathers, puts off or repeats
goes by a clock that runs on under it. (The simulation's loop jumps too, but there work takes no time at all and the store is another one.)
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any
from unittest import mock

import aiosqlite


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.skip: Callable[[float], bool] = lambda _: False

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        return super().select(0) or ([] if self.skip(timeout) else super().select(timeout))


class HurriedLoop(asyncio.SelectorEventLoop):
    """busy: what is in a thread now; then nothing is left out."""

    def __init__(self) -> None:
        selector = _Selector()
        self.busy, self._ahead_s, self._apart_s = 0, 0.0, 0.0
        super().__init__(selector)
        selector.skip = self._skip

    def time(self) -> float:
        return time.monotonic() + self._ahead_s

    def spent_s(self) -> float:
        """Of the CPU, by all threads."""
        return time.process_time() - self._apart_s

    @contextmanager
    def apart(self) -> Iterator[None]:
        began, cpu = time.monotonic(), time.thread_time()
        try:
            yield
        finally:
            self._apart_s += time.thread_time() - cpu
            self._ahead_s -= time.monotonic() - began

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        done = super().run_in_executor(executor, func, *args)
        self.busy += 1
        done.add_done_callback(self._ended)
        return done

    async def shutdown_default_executor(self, *words: Any) -> None:
        self.busy += 1  # its threads are joined in one
        try:
            await super().shutdown_default_executor(*words)
        finally:
            self.busy -= 1

    def _ended(self, _: object) -> None:
        self.busy -= 1

    def _skip(self, seconds: float) -> bool:
        if not self.busy:
            self._ahead_s += seconds
        return not self.busy


def play(main: Coroutine[Any, Any, Any]) -> Any:
    with mock.patch.object(aiosqlite.Connection, "_execute", _counted), asyncio.Runner(loop_factory=HurriedLoop) as runner:
        return runner.run(main)


_execute = aiosqlite.Connection._execute


async def _counted(self: aiosqlite.Connection, fn: Any, *args: Any, **named: Any) -> Any:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, HurriedLoop):
        return await _execute(self, fn, *args, **named)
    loop.busy += 1
    try:
        return await _execute(self, fn, *args, **named)
    finally:
        loop.busy -= 1
