"""Signatures of one process are true: what was signed here is not checked again by the mathematics, all else is.

A run signs some 280 times and checks some 170; most checks are of what another node of the same run signed. Ed25519 makes a signature
that verifies, whoever asks, so the answer is known when it is made. Anything that is not byte for byte what a key here signed (forged,
torn, by another key) goes to the real function.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import nacl.bindings

_SIGNATURE_BYTES = nacl.bindings.crypto_sign_BYTES
_sign, _open = nacl.bindings.crypto_sign, nacl.bindings.crypto_sign_open


@contextmanager
def remembered() -> Iterator[None]:
    made: set[tuple[bytes, bytes]] = set()

    def sign(message: bytes, secret: bytes) -> bytes:
        signed = _sign(message, secret)
        made.add((signed, secret[32:]))  # libsodium's secret key ends with the public one
        return signed

    def open_(signed: bytes, public: bytes) -> bytes:
        return signed[_SIGNATURE_BYTES:] if (signed, public) in made else _open(signed, public)

    with mock.patch.object(nacl.bindings, "crypto_sign", sign), mock.patch.object(nacl.bindings, "crypto_sign_open", open_):
        yield
