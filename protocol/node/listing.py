"""Lists of cases as SQL: what an actor may see, what each view holds, in which order. The same text on both stores.

A path with its subtree is a range of text (`/` is followed by `0`), so an index serves it. An office whose region is the
whole of what is here needs no such range; for the others, cases of other places come in by holder, offer and the
tasks that ask a unit to join, each by its own index.
"""

from typing import Any, Final

from protocol import place
from protocol.access import CASE_POWERS
from protocol.case import OPEN
from protocol.events import Actor

VIEWS: Final = ("all", "open", "held", "incoming", "outgoing", "came_down", "follow_up", "review", "overdue")
Where = tuple[str, dict[str, Any]]  # a condition on case_row and its bound values

_OPEN: Final = "status in (" + ", ".join(f"'{status}'" for status in OPEN) + ")"
_VIEW: Final = {
    "all": "1 = 1",
    "open": _OPEN,
    "held": f"holder = :office and {_OPEN}",
    "incoming": "offer_to = :office",
    "outgoing": "offer_by = :office and offer_to > ''",
    "came_down": "offer_to = :office and offer_kind = 'hand_down'",
    "follow_up": "follow_up_by = :office and follow_up_due_ms is not null",
    "review": "subject in (select subject from review_row where owner = :office)",
    "overdue": f"due_ms < :now_ms and {_OPEN}",
}
_ORDER: Final = {"overdue": "due_ms, subject", "follow_up": "follow_up_due_ms, subject"}
_NEWEST: Final = "updated_ms desc, subject"


def subtree(column: str, name: str, path: str) -> Where:
    """Claims that `column` is `path` or lies below it."""
    sql = f"({column} = :{name} or ({column} >= :{name}_from and {column} < :{name}_to))"
    return sql, {name: path, f"{name}_from": f"{path}/", f"{name}_to": f"{path}0"}


def visible(actor: Actor) -> Where:
    """The rows of case_row for which access.may_see_case holds."""
    if not actor.powers & CASE_POWERS:
        return "1 = 0", {}
    if place.tier(actor.office) == 0 and not place.is_unit(actor.office):
        return "1 = 1", {}
    sql, values = subtree("ledger", "own", actor.office)
    others = (
        "select subject from case_row where holder = :own union all select subject from case_row where offer_to = :own"
        " union all select subject from case_row where logged_office = :own union all select case_subject from task_row where unit = :own"
    )
    return f"({sql} or subject in ({others}))", values


def where(actor: Actor, view: str, now_ms: int) -> Where:
    seen, values = visible(actor)
    return f"{seen} and {_VIEW[view]}", {**values, "office": actor.office, "now_ms": now_ms}


def order(view: str) -> str:
    return _ORDER.get(view, _NEWEST)


def of_type(code: str) -> Where:
    """2 digits take their 4-digit types along."""
    return "(type >= :type and type < :type_to)", {"type": code, "type_to": code[:-1] + chr(ord(code[-1]) + 1)}


def is_open(prefix: str = "") -> str:
    return prefix + _OPEN
