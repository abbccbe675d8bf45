"""One entry alone, for a court file: what it says, who wrote it, and that it can't have been made or changed afterwards.

    proof = certificate of its node (signed by the county) · hash before it · its head, and the heads after it up to the next
            signature · that signature · its salt and body

Whoever has the county's public key, which is printed in the county's own papers, checks it with no node in reach: certificate by the
county's key, body by the head, heads by the chain, chain by the signature. The heads that follow hold no personal data. An entry whose
body was erased is proven all the same, without its words.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

import msgspec

from protocol import certificate as certificates
from protocol import entry, events, lane
from protocol.batch import Row
from protocol.certificate import Certificate
from protocol.entry import UNREADABLE, Head
from protocol.problem import Refused
from protocol.tables import Tables
from protocol.words import shown

VERSION: Final = 1
HEADS_MAX: Final = 500  # of one commit or import: no signature is farther away
BYTES_MAX: Final = 4_194_304
KEY_CHARS: Final = 64


class Proof(msgspec.Struct, rename={"version": "yidi_proof"}, forbid_unknown_fields=False):
    """Bytes are base64, hashes and keys hex. shown: the words for people, as the page had them; they prove nothing by themselves."""

    version: int
    county: str
    certificate: str
    before: str
    heads: list[str]
    signature: str
    salt: str = ""
    body: str = ""
    shown: dict[str, str] = {}


class Proven(msgspec.Struct, frozen=True):
    """county: the key, hex, by which all of it stands · wordless: its words were erased by law, or were not given along · body: as written."""

    county: str
    node: Certificate
    head: Head
    body: bytes
    wordless: bool
    signed_seq: int


def made(rows: Sequence[Row], before: bytes, certificate: Certificate, county: bytes, shown: dict[str, str]) -> Proof:
    """rows: of one lane, the entry first, the last one signed. Raises ValueError when it is not."""
    if not rows or len(rows) > HEADS_MAX or not rows[-1].signature:
        raise ValueError("a proof ends at a signature")
    first = rows[0]
    return Proof(
        VERSION, county.hex(), _b64(certificates.encode(certificate)), before.hex(), [_b64(row.head_bytes) for row in rows],
        _b64(rows[-1].signature), _b64(first.salt or b""), _b64(first.body or b""), shown,
    )  # fmt: skip


def encode(proof: Proof) -> bytes:
    return msgspec.json.format(msgspec.json.encode(proof), indent=1)


def check(raw: bytes, county: str = "") -> Proven:
    """county: the key, hex, as known from elsewhere ("" = the one in the file, which then must be compared by eye). Raises Refused proof_wrong."""
    if len(raw) > BYTES_MAX:
        raise Refused("proof_wrong", why="文件太大")
    try:
        proof = msgspec.json.decode(raw, type=Proof)
        key = bytes.fromhex(proof.county)
        heads = [b64decode(one, validate=True) for one in proof.heads]
        salt, body, signature = (b64decode(one, validate=True) for one in (proof.salt, proof.body, proof.signature))
        certificate = certificates.decode(b64decode(proof.certificate, validate=True))
        before = bytes.fromhex(proof.before)
        head = entry.decode_head(heads[0])
    except (*UNREADABLE, Refused, IndexError) as error:
        raise Refused("proof_wrong", why="不是一份证明，或者不完整") from error
    if proof.version != VERSION:
        raise Refused("proof_wrong", why="格式的版本不认识")
    if county and proof.county.lower() != county.strip().lower():
        raise Refused("proof_wrong", why="不是这个县的")
    _judge(head, certificate, key)
    if body and entry.body_hash(salt, body) != head.body_hash:
        raise Refused("proof_wrong", why="正文和摘要对不上")
    at = before
    for n, one in enumerate(heads):
        at = entry.chain(at, one)
        later = _head(one)
        if (later.ledger, later.origin, later.seq) != (head.ledger, head.origin, head.seq + n):
            raise Refused("proof_wrong", why="后面的条目不是同一道的")
    if not entry.is_signed(certificate.key, at, signature):
        raise Refused("proof_wrong", why="签名不对，内容可能被改过")
    return Proven(proof.county.lower(), certificate, head, body, not body and head.body_hash != b"", head.seq + len(heads) - 1)


def words(proven: Proven, tables: Tables) -> dict[str, str]:
    """The entry in words for people, read from what was proven and from nothing else."""
    head = proven.head
    return shown(head.kind, events.facts_of(head), events.body_of(head.kind, proven.body or None), tables)


def _judge(head: Head, certificate: Certificate, county: bytes) -> None:
    if not certificates.is_valid(certificate, county):
        raise Refused("proof_wrong", why="机器的证书不是县里签的")
    if entry.node_of(head.origin) != certificate.node or head.format != entry.FORMAT:
        raise Refused("proof_wrong", why="条目不是这台机器写的")
    office = events.facts_of(head).office
    if not certificates.writes(certificate, head.ledger) or not certificates.serves(certificate, office):
        raise Refused("proof_wrong", why="这台机器不能替这个单位写")
    if (head.seq == 1) != (head.kind == lane.OPENS):
        raise Refused("proof_wrong", why="条目的号不对")


def _head(raw: bytes) -> Head:
    try:
        return entry.decode_head(raw)
    except UNREADABLE as error:
        raise Refused("proof_wrong", why="不是一份证明，或者不完整") from error


def _b64(raw: bytes) -> str:
    return b64encode(raw).decode()
