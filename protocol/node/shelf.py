"""The tables in force: what *common* says, else what came in the package.

    shelf = Shelf(clock); journal = await Journal.open(url, key, shelf); await shelf.load(journal)

`shelf()` never waits. Of several versions of a table the one with the latest `valid_from` that has begun is in force (then
the highest version). Desk and admission load again after a commit on *common*.
"""

from collections.abc import Callable
from typing import Any

from protocol.tables import Tables


class Shelf:
    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._tables = Tables.packaged()

    def __call__(self) -> Tables:
        return self._tables

    async def load(self, journal: Any) -> bool:
        """Reads table_row; returns whether the tables in force changed."""
        raise NotImplementedError
