"""The dates of domain.md §10 that the clocks answer for, told as they happened."""

from protocol.clocks import MET, RUNNING, due_words, of_case
from tests.protocol.clock_cases import (
    COUNTY,
    TABLES,
    TOWNSHIP,
    a_case,
    a_line,
    a_paper,
    a_visit,
    agreed,
    an_offer,
    clocks,
    ends,
    ms,
    states,
)


def test_s1_a_boundary_wall_with_the_village_offline() -> None:
    case = a_case("2026-03-16", accepted_ms=ms("2026-03-16 10:00"), status="mediating")
    assert ends(case, "village") == "2026-03-23"
    agreed(case, a_paper("2026-03-18", "2026-03-31"))
    assert states(case, "village") == [("2026-03-23", MET)]  # signed offline on 03-18, received 03-19: not late
    assert ends(case, "T10") == "2026-04-17"
    assert states(case, "T12") == [("2026-04-10", RUNNING)]
    case.follow_ups.append(a_visit("2026-04-02"))
    case.status = "closed"
    assert states(case, "T12") == [("2026-04-10", MET)]


def test_s2_wages_of_23_workers_through_two_escalations() -> None:
    case = a_case("2026-01-19", type="1002", headcount=23, risk="yellow", offer=an_offer("2026-01-19 10:00"))
    assert ends(case, "T6") == "2026-02-03"
    assert ends(case, "T30") == "2026-01-20"
    case.offer, case.holder, case.term_since_ms = None, TOWNSHIP, ms("2026-01-20")
    case.holder, case.term_since_ms, case.risk = COUNTY, ms("2026-01-23"), "red"
    assert ends(case, "T6") == "2026-02-03"  # runs on through both
    assert ends(case, "county") == "2026-02-24"  # 02-22 is a holiday, 02-23 too
    agreed(case, a_paper("2026-02-06", "2026-02-13", "2026-03-13"))
    assert ends(case, "T10") == "2026-03-09"
    case.follow_ups += [a_visit("2026-02-24"), a_visit("2026-03-24")]
    assert [state for _, state in states(case, "T12")] == [MET, MET]


def test_s3_traffic_injury_confirmed_the_same_day() -> None:
    case = agreed(a_case("2026-05-11", type="1401", holder="330523/u04"), a_paper("2026-06-16"))
    assert ends(case, "T10") == "2026-07-16"


def test_s4_a_long_petition_ends_in_a_pledge_followed_up_three_times() -> None:
    case = a_case("2026-08-31", type="21", holder="330523/u01")
    assert ends(case, "T15") == "2026-09-15"
    case.status, case.accepted_ms = "accepted", ms("2026-09-02")
    assert ends(case, "T17") == "2026-11-02"
    assert "11月1日逢休息日，顺延" in clocks(case, "T17")[0].note
    case.status, case.ending, case.closed_ms = "closed", "pledge", ms("2026-10-22")
    assert states(case, "T17") == [("2026-11-02", MET)]
    assert states(case, "T12") == [("2026-11-23", RUNNING), ("2027-01-20", RUNNING), ("2027-04-20", RUNNING)]
    assert [clock.provisional for clock in clocks(case, "T12")] == [False, True, True]
    case.follow_ups.append(a_visit("2026-11-23"))
    assert [state for _, state in states(case, "T12")] == [MET, RUNNING, RUNNING]


def test_s6_a_medical_dispute() -> None:
    case = a_case("2026-02-11", type="1303", holder="330523/u14", status="accepted", accepted_ms=ms("2026-02-11"), risk="yellow")
    assert ends(case, "T4") == "2026-03-31"
    assert ends(agreed(case, a_paper("2026-04-16")), "T10") == "2026-05-18"


def test_s8_a_repeated_visit_after_an_oral_agreement_was_not_kept() -> None:
    case = agreed(a_case("2026-02-10", holder=TOWNSHIP), a_paper("2026-02-10", "2026-02-28", form="oral"), status="closed")
    (confirm,) = clocks(case, "T10")
    assert ends(case, "T10") == "2026-03-12"
    assert confirm.end == "只能起诉或重新调解"
    (visit,) = clocks(case, "T12")
    assert due_words(visit.due_ms, ms("2026-05-06"), TABLES.calendar) == "超期 57 天"  # follow-up skipped: red
    case.status = "mediating"
    case.lines.append(a_line("DisputeReopened", "2026-05-06"))
    assert states(case, "township") == [("2026-05-21", RUNNING)]
    assert "T31" in {clock.id for clock in of_case(case, TABLES)}
