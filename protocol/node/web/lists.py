"""The list of cases: a view, words, filters, pages of 50; one row a case, with its newest receipt marks, live.

Every filter is in the address, so a list can be kept, sent and gone back to. What may be seen is decided by reads, not here.
"""

from collections import Counter
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get

from protocol.calendar import end_of_day_ms, local_date, start_of_day_ms
from protocol.case import LISTED_STATUS_NAMES
from protocol.node.indexing import lag_since_ms
from protocol.node.listing import NONE, Narrowed
from protocol.node.web.page import actor_of, node_of, number_of_page, page, rendered, twin, wants_json
from protocol.place import covers

PER: Final = 50
TEXT_CHARS_MAX: Final = 100
CHIPS_MAX: Final = 5
CODE_CHARS_MAX: Final = 20
VIEWS: Final = (
    ("all", "全部"),
    ("open", "未办结"),
    ("held", "我单位承办"),
    ("due", "三天内到期"),
    ("incoming", "待受领"),
    ("outgoing", "送出待受领"),
    ("came_down", "上面交办"),
    ("urged", "批示、催办"),
    ("follow_up", "要回访"),
    ("review", "待核对"),
    ("overdue", "超期"),
)
KINDS: Final = {
    "registered": "计入统计的",
    "accepted": "已受理",
    "resolved": "已化解",
    "timed": "期限有结果的",
    "on_time": "按期的",
    "late": "超期的",
    "raised": "上报或提级过",
    "again": "重复来访",
    "followed": "回访过",
    "money": "涉及金额",
}
NARROWS: Final = ("kind", "since", "until", "ending", "intake", "risk", "alone")
KEPT: Final = ("text", "status", "place", "type", "mine", *NARROWS)


class Query(msgspec.Struct, frozen=True):
    """What is asked of a list; built from the address, unknown values fall back.

    since, until: days of registration, both included · alone: "1" = only what lies in the ledger of the place itself
    · mine: "1" = only what whoever asks is named for.
    """

    view: str = "all"
    text: str = ""
    status: str = ""
    place: str = ""
    type: str = ""
    page: int = 1
    kind: str = ""
    since: str = ""
    until: str = ""
    ending: str = ""
    intake: str = ""
    risk: str = ""
    alone: str = ""
    mine: str = ""
    person: str = ""  # who asks; never in the address

    @property
    def kept(self) -> dict[str, str]:
        """What stands in the address but the page."""
        return {k: v for k in ("view", *KEPT) if (v := getattr(self, k)) and (k, v) != ("view", "all")}

    @property
    def address(self) -> str:
        """The query without the page, ready for `page=`: ends in & or is empty."""
        return urlencode(self.kept) + "&" if self.kept else ""

    def without(self, *names: str) -> str:
        """The address of the same list with less asked."""
        return "/cases?" + urlencode({k: v for k, v in self.kept.items() if k not in names})

    def also(self, name: str, value: str) -> str:
        """The address of the same list with one thing more asked; name: one of KEPT, or year."""
        asked = {"since": f"{value}-01-01", "until": f"{value}-12-31"} if name == "year" else {name: value}
        return "/cases?" + urlencode({**self.kept, **asked})

    @property
    def is_filtered(self) -> bool:
        return any(getattr(self, name) for name in KEPT)

    @property
    def is_narrowed(self) -> bool:
        return any(getattr(self, name) for name in NARROWS)

    @property
    def narrowed(self) -> Narrowed:
        since, until = day_of(self.since), day_of(self.until)
        return Narrowed(
            kind=self.kind,
            from_ms=start_of_day_ms(since) if since else None,
            to_ms=end_of_day_ms(until) + 1 if until else None,
            ending=self.ending,
            intake=self.intake,
            risk=self.risk,
            alone=bool(self.alone),
            handler=self.person if self.mine else "",
        )


def day_of(text: str) -> date | None:
    """None for what is no day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def query_of(request: Request, default_view: str = "all") -> Query:
    asked = request.query_params
    view = asked.get("list") or asked.get("view", "")
    days = {name: day.isoformat() for name in ("since", "until") if (day := day_of(asked.get(name, "")))}
    codes = {name: asked.get(name, "")[:CODE_CHARS_MAX] for name in ("ending", "intake", "risk")}
    return Query(
        view=view if view in dict(VIEWS) else default_view,
        text=asked.get("text", "").strip()[:TEXT_CHARS_MAX],
        status=asked.get("status", "") if asked.get("status", "") in LISTED_STATUS_NAMES else "",
        place=asked.get("place", "")[:40],
        type=asked.get("type", "")[:4],
        page=number_of_page(request),
        kind=asked.get("kind", "") if asked.get("kind", "") in KINDS else "",
        alone="1" if asked.get("alone") else "",
        mine="1" if asked.get("mine") else "",
        person=actor_of(request).person,
        **days,
        **codes,
    )


async def found(request: Request, query: Query, per: int = PER) -> Any:
    """reads' CasePage for this query."""
    reads, asked = node_of(request).reads, query
    what = (asked.view, asked.text, asked.status, asked.place, asked.type)
    return await reads.cases(actor_of(request), *what, page=asked.page, per=per, narrowed=asked.narrowed)


