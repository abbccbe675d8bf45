"""A lost computer is revoked: while all is connected, while its township is cut off and goes on believing it, while it is switched off with work
that it never sent. Its connection ends, what it writes afterwards waits for a review and changes no case, and unsent work can be handed in.
"""

import asyncio
import contextlib
import io
import time
from pathlib import Path
from random import Random

import msgspec

from deploy import sticks
from deploy.nats.identity import Trust
from deploy.nats.servers import Listen, Server
from edge.enrol import enrol, leaf_of
from hub.enrolment import TRUST_TABLE
from protocol import batch as batches
from protocol import entry, events
from protocol.case import Case
from protocol.commands import AcceptDispute, AddNote
from protocol.events import NodeRevoked
from protocol.node.config import Config
from protocol.node.identity import Identity
from protocol.node.node import Node
from protocol.place import COMMON
from tests.faults.kit.proxy import Proxy
from tests.faults.row import Outcome, Row
from tests.faults.rows.drawn import refused
from tests.link.kit import TOWN, V1, V2, soon
from tests.link.test_whole_nodes import Whole, actor, dispute, equal, new_id, soon_equal

WAYS = ("connected", "township cut off", "switched off")


class Lost:
    """A county whose township hangs on a wire; `village` is the computer that will be lost."""

    def __init__(self, whole: Whole, wire: Proxy, town: Node, village: Node, neighbour: Node) -> None:
        self.whole, self.wire, self.town, self.village, self.neighbour = whole, wire, town, village, neighbour
        self.hub = whole.hub

    @classmethod
    async def make(cls, folder: Path, draw: Random) -> "Lost":
        whole = await Whole(folder).start()
        wire = await Proxy(seed=draw.getrandbits(30)).start(whole.config.nats.leaf_port)
        town = await _township(whole, wire)
        village, neighbour = await whole.join("高禹村", V1), await whole.join("张芝村", V2)
        leaf = f"127.0.0.1:{whole.leaf_port}"
        await soon(lambda: village.pump.state().link.server == leaf and neighbour.pump.state().link.connected)
        return cls(whole, wire, town, village, neighbour)

    async def stop(self) -> None:
        await self.whole.stop()
        await self.wire.stop()

    async def revoke(self) -> float:
        """Seconds until no server lets it in, where somebody could hear of it."""
        began = time.monotonic()
        await self.whole.enrolment.revoke(self.village.about.node, "电脑丢了")
        return time.monotonic() - began

    async def heard_below(self) -> None:
        """The township's program hears of the revocation and tells its server."""
        await soon_equal(COMMON, self.hub, self.town)
        facts = events.facts_of((await self.town.journal.subject(entry.derive("table", TRUST_TABLE)))[-1].head)
        assert isinstance(facts, events.TableSet)
        assert self.whole.leaf is not None
        await self.whole.leaf.apply(msgspec.json.decode(facts.content, type=Trust))

    async def last_good(self) -> int:
        rows = [e for e in await self.hub.journal.subject(self.village.about.node) if e.head.kind == "NodeRevoked"]
        facts = events.facts_of(rows[-1].head)
        assert isinstance(facts, NodeRevoked)
        return {(ledger, origin): seq for ledger, origin, seq in facts.last}[V1, self.village.signer.origin]


async def _township(whole: Whole, wire: Proxy) -> Node:
    """As Whole.join does it, its leaf's line to the county being ours."""
    code = await whole.enrolment.invite(place=TOWN, name="天子湖镇", leaf=f"127.0.0.1:{whole.leaf_port}")
    home = whole.folder / "town"
    joined = await enrol(code, home, whole.post)
    given = leaf_of(home)
    assert given is not None
    trust, remote = msgspec.json.decode(given.trust, type=Trust), f"tls://127.0.0.1:{wire.port}"
    whole.leaf = Server(Identity(home).folder, "leaf", Listen(whole.leaf_port), trust, remote)
    await whole.leaf.start()
    node = await whole._node(home, Config())
    for packed in joined.batches:
        await node.admission.admit(batches.unpack(packed), whole.hub.about.node)
    await node.start()
    return node


async def _case(node: Node, subject: str) -> Case:
    await node.admission.settled()
    return await node.reads.case(actor(node, "operator" if node.office.count("/") == 0 else "officer"), subject)


