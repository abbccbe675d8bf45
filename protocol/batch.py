"""A batch: consecutive entries of one lane as they travel, by live publish, by pull or on a stick.

    frame = 8 bytes of BLAKE2b over the rest, then one zstd frame (dictionary id inside, if any) of the MessagePack array Batch

Head bytes are admitted as they were made. The signature is that of the last entry, so a batch is cut only at a head whose
signature the sender holds (`cut`). Sum, stated size and dictionary are checked before a byte is expanded: zstd's own
`max_output_size` bounds nothing when the frame states its size, and one bit of its header is ignored by decoders.

`speaks` names what a node understands besides the plain frame; it says so in its Have and in each pull, and nobody sends it
anything else. SPEAKS is all of this version:

    bare    where a body travels, its hash is left out of the head: whoever reads it makes it again (32 bytes that no zstd shrinks)
    dict1   the packaged dictionary (protocol/data/wire-1.zdict, trained on made-up texts by deploy/wire/dictionary.py)
"""

from collections.abc import Callable, Collection, Sequence
from functools import cache
from hashlib import blake2b
from typing import Any, Final, Protocol, TypeVar

import msgspec
import zstandard

from protocol.data import wire_dictionary
from protocol.entry import START, UNREADABLE, Entry, body_hash
from protocol.problem import Refused

BATCH_ENTRIES_MAX = 500
BATCH_BYTES_MAX = 524_288  # unpacked; half of what a nats-server takes in one message, so a packed one always passes
SUM_BYTES = 8
LEVEL = 3  # zstd: level 5 saves 3 % more of the wire for half as much again of the sender's time
WHOLE_MAX = 100  # heads that need their hash all the same; more of them are not worth a form of their own (and `cut` leaves 512 bytes)
SPEAKS_MAX = 32  # words of one node; what is beyond was said by a version that we can't follow anyway
BARE, DICT1 = "bare", "dict1"
SPEAKS: Final = (BARE, DICT1)
_Z = TypeVar("_Z")
DICTIONARIES: Final = {DICT1: 2_037_972_993}  # word → id in the frame; a later dictionary gets a word and an id of its own


class Batch(msgspec.Struct, array_like=True, frozen=True, dict=True):
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
    def told(self) -> Sequence[bytes | None]:
        """Of each entry the hash of its body where that was made here, else None."""
        return self.__dict__.get("told") or (None,) * len(self.heads)

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


class _Wire(msgspec.Struct, array_like=True, frozen=True):
    """A Batch with what has grown since. whole: the heads that keep their hash although a body travels; None: all do."""

    ledger: str
    origin: str
    after: int
    prev: bytes
    heads: tuple[bytes, ...]
    bodies: tuple[tuple[bytes, bytes] | None, ...]
    signature: bytes
    whole: tuple[int, ...] | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


def encode(batch: Batch, speaks: Collection[str] = ()) -> bytes:
    return _encoder.encode(_bared(batch) if BARE in speaks else batch)


def decode(raw: bytes, speaks: Collection[str] = SPEAKS) -> Batch:
    """Raises Refused frame_too_large, batch_malformed, version_unknown (a form that was not asked for)."""
    if len(raw) > BATCH_BYTES_MAX:
        raise Refused("frame_too_large")
    try:
        wire = _decoder.decode(raw)
    except UNREADABLE as error:
        raise Refused("batch_malformed", why=str(error)) from error
    if not 0 < len(wire.heads) == len(wire.bodies) <= BATCH_ENTRIES_MAX:
        raise Refused("batch_malformed", why=f"{len(wire.heads)} heads, {len(wire.bodies)} bodies")
    if not 0 <= wire.after < 2**53:
        raise Refused("batch_malformed", why="after")
    if wire.whole is not None and BARE not in speaks:
        raise Refused("version_unknown", version=BARE)
    told = _told(wire)
    heads = tuple([head if hash_ is None else head + hash_ for head, hash_ in zip(wire.heads, told, strict=True)]) if told else wire.heads
    read = Batch(wire.ledger, wire.origin, wire.after, wire.prev, heads, wire.bodies, wire.signature)
    read.__dict__["told"] = told  # whoever proves it need not make them again
    return read


def pack(batch: Batch, speaks: Collection[str] = ()) -> bytes:
    """speaks: what everybody who will read it understands; of other versions' words only ours count."""
    word = next((word for word in DICTIONARIES if word in speaks), "")
    raw = encode(batch, speaks)
    return _framed(_with(_compressor, word, lambda made: made.compress(raw)))


def unpack(wire: bytes, speaks: Collection[str] = SPEAKS) -> Batch:
    """Raises Refused frame_broken, frame_too_large, version_unknown (a dictionary or form beyond `speaks`), batch_malformed."""
    frame = wire[SUM_BYTES:]
    if len(wire) <= SUM_BYTES or wire[:SUM_BYTES] != _sum(frame):
        raise Refused("frame_broken")
    try:
        about = zstandard.get_frame_parameters(frame)
        if not 0 < about.content_size <= BATCH_BYTES_MAX or about.window_size > BATCH_BYTES_MAX * 2:
            raise Refused("frame_too_large")
        word = next((word for word, id_ in DICTIONARIES.items() if id_ == about.dict_id and word in speaks), "")
        if about.dict_id and not word:
            raise Refused("version_unknown", version=about.dict_id)
        raw = _with(_decompressor, word, lambda made: made.decompress(frame))
    except zstandard.ZstdError as error:
        raise Refused("frame_broken") from error
    return decode(raw, speaks)


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


def _bared(batch: Batch) -> Batch | _Wire:
    """Without the hashes that the bodies tell. A head of a later version may have grown beyond its hash: that one stays whole."""
    heads, whole = list(batch.heads), []
    for n, (head, body) in enumerate(zip(batch.heads, batch.bodies, strict=True)):
        if body is not None:
            hash_ = body_hash(*body)
            if head.endswith(hash_):
                heads[n] = head[: -len(hash_)]
            else:
                whole.append(n)
    if len(whole) > WHOLE_MAX:
        return batch
    return _Wire(batch.ledger, batch.origin, batch.after, batch.prev, tuple(heads), batch.bodies, batch.signature, tuple(whole))


def _told(wire: _Wire) -> list[bytes | None]:
    """The hashes that were left out of the heads; [] where none was."""
    if wire.whole is None:
        return []
    kept = set(wire.whole)
    return [None if body is None or n in kept else body_hash(*body) for n, body in enumerate(wire.bodies)]


@cache
def _dictionary(word: str) -> zstandard.ZstdCompressionDict | None:
    """Digested once for this level; None for the plain frame."""
    if not word:
        return None
    made = zstandard.ZstdCompressionDict(wire_dictionary(word))
    made.precompute_compress(level=LEVEL)
    return made


def _compressor(word: str) -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=LEVEL, dict_data=_dictionary(word))


def _decompressor(word: str) -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(dict_data=_dictionary(word))


_idle: dict[tuple[Callable[[str], Any], str], list[Any]] = {}  # as many as threads were packing, or reading, at once


def _with(make: Callable[[str], _Z], word: str, work: Callable[[_Z], bytes]) -> bytes:
    """One that nobody else uses now, since pages and pump may pack in several threads: to make one takes as long as a small batch."""
    idle = _idle.setdefault((make, word), [])
    try:
        made = idle.pop()
    except IndexError:
        made = make(word)
    try:
        return work(made)
    finally:
        idle.append(made)


def _sum(frame: bytes) -> bytes:
    return blake2b(frame, digest_size=SUM_BYTES).digest()


def _framed(frame: bytes) -> bytes:
    return _sum(frame) + frame
