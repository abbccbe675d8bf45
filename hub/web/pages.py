"""The county's pages: `app(node)` is its whole Litestar application, the shared pages and these.

/board        home of the operator (hub/web/board.py)
/map          how open, overdue and new cases lie over the places (hub/web/case_map.py)
/nodes        every node, the one that worries most first (hub/web/nodes.py)
/people       persons, posts and first sign-ins (protocol/node/web/people.py)
/quarantine   what was refused from other nodes, with the reason
/sealed       密封件, only for the power `sealed`; they show on no board, list, count or stream
"""

from pathlib import Path
from typing import Any, Final

from litestar import Litestar, Request, Response, get

from hub.web import board, case_map, nodes, where
from protocol.access import CASE_POWERS
from protocol.events import Actor
from protocol.node.refusals import sealed_here
from protocol.node.web import visits
from protocol.node.web.app import make_app
from protocol.node.web.masking import masked_title
from protocol.node.web.page import actor_of, node_of, page, twin, wants_json
from protocol.node.web.people import guards_of
from protocol.node.web.phone import routes as phone

HERE: Final = Path(__file__).parent
DIST: Final = HERE / "dist"
HOMES: Final = {"sealed": "/sealed", "people": "/people", "admin": "/people", "field": "/task"}  # of posts that see no cases


@get("/quarantine")
async def quarantine(request: Request) -> Response[Any]:
    """Raises Refused not_allowed without the power admin or supervise."""
    rows = await node_of(request).reads.quarantine(actor_of(request))
    if wants_json(request):
        return twin({"rows": rows})
    peers = {peer.node: peer.name for peer in node_of(request).pump.peers()} if node_of(request).pump else {}
    return await page(request, "quarantine.html", rows=rows, peers=peers)


@get("/sealed")
async def sealed(request: Request) -> Response[Any]:
    """Raises Refused not_allowed for everyone else, whatever else they may do."""
    node, actor = node_of(request), actor_of(request)
    reports, refused = await node.reads.sealed(actor), await sealed_here(node.desk.journal, actor)
    if wants_json(request):
        return twin({"reports": reports, "refused": refused})
    more = {"reports": reports, "refused": refused, "name_of": node.reads.node_name}
    return await page(request, "sealed.html", still=True, **more, **await guards_of(request))


def app(node: Any, dist: Path = DIST) -> Litestar:
    """dist: the bundle that deploy/web/bundle.py made."""
    routes = [*board.routes(), *case_map.routes(), *nodes.routes(), quarantine, sealed, *visits.routes(), *phone.routes(dist)]
    views = {**board.VIEWS, **case_map.VIEWS, **nodes.VIEWS, **visits.VIEWS}
    application = make_app(node, routes, [HERE / "templates"], dist, "/board", views=views, homes=HOMES)
    application.state.environment.globals["has_power"] = has_power
    application.state.environment.globals["where_it_is"] = lambda place, able: where.drawn(place, able, node.tables())
    application.state.environment.filters |= {"masked_title": masked_title, **case_map.FILTERS}
    return application


def has_power(actor: Actor, kind: str) -> bool:
    """For the menu: kind is `cases` (any power over cases) or the name of a power."""
    return bool(actor.powers & (CASE_POWERS if kind == "cases" else {kind}))
