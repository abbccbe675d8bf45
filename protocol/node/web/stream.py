"""The page stays true by itself: `GET /stream?view=NAME&…` sends the current state of the page's regions after each commit.

State, not deltas: every message renders what is true now, so a slow or sleeping browser costs nothing and misses nothing.
Changes within COALESCE_MS go together; what did not change is not sent again; a comment now and then finds dead peers, and
the same turn redraws what only time changes (还剩 2 个工作日). A view is `async (request) -> str`: its `<hx-partial>`s.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from litestar import Request, get
from litestar.params import FromQuery
from litestar.response import ServerSentEvent, ServerSentEventMessage

from protocol.node.web import cases, link, lists
from protocol.node.web.page import node_of, rendered, shell
from protocol.problem import Refused

COALESCE_MS: Final = 50
STILL_THERE_S: Final = 15
RETRY_MS: Final = 500
View = Callable[[Request], Awaitable[str]]


async def frame(request: Request) -> str:
    """Menu counts and link state: part of every view."""
    context = await shell(request)
    return rendered(request, "_frame.html", {**context, "path": request.query_params.get("at", "")})


async def nothing(_request: Request) -> str:
    return ""


VIEWS: Final[Mapping[str, View]] = {"frame": nothing, "list": lists.list_live, "case": cases.case_live, "link": link.link_live}


async def changes(request: Request, view: View) -> AsyncIterator[ServerSentEventMessage]:
    """State now, then state after each wake. Ends when the browser closes, or when the session has no one any more."""
    node, last = node_of(request), ""
    async with node.wake.watch() as event:
        while True:
            event.clear()
            try:
                text = await frame(request) + await view(request)
            except Refused:
                return  # the case left what this person may see: the page says so when it is next asked for
            if text != last:
                last = text
                yield ServerSentEventMessage(data=text)
            await asyncio.sleep(COALESCE_MS / 1000)
            try:
                await asyncio.wait_for(event.wait(), STILL_THERE_S)
            except TimeoutError:
                yield ServerSentEventMessage(data=None, comment="still here")


@get("/stream", media_type="text/event-stream")
async def live(request: Request, view: FromQuery[str] = "frame") -> ServerSentEvent:
    views: Mapping[str, Any] = request.app.state.views
    if view not in views:
        raise Refused("page_unknown")
    ids: dict[str, str] = {}
    request.state.new_id = lambda name="": ids.setdefault(name, request.app.state.new_id())  # a form keeps its id while it stays
    return ServerSentEvent(changes(request, views[view]), retry_duration=RETRY_MS)


def routes() -> list:
    return [live]