def further(request: Request, query: Query, shown: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    """What a list that a word found too much for one page can be narrowed by at a press: (name, [(words, address)]), drawn from what was
    found, the commonest first. Nothing that is asked already, and nothing that all of them share."""
    tables, known = node_of(request).tables(), dict(types_to_choose(request))
    inside = set(tables.children(actor_of(request).office))

    def below(ledger: str) -> str:
        return next((path for path in inside if covers((f"{path}/*",), ledger)), "")

    ways = [
        ("类型", "type", lambda sign: sign.type[:2], known.get),
        ("年份", "year", lambda sign: str(local_date(sign.logged_ms).year), lambda year: f"{year} 年"),
        ("状态", "status", lambda sign: sign.status, LISTED_STATUS_NAMES.get),
        ("地方", "place", lambda sign: below(sign.ledger), tables.place_name),
    ]
    made = []
    for label, name, value, words in ways:
        if query.since if name == "year" else getattr(query, name):
            continue
        counted = Counter(map(value, shown.signs))
        some = [(str(words(code)), query.also(name, code)) for code, _ in counted.most_common(CHIPS_MAX) if code and words(code)]
        if len(counted) > 1 and some:
            made.append((label, some))
    return made


def example(query: Query, shown: Any) -> str:
    """A second word that finds something: who stands in the first row."""
    names = [name for row in shown.rows[:1] for name in (row.parties or "").split("、")]
    return next((name for name in names if name and name not in query.text and query.text not in name), "")


async def list_context(request: Request, query: Query, per: int = PER) -> dict[str, Any]:
    shown, node = await found(request, query, per), node_of(request)
    query = msgspec.structs.replace(query, page=shown.page)
    indexed_ms = await lag_since_ms(node.desk.journal, node.clock()) if query.text else None
    context = {"rows": shown.rows, "total": shown.total, "per": per, "query": query, "text": query.text, "indexed_ms": indexed_ms}
    return {**context, "more": shown.more, "further": further(request, query, shown), "example": example(query, shown)}


def places_to_choose(request: Request) -> list[tuple[str, str]]:
    """The asker's own place and those right below it."""
    tables, office = node_of(request).tables(), actor_of(request).office
    return [(path, tables.place_name(path)) for path in (office, *tables.children(office))]


def types_to_choose(request: Request) -> list[tuple[str, str]]:
    tables = node_of(request).tables()
    return [(code, row.name) for code, row in tables.types.items() if len(code) == 2 and not tables.type_flag(code, "sealed")]


def with_chosen(choices: list[tuple[str, str]], chosen: str, name: str) -> list[tuple[str, str]]:
    """A link may ask for what is finer than the choices: it stands among them, else the form would forget it."""
    return choices if not chosen or any(chosen == value for value, _ in choices) else [*choices, (chosen, name)]


def narrows_to_choose(request: Request) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """(name, label, choices) of what a list can be narrowed to besides a time."""
    tables = node_of(request).tables()
    return [
        ("intake", "来源", [*((code, row.name) for code, row in tables.intakes.items()), (NONE, "没有写")]),
        ("risk", "风险", list(tables.words("risk"))),
        ("ending", "结案方式", [*tables.ending_names(), (NONE, "还没有办结")]),
    ]


@get("/cases", of_cases=True)
async def case_list(request: Request) -> Response[Any]:
    query = query_of(request)
    if wants_json(request):
        shown = await found(request, query)
        return twin({"rows": shown.rows, "total": shown.total, "more": shown.more, "page": shown.page, "per": shown.per})
    context = await list_context(request, query)
    tables = node_of(request).tables()
    places = with_chosen(places_to_choose(request), query.place, tables.place_full(query.place))
    types = with_chosen(types_to_choose(request), query.type, tables.type_name(query.type))
    more: dict[str, Any] = {"places": places, "types": types, "statuses": list(LISTED_STATUS_NAMES.items())}
    more |= {"narrows": narrows_to_choose(request), "kinds": KINDS}
    live = urlencode({"view": "list", "list": query.view, **{k: v for k, v in query.kept.items() if k != "view"}})
    return await page(request, "cases.html", views=VIEWS, live=f"{live}&page={query.page}", **context, **more)


async def list_live(request: Request) -> str:
    """The rows again, for the stream of this very list."""
    return rendered(request, "_list_live.html", await list_context(request, query_of(request)))


def routes() -> list:
    return [case_list]
