"""Hierarchy compares whole segments: a place is not above another because its code begins alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import place

CODE = st.text("0123456789", min_size=1, max_size=6)
PATH = st.lists(CODE, min_size=1, max_size=3).map("/".join)


@given(PATH, PATH)
def test_covers_is_a_prefix_of_segments_and_never_of_letters(path: str, root: str):
    below = path.split("/")[: root.count("/") + 1] == root.split("/")
    assert place.covers([f"{root}/*"], path) == below
    assert place.covers([root], path) == (path == root)


@given(PATH, CODE)
def test_a_code_that_begins_alike_is_no_parent(path: str, more: str):
    assert not place.covers([f"{path}/*"], path + more)
    assert place.covers([f"{path}/*"], f"{path}/{more}")


@given(PATH, st.lists(PATH, max_size=4))
def test_a_wider_reach_never_covers_less(path: str, reach: list[str]):
    if place.covers(reach, path):
        assert place.covers([*reach, "999999/*"], path)


@pytest.mark.parametrize(
    "path", ["330523", "330523/330523111", "330523/330523111/330523111217", "330523/u07", "_", "330523/sealed/nabcdefgh"]
)
def test_three_tokens_and_back(path: str):
    three = place.tokens(path)
    assert len(three.split(".")) == 3
    assert place.from_tokens(three) == path


@pytest.mark.parametrize("wrong", ["330523", "330523._.330523111217", "a.b.c.d", "a..b", ""])
def test_what_is_no_path_is_refused(wrong: str):
    with pytest.raises(ValueError, match=r"tokens|gap"):
        place.from_tokens(wrong)


def test_tiers_and_units():
    assert [place.tier(p) for p in ("330523", "330523/u07", "330523/330523111", "330523/330523111/330523111217")] == [0, 0, 1, 2]
    assert place.is_sealed("330523/sealed/nabcdefgh")
    assert not place.covers(["330523/330523111/*"], "330523/sealed/nabcdefgh")
    assert place.parent("330523/sealed/nabcdefgh") is None
