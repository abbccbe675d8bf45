"""A case that goes on in another ledger (转办), by hand-made entries: who decides what was set aside there, and what a call-up leaves of it."""

import msgspec
import pytest

from protocol import commands as c
from protocol import dispute, transfer
from protocol.case import key_text
from protocol.events import Draft
from protocol.fold import fold_case
from protocol.problem import Refused
from protocol.views import figures
from tests.protocol.county import COUNTY, EVERYTHING, FAR, TABLES, TOWNSHIP, VILLAGE, County, Node, actor, kinds, same_everywhere


class Far(County):
    """And the node of a township that covers nothing of the first."""

    def __init__(self) -> None:
        super().__init__()
        self.far = Node("nfaraaaaa", (FAR,), (f"{FAR}/*",))

    @property
    def nodes(self) -> tuple[Node, ...]:
        return *super().nodes, self.far

    def transferred(self) -> tuple[str, str]:
        """The township sends its case to the other one, and the county's node carries it there. (case, successor)"""
        subject = self.log(self.township, VILLAGE, TOWNSHIP)
        self.act(self.township, c.AcceptDispute, subject, TOWNSHIP)
        self.act(self.township, c.TransferDispute, subject, TOWNSHIP)
        self.sync()
        command, drafts = transfer.opening(self.county.case(subject))
        self.county.write(drafts, command)
        self.sync()
        return subject, self.county.case(subject).successor


def left(world: Far, successor: str, kind: type[c.CaseCommand]) -> dict[tuple[str, ...], int]:
    """Somebody of the receiving office writes, and his post had ended before it was known: what `hold.judge` is told of it."""
    written = world.act(world.far, kind, successor, FAR)[0].head
    world.sync()
    return {(FAR, written.origin, written.author[1]): written.seq - 1}


@pytest.mark.parametrize("kind", [c.AddNote, c.TakeUpDispute])
def test_what_was_set_aside_of_a_successor_nobody_took_up_is_for_the_office_of_its_ledger(kind: type[c.CaseCommand]) -> None:
    world = Far()
    _, successor = world.transferred()
    over = left(world, successor, kind)
    before = fold_case(world.far.of(successor), TABLES, over)
    assert (before.holder, before.term, [(r.owner, r.code) for r in before.reviews]) == (TOWNSHIP, 1, [(FAR, "post_over")])
    new = actor(FAR, EVERYTHING, "d" * 32)
    assert "DecideReview" in {step.command for step in dispute.steps(before, new, world.far.context())}
    with pytest.raises(Refused, match="not_holder"):
        both = Node("nbothaaaa", (TOWNSHIP,), ("330523/*",)).context()
        dispute.decide(before, decision(world, before), actor(TOWNSHIP, EVERYTHING), both)
    drafts = dispute.decide(before, decision(world, before), new, world.far.context())
    world.far.write(drafts, "decided", (new.person, "post.new"))
    world.sync()
    for node in (world.far, world.county):
        after = fold_case(node.of(successor), TABLES, over)
        assert (after.reviews, after.holder, after.offer.to) == ([], TOWNSHIP, FAR)
    assert "TakeUpDispute" in {step.command for step in dispute.steps(after, new, world.far.context())}


def decision(world: Far, case) -> c.DecideReview:
    return c.DecideReview(id=world.id(), case=case.id, item=case.reviews[0].item, decision="reject", reason="没有办过")


def test_once_it_is_taken_up_there_the_holder_decides() -> None:
    world = Far()
    _, successor = world.transferred()
    over = left(world, successor, c.AddNote)
    case = fold_case(world.far.of(successor), TABLES, over)
    new = actor(FAR, EVERYTHING, "d" * 32)
    take = c.TakeUpDispute(id=world.id(), case=successor)
    world.far.write(dispute.decide(case, take, new, world.far.context()), take.id, (new.person, "post.new"))
    case = fold_case(world.far.of(successor), TABLES, over)
    assert (case.holder, kinds(case), case.reviews[0].owner) == (FAR, [("NoteAdded", "post_over")], FAR)


# ── called up meanwhile ──


def crossed(world: Far) -> tuple[str, str]:
    """The county calls the case up while the other township takes up its successor; the county's node tells the one of the other."""
    subject, successor = world.transferred()
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    world.act(world.far, c.TakeUpDispute, successor, FAR)
    world.sync()
    tell(world, subject, successor)
    return subject, successor


