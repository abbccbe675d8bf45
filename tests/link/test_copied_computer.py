"""A copied computer over real nats-servers: seen at the first shared peer, told to both copies, everything kept at every tier."""

import asyncio
import shutil

import pytest

from protocol import entry
from protocol.commands import AddEvidence
from protocol.node.config import Config
from protocol.node.journal import branches
from protocol.node.node import Node
from protocol.problem import Refused
from tests.link.kit import TOWN, V1
from tests.link.test_whole_nodes import Whole, actor, dispute, equal, new_id, soon_equal


async def beside(node: Node) -> list[bytes]:
    async with node.journal.read() as c:
        return [row.hash for row in await branches.branched(c, "order by ledger, origin, seq, hash", {})]


async def until(true, what: str, seconds: float = 40.0) -> None:
    for _ in range(int(seconds / 0.05)):
        if await true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(what)


async def copied(whole: Whole) -> tuple[Node, Node, Node]:
    """(the township, the village, its copy): each of the two has written one dispute of its own; neither is in touch yet."""
    town, village = await whole.join("天子湖镇", TOWN, leaf=True), await whole.join("高禹村", V1)
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await soon_equal(V1, whole.hub, town, village)
    await village.close()
    whole.nodes.remove(village)
    shutil.copytree(whole.folder / "高禹村", whole.folder / "copy")
    village, copy = [await whole._node(whole.folder / name, Config()) for name in ("高禹村", "copy")]
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    for _ in range(2):
        await copy.desk.submit(dispute(V1), actor(copy, "clerk"))
    return town, village, copy


async def test_a_copy_is_seen_both_are_told_and_stop_and_what_both_wrote_is_at_every_tier(whole):
    town, village, copy = await copied(whole)
    origin = village.signer.origin
    theirs = [e.hash for e in await copy.journal.lane(V1, origin, 2, 10)]
    assert len(theirs) == 2
    await village.start()
    await until(lambda: equal(V1, whole.hub, town, village), "the first is the lane")
    first = (await whole.hub.journal.lanes(V1))[origin]
    await copy.start()

    async def kept() -> bool:
        lanes = [await node.journal.lanes(V1) for node in (whole.hub, town)]
        return all(found[origin] == first for found in lanes) and [await beside(node) for node in (whole.hub, town)] == [theirs, theirs]

    await until(kept, "the hub and the township keep the copy's entries beside the lane")

    async def told() -> bool:
        return copy.outdated.is_set() or copy.stopped() == "node_forked"

    await until(told, "the copy is told")
    assert village.journal.damaged is False
    await until(lambda: _stopped(village), "the computer itself is told as well: it can't know which of them is the copy")
    with pytest.raises(Refused, match="node_forked"):
        await village.desk.submit(dispute(V1), actor(village, "clerk"))


async def _stopped(node: Node) -> bool:
    return node.stopped() == "node_forked"


async def test_files_of_both_come_up_though_both_answer_to_one_name(whole):
    """Each is asked for what the other one has: whoever says at once that it has nothing would be the one who is heard."""
    town, *both = await copied(whole)
    blobs = []
    for n, node in enumerate(both):
        case = (await node.desk.submit(dispute(V1), actor(node, "clerk"))).subject
        blobs += [await node.blobs.put(b"\xff\xd8\xff" + bytes([n, more]) * 9_000, "界石.jpg", "image/jpeg") for more in range(3)]
        for blob in blobs[-3:]:
            await node.desk.submit(AddEvidence(id=new_id(), case=case, blob=blob), actor(node, "clerk"))
    for node in both:
        await node.start()

    async def came() -> bool:
        for n, node in enumerate(both):
            if node.outdated.is_set():  # its program opens it again
                await node.close()
                whole.nodes.remove(node)
                both[n] = await whole._node(node.folder, Config())
                await both[n].start()
        return all(node.blobs.has(blob.address) for node in (whole.hub, town) for blob in blobs)

    await until(came, "the county and the township have the files of both")


async def test_a_copy_that_moved_on_and_is_followed_stops_for_it_lives_twice(whole):
    """Others hold more of it than it does itself: it moves to a new epoch. When that one is overtaken as well, somebody lives."""
    town, village, copy = await copied(whole)
    await copy.close()
    whole.nodes.remove(copy)
    await village.start()
    await soon_equal(V1, whole.hub, town, village)
    copy = await whole._node(whole.folder / "copy", Config())
    assert copy.identity.new_epoch(moved=True) == 2
    await copy.close()
    whole.nodes.remove(copy)
    copy = await whole._node(whole.folder / "copy", Config())
    await copy.desk.submit(dispute(V1), actor(copy, "clerk"))
    village.identity.new_epoch(above=2)
    await village.close()
    whole.nodes.remove(village)
    village = await whole._node(whole.folder / "高禹村", Config())
    assert village.signer.epoch == 3
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await village.start()
    await soon_equal(V1, whole.hub, town, village)
    await copy.start()
    await until(lambda: _stopped(copy), "the copy stops")
    assert copy.identity.about().epoch == 2
    assert village.stopped() == ""
    origins = {o for o in await whole.hub.journal.lanes(V1) if entry.node_of(o) == village.about.node}
    assert {entry.epoch_of(o) for o in origins} >= {1, 3}
