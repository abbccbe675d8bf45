"""What must hold when the fault is over. `outcome = await judge(county, saved)` with its programs stopped.

(a) every acknowledged entry is at every node that hears its ledger, under the number that was told, from the same command, with its words;
(b) no command led to anything else besides; (c) views are what a rebuild makes of the entries; (d) one holder per case and term, and each case
and task reads the same at every node that has the same entries of it; (e) every lane proves from its first entry: chain, bodies, certificate,
each signature; (f) nobody holds a ledger it does not hear; (g) what was set aside has an owner and a day; (h) no clock was trusted for order: a
case reads the same, but for its times, when every clock was another and all came the other way round, and no line of it stands before
one that its writer knew (kit/folds.py).

Besides, (i) equal digests wherever two nodes hear a ledger; (j) what a node ever said in a signed Have is on its disk; (k) nothing is in
quarantine but what the row expects, and each of that is shown to somebody who works there; (l) an open case is held by one office that has
people (g, k, l: kit/orphans.py); (m) every acknowledged file is whole wherever it must lie, and none is said to be there that is not (kit/files.py).

(a), (b) and (m) are counted, lost or doubled; what else does not hold raises AssertionError. What one store can show without the others is asked
of it by `alone`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from protocol import certificate as certificates
from protocol import entry, events, have, lane
from protocol.access import office_covers
from protocol.certificate import Certificate
from protocol.events import LaneOpened
from protocol.lane import LaneHead
from protocol.node.journal import Journal, Stored, rebuild
from protocol.node.link.answers import piece
from protocol.node.node import Node
from tests.faults.kit import folds
from tests.faults.kit.desks import Saved
from tests.faults.kit.files import Found, found_at, missing
from tests.faults.kit.folds import Fold
from tests.faults.kit.orphans import Stopped, nobodys, owned, peopled, unseen
from tests.faults.row import Outcome

PIECE_MAX = 500


class Held(NamedTuple):
    """What one node holds: its certificate, lane → entries, ledger → digest, subject → case or task, its files."""

    certificate: Certificate
    lanes: Mapping[tuple[str, str], Sequence[Stored]]
    digests: Mapping[str, str]
    folds: Mapping[str, Fold] = {}
    found: Found = Found({}, ())


async def judge(
    county: Stopped,
    saved: Iterable[Saved],
    *,
    nodes: Sequence[str] = (),
    expected: Collection[str] = (),
    staffed: Collection[str] = (),
    said: Sequence[str] = (),
    images: int = 0,
    figures: Mapping[str, float] | None = None,
) -> Outcome:
    """expected: codes that may stand in quarantine · staffed: offices whose people are the row's own, without an account. Raises AssertionError
    for all but (a), (b) and (m), which are counted in the Outcome."""
    held: dict[str, Held] = {}
    promises: list[tuple[str, have.Have]] = []
    for name in nodes or county.nodes:
        async with county.opened(name) as node:
            held[name] = await held_at(name, node, node.certificate, node.about.root_public)
            promises += await haves(node)
            await nothing_strange(name, node, expected)
            hidden = await unseen(node)
            assert not hidden, f"{name}: " + " · ".join(hidden)
    alike(held)
    kept(held, promises)
    timeless(held)
    light = [held[name].certificate for name in held if name not in county.nodes]  # their clerks are ours, without an account
    offices = await peopled(county) | set(staffed) | {path.removesuffix("/*") for certificate in light for path in certificate.serves}
    nobodys = [line for name in county.nodes for line in await owned(county, name, offices)]
    assert nobodys == [], nobodys[:5]
    saved = list(saved)
    lost, doubled = counted(held, saved)
    return Outcome(len(saved), len(lost), len(doubled), images, (*said, *lost[:5], *doubled[:5]), dict(figures or {}))


async def alone(name: str, node: Any, offices: Collection[str]) -> None:
    """Of one store that nobody else has open: (c) to (h), (j) to (l), and that no words and no file are gone of which it speaks. offices: those that
    have people. Raises AssertionError."""
    held = {name: await held_at(name, node, node.certificate, node.about.root_public)}
    await nothing_strange(name, node)
    kept(held, await haves(node))
    timeless(held)
    wrong = [*wordless(held), *held[name].found.untrue, *await nobodys(node, offices)]
    assert not wrong, wrong[:5]


async def nothing_strange(name: str, node: Any, expected: Collection[str] = ()) -> None:
    strange = [row for row in await node.journal.rows("quarantine") if row["code"] not in expected]
    assert not strange, f"{name} has in quarantine: " + " · ".join(f"{r['code']} {r['ledger']} {r['origin']}" for r in strange)


async def held_at(name: str, node: Any, certificate: Certificate, root_public: bytes) -> Held:
    """All of a stopped node; certificate: what it may hold by. Raises AssertionError."""
    made = await hold(name, certificate, node.journal, root_public)
    return made._replace(folds=await folds.folds_of(node), found=await found_at(node.blobs, node.journal, certificate, made.lanes))


async def hold(name: str, certificate: Certificate, journal: Journal, root_public: bytes) -> Held:
    """Reads a node's whole journal, proving it. Raises AssertionError."""
    lanes = {key: await proven(journal, *key, root_public) for key in await journal.heads()}
    foreign = {ledger for ledger, _ in lanes if not certificates.hears(certificate, ledger)}
    assert not foreign, f"{name} holds {foreign} and does not hear it"
    assert await rebuild(journal), f"{name}: a view was not what its entries say"
    return Held(certificate, lanes, {ledger: have.digest(await journal.lanes(ledger)) for ledger in await journal.ledgers()})


