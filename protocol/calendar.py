"""How days are counted in UTC+8 (domain.md §5.1; 民法典 201–203, 民诉法 85): the day of the event is not counted, day 1 is the next day.

日 are calendar days; if the last is a weekend or holiday it moves to the first working day after. A make-up Saturday or
Sunday (调休上班) is a working day. 工作日 count only working days. 月 and 年 end on the same day number, else the month's end,
then move. 小时 run from the minute and never move. A day ends at 24:00: the last millisecond still belongs to it.
The arrangement of rest days is data; in a year without one only weekends are counted and the date is provisional (暂定).
Time excluded by law (鉴定, 听证): `out` lists periods (first, last), both days included, that are not counted.
"""

import calendar as _month
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
ZONE_MS: Final = 8 * HOUR_MS  # UTC+8, no summer time since 1991
_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY_MAX: Final = date(9000, 1, 1).toordinal() - _EPOCH  # a clock gone mad must not stop a fold
_MEMO_MAX: Final = 50_000  # answers kept; a county's clocks ask for a few thousand different ones
_FIRST_WEEKDAY: Final = 3  # 1970-01-01 was a Thursday

Periods = Iterable[tuple[date, date]]


def day_number(ms: int) -> int:
    """Days since 1970-01-01 of the local date of `ms`; total: absurd times are cut to the years 1970 to 8999."""
    number = (ms + ZONE_MS) // DAY_MS
    return number if 0 <= number <= _DAY_MAX else 0 if number < 0 else _DAY_MAX


def day_end_ms(number: int) -> int:
    return (number + 1) * DAY_MS - ZONE_MS - 1


def to_date(number: int) -> date:
    return date.fromordinal(number + _EPOCH)


def to_number(day: date) -> int:
    return day.toordinal() - _EPOCH


def local_date(ms: int) -> date:
    """The date in UTC+8 of Unix milliseconds."""
    return to_date(day_number(ms))


def start_of_day_ms(day: date) -> int:
    return to_number(day) * DAY_MS - ZONE_MS


def end_of_day_ms(day: date) -> int:
    """The last millisecond of the day; one more is the next midnight, from which it is overdue."""
    return day_end_ms(to_number(day))


def local_time(ms: int) -> str:
    """'17:30' in UTC+8."""
    minutes = (ms + ZONE_MS) % DAY_MS // MINUTE_MS
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def add_hours_ms(ms: int, hours: int) -> int:
    """From the minute, never moved (民法典 201)."""
    return ms + hours * HOUR_MS


class Calendar:
    """Immutable but for a memo of its own answers. rest and work are the days of the notices; years those that have one."""

    __slots__ = ("_known", "_memo", "_rest", "_work", "closes", "years")

    def __init__(self, rest: Iterable[date] = (), work: Iterable[date] = (), years: Iterable[int] = (), closes: str = "17:30") -> None:
        self._rest = frozenset(to_number(d) for d in rest)
        self._work = frozenset(to_number(d) for d in work)
        self.years = frozenset(years)
        self.closes = closes
        self._known = _longest_run(self.years)
        self._memo: dict[tuple[int, int, str, bool], int] = {}

    def is_working(self, day: date) -> bool:
        return self._works(to_number(day))

    def is_provisional(self, first: date, last: date | None = None) -> bool:
        """Claims that a year from `first` to `last` has no notice yet."""
        return any(year not in self.years for year in range(first.year, (last or first).year + 1))

    def is_known(self, first: int, last: int) -> bool:
        """The contrary, on day numbers."""
        if self._known[0] <= first <= last <= self._known[1]:
            return True
        return first > last or not self.is_provisional(to_date(first), to_date(last))

    def moved(self, day: date) -> date:
        """The day itself, or the first working day after it."""
        return to_date(self._moved(to_number(day)))

    def add_days(self, day: date, n: int, move: bool = True, out: Periods = ()) -> date:
        """日. An extension is added to n before, so that it moves once."""
        return self._counted(day, n, "day", move, out)

    def add_working_days(self, day: date, n: int, out: Periods = ()) -> date:
        """工作日."""
        return self._counted(day, n, "workday", False, out)

    def add_months(self, day: date, n: int, move: bool = True) -> date:
        """月; 年 are twelve of them."""
        return to_date(self.last_day(to_number(day), n, "month", move))

    def working_days_between(self, first: date, last: date) -> int:
        """Working days after `first` up to and with `last`; 0 when `last` is not after it."""
        return sum(self._works(n) for n in range(to_number(first) + 1, to_number(last) + 1))

    def last_day(self, number: int, length: int, unit: str, move: bool) -> int:
        """The same on day numbers, remembered. unit: day, workday, month, year. Raises ValueError for another unit."""
        key = (number, length, unit, move)
        found = self._memo.get(key)
        if found is None:
            if len(self._memo) >= _MEMO_MAX:
                self._memo.clear()
            found = self._memo[key] = self._last_day(number, length, unit, move)
        return found

    def _last_day(self, number: int, length: int, unit: str, move: bool) -> int:
        if unit == "workday":
            return self._skipped(number, length, frozenset(), work_only=True)
        if unit == "day":
            last = number + length
        elif unit in ("month", "year"):
            last = _same_day(number, length if unit == "month" else 12 * length)
        else:
            raise ValueError(f"no unit of days: {unit}")
        return self._moved(last) if move else last

    def _counted(self, day: date, n: int, unit: str, move: bool, out: Periods) -> date:
        gone = frozenset(to_number(first) + k for first, last in out for k in range((last - first).days + 1))
        if not gone:
            return to_date(self.last_day(to_number(day), n, unit, move))
        last = self._skipped(to_number(day), n, gone, work_only=unit == "workday")
        while move and (last in gone or not self._works(last)):
            last += 1
        return to_date(last)

    def _skipped(self, number: int, n: int, gone: frozenset[int], work_only: bool) -> int:
        while n > 0:
            number += 1
            n -= number not in gone and (not work_only or self._works(number))
        return number

    def _moved(self, number: int) -> int:
        while not self._works(number):
            number += 1
        return number

    def _works(self, number: int) -> bool:
        return number in self._work or (number not in self._rest and (number + _FIRST_WEEKDAY) % 7 < 5)


def _longest_run(years: frozenset[int]) -> tuple[int, int]:
    """First and last day number of the newest years in a row that have a notice."""
    if not years or not 1970 <= max(years) < 9000:
        return (0, -1)
    first = last = max(years)
    while first - 1 in years and first > 1970:
        first -= 1
    return to_number(date(first, 1, 1)), to_number(date(last, 12, 31))


def _same_day(number: int, months: int) -> int:
    day = to_date(number)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return to_number(date(year, month + 1, min(day.day, _month.monthrange(year, month + 1)[1])))


def days_of(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`, both included."""
    return [first + timedelta(k) for k in range((last - first).days + 1)]
