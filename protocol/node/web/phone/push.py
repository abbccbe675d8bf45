"""Whether this phone is knocked at when its page is closed.

POST /task/push   endpoint, on ("1": this phone has it · "": no more) → {on}; 422 push_refused where the node does not push there
"""

from typing import Any

from litestar import Request, Response, post

from protocol.node.web.page import actor_of, node_of, twin


@post("/task/push", status_code=200)
async def push(request: Request) -> Response[bytes]:
    """Raises Refused push_refused."""
    form: dict[str, Any] = dict(await request.form())
    endpoint, on = str(form.get("endpoint", "")), form.get("on") == "1"
    if on:
        await node_of(request).push.keep(actor_of(request).person, endpoint)
    else:
        await node_of(request).push.drop(endpoint, actor_of(request).person)
    return twin({"on": on})
