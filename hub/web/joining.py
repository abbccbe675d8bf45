"""POST /invitations: a new computer is asked to join, with its first person, and 各地机器 says step by step what to type there.

Who may: whoever administers or supervises here and may register people. The code is shown once. The same form sent twice is one person;
each answer has a code of its own, and one machine joins by one of them. Whoever asks for that address anew gets 各地机器.
"""

from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.response import Redirect

from hub.enrolment import Enrolment
from hub.web import nodes
from protocol.commands import GivePost, RegisterPerson
from protocol.entry import derive
from protocol.events import Actor
from protocol.node.people import check_account
from protocol.node.web import forms
from protocol.node.web.page import actor_of, node_of, page, twin, wants_json
from protocol.people_rules import FIRST_POSTS
from protocol.place import tier
from protocol.problem import Refused

NAME_CHARS_MAX: Final = 40


class Invited(msgspec.Struct, frozen=True):
    """name: of the place · code: told once · account: of the first person there."""

    name: str
    code: str
    account: str


def invitation_route(enrolment: Enrolment) -> Router:
    @post("/", status_code=200)
    async def invite(request: Request) -> Response[Any]:
        actor = actor_of(request)
        if not nodes.may_invite(actor):
            raise Refused("not_allowed", what="发登记码")
        form = {name: values[0] for name, values in forms.typed((await request.form()).multi_items()).items()}
        try:
            made = await _invited(request, enrolment, actor, form)
        except Refused as refusal:
            if wants_json(request) or not refusal.field:
                raise
            wrong = {"form": form, "wrong": {refusal.field: refusal.sentence}}
            context = await nodes.nodes_context(request) | wrong
            return await page(request, "nodes.html", status=refusal.status, live=nodes.LIVE, **context)
        if wants_json(request):
            return twin(made, 201)
        alone = enrolment.dialled_here_alone()
        return await page(request, "nodes.html", live=nodes.LIVE, invited=made, alone=alone, **await nodes.nodes_context(request))

    @get("/")
    async def asked_anew() -> Redirect:
        return Redirect("/nodes", status_code=303)

    return Router("/invitations", route_handlers=[invite, asked_anew])


async def _invited(request: Request, enrolment: Enrolment, actor: Actor, form: dict[str, str]) -> Invited:
    """All is looked at before anything is written. Raises Refused with the field that is wrong."""
    node, place = node_of(request), form.get("place", "")
    tables = node.tables()
    if not tables.is_place(place) or place == actor.office:
        raise Refused("field_impossible", field="place", what="哪个地方", why="请选一个村或乡镇")
    name, account, leaf = (form.get(field, "") for field in ("name", "account", "leaf"))
    if not name or len(name) > NAME_CHARS_MAX:
        raise Refused("field_missing", field="name", what="第一个使用人的姓名")
    check_account(account)
    place_name, command_id = tables.place_name(place), form.get("command_id", "")
    person = derive(command_id, "person")
    code = await enrolment.invite(place=place, name=place_name, leaf=leaf, account=account, person=person)
    kind = FIRST_POSTS[tier(place)]
    post_id = f"{kind}.{derive(command_id, 'post')[:8]}"
    await node.desk.submit(RegisterPerson(id=command_id, person=person, office=place, name=name), actor)
    given = GivePost(id=derive(command_id, "give"), post=post_id, person=person, office=place, title=tables.post_name(kind))
    await node.desk.submit(given, actor)
    return Invited(place_name, code, account)
