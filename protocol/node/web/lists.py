"""The list of cases: a view, words, filters, pages of 50; one row a case, with its newest receipt marks, live.

Every filter is in the address, so a list can be kept, sent and gone back to. What may be seen is decided by reads, not here.
"""

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get

from protocol.case import STATUS_NAMES
from protocol.node.indexing import lag_since_ms
from protocol.node.web.page import actor_of, node_of, page, rendered, twin, wants_json

PER: Final = 50
TEXT_CHARS_MAX: Final = 100
VIEWS: Final = (
    ("all", "全部"),
    ("open", "未办结"),
    ("held", "我单位承办"),
    ("due", "三天内到期"),
    ("incoming", "待受领"),
    ("outgoing", "送出待受领"),
    ("came_down", "上面交办"),
    ("follow_up", "要回访"),
    ("review", "待核对"),
    ("overdue", "超期"),
)


class Query(msgspec.Struct, frozen=True):
    """What is asked of a list; built from the address, unknown values fall back."""

    view: str = "all"
    text: str = ""
    status: str = ""
    place: str = ""
    type: str = ""
    page: int = 1

    @property
    def address(self) -> str:
        """The query without the page, ready for `page=`: ends in & or is empty."""
        kept = {k: v for k in ("view", "text", "status", "place", "type") if (v := getattr(self, k)) and (k, v) != ("view", "all")}
        return urlencode(kept) + "&" if kept else ""


def query_of(request: Request, default_view: str = "all") -> Query:
    asked = request.query_params
    view = asked.get("list") or asked.get("view", "")
    number = asked.get("page", "1")
    return Query(
        view if view in dict(VIEWS) else default_view,
        asked.get("text", "").strip()[:TEXT_CHARS_MAX],
        asked.get("status", "") if asked.get("status", "") in STATUS_NAMES else "",
        asked.get("place", "")[:40],
        asked.get("type", "")[:4],
        max(1, int(number)) if number.isdigit() and len(number) < 7 else 1,
    )


async def found(request: Request, query: Query, per: int = PER) -> Any:
    """reads' CasePage for this query."""
    reads, asked = node_of(request).reads, query
    return await reads.cases(actor_of(request), asked.view, asked.text, asked.status, asked.place, asked.type, page=asked.page, per=per)


async def list_context(request: Request, query: Query, per: int = PER) -> dict[str, Any]:
    shown, node = await found(request, query, per), node_of(request)
    indexed_ms = await lag_since_ms(node.desk.journal, node.clock()) if query.text else None
    return {"rows": shown.rows, "total": shown.total, "per": per, "query": query, "text": query.text, "indexed_ms": indexed_ms}


def places_to_choose(request: Request) -> list[tuple[str, str]]:
    """The asker's own place and those right below it."""
    tables, office = node_of(request).tables(), actor_of(request).office
    return [(path, tables.place_name(path)) for path in (office, *tables.children(office))]


def types_to_choose(request: Request) -> list[tuple[str, str]]:
    tables = node_of(request).tables()
    return [(code, row.name) for code, row in tables.types.items() if len(code) == 2 and not tables.type_flag(code, "sealed")]


@get("/cases", of_cases=True)
async def case_list(request: Request) -> Response[Any]:
    query = query_of(request)
    if wants_json(request):
        shown = await found(request, query)
        return twin({"rows": shown.rows, "total": shown.total, "page": shown.page, "per": shown.per})
    context = await list_context(request, query)
    more = {"places": places_to_choose(request), "types": types_to_choose(request), "statuses": list(STATUS_NAMES.items())}
    live = urlencode(
        {"view": "list", "list": query.view, **{k: v for k in ("text", "status", "place", "type") if (v := getattr(query, k))}}
    )
    return await page(request, "cases.html", views=VIEWS, live=f"{live}&page={query.page}", **context, **more)


async def list_live(request: Request) -> str:
    """The rows again, for the stream of this very list."""
    return rendered(request, "_list_live.html", await list_context(request, query_of(request)))


def routes() -> list:
    return [case_list]
