"""派单 and what comes of it: who can go, the task sent, and each task from 已派 to 已报 with what was brought back.

    GET /cases/{id}/dispatch?place=&find=&cadre=    who can go there, by when, what to bring; with htmx the form alone, for a pane.
                                        find: of a name, a unit, a duty · cadre: who is chosen
    POST /cases/{id}/AssignTask         form → AssignTask; 422 gives the form back as typed; with `look` it is given back with those that were found
    GET /tasks?show=open|all&page=      every task this office may see, live (stream view `tasks`); for programs all on one page
    GET /tasks/{id}                     one task: its steps with times and receipts, words, photos, signatures, position (view `task`)
    POST /tasks/{id}/UrgeTask, TellTask, RecallTask, DecideTaskReview    and, by the unit that was asked to join, ConfirmTask, DeclineTask, ReportTask
    GET /tasks/{id}/files/{address}     what the cadre brought back, for whoever may see the task

The cadre will see what is written here and nothing else of the case. `by` is one of the offered times or `other`, which
reads `due_ms` (so does a form without `by`). Whom the rules forbid is refused by the desk; this page only says beforehand why somebody cannot go.
"""

from typing import Any, Final
from urllib.parse import urlencode

from litestar import Request, Response, get, post
from litestar.params import FromPath

from protocol import dispute
from protocol.case import TASK_OPEN, Case, Line, Task
from protocol.commands import (
    AssignTask,
    ConfirmTask,
    DecideTaskReview,
    DeclineTask,
    RecallTask,
    ReportTask,
    TaskCommand,
    TellTask,
    UrgeTask,
)
from protocol.context import Context
from protocol.events import Actor
from protocol.node.errands import linked_id
from protocol.node.web import forms, papers, reassigning, task_steps, team
from protocol.node.web import print as paper
from protocol.node.web.cases import context_of
from protocol.node.web.dispatching import as_twin, candidates_for, times_offered, wanted_of
from protocol.node.web.files import held, left, sent_file, shown_of, sounds_of
from protocol.node.web.page import actor_of, fragment, is_htmx, node_of, number_of_page, page, rendered, twin, wants_json
from protocol.node.web.register import ledgers_to_choose, outcome_twin
from protocol.node.web.sharing import SUMMARY_CHARS, contacts_of
from protocol.node.web.tracks import READ_MAX, listed, question_of, track, wordless
from protocol.problem import Refused
from protocol.task import steps_task

COMMANDS: Final[dict[str, type[TaskCommand]]] = {
    kind.__name__: kind for kind in (UrgeTask, TellTask, RecallTask, ConfirmTask, DeclineTask, ReportTask, DecideTaskReview)
}
PER: Final = 30  # tasks on a page


# ── 派单 ──


