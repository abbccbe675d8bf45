"""Attachments: taken with a form or afterwards, kept encrypted by blobs, and shown to whoever may see the case.

A file is written first, then its entry; the same upload sent again is the same command, so it is attached once. Lists show the
thumbnail; the full file of a wider place comes when somebody opens it, and until it is here the page says how far it is.
"""

from collections.abc import Awaitable, Sequence
from typing import Any, Final
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath

from protocol.case import Attachment
from protocol.commands import AddEvidence, Blob
from protocol.events import Actor
from protocol.node.blobs import CIPHER_EXTRA_BYTES
from protocol.node.scrubbing import want_again
from protocol.node.uploads import command_of
from protocol.node.web import pieces
from protocol.node.web.page import actor_of, fragment, is_htmx, node_of, refused, wants_json
from protocol.node.web.ranges import part_of
from protocol.problem import Refused

PICTURES: Final = ("image/jpeg", "image/png", "image/webp")
FILES_MAX: Final = 20  # of one form: each is read, encrypted and written before it answers
SOUNDS: Final = ("audio/mpeg", "audio/mp4", "audio/webm", "audio/ogg", "audio/wav")
SHOWN: Final = (*PICTURES, "application/pdf", *SOUNDS)
STILL: Final = {"counts": {}, "link": None, "path": "", "still": True}  # of a page without a stream
WHAT_BY_MIME: Final = {"image": "photo", "audio": "voice", "application": "paper"}


def uploads(sent: Any) -> list[UploadFile]:
    """The files of a form; a file input left empty sends one without a name."""
    return [value for _, value in sent.multi_items() if isinstance(value, UploadFile) and value.filename]


async def put(node: Any, upload: UploadFile, what: str = "") -> Blob:
    """Raises Refused (field files) file_too_large, file_kind, disk_full."""
    mime = upload.content_type or "application/octet-stream"
    try:
        return await node.blobs.put(await upload.read(), upload.filename, mime, what or WHAT_BY_MIME.get(mime.split("/")[0], "other"))
    except Refused as refusal:
        raise Refused(refusal.code, field="files", **refusal.words) from refusal


Taken = tuple[Blob, Blob | None, str]  # a file, its thumbnail, if one was made, and which file it is: see command_of


async def taken(node: Any, actor: Actor, sent: Any, case: str = "", what: str = "") -> list[Taken]:
    """All files of a form, those it carries and those that were sent in pieces. case: where they may stand already.

    Raises files_too_many before any is written, and what `put` and `pieces.all_taken` raise, with the field `files`.
    """
    try:
        some, carried = pieces.named(sent.getall("upload", [])), uploads(sent)
        if (have := len(some) + len(carried)) > FILES_MAX:
            raise Refused("files_too_many", most=FILES_MAX, have=have)
        known = (await node.reads.case(actor, case)).blobs if case and some else ()
        found: list[Taken] = [(*blobs, one.sum) for one, blobs in zip(some, await pieces.all_taken(node, actor, some, known), strict=True)]
    except Refused as refusal:
        raise Refused(refusal.code, field="files", **refusal.words) from refusal
    blobs = [await put(node, upload, what) for upload in carried]
    return [*found, *[(blob, None, blob.address) for blob in blobs]]


async def attach(node: Any, actor: Actor, case: str, command: str, files: list[Taken], note: str = "") -> list[Any]:
    """One AddEvidence a file, with ids derived from the command that brought them. Returns the outcomes."""
    evidence = [AddEvidence(id=command_of(command, which), case=case, blob=blob, note=note, thumb=thumb) for blob, thumb, which in files]
    return [await node.desk.submit(command, actor) for command in evidence]


@get("/files/{case:str}/{address:str}", polled=True)
async def show_file(request: Request, case: FromPath[str], address: FromPath[str]) -> Response[Any]:
    """The plain bytes. Only files of a case that the asker may see; never an address alone."""
    return await sent_file(request, node_of(request).reads.case(actor_of(request), case), address, f"/cases/{case}#files")


@post("/files/{case:str}/{address:str}", status_code=303)
async def leave_file(request: Request, case: FromPath[str], address: FromPath[str]) -> Response[Any]:
    """Whoever opened it waits for it no more."""
    seen = await node_of(request).reads.case(actor_of(request), case)
    return await left(request, held(seen.blobs, address), f"/cases/{case}#files")


async def left(request: Request, blob: Blob, to: str) -> Response[Any]:
    pump = getattr(node_of(request), "pump", None)
    if pump is not None:
        await pump.give_up_blob(blob.address)
    return Response("", status_code=303, headers={"Location": to})


def held(attachments: Sequence[Attachment], address: str) -> Blob:
    """The file or thumbnail of this address. Raises Refused file_gone."""
    for attachment in attachments:
        for blob in (attachment.blob, attachment.thumb):
            if blob is not None and blob.address == address:
                return blob
    raise Refused("file_gone")


