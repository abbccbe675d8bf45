"""While a restored node has not heard the others, every address answers with one page: what it waits for, and how to go on without.

    GET /restored/open      how far it is; the page asks this by itself and, once the pages are open, goes back to where it was
    POST /restored/open     name, password, reason: whoever has an account here opens the pages and answers for it

A request waits a moment first, since the others usually answer at once. The page names the computers that are waited for: whoever reads it can
ring them up, or tell the county of one that never gives what it said.
"""

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromQuery
from litestar.response import Redirect

from protocol.node.web import forms
from protocol.node.web.page import fragment, inside, is_htmx, node_of, refused, refused_twin, twin, wants_json
from protocol.problem import Refused

HELD_S: Final = 8.0  # a browser shows nothing for so long at most
NAMED_MAX: Final = 12
OPEN: Final = "/restored/open"
OWN: Final = (OPEN, "/language")  # what the waiting page itself asks for


async def before(request: Request) -> Response[Any] | None:
    gate = getattr(node_of(request), "gate", None)
    if gate is None or not gate.is_waiting or request.url.path in OWN or request.route_handler.opt.get("public") == "file":
        return None
    if request.url.path == "/healthz" or await gate.passed(HELD_S):
        return None
    return _wait(request, Refused("restored_waits"))


def _wait(request: Request, refusal: Refused, **typed: str) -> Response[Any]:
    if wants_json(request):
        return refused_twin(request, refusal)
    if is_htmx(request):  # from a page that was open before: it stays as it is
        return refused(request, refusal)
    sentence = refusal.sentence if refusal.code != "restored_waits" else ""
    here = _address(request) if request.method == "GET" and request.url.path != OPEN else "/"
    shown: dict[str, Any] = {"here": here, "sentence": sentence, "typed": typed, **_awaited(request)}
    return fragment(request, "waiting.html", status=refusal.status, counts={}, link=None, path="", **shown)


def _address(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _awaited(request: Request) -> dict[str, Any]:
    node = node_of(request)
    awaited = [node.reads.node_name(one) for one in node.gate.awaited_of()[:NAMED_MAX]]
    return {"awaited": awaited, "root": node.reads.node_name(node.about.root_node) if node.gate.waits_for_root else ""}


@get(OPEN, public=True)
async def how_far(request: Request, at: FromQuery[str] = "") -> Response[Any]:
    gate = getattr(node_of(request), "gate", None)
    if gate is None or not gate.is_waiting:
        return Response("", headers={"HX-Redirect": inside(at) or "/"}) if is_htmx(request) else Redirect("/", status_code=303)
    return fragment(request, "_waits.html", **_awaited(request)) if is_htmx(request) else _wait(request, Refused("restored_waits"))


@post(OPEN, public=True, status_code=200)
async def open_pages(request: Request) -> Response[Any]:
    node = node_of(request)
    form = {name: values[0] for name, values in forms.typed((await request.form()).multi_items()).items()}
    name, reason = form.get("name", ""), form.get("reason", "").strip()[:200]
    try:
        if not reason:
            raise Refused("field_missing", field="reason", what="为什么现在就要打开")
        token = await node.people.sign_in(name, form.get("password", ""), node.clock(), request.client.host if request.client else "")
        await node.people.sign_out(token)
    except Refused as refusal:
        return _wait(request, refusal, name=name, reason=reason)
    node.gate.open(name, reason)
    return twin({"status": "ok"}) if wants_json(request) else Redirect("/", status_code=303)


def routes() -> list:
    return [how_far, open_pages]
