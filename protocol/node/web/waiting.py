"""While a restored node has not heard the others, every address answers with one page: what it waits for, and how to go on without.

    GET /restored/open      how far it is; the page asks this by itself and, once the pages are open, goes back to where it was
    POST /restored/open     name, password, reason: whoever has an account here opens the pages and answers for it

A form that is sent meanwhile loses nothing: the page carries what was typed, and once the pages are open, through the sign-in page, it comes back
filled. Never what is sealed. A request waits a moment first, since the others usually answer at once. The page names the computers that are waited for: whoever reads it can
ring them up, or tell the county of one that never gives what it said.
"""

from typing import Any, Final, NamedTuple

from litestar import Request, Response, get, post
from litestar.params import FromQuery
from litestar.response import Redirect

from protocol.node.web import forms, session, whose
from protocol.node.web.page import fragment, inside, is_htmx, node_of, refused, refused_twin, twin, wants_json
from protocol.problem import Refused

HELD_S: Final = 8.0  # a browser shows nothing for so long at most
NAMED_MAX: Final = 12
OPEN: Final = "/restored/open"
SIGN_IN: Final = "/sign-in"
OWN: Final = (OPEN, "/language")  # what the waiting page itself asks for
SEALED: Final = "密封的内容没有留在这台电脑上，打开以后请重新写。"


class Kept(NamedTuple):
    """next: the page that comes once the pages are open · carry: a form that was being sent, in its place · is_sealed: one that is not carried."""

    next: str = "/"
    carry: str = ""
    is_sealed: bool = False


async def before(request: Request) -> Response[Any] | None:
    gate = getattr(node_of(request), "gate", None)
    if gate is None or not gate.is_waiting or request.url.path in OWN or request.route_handler.opt.get("public") == "file":
        return None
    if request.url.path == "/healthz" or await gate.passed(HELD_S):
        return None
    if wants_json(request) or is_htmx(request):  # a page that was open before stays as it is
        return refused(request, Refused("restored_waits"))
    session.check_site(request)
    return _wait(request, Refused("restored_waits"), await _kept(request))


async def _kept(request: Request) -> Kept:
    """Of what was asked for, or is being sent."""
    if request.method != "POST":
        return Kept(_address(request))
    if request.url.path == SIGN_IN:
        return _held(await _fields(request))
    if session.is_sealed(request):
        return Kept(request.url.path, is_sealed=True)
    return Kept() if request.route_handler.opt.get("public") else Kept(carry=await session.carry_of(request))


async def _fields(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in forms.typed((await request.form()).multi_items()).items()}


def _held(form: dict[str, str]) -> Kept:
    """As a page held it."""
    return Kept(inside(form.get("next", "")) or "/", form.get("carry", ""))


def _wait(request: Request, refusal: Refused, kept: Kept, **typed: str) -> Response[Any]:
    if wants_json(request):
        return refused_twin(request, refusal)
    sentence = SEALED if kept.is_sealed else refusal.sentence if refusal.code != "restored_waits" else ""
    shown: dict[str, Any] = {"here": kept.next, "carry": kept.carry, "sentence": sentence, "typed": typed, **_awaited(request)}
    return fragment(request, "waiting.html", status=refusal.status, counts={}, link=None, path="", **shown)


def _address(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _awaited(request: Request) -> dict[str, Any]:
    node = node_of(request)
    awaited = [node.reads.node_name(one) for one in node.gate.awaited_of()[:NAMED_MAX]]
    return {"awaited": awaited, "root": node.reads.node_name(node.about.root_node) if node.gate.waits_for_root else ""}


@get(OPEN, public=True)
async def how_far(request: Request, at: FromQuery[str] = "", carried: FromQuery[bool] = False) -> Response[Any]:
    """carried: the page that asks holds a form, so it is not left by itself."""
    back = inside(at) or "/"
    if _is_waiting(request):
        return (
            fragment(request, "_waits.html", **_awaited(request))
            if is_htmx(request)
            else _wait(request, Refused("restored_waits"), Kept(back))
        )
    if not is_htmx(request):
        return Redirect(back, status_code=303)
    return fragment(request, "_waited.html") if carried else Response("", headers={"HX-Redirect": back})


@post(OPEN, public=True, status_code=200)
async def open_pages(request: Request) -> Response[Any]:
    node, form = node_of(request), await _fields(request)
    kept = _held(form)
    if not _is_waiting(request) and not wants_json(request):
        return await _gone_on(request, kept)
    name, reason = form.get("name", ""), form.get("reason", "").strip()[:200]
    try:
        if not reason:
            raise Refused("field_missing", field="reason", what="为什么现在就要打开")
        token = await node.people.sign_in(name, form.get("password", ""), node.clock(), request.client.host if request.client else "")
        await node.people.sign_out(token)
    except Refused as refusal:
        return _wait(request, refusal, kept, name=name, reason=reason)
    node.gate.open(name, reason)
    return twin({"status": "ok"}) if wants_json(request) else await _gone_on(request, kept)


def _is_waiting(request: Request) -> bool:
    gate = getattr(node_of(request), "gate", None)
    return gate is not None and gate.is_waiting


async def _gone_on(request: Request, kept: Kept) -> Response[Any]:
    is_whole = bool(whose.carried(kept.carry))  # whatever else a program sends as one
    return await session.sign_in_carrying(request, kept.carry, 200) if is_whole else Redirect(kept.next, status_code=303)


def routes() -> list:
    return [how_far, open_pages]
