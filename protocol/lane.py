"""A lane: the entries of one origin in one ledger, numbered 1, 2, 3 … without a gap, chained, signed at each commit.

`next_entries` is how a node writes its own lane; `check` is what every other node asks before it admits a piece of one. Both
are pure: keys, salts and times are arguments. Entry 1 is LaneOpened with the origin's certificate.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

import msgspec
from nacl.signing import SigningKey

from protocol import certificate as certificates
from protocol import entry, events
from protocol.batch import BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, Batch
from protocol.certificate import Certificate
from protocol.codes import EPOCHS_MAX
from protocol.entry import START, UNREADABLE, Entry, Head
from protocol.events import Draft, LaneOpened
from protocol.facts import COUNT_MAX
from protocol.place import COMMON
from protocol.problem import Refused

OPENS = "LaneOpened"
SORT = "lane"
_json: Final = msgspec.json.Encoder()
COMMON_ONLY: Final = frozenset({"NodeEnrolled", "NodeRevoked", "TableSet"})  # the county speaks for all: nowhere but in *common*
DEPTH_MAX: Final = 200  # of lists and maps within each other; a fifth of what the oldest Python that we run on can read
_NESTS: Final = (dict, list, tuple)
_NEST_BYTES: Final = bytes((*range(0x80, 0xA0), *range(0xDC, 0xE0)))  # each list and each map of MessagePack begins with one of these
_ID, _NAME = r"[0-9A-Za-z._:/|-]{0,80}", r"[0-9A-Za-z_]{1,40}"
_IDS: Final = re.compile(rf"(?:{_ID}\n){{6}}{_NAME}\n{_NAME}")  # six ids and two names, a line each
_TWO_IDS: Final = re.compile(rf"{_ID}\n{_ID}")


class LaneHead(msgspec.Struct, frozen=True, gc=False):
    """Where a lane stands: its last seq, the chain hash there, and the last seq whose signature is here (a batch may end there)."""

    seq: int = 0
    hash: bytes = START
    signed_seq: int = 0


EMPTY: Final = LaneHead()


class Proven(msgspec.Struct, frozen=True, gc=False):
    """One entry with what was made or verified about it; signature only at the last of a commit."""

    head: Head
    entry: Entry
    hash: bytes
    signature: bytes | None


class Commit(msgspec.Struct, frozen=True):
    """What one commit adds to one lane. `head` is the lane's head after it."""

    ledger: str
    origin: str
    after: LaneHead
    entries: tuple[Proven, ...]

    @property
    def head(self) -> LaneHead:
        last = self.entries[-1]
        return LaneHead(last.head.seq, last.hash, last.head.seq)

    @property
    def batch(self) -> Batch:
        rows = [e.entry for e in self.entries]
        bodies = tuple(None if e.salt is None or e.body is None else (e.salt, e.body) for e in rows)
        heads = tuple(e.head_bytes for e in rows)
        return Batch(self.ledger, self.origin, self.after.seq, self.after.hash, heads, bodies, self.entries[-1].signature or b"")


class Checked(msgspec.Struct, frozen=True):
    """entries: only what is new after the lane's head here, in order; empty when all of the batch was known."""

    certificate: Certificate
    entries: tuple[Proven, ...]


def open_lane_facts(certificate: Certificate) -> LaneOpened:
    return LaneOpened("", 0, (), certificates.encode(certificate))


def open_lane(ledger: str, origin: str, certificate: Certificate) -> Draft:
    """The draft that must come first in a lane that is still empty."""
    return Draft(ledger, entry.derive(origin, f"lane {ledger}"), SORT, open_lane_facts(certificate))


