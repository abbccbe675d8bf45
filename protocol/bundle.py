"""A stick: what the wire would have carried, in one file that only its receiver can open, and only whole.

    file = magic, 8 bytes · X25519 key made for this file · X25519 key of the receiver · Box of the MessagePack array Content

Content is signed by the node that wrote the file, whose certificate lies inside; so a lost stick tells nothing, and a file of another
county, half copied or with one bit flipped, is refused whole. What it holds goes through the same admission as the wire: read twice,
or after newer entries, it changes nothing. The receiver is a node (`box_key` of its Ed25519 key) or the county's sealing key.
"""

from collections.abc import Sequence
from hashlib import sha256

import msgspec
from nacl.exceptions import CryptoError
from nacl.public import Box, PrivateKey, PublicKey
from nacl.signing import SigningKey, VerifyKey

from protocol import certificate as certificates
from protocol.certificate import Certificate
from protocol.entry import UNREADABLE
from protocol.problem import Refused

MAGIC = b"yidi st1"
BUNDLE_BYTES_MAX = 268_435_456  # held in memory once; an export writes several files rather than a larger one
_SIGNED_AS = b"yidi bundle 1\0"
_KEY = 32


class Content(msgspec.Struct, array_like=True, frozen=True):
    """batches: packed, each lane's in order · pieces: of attachments, as blobs.chunk gives them · made_ms: the writer's clock."""

    certificate: bytes
    made_ms: int
    batches: tuple[bytes, ...]
    pieces: tuple[bytes, ...]
    signature: bytes = b""


_decoder = msgspec.msgpack.Decoder(Content)


class Bundle(msgspec.Struct, frozen=True):
    """certificate: of the node that wrote it, proven."""

    certificate: Certificate
    made_ms: int
    batches: tuple[bytes, ...]
    pieces: tuple[bytes, ...]


def box_key(node_key: bytes) -> bytes:
    """The X25519 public key that a node's Ed25519 public key stands for."""
    return bytes(VerifyKey(node_key).to_curve25519_public_key())


def box_secret(node_key: SigningKey) -> PrivateKey:
    return node_key.to_curve25519_private_key()


def pack(
    batches: Sequence[bytes],
    pieces: Sequence[bytes] = (),
    *,
    certificate: Certificate,
    key: SigningKey,
    made_ms: int,
    receiver: bytes,
    ephemeral: PrivateKey,
) -> bytes:
    """receiver: X25519 public key · ephemeral: made for this file and forgotten. Raises ValueError beyond BUNDLE_BYTES_MAX."""
    bare = Content(certificates.encode(certificate), made_ms, tuple(batches), tuple(pieces))
    signature = key.sign(_SIGNED_AS + _digest(bare, receiver)).signature
    raw = msgspec.msgpack.encode(msgspec.structs.replace(bare, signature=signature))
    if len(raw) > BUNDLE_BYTES_MAX:
        raise ValueError(f"{len(raw)} bytes: split the export")
    mine = bytes(ephemeral.public_key)
    boxed = Box(ephemeral, PublicKey(receiver)).encrypt(raw, _nonce(mine, receiver)).ciphertext
    return MAGIC + mine + receiver + boxed


def receiver_of(raw: bytes) -> bytes:
    """X25519 public key of whom the file is for. Raises Refused bundle_wrong."""
    if raw[: len(MAGIC)] != MAGIC or len(raw) < len(MAGIC) + 2 * _KEY:
        raise Refused("bundle_wrong", why="不是导出包")
    return raw[len(MAGIC) + _KEY : len(MAGIC) + 2 * _KEY]


def unpack(raw: bytes, secrets: Sequence[PrivateKey], county_public: bytes) -> Bundle:
    """secrets: of this node and, where it lies, the county's. Raises Refused bundle_wrong, certificate_wrong, signature_wrong."""
    receiver = receiver_of(raw)
    if len(raw) > BUNDLE_BYTES_MAX + 1_024:
        raise Refused("bundle_wrong", why="太大")
    secret = next((s for s in secrets if bytes(s.public_key) == receiver), None)
    if secret is None:
        raise Refused("bundle_wrong", why="不是给本机的")
    theirs = raw[len(MAGIC) : len(MAGIC) + _KEY]
    try:
        opened = Box(secret, PublicKey(theirs)).decrypt(raw[len(MAGIC) + 2 * _KEY :], _nonce(theirs, receiver))
        content = _decoder.decode(opened)
    except (CryptoError, TypeError, *UNREADABLE) as error:
        raise Refused("bundle_wrong", why="不完整或被改动") from error
    certificate = certificates.decode(content.certificate)
    if not certificates.is_valid(certificate, county_public):
        raise Refused("certificate_wrong")
    bare = msgspec.structs.replace(content, signature=b"")
    try:
        VerifyKey(certificate.key).verify(_SIGNED_AS + _digest(bare, receiver), content.signature)
    except (CryptoError, ValueError, TypeError) as error:
        raise Refused("signature_wrong") from error
    return Bundle(certificate, content.made_ms, content.batches, content.pieces)


def _digest(bare: Content, receiver: bytes) -> bytes:
    return sha256(receiver + msgspec.msgpack.encode(bare)).digest()


def _nonce(ephemeral: bytes, receiver: bytes) -> bytes:
    """One key, one message: a nonce that follows from the keys is enough."""
    return sha256(b"yidi bundle nonce\0" + ephemeral + receiver).digest()[: Box.NONCE_SIZE]
