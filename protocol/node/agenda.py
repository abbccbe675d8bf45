"""What lies in a time, of what the actor may see: joint meetings, visits, dates of cases. Each is found along an index by its date.

    some = await agenda.meetings(actor, from_ms, to_ms)      to_ms no more, as in each of these
    some.told, some.of_day[n]                                of each day the first ones; how many day n has

A meeting stays whatever became of the answers of those who were asked to come; one that was set aside is none. One whose case was voided, or
all of whose units were asked back, is called off and still told.
"""

from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import access
from protocol.calendar import DAY_MS
from protocol.entry import derive
from protocol.events import Actor
from protocol.node import listing
from protocol.node.journal import Journal
from protocol.node.journal.rows import among, bound, named

A_DAY_MAX: Final = 1_000
DAYS_MAX: Final = 31  # a longer time is taken as one day
_CASE: Final = (
    "subject, ledger, holder, logged_office, offer_to, offer_kind, convened, title, code, type, status, parties, due_ms, follow_up_by,"
    " follow_up_due_ms"
)
_TASK: Final = "subject, case_subject, ledger, assigned_by, cadre, unit, status, purpose, due_ms, updated_ms, request"
_CASES: Final = f"select {_CASE} from case_row"
_ONE: Final = TypeVar("_ONE")


class Some(NamedTuple, Generic[_ONE]):
    """told: by date · of_day: how many each day has, the first is that of from_ms."""

    told: list[_ONE]
    of_day: list[int]


