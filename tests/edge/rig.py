"""Real small nodes (tests.node.desk_kit) behind the real pages: a village, its township and the county, without a wire.

rig = await Rig.make(tmp_path)            people, accounts and the nodes' certificates are there
await rig.deliver("village", "town")      carries what the second lacks and gives the first the receipt
app = edge_app(rig.web("village"))
"""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edge.web.pages import edge_app
from protocol.case import Case
from protocol.commands import (
    AcceptDispute,
    AddEvidence,
    CloseDispute,
    EscalateDispute,
    HandDownDispute,
    LogDispute,
    Party,
    RecordMediation,
    SignAgreement,
)
from protocol.events import Actor
from protocol.node.config import Config
from protocol.node.link.fetching import Wait
from tests.node.desk_kit import TOWN, VILLAGE, County, Node, add_person, carry, new_id

PASSWORD = "diao-jie-2026"
OFFICES = {"village": VILLAGE, "town": TOWN, "root": "330523", "again": VILLAGE}  # again: the village's next computer
PEOPLE = {"village": ("王芳", "clerk"), "town": ("沈国强", "officer"), "root": ("方敏", "operator")}
# made up: who, against whom, type, what, where, people, yuan
STORIES = (
    ("叶根土", "叶根水", "0204", "两家菜地中间一条田埂，一家说往东挪了半尺，吵了两回，要求把界石立回原处。", "三组菜地", 2, None),
    ("何桂英", "何水法", "0104", "老人由三个儿子轮流供养，老二家半年没出粮油钱，老人到村里来说理。", "何家门口", 4, 3600),
    ("俞阿毛", "鑫源竹制品厂", "1001", "厂里拖了四个月工钱，说等货款回来再发，工人等着过年用。", "工业园二号", 6, 128000),
    ("潘建林", "汤菊花", "0203", "楼下夜里放广播跳舞到十点，楼上有人上夜班，白天睡不好，报过一次警。", "文化礼堂", 2, None),
    ("董福明", "姚志祥", "0703", "竹山界址不清，一家砍了三十来根毛竹，另一家说砍过了界。", "后坞山", 3, 4500),
    ("罗小妹", "盛世物业", "1504", "楼上卫生间漏水泡了吊顶，物业说不归他们管，拖了两个月。", "阳光小区 3 幢", 2, 8600),
)


class LinkWords(msgspec.Struct):
    connected: bool


class PumpWords(msgspec.Struct):
    link: LinkWords
    behind: dict[str, int] = {}
    behind_since: dict[str, int] = {}


class StandIn:
    """What the pages ask of the pump. `connected` is switched by the test."""

    def __init__(self) -> None:
        self.connected, self.wanted, self.left, self.trouble = False, [], [], ""

    def state(self) -> PumpWords:
        return PumpWords(LinkWords(self.connected))

    def peers(self) -> list[Any]:
        return []

    def debts(self, node: str) -> list[Any]:
        return []

    def owed(self, ledger: str) -> dict[str, Any] | None:
        return {}

    def want_blob(self, address: str) -> None:
        self.wanted.append(address)

    def still_wants_blob(self, address: str) -> None:
        self.wanted.append(address)

    async def give_up_blob(self, address: str) -> None:
        self.left.append(address)

    def wait_for(self, address: str, total: int) -> Wait:
        return Wait(total // 3, total, self.trouble)


@dataclass
class WebNode:
    """A node as `make_app` takes it."""

    node: Node
    pump: StandIn = field(default_factory=StandIn)
    config: Config = field(default_factory=Config)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.node, name)

    def tables(self) -> Any:
        return self.node.shelf()

    @property
    def certificate(self) -> Any:
        return self.node.signer.certificate

    @property
    def made_up(self) -> bool:
        return self.config.demo.made_up

    @property
    def name(self) -> str:
        return self.tables().office_name(self.node.office)


