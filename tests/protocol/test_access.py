"""Who may see what, masks, and how offices stand to one another."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import access, office
from protocol import commands as c
from protocol.views import rows
from tests.protocol.county import COUNTY, COURT, TABLES, TOWNSHIP, TOWNSHIP_2, UNIT, VILLAGE, VILLAGE_2, County, actor


def seen_by(world: County, subject: str) -> set[str]:
    """Offices whose people see the case; asked of the case and of its row alike."""
    case, row = world.county.case(subject), rows("dispute", world.county.of(subject), TABLES)["case_row"][0]
    offices = (COUNTY, COURT, UNIT, TOWNSHIP, TOWNSHIP_2, VILLAGE, VILLAGE_2)
    by_case = {office for office in offices if access.may_see_case(actor(office), case)}
    assert by_case == {office for office in offices if access.may_see_case(actor(office), row)}
    return by_case


def test_a_case_is_seen_by_who_covers_its_place_holds_it_was_offered_it_or_joins() -> None:
    world = County()
    subject = world.log()
    world.sync()
    assert seen_by(world, subject) == {COUNTY, TOWNSHIP, VILLAGE}
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    world.act(world.county, c.HandDownDispute, subject, COUNTY, to=UNIT)
    assert seen_by(world, subject) == {COUNTY, TOWNSHIP, VILLAGE, UNIT}
    world.act(world.county, c.TakeUpDispute, subject, UNIT)
    world.act(world.county, c.ConveneUnits, subject, UNIT, units=[COURT])
    assert seen_by(world, subject) == {COUNTY, TOWNSHIP, VILLAGE, UNIT, COURT}


def test_the_window_that_logged_a_case_goes_on_seeing_it() -> None:
    world = County()
    subject = world.log(world.county, VILLAGE, COURT)
    world.act(world.county, c.EscalateDispute, subject, COURT, to=COUNTY)
    world.act(world.county, c.TakeUpDispute, subject, COUNTY)
    assert seen_by(world, subject) == {COUNTY, TOWNSHIP, VILLAGE, COURT}


@pytest.mark.parametrize("kind", ["cadre", "admin", "discipline"])
def test_posts_without_work_on_cases_see_none(kind: str) -> None:
    world = County()
    case = world.village.case(world.log())
    powers = TABLES.post_powers(kind)
    assert powers
    assert not access.may_see_case(actor(VILLAGE, powers), case)
    assert not access.may_see_case(actor(VILLAGE, frozenset()), case)
    assert access.may_see_case(actor(VILLAGE, TABLES.post_powers("reader")), case)


def test_a_task_is_seen_by_its_cadre_and_by_offices_that_cover_sent_or_join() -> None:
    world = County()
    subject = world.log(world.county, VILLAGE, COUNTY)
    world.act(world.county, c.ConveneUnits, subject, COUNTY, units=[UNIT])
    (joined,) = [one for one in world.county.entries.values() if one.head.sort == "task"]
    task, row = world.county.task(joined.head.subject), rows("task", world.county.of(joined.head.subject), TABLES)["task_row"][0]
    for thing in (task, row):
        assert access.may_see_task(actor(UNIT), thing)
        assert access.may_see_task(actor(COUNTY), thing)
        assert not access.may_see_task(actor(COURT), thing)
        assert not access.may_see_task(actor(TOWNSHIP), thing)
        assert not access.may_see_task(actor(UNIT, frozenset({"field"})), thing)
    visit = msgspec.structs.replace(task, cadre="c" * 32, unit="")
    assert access.may_see_task(actor(TOWNSHIP_2, frozenset({"field"}), "c" * 32), visit)
    assert not access.may_see_task(actor(TOWNSHIP_2, frozenset({"field"}), "d" * 32), visit)


@pytest.mark.parametrize(
    ("name", "shown"), [("", ""), ("张", "张"), ("张三", "张*"), ("张阿三", "张*三"), ("欧阳阿三", "欧**三"), ("安吉县茶厂", "安***厂")]
)
def test_names_are_masked(name: str, shown: str) -> None:
    assert access.masked(name) == shown


@pytest.mark.parametrize(
    ("phone", "shown"), [("13812345678", "138****5678"), ("", ""), ("5123456", "*****56"), ("0572-5123456", "057*****3456"), ("12", "12")]
)
def test_phones_are_masked(phone: str, shown: str) -> None:
    assert access.masked_phone(phone) == shown


@pytest.mark.parametrize(("number", "shown"), [("330523197001011234", "330***********1234"), ("A12", "***"), ("", "")])
def test_identity_numbers_are_masked(number: str, shown: str) -> None:
    assert access.masked_id(number) == shown


@given(st.text(max_size=30))
def test_a_mask_keeps_the_length_and_hides_the_middle(text: str) -> None:
    for mask in (access.masked, access.masked_phone, access.masked_id):
        assert len(mask(text)) == len(text)
    assert access.masked(text)[1:-1] == "*" * max(len(text) - 2, 0)


def test_above_and_below() -> None:
    assert office.is_above(COUNTY, VILLAGE)
    assert office.is_above(COUNTY, UNIT)
    assert office.is_above(TOWNSHIP, VILLAGE)
    assert not office.is_above(TOWNSHIP, TOWNSHIP)
    assert not office.is_above(TOWNSHIP, UNIT)
    assert not office.is_above(UNIT, VILLAGE)
    assert not office.is_above(VILLAGE, TOWNSHIP)
    assert not office.is_above("330523/33", TOWNSHIP)  # whole segments


def test_the_line_of_offices_between_a_holder_and_the_place() -> None:
    units = TABLES.units_of(COUNTY)
    assert office.receivers_up(VILLAGE) == (TOWNSHIP,)
    assert office.receivers_up(UNIT) == (COUNTY,)
    assert office.receivers_up(COUNTY) == ()
    assert office.receivers_down(VILLAGE, VILLAGE, TABLES) == ()
    assert office.receivers_down(TOWNSHIP, VILLAGE, TABLES) == (VILLAGE,)
    assert office.receivers_down(TOWNSHIP, TOWNSHIP, TABLES) == ()
    assert office.receivers_down(COUNTY, VILLAGE, TABLES) == (TOWNSHIP, VILLAGE, *units)
    assert office.receivers_down(COUNTY, TOWNSHIP, TABLES) == (TOWNSHIP, *units)
    assert office.receivers_down(UNIT, VILLAGE, TABLES) == (TOWNSHIP, VILLAGE, *(u for u in units if u != UNIT))
    assert office.receivers_down(COUNTY, UNIT, TABLES) == (UNIT, *(u for u in units if u != UNIT))


def test_the_lowest_of_offices_the_earliest_of_equals() -> None:
    assert office.lowest([COUNTY, VILLAGE, TOWNSHIP, VILLAGE_2]) == VILLAGE
    assert office.lowest([COUNTY, UNIT]) == COUNTY
    assert office.lowest([]) == ""


def test_a_unit_registers_for_its_county_and_a_village_for_itself() -> None:
    assert access.may_register_in(UNIT, VILLAGE)
    assert access.may_register_in(COUNTY, VILLAGE)
    assert access.may_register_in(VILLAGE, VILLAGE)
    assert not access.may_register_in(VILLAGE, TOWNSHIP)
    assert not access.may_register_in(VILLAGE, VILLAGE_2)
    assert not access.may_register_in(UNIT, "330524/330524001")
