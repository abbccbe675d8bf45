"""催办, 撤回, 改派 of a task, from the list of who is out: one click asks, and says what will happen to whom; the second does it.

    GET  /tasks/{id}/ask/UrgeTask | RecallTask | ReassignTask?command_id=    the question; with htmx the form alone, for a pane
    POST the same                                                  does it; 422 gives the form back as typed

改派 is two commands whose ids derive from the form's own: the old task is recalled, then a new one with the same contents is sent.
Whether the new one can go, and this office may still send for the dispute, is looked at before anything is written; should it still be refused after the recall (he was given another
post in between), the page says so, and the same form sent again recalls nothing twice. Whoever has arrived is not recalled by anybody.
"""

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromPath

from protocol.case import TASK_STATUS_NAMES, Case, Task
from protocol.commands import AssignTask, RecallTask, UrgeTask
from protocol.entry import derive
from protocol.node.web import forms
from protocol.node.web.dispatching import ALL, Choices, Wanted, candidates_for, times_offered, wanted_of
from protocol.node.web.page import actor_of, fragment, is_htmx, node_of, page, twin, wants_json
from protocol.node.web.tracks import AWAITED, ERASED, track, tracks, unsent
from protocol.problem import Refused
from protocol.task import BY_COMMAND

LABELS: Final = {"UrgeTask": "催办", "RecallTask": "撤回", "ReassignTask": "改派"}
WRITTEN: Final = {"UrgeTask": "催办", "RecallTask": "撤回派单", "ReassignTask": "改派"}
DEFAULTS: Final = {"UrgeTask": "请尽快接单，告诉我们什么时候能到", "RecallTask": "情况有变，不用去了", "ReassignTask": "改由别的同志去"}
LISTS: Final = ("/board", "/tasks", "/today")
KEPT: Final = "kept"  # the date stays as it is
UNREAD: Final = {  # why what can't be read is not given to somebody else
    ERASED: "这一项的内容已依法删除，没有可以照旧的：请撤回，再从纠纷页另派一次",
    AWAITED: "这一项的正文还没到本机，到了再改派",
}


class Unfilled(Exception):
    """What of the form is missing: field → sentence."""

    def __init__(self, **wrong: str) -> None:
        super().__init__(wrong)
        self.wrong = wrong


