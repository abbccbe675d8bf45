"""待核对: what waits for the office of who asks, by where it came from, decided one by one or a whole computer at once.

    GET  /reviews              groups (JSON twin)
    POST /reviews/decide       subject, item, decision (adopt | reject), reason, command_id
    POST /reviews/all          group, reason: everything of one computer that may be adopted is, in the order in which it was written

Each decision is the command that the case page sends, by the same door.
"""

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.response import Redirect

from protocol.access import CASE_POWERS
from protocol.commands import DecideReview, DecideTaskReview
from protocol.node.reviewing import OTHERS, Group, Waiting, waiting
from protocol.node.web import forms
from protocol.node.web.page import actor_of, node_of, page, refused_twin, twin, wants_json
from protocol.node.web.people import posts_to_choose
from protocol.problem import Refused

REASON_CHARS_MAX: Final = 500
GOOD: Final = "核对过，是当时办的"  # stands in the field already; people change it or leave it
SHOWN_MAX: Final = 200  # rows of one group on the page


async def _groups(request: Request) -> list[Group]:
    """Raises Refused page_unknown for who sees no cases."""
    node, actor = node_of(request), actor_of(request)
    if not actor.powers & CASE_POWERS:
        raise Refused("page_unknown")
    return await waiting(node.desk.journal, node.reads, node.desk.shelf, actor, node.clock())


@get("/reviews")
async def reviews_page(request: Request) -> Response[Any]:
    return await _shown(request)


async def _shown(request: Request, status: int = 200, asked: tuple[str, str] | None = None, **more: Any) -> Response[Any]:
    """asked: (subject, item) of the form that was sent, more: what it led to (sentence, done, left; typed: the reason in it)."""
    groups = await _groups(request)
    if wants_json(request):
        return twin({"groups": groups, **more}, status)
    may = "review" in actor_of(request).powers
    there = may and any((row.subject, row.item) == asked for group in groups for row in group.rows[:SHOWN_MAX])
    context = {"groups": groups, "good": GOOD, "most": SHOWN_MAX, "others": OTHERS, "may_decide": may, "asked": asked if there else None}
    return await page(request, "reviews.html", status=status, kinds=posts_to_choose(request), **context, **more)


async def _form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in forms.typed((await request.form()).multi_items()).items()}


async def _decide(request: Request, row: Waiting, decision: str, reason: str, id_: str = "") -> Any:
    """Raises Refused as the desk does."""
    words = {"id": id_ or request.app.state.new_id(), "item": row.item, "decision": decision, "reason": reason}
    command = DecideTaskReview(task=row.subject, **words) if row.is_task else DecideReview(case=row.subject, **words)
    return await node_of(request).desk.submit(command, actor_of(request))


@post("/reviews/decide", status_code=200)
async def decide(request: Request) -> Response[Any]:
    form = await _form(request)
    rows = [row for group in await _groups(request) for row in group.rows]
    row = next((row for row in rows if (row.subject, row.item) == (form.get("subject"), form.get("item"))), None)
    reason = form.get("reason", "").strip()[:REASON_CHARS_MAX]
    try:
        if row is None:
            raise Refused("review_unknown", field="item")
        if form.get("decision") == "reject" and reason == GOOD:
            raise Refused("reason_of_adopting", field="reason", reason=GOOD)
        outcome = await _decide(request, row, form.get("decision", ""), reason, form.get("command_id", ""))
    except Refused as refusal:
        if wants_json(request):
            return refused_twin(request, refusal)
        asked = (form.get("subject", ""), form.get("item", ""))
        return await _shown(request, refusal.status, asked, sentence=refusal.sentence, typed=reason)
    return twin(outcome) if wants_json(request) else Redirect("/reviews", status_code=303)


@post("/reviews/all", status_code=200)
async def adopt_all(request: Request) -> Response[Any]:
    """Says how many were adopted, how many are left, and the last reason why."""
    form = await _form(request)
    reason = form.get("reason", "").strip()[:REASON_CHARS_MAX]
    if form.get("group") == OTHERS:
        raise Refused("not_allowed", what="一次采纳全部先后对不上的（请逐条看）")
    done, sentence = 0, ""
    rows = [row for group in await _groups(request) if group.key == form.get("group") for row in group.rows if row.adoptable]
    for row in rows:  # in the order in which it was written, for one builds on another
        try:
            await _decide(request, row, "adopt", reason)
            done += 1
        except Refused as refusal:
            sentence = refusal.sentence
    left = sum(len(group.rows) for group in await _groups(request) if group.key == form.get("group"))
    if wants_json(request):
        return twin({"adopted": done, "left": left, "sentence": sentence})
    return await _shown(request, done=done, left=left, sentence=sentence)


def routes() -> list:
    return [reviews_page, decide, adopt_all]