class Rig:
    def __init__(self, county: County, nodes: dict[str, WebNode]) -> None:
        self.county, self.nodes = county, nodes
        self.persons: dict[str, tuple[str, str]] = {}

    @classmethod
    async def make(cls, folder: Path) -> "Rig":
        if not _kept:
            _kept.append(await _founded())
        kept = _kept[0]
        shutil.copytree(kept.folder.name, folder, dirs_exist_ok=True)
        rig = await cls._opened(folder)
        rig.county.clock.now_ms, rig.persons = kept.now_ms, dict(kept.persons)
        return rig

    @classmethod
    async def _opened(cls, folder: Path) -> "Rig":
        county = County(folder)
        return cls(county, {kind: WebNode(await county.node(kind)) for kind in ("root", "town", "village")})

    def web(self, kind: str) -> WebNode:
        return self.nodes[kind]

    def app(self, kind: str) -> Any:
        return edge_app(self.nodes[kind])

    def actor(self, kind: str) -> Actor:
        person, post = self.persons[kind]
        node = self.nodes[kind].node
        return Actor(person, post, OFFICES[kind], node.shelf().post_powers(post.split(".")[0]), PEOPLE.get(kind, PEOPLE["village"])[0])

    async def say(self, kind: str, command: Any) -> Any:
        self.county.clock.pass_ms(60_000)
        return await self.nodes[kind].desk.submit(command, self.actor(kind))

    async def log(self, kind: str, story: int = 0, **more: Any) -> str:
        who, against, type_, account, where, heads, yuan = STORIES[story % len(STORIES)]
        parties = [Party(who, phone="13800001234"), Party(against, side="respondent", phone="13900005678")]
        given = {"type": type_, "account": account, "parties": parties, "place_text": where, "headcount": heads}
        given |= {"amount_fen": yuan * 100 if yuan else None, "ledger": VILLAGE, **more}
        return (await self.say(kind, LogDispute(id=new_id(), **given))).subject

    async def case(self, kind: str, subject: str) -> Case:
        return await self.nodes[kind].reads.case(self.actor(kind), subject)

    async def deliver(self, source: str, target: str) -> None:
        """What `source` has goes to `target`, and `target`'s receipt comes back: the marks of the first change."""
        giver, taker = self.nodes[source], self.nodes[target]
        await carry(giver.node, taker.node)
        for ledger in await taker.journal.ledgers():
            async with giver.journal.writing() as w:
                lanes = await taker.journal.lanes(ledger)
                await w.set_haves({(taker.certificate.node, ledger): (lanes, self.county.clock(), b"")})
        giver.wake.heard()

    async def everywhere(self) -> None:
        kinds = ("village", "town", "root")
        for _ in range(2):
            for a in kinds:
                for b in kinds:
                    if a != b:
                        await self.deliver(a, b)

    async def a_busy_village(self) -> list[str]:
        """Cases in several statuses, some escalated, one handed down, one with an agreement."""
        cases = [await self.log("village", n, risk=("green", "green", "red", "green", "yellow", "green")[n]) for n in range(6)]
        await self.say("village", AcceptDispute(id=new_id(), case=cases[0]))
        await self.say("village", AcceptDispute(id=new_id(), case=cases[1]))
        talk = "两边都到了村调解室，各说了各的理，界石的位置还有分歧，约后天到现场再看。"
        await self.say("village", RecordMediation(id=new_id(), case=cases[0], account=talk, result="go_on", present="双方、村民组长"))
        terms = ["三兄弟每月五号前各给老人粮油钱二百元，由老大统一转交。", "老二补上拖欠的六个月，共一千二百元，月底前付清。"]
        signed = SignAgreement(
            id=new_id(), case=cases[1], terms=terms, performance="月底前现金付清，以后按月", due=["2026-11-30"], amount_fen=120_000
        )
        await self.say("village", signed)
        await self.say(
            "village", EscalateDispute(id=new_id(), case=cases[2], to=TOWN, reason="人数多、数额大，村里调不动。", tried="去厂里谈过两次")
        )
        await self.say("village", EscalateDispute(id=new_id(), case=cases[4], to=TOWN, reason="要林业站来认山界。"))
        await self.say("village", AcceptDispute(id=new_id(), case=cases[5]))
        await self.say("village", CloseDispute(id=new_id(), case=cases[5], ending="withdrawn", result="物业已经修好，当事人不再追究。"))
        return cases

    async def close(self) -> None:
        await self.county.close()


class Kept(NamedTuple):
    """The three nodes as they were made once; each test gets a copy of their folder."""

    folder: tempfile.TemporaryDirectory[str]
    now_ms: int
    persons: dict[str, tuple[str, str]]


_kept: list[Kept] = []


async def _founded() -> Kept:
    folder = tempfile.TemporaryDirectory()
    rig = await Rig._opened(Path(folder.name))
    for kind in ("root", "town", "village"):
        await rig.nodes["root"].desk.enrol_node(rig.county.certificate(kind))
    for kind, (name, post) in PEOPLE.items():
        rig.persons[kind] = await add_person(rig.nodes[kind].node, name, post)
        account = {"village": "wangfang", "town": "shen", "root": "fang"}[kind]
        await rig.nodes[kind].people.add_account(account, rig.persons[kind][0], PASSWORD, rig.county.clock())
    await rig.everywhere()
    await rig.close()
    return Kept(folder, rig.county.clock(), rig.persons)


__all__ = ["PASSWORD", "AddEvidence", "HandDownDispute", "Rig", "WebNode"]
