"""POST /enrol: how a new node joins. The body is sealed with the code's own key, so the route is open and says nothing to strangers."""

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
            body = b'{"code": "%s"}' % refusal.code.encode()
            return Response(body, status_code=refusal.status, media_type="application/json")

    return enrol
