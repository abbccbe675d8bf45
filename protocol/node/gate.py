"""What a node does first when it starts: it asks the others. Two waits, both short, both bounded.

- **Before the first word is written** (`asked`): a disk that was put back whole does not know that it is an old one; the others' Haves
  tell, some tenths of a second after the link is up. So the first save of a start waits for them, for `ASK_S_MAX` at most, and while
  they give back what we wrote ourselves for `REGAIN_S_MAX`; without a link for `OFFLINE_S`, and not at all where nothing was ever written. Offline a node works as ever.
- **Before the first page is shown** (`is_waiting`), where a backup was restored or lost entries were noticed: what the law took
  since then stands in it yet. Pages wait until the others were heard and all is here that they held then, every erasure with it. Where others
  spoke and the root has not, it is waited for as well, for `ROOT_S`: whoever is nearer may have less (its disk full, its line one way), and what went
  past it before the backup was put back is known to the root alone. Whose word
  counts there, and until when nobody's answer is waited for, stands in link/needs.py: what one computer invents ends by itself. When nobody
  can be reached, a computer says more of its own than it gives, or is heard no more after it said so, somebody who answers for it opens the
  pages, by name and with a reason; that is written down (`restored.json`). The page says which computers are waited for.
"""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from protocol.node import log
from protocol.node.identity import write_whole
from protocol.node.wake import Wake

RESTORED: Final = "restored.json"
OFFLINE_S, ASK_S_MAX = 1.0, 3.0
REGAIN_S_MAX = 15.0  # what others hold of our closed lanes comes first: a command in it must be known before it is sent again
CALM_S = 0.3  # nobody new was heard for so long: who is there has spoken
PULLED_CALM_S = 1.0
ROOT_S = 60.0  # after somebody else was heard: a line that is cut for longer keeps no pages shut
TICK_S = 0.05
MANY = 500  # lanes; to look at more costs more


class Restored(msgspec.Struct):
    """since_ms: when the old state was put in place · why: restore, lost · opened_…: who opened the pages before others were heard."""

    since_ms: int
    why: str
    opened_by: str = ""
    opened_ms: int = 0
    reason: str = ""
    pulled_ms: int = 0


class Notes:
    """Where stands that an old state was put in place: a file of the node's folder, and one more for each time that it was over."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / RESTORED

    def read(self) -> bytes | None:
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, content: bytes) -> None:
        """Raises OSError."""
        write_whole(self._file, content)

    def end(self, since_ms: int, content: bytes) -> None:
        """Raises OSError."""
        write_whole(self._file.with_name(f"restored-{since_ms}.json"), content)
        self._file.unlink(missing_ok=True)


def note_restored(notes: Notes, now_ms: int, why: str) -> None:
    """From now on pages wait for the others."""
    notes.write(msgspec.json.encode(Restored(now_ms, why)))


class Gate:
    def __init__(self, notes: Notes, pump: Any, clock: Callable[[], int], wake: Wake, root: tuple[str, str] | None = None) -> None:
        """pump: says whether the link is up, what is missing, and how many others were heard, of how many ledgers (`heard`), and
        of whom that is proven (`proven`) · root: the root's node and the ledger that is written here; None: this is the root."""
        self._notes, self._pump, self._clock, self._wake, self._root = notes, pump, clock, wake, root
        self.waits_for_root = False  # others were heard, it was not, and ROOT_S are not over
        self._asked, self._passed = asyncio.Event(), asyncio.Event()
        self._asked.set()
        self.restored = self._read()
        if not self.is_waiting:
            self._passed.set()

    @property
    def is_waiting(self) -> bool:
        """Claims that no page may be shown yet."""
        return self.restored is not None and not self.restored.opened_ms

    async def asked(self) -> None:
        """Returns when others were asked what they hold of ours, or when nobody can be."""
        await self._asked.wait()

    def is_asked(self) -> bool:
        return self._asked.is_set()

    async def passed(self, most_s: float) -> bool:
        """Waits so long at most; True: pages may be shown."""
        try:
            async with asyncio.timeout(most_s):
                await self._passed.wait()
        except TimeoutError:
            return False
        return True

    def open(self, who: str, reason: str) -> None:
        """Somebody answers for showing what was not compared with the others yet. Raises OSError: nothing was opened."""
        if self.restored is None:
            return
        made = msgspec.structs.replace(self.restored, opened_by=who, opened_ms=self._clock(), reason=reason)
        self._notes.write(msgspec.json.encode(made))
        self.restored = made
        log.event("opened before others were heard")
        self._passed.set()
        self._wake.heard()

    def awaited_of(self) -> list[str]:
        """Nodes that say they hold what the pages wait for."""
        return self._pump.awaited_of() if self.is_waiting else []

    def _root_spoke(self) -> bool:
        return self._root is None or self._pump.has_said(*self._root)

    def ask(self) -> None:
        """Call at a start that has something of its own: from now on writers wait."""
        self._asked.clear()

    def give_up(self) -> None:
        """This node writes nothing more as it is: whoever waits is told so at once."""
        self._asked.set()

    async def run(self) -> None:
        """For ever, beside the pump."""
        try:
            await self._ask()
        finally:
            self._asked.set()
        await self._pull()
        await asyncio.Event().wait()

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        heard, quiet = 0, began
        while not self._asked.is_set():
            now, state = loop.time(), self._pump.state()
            if now - began >= (REGAIN_S_MAX if state.regaining else ASK_S_MAX):
                return
            if self._pump.heard > heard:
                heard, quiet = self._pump.heard, now
            if self._pump.is_overtaken or state.regaining:
                quiet = now  # it goes on under a new epoch in a moment, or gets its own words back: nothing is written before
            elif (heard and now - quiet > CALM_S) or (not state.link.connected and now - began > OFFLINE_S):
                return
            await asyncio.sleep(TICK_S)

    async def _pull(self) -> None:
        if self.restored is None:
            return
        loop = asyncio.get_running_loop()
        heard, quiet, first, wanted = 0, loop.time(), math.inf, dict[tuple[str, str], int]()
        while True:
            if self._pump.proven != heard or not self._pump.state().link.connected:
                heard, quiet, wanted = self._pump.proven, loop.time(), {}
            wanted = self._pump.missing() | wanted  # of each lane what was there first: whoever writes on holds up nobody
            first = min(first, loop.time()) if heard else first  # also while the line comes and goes
            self.waits_for_root = bool(heard) and not self._root_spoke() and loop.time() - first <= ROOT_S
            if (
                heard
                and not self.waits_for_root
                and loop.time() - quiet > PULLED_CALM_S
                and not any(self._pump.lacks(*one) for one in wanted.items())
            ):
                break  # all that they held when they spoke is here
            await asyncio.sleep(TICK_S if len(wanted) < MANY else TICK_S * 5)
        done = msgspec.structs.replace(self.restored, pulled_ms=self._clock())
        self._notes.end(done.since_ms, msgspec.json.encode(done))
        self.restored = None
        log.event("pulled after a restore")
        self._passed.set()
        self._wake.heard()

    def _read(self) -> Restored | None:
        raw = self._notes.read()
        try:
            return None if raw is None else msgspec.json.decode(raw, type=Restored)
        except msgspec.MsgspecError:
            return Restored(self._clock(), "unreadable")  # somebody put it there for a reason
