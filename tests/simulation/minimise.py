"""From a plan that fails to one of which nothing can be left out any more (delta debugging).

Each step has its own seed, so those that stay do what they did, as far as the world still lets them. A smaller plan counts when it
fails by the same claim, the letter before the colon or bracket, not by any other.
"""

import time
from typing import Final

from tests.simulation import simulate
from tests.simulation.plan import Plan
from tests.simulation.simulate import Result

RUNS_MAX: Final = 150
SECONDS_MAX: Final = 60.0


def minimise(result: Result) -> Result:
    """The last one that failed; `result` itself when nothing can be left out."""
    best, runs, until = result, 0, time.monotonic() + SECONDS_MAX
    size = max(1, len(best.plan.steps) // 2)
    while size >= 1:
        at, shrunk = 0, False
        while at < len(best.plan.steps):
            if runs >= RUNS_MAX or time.monotonic() > until:
                return best
            runs += 1
            tried = _failing(best.plan.without(set(range(at, at + size))), claim(result))
            if tried is not None:
                best, shrunk = tried, True
            else:
                at += size
        size = size // 2 if not shrunk or size > 1 else 0
    return best


def claim(result: Result) -> str:
    """What kind of thing is broken: `(a)`, `(h)`, or the first word."""
    return result.broken[0].split()[0] if result.broken else ""


def _failing(plan: Plan, wanted: str) -> Result | None:
    tried = simulate.run(plan)
    return tried if wanted and claim(tried) == wanted else None
