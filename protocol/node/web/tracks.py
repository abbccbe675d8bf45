"""Tasks as lists show them: each step with its time, where it stands now in words, and what may be done about it from the list.

Worst first (protocol/node/silence.py); of an office that has more tasks than are read, those that end first are looked at.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Request

from protocol import dispute
from protocol.case import TASK_OPEN, Line, Task
from protocol.context import Context
from protocol.events import Actor
from protocol.node import phones, silence
from protocol.node.errands import linked_id
from protocol.node.web.cases import context_of
from protocol.node.web.page import actor_of, in_language, node_of
from protocol.problem import Refused
from protocol.task import DOER, is_one, steps_task

SHOWN_MAX: Final = 100  # of one case, or of one who is sent
READ_MAX: Final = 500  # as many as reads gives
STEPS: Final = (("assigned_ms", "已派"), ("confirmed_ms", "已接单"), ("arrived_ms", "已到场"), ("reported_ms", "已报"))
OVER: Final = {"declined": "已谢绝", "recalled": "已撤回"}
OFFERED: Final = ("UrgeTask", "RecallTask")
ERASED, AWAITED = "（内容已依法删除）", "（正文不在本机）"


async def question_of(request: Request, task: Task) -> str:
    """What whoever went has asked since he waits; "" when nobody does, or when it is over."""
    if task.asked_ms is None or task.status not in TASK_OPEN:
        return ""
    told: list[Line] = []
    for line in task.lines:
        if line.kind == "TaskTold" and not line.set_aside and not line.waiting:
            told = [*told, line] if any(is_one(who, task, line.office, line.head.author[0]) for who in DOER) else []
    return "；".join(text for line in told for text in line.text.values()) or in_language(request, await wordless(request, task.id, told))


async def wordless(request: Request, subject: str, lines: Sequence[Line]) -> str:
    """What stands in place of the words of these lines of a task: AWAITED where some merely have not come yet, else ERASED."""
    lost = {(line.head.ledger, *line.key) for line in lines if line.erased}
    return AWAITED if lost and lost - set(await node_of(request).reads.erasures(subject)) else ERASED


class Track(msgspec.Struct, frozen=True):
    """A task as a list shows it. steps: (words, when it was reached or None) · over: how it ended before the report, else ""
    · cleared_ms: when the phone of who is on his way was found cleared, with what it had not sent; 0: it was not
    · stands: where it is, in words · may: of OFFERED what the rules let this person do now
    · unsent: why this person can't send anybody else for it (the dispute is in other hands, or over), None: it is possible
    · unread: ERASED or AWAITED where what is to be done can't be read, else ""."""

    row: Any
    name: str
    steps: tuple[tuple[str, int | None], ...]
    over: str
    late: bool
    cleared_ms: int = 0
    stands: silence.Standing = silence.Standing("")
    may: frozenset[str] = frozenset()
    is_left: bool = False  # it was declined and nobody else was sent
    unsent: Refused | None = None
    fetched: bool = True  # a phone is known to have it, or it is not for a phone, or that is not known here
    unread: str = ""

    @property
    def may_reassign(self) -> bool:
        return "RecallTask" in self.may and bool(self.row.cadre) and self.unsent is None


async def track(request: Request, row: Any) -> Track:
    """row: a TaskRow, or a Task."""
    return (await tracks_of(request, await standings(request, [row])))[0]


class Ranked(NamedTuple):
    """A task and where it is. way: how far it got on its way to a phone, if that is a question · is_left: declined, and nobody else was sent."""

    row: Any
    stands: silence.Standing
    way: silence.Known | None = None
    is_left: bool = False


class Listed(NamedTuple):
    """A page of all tasks. total: of all pages · together: of who has several that may be given to somebody else, his first here → how many."""

    tracks: list[Track]
    page: int
    total: int
    together: dict[str, int]


