"""Who is at this screen: the cookie, signing in and out, choosing a post and a password, and no writes from other sites.

The cookie holds a token that only this node knows by its hash; HttpOnly, SameSite=Lax. A page asked for without a session
leads to the sign-in page and back. A *form* sent without one loses nothing: with htmx it stays where it is while a dialog asks
for the password; without, the sign-in page carries what was typed and the form comes back filled after it.
What comes from a page that was opened for somebody else (whose.py) is refused, and loses nothing either.
"""

import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromQuery
from litestar.response import Redirect

from protocol.events import Actor
from protocol.node.people import FIELD_SESSION_MS_MAX
from protocol.node.web import asking, carried, cases, forms, parties, register, task_steps, transfers, visits, whose
from protocol.node.web.page import (
    COOKIE,
    LANGUAGE,
    LANGUAGES,
    THEME,
    THEMES,
    fragment,
    inside,
    is_htmx,
    node_of,
    page,
    refused,
    refused_twin,
    session_of,
    twin,
    wants_json,
)
from protocol.node.web.words import sees_cases
from protocol.people_rules import FIRST_POSTS
from protocol.place import tier
from protocol.problem import Refused

PHONE_S_MAX: Final = FIELD_SESSION_MS_MAX // 1000  # as long as the node may keep its session; a desk's cookie ends with the browser
PHONE: Final = "/task"
STREAM: Final = "/stream"
CARRY_CHARS_MAX: Final = 200_000
EXPIRED: Final = {  # by whether a file was sent along
    False: "登录已经过期。您写的内容还在，登录后会原样回来。",
    True: "登录已经过期。选的文件没有收到，登录后请重新选；您写的内容还在，会原样回来。",
}
CHOICE_S: Final = 365 * 86_400


async def before(request: Request) -> Response[Any] | None:
    """Before every handler: same origin, then the session, then whose page asks. Handlers marked `public=True` need no session,
    those marked `of_anybody=True` may be asked from another person's page, those marked `of_any_post=True` from one's own of another post.

    A page marked `of_cases=True` leads whoever sees no cases (a cadre) to where their own day begins.
    """
    request.state.began_s = time.perf_counter()
    check_site(request)
    node, token = node_of(request), request.cookies.get(COOKIE, "")
    public = request.route_handler.opt.get("public")
    request.state.actor = None
    if public == "file" or not token:
        return None if public else await sign_in_first(request)
    if _asks_by_itself(request):
        idle_counts = not getattr(request.app.state.views.get(request.query_params.get("view", "")), "stays", False)
        request.state.actor = await node.people.standing(token, node.clock(), idle_counts=idle_counts)
    else:
        request.state.actor = await node.people.actor(token, node.clock())
    if request.state.actor is None and not public:
        if await node.people.must_choose_password(token):
            return Redirect("/password", status_code=303)
        return await sign_in_first(request)
    if answer := await page_of_another(request):
        return answer
    lost = request.route_handler.opt.get("of_cases") and not sees_cases(request.state.actor)
    return Redirect("/", status_code=303) if lost and not wants_json(request) else None


def _asks_by_itself(request: Request) -> bool:
    """Claims that it is the page that asks, again and again, and nobody at the desk: that is no use of the session. A handler says so by `polled=True`."""
    return request.url.path == STREAM or (is_htmx(request) and request.route_handler.opt.get("polled", False))


def check_site(request: Request) -> None:
    """Raises Refused cross_site for what another site's page sends."""
    origin = request.headers.get("origin")
    if request.method not in ("GET", "HEAD") and origin and origin.split("://")[-1] != request.headers.get("host"):
        raise Refused("cross_site")


async def sign_in_first(request: Request) -> Response[Any]:
    """Nobody is signed in: say so in the form in which it was asked, and lose nothing that was typed."""
    refusal = Refused("sign_in_needed")
    if wants_json(request):
        return refused_twin(request, refusal)
    if request.url.path == STREAM:
        return fragment(request, "_expired.html", status=401)
    if request.method == "GET":
        if is_htmx(request):  # back to the page that asks, not to the piece of it
            return Response("", status_code=401, headers={"HX-Redirect": _sign_in_to(request.headers.get("hx-current-url", ""))})
        return Redirect(_sign_in_to(str(request.url)), status_code=303)
    if is_htmx(request):
        again = {"HX-Retarget": "#again", "HX-Reswap": "innerHTML"}
        return fragment(request, "_sign_in_again.html", status=401, headers=again, form={}, sentence="")
    if is_sealed(request):  # whoever signs in next at this computer must not find an accusation there
        said = "登录已经过期。密封的内容没有留在这台电脑上，请登录后重新写。"
        return await page(request, "sign_in.html", status=401, form={}, sentence=said, carry="", next=request.url.path)
    return await sign_in_carrying(request, await carry_of(request), 401)


