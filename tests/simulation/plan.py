"""The whole plan of a run, drawn up front from its seed: how large the county is, what people do when, what goes wrong when.

    plan = draw(seed)              the same seed, the same plan
    plan.without({3, 7})           the others stay as they were: each step draws by a seed of its own

A step is one thing with its end in it (a cut and when it heals, a copy and when it is put back), so any of them can be left out.
"""

from random import Random
from typing import Final

import msgspec

from tests.simulation.acts import KINDS
from tests.simulation.founding import SIZES, seats_of
from tests.simulation.wire import COUNTY

SIZE_WEIGHTS: Final = {"small": 78, "middle": 17, "whole": 5}  # a whole county costs four times as much as a small one
ACTS: Final = (14, 34)
FAULTS: Final = (2, 7)
ACTS_OF_COPIES: Final = 4
LASTS_S: Final = (4.5, 9.0)
YEAR_MS: Final = 365 * 86_400_000
BEGINS_S: Final = 0.8  # the first act, when the nodes have found one another
USURPERS: Final = 0.125  # of all seeds
USURPS: Final = (0.5, 0.9)  # of the time in which things go wrong

FAULT_WEIGHTS: Final = {
    "weather": 6, "kill": 9, "cut": 8, "server": 2, "clock": 3, "full": 2, "restore": 3, "rollback": 2, "forget": 1, "clone": 2, "lose": 2,
    "revoke": 2, "old": 2,
}  # fmt: skip


class Step(msgspec.Struct, frozen=True):
    """at_s: since the beginning · on: a seat, or a way `a>b` · what: kind of act, of cut … · seed: its own · for_s: how long · count: see world.py."""

    at_s: float
    kind: str
    on: str
    what: str = ""
    seed: int = 0
    for_s: float = 0.0
    count: int = 0

    def __str__(self) -> str:
        more = "".join(f" {word}" for word in (self.what, f"{self.for_s:.2f} s" if self.for_s else "", self.count or "") if word)
        return f"{self.at_s:7.3f} {self.kind:8} {self.on}{more}"


class Plan(msgspec.Struct, frozen=True):
    """seed: of the wire's lots and the nodes' chance · lasts_s: how long things go wrong."""

    seed: int
    size: str
    lasts_s: float
    steps: tuple[Step, ...]

    def without(self, numbers: set[int]) -> "Plan":
        return msgspec.structs.replace(self, steps=tuple(step for n, step in enumerate(self.steps) if n not in numbers))


def draw(seed: int) -> Plan:
    chance = Random(f"plan {seed}")
    size = chance.choices(list(SIZE_WEIGHTS), list(SIZE_WEIGHTS.values()))[0]
    seats = [seat.name for seat in seats_of(SIZES[size])]
    lasts_s = round(chance.uniform(*LASTS_S), 3)
    steps = [_act(chance, seats, lasts_s) for _ in range(chance.randint(*ACTS))]
    for _ in range(chance.randint(*FAULTS)):
        kind = chance.choices(list(FAULT_WEIGHTS), list(FAULT_WEIGHTS.values()))[0]
        steps.append(_fault(kind, chance, seats, lasts_s))
    for copied in [step for step in steps if step.kind == "clone"]:  # both computers are used, else nobody could tell
        steps += [_work(chance, copied, lasts_s) for _ in range(ACTS_OF_COPIES)]
    if (usurper := _usurper(seed, seats, lasts_s)) is not None:
        steps.append(usurper)
    return Plan(seed, size, lasts_s, tuple(sorted(steps, key=lambda step: (step.at_s, step.seed))))


def _act(chance: Random, seats: list[str], lasts_s: float) -> Step:
    weights = [6 if seat == COUNTY else 5 if "v" not in seat else 3 for seat in seats]
    kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
    return Step(round(chance.uniform(BEGINS_S, lasts_s), 3), "act", chance.choices(seats, weights)[0], kind, chance.getrandbits(48))


def _work(chance: Random, copied: Step, lasts_s: float) -> Step:
    return Step(round(chance.uniform(copied.at_s, lasts_s), 3), "act", copied.on, "work", chance.getrandbits(48))


def _usurper(seed: int, seats: list[str], lasts_s: float) -> Step | None:
    """Drawn from a stream of its own and late in the run: what other seeds play is what it was before there was one, and so is what comes before it."""
    chance = Random(
        f"usurp {seed}"
    )  # of ten words tried the one that leaves most of corpus.txt, and of the seeds that find mutations, alone
    if chance.random() >= USURPERS:
        return None
    return Step(round(lasts_s * chance.uniform(*USURPS), 3), "act", chance.choice(seats[1:]), "usurp", chance.getrandbits(48))


def _fault(kind: str, chance: Random, seats: list[str], lasts_s: float) -> Step:
    at_s = round(chance.uniform(0.0 if kind in ("old", "weather", "clock") else 0.3, lasts_s * 0.85), 3)
    for_s = round(chance.uniform(0.2, lasts_s - at_s), 3)
    seed, seat, low = chance.getrandbits(48), chance.choice(seats), chance.choice(seats[1:])
    if kind == "cut":
        ways = [f"{seat}>{COUNTY}" for seat in seats] + [f"{seat}>{seat.partition('v')[0]}" for seat in seats[1:]]
        return Step(at_s, kind, chance.choice(ways), chance.choice(("both", "both", "up", "down")), seed, for_s)
    if kind == "server":
        return Step(at_s, kind, chance.choice([COUNTY, *(seat for seat in seats[1:] if "v" not in seat)]), "", seed, for_s)
    if kind == "weather":
        return Step(at_s, kind, "wire", chance.choice(("loss", "twice", "slow", "shuffled", "all")), seed, for_s)
    if kind == "kill":
        steps = chance.choice((0, chance.randint(1, 40), chance.randint(1, 600)))
        return Step(at_s, kind, seat, chance.choice(("process", "power")), seed, round(chance.uniform(0.05, 3.0), 3), steps)
    if kind == "clock":
        return Step(at_s, kind, seat, "", seed, 0.0, chance.choice((YEAR_MS, -YEAR_MS, -3_600_000, chance.randint(-90_000, 90_000))))
    if kind in ("restore", "rollback", "forget"):
        return Step(at_s, kind, seat, "", seed, for_s)
    return Step(at_s, kind, seat if kind in ("full", "old") else low, "", seed, for_s)
