"""Rows as pages get them: the columns of the views under the same names, and what goes beside them."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from protocol.case import Line
from protocol.node.finding import Sign

Key = tuple[str, str, int]  # (ledger, origin, seq)


class Mark(msgspec.Struct, frozen=True):
    """One level's receipt. text: what it reads (已存本机, 已到…, 未到…, 重新送达中) · state: here, unread (here, in an older program), waiting, again.

    at_ms: when a node of that level last said what it has (None: never, or it is this node or the one that wrote it).
    """

    level: str
    text: str
    reached: bool
    at_ms: int | None
    state: str


class Erasure(msgspec.Struct, frozen=True):
    """Of one entry's words. ground: of the law · instead: what may be read in their place, "" for nothing · line: of the entry that erased."""

    ground: str
    instead: str
    line: Line


class CaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of case_row plus `marks`; asked: somebody on a visit to it waits for an answer of whoever looks.

    status: of case.LISTED_STATUS_NAMES."""

    subject: str
    ledger: str
    code: str
    title: str
    type: str
    status: str
    holder: str
    handler: str
    term: int
    offer_to: str
    offer_by: str
    offer_kind: str
    offer_ms: int | None
    arrived_ms: int | None
    risk: str
    headcount: int
    amount_fen: int | None
    parties: str
    account: str
    intake: str
    place_text: str
    logged_office: str
    logged_ms: int
    accepted_ms: int | None
    agreed_ms: int | None
    closed_ms: int | None
    updated_ms: int
    due_ms: int | None
    due_clock: str
    follow_up_by: str
    follow_up_due_ms: int | None
    reviews: int
    convened: str
    merged_into: str
    visit: str
    predecessor: str
    ending: str
    follow_ups: int
    urged_ms: int | None
    last_origin: str
    last_seq: int
    marks: tuple[Mark, ...] = ()
    asked: bool = False

    @property
    def last(self) -> Key:
        return (self.ledger, self.last_origin, self.last_seq)


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of task_row plus `marks`."""

    subject: str
    case_subject: str
    case_code: str
    ledger: str
    purpose_kind: str
    purpose: str
    cadre: str
    home: str
    unit: str
    assigned_by: str
    assigned_ms: int
    due_ms: int | None
    status: str
    confirmed_ms: int | None
    arrived_ms: int | None
    reported_ms: int | None
    result: str
    bring: str
    address: str
    words: str
    updated_ms: int
    place: str
    link: str
    request: str
    reviews: int
    asked_ms: int | None
    last_origin: str
    last_seq: int
    marks: tuple[Mark, ...] = ()

    @property
    def last(self) -> Key:
        return (self.ledger, self.last_origin, self.last_seq)


class CasePage(msgspec.Struct, frozen=True):
    """more: there are others that the words find · signs: of some that were found, all through them, when a page holds not all."""

    rows: tuple[CaseRow, ...]
    total: int
    page: int
    per: int
    more: bool = False
    signs: tuple[Sign, ...] = ()


class CadreChoice(msgspec.Struct, frozen=True):
    """home_covers: what the node of the cadre's phone covers · reachable: it covers the place asked for · linked: it does not, but a
    linked task in the ledger of his office reaches him · next_due_ms: of his open tasks the one that ends first · kind: of his post."""

    person: str
    name: str
    title: str
    office: str
    home: str
    home_covers: tuple[str, ...]
    open_tasks: int
    reachable: bool
    linked: bool = False
    next_due_ms: int | None = None
    kind: str = ""


class PlaceRow(msgspec.Struct, frozen=True):
    """open, overdue: cases of the place · incoming: those of them that are offered to the office that asks.

    last_heard_ms: newest Have of a node that serves it (None: no node, or never).
    """

    path: str
    name: str
    open: int
    overdue: int
    incoming: int
    last_heard_ms: int | None


class PersonRow(msgspec.Struct, frozen=True):
    """posts: (post, kind, title, office, home, ended)."""

    person: str
    name: str
    phone: str
    office: str
    posts: tuple[tuple[str, str, str, str, str, bool], ...]


class QuarantineRow(msgspec.Struct, frozen=True):
    node: str
    ledger: str
    origin: str
    code: str
    sentence: str
    count: int
    first_ms: int
    last_ms: int


R = TypeVar("R", CaseRow, TaskRow)
_EMPTY: dict[type, dict[str, Any]] = {
    struct: {f.name: {str: "", int: 0}.get(f.type) for f in msgspec.structs.fields(struct) if f.name not in ("marks", "asked")}
    for struct in (CaseRow, TaskRow)
}


def row_as(struct: type[R], row: Mapping[str, Any], marks: tuple[Mark, ...] = (), **beside: Any) -> R:
    """NULL becomes "" or 0 where the field allows no None; columns the struct does not know are left out."""
    values = {name: empty if row.get(name) is None else row[name] for name, empty in _EMPTY[struct].items()}
    return struct(**values, marks=marks, **beside)
