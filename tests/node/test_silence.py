"""What is said of a task that nobody hears of, and which one is looked at first."""

import pytest

from protocol.node import silence
from protocol.node.shown import TaskRow, row_as
from protocol.node.silence import (
    DAY_MS,
    HOUR_MS,
    LEAVE_MS,
    MINUTE_MS,
    UNCONFIRMED_MS,
    UNREACHED_MS,
    UNREPORTED_MS,
    Known,
    standing,
    worst_first,
)

SENT_MS = 12 * DAY_MS + HOUR_MS  # nine in the morning, UTC+8
DUE_MS = SENT_MS + 30 * DAY_MS


def task(status: str = "sent", **more) -> TaskRow:
    return row_as(TaskRow, {"subject": "a" * 32, "status": status, "cadre": "p", "assigned_ms": SENT_MS, "due_ms": DUE_MS, **more})


def said(after_ms: int, known: Known = Known(), **more) -> silence.Standing:
    return standing(task(**more), known, SENT_MS + after_ms)


@pytest.mark.parametrize(
    ("after_ms", "known", "words", "is_silent"),
    [
        (20_000, Known(), "已派出", False),
        (UNREACHED_MS, Known(), "已派出 · 30 分钟还没到手机", False),
        (40 * MINUTE_MS, Known(), "已派出 · 40 分钟还没到手机", True),
        (40 * MINUTE_MS, Known(carrier="天子湖镇"), "已派出 · 40 分钟还没到天子湖镇的机器，手机也收不到", True),
        (40 * MINUTE_MS, Known(carrier="天子湖镇", carrier_has=True), "已到天子湖镇的机器 · 40 分钟未接单", False),
        (3 * HOUR_MS, Known(carrier="天子湖镇", carrier_has=True), "已到天子湖镇的机器 · 3 小时未接单", True),
        (3 * HOUR_MS, Known(fetched_ms=SENT_MS + HOUR_MS), "已到手机 · 2 小时未接单", False),
        (3 * HOUR_MS + 1, Known(fetched_ms=SENT_MS + HOUR_MS), "已到手机 · 2 小时未接单", True),
        (3 * HOUR_MS, Known(office="梅溪镇综治中心"), "已派出，经梅溪镇综治中心转 · 3 小时没有答复", True),
    ],
)
def test_a_sent_task_says_how_far_it_got_and_for_how_long(after_ms, known, words, is_silent):
    made = said(after_ms, known)
    assert (made.words, made.is_silent) == (words, is_silent)


def test_the_night_is_not_silence():
    evening = SENT_MS + 10 * HOUR_MS + 50 * MINUTE_MS  # ten to eight
    assert not standing(task(assigned_ms=evening), Known(), evening + 12 * HOUR_MS).is_silent, "ten to eight in the morning"
    assert not standing(task(assigned_ms=evening), Known(), evening + 12 * HOUR_MS + 30 * MINUTE_MS).is_silent
    late = standing(task(assigned_ms=evening), Known(), evening + 12 * HOUR_MS + 31 * MINUTE_MS)
    assert (late.words, late.over_ms) == ("已派出 · 12 小时还没到手机", MINUTE_MS)
    assert silence.awake_ms(evening - 8 * DAY_MS, evening) == 8 * 12 * HOUR_MS


def test_a_unit_is_given_a_day():
    asked = {"cadre": "", "unit": "330523/u06"}
    assert said(3 * HOUR_MS, **asked) == silence.Standing("已送出 · 3 小时没有答复")
    assert said(25 * HOUR_MS, **asked).is_silent


def test_whoever_confirmed_is_silent_only_when_he_should_have_left():
    soon = {"status": "confirmed", "due_ms": SENT_MS + DAY_MS}
    assert said(DAY_MS - LEAVE_MS, **soon) == silence.Standing("已接单")
    late = said(DAY_MS - HOUR_MS, **soon)
    assert (late.words, late.over_ms) == ("已接单 · 还有 1 小时到期，还没到场", HOUR_MS)
    assert said(DAY_MS + 2 * HOUR_MS, **soon).words == "已接单 · 期限过了 2 小时，还没到场"
    assert said(90 * DAY_MS, status="confirmed", due_ms=None) == silence.Standing("已接单")


def test_whoever_arrived_is_silent_when_no_report_comes():
    there = {"status": "arrived", "arrived_ms": SENT_MS + HOUR_MS}
    assert not said(HOUR_MS + UNREPORTED_MS, **there).is_silent
    assert said(HOUR_MS + UNREPORTED_MS + 1, **there).words == "已到场 · 4 小时还没报结果"
    assert said(HOUR_MS + UNREPORTED_MS + 1, **there).is_silent


@pytest.mark.parametrize(("status", "words"), [("reported", "已报结果"), ("declined", "已谢绝，要另派"), ("recalled", "已撤回")])
def test_what_is_over_is_never_silent(status, words):
    assert said(400 * DAY_MS, status=status) == silence.Standing(words)
    assert said(400 * DAY_MS, status=status, reviews=1).words == ("已报结果 · 反馈等核对" if status == "reported" else words)


def test_the_worst_comes_first_and_what_is_over_last():
    now_ms, sent_at = SENT_MS + 10 * DAY_MS, SENT_MS + 10 * DAY_MS
    rows = {
        "nine days at no phone": task(subject="1", assigned_ms=now_ms - 9 * DAY_MS),
        "three days past its date": task(subject="2", status="confirmed", due_ms=now_ms - 3 * DAY_MS),
        "an hour at no phone": task(subject="3", assigned_ms=now_ms - HOUR_MS),
        "due tomorrow": task(subject="4", status="confirmed", due_ms=now_ms + DAY_MS),
        "due later": task(subject="5", status="confirmed", due_ms=now_ms + 2 * DAY_MS),
        "reported, to be reviewed": task(subject="6", status="reported", reviews=1, updated_ms=sent_at - 5),
        "reported just now": task(subject="7", status="reported", updated_ms=sent_at),
        "reported before": task(subject="8", status="reported", updated_ms=sent_at - 9),
    }
    stands = {name: standing(row, Known(), now_ms) for name, row in rows.items()}
    mixed = [*rows][::-1]
    assert sorted(mixed, key=lambda name: worst_first(rows[name], stands[name])) == list(rows)
    assert UNREACHED_MS < UNCONFIRMED_MS < UNREPORTED_MS


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (-5, "0 分钟"),
        (59 * MINUTE_MS, "59 分钟"),
        (HOUR_MS, "1 小时"),
        (47 * HOUR_MS, "47 小时"),
        (2 * DAY_MS, "2 天"),
        (8 * DAY_MS - 1, "7 天"),
    ],
)
def test_durations_are_rounded_down(ms, words):
    assert silence.lasted(ms) == words
