"""How far an entry got: independent marks, one a level, from what other nodes signed that they have (peer_have).

This node comes first; then each level that has a node which hears the ledger, nearest first. A level is reached when one of
its nodes has the entry, or wrote it. A node that once had it and now says less is being served again: 重新送达中. Where all that have it run
a program from before its kind (generations.py), the mark says that it arrived and is not read yet.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import entry, generations, have, place
from protocol.certificate import Certificate
from protocol.node.journal.rows import among, bound, named
from protocol.node.shelf import Shelf
from protocol.node.shown import Key, Mark
from protocol.problem import Refused
from protocol.tables import Tables

NO_KINDS: Final[Mapping[Key, str]] = {}
OWN = Mark("本机", "已存本机", True, None, "here")


class _Said(NamedTuple):
    seq: int
    highest: int
    at_ms: int


class _Level(NamedTuple):
    path: str  # what the mark is named after
    nodes: tuple[str, ...]


async def marks(
    c: AsyncConnection, keys: Iterable[Key], shelf: Shelf, mine: Certificate, kinds: Mapping[Key, str] = NO_KINDS
) -> dict[Key, tuple[Mark, ...]]:
    """kinds: of those entries whose reading is asked for too."""
    wanted = sorted(set(keys))
    levels = {ledger: _levels(ledger, shelf, mine) for ledger in {key[0] for key in wanted}}
    nodes = {node for some in levels.values() for level in some for node in level.nodes}
    said = await _said(c, nodes, set(levels))
    since = {key: begun for key, kind in kinds.items() if (begun := generations.since(kind)) > 1}
    reads = await _reads(c, nodes) if since else {}

    def mark(key: Key, level: _Level) -> Mark:
        made = _mark(key, level, said, shelf())
        if key not in since or not made.reached:
            return made
        wrote = entry.node_of(key[1])  # it reads what it wrote, though its last Have may be from before its program was renewed
        able = tuple(n for n in level.nodes if n == wrote or reads.get(n, generations.GENERATION) >= since[key])
        if _mark(key, level._replace(nodes=able), said, shelf()).reached:
            return made
        return msgspec.structs.replace(made, text=f"{made.text}，程序旧，读不懂这一步", state="unread")

    return {key: (OWN, *[mark(key, level) for level in levels[key[0]]]) for key in wanted}


async def behind(c: AsyncConnection, lanes: Mapping[tuple[str, str], int], shelf: Shelf, mine: Certificate) -> dict[tuple[str, str], int]:
    """lanes: (ledger, origin) → seq here. Of those whose end some level lacks: the highest seq that every level has."""
    levels = {ledger: _levels(ledger, shelf, mine) for ledger, _ in lanes}
    said = await _said(c, {node for some in levels.values() for level in some for node in level.nodes}, set(levels))
    found = {}
    for (ledger, origin), seq in lanes.items():
        others = [level for level in levels[ledger] if entry.node_of(origin) not in level.nodes]
        has = [max((said[n, ledger, origin].seq for n in level.nodes if (n, ledger, origin) in said), default=0) for level in others]
        if min(has, default=seq) < seq:
            found[ledger, origin] = min(has)
    return found


def tier_of(certificate: Certificate) -> tuple[int, str]:
    """(tier, path): the highest place that the node covers; lower numbers are higher up."""
    return _highest((*certificate.covers, *certificate.serves))


@lru_cache(maxsize=2048)  # a county has some hundred nodes, and each page with receipts asks of all of them
def _highest(patterns: tuple[str, ...]) -> tuple[int, str]:
    paths = [p.removesuffix("/*") for p in patterns]
    return min((place.tier(p), p) for p in paths if p != place.COMMON and not p.endswith(f"/{place.SEALED}") and not place.is_sealed(p))


def _levels(ledger: str, shelf: Shelf, mine: Certificate) -> list[_Level]:
    if ledger == place.COMMON:
        return []
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for known in shelf.hearers(ledger):
        if known.node != mine.node and known.node not in shelf.revoked:
            tier, path = tier_of(known)
            found[tier].append((path, known.node))
    own = tier_of(mine)[0]
    nearest = sorted(found, key=lambda tier: (abs(tier - own), tier))
    return [_Level(min(found[tier])[0], tuple(sorted(node for _, node in found[tier]))) for tier in nearest]


async def _said(c: AsyncConnection, nodes: set[str], ledgers: set[str]) -> Mapping[tuple[str, str, str], _Said]:
    if not nodes:
        return {}
    where = f"{among(c, 'node', 'nodes')} and {among(c, 'ledger', 'ledgers')}"
    values: dict[str, Any] = {"nodes": bound(c, sorted(nodes)), "ledgers": bound(c, sorted(ledgers))}
    rows = await named(c, f"select node, ledger, origin, seq, highest, at_ms from peer_have where {where}", values)
    return {(r.node, r.ledger, r.origin): _Said(r.seq, r.highest, r.at_ms) for r in rows}


async def _reads(c: AsyncConnection, nodes: set[str]) -> dict[str, int]:
    """Node → generation of the events that it reads, by the last Have that is kept of it."""
    values = {"nodes": bound(c, sorted(nodes))}
    rows = await named(c, f"select node, signed from peer where {among(c, 'node', 'nodes')} order by at_ms", values)
    found = {}
    for row in rows:
        with suppress(Refused):  # a damaged row says nothing
            found[row.node] = generations.generation_of(have.read(bytes(row.signed)).speaks)
    return found


def _mark(key: Key, level: _Level, said: Mapping[tuple[str, str, str], _Said], tables: Tables) -> Mark:
    ledger, origin, seq = key
    name = tables.level(level.path)
    if entry.node_of(origin) in level.nodes:
        return Mark(name, tables.mark(level.path), True, None, "here")
    heard = [said[node, ledger, origin] for node in level.nodes if (node, ledger, origin) in said]
    at_ms = max((s.at_ms for s in heard), default=None)
    if any(s.seq >= seq for s in heard):
        return Mark(name, tables.mark(level.path), True, at_ms, "here")
    if any(s.highest >= seq for s in heard):
        return Mark(name, "重新送达中", False, at_ms, "again")
    return Mark(name, f"未到{name}", False, at_ms, "waiting")
