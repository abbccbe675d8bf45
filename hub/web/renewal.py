"""POST /renewals/{node}: reason → a node is put out, if it is not yet, and its place is invited again with a new one-time code.

For a copied computer, a stolen or a lost one: whoever types the code at the machine in use goes on there under a new origin, all
others of its kind are out. Who may: whoever administers or supervises at this office. The code is shown once: whoever asks for that
address anew gets the page with the button that makes another, by which the first one is void.
"""

from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from hub.enrolment import Enrolment
from protocol.node.web import forms
from protocol.node.web.histories import WHY_RENEWED, shown
from protocol.node.web.page import actor_of, twin, wants_json
from protocol.problem import Refused

REASON_CHARS_MAX: Final = 100


class Made(msgspec.Struct, frozen=True):
    node: str
    name: str
    code: str


def renewal_route(enrolment: Enrolment) -> Router:
    @post("/", status_code=200)
    async def renew(request: Request, node: FromPath[str]) -> Response[Any]:
        if not actor_of(request).powers & {"admin", "supervise"}:
            raise Refused("not_allowed", what="停用机器、发登记码")
        typed = forms.typed((await request.form()).multi_items()).get("reason", [""])[0].strip()
        name, code = await enrolment.renew(node, typed[:REASON_CHARS_MAX] or WHY_RENEWED)
        made = Made(node, name, code)
        return twin(made, 201) if wants_json(request) else await shown(request, made=made)

    @get("/")
    async def asked_anew() -> Redirect:
        return Redirect("/forks", status_code=303)

    return Router("/renewals/{node:str}", route_handlers=[renew, asked_anew])