async def sign_in_carrying(request: Request, carry: str, status: int) -> Response[Any]:
    """The sign-in page with a form that comes back filled after it."""
    sentence = EXPIRED[whose.carried(carry)["file"]]
    return await page(request, "sign_in.html", status=status, form={}, sentence=sentence, carry=carry, next="")


def _sign_in_to(page: str) -> str:
    """The page for signing in, which leads to this one. page: its whole address."""
    here = _here(page)
    return f"/sign-in?next={_quoted(here)}" if here else "/sign-in"


def _here(page: str) -> str:
    """Path and question of a whole address; "" of one that leads elsewhere."""
    at = urlsplit(page)
    return inside(at.path + (f"?{at.query}" if at.query else ""))


async def carry_of(request: Request) -> str:
    """What was being sent, as a page holds it until its person has signed in."""
    sent = list((await request.form()).multi_items())
    has_file = any(not isinstance(value, str) and value.filename for _, value in sent)
    carry = whose.carry_of(request.url.path, forms.typed(sent), has_file, await whose.page_of(request))
    if len(carry) > CARRY_CHARS_MAX:  # no form of ours is as long
        raise Refused("form_incomplete", count=1)
    return carry


async def page_of_another(request: Request) -> Response[Any] | None:
    """None where the page is that of who is signed in, by the same post, or does not say. Else nothing is done, and what was typed stays: with htmx where it
    is, without on the sign-in page for its own person."""
    actor = request.state.actor
    opt = request.route_handler.opt
    if actor is None or opt.get("of_anybody"):
        return None
    theirs, post = await whose.page_of(request)
    is_of_another = theirs not in ("", actor.person)
    if not is_of_another and (post in ("", actor.post) or opt.get("of_any_post")):
        return None
    if request.url.path == STREAM:
        return Response("", status_code=409)
    refusal = await _not_theirs(request, "page", theirs, post)
    if request.method == "GET" and is_htmx(request):
        above = {"HX-Retarget": "#trouble", "HX-Reswap": "innerHTML"}
        return fragment(request, "_refused.html", status=409, headers=above, sentence=refusal.sentence, code=refusal.code)
    if request.method != "POST" or is_htmx(request) or wants_json(request) or request.route_handler.opt.get("public"):
        return refused(request, refusal)
    carry = await carry_of(request)
    left = carried.words_of(request.url.path, whose.carried(carry)["form"])  # to be read and copied: of what is sealed that is all
    if is_sealed(request):
        carry = ""
    else:
        refusal = await _not_theirs(request, "form", theirs, post)
    return await page(request, "sign_in.html", status=409, form={}, sentence=refusal.sentence, next="", carry=carry, left=left)


async def _not_theirs(request: Request, what: str, theirs: str, post: str) -> Refused:
    """what: page or form · theirs, post: whose it is, and by which post; one of them is another's."""
    actor = request.state.actor
    if theirs in ("", actor.person):
        return await whose.post_refusal_of(request, f"{what}_of_post", post, actor)
    return await whose.refusal_of(request, f"{what}_of_another", theirs, actor)


def is_sealed(request: Request) -> bool:
    """Claims that what is being sent must be kept nowhere but in the ledger."""
    return request.url.path.endswith("/seal")


@get("/sign-in", public=True, of_anybody=True)
async def sign_in_page(request: Request, next: FromQuery[str] = "") -> Response[str]:
    """The page; with htmx the dialog for a page that stays open."""
    node = node_of(request)
    if is_htmx(request):
        return fragment(request, "_sign_in_again.html", form={}, sentence="")
    first_post = FIRST_POSTS[tier(node.certificate.serves[0].removesuffix("/*"))]
    begins = {"nobody_yet": await node.people.nobody_yet(), "first_post": first_post}
    return await page(request, "sign_in.html", form={}, sentence="", next=inside(next), carry="", **begins)


