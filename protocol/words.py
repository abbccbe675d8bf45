"""Plain words for a timeline: what an event and a command are called, and what of an entry is shown.

`shown(kind, facts, body, tables)` gives Chinese label → text, from facts and body; nothing of an erased body. Values under
定的承办人 and 派给 are person ids: whoever shows the line puts the name there.
"""

from collections.abc import Callable
from typing import Any, Final

from protocol.calendar import local_date, local_time
from protocol.case import STATUS_NAMES, TASK_STATUS_NAMES, Line
from protocol.commands import Party
from protocol.entry import Admitted, Head
from protocol.events import Facts
from protocol.facts import COUNT_MAX
from protocol.tables import Tables

TIME_MAX_MS: Final = COUNT_MAX  # a clock gone mad still fits every store
PERSON_LABELS: Final = frozenset({"定的承办人", "派给"})

EVENT_NAMES: Final[dict[str, str]] = {
    "DisputeLogged": "登记",
    "DisputeCorrected": "更正",
    "PartyAdded": "加当事人",
    "PartyCorrected": "更正当事人",
    "PartyWithdrawn": "撤下当事人",
    "DisputeVoided": "作废",
    "DisputeRemoved": "移出",
    "DisputeAccepted": "受理",
    "DisputeDeclined": "不予受理",
    "MediationRecorded": "调解记录",
    "AgreementSigned": "签订调解协议",
    "MediationEnded": "终止调解",
    "DisputeEscalated": "上报",
    "DisputeArrived": "送达",
    "DisputeTakenUp": "受领",
    "DisputeReturned": "退回",
    "DisputeCalledUp": "提级",
    "DisputeHandedDown": "交办",
    "DisputeTransferred": "转办",
    "TransferAnswered": "转办的进展",
    "HandlerNamed": "定承办人",
    "UnitsConvened": "联调",
    "DisputeClosed": "办结",
    "DisputeReopened": "重开",
    "FollowUpRecorded": "回访",
    "DisputeArchived": "归档",
    "DisputeMerged": "并案",
    "MergeTold": "并案的结果",
    "NoteAdded": "备注",
    "InstructionGiven": "批示",
    "DisputeUrged": "催办",
    "RiskSet": "风险定级",
    "EvidenceAdded": "附件",
    "ReviewDecided": "核对",
    "OpinionWritten": "内部意见",
    "TaskAssigned": "派单",
    "TaskConfirmed": "接单",
    "TaskDeclined": "谢绝",
    "CadreArrived": "到场",
    "TaskReported": "反馈",
    "TaskEvidenceAdded": "现场附件",
    "TaskRecalled": "撤回派单",
    "TaskUrged": "催办",
    "TaskTold": "留言",
    "TaskAnswered": "答复",
    "TaskReviewDecided": "核对",
    "PersonRegistered": "登记人员",
    "PostGiven": "任岗",
    "PostEnded": "离岗",
    "ResetVouched": "帮找回密码",
    "LaneOpened": "启用台账",
    "TableSet": "更新代码表",
    "NodeEnrolled": "节点入网",
    "NodeRevoked": "节点停用",
    "BodyErased": "删除正文",
    "BranchDecided": "核对另一份记录",
    "Sealed": "密封转交",
}
UNKNOWN_NAME: Final = "未知条目"

