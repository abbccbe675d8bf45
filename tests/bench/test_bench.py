"""The benches work: each runs once with small sizes and its JSON is sound. No time is judged here: this machine has other work."""

import importlib
import json

import pytest

from protocol import views
from tests.bench import command, scale_nodes, storm
from tests.bench.figure import figure, percentile
from tests.bench.kit import light
from tests.kit.machine import CHROMIUM
from tests.kit.postgres import programs as has_postgresql

SOUND = {"median", "min", "max", "unit", "n"}


@pytest.mark.parametrize("name", [name for name in command.names() if command.has_slice(name)])
def test_a_slice_of_each_bench_gives_sound_figures(name, capfd):
    if "postgresql" in command.needs(name) and not has_postgresql():
        pytest.skip("needs postgresql: apt-get install -y postgresql")
    if "chromium" in command.needs(name) and not CHROMIUM:
        pytest.skip("needs chromium: apt-get install -y chromium fonts-noto-cjk")
    code = command.main([name, "--json", "--runs", "1", "--slice"])
    said = capfd.readouterr()
    told = json.loads(said.out.strip().splitlines()[-1])
    assert code == 0 and told["ok"], f"{told}\n{said.err[-3000:]}"
    assert told["command"] == f"bench {name}" and told["slice"] and told["cores"] > 0
    for key, one in told["figures"].items():
        assert one.keys() >= SOUND, key
        assert one["min"] <= one["median"] <= one["max"] and one["n"] > 0, key


@pytest.mark.parametrize(("lost", "told"), [("what is said", "not in time: all received"), ("the lists", "and 0 cases of")])
def test_a_county_that_does_not_do_its_work_is_not_measured(lost, told, tmp_path, monkeypatch):
    if lost == "the lists":
        rows = views.rows
        monkeypatch.setattr(
            views, "rows", lambda sort, *words: {**rows(sort, *words), "case_row": []} if sort == "dispute" else rows(sort, *words)
        )
    else:
        to_county = light.Wire._to_county
        monkeypatch.setattr(light.Wire, "_to_county", lambda wire, msg: None if ".live." in msg.subject else to_county(wire, msg))
        monkeypatch.setattr(light.Light, "answer", lambda *_: b"")
    with pytest.raises(AssertionError, match=told):
        scale_nodes.measure(tmp_path, 2, 1, 1)


def test_what_is_offered_can_be_run_and_a_failure_tells_as_much_as_a_success(capsys, monkeypatch):
    assert all(callable(getattr(importlib.import_module(f"tests.bench.{name}"), "run", None)) for name in command.names())

    async def fails(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(command, "measured", fails)
    assert command.main(["save", "--json"]) == 1
    told = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert (told["command"], told["ok"], told["figures"]) == ("bench save", False, {}) and told["seconds"] >= 0 and "no room" in told["why"]


def test_a_missed_goal_is_told_and_a_missed_gate_ends_in_an_error():
    goal = figure([3.0, 1.0, 2.0], "ms", [1.0], target=1.5)
    gate = figure([30.0], "% of floor", target=40, at_most=False, gate=True)
    assert (goal.median, goal.min, goal.max, goal.ratio, goal.holds) == (2.0, 1.0, 3.0, 2.0, False)
    told = command.report("save", 3, {"p99_ms": goal}, 1.0, {"cores": 2})
    assert told["ok"] and told["missed"] == ["p99_ms"] and told["figures"]["p99_ms"]["holds"] is False
    told = command.report("fanin", 3, {"share": gate, "p99_ms": goal}, 1.0, {"cores": 2})
    assert not told["ok"] and told["gates_missed"] == ["share"]
    assert figure([30.0], "x", [100.0], target=0.25, at_most=False, on="ratio").holds


def test_a_figure_says_how_many_values_it_rests_on_whatever_the_runs():
    thrice, once = figure([3.0, 1.0, 2.0], "ms", [1.0] * 5), figure([26.5], "KiB")
    told = command.report("pages", 3, {"answer_ms": thrice, "script_kib": once}, 1.0, {"cores": 2})
    assert told["runs"] == 3 and [one["n"] for one in told["figures"].values()] == [3, 1]
    assert "(n 3)" in command.said("answer_ms", thrice) and "(n 1)" in command.said("script_kib", once)


def test_a_storm_is_held_against_the_calm_before_it():
    some = [storm.Storm(quiet=storm.Took([1.0, 3.0], [2.0]), storm=storm.Took([30.0, 50.0], [40.0]), drained_s=4.0)]
    told = storm._figures("beside_", some)
    assert (told["beside_page_p99_ms"].median, told["beside_page_p99_ms"].floor) == (50, 3)
    assert (told["beside_page_p50_ms"].median, told["beside_page_p50_ms"].floor) == (30, 1)
    assert (told["beside_save_p99_ms"].median, told["beside_save_p99_ms"].floor) == (40, 2)
    assert (told["beside_drain_s"].median, told["beside_pages_per_s"].median) == (4, 0.5)


def test_the_99th_percentile_is_the_value_that_99_of_100_do_not_exceed():
    assert percentile(range(1, 101), 99) == 99
    assert percentile([5.0], 99) == 5.0
    assert percentile([1, 2, 3], 50) == 2
