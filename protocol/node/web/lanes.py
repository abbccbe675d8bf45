"""Behind the figures of 连接与台账: one ledger lane by lane, one machine ledger by ledger.

GET /link/ledger?of=PATH     who wrote it up to where, and which machine has not got it (JSON twin)
GET /link/machine?of=NODE    what another machine has not got, of which ledger, since when; what it has that is not here (JSON twin)
"""

from typing import Any, Final
from urllib.parse import urlencode

from litestar import Request, Response, get

from protocol import place
from protocol.have import digest
from protocol.node.debts import between, lanes_of
from protocol.node.web.link import TONES, may_see_machines, standings_of
from protocol.node.web.page import node_of, page, rendered, twin, wants_json
from protocol.problem import Refused

SHOWN_MAX: Final = 400


@get("/link/ledger")
async def ledger_page(request: Request) -> Response[Any]:
    """Raises what `_ledger` does."""
    context = await _ledger(request)
    if wants_json(request):
        return twin({name: context[name] for name in ("ledger", "digest", "written", "hearers")})
    return await page(request, "ledger.html", live=_live("ledger", context["ledger"]), **context)


async def ledger_live(request: Request) -> str:
    return rendered(request, "_ledger_live.html", await _ledger(request))


async def _ledger(request: Request) -> dict[str, Any]:
    """Raises Refused page_unknown for a ledger that is not here or may not be named, and for who sees no machines."""
    may_see_machines(request)
    node, ledger = node_of(request), request.query_params.get("of", "")[:200]
    lanes = {} if not ledger or place.is_sealed(ledger) else await node.desk.journal.lanes(ledger)
    if not lanes:
        raise Refused("page_unknown")
    written, hearers = await lanes_of(node.desk.journal, getattr(node, "pump", None), ledger, node.reads.node_name)
    told = {"ledger": ledger, "digest": digest(lanes), "written": written, "hearers": hearers}
    return {**told, "own": node.certificate.node, "entries": sum(one.seq for one in written)}


@get("/link/machine")
async def machine_page(request: Request) -> Response[Any]:
    """Raises what `_machine` does."""
    context = await _machine(request)
    if wants_json(request):
        return twin({name: context[name] for name in ("row", "serves", "covers", "debts", "total")})
    return await page(request, "machine.html", live=_live("machine", context["row"].node), **context)


async def machine_live(request: Request) -> str:
    return rendered(request, "_machine_live.html", await _machine(request))


async def _machine(request: Request) -> dict[str, Any]:
    """Raises Refused page_unknown for one that is not known here, and for who sees no machines."""
    may_see_machines(request)
    node, of = node_of(request), request.query_params.get("of", "")[:40]
    row = next((one for one in await standings_of(node) if one.node == of), None)
    if row is None:
        raise Refused("page_unknown")
    known = node.desk.shelf.certificates.get(of)
    debts = await between(node.desk.journal, node.pump, of)
    reach = {"serves": known.serves if known else (), "covers": known.covers if known else ()}
    return {"row": row, **reach, "debts": debts[:SHOWN_MAX], "total": len(debts), "tones": TONES}


def _live(view: str, of: str) -> str:
    return urlencode({"view": view, "of": of})


def routes() -> list:
    return [ledger_page, machine_page]
