"""The clocks of a case that the real fold made, from entries, also with every body erased."""

import msgspec
import pytest

from protocol import commands as c
from protocol import events, transfer
from protocol.calendar import DAY_MS
from protocol.case import Case
from protocol.clocks import MET, RUNNING, kept_and_missed, of_case
from protocol.commands import Party
from protocol.entry import FORMAT, Admitted, Head
from protocol.fold import fold_case
from tests.protocol import county
from tests.protocol.clock_cases import ORIGIN, TABLES, VILLAGE, day, ms
from tests.protocol.county import COUNTY, FAR, TOWNSHIP
from tests.protocol.test_successors import Far

SUBJECT = "5" * 32


def entry(seq: int, at: str, facts: events.Facts, body: events.Body | None = None) -> Admitted:
    kind = type(facts).__name__
    packed = msgspec.Raw(msgspec.msgpack.encode(facts))
    head = Head(
        FORMAT,
        VILLAGE,
        ORIGIN,
        seq,
        SUBJECT,
        "dispute",
        seq,
        ms(at),
        None,
        ("p" * 32, "clerk.00000001"),
        f"command-{seq}",
        kind,
        packed,
        b"",
    )
    return Admitted(head, None if body is None else msgspec.msgpack.encode(body), ms("2026-03-19 08:40"))


def s1() -> list[Admitted]:
    """The boundary wall: logged, accepted and agreed offline, admitted on 03-19."""
    said = events.DisputeLoggedBody("围墙", "东邻砌围墙占了滴水巷", [Party(name="甲"), Party(name="乙", side="respondent")])
    paper = events.AgreementSigned(
        VILLAGE, 1, (), "（2026）安调字第017-00001号", "written", ms("2026-03-18 15:00"), ("2026-03-31",), "", None, 3
    )
    return [
        entry(
            1,
            "2026-03-16 09:00",
            events.DisputeLogged(VILLAGE, 1, (), "2026-017-00042K", "0204", "visit", 2, "green", None, None, ""),
            said,
        ),
        entry(2, "2026-03-16 09:30", events.DisputeAccepted(VILLAGE, 1, (), True)),
        entry(3, "2026-03-18 15:10", paper, events.AgreementSignedBody(["拆除围墙"], "三月底前拆除")),
    ]


def dates(admitted: list[Admitted]) -> list[tuple[str, str, str]]:
    case = fold_case(admitted, TABLES)
    assert case is not None
    return [(clock.id, day(clock.due_ms), clock.state) for clock in of_case(case, TABLES)]


def test_s1_has_its_dates_whatever_the_order_of_arrival_and_without_any_body() -> None:
    told = [("village", "2026-03-23", MET), ("T12", "2026-04-10", RUNNING), ("T2", "2026-04-16", MET), ("T10", "2026-04-17", RUNNING)]
    assert dates(s1()) == told
    assert dates(s1()[::-1]) == told
    assert dates([msgspec.structs.replace(one, body=None, erased=True) for one in s1()]) == told


def test_a_case_only_logged_has_the_inner_clocks() -> None:
    assert dates(s1()[:1]) == [("T31", "2026-03-23", RUNNING), ("village", "2026-03-23", RUNNING)]


# ── the terms of who held before ──


def after_days(world: county.County, days: float) -> None:
    for node in world.nodes:
        node.now_ms += round(days * DAY_MS)


def raised(world: county.County, subject: str, hours: float = 1) -> Case:
    """The village escalates now, and so many hours later the township takes it up."""
    world.act(world.village, c.EscalateDispute, subject, county.VILLAGE, to=TOWNSHIP)
    world.sync()
    after_days(world, hours / 24)
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.sync()
    return world.county.case(subject)


def terms(case: Case) -> list[tuple[str, str, bool]]:
    """(id, state, was late) of the clocks of terms, and what figures make of all."""
    return [(k.id, k.state, k.met_ms is not None and k.met_ms > k.due_ms) for k in of_case(case, TABLES) if k.id in ("village", "township")]


def test_a_term_that_was_over_when_it_was_escalated_stays_missed_and_no_deadline_of_now() -> None:
    world = county.County()
    subject = world.accepted()
    after_days(world, 13)
    case = raised(world, subject)
    assert terms(case) == [("village", MET, True), ("township", RUNNING, False)]
    assert kept_and_missed(of_case(case, TABLES)) == (0, 1)
    bare = fold_case([msgspec.structs.replace(one, body=None, erased=True) for one in world.county.of(subject)], TABLES)
    assert bare is not None
    assert terms(bare) == terms(case)
    world.act(world.township, c.SignAgreement, subject, TOWNSHIP)
    world.act(world.township, c.CloseDispute, subject, TOWNSHIP)
    assert [late for _, _, late in terms(world.township.case(subject))] == [True, False]


def test_who_escalates_in_time_missed_nothing_however_late_it_is_taken_up() -> None:
    """That is what the rule asks of him when his days are over; taking it up has a clock of its own."""
    world = county.County()
    subject = world.accepted()
    after_days(world, 6)
    case = raised(world, subject, hours=72)
    assert terms(case) == [("township", RUNNING, False)]