async def proven(journal: Journal, ledger: str, origin: str, root_public: bytes) -> list[Stored]:
    """The whole lane, as a stranger would prove it: batch by batch from the first entry, then each signature that is kept."""
    end, after, rows = (await journal.heads(ledger))[ledger, origin], LaneHead(), []
    opening = await journal.entry(ledger, origin, 1)
    assert opening is not None, f"{ledger} {origin} has no first entry"
    facts = events.facts_of(opening.head)
    assert isinstance(facts, LaneOpened), opening.head.kind
    certificate = certificates.decode(facts.certificate)
    while after.seq < end.seq:
        batch = await piece(journal, ledger, origin, after.seq, PIECE_MAX)
        assert batch is not None, f"{ledger} {origin} ends unsigned at {after.seq} of {end.seq}"
        checked = lane.check(batch, after, certificate, root_public)
        rows += await journal.lane(ledger, origin, after.seq, len(batch.heads))
        last = checked.entries[-1]
        after = LaneHead(last.head.seq, last.hash, last.head.seq)
    assert (after.seq, after.hash) == (end.seq, end.hash), f"{ledger} {origin}: head and entries differ"
    for one in rows:
        assert one.signature is None or entry.is_signed(certificate.key, one.hash, one.signature), f"{ledger} {origin} {one.seq}"
    return rows


async def haves(node: Node) -> list[tuple[str, have.Have]]:
    """What others said to this node, and what it said itself: each is a promise of its speaker, signed."""
    wires = [row["signed"] for table in ("peer", "own_have") for row in await node.journal.rows(table)]
    told = [(bytes(wire), have.read(bytes(wire))) for wire in wires]
    known = {**node.shelf.certificates, node.about.node: node.certificate}
    for wire, said in told:
        assert have.is_signed(wire, known[said.node].key), f"a Have of {said.node} that it never signed"
    return [(said.node, said) for _, said in told]


def alike(held: Mapping[str, Held]) -> None:
    for ledger in {ledger for one in held.values() for ledger in one.digests}:
        told = {name: one.digests.get(ledger, "") for name, one in held.items() if certificates.hears(one.certificate, ledger)}
        assert len(set(told.values())) == 1, f"{ledger} differs: {told}"


def kept(held: Mapping[str, Held], promises: Iterable[tuple[str, have.Have]]) -> None:
    by_node = {one.certificate.node: one for one in held.values()}
    for speaker, said in promises:
        one = by_node.get(speaker)
        for origin, (seq, hash_) in said.lanes.items() if one else ():
            rows = one.lanes.get((said.ledger, origin), ())
            assert len(rows) >= seq, f"{speaker} said it had {said.ledger} {origin} up to {seq}, and has {len(rows)}"
            assert rows[seq - 1].hash == hash_, f"{speaker} said another history of {said.ledger} {origin} at {seq}"


def timeless(held: Mapping[str, Held]) -> None:
    """(d) and (h)."""
    wrong = list(folds.unlike(held))
    for name, one in held.items():
        for fold in one.folds.values():
            told = (
                folds.by_clock(fold),
                folds.disordered(fold),
                "" if folds.held_once(fold.of) else f"{fold.of.id} has not one holder a term",
            )
            wrong += [f"{name}: {line}" for line in told if line]
    assert not wrong, wrong[:5]


def counted(held: Mapping[str, Held], saved: Sequence[Saved]) -> tuple[list[str], list[str]]:
    """(lost, doubled): a line for each promise that is not true, or true more than once. An entry without its words is lost too, and a
    file that is not where it must be."""
    lost, doubled = [*wordless(held), *missing(held, saved)], []
    for name, one in held.items():
        by_command: dict[str, set[tuple[str, str, int]]] = {}
        for (ledger, origin), rows in one.lanes.items():
            for row in rows:
                if row.sort != lane.SORT:
                    by_command.setdefault(row.command, set()).add((ledger, origin, row.seq))
        for promise in saved:
            here = by_command.get(promise.command, set())
            told = {key for key in promise.keys if certificates.hears(one.certificate, key[0])}
            if told - here:
                lost.append(f"{name} lacks {sorted(told - here)} that {promise.node} told {promise.account}")
            if here - told:
                doubled.append(f"{name} holds {sorted(here - told)} besides {sorted(told)} of one command")
    return lost, doubled


def wordless(held: Mapping[str, Held]) -> Iterator[str]:
    """Entries that stand without the words that their hash speaks of, though nobody who counts erased them."""
    for name, one in held.items():
        rows = [row for lane_ in one.lanes.values() for row in lane_]
        erased = set(_erased(rows))
        for row in rows:
            if row.body is None and (*row.key, row.subject) not in erased and row.head.body_hash:
                yield f"{name} has no words of {row.key}"


def _erased(rows: Sequence[Stored]) -> Iterator[tuple[str, str, int, str]]:
    """(ledger, origin, seq, subject) by erasures inside their office's region, and not of a node that was put out before."""
    facts = [(row, events.facts_of(row.head)) for row in rows if row.sort in ("erasure", "common")]
    out = {f.node: {(ledger, origin): seq for ledger, origin, seq in f.last} for _, f in facts if isinstance(f, events.NodeRevoked)}
    for row, said in facts:
        last = out.get(entry.node_of(row.origin))
        counts = last is None or row.seq <= last.get((row.ledger, row.origin), 0)
        if isinstance(said, events.BodyErased) and counts and said.ledger == row.ledger and office_covers(said.office, row.ledger):
            yield said.ledger, said.origin, said.seq, row.subject