@post("/sign-in", public=True, of_anybody=True, status_code=200)
async def sign_in(request: Request) -> Response[Any]:
    form = {name: values[0] for name, values in forms.typed((await request.form()).multi_items()).items()}
    node = node_of(request)
    address = request.client.host if request.client else ""
    try:
        token = await node.people.sign_in(form.get("name", ""), form.get("password", ""), node.clock(), address)
    except Refused as refusal:
        return await _not_signed_in(request, form, refusal)
    actor = await node.people.actor(token, node.clock())
    kept = whose.carried(form.get("carry", ""))
    theirs = request.headers.get(whose.HEADER) or kept.get("person", "")
    if actor is not None and theirs not in ("", actor.person):  # B in A's dialog: A's words must not become B's
        await node.people.sign_out(token)
        return await _not_signed_in(request, form, await whose.refusal_of(request, "sign_in_of_another", theirs, actor))
    if actor is not None:
        actor = await _as_opened(request, token, actor, request.headers.get(whose.POST_HEADER) or kept.get("post", ""))
        request.state.actor = actor
        return _with_cookie(request, await _signed_in(request, form), token, not sees_cases(actor))
    if await node.people.must_choose_password(token):
        answer: Response[Any] = twin({"must_choose_password": True}) if wants_json(request) else Redirect("/password", status_code=303)
        return _with_cookie(request, answer, token, False)
    is_healing = getattr(getattr(node, "mending", None), "state", None) is not None
    return await _not_signed_in(request, form, Refused("post_coming" if is_healing else "post_needed"))


async def _as_opened(request: Request, token: str, actor: Actor, post: str) -> Actor:
    """Who goes on with a page acts by the post by which it was opened, as long as it is theirs. post: "" = the page does not say."""
    people = node_of(request).people
    if post in ("", actor.post) or post not in {one.post for one in await people.posts(token)}:
        return actor
    await people.choose_post(token, post)
    return await people.actor(token, node_of(request).clock()) or actor


async def _not_signed_in(request: Request, form: dict[str, str], refusal: Refused) -> Response[Any]:
    if wants_json(request):
        return refused_twin(request, refusal)
    shown = {"name": form.get("name", "")}
    if is_htmx(request):
        return fragment(request, "_sign_in_again.html", status=refusal.status, form=shown, sentence=refusal.sentence, code=refusal.code)
    more: dict[str, Any] = {"next": inside(form.get("next", "")), "carry": form.get("carry", "")}
    if refusal.code == "sign_in_of_another":
        kept = whose.carried(more["carry"])
        more["left"] = carried.words_of(kept.get("path", ""), kept.get("form", {}))
    return await page(request, "sign_in.html", status=refusal.status, form=shown, sentence=refusal.sentence, **more)


async def _signed_in(request: Request, form: dict[str, str]) -> Response[Any]:
    """Back to where the person was: the JSON twin, the waiting form on this page, the carried form, or the page asked for."""
    actor = request.state.actor
    if wants_json(request):
        return twin({"person": actor.person, "name": actor.name, "office": actor.office, "powers": sorted(actor.powers)})
    if is_htmx(request):
        return fragment(request, "_signed_in.html", headers={"HX-Trigger": "yidi:signed-in"})
    if kept := whose.carried(form.get("carry", "")):
        path = inside(kept["path"]) or "/"
        if kept["post"] not in ("", actor.post):  # it ended meanwhile: by another post these words are of no form
            return await carried.left(request, path, kept["form"])
        return await _reopened(request, path, kept["form"], kept["file"])
    return Redirect(inside(form.get("next", "")) or "/", status_code=303)


async def _reopened(request: Request, path: str, form: forms.Typed, has_file: bool) -> Response[Any]:
    """The form that was being sent when the session had ended, filled again, or its words where no page has it any more; nothing is written."""
    if not await carried.is_offered(request, path, carried.about_of(form), form):
        return await carried.left(request, path, form)
    match path.strip("/").split("/"):
        case ["cases"]:
            return await register.form_page(request, form, has_file)
        case ["cases", subject, command] if command in cases.COMMANDS:
            return await cases.form_page(request, subject, command, form)
        case ["cases", subject, "TransferDispute"]:
            return await transfers.form_page(request, subject, form)
        case ["cases", subject, "RequestTask"]:
            return await asking.form_page(request, subject, form)
        case ["tasks", subject, command] if command in visits.COMMANDS:
            return await visits.form_page(request, subject, command, form)
        case ["tasks", subject, "ask", step]:
            return await task_steps.form_page(request, subject, step, form)
        case ["cases", subject, command] if command in parties.COMMANDS:
            return await parties.form_page(request, subject, command, form)
        case ["cases", subject, "AssignTask"]:
            return await visits.dispatch_form(request, subject, form)
        case [""] | ["drafts", *_]:
            return Redirect("/", status_code=303)
    return await carried.shown(request, path, form, has_file)


@post("/sign-out", public=True, of_anybody=True)
async def sign_out(request: Request) -> Redirect:
    """Ends the session of this browser. A phone that promised it without a signal names which (`session`): whoever signed in since stays."""
    response, meant = Redirect("/sign-in", status_code=303), (forms.typed((await request.form()).multi_items()).get("session") or [""])[0]
    if meant not in ("", session_of(request)):
        return response
    if token := request.cookies.get(COOKIE):
        await node_of(request).people.sign_out(token)
    response.delete_cookie(COOKIE)
    return response


