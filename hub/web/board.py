"""The board: figures that filter the list, a tile for each township, the list with the worst clock first, and who is out.

Every filter is in the address (`figure`, `place`, `type`, `risk`, `holder`, `handler`, `page`), so a board can be kept and gone back to;
the stream renders the same address. Where a post sees no case, the board leads to the page that it is for. Statistics are the tiles as bars, with
the same numbers in a table.
"""

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get
from litestar.response import Redirect

from hub.web import saved
from hub.web.case_map import position
from protocol import place
from protocol.access import CASE_POWERS
from protocol.node.listing import Narrowed
from protocol.node.web import guides, lists, stream
from protocol.node.web import tracks as tasks
from protocol.node.web.page import actor_of, node_of, number_of_page, page, rendered, twin, wants_json
from protocol.tables import Tables

PER: Final = 30
CHARS_MAX: Final = 40
NARROWS: Final = ("type", "risk", "holder", "handler")
SILENT_MS: Final = 86_400_000
OUT_SHOWN: Final = 12
FIGURES: Final = (
    ("incoming", "待受领"),
    ("held", "本中心承办"),
    ("soon", "将到期"),
    ("overdue", "超期"),
    ("review", "待核对"),
    ("follow_up", "要回访"),
    ("open", "全县未办结"),
)
OF_A_UNIT: Final = {"held": "本单位承办", "open": "能看到的未办结"}  # a window or department sees its own and what it was asked to join


class Query(msgspec.Struct, frozen=True):
    figure: str = "open"
    place: str = ""
    type: str = ""
    risk: str = ""
    holder: str = ""
    handler: str = ""
    page: int = 1

    def address(self, **change: Any) -> str:
        """The board with some things changed; what is at its default stays out of the address."""
        asked = {**msgspec.structs.asdict(self), **change}
        kept = {k: v for k, v in asked.items() if v and (k, v) not in (("figure", "open"), ("page", 1))}
        return "/board" + (f"?{urlencode(kept)}" if kept else "")

    @property
    def filters(self) -> dict[str, str]:
        """What a named view keeps."""
        return {name: getattr(self, name) for name in saved.FILTERS}

    @property
    def is_narrowed(self) -> bool:
        return any(getattr(self, name) for name in NARROWS)

    @property
    def narrowed(self) -> Narrowed:
        return Narrowed(risk=self.risk, holder=self.holder, handler=self.handler)


def query_of(request: Request) -> Query:
    asked = request.query_params
    return filtered({name: asked.get(name, "") for name in saved.FILTERS}, number_of_page(request))


def filtered(asked: dict[str, str], page: int = 1) -> Query:
    """What is no figure of the board reads as the default."""
    kept = {name: words[:CHARS_MAX] for name, words in asked.items()}
    return Query(**{**kept, "figure": kept["figure"] if kept["figure"] in dict(FIGURES) else "open"}, page=page)


async def choices(request: Request, query: Query) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """(name, label, what there is to choose) of each of NARROWS. Persons are those of the own office: who else has a case stands in its line."""
    node, actor = node_of(request), actor_of(request)
    tables, top = node.tables(), actor.office.split("/")[0]
    named = tables.office_name
    offices = dict.fromkeys((actor.office, *tables.children(actor.office), *tables.units_of(top)))
    person = await node.reads.person_name(query.handler) if query.handler else ""
    offered = (
        ("type", "类型", lists.types_to_choose(request), tables.type_name(query.type)),
        ("risk", "风险", list(tables.words("risk")), tables.word("risk", query.risk)),
        ("holder", "承办单位", [(office, named(office)) for office in offices], named(query.holder)),
        ("handler", "承办人", await node.reads.handlers(actor), person),
    )
    return [(name, label, lists.with_chosen(some, getattr(query, name), words)) for name, label, some, words in offered]


