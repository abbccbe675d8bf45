"""Entries that a heal found true in themselves and could not chain to the journal yet: rows of `local`, until the gap before them is filled."""

from typing import Final

import msgspec

from protocol.entry import UNREADABLE, decode_head

LOOSE: Final = "loose "  # names of such rows begin with this, then ledger, origin, first seq


class LooseRow(msgspec.Struct, array_like=True, frozen=True):
    """An entry that is true in itself and not chained to what is here. is_bare: its body was damaged and is left out."""

    seq: int
    head_bytes: bytes
    salt: bytes | None
    body: bytes | None
    hash: bytes
    signature: bytes | None
    received_ms: int
    is_bare: bool = False


class Loose(msgspec.Struct, array_like=True, frozen=True):
    ledger: str
    origin: str
    rows: tuple[LooseRow, ...]


def without_body(value: bytes, seq: int, subject: str) -> bytes | None:
    """The row with the body of this entry left out, as one that was erased; None: it holds none of it."""

    def is_it(row: LooseRow) -> bool:
        return row.seq == seq and row.body is not None and decode_head(row.head_bytes).subject == subject

    try:
        loose = msgspec.msgpack.decode(value, type=Loose)
    except UNREADABLE:
        return None
    if not any(map(is_it, loose.rows)):
        return None
    rows = tuple(msgspec.structs.replace(row, salt=None, body=None) if is_it(row) else row for row in loose.rows)
    return msgspec.msgpack.encode(msgspec.structs.replace(loose, rows=rows))
