"""用优盘送: what the wire would carry, as files that a person downloads at one computer and uploads at another. No command line.

    GET  /stick                  export and import, and how far the one that runs is
    GET  /stick/job              that alone, asked for again each second while it runs
    POST /stick/export           to (node id), files (on: with attachments)
    POST /stick/cancel           the one that runs stops between two batches: an export leaves no file, an import what it has taken in
    GET  /stick/files/{name}     a file that was made, for an hour
    POST /stick/import           file

One at a time: a file is held in memory while it is sealed or opened. What was made is listed for its hour whatever is done next, and by the next
program too; what that one finds noted was running when this one ended. Whoever does the office's work or looks after machines may; the file
itself can be opened by nobody but the node that it is for.
"""

import asyncio
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from protocol.calendar import local_date
from protocol.node import log, sticks
from protocol.node.identity import write_whole
from protocol.node.sticks import Told, Written
from protocol.node.web import files, forms
from protocol.node.web.page import actor_of, fragment, is_htmx, node_of, page, refused_twin, twin, wants_json
from protocol.problem import Refused

MAY: Final = frozenset({"log", "mediate", "supervise", "admin"})
NAME_CHARS_MAX: Final = 40
NOTE: Final = "running"  # beside the files: what is being done, until it is
CUT: Final = {"export": "上次导出没有做完，请再导出一次。", "import": "上次导入没有做完。"}
STORE_SAID: Final = {  # of OWN_STORE: no form waits here
    "disk_full": "磁盘满了，没有做完。请清出空间。",
    "store_busy": "存储正忙，没有做完。请过几秒再试。",
    "store_readonly": "本机的存储现在只能读、不能写，没有做完。请管理员检查磁盘或数据库。",
    "store_damaged": "本机台账有损坏，已停止写入，正在修复，没有做完。请过一两分钟再看。",
}


class Job(msgspec.Struct):
    """what: export, import · done, total: entries, or batches · to: of an export · error: why it could not be done, "" so far
    · code: of what it was refused for · halfway: it ended with that on its way, so what was taken in before counts · stopping: somebody gave it up."""

    what: str
    to: str = ""
    done: int = 0
    total: int = 0
    running: bool = True
    stopping: bool = False
    error: str = ""
    code: str = ""
    halfway: bool = False
    made: Written | None = None
    told: Told | None = None

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0


class _Note(msgspec.Struct):
    what: str
    to: str


class _GivenUp(Exception):
    pass


