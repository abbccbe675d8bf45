"""What must be true: at each message, and in the end, when the world has healed.

    watch = Watch(world)                 safety: listens to the wire, writes what is broken into world.broken
    await at_end(world, chance)          the eight claims of the design, after the digests are equal; gives what is broken

(a) every acknowledged entry is at every node that covers it, with the same bytes · (b) none twice · (c) views equal a rebuild ·
(d) one holder a case and term, the same wherever the entries are the same · (e) chains and signatures verify from the first entry ·
(f) nobody holds, was sent, or is given when he asks, what may not be seen there: entries and files · (g) what is set aside has a review item
with owner and deadline · (h) digests are equal at every tier. Chains, reach and signatures are judged here by rules of their own, not by production's functions.

A claim that is costly is made at the county and at one node drawn from the seed.
"""

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from protocol import batch as batches
from protocol import have
from protocol.case import key_text
from protocol.entry import UNREADABLE, Admitted, decode_head
from protocol.events import LaneOpened, facts_of
from protocol.hold import gathered, judge
from protocol.node import blobs as pieces
from protocol.node.journal import rebuild
from protocol.node.journal.stored import SELECT, stored
from protocol.node.link import subjects
from protocol.node.link.answers import BlobAsk
from protocol.problem import Refused
from tests.simulation import acts_insider as insider
from tests.simulation.site import Site
from tests.simulation.wire import Msg, WireLink

if TYPE_CHECKING:
    from tests.simulation.world import World

BROKEN_MAX: Final = 12
SUBJECTS_MAX: Final = 40
_HEADS: Final = "select ledger, origin, seq, hash from lane where seq > 0 order by ledger, origin"
_CASES: Final = (  # a review is due a working day after this node knew of it, so its date may differ
    "select c.subject, c.status, c.holder, c.handler, c.term, c.offer_to, c.code, c.due_ms,"
    " (select group_concat(r.item || ' ' || r.owner) from (select * from review_row where subject = c.subject order by item) r)"
    " from case_row c where c.ledger = ? order by c.subject"
)
_NAMED: Final = "select ledger from blob where address = ? union select ledger from blob_use where address = ?"
_TASKS: Final = "select subject, status, cadre, result, reviews, recalls, answered from task_row where ledger = ? order by subject"


class Watch:
    """Judges each message as it is said and as it arrives."""

    def __init__(self, world: "World") -> None:
        self._world, self._by_link, self._files = world, dict[WireLink, Site | None](), set[tuple[str, str]]()
        world.wire.said.append(self.said)
        world.wire.delivered.append(self.arrived)

    def said(self, link: WireLink, subject: str, data: bytes) -> None:
        """A Have speaks of the disk; nobody but a ledger's own node and the county speaks of a sealed one."""
        if subject.startswith("y1.have."):
            site, got = self._site(link), have.read(data)
            for origin, (seq, hash_) in got.lanes.items() if site is not None else ():
                entry = (got.ledger, origin, seq, hash_)
                if entry in site.said or origin in self._world.record.invented:
                    continue
                site.said.add(entry)
                if not _is_committed(site, got.ledger, origin, seq, hash_):
                    self._broken(f"(a) {site.name} says Have {got.ledger} {origin} {seq}, which is not on its disk")

    def arrived(self, link: WireLink, msg: Msg) -> None:
        site = self._site(link)
        if site is None:
            return
        if msg.subject.startswith("y1.live.") or msg.subject.startswith("y1.have."):
            ledger = _ledger_in(msg.subject)
        elif msg.subject.startswith("_INBOX.") and msg.data and not msg.headers:
            ledger = _ledger_of(msg.data)
            if not ledger and (address := _file_of(msg.data)):
                self._given(site, address)
        else:
            return
        if ledger and not site.hears(ledger):
            self._broken(f"(f) {msg.subject} of {ledger} was delivered to {site.name}")

    def _given(self, site: Site, address: str) -> None:
        """Whoever is given a file hears a ledger of which an entry names it, here or wherever it was heard of already."""
        if (site.name, address) in self._files:
            return
        self._files.add((site.name, address))
        ledgers = set(_named_in(site, address))
        if not any(map(site.hears, ledgers)):
            ledgers = ledgers.union(*(_named_in(one, address) for one in self._world.everyone()))
        if not any(map(site.hears, ledgers)):
            self._broken(f"(f) file {address[:8]} of {sorted(ledgers)} was given to {site.name}")

    def _site(self, link: WireLink) -> Site | None:
        """None: whoever that is, it is no program of the county (acts_usurper.py)."""
        if link not in self._by_link:
            self._by_link[link] = next((site for site in self._world.everyone() if site.link is link), None)
        return self._by_link[link]

    def _broken(self, what: str) -> None:
        if len(self._world.broken) < BROKEN_MAX:
            self._world.broken.append(what)


