"""What starts a clock, what meets it, what warns; and that no case, however odd, stops the counting."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import clocks
from protocol.case import STATUS_NAMES, TASK_STATUS_NAMES, Case, Move, Task
from protocol.clocks import MET, RUNNING, STOPPED, due_words, is_overdue, warn
from protocol.tables import PACKAGED, Tables
from tests.protocol.clock_cases import (
    COUNTY,
    TABLES,
    TOWNSHIP,
    VILLAGE,
    a_case,
    a_line,
    a_paper,
    a_visit,
    agreed,
    an_offer,
    day,
    ends,
    ms,
    states,
)
from tests.protocol.clock_cases import clocks as of

CAL = TABLES.calendar


def ids(case: Case) -> set[str]:
    return {clock.id for clock in clocks.of_case(case, TABLES)}


def test_a_registration_starts_the_term_and_the_clock_of_silence() -> None:
    case = a_case("2026-03-16")
    assert ids(case) == {"village", "T31"}
    assert ends(case, "T31") == "2026-03-23"


def test_accepting_starts_one_month_which_an_agreement_meets() -> None:
    case = a_case("2026-01-28", accepted_ms=ms("2026-01-31"), status="accepted")
    assert states(case, "T2") == [("2026-02-28", RUNNING)]
    assert states(agreed(case, a_paper("2026-02-10")), "T2") == [("2026-02-28", MET)]
    for status, state in (("ended", MET), ("closed", MET), ("voided", STOPPED), ("merged", STOPPED), ("mediating", RUNNING)):
        case.status = status
        assert [s for _, s in states(case, "T2")] == [state], status


@pytest.mark.parametrize(
    ("type_", "has", "lacks"), [("1303", "T4", "T2"), ("1002", "T6", "T2"), ("0204", "T2", "T4"), ("1901", "T31", "T2")]
)
def test_special_laws_go_before_the_general_month(type_: str, has: str, lacks: str) -> None:
    case = a_case("2026-03-16", accepted_ms=ms("2026-03-16"), status="accepted", type=type_)
    assert has in ids(case)
    assert lacks not in ids(case)


@pytest.mark.parametrize(
    ("fields", "is_petition"),
    [
        ({"type": "2101"}, True),
        ({"intake": "petition"}, True),
        ({"logged_office": "330523/u01"}, True),
        ({}, False),
        ({"logged_office": COUNTY}, False),
    ],
)
def test_only_a_petition_must_be_answered_in_15_days(fields: dict[str, str], is_petition: bool) -> None:
    case = a_case("2026-06-30", **fields)
    assert states(case, "T15") == ([("2026-07-15", RUNNING)] if is_petition else [])


def test_being_told_meets_the_clock_of_telling() -> None:
    case = a_case("2026-06-30", type="2101", status="declined")
    assert states(case, "T15") == [("2026-07-15", MET)]
    case.status, case.accepted_ms = "accepted", ms("2026-07-02")
    assert states(case, "T15") == [("2026-07-15", MET)]
    assert states(case, "T17") == [("2026-08-31", RUNNING)]
    case.status, case.accepted_ms = "voided", None
    assert states(case, "T15") == [("2026-07-15", STOPPED)]


def test_archiving_what_was_not_accepted_makes_no_term_of_it_late() -> None:
    case = a_case("2026-06-30", type="2101", status="declined", closed_ms=ms("2026-08-03"))
    declined = clocks.of_case(case, TABLES)
    assert states(case, "village") == [("2026-07-07", STOPPED)]
    case.status, case.archived_ms = "archived", ms("2026-08-04")
    assert clocks.of_case(case, TABLES) == declined
    case.ending = "withdrawn"
    assert states(case, "village") == [("2026-07-07", MET)]


@pytest.mark.parametrize(
    ("holder", "id_", "last"), [(VILLAGE, "village", "2026-03-23"), (TOWNSHIP, "township", "2026-03-31"), (COUNTY, "county", "2026-04-15")]
)
def test_each_level_has_its_own_limit(holder: str, id_: str, last: str) -> None:
    case = a_case("2026-03-16", holder=holder)
    assert ends(case, id_) == last
    assert len({"village", "township", "county"} & ids(case)) == 1


def test_a_unit_has_the_limit_of_the_level_it_stands_on() -> None:
    assert ends(a_case("2026-03-16", holder="330523/u06"), "county") == "2026-04-15"


def test_a_hand_over_restarts_the_inner_limit_and_no_legal_clock() -> None:
    case = a_case(
        "2026-03-16", type="1001", holder=TOWNSHIP, term_since_ms=ms("2026-03-20"), accepted_ms=ms("2026-03-17"), status="accepted"
    )
    assert ends(case, "township") == "2026-04-07"  # 04-04 is a holiday
    assert ends(case, "T6") == "2026-03-31"


def test_taking_up_is_due_one_working_day_after_arrival_not_after_sending() -> None:
    case = a_case("2026-02-13", offer=an_offer(None))
    assert "T30" not in ids(case)
    case.offer = an_offer("2026-02-14 16:00")  # a Saturday that is worked, before nine days of rest
    assert ends(case, "T30") == "2026-02-24"


def test_what_was_taken_up_keeps_its_clock_and_says_when_it_was_late() -> None:
    def taken(at: str) -> tuple[str, str]:
        move = Move(2, "take_up", VILLAGE, TOWNSHIP, ("", ""), ms(at), ms(at), ("nabc:1", 1), ms("2026-01-19"), ms("2026-01-19"))
        (clock,) = of(a_case("2026-01-19", holder=TOWNSHIP, moves=[move]), "T30")
        assert day(clock.due_ms) == "2026-01-20"
        return clock.state, clock.note

    assert taken("2026-01-20 17:00") == (MET, "")
    assert taken("2026-01-21 08:00") == (MET, "超期后才受领")


def test_silence_counts_from_the_last_progress_and_an_urge_is_none() -> None:
    case = a_case("2026-03-16", status="mediating")
    case.lines += [a_line("MediationRecorded", "2026-03-18"), a_line("DisputeUrged", "2026-03-25"), a_line("DisputeArrived", "2026-03-26")]
    assert ends(case, "T31") == "2026-03-25"
    case.lines.append(a_line("NoteAdded", "2026-03-25"))
    assert ends(case, "T31") == "2026-04-01"
    case.risk = "red"
    assert ends(case, "T31") == "2026-03-26"
    assert "T31" not in ids(agreed(case, a_paper("2026-03-26")))


def test_each_day_of_performance_has_its_follow_up() -> None:
    case = agreed(a_case("2026-01-19"), a_paper("2026-02-06", "2026-02-13", "2026-03-13"))
    assert states(case, "T12") == [("2026-03-02", RUNNING), ("2026-03-24", RUNNING)]
    case.follow_ups.append(a_visit("2026-02-24"))
    assert states(case, "T12") == [("2026-03-02", MET), ("2026-03-24", RUNNING)]
    assert clocks.follow_up_due_ms(clocks.of_case(case, TABLES)) == of(case, "T12")[1].due_ms
    case.follow_ups.append(a_visit("2026-03-24"))
    assert clocks.follow_up_due_ms(clocks.of_case(case, TABLES)) is None


def test_a_follow_up_made_early_serves_the_next_day_and_a_late_one_all_before() -> None:
    early = agreed(a_case("2026-01-19"), a_paper("2026-02-06", "2026-02-13", "2026-03-13"))
    early.follow_ups.append(a_visit("2026-02-10"))
    assert [state for _, state in states(early, "T12")] == [MET, RUNNING]
    late = agreed(a_case("2026-01-19"), a_paper("2026-02-06", "2026-02-13", "2026-03-13"))
    late.follow_ups.append(a_visit("2026-04-01"))
    assert [state for _, state in states(late, "T12")] == [MET, MET]


def test_an_agreement_kept_at_once_is_followed_up_from_its_signing() -> None:
    case = agreed(a_case("2026-03-16"), a_paper("2026-03-18"), status="closed")
    assert states(case, "T12") == [("2026-03-27", RUNNING)]
    case.status = "archived"
    assert states(case, "T12") == [("2026-03-27", STOPPED)]


def test_what_was_followed_up_before_the_agreement_says_nothing_about_it() -> None:
    case = agreed(a_case("2026-01-19"), a_paper("2026-05-08", "2026-05-20"))
    case.follow_ups.append(a_visit("2026-02-10", kept="no"))
    assert states(case, "T12") == [("2026-05-29", RUNNING)]


def test_a_reopened_case_is_mediated_anew_but_its_paper_stands() -> None:
    case = agreed(a_case("2026-02-10", accepted_ms=ms("2026-02-10")), a_paper("2026-02-10", "2026-02-28"), status="mediating")
    case.lines.append(a_line("DisputeReopened", "2026-05-06"))
    assert states(case, "T2") == [("2026-06-08", RUNNING)]  # 06-06 is a Saturday
    assert states(case, "village") == [("2026-05-13", RUNNING)]
    assert states(case, "T12") == [("2026-03-10", STOPPED)]
    assert ends(case, "T10") == "2026-03-12"


def test_a_late_agreement_waits_for_review_and_its_clocks_run_from_signing() -> None:
    case = a_case("2026-03-16", holder=TOWNSHIP, status="mediating")
    case.agreements = [a_paper("2026-03-18", "2026-03-31", late=True)]
    assert ends(case, "T10") == "2026-04-17"
    assert states(case, "T12") == [("2026-04-10", RUNNING)]


def test_a_second_agreement_ends_the_follow_up_of_the_first() -> None:
    papers = a_paper("2026-02-10", "2026-02-28"), a_paper("2026-05-08", "2026-05-20", number="（2026）安调字第017-00002号")
    case = agreed(a_case("2026-02-10"), *papers)
    assert states(case, "T12") == [("2026-03-10", STOPPED), ("2026-05-29", RUNNING)]
    assert len(of(case, "T10")) == 2


def test_what_a_court_can_not_confirm_is_said() -> None:
    assert "物权确权" in of(agreed(a_case("2026-03-16", type="0302"), a_paper("2026-03-18")), "T10")[0].note
    assert "身份关系" in of(agreed(a_case("2026-03-16", type="0102"), a_paper("2026-03-18")), "T10")[0].note
    assert "顺延" in of(agreed(a_case("2026-04-03"), a_paper("2026-04-03")), "T10")[0].note


@pytest.mark.parametrize(("signed", "kept_and_missed"), [("2026-03-20", (2, 0)), ("2026-03-30", (1, 1)), ("2026-04-25", (0, 2))])
def test_a_duty_is_kept_or_missed_by_what_met_it(signed: str, kept_and_missed: tuple[int, int]) -> None:
    """The village has seven days, the law a month from accepting; a right of the parties and a follow-up are no duty of a desk."""
    case = a_case("2026-03-16", status="agreed", accepted_ms=ms("2026-03-16"), agreement=a_paper(signed))
    found = clocks.of_case(case, TABLES)
    assert clocks.kept_and_missed(found) == kept_and_missed
    assert clocks.kept_and_missed([msgspec.structs.replace(clock, right=True) for clock in found]) == (0, 0)
    assert clocks.kept_and_missed(clocks.of_case(a_case("2026-03-16"), TABLES)) == (0, 0), "what runs is neither"


def test_a_paper_from_before_met_no_clock_that_began_later() -> None:
    """It was signed in an earlier term; the present one was met by closing."""
    term = {"holder": TOWNSHIP, "term_since_ms": ms("2026-05-01")}
    closed = a_case("2026-03-16", status="closed", closed_ms=ms("2026-05-04"), agreement=a_paper("2026-03-20"), **term)
    (township,) = of(closed, "township")
    assert (township.state, township.met_ms) == (MET, ms("2026-05-04"))


def test_a_paper_that_was_recorded_later_met_what_began_in_between_at_once() -> None:
    """Signed at a kitchen table on Friday, registered, accepted and typed on Monday."""
    monday = {"accepted_ms": ms("2026-03-23"), "status": "closed", "closed_ms": ms("2026-04-30")}
    paper = a_paper("2026-03-20", written_ms=ms("2026-03-23 09:30"))
    case = agreed(a_case("2026-03-23", **monday), paper, status="closed")
    for id_ in ("village", "T2"):
        (clock,) = of(case, id_)
        assert (clock.state, clock.met_ms) == (MET, clock.starts_ms), id_
    assert ends(case, "T10") == "2026-04-20"  # 30 days from Friday end on a Sunday


def test_a_date_asked_by_hand_down_or_urge_is_a_clock() -> None:
    case = a_case("2026-03-16", due="2026-03-28")
    assert states(case, "asked") == [("2026-03-28", RUNNING)]  # as written, never moved
    assert "asked" not in ids(a_case("2026-03-16", due="soon"))


def test_a_reopened_case_owes_nothing_by_a_date_that_was_over_then() -> None:
    case = a_case("2026-03-16", due="2026-03-28", status="logged")
    case.lines.append(a_line("DisputeReopened", "2026-05-06"))
    assert states(case, "asked") == []
    case.due = "2026-05-06"  # of that day, or asked since
    assert states(case, "asked") == [("2026-05-06", RUNNING)]


def test_a_right_of_the_parties_is_nobody_s_delay() -> None:
    case = agreed(a_case("2026-03-16"), a_paper("2026-03-18", "2026-06-30"))
    (right,) = of(case, "T10")
    found = clocks.of_case(case, TABLES)
    first = clocks.first_due(found)
    assert first is not None
    assert first.id == "T12"
    assert warn(right, right.due_ms) == "late"
    assert warn(right, right.due_ms + 1) == ""
    assert right.end == "只能起诉或重新调解"


def test_warnings_come_at_half_and_at_four_fifths() -> None:
    (clock,) = of(a_case("2026-03-16 00:00"), "village")
    length = clock.due_ms - clock.starts_ms
    assert warn(clock, clock.starts_ms + length * 49 // 100) == ""
    assert warn(clock, clock.starts_ms + length * 51 // 100) == "soon"
    assert warn(clock, clock.starts_ms + length * 79 // 100) == "soon"
    assert warn(clock, clock.starts_ms + length * 81 // 100) == "late"
    assert not is_overdue(clock, clock.due_ms)
    assert is_overdue(clock, clock.due_ms + 1)
    assert warn(msgspec.structs.replace(clock, state=MET), clock.due_ms + 1) == ""


@pytest.mark.parametrize(
    ("due", "now", "words"),
    [
        ("2026-03-23 24:00", "2026-03-19 10:00", "还剩 2 个工作日"),
        ("2026-03-23 24:00", "2026-03-23 10:00", "今天 17:30"),
        ("2026-03-23 24:00", "2026-03-23 18:00", "今天 24:00"),
        ("2026-03-23 15:00", "2026-03-23 10:00", "今天 15:00"),
        ("2026-03-23 15:00", "2026-03-23 15:20", "超期 1 小时"),
        ("2026-03-23 15:00", "2026-03-23 18:20", "超期 3 小时"),
        ("2026-03-23 24:00", "2026-03-24 00:10", "超期 1 天"),
        ("2026-03-23 24:00", "2026-04-02 09:00", "超期 10 天"),
        ("2026-05-03 24:00", "2026-05-01 09:00", "还剩 2 天"),  # no working day between
        ("2026-05-06 24:00", "2026-04-30 09:00", "还剩 1 个工作日"),
        ("2027-01-06 24:00", "2026-12-31 09:00", "还剩 4 个工作日（暂定）"),
        ("2029-01-06 24:00", "2026-12-31 09:00", "还剩 737 天"),
    ],
)
def test_what_is_left_is_said_in_words(due: str, now: str, words: str) -> None:
    due_ms = ms(due.replace("24:00", "23:59")) + (59_999 if "24:00" in due else 0)
    assert due_words(due_ms, ms(now), CAL) == words


def test_a_task_is_met_by_its_report() -> None:
    task = Task(id="0" * 32, ledger=VILLAGE, status="sent", assigned_ms=ms("2026-06-11"), due_ms=ms("2026-06-16 17:30"))
    for status in TASK_STATUS_NAMES:
        task.status = status
        (clock,) = clocks.of_task(task, TABLES)
        expected = {"reported": MET, "declined": STOPPED, "recalled": STOPPED}.get(status, RUNNING)
        assert (clock.id, clock.due_ms, clock.state) == ("task", ms("2026-06-16 17:30"), expected)
    task.due_ms = 0
    assert clocks.of_task(task, TABLES) == []


def test_the_county_s_own_limit_replaces_ours() -> None:
    table = msgspec.json.decode(PACKAGED["clocks"][2])
    for rule in table["rows"]:
        if rule["key"] == "village":
            rule["length"], rule["unit"] = 2, "workday"
    tables = Tables.of({"clocks": msgspec.json.encode(table)})
    assert tables.broken == ()
    (clock,) = [c for c in clocks.of_case(a_case("2026-03-20"), tables) if c.id == "village"]
    assert day(clock.due_ms) == "2026-03-24"


def test_a_clock_that_runs_into_a_year_without_a_notice_is_provisional() -> None:
    (clock,) = of(a_case("2026-12-28"), "village")
    assert clock.provisional
    assert "暂定" in clock.note
    assert day(clock.due_ms) == "2027-01-04"
    assert not of(a_case("2026-03-16"), "village")[0].provisional


@given(
    st.sampled_from(sorted(STATUS_NAMES)),
    st.sampled_from(["0204", "1002", "1303", "21", "2201", "9999", ""]),
    st.integers(-(2**63), 2**63),
    st.lists(st.text(max_size=12) | st.dates().map(str), max_size=4),
    st.sampled_from(["", "red", "pledge"]),
)
def test_no_case_however_odd_stops_the_counting(status: str, type_: str, at: int, due: list[str], odd: str) -> None:
    case = a_case("2026-03-16", type=type_, risk=odd, ending=odd, closed_ms=at, accepted_ms=at, logged_ms=at, term_since_ms=at)
    agreed(case, msgspec.structs.replace(a_paper("2026-03-18", *due), signed_ms=at), status=status)
    found = clocks.of_case(case, TABLES)
    assert found == sorted(found, key=lambda c: c.due_ms)
    assert len({(c.id, c.starts_ms) for c in found}) == len(found)
    for clock in found:
        assert 0 <= clock.starts_ms < 2**63
        assert 0 <= clock.due_ms < 2**63
        due_words(clock.due_ms, at, CAL)
        warn(clock, at)
