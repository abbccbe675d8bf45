"""A page's form that is one command: sent to the desk, shown again with what was wrong, or left for the page of what came of it."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request, Response

from protocol.node.desk import Outcome
from protocol.node.web.forms import Filled
from protocol.node.web.page import actor_of, node_of, twin, wants_json
from protocol.node.web.register import outcome_twin
from protocol.problem import Refused

Again = Callable[[dict[str, str], Refused], Awaitable[Response[Any]]]


async def send(request: Request, filled: Filled, again: Again, to: Callable[[Outcome], str], status: int = 200) -> Response[Any]:
    """again: the form as it was typed, with field → sentence · to: the page that follows · status: of the JSON answer."""
    try:
        if filled.command is None:
            raise Refused("form_incomplete", count=len(filled.wrong))
        outcome = await node_of(request).desk.submit(filled.command, actor_of(request))
    except Refused as refusal:
        wrong = {**filled.wrong, **({refusal.field: refusal.sentence} if refusal.field else {})}
        if wants_json(request):
            return twin({"code": refusal.code, "sentence": refusal.sentence, "wrong": wrong}, refusal.status)
        return await again(wrong, refusal)
    if wants_json(request):
        return twin(outcome_twin(outcome), status)
    return Response("", status_code=303, headers={"Location": to(outcome)})
