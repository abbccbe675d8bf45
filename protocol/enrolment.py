"""How a new node joins: one code, read out or typed, and one request with one answer, both sealed with a key made of the code.

    code = host:port/XXXX-XXXX-XXXX-XXXX      80 random bits; the part before the slash says where to ask

Whoever listens on the way sees neither question nor answer and cannot answer in the county's place, so the first contact needs no
certificate of anybody. The code is named on the wire by a hash from which it cannot be guessed. Keys are made where they are used:
public keys go up, certificates and tokens come down. The same keys may ask again (an answer was lost), other keys may not.
"""

import base64
import re
from hashlib import blake2b, sha256
from typing import Final

import msgspec
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from nacl.signing import SigningKey, VerifyKey

from protocol.entry import UNREADABLE
from protocol.problem import Refused

SECRET_BYTES = 10
CODE_MS_MAX = 3 * 86_400_000  # long enough for a drive to the village
ASK_BYTES_MAX = 65_536
ANSWER_BYTES_MAX = 64_000_000
_NONCE = SecretBox.NONCE_SIZE
_SIGNED_AS = b"yidi enrol 1\0"
_CODE: Final = re.compile(r"([^\s/]+:\d{1,5})/([A-Z2-7]{16})")


class Code(msgspec.Struct, frozen=True):
    address: str
    secret: bytes

    @property
    def text(self) -> str:
        letters = base64.b32encode(self.secret).decode()
        return f"{self.address}/" + "-".join(letters[n : n + 4] for n in range(0, 16, 4))


class Ask(msgspec.Struct, array_like=True, frozen=True):
    """key: Ed25519 public of the node · user, leaf_user: nkeys of its client and of a server it may run · tls: signing request, PEM."""

    key: bytes
    user: str
    leaf_user: str
    tls: bytes
    proof: bytes = b""


class Leaf(msgspec.Struct, array_like=True, frozen=True):
    """What a township's own nats-server needs. trust: JSON of who signs · remote: tls://host:port of the county · listen: host:port."""

    jwt: str
    trust: bytes
    remote: str
    listen: str


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """servers: host:port, best first · batches: packed, *common* first, then what holds the first person · tls, authority: PEM.

    account, person: the first account to be made on the node ("" = none) · made_up: people and matters of the county are invented. New
    fields go to the end, with a default: 0.1 and 0.2 read past them and give none.
    """

    certificate: bytes
    county_public: bytes
    sealing_public: bytes
    county_node: str
    jwt: str
    servers: tuple[str, ...]
    authority: bytes
    tls: bytes
    batches: tuple[bytes, ...]
    account: str
    person: str
    leaf: Leaf | None = None
    made_up: bool = False


_asks, _answers = msgspec.msgpack.Decoder(Ask), msgspec.msgpack.Decoder(Answer)


def read_code(text: str) -> Code:
    """Forgiving about case, spaces and dashes, 0 for O and 1 for I. Raises Refused code_unknown_late_or_used."""
    address, _, letters = text.strip().rpartition("/")
    letters = re.sub(r"[\s-]", "", letters).upper().translate(str.maketrans("018", "OIB"))
    found = _CODE.fullmatch(f"{address.strip()}/{letters}")
    if found is None:
        raise Refused("code_unknown_late_or_used")
    return Code(found[1], base64.b32decode(found[2]))


def lookup(secret: bytes) -> bytes:
    """What names the code on the wire and in the county's table."""
    return sha256(b"yidi code 1\0" + secret).digest()


def ask(code: Code, key: SigningKey, user: str, leaf_user: str, tls: bytes, nonce: bytes) -> bytes:
    """nonce: 24 random bytes."""
    bare = Ask(bytes(key.verify_key), user, leaf_user, tls)
    proof = key.sign(_SIGNED_AS + lookup(code.secret) + msgspec.msgpack.encode(bare)).signature
    sealed = _box(code.secret, b"ask").encrypt(msgspec.msgpack.encode(msgspec.structs.replace(bare, proof=proof)), nonce)
    return lookup(code.secret) + bytes(sealed)


def name_of(body: bytes) -> bytes:
    """Which code a request speaks of. Raises Refused code_unknown_late_or_used."""
    if not 32 + _NONCE < len(body) <= ASK_BYTES_MAX:
        raise Refused("code_unknown_late_or_used")
    return body[:32]


def open_ask(secret: bytes, body: bytes) -> Ask:
    """Raises Refused code_unknown_late_or_used (it was not made with the code), key_not_proven."""
    try:
        got = _asks.decode(_box(secret, b"ask").decrypt(body[32:]))
    except (CryptoError, *UNREADABLE) as error:
        raise Refused("code_unknown_late_or_used") from error
    bare = msgspec.structs.replace(got, proof=b"")
    try:
        VerifyKey(got.key).verify(_SIGNED_AS + lookup(secret) + msgspec.msgpack.encode(bare), got.proof)
    except (CryptoError, ValueError, TypeError) as error:
        raise Refused("key_not_proven") from error
    return got


def answer(secret: bytes, given: Answer, nonce: bytes) -> bytes:
    return bytes(_box(secret, b"answer").encrypt(msgspec.msgpack.encode(given), nonce))


def open_answer(secret: bytes, body: bytes) -> Answer:
    """Raises Refused frame_broken: nobody who knows the code said this."""
    if len(body) > ANSWER_BYTES_MAX:
        raise Refused("frame_too_large")
    try:
        return _answers.decode(_box(secret, b"answer").decrypt(body))
    except (CryptoError, *UNREADABLE) as error:
        raise Refused("frame_broken") from error


def _box(secret: bytes, way: bytes) -> SecretBox:
    return SecretBox(blake2b(secret, digest_size=32, person=b"yidi " + way).digest())
