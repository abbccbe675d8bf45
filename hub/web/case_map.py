"""地图: each township a tile roughly where it lies, coloured by a number that stands in it; one click further its villages, then their cases.

What is shown is in the address: `heat` (open, overdue, new), `type` (2 digits), `place`, `sort` of the table. The tiles are drawn from the
place list and hub/web/tiles.json: a scheme, no border and no scale, and the page says so. The same numbers stand in a table below, so it works
without script. Each number leads to the list (/cases) that holds as many: the words of both are protocol/node/spread.py's.
"""

import json
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get

from protocol import place as places
from protocol.calendar import end_of_day_ms, local_date, start_of_day_ms
from protocol.node.spread import Lying, Spread
from protocol.node.web.page import actor_of, node_of, page, rendered, twin, wants_json
from protocol.node.web.stream import shared
from protocol.tables import Tables

HEATS: Final = {"open": "在办", "overdue": "超期", "new": "近 30 天新登记"}
COUNTS: Final = {"open": "opened", "overdue": "overdue", "new": "fresh"}  # heat → field of Lying
SORTS: Final = ("name", *HEATS)
NEW_DAYS: Final = 30
STEPS: Final = 4  # colours of the scale, beside that of nought


class Query(msgspec.Struct, frozen=True):
    heat: str = "open"
    type: str = ""
    place: str = ""
    sort: str = ""

    def address(self, path: str = "/map", **change: str) -> str:
        """The map with one thing changed; what is at its default stays out of the address."""
        asked = {"heat": self.heat, "type": self.type, "place": self.place, "sort": self.sort, **change}
        kept = {k: v for k, v in asked.items() if v and (k, v) != ("heat", "open")}
        return path + (f"?{urlencode(kept)}" if kept else "")


class Tile(msgspec.Struct, frozen=True):
    """A place with its numbers. column, row: where it lies roughly, 0 = nowhere · step: 0 for nought, up to STEPS · drill: the map of what
    lies below, "" = nothing · lists: heat → the list of as many cases.
    """

    path: str
    name: str
    counts: Lying
    count: int
    column: int
    row: int
    drill: str
    lists: dict[str, str]
    step: int = 0

    @property
    def to(self) -> str:
        return self.drill or self.lists["shown"]


class Drawn(msgspec.Struct, frozen=True):
    """bounds: (first, last) number of each colour in use · mapped: the tiles of the scheme · beside: what has no spot on it."""

    query: Query
    base: str
    mapped: list[Tile]
    beside: list[Tile]
    whole: Tile
    bounds: list[tuple[int, int]]
    types: list[tuple[str, str, int]]
    at_ms: int


@cache
def positions() -> dict[str, tuple[int, int]]:
    """code → (column, row), rough places of the townships on the map; a drawing of ours, no border."""
    told: dict[str, list[int]] = json.loads((Path(__file__).parent / "tiles.json").read_text("utf-8"))
    return {code: (at[0], at[1]) for code, at in told.items()}


def position(path: str) -> tuple[int, int]:
    """(column, row) of a place; (0, 0): it has no spot."""
    return positions().get(places.code_of(path), (0, 0))


def query_of(request: Request) -> Query:
    """What makes no sense reads as the default: all that is open, over the whole county."""
    asked, tables = request.query_params, node_of(request).tables()
    heat, type_, at, sort = (asked.get(name, "")[:40] for name in ("heat", "type", "place", "sort"))
    return Query(
        heat if heat in HEATS else "open",
        type_ if len(type_) == 2 and tables.is_type(type_) and not tables.type_flag(type_, "sealed") else "",
        at if len(places.segments(at)) == 2 and tables.children(at) else "",
        sort if sort in SORTS else "",
    )


def days_of(now_ms: int) -> tuple[date, date]:
    """The first and the last day of what counts as new; today is one of them."""
    today = local_date(now_ms)
    return today - timedelta(NEW_DAYS - 1), today


