"""What lies in a time, of what the actor may see: joint meetings, visits, dates of cases. Each is found along an index by its date.

    some = await agenda.meetings(actor, from_ms, to_ms)      to_ms no more, as in each of these

A meeting stays whatever became of the answers of those who were asked to come; one that was set aside is none. One whose case was voided, or
all of whose units were asked back, is called off and still told.
"""

from collections import defaultdict
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import access
from protocol.calendar import DAY_MS
from protocol.events import Actor
from protocol.node import listing
from protocol.node.journal import Journal
from protocol.node.journal.rows import among, bound, named
from protocol.place import within

AT_ONCE_MAX: Final = 1_000  # of one question, the earliest: a county has some dozens of meetings in two weeks, some hundred dates
DAYS_MAX: Final = 31  # a longer time is taken as one day
_CASE: Final = (
    "subject, ledger, holder, logged_office, offer_to, offer_kind, convened, title, code, type, status, parties, due_ms, follow_up_due_ms"
)
_TASK: Final = "subject, case_subject, ledger, assigned_by, cadre, unit, status, purpose, due_ms, updated_ms"
_CASES: Final = f"select {_CASE} from case_row"
_MEETINGS: Final = "select subject, item, when_ms, units from meeting_row where when_ms >= :from_ms and when_ms < :to_ms order by when_ms, subject, item limit :most"
_LEDGERS: Final = "select subject, ledger from case_row"  # from the index that lists of hits are read from: no row is read


class Found(NamedTuple):
    """What has a date: columns of a table, the date, and which rows have it."""

    table: str
    columns: str
    at: str
    where: str

    def some(self, days: int) -> str:
        """The first :a_day of each day n, from :at_n on until :at_(n + 1)."""
        return " union all ".join(
            f"select {self.columns} from {self.table} where subject in (select subject from"
            f" (select subject from {self.table} where {self._on(n)} order by {self.at}, subject limit :a_day) d)"
            for n in range(days)
        )

    def counts(self, days: int) -> str:
        """How many each day has, along the index: no row is read."""
        return " union all ".join(f"select {n} as day, count(*) as of_day from {self.table} where {self._on(n)}" for n in range(days))

    def _on(self, n: int) -> str:
        return f"{self.where} and {self.at} >= :at_{n} and {self.at} < :at_{n + 1}"


def ends(holders: str) -> Found:
    """What is open and ends, of these offices."""
    return Found("case_row", _CASE, listing.FIRST_DUE_MS, f"{listing.IS_OPEN} and {holders}")


def _after(holders: str) -> Found:
    """What is to be looked after, by these offices."""
    return Found("case_row", _CASE, "follow_up_due_ms", holders)


def _visits(seen: str) -> Found:
    """Those that go on."""
    return Found("task_row", _TASK, "due_ms", f"{listing.TASK_GOES_ON} and (unit || '') = '' and {seen}")


