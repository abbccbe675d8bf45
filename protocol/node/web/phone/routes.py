"""The cadre's phone, served whole by the phone's own node: one origin for shell, worker, data, files (frontend.md §4).

    GET /task                    the shell; holds no person's data, so a worker may keep it; says whether people and matters are invented
    GET /task/sw.js              the worker, allowed to serve all of /task
    GET /task/app.webmanifest, /task/icon-192.png, /task/icon-512.png
    POST /task/cleared           its carrier has read that the phone had been cleared
    GET /task/mine?kept=IDS&store=NAME&n=COUNT   {me, now_ms, flow, tasks, more, away, marks}: the visits of who is signed in, never the case; {me: null} for nobody
        flow: what the phone goes by as long as it can ask nobody: rules, key of push, how much room there is here for files
        more: there are others · away: why there are none at all, in words, for who has no post that makes visits
    POST /task/push              see push.py
    POST /task/commands          form: command (JSON, one of PHONE_COMMANDS), person, sent_ms → {command, task}
    POST /task/files             the same with an `upload` that was sent in pieces before (pieces.py): AddTaskEvidence with the command's id

The phone keeps what it sent until `marks` (by command id) says that it is `safe`: at another node too, a photo with all its bytes, or
here when no other node would take it; what is not `here` any more is sent again under the same id. `person` is who did it: another
person's session is answered 401, so nothing is ever written under the wrong name; of the same person it is their post that makes visits,
whichever they chose at a desk. How far the phone's clock is ahead: `ahead_ms`
as it knew when it did it, and by `sent_ms`, its clock at sending; of the two the first that makes a possible time.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile

from protocol import calendar, place
from protocol import certificate as certificates
from protocol.case import TASK_OPEN, TASK_STATUS_NAMES, Line, Task
from protocol.commands import PHONE_COMMANDS, AddTaskEvidence, Id, Party, Subject, TaskCommand
from protocol.events import Actor
from protocol.node import phones
from protocol.node.journal.branches import adopted_id
from protocol.node.shown import TaskRow
from protocol.node.web import pieces
from protocol.node.web.page import HTML, actor_of, carrier_of, environment_of, in_language, language_of, node_of, session_of, twin
from protocol.node.web.phone.push import push
from protocol.node.web.words import WEEKDAYS, files_room, files_short
from protocol.problem import Refused
from protocol.tables import Tables
from protocol.task import BY_COMMAND
from protocol.words import COMMAND_NAMES, EVENT_NAMES, OURS, UNKNOWN_NAME

HERE: Final = Path(__file__).parent
TASKS_MAX: Final = 60  # a screen of a phone; the open ones come first
OVER_MIN: Final = 10  # of those that ended, the last ones, also beside more open ones than that
KEPT_MAX: Final = 100  # the phone asks for the oldest first
OFFSET_MS_NOISE: Final = 2_000  # what a slow line alone can make of it
COUNT_CHARS_MAX: Final = 15
NUMBER: Final = re.compile(r"-?[0-9]{1,15}")
FRESH: Final = {"Cache-Control": "no-cache"}
HERE_SAID: Final = "中心的机器"  # 本机 would be the phone
ID: Final = re.compile(r"[0-9a-z-]{8,64}")
ORDER: Final = ("ConfirmTask", "ArriveTask", "ReportTask")  # of these the first that moves a task on is the main button
LABELS: Final = {"ArriveTask": "已到现场", "ReportTask": "提交反馈"}  # at the thumb; elsewhere as COMMAND_NAMES has them
Say = Callable[..., Any]  # words of ours, as the phone reads them
_command = msgspec.json.Decoder(type=PHONE_COMMANDS[0] | PHONE_COMMANDS[1] | PHONE_COMMANDS[2] | PHONE_COMMANDS[3] | PHONE_COMMANDS[4])


class FileCommand(msgspec.Struct, forbid_unknown_fields=True):
    """AddTaskEvidence as the phone sends it: the blob is made here, of the bytes beside it."""

    id: Id
    task: Subject
    kind: str
    at_ms: int | None = None
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


_file_command = msgspec.json.Decoder(FileCommand)


def moment(ms: int) -> str:
    """'11月26日 周四 17:30': true on whatever day it is read, since the phone may be out of reach for days."""
    day = calendar.local_date(ms)
    return f"{day.month}月{day.day}日 周{WEEKDAYS[day.weekday()]} {calendar.local_time(ms)}"


async def kept_marks(node: Any, actor: Actor, kept: str) -> dict[str, dict[str, bool]]:
    """By command id: `here` this node has it, also where it was adopted from another history · `safe` another one too, or there is no other. Only of the asker's own commands."""
    keys: dict[str, list[tuple[str, str, int]]] = {}
    for command_id in [text for text in kept.split(",") if ID.fullmatch(text)][:KEPT_MAX]:
        journal = node.desk.journal
        written = await journal.command(command_id) or await journal.command(adopted_id(command_id))
        keys[command_id] = [(e.ledger, e.origin, e.seq) for e in written if e.head.author[0] == actor.person]
    known = await node.reads.marks({key for some in keys.values() for key in some})
    return {
        command_id: {"here": bool(some), "safe": bool(some) and all([is_safe(known[key]) and await files_safe(node, key) for key in some])}
        for command_id, some in keys.items()
    }