class Desk:
    """The job of one node's pages: the last one, running or done. folder: of the files that are made."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._note = folder, folder / NOTE
        self._job = self._cut()
        self._task: asyncio.Task[None] | None = None

    def seen(self) -> Job | None:
        """The job as it is at this moment: a page that is drawn while the job ends must not show half of either."""
        return copy(self._job)

    def files(self) -> list[Path]:
        """Made, and not an hour old; none while others are being made in their place."""
        is_exporting = self._job is not None and self._job.running and self._job.what == "export"
        return [] if is_exporting else sticks.made(self._folder)

    def _cut(self) -> Job | None:
        """What the program before this one did not finish. Half an export is of no use."""
        try:
            note = msgspec.json.decode(self._note.read_bytes(), type=_Note)
        except (OSError, msgspec.DecodeError):
            return None
        if note.what == "export":
            sticks.empty(self._folder)
        return Job(note.what, note.to, running=False, error=CUT.get(note.what, ""), halfway=True)

    def _begun(self, job: Job) -> None:
        with suppress(OSError):  # a disk that takes no note: the job itself will say so
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_whole(self._note, msgspec.json.encode(_Note(job.what, job.to)))

    def give_up(self) -> None:
        if self._job is not None and self._job.running:
            self._job.stopping = True

    def begin(self, job: Job, work: Any) -> None:
        """Raises Refused when another one runs."""
        if self._job is not None and self._job.running:
            work.close()
            raise Refused("not_now", status="正在导出或导入", what="再来一次（等它做完）")
        self._job = job
        self._task = asyncio.create_task(self._run(job, work), name="stick")

    async def _run(self, job: Job, work: Any) -> None:
        try:
            await asyncio.to_thread(self._begun, job)
            await self._tried(job, work)
            if not job.halfway:
                with suppress(OSError):
                    self._note.unlink(missing_ok=True)
        finally:
            work.close()
            job.running = False

    async def _tried(self, job: Job, work: Any) -> None:
        try:
            await work
        except _GivenUp:
            log.event("stick given up")
        except Refused as refused:
            job.error, job.code, job.halfway = _said(refused), refused.code, refused.code in STORE_SAID
        except OSError as error:
            log.event("stick failed", exception=error)
            job.error, job.halfway = "没有写成，磁盘可能满了或不能写。请清出空间再试。", True
        except Exception as error:  # noqa: BLE001, said on the page, and in the log
            log.event("stick failed", exception=error)
            job.error, job.halfway = "没有做成，本机程序遇到没有料到的情况，已经记下。", True


def _said(refused: Refused) -> str:
    return STORE_SAID.get(refused.code, refused.sentence)


def _desk(request: Request) -> Desk:
    state = request.app.state
    if getattr(state, "sticks", None) is None:
        state.sticks = Desk(_folder(request) / sticks.FOLDER)
    return state.sticks


def _may(request: Request) -> None:
    if not actor_of(request).powers & MAY:
        raise Refused("not_allowed", what="用优盘导出、导入")


def _folder(request: Request) -> Path:
    """Raises Refused page_unknown where a node keeps nothing on a disk."""
    folder: Path | None = getattr(node_of(request), "folder", None)
    if folder is None:
        raise Refused("page_unknown")
    return folder


@get("/stick")
async def stick_page(request: Request) -> Response[Any]:
    _may(request)
    return await _shown(request)


async def _shown(request: Request, status: int = 200, **more: Any) -> Response[Any]:
    node, job = node_of(request), _desk(request).seen()
    if job is None or not job.running:  # what is being made has no date of its own yet
        sticks.tidy(_folder(request), node.clock() / 1000)
    above, others = sticks.receivers(node)
    if wants_json(request):
        files = [file.name for file in _desk(request).files()]
        return twin({"job": _twin(job), "files": files, "receivers": [c.node for c in (*above, *others)], **more}, status)
    options = [("上级", [(c.node, c.name) for c in above]), ("别的机器", [(c.node, c.name) for c in others])]
    options = [(group, some) for group, some in options if some]
    return await page(request, "stick.html", status=status, options=options, **_context(request, job), **more)


async def _refused(request: Request, refusal: Refused) -> Response[Any]:
    return refused_twin(request, refusal) if wants_json(request) else await _shown(request, refusal.status, sentence=_said(refusal))


def _context(request: Request, job: Job | None) -> dict[str, Any]:
    parts = [(file.name, file.stat()) for file in _desk(request).files()]
    made_ms = int(parts[0][1].st_mtime * 1000) if parts else 0
    return {"job": job, "parts": [(name, found.st_size) for name, found in parts], "made_ms": made_ms}


def _twin(job: Job | None) -> dict[str, Any] | None:
    if job is None:
        return None
    parts = [file.name for file in job.made.files] if job.made else []
    said = {
        "what": job.what,
        "to": job.to,
        "running": job.running,
        "given_up": job.stopping,
        "percent": job.percent,
        "error": job.error,
        "parts": parts,
    }
    return {**said, "entries": job.made.entries if job.made else 0, "told": job.told}


@get("/stick/job", polled=True)
async def job_live(request: Request) -> Response[Any]:
    _may(request)
    job = _desk(request).seen()
    return twin({"job": _twin(job)}) if wants_json(request) else fragment(request, "_stick_job.html", **_context(request, job))


@post("/stick/export", status_code=200)
async def export(request: Request) -> Response[Any]:
    _may(request)
    node, folder = node_of(request), _folder(request) / sticks.FOLDER
    form = {name: values[0] for name, values in forms.typed((await request.form()).multi_items()).items()}
    above, others = sticks.receivers(node)
    to = next((c for c in (*above, *others) if c.node == form.get("to")), None)
    try:
        if to is None:
            raise Refused("field_missing", field="to", what="给哪台机器")
        job = Job("export", to.name)
        _desk(request).begin(job, _export(node, job, to, folder, form.get("files") == "on"))
    except Refused as refusal:
        return await _refused(request, refusal)
    return twin({"job": _twin(job)}) if wants_json(request) else Redirect("/stick", status_code=303)


async def _export(node: Any, job: Job, to: Any, folder: Path, with_files: bool) -> None:
    sticks.empty(folder)
    stem = "-".join(["一地", _safe(node.name), "给", _safe(to.name), local_date(node.clock()).strftime("%m%d")])
    try:
        job.made = await sticks.write(node, to.node, folder, stem, node.clock(), with_files, _into(job))
    except Exception:
        sticks.empty(folder)
        raise


def _safe(name: str) -> str:
    return "".join(c for c in name if c.isalnum())[:NAME_CHARS_MAX] or "本机"


def _into(job: Job) -> sticks.Progress:
    def progress(done: int, total: int) -> None:
        job.done, job.total = done, total
        if job.stopping and done < total:
            raise _GivenUp

    return progress


@get("/stick/files/{name:str}")
async def download(request: Request, name: FromPath[str]) -> Response[Any]:
    _may(request)
    file = next((file for file in _desk(request).files() if file.name == name), None)
    if file is None:
        return await _refused(request, Refused("stick_gone"))
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}", "Cache-Control": "no-store"}
    return Response(await asyncio.to_thread(file.read_bytes), media_type="application/octet-stream", headers=headers)


@post("/stick/import", status_code=200, too_large="stick_too_large", form_at="/stick")
async def import_(request: Request) -> Response[Any]:
    _may(request)
    node = node_of(request)
    sent = files.uploads(await request.form())
    try:
        if node.stopped() if hasattr(node, "stopped") else "":
            raise Refused(node.stopped())
        if not sent:
            raise Refused("field_missing", field="file", what="优盘上的文件（.yidi）")
        raw = await sent[0].read()
        job = Job("import")
        _desk(request).begin(job, _import(node, job, raw))
    except Refused as refusal:
        return await _refused(request, refusal)
    return twin({"job": _twin(job)}) if wants_json(request) else Redirect("/stick", status_code=303)


async def _import(node: Any, job: Job, raw: bytes) -> None:
    try:
        job.told = await sticks.read(node, raw, node.clock(), _into(job))
    except _GivenUp:
        await node.admission.settled()
        raise


@post("/stick/cancel", status_code=200)
async def cancel(request: Request) -> Response[Any]:
    _may(request)
    _desk(request).give_up()
    return await job_live.fn(request) if is_htmx(request) or wants_json(request) else Redirect("/stick", status_code=303)


@get(["/stick/export", "/stick/import", "/stick/cancel"])
async def asked_anew() -> Redirect:
    """The address of an answer: of a page that is loaded anew, or after the sign-in that it led to."""
    return Redirect("/stick", status_code=303)


def routes() -> list:
    return [stick_page, job_live, export, download, import_, cancel, asked_anew]
