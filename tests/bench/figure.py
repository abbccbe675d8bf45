"""A figure as `./run bench` prints it: median, min and max over the runs, its floor measured in the same runs, the ratio of the medians."""

from collections.abc import Sequence
from statistics import median

import msgspec

RUNS_MIN = 5


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """floor: what the same machine did at the bare task in the same run, in the same unit (None: there is no sensible one)
    · ratio: median / floor · target: the number to reach; `at_most` says on which side of it good lies."""

    median: float
    min: float
    max: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    target: float | None = None
    at_most: bool = True

    @property
    def holds(self) -> bool:
        return self.target is None or (self.median <= self.target if self.at_most else self.median >= self.target)


def figure(values: Sequence[float], unit: str, floors: Sequence[float] = (), target: float | None = None, at_most: bool = True) -> Figure:
    """values and floors: one of each run, in `unit`."""
    floor = median(floors) if floors else None
    middle = median(values)
    ratio = round(middle / floor, 3) if floor else None
    rounded = [round(v, 4) for v in (middle, min(values), max(values))]
    return Figure(*rounded, unit, None if floor is None else round(floor, 4), ratio, target, at_most)