async def question(request: Request, subject: str, step: str, form: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the form shows. Raises Refused: page_unknown, task_unknown, task_not_now (its time is over), not_allowed."""
    if step not in LABELS:
        raise Refused("page_unknown")
    node, actor = node_of(request), actor_of(request)
    task: Task = await node.reads.task(actor, subject)
    known = await track(request, task)
    recalled = bool(await node.desk.journal.command(derive(str((form or {}).get("command_id", "")), "reassign recall"))) if form else False
    if not recalled:
        _check(known, step)
    context = {
        "task": task,
        "track": known,
        "who": known.name or node.tables().office_name(task.unit),
        "phone": await node.reads.person_phone(task.cadre) if task.cadre else "",
        "step": step,
        "label": WRITTEN[step],
        "back": _back(str((form or request.query_params).get("back" if form else "from", "")), subject),
        "form": {"text": DEFAULTS[step], "reason": DEFAULTS[step], "by": KEPT, **(form or {})},
        "wrong": {},
        "sentence": "",
        "recalled": recalled,
    }
    if step != "ReassignTask":
        return context
    times = times_offered(node.clock(), node.tables().calendar)
    is_past = bool(task.due_ms) and task.due_ms <= node.clock()
    kept = [] if is_past or not task.due_ms else [(KEPT, "照原来的期限")]
    if not kept and context["form"]["by"] == KEPT:
        context["form"]["by"] = times[0][0]
    wanted = wanted_of(request, form)
    found = await candidates_of(request, task, wanted)
    context["form"].setdefault("cadre", wanted.chosen)
    of_his = len(await tracks(request, open_only=True, cadre=task.cadre))
    return {**context, "times": [*kept, *times], **found.context(wanted.find), "of_his": of_his}


def _back(asked: str, subject: str) -> str:
    """Where the question came from: a list, else the task's own page; never another site."""
    return asked if asked in LISTS else f"/tasks/{subject}"


def _check(known: Any, step: str) -> None:
    """Raises Refused in words for whoever clicks a button of a page that is old by now, or of a dispute in other hands."""
    command = "RecallTask" if step == "ReassignTask" else step
    if known.row.status not in BY_COMMAND[command].moves:
        raise Refused("task_not_now", status=TASK_STATUS_NAMES[known.row.status], what=WRITTEN[step])
    if step == "ReassignTask" and command in known.may and known.unsent is not None:
        raise known.unsent
    if command not in known.may or (step == "ReassignTask" and not known.may_reassign):
        raise Refused("not_allowed", what=WRITTEN[step])


async def candidates_of(request: Request, task: Task, wanted: Wanted = ALL) -> Choices:
    """Whom it can be given to instead; whoever has it now is among them, last, and says so."""
    node, actor = node_of(request), actor_of(request)
    case: Case | None = None
    if task.case:
        try:
            case = await node.reads.case(actor, task.case)
        except Refused:
            case = None  # it lies where this office does not see: places and load are known all the same
    names = [party.name for party in (*task.contacts, *(case.parties if case else ()))]
    return await candidates_for(request, task.place or task.ledger, case, names, now=task.cadre, wanted=wanted)


@get("/tasks/{subject:str}/ask/{step:str}")
async def ask(request: Request, subject: FromPath[str], step: FromPath[str]) -> Response[Any]:
    """`command_id`: of a form that was answered before; 改派 goes on where it stopped."""
    begun = request.query_params.get("command_id", "")
    return await _shown(request, await question(request, subject, step, {"command_id": begun} if begun else None))


async def form_page(request: Request, subject: str, step: str, form: forms.Typed) -> Response[Any]:
    """The question as it was answered before the sign-in ran out."""
    context = await question(request, subject, step, forms.shown(form))
    return await page(request, "visits/ask_step.html", **context, note=forms.PUT_BACK)


async def _shown(request: Request, context: dict[str, Any], status: int = 200) -> Response[Any]:
    if wants_json(request):
        kept = {"who": context["who"], "step": context["step"], "sentence": context["sentence"], "wrong": context["wrong"]}
        return twin(kept | {"cadres": [one.choice for one in context.get("cadres", ())]}, status)
    if is_htmx(request):
        name = "visits/_found.html" if request.query_params.get("only") == "found" else "visits/_ask_step.html"
        return fragment(request, name, status=status, pane=True, **context)
    return await page(request, "visits/ask_step.html", status=status, **context)


@post("/tasks/{subject:str}/ask/{step:str}", status_code=200)
async def do(request: Request, subject: FromPath[str], step: FromPath[str]) -> Response[Any]:
    form = forms.typed((await request.form()).multi_items())
    typed = forms.shown(form)
    id_ = str(typed.get("command_id", ""))
    if "look" in form:  # without script: nothing is sent
        return await _shown(request, await question(request, subject, step, typed))
    try:
        new = await _act(request, subject, step, id_, typed)
    except Unfilled as unfilled:
        context = await question(request, subject, step, typed)
        return await _shown(request, context | {"wrong": unfilled.wrong}, 422)
    except Refused as refusal:
        context = await question(request, subject, step, typed)
        context |= {"sentence": refusal.sentence, "wrong": {refusal.field: refusal.sentence} if refusal.field else {}}
        return await _shown(request, context, refusal.status)
    if wants_json(request):
        return twin({"task": subject, "new": new})
    if is_htmx(request):
        task: Task = await node_of(request).reads.task(actor_of(request), new or subject)
        name = (await track(request, task)).name or node_of(request).tables().office_name(task.unit)
        return fragment(request, "visits/_step_done.html", step=step, task=task, name=name)
    return Response("", status_code=303, headers={"Location": _back(str(typed.get("back", "")), new or subject)})


async def _act(request: Request, subject: str, step: str, id_: str, typed: dict[str, Any]) -> str:
    """The new task of 改派, else "". Raises Unfilled, Refused."""
    node, actor, reason = node_of(request), actor_of(request), str(typed.get("reason", "")).strip()
    filled: forms.Filled
    if step == "UrgeTask":
        filled = forms.fill(UrgeTask, _listed(typed, "command_id", "text"), {"task": subject, "at_ms": None})
    elif step == "RecallTask":
        filled = forms.fill(RecallTask, _listed(typed, "command_id", "reason"), {"task": subject, "at_ms": None})
    elif step == "ReassignTask":
        return await reassign(request, subject, id_, reason, typed)
    else:
        raise Refused("page_unknown")
    if filled.command is None:
        raise Unfilled(**({"command": "请刷新这一页再试。"} if "id" in filled.wrong else filled.wrong))
    await node.desk.submit(filled.command, actor)
    return ""


def _listed(typed: dict[str, Any], *names: str) -> forms.Typed:
    return {name: [str(typed.get(name, ""))] for name in names}


async def reassign(request: Request, subject: str, id_: str, reason: str, typed: dict[str, Any]) -> str:
    """Raises Unfilled before anything is written, or the Refused of the desk."""
    node, actor, now_ms = node_of(request), actor_of(request), node_of(request).clock()
    task: Task = await node.reads.task(actor, subject)
    if not reason:
        raise Unfilled(reason="请写一句为什么改派，原来的人会看到。")
    sent = derive(id_, "reassign assign")
    if not await node.desk.journal.command(sent):
        cadres = (await candidates_of(request, task, Wanted(chosen=str(typed.get("cadre", ""))))).shown
        chosen = next((one for one in cadres if one.choice.person == typed.get("cadre") and not one.why_not), None)
        if chosen is None:
            raise Unfilled(cadre="请选一位干部。")
        due_ms = due_of(typed, task)
        if due_ms <= now_ms:
            raise Unfilled(by="请选一个还没过的期限。")
        if unread := UNREAD.get((await track(request, task)).unread):
            raise Unfilled(reason=f"{unread}。")
        if held := await unsent(request, [task]):
            raise held[task.id]
        name = chosen.choice.name
        recall = RecallTask(id=derive(id_, "reassign recall"), task=subject, reason=f"改派给{name}：{reason}"[:100])
        command = AssignTask(
            id=sent, place=task.place or task.ledger, cadre=chosen.choice.person, home=chosen.choice.home, purpose=task.purpose,
            due_ms=due_ms, case=task.case, bring=task.bring, summary=task.summary, address=task.address, contacts=task.contacts,
        )  # fmt: skip
        await node.desk.submit(recall, actor)
        return (await node.desk.submit(command, actor)).subject
    return derive(sent, "task")


def due_of(typed: dict[str, Any], task: Task) -> int:
    by = str(typed.get("by", ""))
    return task.due_ms if by == KEPT else int(by) if by.isascii() and by.isdigit() and len(by) <= 15 else 0


def routes() -> list[Any]:
    return [ask, do]
