"""What every page stands on: who asks, one way to render, one way to refuse.

A handler reads `node_of(request)` and `actor_of(request)`, asks reads or the desk, and returns `await page(request,
"name.html", …)`, `fragment(request, …)` for an htmx swap, or `twin(…)` when `wants_json(request)`. Personal pages are never
kept by a browser (`no-store`): the next person at this PC must not find them by going back.
"""

import logging
import re
from hashlib import sha256
from typing import Any, Final

import msgspec
from jinja2 import Environment
from litestar import Request, Response
from litestar.exceptions import HTTPException

from protocol.events import Actor
from protocol.node import log
from protocol.node.web.english import templates as english
from protocol.node.web.forms import PAGE_PERSON, PAGE_POST
from protocol.problem import SENTENCES, Refused

HTML: Final = "text/html; charset=utf-8"
COOKIE: Final = "yidi"
THEME: Final = "yidi-theme"
THEMES: Final = ("light", "dark")
LANGUAGE: Final = "yidi-language"
LANGUAGES: Final = ("zh", "en")
BODY_BYTES_MAX: Final = 64 * 2**20  # a form with its photos; one file is limited by blobs
POLICY: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
OPENED: Final = "本机由备份恢复，还没有和别的机器核对（{who}打开）：可能看到已经依法删除的内容，不要打印、不要转告。请尽快联网。"
BESIDE: Final = {"HX-Reswap": "afterbegin"}  # above what was typed, never in its place
POSTS: Final = re.compile(r'<form\b[^>]*\bmethod="post"[^>]*>')
KEPT_NOWHERE: Final = {"Cache-Control": "no-store", **POLICY}  # also where no handler was found, so nothing else adds them


def node_of(request: Request) -> Any:
    """The node that serves this page (protocol/node/node.py: desk, reads, people, blobs, wake, pump, clock …)."""
    return request.app.state.node


def actor_of(request: Request) -> Actor:
    """Who is signed in. Raises Refused sign_in_needed; the session middleware has normally answered before."""
    if actor := getattr(request.state, "actor", None):
        return actor
    raise Refused("sign_in_needed")


def session_of(request: Request) -> str:
    """What the session of this browser is called, for those who must not know its token."""
    return sha256(request.cookies.get(COOKIE, "").encode()).hexdigest()[:16]


async def carrier_of(request: Request) -> Actor:
    """Whose phone asks: who is signed in, by their post that makes visits, whichever post the session has at a desk.

    Raises Refused sign_in_needed, field_post_needed.
    """
    node = node_of(request)
    if actor := await node.people.in_field(actor_of(request), node.certificate.node):
        return actor
    raise Refused("field_post_needed")


def may(request: Request, power: str) -> bool:
    """Claims that the signed-in post has this power: for showing or hiding a door, never the permission itself."""
    actor = getattr(request.state, "actor", None)
    return actor is not None and power in actor.powers


