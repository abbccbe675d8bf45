"""Attachments: taken with a form or afterwards, kept encrypted by blobs, and shown to whoever may see the case.

A file is written first, then its entry; the same upload sent again is the same command, so it is attached once.
"""

from typing import Any, Final
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath

from protocol.commands import AddEvidence, Blob
from protocol.entry import derive
from protocol.events import Actor
from protocol.node.scrubbing import want_again
from protocol.node.web import forms
from protocol.node.web.page import actor_of, is_htmx, node_of, refused, twin, wants_json
from protocol.problem import Refused

FILES_MAX: Final = 20
SHOWN: Final = (
    "image/jpeg",
    "image/png",
    "image/webp",
    "application/pdf",
    "audio/mpeg",
    "audio/mp4",
    "audio/webm",
    "audio/ogg",
    "audio/wav",
)
WHAT_BY_MIME: Final = {"image": "photo", "audio": "voice", "application": "paper"}


def uploads(sent: Any) -> list[UploadFile]:
    """The files of a form; a file input left empty sends one without a name."""
    return [value for _, value in sent.multi_items() if isinstance(value, UploadFile) and value.filename][:FILES_MAX]


async def put(node: Any, upload: UploadFile, what: str = "") -> Blob:
    """Raises Refused (field files) file_too_large, file_kind, disk_full."""
    mime = upload.content_type or "application/octet-stream"
    try:
        return await node.blobs.put(await upload.read(), upload.filename, mime, what or WHAT_BY_MIME.get(mime.split("/")[0], "other"))
    except Refused as refusal:
        raise Refused(refusal.code, field="files", **refusal.words) from refusal


async def attach(node: Any, actor: Actor, case: str, command: str, blobs: list[Blob], note: str = "") -> list[Any]:
    """One AddEvidence a file, with ids derived from the command that brought them. Returns the outcomes."""
    evidence = [AddEvidence(id=derive(command, f"file {n}"), case=case, blob=blob, note=note) for n, blob in enumerate(blobs)]
    return [await node.desk.submit(command, actor) for command in evidence]


@post("/cases/{subject:str}/files", status_code=200)
async def add_files(request: Request, subject: FromPath[str]) -> Response[Any]:
    node, actor = node_of(request), actor_of(request)
    sent = await request.form()
    form = forms.typed(sent.multi_items())
    command, note, what = ((form.get(name) or [""])[0] for name in ("command_id", "note", "what"))
    try:
        if not (files := uploads(sent)):
            raise Refused("field_missing", field="files", what="要附的文件")
        blobs = [await put(node, upload, what) for upload in files]
        outcomes = await attach(node, actor, subject, command or request.app.state.new_id(), blobs, note[:200])
    except Refused as refusal:
        return refused(request, refusal)
    if wants_json(request):
        entries = [{"ledger": ledger, "origin": origin, "seq": seq} for o in outcomes for ledger, origin, seq in o.entries]
        return twin({"case": subject, "addresses": [blob.address for blob in blobs], "entries": entries}, 201)
    if is_htmx(request):
        return Response("", headers={"HX-Redirect": f"/cases/{subject}#files"})
    return Response("", status_code=303, headers={"Location": f"/cases/{subject}#files"})


@get("/files/{case:str}/{address:str}")
async def show_file(request: Request, case: FromPath[str], address: FromPath[str]) -> Response[Any]:
    """The plain bytes. Only files of a case that the asker may see; never an address alone."""
    node = node_of(request)
    seen = await node.reads.case(actor_of(request), case)
    held = next((attachment.blob for attachment in seen.blobs if attachment.blob.address == address), None)
    if held is None:
        raise Refused("page_unknown")
    return await sent_file(request, held)


async def sent_file(request: Request, blob: Blob) -> Response[Any]:
    """Pictures, sound and PDF open in the browser, anything else is only saved; nothing in it can run."""
    node = node_of(request)
    try:
        plain = await node.blobs.get(blob)
    except Refused:  # not what it was: set apart, and fetched again from whoever has it
        await want_again(node.journal, blob.address)
        plain = None
    if plain is None:
        if pump := getattr(node, "pump", None):
            pump.want_blob(blob.address)
        return refused(request, Refused("file_not_here"))
    way = "inline" if blob.mime in SHOWN else "attachment"
    headers = {
        "Content-Disposition": f"{way}; filename*=UTF-8''{quote(blob.name)}",
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
    }
    return Response(plain, media_type=blob.mime if way == "inline" else "application/octet-stream", headers=headers)


def routes() -> list:
    return [add_files, show_file]
