"""A lost computer is revoked: while all is connected, while its township is cut off and goes on believing it, while it is switched off with work
that it never sent. Its connection ends, what it writes afterwards waits for a review and changes no case, and unsent work can be handed in.

Asserted, in each way: the case stays as it was; whoever writes at the lost computer is either refused in words (node_revoked) with nothing
written, or told that it is saved, and then it is there, at the county and the township, as a review with an owner and a day: because its
township relayed it, or because somebody brings the computer's stick. All checkers at the nodes that go on, and what the lost computer itself
says it holds, with nothing in quarantine but what it sent after it was put out. A figure in every round: cut_s, how soon the line of a computer
that is connected was cut; where the lost one was switched off, that of another one, lost too.
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
from protocol.problem import Refused
from tests.faults.kit.desks import Saved
from tests.faults.kit.proxy import Proxy
from tests.faults.kit.truth import judge
from tests.faults.kit.whole import STAFFED, Folders, promise, settled
from tests.faults.row import Outcome, Row
from tests.link.kit import TOWN, V1, V2, V3, soon
from tests.link.test_whole_nodes import Whole, actor, dispute, equal, new_id, soon_equal

WAYS = ("connected", "township cut off", "switched off")


class Lost:
    """A county whose township hangs on a wire; `village` is the computer that will be lost. saved: what desks were told · figures: what was measured."""

    def __init__(self, whole: Whole, wire: Proxy, town: Node, village: Node, neighbour: Node) -> None:
        self.whole, self.wire, self.town, self.village, self.neighbour = whole, wire, town, village, neighbour
        self.hub = whole.hub
        self.saved: list[Saved] = []
        self.figures: dict[str, float] = {}

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

    async def revoke(self, node: Node) -> float:
        """When that was begun."""
        began = time.monotonic()
        await self.whole.enrolment.revoke(node.about.node, "电脑丢了")
        return began

    async def cut(self, node: Node, began: float) -> None:
        """Waits until its line is cut, and notes how long that took."""
        await self.heard_below()
        await soon(lambda: not node.pump.state().link.connected)
        self.figures["cut_s"] = round(time.monotonic() - began, 2)

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
    """Whoever has the computer goes on, at its own desk: with an outcome and a note, until it says that it was put out."""
    village = county.village
    before, told = await _own(village), len(county.saved)
    for command in (AcceptDispute(id=new_id(), case=subject), AddNote(id=new_id(), case=subject, text="捡到电脑的人写的")):
        try:
            county.saved.append(promise("village", await village.desk.submit(command, actor(village, "clerk"))))
        except Refused as refusal:
            if refusal.code != "node_revoked":
                raise
            break
    assert await _own(village) - before == len(county.saved) - told, "what was refused was written, or what was told was not"


async def _own(node: Node) -> int:
    return len(await node.journal.lane(V1, node.signer.origin, 0, 100))


async def _connected(county: Lost, subject: str, folder: Path) -> str:
    """Refused in words where it has heard of it; else what it was told is saved comes by stick."""
    await county.cut(county.village, await county.revoke(county.village))
    good, told = await county.last_good(), len(county.saved)
    await _writes(county, subject)
    written = len(county.saved) - told
    if not written:
        assert (await _case(county.hub, subject)).status == "logged"
        return "connected: cut, and what was written afterwards was refused in words"
    await _handed_in(county, folder, written)
    await _waits_for_review(county, subject, good + written)
    return f"connected: cut, {written} entries written afterwards came by stick and wait for a review at both tiers"


async def _cut_off(county: Lost, subject: str) -> str:
    """Its township has not heard of it and relays what it writes."""
    county.wire.cut()
    await county.revoke(county.village)
    await _writes(county, subject)
    await soon_equal(V1, county.town, county.village)
    assert not await equal(V1, county.hub, county.town), "the township was not cut off"
    county.wire.heal()
    await county.cut(county.village, time.monotonic())
    await soon_equal(V1, county.hub, county.town)
    await _waits_for_review(county, subject, await county.last_good() + 2)
    return "township cut off: cut when it heard of it, two entries wait for a review at both tiers"


async def _switched_off(county: Lost, subject: str, folder: Path) -> str:
    """It had work that nobody had seen; somebody finds it and brings a stick."""
    home = county.village.folder
    await county.village.close()
    county.whole.nodes.remove(county.village)
    county.village = await county.whole._node(home, Config())
    await _writes(county, subject)
    await county.revoke(county.village)
    await soon_equal(COMMON, county.hub, county.town)
    await _handed_in(county, folder, 2)
    await _waits_for_review(county, subject, await county.last_good() + 2)
    another = await county.whole.join("呤诗村", V3)
    await soon(lambda: another.pump.state().link.connected)
    await county.cut(another, await county.revoke(another))
    return "switched off: unsent work handed in by stick, waits for a review at both tiers; another one, connected: cut"


async def _handed_in(county: Lost, folder: Path, count: int) -> None:
    stick, said = folder / "found.yidi", io.StringIO()
    with contextlib.redirect_stdout(said):
        await sticks.export(county.village.folder, Config(), stick, "")
        await sticks.import_(county.hub.folder, Config(), stick)
    assert f"新入账 {count} 条" in said.getvalue(), said.getvalue()
    await soon_equal(V1, county.hub, county.town)


async def _nobody_else_noticed(county: Lost) -> None:
    logged = await county.neighbour.desk.submit(dispute(V2), actor(county.neighbour, "clerk"))
    county.saved.append(promise("neighbour", logged))
    await settled(county.hub, county.town, county.neighbour)


async def play(draw: Random, folder: Path) -> Outcome:
    return await lost(draw, folder, draw.choice(ROW.ways))


async def lost(draw: Random, folder: Path, way: str) -> Outcome:
    county = await Lost.make(folder / "county", draw)
    try:
        for _ in range(2):
            county.saved.append(promise("village", await county.village.desk.submit(dispute(V1), actor(county.village, "clerk"))))
        await soon_equal(V1, county.hub, county.town, county.village)
        subject = draw.choice(county.saved).case
        if way == "township cut off":
            said = await _cut_off(county, subject)
        else:
            said = await (_connected if way == "connected" else _switched_off)(county, subject, folder)
        await _nobody_else_noticed(county)
    finally:
        await county.stop()
    own = await judge(Folders(village=county.village.folder), [one for one in county.saved if one.node == "village"], staffed=STAFFED)
    assert not own.lost and not own.doubled, f"the lost computer's own disk: {own.said}"
    left = Folders(hub=county.hub.folder, town=county.town.folder, neighbour=county.neighbour.folder)
    return await judge(left, county.saved, expected=("origin_revoked",), staffed=STAFFED, said=(said,), images=1, figures=county.figures)


ROW = Row(
    15, "lost device revoked; its unsent work handed in", "connection cut in < 5 s; its entries go to review, not into the case", (), play,
    ways=WAYS,
)  # fmt: skip
