"""Behind the figures of 连接与台账: one ledger lane by lane, one machine ledger by ledger.

GET /link/ledger?of=PATH     who wrote it up to where, and which machine has not got it (JSON twin)
GET /link/machine?of=NODE    what another machine has not got, of which ledger, since when; what it has that is not here (JSON twin)
"""

from typing import Any, Final

from litestar import Request, Response, get

from protocol import place
from protocol.have import digest
from protocol.node.debts import between, lanes_of
from protocol.node.web.link import TONES, may_see_machines, standings_of
from protocol.node.web.page import node_of, page, twin, wants_json
from protocol.problem import Refused

SHOWN_MAX: Final = 400


@get("/link/ledger")
async def ledger_page(request: Request) -> Response[Any]:
    """Raises Refused page_unknown for a ledger that is not here or may not be named, and for who sees no machines."""
    may_see_machines(request)
    node, ledger = node_of(request), request.query_params.get("of", "")[:200]
    lanes = {} if not ledger or place.is_sealed(ledger) else await node.desk.journal.lanes(ledger)
    if not lanes:
        raise Refused("page_unknown")
    written, hearers = await lanes_of(node.desk.journal, getattr(node, "pump", None), ledger, node.reads.node_name)
    context = {"ledger": ledger, "digest": digest(lanes), "written": written, "hearers": hearers}
    if wants_json(request):
        return twin(context)
    own = node.certificate.node
    return await page(request, "ledger.html", own=own, entries=sum(one.seq for one in written), **context)


@get("/link/machine")
async def machine_page(request: Request) -> Response[Any]:
    """Raises Refused page_unknown for one that is not known here, and for who sees no machines."""
    may_see_machines(request)
    node, of = node_of(request), request.query_params.get("of", "")[:40]
    row = next((one for one in await standings_of(node) if one.node == of), None)
    if row is None:
        raise Refused("page_unknown")
    known = node.desk.shelf.certificates.get(of)
    debts = await between(node.desk.journal, node.pump, of)
    context = {"row": row, "serves": known.serves if known else (), "covers": known.covers if known else (), "debts": debts[:SHOWN_MAX]}
    if wants_json(request):
        return twin({**context, "total": len(debts)})
    return await page(request, "machine.html", total=len(debts), tones=TONES, **context)


def routes() -> list:
    return [ledger_page, machine_page]
