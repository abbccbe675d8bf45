"""Sealed boxes whose bytes follow from what is in them, for runs that must be the same twice. Whoever has the secret opens them as ever."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from unittest import mock

from nacl.bindings import crypto_box
from nacl.public import PrivateKey, PublicKey, SealedBox

from protocol.node import sealing


class SeededBox(SealedBox):
    """crypto_box_seal with a one-time key drawn from the text and the receiver instead of the machine."""

    def __init__(self, recipient_key: PrivateKey | PublicKey) -> None:
        super().__init__(recipient_key)
        self._to = recipient_key

    def encrypt(self, plaintext: bytes, *_: object, **__: object) -> bytes:
        to = bytes(self._to) if isinstance(self._to, PublicKey) else bytes(self._to.public_key)
        once = PrivateKey(blake2b(plaintext, key=to, digest_size=32).digest())
        mine = bytes(once.public_key)
        nonce = blake2b(mine + to, digest_size=24).digest()
        return mine + crypto_box(plaintext, nonce, to, bytes(once))


@contextmanager
def seeded_boxes() -> Iterator[None]:
    with mock.patch.object(sealing, "SealedBox", SeededBox):
        yield
