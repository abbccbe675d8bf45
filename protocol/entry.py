"""An entry: a head that is chained and signed, and a body that the law may take.

Head bytes are stored and forwarded exactly as they were made, never encoded again. The chain is

    hash(0) = 32 zero bytes        hash(n) = SHA-256(hash(n-1) + head bytes(n))

so the hash of the last entry vouches for the whole lane, and one signature over it for all before. The body stands
outside: the head holds SHA-256(salt + body), so a body can be erased and the lane still verifies. State is folded from
heads alone (`facts`); what is in a body is personal and only shown.

Format 1 = SHA-256, Ed25519 (RFC 8032), MessagePack. Format 2 is kept for SM3/SM2 (GB/T 32905, 32918).
"""

from functools import lru_cache
from hashlib import sha256
from typing import Final

import msgspec
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

FORMAT = 1
START = bytes(32)  # hash(0)
SALT_BYTES = 16
HEAD_BYTES_MAX = 262_144  # a code table travels whole in one head of *common*
BODY_BYTES_MAX = 262_144  # attachments are blobs, so a body is text
# What decoding a stranger's bytes may raise: msgspec lets broken UTF-8 (UnicodeDecodeError) and depth (RecursionError) through.
UNREADABLE: Final = (msgspec.MsgspecError, LookupError, TypeError, ValueError, RecursionError)
_SIGNED_AS = b"yidi lane 1\0"  # keeps a signature on a lane from passing as one on a Have or a certificate

_head_encoder = msgspec.msgpack.Encoder()


class Head(msgspec.Struct, array_like=True, frozen=True, dict=True):
    """An array that only ever grows at its end; readers ignore elements they do not know.

    ledger: path · origin: node:epoch · seq: 1, 2, 3 … in lane (ledger, origin) · subject: id of the case, task, person …
    · turn: 1 + the highest turn its author had seen on the subject · occurred_ms: Unix milliseconds by the author's clock
    · offset_ms: how far that clock was known to be ahead of the node above (None: unknown) · author: (person id, post id)
    · facts: the event's facts, MessagePack · body_hash: SHA-256(salt + body), empty when the event has no body.
    """

    format: int
    ledger: str
    origin: str
    seq: int
    subject: str
    sort: str
    turn: int
    occurred_ms: int
    offset_ms: int | None
    author: tuple[str, str]
    command: str
    kind: str
    facts: msgspec.Raw
    body_hash: bytes


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """head_bytes as they came, salt and body (both None: the event has none, or it was erased or never reached us)."""

    head_bytes: bytes
    salt: bytes | None
    body: bytes | None

    @property
    def head(self) -> Head:
        return decode_head(self.head_bytes)


_head_decoder = msgspec.msgpack.Decoder(Head)


def encode_head(head: Head) -> bytes:
    """Canonical bytes: MessagePack, shortest form, fields in their order (msgspec writes exactly one form)."""
    return _head_encoder.encode(head)


def read_head(raw: bytes) -> Head:
    """Raises msgspec.DecodeError (malformed) or msgspec.ValidationError (wrong type)."""
    return _head_decoder.decode(raw)


@lru_cache(1_024)  # a case is folded again with each entry that comes: 1.2 MB, and what is kept in `Head.__dict__` is read once
def decode_head(raw: bytes) -> Head:
    """`read_head` of bytes that may be read again."""
    return read_head(raw)


def body_hash(salt: bytes | None, body: bytes | None) -> bytes:
    return b"" if salt is None or body is None else sha256(salt + body).digest()


def chain(prev: bytes, head_bytes: bytes) -> bytes:
    return sha256(prev + head_bytes).digest()


def sign(key: SigningKey, hash_: bytes) -> bytes:
    """64 bytes, over the chain hash of the last entry of a commit."""
    return key.sign(_SIGNED_AS + hash_).signature


def is_signed(key: bytes, hash_: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(key).verify(_SIGNED_AS + hash_, signature)
    except (CryptoError, ValueError, TypeError):
        return False
    return True


def origin_of(node: str, epoch: int) -> str:
    return f"{node}:{epoch}"


def node_of(origin: str) -> str:
    return origin.partition(":")[0]


def epoch_of(origin: str) -> int:
    """0 for what is no origin."""
    epoch = origin.partition(":")[2]
    return int(epoch) if epoch.isdecimal() and len(epoch) < 10 else 0


def derive(command: str, name: str) -> str:
    """An id that a command always leads to: 32 hex digits of SHA-256. Lets the same command be decided twice alike."""
    return sha256(f"{command}\0{name}".encode()).hexdigest()[:32]


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """An entry as a fold reads it: body None when there is none or it was erased; received_ms is this node's own time."""

    head: Head
    body: bytes | None
    received_ms: int
    erased: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """(origin, seq): names the entry inside its case."""
        return (self.head.origin, self.head.seq)
