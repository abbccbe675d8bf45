"""A small county for tests of the rules: nodes with lanes, people with posts, and hand-made syncing of what they wrote.

Every entry is made as the desk makes it (lane, seq, turn, facts, body) but for chain and signature, which the fold never reads.
"""

from typing import Any

import msgspec

from protocol import commands as c
from protocol import dispute, task
from protocol.calendar import HOUR_MS
from protocol.case import Case, Task
from protocol.context import Cadre, Context
from protocol.entry import FORMAT, Admitted, Head
from protocol.events import Actor, Draft
from protocol.fold import fold_case, fold_task
from protocol.place import covers
from protocol.tables import Tables

COUNTY = "330523"
TOWNSHIP = "330523/330523111"
TOWNSHIP_2 = "330523/330523100"
FAR = "330523/330523110"  # a township whose node covers nothing of TOWNSHIP
UNIT = "330523/u08"
COURT = "330523/u04"
TABLES = Tables.packaged()
VILLAGE, VILLAGE_2 = TABLES.children(TOWNSHIP)[:2]
MONDAY_MS = 1773622800000  # 2026-03-16 09:00 in UTC+8

CLERK = TABLES.post_powers("clerk")
OFFICER = TABLES.post_powers("officer")
OPERATOR = TABLES.post_powers("operator")
DEPARTMENT = TABLES.post_powers("department")
EVERYTHING = CLERK | OFFICER | OPERATOR | DEPARTMENT | {"field"}

PARTIES = [c.Party("王阿根", phone="13800000001"), c.Party("李水生", side="respondent")]


def actor(office: str, powers: frozenset[str] | None = None, person: str = "") -> Actor:
    by_tier = {COUNTY: OPERATOR, TOWNSHIP: OFFICER, TOWNSHIP_2: OFFICER, UNIT: DEPARTMENT, COURT: DEPARTMENT}
    given = powers if powers is not None else by_tier.get(office, CLERK)
    return Actor(person or f"{abs(hash(office)) % 16**8:08x}" * 4, f"post.{office[-8:]}", office, given)


class Node:
    """A node: what it serves and covers, and all entries it has, by (ledger, origin, seq)."""

    def __init__(self, name: str, serves: tuple[str, ...], reach: tuple[str, ...], now_ms: int = MONDAY_MS) -> None:
        self.origin, self.serves, self.covers, self.now_ms = f"{name}:1", serves, reach, now_ms
        self.entries: dict[tuple[str, str, int], Admitted] = {}
        self.count = 0

    def context(self, **more: Any) -> Context:
        given = {"code": f"2026-{self.origin[1:4]}-{self.count:05d}K", "paper": f"（2026）安调字第{self.count}号"} | more
        nodes = ((self.serves, self.covers), ((f"{FAR}/*",), (f"{FAR}/*",)))
        return Context(now_ms=self.now_ms, serves=self.serves, covers=self.covers, tables=TABLES, nodes=nodes, **given)

    def of(self, subject: str) -> list[Admitted]:
        return [one for one in self.entries.values() if one.head.subject == subject]

    def case(self, subject: str) -> Case:
        case = fold_case(self.of(subject), TABLES)
        assert case is not None
        return case

    def task(self, subject: str) -> Task:
        found = fold_task(self.of(subject), TABLES)
        assert found is not None
        return found

    def do(self, command: c.Command, who: Actor, **more: Any) -> list[Admitted]:
        """Decides and writes. Raises Refused. The clock goes on by an hour."""
        self.count += 1
        context = self.context(**more)
        if isinstance(command, c.TaskCommand | c.AssignTask):
            drafts = task.decide_task(self.task(command.task) if isinstance(command, c.TaskCommand) else None, command, who, context)
        else:
            drafts = dispute.decide(self.case(command.case) if isinstance(command, c.CaseCommand) else None, command, who, context)
        return self.write(drafts, command.id, (who.person, who.post))

    def write(self, drafts: list[Draft], command: str, author: tuple[str, str] = ("", "node")) -> list[Admitted]:
        written = [self._write(draft, command, author) for draft in drafts]
        self.now_ms += HOUR_MS
        return written

    def _write(self, draft: Draft, command: str, author: tuple[str, str]) -> Admitted:
        seq = max((s for ledger, origin, s in self.entries if (ledger, origin) == (draft.ledger, self.origin)), default=1) + 1
        turn = max((one.head.turn for one in self.of(draft.subject)), default=0) + 1
        head = Head(
            FORMAT, draft.ledger, self.origin, seq, draft.subject, draft.sort, turn, self.now_ms, None, author, command, draft.kind,
            msgspec.Raw(msgspec.msgpack.encode(draft.facts)), b"",
        )  # fmt: skip
        body = None if draft.body is None else msgspec.msgpack.encode(draft.body)
        one = Admitted(head, body, self.now_ms)
        self.entries[draft.ledger, self.origin, seq] = one
        return one

    def arrive(self, subject: str) -> None:
        """What the node does by itself when an offer reaches an office it serves."""
        draft = dispute.arrival(self.case(subject), self.serves)
        if draft is not None:
            self.write([draft], "arrived")

    def pull(self, *others: "Node") -> None:
        """Admits all that the others have and this one covers; what it has already it keeps."""
        for other in others:
            for key, one in other.entries.items():
                if covers(self.covers, key[0]) and key not in self.entries:
                    self.entries[key] = msgspec.structs.replace(one, received_ms=self.now_ms)
            self.now_ms = max(self.now_ms, other.now_ms)


