"""What may be done with a dispute, when and by whom. TABLE is all there is: decide, steps, the fold and the diagram read it.

An office holds a dispute; only the holder changes its outcome. An offer (escalate, hand down) leaves the hold where it is;
taking up and calling up move it and open a term. Others append: notes and files by whoever may see it, instructions and
urges by an office above the holder, follow-ups by the office named for them. This file asks what an actor *may*; what
entries *count* once they meet those of other nodes is decided in `hold`.

Drafts that change or move something carry `seen`, so that elsewhere they wait for all they were decided on.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from protocol import place, words
from protocol.access import may_see_case
from protocol.case import OPEN, STATUS_NAMES, Case, key_text
from protocol.commands import AddParty, AssignTask, Command, CorrectParty, LogDispute, RequestTask, WithdrawParty, WriteOpinion
from protocol.companion import may_write_apart, opinion_drafts
from protocol.context import Cadre, Context, Step
from protocol.drafts import DRAFTS, log_drafts, seen_of
from protocol.events import Actor, DisputeArrived, Draft
from protocol.office import is_above, lowest, receivers_down, receivers_up
from protocol.parties import party_drafts
from protocol.problem import Refused
from protocol.tables import Tables
from protocol.transfer import receivers
from protocol.visit_drafts import assign_drafts, request_drafts

__all__ = [
    "TABLE",
    "Cadre",
    "Context",
    "Step",
    "arrival",
    "decide",
    "is_above",
    "labels",
    "mermaid",
    "receivers_down",
    "receivers_up",
    "refusal",
    "steps",
]

BACK: Final = "accepted|logged"  # after a reopening: accepted if it ever was, else logged
NONE, PENDING = "none", "pending"  # what an offer must be
# who: the office that holds; was offered; stands above the holder; follows up; may see the case. `node` writes by itself.
HOLDER, OFFERED, ABOVE, FOLLOW, COVERS, NODE = "holder", "offered", "above", "follow", "covers", "node"
KEEPER = "keeper"  # looks at what was set aside: the holder; of a successor that nobody has taken up, the office of its ledger (the holder can't see it)
NAMED_MAX: Final = 3  # offices or people that a sentence names one by one
APART = "apart"  # its own ledger does not reach the place of the case
CARRIER = "carrier"  # the node that carries a transfer, for the office it comes from: that reaches no ledger of a successor
# effect in the fold: an outcome belongs to its term; an append never is late
OUTCOME, OFFER, RETURN, HOLD, REVIEW, APPEND, ARRIVE, OTHER = "outcome", "offer", "return", "hold", "review", "append", "arrive", "other"
TRANSFER, ANSWER = "transfer", "answer"  # an offer into another ledger, and what became of it there


class Row(msgspec.Struct, frozen=True):
    """moves: status → status after it; a status that is not in it refuses. event "": written in another subject."""

    command: str
    event: str
    power: str
    who: tuple[str, ...]
    effect: str
    moves: Mapping[str, str]
    offer: str = ""
    sentence: str = ""


def _stay(*statuses: str) -> dict[str, str]:
    return {status: status for status in statuses}


def _to(target: str, *statuses: str) -> dict[str, str]:
    return dict.fromkeys(statuses, target)


_ANY: Final = tuple(STATUS_NAMES)
_MEDIABLE: Final = ("accepted", "mediating")
_H: Final = (HOLDER,)

# fmt: off
TABLE: Final[tuple[Row, ...]] = (
    Row("CorrectDispute", "DisputeCorrected", "log", _H, OUTCOME, _stay(*OPEN, "closed", "declined"), "", "改正登记的内容，原来的内容仍可查到。"),
    Row("AddParty", "PartyAdded", "log", _H, OUTCOME, _stay(*OPEN, "closed", "declined"), "", "登记时没写的当事人，现在补上。"),
    Row("CorrectParty", "PartyCorrected", "log", _H, OUTCOME, _stay(*OPEN, "closed", "declined"), "", "改正一位当事人，原来的写法仍可查到。"),
    Row("WithdrawParty", "PartyWithdrawn", "log", _H, OUTCOME, _stay(*OPEN, "closed", "declined"), "", "不是当事人的撤下；撤下的仍可查到。"),
    Row("VoidDispute", "DisputeVoided", "log", _H, OUTCOME, _to("voided", "logged"), NONE, "登错了才作废；编号保留，不再计入统计。"),
    Row("RemoveDispute", "DisputeRemoved", "log", _H, OUTCOME, _to("voided", *OPEN), "", "原来是检举控告的：内容加密转交专岗，台账里的正文全部删掉，只留编号。"),
    Row("AcceptDispute", "DisputeAccepted", "mediate", _H, OUTCOME, _to("accepted", "logged"), "", "受理后开始计算法定期限，由{holder}负责。"),
    Row("DeclineDispute", "DisputeDeclined", "mediate", _H, OUTCOME, _to("declined", "logged"), NONE, "书面告知{parties}理由和该找的部门。"),
    Row("RecordMediation", "MediationRecorded", "mediate", _H, OUTCOME, _to("mediating", *_MEDIABLE), "", "每调解一次记一次；没谈成可以再调、上报或终止。"),
    Row("SignAgreement", "AgreementSigned", "mediate", _H, OUTCOME, _to("agreed", *_MEDIABLE), "", "和{parties}的协议书有了编号，开始计算司法确认和回访期限；没有另选时由{follow}回访。"),
    Row("EndMediation", "MediationEnded", "mediate", _H, OUTCOME, _to("ended", *_MEDIABLE), "", "终止调解，告知{parties}仲裁、行政、诉讼等其他途径。"),
    Row("EscalateDispute", "DisputeEscalated", "move", _H, OFFER, _stay(*OPEN), NONE, "送给{up}；对方受领之前仍由{holder}负责。"),
    Row("HandDownDispute", "DisputeHandedDown", "move", _H, OFFER, _stay(*OPEN), NONE, "交给{down}，写明期限；对方受领之前仍由{holder}负责。"),
    Row("TransferDispute", "DisputeTransferred", "move", _H, TRANSFER, _stay(*OPEN), NONE, "转给管不到这本台账的单位；对方受领之前仍由{holder}负责，受领后在对方台账接着办。"),
    Row("TakeUpDispute", "DisputeTakenUp", "move", (OFFERED,), HOLD, _stay(*OPEN), PENDING, "{by}送来；受领后由{me}负责，{holder}不能再改结果。"),
    Row("ReturnDispute", "DisputeReturned", "move", (OFFERED, HOLDER, CARRIER), RETURN, _stay(*OPEN), PENDING, "不受领，退回{by}；仍由{holder}负责。"),
    Row("CallUpDispute", "DisputeCalledUp", "call_up", (ABOVE,), HOLD, _stay(*OPEN, "closed"), "", "直接由{me}承办，{holder}不能再改结果。"),
    Row("NameHandler", "HandlerNamed", "move", _H, OUTCOME, _stay(*OPEN, "closed"), "", "定{holder}里具体承办的人。"),
    Row("ConveneUnits", "UnitsConvened", "convene", _H, OUTCOME, _stay(*OPEN), "", "由{holder}牵头，下面选的每个单位收到一项联调任务。"),
    Row("AssignTask", "", "assign", _H, OTHER, _stay(*OPEN, "closed"), "", "派选定的干部上门；任务送到他的手机，期限从现在算。"),
    Row("RequestTask", "", "move", _H, OTHER, _stay(*OPEN, "closed"), "", "请别处的村镇或单位走访、了解情况；对方只看到您写的，答复回到这里。"),
    Row("CloseDispute", "DisputeClosed", "close", _H, OUTCOME, _to("closed", *OPEN), NONE, "写明结果办结；以后由{follow}回访。"),
    Row("ReopenDispute", "DisputeReopened", "close", _H, OUTCOME, _to(BACK, "ended", "closed", "archived", "declined", "merged"), "", "由{holder}重新办理；签过的协议仍然有效。"),
    Row("RecordFollowUp", "FollowUpRecorded", "follow_up", (HOLDER, FOLLOW), OUTCOME, _stay("agreed", "closed"), "", "记双方履行和满意的情况。"),
    Row("ArchiveDispute", "DisputeArchived", "close", _H, OUTCOME, _to("archived", "closed", "declined"), NONE, "归入案卷，以后只能查阅、备注或重开。"),
    Row("MergeDispute", "DisputeMerged", "close", _H, OUTCOME, _to("merged", *OPEN), NONE, "并入另一件同一件事；两个编号都查得到，期限按早的算。"),
    Row("SetRisk", "RiskSet", "note", (HOLDER, ABOVE), OUTCOME, _stay(*OPEN, "closed"), "", "改风险等级，写明理由；红色当天告知派出所。"),
    Row("DecideReview", "ReviewDecided", "review", (KEEPER,), REVIEW, _stay(*_ANY), "", "逐条决定被搁置的内容采纳还是不采纳。"),
    Row("AddNote", "NoteAdded", "note", (COVERS,), APPEND, _stay(*_ANY), "", "写在时间线上，看得到这件的都看得到：{all}。"),
    Row("AddEvidence", "EvidenceAdded", "note", (COVERS,), APPEND, _stay(*_ANY), "", "加照片、录音或书面材料，看得到这件的都看得到：{all}。"),
    Row("WriteOpinion", "", "note", (APART,), OTHER, _stay(*_ANY), "", "只记在{me}自己的台账里，{me}和上级看得到，{place}看不到。"),
    Row("GiveInstruction", "InstructionGiven", "supervise", (ABOVE,), APPEND, _stay(*OPEN, "closed"), "", "批示送到{holder}，承办单位不变。"),
    Row("UrgeDispute", "DisputeUrged", "supervise", (ABOVE,), APPEND, _stay(*OPEN), "", "催{holder}抓紧办，可以写新的期限。"),
    Row("", "TransferAnswered", "", (NODE,), ANSWER, _to("transferred", *OPEN) | _stay("transferred")),
    Row("", "MergeTold", "", (NODE,), APPEND, _stay(*_ANY)),
    Row("", "DisputeArrived", "", (NODE,), ARRIVE, _stay(*OPEN), PENDING),
    Row("", "DisputeLogged", "log", (NODE,), HOLD, {}),
)
# fmt: on

BY_COMMAND: Final[dict[str, Row]] = {row.command: row for row in TABLE if row.command}
BY_EVENT: Final[dict[str, Row]] = {row.event: row for row in TABLE if row.event}


def _is(who: str, case: Case, actor: Actor) -> bool:
    if who == HOLDER:
        return actor.office == case.holder and not (case.predecessor and case.term == 1)  # a successor is nobody's until it is taken up
    if who == KEEPER:
        return actor.office == case.keeper
    if who == OFFERED:
        return case.offer is not None and actor.office == case.offer.to
    if who == ABOVE:
        return is_above(actor.office, case.holder)
    if who == FOLLOW:
        return actor.office == case.follow_up_by
    if who == APART:
        return may_write_apart(actor.office, case.ledger)
    return who == COVERS


def acting(row: Row, case: Case, actor: Actor) -> Actor:
    """The actor for the office of his that the row names: his own, else that of a place that was merged into it."""
    for office in actor.offices:
        one = msgspec.structs.replace(actor, office=office)
        if any(_is(who, case, one) for who in row.who if who != COVERS):
            return one
    return actor


def _not_who(row: Row, case: Case, context: Context) -> Refused:
    holder = context.tables.office_name(case.holder)
    if OFFERED in row.who and (case.offer is None or HOLDER not in row.who):
        return Refused("no_offer")
    if APART in row.who:
        return Refused("only_apart", place=context.tables.place_name(case.ledger))
    if ABOVE in row.who:
        return Refused("only_above", what=words.COMMAND_NAMES[row.command], holder=holder)
    if FOLLOW in row.who and case.follow_up_by:
        return Refused("not_follow_up", office=context.tables.office_name(case.follow_up_by), holder=holder)
    return Refused("not_holder", holder=context.tables.office_name(case.keeper) if KEEPER in row.who else holder)


def _ledgers(row: Row, case: Case, actor: Actor) -> tuple[str, ...]:
    """What the node must cover: the case's ledger, and the writer's own where it is written to."""
    return (case.ledger, actor.office) if APART in row.who else (case.ledger,)


def _offer_refusal(row: Row, case: Case, tables: Tables, what: str) -> Refused | None:
    """Why it may not be done because of what is offered, or since nothing is."""
    if row.offer not in (NONE, PENDING) or (row.offer == NONE and case.offer is None):
        return None
    if case.offer is None:
        return Refused("no_offer")
    to = tables.office_name(case.offer.to)
    if case.offer.kind == "transfer":
        return Refused("transfer_pending", to=to)
    if row.offer == PENDING:
        return None
    return Refused("offer_pending" if row.effect in (OFFER, TRANSFER) else "offer_open", to=to, what=what)


def _refusal(row: Row, case: Case, actor: Actor, context: Context) -> Refused | None:
    """Why the actor may not do this now, whatever he would fill in; None when he may."""
    tables, what = context.tables, words.COMMAND_NAMES[row.command]
    actor = acting(row, case, actor)
    if not may_see_case(actor, case):
        return Refused("case_unknown")
    if not place.covers(context.serves, actor.office):
        return Refused("not_served", office=tables.office_name(actor.office))
    if outside := [ledger for ledger in _ledgers(row, case, actor) if not place.covers(context.covers, ledger)]:
        return Refused("ledger_not_covered", place=tables.place_full(outside[0]))
    if row.power not in actor.powers:
        return Refused("not_allowed", what=what)
    if not any(_is(who, case, actor) for who in row.who):
        return _not_who(row, case, context)
    if case.status not in row.moves:
        return Refused("not_now", status=STATUS_NAMES.get(case.status, case.status), what=what)
    if row.command == "ReopenDispute" and case.sealed:
        return Refused("merged_removed")
    if refused := _offer_refusal(row, case, tables, what):
        return refused
    if row.command == "EscalateDispute" and not receivers_up(case.holder):
        return Refused("not_above", what="这件已经在最高一级")
    if row.effect == TRANSFER and (place.tier(case.holder) > 1 or not receivers(case, context.nodes)):  # from below, escalate
        return Refused("no_receiver")
    if row.command == "HandDownDispute" and not receivers_down(case.holder, case.ledger, tables):
        return Refused("not_below", what="本级下面没有可以交办的单位")
    if row.effect == REVIEW and not case.reviews:
        return Refused("review_unknown")
    return None


def decide(case: Case | None, command: Command, actor: Actor, context: Context) -> list[Draft]:
    """What the command would write. Raises Refused. Takes LogDispute (case None), every CaseCommand, and AssignTask for its case."""
    if isinstance(command, LogDispute):
        refused = _may_log(actor, context)
        if refused:
            raise refused
        return log_drafts(command, actor, context)
    row = BY_COMMAND.get(type(command).__name__)
    if row is None:
        raise Refused("command_invalid", why=type(command).__name__)
    if case is None:
        raise Refused("case_unknown")
    refused = _refusal(row, case, actor, context)
    if refused:
        raise refused
    actor = acting(row, case, actor)
    if isinstance(command, AssignTask):
        return assign_drafts(case, command, actor, context)
    if isinstance(command, RequestTask):
        return request_drafts(case, command, actor, context)
    if isinstance(command, AddParty | CorrectParty | WithdrawParty):
        return party_drafts(case, command, actor, context)
    if isinstance(command, WriteOpinion):
        return opinion_drafts(case, command, actor, context)
    return DRAFTS[row.command](case, command, actor, context)


def refusal(command: str, case: Any, actor: Actor, context: Context) -> Refused | None:
    """Why `decide` would refuse the command now, whatever were filled in; None: it would not. case: a Case, or a row of case_row where the
    command hangs on no offer (AssignTask)."""
    return _refusal(BY_COMMAND[command], case, actor, context)


def _may_log(actor: Actor, context: Context) -> Refused | None:
    if not place.covers(context.serves, actor.office):
        return Refused("not_served", office=context.tables.office_name(actor.office))
    return None if "log" in actor.powers else Refused("not_allowed", what=words.COMMAND_NAMES["LogDispute"])


def steps(case: Case | None, actor: Actor, context: Context) -> list[Step]:
    """Exactly the commands that `decide` would not refuse because of status, holder or power. None: what starts a case."""
    if case is None:
        if _may_log(actor, context):
            return []
        return [
            Step("LogDispute", "登记", f"登记后生成编号，由{context.tables.office_name(actor.office)}负责。"),
            Step("SealDispute", "密封转交", "检举控告当场加密交给专岗，本机不留内容。"),
        ]
    found, names = [], dict[str, dict[str, str]]()
    for row, as_office in _open_to(case, actor, context):
        if as_office.office not in names:
            names[as_office.office] = _names(case, as_office, context)
        sentence = "撤回送给{to}的，仍由{holder}负责。" if _withdraws(row, case, as_office) else row.sentence
        sees = _sees(case, _sent_to(row, case, context.tables), context.tables) if row.effect == OFFER else ""
        found.append(Step(row.command, _label(row, case, as_office), sentence.format(**names[as_office.office]), sees))
    return found


def labels(case: Case, actor: Actor, context: Context) -> dict[str, str]:
    """command → label of the same steps, for who shows no more of them: without their sentences it takes a third of the time."""
    return {row.command: _label(row, case, as_office) for row, as_office in _open_to(case, actor, context)}


def _open_to(case: Case, actor: Actor, context: Context) -> list[tuple[Row, Actor]]:
    """What the actor may do, and for which of his offices."""
    return [(row, acting(row, case, actor)) for row in BY_COMMAND.values() if _refusal(row, case, actor, context) is None]


def _withdraws(row: Row, case: Case, as_office: Actor) -> bool:
    return row.effect == RETURN and as_office.office == case.holder


def _label(row: Row, case: Case, as_office: Actor) -> str:
    return "撤回" if _withdraws(row, case, as_office) else words.COMMAND_NAMES[row.command]


def _names(case: Case, actor: Actor, context: Context) -> dict[str, str]:
    """What sentences name: offices and people as they read."""
    name, tables = context.tables.office_name, context.tables
    held = [move.to for move in case.moves]
    down = receivers_down(case.holder, case.ledger, tables)
    people = [party.name for party in case.parties]
    return {
        "me": name(actor.office),
        "holder": name(case.holder),
        "up": "、".join(map(name, receivers_up(case.holder))),
        "down": name(down[0]) if len(down) == 1 else f"下面选定的一个单位（{_some([name(one) for one in down])}）",
        "by": name(case.offer.by) if case.offer else "",
        "to": name(case.offer.to) if case.offer else "",
        "follow": name(case.follow_up_by or lowest(held) or case.holder),
        "place": tables.place_name(case.ledger),
        "parties": _some(people) or "当事人",
        "all": "、".join(map(name, _seers(case, tables))),
    }


def _some(names: list[str]) -> str:
    return "、".join(names) if len(names) <= NAMED_MAX else f"{'、'.join(names[:NAMED_MAX])}等 {len(names)} 个"


def _seers(case: Case, tables: Tables) -> list[str]:
    """The offices for which access.may_see_case holds."""
    parts = place.segments(case.ledger)
    line = [office for n in range(len(parts), 0, -1) if tables.is_place(office := "/".join(parts[:n]))]
    offered = [case.offer.to] if case.offer and case.offer.kind != "transfer" else []
    return list(dict.fromkeys([*line, case.holder, case.logged_office, *offered, *case.convened]))


def _sent_to(row: Row, case: Case, tables: Tables) -> str:
    """Whom an offer goes to; "" = one of several, chosen in its form."""
    up = row.command == "EscalateDispute"
    offices = receivers_up(case.holder) if up else receivers_down(case.holder, case.ledger, tables)
    return offices[0] if len(offices) == 1 else ""


def _sees(case: Case, to: str, tables: Tables) -> str:
    """What an office that is sent the case sees of it, as the case page shows it.

    Above the holder it covers the ledger and saw all before; a unit sees it while it is offered or held. Telephone numbers are whole for
    the holder and for who registered; opinions are read by their writer and above.
    """
    holder, who = tables.office_name(case.holder), tables.office_name(to) if to else "选定的单位"
    told = [f"{who}办理纠纷的人将看到您填的理由、登记内容和当事人、全部经过和附件"]
    told.append("电话显示全号" if to == case.logged_office else "电话受领以后才显示全号")
    told.append("证件号只显示头尾，打印的协议书上是全的" if case.agreement is not None else "证件号只显示头尾")
    if may_write_apart(case.holder, case.ledger):
        told.append(f"{holder}另记的内部意见对方也看得到" if is_above(to, case.holder) else f"{holder}另记的内部意见对方看不到")
    return "；".join(told) + "。"


def arrival(case: Case, serves: tuple[str, ...]) -> Draft | None:
    """DisputeArrived, which the node of the office that was offered the case writes by itself; None when nothing is to be written."""
    offer = case.offer
    if offer is None or offer.kind == "transfer" or offer.arrived_ms is not None or not place.covers(serves, offer.to):
        return None
    if case.status not in BY_EVENT["DisputeArrived"].moves:
        return None
    facts = DisputeArrived(offer.to, case.term, seen_of(case), key_text(offer.key))
    return Draft(case.ledger, case.id, "dispute", facts)


def mermaid() -> str:
    """The state diagram of the README, from the table: statuses in Chinese, an arrow for each command that changes one."""
    lines = ["stateDiagram-v2", *(f"    {status}: {name}" for status, name in STATUS_NAMES.items()), "    [*] --> logged: 登记"]
    arrows = [(status, target, row.event) for row in TABLE for status, after in row.moves.items() for target in after.split("|")]
    lines += [f"    {status} --> {target}: {words.EVENT_NAMES[event]}" for status, target, event in arrows if status != target]
    return "\n".join(lines) + "\n"
