"""没有送出的条目: what is gone with a computer that was lost, broken or put out, by ledger and number, and who is asked to write it again.

GET  /losses             computers of the region of who asks (JSON twin)
POST /repairs/heal       this node's journal was found damaged: it is healed now, the program opens itself again
POST /repairs/settle     nobody else is waited for: what nobody gave is listed as gone, by whoever may review
"""

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.response import Redirect

from protocol.access import CASE_POWERS
from protocol.node import healing
from protocol.node.losses import losses
from protocol.node.web.page import actor_of, node_of, page, twin, wants_json
from protocol.problem import Refused

MAY: Final = frozenset({"review", "mediate", "log", "admin"})
REPORTS_SHOWN: Final = 3


async def repairs_of(node: Any) -> dict[str, Any]:
    """For the page of this node: damaged (a heal is to be asked for), state (one is open), waited (names), reports (ended ones)."""
    mending, folder = getattr(node, "mending", None), getattr(node, "folder", None)
    if mending is None or folder is None:
        return {}
    damaged = node.journal.damaged
    waited = await mending.unheard() if mending.state is not None and not damaged else []
    may_heal = damaged and node.may_heal
    return {
        "damaged": damaged,
        "may_heal": may_heal,
        "in_database": not node.journal.url.startswith("sqlite"),
        "state": mending.state,
        "waited": waited,
        "reports": healing.reports(folder)[:REPORTS_SHOWN],
    }


@get("/losses")
async def losses_page(request: Request) -> Response[Any]:
    """Raises Refused page_unknown for who sees no cases and looks after no machines."""
    node, actor = node_of(request), actor_of(request)
    if not actor.powers & (CASE_POWERS | {"admin"}):
        raise Refused("page_unknown")
    found = await losses(node.desk.journal, node.desk.shelf, actor)
    if wants_json(request):
        return twin({"losses": found})
    return await page(request, "losses.html", losses=found)


@post("/repairs/heal", status_code=200)
async def heal(request: Request) -> Response[Any]:
    node = node_of(request)
    _may(request)
    if not node.journal.damaged or not node.may_heal:
        raise Refused("page_unknown")
    node.heal_asked()
    return twin({"status": "ok"}) if wants_json(request) else Redirect("/link", status_code=303)


@post("/repairs/settle", status_code=200)
async def settle(request: Request) -> Response[Any]:
    node, actor = node_of(request), actor_of(request)
    _may(request)
    if node.mending.state is None:
        raise Refused("page_unknown")
    node.mending.settle(actor.person)
    return twin({"status": "ok"}) if wants_json(request) else Redirect("/link", status_code=303)


def _may(request: Request) -> None:
    if not actor_of(request).powers & MAY:
        raise Refused("not_allowed", what="修复本机台账")


def routes() -> list:
    return [losses_page, heal, settle]
