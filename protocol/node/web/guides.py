"""第一次用: two or three steps for whoever has not yet registered, taken up or dispatched anything himself (node/begun.py), until he has, or puts it away.

    POST /guide/away    kept by this node for that person; back to where he was

A page on which somebody's day begins gives its template `guide`, which is "" for everybody else, and includes `_first.html`.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Request, Response, post

from protocol.node.begun import Begun
from protocol.node.web.page import actor_of, node_of, twin, wants_json

EMPTY, LOGS, SENDS = "empty", "logs", "sends"
_BEGINS: Final = "log"  # the power of whoever has something to begin with


def _begun(request: Request) -> Begun:
    state = request.app.state
    if getattr(state, "begun", None) is None:
        state.begun = Begun(node_of(request).journal)
    return state.begun


async def guide_of(request: Request) -> str:
    """EMPTY: nothing is here yet · LOGS: his work begins with a registration · SENDS: with what waits, or with sending somebody."""
    actor = actor_of(request)
    if _BEGINS not in actor.powers or not actor.person or not await _begun(request).needs_guide(actor.person):
        return ""
    return EMPTY if not await node_of(request).reads.total(actor) else SENDS if "assign" in actor.powers else LOGS


@post("/guide/away", status_code=200)
async def away(request: Request) -> Response[Any]:
    await _begun(request).put_away(actor_of(request).person)
    if wants_json(request):
        return twin({"guide": ""})
    came_from = urlsplit(request.headers.get("referer", ""))
    back = came_from.path if came_from.netloc == request.headers.get("host") else ""
    return Response("", status_code=303, headers={"Location": back or "/"})


def routes() -> list[Any]:
    return [away]
