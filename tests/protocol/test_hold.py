"""Who holds when nodes did not know of one another: terms, late entries, two moves to one term."""

import pytest

from protocol import commands as c
from protocol import dispute, events
from protocol.calendar import HOUR_MS
from protocol.case import key_text
from protocol.problem import Refused
from tests.protocol.county import COUNTY, TABLES, TOWNSHIP, UNIT, VILLAGE, County, actor, kinds, line, same_everywhere


def test_an_offer_leaves_the_hold_and_taking_up_moves_it() -> None:
    world = County()
    subject = world.escalated()
    case = world.county.case(subject)
    assert (case.holder, case.term, case.offer.to, case.offer.by, case.offer.kind) == (VILLAGE, 1, TOWNSHIP, VILLAGE, "escalate")
    assert case.offer.arrived_ms is None
    world.township.arrive(subject)
    world.township.arrive(subject)  # it is written once
    assert [one.kind for one in world.township.case(subject).lines].count("DisputeArrived") == 1
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    case = same_everywhere(world, subject)
    assert (case.holder, case.term, case.offer, case.status) == (TOWNSHIP, 2, None, "mediating")
    first, second = case.moves
    assert (first.kind, first.from_, first.to, first.term) == ("log", "", VILLAGE, 1)
    assert (second.kind, second.from_, second.to, second.term) == ("take_up", VILLAGE, TOWNSHIP, 2)
    assert second.by == (actor(TOWNSHIP).person, actor(TOWNSHIP).post)
    assert first.at_ms < second.offered_ms < second.arrived_ms < second.at_ms
    assert case.term_since_ms == second.at_ms
    assert case.reviews == []


def test_the_holder_stays_responsible_until_the_offer_is_taken_up() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.village, c.RecordMediation, subject, VILLAGE)
    world.act(world.village, c.SignAgreement, subject, VILLAGE)
    case = same_everywhere(world, subject)
    assert (case.status, case.holder, case.offer.to) == ("agreed", VILLAGE, TOWNSHIP)


@pytest.mark.parametrize("who", ["village", "township"])
def test_an_offer_is_taken_back_by_either_side_and_the_holder_stays(who: str) -> None:
    world = County()
    subject = world.escalated()
    node, office = (world.village, VILLAGE) if who == "village" else (world.township, TOWNSHIP)
    world.act(node, c.ReturnDispute, subject, office)
    case = same_everywhere(world, subject)
    assert (case.holder, case.term, case.offer) == (VILLAGE, 1, None)
    world.act(world.village, c.EscalateDispute, subject, VILLAGE, to=TOWNSHIP)
    world.sync()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    assert same_everywhere(world, subject).holder == TOWNSHIP


def test_both_sides_take_the_offer_back_at_once_and_nothing_is_left_to_review() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.village, c.ReturnDispute, subject, VILLAGE)
    world.act(world.township, c.ReturnDispute, subject, TOWNSHIP)
    case = same_everywhere(world, subject)
    assert (case.holder, case.offer, case.reviews) == (VILLAGE, None, [])


def test_a_withdrawal_that_crosses_the_taking_up_is_late() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.village, c.ReturnDispute, subject, VILLAGE)
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    case = same_everywhere(world, subject)
    assert (case.holder, case.term) == (TOWNSHIP, 2)
    assert kinds(case) == [("DisputeReturned", "late")]


def test_a_late_settlement_is_set_aside_not_lost() -> None:
    """The village signs offline while the township takes up: the paper stands, the status waits for the township."""
    world = County()
    subject = world.escalated()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    for _ in range(5):  # a high turn does not help
        world.act(world.village, c.AddNote, subject, VILLAGE)
    world.act(world.village, c.SignAgreement, subject, VILLAGE)
    case = same_everywhere(world, subject)
    assert (case.status, case.holder, case.term) == ("mediating", TOWNSHIP, 2)
    assert kinds(case) == [("AgreementSigned", "late")]
    (review,) = case.reviews
    signed = line(case, "AgreementSigned")
    assert (review.owner, review.item) == (TOWNSHIP, key_text(signed.key))
    assert signed.set_aside.startswith("天子湖镇综治中心已受领，你的协议待天子湖镇综治中心核对")
    assert signed.text["协议内容"] == "拆到滴水巷外"
    assert case.agreement is not None
    assert (case.agreement.late, case.agreement.office, case.agreement.key) == (True, VILLAGE, signed.key)
    assert case.follow_up_by == VILLAGE


