"""What failed in the whole run and is asked once more, and what is not."""

import json

import pytest

from tests.kit import alone

PAGE, OTHER = "tests/edge/test_desk_browser.py::test_a", "tests/bench/test_bench.py::test_a_slice[heal]"
LOST = (
    "tests/link/test_pump.py::test_a",
    "tests/faults/test_rows.py::test_a[2]",
    "tests/stories/test_demo.py::test_a",
    "tests/edge/test_x_browser.py",
)


def test_what_is_seen_on_a_screen_is_asked_again():
    assert alone.worth_it([PAGE, OTHER]) == [PAGE, OTHER]


@pytest.mark.parametrize("lost", LOST)
def test_what_proves_that_nothing_is_lost_is_not(lost):
    assert alone.worth_it([PAGE, lost]) == []


def test_many_are_no_want_of_a_turn():
    assert alone.worth_it([f"{PAGE}{n}" for n in range(alone.MOST + 1)]) == []


@pytest.mark.parametrize(("holds", "code"), [("True", 0), ("False", 1)])
def test_the_second_run_decides(tmp_path, holds, code, capfd):
    made = tmp_path / "test_made_browser.py"
    made.write_text(f"def test_it():\n    assert {holds}\n")
    failed = tmp_path / "lastfailed"
    failed.write_text(json.dumps({f"{made}::test_it": True}))
    assert alone.main(failed, ("-q", "-p", "no:cacheprovider", "-c", "/dev/null")) == code
    assert "once more alone" in capfd.readouterr().out


def test_without_a_record_it_is_red(tmp_path):
    assert alone.main(tmp_path / "none") == 1
