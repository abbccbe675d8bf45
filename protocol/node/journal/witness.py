"""A mark beside the database, not in it: how far each of this node's own lanes had got.

No page checksum guards SQLite's log: one flipped bit there loses the rows after it without an error, and a disk image put
back brings an old state that looks whole. So after each commit the heads of the own lanes are noted in a small file, and
a start that finds less in the journal than the mark says has lost something: it opens a new epoch and refills from peers.
The file is replaced by rename and not synced: it may lag behind the journal after a power cut, which does no harm.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from protocol.entry import UNREADABLE
from protocol.node.journal.stored import LaneHead

_Marks = dict[str, tuple[int, bytes]]


class Witness:
    """`note` after a commit, `ahead` at a start. path: a file of its own, in another folder than the database if there is one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks = self._read()

    def _read(self) -> _Marks:
        try:
            return msgspec.msgpack.decode(self._path.read_bytes(), type=_Marks)
        except FileNotFoundError:
            return {}
        except UNREADABLE:
            return {}  # a torn mark says nothing; the peers' Have still does

    def note(self, ledger: str, origin: str, head: LaneHead) -> None:
        """Raises OSError."""
        self._marks[f"{ledger} {origin}"] = (head.seq, head.hash)
        part = self._path.with_name(self._path.name + ".part")
        part.write_bytes(msgspec.msgpack.encode(self._marks))
        part.rename(self._path)

    def ahead(self, heads: Mapping[tuple[str, str], LaneHead]) -> list[tuple[str, str, int, int]]:
        """(ledger, origin, seq here, seq noted) of each lane that has lost entries or has another history at that seq."""
        lost = []
        for name, (seq, hash_) in sorted(self._marks.items()):
            ledger, _, origin = name.rpartition(" ")
            head = heads.get((ledger, origin), LaneHead())
            if head.seq < seq or (head.seq == seq and head.hash != hash_):
                lost.append((ledger, origin, head.seq, seq))
        return lost
