"""POST /enrol: how a new node joins. The body is sealed with the code's own key, so the route is open and says nothing to strangers."""

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from hub.enrolment import Enrolment
from protocol.enrolment import ASK_BYTES_MAX
from protocol.problem import Refused

BYTES = "application/octet-stream"


def enrol_route(enrolment: Enrolment) -> HTTPRouteHandler:
    @post("/enrol", public="file", status_code=200, request_max_body_size=ASK_BYTES_MAX)
    async def enrol(request: Request) -> Response[bytes]:
        try:
            return Response(await enrolment.redeem(await request.body()), media_type=BYTES)
        except Refused as refusal:
            return Response(answered(refusal), status_code=refusal.status, media_type="application/json")

    return enrol


def answered(refusal: Refused) -> bytes:
    """why: what older programs do not know, beside the code that they do."""
    told = {"code": "code_unknown_late_or_used", "why": refusal.code} if refusal.code == "key_put_out" else {"code": refusal.code}
    return msgspec.json.encode(told)
