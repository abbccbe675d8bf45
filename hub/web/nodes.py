"""各地机器: every node of the county, the one that worries most first, and a tile for each township in the colour of its worst.

What worries is said in words with how long, and what stands above what is told in protocol/node/standing.py. A tile filters the list; the address keeps it. How many there
are, how many of them worry and what they run is counted of the same ones: those in the list that were not put out.
"""

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get

from hub.enrolment import void_codes
from hub.web.case_map import position
from protocol import place
from protocol.events import Actor
from protocol.node.standing import Standing, own_clock_ms
from protocol.node.web.link import TONES, may_see_machines, peers_of, standings_of
from protocol.node.web.page import actor_of, node_of, page, rendered, twin, wants_json
from protocol.node.web.people import offices_to_choose

SHOWN_MAX: Final = 400
LIVE: Final = "view=nodes"  # the stream of the page with all of them


class Spot(msgspec.Struct, frozen=True):
    """A township: how many nodes stand in it, how many of them worry, in the tone of the worst. column, row: as on the board."""

    path: str
    name: str
    nodes: int
    worrying: int
    tone: str
    column: int
    row: int


def township_of(path: str) -> str:
    """The township a node stands in; the county's own nodes and units: the county."""
    parts = place.segments(path)
    return path if len(parts) < 2 or place.is_unit(path) else "/".join(parts[:2])


def spots(request: Request, rows: list[Standing]) -> list[Spot]:
    tables, made = node_of(request).tables(), []
    for path in tables.children(node_of(request).certificate.serves[0].removesuffix("/*")):
        here = [row for row in rows if not row.revoked and township_of(row.path) == path]
        worst = max((row.worry for row in here), default=0)
        column, line = position(path)
        worrying = sum(row.worry > 0 for row in here)
        made.append(Spot(path, tables.place_name(path), len(here), worrying, TONES.get(worst, ""), column, line))
    return made


async def nodes_context(request: Request) -> dict[str, Any]:
    node, asked = node_of(request), request.query_params.get("place", "")[:40]
    rows = await standings_of(node)
    shown = [row for row in rows if not asked or township_of(row.path) == asked]
    used = [row for row in shown if not row.revoked]
    tells = bool(actor_of(request).powers & {"admin", "supervise"})
    return {
        "void_codes": await void_codes(node.journal, node.desk.signer.epoch, node.clock()) if tells else [],
        "spots": spots(request, rows),
        "asked": asked,
        "rows": shown[:SHOWN_MAX],
        "left_out": max(0, len(shown) - SHOWN_MAX),
        "total": len(used),
        "put_out": len(shown) - len(used),
        "worrying": sum(row.worry > 0 for row in used),
        "versions": versions(used),
        "tones": TONES,
        "clock_ms": own_clock_ms(peers_of(node)),
        "invites": getattr(request.app.state, "invites", False) and may_invite(actor_of(request)),
        "places": offices_to_choose(request),
        "form": {},
        "wrong": {},
    }


def may_invite(actor: Actor) -> bool:
    """Claims that the actor may ask a new computer to join, and name its first person."""
    return bool(actor.powers & {"admin", "supervise"}) and bool(actor.powers & {"admin", "people"})


def versions(rows: list[Standing]) -> list[tuple[str, int]]:
    """(program version, how many nodes run it), the commonest first; "" = never heard."""
    counted: dict[str, int] = {}
    for row in rows:
        counted[row.version] = counted.get(row.version, 0) + 1
    return sorted(counted.items(), key=lambda one: (-one[1], one[0]))


@get("/nodes")
async def nodes(request: Request) -> Response[Any]:
    """Raises Refused page_unknown for who sees neither cases nor the machines."""
    may_see_machines(request)
    context = await nodes_context(request)
    if wants_json(request):
        return twin({name: context[name] for name in ("rows", "spots", "total", "put_out", "worrying", "versions", "void_codes")})
    live = f"{LIVE}&{urlencode({'place': context['asked']})}" if context["asked"] else LIVE
    return await page(request, "nodes.html", live=live, **context)


async def nodes_live(request: Request) -> str:
    return rendered(request, "_nodes_live.html", await nodes_context(request))


VIEWS: Final = {"nodes": nodes_live}


def routes() -> list[Any]:
    return [nodes]