@get("/password", public=True)
async def password_page(request: Request) -> Response[Any]:
    token = request.cookies.get(COOKIE, "")
    first = bool(token) and await node_of(request).people.must_choose_password(token)
    if not first and request.state.actor is None:
        return await sign_in_first(request)
    return await page(request, "password.html", wrong={}, first=first)


@post("/password", public=True, status_code=200)
async def change_password(request: Request) -> Response[Any]:
    node, token = node_of(request), request.cookies.get(COOKIE, "")
    form = {name: values[0] for name, values in forms.typed((await request.form()).multi_items()).items()}
    try:
        if form.get("password") != form.get("again"):
            raise Refused("field_impossible", field="again", what="第二次输入的密码", why="和第一次不一样")
        await node.people.change_password(token, form.get("password", ""), node.clock())
    except Refused as refusal:
        if wants_json(request):
            return refused_twin(request, refusal)
        first = await node.people.must_choose_password(token)
        return await page(
            request, "password.html", status=refusal.status, wrong={refusal.field or "password": refusal.sentence}, first=first
        )
    return twin({"status": "ok"}) if wants_json(request) else Redirect("/", status_code=303)


@post("/post", of_any_post=True)
async def choose_post(request: Request) -> Redirect:
    """Acts from now on by another of one's posts."""
    chosen = (forms.typed((await request.form()).multi_items()).get("post") or [""])[0]
    await node_of(request).people.choose_post(request.cookies.get(COOKIE, ""), chosen)
    return Redirect("/", status_code=303)


@post("/theme", of_anybody=True)
async def choose_theme(request: Request) -> Response[Any]:
    """Light, dark, or as the computer has it: of this browser, whoever signs in at it. Back to the page where it was chosen."""
    typed = forms.typed((await request.form()).multi_items())
    chosen = typed.get("theme", [""])[0]
    response = _chosen(request, typed, _chosen_at(request), "_theme.html", theme=chosen)
    if chosen in THEMES:
        response.set_cookie(Cookie(key=THEME, value=chosen, path="/", httponly=True, samesite="lax", max_age=CHOICE_S))
    else:
        response.delete_cookie(THEME)
    return response


@post("/language", public=True, of_anybody=True)
async def choose_language(request: Request) -> Response[Any]:
    """Chinese or English: of this browser, whoever signs in at it. Back to the page where it was chosen; a phone's shell is told which."""
    typed = forms.typed((await request.form()).multi_items())
    chosen = typed.get("language", [""])[0]
    back = _chosen_at(request)
    if back.partition("?")[0] == PHONE:
        back = f"{PHONE}?language={chosen if chosen in LANGUAGES else LANGUAGES[0]}"
    response = _chosen(request, typed, back, "_language.html", language=chosen)
    if chosen in LANGUAGES[1:]:
        response.set_cookie(Cookie(key=LANGUAGE, value=chosen, path="/", httponly=True, samesite="lax", max_age=CHOICE_S))
    else:
        response.delete_cookie(LANGUAGE)
    return response


def _chosen(request: Request, typed: forms.Typed, back: str, template: str, **choice: Any) -> Response[Any]:
    """Back to the page where it was chosen. One that answered a form (`stay`) is never left for it: it has no address, and holds what was typed."""
    if "stay" not in typed:
        return Redirect(back, status_code=303)
    return fragment(request, template, stayed=True, **choice) if is_htmx(request) else Response("", status_code=204)


def _chosen_at(request: Request) -> str:
    """The page whose form was sent, "/" where the browser does not say."""
    return _here(request.headers.get("referer", "")) or "/"


def routes(home: str, homes: Mapping[str, str]) -> list:
    @get("/")
    async def front(request: Request) -> Redirect:
        """The page where this person's day begins."""
        actor = request.state.actor
        other = next((path for power, path in homes.items() if power in actor.powers), "/password")
        return Redirect(home if sees_cases(actor) else other, status_code=303)

    return [front, sign_in_page, sign_in, sign_out, password_page, change_password, choose_post, choose_theme, choose_language]


def _with_cookie(request: Request, response: Response[Any], token: str, keep: bool) -> Response[Any]:
    secure = request.url.scheme == "https"
    age = PHONE_S_MAX if keep else None
    response.set_cookie(Cookie(key=COOKIE, value=token, path="/", httponly=True, samesite="lax", secure=secure, max_age=age))
    return response


def _quoted(path: str) -> str:
    return quote(path, safe="")
