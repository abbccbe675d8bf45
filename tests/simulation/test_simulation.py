"""Whole counties in virtual time: a slice of the seeds, those that failed once, and that a seed is a replay."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.simulation import command, simulate
from tests.simulation.minimise import minimise
from tests.simulation.plan import Plan, Step, draw
from tests.simulation.store import Disk
from tests.simulation.world import World

SEEDS, FIRST = 300, 1
BITES = (
    "step kill",
    "step cut",
    "step weather",
    "step restore",
    "step clone",
    "step revoke",
    "wire: lost",
    "wire: doubled",
    "wire: reordered",
    "step full",
    "step clock",
    "step lose",
    "step rollback",
    "step forget",
    "step server",
    "step old",
    "act work refused disk_full",
    "entries lost with a disk",
    "log: new epoch",
    "log: pulled after a restore",
    "wire: lost with a connection",
    "refused: version_unknown",
    "task: TaskReported set aside",
    "task: set aside, then decided",
    "request: linked",
    "request: answered",
    "request: recalled",
    "disk: tail kept",
    "disk: tail torn",
    "disk: transaction lost",
    "a file was asked for in vain",
    "act pry got no lane, no file",
    "act usurp as a stranger",
    "act usurp as itself",
    "refused: certificate_wrong",
)
REPLAY = "import sys, json; from tests.simulation import command; print(json.dumps([r[3] for r in command.results(range(5, 8), 1)]))"


def test_whatever_goes_wrong_the_county_is_one_again_and_nothing_acknowledged_is_lost() -> None:
    counts: Counter[str] = Counter()
    broken = {}
    for seed, wrong, some, _ in command.results(list(dict.fromkeys([*command.corpus(), *range(FIRST, FIRST + SEEDS)]))[:SEEDS]):
        counts.update(some)
        if wrong:
            broken[seed] = wrong
    assert not broken, f"./run sim --seed S --trace: {broken}"
    assert not [name for name in BITES if not counts[name]], counts
    assert sum(count for name, count in counts.items() if name.startswith("act ")) > SEEDS * 5


def test_a_seed_is_the_same_in_every_process() -> None:
    said = []
    for hash_seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", REPLAY], env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        )
        said.append(json.loads(run.stdout))
    assert said[0] == said[1]
    assert len(set(said[0])) == len(said[0])


def test_a_plan_of_fewer_steps_leaves_the_others_as_they_were() -> None:
    plan = draw(1)
    assert draw(1) == plan
    assert plan.without({0, 2}).steps == (plan.steps[1], *plan.steps[3:])


def test_an_entry_that_goes_missing_is_found_and_the_plan_shrinks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks bite: one acknowledged entry is taken out of one disk behind everybody's back."""

    async def spoiled(world: World) -> None:
        await heal(world)
        for site in world.sites.values():
            site.disk.connection.execute("delete from entry where sort = 'dispute' and position = (select max(position) from entry)")

    heal = World.heal
    monkeypatch.setattr(World, "heal", spoiled)
    log = Step(1.0, "act", "t1v1", "log", 5)
    plan = Plan(1, "small", 4.0, (Step(0.5, "clock", "t1", "", 1, 0.0, 1_000), log, Step(2.0, "cut", "t1>county", "both", 2, 0.5)))
    result = simulate.run(plan)
    assert result.broken
    assert minimise(result).plan.steps == (log,)


@pytest.mark.parametrize("seed", range(3))
def test_a_copied_computer_that_hears_of_its_twin_writes_nothing_more_under_its_origin(seed: int) -> None:
    """It took over what the other had written and went on counting from its own number: two cases had one code."""
    visitors = [Step(round(1.5 + 0.12 * n, 3), "act", "t1v1", "log", 1_000 * seed + n) for n in range(14)]
    result = simulate.run(Plan(seed, "small", 4.0, (Step(0.9, "clone", "t1v1", "", 1, 1.0), *visitors)))
    assert not result.broken
    assert result.counts["fork ended"] or result.counts["program: opened again"]


def test_a_disk_that_lies_is_found_when_it_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    lying = Disk.__init__

    def lies(disk: Disk, *given: object, **named: object) -> None:
        lying(disk, *given, **named)
        disk.lies = True

    monkeypatch.setattr(Disk, "__init__", lies)
    steps = (Step(1.5, "act", "t1v1", "log", 7), Step(1.7, "kill", "t1v1", "power", 1, 0.5))
    assert any(simulate.run(Plan(seed, "small", 3.0, steps)).broken for seed in range(20)), "whatever the cut fell on"


@pytest.mark.parametrize("seed", range(3))
def test_a_county_whose_disk_was_put_back_asks_the_others_before_it_enrols_anybody(seed: int) -> None:
    """It gave the new node a history of *common* that it had given otherwise before, and a number in case codes that another node has."""
    steps = (
        Step(1.0, "rollback", "county", "", 1, 2.0), Step(1.2, "lose", "t1v1", "", 2, 0.1), Step(1.6, "act", "t1v1", "log", seed),
        Step(3.02, "lose", "t1v2", "", 3, 0.1), Step(3.6, "act", "t1v2", "log", seed + 1), Step(4.5, "act", "t1v2", "log", seed + 2),
    )  # fmt: skip
    result = simulate.run(Plan(seed, "small", 5.0, steps))
    assert not result.broken
    assert not result.counts["refused: lane_fork"]


@pytest.mark.parametrize("kill_s", [2.7, 2.9, 3.1])
def test_a_disk_that_was_put_back_and_killed_before_it_moved_on_counts_no_number_twice(kill_s: float) -> None:
    """What it had written itself came back from the others at once, so that after the kill nothing told any more that it was an old disk."""
    steps = (
        Step(1.0, "rollback", "t1v1", "", 1, 1.5), Step(1.6, "act", "t1v1", "log", 4), Step(kill_s, "kill", "t1v1", "process", 2, 0.1),
        *[Step(round(kill_s + 0.3 + 0.2 * n, 3), "act", "t1v1", "log", 5 + n) for n in range(6)],
    )  # fmt: skip
    assert not simulate.run(Plan(3, "small", 6.0, steps)).broken


@pytest.mark.parametrize("seed", range(3))
def test_a_folder_put_back_to_before_its_first_entry_carries_out_no_form_twice(seed: int) -> None:
    """Under its new epoch it had nothing of its own, so it asked nobody first, and the form that was sent again was new to it."""
    again = [Step(round(4.0 + 0.05 * n, 3), "act", "t1v1", "send_answered_again", n) for n in range(60)]
    steps = (
        Step(0.5, "lose", "t1v1", "", 1, 9.0), Step(0.9, "rollback", "t1v1", "", 2, 3.0), Step(1.6, "act", "t1v1", "log", seed), *again,
    )  # fmt: skip
    result = simulate.run(Plan(seed, "small", 7.5, steps))
    assert not result.broken
    assert result.counts["act log ok"] == 1 and result.counts["act send_answered_again ok"]


@pytest.mark.parametrize(("chance", "says"), [(0, "as itself"), (2, "as itself"), (1, "as a stranger"), (3, "as a stranger")])
@pytest.mark.parametrize("at", ["t1", "t1v1"])
def test_whoever_signs_a_certificate_for_himself_is_heard_and_not_believed(chance: int, says: str, at: str) -> None:
    result = simulate.run(Plan(chance, "small", 4.0, (Step(1.5, "act", at, "usurp", chance),)))
    assert not result.broken
    assert result.counts[f"act usurp {says}"] == 1
    assert result.counts["refused: certificate_wrong"], "else nobody asked for it, and nothing was shown"
