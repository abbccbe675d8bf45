"""Code tables of ledger *common* as one frozen value: types, places, posts, units, clocks, calendar, texts. Lookups are dict lookups.

A table is JSON bytes with `version`, `valid_from`, `rows` (protocol.shapes). Reading is total: a table that is missing or
that this version cannot read falls back to the packaged one (`broken` names it), so a bad table never stops a node;
whoever writes a table calls `check` first, which refuses. An unknown code or path answers with itself, so that every page
can be drawn.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import msgspec

from protocol import place, shapes
from protocol.calendar import Calendar, days_of
from protocol.data import PACKAGED
from protocol.shapes import ClockRule, Ending, Flag, Intake, Level, LevelTable, Notice, PlaceRow, Post, Template, TypeRow, Unit, check

__all__ = ["PACKAGED", "Tables", "check"]
DECLINED: Final = "declined"  # the ending of what was not accepted, in figures and lists: no county sets it
ENDED: Final = "原"  # before the name of a place that was merged
_FOR_EVER: Final = "9999-12-31"


class Tables(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Built by `of` or `packaged`. versions: name -> (version, valid_from) · broken: tables that fell back to the packaged ones."""

    versions: Mapping[str, tuple[str, str]]
    broken: tuple[str, ...]
    types: Mapping[str, TypeRow]
    intakes: Mapping[str, Intake]
    endings: Mapping[str, Ending]
    lists: Mapping[str, Mapping[str, str]]
    list_words: Mapping[str, Mapping[str, tuple[str, ...]]]  # what people say, by list and code
    posts: Mapping[str, Post]
    units: Mapping[str, Unit]
    levels: tuple[Level, ...]
    limits: Mapping[str, int]
    clocks: Mapping[str, ClockRule]
    clocks_from: Mapping[str, tuple[ClockRule, ...]]  # by what starts them
    quiet_kinds: frozenset[str]
    calendar: Calendar
    notices: Mapping[str, Notice]
    templates: Mapping[str, Template]
    places: Mapping[str, PlaceRow]  # by path
    place_names: Mapping[str, str]
    place_children: Mapping[str, tuple[str, ...]]
    place_successors: Mapping[str, str]  # ended place → the place that it went into, "" where none is known
    level_table: LevelTable

    @classmethod
    def of(cls, contents: Mapping[str, bytes]) -> "Tables":
        """From the contents of *common*, name -> JSON bytes; total, see the module."""
        read, versions, broken = {}, {}, []
        for name, (version, valid_from, packaged) in PACKAGED.items():
            content = contents.get(name, packaged)
            try:
                read[name] = shapes.read(name, content)
                head = msgspec.json.decode(content, type=shapes.Version)
                versions[name] = (head.version, head.valid_from)
            except (msgspec.MsgspecError, ValueError):
                broken.append(name)
                read[name], versions[name] = shapes.read(name, packaged), (version, valid_from)
        return cls(versions=MappingProxyType(versions), broken=tuple(broken), **_fields(read))

    @classmethod
    def packaged(cls) -> "Tables":
        """The package's own data; one value, however often asked."""
        return _packaged()

    # ── types ──

    def type_name(self, code: str) -> str:
        """'邻里·界址围墙' for 0204, '邻里' for 02."""
        row, above = self.types.get(code), self.types.get(code[:2])
        if row is None:
            return code
        return row.name if above is None or above is row else f"{above.name}·{row.name}"

    def type_flag(self, code: str, flag: str) -> Flag:
        """A 4-digit type has its own flags and those of its 2-digit type. False when there is none."""
        for key in (code, code[:2]):
            row = self.types.get(key)
            if row is not None and flag in row.flags:
                return row.flags[flag]
        return False

    def type_form(self, code: str, column: str) -> str:
        """The mapping column gbt31000, moj_form or petition; inherited like a flag."""
        for key in (code, code[:2]):
            value: str = getattr(self.types.get(key), column, "")
            if value:
                return value
        return ""

    def is_type(self, code: str) -> bool:
        return code in self.types

    def is_type_open(self, code: str, day: date) -> bool:
        row, above = self.types.get(code), self.types.get(code[:2])
        return row is not None and above is not None and _is_open(row, day) and _is_open(above, day)

    def types_open(self, day: date) -> tuple[TypeRow, ...]:
        """In the table's order: each 2-digit type before its 4-digit ones. Sealed ones are among them: ask type_flag."""
        return tuple(row for row in self.types.values() if self.is_type_open(row.code, day))

    def type_successor(self, code: str) -> str:
        return self.types[code].successor if code in self.types else ""

    # ── places and offices ──

    def place_name(self, path: str) -> str:
        """'高禹村', '天子湖镇', '安吉县'; of a unit its short name."""
        if path in self.place_names:
            return self.place_names[path]
        if path in self.units:
            return self.units[path].short or self.units[path].name
        if path == place.COMMON:
            return self.level_table.common
        return self.level_table.sealed if place.is_sealed(path) else place.code_of(path)

    def place_full(self, path: str) -> str:
        """'天子湖镇高禹村': from below the root down; the root is only itself."""
        parts = place.segments(path)
        if path not in self.places or len(parts) == 1:
            return self.place_name(path)
        return "".join(self.place_name("/".join(parts[: n + 1])) for n in range(1, len(parts)))

    def children(self, path: str) -> tuple[str, ...]:
        """Paths of the places one level down, in the order of their codes; units and ended places are not among them."""
        return self.place_children.get(path, ())

    def is_ended(self, path: str) -> bool:
        """Claims that the place was merged or given up: a table in force says so."""
        return path in self.place_successors

    def place_successor(self, path: str) -> str:
        """Where an ended place's matters go on; through several merges, the last. "" for a place that has not ended, or into nothing."""
        seen, at = {path}, self.place_successors.get(path, "")
        while at in self.place_successors and at not in seen:
            seen.add(at)
            at = self.place_successors[at]
        return "" if at in seen else at

    def places_merged_into(self, path: str) -> tuple[str, ...]:
        """Ended places whose matters go on at this one."""
        return tuple(old for old in self.place_successors if self.place_successor(old) == path)

    def units_of(self, path: str) -> tuple[str, ...]:
        return tuple(unit for unit in self.units if place.parent(unit) == path)

    def is_place(self, path: str) -> bool:
        """Claims that the path is a place or unit of these tables."""
        return path in self.places or path in self.units

    def level(self, path: str) -> str:
        return self._level(path).name

    def mark(self, path: str) -> str:
        """'已到县': what a receipt of a node that serves this path says."""
        return self._level(path).mark

    def office_name(self, path: str) -> str:
        """'高禹村人民调解委员会', '天子湖镇综治中心', a unit's full name."""
        if path in self.units:
            return self.units[path].name
        if path in self.places:
            return self._level(path).office.replace("{place}", self.place_name(path))
        return self.place_name(path)

    def unit_flag(self, path: str, flag: str) -> Flag:
        return self.units[path].flags.get(flag, False) if path in self.units else False

    def _level(self, path: str) -> Level:
        return self.levels[min(place.tier(path), len(self.levels) - 1)]

    # ── codes, texts, numbers ──

    def intake_name(self, code: str) -> str:
        return self.intakes[code].name if code in self.intakes else code

    def intake_is_petition(self, code: str) -> bool:
        return code in self.intakes and self.intakes[code].petition

    def ending_name(self, code: str) -> str:
        return dict(self.ending_names()).get(code, code)

    def ending_names(self) -> tuple[tuple[str, str], ...]:
        """(code, name) of all that a case may have ended with, what was not accepted among them."""
        return (*((code, row.name) for code, row in self.endings.items()), (DECLINED, "不予受理"))

    def ending_ok(self, code: str) -> bool:
        """Claims that the ending counts as resolved (化解率)."""
        return code in self.endings and self.endings[code].ok

    def word(self, list_: str, code: str) -> str:
        """The name of a code in a small list: word('risk', 'red') = '红'. A county's older table may lack it: then the packaged name."""
        known = self.lists.get(list_, {})
        return known[code] if code in known else _packaged().lists.get(list_, {}).get(code, code)

    def words(self, list_: str) -> tuple[tuple[str, str], ...]:
        """(code, name) pairs of a small list, for a choice on a page."""
        return tuple(self.lists[list_].items()) if list_ in self.lists else ()

    def said_words(self, list_: str) -> Mapping[str, tuple[str, ...]]:
        """Code → what people say that speaks for it, in the list's order. A county's older table may have none: then the packaged ones."""
        return self.list_words.get(list_) or _packaged().list_words.get(list_, {})

    def post_name(self, kind: str) -> str:
        return self.posts[kind].name if kind in self.posts else kind

    def post_powers(self, kind: str) -> frozenset[str]:
        return self.posts[kind].powers if kind in self.posts else frozenset()

    def limit(self, key: str) -> int:
        """A row of the county's table, else of the packaged one. Raises KeyError for a key that neither has."""
        return self.limits[key] if key in self.limits else _packaged().limits[key]

    def notice(self, key: str) -> Notice:
        """A county's table may lack it: then the packaged text. Raises KeyError for a key that neither has."""
        return self.notices[key] if key in self.notices else _packaged().notices[key]

    def template(self, key: str) -> Template:
        """Likewise."""
        return self.templates[key] if key in self.templates else _packaged().templates[key]