class Tile(msgspec.Struct, frozen=True):
    """A place on the map. column, row: where it lies roughly, 0 = wherever there is room · silent_ms: last heard, when too long ago."""

    path: str
    name: str
    open: int
    overdue: int
    incoming: int
    column: int
    row: int
    silent_ms: int | None


async def tiles(request: Request) -> list[Tile]:
    node, now_ms = node_of(request), node_of(request).clock()
    made = []
    for row in await node.reads.places(actor_of(request)):
        if row.path == actor_of(request).office:
            continue
        column, line = position(row.path)
        silent = row.last_heard_ms if row.last_heard_ms and now_ms - row.last_heard_ms > SILENT_MS else None
        made.append(Tile(row.path, row.name, row.open, row.overdue, row.incoming, column, line, silent))
    return made


async def board_context(request: Request) -> dict[str, Any]:
    node, actor, query = node_of(request), actor_of(request), query_of(request)
    counts = await node.reads.counts(actor)
    narrowed = {"place": query.place, "type": query.type, "narrowed": query.narrowed}
    found = await node.reads.cases(actor, query.figure, **narrowed, page=query.page, per=PER, by_date=True)
    query = msgspec.structs.replace(query, page=found.page)
    of_unit = place.is_unit(actor.office)
    ranked = [one for one in await tasks.ranked(request) if (one.row.unit == actor.office if of_unit else one.row.cadre)]
    out = await tasks.tracks_of(request, ranked[:OUT_SHOWN])
    map_tiles = await tiles(request)
    return {
        "query": query,
        "of_unit": of_unit,
        "figures": [(name, OF_A_UNIT.get(name, words) if of_unit else words, counts.get(name, 0)) for name, words in FIGURES],
        "tiles": map_tiles,
        "place_name": node.tables().place_name(query.place) if query.place else "",
        "rows": found.rows,
        "total": found.total,
        "per": PER,
        "clock_names": clock_names(node.tables()),
        "out": out,
        "out_total": len(ranked),
        "numbers": numbers(map_tiles),
    }


def clock_names(tables: Tables) -> dict[str, str]:
    """What a clock is and which law it comes from, by its id: T30 in front of T30.hall."""
    named: dict[str, str] = {}
    for rule in tables.clocks.values():
        named.setdefault(rule.key.partition(".")[0], f"{rule.name}（{rule.basis}）" if rule.basis else rule.name)
    return named


def numbers(map_tiles: list[Tile]) -> dict[str, Any]:
    """What the chart draws, which the table beside it says too."""
    shown = [tile for tile in map_tiles if tile.open]
    return {
        "places": [tile.name for tile in shown],
        "series": [
            {"name": "超期", "tone": "late", "data": [tile.overdue for tile in shown]},
            {"name": "没有超期", "tone": "act", "data": [tile.open - tile.overdue for tile in shown]},
        ],
    }


@get("/board", of_cases=True)
async def board(request: Request) -> Response[Any] | Redirect:
    actor = actor_of(request)
    if not actor.powers & CASE_POWERS:
        return Redirect("/sealed" if "sealed" in actor.powers else "/people", status_code=303)
    context = await board_context(request)
    if wants_json(request):
        return twin({name: context[name] for name in ("figures", "tiles", "rows", "total")} | {"out": [one.row for one in context["out"]]})
    query = context["query"]
    kept = await saved.of(node_of(request).journal, actor.person)
    more: dict[str, Any] = {"guide": await guides.guide_of(request)}
    more |= {"tabs": [(view.name, filtered(view.filters)) for view in kept], "choices": await choices(request, query)}
    live = urlencode({"view": "board", **{k: v for k, v in msgspec.structs.asdict(query).items() if v}})
    return await page(request, "board.html", live=live, name_chars_max=saved.NAME_CHARS_MAX, **more, **context)


@stream.stays
async def board_live(request: Request) -> str:
    return rendered(request, "_board_live.html", await board_context(request))


VIEWS: Final = {"board": board_live}


def routes() -> list[Any]:
    return [board, *saved.routes(lambda asked: filtered(asked).address())]
