"""What waits, what does not fit, what was forged; reviews and what their decision brings."""

import msgspec
import pytest

from protocol import commands as c
from protocol import dispute, events
from protocol.case import key_text
from protocol.entry import Admitted
from protocol.fold import fold_case
from protocol.problem import Refused
from tests.protocol.county import (
    COUNTY,
    EVERYTHING,
    TABLES,
    TOWNSHIP,
    UNIT,
    VILLAGE,
    County,
    actor,
    ask,
    kinds,
    line,
    same_everywhere,
)

# ── waiting ──


def test_an_entry_waits_for_all_it_was_decided_on() -> None:
    world = County()
    subject = world.log()
    world.sync()
    world.act(world.village, c.AcceptDispute, subject, VILLAGE)
    world.act(world.village, c.EscalateDispute, subject, VILLAGE, to=TOWNSHIP)
    world.township.pull(world.village)
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.act(world.township, c.RecordMediation, subject, TOWNSHIP)
    world.county.pull(world.township)
    del world.county.entries[VILLAGE, "nvillagea:1", 4], world.county.entries[VILLAGE, "nvillagea:1", 3]
    case = world.county.case(subject)
    assert (case.holder, case.term, case.status, case.reviews) == (VILLAGE, 1, "logged", [])
    assert [one.kind for one in case.lines if one.waiting] == ["DisputeTakenUp", "MediationRecorded"]
    assert case.seen == {"nvillagea:1": 2}
    assert case.turn == 5
    world.county.pull(world.village)
    case = world.county.case(subject)
    assert (case.holder, case.status, [one for one in case.lines if one.waiting]) == (TOWNSHIP, "mediating", [])


def test_an_urge_behind_an_entry_that_waits_sets_no_date_yet() -> None:
    world = County()
    subject = world.accepted()
    world.sync()
    (mediated,) = world.act(world.village, c.RecordMediation, subject, VILLAGE)
    world.county.pull(world.village)
    world.act(world.county, c.SetRisk, subject, COUNTY)
    world.act(world.county, c.UrgeDispute, subject, COUNTY, due="2026-03-20")
    assert world.county.case(subject).due == "2026-03-20"
    without = [one for one in world.county.of(subject) if one.key != mediated.key]
    assert (fold_case(without, TABLES).due, fold_case(without, TABLES).risk) == ("", "green")


def test_a_case_is_unknown_until_its_registration_is_here() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    mine = [one for one in world.township.of(subject) if one.head.origin == "ntownship:1"]
    assert fold_case(mine, TABLES) is None
    assert fold_case([], TABLES) is None


def test_an_outcome_of_a_term_that_nobody_opened_here_waits_even_without_seen() -> None:
    world = County()
    subject = world.accepted()
    (mediated,) = world.act(world.village, c.RecordMediation, subject, VILLAGE)
    facts = events.MediationRecorded(TOWNSHIP, 2, (), "go_on", 1)
    foreign = msgspec.structs.replace(
        mediated.head, origin="nolder:1", facts=msgspec.Raw(msgspec.msgpack.encode(facts)), turn=1, command="command-x"
    )
    case = fold_case([*world.village.of(subject), Admitted(foreign, None, 1)], TABLES)
    assert [one.key for one in case.lines if one.waiting] == [("nolder:1", mediated.head.seq)]
    assert case.reviews == []


def test_a_move_that_waits_for_one_that_waits_opens_no_term() -> None:
    """And an outcome of its term, which names nothing, waits as well."""
    world = County()
    subject = world.escalated()
    world.act(world.village, c.AddNote, subject, VILLAGE)
    world.township.pull(world.village)
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    (mediated,) = world.act(world.township, c.RecordMediation, subject, TOWNSHIP)
    facts = msgspec.Raw(msgspec.msgpack.encode(events.MediationRecorded(TOWNSHIP, 2, (), "go_on", 1)))
    foreign = Admitted(msgspec.structs.replace(mediated.head, origin="nolder:1", facts=facts), None, 1)
    escalated = line(world.village.case(subject), "DisputeEscalated").head
    waits = msgspec.msgpack.encode(events.DisputeEscalated(VILLAGE, 1, (("ngone:1", 9),), TOWNSHIP))
    held = Admitted(msgspec.structs.replace(escalated, facts=msgspec.Raw(waits)), None, 1)
    entries = [held if one.head.seq == escalated.seq and one.head.origin == escalated.origin else one for one in world.township.of(subject)]
    case = fold_case([*entries, foreign], TABLES)
    kept = [one.kind for one in case.lines if not one.waiting]
    assert kept == ["DisputeLogged", "DisputeAccepted", "MediationRecorded"]
    assert (case.term, case.status, case.reviews) == (1, "mediating", [])


