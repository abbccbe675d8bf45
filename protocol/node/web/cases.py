"""A case: its whole timeline with receipt marks, who holds it, what may be done next and to whom it will happen.

    GET /cases/{id}              the page; JSON for programs
    GET /cases/{id}/peek         the same in short, for a pane beside a list
    POST /cases/{id}/files       attachments, and what is said of them
    POST /cases/{id}/{command}   a step: form → command → desk; 422 gives the form back as typed

What may be done comes from the rules (`steps`) alone; this page only asks for what a step needs and says what happened.
"""

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath

from protocol import access, clocks, codes, dispute, office, place
from protocol.case import Case, Line, key_text
from protocol.commands import (
    CASE_COMMANDS,
    AddEvidence,
    AddParty,
    CaseCommand,
    CorrectParty,
    DecideReview,
    RemoveDispute,
    RequestTask,
    TransferDispute,
    WithdrawParty,
)
from protocol.companion_fold import Companion
from protocol.context import Context, Step
from protocol.events import Actor
from protocol.node.shown import Erasure, TaskRow
from protocol.node.web import forms, papers, pieces
from protocol.node.web.files import attach, shown_of, sounds_of, taken
from protocol.node.web.masking import masked_title, without_numbers
from protocol.node.web.page import actor_of, fragment, in_language, is_htmx, node_of, page, refused, rendered, twin, wants_json
from protocol.node.web.register import outcome_twin
from protocol.problem import Refused
from protocol.tables import Tables
from protocol.words import COMMAND_NAMES, PERSON_LABELS

COMMANDS: Final[dict[str, type[CaseCommand]]] = {
    kind.__name__: kind
    for kind in CASE_COMMANDS
    if kind not in (AddEvidence, RequestTask, TransferDispute, AddParty, CorrectParty, WithdrawParty, RemoveDispute)
}
# how they stand on the page: what moves the case on first, what is seldom done or only looks after it last
FIRST: Final = (
    "TakeUpDispute", "ReturnDispute", "AcceptDispute", "RecordMediation", "SignAgreement", "RecordFollowUp", "CloseDispute", "EscalateDispute",
    "HandDownDispute", "CallUpDispute", "ConveneUnits", "EndMediation", "ReopenDispute", "ArchiveDispute", "UrgeDispute", "GiveInstruction",
)  # fmt: skip
LATER: Final = ("AddNote", "WriteOpinion", "NameHandler", "SetRisk", "CorrectDispute", "MergeDispute", "DeclineDispute", "VoidDispute")
PEEK_LINES: Final = 4
# where a form stands beside its case → what says what came of it; a row of a list has its own place for that
BESIDE: Final = {"peek": "_peek_done.html", "list": "_taken.html"}
IN_PEEK: Final = {"HX-Retarget": "#peek", "HX-Reswap": "innerHTML"}
NOT_STEPS: Final = (
    "AddEvidence",
    "DecideReview",
    "AssignTask",
    "RequestTask",
    "TransferDispute",
    "AddParty",
    "CorrectParty",
    "WithdrawParty",
    "RemoveDispute",
)  # have their own places on the page
MERGE_FOUND_MAX: Final = 10
BROUGHT_MAX: Final = 5
ELSEWHERE: Final = "别处的人员"


def context_of(request: Request) -> Context:
    """What the rules may know when a page asks them which steps there are."""
    node = node_of(request)
    own = node.certificate
    nodes = node.reads.nodes()
    return Context(now_ms=node.clock(), serves=tuple(own.serves), covers=tuple(own.covers), tables=node.tables(), nodes=nodes)


async def names_of(request: Request, case: Case, lines: list[Line]) -> dict[str, str]:
    """Person id → name, of everyone the page mentions; whoever stands in no ledger here is named by the post they wrote with."""
    reads, tables = node_of(request).reads, node_of(request).tables()
    posts = {line.head.author[0]: tables.post_name(line.head.author[1].partition(".")[0]) for line in lines}
    persons = set(posts) | {case.handler}
    persons |= {text for line in lines for label, text in line.text.items() if label in PERSON_LABELS}
    return {
        person: name or in_language(request, posts.get(person, ELSEWHERE))
        for person, name in (await reads.person_names(persons - {""})).items()
    }


