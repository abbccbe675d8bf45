"""After a commit, whoever shows or sends what changed is told: the pump at once, page streams by an event. Nothing is queued.

wake.listen(pump.committed)                  called with the lanes of each commit, in the loop, must not block
wake.on_added(pump.added)                    before that, also with what went into them, where the one who wrote has it at hand
async with wake.watch() as event:            an asyncio.Event that also names what changed
    await event.wait(); changed = event.take()
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

Lane = tuple[str, str]  # (ledger, origin)
TURNS = 2  # of the loop: the pump's, then its client's, which writes beside it
SUBJECTS_MAX = 1_000  # a stream that slept longer redraws everything anyway


class Watched(asyncio.Event):
    """Set after each commit; `take` clears it and returns the subjects that changed since (empty: redraw everything).

    committed: set when entries came, and not only news of peers; whoever uses it clears it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.committed = asyncio.Event()
        self._subjects: set[str] = set()
        self._all = False

    def note(self, subjects: Iterable[str]) -> None:
        self.committed.set()
        self._subjects.update(subjects)
        if len(self._subjects) > SUBJECTS_MAX:
            self._subjects.clear()
            self._all = True
        self.set()

    def note_all(self) -> None:
        self._all = True
        self.set()

    def take(self) -> frozenset[str]:
        taken = frozenset() if self._all else frozenset(self._subjects)
        self._subjects.clear()
        self._all = False
        self.clear()
        return taken


class Wake:
    def __init__(self) -> None:
        self._listeners: list[Callable[[list[Lane]], None]] = []
        self._takers: list[Callable[[list[Lane], Mapping[Lane, Any]], None]] = []
        self._hearers: list[Callable[[], None]] = []
        self._watched: set[Watched] = set()

    def listen(self, committed: Callable[[list[Lane]], None]) -> None:
        self._listeners.append(committed)

    def on_added(self, added: Callable[[list[Lane], Mapping[Lane, Any]], None]) -> None:
        """Told at each commit: its lanes, and of some lane → Added (journal.writing)."""
        self._takers.append(added)

    def on_heard(self, heard: Callable[[], None]) -> None:
        self._hearers.append(heard)

    def commit(self, lanes: Iterable[Lane], subjects: Iterable[str], added: Mapping[Lane, Any] | None = None) -> None:
        """Call after the commit, never inside the transaction."""
        advanced, changed = sorted(set(lanes)), set(subjects)
        for taken in self._takers:
            taken(advanced, added or {})
        for watched in self._watched:
            watched.note(changed)
        for committed in self._listeners:
            committed(advanced)

    async def passed_on(self) -> None:
        """Returns when whoever was woken had its turn, and the socket that it wrote into."""
        for _ in range(TURNS):
            await asyncio.sleep(0)

    def heard(self) -> None:
        """Something that pages show changed without a commit of entries: a peer's Have, a peer that came or went."""
        for watched in self._watched:
            watched.note_all()
        for heard in self._hearers:
            heard()

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[Watched]:
        watched = Watched()
        self._watched.add(watched)
        try:
            yield watched
        finally:
            self._watched.discard(watched)