async def dispatch_context(request: Request, subject: str, form: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the form shows, empty or as typed. Raises Refused case_unknown."""
    node, actor = node_of(request), actor_of(request)
    case: Case = await node.reads.case(actor, subject)
    tables = node.tables()
    place = (form or {}).get("place") or request.query_params.get("place") or case.ledger
    wanted = wanted_of(request, form)
    found = await candidates_for(request, place, case, [party.name for party in case.parties], wanted=wanted)
    first = {
        "purpose": f"上门走访：{case.title or tables.type_name(case.type)}"[:100],
        "address": case.place_text,
        "summary": case.account[:SUMMARY_CHARS],
        "contact": [str(i) for i in range(len(case.parties))],
    }
    places = ledgers_to_choose(request)
    if case.ledger not in {path for entry in places for path in _paths(entry)}:
        places.insert(0, (case.ledger, tables.place_full(case.ledger)))
    times = times_offered(node.clock(), tables.calendar)
    offered = {step.command for step in dispute.steps(case, actor, context_of(request))}
    tasks = await node.reads.tasks(actor, case=subject, marked=False)
    return {
        "case": case,
        "places": places,
        "place": place,
        **found.context(wanted.find),
        "times": times,
        "units": [(path, tables.office_name(path)) for path in tables.units_of(case.ledger.split("/")[0]) if path != actor.office],
        "waited_for": {one.unit for one in tasks if one.purpose_kind == "join" and one.status in TASK_OPEN},
        "may_convene": "ConveneUnits" in offered,
        "may_assign": "AssignTask" in offered,
        "form": {**first, "by": times[min(1, len(times) - 1)][0], "cadre": wanted.chosen, **(form or {}), "place": place},
        "wrong": {},
        "convened": {"units": [], "purpose": ""},
    }


def _paths(entry: tuple[str, Any]) -> list[str]:
    return [entry[0]] if isinstance(entry[1], str) else [path for path, _ in entry[1]]


@get("/cases/{subject:str}/dispatch")
async def dispatch_page(request: Request, subject: FromPath[str]) -> Response[Any]:
    context = await dispatch_context(request, subject)
    if wants_json(request):
        return twin({"case": subject, "place": context["place"], "cadres": [as_twin(one) for one in context["cadres"]]})
    if is_htmx(request):
        parts = {"cadres": "visits/_choice.html", "found": "visits/_found.html"}
        return fragment(request, parts.get(request.query_params.get("only", ""), "visits/_dispatch.html"), pane=True, **context)
    return await page(request, "visits/dispatch.html", **context)


async def dispatch_form(request: Request, subject: str, form: forms.Typed) -> Response[Any]:
    """派单 as it was filled before the sign-in ran out, or before somebody was looked for."""
    filled = {**forms.shown(form), "contact": form.get("contact", [])}
    context: dict[str, Any] = {**await dispatch_context(request, subject, filled), "sentence": "" if "look" in form else forms.PUT_BACK}
    return await page(request, "visits/dispatch.html", **context)


async def assignment(request: Request, subject: str, form: forms.Typed) -> forms.Filled:
    """The command of a filled form, or what is wrong. Raises Refused case_unknown."""
    node, actor = node_of(request), actor_of(request)
    case: Case = await node.reads.case(actor, subject)
    place, cadre = ((form.get(name) or [""])[0] for name in ("place", "cadre"))
    by = (form.get("by") or [""])[0]
    read = {**form, "due_ms": form.get("due_ms", []) if by in ("other", "") else [by]}
    wrong = {}
    chosen = next((c for c in await node.reads.cadres(actor, place or case.ledger) if c.person == cadre), None)
    if chosen is None:
        wrong["cadre"] = "请选一位干部。"
    fixed: dict[str, Any] = {"case": subject, "place": place or case.ledger, "contacts": contacts_of(case, form.get("contact", []))}
    fixed |= {"cadre": cadre, "home": (form.get("home") or [chosen.home if chosen else ""])[0]}
    filled = forms.fill(AssignTask, read, fixed)
    if "due_ms" in filled.wrong:
        wrong["by"] = "请选一个期限，或者把另定的日期和时间填全。"
    wrong |= {name: sentence for name, sentence in filled.wrong.items() if name != "due_ms"}
    return forms.Filled(None if wrong else filled.command, {**forms.shown(form), "contact": form.get("contact", [])}, wrong)


@post("/cases/{subject:str}/AssignTask", status_code=200)
async def assign(request: Request, subject: FromPath[str]) -> Response[Any]:
    """派单. The same form sent twice is one task."""
    node, actor = node_of(request), actor_of(request)
    if request.content_type[0] == "application/json":
        command = forms.from_json(AssignTask, await request.body(), {"case": subject})
        return twin(outcome_twin(await node.desk.submit(command, actor)), 201)
    form = forms.typed((await request.form()).multi_items())
    if "look" in form:  # without script: nothing is sent
        return await dispatch_form(request, subject, form)
    filled = await assignment(request, subject, form)
    if filled.command is None:
        return await _again(request, subject, filled, Refused("form_incomplete", count=len(filled.wrong)))
    try:
        outcome = await node.desk.submit(filled.command, actor)
    except Refused as refusal:
        if refusal.field:
            filled.wrong[refusal.field] = refusal.sentence
        return await _again(request, subject, filled, refusal)
    if wants_json(request):
        return twin(outcome_twin(outcome), 201)
    if is_htmx(request):
        name = await node.reads.person_name(str(filled.form.get("cadre", "")))
        return fragment(request, "visits/_assigned.html", task=outcome.subject, subject=subject, name=name)
    return Response("", status_code=303, headers={"Location": f"/tasks/{outcome.subject}"})


async def _again(request: Request, subject: str, filled: forms.Filled, refusal: Refused) -> Response[Any]:
    if wants_json(request):
        return twin({"code": refusal.code, "sentence": refusal.sentence, "wrong": filled.wrong}, refusal.status)
    context: dict[str, Any] = await dispatch_context(request, subject, filled.form)
    context |= {"wrong": filled.wrong, "sentence": refusal.sentence}
    if is_htmx(request):
        return fragment(request, "visits/_dispatch.html", status=refusal.status, **context)
    return await page(request, "visits/dispatch.html", status=refusal.status, **context)


# ── tasks ──


async def tasks_context(request: Request) -> dict[str, Any]:
    show = "all" if request.query_params.get("show") == "all" else "open"
    per = READ_MAX if wants_json(request) else PER
    found = await listed(request, show == "open", number_of_page(request), per)
    return {**found._asdict(), "show": show, "per": per, "most": READ_MAX}


@get("/tasks")
async def tasks_page(request: Request) -> Response[Any]:
    context = await tasks_context(request)
    if wants_json(request):
        return twin({"tasks": [one.row for one in context["tracks"]], "stands": {one.row.subject: one.stands for one in context["tracks"]}})
    address = {"view": "tasks", "show": context["show"], "page": context["page"]}
    return await page(request, "visits/tasks.html", live=urlencode(address), **context)


async def tasks_live(request: Request) -> str:
    return rendered(request, "visits/_tasks_live.html", await tasks_context(request))


def forms_of(task: Task, actor: Actor, rules: Context) -> set[str]:
    """The steps that a task's page has a form for."""
    found = {step.command for step in steps_task(task, actor, rules)}
    if task.status not in TASK_OPEN or task.link:  # nobody of the linked task hears it
        found.discard("TellTask")
    return found if task.unit else found - {"ConfirmTask", "DeclineTask", "ReportTask"}  # a cadre answers on the phone


def reports_of(task: Task) -> list[Line]:
    """The entry that brought the result: the report, or what came of it in another ledger."""
    return [line for line in task.lines if line.kind in ("TaskReported", "TaskAnswered") and not line.set_aside and not line.waiting][-1:]


async def task_context(request: Request, subject: str) -> dict[str, Any]:
    """Raises Refused task_unknown."""
    node, actor = node_of(request), actor_of(request)
    task: Task = await node.reads.task(actor, subject)
    writers = {line.head.author[0] for line in task.lines}
    offered = forms_of(task, actor, context_of(request))
    known = await track(request, task)
    return {
        "task": task,
        "track": known,
        "who": known.name or node.tables().office_name(task.unit),
        "marks": await node.reads.line_marks(task.lines),
        "here": {attachment.blob.address: node.blobs.has(attachment.blob.address) for attachment in task.blobs},
        "pictures": await shown_of(node, task.blobs),
        "sounds": sounds_of(node, task.blobs),
        "names": {person: await node.reads.person_name(person) for person in writers if person},
        "erasures": await node.reads.erasures(subject) if any(line.erased for line in task.lines) else {},
        "may_urge": "UrgeTask" in offered,
        "may_recall": "RecallTask" in offered,
        "question": await question_of(request, task),
        "unread": "" if task.words else await wordless(request, subject, reports_of(task)),
        "may_tell": "TellTask" in offered,
        "reviewed": {review.item: review for review in task.reviews} if "DecideTaskReview" in offered else {},
        "linked": await linked_here(request, task),
        "answers": offered & {"ConfirmTask", "DeclineTask", "ReportTask"},
        "form": {},
        "wrong": {},
    }


async def linked_here(request: Request, task: Task) -> str:
    """The linked task, where this office may see it; "" else."""
    if not task.link:
        return ""
    try:
        return (await node_of(request).reads.task(actor_of(request), linked_id(task.id))).id
    except Refused:
        return ""


def task_twin(context: dict[str, Any]) -> dict[str, Any]:
    """The task for programs: no raw heads, no keys of files."""
    task: Task = context["task"]
    plain = {name: getattr(task, name) for name in task.__struct_fields__ if name not in ("lines", "blobs", "contacts")}
    plain["contacts"] = [{"name": party.name} for party in task.contacts]  # their numbers are for who goes, as on the page
    files = [
        {"address": a.blob.address, "name": a.blob.name, "mime": a.blob.mime, "size": a.blob.size, "what": a.blob.what, "at_ms": a.at_ms}
        for a in task.blobs
    ]
    lines = [
        {
            "kind": line.kind,
            "at_ms": line.at_ms,
            "received_ms": line.received_ms,
            "marks": context["marks"].get((line.head.ledger, *line.key), ()),
        }
        for line in task.lines
    ]
    return {**plain, "files": files, "lines": lines}


@get("/tasks/{subject:str}")
async def task_page(request: Request, subject: FromPath[str]) -> Response[Any]:
    context = await task_context(request, subject)
    if wants_json(request):
        return twin(task_twin(context))
    return await page(request, "visits/task.html", live=urlencode({"view": "task", "task": subject}), **context)


async def task_live(request: Request) -> str:
    return rendered(request, "visits/_task_live.html", await task_context(request, request.query_params.get("task", "")))


@post("/tasks/{subject:str}/{command:str}", status_code=200)
async def act(request: Request, subject: FromPath[str], command: FromPath[str]) -> Response[Any]:
    kind = COMMANDS.get(command)
    if kind is None:
        raise Refused("page_unknown")
    filled = forms.fill(kind, forms.typed((await request.form()).multi_items()), {"task": subject, "at_ms": None})
    try:
        if filled.command is None:
            raise Refused("form_incomplete", count=len(filled.wrong))
        outcome = await node_of(request).desk.submit(filled.command, actor_of(request))
    except Refused as refusal:
        if wants_json(request):
            return twin({"code": refusal.code, "sentence": refusal.sentence, "wrong": filled.wrong}, refusal.status)
        context = await task_context(request, subject)
        again = {"form": filled.form, "wrong": filled.wrong, "sentence": refusal.sentence, "asked": command}
        return await page(request, "visits/task.html", status=refusal.status, **{**context, **again})
    if wants_json(request):
        return twin(outcome_twin(outcome))
    return Response("", status_code=303, headers={"Location": f"/tasks/{subject}"})


async def form_page(request: Request, subject: str, command: str, form: forms.Typed) -> Response[Any]:
    """The task with one form filled as it was typed before the sign-in ran out."""
    context: dict[str, Any] = await task_context(request, subject)
    context |= {"form": forms.shown(form), "asked": command, "note": forms.PUT_BACK}
    return await page(request, "visits/task.html", live=urlencode({"view": "task", "task": subject}), **context)


@get("/tasks/{subject:str}/files/{address:str}", polled=True)
async def show_file(request: Request, subject: FromPath[str], address: FromPath[str]) -> Response[Any]:
    """The plain bytes; never by an address alone."""
    return await sent_file(request, node_of(request).reads.task(actor_of(request), subject), address, f"/tasks/{subject}")


@post("/tasks/{subject:str}/files/{address:str}", status_code=303)
async def leave_file(request: Request, subject: FromPath[str], address: FromPath[str]) -> Response[Any]:
    """Whoever opened it waits for it no more."""
    task: Task = await node_of(request).reads.task(actor_of(request), subject)
    return await left(request, held(task.blobs, address), f"/tasks/{subject}")


VIEWS: Final = {"tasks": tasks_live, "task": task_live}


def routes() -> list[Any]:
    """With the papers: whatever serves cases prints them too."""
    return [
        dispatch_page,
        assign,
        tasks_page,
        task_page,
        act,
        show_file,
        leave_file,
        *task_steps.routes(),
        *team.routes(),
        *reassigning.routes(),
        *paper.routes(),
        *papers.routes(),
    ]