def test_a_review_is_due_one_working_day_after_the_node_knew() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.act(world.village, c.SignAgreement, subject, VILLAGE)
    friday = world.township.now_ms = 1773622800000 + 4 * 24 * HOUR_MS
    world.sync()
    (review,) = world.township.case(subject).reviews
    monday_end = friday + 3 * 24 * HOUR_MS + 15 * HOUR_MS - 1
    assert review.due_ms == monday_end


def test_the_holder_adopts_a_late_agreement() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.act(world.village, c.SignAgreement, subject, VILLAGE)
    world.sync()
    with pytest.raises(Refused, match="not_holder"):
        world.act(world.village, c.DecideReview, subject, VILLAGE, decision="adopt")
    world.act(world.township, c.DecideReview, subject, TOWNSHIP, decision="adopt")
    case = same_everywhere(world, subject)
    assert (case.status, case.holder, case.reviews) == ("agreed", TOWNSHIP, [])
    assert (case.agreement.late, len(case.agreements)) == (False, 1)
    signed = line(case, "AgreementSigned")
    assert (signed.set_aside, signed.text["核对"]) == ("", "采纳")


def test_the_holder_contests_a_late_agreement_and_the_paper_still_stands() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.act(world.village, c.SignAgreement, subject, VILLAGE)
    world.sync()
    world.act(world.township, c.DecideReview, subject, TOWNSHIP)
    case = same_everywhere(world, subject)
    assert (case.status, case.reviews, case.agreement.late) == ("mediating", [], True)
    assert line(case, "AgreementSigned").set_aside.endswith("核对结果：不采纳。")
    world.act(world.township, c.SignAgreement, subject, TOWNSHIP, follow_up_by=TOWNSHIP)
    case = same_everywhere(world, subject)
    assert (case.status, case.agreement.office, case.follow_up_by) == ("agreed", TOWNSHIP, TOWNSHIP)
    assert [paper.late for paper in case.agreements] == [False, True]


def test_a_late_acceptance_starts_the_legal_clock_but_not_the_status() -> None:
    world = County()
    subject = world.log()
    world.sync()
    world.act(world.township, c.CallUpDispute, subject, TOWNSHIP)
    (accepted,) = world.act(world.village, c.AcceptDispute, subject, VILLAGE)
    case = same_everywhere(world, subject)
    assert (case.status, case.accepted_ms) == ("logged", accepted.head.occurred_ms)
    assert kinds(case) == [("DisputeAccepted", "late")]
    world.act(world.township, c.AcceptDispute, subject, TOWNSHIP)
    case = same_everywhere(world, subject)
    assert (case.status, case.accepted_ms) == ("accepted", accepted.head.occurred_ms)


def test_what_the_taker_had_seen_counts_however_late_it_arrives_elsewhere() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.village, c.SignAgreement, subject, VILLAGE)
    world.township.pull(world.village)
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.county.pull(world.township)
    world.county.pull(world.village)
    case = same_everywhere(world, subject)
    assert (case.status, case.holder, case.reviews) == ("agreed", TOWNSHIP, [])


def test_notes_and_files_are_never_late() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.act(world.village, c.AddNote, subject, VILLAGE)
    world.act(world.village, c.AddEvidence, subject, VILLAGE)
    case = same_everywhere(world, subject)
    assert case.reviews == []
    assert [blob.blob.name for blob in case.blobs] == ["现场.jpg"]
    assert line(case, "NoteAdded").set_aside == ""


