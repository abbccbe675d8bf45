"""Whole nodes over real nats-servers: a county is founded, a township and a village join by their codes, and everything flows.

Real journals (SQLCipher), admission, desk and blobs; only the pages are left out: the enrolment's question is handed over directly.
"""

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest

from deploy.county import County
from deploy.nats.identity import Trust
from deploy.nats.servers import Listen, Server, free_ports
from edge.enrol import enrol, leaf_of
from hub.enrolment import TRUST_TABLE, Enrolment
from hub.web.enrol import answered
from protocol import batch as batches
from protocol import enrolment as joining
from protocol import entry, events
from protocol.certificate import sealed_ledger
from protocol.commands import AddEvidence, AddNote, GivePost, LogDispute, Party, RegisterPerson, SealDispute
from protocol.events import Actor
from protocol.have import digest
from protocol.node import observe
from protocol.node.config import Config, Nats, Store
from protocol.node.identity import Identity
from protocol.node.node import Node, now_ms
from protocol.place import COMMON
from protocol.problem import Refused
from tests.kit.blank import blank_journal
from tests.link.kit import TOWN, V1, V2, soon

COUNTED = iter(range(1, 10_000))


def new_id() -> str:
    return f"command-{next(COUNTED):06d}"


class Whole:
    """One county in a folder; `join` enrols a node with a code, starts it and admits what it was given."""

    def __init__(self, folder: Path, url: str = "sqlite") -> None:
        """url: of the hub's store."""
        self.folder = folder
        ports = free_ports(3)
        self.leaf_port = ports[2]
        self.config = Config(nats=Nats(port=ports[0], leaf_port=ports[1]))
        self.county = County.open(folder / "hub", self.config, now_ms())
        listen = Listen(ports[0], ports[1])
        self.server = Server(self.county.identity.folder, "county", listen, self.county.authority.trust())
        self.hub_config = Config(link=type(self.config.link)(servers=self.county.servers), store=Store(url=url))
        self.leaf: Server | None = None
        self.nodes: list[Node] = []
        self.hub: Node
        self.enrolment: Enrolment

    async def start(self) -> "Whole":
        await self.server.start()
        self.hub = await self._node(self.folder / "hub", self.hub_config)
        self.enrolment = self.county.enrolment(self.hub, lambda: self.server.apply(self.county.authority.trust()))
        await self.county.furnish(self.hub)
        await self.enrolment.announce_trust()
        await self.hub.start()
        self.hub.gate.give_up()  # a county of this moment: its first word need not wait for anybody who may know more
        return self

    async def _node(self, folder: Path, config: Config) -> Node:
        identity = Identity(folder)
        if config.store.url == "sqlite" and not (identity.folder / "store.key").exists():  # opened for the first time
            await blank_journal(folder / "journal.db", identity.key("store"))
        node = await Node.open(folder, config)
        self.nodes.append(node)
        return node

    async def person(self, office: str, name: str, kind: str) -> str:
        """Registered by the hub in the office's ledger, so that it travels there."""
        person, admin = entry.derive(office, name), Actor("", "node", self.hub.office, frozenset({"people", "admin"}))
        await self.hub.desk.submit(RegisterPerson(id=new_id(), person=person, office=office, name=name), admin)
        await self.hub.desk.submit(GivePost(id=new_id(), post=f"{kind}.{person[:8]}", person=person, office=office, title="调解员"), admin)
        return person

    async def post(self, address: str, body: bytes) -> tuple[int, bytes]:
        """As hub.web.enrol answers."""
        assert address == self.county.address
        try:
            return 200, await self.enrolment.redeem(body)
        except Refused as refusal:
            return refusal.status, answered(refusal)

    async def join(self, name: str, place: str, leaf: bool = False) -> Node:
        who = await self.person(place, name, "clerk")
        listen = f"127.0.0.1:{self.leaf_port}" if leaf else ""
        code = await self.enrolment.invite(place=place, name=name, leaf=listen, account=name, person=who)
        joined = await enrol(code, self.folder / name, self.post)
        assert (joined.account, joined.person) == (name, who)
        if given := leaf_of(self.folder / name):
            trust = msgspec.json.decode(given.trust, type=Trust)
            self.leaf = Server(Identity(self.folder / name).folder, "leaf", Listen(self.leaf_port), trust, given.remote)
            await self.leaf.start()
        node = await self._node(self.folder / name, Config())
        for packed in joined.batches:
            await node.admission.admit(batches.unpack(packed), self.hub.about.node)
        await node.admission.settled()
        await node.start()
        return node

    async def stop(self) -> None:
        for node in reversed(self.nodes):
            await node.close()
        for server in (self.server, self.leaf):
            if server:
                await server.stop()


