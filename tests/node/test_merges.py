"""Merged cases whose matter nobody works on: the node of the office that holds one reopens it, by itself and once."""

from protocol.commands import AcceptDispute, AddNote, CallUpDispute, DecideReview, MergeDispute, ReopenDispute, ReturnDispute, VoidDispute
from protocol.node.journal import rebuild
from tests.node.desk_kit import OTHER_TOWN, VILLAGE, County, Node, carry, dispute, exchange, new_id
from tests.node.test_errands import revoked_as, settle, until_quiet
from tests.node.test_transfers import transferred


async def two(county: County) -> tuple[Node, Node]:
    """The township's node and the village's, each of which knows of the other from the root."""
    root, town, village = [await county.node(kind) for kind in ("root", "town", "village")]
    for kind in ("root", "town", "village"):
        await root.desk.enrol_node(county.certificate(kind))
    await exchange(root, town, village)
    return town, village


async def test_merged_into_one_another_while_the_line_was_cut_one_goes_on(county: County):
    town, village = await two(county)
    a, b = (await village.say(dispute(VILLAGE))).subject, (await town.say(dispute(VILLAGE))).subject
    await exchange(town, village)
    await village.say(MergeDispute(id=new_id(), case=a, into=b, reason="同一件事"))
    await town.say(MergeDispute(id=new_id(), case=b, into=a, reason="同一件事"))
    assert [await node.desk.merges() for node in (town, village)] == [[], []], "neither knows of the other yet"
    await exchange(town, village)
    assert await town.desk.merges() == [], "what it decided itself stands"
    assert [len(await village.desk.merges()) for _ in range(2)] == [1, 0], "once"
    await exchange(town, village)
    for node in (town, village):
        first, second = [await node.reads.case(node.actor(), one) for one in (a, b)]
        assert (first.status, first.merged_into, first.reviews) == ("logged", "", [])
        assert (second.status, second.merged_into) == ("merged", a)
        assert await node.desk.merges() == []
        assert await rebuild(node.journal)


async def test_merged_into_what_was_voided_meanwhile_it_goes_on(county: County):
    town, village = await two(county)
    a, b = (await town.say(dispute(VILLAGE))).subject, (await village.say(dispute(VILLAGE))).subject
    await exchange(town, village)
    await town.say(MergeDispute(id=new_id(), case=a, into=b, reason="同一件事"))
    await village.say(VoidDispute(id=new_id(), case=b, reason="登错了"))
    await exchange(town, village)
    assert await village.desk.merges() == [], "not its office's"
    assert [len(await town.desk.merges()) for _ in range(2)] == [1, 0]
    await exchange(town, village)
    for node in (town, village):
        case = await node.reads.case(node.actor(), a)
        assert (case.status, [row.subject for row in (await node.reads.cases(node.actor(), "open")).rows]) == ("logged", [a])


async def test_merged_into_what_comes_from_elsewhere_and_goes_back_it_goes_on(on_either: County):
    root, town, stranger, case, successor = await transferred(on_either)
    a = (await stranger.say(dispute(OTHER_TOWN))).subject
    await stranger.say(MergeDispute(id=new_id(), case=a, into=successor, reason="同一件事"))
    await settle(root, town, stranger)
    assert [await node.desk.merges() for node in (root, town, stranger)] == [[], [], []], "it may be taken up yet"
    await stranger.say(ReturnDispute(id=new_id(), case=successor, reason="田不在我们这里"))
    await settle(root, town, stranger)
    assert [await node.desk.merges() for node in (root, town)] == [[], []], "not its office's"
    assert [len(await stranger.desk.merges()) for _ in range(2)] == [1, 0]
    await settle(root, town, stranger)
    for node in (root, stranger):
        found = await node.reads.case(node.actor(), a)
        assert (found.status, found.merged_into) == ("logged", "")
        assert (await node.reads.case(node.actor(), successor)).aliases == []
        assert await rebuild(node.journal)
    assert (await town.reads.case(town.actor(), case)).status == "accepted"


async def test_a_merge_that_came_too_late_leaves_no_clock_behind(county: County):
    town, village = await two(county)
    a, b = (await village.say(dispute(VILLAGE))).subject, (await village.say(dispute(VILLAGE))).subject
    await village.say(AcceptDispute(id=new_id(), case=a))
    await exchange(town, village)
    await town.say(CallUpDispute(id=new_id(), case=a, reason="镇里来办"))
    await village.say(MergeDispute(id=new_id(), case=a, into=b, reason="同一件事"))
    assert (await village.reads.case(village.actor(), b)).accepted_ms is not None
    await settle(town, village)
    for node in (town, village):
        case = await node.reads.case(node.actor(), b)
        assert (case.status, case.accepted_ms, case.aliases, case.reviews) == ("logged", None, [], [])
        assert [line.kind for line in case.lines].count("MergeTold") == 1
        assert await rebuild(node.journal)
    review = (await town.reads.case(town.actor(), a)).reviews[0].item
    await town.say(DecideReview(id=new_id(), case=a, item=review, decision="adopt", reason="是同一件"))
    await settle(town, village)
    for node in (town, village):
        first, case = [await node.reads.case(node.actor(), one) for one in (a, b)]
        assert (first.status, first.merged_into, case.accepted_ms, case.aliases) == ("merged", b, first.accepted_ms, [first.code])
        assert await rebuild(node.journal)
        assert await node.desk.arrivals() == []


async def test_two_nodes_that_know_different_copies_of_a_computer_tell_of_a_merge_once_each(county: County):
    """In the one the case was reopened, in the other it is merged still."""
    root, town, village = [await county.node(kind) for kind in ("root", "town", "village")]
    for kind in ("root", "town", "village"):
        await root.desk.enrol_node(county.certificate(kind))
    await settle(root, town, village)
    a, b = (await village.say(dispute())).subject, (await village.say(dispute())).subject
    await village.say(MergeDispute(id=new_id(), case=a, into=b, reason="同一件事"))
    await settle(root, town, village)
    copy = await county.node("village", folder="copy")
    await exchange(root, copy)
    await carry(village, copy)
    await village.say(ReopenDispute(id=new_id(), case=a, reason="不是同一件"))
    await copy.say(AddNote(id=new_id(), case=a, text="下雨，改天去"))
    await carry(village, town)
    await carry(copy, root)
    await until_quiet(town, root)
    told = [line for line in (await town.reads.case(town.actor(), b)).lines if line.kind == "MergeTold"]
    assert len(told) <= 3, "the first once more, after the other"
    await revoked_as(town, root, village)
    await until_quiet(town, root)
    for node in (town, root):
        first, case = [await node.reads.case(node.actor(), one) for one in (a, b)]
        assert (first.status, case.aliases) == ("logged", [])
