"""证明: one entry as a file that a court can check with no node in reach, and the page that checks one.

GET  /cases/{id}/proof/{origin}/{seq}    the file (protocol/proof.py)
GET  /proof                              choose a file; the root's key to compare with
POST /proof                              what it proves in words, or why it proves nothing
"""

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath

from protocol import entry, proof
from protocol.case import Case
from protocol.node.web import made_up
from protocol.node.web.exports import attached
from protocol.node.web.page import KEPT_NOWHERE, actor_of, node_of, page, refused_twin, twin, wants_json
from protocol.node.web.words import moment
from protocol.place import segments
from protocol.problem import Refused
from protocol.words import EVENT_NAMES, UNKNOWN_NAME, at_ms

FILE: Final = "file"


@get("/cases/{subject:str}/proof/{origin:str}/{seq:int}")
async def proof_file(request: Request, subject: FromPath[str], origin: FromPath[str], seq: FromPath[int]) -> Response[bytes]:
    """Only an entry of a case that the asker may see. Raises Refused case_unknown, page_unknown."""
    node = node_of(request)
    case: Case = await node.reads.case(actor_of(request), subject)
    line = next((line for line in case.lines if line.key == (origin, seq)), None)
    certificate = None if line is None else known_certificate(node, origin)
    if line is None or certificate is None:
        raise Refused("page_unknown")
    rows = await node.journal.lane(case.ledger, origin, seq - 1, proof.HEADS_MAX)
    end = next((n for n, row in enumerate(rows) if row.signature), -1)
    before = (await node.journal.lane(case.ledger, origin, seq - 2, 1))[0].hash if seq > 1 else entry.START
    if end < 0:
        raise Refused("page_unknown")
    shown = {
        **({"演示": mark} if (mark := made_up.mark(node)) else {}),
        "编号": case.code,
        "条目": EVENT_NAMES.get(line.kind, UNKNOWN_NAME),
        "单位": node.tables().office_name(line.office),
        **line.text,
    }
    made = proof.made(rows[: end + 1], bytes(before), certificate, node.admission.root_public, shown)
    name = attached(made_up.named(node, f"proof-{case.code}-{seq}.json"))
    return Response(proof.encode(made), media_type="application/json", headers={**KEPT_NOWHERE, **name})


def known_certificate(node: Any, origin: str) -> Any:
    """The newest of the node that wrote it."""
    id_ = entry.node_of(origin)
    return node.certificate if id_ == node.certificate.node else node.desk.shelf.certificates.get(id_)


@get("/proof")
async def proof_page(request: Request) -> Response[Any]:
    return await page(request, "proof.html", root_key=node_of(request).admission.root_public.hex(), proven=None, wrong="")


@post("/proof", status_code=200)
async def check(request: Request) -> Response[Any]:
    """Against the root's own key."""
    node = node_of(request)
    root_key = node.admission.root_public.hex()
    sent = (await request.form()).get(FILE)
    try:
        raw = await sent.read() if isinstance(sent, UploadFile) else b""
        proven = proof.check(raw, root_key)
    except Refused as refusal:
        if wants_json(request):
            return refused_twin(request, refusal)
        return await page(request, "proof.html", status=refusal.status, root_key=root_key, proven=None, wrong=refusal.sentence)
    told = {
        "root": node.tables().place_name(segments(proven.head.ledger)[0]),
        "kind": EVENT_NAMES.get(proven.head.kind, UNKNOWN_NAME),
        "ledger": proven.head.ledger,
        "origin": proven.head.origin,
        "seq": proven.head.seq,
        "node": proven.node.name,
        "at": moment(at_ms(proven.head), node.clock()),
        "wordless": proven.wordless,
        "text": proof.words(proven, node.tables()),
        "author": await node.reads.person_name(proven.head.author[0]),
    }
    return twin(told) if wants_json(request) else await page(request, "proof.html", root_key=root_key, proven=told, wrong="")


def routes() -> list[Any]:
    return [proof_file, proof_page, check]
