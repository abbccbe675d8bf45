"""Entries that are gone with a computer, as far as anybody can know: `lost = await losses(journal, shelf, actor)`.

A lane ends when its node is revoked or goes on under a new epoch. Every signed Have of that node is a witness: what it claimed to have on its
disk, and what nobody holds, neither in the lane nor in another history of it (journal/branches.py), is gone, by ledger and number. What was written after the last word that anybody heard from it, nobody can
count: that is said too, with the last case code that arrived, so that a larger one on paper tells, and with whom to ask.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import entry, place
from protocol.access import CASE_POWERS, in_region
from protocol.entry import decode_head
from protocol.events import Actor, DisputeLogged, NodeRevoked, facts_of
from protocol.lane import EMPTY, LaneHead
from protocol.node.journal import Journal
from protocol.node.journal.rows import among, bound, fetch
from protocol.node.shelf import Shelf

SHOWN_MAX: Final = 60  # computers, the one that was put out last first
ASKED_MAX: Final = 12  # people of one computer
LOOKED_AT_MAX: Final = 500  # last entries of a lane, for the last code it gave out
Lane = tuple[str, str]


class Gap(msgspec.Struct, frozen=True):
    """Entries first … last of a lane: on that disk once, and nowhere now."""

    ledger: str
    origin: str
    first: int
    last: int


class Asked(msgspec.Struct, frozen=True):
    """Who may know what is to be written again."""

    name: str
    title: str
    phone: str


class Lost(msgspec.Struct, frozen=True):
    """One computer. revoked: put out, else it goes on under a new epoch · heard_ms: when its last word was heard (0: never) · held: entries
    of it that are here · last_code, last_ms: of the last case that arrived · gaps: what is gone for certain."""

    node: str
    name: str
    office: str
    revoked: bool
    heard_ms: int
    held: int
    last_code: str
    last_ms: int
    gaps: tuple[Gap, ...]
    asked: tuple[Asked, ...]

    @property
    def count(self) -> int:
        return sum(gap.last - gap.first + 1 for gap in self.gaps)


async def claimed(journal: Journal, node: str) -> tuple[dict[Lane, int], int]:
    """(lane → the most that this node ever said it had of its own lanes, when it said its last word: 0 never)."""
    rows = await journal.rows("peer_have", "node = :node", {"node": node})
    spoken = await journal.rows("peer", "node = :node", {"node": node})
    said = {(row["ledger"], row["origin"]): row["highest"] for row in rows if entry.node_of(row["origin"]) == node}
    return said, max((row["at_ms"] for row in spoken), default=0)


async def losses(journal: Journal, shelf: Shelf, actor: Actor) -> list[Lost]:
    """Computers of the actor's region that were put out or went on under a new epoch with something missing; sealed ledgers are in no list."""
    heads = await journal.heads()
    said, heard = await _said(journal)
    closed = _closed({*heads, *said}, shelf)
    found = []
    for node in sorted(set(closed) | set(shelf.revoked)):
        certificate = shelf.certificates.get(node)
        office = certificate.serves[0].removesuffix("/*") if certificate else ""
        if not office or not in_region(actor, office):
            continue
        async with journal.read() as c:
            gaps = tuple(await _gaps(c, heads, said, closed.get(node, set()), actor))
        if node not in shelf.revoked and not gaps:
            continue
        found.append(
            await _lost(journal, heads, node, certificate.name if certificate else node, office, gaps, heard.get(node, 0), shelf, actor)
        )
    return sorted(found, key=lambda one: (not one.gaps, -one.heard_ms, one.node))[:SHOWN_MAX]


async def _said(journal: Journal) -> tuple[dict[Lane, int], dict[str, int]]:
    """(lane → what its own node claimed, node → when it was heard last), from Haves heard here and from what revocations tell."""
    said: dict[Lane, int] = {}
    heard: dict[str, int] = {}
    for row in await journal.rows("peer_have"):
        if entry.node_of(row["origin"]) == row["node"]:
            said[row["ledger"], row["origin"]] = row["highest"]
    for row in await journal.rows("peer"):
        heard[row["node"]] = max(heard.get(row["node"], 0), row["at_ms"])
    sql = "select e.head_bytes from entry e where e.ledger = :common and e.subject in (select subject from node_row where revoked = 1)"
    async with journal.read() as c:
        heads = await fetch(c, sql, {"common": place.COMMON})
    for facts in (facts_of(decode_head(bytes(row[0]))) for row in heads):
        if isinstance(facts, NodeRevoked):
            for ledger, origin, seq in facts.said:
                said[ledger, origin] = max(said.get((ledger, origin), 0), seq)
            heard[facts.node] = max(heard.get(facts.node, 0), facts.heard_ms)
    return said, heard


