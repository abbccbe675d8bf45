"""A report that only the holder of the sealing secret may read: the true head and body go into a sealed box (X25519) at once.

The outer entry stands in the ledger `<root>/sealed/<node>` and says 'sealed', the node and a random subject, nothing else; its
author is the node itself. Boxes are padded to whole kilobytes, so that a length tells little. Nothing is kept readable at
rest anywhere: a node with the secret opens boxes when someone with the power `sealed` reads, so an erased body is gone here too.

    box = SealedBox(MessagePack [head bytes, body bytes, zero bytes])      inside: a DisputeLogged with its body, as in a case
"""

from collections.abc import Callable
from hashlib import blake2b

import msgspec
from nacl.bindings import crypto_box, crypto_box_seed_keypair
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from protocol import entry, events
from protocol.commands import Party, SealDispute
from protocol.events import Actor, DisputeLogged, DisputeLoggedBody, Draft, Sealed, SealedBody

PAD_BYTES = 1024
SORT = "sealed"
INTAKE = "sealed"


class _Inside(msgspec.Struct, array_like=True, frozen=True):
    head: bytes
    body: bytes
    padding: bytes = b""


class SealedReport(msgspec.Struct, frozen=True):
    """What the holder of the secret reads. at_ms: when it was handed in · node: where · receipt: what the reporter was told.

    readable False: the box is not for this secret, was damaged or erased; then the words are empty.
    """

    subject: str
    receipt: str
    node: str
    at_ms: int
    received_ms: int
    key: tuple[str, str, int]
    type: str = ""
    account: str = ""
    accuser: str = ""
    accused: str = ""
    contact: str = ""
    office: str = ""
    readable: bool = False


_inside = msgspec.msgpack.Decoder(_Inside)


def subject_of(command: str) -> str:
    return entry.derive(command, "sealed")


def receipt_of(subject: str) -> str:
    """A number for the reporter's slip; from the subject alone, so both ends show the same: `MF-1A2B-3C4D`."""
    return f"MF-{subject[:4]}-{subject[4:8]}".upper()


def seal(command: SealDispute, actor: Actor, ledger: str, at_ms: int, sealing_key: bytes, chance: Callable[[int], bytes]) -> Draft:
    """The outer draft. ledger: `<root>/sealed/<node>` · chance: random bytes, for the box's own fresh key."""
    facts = DisputeLogged(actor.office, 1, (), "", command.type, INTAKE, 1, "red", None, None, "")
    parties = [Party(command.accuser or "不愿透露", phone=command.contact), Party(command.accused or "未写明", side="respondent")]
    body = msgspec.msgpack.encode(DisputeLoggedBody("密封转交", command.account, parties))
    who = (actor.person, actor.post)
    subject = subject_of(command.id)
    raw_facts = msgspec.Raw(msgspec.msgpack.encode(facts))
    head = entry.Head(entry.FORMAT, ledger, "", 0, subject, "dispute", 1, at_ms, None, who, command.id, "DisputeLogged", raw_facts, b"")
    raw = msgspec.msgpack.encode(_Inside(entry.encode_head(head), body))
    padded = msgspec.msgpack.encode(_Inside(entry.encode_head(head), body, bytes(-len(raw) % PAD_BYTES)))
    box = _boxed(padded, sealing_key, chance(32))
    return Draft(ledger, subject, SORT, Sealed("", 0, ()), SealedBody(box))


def _boxed(plain: bytes, public: bytes, seed: bytes) -> bytes:
    """What libsodium's crypto_box_seal makes, with a fresh key from `seed` (32 random bytes, used once)."""
    fresh, secret = crypto_box_seed_keypair(seed)
    return fresh + crypto_box(plain, blake2b(fresh + public, digest_size=24).digest(), public, secret)


def opened(outer: entry.Head, body: bytes | None, received_ms: int, secret: bytes) -> SealedReport:
    """Total: what can't be opened comes back as not readable, so that nothing handed in is ever out of sight."""
    key = (outer.ledger, outer.origin, outer.seq)
    node, receipt = entry.node_of(outer.origin), receipt_of(outer.subject)
    report = SealedReport(outer.subject, receipt, node, outer.occurred_ms, received_ms, key)
    sealed = events.body_of("Sealed", body)
    if sealed is None:
        return report
    try:
        inside = _inside.decode(SealedBox(PrivateKey(secret)).decrypt(sealed.box))
        head = entry.decode_head(inside.head)
    except (CryptoError, *entry.UNREADABLE):
        return report
    facts, said = events.facts_of(head), events.body_of(head.kind, inside.body)
    if not isinstance(facts, DisputeLogged) or not isinstance(said, DisputeLoggedBody):
        return report
    accuser = next((p for p in said.parties if p.side == "applicant"), Party("?"))
    accused = next((p.name for p in said.parties if p.side == "respondent"), "")
    words = {"type": facts.type, "account": said.account, "accuser": accuser.name, "accused": accused, "contact": accuser.phone}
    return msgspec.structs.replace(report, **words, office=facts.office, readable=True)