# ── what does not fit ──


def test_two_nodes_of_one_office_close_twice_the_second_is_set_aside() -> None:
    world = County()
    subject = world.log(world.county, VILLAGE, COUNTY)
    world.sync()
    world.act(world.county, c.CloseDispute, subject, COUNTY, ending="withdrawn")
    world.act(world.hall, c.CloseDispute, subject, COUNTY, ending="law")
    case = same_everywhere(world, subject)
    assert (case.status, case.ending) == ("closed", "withdrawn")
    assert kinds(case) == [("DisputeClosed", "unfit")]
    assert line(case, "DisputeClosed", 1).prevailed == line(case, "DisputeClosed").key


def forged(world: County, subject: str, facts: events.Facts, *, origin: str = "nvillageb:1", seq: int = 9, turn: int = 1) -> Admitted:
    head = world.village.of(subject)[0].head
    made = msgspec.structs.replace(
        head,
        origin=origin,
        seq=seq,
        turn=turn,
        kind=type(facts).__name__,
        facts=msgspec.Raw(msgspec.msgpack.encode(facts)),
        command="forged",
    )
    return Admitted(made, None, world.village.now_ms)


SEEN = (("nvillagea:1", 4),)
FORGERIES = [
    events.DisputeClosed(TOWNSHIP, 1, (), "law"),
    events.DisputeEscalated(TOWNSHIP, 1, (), COUNTY),
    events.DisputeTakenUp(TOWNSHIP, 2, SEEN, "nvillagea:1/2", "x" * 32),  # nobody offered
    events.DisputeTakenUp(TOWNSHIP, 2, SEEN, "nonsense", "x" * 32),
    events.DisputeCalledUp("330523/330523100", 2, SEEN),  # another township
    events.DisputeCalledUp(VILLAGE, 2, SEEN),
    events.DisputeCalledUp(TOWNSHIP, 1, SEEN),
    events.DisputeCalledUp(TOWNSHIP, -3, SEEN),
    events.RiskSet("330523/330523100", 1, (), "red"),
    events.AgreementSigned("330523/330523100", 1, (), "n", "written", 1, (), VILLAGE, None, 3),
    events.AgreementSigned(VILLAGE, 0, (), "n", "written", 1, (), VILLAGE, None, 3),
    events.DisputeLogged(TOWNSHIP, 1, (), "2026-017-99999K", "0204", "visit", 2, "green", None, None, ""),
    events.ReviewDecided(TOWNSHIP, 1, (), "nvillagea:1/2", "adopt"),
    events.DisputeVoided(VILLAGE, 1, ()),  # too late for that
    events.DisputeVoided(VILLAGE, 1, SEEN),  # a low turn does not put it before what it was decided on
]


@pytest.mark.parametrize("facts", FORGERIES, ids=lambda facts: type(facts).__name__)
def test_what_a_hostile_node_writes_changes_nothing_and_is_reviewed(facts: events.Facts) -> None:
    world = County()
    subject = world.accepted()
    world.act(world.village, c.RecordMediation, subject, VILLAGE)
    before = world.village.case(subject)
    for turn in (1, 1000):
        case = fold_case([*world.village.of(subject), forged(world, subject, facts, turn=turn)], TABLES)
        told = (case.status, case.holder, case.term, case.code, case.offer, case.risk, case.agreement, case.accepted_ms, case.follow_up_by)
        assert told == (before.status, before.holder, before.term, before.code, None, "green", None, before.accepted_ms, "")
        assert [review.kind for review in case.reviews] == [type(facts).__name__]
        assert case.reviews[0].owner == VILLAGE
        assert case.reviews[0].code in ("unfit", "foreign")


def test_a_take_up_of_an_offer_that_its_author_knew_was_taken_back_counts_for_nothing() -> None:
    world = County()
    subject = world.escalated()
    offer = key_text(world.village.case(subject).offer.key)
    world.act(world.village, c.ReturnDispute, subject, VILLAGE)
    facts = events.DisputeTakenUp(TOWNSHIP, 2, (("nvillagea:1", 6),), offer, "x" * 32)
    case = fold_case([*world.village.of(subject), forged(world, subject, facts)], TABLES)
    assert (case.holder, [review.kind for review in case.reviews]) == (VILLAGE, ["DisputeTakenUp"])


