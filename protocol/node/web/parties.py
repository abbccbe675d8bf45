"""当事人: one added, corrected or withdrawn after the registration; the form shows what the correction keeps.

GET  /cases/{id}/parties                                who they are, a form each, and one for a further party
POST /cases/{id}/AddParty | CorrectParty | WithdrawParty    form → command; 422 gives the form back as typed

A number of an identity card is never sent back into a form: left empty it stays as it is, `drop_id` takes it out.
"""

from typing import Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath

from protocol import access, dispute
from protocol.case import Case
from protocol.commands import AddParty, CaseCommand, CorrectParty, WithdrawParty
from protocol.node.web import carried, forms
from protocol.node.web.cases import context_of
from protocol.node.web.masking import without_numbers
from protocol.node.web.page import actor_of, node_of, page, twin, wants_json
from protocol.node.web.register import outcome_twin
from protocol.node.web.sending import send
from protocol.problem import Refused

COMMANDS: Final[dict[str, type[CaseCommand]]] = {kind.__name__: kind for kind in (AddParty, CorrectParty, WithdrawParty)}
NEW: Final = "new"  # the form of a further party


async def parties_context(request: Request, subject: str) -> dict[str, Any]:
    """Raises Refused case_unknown."""
    node, actor = node_of(request), actor_of(request)
    case: Case = await node.reads.case(actor, subject)
    steps = {step.command: step for step in dispute.steps(case, actor, context_of(request))}
    return {
        "case": case,
        "rows": list(zip(case.party_ids, case.parties, strict=True)),
        "steps": steps,
        "may": "CorrectParty" in steps,
        "asked": request.query_params.get("party", ""),
        "form": {},
        "wrong": {},
    }


@get("/cases/{subject:str}/parties")
async def parties_page(request: Request, subject: FromPath[str]) -> Response[Any]:
    context = await parties_context(request, subject)
    if wants_json(request):
        rows = without_numbers([party for _, party in context["rows"]], access.may_read_numbers(actor_of(request), context["case"]))
        ids = [id_ for id_, _ in context["rows"]]
        return twin({"parties": [{"party_id": id_, "party": party} for id_, party in zip(ids, rows, strict=True)], "may": context["may"]})
    return await page(request, "parties.html", **context)


async def _filled(request: Request, subject: str, kind: type[CaseCommand], form: forms.Typed) -> forms.Filled:
    fixed: dict[str, Any] = {"case": subject}
    if kind is not WithdrawParty:
        try:
            party = forms.party_of(form)
        except Refused as refusal:
            return forms.Filled(None, forms.shown(form), {refusal.field: refusal.sentence})
        if kind is CorrectParty and not party.id_number and "drop_id" not in form:
            party = msgspec.structs.replace(party, id_number=await _known_number(request, subject, form))
        fixed["party"] = party
    return forms.fill(kind, form, fixed)


async def _known_number(request: Request, subject: str, form: forms.Typed) -> str:
    case: Case = await node_of(request).reads.case(actor_of(request), subject)
    id_ = (form.get("party_id") or [""])[0]
    return case.parties[case.party_ids.index(id_)].id_number if id_ in case.party_ids else ""


@post("/cases/{subject:str}/AddParty", status_code=200)
async def add(request: Request, subject: FromPath[str]) -> Response[Any]:
    return await _act(request, subject, AddParty)


@post("/cases/{subject:str}/CorrectParty", status_code=200)
async def correct(request: Request, subject: FromPath[str]) -> Response[Any]:
    return await _act(request, subject, CorrectParty)


@post("/cases/{subject:str}/WithdrawParty", status_code=200)
async def withdraw(request: Request, subject: FromPath[str]) -> Response[Any]:
    return await _act(request, subject, WithdrawParty)


async def _act(request: Request, subject: str, kind: type[CaseCommand]) -> Response[Any]:
    """The same form sent twice is one change."""
    node, actor = node_of(request), actor_of(request)
    if request.content_type[0] == "application/json":
        command = forms.from_json(kind, await request.body(), {"case": subject})
        return twin(outcome_twin(await node.desk.submit(command, actor)))
    form = forms.typed((await request.form()).multi_items())
    filled = await _filled(request, subject, kind, form)

    async def again(wrong: dict[str, str], refusal: Refused) -> Response[Any]:
        return await _shown(request, subject, kind.__name__, form, wrong, refusal.sentence, refusal.status)

    return await send(request, filled, again, lambda _: f"/cases/{subject}?said={kind.__name__}")


async def form_page(request: Request, subject: str, command: str, form: forms.Typed) -> Response[Any]:
    """The form as it was typed before the sign-in ran out."""
    return await _shown(request, subject, command, form, {}, forms.PUT_BACK, 200)


async def _shown(
    request: Request, subject: str, command: str, form: forms.Typed, wrong: dict[str, str], sentence: str, status: int
) -> Response[Any]:
    typed: dict[str, Any] = {name: values[0] for name, values in form.items()}
    told = {"form": typed, "wrong": wrong, "sentence": sentence, "asked": typed.get("party_id") or NEW, "doing": command}
    path = f"/cases/{subject}/{command}"
    if not await carried.is_offered(request, path, carried.about_of(form), form):  # nobody's row: what was typed is read at the top
        told["left"] = carried.words_of(path, form)
    return await page(request, "parties.html", status=status, **{**await parties_context(request, subject), **told})


def routes() -> list[Any]:
    return [parties_page, add, correct, withdraw]