async def case_context(request: Request, subject: str) -> dict[str, Any]:
    """Everything the case page shows. Raises Refused case_unknown."""
    node, actor = node_of(request), actor_of(request)
    case: Case = await node.reads.case(actor, subject)
    tasks = await node.reads.tasks(actor, case=subject)
    cadres = await node.reads.person_names(task.cadre for task in tasks)
    companions = await node.reads.companions(actor, subject)
    lines = [*case.lines, *(line for companion in companions for line in companion.lines)]
    offered = dispute.steps(case, actor, context_of(request))
    steps = sorted((step for step in offered if step.command not in NOT_STEPS), key=lambda step: place_of(step.command))
    running = [clock for clock in clocks.of_case(case, node.tables()) if clock.state == clocks.RUNNING]
    return {
        "case": case,
        "marks": await node.reads.line_marks(lines),
        "successor": await successor_here(request, case),
        "companions": companions,
        "story": story(case, companions),
        "erasures": await erasures_of(request, lines),
        "visited": await node.reads.same_visit(actor, case),
        "may_erase": "erase" in actor.powers,
        "names": await names_of(request, case, lines),
        "handler": await node.reads.person_name(case.handler) if case.handler else "",
        "steps": steps,
        "LATER": LATER,
        "told": {line.key: line for line in case.lines},
        "others": {step.command: step for step in offered if step.command in NOT_STEPS},
        "tasks": [(task, cadres[task.cadre] if task.cadre else "") for task in tasks],
        "brought": await brought(request, tasks),
        "clocks": shown_clocks(running, node.clock()),
        "choices": await choices(request, case, actor, steps),
        "reviewed": {review.item: review for review in case.reviews},
        "may_review": any(step.command == "DecideReview" for step in offered),
        "open_phone": access.may_read_numbers(actor, case),
        "papers": papers.offered(case) if papers.may_print(case, actor) else [],
        "files_here": {a.blob.address: node.blobs.has(a.blob.address) for a in case.blobs},
        "pictures": await shown_of(node, case.blobs),
        "sounds": sounds_of(node, case.blobs),
        "form": {},
        "wrong": {},
    }


def shown_clocks(running: list[clocks.Clock], now_ms: int) -> list[tuple[clocks.Clock, str, bool]]:
    """(clock, tone, is_gone): a right of the parties that is over is nobody's delay, and comes last."""
    told = [(clock, clocks.warn(clock, now_ms), clock.right and clocks.is_overdue(clock, now_ms)) for clock in running]
    return sorted(told, key=lambda one: one[2])


class Brought(msgspec.Struct, frozen=True):
    """A file that came with a report. picture: what to show in a list, "" = nothing that is here. sound: it can be listened to."""

    address: str
    what: str
    picture: str
    sound: bool


async def brought(request: Request, tasks: list[TaskRow]) -> dict[str, list[Brought]]:
    """Task → its files; of the last few that were reported, for each has to be folded."""
    node, actor, found = node_of(request), actor_of(request), {}
    for row in [row for row in tasks if row.reported_ms and not row.unit][:BROUGHT_MAX]:
        files = (await node.reads.task(actor, row.subject)).blobs
        pictures, sounds = await shown_of(node, files), sounds_of(node, files)
        found[row.subject] = [Brought(a.blob.address, a.blob.what, pictures[a.blob.address], a.blob.address in sounds) for a in files]
    return found


async def erasures_of(request: Request, lines: list[Line]) -> dict[tuple[str, str, int], Erasure]:
    """Why words that are gone were erased, and what was left in their place."""
    found: dict[tuple[str, str, int], Erasure] = {}
    for subject in {line.head.subject for line in lines if line.erased}:
        found |= await node_of(request).reads.erasures(subject)
    return found