COMMAND_NAMES: Final[dict[str, str]] = {
    "LogDispute": "登记",
    "SealDispute": "密封转交",
    "CorrectDispute": "更正",
    "AddParty": "加当事人",
    "CorrectParty": "更正当事人",
    "WithdrawParty": "撤下当事人",
    "VoidDispute": "作废",
    "RemoveDispute": "改为密封",
    "AcceptDispute": "受理",
    "DeclineDispute": "不予受理",
    "RecordMediation": "记一次调解",
    "SignAgreement": "签订协议",
    "EndMediation": "终止调解",
    "EscalateDispute": "上报",
    "TakeUpDispute": "受领",
    "ReturnDispute": "退回",
    "CallUpDispute": "提级",
    "HandDownDispute": "交办",
    "TransferDispute": "转办",
    "NameHandler": "定承办人",
    "ConveneUnits": "联调",
    "CloseDispute": "办结",
    "ReopenDispute": "重开",
    "RecordFollowUp": "记回访",
    "ArchiveDispute": "归档",
    "MergeDispute": "并案",
    "AddNote": "备注",
    "GiveInstruction": "批示",
    "UrgeDispute": "催办",
    "SetRisk": "风险定级",
    "AddEvidence": "加附件",
    "DecideReview": "核对",
    "WriteOpinion": "写内部意见",
    "AssignTask": "派干部",
    "RequestTask": "请别处协助",
    "ConfirmTask": "接单",
    "DeclineTask": "谢绝",
    "ArriveTask": "到场",
    "ReportTask": "反馈",
    "AddTaskEvidence": "加现场附件",
    "RecallTask": "撤回派单",
    "UrgeTask": "催办",
    "TellTask": "留言",
    "DecideTaskReview": "核对",
    "RegisterPerson": "登记人员",
    "GivePost": "任岗",
    "EndPost": "离岗",
    "VouchReset": "帮找回密码",
    "IssueCode": "发登录码",
    "EraseBody": "删除正文",
}

FIELD_NAMES: Final[dict[str, str]] = {
    "title": "标题",
    "account": "事情经过",
    "place_text": "发生地点",
    "type": "类型",
    "amount_fen": "金额",
    "headcount": "人数",
    "parties": "当事人",
    "alias": "并入的编号",
    "code": "编号",
    "logged_ms": "登记时间",
    "accepted_ms": "受理时间",
}


REMOVED_GROUND: Final = "移出"  # says no more than that: what it was is nobody's business here
PARTY_LABELS: Final[dict[str, str]] = {
    "name": "姓名",
    "side": "身份",
    "kind": "类别",
    "sex": "性别",
    "birth_year": "出生年",
    "id_type": "证件种类",
    "id_number": "证件号码",
    "phone": "电话",
    "address": "住址",
    "agent": "代理人",
    "guardian": "监护人",
    "need": "需要的帮助",
}

# what of a case may go along with a transfer; nothing else of it does
SHOWN: Final[dict[str, str]] = {
    "title": "标题",
    "account": "事情经过",
    "place_text": "发生地点",
    "parties": "当事人姓名",
    "phones": "当事人电话",
    "addresses": "当事人住址",
    "amount": "金额",
    "risk": "风险等级",
}
ANSWERS: Final = {"taken_up": "已受领", "returned": "已退回"}


def moment(ms: int) -> str:
    """'2026-03-18 14:20' in UTC+8."""
    return f"{local_date(ms).isoformat()} {local_time(ms)}"


def yuan(fen: int | None) -> str:
    return "" if fen is None else f"{fen // 100:,}.{fen % 100:02d} 元"


def party_names(parties: list[Party]) -> str:
    return "、".join(p.name for p in parties)


def value_text(field: str, value: Any, tables: Tables) -> str:
    """A corrected value as it is shown."""
    if value is None:
        return ""
    if field == "amount_fen" and isinstance(value, int):
        return yuan(value)
    if field == "type":
        return tables.type_name(str(value))
    if field in ("logged_ms", "accepted_ms") and isinstance(value, int):
        return moment(value)
    return party_names(value) if isinstance(value, list) else str(value)


def size_text(size: int) -> str:
    return f"{size / 1_048_576:.1f} 兆" if size >= 1_048_576 else f"{max(size, 0) // 1024 + 1} 千字节"


def _terms(terms: list[str]) -> str:
    return terms[0] if len(terms) == 1 else "".join(f"（{n}）{term}" for n, term in enumerate(terms, 1))


Convert = Callable[[Any, Tables], str]