def test_who_is_called_up_after_his_days_were_over_missed_them() -> None:
    world = county.County()
    subject = world.accepted()
    after_days(world, 9)
    world.sync()
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    assert terms(world.county.case(subject)) == [("village", MET, True)]


def test_who_escalated_in_time_and_is_called_up_while_nobody_has_taken_it_up_missed_nothing() -> None:
    world = county.County()
    subject = world.accepted()
    after_days(world, 6)
    world.act(world.village, c.EscalateDispute, subject, county.VILLAGE, to=TOWNSHIP)
    world.sync()
    after_days(world, 3)
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    case = world.county.case(subject)
    assert terms(case) == []
    assert kept_and_missed(of_case(case, TABLES)) == (0, 0)


def test_nor_did_who_escalated_in_time_offline_and_was_called_up_before_that_was_known() -> None:
    world = county.County()
    subject = world.accepted()
    world.sync()
    after_days(world, 6)
    world.act(world.village, c.EscalateDispute, subject, county.VILLAGE, to=TOWNSHIP)
    after_days(world, 3)
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    assert terms(world.county.case(subject)) == [("village", MET, True)], "not known yet"
    world.sync()
    assert terms(world.county.case(subject)) == []


def test_what_came_back_before_it_was_called_up_was_the_village_s_to_do_again() -> None:
    world = county.County()
    subject = world.accepted()
    after_days(world, 5)
    world.act(world.village, c.EscalateDispute, subject, county.VILLAGE, to=TOWNSHIP)
    world.sync()
    world.act(world.township, c.ReturnDispute, subject, TOWNSHIP)
    world.sync()
    after_days(world, 4)
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    assert terms(world.county.case(subject)) == [("village", MET, True)]


@pytest.mark.parametrize("returned", [False, True])
def test_a_transfer_in_time_is_an_offer_like_any_other(returned: bool) -> None:
    world = Far()
    subject = world.log(world.township, county.VILLAGE, TOWNSHIP)
    world.sync()
    after_days(world, 13)
    world.act(world.township, c.TransferDispute, subject, TOWNSHIP)
    world.sync()
    command, drafts = transfer.opening(world.county.case(subject))
    world.county.write(drafts, command)
    world.sync()
    if returned:
        successor = world.county.case(subject).successor
        world.act(world.far, c.ReturnDispute, successor, FAR)
        world.sync()
        world.county.write([transfer.answering(world.county.case(subject), world.county.case(successor))], "answered")
    after_days(world, 6)
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    assert terms(world.county.case(subject)) == ([("township", MET, True)] if returned else [])


@pytest.mark.parametrize(("days", "late"), [(2, False), (9, True)])
def test_what_was_reached_in_a_term_is_what_counts_of_it(days: int, late: bool) -> None:
    world = county.County()
    subject = world.accepted()
    after_days(world, days)
    world.act(world.village, c.EndMediation, subject, county.VILLAGE)
    after_days(world, 40)
    case = raised(world, subject)
    assert terms(case)[0] == ("village", MET, late)
    world.act(world.township, c.ReopenDispute, subject, TOWNSHIP)  # of its own term: the village's stands
    assert terms(world.township.case(subject)) == [("village", MET, late), ("township", RUNNING, False)]


def test_a_term_that_was_begun_anew_is_counted_from_there() -> None:
    world = county.County()
    subject = world.accepted()
    world.act(world.village, c.SignAgreement, subject, county.VILLAGE)
    world.act(world.village, c.CloseDispute, subject, county.VILLAGE)
    after_days(world, 100)
    world.act(world.village, c.ReopenDispute, subject, county.VILLAGE)
    after_days(world, 3)
    assert terms(raised(world, subject)) == [("township", RUNNING, False)]


def test_a_paper_that_came_too_late_to_count_met_the_term_it_was_signed_in() -> None:
    """The village signed in its days, without a signal; it escalated from another desk meanwhile, and the township took it up."""
    world = county.County()
    subject = world.accepted()
    world.sync()
    after_days(world, 3)
    desk = county.Node("nseconda", (county.VILLAGE,), (county.VILLAGE,), world.village.now_ms)
    desk.pull(world.village)
    after_days(world, 9)
    raised(world, subject)
    world.act(desk, c.SignAgreement, subject, county.VILLAGE)
    world.county.pull(desk)
    case = world.county.case(subject)
    assert [review.code for review in case.reviews] == ["late"]
    assert terms(case) == [("village", MET, False), ("township", RUNNING, False)]


def test_before_it_is_taken_up_there_a_case_that_goes_on_elsewhere_is_in_nobody_s_term() -> None:
    world = Far()
    _, successor = world.transferred()
    after_days(world, 30)
    world.act(world.far, c.TakeUpDispute, successor, FAR)
    assert terms(world.far.case(successor)) == [("township", RUNNING, False)]