async def _waits_for_review(county: Lost, subject: str, upto: int) -> None:
    """At each node: the acceptance that came after the last good entry is there, changes nothing, and has an owner and a day."""
    for node in (county.hub, county.town):
        rows = await node.journal.lane(V1, county.village.signer.origin, 0, 100)
        assert len(rows) == upto, f"{node.name} has {len(rows)} of {upto} entries"
        for _ in range(1_500):
            case = await _case(node, subject)
            if case.reviews:
                break
            await asyncio.sleep(0.02)
        assert case.status == "logged", f"{node.name}: {case.status}"
        review = next(r for r in case.reviews if r.kind == "DisputeAccepted")
        assert (review.code, review.owner) == ("revoked", V1) and review.due_ms > 0


async def _writes(county: Lost, subject: str) -> None:
    """Whoever has the computer goes on: an outcome and a note, at its own desk."""
    await county.village.desk.submit(AcceptDispute(id=new_id(), case=subject), actor(county.village, "clerk"))
    await county.village.desk.submit(AddNote(id=new_id(), case=subject, text="捡到电脑的人写的"), actor(county.village, "clerk"))


async def _connected(county: Lost, subject: str) -> str:
    await county.revoke()
    began = time.monotonic()
    await county.heard_below()
    await soon(lambda: not county.village.pump.state().link.connected)
    cut_s = time.monotonic() - began
    with contextlib.suppress(AssertionError), refused("node_revoked"):
        await _writes(county, subject)
    return f"connected: cut {cut_s:.1f} s after the township had heard of it"


async def _cut_off(county: Lost, subject: str) -> str:
    """Its township has not heard of it and relays what it writes."""
    county.wire.cut()
    await county.revoke()
    await _writes(county, subject)
    await soon_equal(V1, county.town, county.village)
    assert not await equal(V1, county.hub, county.town), "the township was not cut off"
    county.wire.heal()
    began = time.monotonic()
    await county.heard_below()
    await soon(lambda: not county.village.pump.state().link.connected)
    cut_s = time.monotonic() - began
    await soon_equal(V1, county.hub, county.town)
    await _waits_for_review(county, subject, await county.last_good() + 2)
    return f"township cut off: cut {cut_s:.1f} s after the wire healed, two entries wait for a review at both tiers"


async def _switched_off(county: Lost, subject: str, folder: Path) -> str:
    """It had work that nobody had seen; somebody finds it and brings a stick."""
    home = county.village.folder
    await county.village.close()
    county.whole.nodes.remove(county.village)
    county.village = await county.whole._node(home, Config())
    await _writes(county, subject)
    await county.revoke()
    await soon_equal(COMMON, county.hub, county.town)
    stick, said = folder / "found.yidi", io.StringIO()
    with contextlib.redirect_stdout(said):
        await sticks.export(home, Config(), stick, "")
        await sticks.import_(county.hub.folder, Config(), stick)
    assert "新入账 2 条" in said.getvalue(), said.getvalue()
    await soon_equal(V1, county.hub, county.town)
    await _waits_for_review(county, subject, await county.last_good() + 2)
    return "switched off: unsent work handed in by stick, waits for a review at both tiers"


async def _nobody_else_noticed(county: Lost) -> None:
    await county.neighbour.desk.submit(dispute(V2), actor(county.neighbour, "clerk"))
    await soon_equal(V2, county.hub, county.town, county.neighbour)


async def play(draw: Random, folder: Path) -> Outcome:
    county = await Lost.make(folder / "county", draw)
    try:
        logged = [(await county.village.desk.submit(dispute(V1), actor(county.village, "clerk"))).subject for _ in range(2)]
        await soon_equal(V1, county.hub, county.town, county.village)
        acknowledged = len(await county.hub.journal.lane(V1, county.village.signer.origin, 0, 100))
        way, subject = draw.choice(WAYS), draw.choice(logged)
        if way == "switched off":
            said = await _switched_off(county, subject, folder)
        else:
            said = await (_connected(county, subject) if way == "connected" else _cut_off(county, subject))
        await _nobody_else_noticed(county)
        rows = await county.hub.journal.lane(V1, county.village.signer.origin, 0, 100)
        return Outcome(acknowledged, lost=max(acknowledged - len(rows), 0), images=1, said=(said,))
    finally:
        await county.stop()


ROW = Row(15, "lost device revoked; its unsent work handed in", "connection cut; its entries go to review, not into the case", (), play)