def inside(path: str) -> str:
    """Only a path of this node: an address that leads elsewhere becomes "". A browser drops tabs and ends of lines from an address."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not any(sign < " " for sign in path)
    return path if is_ours else ""


def wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def number_of_page(request: Request) -> int:
    """What `page=` asks for, from 1; whatever else stands there reads as 1."""
    number = request.query_params.get("page", "")
    return max(1, int(number)) if number.isascii() and number.isdigit() and len(number) < 6 else 1


def is_htmx(request: Request) -> bool:
    """Claims that htmx asked, so a fragment is answered instead of a page."""
    return request.headers.get("hx-request") == "true"


async def shell(request: Request) -> dict[str, Any]:
    """What the frame of a page shows: office, counts of the menu, state of the link, who is signed in."""
    node, actor = node_of(request), getattr(request.state, "actor", None)
    if actor is None:
        return {"counts": {}, "link": None, "posts": [], "path": request.url.path, "trouble": trouble_of(node)}
    posts = await node.people.posts(request.cookies.get(COOKIE, ""))
    counts, link = await node.reads.counts(actor), await request.app.state.link_state(node)
    return {"counts": counts, "link": link, "posts": posts, "path": request.url.path, "trouble": trouble_of(node)}


def are_files_readonly(node: Any) -> bool:
    return getattr(getattr(node, "blobs", None), "is_readonly", False)


def is_shut_out(node: Any) -> bool:
    """Claims that the servers take this node no more, or no more the one that it runs itself, though it heard nothing of being put out."""
    own = (getattr(told(), "is_shut_out", False) for told in getattr(node, "servers", []))
    return getattr(getattr(node, "pump", None), "is_shut_out", False) or any(own)


def trouble_of(node: Any) -> str:
    """The sentence that says why this node writes no more and what to do; "" when it does."""
    code = node.stopped() if hasattr(node, "stopped") else ""
    if code and code != "store_busy":
        return SENTENCES[code][1]
    if are_files_readonly(node):
        return SENTENCES["files_readonly"][1]
    if is_shut_out(node):
        return SENTENCES["shut_out"][1]
    restored = getattr(getattr(node, "gate", None), "restored", None)
    return OPENED.format(who=restored.opened_by) if restored and restored.opened_ms else ""


def theme_of(request: Request) -> str:
    """light or dark as this browser chose; "" as its computer has it."""
    chosen = request.cookies.get(THEME, "")
    return chosen if chosen in THEMES else ""


def language_of(request: Request) -> str:
    """zh, or en where this browser chose English."""
    chosen = request.cookies.get(LANGUAGE, "")
    return chosen if chosen in LANGUAGES else LANGUAGES[0]


def environment_of(request: Request) -> Environment:
    """The templates in the language of who asks. The English ones are made when first asked for: a program adds its own names before."""
    state = request.app.state
    if language_of(request) != "en":
        return state.environment
    if state.english is None:
        more = {"asset": lambda name: state.environment.globals["asset"](name, "en")}
        state.english = english.environment(state.environment, state.catalogue(), more)
    return state.english


def in_language(request: Request, words: Any, place: str = "") -> Any:
    """Words of ours, alone or in lists and values, as this browser reads them. Never for what people typed. place: see Catalogue.of."""
    return request.app.state.catalogue().of(place).deep(words) if language_of(request) == "en" else words


def rendered(request: Request, template: str, context: dict[str, Any]) -> str:
    """The template as text, with what every fragment may use: request, actor, now_ms, new_id (of a command).

    Each form that is sent says in hidden fields for whom it was made (whose.py).
    """
    shared = {
        "request": request,
        "actor": getattr(request.state, "actor", None),
        "theme": theme_of(request),
        "language": language_of(request),
        "now_ms": node_of(request).clock(),
        "new_id": getattr(request.state, "new_id", None) or (lambda _name="": request.app.state.new_id()),
    }
    text = environment_of(request).get_template(template).render({**shared, **context})
    actor = shared["actor"]
    if actor is None:
        return text
    said = "".join(
        f'<input type="hidden" name="{name}" value="{value}">' for name, value in ((PAGE_PERSON, actor.person), (PAGE_POST, actor.post))
    )
    return POSTS.sub(lambda form: form[0] + said, text)


async def page(request: Request, template: str, *, status: int = 200, **context: Any) -> Response[str]:
    """A whole page in its frame. `live` names what the stream renders (`/stream?view=…`); "" = only the frame is live."""
    text = rendered(request, template, {**await shell(request), **context})
    return Response(text, media_type=HTML, status_code=status, headers=KEPT_NOWHERE)


def fragment(request: Request, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **context: Any) -> Response[str]:
    """A piece of a page for htmx; headers such as HX-Retarget and HX-Reswap go along."""
    return Response(rendered(request, template, context), media_type=HTML, status_code=status, headers={**KEPT_NOWHERE, **(headers or {})})


def twin(data: Any, status: int = 200) -> Response[bytes]:
    """The JSON answer of a page. Structs are taken apart by msgspec; never pass one that holds a key or a raw head."""
    return Response(msgspec.json.encode(data), media_type="application/json", status_code=status, headers=KEPT_NOWHERE)


def refused_twin(request: Request, refusal: Refused) -> Response[bytes]:
    return twin({"code": refusal.code, "field": refusal.field, "sentence": in_language(request, refusal.sentence)}, refusal.status)


def refused(request: Request, refusal: Refused, back: str = "") -> Response[Any]:
    """A refusal as what the asker understands: JSON, a short fragment, or a page with a way onward. back: where the form stands that was sent."""
    if wants_json(request):
        return refused_twin(request, refusal)
    context = {"sentence": refusal.sentence, "missing": refusal.status == 404, "code": refusal.code, "back": back}
    if is_htmx(request):
        return fragment(request, "_refused.html", status=refusal.status, headers=_where(request), **context)
    return fragment(request, "refused.html", status=refusal.status, counts={}, link=None, path=request.url.path, **context)


def _where(request: Request) -> dict[str, str]:
    """Beside what is on the page; in place of it where the page asks by itself, and would have one more each time."""
    handler = request.scope.get("route_handler")
    return {} if handler is not None and handler.opt.get("polled") else BESIDE


def failed(request: Request, error: Exception) -> Response[Any]:
    """An unknown address, or a fault of ours: logged (no words of people), said here without a code."""
    if isinstance(error, HTTPException) and error.status_code in (404, 405):
        return refused(request, Refused("page_unknown"))
    if isinstance(error, HTTPException) and error.status_code == 413:
        opt = request.route_handler.opt  # of a handler whose form takes something else than attachments
        return refused(request, Refused(opt.get("too_large", "upload_too_large"), most=BODY_BYTES_MAX // 2**20), opt.get("form_at", ""))
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status >= 500:
        route, method = request.scope.get("path_template", ""), request.method
        log.event("page failed", level=logging.ERROR, exception=error, route=route, method=method)
    if wants_json(request):
        return twin({"code": "fault", "field": "", "sentence": in_language(request, FAULT)}, status)
    if is_htmx(request):
        return fragment(request, "_refused.html", status=status, headers=_where(request), sentence=FAULT)
    more = {"counts": {}, "link": None, "path": request.url.path}
    return fragment(request, "refused.html", status=status, sentence=FAULT, code="fault", **more)


FAULT: Final = "这一步没有做成，本机程序遇到没有料到的情况，已经记下。请再试一次；还不行请告诉管理员发生的时间。"
