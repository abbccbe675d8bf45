"""When a program of this process, or of one started by `timed`, comes to its named points (protocol.node.killpoints): what a figure is made of."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from protocol.node import killpoints

Reached = list[tuple[str, int]]  # (point, at_ns of the monotonic clock), in their order


def listen(hears: Callable[[str, int], None]) -> Callable[[], None]:
    """From now on each point is told. Returns what ends it."""
    real = killpoints.reach

    def reach(point: str) -> None:
        hears(point, time.monotonic_ns())
        real(point)

    killpoints.reach = reach

    def end() -> None:
        killpoints.reach = real

    return end


@contextmanager
def reached() -> Iterator[Reached]:
    told: Reached = []
    end = listen(lambda point, at_ns: told.append((point, at_ns)))
    try:
        yield told
    finally:
        end()


def between(told: Reached, first: str, then: str) -> list[float]:
    """Milliseconds from each `first` to the next `then`."""
    took, began = [], None
    for point, at_ns in told:
        if point == first:
            began = at_ns
        elif point == then and began is not None:
            took.append((at_ns - began) / 1e6)
            began = None
    return took
