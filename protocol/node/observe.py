"""How often this program did what matters, and how long it took: for whoever watches machines, never about persons.

    @observe.each("admit", lambda _, batch, node: {"ledger": batch.ledger, "entries": len(batch.heads), "node": node})
    async def admit(self, batch, from_node): …

One node is one program, so the figures are the module's, as those of the log are. They cost about a microsecond each and are
always kept; they leave the machine only where the configuration says so (/metrics, or a tracer that `trace` was given: then each
call is a span too). Facts are those that a log may hold.
"""

import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, Final, TypeVar, cast

from protocol import place
from protocol.node.log import ALLOWED

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])

BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
KINDS: Final = ("save", "admit", "publish", "have", "pull", "answer", "file", "page")

Span = Callable[[str, dict[str, str | int]], AbstractContextManager[object]]


class Timing:
    """buckets: how many took at most BOUNDS_S[i], not summed up; the last counts the rest."""

    def __init__(self) -> None:
        self.count, self.failed, self.sum_s = 0, 0, 0.0
        self.buckets = [0] * (len(BOUNDS_S) + 1)

    def add(self, seconds: float, failed: bool) -> None:
        self.count += 1
        self.failed += failed
        self.sum_s += seconds
        self.buckets[bisect_left(BOUNDS_S, seconds)] += 1

    def summed(self) -> list[tuple[str, int]]:
        """(upper bound, how many took at most that), as monitoring systems want it."""
        at, made = 0, []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self.buckets, strict=True):
            at += count
            made.append((bound, at))
        return made


timings: Final[dict[str, Timing]] = {kind: Timing() for kind in KINDS}
_span: Span | None = None
_NO_SPAN: Final = nullcontext()


def trace(span: Span | None) -> None:
    """From now on each call also opens span(kind, facts); None: no more."""
    global _span
    _span = span


def each(kind: str, facts: Callable[..., dict[str, str | int]]) -> Callable[[F], F]:
    """Of an async function: every call is timed. facts: what a span says of a call, made from its arguments, only when one is asked for.

    kind: one of KINDS. What raises is counted as failed and rises.
    """
    timing = timings[kind]

    def wrap(called: F) -> F:
        @wraps(called)
        async def timed(*args: Any, **named: Any) -> Any:
            with _NO_SPAN if _span is None else _span(kind, _for_others(facts(*args, **named))):
                began = time.perf_counter()
                try:
                    answer = await called(*args, **named)
                except BaseException:
                    timing.add(time.perf_counter() - began, True)
                    raise
                timing.add(time.perf_counter() - began, False)
                return answer

        return cast("F", timed)

    return wrap


def _for_others(facts: dict[str, str | int]) -> dict[str, str | int]:
    """Raises ValueError for a fact that no log may hold. That there is a sealed ledger somewhere is not told either."""
    if strangers := set(facts) - ALLOWED:
        raise ValueError(f"not for a trace: {sorted(strangers)}")
    return {name: place.SEALED if name == "ledger" and place.is_sealed(str(value)) else value for name, value in facts.items()}
