"""Whether the wire from our leaf to the server above carries: said by nobody but the leaf's own log.

    upward = Upward(log_file, clock)     upward.begin()    before its server starts     upward.look()    each LOOK_S

Clients of a leaf never notice that it was cut from above or joined it again. Through a cut wire that takes connections all the same it
is "created" and "closed" within a moment, five times a second, so what stood at the look before and stands now is believed: by then
each side knows what the other wants to hear.
"""

import re
from collections.abc import Callable
from pathlib import Path

LOOK_S = 0.1
SAID = re.compile(rb"lid:(\d+) - Leafnode connection (created|closed)")


class Upward:
    """carries: as the last look found it · since_ms: since when, Unix milliseconds."""

    def __init__(self, log_file: Path, clock: Callable[[], int]) -> None:
        self._file, self._clock = log_file, clock
        self._read, self._inode, self._rest = 0, 0, b""
        self._open: bytes | None = None  # number of the connection that stands
        self._stood: bytes | None = None  # at the look before
        self.carries, self.since_ms = False, clock()

    def begin(self) -> None:
        """What it said in its life before counts no more."""
        found = self._file.stat() if self._file.exists() else None
        self._read, self._inode, self._rest = (found.st_size, found.st_ino, b"") if found else (0, 0, b"")
        self._open = self._stood = None
        self._note(False)

    def look(self) -> None:
        for number, what in SAID.findall(self._lines()):
            if what == b"created":
                self._open = number
            elif number == self._open:
                self._open = None
        self._note(self._open is not None and self._open == self._stood)
        self._stood = self._open

    # ── the rest is private ──

    def _note(self, carries: bool) -> None:
        if carries != self.carries:
            self.carries, self.since_ms = carries, self._clock()

    def _lines(self) -> bytes:
        """Whole lines that came since; of a file that was begun anew, from its first."""
        try:
            found = self._file.stat()
            if found.st_ino != self._inode or found.st_size < self._read:
                self._read, self._inode, self._rest = 0, found.st_ino, b""
            if found.st_size == self._read:
                return b""
            with self._file.open("rb") as f:
                f.seek(self._read)
                came = f.read()
        except OSError:  # not there yet, or a disk in trouble: the next look
            return b""
        self._read += len(came)
        lines, _, self._rest = (self._rest + came).rpartition(b"\n")
        return lines