_CONVERT: Final[dict[str, Convert]] = {
    "text": lambda value, _: value,
    "number": lambda value, _: str(value),
    "moment": lambda value, _: moment(value),
    "yuan": lambda value, _: yuan(value),
    "size": lambda value, _: size_text(value),
    "parties": lambda value, _: party_names(value),
    "party": lambda value, _: value.name,
    "party_fields": lambda value, _: "、".join(PARTY_LABELS.get(name, name) for name in value),
    "terms": lambda value, _: _terms(value),
    "dates": lambda value, _: "、".join(value),
    "blob": lambda value, _: value.name,
    "willing": lambda value, _: "愿意调解" if value else "没有都同意调解",
    "merged": lambda value, _: "又算并案，它的编号和期限照旧算在这里" if value else "没有并成，它的编号和期限不算在这里",
    "degrees": lambda value, _: f"{value:.5f}",
    "photos": lambda value, _: f"{value} 张" if value else "",
    "signatures": lambda value, _: f"{value} 个" if value else "",
    "field": lambda value, _: FIELD_NAMES.get(value, value),
    "type": lambda value, tables: tables.type_name(value),
    "intake": lambda value, tables: tables.intake_name(value),
    "ending": lambda value, tables: tables.ending_name(value),
    "office": lambda value, tables: tables.office_name(value) if value else "",
    "place": lambda value, tables: tables.place_full(value) if value else "",
    "status": lambda value, _: TASK_STATUS_NAMES.get(value, value),
    "case_status": lambda value, _: STATUS_NAMES.get(value, value),
    "answer": lambda value, _: ANSWERS.get(value, value),
    "shows": lambda value, _: "、".join(SHOWN.get(name, name) for name in value),
    "offices": lambda value, tables: "、".join(tables.office_name(office) for office in value),
}

# kind: label, f (facts) or b (body) with its field, how it is written; `word:` is a list of the tables
_LINES: Final[dict[str, str]] = {
    "DisputeLogged": """标题 b.title text · 当事人 b.parties parties · 事情经过 b.account text · 地点 b.place_text text · 编号 f.code text
        · 类型 f.type type · 来源 f.intake intake · 人数 f.headcount number · 金额 f.amount_fen yuan · 风险 f.risk word:risk""",
    "DisputeCorrected": "更正 f.field field · 原因 b.reason text",
    "PartyAdded": "当事人 b.party party · 身份 f.side word:side · 说明 b.reason text",
    "PartyCorrected": "当事人 b.party party · 更正 f.what party_fields · 原因 b.reason text",
    "PartyWithdrawn": "当事人 b.name text · 原因 b.reason text",
    "DisputeVoided": "原因 b.text text",
    "DisputeAccepted": "双方 f.willing willing",
    "DisputeDeclined": "原因 b.reason text · 应找 b.door text",
    "MediationRecorded": "经过 b.account text · 在场 b.present text · 结果 f.result word:session · 时间 f.held_ms moment",
    "AgreementSigned": """主要事实 b.facts text · 责任 b.responsibility text · 协议内容 b.terms terms · 履行方式 b.performance text
        · 协议编号 f.number text · 形式 f.form word:form · 签订 f.signed_ms moment · 金额 f.amount_fen yuan · 履行日期 f.due dates
        · 回访单位 f.follow_up_by office · 份数 f.copies number""",
    "MediationEnded": "原因 b.reason text · 其他途径 b.ways text",
    "DisputeEscalated": "报给 f.to office · 原因 b.reason text · 做过的工作 b.tried text",
    "DisputeArrived": "已到 f.office office",
    "DisputeTakenUp": "受领 f.office office · 定的承办人 f.handler text",
    "DisputeReturned": "原因 b.text text",
    "DisputeCalledUp": "提级到 f.office office · 原因 b.text text",
    "DisputeHandedDown": "交给 f.to office · 要求办结 f.due text · 原因 b.text text",
    "DisputeTransferred": "转给 f.to office · 要求办结 f.due text · 对方能看到 f.shows shows · 原因 b.reason text",
    "TransferAnswered": "对方 f.answer answer · 现由 f.holder office · 状态 f.status case_status · 结案方式 f.ending ending · 说明 b.text text",
    "HandlerNamed": "定的承办人 f.person text",
    "UnitsConvened": "单位 f.units offices · 目的 b.text text · 时间 f.when_ms moment · 要求 f.due text · 不再请 f.withdrawn offices",
    "DisputeClosed": "结案方式 f.ending ending · 结果 b.text text",
    "DisputeReopened": "原因 b.text text",
    "FollowUpRecorded": "履行 f.kept word:kept · 满意 f.satisfied word:satisfied · 情况 b.text text",
    "DisputeArchived": "保管期限 f.retention word:retention",
    "DisputeMerged": "原因 b.text text",
    "MergeTold": "并进来的 f.stands merged",
    "NoteAdded": "备注 b.text text",
    "BodyErased": "依据 f.ground text · 代为说明 b.text text",
    "InstructionGiven": "批示 b.text text",
    "DisputeUrged": "催办 b.text text · 新的期限 f.due text",
    "RiskSet": "风险 f.risk word:risk · 原因 b.text text",
    "EvidenceAdded": "文件 b.blob blob · 说明 b.note text · 附件 f.what word:evidence · 大小 f.size size",
    "ReviewDecided": "核对 f.decision word:review · 原因 b.text text",
    "OpinionWritten": "内部意见 b.text text · 风险研判 f.risk word:risk",
    "TaskAssigned": """目的 b.purpose text · 带上 b.bring text · 地址 b.address text · 情况 b.summary text · 任务 f.purpose_kind word:purpose
        · 去 f.place place · 单位 f.unit office · 派给 f.cadre text · 期限 f.due_ms moment""",
    "TaskDeclined": "原因 b.text text",
    "CadreArrived": "北纬 b.latitude degrees · 东经 b.longitude degrees",
    "TaskReported": "反馈 b.text text · 结果 f.result word:task_result · 照片 f.photos photos · 签名 f.signatures signatures",
    "TaskEvidenceAdded": "文件 b.blob blob · 说明 b.note text · 附件 f.what word:evidence · 大小 f.size size",
    "TaskRecalled": "原因 b.text text",
    "TaskUrged": "催办 b.text text",
    "TaskTold": "留言 b.text text",
    "TaskReviewDecided": "核对 f.decision word:review · 原因 b.text text",
    "TaskAnswered": "进展 f.status status · 结果 f.result word:task_result · 内容 b.text text · 时间 f.at_ms moment",
}


