"""The judges bite: what is spoilt behind everybody's back, at one node alone, when the world has healed, is named by the one whose it is."""

from collections.abc import Callable

import pytest

from tests.simulation import oracles_task, simulate
from tests.simulation.plan import Plan, Step
from tests.simulation.world import World

RECALLED = Plan(3, "small", 5.0, (Step(1.5, "act", "t1", "recall", 3),))
PICTURED = Plan(4, "small", 4.0, (Step(1.2, "act", "county", "log_with_file", 1),))


def spoilt(monkeypatch: pytest.MonkeyPatch, plan: Plan, spoil: Callable[[World], None]) -> list[str]:
    """What is broken when this was done just before the judges came."""
    assert simulate.run(plan).broken == []
    at_end = oracles_task.at_end  # the first of them

    def judged(world: World) -> list[str]:
        spoil(world)
        return at_end(world)

    monkeypatch.setattr(oracles_task, "at_end", judged)
    return simulate.run(plan).broken


@pytest.mark.parametrize("at", ["county", "t1"])
def test_a_crossed_report_that_one_node_leaves_to_nobody_is_named(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    def spoil(world: World) -> None:
        disk = world.sites[at].disk
        assert disk.rows("select status, recalls, reviews from task_row") == [("reported", 1, 1)], "else nothing was crossed"
        disk.connection.execute("delete from review_row")

    broken = spoilt(monkeypatch, RECALLED, spoil)
    assert any("is recalled and reported at once, and nobody has to look at it" in what and f"(at {at})" in what for what in broken), broken


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ("status = 'recalled'", "is recalled with"),
        ("status = 'declined'", "which nobody said"),
        ("reported_ms = null", "though it was reported with"),
        ("result = 'else'", "is reported with 'else'"),
        ("recalls = 0", "was recalled, and says so nowhere"),
    ],
)
def test_a_row_that_does_not_say_what_was_told_is_named(monkeypatch: pytest.MonkeyPatch, sets: str, says: str) -> None:
    def spoil(world: World) -> None:
        world.sites["t1"].disk.connection.execute(f"update task_row set {sets}")

    broken = spoilt(monkeypatch, RECALLED, spoil)
    assert any(what.startswith("(task)") and says in what for what in broken), broken


@pytest.mark.parametrize("where", ["files", "parts"])
def test_a_file_that_lies_where_nobody_may_know_of_it_is_named(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def spoil(world: World) -> None:
        ((address, cipher),) = world.sites["county"].files.items()
        getattr(world.sites["t1v1"], where)[address] = cipher if where == "files" else (len(cipher), cipher[:9])

    broken = spoilt(monkeypatch, PICTURED, spoil)
    assert any(what.startswith("(f) t1v1 holds file") for what in broken), broken
