"""Codes: unique offline, and no slip of a pen or key makes one code into another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codes

YEAR, SHORT, EPOCH, COUNT = st.integers(2020, 2100), st.integers(0, 9_999), st.integers(1, 421), st.integers(1, codes.COUNT_MAX)
ANY = codes.ALPHABET + "IOQSZ-abz （"


def test_a_code_is_written_as_agreed() -> None:
    assert codes.case_code(2026, 17, 1, 42) == "2026-017-00042K"
    assert codes.case_code(2026, 17, 2, 42).startswith("2026-017B-00042")
    assert codes.case_code(2026, 1600, 1, 42).startswith("2026-1600-00042")
    assert codes.paper_number(2026, 17, 1, 12, "安调字") == "（2026）安调字第017-00012号"
    assert codes.paper_number(2026, 17, 3, 12, "安调字") == "（2026）安调字第017C-00012号"


@given(YEAR, SHORT, EPOCH, COUNT)
def test_every_code_is_one_and_is_found_as_typed(year: int, short: int, epoch: int, count: int) -> None:
    code = codes.case_code(year, short, epoch, count)
    assert codes.is_code(code)
    assert codes.tidy(f" {code.lower().replace('-', '－')} ") == code


@given(st.tuples(YEAR, SHORT, EPOCH, COUNT), st.tuples(YEAR, SHORT, EPOCH, COUNT))
def test_two_origins_or_epochs_never_draw_the_same(one: tuple[int, int, int, int], two: tuple[int, int, int, int]) -> None:
    assert (codes.case_code(*one) == codes.case_code(*two)) == (one == two)
    assert (codes.paper_number(*one, "安调字") == codes.paper_number(*two, "安调字")) == (one == two)


@given(YEAR, SHORT, EPOCH, COUNT)
def test_any_single_wrong_character_is_caught(year: int, short: int, epoch: int, count: int) -> None:
    code = codes.case_code(year, short, epoch, count)
    for at in range(len(code)):
        for wrong in ANY:
            if wrong != code[at]:
                assert not codes.is_code(code[:at] + wrong + code[at + 1 :])


@given(YEAR, SHORT, EPOCH, COUNT)
def test_any_swap_of_neighbours_is_caught(year: int, short: int, epoch: int, count: int) -> None:
    code = codes.case_code(year, short, epoch, count)
    for at in range(len(code) - 1):
        if code[at] != code[at + 1]:
            assert not codes.is_code(code[:at] + code[at + 1] + code[at] + code[at + 2 :])


@pytest.mark.parametrize(
    "text", ["", "2026-017-00042", "2026-017-00042K ", "２０２６-017-00042K", "2026-017-00042k", "2026-17-00042K", "0026-017-00042K"]
)
def test_what_is_no_code_is_none(text: str) -> None:
    assert not codes.is_code(text)


@pytest.mark.parametrize(("short", "epoch", "count"), [(10_000, 1, 1), (-1, 1, 1), (1, 0, 1), (1, 422, 1), (1, 1, 0), (1, 1, 10_000_000)])
def test_what_can_not_be_written_is_said(short: int, epoch: int, count: int) -> None:
    with pytest.raises(ValueError, match=r".+"):
        codes.case_code(2026, short, epoch, count)
