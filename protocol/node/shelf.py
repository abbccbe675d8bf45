"""The tables in force, and who was revoked: what *common* says, else what came in the package.

    shelf = Shelf(clock); journal = await folding.open_journal(url, key, shelf)

`shelf()` never waits. Of several versions of a table the one with the latest `valid_from` that has begun is in force (then
the highest version). Desk and admission load again after a commit on *common* and fold again what that made old, since
clocks stand in the views.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from protocol import certificate as certificates
from protocol import entry, place
from protocol.calendar import local_date
from protocol.certificate import Certificate
from protocol.data import PACKAGED
from protocol.entry import Admitted
from protocol.events import NodeRevoked, facts_of
from protocol.hold import LastGood
from protocol.node.journal import Journal, Writing
from protocol.node.journal.rebuild import ENDS_FOLDED
from protocol.node.journal.rows import fetch, named
from protocol.place import COMMON
from protocol.problem import Refused
from protocol.tables import Tables
from protocol.views import Limits

_REVOKING = "select e.head_bytes from entry e where e.ledger = :common and e.subject in (select subject from node_row where revoked = 1)"

_MAX = 2**63
ENDS_KNOWN = "ends of posts known"  # row of `local`


class Stale(NamedTuple):
    """What a load found changed. tables: those in force · nodes: whose revocation is new, gone or reads otherwise · before: what `revoked` was."""

    tables: bool = False
    nodes: frozenset[str] = frozenset()
    before: Mapping[str, Mapping[tuple[str, str], int]] = MappingProxyType({})

    def then(self, later: "Stale") -> "Stale":
        """Both, for what was not folded by the first one: of each lane the least that counted."""
        before = dict(later.before)
        for node, lanes in self.before.items():
            both = before.get(node, lanes)
            before[node] = {lane: min(seq, both[lane]) for lane, seq in lanes.items() if lane in both}
        return Stale(self.tables or later.tables, self.nodes | later.nodes, before)


class Owed:
    """What a commit asked of the views and the store could not take then, full or away. common: *common* was not even read again."""

    def __init__(self) -> None:
        self.stale, self.common = Stale(), False
        self.is_due = asyncio.Event()


class Ended(NamedTuple):
    """The end of a post: in ledgers of `reach`, what its people wrote beyond `last` does not count by itself."""

    reach: tuple[str, ...]
    last: Mapping[tuple[str, str], int]
    of: str


_NONE: Final = msgspec.msgpack.encode([])
Ends = dict[tuple[str, str], bytes]  # (post, item) → its limits, packed


async def ends_noted(journal: Journal) -> tuple[Ends, set[tuple[str, str]]]:
    """(Ends by which anything here may have been folded, also those that count no more; (post, item) of those by which everything here was
    folded already: a rebuild forgets them)."""
    sql = "select name, value from local where name in (:known, :folded)"
    raw = {row[0]: bytes(row[1]) for row in await journal.select(sql, {"known": ENDS_KNOWN, "folded": ENDS_FOLDED})}
    known = msgspec.msgpack.decode(raw.get(ENDS_KNOWN) or _NONE, type=list[tuple[str, str, bytes]])
    folded = msgspec.msgpack.decode(raw.get(ENDS_FOLDED) or _NONE, type=list[tuple[str, str]])
    return {(post, item): limits for post, item, limits in known}, set(folded)


async def note_ends(w: Writing, known: Ends, folded: Iterable[tuple[str, str]]) -> None:
    await w.set_local(ENDS_KNOWN, msgspec.msgpack.encode([(*key, limits) for key, limits in sorted(known.items())]))
    await w.set_local(ENDS_FOLDED, msgspec.msgpack.encode(sorted(folded)))


class Shelf:
    """revoked: node → {(ledger, origin): last good seq} · tips: of those lanes, (that seq, the chain hash there) where it was said ·
    certificates: node → its newest certificate of *common* · ended: post → its ends ·
    next: table → the first day on which a version of it begins that has not yet.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._contents: dict[str, bytes] = {name: content for name, (_, _, content) in PACKAGED.items()}
        self._tables = Tables.packaged()
        self.next: Mapping[str, str] = {}
        self.revoked: Mapping[str, Mapping[tuple[str, str], int]] = {}
        self.tips: Mapping[tuple[str, str], tuple[int, bytes]] = {}
        self.certificates: Mapping[str, Certificate] = {}
        self._by_path: tuple[object, dict[str, list[Certificate]]] = (None, {})  # of which certificates
        self.ended: Mapping[str, Sequence[Ended]] = {}
        self.ends: Ends | None = None  # what `ended` was read from
        self.owed = Owed()
        self.ending = asyncio.Lock()  # held while the ends are looked at and folded: of two looks the older must not be the last

    def __call__(self) -> Tables:
        return self._tables

    def content(self, name: str) -> bytes:
        """The table in force as JSON; the packaged one where this version can't read the county's."""
        return PACKAGED[name][2] if name in self._tables.broken else self._contents[name]

    @property
    def has_next_begun(self) -> bool:
        """Claims that a table has begun since *common* was read: it is to be read again."""
        return bool(self.next) and min(self.next.values()) <= local_date(self._clock()).isoformat()

    async def load(self, journal: Journal) -> Stale:
        """Reads *common* from the views. At once in force; views are for `folding.fold_again`, see `folding.follow_common`."""
        today = local_date(self._clock()).isoformat()
        async with journal.read() as c:
            rows = await named(c, "select name, version, valid_from, content from table_row", {})
            enrolled = await fetch(c, "select subject, certificate from node_row")
            revoking = _first([bytes(row[0]) for row in await fetch(c, _REVOKING, {"common": COMMON})])
        self.certificates = _certificates([(row[0], row[1]) for row in enrolled])
        before, self.revoked = self.revoked, _revoked(revoking)
        self.tips = _tips(revoking)
        nodes = frozenset(node for node in {*before, *self.revoked} if before.get(node) != self.revoked.get(node))
        contents = {name: content for name, (_, _, content) in PACKAGED.items()}
        known = [row for row in rows if row.name in PACKAGED]  # others are read elsewhere
        begun = [row for row in known if (row.valid_from or "") <= today]
        later = sorted((row.valid_from, row.name) for row in known if (row.valid_from or "") > today)
        self.next = {name: day for day, name in reversed(later)}
        for row in sorted(begun, key=lambda r: (r.valid_from or "", r.version)):
            contents[row.name] = bytes(row.content)
        if contents == self._contents:
            return Stale(nodes=nodes, before=before)
        self._contents, self._tables = contents, Tables.of(contents)
        return Stale(True, nodes, before)

    @property
    def mark(self) -> bytes:
        """Of the tables in force: the same bytes wherever they say the same."""
        return _mark(tuple(sorted(self._contents.items())))

    def nodes(self, own: Certificate) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """(serves, covers) of every node that is not revoked, what `Context.nodes` wants."""
        known = {**self.certificates, own.node: own}
        return tuple((c.serves, c.covers) for node, c in sorted(known.items()) if node not in self.revoked)

    def hearers(self, ledger: str) -> list[Certificate]:
        """Whose certificate hears the ledger of a place, in no order; the revoked are among them."""
        if self._by_path[0] is not self.certificates:
            self._by_path = (self.certificates, certificates.by_path(self.certificates.values()))
        if place.is_sealed(ledger):
            return [known for known in self.certificates.values() if certificates.hears(known, ledger)]
        return certificates.hearers(self._by_path[1], ledger)

    def last_good(self, ledger: str, origin: str) -> int | None:
        """The last seq of a lane that counts; None: its writer was not revoked."""
        lanes = self.revoked.get(entry.node_of(origin))
        return None if lanes is None else lanes.get((ledger, origin), 0)

    def counts(self, ledger: str, origin: str, seq: int) -> bool:
        """Claims that its writer was not put out before it."""
        last = self.last_good(ledger, origin) if self.revoked else None
        return last is None or seq <= last

    def good_until(self, admitted: Iterable[Admitted]) -> LastGood:
        """What a fold of these entries asks for: the last seq that counts of lanes whose writer was revoked and of posts that ended."""
        if not self.revoked and not self.ended:
            return {}
        found: dict[tuple[str, ...], int] = {}
        for ledger, origin, post in {(a.head.ledger, a.head.origin, a.head.author[1]) for a in admitted}:
            last = self.last_good(ledger, origin)
            if last is not None:
                found[ledger, origin] = last
            for end in self.ended.get(post, ()):
                if place.covers(end.reach, ledger):
                    lane = (ledger, origin, post)
                    found[lane] = min(end.last.get((ledger, origin), 0), found.get(lane, _MAX))
        return found

    async def load_ended(self, journal: Journal) -> Ends:
        """Ends of posts, from the views; noted, then in force. Returns those that came or went: not everything is folded by what is now.

        One goes when the entry that said it counts no more, say since its node was put out. `ending` is held.
        """
        async with journal.read() as c:
            rows: Ends = {(row[0], row[1]): bytes(row[2]) for row in await fetch(c, "select post, item, limits from ended_row")}
        (known, folded), before = await ends_noted(journal), self.ends
        if rows.keys() - known.keys():  # noted first: killed later, it is known that something may have been folded by it
            async with journal.writing() as w:
                await note_ends(w, known | rows, folded)
        self.ends, self.ended = rows, _by_post(rows)
        changed = (rows.keys() - folded) | (known.keys() - rows.keys())
        if before is not None:  # another program on this journal may have folded by what it knew, and this one by what it did not
            changed |= rows.keys() ^ before.keys()
        every = {**(before or {}), **known, **rows}
        return {key: every[key] for key in changed}


