"""What the journal hands out: an entry as a row, and the head of a lane."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from protocol.entry import Admitted, Entry, Head, chain, decode_head
from protocol.lane import LaneHead


class Stored(msgspec.Struct, frozen=True, gc=False):
    """An entry with what this node knows about it. position: its place in the order of commits here (0: not appended yet).

    hash: chain hash at this entry · signature: the origin's over that hash, for the last entry of a commit · received_ms:
    this node's clock · erased: it had a body and the body is gone.
    """

    position: int
    ledger: str
    origin: str
    seq: int
    subject: str
    sort: str
    command: str
    head_bytes: bytes
    salt: bytes | None
    body: bytes | None
    hash: bytes
    signature: bytes | None
    received_ms: int
    erased: bool = False
    _head: Head | None = None  # once it was decoded

    @classmethod
    def of(cls, entry: Entry, prev: bytes, signature: bytes | None, received_ms: int) -> "Stored":
        """A row to append. prev: chain hash of the entry before. Raises msgspec.MsgspecError for a head that is none."""
        h = decode_head(entry.head_bytes)
        gone = entry.body is None and h.body_hash != b""
        hash_ = chain(prev, entry.head_bytes)
        return cls(
            0,
            h.ledger,
            h.origin,
            h.seq,
            h.subject,
            h.sort,
            h.command,
            entry.head_bytes,
            entry.salt,
            entry.body,
            hash_,
            signature,
            received_ms,
            gone,
            h,
        )

    def __eq__(self, other: object) -> bool:
        """By the columns, whether or not the head was asked for."""
        return isinstance(other, Stored) and all(getattr(self, name) == getattr(other, name) for name in COLUMNS)

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.ledger, self.origin, self.seq)

    @property
    def entry(self) -> Entry:
        return Entry(self.head_bytes, self.salt, self.body)

    @property
    def head(self) -> Head:
        made = self._head
        if made is None:
            made = decode_head(self.head_bytes)
            force_setattr(self, "_head", made)
        return made

    @property
    def admitted(self) -> Admitted:
        return Admitted(self.head, self.body, self.received_ms, self.erased)


__all__ = ["COLUMNS", "SELECT", "LaneHead", "Stored", "stored"]

COLUMNS = Stored.__struct_fields__[:-1]
SELECT = "select " + ", ".join(COLUMNS) + " from entry "


def stored(row: Sequence[Any]) -> Stored:
    """A row of SELECT. SQLite knows no boolean."""
    *fields, erased = row
    return Stored(*fields, erased=bool(erased))