def story(case: Case, companions: list[Companion]) -> list[tuple[Line, bool]]:
    """The timeline: the case's lines in their order, and between them, by time, what was written apart (True)."""
    apart = sorted((line for companion in companions for line in companion.lines), key=lambda line: (line.at_ms, line.key))
    told: list[tuple[Line, bool]] = []
    for line in case.lines:
        while apart and apart[0].at_ms < line.at_ms:
            told.append((apart.pop(0), True))
        told.append((line, False))
    return [*told, *((line, True) for line in apart)]


async def successor_here(request: Request, case: Case) -> str:
    """The case that goes on from this one, where this office may see it; "" else."""
    if not case.successor:
        return ""
    try:
        return (await node_of(request).reads.case_row(actor_of(request), case.successor)).subject
    except Refused:
        return ""


def place_of(command: str) -> int:
    """Where a step stands among the others on the page."""
    order = (*FIRST, *LATER)
    return order.index(command) if command in order else len(FIRST)


async def choices(request: Request, case: Case, actor: Actor, steps: list[Step]) -> dict[str, Any]:
    """What the fields of the steps offer: offices above and below, units, persons, endings."""
    node, tables = node_of(request), node_of(request).tables()
    offered = {step.command for step in steps}
    parts = place.segments(case.ledger)
    on_the_way = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    top = place.segments(actor.office)[0]

    def named(offices: Iterable[str]) -> list[tuple[str, str]]:
        return [(path, tables.office_name(path)) for path in offices]

    return {
        "up": named(office.receivers_up(case.holder)),
        "down": named(office.receivers_down(case.holder, case.ledger, tables)),
        "units": named(unit for unit in tables.units_of(top) if unit != actor.office),
        "handlers": await node.reads.handlers(actor) if offered & {"NameHandler", "TakeUpDispute"} else [],
        "endings": [(code, row.name) for code, row in tables.endings.items()],
        "follow_up": named(path for path in reversed(on_the_way) if tables.is_place(path)),
        "types": [(code, tables.type_name(code)) for code in tables.types if not tables.type_flag(code, "sealed")],
        "words": tables.words,
        "parties": [msgspec.to_builtins(party) for party in case.parties],
    }


def case_twin(context: dict[str, Any]) -> dict[str, Any]:
    """The case for programs: no raw heads, no keys of files, and no number that the page masks."""
    case: Case = without_numbers(context["case"], context["open_phone"])
    plain = {name: getattr(case, name) for name in case.__struct_fields__ if name not in ("lines", "blobs")}
    files = [
        {
            "key": key_text(a.key),
            "address": a.blob.address,
            "name": a.blob.name,
            "mime": a.blob.mime,
            "size": a.blob.size,
            "what": a.blob.what,
        }
        for a in case.blobs
    ]
    lines = [line_twin(line, context) for line in case.lines]
    clock_rows = [
        {"id": c.id, "name": c.name, "due_ms": c.due_ms, "starts_ms": c.starts_ms, "basis": c.basis} for c, *_ in context["clocks"]
    ]
    return {
        **plain,
        "lines": lines,
        "companions": [
            {"office": c.ledger, "risk": c.risk, "lines": [line_twin(line, context) for line in c.lines]} for c in context["companions"]
        ],
        "files": files,
        "steps": [*context["steps"], *context["others"].values()],
        "clocks": clock_rows,
        "tasks": [t for t, _ in context["tasks"]],
    }


def line_twin(line: Line, context: dict[str, Any]) -> dict[str, Any]:
    shown = {name: getattr(line, name) for name in ("kind", "office", "at_ms", "received_ms", "text", "set_aside", "erased", "waiting")}
    marks = context["marks"].get((line.head.ledger, *line.key), ())
    return {"key": key_text(line.key), "by": context["names"].get(line.head.author[0], ""), **shown, "marks": marks}