def tell(world: Far, subject: str, successor: str) -> None:
    draft = transfer.answering(world.county.case(subject), world.county.case(successor))
    assert draft is not None
    world.county.write([draft], world.id())
    world.sync()
    assert transfer.answering(world.county.case(subject), world.county.case(successor)) is None, "told once"


def test_taken_up_elsewhere_although_it_was_called_up_the_holder_lets_it_go_on_there() -> None:
    world = Far()
    subject, successor = crossed(world)
    case = world.county.case(subject)
    assert (case.status, case.holder, kinds(case)) == ("accepted", COUNTY, [("TransferAnswered", "unfit")])
    world.act(world.county, c.DecideReview, subject, COUNTY, decision="adopt")
    case = same_everywhere(world, subject, *world.nodes[:4])
    assert (case.status, case.offer, case.reviews, case.transfer.holder) == ("transferred", None, [], FAR)
    assert figures(case, [], TABLES) == 0, "counted once, where it is"
    world.act(world.far, c.CloseDispute, successor, FAR)
    world.sync()
    tell(world, subject, successor)
    case = same_everywhere(world, subject, *world.nodes[:4])
    assert (case.status, case.transfer.status, case.reviews, case.answered) == (
        "transferred",
        "closed",
        [],
        world.far.case(successor).answer,
    )


def decided_by(world: Far, node: Node, subject: str, office: str, *, older: bool) -> None:
    """Adopts the first of what is to be reviewed. older: in the bytes of 0.2, in which that moved no case on."""
    case = node.case(subject)
    command = c.DecideReview(id=world.id(), case=subject, item=case.reviews[0].item, decision="adopt", reason="照办")
    (draft,) = dispute.decide(case, command, actor(office), node.context())
    (one,) = node.write([draft], command.id)
    if older:
        facts = msgspec.msgpack.decode(one.head.facts)
        assert (len(facts), facts.pop()) == (6, True)
        head = msgspec.structs.replace(one.head, facts=msgspec.Raw(msgspec.msgpack.encode(facts)))
        node.entries[one.head.ledger, one.head.origin, one.head.seq] = msgspec.structs.replace(one, head=head)


@pytest.mark.parametrize("older", [True, False])
def test_what_an_older_node_adopted_of_a_transfer_leaves_the_case_where_that_node_saw_it(older: bool) -> None:
    world = Far()
    subject, _ = crossed(world)
    decided_by(world, world.county, subject, COUNTY, older=older)
    if older:
        world.act(world.county, c.RecordMediation, subject, COUNTY)
        world.act(world.county, c.SignAgreement, subject, COUNTY)
        world.act(world.county, c.CloseDispute, subject, COUNTY)
    case = same_everywhere(world, subject, *world.nodes[:4])
    assert (case.status, case.reviews) == ("closed" if older else "transferred", [])
    assert not any(line.set_aside for line in case.lines)


def test_refused_it_stays_where_it_was_called_up_to() -> None:
    world = Far()
    subject, _ = crossed(world)
    world.act(world.county, c.DecideReview, subject, COUNTY, decision="reject")
    case = same_everywhere(world, subject, *world.nodes[:4])
    assert (case.status, case.holder, case.reviews) == ("accepted", COUNTY, [])


def test_what_was_told_before_it_was_adopted_does_not_hide_what_was_told_after() -> None:
    world = Far()
    subject, successor = crossed(world)
    world.act(world.far, c.RecordMediation, successor, FAR)
    world.sync()
    tell(world, subject, successor)
    first = world.county.case(subject).reviews[0].item
    world.act(world.county, c.DecideReview, subject, COUNTY, decision="adopt", item=first)
    case = same_everywhere(world, subject, *world.nodes[:4])
    assert (case.status, case.transfer.status) == ("transferred", "mediating")
    assert transfer.answering(case, world.county.case(successor)) is None


