"""The other papers of a case's file, filled from what was entered: 受理登记表, 权利义务告知书, 调解笔录, 不予受理告知书, 终止调解通知书, 回访记录.

    GET /cases/{id}/papers/{kind}?item=origin/seq        item: which session, which follow-up; blanks=1 as for the agreement

What stands in them: filed.py. They are for the office that holds the case and the one that logged it.
"""

from typing import Any, Final, NamedTuple
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.params import FromPath

from protocol import access
from protocol.case import Case, key_text
from protocol.events import Actor
from protocol.node.web import filed, made_up
from protocol.node.web import print as paper
from protocol.node.web.page import actor_of, node_of, page, wants_json
from protocol.node.web.print import PRIVATE
from protocol.problem import Refused

NAMES: Final = {
    "intake": "受理登记表",
    "rights": "权利义务告知书",
    "session": "调解笔录",
    "declined": "不予受理告知书",
    "ended": "终止调解通知书",
    "follow_up": "回访记录",
}
_OF_LINE: Final = {
    "MediationRecorded": "session",
    "DisputeDeclined": "declined",
    "MediationEnded": "ended",
    "FollowUpRecorded": "follow_up",
}


class Paper(NamedTuple):
    """One that can be printed. item: key of the entry that it tells of, "" for one of the whole case · at_ms: of that entry."""

    kind: str
    name: str
    item: str = ""
    at_ms: int = 0


def offered(case: Case) -> list[Paper]:
    """In the order of the file."""
    whole = [Paper(kind, NAMES[kind]) for kind in ("intake", "rights")]
    told = [(_OF_LINE[line.kind], line) for line in case.lines if line.kind in _OF_LINE and not (line.set_aside or line.waiting)]
    return [*whole, *(Paper(kind, NAMES[kind], key_text(line.key), line.at_ms) for kind, line in told)]


def may_print(case: Case, actor: Actor) -> bool:
    return access.may_read_numbers(actor, case) and not case.removed


@get("/cases/{subject:str}/papers/{kind:str}")
async def case_paper(request: Request, subject: FromPath[str], kind: FromPath[str]) -> Response[Any]:
    """Raises Refused case_unknown, not_allowed, page_unknown, paper_unready, paper_failed; a missing character is answered with a page that offers blanks."""
    node, actor = node_of(request), actor_of(request)
    case = await node.reads.case(actor, subject)
    if not may_print(case, actor):
        raise Refused("not_allowed", what="打印这件的文书")
    item = request.query_params.get("item", "")
    asked = next((one for one in offered(case) if (one.kind, one.item) == (kind, item)), None)
    if asked is None:
        raise Refused("page_unknown")
    try:
        line = next((line for line in case.lines if key_text(line.key) == asked.item), None)
        values = filed.values_of(asked.kind, case, line, node.tables())
        made = await paper.pdf("paper", values, mark=made_up.mark(node), blanks=request.query_params.get("blanks") == "1")
    except Refused as refusal:
        if refusal.code != "glyph_missing" or wants_json(request):
            raise
        again = f"/cases/{case.id}/papers/{kind}?item={quote(item)}&blanks=1"
        return await page(request, "visits/blanks.html", status=refusal.status, sentence=refusal.sentence, case=case, again=again)
    name = quote(made_up.named(node, f"{case.code} {asked.name}.pdf"))
    return Response(made, media_type="application/pdf", headers={"Content-Disposition": f"inline; filename*=UTF-8''{name}", **PRIVATE})


def routes() -> list[Any]:
    return [case_paper]
