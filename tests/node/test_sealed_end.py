"""What ended in a case that was sealed afterwards (改为密封) is the same accusation: nobody brings it back into the open."""

import pytest

from protocol import dispute as rules
from protocol.commands import (
    AcceptDispute,
    AddNote,
    DecideReview,
    EndMediation,
    MergeDispute,
    RemoveDispute,
    ReopenDispute,
    ReturnDispute,
    TakeUpDispute,
)
from protocol.context import Context
from protocol.node import sealed_end
from protocol.problem import Refused
from tests.node.desk_kit import OTHER_TOWN, County, Node, dispute, exchange, new_id
from tests.node.test_errands import settle
from tests.node.test_transfers import transferred

WORD = "龘靐鱻"


async def offered(node: Node, subject: str) -> set[str]:
    """The steps that the page of the case has for the office of this node."""
    case, own = await node.reads.case(node.actor(), subject), node.signer.certificate
    context = Context(now_ms=node.clock(), serves=own.serves, covers=own.covers, tables=node.shelf())
    return {step.command for step in rules.steps(case, node.actor("officer"), context)}


async def three(county: County) -> tuple[Node, Node, Node]:
    root, town, village = [await county.node(kind) for kind in ("root", "town", "village")]
    for kind in ("root", "town", "village"):
        await root.desk.enrol_node(county.certificate(kind))
    await settle(root, town, village)
    return root, town, village


async def words_of(node: Node, subject: str) -> list[str]:
    return [e.head.kind for e in await node.journal.subject(subject) if e.body is not None]


async def test_it_is_not_reopened_and_what_comes_late_of_it_is_erased(on_either: County):
    root, town, village = await three(on_either)
    b, a = (await town.say(dispute(account=WORD))).subject, (await village.say(dispute(account=WORD))).subject
    await settle(root, town, village)
    await root.say(AddNote(id=new_id(), case=a, text=f"{WORD}，县里还没有送到的"))
    await village.say(MergeDispute(id=new_id(), case=a, into=b, reason="同一件事"))
    await settle(town, village)
    assert "ReopenDispute" in await offered(village, a)
    await town.say(RemoveDispute(id=new_id(), case=b))
    await exchange(town, village)
    assert "ReopenDispute" not in await offered(village, a)
    with pytest.raises(Refused, match="merged_removed"):
        await village.say(ReopenDispute(id=new_id(), case=a, reason="重开"))
    await settle(root, town, village)
    for node in (root, town, village):
        case = await node.reads.case(node.actor(), a)
        assert (case.status, case.sealed) == ("merged", True)
        assert await words_of(node, a) == []
    plan = [row[3] for row in await village.journal.select(f"explain query plan {sealed_end._REMOVED}", {"case": a})]
    assert {step.split()[1] for step in plan if step.startswith("SCAN")} <= {"matter"}, plan


async def test_who_reopened_it_without_knowing_of_the_merge_is_not_adopted(county: County):
    root, town, village = await three(county)
    again = await county.node("village again")
    b, a = (await town.say(dispute())).subject, (await village.say(dispute(account=WORD))).subject
    await village.say(AcceptDispute(id=new_id(), case=a))
    await village.say(EndMediation(id=new_id(), case=a, reason="一方不愿再谈", ways="可以起诉"))
    await settle(root, town, village, again)
    await village.say(MergeDispute(id=new_id(), case=a, into=b, reason="同一件事"))
    await again.say(AddNote(id=new_id(), case=a, text="又来过"), village.actor())
    await again.say(ReopenDispute(id=new_id(), case=a, reason="又愿意谈了"), village.actor())
    await settle(root, town, village, again)
    (review,) = (await village.reads.case(village.actor(), a)).reviews
    await town.say(RemoveDispute(id=new_id(), case=b))
    await settle(root, town, village, again)
    adopt, reject = [DecideReview(id=new_id(), case=a, item=review.item, decision=one, reason="看过") for one in ("adopt", "reject")]
    with pytest.raises(Refused, match="merged_removed"):
        await village.say(adopt, village.actor("officer"))
    await village.say(reject, village.actor("officer"))
    assert (await village.reads.case(village.actor(), a)).status == "merged"


@pytest.mark.parametrize("removed_first", [True, False])
async def test_what_was_merged_into_its_successor_elsewhere_stays_though_that_node_never_hears_of_the_seal(county, removed_first: bool):
    """The other township merges its own registration into what comes to it; the case that this goes on from lies out of its sight."""
    root, town, stranger, case, successor = await transferred(county)
    a = (await stranger.say(dispute(OTHER_TOWN, account=WORD))).subject
    await stranger.say(MergeDispute(id=new_id(), case=a, into=successor, reason="同一件事"))
    await settle(root, town, stranger)
    if removed_first:
        await town.say(RemoveDispute(id=new_id(), case=case))
        await settle(root, town, stranger)
        await stranger.say(ReturnDispute(id=new_id(), case=successor, reason="不归我们"))
    else:
        await stranger.say(TakeUpDispute(id=new_id(), case=successor))
        await settle(root, town, stranger)
        await stranger.say(RemoveDispute(id=new_id(), case=successor))
    await settle(root, town, stranger)
    assert await stranger.journal.subject(case) == []
    assert [await node.desk.merges() for node in (root, town, stranger)] == [[], [], []]
    assert "ReopenDispute" not in await offered(stranger, a)
    with pytest.raises(Refused, match="merged_removed"):
        await stranger.say(ReopenDispute(id=new_id(), case=a, reason="重开"))
    assert await words_of(stranger, a) == []


async def test_it_is_not_reopened_either_when_what_it_ended_in_went_on_elsewhere_and_was_sealed_there(county):
    root, town, stranger, case, successor = await transferred(county)
    a = (await town.say(dispute(account=WORD))).subject
    await town.say(MergeDispute(id=new_id(), case=a, into=case, reason="同一件事"))
    await stranger.say(TakeUpDispute(id=new_id(), case=successor))
    await settle(root, town, stranger)
    await stranger.say(RemoveDispute(id=new_id(), case=successor))
    await settle(root, town, stranger)
    for node in (root, town):
        assert (await node.reads.case(node.actor(), a)).status == "merged"
    assert "ReopenDispute" not in await offered(town, a)
    with pytest.raises(Refused, match="merged_removed"):
        await town.say(ReopenDispute(id=new_id(), case=a, reason="重开"))
