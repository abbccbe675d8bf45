"""What nobody gave rests, twice as long each time."""

import asyncio

import pytest

from protocol.node.link.rests import Rests


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(asyncio, "get_running_loop", type("Loop", (), {"time": lambda _: now[0]}))
    return now


def test_it_rests_twice_as_long_each_time_up_to_the_most_and_from_the_least_again_once_it_was_given(clock: list[float]):
    rests: Rests[str] = Rests(1.0, 4.0, 10)
    for pause in (1.0, 2.0, 4.0, 4.0):
        rests.put("a")
        clock[0] += pause - 0.1
        assert rests.holds("a") and rests.held() == {"a"}
        clock[0] += 0.1
        assert not rests.holds("a") and len(rests) == 1
    rests.drop("a")
    rests.put("a")
    clock[0] += 1.0
    assert not rests.holds("a")


def test_who_is_looked_at_rests_no_longer_than_a_moment_and_a_cut_line_keeps_pauses_short(clock: list[float]):
    rests: Rests[str] = Rests(8.0, 60.0, 10)
    rests.put("a")
    rests.soon("a", 2.0)
    rests.soon("unknown", 2.0)
    rests.put("b", 3.0)
    clock[0] += 2.0
    assert rests.held() == {"b"}
    clock[0] += 1.0
    assert rests.held() == set()


def test_it_keeps_what_is_still_wanted_and_never_more_than_it_may(clock: list[float]):
    rests: Rests[int] = Rests(1.0, 4.0, 3)
    for n in (1, 2, 3):
        rests.put(n)
    rests.put(3)
    assert rests.held() == {1, 2, 3}, "one that is known takes no new room"
    rests.keep([2, 3, 9])
    assert rests.held() == {2, 3}
    rests.put(4)
    rests.put(2)
    rests.put(5)
    assert rests.held() == {2, 4, 5}, "what was put longest ago goes"


def test_it_says_how_long_something_rests(clock: list[float]):
    rests: Rests[str] = Rests(1.0, 4.0, 10)
    assert rests.left_s("a") == 0.0
    rests.put("a")
    clock[0] += 0.25
    assert rests.left_s("a") == 0.75
    clock[0] += 1.0
    assert rests.left_s("a") <= 0.0