async def files_safe(node: Any, key: tuple[str, str, int]) -> bool:
    """Claims that every file this entry names is whole at another node too, or that no other node takes full copies from here."""
    mine, ledger = node.certificate, key[0]
    others = [c for c in node.desk.shelf.certificates.values() if c.node != mine.node and c.node not in node.desk.shelf.revoked]
    if not any(certificates.hears(c, ledger) and not certificates.is_above(mine, c) for c in others):
        return True
    where = "what <> 'thumb' and address in (select address from blob_use where ledger = :ledger and origin = :origin and seq = :seq)"
    rows = await node.journal.rows("blob", where, dict(zip(("ledger", "origin", "seq"), key, strict=True)))
    return all(row["elsewhere"] for row in rows)


def is_safe(marks: Any) -> bool:
    """Claims that a second node has the entry, or that no other node would: marks begin with this node's own."""
    others = [mark.reached for mark in marks][1:]
    return not others or any(others)


def flow(tables: Tables, say: Say) -> dict[str, Any]:
    """The rules of protocol.task as data, for a phone that can ask nobody.

    steps: status → what to offer, the main one first · moves: command → status → status after it.
    """
    kinds = [kind.__name__ for kind in PHONE_COMMANDS]
    moves = {kind: dict(BY_COMMAND[kind].moves) for kind in kinds}
    steps = {status: offered(status, moves, say) for status in TASK_OPEN}
    results = [{"code": code, "name": say(name)} for code, name in tables.words("task_result")]
    return {"steps": steps, "moves": moves, "names": say(TASK_STATUS_NAMES), "results": results}


def files_told(node: Any, say: Say) -> dict[str, str]:
    """Limits of this node for files, in words: room as at the desk · short: a warning once little is left, else ""."""
    return {"room": say(files_room(node, HERE_SAID)), "short": say(files_short(node, HERE_SAID))}


def offered(status: str, moves: Mapping[str, Mapping[str, str]], say: Say) -> list[dict[str, Any]]:
    main = next((kind for kind in ORDER if moves[kind].get(status, status) != status), None)
    chosen = [kind for kind in (main, "DeclineTask") if kind and status in moves[kind]]
    return [{"kind": kind, "label": say(LABELS.get(kind, COMMAND_NAMES[kind])), "main": kind == main} for kind in chosen]


def contact(party: Party, tables: Tables, say: Say) -> dict[str, str]:
    return {"name": party.name, "phone": party.phone, "side": say(tables.word("side", party.side))}


def history(line: Line, say: Say) -> dict[str, str]:
    told = line.kind in ("TaskReported", "TaskDeclined", "TaskRecalled")
    some = [(say(label), say(value) if (line.kind, label) in OURS else value) for label, value in line.text.items() if value]
    parts = [say("：").join(one) for one in some] if told else []
    text = say("；").join([*(part.rstrip("。；") for part in parts[:-1]), *parts[-1:]])  # people end their words with a full stop
    words = say(EVENT_NAMES.get(line.kind, UNKNOWN_NAME), "kind")
    return {"key": key_of(line), "words": words, "at": say(moment(line.at_ms)), "text": text}


def key_of(line: Line) -> str:
    return f"{line.key[0]}/{line.key[1]}"


def marks_of(marks: Any, office: str, say: Say) -> list[dict[str, Any]]:
    """This node's own mark is named after its office: on a phone 本机 would be the phone."""
    here = [{"text": say(f"已到{office}"), "reached": mark.reached} for mark in marks[:1]]
    return here + [{"text": say(mark.text), "reached": mark.reached} for mark in marks[1:]]


