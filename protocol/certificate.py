"""A node's certificate: who it is, whose outcomes it may write, which ledgers it receives; signed by the county's key.

Entry 1 of every lane carries it, so any node verifies any lane against the one county key pinned at its enrolment, with
nobody in reach. A key belongs to a node id for ever: a new key is a new node. Wider `serves` or `covers` are a new
certificate of the same key, announced in *common* (NodeEnrolled).

    serves   offices it writes outcomes for          covers   ledgers it receives; both lists of paths as in place.covers

Every node hears *common* and its own sealed ledger without listing them. To WRITE *common* a certificate must list `_`; to
read the sealed ledgers of others it must list `<county>/sealed/*`: the county's subtree `<county>/*` alone does not do.
A later version adds fields after the signature and signs again at its end; this version goes on reading the first nine.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import msgspec
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from protocol import place
from protocol.codes import SHORT_MAX
from protocol.entry import UNREADABLE
from protocol.problem import Refused

KEY_BYTES = 32
REACH_MAX = 500  # paths in one list: a county has some 230 places and 100 units
_SIGNED_AS = b"yidi certificate 1\0"
NODE_ID_CHARS: Final = 9
_NODE: Final = re.compile(r"n[a-z2-7]{8}")
_PATH: Final = re.compile(r"(_|[0-9]{6}(/[0-9a-z]{1,20}){0,2}(/\*)?)")
_BRANCH: Final = re.compile(r"_|[0-9]{9}|[0-9a-z]{1,20}")


class Certificate(msgspec.Struct, array_like=True, frozen=True):
    """key: Ed25519 public, 32 bytes · short: its number in case codes, given once · branch: township code, or "_" at the county.

    branch is the token in the subjects of its inbox and its pulls: one leaf permission names all nodes of a branch.
    """

    node: str
    name: str
    key: bytes
    serves: tuple[str, ...]
    covers: tuple[str, ...]
    short: int
    valid_from_ms: int
    branch: str
    signature: bytes = b""


_decoder = msgspec.msgpack.Decoder(Certificate)


def issue(
    county_key: SigningKey,
    *,
    node: str,
    name: str,
    key: bytes,
    serves: Iterable[str],
    covers: Iterable[str],
    short: int,
    valid_from_ms: int,
    branch: str = place.FILL,
) -> Certificate:
    """Raises ValueError when a field is impossible (node id, path, length of the key)."""
    made = Certificate(node, name, key, tuple(serves), tuple(covers), short, valid_from_ms, branch)
    if wrong := _wrong(made):
        raise ValueError(wrong)
    return msgspec.structs.replace(made, signature=county_key.sign(_SIGNED_AS + _signed_part(made)).signature)


def encode(certificate: Certificate) -> bytes:
    return msgspec.msgpack.encode(certificate)


@lru_cache(4_096)  # each start and each change of *common* reads those of the whole county again
def decode(raw: bytes) -> Certificate:
    """Unverified: ask `is_valid` next. Raises Refused certificate_wrong."""
    try:
        return _decoder.decode(raw)
    except UNREADABLE as error:
        raise Refused("certificate_wrong") from error


@lru_cache(4_096)  # a county has some 250; a hub asks for each with every batch, and Ed25519 takes 60 µs
def is_valid(certificate: Certificate, county_public: bytes) -> bool:
    """Claims that the county signed it and that every field can be true."""
    try:
        VerifyKey(county_public).verify(_SIGNED_AS + _signed_part(certificate), certificate.signature)
    except (CryptoError, ValueError, TypeError):
        return False
    return not _wrong(certificate)


def is_node_id(text: str) -> bool:
    return _NODE.fullmatch(text) is not None


def hears(certificate: Certificate, ledger: str) -> bool:
    """Claims that the node receives this ledger: *common*, its own sealed one, and what it covers."""
    return _hears(certificate.covers, certificate.node, ledger)


@lru_cache(65_536)  # a hub weighs each Have of 233 nodes against all of them
def _hears(covers: tuple[str, ...], node: str, ledger: str) -> bool:
    if ledger == place.COMMON:
        return True
    if place.is_sealed(ledger):
        return place.code_of(ledger) == node or _reads_sealed(covers, ledger)
    return place.covers(covers, ledger)


def by_path(some: Iterable[Certificate]) -> dict[str, list[Certificate]]:
    """Under each path those that cover it, alone or with its subtree: whoever hears a place's ledger stands under one of `place.upward`."""
    found: dict[str, list[Certificate]] = {}
    for one in some:
        for path in one.covers:
            found.setdefault(path.removesuffix("/*"), []).append(one)
    return found


