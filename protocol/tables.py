"""Code tables of ledger *common* as one frozen value: types, places, posts, units, clocks, calendar, texts. Lookups are dict lookups.

A table is JSON bytes with `version`, `valid_from`, `rows`. Reading is total: a table that is missing or that this version
cannot read falls back to the packaged one (`broken` names it), so a bad table never stops a node; whoever writes a table
calls `check` first, which refuses. Unknown fields are ignored: older nodes read newer tables. An unknown code or path
answers with itself, so that every page can be drawn. Dates in rows are ISO; "" = always, for ever.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any, Final

import msgspec

from protocol import place
from protocol.calendar import Calendar, days_of
from protocol.data import PACKAGED
from protocol.problem import Refused

LENGTH_MAX: Final = 4_000  # days in a clock: eleven years
Flag = bool | int | str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What every row of a table is: read-only, unknown fields ignored."""


class TypeRow(Row):
    """code: 2 digits or 4 · first: who helps first · flags: see data/README.md · words: what people say, for suggestions."""

    code: str
    name: str
    first: tuple[str, ...] = ()
    flags: dict[str, Flag] = {}
    words: tuple[str, ...] = ()
    gbt31000: str = ""
    moj_form: str = ""
    petition: str = ""
    valid_from: str = ""
    valid_to: str = ""
    successor: str = ""


class Intake(Row):
    """source: applied, own, entrusted (list `source`) · petition: the clocks of the 信访工作条例 run."""

    code: str
    name: str
    source: str = "applied"
    petition: bool = False
    words: str = ""


class Ending(Row):
    """ok: counts as resolved · paper: key of table `templates`."""

    code: str
    name: str
    ok: bool = False
    paper: str = ""


class ListRow(Row):
    list: str
    code: str
    name: str


class Post(Row):
    kind: str
    name: str
    powers: frozenset[str]


class Unit(Row):
    """kind: window, department, committee · types: codes it helps with first · flags: petition, discipline."""

    path: str
    name: str
    short: str = ""
    kind: str = "department"
    types: tuple[str, ...] = ()
    flags: dict[str, Flag] = {}


class Level(Row):
    """mark: what a receipt says · office: name pattern of the place's own office · limit: key of the clock of a term."""

    tier: int
    key: str
    name: str
    mark: str
    office: str
    limit: str


class Limit(Row):
    key: str
    value: int


class ClockRule(Row):
    """from_: where it starts, in words · start: how it is counted ("" = only described) · right: of the parties, nobody is late.

    stops: what meets it · lengths: several of the same start · more: extension · end: what happens at the end.
    types, types_not: 2 or 4 digits · petition: only for petitions · risks, risks_not · tier: only for a holder of that tier.
    """

    key: str
    name: str
    length: int
    unit: str
    basis: str
    from_: str = msgspec.field(name="from", default="")
    start: str = ""
    stops: str = ""
    lengths: tuple[int, ...] = ()
    move: bool = True
    right: bool = False
    end: str = ""
    more: str = ""
    types: frozenset[str] = frozenset()
    types_not: frozenset[str] = frozenset()
    petition: bool = False
    risks: frozenset[str] = frozenset()
    risks_not: frozenset[str] = frozenset()
    tier: int | None = None


class Year(Row):
    year: int
    rest: tuple[tuple[date, date, str], ...] = ()
    work: tuple[date, ...] = ()


class Notice(Row):
    key: str
    title: str
    text: tuple[str, ...]
    basis: str = ""


class Template(Row):
    """A paper: must = yes, any, one · mark: words of its number · notice: key of the text it carries · words: fixed sentences."""

    no: str
    key: str
    name: str
    signs: str = ""
    must: str = "any"
    mark: str = ""
    notice: str = ""
    words: tuple[str, ...] = ()


class PlaceRow(msgspec.Struct, frozen=True, array_like=True):
    """successor: code after a merge."""

    code: str
    name: str
    level: str
    parent: str
    valid_from: str = ""
    valid_to: str = ""
    successor: str = ""


class LevelTable(Row):
    """suffixes: (written, shown) pairs cut from the names of places; the rest names what is no place of the county."""

    rows: tuple[Level, ...]
    suffixes: tuple[tuple[str, str], ...] = ()
    common: str = ""
    sealed: str = ""


