"""The county's pages: `app(node)` is its whole Litestar application, the shared pages and these.

/board        home of the operator (hub/web/board.py)
/nodes        every node, the one that worries most first (hub/web/nodes.py)
/people       persons, posts and first sign-ins (protocol/node/web/people.py)
/quarantine   what was refused from other nodes, with the reason
/sealed       密封件, only for the power `sealed`; they show on no board, list, count or stream
"""

from pathlib import Path
from typing import Any, Final

from litestar import Litestar, Request, Response, get

from hub.web import board, nodes
from protocol import access
from protocol.access import CASE_POWERS
from protocol.events import Actor
from protocol.node.shown import CaseRow
from protocol.node.web import visits
from protocol.node.web.app import make_app
from protocol.node.web.page import actor_of, node_of, page, twin, wants_json
from protocol.node.web.phone import routes as phone

HERE: Final = Path(__file__).parent
DIST: Final = HERE / "dist"
PERSON_CHARS_MAX: Final = 4
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
    reports = await node_of(request).reads.sealed(actor_of(request))
    if wants_json(request):
        return twin({"reports": reports})
    return await page(request, "sealed.html", reports=reports, still=True)


def app(node: Any, dist: Path = DIST) -> Litestar:
    """dist: the bundle that deploy/web/bundle.py made."""
    routes = [*board.routes(), *nodes.routes(), quarantine, sealed, *visits.routes(), *phone.routes(dist)]
    views = {**board.VIEWS, **nodes.VIEWS, **visits.VIEWS}
    application = make_app(node, routes, [HERE / "templates"], dist, "/board", views=views, homes=HOMES)
    application.state.environment.globals["has_power"] = has_power
    application.state.environment.filters["masked_title"] = masked_title
    return application


def masked_title(row: CaseRow) -> str:
    """Title and parties as a board may show them: every person's name is masked. A company (a long name without a dot) is no person."""
    names = {name: _masked(name) for name in row.parties.split("、") if name}
    title, named = row.title, any(name in row.title for name in names)
    for name in sorted(names, key=len, reverse=True):
        title = title.replace(name, names[name])
    return title if named else " ".join(part for part in (title, "、".join(names.values())) if part)


def _masked(name: str) -> str:
    return access.masked(name) if len(name) <= PERSON_CHARS_MAX or "·" in name else name


def has_power(actor: Actor, kind: str) -> bool:
    """For the menu: kind is `cases` (any power over cases) or the name of a power."""
    return bool(actor.powers & (CASE_POWERS if kind == "cases" else {kind}))
