"""Answers that many pages ask for, kept until an entry comes or something is folded anew, and KEPT_MS at most: clocks run out without either.

What hangs on no clock is kept for LONG_MS, and so is what hangs on clocks of which it is known when the next runs out (`until`): counting
20,000 open cases every 10 s took 0.1 s of whoever asked just then. On PostgreSQL nothing is kept longer than KEPT_MS: an entry may be seen
there after one with a higher position.

counts = await kept.of(c, ("counts", actor.offices), lambda: count(c, actor))      c: the snapshot in which it is asked
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.node.journal.rows import is_postgres, named
from protocol.node.journal.writing import REFOLDS

KEPT_MS: Final = 10_000
LONG_MS: Final = 60_000
KEPT_MAX: Final = 200  # offices that ask at one node, with what they ask
_AS_OF: Final = "select (select max(position) from entry), coalesce((select value from counter where name = :name), 0)"
OF_TASKS: Final = _AS_OF.replace("from entry", "from entry where sort = 'task'")  # an index of its own (listing.INDICES)


Until = Callable[[AsyncConnection, int], Awaitable[int]]  # (c, now in ms) → the first moment in ms at which the answer is another


async def as_of(c: AsyncConnection, hangs_on: str = _AS_OF) -> tuple[Any, ...]:
    """(position of the newest entry, how often something was folded anew): while these stay, so do the rows of views."""
    return tuple((await named(c, hangs_on, {"name": REFOLDS}))[0])


class _Answer(NamedTuple):
    """as_of: see there · at_ms, until_ms: by this node's clock."""

    as_of: tuple[Any, ...]
    at_ms: int
    until_ms: int
    found: Any


class Kept:
    def __init__(self, clock: Callable[[], int], most: int = KEPT_MAX) -> None:
        """most: of answers at once."""
        self._clock, self._most = clock, most
        self._answers: dict[Any, _Answer] = {}

    async def of(
        self,
        c: AsyncConnection,
        key: Any,
        ask: Callable[[], Awaitable[Any]],
        for_ms: int = KEPT_MS,
        until: Until | None = None,
        hangs_on: str = _AS_OF,
    ) -> Any:
        """Never change what comes of it: the next one gets the same. key: all that the answer hangs on besides entries and time.

        hangs_on: SQL of what it hangs on, where that is less than all entries.
        """
        now_ms, newest = self._clock(), await as_of(c, hangs_on)
        known = self._answers.get(key)
        if known is None or known.as_of != newest or not known.at_ms <= now_ms < known.until_ms:
            until_ms = now_ms + (KEPT_MS if is_postgres(c) else LONG_MS if until else for_ms)
            if until:
                until_ms = min(until_ms, await until(c, now_ms))
            if len(self._answers) >= self._most:
                self._answers.clear()
            known = self._answers[key] = _Answer(newest, now_ms, until_ms, await ask())
        return known.found
