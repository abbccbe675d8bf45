"""日程: two weeks day by day: joint meetings, visits, dates at which something of this office ends.

    GET /calendar?from=2026-11-23      begins on the Monday of that day's week; without, on this week's
        …&day=2026-11-25               all of this day, where others show SHOWN_MAX

Meetings are those that cases seen here were convened to (UnitsConvened), past ones too; a case's date is its first legal clock.
"""

from collections import defaultdict
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from litestar import Request, Response, get

from protocol import calendar
from protocol.node.agenda import A_DAY_MAX, Date, Meeting, Visit
from protocol.node.web.lists import day_of
from protocol.node.web.page import actor_of, node_of, page, twin, wants_json
from protocol.node.web.words import WEEKDAYS, local

DAYS: Final = 14
SHOWN_MAX: Final = 12  # of one day; the rest is a press away
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


Told = tuple[int, Entry]  # when it is
Part = tuple[list[Told], list[int]]  # by date; how many each day has


async def meetings(request: Request, from_ms: int, to_ms: int, a_day: int) -> Part:
    """Of the cases seen here whose units were asked to come, with what each answered."""
    node, actor, tables = node_of(request), actor_of(request), node_of(request).tables()
    some = await node.reads.agenda.meetings(actor, from_ms, to_ms, a_day)

    def told(one: Meeting) -> Told:
        answers = tuple((tables.office_name(unit), *ANSWERS.get(status, ("", ""))) for unit, status in one.answers)
        words, href = one.words or tables.type_name(one.type), f"/cases/{one.case}#timeline"
        hour = calendar.local_time(one.when_ms)
        return one.when_ms, Entry("meeting", hour, words, "", href, label="联调", answers=answers, is_off=one.is_off)

    return [told(one) for one in some.told], some.of_day


async def dates(request: Request, from_ms: int, to_ms: int, a_day: int) -> list[Part]:
    """At which cases of this office end; are to be looked after."""
    reads, actor, now_ms = node_of(request).reads, actor_of(request), node_of(request).clock()

    def told(one: Date) -> Told:
        label = "回访" if one.kind == "follow_up" else "到期"
        return one.at_ms, Entry(one.kind, "", one.words, one.parties, f"/cases/{one.case}", one.at_ms < now_ms, label)

    asked = [await ask(actor, from_ms, to_ms, a_day) for ask in (reads.agenda.dates, reads.agenda.follow_ups)]
    return [([told(one) for one in some.told], some.of_day) for some in asked]


async def visits(request: Request, from_ms: int, to_ms: int, a_day: int) -> Part:
    reads, actor, now_ms = node_of(request).reads, actor_of(request), node_of(request).clock()
    some = await reads.agenda.visits(actor, from_ms, to_ms, a_day)
    names = await reads.person_names({one.cadre for one in some.told} - {""})

    def told(one: Visit) -> Told:
        hour, who = calendar.local_time(one.at_ms), names.get(one.cadre, "")
        return one.at_ms, Entry("visit", hour, one.words, who, f"/tasks/{one.task}", one.at_ms < now_ms)

    return [told(one) for one in some.told], some.of_day


async def days(request: Request, first: date, a_day: int, whole: str) -> tuple[list[Day], dict[str, int]]:
    """Of each day the first `a_day` entries, of the date `whole` all. (the days, date → how many are left)."""
    node = node_of(request)
    rules, now_ms = node.tables().calendar, node.clock()
    told, of_day = await _told(request, first, DAYS, a_day)
    if (asked := day_of(whole)) and 0 <= (n := (asked - first).days) < DAYS:
        told[n] = (await _told(request, asked, 1, A_DAY_MAX))[0][0]
    today, made, left = local(now_ms).date(), [], {}
    for n in range(DAYS):
        day = first + timedelta(days=n)
        shown = told[n] if day == asked else told[n][:a_day]
        left[day.isoformat()] = of_day[n] - len(shown)
        words, weekday = f"{day.month}月{day.day}日", WEEKDAYS[day.weekday()]
        made.append(Day(day.isoformat(), words, weekday, rules.is_working(day), day == today, shown))
    return made, left


async def _told(request: Request, first: date, days: int, a_day: int) -> tuple[list[list[Entry]], list[int]]:
    """(of each day what is told, in its order; how many it has)."""
    span = calendar.start_of_day_ms(first), calendar.end_of_day_ms(first + timedelta(days=days - 1)) + 1
    parts = [await meetings(request, *span, a_day), *await dates(request, *span, a_day), await visits(request, *span, a_day)]
    by_day: dict[date, list[Entry]] = defaultdict(list)
    for at_ms, entry in sorted([one for told, _ in parts for one in told], key=lambda one: (one[1].time == "", one[0], one[1].words)):
        by_day[calendar.local_date(at_ms)].append(entry)
    counts = [of_day for _, of_day in parts if of_day]
    return [by_day[first + timedelta(days=n)] for n in range(days)], [sum(some[n] for some in counts) for n in range(days)]


@get("/calendar", of_cases=True)
async def agenda(request: Request) -> Response[Any]:
    first, whole = first_day(request), request.query_params.get("day", "")
    shown, left = await days(request, first, A_DAY_MAX if wants_json(request) else SHOWN_MAX, whole)
    if wants_json(request):
        return twin({"days": shown})
    before, after = first - timedelta(days=DAYS), first + timedelta(days=DAYS)
    around = {"first": first.isoformat(), "before": before.isoformat(), "after": after.isoformat()}
    return await page(request, "calendar.html", days=shown, left=left, **around, path="/calendar")


def routes() -> list:
    return [agenda]