def after(command: str, case: Case, tables: Tables) -> str:
    """What came of a step that moves the case, to whom, and the way back; "" of others, and when it moved on meanwhile."""
    holder, before = tables.office_name(case.holder), case.moves[-2].to if len(case.moves) > 1 else ""
    back = "上报" if office.is_above(before, case.holder) else "交办"
    if command in ("EscalateDispute", "HandDownDispute") and case.offer is not None and case.offer.kind != "transfer":
        return f"送给{tables.office_name(case.offer.to)}，受领之前仍由{holder}负责；要收回，用“撤回”。"
    if command == "TakeUpDispute":
        return f"现在由{holder}负责；要交回去，用“{back}”。"
    if command == "CallUpDispute":
        return f"现在由{holder}直接承办；要交回去，用“{back}”。"
    return ""


@get("/cases/{subject:str}")
async def case_page(request: Request, subject: FromPath[str]) -> Response[Any]:
    context = await case_context(request, subject)
    if wants_json(request):
        return twin(case_twin(context))
    asked = request.query_params.get("step", "")
    command = request.query_params.get("said", "")
    said = {"said": COMMAND_NAMES.get(command, ""), "after": after(command, context["case"], node_of(request).tables())}
    return await page(request, "case.html", live=f"view=case&case={subject}", asked=asked, **said, **context)


@get("/cases/{subject:str}/peek")
async def peek(request: Request, subject: FromPath[str]) -> Response[Any]:
    return fragment(request, "_peek.html", peek_lines=PEEK_LINES, asked="", **await case_context(request, subject))


async def case_live(request: Request) -> str:
    """The regions of the case page again, for the stream."""
    context = await case_context(request, request.query_params.get("case", ""))
    return rendered(request, "_case_live.html", {"asked": "", **context})


@post("/cases/{subject:str}/{command:str}", status_code=200)
async def act(request: Request, subject: FromPath[str], command: FromPath[str]) -> Response[Any]:
    """One step. What is refused changes nothing and comes back with the form as typed."""
    kind, actor = COMMANDS.get(command), actor_of(request)
    if kind is None:
        raise Refused("page_unknown")
    if request.content_type[0] == "application/json":
        outcome = await node_of(request).desk.submit(forms.from_json(kind, await request.body(), {"case": subject}), actor)
        return twin(outcome_twin(outcome))
    form = forms.typed((await request.form()).multi_items())
    filled = forms.Filled(None, forms.shown(form), {})
    try:
        fixed = {"case": subject, **await _resolved(request, kind, form)}
        filled = forms.fill(kind, form, fixed)
        if filled.command is None:
            return await _again(request, subject, kind, filled, None)
        outcome = await node_of(request).desk.submit(filled.command, actor)
    except Refused as refusal:
        if refusal.field:
            filled.wrong[refusal.field] = refusal.sentence
        return await _again(request, subject, kind, filled, refusal)
    if wants_json(request):
        return twin(outcome_twin(outcome))
    if is_htmx(request):
        return await _done(request, subject, kind, form)
    return Response("", status_code=303, headers={"Location": f"/cases/{subject}?said={command}"})


async def _resolved(request: Request, kind: type[CaseCommand], form: forms.Typed) -> dict[str, Any]:
    """What people type as a code and the command wants as an id: the case to merge into. Raises Refused (field into)."""
    code = codes.as_code((form.get("into") or [""])[0])
    if "into" not in kind.__struct_fields__ or not code or len(code) == 32:
        return {}
    found = await node_of(request).reads.cases(actor_of(request), text=code, per=MERGE_FOUND_MAX)
    match = [row.subject for row in found.rows if row.code == code]
    if not match:
        raise Refused("field_impossible", field="into", what="编号", why=f"没有找到 {code}，请从列表里抄一遍")
    return {"into": match[0]}