def _word(list_: str) -> Convert:
    return lambda value, tables: tables.word(list_, value)


def _parsed(line: str) -> tuple[tuple[str, bool, str, Convert], ...]:
    out = []
    for part in line.split("·"):
        label, source, how = part.split()
        convert = _word(how.removeprefix("word:")) if how.startswith("word:") else _CONVERT[how]
        out.append((label, source.startswith("f."), source[2:], convert))
    return tuple(out)


_SHOWN: Final = {kind: _parsed(line) for kind, line in _LINES.items()}
_OF_PEOPLE: Final = frozenset(
    _CONVERT[how] for how in ("text", "parties", "party", "terms", "blob", "office", "place", "offices", "number", "dates")
)
# (kind, label) of the lines whose text is words of ours, not what somebody wrote and no name
OURS: Final = frozenset((kind, label) for kind, line in _SHOWN.items() for label, _, _, convert in line if convert not in _OF_PEOPLE)
# (kind, label) of the lines whose text somebody wrote in words of their own
WRITTEN: Final = frozenset(
    (kind, label)
    for kind, line in _SHOWN.items()
    for label, in_facts, _, convert in line
    if not in_facts and convert in (_CONVERT["text"], _CONVERT["terms"])
)


def shown(kind: str, facts: Any, body: Any, tables: Tables) -> dict[str, str]:
    """Only labels that have a text. {} for an event of a later version; without its personal part when the body is gone."""
    if type(facts).__name__ != kind:
        return {}
    out = {}
    for label, in_facts, name, convert in _SHOWN.get(kind, ()):
        source = facts if in_facts else body
        value = None if source is None else getattr(source, name)
        if value is not None and (text := convert(value, tables)):
            out[label] = text
    if kind == "DisputeCorrected":
        value = facts.value if facts.value is not None or body is None else body.value
        if text := value_text(facts.field, value, tables):
            out["改为"] = text
    return out


def at_ms(head: Head) -> int:
    """When the author did it: his clock less its measured offset."""
    at = head.occurred_ms - (head.offset_ms or 0)
    return at if 0 <= at <= TIME_MAX_MS else min(max(at, 0), TIME_MAX_MS)


def line_of(admitted: Admitted, facts: Facts, body: Any, tables: Tables | None) -> Line:
    """A line of a timeline, not yet set aside; without words when there are no tables to name things by."""
    head = admitted.head
    text = {} if tables is None else shown(head.kind, facts, body, tables)
    return Line((head.origin, head.seq), head, head.kind, facts.office, at_ms(head), admitted.received_ms, text, "", admitted.erased)
