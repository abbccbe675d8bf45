"""A case that goes on in another ledger (转办), by hand-made entries: who decides what was set aside there, and what a call-up leaves of it."""

import pytest

from protocol import commands as c
from protocol import dispute, transfer
from protocol.fold import fold_case
from protocol.problem import Refused
from tests.protocol.county import EVERYTHING, FAR, TABLES, TOWNSHIP, VILLAGE, County, Node, actor, kinds


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
