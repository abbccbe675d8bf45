"""A command with all that its rules must know, read inside the transaction it will be written in.

What is read here is held (`Writing.subjects`), so that two programs on one database decide one after the other. Numbers for codes and papers are drawn in the transaction: a refusal gives them back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from protocol import access, codes, dispute, people_rules, task
from protocol import certificate as certificates
from protocol.calendar import local_date
from protocol.case import Case, Task
from protocol.commands import (
    AddEvidence,
    AddTaskEvidence,
    AssignTask,
    Blob,
    CaseCommand,
    Command,
    ConveneUnits,
    EndPost,
    EraseBody,
    GivePost,
    IssueCode,
    LogDispute,
    MergeDispute,
    NameHandler,
    RecallTask,
    RegisterPerson,
    RemoveDispute,
    SignAgreement,
    TakeUpDispute,
    TaskCommand,
    VouchReset,
)
from protocol.context import Cadre, Context, Join
from protocol.entry import node_of
from protocol.events import Actor, Draft
from protocol.fold import fold_case, fold_person, fold_task
from protocol.node import sealed_end
from protocol.node.blobs import is_address
from protocol.node.journal import Stored, Writing
from protocol.node.journal.rows import fetch
from protocol.node.shelf import Shelf
from protocol.node.signer import Signer
from protocol.people_rules import Known
from protocol.place import covers
from protocol.problem import Refused

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Asked:
    w: Writing
    signer: Signer
    shelf: Shelf
    now_ms: int
    _read: dict[str, list[Stored]] = field(default_factory=dict)

    async def case(self, id_: str) -> Case | None:
        entries = [e.admitted for e in await self._entries(id_, "dispute")]
        case = fold_case(entries, self.shelf(), self.shelf.good_until(entries))
        return case and await sealed_end.look(partial(fetch, self.w.connection), case, self._read[id_], self.shelf.counts)

    async def task(self, id_: str) -> Task | None:
        entries = [e.admitted for e in await self._entries(id_, "task")]
        return fold_task(entries, self.shelf(), self.shelf.good_until(entries))

    async def joins(self, case: str) -> tuple[Join, ...]:
        """Who was asked to join the case, each time; of a task and its linked one the first."""
        sql = (
            "select unit, subject, status from task_row where case_subject = :case and purpose_kind = 'join' and coalesce(request, '') = ''"
        )
        return tuple(Join(*row) for row in await fetch(self.w.connection, f"{sql} order by subject", {"case": case}))

    async def is_in(self, person: str, office: str) -> bool:
        """Claims that the person holds a post of the office."""
        sql = "select 1 from post_row where subject = :person and ledger = :office and ended = 0"
        return bool(await fetch(self.w.connection, sql, {"person": person, "office": office}))

    async def cadre(self, person: str, home: str) -> Cadre:
        """Raises Refused cadre_unreachable for whoever has no field post with this home."""
        entries = await self._entries(person, "person")
        known = fold_person([e.admitted for e in entries])
        posts = [p for p in known.posts if p.home == home and not p.ended and "field" in self.shelf().post_powers(p.kind)] if known else []
        if not known or not posts:
            raise Refused("cadre_unreachable", field="cadre")
        return Cadre(person, known.name, home_covers(self.signer, self.shelf, home), posts[0].office)

    def context(self, *, cadre: Cadre | None = None, cases: dict[str, Case] | None = None, **more: Any) -> Context:
        return Context(
            now_ms=self.now_ms,
            serves=self.signer.serves,
            covers=self.signer.covers,
            tables=self.shelf(),
            cadre=cadre,
            cases=cases or {},
            nodes=self.shelf.nodes(self.signer.certificate),
            **more,
        )

    async def number(self, kind: str) -> int:
        """1, 2, 3 … a year and epoch."""
        return await self.w.counter(f"{kind} {self.year} {self.signer.epoch}")

    async def case_code(self) -> str:
        """The next code of a case that this origin gives."""
        return codes.case_code(self.year, self.signer.short, self.signer.epoch, await self.number("case"))

    @property
    def year(self) -> int:
        return local_date(self.now_ms).year

    async def turns(self, subjects: Iterable[str]) -> dict[str, int]:
        """Subject → the highest turn here; unknown subjects are left out."""
        unread = set(subjects) - self._read.keys()
        self._read.update(await self.w.subjects(unread) if unread else {})
        return {id_: max(e.head.turn for e in self._read[id_]) for id_ in subjects if self._read.get(id_)}

    async def _entries(self, id_: str, sort: str) -> list[Stored]:
        found = self._read[id_] = await self.w.subject(id_)
        return [e for e in found if e.sort == sort]


async def decide(asked: Asked, command: Command, actor: Actor) -> list[Draft]:
    """Raises Refused. What the actor may not see is unknown to him."""
    if isinstance(command, AddEvidence | AddTaskEvidence):
        _check_file(command.blob)
    if isinstance(command, LogDispute | CaseCommand):
        return await _dispute(asked, command, actor)
    if isinstance(command, AssignTask | TaskCommand):
        return await _task(asked, command, actor)
    if isinstance(command, people_rules.PEOPLE_COMMANDS):
        return await _people(asked, command, actor)
    raise Refused("command_invalid", why=type(command).__name__)


def home_covers(signer: Signer, shelf: Shelf, home: str) -> tuple[str, ...]:
    """What the node that serves a phone covers; () for a node that *common* does not name."""
    if home == signer.node:
        return signer.covers
    return tuple(shelf.certificates[home].covers) if home in shelf.certificates else ()


async def _dispute(asked: Asked, command: LogDispute | CaseCommand, actor: Actor) -> list[Draft]:
    year, short, epoch = asked.year, asked.signer.short, asked.signer.epoch
    if isinstance(command, LogDispute):
        return dispute.decide(None, command, actor, asked.context(code=await asked.case_code()))
    case = await asked.case(command.case)
    if case is None or not access.may_see_case(actor, case):
        raise Refused("case_unknown")
    paper, cases, words = "", {}, ()
    if isinstance(command, RemoveDispute):
        words = await held(asked, case)
    if isinstance(command, SignAgreement):
        template = "oral" if command.form == "oral" else "agreement"
        mark = asked.shelf().template(template).mark
        paper = codes.paper_number(year, short, epoch, await asked.number(template), mark)
    if isinstance(command, MergeDispute):
        into = await asked.case(command.into)
        if into is not None and access.may_see_case(actor, into):
            cases[into.id] = into
    named = command.person if isinstance(command, NameHandler) else command.handler if isinstance(command, TakeUpDispute) else ""
    if named and named != actor.person and not await asked.is_in(named, actor.office):
        raise Refused("field_impossible", field="handler", what="承办人", why="不在本单位的岗位上")
    joins = await asked.joins(case.id) if isinstance(command, ConveneUnits) else ()
    return dispute.decide(case, command, actor, asked.context(paper=paper, cases=cases, held=words, joins=joins))


async def held(asked: Asked, case: Case) -> tuple[tuple[str, str, str, int], ...]:
    """Every entry of the case and of its tasks, linked ones among them, that still has words."""
    sql = "select subject from task_row where case_subject = :case or request in (select subject from task_row where case_subject = :case)"
    tasks = [row[0] for row in await fetch(asked.w.connection, f"{sql} order by subject", {"case": case.id})]
    return await with_words(asked, [(case.id, "dispute"), *((id_, "task") for id_ in tasks)])


async def with_words(asked: Asked, subjects: Iterable[tuple[str, str]]) -> tuple[tuple[str, str, str, int], ...]:
    """(ledger, subject, origin, seq) of every entry that still has words. subjects: (id, sort)."""
    found = []
    for id_, sort in subjects:
        for kind in (sort, "erasure"):  # what was left in the place of erased words
            found += [(e.ledger, e.subject, e.origin, e.seq) for e in await asked._entries(id_, kind) if e.body is not None]
    return tuple(found)


async def _task(asked: Asked, command: AssignTask | TaskCommand, actor: Actor) -> list[Draft]:
    if isinstance(command, TaskCommand):
        known = await asked.task(command.task)
        if known is None or not access.may_see_task(actor, known):
            raise Refused("task_unknown")
        joined = await asked.case(known.case) if isinstance(command, RecallTask) and known.purpose_kind == "join" and known.case else None
        more: dict[str, Any] = {"cases": {joined.id: joined}, "joins": await asked.joins(joined.id)} if joined else {}
        return task.decide_task(known, command, actor, asked.context(**more))
    cases = {}
    if command.case:
        case = await asked.case(command.case)
        if case is None or not access.may_see_case(actor, case):
            raise Refused("case_unknown")
        cases[case.id] = case
    cadre = await asked.cadre(command.cadre, command.home)
    return task.decide_task(None, command, actor, asked.context(cadre=cadre, cases=cases))


async def _people(asked: Asked, command: Command, actor: Actor) -> list[Draft]:
    known = Known()
    c = asked.w.connection
    if isinstance(command, GivePost | EndPost):
        rows = await fetch(c, "select subject, ledger, kind, ended from post_row where post = :post order by ended", {"post": command.post})
        known = Known(post=(rows[0][0], rows[0][1], rows[0][2]), is_over=bool(rows[0][3])) if rows else Known()
    if isinstance(command, EndPost) and known.post:
        known = msgspec.structs.replace(known, reach=asked.signer.covers, last=await _work_of(asked, known.post[1]))
    if isinstance(command, RegisterPerson | GivePost | IssueCode):
        rows = await fetch(c, "select ledger from person_row where subject = :person", {"person": command.person})
        known = msgspec.structs.replace(known, registered=tuple(row[0] for row in rows))
    if isinstance(command, IssueCode):
        tables, sql = asked.shelf(), "select kind, ledger from post_row where subject = :person and ended = 0"
        posts = await fetch(c, sql, {"person": command.person})
        guarded = any(people_rules.is_guarded(tables.post_powers(kind), office) for kind, office in posts)
        known = msgspec.structs.replace(known, node=asked.signer.node, is_guarded=guarded)
    if isinstance(command, EraseBody):
        e = await asked.w.entry(*people_rules.item_of(command))
        known = Known(item=(e.subject, e.head.kind, e.ledger) if e and e.head.body_hash else None)
    if isinstance(command, VouchReset):
        known = Known(below=_below(asked, command.node))
    return people_rules.decide_people(command, actor, known, asked.shelf())


def _below(asked: Asked, node: str) -> str:
    other = asked.shelf.certificates.get(node)
    if other is None or node in asked.shelf.revoked or not certificates.is_above(asked.signer.certificate, other):
        return ""
    return next((path.removesuffix("/*") for path in other.serves if covers(asked.signer.covers, path.removesuffix("/*"))), "")


async def _work_of(asked: Asked, office: str) -> tuple[tuple[str, str, int], ...]:
    """How far each lane has got here that a node may write which serves the office: only those hold what its people wrote."""
    nodes = {asked.signer.node: asked.signer.certificate, **asked.shelf.certificates}
    serving = {node for node, certificate in nodes.items() if certificates.serves(certificate, office)}
    rows = await fetch(asked.w.connection, "select ledger, origin, seq from lane where seq > 0 order by ledger, origin", {})
    return tuple((row[0], row[1], row[2]) for row in rows if node_of(row[1]) in serving and covers(asked.signer.covers, row[0]))


def _check_file(blob: Blob) -> None:
    if not is_address(blob.address) or len(blob.key) != KEY_BYTES or blob.size < 0:
        raise Refused("command_invalid", why="附件")
