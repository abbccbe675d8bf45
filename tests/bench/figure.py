"""A figure as `./run bench` prints it: median, min and max over the runs, its floor measured in the same runs, the ratio of the medians."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

import msgspec

RUNS_MIN = 5


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """n: how many values the median is of, one of each run where nothing else is said
    · floor: what the same machine did at the bare task in the same run, in the same unit (None: there is no sensible one)
    · ratio: median / floor · target: the number to reach; `at_most` says on which side of it good lies · gate: a release that
    misses it is none, and the bench exits 1 · on: what the target speaks of, `median` or `ratio`."""

    median: float
    min: float
    max: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    target: float | None = None
    at_most: bool = True
    gate: bool = False
    on: str = "median"
    n: int = 0

    @property
    def holds(self) -> bool:
        value = self.ratio if self.on == "ratio" else self.median
        if self.target is None or value is None:
            return self.target is None
        return value <= self.target if self.at_most else value >= self.target

    def shown(self) -> dict[str, Any]:
        """For JSON; `holds` where there is a target."""
        return msgspec.to_builtins(self) | ({} if self.target is None else {"holds": self.holds})


def figure(
    values: Sequence[float], unit: str, floors: Sequence[float] = (), target: float | None = None, at_most: bool = True,
    gate: bool = False, on: str = "median",
) -> Figure:  # fmt: skip
    """values and floors: one of each run, in `unit`; what is measured once in all runs is one value, and its `n` says so."""
    floor = median(floors) if floors else None
    middle = median(values)
    ratio = round(middle / floor, 3) if floor else None
    rounded = [round(v, 4) for v in (middle, min(values), max(values))]
    return Figure(*rounded, unit, None if floor is None else round(floor, 4), ratio, target, at_most, gate, on, len(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all do not exceed."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]
