"""How the other nodes stand, the one that worries most first: what each has not got yet and since when, how long it has been silent,
how far its clock is off, what was refused of it, which program it runs and what that does not read, how much room its disk has.

Figures come from what the node itself holds: the last signed Have of each peer (`pump.peers()`), our own entries (since when the
first one that a peer lacks has been here), and the quarantine, of which nothing sealed counts and no word of what came is said.
The words are for the page. It is ordered by these, the first that differs:

    worry           what somebody has to do before what he should look at, before what is well; who was put out comes last of all
    risk            what can be lost: a damaged journal, then a fork, then a full disk, then one that is nearly full
    since_ms        the longest first: how long it has been silent, behind or forked; what has no known beginning comes after what has one
    owed + due      the furthest behind first, counted both ways
    name, node      so that nothing changes places between two looks
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import generations, place
from protocol.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from protocol.have import Room
from protocol.node.journal import Journal
from protocol.node.journal.rows import fetch, is_postgres, named
from protocol.node.link.peers import Lane, Peer
from protocol.node.refusals import SEALED_LIKE
from protocol.problem import told
from protocol.words import EVENT_NAMES

QUIET_MS: Final = 5 * MINUTE_MS  # from whoever is connected a Have comes each half minute, where only *common* is shared each two minutes
CLOCK_MS_SOON, CLOCK_MS_LATE = 30_000, 5 * MINUTE_MS
LANES_MAX: Final = 2_000  # of which the first missing entry is looked up
CALM, LOOK, ACT = 0, 1, 2
SAFE, NEARLY_FULL, FULL, SPLIT, DAMAGED = range(5)  # what can be lost, the worst last
FORKED: Final = "lane_fork"
_REFUSED: Final = (
    "select node, code, sum(count) as times, min(first_ms) as first_ms, max(last_ms) as last_ms from quarantine"
    " where (last_ms > :after or code = :forked) and ledger not like :sealed group by node, code order by node, max(last_ms)"
)


class Reason(msgspec.Struct, frozen=True):
    """level: LOOK or ACT · said: a few words for the page."""

    level: int
    said: str


class _Found(msgspec.Struct, frozen=True):
    """A reason and what orders it. since_ms: None where nobody knows when it began."""

    reason: Reason
    since_ms: int | None = None
    risk: int = SAFE


class Standing(msgspec.Struct, frozen=True):
    """owed: entries it has not said it holds · owed_since_ms: when the oldest of them came to be here · due: entries of its that we lack.

    path: the highest place or unit it serves · offset_ms: how far ITS clock is ahead of ours (where ours is the wrong
    one: of most others') · worry: CALM, LOOK or ACT ·
    risk: SAFE … DAMAGED · since_ms: since when the oldest of the reasons has been so, None: no reason with a known beginning.
    """

    node: str
    name: str
    path: str
    version: str
    revoked: bool
    seen_ms: int | None
    offset_ms: int | None
    owed: int
    owed_since_ms: int | None
    due: int
    refused: int
    worry: int
    reasons: tuple[Reason, ...]
    room: Room | None = None
    risk: int = SAFE
    since_ms: int | None = None


async def standings(
    journal: Journal, peers: Iterable[Peer], serves: Mapping[str, Sequence[str]], version: str, now_ms: int
) -> list[Standing]:
    """serves: node → paths of its certificate · version: our own. In the order told above."""
    known = list(peers)
    if own_ms := own_clock_ms(known):  # theirs are right
        known = [peer if peer.offset_ms is None else msgspec.structs.replace(peer, offset_ms=peer.offset_ms - own_ms) for peer in known]
    async with journal.read() as c:
        since = await received(c, {lane for peer in known for lane in peer.owed_from})
        rows = await named(c, _REFUSED, {"after": now_ms - DAY_MS, "forked": FORKED, "sealed": SEALED_LIKE})
    refused: dict[str, list[Any]] = {}
    for row in rows:
        refused.setdefault(row.node, []).append(row)
    made = [_standing(peer, since, refused.get(peer.node, []), serves.get(peer.node, ()), version, now_ms) for peer in known]
    return sorted(made, key=_urgency)


def own_clock_ms(peers: Iterable[Peer]) -> int:
    """How far OUR clock is ahead of what most others agree about, where that is too far; 0 where it is not, or nobody can tell: one other
    alone may be the one that is wrong."""
    said = sorted(peer.offset_ms for peer in peers if peer.offset_ms is not None and not peer.revoked)
    middle = said[len(said) // 2] if said else 0
    agree = sum(abs(ms - middle) <= CLOCK_MS_SOON for ms in said)
    return middle if abs(middle) > CLOCK_MS_SOON and agree > 1 and 2 * agree > len(said) else 0


def _urgency(s: Standing) -> tuple[Any, ...]:
    """The order of the page, see above."""
    return s.revoked, -s.worry, -s.risk, s.since_ms is None, s.since_ms or 0, -(s.owed + s.due), s.name or s.node, s.node


def _standing(peer: Peer, since: Mapping[Lane, int], refusals: Sequence[Any], serves: Sequence[str], version: str, now_ms: int) -> Standing:
    began = min((since[lane] for lane in peer.owed_from if lane in since), default=None)
    offset_ms = None if peer.offset_ms is None else -peer.offset_ms
    found = [] if peer.revoked else list(_reasons(peer, began, refusals, offset_ms, version, now_ms))
    found.sort(key=lambda one: (-one.reason.level, -one.risk))
    paths = [path.removesuffix("/*") for path in serves if path != place.COMMON]
    return Standing(
        peer.node,
        peer.name,
        min(paths, key=lambda p: (place.tier(p), p), default=""),
        peer.version,
        peer.revoked,
        peer.last_seen_ms,
        offset_ms,
        peer.owed,
        began,
        peer.due,
        sum(row.times for row in refusals if row.last_ms > now_ms - DAY_MS),
        max((one.reason.level for one in found), default=CALM),
        tuple(one.reason for one in found),
        peer.room,
        max((one.risk for one in found), default=SAFE),
        min((one.since_ms for one in found if one.since_ms is not None), default=None),
    )


def _reasons(peer: Peer, began: int | None, refusals: Sequence[Any], offset_ms: int | None, version: str, now_ms: int) -> Iterable[_Found]:
    for row in refusals:
        if row.code == FORKED:
            yield _Found(Reason(ACT, "同一编号有两份不同的内容，要人处理"), row.first_ms, SPLIT)
        elif row.last_ms > now_ms - DAY_MS:
            yield _Found(Reason(LOOK, f"一天里拒收 {row.times} 次：{told(row.code)[0]}"))
    yield from _of_disk(peer.room)
    if peer.last_seen_ms is None:
        yield _Found(Reason(LOOK, "还没有听到过"))
    elif (silent := now_ms - peer.last_seen_ms) > QUIET_MS:
        yield _Found(Reason(ACT if silent > 3 * DAY_MS else LOOK, f"已经 {span(silent)}没有消息"), peer.last_seen_ms)
    if peer.owed and began is not None and now_ms - began > QUIET_MS:
        level = ACT if now_ms - began > DAY_MS else LOOK
        yield _Found(Reason(level, f"有 {peer.owed} 条没有收到，最早的等了 {span(now_ms - began)}"), began)
    if peer.due:
        yield _Found(Reason(LOOK, f"它还有 {peer.due} 条本机没有拿到"))
    if offset_ms is not None and abs(offset_ms) > CLOCK_MS_SOON:
        fast = "快" if offset_ms > 0 else "慢"
        yield _Found(Reason(ACT if abs(offset_ms) > CLOCK_MS_LATE else LOOK, f"时钟{fast} {span(abs(offset_ms))}".rstrip()))
    if peer.version and peer.version != version:
        yield _Found(Reason(LOOK, f"程序是 {peer.version}，本机是 {version}"))
    if names := dict.fromkeys(EVENT_NAMES[kind] for kind in generations.beyond(peer.reads)):
        yield _Found(Reason(LOOK, f"有的步骤它读不懂，升级以后补上：{'、'.join(names)}"))


def _of_disk(room: Room | None) -> Iterable[_Found]:
    if room and room.is_damaged:
        yield _Found(Reason(ACT, "台账损坏了，存不下新的登记，要人去修"), risk=DAMAGED)
    if room and room.is_full:
        yield _Found(Reason(ACT, "磁盘满了，存不下新的登记"), risk=FULL)
    elif room and room.is_tight:
        yield _Found(Reason(ACT, f"磁盘快满了，只剩 {room.free_mib} 兆"), risk=NEARLY_FULL)


def span(ms: int) -> str:
    """How long, in the largest unit that fits: `40 分钟 `, `3 小时 `, `2 天 ` (with its space: a word follows)."""
    if ms < MINUTE_MS:
        return f"{max(ms // 1000, 1)} 秒"
    for unit_ms, name in ((DAY_MS, "天"), (HOUR_MS, "小时"), (MINUTE_MS, "分钟")):
        if ms >= unit_ms:
            return f"{ms // unit_ms} {name}"
    return ""


async def received(c: AsyncConnection, lanes: set[Lane]) -> dict[Lane, int]:
    """(ledger, origin, seq) → when that entry came to be here, ms."""
    some = sorted(lanes)[:LANES_MAX]
    if not some:
        return {}
    if is_postgres(c):
        ledgers, origins, seqs = (list(column) for column in zip(*some, strict=True))
        source = "unnest(cast(:ledgers as text[]), cast(:origins as text[]), cast(:seqs as bigint[])) as n(ledger, origin, seq)"
        sql = f"select ledger, origin, seq, received_ms from {source} join entry using (ledger, origin, seq)"
        rows = await fetch(c, sql, {"ledgers": ledgers, "origins": origins, "seqs": seqs})
    else:
        on = " and ".join(f"e.{name} = json_extract(n.value, '$[{at}]')" for at, name in enumerate(("ledger", "origin", "seq")))
        sql = f"select e.ledger, e.origin, e.seq, e.received_ms from json_each(:lanes) n join entry e on {on}"
        rows = await fetch(c, sql, {"lanes": json.dumps(some)})
    return {(row[0], row[1], row[2]): row[3] for row in rows}