def hearers(known: Mapping[str, list[Certificate]], ledger: str) -> list[Certificate]:
    """Who of `by_path` hears a ledger that is neither *common* nor sealed. Of 1,600 only those are weighed that lie on its way up."""
    near = {one.node: one for path in place.upward(ledger) for one in known.get(path, ())}
    return [one for one in near.values() if hears(one, ledger)]


def writes(certificate: Certificate, ledger: str) -> bool:
    """Claims that the node may open a lane in this ledger: what it hears, but *common* only when `_` is listed."""
    return place.COMMON in certificate.covers if ledger == place.COMMON else hears(certificate, ledger)


def serves(certificate: Certificate, office: str) -> bool:
    """Claims that the node may write for this office; "" is the node itself."""
    return office == "" or place.covers(certificate.serves, office)


def is_above(theirs: Certificate, ours: Certificate) -> bool:
    """Claims that they receive all that we do and more (*common* and sealed ledgers do not count): a wider place's node."""
    reach = [path.removesuffix("/*") for path in ours.covers if not _is_apart(path)]
    wider = [path for path in theirs.covers if not _is_apart(path)]
    return all(place.covers(theirs.covers, path) for path in reach) and not all(_holds(ours.covers, path) for path in wider)


def seat(certificate: Certificate) -> str:
    """The office that the node serves first, and the ledger of that place or unit."""
    return certificate.serves[0].removesuffix("/*")


def sealed_ledger(certificate: Certificate) -> str:
    """The node's own sealed ledger, `<county>/sealed/<node>`."""
    county = next(place.segments(path)[0] for path in (*certificate.covers, *certificate.serves) if path != place.COMMON)
    return f"{county}/{place.SEALED}/{certificate.node}"


def _is_apart(path: str) -> bool:
    return path == place.COMMON or place.SEALED in place.segments(path.removesuffix("/*"))


def _holds(covers: tuple[str, ...], path: str) -> bool:
    """Claims that the path is covered, with its subtree when it has one."""
    below = path.removesuffix("/*")
    if path == below:
        return place.covers(covers, path)
    return path in covers or any(one.endswith("/*") and place.covers((one,), below) for one in covers)


def _reads_sealed(covers: tuple[str, ...], ledger: str) -> bool:
    return any(place.SEALED in place.segments(path) for path in covers if place.covers((path,), ledger))


def _signed_part(certificate: Certificate) -> bytes:
    return msgspec.msgpack.encode(msgspec.structs.astuple(certificate)[:8])


def _wrong(c: Certificate) -> str:
    """What is impossible in it, or ""."""
    if not is_node_id(c.node):
        return f"node id: {c.node!r}"
    if len(c.key) != KEY_BYTES:
        return f"key of {len(c.key)} bytes"
    if not 0 < len(c.serves) <= REACH_MAX or not 0 < len(c.covers) <= REACH_MAX:
        return "serves or covers is empty or too long"
    if bad := [path for path in (*c.serves, *c.covers) if not _PATH.fullmatch(path)]:
        return f"paths: {bad}"
    if all(path == place.COMMON for path in (*c.covers, *c.serves)):
        return "no path of a county"
    if not 0 < c.short <= SHORT_MAX or not 0 <= c.valid_from_ms < 2**53 or not _BRANCH.fullmatch(c.branch):
        return "short, valid_from_ms or branch"
    return ""
