"""What each command about a dispute would write, once `dispute` found that the actor may: contents are checked here.

Every function takes (case, command, actor, context), returns drafts or raises Refused with the form field concerned.
"""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, Final

from protocol import commands as c
from protocol import events as e
from protocol import id_card, merges, words
from protocol.access import may_register_in, may_see_case
from protocol.calendar import end_of_day_ms, local_date
from protocol.case import OPEN, OUT_OF_OFFICE, STATUS_NAMES, TASK_OPEN, Case, Review, key_of, key_text
from protocol.context import Context
from protocol.entry import derive
from protocol.events import Actor, Draft
from protocol.facts import FEN_MAX, Seen
from protocol.office import lowest, receivers_down, receivers_up
from protocol.place import COMMON, covers, is_sealed, within
from protocol.problem import Refused
from protocol.transfer import SHOWN, excerpt, may_receive

ENDINGS: Final[dict[str, tuple[str, ...]]] = {
    "logged": ("law", "withdrawn"),
    "accepted": ("opinion", "pledge", "law", "withdrawn"),
    "mediating": ("opinion", "pledge", "law", "withdrawn"),
    "agreed": ("agreement", "pledge"),
    "ended": ("ended", "opinion", "pledge", "law", "withdrawn"),
}  # status → written endings that fit it
CORRECTABLE: Final = ("title", "account", "place_text", "type", "amount_fen", "headcount", "parties")
LINK_FIELDS: Final = ("alias", "code", "logged_ms", "accepted_ms")  # what a merged registration leaves in the one that goes on; a new code
IN_FACTS: Final = ("type", "amount_fen", "headcount", *LINK_FIELDS)
CHARS_MAX: Final = {"title": 100, "account": 2000, "place_text": 100}
HEADCOUNT_MAX: Final = 9999
CLOCK_SLACK_MS: Final = 600_000  # a page's clock may run ten minutes ahead of its node's
VISIT_CHARS_MAX: Final = 64
REMOVED_MAX: Final = 400  # entries of one commit
MERGEABLE: Final = (*OPEN, "closed")
UNDONE_FREELY: Final = (
    "DisputeLogged", "DisputeCorrected", "PartyAdded", "PartyCorrected", "PartyWithdrawn", "NoteAdded", "EvidenceAdded", "RiskSet",
    "InstructionGiven", "DisputeUrged", "MergeTold",
)  # fmt: skip

Make = Callable[[Case, Any, Actor, Context], list[Draft]]


def seen_of(case: Case) -> Seen:
    return tuple(sorted(case.seen.items()))


def _one(case: Case, facts: e.Facts, body: e.Body | None = None) -> list[Draft]:
    return [Draft(case.ledger, case.id, "dispute", facts, body)]


def _outcome(case: Case, actor: Actor) -> tuple[str, int, Seen]:
    return actor.office, case.term, seen_of(case)


def _append(case: Case, actor: Actor) -> tuple[str, int, Seen]:
    return actor.office, case.term, ()


# ── checks ──


def needed(text: str, field: str, what: str) -> str:
    """The text without blanks around it. Raises Refused when nothing is left."""
    if not text.strip():
        raise Refused("field_missing", field=field, what=what)
    return text.strip()


def one_of(code: str, known: Any, field: str, what: str) -> str:
    if code not in known:
        raise Refused("field_impossible", field=field, what=what, why=f"没有“{code}”这一项")
    return code