def next_entries(
    head: LaneHead | None,
    drafts: Sequence[Draft],
    *,
    origin: str,
    key: SigningKey,
    author: tuple[str, str],
    command: str,
    occurred_ms: int,
    offset_ms: int | None,
    turns: Mapping[str, int],
    salt: Callable[[], bytes],
) -> Commit:
    """Heads, chain and one signature for one commit to one lane.

    drafts: all of one ledger, the first LaneOpened when `head` is None or seq 0 · turns: subject → highest turn known of it (0 when
    absent) · salt: 16 fresh random bytes a call. Raises ValueError when the commit, a head or a body is larger than others take: cut it before;
    and for an id that others refuse.
    """
    after = head or EMPTY
    ledgers = {draft.ledger for draft in drafts}
    if len(ledgers) != 1 or not 0 < len(drafts) <= BATCH_ENTRIES_MAX:
        raise ValueError(f"{len(drafts)} drafts of ledgers {ledgers}: one commit writes 1 to {BATCH_ENTRIES_MAX} entries of one lane")
    if (after.seq == 0) != (drafts[0].kind == OPENS):
        raise ValueError("LaneOpened is entry 1 of a lane, and nothing else is")
    made: list[tuple[Head, Entry, bytes]] = []
    known, at, size = dict(turns), after.hash, 0
    for seq, draft in enumerate(drafts, after.seq + 1):
        known[draft.subject] = turn = min(
            known.get(draft.subject, 0) + 1, COUNT_MAX - 1
        )  # of two alike `hold` asks what they were decided on
        one_salt, body = (None, None) if draft.body is None else (salt(), msgspec.msgpack.encode(draft.body))
        facts, digest = msgspec.Raw(msgspec.msgpack.encode(draft.facts)), entry.body_hash(one_salt, body)
        who = (draft.ledger, origin, seq, draft.subject, draft.sort, turn, occurred_ms, offset_ms, author, command, draft.kind)
        one = Head(entry.FORMAT, *who, facts, digest)
        if not _has_names(one):  # every node would refuse it, and all that follows
            raise ValueError(f"{draft.kind}: ids {draft.ledger[:80]!r} {draft.subject[:80]!r} {command[:80]!r} {author!r}")
        raw = entry.encode_head(one)
        if len(raw) > entry.HEAD_BYTES_MAX or len(body or b"") > entry.BODY_BYTES_MAX:  # every node would refuse it, and all that follows
            raise ValueError(f"{draft.kind} of {len(raw)} and {len(body or b'')} bytes")
        at = entry.chain(at, raw)
        size += len(raw) + len(body or b"") + 64
        made.append((one, Entry(raw, one_salt, body), at))
    if size > BATCH_BYTES_MAX - 1_024:
        raise ValueError(f"a commit of {size} bytes: at most {BATCH_BYTES_MAX}")
    signature, last = entry.sign(key, at), len(made) - 1
    entries = tuple(Proven(*one, signature if n == last else None) for n, one in enumerate(made))
    return Commit(drafts[0].ledger, origin, after, entries)


def hashes(batch: Batch) -> Iterator[bytes]:
    """The chain hash of each entry, as the batch claims it."""
    at = batch.prev
    for head in batch.heads:
        at = entry.chain(at, head)
        yield at


def check(batch: Batch, after: LaneHead | None, certificate: Certificate | None, county_public: bytes) -> Checked:
    """Proves a batch, whole or not at all, against the lane's head here.

    certificate: the origin's as known here (lane's entry 1, or a newer one of *common*); None only for a lane that begins in this
    batch. What the lane already holds is cut off; whoever wants forks below the head noticed compares `hashes` with the journal.
    Raises Refused: lane_gap, lane_fork, certificate_wrong, signature_wrong, lane_foreign, office_not_served, body_wrong,
    version_unknown, batch_malformed.
    """
    here = after or EMPTY
    if batch.after > here.seq:
        raise Refused("lane_gap", have=here.seq, got=batch.after + 1)
    _check_epoch(batch.origin)
    heads = [_head(batch, seq, raw) for seq, raw in enumerate(batch.heads, batch.after + 1)]
    _check_names(heads)
    chained = list(hashes(batch))
    known = here.seq - batch.after  # how many of its entries the lane holds already
    if known <= len(chained) and (batch.prev, *chained)[known] != here.hash:
        raise Refused("lane_fork", lane=f"{batch.ledger} {batch.origin}", seq=here.seq)
    ours = _certificates(batch, heads, certificate, county_public)
    if not entry.is_signed(ours[0].key, chained[-1], batch.signature):
        raise Refused("signature_wrong")
    if not any(certificates.writes(c, batch.ledger) for c in ours):
        raise Refused("lane_foreign", ledger=batch.ledger)
    last = len(heads) - 1
    proven = [
        Proven(head, one, hash_, batch.signature if n == last else None)
        for n, (head, one, hash_) in enumerate(zip(heads, batch.entries, chained, strict=True))
    ]
    new = proven[max(known, 0) :]
    _judge(new, batch.told[max(known, 0) :], ours)
    return Checked(ours[-1], tuple(new))


