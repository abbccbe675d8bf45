"""From the entries of a task to its state: total, and independent of the order in which entries arrived.

Who may write is asked of the entry's office and author; what no longer fits is set aside and shown, nothing is lost.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from protocol.calendar import end_of_day_ms, local_date
from protocol.case import TASK_STATUS_NAMES, Attachment, Key, Line, Review, Task, key_of, key_text
from protocol.entry import Admitted
from protocol.events import body_of
from protocol.hold import FOREIGN, POST_OVER, REVOKED, UNFIT, Item, LastGood, gathered, out_of_office, waiting_of
from protocol.tables import Tables
from protocol.task import ADOPTABLE, BY_EVENT, CROSSED, DOER, OWNER, RANK, is_one, owner_of
from protocol.words import TIME_MAX_MS, at_ms, line_of

STRANGER: Final = "写这一条的人不是接单的人，也不是派单的单位，没有改变任务的状态。"
_OUT: Final = {
    REVOKED: "写这一条的机器已被停用，没有改变任务的状态。",
    POST_OVER: "写这一条的人已经离岗，离岗之前这一条没有送到，没有改变任务的状态。",
}
_TARGET: Final = {
    "TaskConfirmed": "confirmed",
    "TaskDeclined": "declined",
    "CadreArrived": "arrived",
    "TaskReported": "reported",
    "TaskRecalled": "recalled",
}


def fold_task(admitted: Iterable[Admitted], tables: Tables, last_good: LastGood | None = None) -> Task | None:
    """The task of one subject; None while its assignment is not here. last_good: see `hold.judge`."""
    items = gathered(admitted)
    first = next((i for i in items if i.kind == "TaskAssigned" and type(i.facts).__name__ == i.kind), None)
    if first is None:
        return None
    items = [item for item in items if item.head.ledger == first.head.ledger]
    waiting = waiting_of(items)
    task = _assigned(first, body_of(first.kind, first.admitted.body))
    aside = _Aside(task)
    for item in items:
        body = body_of(item.kind, item.admitted.body)
        line = line_of(item.admitted, item.facts, body, tables)
        line.waiting = item.key in waiting
        task.lines.append(line)
        task.turn = max(task.turn, item.order[0])
        if line.waiting:
            continue
        origin, seq = item.key
        task.seen[origin] = max(seq, task.seen.get(origin, 0))
        if code := out_of_office(item, last_good):
            aside.put(item, body, line, code, _OUT[code])
        elif item is not first:
            aside.take(item, body, line)
    aside.settle(tables)
    task.updated_ms = max(line.at_ms for line in task.lines)
    task.last = items[-1].key
    return task


class _Aside:
    """What of a task was set aside, and what became of it. A review is due one working day after this node knew of it."""

    def __init__(self, task: Task) -> None:
        self.task, self.known_ms = task, 0
        self.moved: Key | None = None  # what brought the task to where it is
        self.carried: dict[str, Key] = {}  # command of a node that urged or recalled a linked task → who carried it first
        self.items: dict[Key, tuple[Item, Any, Line, str, int]] = {}
        self.decided: dict[Key, str] = {}

    def take(self, item: Item, body: Any, line: Line) -> None:
        first = self._carried(item)
        if first and (item.kind == "TaskUrged" or first in self.decided):
            return  # two nodes carried the same one; counted twice, the next would never be carried
        before = self.task.status
        reason = self._decide(item) if item.kind == "TaskReviewDecided" else _evolve(self.task, item, body, self._saw(item))
        if first and reason:
            return  # the first one counts, or waits for a review for both
        if first in self.items:  # whoever carried this one knew more, and so it counts
            earlier = self.items.pop(first)[2]
            earlier.set_aside, earlier.prevailed = "", None
        if reason:
            self.put(item, body, line, FOREIGN if reason == STRANGER else UNFIT, reason)
            return
        if before == "recalled" and self.task.status == "reported" and not self.task.request:  # of a linked task the one who asked decides
            self.put(item, body, line, CROSSED, "")
        self.known_ms = max(self.known_ms, item.admitted.received_ms)
        if self.task.status != before or self.moved is None:
            self.moved = item.key

    def _carried(self, item: Item) -> Key | None:
        """Which entry of another node brought the same urge or recall to this linked task before; None: none did."""
        if item.kind not in ("TaskUrged", "TaskRecalled") or not self.task.request or item.facts.office:
            return None
        first = self.carried.setdefault(item.head.command, item.key)
        return first if first != item.key else None

    def _saw(self, item: Item) -> bool:
        """Claims that who wrote this knew what brought the task to where it is."""
        origin, seq = self.moved or ("", 0)
        return dict(getattr(item.facts, "seen", ())).get(origin, 0) >= seq

    def put(self, item: Item, body: Any, line: Line, code: str, reason: str) -> None:
        line.set_aside, line.prevailed = reason, self.moved if code in (UNFIT, CROSSED) else None
        self.items[item.key] = (item, body, line, code, max(self.known_ms, item.admitted.received_ms))

    def settle(self, tables: Tables) -> None:
        """Writes what is still to be reviewed, and beside each line what was decided about it."""
        for key, (item, _, line, code, known_ms) in self.items.items():
            decision = self.decided.get(key, "")
            if decision == "adopt":
                line.set_aside = ""
                line.text["核对"] = tables.word("review", decision)
            elif decision:
                line.set_aside = (line.set_aside or "任务已经撤回，反馈没有采用。") + "核对结果：" + tables.word("review", decision) + "。"
            else:
                reason = line.set_aside or "任务在办的时候被撤回，反馈已收下，请核对是否采用。"
                due_ms = end_of_day_ms(tables.calendar.add_working_days(local_date(known_ms), tables.limit("review_workdays")))
                self.task.reviews.append(Review(key_text(key), owner_of(self.task), reason, due_ms, code, item.kind))

    def _decide(self, item: Item) -> str:
        facts, task = item.facts, self.task
        if type(facts).__name__ != item.kind or not is_one(OWNER, task, facts.office, item.head.author[0]):
            return STRANGER
        key = key_of(facts.item)
        if key is None or key not in self.items or key in self.decided:
            return ""  # decided already, or what it was about counts by now
        one, body, _, code, _ = self.items[key]
        self.decided[key] = facts.decision
        if facts.decision != "adopt" and code == CROSSED:
            task.status = "recalled"
        elif facts.decision == "adopt" and one.kind in ADOPTABLE:
            target = _TARGET.get(one.kind, task.status)
            if RANK[target] > RANK[task.status] or (one.kind == "TaskRecalled" and task.status != "reported"):
                task.status = target
            _FILL[one.kind](task, one, body)
        return ""


def _assigned(item: Item, body: Any) -> Task:
    facts, head = item.facts, item.head
    task = Task(
        id=head.subject, ledger=head.ledger, status="sent", case=facts.case, purpose_kind=facts.purpose_kind, cadre=facts.cadre,
        home=facts.home, unit=facts.unit, assigned_by=facts.asked_by if is_linked(facts) else facts.office,
        assigned_person=head.author[0], assigned_ms=at_ms(head), due_ms=facts.due_ms, place=facts.place or head.ledger,
        link="" if facts.link == head.ledger else facts.link, request=facts.request if is_linked(facts) else "",
    )  # fmt: skip
    if body is not None:
        task.purpose, task.bring, task.summary, task.address = body.purpose, body.bring, body.summary, body.address
        task.case_code, task.contacts = body.code, body.contacts
    return task


def is_linked(facts: Any) -> bool:
    """Claims that a node made this task by itself for the office named in it: nobody writes for an office and for none."""
    return facts.office == "" and facts.request != ""


def _evolve(task: Task, item: Item, body: Any, saw: bool) -> str:
    """Lets an entry count; else says in words why it does not. saw: see `_Aside._saw`; who goes may have arrived before the recall."""
    row = BY_EVENT.get(item.kind)
    if item.kind == "TaskAssigned" and getattr(item.facts, "request", "") == task.request != "":
        return ""  # a second node that covers both ledgers made the same linked task
    if row is None or type(item.facts).__name__ != item.kind:
        return "" if row is None and item.kind != "TaskAssigned" else "这一条和任务对不上，没有改变任务的状态。"
    task.urges += item.kind == "TaskUrged"
    task.recalls += item.kind == "TaskRecalled"
    if item.kind == "TaskEvidenceAdded":
        if body is not None:
            task.blobs.append(Attachment(item.key, body.blob, body.note, item.facts.office, at_ms(item.head), body.thumb))
        return ""
    if not any(is_one(who, task, item.facts.office, item.head.author[0]) for who in row.who):
        return STRANGER
    if item.kind == "TaskAnswered":
        return _answered(task, item, body)
    if task.status not in row.moves or (item.kind == "TaskRecalled" and task.status == "arrived" and not saw):
        return f"任务当时是“{TASK_STATUS_NAMES[task.status]}”，这一条没有改变任务的状态。"
    task.status = row.moves[task.status]
    _FILL[item.kind](task, item, body)
    return ""


_ANSWERS: Final = {
    "confirmed": "confirmed_ms",
    "arrived": "arrived_ms",
    "declined": "declined_ms",
    "recalled": "recalled_ms",
    "reported": "reported_ms",
}


def _answered(task: Task, item: Item, body: Any) -> str:
    """What became of the linked task. One that is overtaken by what is known here already (a recall on its way there) changes nothing."""
    facts = item.facts
    if facts.status not in _ANSWERS:
        return "这一条和任务对不上，没有改变任务的状态。"
    task.answered = facts.status
    if RANK[facts.status] <= RANK[task.status]:
        return ""
    task.status = facts.status
    setattr(task, _ANSWERS[facts.status], min(max(facts.at_ms, 0), TIME_MAX_MS))
    if facts.status in ("declined", "reported"):
        task.result, task.words = facts.result, "" if body is None else body.text
    return ""


def _confirmed(task: Task, item: Item, _: Any) -> None:
    task.confirmed_ms = at_ms(item.head)


def _declined(task: Task, item: Item, body: Any) -> None:
    task.declined_ms, task.words = at_ms(item.head), "" if body is None else body.text


def _arrived(task: Task, item: Item, body: Any) -> None:
    if task.arrived_ms is None:
        task.arrived_ms = at_ms(item.head)
        if body is not None:
            task.latitude, task.longitude, task.accuracy_m = body.latitude, body.longitude, body.accuracy_m


def _reported(task: Task, item: Item, body: Any) -> None:
    facts = item.facts
    task.reported_ms, task.result, task.photos, task.signatures = at_ms(item.head), facts.result, facts.photos, facts.signatures
    task.words = "" if body is None else body.text


def _recalled(task: Task, item: Item, _: Any) -> None:
    task.recalled_ms = at_ms(item.head)


def _urged(task: Task, item: Item, _: Any) -> None:
    task.urged_ms = at_ms(item.head)


def _told(task: Task, item: Item, _: Any) -> None:
    """Whoever does it asks, from his first unanswered word on; the office that sent him answers all of them."""
    asks = any(is_one(who, task, item.facts.office, item.head.author[0]) for who in DOER)
    task.asked_ms = (task.asked_ms or at_ms(item.head)) if asks else None


_FILL: Final[dict[str, Callable[[Task, Item, Any], None]]] = {
    "TaskConfirmed": _confirmed,
    "TaskDeclined": _declined,
    "CadreArrived": _arrived,
    "TaskReported": _reported,
    "TaskRecalled": _recalled,
    "TaskUrged": _urged,
    "TaskTold": _told,
}