class County:
    """The county's node, a township's, one of its villages', and a second node in the county's hall."""

    def __init__(self) -> None:
        self.county = Node("ncountyaa", (COUNTY, UNIT, COURT), ("330523/*",))
        self.hall = Node("nhallaaaa", (COUNTY, UNIT, COURT), ("330523/*",))
        self.township = Node("ntownship", (TOWNSHIP, VILLAGE_2), (f"{TOWNSHIP}/*",))
        self.village = Node("nvillagea", (VILLAGE,), (VILLAGE,))
        self.ids = 0

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.county, self.hall, self.township, self.village

    def sync(self) -> None:
        for node in self.nodes:
            node.pull(*self.nodes)
        for node in self.nodes:
            node.pull(*self.nodes)

    def id(self) -> str:
        self.ids += 1
        return f"command-{self.ids:06d}"

    def log(self, node: Node | None = None, ledger: str = VILLAGE, office: str = "", **more: Any) -> str:
        """A registration at the village by default; gives the subject."""
        command = c.LogDispute(
            **({"id": self.id(), "ledger": ledger, "type": "0204", "account": "东邻砌围墙占了滴水巷", "parties": PARTIES} | more)
        )
        return (node or self.village).do(command, actor(office or ledger))[0].head.subject

    def act(self, node: Node, kind: type[c.CaseCommand], subject: str, office: str, **fields: Any) -> list[Admitted]:
        """One command about the case, with fields that do unless they are given."""
        return node.do(ask(kind, subject, self.id(), node.case(subject), office, fields), actor(office))

    def accepted(self, **more: Any) -> str:
        subject = self.log(**more)
        self.act(self.village, c.AcceptDispute, subject, VILLAGE)
        return subject

    def escalated(self, to: str = TOWNSHIP) -> str:
        """Accepted and mediated at the village, offered to the township, known everywhere."""
        subject = self.accepted()
        self.act(self.village, c.RecordMediation, subject, VILLAGE, result="failed")
        self.act(self.village, c.EscalateDispute, subject, VILLAGE, to=to)
        self.sync()
        return subject