async def shown_of(node: Any, attachments: Sequence[Attachment]) -> dict[str, str]:
    """Address of a file → of what to show in a list: its thumbnail, else itself where it is a picture and is here, else ""."""
    shown = {}
    for a in attachments:
        itself = a.blob.mime in PICTURES and node.blobs.has(a.blob.address)
        shown[a.blob.address] = a.thumb.address if a.thumb and node.blobs.has(a.thumb.address) else a.blob.address if itself else ""
    return shown


def sounds_of(node: Any, attachments: Sequence[Attachment]) -> set[str]:
    """Addresses of what can be listened to on the page: sound that is here."""
    return {a.blob.address for a in attachments if a.blob.mime in SOUNDS and node.blobs.has(a.blob.address)}


async def sent_file(request: Request, holder: Awaitable[Any], address: str, back: str) -> Response[Any]:
    """holder: the case or task as whoever asks may see it · back: its page, with the file in sight."""
    try:
        blob = held((await holder).blobs, address)
    except Refused as refusal:
        if wants_json(request) or not _is_page(request):
            raise
        return _over(request, back if refusal.code == "file_gone" else "/cases", refusal.status, refusal=refusal)
    if is_htmx(request) and "open" in request.query_params:
        return Response("", headers={"HX-Redirect": request.url.path})
    return await _bytes_of(request, blob, back)


def _is_page(request: Request) -> bool:
    """Claims that a person looks at what is answered: not a program, nor a picture on a page."""
    return is_htmx(request) or "text/html" in request.headers.get("accept", "")


def _over(request: Request, back: str, status: int = 200, **context: Any) -> Response[Any]:
    """Nothing is waited for any more: the file has come (blob), or there is none (refusal). The page that waited asks no more."""
    context |= {"back": back, "shown": SHOWN}
    if is_htmx(request):
        return fragment(
            request, "_file_over.html", status=status, headers={"HX-Retarget": "#file-wait", "HX-Reswap": "outerHTML"}, **context
        )
    return fragment(request, "file_wait.html", status=status, **STILL, **context)


async def _bytes_of(request: Request, blob: Blob, back: str) -> Response[Any]:
    """Pictures, sound and PDF open in the browser, anything else is only saved; nothing in it can run. A player gets the part that it asks for:
    one cipher covers all of a file, so it is read whole and then cut.
    """
    node = node_of(request)
    try:
        plain = await node.blobs.get(blob)
    except Refused:  # not what it was: set apart, and fetched again from whoever has it
        await want_again(node.journal, blob.address)
        plain = None
    if plain is None:
        return await _waiting(request, blob)
    if is_htmx(request):  # the page that waited for it: what a browser only saves would be saved again and again
        return _over(request, back, blob=blob)
    way = "inline" if blob.mime in SHOWN else "attachment"
    media = "media-src 'self'; " if blob.mime in SOUNDS else ""  # the browser's own player asks for the same address once more
    headers = {
        "Content-Disposition": f"{way}; filename*=UTF-8''{quote(blob.name)}",
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": f"default-src 'none'; {media}style-src 'unsafe-inline'; frame-ancestors 'self'",
    }
    kind = blob.mime if way == "inline" else "application/octet-stream"
    if blob.mime not in SOUNDS:  # a part costs as much as the whole, which is opened as one: only players need parts
        return Response(plain, media_type=kind, headers=headers)
    whole = f'"{blob.address}"'  # the address is a hash of what it holds
    headers |= {"Accept-Ranges": "bytes", "ETag": whole}
    part = part_of(request.headers.get("range", ""), len(plain)) if request.headers.get("if-range", whole) == whole else None
    if part is None:
        return Response(plain, media_type=kind, headers=headers)
    if not part:
        return Response(b"", status_code=416, media_type=kind, headers={**headers, "Content-Range": f"bytes */{len(plain)}"})
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(plain)}"
    return Response(plain[part.start : part.stop], status_code=206, media_type=kind, headers=headers)


async def _waiting(request: Request, blob: Blob) -> Response[Any]:
    """It is fetched now; a person sees how far it has come and what holds it up, and the page asks again by itself."""
    pump = getattr(node_of(request), "pump", None)
    if pump is not None:
        (pump.still_wants_blob if is_htmx(request) else pump.want_blob)(blob.address)
    refusal = Refused("file_not_here")
    if wants_json(request) or pump is None or not _is_page(request):
        return refused(request, refusal)
    wait = pump.wait_for(blob.address, blob.size + CIPHER_EXTRA_BYTES)
    percent = min(wait.have * 100 // max(wait.total, 1), 99)
    if is_htmx(request):
        return fragment(request, "_file_wait.html", wait=wait, percent=percent)
    return fragment(request, "file_wait.html", status=202, blob=blob, wait=wait, percent=percent, **STILL)


def routes() -> list:
    return [show_file, leave_file, *pieces.routes()]
