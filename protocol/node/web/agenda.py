"""日程: two weeks day by day: joint meetings, visits, dates at which something of this office ends.

    GET /calendar?from=2026-11-23      begins on the Monday of that day's week; without, on this week's

Meetings are those that cases seen here were convened to (UnitsConvened), past ones too; a case's date is its first legal clock.
"""

from collections import defaultdict
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from litestar import Request, Response, get

from protocol import calendar
from protocol.node.web.lists import day_of
from protocol.node.web.page import actor_of, node_of, page, twin, wants_json
from protocol.node.web.words import WEEKDAYS, local

DAYS: Final = 14
ANSWERS: Final = {  # status of a unit's task → what it says of its coming, tone
    "sent": ("没回话", "soon"),
    "confirmed": ("来", "good"),
    "arrived": ("到了", "good"),
    "reported": ("已反馈", "good"),
    "declined": ("不来", "late"),
    "recalled": ("不用来了", "quiet"),
}


class Entry(msgspec.Struct, frozen=True):
    """kind: meeting, visit, due, follow_up · time: "17:30", "" for the whole day · late: it should have happened."""

    kind: str
    time: str
    words: str
    more: str
    href: str
    late: bool = False
    label: str = ""  # what of the case it is; words: what people called it
    answers: tuple[tuple[str, str, str], ...] = ()  # (unit, what it answered, tone) of a meeting; "" where that is not to be seen
    is_off: bool = False


class Day(msgspec.Struct, frozen=True):
    date: str
    words: str
    weekday: str
    works: bool
    is_today: bool
    entries: list[Entry]


def first_day(request: Request) -> date:
    today = local(node_of(request).clock()).date()
    asked = day_of(request.query_params.get("from", "")) or today
    asked = min(max(asked, date(1971, 1, 4)), date(8990, 1, 1))
    return asked - timedelta(days=asked.weekday())


async def meetings(request: Request, from_ms: int, to_ms: int) -> list[tuple[int, Entry]]:
    """Of the cases seen here whose units were asked to come, with what each answered."""
    node, actor, tables = node_of(request), actor_of(request), node_of(request).tables()
    found = []
    for one in await node.reads.agenda.meetings(actor, from_ms, to_ms):
        answers = tuple((tables.office_name(unit), *ANSWERS.get(status, ("", ""))) for unit, status in one.answers)
        words, href = one.words or tables.type_name(one.type), f"/cases/{one.case}#timeline"
        entry = Entry("meeting", calendar.local_time(one.when_ms), words, "", href, label="联调", answers=answers, is_off=one.is_off)
        found.append((one.when_ms, entry))
    return found


async def dates(request: Request, from_ms: int, to_ms: int) -> list[tuple[int, Entry]]:
    """At which cases of this office end or are to be looked after, and visits."""
    node, actor, now_ms = node_of(request), actor_of(request), node_of(request).clock()
    found = []
    for one in await node.reads.agenda.dates(actor, from_ms, to_ms):
        label = "回访" if one.kind == "follow_up" else "到期"
        found.append((one.at_ms, Entry(one.kind, "", one.words, one.parties, f"/cases/{one.case}", one.at_ms < now_ms, label)))
    visits = await node.reads.agenda.visits(actor, from_ms, to_ms)
    names = await node.reads.person_names({one.cadre for one in visits} - {""})
    for one in visits:
        hour, who = calendar.local_time(one.at_ms), names.get(one.cadre, "")
        found.append((one.at_ms, Entry("visit", hour, one.words, who, f"/tasks/{one.task}", one.at_ms < now_ms)))
    return found


async def days(request: Request, first: date) -> list[Day]:
    node = node_of(request)
    rules, now_ms = node.tables().calendar, node.clock()
    span = calendar.start_of_day_ms(first), calendar.end_of_day_ms(first + timedelta(days=DAYS - 1)) + 1
    told = [*await meetings(request, *span), *await dates(request, *span)]
    by_day: dict[date, list[tuple[int, Entry]]] = defaultdict(list)
    for at_ms, entry in told:
        by_day[calendar.local_date(at_ms)].append((at_ms, entry))
    today, made = local(now_ms).date(), []
    for n in range(DAYS):
        day = first + timedelta(days=n)
        entries = [entry for _, entry in sorted(by_day[day], key=lambda one: (one[1].time == "", one[0], one[1].words))]
        words, weekday = f"{day.month}月{day.day}日", WEEKDAYS[day.weekday()]
        made.append(Day(day.isoformat(), words, weekday, rules.is_working(day), day == today, entries))
    return made


@get("/calendar", of_cases=True)
async def agenda(request: Request) -> Response[Any]:
    first = first_day(request)
    shown = await days(request, first)
    if wants_json(request):
        return twin({"days": shown})
    before, after = first - timedelta(days=DAYS), first + timedelta(days=DAYS)
    return await page(request, "calendar.html", days=shown, before=before.isoformat(), after=after.isoformat(), path="/calendar")


def routes() -> list:
    return [agenda]
