"""草稿: what a form asks the node to keep while it is being typed, and to give back when it is opened again,
for the same office.

    POST /drafts         {form, tab, command, turn, unsure, fields}   → {"kept": "10:32"}, or {"sealed": true, "sentence": …, "to": …}, nothing is kept;
                                                                        to: where its case is sealed, "" where whoever asks may not
    POST /drafts/find    {forms: […]}                                 → {"drafts": […], "saved": […]} of the person who asks
    POST /drafts/drop    {form, tab}
    GET  /drafts/uploads/{sum}?size=      a picture that a draft of the person who asks names, for the row of its form
    GET  /drafts/open?of=&tab=      leads to the form that it belongs to; where that step is not offered any more its words are read there
    POST /drafts/forget      of, tab: thrown away there

For whom and by which post the page was made is none of it (whose.py): given back, the form of one post would be refused by another for good.
A file that was sent already is named by an `upload` field (pieces.py), and the form has it again; its small picture is made anew by the page, since
twenty of them are too much for a draft. One that is no longer here is given back as a field `lost`, its name; one whose page died while it was being
sent is a field `unsent`. Whoever is not given the draft gets no byte of its files.

What is, or sounds like, an accusation is kept nowhere and wiped where it was: it belongs into 密封转交.
"""

from typing import Any, Final, TypeVar

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from protocol import suggest
from protocol.entry import derive
from protocol.node.blobs import kind_of
from protocol.node.unsaved import UPLOAD, Draft
from protocol.node.web import carried, files, forms, pieces
from protocol.node.web.page import actor_of, in_language, node_of, twin
from protocol.node.web.words import local
from protocol.problem import Refused

SEALS: Final = ("/seal", "/SealCase")
FORMS_MAX: Final = 200  # of one page
LOST: Final = "lost"
NOT_KEPT: Final = "听起来是检举控告，这一稿没有存。"
SEALED_THERE: Final = "听起来是检举控告，这一稿没有存。检举控告不能写在这里：请改为密封，只有上级纪检能看。打开后，这里已写的不会保留。"
_Asked = TypeVar("_Asked")


class Found(msgspec.Struct, frozen=True):
    forms: list[str]


class Dropped(msgspec.Struct, frozen=True):
    form: str
    tab: str


async def _asked(request: Request, kind: type[_Asked]) -> _Asked:
    """Raises Refused form_incomplete."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Refused("form_incomplete", count=1) from None


def _typed(draft: Draft) -> Draft:
    """Also of one that was kept with the rest."""
    return msgspec.structs.replace(draft, fields=[field for field in draft.fields if field[0] not in forms.OF_PAGE])


def is_sealed(request: Request, draft: Draft) -> bool:
    tables = node_of(request).tables()
    if any(word in draft.form for word in SEALS):
        return True
    said: dict[str, str] = {name: value for name, value in draft.fields if value}
    if said.get("type") in tables.types and tables.type_flag(said["type"], "sealed"):
        return True
    return suggest.accuses("\n".join(value for _, value in draft.fields), tables, local(node_of(request).clock()).date())


async def _sealing(request: Request, draft: Draft) -> str:
    """The way to seal the case that the form is about, for whoever may."""
    match draft.form.partition(" ")[0].strip("/").split("/"):
        case ["cases", subject, _]:
            path = f"/cases/{subject}/seal"
            return path if await carried.is_offered(request, path, "", {}) else ""
    return ""


async def _with_lost(node: Any, person: str, draft: Draft) -> Draft:
    fields = list[tuple[str, str]]()
    for name, value in draft.fields:
        if name != UPLOAD:
            fields.append((name, value))
        elif sent := pieces.read_kept(value):
            here = await node.uploads.is_whole(person, sent.sum, sent.size)
            fields.append((name, value) if here else (LOST, sent.name))
    return msgspec.structs.replace(draft, fields=fields)


@post("/drafts", status_code=200)
async def keep(request: Request) -> Response[Any]:
    node, person, office = node_of(request), actor_of(request).person, actor_of(request).office
    draft = msgspec.structs.replace(_typed(await _asked(request, Draft)), office=office)
    if is_sealed(request, draft):
        await node.unsaved.drop(person, draft.form, draft.tab, office)
        to = await _sealing(request, draft)
        return twin({"sealed": True, "sentence": in_language(request, SEALED_THERE if to else NOT_KEPT), "to": to})
    return twin({"kept": f"{local(await node.unsaved.keep(person, draft)):%H:%M}"})


@post("/drafts/find", status_code=200)
async def find(request: Request) -> Response[Any]:
    node, person, asked = node_of(request), actor_of(request).person, set((await _asked(request, Found)).forms[:FORMS_MAX])
    drafts = [draft for draft in await node.unsaved.of(person, actor_of(request).offices) if draft.form in asked]
    done = await node.unsaved.saved(person, drafts)
    saved = [
        {"form": one.form, "tab": one.tab, "case": derive(one.command, "case") if one.form.startswith("/cases ") else ""} for one in done
    ]
    left = [await _with_lost(node, person, _typed(draft)) for draft in drafts if draft not in done]
    return twin({"drafts": left, "saved": saved})


@post("/drafts/drop", status_code=200)
async def drop(request: Request) -> Response[Any]:
    asked = await _asked(request, Dropped)
    await node_of(request).unsaved.drop(actor_of(request).person, asked.form, asked.tab, actor_of(request).office)
    return twin({"dropped": True})


@get("/drafts/uploads/{sum_:str}")
async def picture(request: Request, sum_: FromPath[str], size: FromQuery[int]) -> Response[Any]:
    """Nothing in it can run, and no browser keeps it. Raises Refused page_unknown, upload_unknown, frame_broken."""
    node, actor = node_of(request), actor_of(request)
    fields = [field for draft in await node.unsaved.of(actor.person, actor.offices) for field in draft.fields]
    if not any(name == UPLOAD and pieces.is_of(value, sum_, size) for name, value in fields):
        raise Refused("page_unknown")
    plain = await node.uploads.read(actor.person, sum_, size)
    kind = kind_of(plain, "")
    if kind not in files.PICTURES:
        raise Refused("page_unknown")
    return Response(plain, media_type=kind, headers={"Cache-Control": "private, no-store", "Content-Security-Policy": "default-src 'none'"})


@get("/drafts/open")
async def open_draft(request: Request, of: FromQuery[str] = "", tab: FromQuery[str] = "") -> Response[Any]:
    drafts = await node_of(request).unsaved.of(actor_of(request).person, actor_of(request).offices)
    draft = next((one for one in drafts if (one.form, one.tab) == (of, tab)), None)
    path, _, about = of.partition(" ")
    if draft is None:  # saved or thrown away since
        return Redirect("/", status_code=303)
    form = forms.typed(draft.fields)
    if await carried.is_offered(request, path, about, form):
        return Redirect(carried.page_of(path, about, draft.command), status_code=303)
    return await carried.left(request, path, form, draft)


@post("/drafts/forget")
async def forget(request: Request) -> Redirect:
    form = {name: values[0] for name, values in forms.typed((await request.form()).multi_items()).items()}
    unsaved, actor = node_of(request).unsaved, actor_of(request)
    for draft in await unsaved.of(actor.person, actor.offices):
        if (draft.form.strip(), draft.tab) == (form.get("of", ""), form.get("tab", "")):
            await unsaved.drop(actor.person, draft.form, draft.tab, draft.office)
    return Redirect("/", status_code=303)


def routes() -> list:
    return [keep, find, drop, picture, open_draft, forget]