def ask(
    kind: type[c.CaseCommand], subject: str, id_: str, case: Case | None = None, office: str = "", fields: dict[str, Any] | None = None
) -> Any:
    """A command with contents that are right for the case; `fields` replace them."""
    up = case.holder.rpartition("/")[0] if case else COUNTY
    down = next(iter(dispute.receivers_down(case.holder, case.ledger, TABLES)), UNIT) if case else UNIT
    review = case.reviews[0].item if case and case.reviews else "nobody/1"
    contents: dict[type[c.CaseCommand], dict[str, Any]] = {
        c.CorrectDispute: {"field": "place_text", "value": "村口老樟树下", "reason": "写错了"},
        c.AddParty: {"party": c.Party("宋木根", side="third", phone=f"139{id_[-6:]}00")},
        c.CorrectParty: {
            "party_id": case.party_ids[0] if case and case.party_ids else "p1",
            "party": c.Party(f"王{id_[-6:]}"),
            "reason": "写错了",
        },
        c.WithdrawParty: {"party_id": case.party_ids[-1] if case and case.party_ids else "p2", "reason": "不是当事人"},
        c.VoidDispute: {"reason": "重复登记"},
        c.DeclineDispute: {"reason": "属于行政处罚", "door": "县公安局"},
        c.RecordMediation: {"account": "双方各说各的", "result": "go_on"},
        c.SignAgreement: {"terms": ["拆到滴水巷外"], "performance": "三月底前拆完", "due": ["2027-03-31"]},
        c.EndMediation: {"reason": "一方不愿再谈", "ways": "可以起诉"},
        c.EscalateDispute: {"to": up or COUNTY, "reason": "谈不拢"},
        c.ReturnDispute: {"reason": "先在村里再谈一次"},
        c.CallUpDispute: {"reason": "影响大"},
        c.HandDownDispute: {"to": down, "due": "2027-01-29", "reason": "请就近办"},
        c.TransferDispute: {"to": FAR, "reason": "人和地都在那边", "shows": ["title", "parties"]},
        c.NameHandler: {"person": "f" * 32},
        c.ConveneUnits: {"units": [COURT if case and UNIT in case.convened else UNIT], "purpose": "一起看现场"},
        c.RequestTask: {"to": VILLAGE_2, "purpose": "看看他家", "due_ms": 4_000_000_000_000},
        c.CloseDispute: {"ending": dispute_ending(case), "result": "已办妥"},
        c.ReopenDispute: {"reason": "没有履行"},
        c.RecordFollowUp: {"kept": "yes", "satisfied": "mostly"},
        c.MergeDispute: {"into": "0" * 32, "reason": "同一件事"},
        c.AddNote: {"text": "下雨，改天去"},
        c.GiveInstruction: {"text": "抓紧办"},
        c.WriteOpinion: {"text": "村里两委有牵连，先不要让村里知道", "risk": "red"},
        c.UrgeDispute: {"text": "快到期了"},
        c.SetRisk: {"risk": "red" if case and case.risk != "red" else "yellow", "reason": "扬言动手"},
        c.AddEvidence: {"blob": c.Blob("a" * 64, b"k" * 32, "现场.jpg", "image/jpeg", 2048)},
        c.DecideReview: {"item": review, "decision": "reject", "reason": "以后来的为准"},
    }
    return kind(id=id_, case=subject, **(contents.get(kind, {}) | (fields or {})))


def dispute_ending(case: Case | None) -> str:
    return {"agreed": "agreement", "ended": "ended"}.get(case.status if case else "", "withdrawn")


CADRE = Cadre("c" * 32, "周小满", (f"{TOWNSHIP}/*",))


def kinds(case: Case) -> list[tuple[str, str]]:
    """(kind, code) of what is to be reviewed."""
    return [(review.kind, review.code) for review in case.reviews]


def line(case: Case, kind: str, n: int = 0):
    return [one for one in case.lines if one.kind == kind][n]


def same_everywhere(world: County, subject: str, *nodes: Node) -> Case:
    """After syncing, every node that covers the case tells the same; received times are each node's own."""
    world.sync()
    told = {
        (case.status, case.holder, case.handler, case.term, case.accepted_ms, tuple(r.item for r in case.reviews), str(case.agreement))
        for case in (node.case(subject) for node in nodes or world.nodes)
    }
    assert len(told) == 1
    return world.county.case(subject)
