"""Tasks as lists show them: each step with its time, where it stands now in words, and what may be done about it from the list.

Worst first (protocol/node/silence.py); of an office that has more tasks than are read, those that end first are looked at.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Request

from protocol.case import TASK_OPEN, Line, Task
from protocol.node import phones, silence
from protocol.node.errands import linked_id
from protocol.node.web.cases import context_of
from protocol.node.web.page import actor_of, node_of
from protocol.task import DOER, is_one, steps_task

SHOWN_MAX: Final = 100
READ_MAX: Final = 500  # as many as reads gives: the worst of them are shown
STEPS: Final = (("assigned_ms", "已派"), ("confirmed_ms", "已接单"), ("arrived_ms", "已到场"), ("reported_ms", "已报"))
OVER: Final = {"declined": "已谢绝", "recalled": "已撤回"}
OFFERED: Final = ("UrgeTask", "RecallTask")


def question_of(task: Task) -> str:
    """What whoever went has asked since he waits; "" when nobody does, or when it is over."""
    if task.asked_ms is None or task.status not in TASK_OPEN:
        return ""
    told: list[Line] = []
    for line in task.lines:
        if line.kind == "TaskTold" and not line.set_aside and not line.waiting:
            told = [*told, line] if any(is_one(who, task, line.office, line.head.author[0]) for who in DOER) else []
    return "；".join(text for line in told for text in line.text.values()) or "（内容已依法删除）"


class Track(msgspec.Struct, frozen=True):
    """A task as a list shows it. steps: (words, when it was reached or None) · over: how it ended before the report, else ""
    · cleared_ms: when the phone of who is on his way was found cleared, with what it had not sent; 0: it was not
    · stands: where it is, in words · may: of OFFERED what the rules let this person do now."""

    row: Any
    name: str
    steps: tuple[tuple[str, int | None], ...]
    over: str
    late: bool
    cleared_ms: int = 0
    stands: silence.Standing = silence.Standing("")
    may: frozenset[str] = frozenset()
    is_left: bool = False  # it was declined and nobody else was sent
    fetched: bool = True  # a phone is known to have it, or it is not for a phone, or that is not known here

    @property
    def may_reassign(self) -> bool:
        return "RecallTask" in self.may and bool(self.row.cadre)


async def track(request: Request, row: Any) -> Track:
    """row: a TaskRow, or a Task."""
    return (await tracks_of(request, [row]))[0]


async def tracks(request: Request, open_only: bool, case: str = "", cadre: str = "") -> list[Track]:
    """The worst in front, with what was declined and is nobody's; what is over, newest first. cadre: only those that may be taken from him."""
    reads, actor, now_ms = node_of(request).reads, actor_of(request), node_of(request).clock()
    found = await tracks_of(request, await reads.tasks(actor, case=case, open_only=open_only, most=READ_MAX, cadre=cadre))
    if cadre:
        found = [one for one in found if one.may_reassign]
    elif open_only and not case:
        left = await tracks_of(request, await reads.declined(actor, SHOWN_MAX))
        found += [msgspec.structs.replace(one, stands=silence.declined(one.row, now_ms), is_left=True) for one in left]
    return sorted(found, key=lambda one: silence.worst_first(one.row, one.stands))[:SHOWN_MAX]


async def tracks_of(request: Request, rows: Sequence[Any]) -> list[Track]:
    """One question each for names, phones and their nodes, however many there are."""
    node, now_ms = node_of(request), node_of(request).clock()
    goes_on = [row for row in rows if row.status in TASK_OPEN]
    persons = {row.cadre for row in goes_on if row.cadre}
    names = await node.reads.person_names(row.cadre for row in rows)
    cleared = await phones.last_cleared(node.journal, persons)
    known = await _known(request, [row for row in goes_on if row.status == "sent" and row.cadre], persons)
    made, rules = [], context_of(request)
    for row in rows:
        steps = tuple((words, getattr(row, field) or None) for field, words in STEPS)
        is_open = row.status in TASK_OPEN
        late = bool(row.due_ms) and is_open and row.due_ms < now_ms
        cleared_ms = cleared.get(row.cadre, 0) if is_open else 0
        stands = silence.standing(row, known.get(_id(row), silence.Known()), now_ms)
        offered = {step.command for step in steps_task(row, actor_of(request), rules)} if is_open else set()
        made.append(
            Track(
                row, names[row.cadre] if row.cadre else "", steps, OVER.get(row.status, ""), late,
                cleared_ms if cleared_ms >= row.assigned_ms else 0, stands, frozenset(offered & set(OFFERED)), fetched=_fetched(row, known),
            )
        )  # fmt: skip
    return made


def _fetched(row: Any, known: dict[str, silence.Known]) -> bool:
    way = known.get(_id(row))
    return way is None or bool(way.fetched_ms) or bool(way.carrier_has) or bool(way.office)


def _id(row: Any) -> str:
    return getattr(row, "subject", "") or row.id


async def _known(request: Request, rows: Sequence[Any], persons: set[str]) -> dict[str, silence.Known]:
    """How far each of these sent tasks got on its way to a phone."""
    node = node_of(request)
    if not rows:
        return {}
    fetched = await phones.fetched(node.journal, persons)
    elsewhere = [row for row in rows if row.home != node.certificate.node]
    has = await node.reads.carried([(_id(row), row.home, _last(row)) for row in elsewhere if not row.link])
    found = {}
    for row in rows:
        fetched_ms = fetched.get(linked_id(_id(row)) if row.link else _id(row), 0)
        carrier = "" if row.home == node.certificate.node else node.reads.node_name(row.home)
        office = node.tables().office_name(row.link) if row.link else ""
        found[_id(row)] = silence.Known(fetched_ms, carrier, _id(row) in has, "" if fetched_ms else office)
    return found


def _last(row: Any) -> tuple[str, str, int]:
    return row.last if len(row.last) == 3 else (row.ledger, *row.last)