def visit(task: Task, marks: list[dict[str, Any]], rank: int, tables: Tables, say: Say) -> dict[str, Any]:
    """Everything the phone gets to see: the visit. Of the case only its code and what was written for the cadre."""
    return {
        "id": task.id,
        "rank": rank,
        "status": task.status,
        "open": task.status in TASK_OPEN,
        "purpose": task.purpose,
        "place": tables.place_full(task.place),
        "address": task.address,
        "where": f"{tables.place_name(place.segments(task.place)[0])}{tables.place_full(task.place)}{task.address}",
        "due_ms": task.due_ms,
        "due_at": say(moment(task.due_ms)) if task.due_ms else "",
        "bring": task.bring,
        "summary": task.summary,
        "code": task.case_code,
        "assigned_by": tables.office_name(task.assigned_by) if task.assigned_by else "",
        "contacts": [contact(party, tables, say) for party in task.contacts],
        "history": [
            history(line, say)
            for line in task.lines
            if line.kind not in ("TaskUrged", "TaskTold", "TaskEvidenceAdded") and not line.set_aside
        ],
        "urges": [{"text": "；".join(x.text.values()), "at": say(moment(x.at_ms))} for x in task.lines if x.kind == "TaskUrged"],
        "told": [
            {
                "key": key_of(x),
                "text": "；".join(x.text.values()),
                "at": say(moment(x.at_ms)),
                "mine": x.head.author[0] == task.cadre,
                "office": tables.office_name(x.office),  # of a linked task it is not the one that sent him
            }
            for x in task.lines
            if x.kind == "TaskTold"
        ],
        "marks": marks,
    }


def on_a_phone(rows: Sequence[TaskRow]) -> list[TaskRow]:
    """Of all his visits, in their order, as many as a phone shows: however many go on, what ended last is among them, or a recall would be no news."""
    opened, over = [row for row in rows if row.status in TASK_OPEN][:TASKS_MAX], [row for row in rows if row.status not in TASK_OPEN]
    return opened + over[: max(TASKS_MAX - len(opened), OVER_MIN)]


async def visit_of(request: Request, actor: Actor, subject: str) -> dict[str, Any] | None:
    """One visit as `mine` would show it, so that the phone is right before it asks again; None when it is no longer theirs."""
    node, say = node_of(request), partial(in_language, request)
    for rank, row in enumerate(on_a_phone(await node.reads.my_tasks(actor))):
        if row.subject == subject:
            return visit(await node.reads.task(actor, subject), marks_of(row.marks, node.name, say), rank, node.tables(), say)
    return None


@get("/task", public="file")
async def shell(request: Request) -> Response[str]:
    text = environment_of(request).from_string((HERE / "task.html").read_text("utf-8")).render(language=language_of(request))
    return Response(text, media_type=HTML, headers=FRESH)


@get("/task/app.webmanifest", public="file")
async def app_manifest(request: Request) -> Response[bytes]:
    icons = [{"src": f"/task/icon-{n}.png", "sizes": f"{n}x{n}", "type": "image/png", "purpose": "any maskable"} for n in (192, 512)]
    told = {
        "name": in_language(request, "一地 · 下派任务"),
        "short_name": in_language(request, "一地任务"),
        "start_url": "/task",
        "scope": "/task",
        "display": "standalone",
        "lang": "en" if language_of(request) == "en" else "zh-CN",
        "background_color": "#f4f6f8",
        "theme_color": "#0b5394",
        "icons": icons,
    }
    return Response(msgspec.json.encode(told), media_type="application/manifest+json", headers=FRESH)


@get(["/task/icon-192.png", "/task/icon-512.png"], public="file")
async def icon(request: Request) -> Response[bytes]:
    picture = (HERE / "icons" / request.url.path.rpartition("/")[2]).read_bytes()
    return Response(picture, media_type="image/png", headers={"Cache-Control": "max-age=86400"})


@get("/task/mine", public=True)
async def mine(request: Request) -> Response[bytes]:
    """kept: ids of the commands that the phone has sent and still holds · store, n: what its store is called, how far it counted."""
    node, actor = node_of(request), request.state.actor
    if actor is None:  # a state of the phone, not a fault: its shell is there for everybody
        return twin({"me": None, "tasks": []})
    tables, say, away = node.tables(), partial(in_language, request), ""
    try:
        actor = await carrier_of(request)
    except Refused as refused:
        away = say(refused.sentence)
    his = await node.reads.my_tasks(actor)
    tasks = [
        visit(await node.reads.task(actor, row.subject), marks_of(row.marks, node.name, say), rank, tables, say)
        for rank, row in enumerate(on_a_phone(his))
    ]
    return twin(
        {
            "me": {"person": actor.person, "name": actor.name, "office": tables.office_name(actor.office), "session": session_of(request)},
            "now_ms": node.clock(),
            "flow": {**flow(tables, say), "push": node.push.key, "files": files_told(node, say)},
            "tasks": tasks,
            "more": len(his) > len(tasks),
            "away": away,
            "cleared_at": await cleared_at(request, actor),
            "marks": await kept_marks(node, actor, request.query_params.get("kept", "")),
        }
    )


