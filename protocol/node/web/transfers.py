"""转办: the case goes on in another office's ledger. The page shows, piece by piece, what that office will see before it is done.

GET  /cases/{id}/transfer           to whom, why, by when; each piece that may go along with its text as it stands
POST /cases/{id}/TransferDispute    form → TransferDispute; 422 gives the form back as typed
"""

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromPath

from protocol import dispute, money
from protocol.case import Case
from protocol.commands import TransferDispute
from protocol.node.web import forms
from protocol.node.web.asking import offices_to_ask
from protocol.node.web.cases import context_of
from protocol.node.web.page import actor_of, node_of, page, twin
from protocol.node.web.register import outcome_twin
from protocol.node.web.sending import send
from protocol.problem import Refused
from protocol.transfer import SHOWN, may_receive

AT_FIRST: Final = ("title", "account", "place_text", "parties", "phones", "amount", "risk")


def pieces(request: Request, case: Case) -> list[tuple[str, str, str]]:
    """(name, label, what it says in this case) of all that may go along; without a text there is nothing to choose."""
    parties = [p.name for p in case.parties]
    phones = [f"{p.name} {p.phone}" for p in case.parties if p.phone]
    addresses = [f"{p.name} {p.address}" for p in case.parties if p.address]
    said = {
        "title": case.title,
        "account": case.account,
        "place_text": case.place_text,
        "parties": "、".join(parties),
        "phones": "、".join(phones),
        "addresses": "、".join(addresses),
        "amount": f"{money.plain(case.amount_fen)} 元" if case.amount_fen is not None else "",
        "risk": node_of(request).tables().word("risk", case.risk),
    }
    return [(name, label, said[name]) for name, label in SHOWN.items() if said[name]]


async def transfer_context(request: Request, subject: str, form: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the form shows, empty or as typed. Raises Refused case_unknown."""
    node, actor = node_of(request), actor_of(request)
    case: Case = await node.reads.case(actor, subject)
    context = context_of(request)
    open_to = [
        (group, [(path, name) for path, name in offices if may_receive(path, case, context.nodes)])
        for group, offices in offices_to_ask(request)
    ]
    may = "TransferDispute" in {step.command for step in dispute.steps(case, actor, context)}
    return {
        "case": case,
        "offices": [(group, offices) for group, offices in open_to if offices],
        "pieces": pieces(request, case) if may else [],  # whole numbers among them
        "may": may,
        "form": {"shows": list(AT_FIRST), **(form or {})},
        "wrong": {},
    }


@get("/cases/{subject:str}/transfer")
async def transfer_page(request: Request, subject: FromPath[str]) -> Response[Any]:
    return await page(request, "visits/transfer.html", **await transfer_context(request, subject))


@post("/cases/{subject:str}/TransferDispute", status_code=200)
async def transfer(request: Request, subject: FromPath[str]) -> Response[Any]:
    """The same form sent twice is one transfer."""
    node, actor = node_of(request), actor_of(request)
    if request.content_type[0] == "application/json":
        command = forms.from_json(TransferDispute, await request.body(), {"case": subject})
        return twin(outcome_twin(await node.desk.submit(command, actor)))
    form = forms.typed((await request.form()).multi_items())
    shows = form.get("shows", [])
    filled = forms.fill(TransferDispute, form, {"case": subject, "shows": shows})

    async def again(wrong: dict[str, str], refusal: Refused) -> Response[Any]:
        context: dict[str, Any] = await transfer_context(request, subject, {**filled.form, "shows": shows})
        said: dict[str, Any] = {**context, "wrong": wrong, "sentence": refusal.sentence}
        return await page(request, "visits/transfer.html", status=refusal.status, **said)

    return await send(request, filled, again, lambda _: f"/cases/{subject}?said=TransferDispute")


async def form_page(request: Request, subject: str, form: forms.Typed) -> Response[Any]:
    """The form as it was typed before the sign-in ran out."""
    context = await transfer_context(request, subject, {**forms.shown(form), "shows": form.get("shows", [])})
    again: dict[str, Any] = {**context, "sentence": forms.PUT_BACK}
    return await page(request, "visits/transfer.html", **again)


def routes() -> list[Any]:
    return [transfer_page, transfer]