def actor(node: Node, kind: str) -> Actor:
    return Actor(entry.derive(node.office, "someone"), f"{kind}.0000000b", node.office, node.tables().post_powers(kind), "办事员")


def dispute(ledger: str) -> LogDispute:
    parties = [Party("叶根土"), Party("叶根水", side="respondent")]
    return LogDispute(
        id=new_id(), ledger=ledger, type="0204", account="两家的菜地中间一条田埂，往东挪了半尺。", parties=parties, title="田埂地界"
    )


async def equal(ledger: str, *nodes: Node) -> bool:
    return len({digest(await node.journal.lanes(ledger)) for node in nodes}) == 1


async def soon_equal(ledger: str, *nodes: Node) -> None:
    for _ in range(2_000):
        if await equal(ledger, *nodes):
            return
        await asyncio.sleep(0.02)
    raise AssertionError([await node.journal.lanes(ledger) for node in nodes])


async def receipt(node: Node, of: Node, ledger: str) -> int:
    rows = await node.journal.rows("peer_have", "node = :n and ledger = :l", {"n": of.about.node, "l": ledger})
    return max((row["seq"] for row in rows if row["origin"] == node.signer.origin), default=0)


async def test_a_county_a_township_and_a_village_by_their_codes_alone(whole):
    t1, v1 = await whole.join("天子湖镇", TOWN, leaf=True), await whole.join("高禹村", V1)
    hub = whole.hub
    assert v1.about.servers == [f"127.0.0.1:{whole.leaf_port}", *whole.county.servers]
    assert v1.tables().place_name(V1)
    assert await v1.journal.rows("person_row"), "the first person is there before the link is"
    await soon(lambda: v1.pump.state().link.server == f"127.0.0.1:{whole.leaf_port}")
    logged = await v1.desk.submit(dispute(V1), actor(v1, "clerk"))
    blob = await v1.blobs.put(b"\xff\xd8\xff" + bytes(600_000), "田埂.jpg", "image/jpeg")
    await v1.desk.submit(AddEvidence(id=new_id(), case=logged.subject, blob=blob), actor(v1, "clerk"))
    await soon_equal(V1, hub, t1, v1)
    own = (await v1.journal.heads(V1))[V1, v1.signer.origin].seq
    for upper in (hub, t1):
        while await receipt(v1, upper, V1) != own:
            await asyncio.sleep(0.02)
    assert (await hub.reads.case(actor(hub, "operator"), logged.subject)).title == "田埂地界"
    await soon(lambda: hub.blobs.has(blob.address) and t1.blobs.has(blob.address))
    assert await hub.blobs.get(blob) == b"\xff\xd8\xff" + bytes(600_000)
    await hub.desk.submit(AddNote(id=new_id(), case=logged.subject, text="请先稳住双方。"), actor(hub, "operator"))
    await soon_equal(V1, hub, t1, v1)
    for upper, lower in ((hub, v1), (t1, v1), (hub, t1)):  # each says how much room its disk has
        await soon(lambda upper=upper, lower=lower: {peer.node: peer.room for peer in upper.pump.peers()}.get(lower.about.node))
    marks = await v1.reads.marks([(V1, v1.signer.origin, own)])
    assert {mark.text for mark in marks[V1, v1.signer.origin, own] if mark.reached} >= {"已到乡镇", "已到县"}


async def test_the_county_dies_the_township_goes_on_then_all_is_equal(whole):
    t1, v1 = await whole.join("天子湖镇", TOWN, leaf=True), await whole.join("高禹村", V1)
    await soon(lambda: v1.pump.state().link.connected and t1.pump.state().link.connected)
    await whole.server.stop()
    logged = await v1.desk.submit(dispute(V1), actor(v1, "clerk"))
    await soon_equal(V1, t1, v1)
    await whole.hub.desk.submit(dispute(V1), actor(whole.hub, "operator"))
    assert not await equal(V1, whole.hub, v1)
    await t1.desk.submit(AddNote(id=new_id(), case=logged.subject, text="镇里知道了。"), actor(t1, "officer"))
    await whole.server.start()
    began = asyncio.get_running_loop().time()
    await soon_equal(V1, whole.hub, t1, v1)
    print(f"\ncounty back: equal at three tiers after {asyncio.get_running_loop().time() - began:.2f} s")


