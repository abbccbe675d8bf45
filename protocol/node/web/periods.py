"""Which days the figures are of: named periods and their neighbours, as days of UTC+8, both ends included.

A period that still runs ends today, and is compared to as many days of the one before: eight days of a month say nothing beside thirty.
"""

from calendar import monthrange
from datetime import date, timedelta
from typing import Final

import msgspec

from protocol.calendar import end_of_day_ms, start_of_day_ms
from protocol.node.statistics import Asked

NAMES: Final = {"month": "本月", "last_month": "上月", "quarter": "本季度", "year": "今年", "last_year": "去年", "days": "自选"}
DEFAULT: Final = "month"
TREND_MONTHS: Final = 12
FIRST_DAY: Final = date(2000, 1, 1)  # before it nobody registered anything; keeps arithmetic of days within the calendar
LAST_DAY: Final = date(2199, 12, 31)


class Period(msgspec.Struct, frozen=True):
    name: str
    since: date
    until: date
    before_since: date
    before_until: date

    @property
    def words(self) -> str:
        return span_words(self.since, self.until)

    @property
    def before_words(self) -> str:
        return span_words(self.before_since, self.before_until)

    @property
    def months(self) -> list[date]:
        """The first days of the TREND_MONTHS months up to the one that it ends in."""
        return [_month(self.until, -n) for n in reversed(range(TREND_MONTHS))]

    def asked(self, place: str, type: str) -> Asked:
        return Asked(
            start_of_day_ms(self.since),
            end_of_day_ms(self.until) + 1,
            (start_of_day_ms(self.before_since), end_of_day_ms(self.before_until) + 1),
            tuple(start_of_day_ms(day) for day in (*self.months, _month(self.until, 1))),
            place,
            type,
        )


def span_words(since: date, until: date) -> str:
    """'2026年11月1日至27日'; a day alone is said once."""
    first, last = f"{since.year}年{since.month}月{since.day}日", f"{until.year}年{until.month}月{until.day}日"
    if since == until:
        return first
    return f"{first}至" + (
        f"{until.day}日" if (since.year, since.month) == (until.year, until.month) else last.removeprefix(f"{since.year}年")
    )


def period(name: str, today: date, since: date | None = None, until: date | None = None) -> Period:
    """since, until: only of `days`; what is missing or the wrong way round is put right. An unknown name is the month."""
    if name == "days":
        return _days(today, since, until)
    if name == "last_month":
        return _whole(name, _month(today, -1), _month(today, 0), _month(today, -2))
    if name == "last_year":
        return _whole(name, date(today.year - 1, 1, 1), date(today.year, 1, 1), date(today.year - 2, 1, 1))
    if name == "quarter":
        first = _month(today, -((today.month - 1) % 3))
        return _running(name, first, today, _month(first, -3))
    if name == "year":
        return _running(name, date(today.year, 1, 1), today, date(today.year - 1, 1, 1))
    return _running(DEFAULT, _month(today, 0), today, _month(today, -1))


def _days(today: date, since: date | None, until: date | None) -> Period:
    last = min(max(until or today, FIRST_DAY), LAST_DAY)
    first = min(max(since or _month(last, 0), FIRST_DAY), LAST_DAY)
    first, last = min(first, last), max(first, last)
    length = last - first
    return Period("days", first, last, first - timedelta(1) - length, first - timedelta(1))


def _whole(name: str, first: date, after: date, before: date) -> Period:
    return Period(name, first, after - timedelta(1), before, first - timedelta(1))


def _running(name: str, first: date, today: date, before: date) -> Period:
    return Period(name, first, today, before, min(before + (today - first), first - timedelta(1)))


def _month(day: date, further: int) -> date:
    """The first day of the month that is `further` months after that of `day`."""
    count = day.year * 12 + day.month - 1 + further
    return date(count // 12, count % 12 + 1, 1)


def month_end(first: date) -> date:
    return first.replace(day=monthrange(first.year, first.month)[1])