async def cleared_at(request: Request, actor: Actor) -> str:
    """When this phone was found cleared, in words, until its carrier has read it; "" when it was not."""
    node, name, count = node_of(request), request.query_params.get("store", ""), request.query_params.get("n", "")
    if ID.fullmatch(name) and count.isascii() and count.isdigit() and len(count) <= COUNT_CHARS_MAX:
        await phones.heard(node.journal, actor.person, session_of(request), name, int(count), node.clock())
    cleared_ms = await phones.cleared(node.journal, actor.person, session_of(request))
    return in_language(request, moment(cleared_ms)) if cleared_ms else ""


@post("/task/cleared", status_code=200)
async def told_cleared(request: Request) -> Response[bytes]:
    await phones.told(node_of(request).journal, actor_of(request).person, session_of(request))
    return twin({})


async def said(request: Request) -> tuple[dict[str, Any], Actor, list[int]]:
    """The form, who did it, and how far the phone's clock may be ahead (see above).

    Raises Refused sign_in_needed for nobody and for another person's session, field_post_needed.
    """
    form = dict(await request.form())
    if form.get("person") not in ("", None, actor_of(request).person):  # before their post: what another one did waits for them
        raise Refused("sign_in_needed")
    actor = await carrier_of(request)
    made, sent = (int(text) if NUMBER.fullmatch(text := str(form.get(name, ""))) else None for name in ("ahead_ms", "sent_ms"))
    known = [made, None if sent is None else sent - node_of(request).clock()]
    return form, actor, [0 if abs(ahead) < OFFSET_MS_NOISE else ahead for ahead in known if ahead is not None]


async def submitted(request: Request, command: TaskCommand, actor: Actor, offsets: Sequence[int]) -> Response[bytes]:
    node, possible = node_of(request), list[int]()
    if command.at_ms is not None and len(offsets) > 1:
        rows = await node.journal.rows("task_row", "subject = :subject", {"subject": command.task})
        from_ms, until_ms = (rows[0]["assigned_ms"] if rows else 0), node.clock() + OFFSET_MS_NOISE
        possible = [ahead for ahead in offsets if from_ms <= command.at_ms - ahead <= until_ms]
    offset_ms = next(iter([*possible, *offsets]), None)
    outcome = await node.desk.submit(command, actor, at_ms=command.at_ms, offset_ms=offset_ms)
    return twin({"command": outcome.command, "task": await visit_of(request, actor, command.task)})


def decoded(decoder: Any, form: dict[str, Any]) -> Any:
    """Raises Refused command_invalid."""
    try:
        return decoder.decode(str(form.get("command", "")))
    except msgspec.MsgspecError as error:
        raise Refused("command_invalid", why=str(error)) from error


@post("/task/commands", status_code=200)
async def command(request: Request) -> Response[bytes]:
    form, actor, offsets = await said(request)
    return await submitted(request, decoded(_command, form), actor, offsets)


@post("/task/files", status_code=200)
async def file(request: Request) -> Response[bytes]:
    """The bytes are kept before the entry that names them. The same file twice is one blob, the same id twice one entry."""
    form, actor, offsets = await said(request)
    told, sent, node = decoded(_file_command, form), form.get("file"), node_of(request)
    some = pieces.named([form.get("upload")])
    if told.kind != "AddTaskEvidence":
        raise Refused("command_invalid", why="没有文件")
    task = await node.reads.task(actor, told.task)  # nothing is kept for a task that is not theirs
    if some:
        blob, thumb = await pieces.taken(node, actor, some[0], task.blobs)
    elif isinstance(sent, UploadFile):  # a phone whose shell is still the older one
        what = str(form.get("what", "photo"))
        blob, thumb = await node.blobs.put(await sent.read(), sent.filename or "附件", sent.content_type, what), None
    else:
        raise Refused("command_invalid", why="没有文件")
    evidence = AddTaskEvidence(id=told.id, task=told.task, at_ms=told.at_ms, blob=blob, note=told.note, thumb=thumb)
    answer = await submitted(request, evidence, actor, offsets)
    await pieces.forget(node, actor, some)
    return answer


def routes(dist: Path) -> list[Any]:
    """The phone's handlers; dist: the bundle of the program that serves them (sw.js)."""

    @get("/task/sw.js", public="file")
    async def worker(request: Request) -> Response[bytes]:
        """Another worker where people and matters are invented: else a phone would go on with the kept shell of the other kind."""
        headers, mark = {**FRESH, "Service-Worker-Allowed": "/task"}, b"\n// made up\n" if node_of(request).made_up else b""
        return Response((dist / "sw.js").read_bytes() + mark, media_type="text/javascript", headers=headers)

    return [shell, worker, app_manifest, icon, mine, told_cleared, push, command, file]