async def _again(request: Request, subject: str, kind: type[CaseCommand], filled: forms.Filled, refusal: Refused | None) -> Response[Any]:
    """The form of this one step, or for a browser without htmx the whole page with it open; values as typed."""
    status, code = (refusal.status, refusal.code) if refusal else (422, "form_incomplete")
    sentence = refusal.sentence if refusal else Refused("form_incomplete", count=len(filled.wrong)).sentence
    if wants_json(request):
        return twin({"code": code, "sentence": sentence, "wrong": filled.wrong}, status)
    try:
        context = await case_context(request, subject)
    except Refused as gone:
        return refused(request, gone)
    again: dict[str, Any] = {"form": filled.form, "wrong": filled.wrong, "sentence": sentence, "asked": kind.__name__}
    if is_htmx(request) and filled.form.get("from") == "list":
        return fragment(request, "_taken.html", status=status, which=await _which(request, subject), subject=subject, problem=sentence)
    if not is_htmx(request):
        return await page(request, "case.html", status=status, live=f"view=case&case={subject}", said="", **{**context, **again})
    if kind is DecideReview:
        return fragment(request, "_review.html", status=status, **{**context, **again})
    offered = {step.command: step for step in context["steps"]}
    step = offered.get(kind.__name__) or Step(kind.__name__, COMMAND_NAMES[kind.__name__], "")
    return fragment(request, "_step_form.html", status=status, **{**context, **again}, step=step)


async def _which(request: Request, subject: str) -> str:
    """A case as a list names it: others see the screen too. Raises Refused case_unknown."""
    row = await node_of(request).reads.case_row(actor_of(request), subject)
    return masked_title(row) or row.code


async def _done(request: Request, subject: str, kind: type[CaseCommand], form: forms.Typed) -> Response[Any]:
    """What was done, said at the top of the steps, and every region of the page as it is now."""
    context: dict[str, Any] = {"said": COMMAND_NAMES[kind.__name__], "subject": subject}
    beside = BESIDE.get((form.get("from") or [""])[0])
    try:
        case: Case = await node_of(request).reads.case(actor_of(request), subject)
        context["after"] = after(kind.__name__, case, node_of(request).tables())
        context |= {"which": await _which(request, subject)} if beside else await case_context(request, subject)
    except Refused:  # it left what this office may see
        if not beside:
            return Response("", headers={"HX-Redirect": "/"})
    if beside:
        return fragment(request, beside, headers=IN_PEEK if beside == BESIDE["peek"] else None, **context)
    return fragment(request, "_said.html", headers={"HX-Retarget": "#said", "HX-Reswap": "innerHTML"}, asked="", **context)


@post("/cases/{subject:str}/files", status_code=200)
async def add_files(request: Request, subject: FromPath[str]) -> Response[Any]:
    """Files, and what is said of them. What is refused stays in the form, with its rows."""
    node, actor = node_of(request), actor_of(request)
    sent = await request.form()
    form = forms.typed(sent.multi_items())
    command, note, what = ((form.get(name) or [""])[0] for name in ("command_id", "note", "what"))
    try:
        if not (some := await taken(node, actor, sent, subject, what)):
            raise Refused("field_missing", field="files", what="要附的文件")
        outcomes = await attach(node, actor, subject, command or request.app.state.new_id(), some, note[:200])
        await pieces.forget(node, actor, pieces.named(sent.getall("upload", [])))
    except Refused as refusal:
        return refused(request, refusal, back=f"/cases/{subject}?step=files")
    if wants_json(request):
        entries = [{"ledger": ledger, "origin": origin, "seq": seq} for o in outcomes for ledger, origin, seq in o.entries]
        return twin({"case": subject, "addresses": [blob.address for blob, _, _ in some], "entries": entries}, 201)
    if is_htmx(request):
        return await _done(request, subject, AddEvidence, form)
    return Response("", status_code=303, headers={"Location": f"/cases/{subject}#files"})


async def form_page(request: Request, subject: str, command: str, form: forms.Typed) -> Response[Any]:
    """The case page with one step open and filled with what was typed before the sign-in ran out."""
    context = await case_context(request, subject)
    note = "您登录前写的内容已经放回来，请检查后再保存。"
    filled: dict[str, Any] = {"form": forms.shown(form), "asked": command, "note": note, "said": ""}
    return await page(request, "case.html", live=f"view=case&case={quote(subject)}", **{**context, **filled})


def routes() -> list:
    return [case_page, peek, add_files, act]
