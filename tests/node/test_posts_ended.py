"""A clerk is replaced while offline: what he wrote and had not sent is set aside with an owner and a date, adopted or not, never lost."""

import pytest

from protocol.calendar import DAY_MS
from protocol.commands import (
    AcceptDispute,
    AddNote,
    AssignTask,
    CallUpDispute,
    ConfirmTask,
    DecideReview,
    EndPost,
    GivePost,
    RecordMediation,
)
from protocol.events import Actor
from protocol.node.journal import rebuild
from protocol.problem import Refused
from tests.node.desk_kit import ROOT, TOWN, VILLAGE, County, Node, add_person, dispute, new_id
from tests.node.test_errands import settle


async def three(county: County) -> tuple[Node, Node, Node]:
    root, town, village = [await county.node(kind) for kind in ("root", "town", "village")]
    for kind in ("root", "town", "village"):
        await root.desk.enrol_node(county.certificate(kind))
    await settle(root, town, village)
    return root, town, village


async def person(node: Node, name: str, kind: str, office: str, home: str = "") -> Actor:
    id_, post = await add_person(node, name, kind, office=office, home=home)
    return Actor(id_, post, office, node.shelf().post_powers(kind), name)


async def end(node: Node, who: Actor, admin: Actor | None = None) -> None:
    await node.say(EndPost(id=new_id(), post=who.post, office=who.office, reason="换届"), admin or node.actor("admin", node.office))


def told(case) -> tuple:
    return case.status, case.holder, case.accepted_ms, [(r.item, r.owner, r.code, r.kind) for r in case.reviews]


async def test_unsent_work_of_a_replaced_clerk_waits_for_his_successor(county):
    root, town, village = await three(county)
    old, new = await person(town, "王芳", "clerk", VILLAGE), await person(town, "李梅", "clerk", VILLAGE)
    await settle(root, town, village)
    case = (await village.say(dispute(), old)).subject
    await settle(root, town, village)
    await village.say(AcceptDispute(id=new_id(), case=case), old)  # offline from here on
    late = (await village.say(dispute(title="新来的一件"), old)).subject
    await end(town, old)
    await village.say(AddNote(id=new_id(), case=case, text="我是新来的"), new)
    await settle(root, town, village)
    for node in (root, town, village):
        found = await node.reads.case(node.actor(), case)
        assert (found.status, found.accepted_ms) == ("logged", None)
        assert [(r.owner, r.code, r.kind) for r in found.reviews] == [(VILLAGE, "post_over", "DisputeAccepted")]
        assert "已经离岗" in found.reviews[0].reason
        assert found.reviews[0].due_ms > county.clock()
        assert [line.kind for line in found.lines if not line.set_aside] == ["DisputeLogged", "NoteAdded"]
        orphan = await node.reads.case(node.actor(), late)  # it is there all the same, and somebody has to look at it
        assert [(r.owner, r.kind) for r in orphan.reviews] == [(VILLAGE, "DisputeLogged")]
        assert (await node.journal.rows("review_row", "subject = :s", {"s": late}))[0]["owner"] == VILLAGE
    item = (await village.reads.case(new, case)).reviews[0].item
    await village.say(DecideReview(id=new_id(), case=case, item=item, decision="adopt", reason="确实受理了"), new)
    await settle(root, town, village)
    for node in (root, town, village):
        found = await node.reads.case(node.actor(), case)
        assert (found.status, found.reviews) == ("accepted", [])
        assert await rebuild(node.journal)


async def test_what_had_arrived_before_the_end_counts_whatever_comes_after(county):
    root, town, village = await three(county)
    old = await person(town, "王芳", "clerk", VILLAGE)
    await settle(root, town, village)
    case = (await village.say(dispute(), old)).subject
    await village.say(AcceptDispute(id=new_id(), case=case), old)
    await settle(root, town, village)
    await end(town, old)
    await settle(root, town, village)
    found = await village.reads.case(village.actor(), case)
    assert (found.status, found.reviews) == ("accepted", [])


async def test_a_wrong_clock_changes_nothing(county):
    root, town, village = await three(county)
    old = await person(town, "王芳", "clerk", VILLAGE)
    await settle(root, town, village)
    case = (await village.say(dispute(), old)).subject
    await settle(root, town, village)
    year = 365 * DAY_MS
    await village.desk.submit(AcceptDispute(id=new_id(), case=case), old, at_ms=county.clock() - year)  # as if long before the end
    await end(town, old)
    await settle(root, town, village)
    assert [r.code for r in (await root.reads.case(root.actor(), case)).reviews] == ["post_over"]


