"""Numbers of identity cards: a slip is found and said in words, the year of birth is read from it, other cards are left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import id_card
from protocol.commands import AddParty, CorrectDispute, CorrectParty, Party
from protocol.problem import Refused
from tests.protocol.county import VILLAGE, County, actor

GOOD = "11010519491231002X"  # the example of GB 11643


def test_the_example_of_the_standard_is_right_and_tells_the_year() -> None:
    assert id_card.wrong(GOOD) == ""
    party = id_card.checked(Party("叶根土", id_number="110105 19491231 002x"))
    assert (party.id_number, party.id_type, party.birth_year) == (GOOD, "111", 1949)
    assert id_card.checked(Party("叶根土", id_number=GOOD, birth_year=1950)).birth_year == 1950, "what was written stays"


@given(st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(place: int, by: int) -> None:
    digit = str((int(GOOD[place]) + by) % 10)
    assert id_card.wrong(GOOD[:place] + digit + GOOD[place + 1 :])


@given(st.integers(0, 15))
def test_two_digits_that_changed_places_are_always_found(place: int) -> None:
    swapped = GOOD[:place] + GOOD[place + 1] + GOOD[place] + GOOD[place + 2 :]
    assert swapped == GOOD or id_card.wrong(swapped)


@pytest.mark.parametrize(
    ("number", "said"),
    [(GOOD[:17], "这里有 17 位"), ("110105194913310020", "出生日期"), ("11010519491231002Y", "只有数字"), (GOOD[:-1] + "1", "对不上")],
)
def test_what_is_wrong_is_said(number: str, said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        id_card.checked(Party("叶根土", id_type="111", id_number=number), row=1)
    assert refused.value.field == "party_id_number-1" and "第 2 位当事人" in refused.value.sentence


def test_other_cards_and_numbers_that_stand_there_already_are_left_alone() -> None:
    for party in (Party("甲", id_number="E12345678"), Party("甲", id_type="414", id_number="123456789012345678"), Party("甲")):
        assert id_card.checked(party) is party
    old = Party("甲", id_type="111", id_number="330523197001011234")
    assert id_card.checked(old, known=old.id_number) is old


def test_the_rules_ask_wherever_a_number_is_written() -> None:
    world, bad = County(), Party("叶根土", id_number="330523197001011234")
    with pytest.raises(Refused, match="证件号码"):
        world.log(parties=[bad])
    subject = world.log(parties=[Party("叶根土", id_number=GOOD)])
    case = world.village.case(subject)
    assert (case.parties[0].birth_year, case.parties[0].id_type) == (1949, "111")
    for command in (
        AddParty(id=world.id(), case=subject, party=bad),
        CorrectParty(id=world.id(), case=subject, party_id="p1", party=bad, reason="写错"),
        CorrectDispute(id=world.id(), case=subject, field="parties", value=[bad], reason="写错"),
    ):
        with pytest.raises(Refused, match="证件号码"):
            world.village.do(command, actor(VILLAGE))
