"""改为密封: what was logged as a dispute turns out to be an accusation. Its content is sealed, then every word of it here is erased.

GET  /cases/{id}/seal     what will be sealed, to be mended first, and where else its words lie (node/removing.py); nothing is written
POST /cases/{id}/seal     SealDispute by an id of its own, then RemoveDispute; the receipt number is told once

The two commands have two random ids, so that nobody finds the sealed report from the case by comparing ids. Broken off between them,
the same form sent again goes on where it stopped.
"""

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromPath

from protocol import dispute
from protocol.case import Case
from protocol.commands import RemoveDispute, SealDispute
from protocol.node.web import forms
from protocol.node.web.cases import context_of
from protocol.node.web.erasing import others_of
from protocol.node.web.page import actor_of, node_of, page, twin, wants_json
from protocol.problem import Refused

SAID: Final = ("MediationRecorded", "NoteAdded")  # whose words may belong into the report, after what the case is about


async def sealing_context(request: Request, subject: str) -> dict[str, Any]:
    """Raises Refused case_unknown."""
    node, actor = node_of(request), actor_of(request)
    case: Case = await node.reads.case(actor, subject)
    texts = [line.text.get(label, "") for line in case.lines if line.kind in SAID for label in ("经过", "备注")]
    mine = next((p for p in case.parties if p.side == "applicant"), None)
    first = {
        "account": "\n".join(dict.fromkeys(text for text in (case.account, *texts) if text)),  # whole: what is left out is erased
        "accuser": mine.name if mine else "",
        "contact": mine.phone if mine else "",
        "accused": "、".join(p.name for p in case.parties if p.side == "respondent"),
    }
    offered = {step.command: step for step in dispute.steps(case, actor, context_of(request))}
    tasks = await node.reads.tasks(actor, case=subject)
    elsewhere = [("转给了", case.transfer.to)] if case.transfer else []
    elsewhere += [("从这里转来", case.logged_office)] if case.predecessor else []
    elsewhere += [
        ("并进来的", one.ledger)
        for one in await others_of(request, case)
        if one.merged_into == subject != one.predecessor and one.ledger != case.ledger
    ]
    elsewhere += [("请这里协助过", row.unit) for row in tasks if row.link and row.unit]
    return {
        "elsewhere": list(dict.fromkeys(elsewhere)),
        "case": case,
        "step": offered.get("RemoveDispute"),
        "form": first,
        "wrong": {},
        "receipt": "",
    }


@get("/cases/{subject:str}/seal")
async def sealing_page(request: Request, subject: FromPath[str]) -> Response[Any]:
    return await page(request, "seal_case.html", **await sealing_context(request, subject))


@post("/cases/{subject:str}/seal", status_code=200)
async def seal_case(request: Request, subject: FromPath[str]) -> Response[Any]:
    node, actor = node_of(request), actor_of(request)
    form = forms.typed((await request.form()).multi_items())
    told = {name: values[0] for name, values in form.items()}
    context = await sealing_context(request, subject)
    filled = forms.fill(SealDispute, form, {"id": told.get("seal_id", "")})
    try:
        if filled.command is None:
            raise Refused("form_incomplete", count=len(filled.wrong))
        if not told.get("sure") and not wants_json(request):
            raise Refused("field_missing", field="sure", what="知道删了找不回来")
        if context["step"] is None and context["case"].status != "voided":  # voided: sent again after the answer got lost
            raise Refused("not_holder", holder=node.tables().office_name(context["case"].holder))
        sealed = await node.desk.submit(filled.command, actor)
        await node.desk.submit(RemoveDispute(id=told.get("command_id", ""), case=subject), actor)
    except Refused as refusal:
        wrong = {**filled.wrong, **({refusal.field: refusal.sentence} if refusal.field else {})}
        if wants_json(request):
            return twin({"code": refusal.code, "sentence": refusal.sentence, "wrong": wrong}, refusal.status)
        again = {**context, "form": told, "wrong": wrong, "sentence": refusal.sentence}
        return await page(request, "seal_case.html", status=refusal.status, **again)
    if wants_json(request):
        return twin({"receipt": sealed.receipt})
    return await page(request, "seal_case.html", **{**context, "receipt": sealed.receipt})


def routes() -> list[Any]:
    return [sealing_page, seal_case]
