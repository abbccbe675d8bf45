"""The board: figures that filter the list, a tile for each township, the list with the worst clock first, and who is out.

Every filter is in the address (`figure`, `place`, `page`), so a board can be kept and gone back to; the stream renders the
same address. Where a post sees no case, the board leads to the page that it is for. Statistics are the tiles as bars, with
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
from protocol.node.web import tracks as tasks
from protocol.node.web.page import actor_of, node_of, page, rendered, twin, wants_json
from protocol.tables import Tables

PER: Final = 30
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
    page: int = 1

    def address(self, **change: Any) -> str:
        """The board with one thing changed; what is at its default stays out of the address."""
        asked = {"figure": self.figure, "place": self.place, "page": self.page, **change}
        kept = {k: v for k, v in asked.items() if (k, v) not in (("figure", "open"), ("place", ""), ("page", 1))}
        return "/board" + (f"?{urlencode(kept)}" if kept else "")


def query_of(request: Request) -> Query:
    asked = request.query_params
    number = asked.get("page", "1")
    page = max(1, int(number)) if number.isascii() and number.isdigit() and len(number) < 6 else 1
    return filtered(asked.get("figure", ""), asked.get("place", ""), page)


def filtered(figure: str, place: str, page: int = 1) -> Query:
    """What is no figure of the board reads as the default."""
    return Query(figure if figure in dict(FIGURES) else "open", place[:40], page)


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
    found = await node.reads.cases(actor, query.figure, place=query.place, page=query.page, per=PER, by_date=True)
    of_unit = place.is_unit(actor.office)
    tracked = await tasks.tracks(request, open_only=True)
    out = [one for one in tracked if (one.row.unit == actor.office if of_unit else one.row.cadre)]
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
        "out": out[:OUT_SHOWN],
        "out_total": len(out),
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
    tabs = [(view.name, filtered(view.figure, view.place)) for view in kept]
    live = urlencode({"view": "board", **{k: v for k, v in msgspec.structs.asdict(query).items() if v}})
    return await page(request, "board.html", live=live, tabs=tabs, name_chars_max=saved.NAME_CHARS_MAX, **context)


async def board_live(request: Request) -> str:
    return rendered(request, "_board_live.html", await board_context(request))


VIEWS: Final = {"board": board_live}


def routes() -> list[Any]:
    return [board, *saved.routes(lambda figure, place: filtered(figure, place).address())]
