"""Counting days: the examples of domain.md §5.1 and of its eight days, and a slow oracle that walks day by day."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import calendar
from protocol.calendar import Calendar
from protocol.tables import Tables

CAL = Tables.packaged().calendar
ZONE = timezone(timedelta(hours=8))
DAYS = st.dates(date(2024, 6, 1), date(2027, 12, 31))


def d(text: str) -> date:
    return date.fromisoformat(text)


# ── an oracle: the notices typed a second time, one day after the other ──

REST_2026 = "01-01 01-02 01-03 04-04 04-05 04-06 05-01 05-02 05-03 05-04 05-05 06-19 06-20 06-21 09-25 09-26 09-27"
REST_2026 += " 02-15 02-16 02-17 02-18 02-19 02-20 02-21 02-22 02-23 10-01 10-02 10-03 10-04 10-05 10-06 10-07"
REST_2025 = "01-01 01-28 01-29 01-30 01-31 02-01 02-02 02-03 02-04 04-04 04-05 04-06 05-01 05-02 05-03 05-04 05-05"
REST_2025 += " 05-31 06-01 06-02 10-01 10-02 10-03 10-04 10-05 10-06 10-07 10-08"
REST = {f"2026-{day}" for day in REST_2026.split()} | {f"2025-{day}" for day in REST_2025.split()}
WORK = {f"2026-{day}" for day in "01-04 02-14 02-28 05-09 09-20 10-10".split()}
WORK |= {f"2025-{day}" for day in "01-26 02-08 04-27 09-28 10-11".split()}


def oracle_works(day: date) -> bool:
    text = day.isoformat()
    return text in WORK or (text not in REST and day.strftime("%a") not in ("Sat", "Sun"))


def oracle_working_days(day: date, n: int, out: set[date]) -> date:
    counted = 0
    while counted < n:
        day += timedelta(days=1)
        if oracle_works(day) and day not in out:
            counted += 1
    return day


def oracle_days(day: date, n: int, out: set[date]) -> date:
    counted = 0
    while counted < n:
        day += timedelta(days=1)
        if day not in out:
            counted += 1
    while not oracle_works(day) or day in out:
        day += timedelta(days=1)
    return day


def oracle_month(day: date, n: int) -> date:
    """Walks n month ends; the same day number, or the last day that month has."""
    first = day.replace(day=1)
    for _ in range(n):
        first = (first + timedelta(days=31)).replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(day.day, last.day))


def test_every_day_of_both_years_is_as_the_notices_say() -> None:
    days = [date(2025, 1, 1) + timedelta(n) for n in range(730)]
    assert [CAL.is_working(day) for day in days] == [oracle_works(day) for day in days]
    assert sum(map(CAL.is_working, days[:365])) == 248
    assert sum(map(CAL.is_working, days[365:])) == 248


@given(DAYS, st.integers(0, 90))
def test_working_days_agree_with_the_oracle(day: date, n: int) -> None:
    last = CAL.add_working_days(day, n)
    assert last == oracle_working_days(day, n, set())
    assert CAL.working_days_between(day, last) == n


@given(DAYS, st.integers(0, 400))
def test_calendar_days_agree_with_the_oracle(day: date, n: int) -> None:
    assert CAL.add_days(day, n) == oracle_days(day, n, set())
    assert CAL.add_days(day, n, move=False) == day + timedelta(n)


@given(DAYS, st.integers(0, 60), st.lists(st.tuples(st.integers(-5, 60), st.integers(0, 30)), max_size=3))
def test_excluded_time_agrees_with_the_oracle(day: date, n: int, periods: list[tuple[int, int]]) -> None:
    out = [(day + timedelta(a), day + timedelta(a + b)) for a, b in periods]
    gone = {first + timedelta(k) for first, last in out for k in range((last - first).days + 1)}
    assert CAL.add_working_days(day, n, out) == oracle_working_days(day, n, gone)
    if out:
        assert CAL.add_days(day, n, out=out) == oracle_days(day, n, gone)


@given(DAYS, st.integers(0, 40))
def test_months_agree_with_the_oracle(day: date, n: int) -> None:
    assert CAL.add_months(day, n, move=False) == oracle_month(day, n)
    assert CAL.add_months(day, n) == oracle_days(oracle_month(day, n), 0, set())


@given(DAYS, DAYS)
def test_working_days_between_agree_with_the_oracle(first: date, last: date) -> None:
    span = (last - first).days
    assert CAL.working_days_between(first, last) == sum(oracle_works(first + timedelta(k)) for k in range(1, span + 1))


@pytest.mark.parametrize(
    ("day", "n", "move", "same"),
    [
        ("2026-01-31", 1, False, "2026-02-28"),
        ("2028-01-31", 1, False, "2028-02-29"),
        ("2025-11-30", 3, False, "2026-02-28"),
        ("2025-12-31", 1, False, "2026-01-31"),
        ("2025-12-31", 2, True, "2026-02-28"),  # a Saturday that is worked
        ("2026-01-31", 1, True, "2026-02-28"),
        ("2026-09-30", 12, False, "2027-09-30"),
        ("2026-03-31", 6, True, "2026-09-30"),
    ],
)
def test_months_end_where_the_month_does(day: str, n: int, move: bool, same: str) -> None:
    assert CAL.add_months(d(day), n, move) == d(same)


# ── the examples of domain.md ──

DAYS_CASES = [
    ("T15 from Tue 06-30", "2026-06-30", 15, "2026-07-15"),
    ("T10 from 04-03: Sun 05-03, holiday", "2026-04-03", 30, "2026-05-06"),
    ("S1 village limit", "2026-03-16", 7, "2026-03-23"),
    ("S1 T10", "2026-03-18", 30, "2026-04-17"),
    ("S2 T6", "2026-01-19", 15, "2026-02-03"),
    ("S2 T25", "2026-01-23", 7, "2026-01-30"),
    ("S2 T10", "2026-02-06", 30, "2026-03-09"),
    ("S3 T25", "2026-05-11", 7, "2026-05-18"),
    ("S3 T3", "2026-06-09", 30, "2026-07-09"),
    ("S3 T10", "2026-06-16", 30, "2026-07-16"),
    ("S4 T15", "2026-08-31", 15, "2026-09-15"),
    ("S4 T17, a Sunday", "2026-09-02", 60, "2026-11-02"),
    ("S4 T17 with 30 more, moved once", "2026-09-02", 60 + 30, "2026-12-01"),
    ("S4 follow-up of the pledge, a Saturday", "2026-10-22", 30, "2026-11-23"),
    ("S4 T18", "2026-10-20", 30, "2026-11-19"),
    ("S6 T10, a Saturday", "2026-04-16", 30, "2026-05-18"),
    ("S8 T10", "2026-02-10", 30, "2026-03-12"),
]
WORKDAY_CASES = [
    ("T16 from Fri 05-08: Sat 9 works", "2026-05-08", 5, "2026-05-14"),
    ("S1 T12", "2026-03-31", 7, "2026-04-10"),
    ("S2 T23", "2026-01-23", 5, "2026-01-30"),
    ("S2 T12 of 03-13", "2026-03-13", 7, "2026-03-24"),
    ("S3 T7a", "2026-04-20", 10, "2026-05-07"),
    ("S5 T20 pass on", "2026-03-09", 5, "2026-03-16"),
    ("S5 T20 tell", "2026-03-09", 15, "2026-03-30"),
    ("S6 T4", "2026-02-11", 30, "2026-03-31"),
    ("S7 reply in 3", "2026-06-11", 3, "2026-06-16"),
]


@pytest.mark.parametrize(("name", "day", "n", "last"), DAYS_CASES)
def test_days_of_the_domain(name: str, day: str, n: int, last: str) -> None:
    assert CAL.add_days(d(day), n) == d(last), name


@pytest.mark.parametrize(("name", "day", "n", "last"), WORKDAY_CASES)
def test_working_days_of_the_domain(name: str, day: str, n: int, last: str) -> None:
    assert CAL.add_working_days(d(day), n) == d(last), name


def test_the_appraisal_of_s6_is_not_counted() -> None:
    assert CAL.add_working_days(d("2026-02-11"), 30, [(d("2026-03-02"), d("2026-03-27"))]) == d("2026-04-29")


def test_hours_run_from_the_minute_and_never_move() -> None:
    start = int(datetime(2026, 5, 1, 9, 30, tzinfo=ZONE).timestamp() * 1000)
    assert calendar.add_hours_ms(start, 72) == int(datetime(2026, 5, 4, 9, 30, tzinfo=ZONE).timestamp() * 1000)


# ── the local day ──


@given(st.datetimes(datetime(1992, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_the_local_date_is_that_of_utc_plus_8(moment: datetime) -> None:
    ms = int(moment.timestamp() * 1000)
    local = moment.astimezone(ZONE)
    assert calendar.local_date(ms) == local.date()
    assert calendar.local_time(ms) == f"{local:%H:%M}"
    assert calendar.start_of_day_ms(local.date()) <= ms <= calendar.end_of_day_ms(local.date())


def test_a_day_ends_at_midnight_and_the_next_millisecond_is_late() -> None:
    end = calendar.end_of_day_ms(d("2026-05-06"))
    assert calendar.local_date(end) == d("2026-05-06")
    assert calendar.local_date(end + 1) == d("2026-05-07")
    assert end + 1 == calendar.start_of_day_ms(d("2026-05-07"))


@given(st.integers(-(2**63), 2**63))
def test_no_clock_gone_mad_stops_the_counting(ms: int) -> None:
    assert 1970 <= calendar.local_date(ms).year <= 9000
    assert CAL.add_days(calendar.local_date(ms), 60).year <= 9001


def test_a_year_without_a_notice_is_provisional_and_counts_weekends_only() -> None:
    assert not CAL.is_provisional(d("2025-01-01"), d("2026-12-31"))
    assert CAL.is_provisional(d("2026-12-28"), d("2027-01-04"))
    assert CAL.is_working(d("2027-01-01"))  # a Friday: no notice says otherwise
    assert CAL.add_working_days(d("2026-12-30"), 2) == d("2027-01-01")
    told = Calendar([d("2027-01-01")], years=[2027])
    assert told.add_working_days(d("2026-12-30"), 2) == d("2027-01-04")


def test_an_unknown_unit_is_a_fault() -> None:
    with pytest.raises(ValueError, match="fortnight"):
        CAL.last_day(20_000, 1, "fortnight", True)