async def test_a_sealed_report_reaches_the_hub_alone(whole):
    t1, v1 = await whole.join("天子湖镇", TOWN, leaf=True), await whole.join("高禹村", V1)
    await v1.desk.submit(SealDispute(id=new_id(), account="村里的账目有问题。", type="2201"), actor(v1, "clerk"))
    ledger = sealed_ledger(v1.certificate)
    await soon_equal(ledger, whole.hub, v1)
    assert not await t1.journal.lanes(ledger)
    assert not [row for row in await t1.journal.rows("peer_have") if row["ledger"] == ledger]


async def test_a_code_is_good_for_one_key_and_three_days(whole, tmp_path, monkeypatch):
    code = await whole.enrolment.invite(place=V1, name="高禹村")
    answers: list[bytes] = []

    async def lost(address: str, body: bytes) -> tuple[int, bytes]:
        answers.append((await whole.post(address, body))[1])
        raise OSError("the answer was lost on the way")

    with pytest.raises(OSError, match="lost"):
        await enrol(code, tmp_path / "v", lost)
    assert not Identity(tmp_path / "v").exists
    again = await enrol(code, tmp_path / "v", whole.post)  # the same keys ask again
    assert Identity(tmp_path / "v").exists
    with pytest.raises(Refused, match="not_now"):
        await enrol(code, tmp_path / "v", whole.post)
    for other, what in {tmp_path / "other": code, tmp_path / "guess": joining.Code(whole.county.address, bytes(10)).text}.items():
        with pytest.raises(Refused, match="code_unknown_late_or_used"):
            await enrol(what, other, whole.post)
        assert not Identity(other).exists
    late = await whole.enrolment.invite(place=V2, name="张芝村")
    monkeypatch.setattr(whole.enrolment, "_clock", lambda: now_ms() + joining.CODE_MS_MAX + 1)
    with pytest.raises(Refused, match="code_unknown_late_or_used"):
        await enrol(late, tmp_path / "late", whole.post)
    rows = await whole.hub.journal.rows("node_row")
    assert {row["subject"] for row in rows} == {whole.hub.about.node, again.certificate.node}
    files = [path for path in (tmp_path / "v").rglob("*") if path.is_file() and path.suffix in (".key", ".creds", ".seed")]
    assert len(files) >= 4
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


async def test_an_answer_in_the_county_s_place_is_not_believed(whole, tmp_path):
    code = await whole.enrolment.invite(place=V1, name="高禹村")

    async def tampered(address: str, body: bytes) -> tuple[int, bytes]:
        status, answer = await whole.post(address, body)
        return status, answer[:-1] + bytes([answer[-1] ^ 1])

    async def nobody(_address: str, _body: bytes) -> tuple[int, bytes]:
        return 404, b"<html>no such page</html>"

    for way in (tampered, nobody):
        with pytest.raises(Refused, match="frame_broken"):
            await enrol(code, tmp_path / "v", way)
    assert not Identity(tmp_path / "v").exists


async def test_impossible_invitations_are_refused_at_the_hub(whole):
    for wrong in ({"place": "../x"}, {"place": V1, "leaf": "127.0.0.1:4"}, {"place": V1, "covers": [">"]}):
        with pytest.raises(Refused, match="field_impossible"):
            await whole.enrolment.invite(name="x", **wrong)


