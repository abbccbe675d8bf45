"""Files sent in pieces, by a desk's page or a phone: asked about first, resumed after any cut, refused in words before a byte travels.

    POST /uploads                     JSON {sum, size, name, mime, person?, case?, task?} → {have, size, piece, here}
    PUT /uploads/{sum}?size=&offset=  the piece itself → {have, size}; the first is refused where it shows no kind that is taken
    DELETE /uploads/{sum}?size=       given up

Then the form or command that attaches carries `upload` fields, JSON {sum, size, name, mime, what, thumb}, instead of files. `here`: the
case (or task) has this very file already, so nothing is sent. Only within one case, and only for who may see it: whoever knows no
more than the hash of a file must not get the file by it. `thumb`: base64 of a JPEG of at most 20 KiB, made where the picture was chosen.
"""

from base64 import b64decode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, post, put
from litestar.params import FromPath, FromQuery

from protocol.case import Attachment
from protocol.commands import Blob
from protocol.events import Actor
from protocol.node.blobs import kind_of, shown_name
from protocol.node.uploads import PIECE_BYTES, THUMB_BYTES_MAX
from protocol.node.web.page import actor_of, carrier_of, node_of, twin
from protocol.problem import Refused

TAKEN: Final = ("image/", "audio/", "application/pdf", "video/webm", "video/mp4")  # a browser calls some recordings video
DRAWN: Final = "image/svg+xml"
COMPARED_MAX: Final = 20  # files of one size, read to see whether they are the same
Sum = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Short = Annotated[str, msgspec.Meta(max_length=200)]


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    sum: Sum
    size: Annotated[int, msgspec.Meta(ge=1, lt=2**40)]
    name: Short = ""
    mime: Short = ""
    person: Short = ""
    case: Short = ""
    task: Short = ""


class Sent(msgspec.Struct):
    """What an `upload` field names."""

    sum: Sum
    size: Annotated[int, msgspec.Meta(ge=1, lt=2**40)]
    name: Short = "附件"
    mime: Short = ""
    what: Short = "photo"
    thumb: Annotated[str, msgspec.Meta(max_length=THUMB_BYTES_MAX * 2)] = ""


_asked, _sent = msgspec.json.Decoder(Asked), msgspec.json.Decoder(Sent)


@post("/uploads", status_code=200)
async def ask(request: Request) -> Response[bytes]:
    node, actor = node_of(request), actor_of(request)
    asked = _read(_asked, await request.body())
    if asked.person not in ("", actor.person):
        raise Refused("sign_in_needed")
    if asked.mime and not asked.mime.startswith(TAKEN):
        raise Refused("file_kind", what=asked.name)
    who = await carrier_of(request) if asked.person and asked.task else actor  # a phone names its person
    if await _same(node, await _attachments(node, who, asked.case, asked.task), asked.sum, asked.size):
        return twin({"have": asked.size, "size": asked.size, "piece": PIECE_BYTES, "here": True})
    half = await node.uploads.ask(actor.person, asked.sum, asked.size)
    return twin({"have": half.have, "size": half.size, "piece": PIECE_BYTES, "here": False})


@put("/uploads/{sum_:str}", status_code=200)
async def write(request: Request, sum_: FromPath[str], size: FromQuery[int], offset: FromQuery[int]) -> Response[bytes]:
    piece = await request.body()
    if not offset and not kind_of(piece, DRAWN):  # a browser's word for a kind is none, and to say so at saving is late
        raise Refused("file_kind_unread")
    half = await node_of(request).uploads.write(actor_of(request).person, sum_, size, offset, piece)
    return twin({"have": half.have, "size": half.size})


@delete("/uploads/{sum_:str}", status_code=200)
async def give_up(request: Request, sum_: FromPath[str], size: FromQuery[int]) -> Response[bytes]:
    await node_of(request).uploads.drop(actor_of(request).person, sum_, size)
    return twin({"have": 0, "size": size})


# ── for the pages that attach ──


def named(values: Iterable[Any]) -> list[Sent]:
    """The `upload` fields of a form. Raises Refused command_invalid."""
    return [_read(_sent, str(value).encode()) for value in values if value]


def read_kept(value: str) -> Sent | None:
    """An `upload` field of a draft; None where it is none."""
    try:
        return _sent.decode(value)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None


def is_of(value: str, sum_: str, size: int) -> bool:
    sent = read_kept(value)
    return sent is not None and (sent.sum, sent.size) == (sum_, size)


async def taken(node: Any, actor: Actor, sent: Sent, known: Sequence[Attachment] = ()) -> tuple[Blob, Blob | None]:
    """The blobs of a file and its thumbnail: of what was sent, or of the same file where it stands already (an answer got lost).

    Raises Refused upload_unknown, frame_broken, file_kind, store_full, disk_full.
    """
    try:
        blob = await node.uploads.take(actor.person, sent.sum, sent.size, sent.name, sent.mime, sent.what)
    except Refused as refusal:
        same = await _same(node, known, sent.sum, sent.size) if refusal.code == "upload_unknown" else None
        if same is None:
            raise
        return same.blob, same.thumb
    return blob, await _thumb(node, sent)


async def all_taken(node: Any, actor: Actor, some: Sequence[Sent], known: Sequence[Attachment]) -> list[tuple[Blob, Blob | None]]:
    """As `taken`, of each. Raises upload_unknown once, with the names of all that are not here."""
    found, missing = list[tuple[Blob, Blob | None]](), list[str]()
    for sent in some:
        try:
            found.append(await taken(node, actor, sent, known))
        except Refused as refusal:
            if refusal.code != "upload_unknown":
                raise
            missing.append(shown_name(sent.name))
    if missing:
        raise Refused("upload_unknown", what="、".join(missing))
    return found


async def forget(node: Any, actor: Actor, some: Iterable[Sent]) -> None:
    """Their entries are written: the halves are needed no more."""
    for sent in some:
        await node.uploads.drop(actor.person, sent.sum, sent.size)


async def _thumb(node: Any, sent: Sent) -> Blob | None:
    """None where none was made, or where it is no small JPEG: the file itself is what counts."""
    try:
        small = b64decode(sent.thumb, validate=True)
    except ValueError:
        return None
    if not 0 < len(small) <= THUMB_BYTES_MAX or kind_of(small, "") != "image/jpeg":
        return None
    return await node.blobs.put(small, sent.name, "image/jpeg", sent.what)


async def _attachments(node: Any, actor: Actor, case: str, task: str) -> Sequence[Attachment]:
    """Of what they may see; raises Refused case_unknown, task_unknown for the rest."""
    if case:
        return (await node.reads.case(actor, case)).blobs
    return (await node.reads.task(actor, task)).blobs if task else ()


async def _same(node: Any, known: Sequence[Attachment], sum_: str, size: int) -> Attachment | None:
    for one in [a for a in known if a.blob.size == size][:COMPARED_MAX]:
        try:
            plain = await node.blobs.get(one.blob)
        except Refused:
            continue  # damaged: it will be fetched again, and cannot vouch for anything now
        if plain is not None and sha256(plain).hexdigest() == sum_:
            return one
    return None


def _read(decoder: Any, raw: bytes) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.MsgspecError as error:
        raise Refused("command_invalid", why="附件") from error


def routes() -> list[Any]:
    return [ask, write, give_up]
