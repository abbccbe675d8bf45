"""Views of the board that a person named: kept by this node, for that person alone, shown as tabs and removable.

    POST /board/views           form: name and FILTERS → kept under that name (the same name: replaced), back to the view
    POST /board/views/remove    the same → gone, back to where he was

A view is what the address says, without the page. They are rows of the node's own store and never travel.
"""

from typing import Any, Final

import msgspec
from litestar import Request, Response, post

from protocol.access import CASE_POWERS
from protocol.node.journal import Journal
from protocol.node.web import forms
from protocol.node.web.page import actor_of, node_of, twin, wants_json
from protocol.problem import Refused

OF_PERSON_MAX: Final = 12  # as many tabs as stand in two lines at 1366 pixels
NAME_CHARS_MAX: Final = 16
FILTERS: Final = ("figure", "place", "type", "risk", "holder", "handler")


class View(msgspec.Struct, frozen=True, array_like=True):
    name: str
    figure: str
    place: str
    type: str = ""
    risk: str = ""
    holder: str = ""
    handler: str = ""

    @property
    def filters(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in FILTERS}


_decoder = msgspec.msgpack.Decoder(list[View])


def _key(person: str) -> str:
    return f"board {person}"


async def of(journal: Journal, person: str) -> list[View]:
    """In the order in which they were named."""
    raw = await journal.local(_key(person))
    return _decoder.decode(raw) if raw else []


async def keep(journal: Journal, person: str, view: View) -> None:
    """Raises Refused: field_missing, field_impossible (too long, too many)."""
    if not view.name:
        raise Refused("field_missing", field="name", what="视图的名字")
    if len(view.name) > NAME_CHARS_MAX:
        raise Refused("field_impossible", field="name", what="视图的名字", why=f"最多 {NAME_CHARS_MAX} 个字")
    kept = await of(journal, person)
    after = [view if one.name == view.name else one for one in kept]
    if view not in after:
        after.append(view)
    if len(after) > OF_PERSON_MAX:
        raise Refused("field_impossible", field="name", what="视图", why=f"最多存 {OF_PERSON_MAX} 个，请先去掉一个")
    await _write(journal, person, after)


async def remove(journal: Journal, person: str, name: str) -> None:
    await _write(journal, person, [one for one in await of(journal, person) if one.name != name])


async def _write(journal: Journal, person: str, views: list[View]) -> None:
    async with journal.writing() as w:
        await w.set_local(_key(person), msgspec.msgpack.encode(views))


async def _asked(request: Request) -> View:
    """Raises Refused not_allowed for a post without a board."""
    actor = actor_of(request)
    if not actor.powers & CASE_POWERS:
        raise Refused("not_allowed", what="保存看板的视图")
    form = forms.shown(forms.typed((await request.form()).multi_items()))
    return View(*(str(form.get(name, ""))[:200].strip() for name in ("name", *FILTERS)))


def routes(address: Any) -> list[Any]:
    """address(FILTERS) → the board with these; what is no filter of it reads as the default."""

    @post("/board/views", status_code=200)
    async def save(request: Request) -> Response[Any]:
        view, journal, person = await _asked(request), node_of(request).journal, actor_of(request).person
        await keep(journal, person, view)
        return await _back(request, address(view.filters))

    @post("/board/views/remove", status_code=200)
    async def forget(request: Request) -> Response[Any]:
        view, journal, person = await _asked(request), node_of(request).journal, actor_of(request).person
        await remove(journal, person, view.name)
        return await _back(request, address(view.filters))

    return [save, forget]


async def _back(request: Request, to: str) -> Response[Any]:
    if wants_json(request):
        return twin({"views": await of(node_of(request).journal, actor_of(request).person)})
    return Response("", status_code=303, headers={"Location": to})
