"""A case that goes on in another ledger (转办), by hand-made entries: who decides what was set aside there, and what a call-up leaves of it."""

import msgspec
import pytest

from protocol import commands as c
from protocol import dispute, transfer
from protocol.case import key_text
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
    subject, _ = crossed(world)
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
    assert world.county.case(subject).status == "transferred"


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