def check_branch(batch: Batch, certificate: Certificate | None, county_public: bytes, vouched: bytes = b"") -> tuple[Proven, ...]:
    """Proves a piece of another history of a lane: the same writer signed it, whatever stands in the lane here.

    vouched: a hash of that history that was proven before; a piece that ends there needs no signature of its own. Raises what
    `check` raises, but for lane_gap and lane_fork.
    """
    _check_epoch(batch.origin)
    heads = [_head(batch, seq, raw) for seq, raw in enumerate(batch.heads, batch.after + 1)]
    _check_names(heads)
    chained = list(hashes(batch))
    ours = _certificates(batch, heads, certificate, county_public)
    signed = entry.is_signed(ours[0].key, chained[-1], batch.signature)
    if not signed and chained[-1] != vouched:
        raise Refused("signature_wrong")
    if not any(certificates.writes(c, batch.ledger) for c in ours):
        raise Refused("lane_foreign", ledger=batch.ledger)
    last = len(heads) - 1
    proven = tuple(
        Proven(head, one, hash_, batch.signature if signed and n == last else None)
        for n, (head, one, hash_) in enumerate(zip(heads, batch.entries, chained, strict=True))
    )
    _judge(proven, batch.told, ours)
    return proven


@lru_cache(maxsize=8192)
def is_origin(text: str) -> bool:
    """Claims that a lane can be named so: a node's id, and an epoch as written here that a code has letters for."""
    node, epoch = entry.node_of(text), entry.epoch_of(text)
    return 1 <= epoch <= EPOCHS_MAX and certificates.is_node_id(node) and text == entry.origin_of(node, epoch)


def _check_epoch(origin: str) -> None:
    """So no node can fill a ledger with lanes until no Have of it can be read."""
    if not is_origin(origin):
        raise Refused("batch_malformed", why=f"epoch of {origin[:80]!r}")


def _head(batch: Batch, seq: int, raw: bytes) -> Head:
    """Decoded, and truly this lane's entry number `seq`."""
    if len(raw) > entry.HEAD_BYTES_MAX:
        raise Refused("batch_malformed", why=f"head {seq} of {len(raw)} bytes")
    try:
        head = entry.read_head(raw)  # whoever admits it keeps it
    except UNREADABLE as error:
        raise Refused("batch_malformed", why=f"head {seq}: {error}") from error
    if not _is_readable(bytes(head.facts)):
        raise Refused("batch_malformed", why=f"head {seq}: facts")
    if head.format != entry.FORMAT:
        raise Refused("version_unknown", version=head.format)
    if (head.ledger, head.origin) != (batch.ledger, batch.origin):
        raise Refused("lane_foreign", ledger=head.ledger)
    at, offset = head.occurred_ms, head.offset_ms or 0  # times may lie before 1970
    if head.seq != seq or not 0 < head.turn < COUNT_MAX or not -COUNT_MAX < at < COUNT_MAX or not -COUNT_MAX < offset < COUNT_MAX:
        raise Refused("batch_malformed", why=f"head {seq}: seq {head.seq}, turn {head.turn}")
    if (seq == 1) != (head.kind == OPENS):
        raise Refused("batch_malformed", why=f"head {seq}: {head.kind}")
    return head