def _closed(lanes: Iterable[Lane], shelf: Shelf) -> dict[str, set[Lane]]:
    """Node → its lanes that nobody writes any more."""
    lanes = set(lanes)
    newest: dict[str, int] = {}
    for _, origin in lanes:
        node = entry.node_of(origin)
        newest[node] = max(newest.get(node, 0), entry.epoch_of(origin))
    found: dict[str, set[Lane]] = {}
    for ledger, origin in lanes:
        node = entry.node_of(origin)
        if node in shelf.revoked or entry.epoch_of(origin) < newest[node]:
            found.setdefault(node, set()).add((ledger, origin))
    return found


async def _gaps(c: AsyncConnection, heads: dict[Lane, LaneHead], said: dict[Lane, int], lanes: set[Lane], actor: Actor) -> list[Gap]:
    """What came by another history of the lane is here too: it waits on the page of the forks, or was written anew from there."""
    found: list[Gap] = []
    sql = "select distinct seq from branch where ledger = :ledger and origin = :origin and seq > :after and seq <= :until order by seq"
    for ledger, origin in sorted(lanes):
        here, until = heads.get((ledger, origin), EMPTY).seq, said.get((ledger, origin), 0)
        if until <= here or place.is_sealed(ledger) or not in_region(actor, ledger):
            continue
        beside = await fetch(c, sql, {"ledger": ledger, "origin": origin, "after": here, "until": until})
        for seq in (*(row[0] for row in beside), until + 1):
            if seq > here + 1:
                found.append(Gap(ledger, origin, here + 1, seq - 1))
            here = seq
    return found


async def _lost(
    journal: Journal,
    heads: dict[Lane, LaneHead],
    node: str,
    name: str,
    office: str,
    gaps: tuple[Gap, ...],
    heard_ms: int,
    shelf: Shelf,
    actor: Actor,
) -> Lost:
    mine = {lane: head for lane, head in heads.items() if entry.node_of(lane[1]) == node and not place.is_sealed(lane[0])}
    held = sum(head.seq for lane, head in mine.items() if lane[0] != place.COMMON)
    async with journal.read() as c:
        held += await _beside(c, node)
        code, at_ms = await _last_code(c, mine)
        asked = await _asked(c, office, shelf) if actor.powers & (CASE_POWERS | {"admin"}) else ()
    return Lost(node, name, office, node in shelf.revoked, heard_ms, held, code, at_ms, gaps, asked)


async def _beside(c: AsyncConnection, node: str) -> int:
    """How many of its entries other histories of its lanes hold."""
    rows = await fetch(
        c, "select ledger, origin, count(*) from branch where origin like :own group by ledger, origin", {"own": f"{node}:%"}
    )
    return sum(row[2] for row in rows if row[0] != place.COMMON and not place.is_sealed(row[0]))


async def _last_code(c: AsyncConnection, lanes: dict[Lane, LaneHead]) -> tuple[str, int]:
    """Of each lane and of what stands beside it."""
    found = ("", 0)
    where = "where ledger = :ledger and origin = :origin and seq > :after order by seq desc limit :most"
    for (ledger, origin), head in lanes.items():
        values = {"ledger": ledger, "origin": origin, "after": head.seq - LOOKED_AT_MAX, "most": LOOKED_AT_MAX}
        for sql in (f"select head_bytes from entry {where}", f"select head_bytes from branch {where}"):
            for row in await fetch(c, sql, values):
                one = decode_head(bytes(row[0]))
                if one.kind == "DisputeLogged" and isinstance(facts := facts_of(one), DisputeLogged):
                    found = max(found, (facts.code, one.occurred_ms), key=lambda known: known[1])
                    break
    return found


async def _asked(c: AsyncConnection, office: str, shelf: Shelf) -> tuple[Asked, ...]:
    """People who have a post there."""
    sql = "select distinct subject, kind, title from post_row where ledger = :office and ended = 0 order by subject limit :most"
    posts = await fetch(c, sql, {"office": office, "most": ASKED_MAX})
    names = f"select subject, name, phone from person_row where {among(c, 'subject', 'persons')}"
    people = {row[0]: row for row in await fetch(c, names, {"persons": bound(c, sorted({row[0] for row in posts}))})}
    tables = shelf()
    return tuple(
        Asked(people[subject][1] or "", title or tables.post_name(kind), people[subject][2] or "")
        for subject, kind, title in posts
        if subject in people
    )
