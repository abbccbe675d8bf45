"""一起改派: the open tasks of a cadre who can't go (ill, away) are given to another in one go.

    GET  /visits/reassign?of=PERSON                            which of his tasks, to whom, until when, why; find=… names whom to look for
    GET  the same with task=…&cadre=…&by=…&reason=…&plan=1     what will happen to whom, to be confirmed
    POST /visits/reassign     command_id, of, task=…, cadre, by, reason → each task, or why it stayed as it was

Each task is a 改派 of its own (task_steps.reassign), with an id that derives from the form's and from the task: the same form sent again
does only what is missing, and what becomes of one changes nothing for the others. `again` = the id of a form of which some were recalled
and found nobody: those are offered once more, and sent without a second recall.
"""

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get, post

from protocol.case import TASK_STATUS_NAMES, Task
from protocol.entry import derive
from protocol.node.web import forms
from protocol.node.web.dispatching import ALL, Reasons, Wanted, find_context, times_offered, wanted_of
from protocol.node.web.page import actor_of, node_of, page, twin, wants_json
from protocol.node.web.task_steps import DEFAULTS, KEPT, UNREAD, Unfilled, candidates_of, due_of, reassign
from protocol.node.web.tracks import Track, track, tracks
from protocol.problem import Refused
from protocol.task import BY_COMMAND

TASKS_MAX: Final = 30  # each is two commits of some milliseconds: the page answers within a second
IDS: Final = range(8, 65)  # characters of a form's id
REASON_CHARS_MAX: Final = 60


class Handed(msgspec.Struct, frozen=True):
    """A task that may change hands. cadres: who can go, with reasons · chosen: it is to be · recalled: from the one who had it, and nobody
    has it since · why_not: the sentence for what can't be done, "" = it can · new: the task it became."""

    task: Task
    track: Track
    cadres: list[Reasons] = []
    chosen: bool = True
    recalled: bool = False
    why_not: str = ""
    new: str = ""
    name: str = ""


class Other(msgspec.Struct, frozen=True):
    """Somebody who could go instead. able: to how many of the chosen tasks · known: of how many he knows the case or a party."""

    reasons: Reasons
    able: int
    known: int


def id_of(form: str, task: str) -> str:
    """Of the 改派 of one task of a form."""
    return derive(form, f"reassign {task}")


async def handed(request: Request, person: str, picked: list[str], again: str, wanted: Wanted = ALL) -> tuple[list[Handed], int]:
    """(the worst TASKS_MAX of them, how many there are): his tasks that this office may take back, and those of `picked` that were recalled
    under the form `again`; `wanted` of who can go. Raises Refused not_allowed."""
    node, actor = node_of(request), actor_of(request)
    if "assign" not in actor.powers:
        raise Refused("not_allowed", what="改派")
    made, his = [], await tracks(request, open_only=True, cadre=person) if person else []  # without a name: nobody's
    his = [one for one in his if one.row.status != "arrived"]  # who is there keeps what he is at; that one is given to another by itself
    for one in his[:TASKS_MAX]:
        task: Task = await node.reads.task(actor, one.row.subject)
        made.append(Handed(task, one, (await candidates_of(request, task, wanted)).shown, not picked or task.id in picked))
    for subject in picked:
        if again and await node.desk.journal.command(derive(id_of(again, subject), "reassign recall")):
            task = await node.reads.task(actor, subject)
            if not await node.desk.journal.command(derive(id_of(again, subject), "reassign assign")):
                cadres = (await candidates_of(request, task, wanted)).shown
                made.append(Handed(task, await track(request, task), cadres, recalled=True))
    return made[:TASKS_MAX], len(made) + len(his[TASKS_MAX:])


def others(some: list[Handed]) -> list[Other]:
    """Who may go to most of them first; then as for the first of them."""
    found: dict[str, list[Reasons]] = {}
    for one in some:
        for reasons in one.cadres:
            found.setdefault(reasons.choice.person, []).append(reasons)
    made = []
    for reasons in found.values():
        able = [one for one in reasons if not one.why_not]
        made.append(Other((able or reasons)[0], len(able), sum(1 for one in able if one.before)))
    return sorted(made, key=lambda other: (-other.able, -other.known))


def planned(one: Handed, person: str, by: str, now_ms: int) -> Handed:
    """With why it can't be, if it can't."""
    chosen = next((reasons for reasons in one.cadres if reasons.choice.person == person), None)
    why = ""
    if not one.recalled and (one.task.status not in BY_COMMAND["RecallTask"].moves or one.task.status == "arrived"):  # that one by itself
        why = f"任务已经是“{TASK_STATUS_NAMES[one.task.status]}”"
    elif one.track.unsent is not None:
        why = one.track.unsent.sentence.rstrip("。")
    elif chosen is None or chosen.why_not:
        why = chosen.why_not if chosen else "这里没有这位干部了"
    elif due_of({"by": by}, one.task) <= now_ms:
        why = "原来的期限已经过了，请另选一个期限"
    else:
        why = UNREAD.get(one.track.unread, "")
    return msgspec.structs.replace(one, why_not=why)