async def test_revoked_is_cut_everywhere_and_counts_no_more(whole):
    t1, v1, v2 = [await whole.join(n, p, leaf=n == "镇") for n, p in (("镇", TOWN), ("甲村", V1), ("乙村", V2))]
    logged = await v1.desk.submit(dispute(V1), actor(v1, "clerk"))
    await soon_equal(V1, whole.hub, t1, v1)
    assert sorted(node.certificate.short for node in (whole.hub, t1, v1, v2)) == [1, 2, 3, 4]  # a number in case codes is given once
    done = await whole.enrolment.revoke(v1.about.node, "电脑丢了")
    assert done.cut >= 1
    last_good = (await whole.hub.journal.heads(V1))[V1, v1.signer.origin].seq
    assert (V1, v1.signer.origin, last_good) in done.last
    await soon_equal(COMMON, whole.hub, t1)
    facts = events.facts_of((await t1.journal.subject(entry.derive("table", TRUST_TABLE)))[-1].head)
    assert isinstance(facts, events.TableSet)
    trust = msgspec.json.decode(facts.content, type=Trust)
    assert await whole.leaf.apply(trust)  # what a township's program does when it hears of it
    await soon(lambda: v1.pump.state().link.closed or not v1.pump.state().link.connected)
    with contextlib.suppress(Refused):  # node_revoked, when it heard of it before it was cut; a lost laptop may not have
        await v1.desk.submit(AddNote(id=new_id(), case=logged.subject, text="断线以后写的。"), actor(v1, "clerk"))
    await v2.desk.submit(dispute(V2), actor(v2, "clerk"))
    await soon_equal(V2, whole.hub, t1, v2)  # nobody else noticed
    assert not await whole.hub.journal.lane(V1, v1.signer.origin, last_good, 1)
    assert v2.pump.state().link.reconnects == 0


async def test_a_revoked_computer_s_code_gives_it_nothing_more_and_pressed_again_every_server_hears_of_it(whole, monkeypatch):
    code = await whole.enrolment.invite(place=V1, name="高禹村")
    asks: list[bytes] = []

    async def heard(address: str, body: bytes) -> tuple[int, bytes]:
        asks.append(body)
        return await whole.post(address, body)

    joined = await enrol(code, whole.folder / "v", heard)
    node = joined.certificate.node
    await whole.enrolment.revoke(node, "电脑丢了")
    with pytest.raises(Refused, match="code_unknown_late_or_used"):
        await whole.enrolment.redeem(asks[0])
    assert not await whole.hub.journal.rows("invitation", "used_by <> ''"), "the code lies in it"
    fresh = joining.read_code(await whole.enrolment.invite(place=V1, name="高禹村"))
    key = Identity(whole.folder / "v").signing_key()
    with pytest.raises(Refused, match="key_put_out"):  # it is put out for good
        await whole.enrolment.redeem(joining.ask(fresh, key, "U", "", b"", bytes(24)))
    assert not (await whole.hub.journal.rows("invitation"))[0]["used_by"], "the new computer still may"
    monkeypatch.setattr(whole.enrolment, "_clock", lambda: now_ms() + 5_000)
    await whole.enrolment.revoke(node, "又按了一次")
    facts = events.facts_of((await whole.hub.journal.subject(entry.derive("table", TRUST_TABLE)))[-1].head)
    assert isinstance(facts, events.TableSet)
    assert msgspec.json.decode(facts.content, type=Trust) == whole.county.authority.trust()


async def test_a_forged_batch_is_quarantined_in_the_real_journal_and_shown(whole):
    v1 = await whole.join("高禹村", V1)
    await v1.desk.submit(dispute(V1), actor(v1, "clerk"))
    await soon_equal(V1, whole.hub, v1)
    await v1.link.publish(f"y1.live.{V1.replace('/', '.')}.{v1.about.node}", b"no batch at all")
    for _ in range(1_500):
        if rows := await whole.hub.journal.rows("quarantine"):
            break
        await asyncio.sleep(0.02)
    assert [(row["node"], row["code"], row["count"]) for row in rows] == [(v1.about.node, "frame_broken", 1)]
    await v1.desk.submit(dispute(V1), actor(v1, "clerk"))
    await soon_equal(V1, whole.hub, v1)
    assert not whole.hub.pump.state().faults


async def test_a_trace_has_every_kind_of_work_of_the_link(whole):
    """An entry and its photo, told live; then a township that comes later and pulls them."""
    told: set[str] = set()

    @contextlib.contextmanager
    def span(kind, _facts):
        told.add(kind)
        yield

    observe.trace(span)
    try:
        village = await whole.join("甲村", V1)
        case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
        blob = await village.blobs.put(b"\xff\xd8\xff" + bytes(50_000), "界石.jpg", "image/jpeg")
        await village.desk.submit(AddEvidence(id=new_id(), case=case, blob=blob), actor(village, "clerk"))
        await soon_equal(V1, whole.hub, village)
        await soon(lambda: whole.hub.blobs.has(blob.address))
        town = await whole.join("镇", TOWN)
        await soon_equal(V1, whole.hub, town, village)
    finally:
        observe.trace(None)
    assert told == set(observe.KINDS) - {"page"}