def _fields(read: Mapping[str, Any]) -> dict[str, Any]:
    lists: dict[str, dict[str, str]] = {}
    spoken: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in read["lists"].rows:
        lists.setdefault(row.list, {})[row.code] = row.name
        if row.words:
            spoken.setdefault(row.list, {})[row.code] = row.words
    starts: dict[str, tuple[ClockRule, ...]] = {}
    for row in read["clocks"].rows:
        starts[row.start] = (*starts.get(row.start, ()), row)
    places = _paths(read["places"].rows)
    children: dict[str, tuple[str, ...]] = {}
    successors = _successors(places)
    for path in places:
        above = place.parent(path) or ""
        if path not in successors:
            children[above] = (*children.get(above, ()), path)
    suffixes = read["levels"].suffixes
    return {
        "types": _by(read["types"].rows, "code"),
        "intakes": _by(read["intake"].rows, "code"),
        "endings": _by(read["outcomes"].rows, "code"),
        "list_words": MappingProxyType({name: MappingProxyType(words) for name, words in spoken.items()}),
        "lists": MappingProxyType({name: MappingProxyType(words) for name, words in lists.items()}),
        "posts": _by(read["posts"].rows, "kind"),
        "units": _by(read["units"].rows, "path"),
        "levels": read["levels"].rows,
        "limits": MappingProxyType({row.key: row.value for row in read["limits"].rows}),
        "clocks": _by(read["clocks"].rows, "key"),
        "clocks_from": MappingProxyType(starts),
        "quiet_kinds": read["clocks"].quiet_kinds,
        "calendar": _calendar(read["calendar"]),
        "notices": _by(read["notices"].rows, "key"),
        "templates": _by(read["templates"].rows, "key"),
        "places": MappingProxyType(places),
        "place_names": MappingProxyType({path: ENDED * (path in successors) + _shown(row.name, suffixes) for path, row in places.items()}),
        "place_children": MappingProxyType(children),
        "place_successors": MappingProxyType(successors),
        "level_table": read["levels"],
    }


