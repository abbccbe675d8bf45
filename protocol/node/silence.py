"""Where a task is, in words with time, and whether it has been silent too long: pure, by what this node really knows.

What it knows: when the task was sent; whether the node of his phone has said that it has the entry; when his phone fetched it here; what
he wrote himself (confirmed, arrived, reported). A phone of another node is that node's to know, and the words say so.

A limit counts the hours in which people are about (08:00 to 20:00): who is sent in the evening is not late at night. A date counts all of them.

Worst first: of those that are silent the one that is furthest beyond its limit; then the others, what ends first in front.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec

from protocol.calendar import DAY_MS, HOUR_MS, MINUTE_MS, ZONE_MS
from protocol.case import TASK_OPEN

UNREACHED_MS: Final = 30 * MINUTE_MS  # an open phone asks each 4 to 20 seconds: half an hour means no signal, no battery, or not opened
UNCONFIRMED_MS: Final = 2 * HOUR_MS  # half of a half day at work: there is still time to send somebody else today
UNANSWERED_MS: Final = 12 * HOUR_MS  # a unit answers by its desk, not from a motorbike: the next day
LEAVE_MS: Final = 2 * HOUR_MS  # the farthest place of a region is an hour and a half by road: two hours before the end one may be late
UNREPORTED_MS: Final = 4 * HOUR_MS  # a talk takes a morning; beyond it the report was forgotten, or did not get out of the phone
AWAKE_MS: Final = (8 * HOUR_MS, 20 * HOUR_MS)  # of a day, UTC+8


class Known(msgspec.Struct, frozen=True):
    """What is known of the way to the phone. fetched_ms: when it took the task from here (0: not, or elsewhere) · carrier: name of the
    node that serves it, "" when this one does · carrier_has: that node said so · office: through whom a linked task goes, "" else."""

    fetched_ms: int = 0
    carrier: str = ""
    carrier_has: bool = False
    office: str = ""


class Standing(msgspec.Struct, frozen=True):
    """words: for people · over_ms: how far beyond its limit, 0 within it."""

    words: str
    over_ms: int = 0

    @property
    def is_silent(self) -> bool:
        return self.over_ms > 0


def lasted(ms: int) -> str:
    """'40 分钟', '2 小时', '3 天': rounded down, so that nothing reads longer than it is."""
    if ms < HOUR_MS:
        return f"{max(ms, 0) // MINUTE_MS} 分钟"
    return f"{ms // HOUR_MS} 小时" if ms < 2 * DAY_MS else f"{ms // DAY_MS} 天"


def awake_ms(since_ms: int, now_ms: int) -> int:
    """How much of the time between them lies between eight and twenty o'clock."""
    return _awake_until(now_ms) - _awake_until(since_ms)


@lru_cache(maxsize=2048)  # of hundreds of tasks now is the same, and each page asks again of when they were sent
def _awake_until(ms: int) -> int:
    first, last = AWAKE_MS
    days, rest = divmod(ms + ZONE_MS, DAY_MS)
    return days * (last - first) + min(max(rest - first, 0), last - first)


def standing(task: Any, known: Known, now_ms: int) -> Standing:
    """task: a TaskRow or a Task. A limit in between and the date itself: what is further beyond counts."""
    if task.status not in TASK_OPEN:
        return _over(task)
    made = _sent(task, known, now_ms) if task.status == "sent" else _under_way(task, now_ms)
    late_ms = now_ms - task.due_ms if task.due_ms else 0
    if late_ms <= 0:
        return made
    words = made.words if task.status == "sent" else {"confirmed": "已接单", "arrived": "已到场"}[task.status]
    rest = {"confirmed": "，还没到场", "arrived": "，还没报结果"}.get(task.status, "")
    return Standing(f"{words} · 期限过了 {lasted(late_ms)}{rest}", max(made.over_ms, late_ms))


def _over(task: Any) -> Standing:
    words = {"reported": "已报结果", "declined": "已谢绝，要另派", "recalled": "已撤回"}.get(task.status, "")
    return Standing(f"{words} · 反馈等核对" if task.status == "reported" and task.reviews else words)


def _sent(task: Any, known: Known, now_ms: int) -> Standing:
    sent_ms = task.assigned_ms
    if task.unit and not task.cadre:
        return _waits("已送出", "没有答复", sent_ms, now_ms, UNANSWERED_MS)
    if known.office:
        return _waits(f"已派出，经{known.office}转", "没有答复", sent_ms, now_ms, UNCONFIRMED_MS)
    if known.fetched_ms:
        return _waits("已到手机", "未接单", known.fetched_ms, now_ms, UNCONFIRMED_MS)
    if known.carrier_has:
        return _waits(f"已到{known.carrier}的机器", "未接单", sent_ms, now_ms, UNCONFIRMED_MS)
    way = f"还没到{known.carrier}的机器，手机也收不到" if known.carrier else "还没到手机"
    return _waits("已派出", way, sent_ms, now_ms, UNREACHED_MS)


def _waits(words: str, silent: str, since_ms: int, now_ms: int, limit_ms: int) -> Standing:
    """Under a minute nothing is said of the time: he can't have looked yet."""
    passed_ms = now_ms - since_ms
    said = words if passed_ms < MINUTE_MS else f"{words} · {lasted(passed_ms)}{silent}"
    return Standing(said, max(0, awake_ms(since_ms, now_ms) - limit_ms))


def _under_way(task: Any, now_ms: int) -> Standing:
    if task.status == "arrived":
        return _waits("已到场", "还没报结果", task.arrived_ms or now_ms, now_ms, UNREPORTED_MS)
    rest_ms = task.due_ms - now_ms if task.due_ms else LEAVE_MS
    if rest_ms >= LEAVE_MS:
        return Standing("已接单")
    return Standing(f"已接单 · 还有 {lasted(max(rest_ms, 0))}到期，还没到场", LEAVE_MS - rest_ms)


def declined(task: Any, now_ms: int) -> Standing:
    """A visit that was declined and that nobody else was given: silent at once, since it is nobody's."""
    since_ms = max(1, now_ms - task.updated_ms)
    return Standing(f"已谢绝 · {lasted(since_ms)}没有另派" if since_ms >= MINUTE_MS else "已谢绝，要另派", since_ms)


def worst_first(task: Any, stands: Standing) -> tuple:
    """A key to sort by. What is over comes last, newest first."""
    if task.status not in TASK_OPEN and not stands.is_silent:
        return (1, 0 if task.reviews else 1, 0, -task.updated_ms, task.subject)
    return (0, 0 if stands.is_silent else 1, -stands.over_ms, task.due_ms or task.assigned_ms, task.subject)
