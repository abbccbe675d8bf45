"""Bars that need no script: what a chart draws, as shares of the longest bar. The table beside each says the same in numbers."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Part(msgspec.Struct, frozen=True):
    """One series of a bar. start, size: percent of the longest bar."""

    name: str
    tone: str
    number: int
    start: float
    size: float


class Bar(msgspec.Struct, frozen=True):
    """short: its name where there is little room · link: "" where nothing lies behind it."""

    name: str
    short: str
    link: str
    number: int
    parts: tuple[Part, ...]


def bars(chart: Mapping[str, Any]) -> list[Bar]:
    """chart: names, shorts, links, and series of {name, tone, data}, all in step. [] where all are zero."""
    series = chart["series"]
    totals = [sum(numbers) for numbers in zip(*(one["data"] for one in series), strict=True)]
    longest = max(totals, default=0)
    if not longest:
        return []
    made = []
    for n, (name, short, link) in enumerate(zip(chart["names"], chart["shorts"], chart["links"], strict=True)):
        parts, start = [], 0
        for one in series:
            number = one["data"][n]
            parts.append(Part(one["name"], one["tone"], number, round(start * 100 / longest, 2), round(number * 100 / longest, 2)))
            start += number
        made.append(Bar(name, short, link, totals[n], tuple(parts)))
    return made
