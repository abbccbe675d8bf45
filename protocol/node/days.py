"""How long something lies, counted in days on which this node ran: a clock that jumps a year ahead makes nothing old.

    days = await ran(journal, now_ms)     notes today, once
    before_ms = old(days, 30, now_ms)     what was touched last before it has lain for 30 such days; 0: nothing has

A day is noted by what the clock showed, at most one for each 24 hours that it went on, and one where it jumped. What is older than all that it
showed on the last days is old, whichever of them was right.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from protocol.node.journal import Journal
from protocol.problem import OWN_STORE, Refused

DAY_MS: Final = 86_400_000
DAYS_MAX: Final = 91  # one more than anybody asks for
_NAME: Final = "days run"


async def ran(journal: Journal, now_ms: int) -> list[int]:
    """What the clock showed on the days on which this node ran, the latest last. A store that takes nothing now notes today another time."""
    days = _read(await journal.local(_NAME))
    if days and -DAY_MS < now_ms - days[-1] < DAY_MS:
        return days
    try:
        async with journal.writing() as w:
            days = [*_read(await w.local(_NAME)), now_ms][-DAYS_MAX:]
            await w.set_local(_NAME, msgspec.msgpack.encode(days))
    except Refused as refused:
        if refused.code not in OWN_STORE:
            raise
    return days


def old(days: Sequence[int], count: int, now_ms: int) -> int:
    """days: of `ran` · count: fewer than DAYS_MAX. Unix milliseconds."""
    return min(*days[-count - 1 :], now_ms - count * DAY_MS) if len(days) > count else 0


def _read(noted: bytes | None) -> list[int]:
    return msgspec.msgpack.decode(noted, type=list[int]) if noted else []