def test_another_transfer_on_its_way_is_off_when_the_first_is_let_go_on() -> None:
    world = Far()
    subject, first = crossed(world)
    world.act(world.county, c.HandDownDispute, subject, COUNTY, to=TOWNSHIP)
    world.sync()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.act(world.township, c.TransferDispute, subject, TOWNSHIP)
    world.sync()
    second = world.county.write(*reversed(transfer.opening(world.county.case(subject))))[0].head.subject
    world.sync()
    assert transfer.called_off(world.county.case(subject), world.county.case(second)) is None
    world.act(world.township, c.DecideReview, subject, TOWNSHIP, decision="adopt")
    world.sync()
    draft = transfer.called_off(world.county.case(subject), world.county.case(second))
    world.county.write([draft], world.id())
    world.sync()
    assert (world.far.case(second).status, world.far.case(second).offer) == ("merged", None)
    case = same_everywhere(world, subject, *world.nodes[:4])
    assert (case.status, case.successor, case.transfer.holder, case.answered) == ("transferred", first, FAR, world.far.case(first).answer)
    world.act(world.far, c.CloseDispute, first, FAR)
    world.sync()
    tell(world, subject, first)
    case = same_everywhere(world, subject, *world.nodes[:4])
    assert (case.status, case.transfer.status, case.transfer.ending, case.reviews) == ("transferred", "closed", "withdrawn", [])


def test_a_late_transfer_cannot_be_adopted() -> None:
    world = Far()
    subject = world.log(world.township, VILLAGE, TOWNSHIP)
    world.sync()
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    world.act(world.township, c.TransferDispute, subject, TOWNSHIP)
    world.sync()
    assert kinds(world.county.case(subject)) == [("DisputeTransferred", "late")]
    with pytest.raises(Refused, match="谁承办不能靠核对改变"):
        world.act(world.county, c.DecideReview, subject, COUNTY, decision="adopt")


def late(world: Far) -> tuple[str, str]:
    """The township, cut off, sends its case to the other one, and its own node opens the successor there; meanwhile the county calls it up."""
    subject = world.log(world.township, VILLAGE, TOWNSHIP)
    world.act(world.township, c.AcceptDispute, subject, TOWNSHIP)
    world.sync()
    world.act(world.township, c.TransferDispute, subject, TOWNSHIP)
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    both = Node(world.township.origin.partition(":")[0], world.township.serves, ("330523/*",))  # it covers also where it sends it
    both.pull(world.township)
    both.write(*reversed(transfer.opening(both.case(subject))))
    world.far.pull(both)
    world.county.pull(both)
    successor = both.case(subject).successor
    assert world.far.case(successor).offer.to == FAR
    return subject, successor


@pytest.mark.parametrize("decision", ["adopt", "reject"])
def test_what_a_late_transfer_led_to_is_told_and_the_holder_says_where_it_goes_on(decision: str) -> None:
    world = Far()
    subject, successor = late(world)
    world.act(world.far, c.TakeUpDispute, successor, FAR)
    world.sync()
    case = world.county.case(subject)
    assert (case.status, case.holder, kinds(case)) == ("accepted", COUNTY, [("DisputeTransferred", "late")])
    assert (case.successor, case.transfer.to, case.offer) == (successor, FAR, None)
    tell(world, subject, successor)
    case = same_everywhere(world, subject, *world.nodes[:4])
    assert (case.status, kinds(case)[1], case.transfer.holder) == ("accepted", ("TransferAnswered", "unfit"), FAR)
    world.act(world.county, c.DecideReview, subject, COUNTY, decision=decision, item=case.reviews[1].item)
    case = same_everywhere(world, subject, *world.nodes[:4])
    assert (case.status, case.successor) == ("transferred" if decision == "adopt" else "accepted", successor)
    world.act(world.far, c.CloseDispute, successor, FAR)
    world.sync()
    tell(world, subject, successor)
    case = same_everywhere(world, subject, *world.nodes[:4])
    assert (case.transfer.status, case.answered) == ("closed", world.far.case(successor).answer)


def test_a_late_transfer_that_nobody_took_up_is_called_off_and_leaves_nothing_more_to_look_at() -> None:
    world = Far()
    subject, successor = late(world)
    world.sync()
    world.county.write([transfer.called_off(world.county.case(subject), world.county.case(successor))], world.id())
    world.sync()
    assert world.far.case(successor).status == "merged"
    tell(world, subject, successor)
    case = same_everywhere(world, subject, *world.nodes[:4])
    assert (case.status, case.holder, kinds(case)) == ("accepted", COUNTY, [("DisputeTransferred", "late")])
    assert (case.transfer.answer, case.answered) == ("returned", "returned")


