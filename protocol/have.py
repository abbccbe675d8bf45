"""A Have: what a node has COMMITTED of one ledger, signed. The receipt, the question, and a witness that history was not rewritten.

    wire = 64 bytes of Ed25519 signature, then the MessagePack array [node, ledger, lanes, clock_ms, version, want, speaks, forks, room]

`version` is that of the speaker's program, `speaks` what it understands on the wire besides the plain frame (batch.SPEAKS): a feature
is used only where everybody who will read it has said its word, so that nodes of three releases live in one county. One word names the kinds of
events that it reads (generations.py). The word ANEW there is none of these: in a Have of *common* it says that the speaker was not heard for a while: over a new connection, or by some; older programs pass it over. `room` stands only in
Haves of the ledger that its speaker serves first, in whole MiB: ten bytes there, none in the others. Behind its two numbers stands a 1
where the speaker's journal was found damaged. Without `room` the array ends before it.

The signature covers the bytes as they came, so an array that grew at its end still verifies. Keep `wire` as it came: whoever
holds an old Have can show that a lane no longer holds what its keeper once said it held.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Protocol

import msgspec
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from protocol.batch import SPEAKS_MAX
from protocol.entry import UNREADABLE
from protocol.lane import is_origin
from protocol.problem import Refused

SIGNATURE_BYTES = 64
HAVE_BYTES_MAX = 262_144  # some 3,000 lanes of one ledger
HASH_BYTES = 32
ANEW = "anew"
_SIGNED_AS = b"yidi have 1\0"
TIGHT_MIB = 1024  # a year of a small node with its photos
FULL_MIB = 4  # a save takes less, its log and a page of photos together about so much

Lanes = dict[str, tuple[int, bytes]]  # origin → (highest seq committed, chain hash there)
Forks = dict[str, tuple[tuple[int, bytes], ...]]  # origin → (seq, hash) of the ends of its other histories


class Room(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of the disk with the speaker's folder, in MiB rounded down. is_damaged: its journal was found damaged, and takes nothing any more."""

    free_mib: int
    total_mib: int
    is_damaged: bool = False

    @property
    def is_tight(self) -> bool:
        """Claims that somebody has to make room before nothing can be saved any more."""
        return self.free_mib < TIGHT_MIB

    @property
    def is_full(self) -> bool:
        return self.free_mib < FULL_MIB


class Have(msgspec.Struct, frozen=True):
    """clock_ms: the speaker's wall clock when it spoke · version: of its program · want: asks all who hear it for theirs · speaks: see above ·
    forks: other histories of its lanes that it keeps beside them (a copied computer) · room: None in most of them, and of older programs.
    """

    node: str
    ledger: str
    lanes: Lanes
    clock_ms: int
    version: str = ""
    want: bool = False
    speaks: tuple[str, ...] = ()
    forks: Forks = {}
    room: Room | None = None
    signature: bytes = b""


_End = tuple[Annotated[int, msgspec.Meta(gt=0, lt=2**53)], Annotated[bytes, msgspec.Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]]


class _Wire(msgspec.Struct, array_like=True, frozen=True):
    node: str
    ledger: str
    lanes: dict[str, _End]
    clock_ms: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    version: str = ""
    want: bool = False
    speaks: tuple[str, ...] = ()
    forks: dict[str, tuple[_End, ...]] = {}


class _Roomy(_Wire, array_like=True, frozen=True):
    room: Any = ()  # free, total, 1 for a damaged journal; whatever else a later program may put there is no reason not to hear it


class Head(Protocol):
    """What a journal knows of a lane's end (protocol.lane.LaneHead)."""

    @property
    def seq(self) -> int: ...
    @property
    def hash(self) -> bytes: ...


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(_Roomy)


def sign(have: Have, key: SigningKey) -> bytes:
    """The wire form. Say it only after the commit that it speaks of."""
    said = (have.node, have.ledger, have.lanes, have.clock_ms, have.version, have.want, have.speaks, have.forks)
    raw = _encoder.encode(_Wire(*said) if have.room is None else _Roomy(*said, _said(have.room)))
    return key.sign(_SIGNED_AS + raw).signature + raw


def read(wire: bytes) -> Have:
    """Unverified: ask `is_signed` with the key of the certificate of `node`. Raises Refused frame_too_large, batch_malformed."""
    if len(wire) > HAVE_BYTES_MAX:
        raise Refused("frame_too_large")
    try:
        got = _decoder.decode(wire[SIGNATURE_BYTES:])
    except UNREADABLE as error:
        raise Refused("batch_malformed", why=str(error)) from error
    strange = next((origin for origin in (*got.lanes, *got.forks) if not is_origin(origin)), None)
    if strange is not None:
        raise Refused("batch_malformed", why=f"origin {strange[:80]!r}")  # it would stand in tables, of which some take no such text
    speaks = got.speaks[:SPEAKS_MAX]
    said = (got.node, got.ledger, got.lanes, got.clock_ms, got.version[:40], got.want, speaks, got.forks, _room(got.room))
    return Have(*said, wire[:SIGNATURE_BYTES])


def _said(room: Room) -> tuple[int, ...]:
    return (room.free_mib, room.total_mib, *([1] if room.is_damaged else []))


def _room(said: Any) -> Room | None:
    """None where it makes no sense: what is for people to look at must not cost a receipt."""
    if not said:
        return None
    match said:
        case [int(free), int(total), *more] if 0 <= free <= total < 2**53:
            return Room(free, total, more[:1] == [1])
    return None


def is_signed(wire: bytes, key: bytes) -> bool:
    """Claims that the holder of `key` (Ed25519 public) said exactly these bytes."""
    try:
        VerifyKey(key).verify(_SIGNED_AS + wire[SIGNATURE_BYTES:], wire[:SIGNATURE_BYTES])
    except (CryptoError, ValueError, TypeError):
        return False
    return True


def lanes_of(heads: Mapping[str, Head]) -> Lanes:
    """origin → head, as a Have says it; lanes without an entry are left out."""
    return {origin: (head.seq, bytes(head.hash)) for origin, head in heads.items() if head.seq}


def digest(lanes: Mapping[str, tuple[int, bytes]]) -> str:
    """64 hex digits: equal at two nodes exactly when they hold the same entries of the ledger, whatever the order they came in."""
    return sha256(_encoder.encode(sorted((origin, seq, bytes(hash_)) for origin, (seq, hash_) in lanes.items() if seq))).hexdigest()
