"""请别处协助: another village, township or unit is asked for a visit or an inquiry; what it answers comes back here.

GET  /cases/{id}/ask            who is asked, for what, by when; and in full what they will see
POST /cases/{id}/RequestTask    form → RequestTask; 422 gives the form back as typed
"""

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromPath

from protocol import dispute
from protocol.case import Case
from protocol.commands import RequestTask
from protocol.node.web import forms
from protocol.node.web.cases import context_of
from protocol.node.web.dispatching import times_offered
from protocol.node.web.page import actor_of, node_of, page, twin
from protocol.node.web.register import outcome_twin
from protocol.node.web.sending import send
from protocol.node.web.sharing import SUMMARY_CHARS, contacts_of
from protocol.place import segments
from protocol.problem import Refused
from protocol.visit_drafts import REQUESTED

OTHER: Final = "other"  # a date of one's own instead of one that is offered


def offices_to_ask(request: Request) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every office of the county but the own one, by branch, units last."""
    tables, own = node_of(request).tables(), actor_of(request).office
    top = segments(own)[0]
    groups = []
    for child in tables.children(top):
        below = [(path, tables.office_name(path)) for path in (child, *tables.children(child)) if path != own]
        groups.append((tables.place_name(child), below))
    units = [(unit, tables.office_name(unit)) for unit in tables.units_of(top) if unit != own]
    above = [] if own == top else [(top, tables.office_name(top))]
    return [*groups, ("窗口、部门", above + units)]


async def asking_context(request: Request, subject: str, form: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the form shows, empty or as typed. Raises Refused case_unknown."""
    node, actor = node_of(request), actor_of(request)
    case: Case = await node.reads.case(actor, subject)
    times = times_offered(node.clock(), node.tables().calendar)
    first = {
        "purpose_kind": REQUESTED[0],
        "summary": case.account[:SUMMARY_CHARS],
        "address": case.place_text,
        "contact": [],
        "by": times[min(1, len(times) - 1)][0],
    }
    offered = {step.command for step in dispute.steps(case, actor, context_of(request))}
    return {
        "case": case,
        "offices": offices_to_ask(request),
        "kinds": [(code, node.tables().word("purpose", code)) for code in REQUESTED],
        "times": times,
        "may_ask": "RequestTask" in offered,
        "form": {**first, **(form or {})},
        "wrong": {},
    }


@get("/cases/{subject:str}/ask")
async def asking_page(request: Request, subject: FromPath[str]) -> Response[Any]:
    return await page(request, "visits/ask.html", **await asking_context(request, subject))


async def filled_request(request: Request, subject: str, form: forms.Typed) -> forms.Filled:
    """The command of a filled form, or what is wrong. Raises Refused case_unknown."""
    case: Case = await node_of(request).reads.case(actor_of(request), subject)
    by = (form.get("by") or [""])[0]
    read = {**form, "due_ms": form.get("due_ms", []) if by in (OTHER, "") else [by]}
    filled = forms.fill(RequestTask, read, {"case": subject, "contacts": contacts_of(case, form.get("contact", []))})
    wrong = {name: sentence for name, sentence in filled.wrong.items() if name != "due_ms"}
    if "due_ms" in filled.wrong:
        wrong["by"] = "请选一个期限，或者把另定的日期和时间填全。"
    return forms.Filled(None if wrong else filled.command, {**forms.shown(form), "contact": form.get("contact", [])}, wrong)


@post("/cases/{subject:str}/RequestTask", status_code=200)
async def ask(request: Request, subject: FromPath[str]) -> Response[Any]:
    """The same form sent twice is one request."""
    node, actor = node_of(request), actor_of(request)
    if request.content_type[0] == "application/json":
        command = forms.from_json(RequestTask, await request.body(), {"case": subject})
        return twin(outcome_twin(await node.desk.submit(command, actor)), 201)
    filled = await filled_request(request, subject, forms.typed((await request.form()).multi_items()))

    async def again(wrong: dict[str, str], refusal: Refused) -> Response[Any]:
        context: dict[str, Any] = await asking_context(request, subject, filled.form)
        return await page(request, "visits/ask.html", status=refusal.status, **{**context, "wrong": wrong, "sentence": refusal.sentence})

    return await send(request, filled, again, lambda outcome: f"/tasks/{outcome.subject}", 201)


async def form_page(request: Request, subject: str, form: forms.Typed) -> Response[Any]:
    """The form as it was typed before the sign-in ran out."""
    context = await asking_context(request, subject, {**forms.shown(form), "contact": form.get("contact", [])})
    again: dict[str, Any] = {**context, "sentence": forms.PUT_BACK}
    return await page(request, "visits/ask.html", **again)


def routes() -> list[Any]:
    return [asking_page, ask]