def test_an_answer_that_was_told_before_the_call_up_was_heard_leads_on_when_it_is_adopted() -> None:
    world = Far()
    subject, successor = late(world)
    world.act(world.far, c.TakeUpDispute, successor, FAR)
    world.township.write([transfer.answering(world.township.case(subject), world.far.case(successor))], world.id())
    assert world.township.case(subject).status == "transferred"
    world.sync()
    case = world.county.case(subject)
    assert kinds(case) == [("DisputeTransferred", "late"), ("TransferAnswered", "late")]
    world.act(world.county, c.DecideReview, subject, COUNTY, decision="adopt", item=case.reviews[1].item)
    world.act(world.far, c.CloseDispute, successor, FAR)
    world.sync()
    tell(world, subject, successor)
    case = same_everywhere(world, subject, *world.nodes[:4])
    assert (case.status, case.successor, case.transfer.status) == ("transferred", successor, "closed")


def test_a_transfer_of_a_computer_that_was_put_out_stands_before_none_that_was_late() -> None:
    world = Far()
    subject, successor = late(world)
    forged = world.hall.write([msgspec.structs.replace(draft) for draft in invented(world, subject)], world.id())
    world.sync()
    good = {(VILLAGE, forged[0].head.origin): forged[0].head.seq - 1}
    for node in (world.county, world.township):
        case = fold_case(node.of(subject), TABLES, good)
        assert (kinds(case)[1][1], case.successor) == ("revoked", successor)


def invented(world: Far, subject: str) -> list[Draft]:
    world.hall.pull(world.township)
    case = world.hall.case(subject)
    command = c.TransferDispute(id=world.id(), case=subject, to=FAR, reason="x")
    return dispute.decide(msgspec.structs.replace(case, offer=None), command, actor(TOWNSHIP), world.township.context())


def test_what_a_computer_that_was_put_out_told_is_not_shown_and_the_truth_is_told() -> None:
    world = Far()
    subject, successor = world.transferred()
    world.act(world.far, c.TakeUpDispute, successor, FAR)
    world.sync()
    true = transfer.answering(world.county.case(subject), world.county.case(successor))
    false = msgspec.structs.replace(true, facts=msgspec.structs.replace(true.facts, holder=COUNTY))
    for draft in (false, true):  # also the very same words
        (told,) = world.hall.write([draft], world.id())
        good = {(VILLAGE, told.head.origin): told.head.seq - 1}
        case = fold_case(world.hall.of(subject), TABLES, good)
        assert (kinds(case)[-1], case.answered, case.transfer.answer, case.transfer.holder) == (("TransferAnswered", "revoked"), "", "", "")
        assert transfer.answering(case, world.county.case(successor)) is not None
        del world.hall.entries[VILLAGE, told.head.origin, told.head.seq]


def test_a_transfer_that_is_off_is_returned_by_the_node_that_carries_it_and_by_no_other_way() -> None:
    world = Far()
    subject, successor = world.transferred()
    assert transfer.called_off(world.county.case(subject), world.county.case(successor)) is None
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    draft = transfer.called_off(world.county.case(subject), world.county.case(successor))
    world.county.write([draft], world.id())
    world.sync()
    for node in (world.far, world.county):
        new = node.case(successor)
        assert (new.status, new.offer, new.reviews, new.answer) == ("merged", None, [], "returned")
    tell(world, subject, successor)
    old = same_everywhere(world, subject, *world.nodes[:4])
    assert (old.status, old.holder, old.reviews, old.transfer.answer) == ("accepted", COUNTY, [], "returned")
    other = world.escalated()
    forged = msgspec.structs.replace(draft.facts, seen=(), offer=key_text(world.county.case(other).offer.key))
    world.county.write([msgspec.structs.replace(draft, ledger=VILLAGE, subject=other, facts=forged)], world.id())
    assert kinds(world.county.case(other)) == [("DisputeReturned", "foreign")], "what an office holds no node gives back"


def test_a_taking_up_that_crosses_the_return_prevails() -> None:
    world = Far()
    subject, successor = world.transferred()
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    world.county.write([transfer.called_off(world.county.case(subject), world.county.case(successor))], world.id())
    world.act(world.far, c.TakeUpDispute, successor, FAR)
    world.sync()
    new = world.far.case(successor)
    assert (new.status, new.holder, kinds(new)) == ("accepted", FAR, [("DisputeReturned", "late")])
    assert world.county.case(successor).answer == new.answer