@lru_cache(4_096)
def _ledger_in(subject: str) -> str:
    _, _, *three, _ = subject.split(".")
    return "/".join(token for token in three if token != "_") or "_"


def _is_committed(site: Site, ledger: str, origin: str, seq: int, hash_: bytes) -> bool:
    sql = "select hash from entry where ledger = ? and origin = ? and seq = ?"
    disk, key = site.disk, (ledger, origin, seq)
    if disk.is_changing:
        if not disk.has_before:
            return True  # nobody can say: there is no image of what was committed
        _, rows = disk.look(sql, key)
    else:
        rows = disk.rows(sql, key)
    return bool(rows) and bytes(rows[0][0]) == hash_


def _ledger_of(data: bytes) -> str:
    try:
        return batches.unpack(data).ledger
    except (Refused, *UNREADABLE):
        return ""  # a piece of a file


def _file_of(data: bytes) -> str:
    try:
        return pieces.unpack(data).address
    except Refused:
        return ""


def _named_in(site: Site, address: str) -> list[str]:
    """Ledgers that say they have the file, as known at this node."""
    return [ledger for (ledger,) in site.disk.rows(_NAMED, (address, address))]


# ── in the end ──


def heads(site: Site) -> dict[str, dict[str, tuple[int, bytes]]]:
    """ledger → origin → head, as committed."""
    found: dict[str, dict[str, tuple[int, bytes]]] = {}
    for ledger, origin, seq, hash_ in site.disk.rows(_HEADS):
        found.setdefault(ledger, {})[origin] = (seq, bytes(hash_))
    return found


def differing(world: "World") -> list[str]:
    """(h) ledgers that are not the same at all who hear them; empty when they are."""
    all_heads = {site.name: heads(site) for site in world.alive()}
    ledgers = {ledger for one in all_heads.values() for ledger in one}
    wrong = []
    for ledger in sorted(ledgers):
        said = {site.name: all_heads[site.name].get(ledger, {}) for site in world.alive() if site.hears(ledger)}
        if len({repr(sorted(lanes.items())) for lanes in said.values()}) > 1:
            short = {name: {origin: (seq, hash_.hex()[:6]) for origin, (seq, hash_) in lanes.items()} for name, lanes in said.items()}
            wrong.append(f"(h) {ledger}: {short}")
    return wrong


async def at_end(world: "World", chance: Random) -> list[str]:
    broken = list(present(world))
    broken += _once(world)
    broken += _same_cases(world)
    for site in world.alive():
        broken += [*_reach(site), *_foreign_files(world, site)]
    site = chance.choice(world.alive())
    for one in {"county": world.sites["county"], site.seat.name: site}.values():
        broken += [*_proven(one), *_set_aside(world, one)]
        if one.node is not None and not await rebuild(one.node.journal):
            broken.append(f"(c) views of {one.name} were not what its entries say")
    broken += await _kept_back(world, chance)
    broken += [f"sealed words in clear at {site.name}" for site in world.alive() if _in_clear(site, world.record.secrets)]
    return broken[:BROKEN_MAX]


