"""The page stays true by itself: `GET /stream?view=NAME&…` sends the current state of the page's regions after each commit.

State, not deltas: every message renders what is true now, so a slow or sleeping browser costs nothing and misses nothing.
Changes within COALESCE_MS go together, news of peers (how far an entry got) wait NEWS_MS so that they hold up no entry; what did not change is not sent again; a comment now and then finds dead peers, and
the same turn redraws what only time changes (还剩 2 个工作日). A view is `async (request) -> str`: its `<hx-partial>`s.

Readers of one office who look at the same address in one language share one rendering (`@shared` on the view: it must show nothing that
belongs to one person, so no forms; an address that asks for one's own, `mine`, is shared with nobody else). However much commits,
rendering takes at most a BUSY_SHARE of the time.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from litestar import Request, get
from litestar.params import FromQuery
from litestar.response import ServerSentEvent, ServerSentEventMessage

from protocol.node import log
from protocol.node.web import cases, lanes, link, lists
from protocol.node.web.page import COOKIE, actor_of, language_of, node_of, rendered, shell
from protocol.problem import Refused

COALESCE_MS: Final = 50
NEWS_MS: Final = 200
BUSY_SHARE: Final = 0.2
STILL_THERE_S: Final = 15
RETRY_MS: Final = 500
View = Callable[[Request], Awaitable[str]]


def shared(view: View) -> View:
    """Marks a view that everybody of one office may be sent in the same words."""
    view.is_shared = True  # type: ignore[attr-defined]
    return view


def stays(view: View) -> View:
    """Marks a view with nobody's whole name, made to be looked at all day: it goes on until the sign-in itself ends, whoever touches a key."""
    view.stays = True  # type: ignore[attr-defined]
    return view


async def frame(request: Request) -> str:
    """Menu counts and link state: part of every view."""
    context = await shell(request)
    return rendered(request, "_frame.html", {**context, "path": request.query_params.get("at", "")})


@shared
async def nothing(_request: Request) -> str:
    return ""


VIEWS: Final[Mapping[str, View]] = {
    "frame": nothing,
    "list": shared(lists.list_live),
    "link": link.link_live,
    "ledger": shared(lanes.ledger_live),
    "machine": shared(lanes.machine_live),
    "case": cases.case_live,
}


class Channel:
    """One rendering that some streams follow: `text` is what is true now, `version` counts its changes."""

    def __init__(self, request: Request, view: View) -> None:
        self._request, self._view, self._readers = request, view, 0
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self.text, self.version, self.over = "", 0, False

    async def next(self, seen: int) -> int:
        """Returns when there is something newer than `seen`, or when it is over."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.version > seen or self.over)
            return self.version

    def enter(self) -> None:
        self._readers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name="stream")

    def leave(self) -> bool:
        """True when nobody follows any more."""
        self._readers -= 1
        if self._readers == 0 and self._task is not None:
            self._task.cancel()
        return self._readers == 0

    async def _keep(self) -> None:
        try:
            async with node_of(self._request).wake.watch() as event:
                while True:
                    event.clear()
                    event.committed.clear()
                    began = time.thread_time()
                    await self._render()
                    await asyncio.sleep(max(COALESCE_MS / 1000, (time.thread_time() - began) / BUSY_SHARE))
                    with suppress(TimeoutError):  # what only time changes
                        async with asyncio.timeout(STILL_THERE_S):  # not wait_for: before Python 3.12 it swallows a cancel
                            await event.wait()
                        async with asyncio.timeout(NEWS_MS / 1000):
                            await event.committed.wait()
        except Refused:
            pass  # the case left what this person may see, or the store is busy: the page asks again and is told
        except Exception as error:  # noqa: BLE001 — the streams end, their pages ask again; the fault is written down
            log.event("stream failed", level=logging.ERROR, exception=error)
        finally:
            self.over = True
            await self._tell()

    async def _render(self) -> None:
        text = await frame(self._request) + await self._view(self._request)
        if text != self.text:
            self.text, self.version = text, self.version + 1
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def channel_of(request: Request, view: View) -> tuple[Any, Channel]:
    """The channel that this stream follows, shared where the view allows it; with its key."""
    channels: dict[Any, Channel] = request.app.state.channels
    actor = actor_of(request)
    key: Any = object()
    if getattr(view, "is_shared", False):
        whose = actor.person if request.query_params.get("mine") else ""
        key = (request.url.query, actor.offices, actor.powers, language_of(request), whose)
    if key not in channels or channels[key].over:
        channels[key] = Channel(request, view)
    return key, channels[key]


async def changes(request: Request, view: View) -> AsyncIterator[ServerSentEventMessage]:
    """State now, then each newer state. Ends with the browser, with the session or its post, or when there is nothing to see any more."""
    key, channel = channel_of(request, view)
    channel.enter()
    try:
        seen, asked_s = 0, time.monotonic()
        while True:
            before = seen
            with suppress(TimeoutError):
                async with asyncio.timeout(max(asked_s + STILL_THERE_S - time.monotonic(), 0)):
                    seen = await channel.next(seen)
            if time.monotonic() - asked_s >= STILL_THERE_S:  # also where something new comes all the time
                asked_s = time.monotonic()
                node, token, idle_counts = node_of(request), request.cookies.get(COOKIE, ""), not getattr(view, "stays", False)
                now = await node.people.standing(token, node.clock(), idle_counts=idle_counts)
                if now is None:
                    yield ServerSentEventMessage(data=rendered(request, "_expired.html", {}))
                    return
                if now.post != actor_of(request).post:
                    return  # the page asks again, and is told that it is of another post
            if seen == before and not channel.over:
                yield ServerSentEventMessage(data=None, comment="still here")
                continue
            if channel.over:
                return
            yield ServerSentEventMessage(data=channel.text)
    finally:
        if channel.leave() and request.app.state.channels.get(key) is channel:
            del request.app.state.channels[key]


@get("/stream", media_type="text/event-stream")
async def live(request: Request, view: FromQuery[str] = "frame") -> ServerSentEvent:
    views: Mapping[str, View] = request.app.state.views
    if view not in views:
        raise Refused("page_unknown")
    ids: dict[str, str] = {}
    request.state.new_id = lambda name="": ids.setdefault(name, request.app.state.new_id())  # a form keeps its id while it stays
    return ServerSentEvent(changes(request, views[view]), retry_duration=RETRY_MS)


def routes() -> list:
    return [live]
