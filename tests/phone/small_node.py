"""A node as small as the phone's page needs: tasks in memory, a desk that does each command id once, blobs in a dict.

Stands for the real desk where a browser test has to cut lines, lose an answer or hold back a receipt at an exact moment.
"""

from typing import Any

import msgspec

from protocol.case import Attachment, Line, Task
from protocol.commands import AddTaskEvidence, ArriveTask, Blob, ConfirmTask, DeclineTask, Party, ReportTask
from protocol.entry import Head
from protocol.events import Actor
from protocol.problem import Refused
from protocol.tables import Tables

LEDGER, ORIGIN, NOW_MS = "330523/330523111/330523111217", "nabcdefgh:1", 1_795_500_000_000  # 2026-11-24 in the afternoon
CADRE = Actor("c" * 32, "cadre.0000000a", "330523/330523111", frozenset({"field"}), "陈立新")
OTHER = Actor("d" * 32, "cadre.0000000b", "330523/330523111", frozenset({"field"}), "周敏")
MOVES = {
    ConfirmTask: ("sent", "confirmed", "TaskConfirmed"),
    DeclineTask: ("sent confirmed", "declined", "TaskDeclined"),
    ArriveTask: ("confirmed", "arrived", "CadreArrived"),
    ReportTask: ("arrived", "reported", "TaskReported"),
}


class Mark(msgspec.Struct):
    level: str
    text: str
    reached: bool
    at_ms: int | None = None
    state: str = "here"


class Outcome(msgspec.Struct):
    command: str
    entries: tuple[tuple[str, str, int], ...]
    subjects: tuple[str, ...] = ()
    code: str = ""


def a_line(task: Task, kind: str, at_ms: int, text: dict[str, str] | None = None) -> Line:
    seq = len(task.lines) + 1
    head = Head(1, LEDGER, ORIGIN, seq, task.id, "task", seq, at_ms, None, (CADRE.person, CADRE.post), "", kind, msgspec.Raw(b"\x90"), b"")
    return Line(key=(ORIGIN, seq), head=head, kind=kind, office=task.ledger, at_ms=at_ms, received_ms=at_ms, text=text or {})


def a_task(n: int = 1, **more: Any) -> Task:
    told = {
        "id": f"{n:032x}",
        "ledger": LEDGER,
        "status": "sent",
        "case": "a" * 32,
        "case_code": "2026-017-00042K",
        "purpose": "上门走访：灌溉水渠淤堵，两户为清淤费争执",
        "bring": "水渠用地图、调解记录本、卷尺",
        "summary": "两家共用的支渠堵了，谁出钱清淤说不拢，前后吵过两回。",
        "address": "三组水渠口往东第二户",
        "contacts": [Party(name="张三", phone="13800000000"), Party(name="李四", side="respondent", phone="13900000000")],
        "cadre": CADRE.person,
        "home": "nabcdefgh",
        "assigned_by": "330523",
        "assigned_ms": NOW_MS - 3_600_000,
        "due_ms": NOW_MS + 2 * 86_400_000,
    }
    task = Task(**{**told, **more})
    task.lines.append(a_line(task, "TaskAssigned", task.assigned_ms))
    return task


class SmallNode:
    """reads, desk and blobs in one; `second` says whether another node has what was written here."""

    def __init__(self, *tasks: Task, now_ms: int = NOW_MS) -> None:
        self.tasks = {task.id: task for task in tasks}
        self.now_ms, self.second, self.signed_in = now_ms, False, CADRE
        self.accepted: dict[str, Outcome] = {}
        self.commands: list[Any] = []
        self.files: dict[str, bytes] = {}
        self.offsets: list[int | None] = []
        self.refuse: Refused | None = None
        self.seq = 0
        self.reads = self.desk = self.blobs = self.journal = self
        self.name = "天子湖镇综治中心"

    def clock(self) -> int:
        return self.now_ms

    def tables(self) -> Tables:
        return Tables.packaged()

    def _marks(self) -> tuple[Mark, ...]:
        return Mark("here", "已存本机", True), Mark("330523", "已到县" if self.second else "未到县", self.second)

    async def counts(self, actor: Actor) -> dict[str, int]:
        return {}

    async def command(self, id_: str) -> list[Any]:
        """The journal's: entries that the command led to."""
        outcome, head = self.accepted.get(id_), msgspec.defstruct("Head", [("author", tuple)])((CADRE.person, CADRE.post))
        stored = msgspec.defstruct("Stored", [("ledger", str), ("origin", str), ("seq", int), ("head", Any)])
        return [stored(*key, head) for key in outcome.entries] if outcome else []

    async def marks(self, keys: Any) -> dict[Any, tuple[Mark, ...]]:
        return {key: self._marks() for key in keys}

    async def my_tasks(self, actor: Actor) -> list[Any]:
        mine = [t for t in self.tasks.values() if t.cadre == actor.person]
        return [msgspec.defstruct("Row", [("subject", str), ("marks", tuple)])(t.id, self._marks()) for t in mine]

    async def task(self, actor: Actor, subject: str) -> Task:
        if (task := self.tasks.get(subject)) is None or task.cadre != actor.person:
            raise Refused("task_unknown")
        return task

    async def put(self, plain: bytes, name: str, mime: str, what: str = "photo") -> Blob:
        address = f"{len(plain):064x}"
        self.files[address] = plain
        return Blob(address, b"k" * 32, name, mime, len(plain), what)

    async def submit(self, command: Any, actor: Actor, at_ms: int | None = None, offset_ms: int | None = None) -> Outcome:
        if outcome := self.accepted.get(command.id):
            return outcome
        task = await self.task(actor, command.task)
        if self.refuse:
            raise self.refuse
        if isinstance(command, AddTaskEvidence):
            task.blobs.append(Attachment((ORIGIN, self.seq), command.blob, "", task.ledger, self.now_ms))
        else:
            before, after, kind = MOVES[type(command)]
            if task.status not in before.split():
                raise Refused("task_not_now", status=task.status, what=kind)
            task.status = after
            task.lines.append(a_line(task, kind, at_ms or self.now_ms, {"经过": getattr(command, "words", "")}))
        self.seq += 1
        self.commands.append(command)
        self.offsets.append(offset_ms)
        self.accepted[command.id] = Outcome(command.id, ((LEDGER, ORIGIN, self.seq),))
        return self.accepted[command.id]
