"""How times, money, offices and kinds of entry read on a page: filters and names for the templates.

    {{ ms | moment }} 今天 17:30   {{ ms | day }} 11月22日   {{ due_ms | due }} 还剩 2 个工作日   {{ due_ms | due_tone }} late | soon | ""
    {{ fen | money }} 41,260.00 元   {{ path | office }}   {{ path | place }}   {{ path | place_full }}   {{ code | type }}
    {{ 'accepted' | status }}   {{ 'DisputeLogged' | kind }}   {{ name | masked }}

Everything that a county may change (types, places, offices) is asked of the tables in force at that moment.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from jinja2 import Environment

from protocol.events import Actor

LOCAL: Final = timezone(timedelta(hours=8))
DAY_MS: Final = 86_400_000
SOON_MS: Final = DAY_MS

KINDS: Final[dict[str, str]] = {
    "DisputeLogged": "登记",
    "DisputeCorrected": "更正",
    "DisputeVoided": "作废",
    "DisputeAccepted": "受理",
    "DisputeDeclined": "不予受理",
    "MediationRecorded": "调解记录",
    "AgreementSigned": "签订协议",
    "MediationEnded": "终止调解",
    "DisputeEscalated": "上报",
    "DisputeArrived": "送达",
    "DisputeTakenUp": "受领",
    "DisputeReturned": "退回",
    "DisputeCalledUp": "提级",
    "DisputeHandedDown": "交办",
    "HandlerNamed": "定承办人",
    "UnitsConvened": "联调",
    "DisputeClosed": "办结",
    "DisputeReopened": "重开",
    "FollowUpRecorded": "回访",
    "DisputeArchived": "归档",
    "DisputeMerged": "并案",
    "NoteAdded": "备注",
    "InstructionGiven": "批示",
    "DisputeUrged": "催办",
    "RiskSet": "风险等级",
    "EvidenceAdded": "附件",
    "ReviewDecided": "核对结论",
    "TaskAssigned": "派单",
    "TaskConfirmed": "接单",
    "TaskDeclined": "谢绝",
    "CadreArrived": "到场",
    "TaskReported": "反馈",
    "TaskEvidenceAdded": "任务附件",
    "TaskRecalled": "撤回派单",
    "TaskUrged": "催办任务",
}
RISKS: Final = {"green": "绿", "yellow": "黄", "red": "红"}
SIDES: Final = {"applicant": "申请人", "respondent": "被申请人", "third": "第三人"}
RESULTS: Final = {"settled": "已化解", "eased": "有缓和", "unsettled": "未化解", "absent": "人不在"}
TASK_STATUSES: Final = {
    "sent": "已派出",
    "confirmed": "已接单",
    "arrived": "已到场",
    "reported": "已反馈",
    "declined": "已谢绝",
    "recalled": "已撤回",
}


def local(ms: int) -> datetime:
    """The wall clock of the country, UTC+8, whatever the machine is set to."""
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(LOCAL)


def day(ms: int | None, now_ms: int) -> str:
    if ms is None:
        return ""
    then, now = local(ms), local(now_ms)
    if (then.date() - now.date()).days in (0, -1, 1):
        return {0: "今天", -1: "昨天", 1: "明天"}[(then.date() - now.date()).days]
    return f"{then.month}月{then.day}日" if then.year == now.year else f"{then.year}年{then.month}月{then.day}日"


def moment(ms: int | None, now_ms: int) -> str:
    return "" if ms is None else f"{day(ms, now_ms)} {local(ms):%H:%M}"


def due_tone(due_ms: int | None, now_ms: int) -> str:
    if due_ms is None:
        return ""
    return "late" if due_ms < now_ms else "soon" if due_ms - now_ms < SOON_MS else ""


def sees_cases(actor: Actor | None) -> bool:
    """A post that only goes out to visits sees no case, so it gets no search and no list."""
    return actor is not None and bool(actor.powers - {"field"})


def teach(environment: Environment, node: Any) -> None:
    """Gives the templates their filters, bound to the node's clock and to its tables in force."""
    from protocol import access, money
    from protocol.case import STATUS_NAMES
    from protocol.clocks import due_words

    environment.filters.update(
        moment=lambda ms: moment(ms, node.clock()),
        day=lambda ms: day(ms, node.clock()),
        due=lambda ms: due_words(ms, node.clock(), node.tables().calendar) if ms else "",
        due_tone=lambda ms: due_tone(ms, node.clock()),
        money=lambda fen: "" if fen is None else f"{money.plain(fen)} 元",
        office=lambda path: node.tables().office_name(path) if path else "",
        place=lambda path: node.tables().place_name(path) if path else "",
        place_full=lambda path: node.tables().place_full(path) if path else "",
        type=lambda code: node.tables().type_name(code) if code else "",
        status=lambda code: STATUS_NAMES.get(code, code),
        task_status=lambda code: TASK_STATUSES.get(code, code),
        result=lambda code: RESULTS.get(code, code),
        kind=lambda kind: KINDS.get(kind, "未知条目"),
        masked=access.masked,
    )
    environment.globals.update(
        office_name=lambda: node.name, tables=node.tables, sees_cases=sees_cases, RISKS=RISKS, SIDES=SIDES
    )