@lru_cache(4)  # asked with each entry of *common*, of the same tables for months
def _mark(contents: tuple[tuple[str, bytes], ...]) -> bytes:
    return sha256(repr(list(contents)).encode()).digest()


def _by_post(ends: Ends) -> dict[str, list[Ended]]:
    found: dict[str, list[Ended]] = {}
    for (post, _), raw in ends.items():
        found.setdefault(post, []).append(ended_of(raw))
    return found


def ended_of(raw: bytes) -> Ended:
    limits = msgspec.msgpack.decode(raw, type=Limits)
    return Ended(limits.reach, {(ledger, origin): seq for ledger, origin, seq in limits.last}, limits.of)


def _certificates(rows: list[tuple[str, bytes | None]]) -> dict[str, Certificate]:
    """Total: what this version cannot read is left out."""
    found = {}
    for node, raw in rows:
        try:
            found[node] = certificates.decode(bytes(raw or b""))
        except Refused:
            continue
    return found


def _first(heads: list[bytes]) -> list[NodeRevoked]:
    """One of each node. A county that was put back may say it twice: the first in turn counts wherever they came in whichever order, for
    what was written after it must not count because somebody pressed once more."""
    found: dict[str, NodeRevoked] = {}
    for head in sorted(map(entry.decode_head, heads), key=lambda h: (h.turn, h.origin, h.seq)):
        if isinstance(facts := facts_of(head), NodeRevoked):
            found.setdefault(facts.node, facts)
    return list(found.values())


def _revoked(said: list[NodeRevoked]) -> dict[str, dict[tuple[str, str], int]]:
    return {facts.node: {(ledger, origin): seq for ledger, origin, seq in facts.last} for facts in said}


def _tips(said: list[NodeRevoked]) -> dict[tuple[str, str], tuple[int, bytes]]:
    named = (zip(facts.last, facts.tips, strict=False) for facts in said)
    return {(ledger, origin): (seq, tip) for some in named for (ledger, origin, seq), tip in some}