async def test_a_village_hears_of_an_officers_end_through_the_common_ledger(county):
    """The township's own ledger never reaches it; both must come to the same verdict on what the officer wrote into its case."""
    root, town, village = await three(county)
    officer = await person(town, "赵强", "officer", TOWN)
    await settle(root, town, village)
    case = (await village.say(dispute())).subject
    await settle(root, town, village)
    await town.say(CallUpDispute(id=new_id(), case=case, reason="镇里来办"), officer)
    await end(root, officer)
    await settle(root, town, village)
    verdicts = {str(told(await node.reads.case(node.actor(), case))) for node in (root, town, village)}
    assert len(verdicts) == 1
    found = await village.reads.case(village.actor(), case)
    assert (found.holder, [(r.owner, r.kind) for r in found.reviews]) == (VILLAGE, [(VILLAGE, "DisputeCalledUp")])
    assert not any(ledger == TOWN for ledger in await village.journal.ledgers())


async def test_an_end_that_arrives_after_the_work_is_folded_in(county):
    root, town, village = await three(county)
    old = await person(town, "王芳", "clerk", VILLAGE)
    await settle(root, town, village)
    case = (await village.say(dispute(), old)).subject
    await settle(root, town, village)
    await end(town, old)  # known to the township alone
    await village.say(AcceptDispute(id=new_id(), case=case), old)
    await settle(root, village)
    assert (await root.reads.case(root.actor(), case)).status == "accepted"  # nobody has told the root yet
    await settle(root, town, village)
    assert (await root.journal.rows("case_row", "subject = :s", {"s": case}))[0]["status"] == "logged"
    assert (await root.journal.rows("case_row", "subject = :s", {"s": case}))[0]["reviews"] == 1


async def test_a_report_of_a_cadre_whose_post_ended_is_reviewed_too(county):
    root, town, _ = await three(county)
    cadre = await person(town, "周小满", "cadre", TOWN, home=town.signer.node)
    task = (
        await town.say(
            AssignTask(
                id=new_id(), place=VILLAGE, cadre=cadre.person, home=town.signer.node, purpose="看看", due_ms=county.clock() + DAY_MS
            )
        )
    ).subject
    await settle(root, town)
    await end(root, cadre)
    await town.say(ConfirmTask(id=new_id(), task=task), cadre)
    await settle(root, town)
    for node in (root, town):
        found = await node.reads.task(node.actor(), task)
        assert (found.status, [(r.owner, r.code) for r in found.reviews]) == ("sent", [(TOWN, "post_over")])


async def test_a_post_is_ended_once_and_never_given_again(county):
    _, town, _ = await three(county)
    old = await person(town, "王芳", "clerk", VILLAGE)
    await end(town, old)
    with pytest.raises(Refused, match="已经终止"):
        await end(town, old)
    give = GivePost(id=new_id(), post=old.post, person=old.person, office=VILLAGE, title="又来")
    with pytest.raises(Refused, match="已经用过"):
        await town.say(give, town.actor("admin", TOWN))


async def test_ends_are_known_after_a_start_and_folded_once(county):
    root, town, village = await three(county)
    old = await person(town, "王芳", "clerk", VILLAGE)
    await settle(root, town, village)
    case = (await village.say(dispute(), old)).subject
    await settle(root, town, village)
    await village.say(AcceptDispute(id=new_id(), case=case), old)
    await village.say(RecordMediation(id=new_id(), case=case, account="谈过", result="go_on"), old)
    await end(town, old)
    await settle(root, town, village)
    again = await county.node("village")  # the same folder, opened anew
    assert (await again.reads.case(again.actor(), case)).status == "logged"
    assert await again.shelf.load_ended(again.journal) == {}
    assert ROOT in root.signer.serves


@pytest.mark.parametrize("is_started_anew", [False, True])
async def test_an_end_said_by_a_computer_that_was_put_out_counts_no_more_where_it_was_folded_in(county, is_started_anew):
    """The village heard of the end before it heard that the township's computer had been put out, and held back what the clerk wrote since."""
    root, town, village = await three(county)
    old = await person(village, "王芳", "clerk", VILLAGE)
    await settle(root, town, village)
    heads = await root.journal.heads()
    good = [(ledger, origin, head.seq) for (ledger, origin), head in heads.items() if origin == town.signer.origin]
    await root.desk.revoke_node(town.signer.node, good, "电脑丢了")
    await end(town, old)  # its computer does not know yet
    await settle(town, village)
    case = (await village.say(dispute(), old)).subject
    assert [(r.code, r.kind) for r in (await village.reads.case(old, case)).reviews] == [("post_over", "DisputeLogged")]
    await settle(root, village)
    if is_started_anew:
        village = await county.node("village")
    for node in (root, village):
        row = (await node.journal.rows("case_row", "subject = :s", {"s": case}))[0]
        assert (row["status"], row["reviews"]) == ("logged", 0)
        assert await rebuild(node.journal)
