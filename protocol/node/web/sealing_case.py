"""改为密封: what was logged as a dispute turns out to be an accusation. Its content is sealed, then every word of it here is erased.

GET  /cases/{id}/seal     what will be sealed, to be mended first: all that was written about the matter, for all of it is erased; and where else
                          its words lie (node/removing.py), read here or not. Nothing is written
POST /cases/{id}/seal     SealDispute by an id of its own, then RemoveDispute; the receipt number is told once

The two commands have two random ids, so that nobody finds the sealed report from the case by comparing ids. Broken off between them,
the same form sent again goes on where it stopped.
"""

from collections.abc import Iterable
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromPath

from protocol import dispute
from protocol.case import Case
from protocol.commands import RemoveDispute, SealDispute
from protocol.drafts import title_of
from protocol.node import removing
from protocol.node.web import forms
from protocol.node.web.cases import context_of
from protocol.node.web.erasing import OPINION, Held, held, others_of
from protocol.node.web.page import actor_of, node_of, page, twin, wants_json
from protocol.parties import LISTS, NAMELESS
from protocol.problem import Refused
from protocol.tables import Tables
from protocol.words import EVENT_NAMES, PARTY_LABELS, WRITTEN

BARE: Final = (("MediationRecorded", "经过"), ("NoteAdded", "备注"))  # goes along without the name of its step


def _first(one: Case) -> list[tuple[str, str]]:
    """(name, words) of what it is about, as it stands after corrections."""
    title = "" if one.title in one.account else one.title
    return [("", one.account), ("标题", title), ("发生地点", one.place_text)]


def _told(tables: Tables, cases: dict[str, Case], rows: list[Held]) -> str:
    """All that people wrote of the case, of what goes with it and of its tasks, each once, whole: what is left out is erased."""
    made = {title_of(one.parties, tables.type_name(one.type)) for one in cases.values() if one.parties}  # nobody wrote that
    found: dict[str, str] = {}  # words → name of the step
    for row in rows:
        line = row.line
        if line.kind == "DisputeLogged" and line.head.subject in cases:
            said = _first(cases[line.head.subject])
        elif row.of == OPINION:
            continue  # stays where it is
        else:
            written = [(label, text) for label, text in line.text.items() if (line.kind, label) in WRITTEN]
            name = EVENT_NAMES[line.kind] if written else ""
            said = [("" if (line.kind, label) in BARE else f"{name} {label}", text) for label, text in written]
        for name, text in said:
            found.setdefault(text, name)
    return "\n".join(f"{name}：{text}" if name else text for text, name in found.items() if text and text not in made)


def _who(tables: Tables, cases: Iterable[Case], form: dict[str, str]) -> list[str]:
    """A line for each party of whom more is known than accuser, contact and accused of the form say; what is left out is erased."""
    accused, made = form["accused"].split("、"), list[str]()
    for party in (one for case in cases for one in case.parties if one.name != NAMELESS):
        accuses, is_accused = party.name == form["accuser"], party.name in accused
        held = {
            "side": (accuses and party.side == "applicant") or (is_accused and party.side == "respondent"),
            "kind": party.kind == "person",  # as nobody had to say
            "phone": accuses and party.phone == form["contact"],
        }
        known = {name: getattr(party, name) for name in PARTY_LABELS if name != "name" and not held.get(name)}
        said = [
            f"{PARTY_LABELS[name]} {tables.word(LISTS[name], value) if name in LISTS else value}" for name, value in known.items() if value
        ]
        if said or not (accuses or is_accused):
            made.append(f"当事人 {party.name}" + "".join(f"，{one}" for one in said))
    return list(dict.fromkeys(made))


async def sealing_context(request: Request, subject: str) -> dict[str, Any]:
    """Raises Refused case_unknown."""
    node, actor = node_of(request), actor_of(request)
    case: Case = await node.reads.case(actor, subject)
    others = await others_of(request, case, removing.TOO)
    every = {one.id: one for one in (case, *others)}
    rows = await held(request, case, others)
    mine = next((p for p in case.parties if p.side == "applicant"), None)
    accused = [p.name for p in case.parties if p.side == "respondent"]
    first = {"accuser": mine.name if mine else "", "contact": mine.phone if mine else "", "accused": "、".join(accused)}
    told = [_told(node.tables(), every, rows), *_who(node.tables(), every.values(), first)]
    first["account"] = "\n".join(filter(None, told))
    offered = {step.command: step for step in dispute.steps(case, actor, context_of(request))}
    tasks = await node.reads.tasks(actor, case=subject)
    elsewhere = [("转给了", case.transfer.to)] if case.transfer else []
    elsewhere += [("从这里转来", case.logged_office)] if case.predecessor else []
    elsewhere += [("并进来的", one.ledger) for one in others if one.merged_into == subject != one.predecessor and one.ledger != case.ledger]
    elsewhere += [("请这里协助过", row.unit) for row in tasks if row.link and row.unit]
    linked = {id_ for one in every.values() for id_ in (one.predecessor, one.successor) if id_} - every.keys()
    missing = any(row.line.erased and not row.gone for row in rows)
    known = {row[0] for row in await node.journal.select(removing.TOO, {"case": subject})}
    return {
        "unread": bool(missing or linked or known - every.keys() or any(row.link for row in tasks)),
        "files": sum(len(one.blobs) for one in every.values()),
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