def test_a_late_escalation_to_whoever_took_it_anyway_is_answered() -> None:
    world = County()
    subject = world.accepted()
    world.sync()
    world.act(world.village, c.EscalateDispute, subject, VILLAGE, to=TOWNSHIP)
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    case = same_everywhere(world, subject)
    assert (case.holder, case.term, case.offer, case.reviews) == (COUNTY, 2, None, [])


def test_two_moves_to_one_term_the_higher_tier_prevails_whatever_the_turns() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)  # turn 5
    world.act(world.county, c.AddNote, subject, COUNTY)
    world.act(world.county, c.CallUpDispute, subject, COUNTY)  # turn 6
    world.act(world.township, c.SignAgreement, subject, TOWNSHIP)
    case = same_everywhere(world, subject)
    assert (case.holder, case.term, case.status) == (COUNTY, 2, "mediating")
    assert kinds(case) == [("DisputeTakenUp", "lost"), ("AgreementSigned", "lost")]
    assert {review.owner for review in case.reviews} == {COUNTY}
    assert case.agreement.late  # it held in its own branch: the paper stands
    assert [move.kind for move in case.moves] == ["log", "call_up"]


def test_two_takings_up_of_one_tier_the_lower_turn_then_the_origin_prevails() -> None:
    world = County()
    subject = world.log(world.township, VILLAGE, TOWNSHIP)
    world.act(world.township, c.AcceptDispute, subject, TOWNSHIP)
    world.act(world.township, c.EscalateDispute, subject, TOWNSHIP)
    world.sync()
    for node, person in ((world.county, "a" * 32), (world.hall, "b" * 32)):
        node.do(c.TakeUpDispute(id=world.id(), case=subject), actor(COUNTY, person=person))
    case = same_everywhere(world, subject)
    assert (case.holder, case.handler, case.term) == (COUNTY, "a" * 32, 2)  # ncountyaa before nhallaaaa
    assert kinds(case) == [("DisputeTakenUp", "lost")]
    world.act(world.hall, c.AddNote, subject, COUNTY)

    later = County()
    subject = later.log(later.township, VILLAGE, TOWNSHIP)
    later.act(later.township, c.EscalateDispute, subject, TOWNSHIP)
    later.sync()
    later.act(later.county, c.AddNote, subject, COUNTY)
    for node, person in ((later.county, "a" * 32), (later.hall, "b" * 32)):
        node.do(c.TakeUpDispute(id=later.id(), case=subject), actor(COUNTY, person=person))
    assert same_everywhere(later, subject).handler == "b" * 32  # the lower turn


def test_two_nodes_of_the_office_that_prevails_both_write_its_outcomes() -> None:
    """An office holds, a node does not: what the other node of the same office wrote in the term counts."""
    world = County()
    subject = world.log(world.township, VILLAGE, TOWNSHIP)
    world.act(world.township, c.AcceptDispute, subject, TOWNSHIP)
    world.act(world.township, c.EscalateDispute, subject, TOWNSHIP)
    world.sync()
    world.act(world.county, c.TakeUpDispute, subject, COUNTY)
    world.act(world.hall, c.TakeUpDispute, subject, COUNTY)
    world.act(world.hall, c.RecordMediation, subject, COUNTY)
    case = same_everywhere(world, subject)
    assert (case.status, kinds(case)) == ("mediating", [("DisputeTakenUp", "lost")])


def test_a_branch_that_lost_stays_lost_however_long_it_grows() -> None:
    """The township took up, handed down to the village and that took up too, while the county had called the case up."""
    world = County()
    subject = world.escalated()
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.act(world.township, c.HandDownDispute, subject, TOWNSHIP, to=VILLAGE)
    world.village.pull(world.township)
    world.act(world.village, c.TakeUpDispute, subject, VILLAGE)  # term 3 of the branch
    world.act(world.village, c.SignAgreement, subject, VILLAGE)
    case = same_everywhere(world, subject)
    assert (case.holder, case.term, case.status) == (COUNTY, 2, "mediating")
    assert kinds(case) == [(k, "lost") for k in ("DisputeTakenUp", "DisputeHandedDown", "DisputeTakenUp", "AgreementSigned")]
    assert (case.agreement.office, case.agreement.late) == (VILLAGE, True)
    world.act(world.county, c.HandDownDispute, subject, COUNTY, to=TOWNSHIP)
    world.sync()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)  # the true term 3
    case = same_everywhere(world, subject)
    assert (case.holder, case.term) == (TOWNSHIP, 3)
    assert [move.to for move in case.moves] == [VILLAGE, COUNTY, TOWNSHIP]
    assert len(case.reviews) == 4


