"""Folding ahead: while the store writes what one transaction brought, the subjects that the next one begins are folded already.

    ahead = Ahead(journal.views, journal.tables, upcoming); await w.take(runs, ahead=ahead)

It is a guess and never more: what is used was folded from the very entries that stand in the transaction, and by the very tables and
revocations that are in force there. Everything else is folded in the transaction.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from operator import is_
from typing import Any

from protocol.lane import SORT
from protocol.node import log
from protocol.node.journal.projection import FOLDS_AT_ONCE, Folded, Views, folded
from protocol.node.journal.stored import Stored

_Guess = tuple[Sequence[Stored], tuple[Any, ...], Folded]  # what was folded, by what, what it came to


class Ahead:
    """One for each kind of transaction that follow one another."""

    def __init__(self, views: Views, tables: Callable[[], Any], upcoming: Callable[[], Iterable[Stored]]) -> None:
        """upcoming: the entries of the next transaction, as far as it can be foreseen, in the order in which they would be appended."""
        self._views, self._tables, self._upcoming = views, tables, upcoming
        self._guesses: dict[str, _Guess] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn: object = None  # whose it is to fold; the others end

    def begin(self) -> None:
        """Nothing is to be folded for a while."""
        entries = list(self._upcoming())
        if not entries:
            self._guesses = {}
            return
        self._turn = turn = object()
        self._tasks.add(task := asyncio.create_task(self._fold(entries, turn), name="fold ahead"))
        task.add_done_callback(self._tasks.discard)

    def halt(self) -> None:
        """Something is to be folded now."""
        self._turn = None

    async def settled(self) -> None:
        self.halt()
        await asyncio.gather(*self._tasks)

    def take(self, entries: Sequence[Stored], tables: Any) -> Folded | None:
        """What these entries, all of one subject, come to, where just that was folded."""
        guess = self._guesses.pop(entries[0].subject, None)
        if guess is None:
            return None
        of, by, came_to = guess
        is_same = len(of) == len(entries) and all(map(is_, of, entries)) and all(map(is_, by, self._by(tables)))
        return came_to if is_same else None

    def _by(self, tables: Any) -> tuple[Any, ...]:
        """Whatever a fold rests on besides entries."""
        return (tables, *getattr(self._views, "by", ()))

    async def _fold(self, entries: Sequence[Stored], turn: object) -> None:
        subjects: dict[str, list[Stored]] = {}
        for e in entries:
            if e.sort != SORT:
                subjects.setdefault(e.subject, []).append(e)
        begun = {subject: some for subject, some in subjects.items() if any(e.head.turn == 1 for e in some)}  # of others more is here
        self._guesses = {subject: guess for subject, guess in self._guesses.items() if len(guess[0]) == len(begun.get(subject, ()))}
        for n, subject in enumerate(sorted(begun.keys() - self._guesses.keys())):
            if n % FOLDS_AT_ONCE == 0:
                await asyncio.sleep(0)  # the store gets its next rows, and pages are drawn, by the same loop
            if self._turn is not turn:
                return
            tables = self._tables()
            try:
                self._guesses[subject] = begun[subject], self._by(tables), folded(self._views, begun[subject], tables)
            except Exception as error:  # noqa: BLE001, whoever folds it in the transaction hears of it
                log.event("not folded ahead", level=logging.WARNING, exception=error)
