"""Virtual time: an asyncio loop whose clock jumps to the next timer, and lives that end between any two awaits.

    loop = VirtualLoop(); loop.play(main())          the whole run, with nothing of the real world in reach (`forbid`)
    life = Life(); life.spawn(coro, name)            tasks of one node; what they create belongs to the life as well
    life.end()                                       as SIGKILL: no `except` and no `finally` of it ever runs
    life.end_after(steps, then)                      the same, after so many more steps of its own

Real clocks, chance, processes and sockets raise Escape. Work for a thread is done at once, in the loop, as by a thread that is infinitely
quick: its order is fixed then. `Escape` is kept in `loop.escapes` too, since production code catches what it does not know.
"""

import asyncio
import gc
import heapq
import os
import random
import secrets
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any, Final
from unittest import mock

import msgspec

START_S: Final = 1_000.0  # what was never said counts as said at 0: a program starts on a machine that has been up for a while
STEPS_MAX: Final = 5_000_000  # of one run; more than any honest one takes

LIFE: ContextVar["Life | None"] = ContextVar("LIFE", default=None)


class Escape(RuntimeError):
    """Code under simulation reached for the real world."""


escapes: list[str] = []


def escape(*_: object, **__: object) -> Any:
    escapes.append("a thread, process, socket, clock or chance of the real world")
    raise Escape(escapes[-1])


class _Handle(msgspec.Struct, eq=False):
    """What asyncio's Handle and TimerHandle are to whoever waits, without what a debugger wants to know: a run makes thousands."""

    _when: float
    _callback: Callable[..., Any]
    _args: tuple[Any, ...]
    _context: Context
    _cancelled: bool = False

    def cancel(self) -> None:
        self._cancelled = True
        self._callback, self._args = _nothing, ()

    def cancelled(self) -> bool:
        return self._cancelled

    def when(self) -> float:
        return self._when


def _nothing() -> None:
    """Of what was cancelled."""