class Found(NamedTuple):
    """What has a date: columns of a table, the date, which rows have it, and the key of a row."""

    table: str
    columns: str
    at: str
    where: str
    key: str = "subject"

    def some(self, days: int) -> str:
        """The first :a_day of each day n, from :at_n on until :at_(n + 1)."""
        return " union all ".join(
            f"select {self.columns}, {self.at} as at_ms, {n} as day from {self.table} where ({self.key}) in (select {self.key} from"
            f" (select {self.key} from {self.table} where {self._on(n)} order by {self.at}, {self.key} limit :a_day) d)"
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


def looked_after(by: str, holders: str) -> Found:
    """What is to be looked after, by these offices; what ends with it, for its holders, is told by `ends`."""
    told = f"({listing.IS_OPEN} and {holders} and due_ms = follow_up_due_ms)"
    return Found("case_row", _CASE, "follow_up_due_ms", f"{by} and case when {told} then 0 else 1 end = 1")


def visits(seen: str) -> Found:
    """Those that go on."""
    return Found("task_row", _TASK, "due_ms", f"{listing.TASK_GOES_ON} and (unit || '') = '' and {seen}")


def joint(seen: str) -> Found:
    """Meetings of such cases."""
    return Found("meeting_row", "subject, when_ms, units, command", "when_ms", seen, "subject, item")


async def _by_day(c: AsyncConnection, found: Found, values: dict[str, Any], from_ms: int, to_ms: int, a_day: int) -> Some[dict[str, Any]]:
    """Of each day the first `a_day`."""
    bounds = [*range(from_ms, to_ms, DAY_MS), to_ms] if to_ms - from_ms <= DAYS_MAX * DAY_MS else [from_ms, to_ms]
    days, most = len(bounds) - 1, min(a_day, A_DAY_MAX)
    given = {**values, "a_day": most, **{f"at_{n}": at for n, at in enumerate(bounds)}}
    rows = [row._asdict() for row in await named(c, found.some(days), given)]
    of_day = [0] * days
    for row in rows:
        of_day[row["day"]] += 1
    if any(count == most for count in of_day):
        of_day = [row.of_day for row in sorted(await named(c, found.counts(days), given), key=lambda row: row.day)]
    return Some(sorted(rows, key=lambda row: (row["at_ms"], row["subject"])), of_day)


class Meeting(msgspec.Struct, frozen=True):
    """answers: (unit, status of its task) in the order of the asking; "" where the actor may not see its task · words: what the case is called."""

    case: str
    when_ms: int
    words: str
    type: str
    answers: tuple[tuple[str, str], ...]
    is_off: bool


class Date(msgspec.Struct, frozen=True):
    """kind: due, its first legal date; follow_up, also where that one is the follow-up's. words: what the case is called, else its code."""

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

    async def dates(self, actor: Actor, from_ms: int, to_ms: int, a_day: int = A_DAY_MAX) -> Some[Date]:
        """At which cases of the actor's offices end; of each day the first `a_day`."""
        return await self._dates(actor, from_ms, to_ms, a_day, after=False)

    async def follow_ups(self, actor: Actor, from_ms: int, to_ms: int, a_day: int = A_DAY_MAX) -> Some[Date]:
        """At which cases are to be looked after by them, apart from those that `dates` has there."""
        return await self._dates(actor, from_ms, to_ms, a_day, after=True)

    async def _dates(self, actor: Actor, from_ms: int, to_ms: int, a_day: int, after: bool) -> Some[Date]:
        if not actor.powers & access.CASE_POWERS:
            return Some([], [])
        async with self._journal.read() as c:
            values = {"offices": bound(c, sorted(actor.offices))}
            holders, by = among(c, "holder", "offices"), among(c, "follow_up_by", "offices")
            found = looked_after(by, holders) if after else ends(holders)
            some = await _by_day(c, found, values, from_ms, to_ms, a_day)
        return Some([_date(row, actor) for row in some.told], some.of_day)

    async def visits(self, actor: Actor, from_ms: int, to_ms: int, a_day: int = A_DAY_MAX) -> Some[Visit]:
        """That go on, of cadres; of each day the first `a_day`."""
        if not actor.powers & access.CASE_POWERS:
            return Some([], [])
        seen, values = listing.any_of([listing.tasks_of(office) for office in actor.offices])
        async with self._journal.read() as c:
            some = await _by_day(c, visits(seen), values, from_ms, to_ms, a_day)
        told = [Visit(row["subject"], row["due_ms"], row["purpose"] or "", row["cadre"] or "") for row in some.told]
        return Some(told, some.of_day)

    async def meetings(self, actor: Actor, from_ms: int, to_ms: int, a_day: int = A_DAY_MAX) -> Some[Meeting]:
        """Those of cases that the actor may see; of each day the first `a_day`."""
        async with self._journal.read() as c:
            seen, values = await listing.visible(c, actor)
            some = await _by_day(c, joint(seen), values, from_ms, to_ms, a_day)
            cases = {case["subject"]: case for case in await _of(c, _CASES, "subject", sorted({row["subject"] for row in some.told}))}
            told = await _answers(c, actor, sorted(cases))
        return Some([_meeting(row, cases[row["subject"]], told) for row in some.told], some.of_day)


def _date(row: dict[str, Any], actor: Actor) -> Date:
    is_after = row["follow_up_by"] in actor.offices and row["at_ms"] == row["follow_up_due_ms"]
    return Date("follow_up" if is_after else "due", row["subject"], row["at_ms"], row["title"] or row["code"] or "", row["parties"] or "")


def _meeting(row: dict[str, Any], case: dict[str, Any], told: dict[str, str]) -> Meeting:
    """A unit that was asked once more answers each time for itself."""
    answers = tuple((unit, told.get(derive(row["command"] or "", f"join {unit}"), "")) for unit in (row["units"] or "").split())
    is_off = case["status"] == "voided" or all(status == "recalled" for _, status in answers)
    return Meeting(row["subject"], row["when_ms"], case["title"] or "", case["type"] or "", answers, is_off)


async def _answers(c: AsyncConnection, actor: Actor, cases: list[str]) -> dict[str, str]:
    """Task → status. A task and its linked one are one: what was written last says where it is."""
    found = await _of(c, f"select {_TASK} from task_row", "case_subject", cases)
    tasks = [task for task in found if task["unit"] and access.may_see_task(actor, task)]
    return {task["request"] or task["subject"]: task["status"] for task in sorted(tasks, key=lambda task: task["updated_ms"])}


async def _of(c: AsyncConnection, sql: str, column: str, some: list[str]) -> list[dict[str, Any]]:
    if not some:
        return []
    rows = await named(c, f"{sql} where {among(c, column, 'some')}", {"some": bound(c, some)})
    return [row._asdict() for row in rows]