def _check_names(heads: Sequence[Head]) -> None:
    """Ids and names are such as every node takes. Of one lane most heads have those of one before them, but for subject and command."""
    known = set[tuple[tuple[str, str], str, str]]()
    for head in heads:
        who = (head.author, head.sort, head.kind)
        if who in known and _TWO_IDS.fullmatch(f"{head.subject}\n{head.command}") is not None:
            continue
        if not _has_names(head):
            raise Refused("batch_malformed", why=f"head {head.seq}: ids")
        known.add(who)


def _has_names(head: Head) -> bool:
    """Claims that its ids and names are such as every node takes."""
    return _IDS.fullmatch("\n".join((head.ledger, head.origin, head.subject, *head.author, head.command, head.sort, head.kind))) is not None


def _certificates(batch: Batch, heads: list[Head], known: Certificate | None, county_public: bytes) -> list[Certificate]:
    """All certificates that speak for this origin here: that of entry 1 when it is in the batch, then the one known. One key."""
    found = []
    if heads[0].kind == OPENS:
        facts = events.facts_of(heads[0])
        if not isinstance(facts, LaneOpened):
            raise Refused("certificate_wrong")
        found.append(certificates.decode(facts.certificate))
    if known is not None:
        found.append(known)
    node = entry.node_of(batch.origin)
    if not found or not all(c.node == node and certificates.is_valid(c, county_public) for c in found) or len({c.key for c in found}) > 1:
        raise Refused("certificate_wrong")
    return found


def _judge(some: Sequence[Proven], told: Sequence[bytes | None], ours: list[Certificate]) -> None:
    """The office is served by its writer, the body fits its hash, and what only *common* may hold stands there. told: see `Batch`."""
    served = set[str]()
    for one, hash_ in zip(some, told, strict=True):
        head, raw = one.head, one.entry
        if head.kind in COMMON_ONLY and head.ledger != COMMON:
            raise Refused("lane_foreign", ledger=head.ledger)
        office = events.facts_of(head).office
        if office not in served:
            if not any(certificates.serves(c, office) for c in ours):
                raise Refused("office_not_served", office=office)
            served.add(office)
        if raw.body is None:
            continue
        if len(raw.body) > entry.BODY_BYTES_MAX or len(raw.salt or b"") != entry.SALT_BYTES:
            raise Refused("body_wrong", seq=head.seq)
        if (hash_ or entry.body_hash(raw.salt, raw.body)) != head.body_hash or not _is_readable(raw.body):
            raise Refused("body_wrong", seq=head.seq)


def _is_readable(raw: bytes) -> bool:
    """Claims that it is MessagePack, not too deep, with texts every store can keep: valid UTF-8 and no U+0000. What it means is asked elsewhere."""
    try:
        read = msgspec.msgpack.decode(raw)
    except UNREADABLE:
        return False
    is_shallow = len(raw) <= DEPTH_MAX or len(raw) - len(raw.translate(None, _NEST_BYTES)) <= DEPTH_MAX or _is_shallow(read)
    return is_shallow and (b"\0" not in raw or not _may_hold_nul(read) or not _holds_nul(read))


def _is_shallow(value: object) -> bool:
    """How deep a decoder can go hangs on the Python that runs it: what one node took, another could not read."""
    level: list[Any] = [value] if type(value) in _NESTS else []
    for _ in range(DEPTH_MAX):
        level = [part for one in level for part in (chain(one, one.values()) if type(one) is dict else one) if type(part) in _NESTS]
        if not level:
            return True
    return False


def _may_hold_nul(value: object) -> bool:
    """False: certainly not. Numbers hold zero bytes all the time, and looking at every text of a value costs more than the rest of a check."""
    try:
        return b"\\u0000" in _json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return True


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(k) or _holds_nul(v) for k, v in value.items())
    return isinstance(value, (list, tuple)) and any(map(_holds_nul, value))