def present(world: "World") -> Iterator[str]:
    """(a)"""
    from tests.simulation.world import held

    here = [(site, held(site)) for site in world.alive()]
    for entry in sorted(world.entries_told() - world.lost):
        for site, entries in here:
            if entry not in entries and site.hears(entry[0]):
                yield f"(a) {site.name} lacks {entry[0]} {entry[1]} {entry[2]}, which somebody was told is saved"


def _once(world: "World") -> Iterator[str]:
    """(b) One command leads to one set of entries, whoever sent it again; one code to one case."""
    county = world.sites["county"]
    sql = "select command, count(distinct origin), group_concat(distinct origin) from entry where command > '' and sort <> 'lane' group by command"
    told = {told.command for told in world.record.acknowledged}
    for command, count, origins in county.disk.rows(sql):
        if count > 1 and command in told and not _may_be_twice(world, origins.split(",")):
            yield f"(b) command {command} was carried out by {origins}"
    yield from doubled(world)


def doubled(world: "World") -> Iterator[str]:
    """Codes that two cases have at the county; what goes on elsewhere keeps the code of what it goes on from."""
    sql = "select code, count(*) from case_row where code > '' and predecessor = '' group by code having count(*) > 1"
    for code, count in world.sites["county"].disk.rows(sql):
        yield f"(b) code {code} was given {count} times"


def _may_be_twice(world: "World", origins: list[str]) -> bool:
    """The person sent it again to another computer, which had not heard of the first: another node, or a copy of this one."""
    nodes = {origin.partition(":")[0] for origin in origins}
    return len(nodes) > 1 or not nodes.isdisjoint(world.cloned)


def _same_cases(world: "World") -> Iterator[str]:
    """(d)"""
    for query in (_CASES, _TASKS):
        seen: dict[str, tuple[str, list[Any]]] = {}
        for site in world.alive():
            for ledger in heads(site):
                rows = site.disk.rows(query, (ledger,))
                name, first = seen.setdefault(ledger, (site.name, rows))
                if rows != first:
                    odd = [pair for pair in zip(first, rows, strict=False) if pair[0] != pair[1]][:1] or (len(first), len(rows))
                    yield f"(d) {ledger} reads otherwise at {name} and {site.name}: {odd}"


def _reach(site: Site) -> Iterator[str]:
    """(f)"""
    for table in ("entry", "branch", "blob", "blob_use"):
        for (ledger,) in site.disk.rows(f"select distinct ledger from {table}"):
            if not site.hears(ledger):
                yield f"(f) {site.name} holds {table} of {ledger}"


def _foreign_files(world: "World", site: Site) -> Iterator[str]:
    """A file, whole or in part, of which only ledgers speak that are not heard here. Of one that nobody names the form was never saved."""
    known = {address for (address,) in site.disk.rows("select address from blob")}
    for address in sorted({*site.files, *site.parts} - known):
        ledgers = {ledger for one in world.alive() for ledger in _named_in(one, address)}
        if ledgers and not any(map(site.hears, ledgers)):
            yield f"(f) {site.name} holds file {address[:8]} of {sorted(ledgers)}"


async def _kept_back(world: "World", chance: Random) -> list[str]:
    """(f) Somebody asks whoever has it for a file of which only ledgers speak that he does not hear."""
    held_by = {address: site for site in world.alive() if site.node and not site.node.stopped() for address in sorted(site.files)}
    named = {address: {ledger for one in world.alive() for ledger in _named_in(one, address)} for address in held_by}
    asking = [site for site in world.alive() if site.link is not None and site.link.is_connected]
    able = [(site, one) for one, ledgers in named.items() for site in asking if ledgers and not any(map(site.hears, ledgers))]
    if not able:
        return []
    site, address = chance.choice(able)
    known = held_by[address].certificate()
    world.counts["a file was asked for in vain"] += 1
    world.record.pried.add((site.node_id, address))
    if await insider.is_given(site.link, subjects.blob(known.branch, known.node), msgspec.msgpack.encode(BlobAsk(address, 0))):
        return [f"(f) {held_by[address].name} gives {site.name} file {address[:8]} of {sorted(named[address])}"]
    return []