def _by(rows: Iterable[Any], field: str) -> Mapping[str, Any]:
    return MappingProxyType({getattr(row, field): row for row in rows})


def _calendar(table: shapes.CalendarTable) -> Calendar:
    rest = [day for year in table.rows for first, last, _ in year.rest for day in days_of(first, last)]
    return Calendar(rest, [day for year in table.rows for day in year.work], [year.year for year in table.rows], table.closes)


def _paths(rows: tuple[PlaceRow, ...]) -> dict[str, PlaceRow]:
    """path -> row; a row whose parents are missing, or in a circle, is left out."""
    by_code = {row.code: row for row in rows}
    found = {}
    for row in rows:
        parts, at = [row.code], row
        while at.parent in by_code and len(parts) < place.DEPTH_MAX:
            at = by_code[at.parent]
            parts.insert(0, at.code)
        if not at.parent:
            found["/".join(parts)] = row
    return found


def _successors(places: Mapping[str, PlaceRow]) -> dict[str, str]:
    """Ended place → path of its successor. A code stands in one place of a county, so it names a path."""
    by_code = {place.code_of(path): path for path in places}
    return {path: by_code.get(row.successor, "") for path, row in places.items() if row.successor or row.valid_to}


def _shown(name: str, suffixes: tuple[tuple[str, str], ...]) -> str:
    for written, shown in suffixes:
        if name.endswith(written):
            return name[: -len(written)] + shown
    return name


def _is_open(row: TypeRow, day: date) -> bool:
    return row.valid_from <= day.isoformat() <= (row.valid_to or _FOR_EVER)


@cache
def _packaged() -> Tables:
    return Tables.of({})