def test_a_handing_down_carries_its_date_to_the_one_who_takes_it_up() -> None:
    world = County()
    subject = world.log(world.county, VILLAGE, COUNTY)
    world.act(world.county, c.HandDownDispute, subject, COUNTY, to=VILLAGE, due="2026-04-01")
    world.sync()
    assert world.village.case(subject).offer.due == "2026-04-01"
    world.act(world.village, c.TakeUpDispute, subject, VILLAGE, handler="d" * 32)
    case = same_everywhere(world, subject)
    assert (case.holder, case.due, case.handler) == (VILLAGE, "2026-04-01", "d" * 32)
    world.act(world.county, c.UrgeDispute, subject, COUNTY, due="2026-03-20")
    assert same_everywhere(world, subject).due == "2026-03-20"
    world.act(world.village, c.EscalateDispute, subject, VILLAGE, to=TOWNSHIP)
    world.sync()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    assert same_everywhere(world, subject).due == ""  # it was asked of the holder before


def test_a_unit_takes_up_and_passes_to_another_unit() -> None:
    world = County()
    subject = world.log(world.county, VILLAGE, COUNTY)
    world.act(world.county, c.HandDownDispute, subject, COUNTY, to=UNIT)
    world.act(world.county, c.TakeUpDispute, subject, UNIT)
    assert same_everywhere(world, subject).holder == UNIT
    assert UNIT not in dispute.receivers_down(UNIT, VILLAGE, TABLES)
    world.act(world.county, c.EscalateDispute, subject, UNIT, to=COUNTY)
    world.act(world.county, c.TakeUpDispute, subject, COUNTY)
    assert same_everywhere(world, subject).moves[-1].from_ == UNIT


def test_a_handler_is_named_for_one_term() -> None:
    world = County()
    subject = world.accepted()
    world.act(world.village, c.NameHandler, subject, VILLAGE, person="a" * 32)
    assert world.village.case(subject).handler == "a" * 32
    world.act(world.village, c.EscalateDispute, subject, VILLAGE, to=TOWNSHIP)
    world.sync()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    assert same_everywhere(world, subject).handler == actor(TOWNSHIP).person
    world.act(world.township, c.NameHandler, subject, TOWNSHIP, person="b" * 32)
    assert same_everywhere(world, subject).handler == "b" * 32


def test_an_arrival_is_that_of_the_office_asked_and_the_first_of_two() -> None:
    world = County()
    subject = world.log(world.township, VILLAGE, TOWNSHIP)
    world.act(world.township, c.EscalateDispute, subject, TOWNSHIP)
    case = world.township.case(subject)
    wrong = dispute.Draft(VILLAGE, subject, "dispute", events.DisputeArrived(TOWNSHIP, 1, (), key_text(case.offer.key)))
    world.township.write([wrong], "arrived")
    assert world.township.case(subject).offer.arrived_ms is None
    world.sync()
    first = world.county.now_ms
    world.county.arrive(subject)
    world.hall.now_ms += HOUR_MS
    world.hall.arrive(subject)
    world.sync()
    assert {node.case(subject).offer.arrived_ms for node in world.nodes} == {first}


def test_the_lowest_office_that_held_follows_up_unless_another_is_named() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.act(world.township, c.SignAgreement, subject, TOWNSHIP)
    assert same_everywhere(world, subject).follow_up_by == VILLAGE
