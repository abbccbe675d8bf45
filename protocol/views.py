"""Views: tables the pages read, as a pure function of the entries of one subject.

`rows(sort, admitted, tables)` gives every row of one subject; a store deletes the subject's rows and inserts these, in the
transaction of the journal row. The first column of every table is `subject`; key columns make the primary key.
A clock's `state` is running, met or stopped; whether it is late depends on the present and is asked of `clocks.warn`.
"""

from typing import Any, Final, Literal

import msgspec

from protocol.entry import Admitted
from protocol.tables import Tables

Type = Literal["text", "int", "real", "blob"]


class Column(msgspec.Struct, frozen=True):
    """Every column but a key may be NULL."""

    name: str
    type: Type = "text"
    key: bool = False
    index: bool = False


def _columns(text: str) -> tuple[Column, ...]:
    """`name[:type][!][+]`: ! key, + index."""
    out = []
    for word in text.split():
        bare = word.rstrip("!+")
        name, _, kind = bare.partition(":")
        out.append(Column(name, kind or "text", "!" in word, "+" in word))  # type: ignore[arg-type]
    return tuple(out)


TABLES: Final[dict[str, tuple[Column, ...]]] = {
    "case_row": _columns(
        "subject! ledger+ code+ title type+ status+ holder+ handler term:int offer_to+ offer_by+ offer_kind offer_ms:int arrived_ms:int"
        " risk headcount:int amount_fen:int parties account intake place_text logged_office logged_ms:int+ accepted_ms:int agreed_ms:int"
        " closed_ms:int updated_ms:int+ due_ms:int+ due_clock follow_up_by+ follow_up_due_ms:int reviews:int convened merged_into visit"
        " last_origin last_seq:int"
    ),
    "task_row": _columns(
        "subject! case_subject+ case_code ledger+ purpose_kind purpose cadre+ home unit+ assigned_by+ assigned_ms:int due_ms:int status+"
        " confirmed_ms:int arrived_ms:int reported_ms:int result bring address words updated_ms:int last_origin last_seq:int"
    ),
    "clock_row": _columns("subject! clock! starts_ms:int! due_ms:int+ state note"),
    "review_row": _columns("subject! item! owner+ reason due_ms:int"),
    "person_row": _columns("subject! ledger+ name+ phone"),
    "post_row": _columns("subject! post! ledger+ kind+ title home+ ended:int"),
    "table_row": _columns("subject! name!+ version! valid_from content:blob"),
    "node_row": _columns("subject! certificate:blob revoked:int"),
}


def rows(sort: str, admitted: list[Admitted], tables: Tables) -> dict[str, list[dict[str, Any]]]:
    """Every row of one subject, by table; {} for sorts without a view."""
    raise NotImplementedError


def search_text(sort: str, admitted: list[Admitted]) -> str:
    """What a search finds the subject by: names, code, account, place. "" for sealed and whatever has no such text."""
    raise NotImplementedError