def test_a_take_up_by_another_office_than_the_one_asked_counts_for_nothing() -> None:
    world = County()
    subject = world.escalated()
    offer = key_text(world.village.case(subject).offer.key)
    facts = events.DisputeTakenUp(COUNTY, 2, (("nvillagea:1", 5),), offer, "x" * 32)
    case = fold_case([*world.village.of(subject), forged(world, subject, facts)], TABLES)
    assert (case.holder, kinds(case)) == (VILLAGE, [("DisputeTakenUp", "unfit")])


def test_a_voided_case_is_not_called_up() -> None:
    world = County()
    subject = world.log()
    world.act(world.village, c.VoidDispute, subject, VILLAGE)
    facts = events.DisputeCalledUp(TOWNSHIP, 2, (("nvillagea:1", 3),))
    case = fold_case([*world.village.of(subject), forged(world, subject, facts)], TABLES)
    assert (case.holder, case.term, kinds(case)) == (VILLAGE, 1, [("DisputeCalledUp", "lost")])


def branched(world: County) -> str:
    """Term 2 is the county's; the township's branch of it lost, with an offer to the village in it."""
    subject = world.escalated()
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.act(world.township, c.HandDownDispute, subject, TOWNSHIP, to=VILLAGE)
    world.sync()
    return subject


def test_who_knows_both_branches_cannot_go_on_with_the_one_that_lost() -> None:
    world = County()
    subject = branched(world)
    case = world.county.case(subject)
    offer = key_text(line(case, "DisputeHandedDown").key)
    seen = tuple(case.seen.items())
    for facts in (events.DisputeTakenUp(VILLAGE, 3, seen, offer, "x" * 32), events.DisputeCalledUp(COUNTY, 3, seen)):
        told = fold_case([*world.county.of(subject), forged(world, subject, facts)], TABLES)
        assert (told.holder, told.term, told.moves) == (COUNTY, 2, case.moves)
        assert (type(facts).__name__, "lost") in kinds(told)


def test_an_offer_by_the_other_node_of_the_holding_office_is_taken_up() -> None:
    """The hall's node knew only its own taking up, which came second; the office that handed down holds all the same."""
    world = County()
    subject = world.log(world.township, VILLAGE, TOWNSHIP)
    world.act(world.township, c.EscalateDispute, subject, TOWNSHIP)
    world.sync()
    world.act(world.county, c.TakeUpDispute, subject, COUNTY)
    world.act(world.hall, c.TakeUpDispute, subject, COUNTY)
    world.act(world.hall, c.HandDownDispute, subject, COUNTY, to=TOWNSHIP)
    world.township.pull(world.hall)
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    case = same_everywhere(world, subject)
    assert (case.holder, case.term, kinds(case)) == (TOWNSHIP, 3, [("DisputeTakenUp", "lost")])


def test_a_call_up_that_knew_only_the_branch_that_lost_is_lost_with_it() -> None:
    """The county takes its offer to the township back and hands down to the village; the township, not knowing, takes up as well."""
    world = County()
    subject = world.log(world.county, VILLAGE, COUNTY)
    world.act(world.county, c.HandDownDispute, subject, COUNTY, to=TOWNSHIP)
    world.sync()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.act(world.county, c.ReturnDispute, subject, COUNTY)
    world.act(world.county, c.HandDownDispute, subject, COUNTY, to=VILLAGE)
    world.village.pull(world.county)
    world.act(world.village, c.TakeUpDispute, subject, VILLAGE)
    world.county.pull(world.village)
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    case = same_everywhere(world, subject)
    assert (case.holder, case.term) == (TOWNSHIP, 2)
    assert ("DisputeCalledUp", "lost") in kinds(case)


def test_a_close_that_crosses_a_handing_down_waits_for_a_review() -> None:
    world = County()
    subject = world.log(world.county, VILLAGE, COUNTY)
    world.sync()
    world.act(world.county, c.HandDownDispute, subject, COUNTY, to=UNIT)
    world.act(world.hall, c.CloseDispute, subject, COUNTY)
    case = same_everywhere(world, subject)
    assert (case.status, case.offer.to, kinds(case)) == ("logged", UNIT, [("DisputeClosed", "unfit")])
    assert line(case, "DisputeClosed").prevailed == line(case, "DisputeHandedDown").key


