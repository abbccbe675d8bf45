"""登记: the form that takes a dispute in under a minute, and its sealed sister.

Two things are needed, who and what; the rest may come later. What is wrong comes back marked in the form as it was typed. The same
form sent twice is one case, since its command id was made with the page. Photos chosen in the form are kept with the case.
"""

from typing import Any, Final

from litestar import Request, Response, get, post

from protocol import place
from protocol.case import Case
from protocol.commands import LogDispute, SealDispute
from protocol.entry import derive
from protocol.node.web import files, forms, pieces
from protocol.node.web.page import actor_of, fragment, is_htmx, node_of, page, twin, wants_json
from protocol.node.web.words import local
from protocol.problem import Refused

OTHER: Final = "99"  # a type left open is registered as 其他 and corrected when it is known
FORM_FIRST: Final = {"party_side": ["applicant", "respondent"]}


def ledgers_to_choose(request: Request) -> list[tuple[str, Any]]:
    """Where a case may belong for this office: [(path, name)], grouped one level down where there are many."""
    tables, office = node_of(request).tables(), actor_of(request).office
    top = place.parent(office) or office if place.is_unit(office) else office
    options: list[tuple[str, Any]] = [(office, f"{tables.place_name(office)}（本级）")]
    for child in tables.children(top):
        below = tables.children(child)
        own = (child, tables.place_name(child))
        options.append((own[1], [own, *((path, tables.place_name(path)) for path in below)]) if below else own)
    return options


def types_to_choose(request: Request) -> list[tuple[str, list[tuple[str, str]]]]:
    """Types open today in groups, codes first, so that typing 0204 finds it."""
    tables = node_of(request).tables()
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    for row in tables.types_open(local(node_of(request).clock()).date()):
        if len(row.code) == 2:
            groups.append((f"{row.code} {row.name}", [(row.code, f"{row.code} {row.name}")]))
        elif groups:
            groups[-1][1].append((row.code, f"{row.code} {row.name}"))
    return groups


def sealed_codes(request: Request) -> str:
    """The types that must not be written into this form, for the page to say so at once."""
    tables = node_of(request).tables()
    return " ".join(code for code in tables.types if tables.type_flag(code, "sealed"))


