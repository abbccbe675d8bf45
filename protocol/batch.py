"""A batch: consecutive entries of one lane as they travel, by live publish, by pull or on a stick.

    frame = 8 bytes of BLAKE2b over the rest, then one zstd frame (dictionary id inside, if any) of the MessagePack array Batch

Head bytes travel as they were made. The signature is that of the last entry, so a batch is cut only at a head whose
signature the sender holds (`cut`). Sum, stated size and dictionary are checked before a byte is expanded: zstd's own
`max_output_size` bounds nothing when the frame states its size, and one bit of its header is ignored by decoders.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Protocol

import msgspec
import zstandard

from protocol.entry import START, UNREADABLE, Entry
from protocol.problem import Refused

BATCH_ENTRIES_MAX = 500
BATCH_BYTES_MAX = 524_288  # unpacked; half of what a nats-server takes in one message, so a packed one always passes
SUM_BYTES = 8
LEVEL = 3  # zstd: higher costs the sender more than it saves the wire


class Batch(msgspec.Struct, array_like=True, frozen=True):
    """after: seq before the first head · prev: hash of that entry · bodies: (salt, body), None = none or erased · signature of the last."""

    ledger: str
    origin: str
    after: int
    prev: bytes
    heads: tuple[bytes, ...]
    bodies: tuple[tuple[bytes, bytes] | None, ...]
    signature: bytes

    @property
    def last(self) -> int:
        """seq of its last entry."""
        return self.after + len(self.heads)

    @property
    def entries(self) -> list[Entry]:
        return [Entry(head, *(body or (None, None))) for head, body in zip(self.heads, self.bodies, strict=True)]


class Row(Protocol):
    """An entry as a journal holds it; `signature` only where a commit ended."""

    @property
    def head_bytes(self) -> bytes: ...
    @property
    def salt(self) -> bytes | None: ...
    @property
    def body(self) -> bytes | None: ...
    @property
    def hash(self) -> bytes: ...
    @property
    def signature(self) -> bytes | None: ...


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)


def encode(batch: Batch) -> bytes:
    return _encoder.encode(batch)


def decode(raw: bytes) -> Batch:
    """Raises Refused frame_too_large, batch_malformed."""
    if len(raw) > BATCH_BYTES_MAX:
        raise Refused("frame_too_large")
    try:
        batch = _decoder.decode(raw)
    except UNREADABLE as error:
        raise Refused("batch_malformed", why=str(error)) from error
    if not 0 < len(batch.heads) == len(batch.bodies) <= BATCH_ENTRIES_MAX:
        raise Refused("batch_malformed", why=f"{len(batch.heads)} heads, {len(batch.bodies)} bodies")
    if not 0 <= batch.after < 2**53:
        raise Refused("batch_malformed", why="after")
    return batch


def pack(batch: Batch, dictionary: zstandard.ZstdCompressionDict | None = None) -> bytes:
    return _framed(zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary).compress(encode(batch)))


def unpack(wire: bytes, dictionaries: Mapping[int, zstandard.ZstdCompressionDict] | None = None) -> Batch:
    """dictionaries by id. Raises Refused frame_broken, frame_too_large, version_unknown (its dictionary), batch_malformed."""
    frame = wire[SUM_BYTES:]
    if len(wire) <= SUM_BYTES or wire[:SUM_BYTES] != _sum(frame):
        raise Refused("frame_broken")
    try:
        about = zstandard.get_frame_parameters(frame)
        if not 0 < about.content_size <= BATCH_BYTES_MAX or about.window_size > BATCH_BYTES_MAX * 2:
            raise Refused("frame_too_large")
        dictionary = (dictionaries or {}).get(about.dict_id)
        if about.dict_id and dictionary is None:
            raise Refused("version_unknown", version=about.dict_id)
        raw = zstandard.ZstdDecompressor(dict_data=dictionary).decompress(frame)
    except zstandard.ZstdError as error:
        raise Refused("frame_broken") from error
    return decode(raw)


def cut(rows: Sequence[Row], ledger: str, origin: str, after: int, prev: bytes = START, limit: int = BATCH_ENTRIES_MAX) -> Batch | None:
    """The longest batch of at most `limit` entries that ends at a signature; when none ends so soon, up to the first that does.

    rows: consecutive, the first has seq after + 1. None: no row carries a signature, so nothing can be sent yet.
    """
    size, end = 0, 0
    for count, row in enumerate(rows[:BATCH_ENTRIES_MAX], 1):
        size += len(row.head_bytes) + len(row.salt or b"") + len(row.body or b"") + 24  # 24: array and length bytes around them
        if end and (count > limit or size > BATCH_BYTES_MAX - 512):
            break
        if row.signature:
            end = count
    if not end:
        return None
    taken = rows[:end]
    bodies = tuple(None if row.salt is None or row.body is None else (row.salt, row.body) for row in taken)
    return Batch(ledger, origin, after, prev, tuple(row.head_bytes for row in taken), bodies, taken[-1].signature or b"")


def _sum(frame: bytes) -> bytes:
    return blake2b(frame, digest_size=SUM_BYTES).digest()


def _framed(frame: bytes) -> bytes:
    return _sum(frame) + frame
