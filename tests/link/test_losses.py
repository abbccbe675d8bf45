"""A computer is gone for good: what it once said it had and nobody holds is named by ledger and number, at the county and at the new computer."""

import asyncio

from edge.enrol import enrol
from protocol import batch as batches
from protocol.events import Actor
from protocol.node.config import Config
from protocol.node.losses import Gap, losses
from protocol.node.node import Node
from tests.link.kit import TOWN, V1
from tests.link.test_whole_nodes import actor, dispute, soon_equal


def goes_silent(node: Node) -> None:
    """Its wire carries Haves and nothing longer, as a bad line does: others hear what it has and never get it."""
    real = node.link.publish

    async def publish(subject: str, body: bytes, headers: dict[str, str] | None = None) -> bool:
        return await real(subject, body, headers) if subject.startswith("y1.have.") else True

    node.link.publish = publish  # type: ignore[method-assign]


async def said(node: Node, of: str, ledger: str) -> int:
    rows = await node.journal.rows("peer_have", "node = :n and ledger = :l", {"n": of, "l": ledger})
    return max((row["highest"] for row in rows if row["origin"].startswith(of)), default=0)


async def test_what_was_said_and_never_sent_is_named_everywhere_and_what_was_sent_is_not(whole):
    town, village = await whole.join("天子湖镇", TOWN, leaf=True), await whole.join("高禹村", V1)
    logged = await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await soon_equal(V1, whole.hub, town, village)
    old, origin = village.about.node, village.signer.origin
    sent = (await village.journal.heads(V1))[V1, origin].seq
    assert await losses(whole.hub.journal, whole.hub.shelf, actor(whole.hub, "operator")) == []
    goes_silent(village)
    for _ in range(3):
        await village.desk.submit(dispute(V1), actor(village, "clerk"))
    upto = (await village.journal.heads(V1))[V1, origin].seq
    while await said(whole.hub, old, V1) != upto:
        village.pump.say(V1)
        await asyncio.sleep(0.05)
    await village.close()
    whole.nodes.remove(village)
    await whole.enrolment.revoke(old, "硬盘坏了")
    code = await whole.enrolment.invite(place=V1, name="高禹村")
    joined = await enrol(code, whole.folder / "new", whole.post)
    new = await whole._node(whole.folder / "new", Config())
    for packed in joined.batches:
        await new.admission.admit(batches.unpack(packed), whole.hub.about.node)
    await new.start()
    await soon_equal(V1, whole.hub, town, new)
    await soon_equal("_", whole.hub, town, new)
    for node, kind in ((whole.hub, "operator"), (town, "officer"), (new, "clerk")):
        (lost,) = await losses(node.journal, node.shelf, actor(node, kind))
        assert (lost.node, lost.revoked, lost.gaps, lost.count) == (old, True, (Gap(V1, origin, sent + 1, upto),), upto - sent)
        assert lost.last_code == logged.code, "a larger code on paper never arrived"
        assert lost.heard_ms > 0
        assert [who.name for who in lost.asked] == ["高禹村"], "the first person of the place"
    other = await losses(town.journal, town.shelf, actor(new, "clerk"))
    assert [one.node for one in other] == [old]
    stranger = Actor("0" * 32, "officer.00000001", "330523/330523002", frozenset({"log"}))
    assert await losses(whole.hub.journal, whole.hub.shelf, stranger) == []


async def test_what_comes_back_after_all_is_named_no_more(whole):
    """Somebody finds the disk and hands in what was on it."""
    town, village = await whole.join("天子湖镇", TOWN, leaf=True), await whole.join("高禹村", V1)
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await soon_equal(V1, whole.hub, town, village)
    goes_silent(village)
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    origin = village.signer.origin
    upto = (await village.journal.heads(V1))[V1, origin].seq
    while await said(whole.hub, village.about.node, V1) != upto:
        village.pump.say(V1)
        await asyncio.sleep(0.05)
    rows = await village.journal.lane(V1, origin, 0, 500)
    await whole.enrolment.revoke(village.about.node, "电脑丢了")
    (lost,) = await losses(whole.hub.journal, whole.hub.shelf, actor(whole.hub, "operator"))
    assert lost.count == 1
    got = batches.cut(rows, V1, origin, 0)
    assert got is not None
    await whole.hub.admission.admit(got, village.about.node, by_hand=True)
    (lost,) = await losses(whole.hub.journal, whole.hub.shelf, actor(whole.hub, "operator"))
    assert (lost.gaps, lost.count) == ((), 0)
    good = dict(whole.hub.shelf.revoked[village.about.node])
    assert good[V1, origin] < upto
    again = await whole.enrolment.revoke(village.about.node, "又按了一次")
    assert dict(whole.hub.shelf.revoked[village.about.node]) == good, "what came in since waits for its review all the same"
    assert again.last == tuple((*lane, seq) for lane, seq in good.items())


async def test_pressed_again_of_a_computer_of_which_nothing_had_come_in_the_first_word_stays_the_only_one(whole):
    await whole.join("天子湖镇", TOWN, leaf=True)
    village = await whole.join("高禹村", V1)
    node, origin = village.about.node, village.signer.origin
    goes_silent(village)
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await whole.enrolment.revoke(node, "电脑丢了")
    got = batches.cut(await village.journal.lane(V1, origin, 0, 500), V1, origin, 0)
    assert got is not None
    await whole.hub.admission.admit(got, node, by_hand=True)
    assert (V1, origin) in await whole.hub.journal.heads(V1)
    again = await whole.enrolment.revoke(node, "又按了一次")
    assert again.last == ()
    assert [e.head.kind for e in await whole.hub.journal.subject(node)].count("NodeRevoked") == 1