class ClockTable(Row):
    """quiet_kinds: events that are no progress of the holder."""

    rows: tuple[ClockRule, ...]
    quiet_kinds: frozenset[str] = frozenset()


class CalendarTable(Row):
    rows: tuple[Year, ...]
    opens: str = "08:30"
    closes: str = "17:30"


def _rows(row: type) -> type:
    return msgspec.defstruct(f"{row.__name__}Table", [("rows", tuple[row, ...])], frozen=True)  # type: ignore[valid-type]


SHAPES: Final[dict[str, Any]] = {
    "types": _rows(TypeRow),
    "intake": _rows(Intake),
    "outcomes": _rows(Ending),
    "lists": _rows(ListRow),
    "posts": _rows(Post),
    "units": _rows(Unit),
    "levels": LevelTable,
    "limits": _rows(Limit),
    "clocks": ClockTable,
    "calendar": CalendarTable,
    "notices": _rows(Notice),
    "templates": _rows(Template),
    "places": _rows(PlaceRow),
}
_decoders: Final = {name: msgspec.json.Decoder(shape) for name, shape in SHAPES.items()}


def check(name: str, content: bytes) -> None:
    """Refuses (table_wrong) what no node could read: an unknown name, a wrong shape, a clock that can't be counted."""
    if name not in SHAPES:
        raise Refused("field_impossible", field="name", what="代码表", why=f"没有名为 {name} 的代码表")
    try:
        _read(name, content)
    except (msgspec.MsgspecError, ValueError) as wrong:
        raise Refused("field_impossible", field="content", what=f"代码表 {name}", why=str(wrong)) from wrong


def _read(name: str, content: bytes) -> Any:
    """Raises msgspec.MsgspecError or ValueError."""
    table = _decoders[name].decode(content)
    if name == "clocks":
        for rule in table.rows:
            if rule.unit not in ("hour", "day", "workday", "month", "year"):
                raise ValueError(f"{rule.key}: no unit {rule.unit}")
            if any(not 0 <= n <= LENGTH_MAX for n in (rule.length, *rule.lengths)):
                raise ValueError(f"{rule.key}: length beyond {LENGTH_MAX}")
    if name == "calendar":
        for year in table.rows:
            if any((last - first).days not in range(60) for first, last, _ in year.rest):
                raise ValueError(f"{year.year}: a rest of more than 60 days, or backwards")
    if name == "levels" and [row.tier for row in table.rows] != list(range(place.DEPTH_MAX)):
        raise ValueError("levels are tiers 0, 1, 2 in this order")
    return table


def _calendar(table: CalendarTable) -> Calendar:
    rest = [day for year in table.rows for first, last, _ in year.rest for day in days_of(first, last)]
    return Calendar(rest, [day for year in table.rows for day in year.work], [year.year for year in table.rows], table.closes)


def _paths(rows: tuple[PlaceRow, ...]) -> dict[str, PlaceRow]:
    """path -> row; a row whose parents are missing, or in a circle, is left out."""
    by_code = {row.code: row for row in rows}
    found = {}
    for row in rows:
        parts, above = [row.code], by_code.get(row.parent)
        while above and len(parts) < place.DEPTH_MAX:
            parts.insert(0, above.code)
            above = by_code.get(above.parent)
        if not above and by_code[parts[0]].parent == "":
            found["/".join(parts)] = row
    return found


