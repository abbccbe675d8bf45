"""另一份记录: a computer was copied or an old disk put back, so one lane has two histories. Both are read here, side by side.

    GET /forks                            every such lane in the region of who asks
    POST /forks/{hash}/{decision}         adopt (written anew, for its author) or contest one entry; JSON twin
    POST /forks/all                       adopt all that may be adopted here, of one origin (and ledger), for one reason

An answer stands at the address of its form; whoever asks for that one anew gets the page.

Who decides: whoever may review cases, at a node that serves the office in whose name it was written.
"""

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from protocol.access import CASE_POWERS
from protocol.node.histories import DECIDES, Fork, find, histories
from protocol.node.web import forms, link
from protocol.node.web.page import actor_of, node_of, page, refused_twin, twin, wants_json
from protocol.node.web.reviews import GOOD
from protocol.problem import Refused

DECISIONS: Final = ("adopt", "contest")
REASON_CHARS_MAX: Final = 500
WHY_RENEWED: Final = "同一份身份在两台机器上"  # stands in the field already; people change it or leave it


async def _forks(request: Request) -> list[Fork]:
    """Raises Refused page_unknown for who sees no cases and supervises nothing."""
    node, actor = node_of(request), actor_of(request)
    if not actor.powers & (CASE_POWERS | {"admin"}):
        raise Refused("page_unknown")
    return await histories(node.desk.journal, node.desk.shelf, node.desk.signer, actor)


@get("/forks")
async def forks_page(request: Request) -> Response[Any]:
    return await shown(request)


async def shown(request: Request, status: int = 200, asked: str = "", **more: Any) -> Response[Any]:
    """The page, with what a form led to. asked: hash of the entry that it was about · more: made (code of a new enrolment), sentence
    (why it was refused), typed (the reason in it), done and
    left (how many were adopted at once, and were not)."""
    forks = await _forks(request)
    if wants_json(request):
        return twin({"forks": forks, **more}, status)
    may = bool(actor_of(request).powers & DECIDES) and not link.stopped_of(node_of(request))
    there = may and any(line.hash == asked and line.may for fork in forks for history in fork.others for line in history)
    more |= {"forks": forks, "may_decide": may, "renews": _renews(request), "asked": asked if there else ""}
    more |= {"good": GOOD, "why_renewed": WHY_RENEWED}
    return await page(request, "forks.html", status=status, **more)


def _renews(request: Request) -> bool:
    """Claims that this program gives out enrolment codes, and to who asks."""
    return bool(getattr(request.app.state, "renews", False)) and bool(actor_of(request).powers & {"admin", "supervise"})


async def _form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in forms.typed((await request.form()).multi_items()).items()}


@post("/forks/{hash_:str}/{decision:str}", status_code=200)
async def decide(request: Request, hash_: FromPath[str], decision: FromPath[str]) -> Response[Any]:
    """Raises Refused page_unknown for an entry that is not here or not to be seen."""
    node, actor = node_of(request), actor_of(request)
    row = await find(node.desk.journal, actor, hash_)
    if row is None or decision not in DECISIONS:
        raise Refused("page_unknown")
    _may(request)
    reason = (await _form(request)).get("reason", "").strip()[:REASON_CHARS_MAX]
    try:
        outcome = await node.desk.adopt(row, actor, decision, reason)
    except Refused as refusal:
        if wants_json(request):
            return refused_twin(request, refusal)
        return await shown(request, refusal.status, sentence=refusal.sentence, asked=hash_, typed=reason)
    return twin(outcome) if wants_json(request) else Redirect("/forks", status_code=303)


@post("/forks/all", status_code=200)
async def adopt_all(request: Request) -> Response[Any]:
    """In the order in which they were written, for one refers to another. Says how many were adopted, how many not, and the last reason why."""
    node, actor, form = node_of(request), actor_of(request), await _form(request)
    _may(request)
    reason = form.get("reason", "").strip()[:REASON_CHARS_MAX]
    lines = [line for fork in await _forks(request) if _is_asked(fork, form) for history in fork.others for line in history if line.may]
    done, sentence = 0, ""
    for line in lines:
        row = await find(node.desk.journal, actor, line.hash)
        try:
            if row is not None:
                await node.desk.adopt(row, actor, reason=reason)
                done += 1
        except Refused as refusal:
            sentence = refusal.sentence
    if wants_json(request):
        return twin({"adopted": done, "sentence": sentence})
    return await shown(request, done=done, left=len(lines) - done, sentence=sentence)


@get(["/forks/all", "/forks/{hash_:str}/{decision:str}"])
async def asked_anew() -> Redirect:
    return Redirect("/forks", status_code=303)


def _is_asked(fork: Fork, form: dict[str, str]) -> bool:
    return fork.origin == form.get("origin") and form.get("ledger", "") in ("", fork.ledger)


def _may(request: Request) -> None:
    if not actor_of(request).powers & DECIDES:
        raise Refused("not_allowed", what="核对另一份记录")


def routes() -> list:
    return [forks_page, adopt_all, decide, asked_anew]