def form_context(request: Request, form: dict[str, Any] | None = None, wrong: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """What `_log.html` needs, empty or as it was typed."""
    tables = node_of(request).tables()
    return {
        "form": form or {},
        "wrong": wrong or {},
        "ledgers": ledgers_to_choose(request),
        "types": types_to_choose(request),
        "sealed_codes": sealed_codes(request),
        "intakes": [(code, row.name) for code, row in tables.intakes.items()],
        "office": actor_of(request).office,
        **more,
    }


@get("/cases/new", of_cases=True)
async def new_case(request: Request) -> Response[str]:
    """`with`: a case that this office logged a moment ago; the same visitor has a further matter, and is not typed again."""
    first = request.query_params.get("with", "")
    if not first:
        return await page(request, "log.html", **form_context(request))
    node, actor = node_of(request), actor_of(request)
    case: Case = await node.reads.case(actor, first)
    if case.logged_office not in actor.offices:
        raise Refused("case_unknown")
    visitor = next((p for p in case.parties if p.side == "applicant"), None)
    form: dict[str, Any] = {"visit": case.visit or case.id, "ledger": case.ledger, "intake": case.intake}
    form["parties"] = [{"name": visitor.name, "phone": visitor.phone, "side": visitor.side}] if visitor else []
    return await page(request, "log.html", **form_context(request, form, first=case))


async def form_page(request: Request, form: forms.Typed, has_file: bool) -> Response[str]:
    """The form as a page of its own, filled with what was typed before the sign-in ran out. has_file: files went along whole, and are gone."""
    note = "您登录前写的内容已经放回来，请检查后保存。照片要重新选。" if has_file else forms.PUT_BACK
    return await page(request, "log.html", **form_context(request, forms.shown(form), note=note))


@post("/cases", status_code=200)
async def log_case(request: Request) -> Response[Any]:
    actor, node = actor_of(request), node_of(request)
    if request.content_type[0] == "application/json":
        outcome = await node.desk.submit(forms.from_json(LogDispute, await request.body(), {}), actor)
        return twin(outcome_twin(outcome), 201)
    sent = await request.form()
    form = forms.typed(sent.multi_items())
    form.setdefault("ledger", [actor.office])
    filled = forms.fill(LogDispute, form, {} if any(form.get("type", [])) else {"type": OTHER})
    if filled.command is None:
        return await _again(request, filled.form, filled.wrong)
    try:
        case = derive(filled.command.id, "case")  # where a lost answer may have left the files already
        known = case if await node.journal.subject(case) else ""
        taken = await files.taken(node, actor, sent, known)
        outcome = await node.desk.submit(filled.command, actor)
        await files.attach(node, actor, outcome.subject, filled.command.id, taken)
        await pieces.forget(node, actor, pieces.named(sent.getall("upload", [])))
    except Refused as refusal:
        wrong = {refusal.field: refusal.sentence} if refusal.field else {}
        return await _again(request, filled.form, wrong, "" if wrong else refusal.sentence, refusal)
    if wants_json(request):
        return twin({**outcome_twin(outcome), "addresses": [blob.address for blob, _, _ in taken]}, 201)
    if is_htmx(request):
        return fragment(request, "_log.html", **form_context(request, saved=outcome, photos=len(taken)))
    return Response("", status_code=303, headers={"Location": f"/cases/{outcome.subject}"})


async def _again(
    request: Request, form: dict[str, Any], wrong: dict[str, str], sentence: str = "", refusal: Refused | None = None
) -> Response[Any]:
    """The form as typed, with what is wrong; nothing was saved."""
    status, code = (refusal.status, refusal.code) if refusal else (422, "form_incomplete")
    sentence = sentence or Refused("form_incomplete", count=len(wrong)).sentence
    if wants_json(request):
        return twin({"code": code, "sentence": sentence, "wrong": wrong}, status)
    context = form_context(request, form, wrong, sentence=sentence, code=code)
    if is_htmx(request):
        return fragment(request, "_log.html", status=status, headers={"HX-Reswap": "outerMorph"}, **context)
    return await page(request, "log.html", status=status, **context)


@get("/seal")
async def seal_page(request: Request) -> Response[str]:
    return await page(request, "seal.html", form={}, wrong={}, receipt="")


@post("/seal", status_code=200)
async def seal(request: Request) -> Response[Any]:
    """密封转交: what was written leaves this page encrypted; only a receipt number stays."""
    filled = forms.fill(SealDispute, forms.typed((await request.form()).multi_items()))
    try:
        if filled.command is None:
            return await page(request, "seal.html", status=422, form=filled.form, wrong=filled.wrong, receipt="")
        outcome = await node_of(request).desk.submit(filled.command, actor_of(request))
    except Refused as refusal:
        wrong = {refusal.field: refusal.sentence} if refusal.field else {}
        return await page(request, "seal.html", status=refusal.status, form=filled.form, wrong=wrong, sentence=refusal.sentence, receipt="")
    if wants_json(request):
        return twin({"command": outcome.command, "receipt": outcome.receipt}, 201)
    return await page(request, "seal.html", form={}, wrong={}, receipt=outcome.receipt or "已密封转交")


def outcome_twin(outcome: Any) -> dict[str, Any]:
    """What a program needs to go on: the case, its code, the entries to ask receipts of."""
    return {
        "command": outcome.command,
        "case": outcome.subject,
        "subjects": outcome.subjects,
        "code": outcome.code,
        "entries": [{"ledger": ledger, "origin": origin, "seq": seq} for ledger, origin, seq in outcome.entries],
    }


def routes() -> list:
    return [new_case, log_case, seal_page, seal]
