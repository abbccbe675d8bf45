"""Merged cases whose matter nobody works on: the node of the office that holds one reopens it, by itself and once."""

from protocol.commands import MergeDispute, VoidDispute
from protocol.node.journal import rebuild
from tests.node.desk_kit import VILLAGE, County, Node, dispute, exchange, new_id


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
