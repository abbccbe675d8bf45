"""What a play is made of, how often things happen, and the hours of an office. Nothing here draws a story: that is `history_writer`."""

import datetime as dt
import random
from typing import Any, Final

import msgspec

from deploy.demo.history_cast import CHINA
from protocol.tables import Tables

OPENS: Final = 8 * 60 + 30  # minutes of the day
CLOSES: Final = 17 * 60 + 30
# how often a turn happens when nothing asks for it
CHANCES: Final = {
    "void": 0.012, "correct": 0.04, "withdraw": 0.025, "law": 0.015, "note": 0.45, "note_later": 0.3, "end_low": 0.05, "return": 0.04, "visit": 0.5, "no_cadre": 0.07,
    "recall": 0.05, "stall": 0.05, "instruct": 0.3, "rise": 0.45, "ease": 0.6, "late_follow": 0.07, "unkept": 0.05, "partly": 0.07, "archive": 0.85, "opinion": 0.5,
    "hand_down": 0.6, "county_fails": 0.25, "decline": 0.45, "late_take_up": 0.1, "next_day": 0.25,
    "late_report": 0.12,
}  # fmt: skip


class Act(msgspec.Struct, frozen=True):
    """kind: of the post that acts · command: class name · fields: of the command, without id and case · name: of the id."""

    at_ms: int
    office: str
    kind: str
    command: str
    fields: dict[str, Any]
    name: str


class Play(msgspec.Struct, frozen=True):
    """ledger: the village it happened in."""

    number: int
    ledger: str
    acts: list[Act]


def at_work(chance: random.Random, ms: int) -> int:
    """The same moment when an office is open, else a minute of the next day it is."""
    calendar = Tables.packaged().calendar
    at = dt.datetime.fromtimestamp(ms / 1000, CHINA)
    minute = at.hour * 60 + at.minute
    if calendar.is_working(at.date()) and OPENS <= minute < CLOSES:
        return ms
    if calendar.is_working(at.date()) and minute < OPENS:
        day = at.date()
    else:
        day = at.date() + dt.timedelta(days=1)
        while not calendar.is_working(day):
            day += dt.timedelta(days=1)
    minute = chance.choice((510, 530, 545, 570, 600, 640, 810, 850, 900, 960)) + chance.randrange(30)
    opened = dt.datetime.combine(day, dt.time(), CHINA) + dt.timedelta(minutes=minute, seconds=chance.randrange(60))
    return int(opened.timestamp() * 1000)


def midnight_ms(day: dt.date) -> int:
    return int(dt.datetime.combine(day, dt.time(), CHINA).timestamp() * 1000)