class VirtualLoop(asyncio.BaseEventLoop):
    """steps: how often anything was resumed."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.steps = START_S, 0
        self._timers: list[tuple[float, int, _Handle]] = []
        self._set = 0
        self._clock_resolution = 1e-9
        self.create_future = partial(asyncio.Future, loop=self)  # type: ignore[method-assign]

    def time(self) -> float:
        return self.now

    def play(self, main: Coroutine[Any, Any, Any]) -> Any:
        """The result of main. Raises what it raises, and Escape when everybody waits for ever."""
        escapes.clear()
        collects = gc.isenabled()
        gc.disable()  # what a dead life left must not be collected while others go on: that would run its `finally`
        try:
            with forbid(), _unlisted():
                return self.run_until_complete(main)
        finally:
            self._ready.clear()
            self._timers.clear()
            if collects:
                gc.enable()

    def _run_once(self) -> None:
        """The only place where time passes. Until it is stopped: the loop around this one has nothing else to look at."""
        ready, timers, pop, life_of = self._ready, self._timers, heapq.heappop, LIFE
        while True:
            while timers and timers[0][2]._cancelled:
                pop(timers)
            if not ready and not self._stopping:
                if not timers:
                    raise Escape("deadlock: every task waits and no timer is set")
                self.now = max(self.now, timers[0][0])
            while timers and timers[0][0] <= self.now:
                ready.append(pop(timers)[2])
            self.steps += len(ready)
            if self.steps > STEPS_MAX:
                raise Escape(f"no end after {STEPS_MAX} steps")
            for _ in range(len(ready)):
                handle = ready.popleft()
                if handle._cancelled:
                    continue
                context = handle._context
                life = context.get(life_of)
                if life is None or (life._steps_left is None and not life.is_over) or life.may_go_on(handle):
                    try:
                        context.run(handle._callback, *handle._args)
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as error:
                        self.call_exception_handler({"message": f"exception in {handle._callback!r}", "exception": error})
            if self._stopping:
                return

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        handle = _Handle(self.now + delay, callback, args, context or copy_context())
        self._set += 1
        heapq.heappush(self._timers, (handle._when, self._set, handle))
        return handle

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        """Of two at one time, the one that was set first."""
        handle = _Handle(when, callback, args, context or copy_context())
        self._set += 1
        heapq.heappush(self._timers, (when, self._set, handle))  # compared without a call of ours: there are millions
        return handle

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        handle = _Handle(0.0, callback, args, context or copy_context())
        self._ready.append(handle)
        return handle

    get_debug = staticmethod(bool)  # type: ignore[assignment]  # False, without a call of ours: each future and each task asks
    _asyncgen_firstiter_hook = staticmethod(bool)  # type: ignore[assignment]  # nobody asks which generators are open

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A callback of ours that raises is a fault of ours."""
        escapes.append(f"{context.get('message')}: {context.get('exception')!r}")

    def create_task(self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        life = LIFE.get() if context is None else context.get(LIFE)
        if life is not None:
            life.keep(task)
        return task

    def run_in_executor(self, executor: object, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    def _process_events(self, event_list: object) -> None:
        pass

    def _asyncgen_finalizer_hook(self, agen: object) -> None:
        """What a dead life left is not finished by others."""

    call_soon_threadsafe = _write_to_self = subprocess_exec = subprocess_shell = escape
    add_reader = add_writer = sock_connect = create_connection = create_server = create_datagram_endpoint = escape


class Life:
    """One run of one program. context: what callbacks run in that belong to it."""

    def __init__(self) -> None:
        self.is_over = False
        self.failed: list[BaseException] = []  # what its own first tasks ended with
        self._steps_left: int | None = None
        self._then: Callable[[], None] = lambda: None
        self._tasks: list[asyncio.Task[Any]] = []
        self._remains: list[object] = []
        token = LIFE.set(self)
        self.context = copy_context()
        LIFE.reset(token)

    def spawn(self, coro: Coroutine[Any, Any, Any], name: str = "") -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coro, name=name, context=self.context.copy())
        task.add_done_callback(self._ended, context=self.context)
        return task

    def end(self) -> None:
        self.is_over = True
        self._steps_left = None

    def end_after(self, steps: int, then: Callable[[], None]) -> None:
        """then: called once, when it is over; not by the life itself."""
        self._steps_left, self._then = steps, then

    def spare(self) -> None:
        """It is not killed after all."""
        self._steps_left = None

    def forgive(self, task: asyncio.Task[Any]) -> None:
        """What this task ended with was expected."""
        if task.done() and not task.cancelled() and (error := task.exception()) in self.failed:
            self.failed.remove(error)

    def may_go_on(self, handle: object) -> bool:
        if self._steps_left is not None:
            self._steps_left -= 1
            if self._steps_left < 0:
                self.end()
                self._then()
        if self.is_over:
            self._remains.append(handle)
        return not self.is_over

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Until `bury`: collecting a task that waits for ever would run its `finally`."""
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._tasks.append(task)

    def bury(self) -> None:
        """After the run, when nobody looks any more at what their `finally` does."""
        self.is_over = True
        for task in self._tasks:
            if not task.done():
                coro = task.get_coro()
                with suppress(BaseException):
                    coro.close()  # type: ignore[union-attr]
        self._tasks.clear()
        self._remains.clear()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self.failed.append(error)


_FORBIDDEN: Final = (
    (time, "time time_ns monotonic monotonic_ns sleep"),
    (uuid, "uuid1 uuid4"),
    (os, "urandom"),
    (random, "random randint choice uniform shuffle sample randbytes"),
    (secrets, "token_bytes token_hex token_urlsafe randbelow choice"),
)


@contextmanager
def _unlisted() -> Iterator[None]:
    """Tasks stand in no list of all tasks: a life keeps its own, nobody here asks for the others, and a weak set costs more than a task."""
    listed = getattr(asyncio.tasks, "_all_tasks", None)  # another in Python 3.12, and not made in Python
    with mock.patch.object(listed, "add", bool) if listed is not None else nullcontext():
        yield


@contextmanager
def forbid() -> Iterator[None]:
    """`from time import time` and `datetime.now` get past this; linters refuse those."""
    with ExitStack() as stack:
        for module, names in _FORBIDDEN:
            for name in names.split():
                stack.enter_context(mock.patch.object(module, name, escape))
        yield
