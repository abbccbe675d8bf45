"""What may be done with a task, when and by whom: one table, for a cadre's visit and for a unit that joins.

The one it was given to confirms, arrives and reports; the office that sent it recalls and urges. A visit that was made
is a fact: arriving and reporting are taken even when a recall crossed them on the way, and a report outweighs it.

What does not fit is set aside and waits for a review (待核对) by the office that sent the task, of a linked one by the office that
does it; so does a report that crossed a recall, which counts until it is rejected.

A task whose work lies in another ledger (`link`) is not done by anybody here: a node that covers both ledgers makes a linked
task there and brings its answers back as TaskAnswered. On the linked task the office that asked urges and recalls only through
its own one; it is done by the cadre or the office asked, or by an office above that one. What its cadre asks is answered by the office
of the ledger it lies in (HOST), which gave him a phone: the office that asked does not see it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from protocol import commands as c
from protocol import dispute, place, words
from protocol import events as e
from protocol.access import may_see_task
from protocol.case import OUT_OF_OFFICE, TASK_OPEN, TASK_STATUS_NAMES, Case, Review, Task
from protocol.context import Context, Step
from protocol.drafts import withdrawing
from protocol.events import Actor, Draft
from protocol.facts import Seen
from protocol.office import is_above
from protocol.problem import Refused
from protocol.visit_drafts import assign_drafts

# who: the cadre it was given to; the office asked; the office that sent it; one above that; whoever may see it; a node by itself;
# who decides what was set aside; the office in whose ledger a linked task lies
CADRE, UNIT, SENDER, ABOVE, SEES, NODE, OWNER, HOST = "cadre", "unit", "sender", "above", "sees", "node", "owner", "host"
RANK: Final = {status: rank for rank, status in enumerate(("sent", "confirmed", "arrived", "declined", "recalled", "reported"))}
POWERS: Final[dict[str, frozenset[str]]] = {
    CADRE: frozenset({"field"}),
    UNIT: frozenset({"note"}),
    SENDER: frozenset({"assign", "convene"}),
    ABOVE: frozenset({"supervise"}),
    SEES: frozenset({"note", "field"}),
    OWNER: frozenset({"review"}),
    HOST: frozenset({"note"}),
}  # one of them is enough
ASKS: Final = frozenset({"move"})  # of who may ask another place: he goes on with what he asked


class Row(msgspec.Struct, frozen=True):
    """moves: status → status after it; a status that is not in it refuses."""

    command: str
    event: str
    who: tuple[str, ...]
    moves: Mapping[str, str]
    sentence: str


def _to(target: str, *statuses: str) -> dict[str, str]:
    return dict.fromkeys(statuses, target)


def _stay(*statuses: str) -> dict[str, str]:
    return {status: status for status in statuses}


DOER: Final = (CADRE, UNIT)

TABLE: Final[tuple[Row, ...]] = (
    Row("ConfirmTask", "TaskConfirmed", DOER, _to("confirmed", "sent"), "告诉派单的单位：收到，按期去。"),
    Row("DeclineTask", "TaskDeclined", DOER, _to("declined", "sent", "confirmed"), "写明为什么去不了，由派单的单位另派。"),
    Row(
        "ArriveTask", "CadreArrived", DOER, _to("arrived", "sent", "confirmed") | _stay("recalled"), "记下到场的时间；位置由您决定给不给。"
    ),
    Row("ReportTask", "TaskReported", DOER, _to("reported", *TASK_OPEN, "recalled"), "写明结果；照片和签名随后补传。"),
    Row("AddTaskEvidence", "TaskEvidenceAdded", (*DOER, SEES), _stay(*TASK_STATUS_NAMES), "加照片、签名、录音或书面材料。"),
    Row(
        "RecallTask",
        "TaskRecalled",
        (SENDER,),
        _to("recalled", "sent", "confirmed", "arrived"),  # from "arrived" by who knew of it: he who went may be gone for good
        "撤回派单；已经到场的，他交来的反馈照样收下，由您核对。",
    ),
    Row("UrgeTask", "TaskUrged", (SENDER, ABOVE), _stay(*TASK_OPEN), "催一催接单的人。"),
    Row(
        "TellTask",
        "TaskTold",
        (*DOER, SENDER, HOST),
        _stay(*TASK_STATUS_NAMES),
        "接单的人问一问、说明一下，派单的单位答复；任务的状态不变。",
    ),
    Row("DecideTaskReview", "TaskReviewDecided", (OWNER,), _stay(*TASK_STATUS_NAMES), "逐条决定被搁置的内容采纳还是不采纳。"),
    Row("", "TaskAnswered", (NODE,), _stay(*TASK_STATUS_NAMES), ""),
)
BY_COMMAND: Final[dict[str, Row]] = {row.command: row for row in TABLE if row.command}
BY_EVENT: Final[dict[str, Row]] = {row.event: row for row in TABLE}

CROSSED: Final = "crossed"  # a report that came though the task had been recalled
ADOPTABLE: Final = ("TaskConfirmed", "TaskDeclined", "CadreArrived", "TaskReported", "TaskRecalled", "TaskUrged")


def is_one(who: str, task: Task, office: str, person: str) -> bool:
    """Claims that whoever acts for `office` is one of those whom a row names; asked of actors and of entries alike. office "": a node."""
    if who == CADRE:
        return not task.unit and not task.link and person == task.cadre
    if who == UNIT:
        return bool(task.unit) and not task.link and (office == task.unit or (bool(task.request) and is_above(office, task.unit)))
    if who == SENDER:
        return office == ("" if task.request else task.assigned_by)
    if who == ABOVE:
        return not task.request and is_above(office, task.assigned_by)
    if who == HOST:
        return bool(task.request) and office == task.ledger
    if who == OWNER:
        return office == owner_of(task)
    return who == SEES or (who == NODE and office == "" and bool(task.link))


def owner_of(task: Task) -> str:
    """Who decides what was set aside: the office that sent it; of a linked task, which that one does not see, who does it."""
    return (task.unit or task.ledger) if task.request else task.assigned_by


def acting(row: Row, task: Task, actor: Actor) -> Actor:
    """The actor for the office of his that the row names: his own, else that of a place that was merged into it."""
    for office in actor.offices:
        if any(is_one(who, task, office, actor.person) for who in row.who if who not in (SEES, CADRE)):
            return msgspec.structs.replace(actor, office=office)
    return actor


def _refusal(row: Row, task: Task, actor: Actor, context: Context) -> Refused | None:
    what = words.COMMAND_NAMES[row.command]
    actor = acting(row, task, actor)
    if not may_see_task(actor, task):
        return Refused("task_unknown")
    if not place.covers(context.serves, actor.office):
        return Refused("not_served", office=context.tables.office_name(actor.office))
    if not place.covers(context.covers, task.ledger):
        return Refused("ledger_not_covered", place=context.tables.place_full(task.ledger))
    mine = [who for who in row.who if is_one(who, task, actor.office, actor.person)]
    if not mine:
        return Refused("task_linked" if task.link else "task_not_yours") if row.who == DOER else Refused("not_allowed", what=what)
    if not any((POWERS[who] | (ASKS if who == SENDER and task.link else frozenset())) & actor.powers for who in mine):
        return Refused("not_allowed", what=what)
    if task.status not in row.moves:
        return Refused("task_not_now", status=TASK_STATUS_NAMES[task.status], what=what)
    if OWNER in row.who and not task.reviews:
        return Refused("review_unknown")
    return None


def decide_task(task: Task | None, command: c.Command, actor: Actor, context: Context) -> list[Draft]:
    """What the command would write. Raises Refused. AssignTask: task None, its case (if any) in context.cases, context.cadre set."""
    if isinstance(command, c.AssignTask):
        return _assign(command, actor, context)
    row = BY_COMMAND.get(type(command).__name__)
    if row is None:
        raise Refused("command_invalid", why=type(command).__name__)
    if task is None:
        raise Refused("task_unknown")
    refused = _refusal(row, task, actor, context)
    if refused:
        raise refused
    if isinstance(command, c.DecideTaskReview):
        _check_review(task, command, context)
    facts, body = _MAKE[row.command](command, (acting(row, task, actor).office, 0, tuple(sorted(task.seen.items()))), context)
    drafts = [Draft(task.ledger, task.id, "task", facts, body)]
    if isinstance(command, c.RecallTask) and (case := context.cases.get(task.case)) is not None and leaves(task, case, actor, context):
        drafts.append(withdrawing(case, task.unit, case.holder))
    return drafts


def leaves(task: Task, case: Case, actor: Actor, context: Context) -> bool:
    """Claims that a unit whose task to join is recalled is out of the case: it was asked no other time, came never, and the actor's office
    leads still. Who leads no more recalls the task alone: who joins is for the present holder to say."""
    stays = any(join.unit == task.unit and join.task != task.id and join.status not in ("declined", "recalled") for join in context.joins)
    is_in = task.purpose_kind == "join" and task.unit in case.convened and not stays
    return is_in and dispute.refusal("ConveneUnits", case, actor, context) is None


def _assign(command: c.AssignTask, actor: Actor, context: Context) -> list[Draft]:
    if command.case:
        return dispute.decide(context.cases.get(command.case), command, actor, context)
    if not place.covers(context.serves, actor.office):
        raise Refused("not_served", office=context.tables.office_name(actor.office))
    if "assign" not in actor.powers:
        raise Refused("not_allowed", what=words.COMMAND_NAMES["AssignTask"])
    if not place.within(command.place, actor.office):
        raise Refused("ledger_not_covered", field="place", place=context.tables.place_full(command.place))
    return assign_drafts(None, command, actor, context)


def steps_task(task: Task, actor: Actor, context: Context) -> list[Step]:
    """Exactly the commands that `decide_task` would not refuse because of status, person, office or power."""
    rows = [row for row in BY_COMMAND.values() if _refusal(row, task, actor, context) is None]
    return [Step(row.command, words.COMMAND_NAMES[row.command], row.sentence) for row in rows]


Start = tuple[str, int, Seen]
Made = tuple[e.Facts, e.Body | None]


def _text(text: str, field: str, what: str) -> e.TextBody:
    if not text.strip():
        raise Refused("field_missing", field=field, what=what)
    return e.TextBody(text.strip())


def _confirm(_: c.ConfirmTask, start: Start, __: Context) -> Made:
    return e.TaskConfirmed(*start), None


def _decline(command: c.DeclineTask, start: Start, _: Context) -> Made:
    return e.TaskDeclined(*start), _text(command.reason, "reason", "去不了的原因")


def _arrive(command: c.ArriveTask, start: Start, _: Context) -> Made:
    given = command.latitude is not None and command.longitude is not None
    body = e.CadreArrivedBody(command.latitude, command.longitude, command.accuracy_m) if given else None
    return e.CadreArrived(*start), body


def _report(command: c.ReportTask, start: Start, context: Context) -> Made:
    if command.result not in context.tables.lists.get("task_result", {}):
        raise Refused("field_impossible", field="result", what="结果", why=f"没有“{command.result}”这一项")
    facts = e.TaskReported(*start, command.result, command.photos, command.signatures)
    return facts, _text(command.words, "words", "反馈的内容")


def _evidence(command: c.AddTaskEvidence, start: Start, context: Context) -> Made:
    what = command.blob.what
    if what not in context.tables.lists.get("evidence", {}):
        raise Refused("field_impossible", field="blob", what="附件种类", why=f"没有“{what}”这一项")
    return e.TaskEvidenceAdded(start[0], 0, (), what, command.blob.size), e.EvidenceAddedBody(command.blob, command.note, command.thumb)


def _recall(command: c.RecallTask, start: Start, _: Context) -> Made:
    return e.TaskRecalled(*start), _text(command.reason, "reason", "撤回的原因")


def _urge(command: c.UrgeTask, start: Start, _: Context) -> Made:
    return e.TaskUrged(start[0], 0, ()), _text(command.text, "text", "催办的话")


def _tell(command: c.TellTask, start: Start, _: Context) -> Made:
    return e.TaskTold(start[0], 0, ()), _text(command.text, "text", "留言")


def is_adoptable(review: Review) -> bool:
    """Claims that it may be adopted: who goes is not changed by a review; a task that came late may be taken as it is."""
    return review.kind in ADOPTABLE or review.code == CROSSED or (review.kind == "TaskAssigned" and review.code in OUT_OF_OFFICE)


def _check_review(task: Task, command: c.DecideTaskReview, context: Context) -> None:
    review = next((r for r in task.reviews if r.item == command.item), None)
    if review is None:
        raise Refused("review_unknown", field="item")
    if command.decision not in context.tables.lists.get("review", {}):
        raise Refused("field_impossible", field="decision", what="核对结果", why=f"没有“{command.decision}”这一项")
    if command.decision == "adopt" and not is_adoptable(review):
        raise Refused("field_impossible", field="decision", what="核对结果", why="谁去办不能靠核对改变，请选不采纳，另派一次")


def _review(command: c.DecideTaskReview, start: Start, _: Context) -> Made:
    return e.TaskReviewDecided(*start, command.item, command.decision), _text(command.reason, "reason", "核对的理由")


_MAKE: Final[dict[str, Callable[[Any, Start, Context], Made]]] = {
    "ConfirmTask": _confirm,
    "DeclineTask": _decline,
    "ArriveTask": _arrive,
    "ReportTask": _report,
    "AddTaskEvidence": _evidence,
    "RecallTask": _recall,
    "UrgeTask": _urge,
    "TellTask": _tell,
    "DecideTaskReview": _review,
}


def mermaid() -> str:
    """The state diagram of a task, from the table."""
    lines = ["stateDiagram-v2", *(f"    {status}: {name}" for status, name in TASK_STATUS_NAMES.items()), "    [*] --> sent: 派单"]
    arrows = [(status, after, row.event) for row in TABLE for status, after in row.moves.items() if status != after]
    return "\n".join([*lines, *(f"    {status} --> {after}: {words.EVENT_NAMES[event]}" for status, after, event in arrows)]) + "\n"
