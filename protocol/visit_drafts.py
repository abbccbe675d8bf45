"""What sends somebody: a cadre to a place, or a request to an office elsewhere. Contents are checked here, once `dispute` found that the
actor may; both give a task, which lies in the ledger of the place or, with a `link`, is answered from another one.
"""

from typing import Final

from protocol import commands as c
from protocol import events as e
from protocol.case import Case
from protocol.context import Cadre, Context
from protocol.drafts import needed, one_of
from protocol.entry import derive
from protocol.events import Actor, Draft
from protocol.place import covers
from protocol.problem import Refused

REQUESTED: Final = ("visit", "inquiry")  # what an office elsewhere may be asked for


def request_drafts(case: Case, command: c.RequestTask, actor: Actor, context: Context) -> list[Draft]:
    """The asker's own half: it lies in the asker's ledger, and a node that covers both ledgers makes the linked task from it."""
    tables, to = context.tables, command.to
    if to == actor.office:
        raise Refused("same_office", field="to")
    if not tables.is_place(to):
        raise Refused("field_impossible", field="to", what="请哪里", why="没有这个地方或单位")
    kind = one_of(command.purpose_kind, REQUESTED, "purpose_kind", "要做的事")
    ledger = actor.office if covers(context.covers, actor.office) else case.ledger
    if command.due_ms <= context.now_ms:
        raise Refused("due_past", field="due_ms")
    facts = e.TaskAssigned(actor.office, case.term, (), case.id, kind, "", "", to, command.due_ms, place=to, link=to)
    body = e.TaskAssignedBody(
        needed(command.purpose, "purpose", "请他们做什么"), "", command.summary, command.address, case.code, command.contacts
    )
    return [Draft(ledger, derive(command.id, "task"), "task", facts, body)]


def assign_drafts(case: Case | None, command: c.AssignTask, actor: Actor, context: Context) -> list[Draft]:
    """A visit: the task lies in the ledger of the place visited. context.cadre is the one the command names."""
    tables, cadre = context.tables, context.cadre
    if not covers(context.covers, command.place):
        raise Refused("ledger_not_covered", field="place", place=tables.place_full(command.place))
    if not tables.is_place(command.place):
        raise Refused("field_impossible", field="place", what="去的地方", why="没有这个地方")
    link = _linked(cadre, command, context)
    names = {p.name for p in (*command.contacts, *(case.parties if case else ()))}
    if cadre is not None and cadre.name and cadre.name in names:
        raise Refused("cadre_is_party", field="cadre", name=cadre.name)
    if command.due_ms <= context.now_ms:
        raise Refused("due_past", field="due_ms")
    assert cadre is not None  # else `_linked` refuses
    facts = e.TaskAssigned(
        actor.office, case.term if case else 0, (), command.case, "visit", cadre.person, command.home, "", command.due_ms, link=link
    )
    body = e.TaskAssignedBody(
        needed(command.purpose, "purpose", "任务的目的"), command.bring, command.summary, command.address,
        case.code if case else "", command.contacts,
    )  # fmt: skip
    return [Draft(command.place, derive(command.id, "task"), "task", facts, body)]


def _linked(cadre: Cadre | None, command: c.AssignTask, context: Context) -> str:
    """The ledger of the linked task for a cadre whose phone the place's own ledger does not reach; "" when it does. Raises Refused."""
    if cadre is not None and cadre.person == command.cadre:
        if covers(cadre.home_covers, command.place):
            return ""
        if cadre.office and covers(cadre.home_covers, cadre.office) and covers(context.covers, cadre.office):
            return cadre.office
    raise Refused("cadre_unreachable", field="cadre")