def bounds_of(most: int) -> list[tuple[int, int]]:
    """STEPS spans of whole numbers that reach from 1 to `most`, fewer when there are fewer numbers: [(1, 3), (4, 6), …]."""
    if most <= 0:
        return []
    width = -(-most // STEPS)
    return [(first, min(first + width - 1, most)) for first in range(1, most + 1, width)]


def step_of(count: int, bounds: list[tuple[int, int]]) -> int:
    """Which colour; 0 for nought. Few colours lie apart as far as many: of two, the lightest and the darkest."""
    for n, (first, last) in enumerate(bounds):
        if first <= count <= last:
            return STEPS if len(bounds) == 1 else 1 + n * (STEPS - 1) // (len(bounds) - 1)
    return 0


# ── from counts to tiles ──


def spot_of(ledger: str, base: str) -> str:
    """The tile in which a ledger is counted: the place right below the base that holds it; the base's own ledger is one too. "" = none."""
    return "/".join(places.segments(ledger)[: len(places.segments(base)) + 1]) if places.within(ledger, base) else ""


def drawn(found: Spread, query: Query, root: str, now_ms: int, tables: Tables) -> Drawn:
    base = query.place or root
    kinds: dict[str, int] = {}
    spots = {path: Lying() for path in tables.children(base)}
    for (ledger, kind), lying in found.items():
        spot = spot_of(ledger, base)
        if not spot:
            continue
        kinds[kind] = kinds.get(kind, 0) + getattr(lying, COUNTS[query.heat])
        if not query.type or kind == query.type:
            spots[spot] = spots.get(spot, Lying()) + lying
    made = [_tile(path, lying, base, query, now_ms, tables) for path, lying in spots.items()]
    on_map = set(tables.children(base))
    bounds = bounds_of(max((tile.count for tile in made), default=0))
    made = [msgspec.structs.replace(tile, step=step_of(tile.count, bounds)) for tile in made]
    whole = _tile(base, sum(spots.values(), Lying()), base, query, now_ms, tables, is_whole=True)
    types = [
        (code, row.name, kinds.get(code, 0))
        for code, row in tables.types.items()
        if len(code) == 2 and not tables.type_flag(code, "sealed") and (kinds.get(code) or code == query.type)
    ]
    beside = [tile for tile in made if tile.path not in on_map and tile.counts != Lying()]
    return Drawn(query, base, [tile for tile in made if tile.path in on_map], beside, whole, bounds, types, now_ms)


def _tile(path: str, lying: Lying, base: str, query: Query, now_ms: int, tables: Tables, is_whole: bool = False) -> Tile:
    alone = path == base and not is_whole
    column, row = position(path) if path != base else (0, 0)
    lists = {heat: _list(heat, path, alone, query.type, now_ms) for heat in HEATS}
    lists["shown"] = lists[query.heat]
    drill = query.address(place=path) if path != base and not query.place and tables.children(path) else ""
    name = f"{tables.place_name(path)}本级" if alone else tables.place_name(path)
    return Tile(path, name, lying, getattr(lying, COUNTS[query.heat]), column, row, drill, lists)


def _list(heat: str, path: str, alone: bool, type_: str, now_ms: int) -> str:
    """The address of the list that holds what a number counts."""
    since, until = days_of(now_ms)
    of_heat = {
        "open": {"view": "open"},
        "overdue": {"view": "overdue"},
        "new": {"kind": "registered", "since": since.isoformat(), "until": until.isoformat()},
    }
    asked = {**of_heat[heat], "place": path, "type": type_, "alone": "1" if alone else ""}
    return "/cases?" + urlencode({k: v for k, v in asked.items() if v})


def rows_of(made: Drawn) -> list[Tile]:
    """All tiles for the table: by name as the list of places has them, or by a number, the greatest first."""
    rows = [*made.mapped, *made.beside]
    if made.query.sort not in HEATS:
        return rows
    field = COUNTS[made.query.sort]
    return sorted(rows, key=lambda tile: -getattr(tile.counts, field))


# ── the page ──


async def context_of(request: Request) -> dict[str, Any]:
    node, actor, query = node_of(request), actor_of(request), query_of(request)
    tables, now_ms = node.tables(), node.clock()
    since, until = days_of(now_ms)
    found = await node.reads.spread(actor, start_of_day_ms(since), end_of_day_ms(until) + 1)
    root = places.segments(actor.office)[0]
    made = drawn(found, query, root, now_ms, tables)
    return {"made": made, "root": root, "query": query, "rows": rows_of(made), "heats": HEATS, "since": since, "until": until}


@get("/map", of_cases=True)
async def case_map(request: Request) -> Response[Any]:
    context = await context_of(request)
    made, query = context["made"], context["query"]
    if wants_json(request):
        return twin({"query": query, "whole": made.whole, "tiles": made.mapped, "beside": made.beside, "types": made.types})
    live = urlencode({"view": "map", **{k: v for k, v in msgspec.structs.asdict(query).items() if v}})
    return await page(request, "map.html", live=live, **context)


@shared
async def map_live(request: Request) -> str:
    return rendered(request, "_map_live.html", await context_of(request))


VIEWS: Final = {"map": map_live}
FILTERS: Final = {"tile_id": lambda path: f"tile-{path.replace('/', '-')}", "step": lambda bounds, count: step_of(count, bounds)}


def routes() -> list[Any]:
    return [case_map]