def _proven(site: Site) -> Iterator[str]:
    """(e)"""
    at: dict[tuple[str, str], tuple[int, bytes, bytes]] = {}
    for row in site.disk.rows(f"{SELECT} order by ledger, origin, seq"):
        e = stored(row)
        seq, prev, key = at.get((e.ledger, e.origin), (0, bytes(32), b""))
        facts = facts_of(e.head)
        if isinstance(facts, LaneOpened):
            key = _key_of(facts.certificate)
        if e.seq != seq + 1 or sha256(prev + e.head_bytes).digest() != e.hash or (e.head.ledger, e.head.origin) != (e.ledger, e.origin):
            yield f"(e) {site.name}: {e.ledger} {e.origin} {e.seq} does not follow"
        if e.signature and not _is_signed(key, e.hash, e.signature):
            yield f"(e) {site.name}: {e.ledger} {e.origin} {e.seq} is not signed by its origin"
        if e.body is not None and sha256((e.salt or b"") + e.body).digest() != e.head.body_hash:
            yield f"(e) {site.name}: the body of {e.ledger} {e.origin} {e.seq} is another one"
        at[e.ledger, e.origin] = (e.seq, e.hash, key)


def _key_of(certificate: bytes) -> bytes:
    from protocol import certificate as certificates

    return certificates.decode(certificate).key


def _is_signed(key: bytes, hash_: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(key).verify(b"yidi lane 1\0" + hash_, signature)
    except (CryptoError, ValueError, TypeError):
        return False
    return True


def _set_aside(world: "World", site: Site) -> list[str]:
    """(g) Every entry of a case counts, waits, or is set aside; and what is set aside and not decided has its review item."""
    if site.node is None:
        return [f"(g) the node of {site.name} is down"]
    sql = "select subject, item from review_row where coalesce(owner, '') = '' or coalesce(due_ms, 0) <= 0"
    broken = [f"(g) the review of {subject} {item} has no owner or no date at {site.name}" for subject, item in site.disk.rows(sql)]
    subjects = [row[0] for row in site.disk.rows("select subject from case_row order by updated_ms desc, subject limit ?", (SUBJECTS_MAX,))]
    for subject in subjects:
        rows = [stored(row) for row in site.disk.rows(f"{SELECT} where subject = ? and sort = 'dispute' order by position", (subject,))]
        admitted = [Admitted(decode_head(e.head_bytes), e.body, e.received_ms, e.erased) for e in rows]
        verdict = judge(gathered(admitted), site.node.shelf.good_until(admitted))
        if verdict is None:
            continue
        items = {row[0]: row[1:] for row in site.disk.rows("select item, owner, due_ms from review_row where subject = ?", (subject,))}
        if site.seat.tier == 0:  # once a run
            world.counts.update(f"set aside: {code}" for code in verdict.aside.values())
            world.counts["set aside, then decided"] += len(verdict.decided)
        counted = {item.key for item, _ in verdict.effects} | {item.key for item in verdict.opened}
        for item in verdict.items:
            key = item.key
            open_ = key in verdict.aside and key not in verdict.decided
            if open_ and not all(items.get(key_text(key), ("", 0))):
                broken.append(
                    f"(g) {subject} {item.kind} {key_text(key)} is set aside ({verdict.aside[key]}) and nobody has to look at it at {site.name}"
                )
            if item.effect in ("outcome", "hold") and key not in verdict.aside and key not in verdict.waiting and key not in counted:
                broken.append(f"(g) {subject} {item.kind} {key_text(key)} neither counts nor is set aside at {site.name}")
    return broken


def _in_clear(site: Site, words: list[str]) -> bool:
    if not words:
        return False
    image = site.disk.written()
    return any(word.encode() in image for word in words)