@get("/visits/reassign")
async def choose(request: Request) -> Response[Any]:
    asked, node = request.query_params, node_of(request)
    person, again, picked = asked.get("of", ""), asked.get("again", ""), asked.getall("task", [])
    is_plan, wanted = bool(asked.get("plan")) and not asked.get("look"), wanted_of(request, None)
    some, total = await handed(request, person, picked, again, wanted)
    if (is_plan or asked.get("look")) and not picked:
        some = [msgspec.structs.replace(one, chosen=False) for one in some]
    chosen = [one for one in some if one.chosen]
    people = others(chosen or some)
    times = [(KEPT, "照各自原来的期限"), *times_offered(node.clock(), node.tables().calendar)]
    form = {
        "cadre": asked.get("cadre", ""),
        "by": asked.get("by", "") if asked.get("by", "") in dict(times) else KEPT,
        "reason": asked.get("reason", DEFAULTS["ReassignTask"]).strip()[:REASON_CHARS_MAX],
    }
    wrong = _wrong(chosen, people, form) if is_plan and some else {}
    plan = [planned(one, form["cadre"], form["by"], node.clock()) for one in chosen] if is_plan and not wrong else []
    whom = next((one.reasons.choice.name for one in people if one.reasons.choice.person == form["cadre"]), "")
    if wants_json(request):
        found = {
            "tasks": [one.task.id for one in some],
            "people": [_person(one) for one in people],
            "plan": [_as_twin(one) for one in plan],
        }
        return twin(found | {"wrong": wrong}, 422 if wrong else 200)
    name = await node.reads.person_name(person) if person else ""
    context = {
        "some": some,
        "people": people,
        "times": times,
        "form": form,
        "wrong": wrong,
        "plan": plan,
        "of": person,
        "again": again,
        "total": total,
        **find_context(wanted.find, len(people)),
    }
    return await page(request, "visits/reassign.html", status=422 if wrong else 200, name=name, whom=whom, chosen=chosen, **context)


def _wrong(chosen: list[Handed], people: list[Other], form: dict[str, str]) -> dict[str, str]:
    wrong = {}
    if not chosen:
        wrong["task"] = "请至少选一项。"
    if not any(one.able and one.reasons.choice.person == form["cadre"] for one in people):
        wrong["cadre"] = "请选一位干部。"
    if not form["reason"]:
        wrong["reason"] = "请写一句为什么改派，原来的人会看到。"
    return wrong


def _person(one: Other) -> dict[str, Any]:
    return {"person": one.reasons.choice.person, "name": one.reasons.choice.name, "able": one.able}


def _as_twin(one: Handed) -> dict[str, Any]:
    return {"task": one.task.id, "why_not": one.why_not, "new": one.new, "name": one.name, "recalled": one.recalled}


@post("/visits/reassign", status_code=200)
async def do(request: Request) -> Response[Any]:
    form = forms.typed((await request.form()).multi_items())
    id_, of, cadre, by, reason = ((form.get(name) or [""])[0].strip() for name in ("command_id", "of", "cadre", "by", "reason"))
    if len(id_) not in IDS:
        raise Refused("command_invalid", why="command_id")
    wanted = list(dict.fromkeys(form.get("task", [])))[:TASKS_MAX]
    if not wanted:
        raise Refused("field_missing", field="task", what="要改派的任务")
    said = {"cadre": cadre, "by": by, "reason": reason[:REASON_CHARS_MAX]}
    done = [await _one(request, subject, id_, said) for subject in wanted]
    failed = [one for one in done if not one.new]
    if wants_json(request):
        return twin({"tasks": [_as_twin(one) for one in done]}, 207 if failed else 200)
    open_again = urlencode([("of", of), ("again", id_), ("reason", said["reason"]), *(("task", one.task.id) for one in failed)])
    context = {"done": done, "failed": failed, "form": said | {"command_id": id_, "of": of}, "open_again": open_again}
    return await page(request, "visits/reassigned.html", name=await node_of(request).reads.person_name(of) if of else "", **context)


async def _one(request: Request, subject: str, form_id: str, said: dict[str, str]) -> Handed:
    """One task of the batch. Raises Refused task_unknown."""
    node, actor, id_ = node_of(request), actor_of(request), id_of(form_id, subject)
    task: Task = await node.reads.task(actor, subject)
    known = await track(request, task)
    try:
        if task.status == "arrived":  # since the page was opened; that one is given to another by itself
            raise Refused("task_not_now", status=TASK_STATUS_NAMES[task.status], what="改派")
        new = await reassign(request, subject, id_, said["reason"], dict(said))
        name = await node.reads.person_name((await node.reads.task(actor, new)).cadre)
        return Handed(task, known, new=new, name=name)
    except Unfilled as unfilled:
        why = "；".join(sentence.rstrip("。") for sentence in unfilled.wrong.values())
    except Refused as refusal:
        why = refusal.sentence
    recalled = bool(await node.desk.journal.command(derive(id_, "reassign recall")))
    return Handed(task, known, recalled=recalled, why_not=why)


def routes() -> list[Any]:
    return [choose, do]
