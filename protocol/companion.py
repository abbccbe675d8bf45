"""A companion: what a place must not read of its own case. It lies in the writer's own ledger, so it is never sent there.

    the case's ledger        its place, and every place above it
    the writer's own ledger  the writer's place, and every place above that

One companion for each case and office that wrote, a subject of its own named by both. It holds internal opinions and risk
assessments and decides nothing: no status, holder or clock hangs on it. It is shown beside the case to whoever's region holds the
writer's ledger, stands in no list, and a search finds a case by it only for them. Each of its bodies can be erased like any other.
"""

from typing import Final

from protocol.case import Case
from protocol.commands import WriteOpinion
from protocol.context import Context
from protocol.drafts import needed, one_of
from protocol.entry import derive
from protocol.events import Actor, Draft, OpinionWritten, TextBody
from protocol.place import is_unit, parent, within

SORT: Final = "companion"


def may_write_apart(office: str, ledger: str) -> bool:
    """Claims that the office stands above the place of the ledger, or is a unit beside it: its own ledger does not reach that place."""
    if is_unit(office):
        return within(ledger, parent(office) or office) and not within(office, ledger)
    return office != ledger and within(ledger, office)


def companion_subject(case: str, office: str) -> str:
    return derive(f"{case} {office}", SORT)


def opinion_drafts(case: Case, command: WriteOpinion, actor: Actor, context: Context) -> list[Draft]:
    """One entry in the actor's own ledger; the case's ledger gets none."""
    if command.risk:
        one_of(command.risk, context.tables.lists.get("risk", {}), "risk", "风险研判")
    facts = OpinionWritten(actor.office, case.term, (), case.id, command.risk)
    body = TextBody(needed(command.text, "text", "内部意见"))
    return [Draft(actor.office, companion_subject(case.id, actor.office), SORT, facts, body)]
