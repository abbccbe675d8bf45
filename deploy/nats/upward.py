"""Whether the wire from our leaf to the server above carries: said by nobody but the leaf's own log.

    upward = Upward(log_file, clock)     upward.begin()    before its server starts     upward.look()    each LOOK_S
    upward.close()

Clients of a leaf never notice that it was cut from above or joined it again. "Created" is said as soon as TCP stands, before TLS and before the
server above has let it in, and through a wire that takes connections all the same "closed" follows, five times a second. So it carries
once it has said what it says after that, or has stood for longer than a handshake may take.

A leaf of a node that was put out is refused each time. One refusal may be a wrong moment of the server above, so they are counted until the wire carries.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

LOOK_S = 0.1
STANDS_MS = 6_000  # beyond the 5 s of the servers' own `timeout` for TLS
REFUSED_TIMES = 75  # ten seconds of tries; by number, for the clock may be set meanwhile
REFUSED = rb"Leafnode Error '[^'\n]*(?:Authorization Violation|Authentication Revoked|Authentication Expired)"
SAID = re.compile(rb"lid:(\d+) - (Leafnode connection created|Leafnode connection closed|JetStream using domains|" + REFUSED + rb")")
CREATED, CLOSED, IN = b"Leafnode connection created", b"Leafnode connection closed", b"JetStream using domains"


class Upward:
    """carries: as the last look found it · since_ms: since when, Unix milliseconds · is_shut_out: since it carried last, the server above has
    said again and again that it takes this leaf no more, also to the servers here before."""

    def __init__(self, log_file: Path, clock: Callable[[], int]) -> None:
        self._path, self._clock = log_file, clock
        self._file: BinaryIO | None = None
        self._rest = b""
        self._open, self._open_ms, self._is_in = b"", 0, False  # number of the connection that stands, since when, let in above
        self.carries, self.since_ms, self._refusals = False, clock(), 0

    @property
    def connection(self) -> bytes:
        """The server's own number of the connection that stands, let in or not; empty: none."""
        return self._open

    @property
    def is_shut_out(self) -> bool:
        return self._refusals >= REFUSED_TIMES

    def begin(self) -> None:
        """What it said in its life before counts no more."""
        self.close()
        self._file = self._opened()
        if self._file:
            self._file.seek(0, 2)
        self._open, self._is_in = b"", False
        self._note(False)

    def look(self) -> None:
        now_ms = self._clock()
        for number, what in SAID.findall(self._lines()):
            if what == CREATED:
                self._open, self._open_ms, self._is_in = number, now_ms, False
            elif number == self._open and what in (CLOSED, IN):
                self._open, self._is_in = (b"", False) if what == CLOSED else (number, True)
                self._refusals = 0 if what == IN else self._refusals
            elif number == self._open:
                self._refusals += 1
        self._note(bool(self._open) and (self._is_in or now_ms - self._open_ms > STANDS_MS))

    def close(self) -> None:
        if self._file:
            self._file.close()
        self._file, self._rest = None, b""

    # ── the rest is private ──

    def _note(self, carries: bool) -> None:
        if carries:
            self._refusals = 0
        if carries != self.carries:
            self.carries, self.since_ms = carries, self._clock()

    def _opened(self) -> BinaryIO | None:
        try:
            return self._path.open("rb", buffering=0)
        except OSError:  # not there yet, or a disk in trouble: the next look
            return None

    def _lines(self) -> bytes:
        """Whole lines that came since. The server writes a line, then may rename its log and begin another: the old one is read to its end."""
        came = _read(self._file)
        if self._is_replaced() and (following := self._opened()):
            came += _read(self._file) + _read(following)
            if self._file:
                self._file.close()
            self._file = following
        lines, _, self._rest = (self._rest + came).rpartition(b"\n")
        return lines

    def _is_replaced(self) -> bool:
        try:
            return self._file is None or self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino
        except OSError:  # renamed, and the next one is not there yet
            return False


def _read(file: BinaryIO | None) -> bytes:
    """To its end; of one that was cut short, from its beginning."""
    if file is None:
        return b""
    try:
        if os.fstat(file.fileno()).st_size < file.tell():
            file.seek(0)
        return file.read()
    except OSError:
        return b""
