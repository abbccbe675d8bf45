"""What lies in a time, of what the actor may see: joint meetings, visits, dates of cases. Each is found along an index by its date.

    some = await agenda.meetings(actor, from_ms, to_ms)      to_ms no more, as in each of these

A meeting stays whatever became of the answers of those who were asked to come; one that was set aside is none. One whose case was voided, or
all of whose units were asked back, is called off and still told.
"""

from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import access
from protocol.events import Actor
from protocol.node import listing
from protocol.node.journal import Journal
from protocol.node.journal.rows import among, bound, named

AT_ONCE_MAX: Final = 1_000  # of one question: a county has some dozens of meetings in two weeks, some hundred dates
_ENDS: Final = (  # what is open and ends, what is to be looked after; of the offices named
    f"select * from case_row where {listing.IS_OPEN} and {listing.FIRST_DUE_MS} >= :from_ms and {listing.FIRST_DUE_MS} < :to_ms"
    " and {holders} limit :most"
)
_AFTER: Final = "select * from case_row where {holders} and follow_up_due_ms >= :from_ms and follow_up_due_ms < :to_ms limit :most"
_VISITS: Final = f"select * from task_row where {listing.TASK_GOES_ON} and due_ms >= :from_ms and due_ms < :to_ms and {{seen}} limit :most"


class Meeting(msgspec.Struct, frozen=True):
    """answers: (unit, status of its task) in the order of the asking; "" where the actor may not see its task · words: what the case is called."""

    case: str
    when_ms: int
    words: str
    type: str
    answers: tuple[tuple[str, str], ...]
    is_off: bool


class Date(msgspec.Struct, frozen=True):
    """kind: due, its first legal date; follow_up. words: what the case is called, else its code."""

    kind: str
    case: str
    at_ms: int
    words: str
    parties: str


class Visit(msgspec.Struct, frozen=True):
    task: str
    at_ms: int
    words: str
    cadre: str


class Agenda:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def dates(self, actor: Actor, from_ms: int, to_ms: int) -> list[Date]:
        """At which cases of the actor's offices end, or are to be looked after by them."""
        if not actor.powers & access.CASE_POWERS:
            return []
        found = []
        async with self._journal.read() as c:
            values = {"from_ms": from_ms, "to_ms": to_ms, "most": AT_ONCE_MAX, "offices": bound(c, sorted(actor.offices))}
            for kind, column, sql in (("due", "(holder || '')", _ENDS), ("follow_up", "follow_up_by", _AFTER)):
                rows = await named(c, sql.format(holders=among(c, column, "offices")), values)
                cases = [row._mapping for row in rows if access.may_see_case(actor, row._mapping)]
                field = "due_ms" if kind == "due" else "follow_up_due_ms"
                found += [Date(kind, one["subject"], one[field], one["title"] or one["code"] or "", one["parties"] or "") for one in cases
                          if kind == "follow_up" or one["follow_up_due_ms"] != one["due_ms"]]  # fmt: skip
        return found

    async def visits(self, actor: Actor, from_ms: int, to_ms: int) -> list[Visit]:
        """That go on, of cadres."""
        if not actor.powers & access.CASE_POWERS:
            return []
        seen, values = listing.any_of([listing.tasks_of(office) for office in actor.offices])
        async with self._journal.read() as c:
            rows = await named(c, _VISITS.format(seen=seen), {**values, "from_ms": from_ms, "to_ms": to_ms, "most": AT_ONCE_MAX})
        return [Visit(row.subject, row.due_ms, row.purpose or "", row.cadre or "") for row in rows if not row.unit]

    async def meetings(self, actor: Actor, from_ms: int, to_ms: int) -> list[Meeting]:
        """Those of cases that the actor may see, by their hour; to_ms no more."""
        if not actor.powers & access.CASE_POWERS:
            return []
        sql = "select * from meeting_row where when_ms >= :from_ms and when_ms < :to_ms order by when_ms, subject, item limit :most"
        async with self._journal.read() as c:
            rows = await named(c, sql, {"from_ms": from_ms, "to_ms": to_ms, "most": AT_ONCE_MAX})
            asked = sorted({row.subject for row in rows})
            found = await _of(c, "case_row", "subject", asked) if asked else []
            cases = {case["subject"]: case for case in found if access.may_see_case(actor, case)}
            told = await _answers(c, actor, sorted(cases)) if cases else {}
        return [_meeting(row, cases[row.subject], told) for row in rows if row.subject in cases]


def _meeting(row: Any, case: dict[str, Any], told: dict[tuple[str, str], str]) -> Meeting:
    answers = tuple((unit, told.get((row.subject, unit), "")) for unit in (row.units or "").split())
    is_off = case["status"] == "voided" or all(status == "recalled" for _, status in answers)
    return Meeting(row.subject, row.when_ms, case["title"] or "", case["type"] or "", answers, is_off)


async def _answers(c: AsyncConnection, actor: Actor, cases: list[str]) -> dict[tuple[str, str], str]:
    """(case, unit) → status. A task and its linked one are one: what was written last says where it is."""
    tasks = [task for task in await _of(c, "task_row", "case_subject", cases) if task["unit"] and access.may_see_task(actor, task)]
    return {(task["case_subject"], task["unit"]): task["status"] for task in sorted(tasks, key=lambda task: task["updated_ms"])}


async def _of(c: AsyncConnection, table: str, column: str, some: list[str]) -> list[dict[str, Any]]:
    rows = await named(c, f"select * from {table} where {among(c, column, 'some')}", {"some": bound(c, some)})
    return [dict(row._mapping) for row in rows]