class Tables:
    """Built by `of` or `packaged`; nothing in it changes afterwards. versions: name -> (version, valid_from)."""

    def __init__(self, read: Mapping[str, Any], versions: dict[str, tuple[str, str]], broken: tuple[str, ...]) -> None:
        self.versions, self.broken = versions, broken
        self.types = {row.code: row for row in read["types"].rows}
        self.intakes = {row.code: row for row in read["intake"].rows}
        self.endings = {row.code: row for row in read["outcomes"].rows}
        self.lists: dict[str, dict[str, str]] = {}
        for row in read["lists"].rows:
            self.lists.setdefault(row.list, {})[row.code] = row.name
        self.posts = {row.kind: row for row in read["posts"].rows}
        self.units = {row.path: row for row in read["units"].rows}
        self.levels = read["levels"].rows
        self.limits = {row.key: row.value for row in read["limits"].rows}
        self.clocks = {row.key: row for row in read["clocks"].rows}
        self.quiet_kinds = read["clocks"].quiet_kinds
        self.calendar = _calendar(read["calendar"])
        self.notices = {row.key: row for row in read["notices"].rows}
        self.templates = {row.key: row for row in read["templates"].rows}
        self.places = _paths(read["places"].rows)
        self.rules: dict[object, object] = {}  # protocol.clocks keeps here which rules a kind of case has
        self._level_table = read["levels"]
        self._names = {path: self._shown(row.name) for path, row in self.places.items()}
        self._children: dict[str, tuple[str, ...]] = {}
        for path in self.places:
            above = place.parent(path) or ""
            self._children[above] = (*self._children.get(above, ()), path)

    @classmethod
    def of(cls, contents: Mapping[str, bytes]) -> "Tables":
        """From the contents of *common*, name -> JSON bytes; total, see the module."""
        read, versions, broken = {}, {}, []
        for name, (version, valid_from, packaged) in PACKAGED.items():
            content = contents.get(name, packaged)
            try:
                read[name] = _read(name, content)
                head = msgspec.json.decode(content, type=_Head)
                versions[name] = (head.version, head.valid_from)
            except (msgspec.MsgspecError, ValueError):
                broken.append(name)
                read[name], versions[name] = _read(name, packaged), (version, valid_from)
        return cls(read, versions, tuple(broken))

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
        if path in self._names:
            return self._names[path]
        if path in self.units:
            return self.units[path].short or self.units[path].name
        if path == place.COMMON:
            return self._level_table.common
        return self._level_table.sealed if place.is_sealed(path) else place.code_of(path)

    def place_full(self, path: str) -> str:
        """'天子湖镇高禹村': from below the root down; the root is only itself."""
        parts = place.segments(path)
        if path not in self.places or len(parts) == 1:
            return self.place_name(path)
        return "".join(self.place_name("/".join(parts[: n + 1])) for n in range(1, len(parts)))

    def children(self, path: str) -> tuple[str, ...]:
        """Paths of the places one level down, in the order of their codes; units are not among them."""
        return self._children.get(path, ())

    def units_of(self, path: str) -> tuple[str, ...]:
        return tuple(unit for unit in self.units if place.parent(unit) == path)

    def is_place(self, path: str) -> bool:
        return path in self.places or path in self.units

    def level(self, path: str) -> str:
        return self._level(path).name

    def mark(self, path: str) -> str:
        """'已到县': what a receipt of a node that serves this path says."""
        return self._level(path).mark

    def level_limit(self, path: str) -> str:
        """Key of the clock that limits a term of an office here."""
        return self._level(path).limit

    def office_name(self, path: str) -> str:
        """'高禹村人民调解委员会', '天子湖镇综治中心', a unit's full name."""
        if path in self.units:
            return self.units[path].name
        if path in self.places:
            return self._level(path).office.format(place=self.place_name(path))
        return self.place_name(path)

    def unit_flag(self, path: str, flag: str) -> Flag:
        return self.units[path].flags.get(flag, False) if path in self.units else False

    def _level(self, path: str) -> Level:
        return self.levels[min(place.tier(path), len(self.levels) - 1)]

    def _shown(self, name: str) -> str:
        for written, shown in self._level_table.suffixes:
            if name.endswith(written):
                return name[: -len(written)] + shown
        return name

    # ── codes, texts, numbers ──

    def intake_name(self, code: str) -> str:
        return self.intakes[code].name if code in self.intakes else code

    def intake_is_petition(self, code: str) -> bool:
        return code in self.intakes and self.intakes[code].petition

    def ending_name(self, code: str) -> str:
        return self.endings[code].name if code in self.endings else code

    def ending_ok(self, code: str) -> bool:
        return code in self.endings and self.endings[code].ok

    def word(self, list_: str, code: str) -> str:
        """The name of a code in a small list: word('risk', 'red') = '红'."""
        return self.lists.get(list_, {}).get(code, code)

    def words(self, list_: str) -> tuple[tuple[str, str], ...]:
        """(code, name) pairs of a small list, for a choice on a page."""
        return tuple(self.lists.get(list_, {}).items())

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
        return self.templates[key] if key in self.templates else _packaged().templates[key]


class _Head(Row):
    version: str = ""
    valid_from: str = ""


def _is_open(row: TypeRow, day: date) -> bool:
    return (row.valid_from or "0") <= day.isoformat() and (not row.valid_to or day.isoformat() <= row.valid_to)


@cache
def _packaged() -> Tables:
    return Tables.of({})