async def listed(request: Request, open_only: bool, page: int, per: int) -> Listed:
    """Page 1 has the worst, with what was declined and is nobody's; what is over comes last, newest first."""
    reads = node_of(request).reads
    if open_only:
        found = await ranked(request)
    else:
        found = sorted(await standings(request, await reads.tasks(actor_of(request), most=READ_MAX, marked=False)), key=_worst)
    page = min(max(page, 1), -(-len(found) // per) or 1)
    some = found[(page - 1) * per : page * per]
    shown = await _marked(request, some)
    return Listed(shown, page, len(found), await _together(request, found, shown))


async def _marked(request: Request, some: Sequence[Ranked]) -> list[Track]:
    """Of those that are shown: with their receipts."""
    rows = await node_of(request).reads.marked_tasks([one.row for one in some])
    return await tracks_of(request, [one._replace(row=row) for one, row in zip(some, rows, strict=True)])


async def _together(request: Request, found: Sequence[Ranked], shown: Sequence[Track]) -> dict[str, int]:
    first: dict[str, str] = {}
    for one in shown:
        if one.may_reassign:
            first.setdefault(one.row.cadre, one.row.subject)
    rules, actor = context_of(request), actor_of(request)
    out = [one.row for one in found if one.row.cadre in first and one.row.status != "arrived"]  # who is there keeps what he is at
    his = [row for row in out if "RecallTask" in _offered(row, actor, rules)]
    held = await unsent(request, his)
    many = Counter(row.cadre for row in his if _id(row) not in held)
    return {first[cadre]: count for cadre, count in many.items() if count > 1}


async def unsent(request: Request, rows: Sequence[Any]) -> dict[str, Refused]:
    """Task → why this person can't send somebody for its dispute now; those of whom nobody speaks can be sent again."""
    cases = {_id(row): getattr(row, "case_subject", "") or getattr(row, "case", "") for row in rows if row.cadre}
    actor, rules = actor_of(request), context_of(request)
    known = await node_of(request).reads.case_rows(actor, cases.values()) if any(cases.values()) else {}
    found = {}
    for task, case in cases.items():
        why = dispute.refusal("AssignTask", known[case], actor, rules) if case in known else Refused("case_unknown")
        if case and why is not None:
            found[task] = why
    return found


def _offered(row: Any, actor: Actor, rules: Context) -> set[str]:
    return {step.command for step in steps_task(row, actor, rules)} if row.status in TASK_OPEN else set()


async def tracks(request: Request, open_only: bool, case: str = "", cadre: str = "") -> list[Track]:
    """Of a case, or of a cadre those that may be taken from him; the worst in front, what is over newest first."""
    asked = {"case": case, "open_only": open_only, "most": READ_MAX, "cadre": cadre, "marked": False}
    rows = await node_of(request).reads.tasks(actor_of(request), **asked)
    found = await _marked(request, sorted(await standings(request, rows), key=_worst)[:SHOWN_MAX])
    return [one for one in found if one.may_reassign] if cadre else found


async def ranked(request: Request) -> list[Ranked]:
    """All that goes on, the worst in front, with what was declined and is nobody's: receipts, and what the rules let one do, are asked of
    those shown alone."""
    reads, actor, now_ms = node_of(request).reads, actor_of(request), node_of(request).clock()
    found = await standings(request, await reads.tasks(actor, open_only=True, most=READ_MAX, marked=False))
    left = [Ranked(row, silence.declined(row, now_ms), is_left=True) for row in await reads.declined(actor, SHOWN_MAX)]
    return sorted([*found, *left], key=_worst)


def _worst(one: Ranked) -> tuple:
    return silence.worst_first(one.row, one.stands)


async def standings(request: Request, rows: Sequence[Any]) -> list[Ranked]:
    """In the order of rows. One question for phones and one for their nodes, however many there are."""
    sent = [row for row in rows if row.status == "sent" and row.cadre]
    known, now_ms = await _known(request, sent, {row.cadre for row in sent}), node_of(request).clock()
    return [Ranked(row, silence.standing(row, known.get(_id(row), silence.Known()), now_ms), known.get(_id(row))) for row in rows]


async def tracks_of(request: Request, found: Sequence[Ranked]) -> list[Track]:
    """As lists show them, in this order."""
    node, now_ms = node_of(request), node_of(request).clock()
    names = await node.reads.person_names(one.row.cadre for one in found)
    cleared = await phones.last_cleared(node.journal, {one.row.cadre for one in found if one.row.cadre and one.row.status in TASK_OPEN})
    held = await unsent(request, [one.row for one in found])
    made, actor, rules = [], actor_of(request), context_of(request)
    for row, stands, way, is_left in found:
        steps = tuple((words, getattr(row, field) or None) for field, words in STEPS)
        is_open = row.status in TASK_OPEN
        late = bool(row.due_ms) and is_open and row.due_ms < now_ms
        cleared_ms = cleared.get(row.cadre, 0) if is_open else 0
        made.append(
            Track(
                row, names[row.cadre] if row.cadre else "", steps, OVER.get(row.status, ""), late,
                cleared_ms if cleared_ms >= row.assigned_ms else 0, stands, frozenset(_offered(row, actor, rules) & set(OFFERED)), is_left,
                held.get(_id(row)), _fetched(way), "" if row.purpose else await _unread(request, _id(row)),
            )
        )  # fmt: skip
    return made


async def _unread(request: Request, subject: str) -> str:
    """In place of what a task is for."""
    task: Task = await node_of(request).reads.task(actor_of(request), subject)
    return await wordless(request, subject, [line for line in task.lines if line.kind == "TaskAssigned"])


def _fetched(way: silence.Known | None) -> bool:
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
