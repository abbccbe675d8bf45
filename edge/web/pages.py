"""The desk of an edge: a village logs and works, a township takes up what comes and sees every village below.

One program, two shapes of one page, told apart by whether places lie below the office: `/desk` and `/inbox`. The rest of
the pages is shared (protocol/node/web).

    app = edge_app(node)       the Litestar application, ready for uvicorn
"""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Litestar, Request, Response, get, post
from litestar.response import Redirect

from edge import enrol as joining
from protocol.node.web import forms, guides, link, lists, visits
from protocol.node.web.app import make_app
from protocol.node.web.page import actor_of, is_shut_out, node_of, page, refused_twin, rendered, twin, wants_json
from protocol.node.web.phone import routes as phone
from protocol.node.web.register import form_context
from protocol.node.web.stream import shared
from protocol.problem import Refused

HERE: Final = Path(__file__).parent
DIST: Final = HERE / "dist"
HOME: Final = "/desk"
SHOWN: Final = 20  # rows on the desk; the rest is one click away in the list
SILENT_MS: Final = 86_400_000  # a village that said nothing for a day is shown with its last word

TABS: Final = (("all", "最近"), ("held", "我承办"), ("came_down", "上面交办"), ("follow_up", "要回访"), ("overdue", "超期"))
TABS_ABOVE: Final = (
    ("incoming", "待受领"),
    ("held", "办理中"),
    ("outgoing", "送出待受领"),
    ("follow_up", "要回访"),
    ("review", "待核对"),
    ("overdue", "超期"),
    ("all", "全部"),
)


NOTHING: Final = {
    "all": "还没有纠纷。登记的和送来的会马上出现在这里。",
    "held": "现在没有要办的纠纷。",
    "incoming": "没有等您受领的纠纷。",
    "outgoing": "没有送出去还没受领的纠纷。",
    "came_down": "上面没有交办的纠纷。",
    "follow_up": "现在没有要回访的。",
    "review": "没有要核对的纠纷。停用的电脑交来的、晚到的内容会自己出现在这里。",
    "overdue": "没有超期的。",
}


def has_below(request: Request) -> bool:
    """Claims that places lie below the office of who asks: a township's desk."""
    return bool(node_of(request).tables().children(actor_of(request).office))


async def desk_context(request: Request) -> dict[str, Any]:
    """List, tabs and, where there are places below, how each of them stands."""
    below = has_below(request)
    tabs = TABS_ABOVE if below else TABS
    query = lists.query_of(request, tabs[0][0])
    if query.view not in dict(tabs):
        query = lists.Query(tabs[0][0])
    context = await lists.list_context(request, query, SHOWN)
    places = await node_of(request).reads.places(actor_of(request)) if below else []
    return {
        **context,
        "tabs": tabs,
        "below": below,
        "places": places,
        "silent_ms": SILENT_MS,
        "peeks": below,
        "nothing": NOTHING[query.view],
    }


@get("/desk", of_cases=True)
async def desk(request: Request) -> Response[str]:
    context = await desk_context(request)
    live = urlencode({"view": "desk", "list": context["query"].view})
    return await page(request, "desk.html", live=live, guide=await guides.guide_of(request), **form_context(request), **context)


@shared
async def desk_live(request: Request) -> str:
    context = await desk_context(request)
    counts = await node_of(request).reads.counts(actor_of(request))
    return rendered(request, "_desk_live.html", {**context, "counts": counts})


async def inbox_context(request: Request) -> dict[str, Any]:
    return await lists.list_context(request, lists.Query("incoming"), lists.PER)


@get("/inbox", of_cases=True)
async def inbox(request: Request) -> Response[str]:
    """待受领: what others sent to this office, oldest first, each with a pane to read, take up or return it."""
    return await page(request, "inbox.html", live="view=inbox", **await inbox_context(request))


@shared
async def inbox_live(request: Request) -> str:
    return rendered(request, "_inbox_live.html", await inbox_context(request))


@post("/renew", status_code=200)
async def renew(request: Request) -> Response[Any]:
    """A machine that was stopped (copied, lost and found) goes on by a new code; the program opens itself again as another node. Pressed again,
    or after a command did it, it says the same."""
    node = node_of(request)
    if not (node.stopped() or is_shut_out(node) or _is_renewed(node)):
        raise Refused("not_now", status="正常使用", what="换登记码")
    form = {name: values[0] for name, values in forms.typed((await request.form()).multi_items()).items()}
    try:
        if not _is_renewed(node):
            await joining.renew(form.get("code", ""), node.folder)
    except ConnectionError:
        wrong = Refused("field_impossible", field="code", what="登记码", why="按它写的地址连不上，请看网络通不通、有没有抄错，再试一次")
        return await _not_renewed(request, form, wrong)
    except Refused as refusal:
        return await _not_renewed(request, form, refusal)
    node.outdated.set()
    about = node.identity.about()
    if wants_json(request):
        return twin({"node": about.node, "name": about.name})
    return await page(request, "renewed.html", name=about.name, id=about.node)


@get("/renew")
async def asked_anew() -> Redirect:
    """The address of an answer, from a browser that loads it anew."""
    return Redirect("/link", status_code=303)


def _is_renewed(node: Any) -> bool:
    """Claims that the folder is another node's than the one that runs."""
    return bool(node.identity.about().node != node.about.node)


async def _not_renewed(request: Request, form: dict[str, str], refusal: Refused) -> Response[Any]:
    if wants_json(request):
        return refused_twin(request, refusal)
    return await link.shown(request, 422, form=form, wrong={"code": refusal.sentence}, sentence="没有恢复使用。")


def edge_app(node: Any) -> Litestar:
    """Everything an edge serves: its desk, the shared pages, the phones at home here, the papers."""
    routes = [desk, inbox, renew, asked_anew, *visits.routes(), *phone.routes(DIST)]
    views = {**visits.VIEWS, "desk": desk_live, "inbox": inbox_live}
    application = make_app(node, routes, [HERE / "templates"], DIST, HOME, views=views)
    application.state.may_renew = True
    return application