def day_of(text: str, field: str, what: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as wrong:
        raise Refused("field_impossible", field=field, what=what, why=f"没有{text}这一天") from wrong


def _ahead(text: str, context: Context, field: str = "due") -> str:
    """A day from today on. Raises Refused."""
    if day_of(text, field, "期限") < local_date(context.now_ms):
        raise Refused("due_past", field=field)
    return text


def _past(ms: int, context: Context, field: str, what: str) -> int:
    if not 0 <= ms <= context.now_ms + CLOCK_SLACK_MS:
        raise Refused("field_impossible", field=field, what=what, why="还没有到这个时间")
    return ms


def type_open(code: str, context: Context) -> str:
    """A type that an open registration may carry. Raises Refused."""
    tables = context.tables
    if tables.type_flag(code, "sealed"):
        raise Refused("sealed_type", field="type")
    if not tables.is_type(code):
        raise Refused("type_unknown", field="type", type=code)
    if not tables.is_type_open(code, local_date(context.now_ms)):
        successor = tables.type_successor(code)
        known = f"“{tables.type_name(successor)}”" if successor else "别的类型"
        raise Refused("type_closed", field="type", type=tables.type_name(code), successor=known)
    return code


def _parties(parties: list[c.Party], known: Iterable[c.Party] = ()) -> list[c.Party]:
    """known: those that were registered before, whose numbers stay as they are."""
    numbers = {party.id_number for party in known}  # no card is checked twice
    for party in parties:
        needed(party.name, "party_name", "当事人姓名（不愿透露就写“不愿透露”）")
    return [id_card.checked(one, one.id_number if one.id_number in numbers else "", row) for row, one in enumerate(parties)]


# ── registration and what the holder does ──


def log_drafts(command: c.LogDispute, actor: Actor, context: Context) -> list[Draft]:
    """A registration: term 1, the office that logs it holds it. Raises ValueError when no code was drawn."""
    tables, ledger = context.tables, command.ledger
    may = ledger != COMMON and not is_sealed(ledger) and may_register_in(actor.office, ledger)
    if not may or not covers(context.covers, ledger):
        raise Refused("ledger_not_covered", field="ledger", place=tables.place_full(ledger))
    if tables.is_ended(ledger):
        into = tables.place_successor(ledger)
        raise Refused("place_ended", field="ledger", place=tables.place_full(ledger), into=tables.place_full(into) if into else "别的地方")
    if not tables.is_place(ledger):
        raise Refused("field_impossible", field="ledger", what="辖区", why="没有这个地方")
    type_open(command.type, context)
    account = needed(command.account, "account", "事情经过")
    parties = _parties(command.parties)
    one_of(command.intake, tables.intakes, "intake", "来源")
    one_of(command.risk, tables.lists.get("risk", {}), "risk", "风险等级")
    if command.happened_ms is not None:
        _past(command.happened_ms, context, "happened_ms", "发生时间")
    if len(command.visit) > VISIT_CHARS_MAX:
        raise Refused("command_invalid", why="来访编号")
    if not context.code:
        raise ValueError("a registration needs a code")
    facts = e.DisputeLogged(
        actor.office, 1, (), context.code, command.type, command.intake, command.headcount, command.risk,
        command.amount_fen, command.happened_ms, command.visit, suggested=command.suggested,
    )  # fmt: skip
    title = command.title.strip() or title_of(parties, tables.type_name(command.type))
    body = e.DisputeLoggedBody(title, account, parties, command.place_text.strip())
    return [Draft(ledger, derive(command.id, "case"), "dispute", facts, body)]


def title_of(parties: list[c.Party], type_name: str) -> str:
    """'张三与李四界址围墙纠纷': the names of the first on each side and the type."""
    mine = next((p.name for p in parties if p.side == "applicant"), parties[0].name)
    other = next((p.name for p in parties if p.side == "respondent" and p.name != mine), "")
    kind = type_name.rpartition("·")[2].removesuffix("纠纷")
    return (f"{mine}与{other}{kind}纠纷" if other else f"{mine}反映的{kind}纠纷")[: CHARS_MAX["title"]]


def _correct(case: Case, command: c.CorrectDispute, actor: Actor, context: Context) -> list[Draft]:
    field = one_of(command.field, CORRECTABLE, "field", "要更正的项")
    value = _corrected(field, command.value, case, context)
    if value == getattr(case, field):
        raise Refused("field_impossible", field="value", what=words.FIELD_NAMES[field], why="和原来一样")
    fact = value if field in IN_FACTS and isinstance(value, str | int) else None
    facts = e.DisputeCorrected(*_outcome(case, actor), field, fact)
    body = e.DisputeCorrectedBody(needed(command.reason, "reason", "更正的原因"), None if field in IN_FACTS else value)
    return _one(case, facts, body)


def _corrected(field: str, value: Any, case: Case, context: Context) -> Any:
    what = words.FIELD_NAMES[field]
    if field == "type" and isinstance(value, str):
        return type_open(value, context)
    if field == "parties" and isinstance(value, list) and value:
        return _parties(value, case.parties)
    if field == "amount_fen" and (value is None or (isinstance(value, int) and 0 <= value <= FEN_MAX)):
        return value
    if field == "headcount" and isinstance(value, int) and 1 <= value <= HEADCOUNT_MAX:
        return value
    if field in CHARS_MAX and isinstance(value, str):
        text = value.strip() if field == "place_text" else needed(value, "value", what)
        if len(text) > CHARS_MAX[field]:
            raise Refused("text_too_long", field="value", what=what, most=CHARS_MAX[field], have=len(text))
        return text
    raise Refused("field_impossible", field="value", what=what, why="填的不是这一项能有的内容")


def _void(case: Case, command: c.VoidDispute, actor: Actor, _: Context) -> list[Draft]:
    done = next((line.kind for line in case.lines if line.kind not in UNDONE_FREELY), "")
    if done or case.term > 1:
        raise Refused("void_too_late", what=words.EVENT_NAMES.get(done, words.UNKNOWN_NAME))
    if inside := merges.merged_in(case):
        raise Refused("void_merged_in", codes="、".join(inside))
    return _one(case, e.DisputeVoided(*_outcome(case, actor)), e.TextBody(needed(command.reason, "reason", "作废的原因")))


def _remove(case: Case, _: c.RemoveDispute, actor: Actor, context: Context) -> list[Draft]:
    """The end first, then an erasure for each entry that lies in the office's region; what lies elsewhere its own office erases."""
    return [*_one(case, e.DisputeRemoved(*_outcome(case, actor))), *removal_drafts(actor.office, context.held, context.covers)]


def removal_drafts(office: str, held: Iterable[tuple[str, str, str, int]], reach: Iterable[str]) -> list[Draft]:
    """held: (ledger, subject, origin, seq) with words · reach: what the node covers."""
    found, reach = [], tuple(reach)
    for ledger, subject, origin, seq in held:
        if within(ledger, office) and covers(reach, ledger) and len(found) < REMOVED_MAX:
            found.append(Draft(ledger, subject, "erasure", e.BodyErased(office, 0, (), ledger, origin, seq, words.REMOVED_GROUND)))
    return found


def _accept(case: Case, command: c.AcceptDispute, actor: Actor, _: Context) -> list[Draft]:
    return _one(case, e.DisputeAccepted(*_outcome(case, actor), command.willing))


def _decline(case: Case, command: c.DeclineDispute, actor: Actor, _: Context) -> list[Draft]:
    body = e.DisputeDeclinedBody(needed(command.reason, "reason", "理由"), needed(command.door, "door", "该找的部门"))
    return _one(case, e.DisputeDeclined(*_outcome(case, actor)), body)


def _mediate(case: Case, command: c.RecordMediation, actor: Actor, context: Context) -> list[Draft]:
    result = one_of(command.result, context.tables.lists.get("session", {}), "result", "结果")
    held = context.now_ms if command.held_ms is None else _past(command.held_ms, context, "held_ms", "调解时间")
    body = e.MediationRecordedBody(needed(command.account, "account", "调解经过"), command.present)
    return _one(case, e.MediationRecorded(*_outcome(case, actor), result, held), body)


def _sign(case: Case, command: c.SignAgreement, actor: Actor, context: Context) -> list[Draft]:
    form = one_of(command.form, context.tables.lists.get("form", {}), "form", "协议形式")
    signed = context.now_ms if command.signed_ms is None else _past(command.signed_ms, context, "signed_ms", "签订时间")
    due = tuple(sorted(set(command.due)))
    if due and min(day_of(text, "due", "履行日期") for text in due) < local_date(signed):
        raise Refused("due_past", field="due")
    held = [move.to for move in case.moves]
    follow = command.follow_up_by or lowest(held)
    if follow not in held and not within(case.ledger, follow):
        raise Refused("field_impossible", field="follow_up_by", what="回访单位", why="它没有承办过，也不管这个地方")
    if not context.paper:
        raise ValueError("an agreement needs a paper number")
    terms = [needed(term, "terms", "协议内容") for term in command.terms]
    facts = e.AgreementSigned(*_outcome(case, actor), context.paper, form, signed, due, follow, command.amount_fen, command.copies)
    body = e.AgreementSignedBody(terms, needed(command.performance, "performance", "履行方式"), command.facts, command.responsibility)
    return _one(case, facts, body)


def _end(case: Case, command: c.EndMediation, actor: Actor, _: Context) -> list[Draft]:
    body = e.MediationEndedBody(needed(command.reason, "reason", "终止的原因"), needed(command.ways, "ways", "其他途径"))
    return _one(case, e.MediationEnded(*_outcome(case, actor)), body)


# ── the hold ──


def _escalate(case: Case, command: c.EscalateDispute, actor: Actor, context: Context) -> list[Draft]:
    if command.to == case.holder:
        raise Refused("same_office", field="to")
    if command.to not in receivers_up(case.holder):
        raise Refused("not_above", field="to", what=context.tables.office_name(receivers_up(case.holder)[0]))
    body = e.DisputeEscalatedBody(needed(command.reason, "reason", "上报的原因"), command.tried)
    return _one(case, e.DisputeEscalated(*_outcome(case, actor), command.to), body)


def _hand_down(case: Case, command: c.HandDownDispute, actor: Actor, context: Context) -> list[Draft]:
    if command.to == case.holder:
        raise Refused("same_office", field="to")
    below = receivers_down(case.holder, case.ledger, context.tables)
    if command.to not in below:
        raise Refused("not_below", field="to", what="、".join(context.tables.office_name(office) for office in below))
    due = _ahead(_due(command.due), context)
    return _one(case, e.DisputeHandedDown(*_outcome(case, actor), command.to, due), e.TextBody(needed(command.reason, "reason", "原因")))


def _transfer(case: Case, command: c.TransferDispute, actor: Actor, context: Context) -> list[Draft]:
    if command.to == case.holder:
        raise Refused("same_office", field="to")
    if not context.tables.is_place(command.to) or not may_receive(command.to, case, context.nodes):
        raise Refused("not_receiver", field="to", what=context.tables.office_name(command.to))
    due = _ahead(command.due, context) if command.due else ""
    for name in command.shows:
        one_of(name, SHOWN, "shows", "对方能看到的")
    shows = tuple(name for name in SHOWN if name in command.shows)
    facts = e.DisputeTransferred(*_outcome(case, actor), command.to, due, derive(command.id, "transfer"), shows)
    return _one(case, facts, excerpt(case, needed(command.reason, "reason", "转办的理由"), shows))


def _due(text: str) -> str:
    if not text:
        raise Refused("due_needed", field="due")
    return text


def _take_up(case: Case, command: c.TakeUpDispute, actor: Actor, _: Context) -> list[Draft]:
    assert case.offer is not None  # the table asks for a pending offer
    facts = e.DisputeTakenUp(actor.office, case.term + 1, seen_of(case), key_text(case.offer.key), command.handler or actor.person)
    return _one(case, facts)


def _return(case: Case, command: c.ReturnDispute, actor: Actor, _: Context) -> list[Draft]:
    assert case.offer is not None  # the table asks for a pending offer
    facts = e.DisputeReturned(*_outcome(case, actor), key_text(case.offer.key))
    return _one(case, facts, e.TextBody(needed(command.reason, "reason", "原因")))


def _call_up(case: Case, command: c.CallUpDispute, actor: Actor, _: Context) -> list[Draft]:
    facts = e.DisputeCalledUp(actor.office, case.term + 1, seen_of(case))
    return _one(case, facts, e.TextBody(needed(command.reason, "reason", "提级的原因")))


def _name_handler(case: Case, command: c.NameHandler, actor: Actor, _: Context) -> list[Draft]:
    person = needed(command.person, "person", "承办人")
    if person == case.handler:
        raise Refused("field_impossible", field="person", what="承办人", why="现在就是这一位")
    return _one(case, e.HandlerNamed(*_outcome(case, actor), person))


def _convene(case: Case, command: c.ConveneUnits, actor: Actor, context: Context) -> list[Draft]:
    tables, units = context.tables, tuple(dict.fromkeys(command.units))
    waited_for = {join.unit for join in context.joins if join.status in TASK_OPEN}
    for unit in units:
        if not tables.is_place(unit) or unit == case.holder or unit in waited_for:
            why = "上一次请它的联调还没有结果；要改时间或重新请，先撤回那一项任务" if unit in waited_for else "不能请它"
            raise Refused("field_impossible", field="units", what=tables.office_name(unit), why=why)
    if command.when_ms is not None and command.when_ms < context.now_ms - CLOCK_SLACK_MS:
        raise Refused("field_impossible", field="when_ms", what="联调时间", why="已经过去")
    due = _ahead(command.due, context) if command.due else ""
    purpose = needed(command.purpose, "purpose", "联调的目的")
    drafts = _one(case, e.UnitsConvened(*_outcome(case, actor), units, command.when_ms, due), e.TextBody(purpose))
    end = _join_due_ms(command, context)
    body = e.TaskAssignedBody(purpose, summary=case.title, address=case.place_text, code=case.code)
    for unit in units:
        ledger, link = (unit, "") if covers(context.covers, unit) else (case.ledger, unit)
        facts = e.TaskAssigned(actor.office, case.term, (), case.id, "join", "", "", unit, end, link=link)
        drafts.append(Draft(ledger, derive(command.id, "join " + unit), "task", facts, body))
    return drafts


def withdrawing(case: Case, unit: str, office: str) -> Draft:
    """That a unit was asked back before it came: from then on it sees the case no more."""
    facts = e.UnitsConvened(office, case.term, seen_of(case), (), None, "", (unit,))
    return Draft(case.ledger, case.id, "dispute", facts)


def _join_due_ms(command: c.ConveneUnits, context: Context) -> int:
    """The date asked for, else the meeting, else one working day (T30)."""
    if command.due:
        return end_of_day_ms(day_of(command.due, "due", "期限"))
    if command.when_ms is not None:
        return command.when_ms
    return end_of_day_ms(context.tables.calendar.add_working_days(local_date(context.now_ms), 1))


# ── the end, and what comes after ──


def _close(case: Case, command: c.CloseDispute, actor: Actor, context: Context) -> list[Draft]:
    one_of(command.ending, context.tables.endings, "ending", "结案方式")
    if command.ending not in ENDINGS.get(case.status, ()):
        names = (STATUS_NAMES[case.status], context.tables.ending_name(command.ending))
        raise Refused("ending_unfit", field="ending", status=names[0], ending=names[1])
    body = e.TextBody(needed(command.result, "result", "办理结果"))
    return _one(case, e.DisputeClosed(*_outcome(case, actor), command.ending), body)


def _reopen(case: Case, command: c.ReopenDispute, actor: Actor, _: Context) -> list[Draft]:
    return _one(case, e.DisputeReopened(*_outcome(case, actor)), e.TextBody(needed(command.reason, "reason", "重开的原因")))


def _follow_up(case: Case, command: c.RecordFollowUp, actor: Actor, context: Context) -> list[Draft]:
    kept = one_of(command.kept, context.tables.lists.get("kept", {}), "kept", "履行情况")
    satisfied = one_of(command.satisfied, context.tables.lists.get("satisfied", {}), "satisfied", "满意情况")
    return _one(case, e.FollowUpRecorded(*_outcome(case, actor), kept, satisfied), e.TextBody(command.account))


def _archive(case: Case, command: c.ArchiveDispute, actor: Actor, context: Context) -> list[Draft]:
    retention = one_of(command.retention, context.tables.lists.get("retention", {}), "retention", "保管期限")
    why = _follow_up_open(case, context)
    if why:
        raise Refused("follow_up_outstanding", why=why)
    return _one(case, e.DisputeArchived(*_outcome(case, actor), retention))


def _follow_up_open(case: Case, context: Context) -> str:
    """Why the last follow-up is still to come; "" when a paper with days of performance was followed up after the last of them."""
    if case.agreement is None or not case.agreement.due:
        return ""
    last = max(case.agreement.due)
    if last > local_date(context.now_ms).isoformat():
        return f"最后一次履行在{last}"
    done = any(local_date(follow.at_ms).isoformat() >= last for follow in case.follow_ups)
    return "" if done else f"{last}到期的还没有回访"


def _merge(case: Case, command: c.MergeDispute, actor: Actor, context: Context) -> list[Draft]:
    other = context.cases.get(command.into)
    if other is None or other.id == case.id or not may_see_case(actor, other):
        raise Refused("case_unknown", field="into")
    if other.status not in MERGEABLE:
        raise Refused("not_now", field="into", status=STATUS_NAMES[other.status], what="并入它")
    if not covers(context.covers, other.ledger):
        raise Refused("ledger_not_covered", field="into", place=context.tables.place_full(other.ledger))
    reason = needed(command.reason, "reason", "并案的原因")
    drafts = _one(case, e.DisputeMerged(*_outcome(case, actor), other.id), e.TextBody(reason))
    links: list[tuple[str, str | int]] = [("alias", alias) for alias in (case.code, *case.aliases)]
    if case.logged_ms < other.logged_ms:
        links.append(("logged_ms", case.logged_ms))
    if case.accepted_ms is not None and (other.accepted_ms is None or case.accepted_ms < other.accepted_ms):
        links.append(("accepted_ms", case.accepted_ms))
    for field, value in links:
        drafts += _one(other, e.DisputeCorrected(*_append(other, actor), field, value), e.DisputeCorrectedBody(reason))
    return drafts


# ── what others add ──


def _set_risk(case: Case, command: c.SetRisk, actor: Actor, context: Context) -> list[Draft]:
    risk = one_of(command.risk, context.tables.lists.get("risk", {}), "risk", "风险等级")
    if risk == case.risk:
        raise Refused("field_impossible", field="risk", what="风险等级", why="和现在一样")
    return _one(case, e.RiskSet(*_outcome(case, actor), risk), e.TextBody(needed(command.reason, "reason", "理由")))


def _note(case: Case, command: c.AddNote, actor: Actor, _: Context) -> list[Draft]:
    return _one(case, e.NoteAdded(*_append(case, actor)), e.TextBody(needed(command.text, "text", "备注")))


def _instruct(case: Case, command: c.GiveInstruction, actor: Actor, _: Context) -> list[Draft]:
    return _one(case, e.InstructionGiven(*_append(case, actor)), e.TextBody(needed(command.text, "text", "批示")))


def _urge(case: Case, command: c.UrgeDispute, actor: Actor, context: Context) -> list[Draft]:
    due = _ahead(command.due, context) if command.due else ""
    return _one(case, e.DisputeUrged(*_append(case, actor), due), e.TextBody(needed(command.text, "text", "催办的话")))


def _evidence(case: Case, command: c.AddEvidence, actor: Actor, context: Context) -> list[Draft]:
    what = one_of(command.blob.what, context.tables.lists.get("evidence", {}), "blob", "附件种类")
    facts = e.EvidenceAdded(*_append(case, actor), what, command.blob.size)
    return _one(case, facts, e.EvidenceAddedBody(command.blob, command.note, command.thumb))


UNADOPTABLE: Final = (
    "DisputeLogged", "DisputeTakenUp", "DisputeCalledUp", "DisputeEscalated", "DisputeHandedDown", "DisputeReturned", "DisputeTransferred",
)  # fmt: skip


def is_adoptable(review: Review) -> bool:
    """Claims that it may be adopted: who holds a case is not changed by a review; a registration that came late may be taken as it is."""
    return review.kind not in UNADOPTABLE or (review.kind == "DisputeLogged" and review.code in OUT_OF_OFFICE)


def _review(case: Case, command: c.DecideReview, actor: Actor, context: Context) -> list[Draft]:
    item = key_of(command.item)
    review = next((r for r in case.reviews if r.item == command.item), None)
    if review is None or item is None:
        raise Refused("review_unknown", field="item")
    decision = one_of(command.decision, context.tables.lists.get("review", {}), "decision", "核对结果")
    if decision == "adopt" and not is_adoptable(review):
        why = "谁承办不能靠核对改变，请选不采纳；要转交请上报、交办或提级"
        raise Refused("field_impossible", field="decision", what="核对结果", why=why)
    if decision == "adopt" and review.kind == "DisputeReopened" and case.sealed:
        raise Refused("merged_removed", field="decision")
    facts = e.ReviewDecided(*_outcome(case, actor), command.item, decision, True)
    return _one(case, facts, e.TextBody(needed(command.reason, "reason", "核对的理由")))


DRAFTS: Final[dict[str, Make]] = {
    "CorrectDispute": _correct,
    "VoidDispute": _void,
    "RemoveDispute": _remove,
    "AcceptDispute": _accept,
    "DeclineDispute": _decline,
    "RecordMediation": _mediate,
    "SignAgreement": _sign,
    "EndMediation": _end,
    "EscalateDispute": _escalate,
    "HandDownDispute": _hand_down,
    "TransferDispute": _transfer,
    "TakeUpDispute": _take_up,
    "ReturnDispute": _return,
    "CallUpDispute": _call_up,
    "NameHandler": _name_handler,
    "ConveneUnits": _convene,
    "CloseDispute": _close,
    "ReopenDispute": _reopen,
    "RecordFollowUp": _follow_up,
    "ArchiveDispute": _archive,
    "MergeDispute": _merge,
    "SetRisk": _set_risk,
    "AddNote": _note,
    "GiveInstruction": _instruct,
    "UrgeDispute": _urge,
    "AddEvidence": _evidence,
    "DecideReview": _review,
}
