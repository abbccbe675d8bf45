"""Whoever forgot a password where nobody else may help and no network is: a challenge read by telephone to a node above, an answer read back.

    answer = HMAC-SHA-256(X25519(this node's key, the other node's key), node, account, challenge), 60 bits as base32

Both nodes have the other's key from *common*, so both work it out alone. The answer fits one account, one node and one challenge; a
challenge is good once, for a day and for TRIES_MAX tries, so that guessing 60 bits is hopeless. It proves only that somebody at a node
above, who may look after people, was asked: that one must know the voice.
"""

import base64
import hmac
from hashlib import sha256
from typing import Final

from nacl.public import Box
from nacl.signing import SigningKey, VerifyKey

CODE_CHARS: Final = 12  # base32: 60 bits
CODE_BYTES: Final = 8
UNTIL_MS: Final = 86_400_000
TRIES_MAX: Final = 5
_FOR: Final = b"yidi recovery 1\0"


def code(raw: bytes) -> str:
    """`ABCD-EFGH-IJKL`, as it is read aloud."""
    letters = base64.b32encode(raw).decode()[:CODE_CHARS]
    return "-".join(letters[n : n + 4] for n in range(0, CODE_CHARS, 4))


def tidied(said: str) -> str:
    """As it is compared: base32 has no 0, 1 or 8, so what was misheard is put right."""
    return "".join(said.upper().split()).replace("-", "").replace("0", "O").replace("1", "I").replace("8", "B")


def answer(own: SigningKey, other: bytes, node: str, account: str, challenge: str) -> str:
    """The same at both ends. own, other: Ed25519, of this node and of the one at the other end · node: whose account it is.

    Raises ValueError for a key that is none."""
    shared = Box(own.to_curve25519_private_key(), VerifyKey(other).to_curve25519_public_key()).shared_key()
    about = "\0".join((node, account.strip(), tidied(challenge))).encode()
    return code(hmac.digest(shared, _FOR + about, sha256)[:CODE_BYTES])


def is_answer(said: str, right: str) -> bool:
    return hmac.compare_digest(tidied(said), tidied(right))