def test_what_was_set_aside_names_the_entry_that_it_gave_way_to() -> None:
    world = County()
    subject = world.log()
    world.sync()
    world.act(world.village, c.EscalateDispute, subject, VILLAGE, to=TOWNSHIP)
    world.sync()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.act(world.village, c.AcceptDispute, subject, VILLAGE)  # without a network
    case = same_everywhere(world, subject)
    assert kinds(case) == [("DisputeAccepted", "late")]
    assert line(case, "DisputeAccepted").prevailed == line(case, "DisputeTakenUp").key
    assert [one.prevailed for one in case.lines if not one.set_aside] == [None] * (len(case.lines) - 1)


def test_entries_in_another_ledger_are_no_part_of_the_case() -> None:
    world = County()
    subject = world.accepted()
    seen = (("nvillagea:1", 3),)
    stray = forged(world, subject, events.DisputeVoided(VILLAGE, 1, seen))
    stray = msgspec.structs.replace(stray, head=msgspec.structs.replace(stray.head, ledger=TOWNSHIP))
    case = fold_case([*world.village.of(subject), stray], TABLES)
    assert (case.status, len(case.lines), case.seen) == ("accepted", 2, {"nvillagea:1": 3})


def test_adopting_a_late_close_ends_what_was_offered_meanwhile() -> None:
    world = County()
    subject = world.accepted()
    world.sync()
    world.act(world.township, c.CallUpDispute, subject, TOWNSHIP)
    world.act(world.village, c.CloseDispute, subject, VILLAGE, ending="withdrawn")
    world.act(world.township, c.EscalateDispute, subject, TOWNSHIP)
    world.sync()
    assert world.township.case(subject).offer.to == COUNTY
    world.act(world.township, c.DecideReview, subject, TOWNSHIP, decision="adopt")
    case = same_everywhere(world, subject)
    assert (case.status, case.ending, case.offer, case.reviews) == ("closed", "withdrawn", None, [])


def test_an_agreement_is_adopted_even_before_the_holder_accepted() -> None:
    world = County()
    subject = world.log()
    world.sync()
    world.act(world.township, c.CallUpDispute, subject, TOWNSHIP)
    world.act(world.village, c.AcceptDispute, subject, VILLAGE)
    world.act(world.village, c.SignAgreement, subject, VILLAGE)
    world.sync()
    signed = world.township.case(subject).reviews[1].item
    world.act(world.township, c.DecideReview, subject, TOWNSHIP, decision="adopt", item=signed)
    case = same_everywhere(world, subject)
    assert (case.status, kinds(case)) == ("agreed", [("DisputeAccepted", "late")])
    world.act(world.township, c.CloseDispute, subject, TOWNSHIP)
    world.act(world.township, c.ReopenDispute, subject, TOWNSHIP)
    assert same_everywhere(world, subject).status == "accepted"  # the village's acceptance is a legal fact


def test_of_two_agreements_of_one_office_the_first_is_followed_up() -> None:
    world = County()
    subject = world.log(world.county, VILLAGE, COUNTY)
    world.act(world.county, c.AcceptDispute, subject, COUNTY)
    world.sync()
    world.act(world.county, c.SignAgreement, subject, COUNTY, follow_up_by=VILLAGE)
    world.act(world.hall, c.SignAgreement, subject, COUNTY, follow_up_by=TOWNSHIP)
    case = same_everywhere(world, subject)
    assert (case.status, case.follow_up_by, case.agreement.late, kinds(case)) == ("agreed", VILLAGE, False, [("AgreementSigned", "unfit")])
    assert [paper.late for paper in case.agreements] == [False, True]
    world.act(world.village, c.RecordFollowUp, subject, VILLAGE)
    assert len(same_everywhere(world, subject).follow_ups) == 1


def test_a_set_aside_move_cannot_be_adopted_only_refused() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.sync()
    with pytest.raises(Refused, match="谁承办不能靠核对改变"):
        world.act(world.county, c.DecideReview, subject, COUNTY, decision="adopt")
    world.act(world.county, c.DecideReview, subject, COUNTY)
    assert same_everywhere(world, subject).reviews == []


def test_adopting_what_a_branch_mediated_brings_it_into_the_record() -> None:
    world = County()
    subject = world.log()
    world.act(world.village, c.AcceptDispute, subject, VILLAGE)
    world.sync()
    world.act(world.township, c.CallUpDispute, subject, TOWNSHIP)
    world.act(world.village, c.RecordMediation, subject, VILLAGE)
    world.sync()
    assert world.township.case(subject).status == "accepted"
    world.act(world.township, c.DecideReview, subject, TOWNSHIP, decision="adopt")
    assert same_everywhere(world, subject).status == "mediating"


