"""Answers that many pages ask for, kept until an entry comes, and KEPT_MS at most: clocks run out without one. What hangs on no clock is
kept for LONG_MS: what an entry changes in other subjects is folded a moment after it.

counts = await kept.of(c, ("counts", actor.offices), lambda: count(c, actor))      c: the snapshot in which it is asked
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.node.journal.rows import named

KEPT_MS: Final = 10_000
LONG_MS: Final = 60_000
KEPT_MAX: Final = 200  # offices that ask at one node, with what they ask


class _Answer(NamedTuple):
    """found as of the entry at `position`, at `at_ms` of this node's clock."""

    position: int | None
    at_ms: int
    found: Any


class Kept:
    def __init__(self, clock: Callable[[], int], most: int = KEPT_MAX) -> None:
        """most: of answers at once."""
        self._clock, self._most = clock, most
        self._answers: dict[Any, _Answer] = {}

    async def of(self, c: AsyncConnection, key: Any, ask: Callable[[], Awaitable[Any]], for_ms: int = KEPT_MS) -> Any:
        """Never change what comes of it: the next one gets the same. key: all that the answer hangs on besides entries and time."""
        now_ms, newest = self._clock(), (await named(c, "select max(position) from entry", {}))[0][0]
        known = self._answers.get(key)
        if known is None or known.position != newest or not 0 <= now_ms - known.at_ms < for_ms:
            if len(self._answers) >= self._most:
                self._answers.clear()
            known = self._answers[key] = _Answer(newest, now_ms, await ask())
        return known.found
