"""连接与台账: is this node in touch, what has nobody else yet, which ledgers it has and what it refused.

Offline is calm: what was saved is saved. The words in the frame and the page come from the same figures: own entries that
no other node has said it holds (from the last Have of each), and the peers that the pump hears.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get

from protocol import place
from protocol.certificate import NODE_ID_CHARS
from protocol.events import Actor
from protocol.have import digest
from protocol.node import reviewing
from protocol.node.indexing import lag_since_ms
from protocol.node.journal.branches import forked
from protocol.node.refusals import Refusal, refused_here
from protocol.node.room import room_of
from protocol.node.standing import ACT, LOOK, Standing, own_clock_ms, standings
from protocol.node.version import VERSION
from protocol.node.web.losses import repairs_of
from protocol.node.web.page import actor_of, is_shut_out, node_of, page, rendered, trouble_of, twin, wants_json
from protocol.node.web.words import sees_cases
from protocol.problem import Refused

TONES: Final = {ACT: "late", LOOK: "soon"}
LEDGERS_SHOWN_MAX: Final = 400


class LinkState(msgspec.Struct, frozen=True):
    """tone: good, or "" (grey: offline is no alarm) · waiting: own entries that no other node has."""

    online: bool
    waiting: int
    text: str
    tone: str


class Ledger(msgspec.Struct, frozen=True):
    path: str
    entries: int
    lanes: int
    digest: str


async def state(node: Any) -> LinkState:
    online, count = is_online(node), await waiting(node)
    text = "已连接" if online else "上面联不上" if _is_connected(node) else "离线"
    if count:
        text += f" · {count} 条{'正在送出' if online else '待送出'}"
    elif online:
        text += " · 全部送达"
    return LinkState(online, count, text, "good" if online and not count else "")


def is_online(node: Any) -> bool:
    """Claims that the link is up: what is written now goes out now, also beyond the server that this program runs."""
    return _is_connected(node) and all(getattr(server, "carries", None) is not False for server in servers_of(node))


def _is_connected(node: Any) -> bool:
    pump = getattr(node, "pump", None)
    return bool(pump and pump.state().link.connected)


async def waiting(node: Any) -> int:
    """Own entries that no other node has yet, in ledgers that another node keeps too; sealed ones are not counted. Own are those of earlier epochs
    too (a restore begins a new one), and of what this node was before it was enrolled again."""
    journal, former = node.desk.journal, getattr(getattr(node, "about", None), "former", ())
    ids = {"chars": NODE_ID_CHARS, **{f"id{n}": one for n, one in enumerate([node.desk.signer.node, *former])}}
    mine = f"substr(origin, 1, :chars) in ({', '.join(f':{name}' for name in ids if name != 'chars')})"
    own = {(row["ledger"], row["origin"]): row["seq"] for row in await journal.rows("lane", f"seq > 0 and {mine}", ids)}
    origins = {f"o{n}": origin for n, origin in enumerate(sorted({origin for _, origin in own}))}
    had: dict[tuple[str, str], int] = {}
    for row in await journal.rows("peer_have", f"origin in ({', '.join(f':{name}' for name in origins)})", origins) if origins else ():
        lane = row["ledger"], row["origin"]
        had[lane] = max(had.get(lane, 0), row["seq"])
    # where nobody above keeps a copy, only what somebody asked for is owed
    shared = {ledger for ledger, _ in (had if is_first(node) else own)}
    owed = {lane: seq for lane, seq in own.items() if lane[0] in shared and not place.is_sealed(lane[0])}
    return sum(max(0, seq - had.get(lane, 0)) for lane, seq in owed.items())


def is_first(node: Any) -> bool:
    """Claims that no node stands above this one."""
    return any(place.tier(path.removesuffix("/*")) == 0 and not place.is_unit(path) for path in node.certificate.serves)


async def ledgers_of(node: Any) -> list[Ledger]:
    """Every ledger that may be named, with what two nodes compare: the digest of its lanes."""
    lanes: dict[str, dict[str, tuple[int, bytes]]] = {}
    for (ledger, origin), head in (await node.desk.journal.heads()).items():
        if not place.is_sealed(ledger):
            lanes.setdefault(ledger, {})[origin] = (head.seq, head.hash)
    return [Ledger(path, sum(seq for seq, _ in own.values()), len(own), digest(own)) for path, own in sorted(lanes.items())]


async def standings_of(node: Any) -> list[Standing]:
    """The other nodes that this one knows, the one that worries most first."""
    shelf = node.desk.shelf
    serves = {name: list(known.serves) for name, known in shelf.certificates.items()}
    return await standings(node.desk.journal, peers_of(node), serves, VERSION, node.clock())


def behind_of(node: Any) -> list[tuple[str, int, int]]:
    """(ledger, entries known to exist that are not here yet, since when), the longest first; sealed ones are in no figure."""
    state = node.pump.state() if getattr(node, "pump", None) else None
    found = [(path, n, state.behind_since.get(path, 0)) for path, n in state.behind.items()] if state else []
    return sorted((one for one in found if one[1] and not place.is_sealed(one[0])), key=lambda one: (-one[1], one[0]))


def peers_of(node: Any) -> list[Any]:
    return list(node.pump.peers()) if getattr(node, "pump", None) else []


def stopped_of(node: Any) -> str:
    """Why this node writes no more, a code of problem.SENTENCES; "" when it does."""
    return node.stopped() if hasattr(node, "stopped") else ""


async def forks_of(node: Any) -> int:
    """Ledgers with two histories of one lane."""
    async with node.desk.journal.read() as c:
        return len({ledger for ledger, _ in await forked(c) if not place.is_sealed(ledger)})


def servers_of(node: Any) -> list[Any]:
    """States of the message servers that this program runs; one that died was started again, and that is said."""
    return [told() for told in getattr(node, "servers", [])]


@get("/link")
async def link_page(request: Request) -> Response[Any]:
    return await shown(request)


async def shown(request: Request, status: int = 200, **more: Any) -> Response[Any]:
    """The page. more: what a form of it led to (form, wrong, sentence). Raises Refused page_unknown."""
    node, actor = node_of(request), may_see_machines(request)
    ledgers, link = await ledgers_of(node), await state(node)
    refused = await refused_here(node.desk.journal, node.reads.node_name, actor)
    if wants_json(request):
        return twin(
            {
                **_own(node),
                "online": link.online,
                "waiting": link.waiting,
                "ledgers": ledgers,
                "peers": peers_of(node),
                "standings": await standings_of(node),
                "behind": {path: count for path, count, _ in behind_of(node)},
                "servers": servers_of(node),
                "stopped": stopped_of(node),
                "forks": await forks_of(node),
                "refused": refused,
                "repairs": await repairs_of(node),
            }
        )
    parts = await _parts(request, ledgers, refused)
    live = urlencode({"view": "link", **({"find": parts["find"]} if parts["find"] else {})})
    return await page(request, "link.html", status=status, live=live, **more, **parts)


def may_see_machines(request: Request) -> Actor:
    """Whoever sees cases or looks after machines. Raises Refused page_unknown."""
    actor = actor_of(request)
    if not sees_cases(actor) and "admin" not in actor.powers:
        raise Refused("page_unknown")
    return actor


async def link_live(request: Request) -> str:
    """All of the page but its heading. Nothing that is shared: what is to be done here is in forms of who asks."""
    node, actor = node_of(request), may_see_machines(request)
    refused = await refused_here(node.desk.journal, node.reads.node_name, actor)
    parts = await _parts(request, await ledgers_of(node), refused)
    return rendered(request, "_link_live.html", {**parts, "link": await state(node)})


async def _parts(request: Request, ledgers: list[Ledger], refused: list[Refusal]) -> dict[str, Any]:
    """find: part of a place's name; without, the first ones."""
    node, actor = node_of(request), actor_of(request)
    find = request.query_params.get("find", "").strip()[:40]
    tables = node.tables()
    found = [one for one in ledgers if find in tables.place_full(one.path)] if find else ledgers
    return {
        "own": _own(node),
        "room": room_of(getattr(node, "folder", None)),
        "refused": refused,
        "stopped": stopped_of(node),
        "shut_out": is_shut_out(node),
        "trouble": trouble_of(node),
        "clock_ms": own_clock_ms(peers_of(node)),
        "may_renew": getattr(request.app.state, "may_renew", False),
        "forks": await forks_of(node),
        "reviews": await reviewing.count(node.desk.journal, actor) if sees_cases(actor) else 0,
        **await repairs_of(node),
        "find": find,
        "found": len(found),
        "total": len(ledgers),
        "rows": await standings_of(node),
        "tones": TONES,
        "behind": behind_of(node),
        "servers": servers_of(node),
        "ledgers": found[:LEDGERS_SHOWN_MAX],
        "indexed_ms": await lag_since_ms(node.desk.journal, node.clock()),
    }


def _own(node: Any) -> Mapping[str, Any]:
    certificate = node.certificate
    return {
        "node": certificate.node,
        "version": VERSION,
        "origin": node.desk.signer.origin,
        "short": certificate.short,
        "serves": list(certificate.serves),
        "covers": list(certificate.covers),
    }


def routes() -> list:
    return [link_page]
