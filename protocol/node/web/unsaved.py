"""草稿: what a form asks the node to keep while it is being typed, and to give back when it is opened again.

    POST /drafts         {form, tab, command, turn, unsure, fields}   → {"kept": "10:32"}, or {"sealed": true} and nothing is kept
    POST /drafts/find    {forms: […]}                                 → {"drafts": […], "saved": […]} of the person who asks
    POST /drafts/drop    {form, tab}

What is, or sounds like, an accusation is kept nowhere and wiped where it was: it belongs into 密封转交.
"""

from typing import Any, Final, TypeVar

import msgspec
from litestar import Request, Response, post

from protocol import suggest
from protocol.entry import derive
from protocol.node.unsaved import Draft
from protocol.node.web.page import actor_of, node_of, twin
from protocol.node.web.words import local
from protocol.problem import Refused

SEALS: Final = ("/seal", "/SealCase")
FORMS_MAX: Final = 200  # of one page
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


def is_sealed(request: Request, draft: Draft) -> bool:
    tables = node_of(request).tables()
    if any(word in draft.form for word in SEALS):
        return True
    said: dict[str, str] = {name: value for name, value in draft.fields if value}
    if said.get("type") in tables.types and tables.type_flag(said["type"], "sealed"):
        return True
    return suggest.accuses("\n".join(value for _, value in draft.fields), tables, local(node_of(request).clock()).date())


@post("/drafts", status_code=200)
async def keep(request: Request) -> Response[Any]:
    node, person, draft = node_of(request), actor_of(request).person, await _asked(request, Draft)
    if is_sealed(request, draft):
        await node.unsaved.drop(person, draft.form, draft.tab)
        return twin({"sealed": True})
    return twin({"kept": f"{local(await node.unsaved.keep(person, draft)):%H:%M}"})


@post("/drafts/find", status_code=200)
async def find(request: Request) -> Response[Any]:
    node, person, asked = node_of(request), actor_of(request).person, set((await _asked(request, Found)).forms[:FORMS_MAX])
    drafts = [draft for draft in await node.unsaved.of(person) if draft.form in asked]
    done = await node.unsaved.saved(person, drafts)
    saved = [
        {"form": one.form, "tab": one.tab, "case": derive(one.command, "case") if one.form.startswith("/cases ") else ""} for one in done
    ]
    return twin({"drafts": [draft for draft in drafts if draft not in done], "saved": saved})


@post("/drafts/drop", status_code=200)
async def drop(request: Request) -> Response[Any]:
    asked = await _asked(request, Dropped)
    await node_of(request).unsaved.drop(actor_of(request).person, asked.form, asked.tab)
    return twin({"dropped": True})


def routes() -> list:
    return [keep, find, drop]