async def _by_day(
    c: AsyncConnection, found: Found, values: dict[str, Any], from_ms: int, to_ms: int, a_day: int
) -> list[tuple[dict[str, Any], int]]:
    """(row, how many its day has), of each day the first `a_day`."""
    bounds = [*range(from_ms, to_ms, DAY_MS), to_ms] if to_ms - from_ms <= DAYS_MAX * DAY_MS else [from_ms, to_ms]
    given = {**values, "a_day": a_day, **{f"at_{n}": at for n, at in enumerate(bounds)}}
    rows = [dict(row._mapping) for row in await named(c, found.some(len(bounds) - 1), given)]
    counts = dict.fromkeys(range(len(bounds)), 0)
    if len(rows) >= a_day:
        counts |= {row.day: row.of_day for row in await named(c, found.counts(len(bounds) - 1), given)}
    return [(row, counts[min((_at(row, found) - from_ms) // DAY_MS, len(bounds) - 2)]) for row in rows]


def _at(row: dict[str, Any], found: Found) -> int:
    return row["due_ms" if found.at == listing.FIRST_DUE_MS else found.at]


class Meeting(msgspec.Struct, frozen=True):
    """answers: (unit, status of its task) in the order of the asking; "" where the actor may not see its task · words: what the case is called."""

    case: str
    when_ms: int
    words: str
    type: str
    answers: tuple[tuple[str, str], ...]
    is_off: bool
    of_day: int


class Date(msgspec.Struct, frozen=True):
    """kind: due, its first legal date; follow_up. words: what the case is called, else its code · of_day: how many of its kind that day has."""

    kind: str
    case: str
    at_ms: int
    words: str
    parties: str
    of_day: int


class Visit(msgspec.Struct, frozen=True):
    task: str
    at_ms: int
    words: str
    cadre: str
    of_day: int


class Agenda:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def dates(self, actor: Actor, from_ms: int, to_ms: int, a_day: int = AT_ONCE_MAX) -> list[Date]:
        """At which cases of the actor's offices end, or are to be looked after by them; of each day and kind the first `a_day`."""
        if not actor.powers & access.CASE_POWERS:
            return []
        made = []
        async with self._journal.read() as c:
            values = {"offices": bound(c, sorted(actor.offices))}
            for kind, column, having in (("due", "(holder || '')", ends), ("follow_up", "follow_up_by", _after)):
                found = having(among(c, column, "offices"))
                for one, of_day in await _by_day(c, found, values, from_ms, to_ms, a_day):
                    if access.may_see_case(actor, one) and (kind == "follow_up" or one["follow_up_due_ms"] != one["due_ms"]):
                        words, parties = one["title"] or one["code"] or "", one["parties"] or ""
                        made.append(Date(kind, one["subject"], _at(one, found), words, parties, of_day))
        return made

    async def visits(self, actor: Actor, from_ms: int, to_ms: int, a_day: int = AT_ONCE_MAX) -> list[Visit]:
        """That go on, of cadres; of each day the first `a_day`."""
        if not actor.powers & access.CASE_POWERS:
            return []
        seen, values = listing.any_of([listing.tasks_of(office) for office in actor.offices])
        async with self._journal.read() as c:
            rows = await _by_day(c, _visits(seen), values, from_ms, to_ms, a_day)
        return [Visit(row["subject"], row["due_ms"], row["purpose"] or "", row["cadre"] or "", of_day) for row, of_day in rows]

    async def meetings(self, actor: Actor, from_ms: int, to_ms: int, a_day: int = AT_ONCE_MAX) -> list[Meeting]:
        """Those of cases that the actor may see, by their hour; to_ms no more. Of each day the first `a_day`: only their cases are read."""
        if not actor.powers & access.CASE_POWERS:
            return []
        async with self._journal.read() as c:
            rows = await named(c, _MEETINGS, {"from_ms": from_ms, "to_ms": to_ms, "most": AT_ONCE_MAX})
            lies = {one["subject"]: one["ledger"] for one in await _of(c, _LEDGERS, listing.OF_HIT, sorted({row.subject for row in rows}))}
            near = {ledger for ledger in set(lies.values()) if any(within(ledger, office) for office in actor.offices)}
            far = sorted({row.subject for row in rows if lies.get(row.subject) not in near})
            seen = {case["subject"]: case for case in await _of(c, _CASES, "subject", far) if access.may_see_case(actor, case)}
            days: dict[int, list[Any]] = defaultdict(list)
            for row in rows:
                if lies.get(row.subject) in near or row.subject in seen:
                    days[(row.when_ms - from_ms) // DAY_MS].append(row)
            shown = [(row, len(some)) for some in days.values() for row in some[:a_day]]
            cases = {case["subject"]: case for case in await _of(c, _CASES, "subject", sorted({row.subject for row, _ in shown}))}
            told = await _answers(c, actor, sorted(cases))
        return [_meeting(row, cases[row.subject], told, of_day) for row, of_day in shown]


def _meeting(row: Any, case: dict[str, Any], told: dict[tuple[str, str], str], of_day: int) -> Meeting:
    answers = tuple((unit, told.get((row.subject, unit), "")) for unit in (row.units or "").split())
    is_off = case["status"] == "voided" or all(status == "recalled" for _, status in answers)
    return Meeting(row.subject, row.when_ms, case["title"] or "", case["type"] or "", answers, is_off, of_day)


async def _answers(c: AsyncConnection, actor: Actor, cases: list[str]) -> dict[tuple[str, str], str]:
    """(case, unit) → status. A task and its linked one are one: what was written last says where it is."""
    found = await _of(c, f"select {_TASK} from task_row", "case_subject", cases)
    tasks = [task for task in found if task["unit"] and access.may_see_task(actor, task)]
    return {(task["case_subject"], task["unit"]): task["status"] for task in sorted(tasks, key=lambda task: task["updated_ms"])}


async def _of(c: AsyncConnection, sql: str, column: str, some: list[str]) -> list[dict[str, Any]]:
    if not some:
        return []
    rows = await named(c, f"{sql} where {among(c, column, 'some')}", {"some": bound(c, some)})
    return [dict(row._mapping) for row in rows]
