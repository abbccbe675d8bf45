"""Joint meetings by their hour: who was asked to come and what each answered. A meeting stays whatever became of the answers.

    some = await meetings.between(actor, from_ms, to_ms)

What is set aside is none. One whose case was voided, or all of whose units were asked back, is called off and still told.
"""

from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import access
from protocol.events import Actor
from protocol.node.journal import Journal
from protocol.node.journal.rows import among, bound, named

MEETINGS_MAX: Final = 1_000  # of one question: a county has some dozens in two weeks


class Meeting(msgspec.Struct, frozen=True):
    """answers: (unit, status of its task) in the order of the asking; "" where the actor may not see its task · words: what the case is called."""

    case: str
    when_ms: int
    words: str
    type: str
    answers: tuple[tuple[str, str], ...]
    is_off: bool


class Meetings:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def between(self, actor: Actor, from_ms: int, to_ms: int) -> list[Meeting]:
        """Those of cases that the actor may see, by their hour; to_ms no more."""
        if not actor.powers & access.CASE_POWERS:
            return []
        sql = "select * from meeting_row where when_ms >= :from_ms and when_ms < :to_ms order by when_ms, subject, item limit :most"
        async with self._journal.read() as c:
            rows = await named(c, sql, {"from_ms": from_ms, "to_ms": to_ms, "most": MEETINGS_MAX})
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