def test_a_review_is_decided_once() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    world.act(world.village, c.SignAgreement, subject, VILLAGE)
    world.sync()
    world.act(world.county, c.DecideReview, subject, COUNTY, decision="reject")
    world.act(world.hall, c.DecideReview, subject, COUNTY, decision="adopt")  # at once, at the other node of the office
    case = same_everywhere(world, subject)
    assert (case.status, case.reviews) == ("mediating", [])
    with pytest.raises(Refused, match="review_unknown"):
        world.act(world.county, c.DecideReview, subject, COUNTY)


def test_what_a_revoked_node_wrote_after_its_last_good_entry_is_set_aside() -> None:
    world = County()
    subject = world.accepted()
    (last,) = world.act(world.village, c.RecordMediation, subject, VILLAGE)
    world.act(world.village, c.SignAgreement, subject, VILLAGE)
    world.act(world.village, c.AddNote, subject, VILLAGE)
    good = {(VILLAGE, "nvillagea:1"): last.head.seq}
    case = fold_case(world.village.of(subject), TABLES, good)
    assert (case.status, case.agreement) == ("mediating", None)
    assert kinds(case) == [("AgreementSigned", "revoked"), ("NoteAdded", "revoked")]
    world.act(world.village, c.AddEvidence, subject, VILLAGE)
    assert len(world.village.case(subject).blobs) == 1
    assert fold_case(world.village.of(subject), TABLES, good).blobs == []
    case = fold_case(world.village.of(subject), TABLES, {(VILLAGE, "nvillagea:1"): 0})
    assert case.status == "logged"
    assert next(review.kind for review in case.reviews) == "DisputeLogged"


def test_the_hold_of_a_closed_case_can_be_called_up_and_the_case_reopened() -> None:
    world = County()
    subject = world.accepted()
    world.act(world.village, c.SignAgreement, subject, VILLAGE)
    world.act(world.village, c.CloseDispute, subject, VILLAGE)
    world.sync()
    world.act(world.township, c.CallUpDispute, subject, TOWNSHIP)
    world.act(world.township, c.ReopenDispute, subject, TOWNSHIP)
    case = same_everywhere(world, subject)
    assert (case.status, case.holder, case.closed_ms, case.ending) == ("accepted", TOWNSHIP, None, "")
    assert case.agreement is not None  # a legal fact is never undone by a status


def test_a_kept_promise_written_in_an_old_term_is_shown_to_the_holder() -> None:
    """S8: the village wrote 已履行 offline in its old term."""
    world = County()
    subject = world.accepted()
    world.act(world.village, c.SignAgreement, subject, VILLAGE)
    world.act(world.village, c.CloseDispute, subject, VILLAGE)
    world.sync()
    world.act(world.township, c.CallUpDispute, subject, TOWNSHIP)
    world.act(world.township, c.ReopenDispute, subject, TOWNSHIP)
    world.act(world.village, c.RecordFollowUp, subject, VILLAGE)
    case = same_everywhere(world, subject)
    assert (case.status, case.follow_ups, kinds(case)) == ("accepted", [], [("FollowUpRecorded", "late")])
    world.act(world.township, c.DecideReview, subject, TOWNSHIP, decision="adopt")
    assert [follow.office for follow in same_everywhere(world, subject).follow_ups] == [VILLAGE]


def test_steps_offer_the_review_only_while_there_is_one() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.county, c.CallUpDispute, subject, COUNTY)

    def offered() -> bool:
        case = world.county.case(subject)
        return "DecideReview" in {step.command for step in dispute.steps(case, actor(COUNTY, EVERYTHING), world.county.context())}

    assert not offered()
    world.act(world.village, c.RecordMediation, subject, VILLAGE)
    world.sync()
    assert offered()


def test_an_unknown_event_is_kept_as_a_line_and_changes_nothing() -> None:
    world = County()
    subject = world.accepted()
    head = world.village.of(subject)[0].head
    later = msgspec.structs.replace(head, kind="DisputeDreamt", seq=99, turn=9, facts=msgspec.Raw(msgspec.msgpack.encode([VILLAGE, 1, []])))
    case = fold_case([*world.village.of(subject), Admitted(later, b"\x80", 1)], TABLES)
    assert (case.status, case.lines[-1].kind, case.lines[-1].text, case.reviews) == ("accepted", "DisputeDreamt", {}, [])
    assert case.seen["nvillagea:1"] == 99


def test_ask_fills_every_command() -> None:
    assert all(ask(kind, "0" * 32, "command-1").id for kind in c.CASE_COMMANDS)
