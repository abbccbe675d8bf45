"""The shape of each code table's rows, and what is refused as a table. Unknown fields are ignored: older nodes read newer tables.

Dates in rows are ISO; "" = always, for ever.
"""

from datetime import date
from typing import Any, Final

import msgspec

from protocol import place
from protocol.problem import Refused

LENGTH_MAX: Final = 4_000  # days in a clock: eleven years
Flag = bool | int | str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A read-only row."""


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
    """words: what people say, for suggestions."""

    list: str
    code: str
    name: str
    words: tuple[str, ...] = ()


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
    """id: of the clock, when several rules make one ("" = the key) · from_: where it starts, in words · start: how it is counted ("" = only described) · right: of the parties, nobody is late.

    stops: what meets it · lengths: several of the same start · more: extension · end: what happens at the end.
    types, types_not: 2 or 4 digits · petition: only for petitions · risks, risks_not · tier: only for a holder of that tier.
    """

    key: str
    name: str
    length: int
    unit: str
    basis: str
    id: str = ""
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


class Version(Row):
    """The head of every table. valid_from: ISO date."""

    version: str = ""
    valid_from: str = ""


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


# travel as tables of *common*, read by the link alone: whose tokens a server takes; tokens that widen what a node hears
CARRIED: Final = frozenset({"trust", "tokens"})


def check(name: str, content: bytes) -> None:
    """Refuses (field_impossible) what no node could read: an unknown name, a wrong shape, a clock that can't be counted."""
    if name not in SHAPES and name not in CARRIED:
        raise Refused("field_impossible", field="name", what="代码表", why=f"没有名为 {name} 的代码表")
    try:
        if name in SHAPES:
            read(name, content)
    except (msgspec.MsgspecError, ValueError) as wrong:
        raise Refused("field_impossible", field="content", what=f"代码表 {name}", why=str(wrong)) from wrong


def read(name: str, content: bytes) -> Any:
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
