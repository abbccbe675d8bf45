"""What a companion says, from its entries: total, and independent of the order in which they arrived."""

from collections.abc import Iterable
from typing import Final

import msgspec

from protocol.case import Line
from protocol.entry import Admitted
from protocol.events import OpinionWritten, body_of
from protocol.hold import REVOKED, LastGood, gathered, out_of_office
from protocol.tables import Tables
from protocol.words import line_of

KIND: Final = "OpinionWritten"


class Companion(msgspec.Struct, kw_only=True):
    """ledger: the writer's own · risk: the last one assessed ("" = none) · lines: in order; one that does not count says why in `set_aside`."""

    id: str
    ledger: str
    case: str
    risk: str = ""
    lines: list[Line] = []


def fold_companion(admitted: Iterable[Admitted], tables: Tables | None, last_good: LastGood | None = None) -> Companion | None:
    """None where no opinion is among the entries. tables None: lines without words."""
    items = [item for item in gathered(admitted) if item.kind == KIND and isinstance(item.facts, OpinionWritten)]
    if not items:
        return None
    made = Companion(id=items[0].head.subject, ledger=items[0].head.ledger, case=items[0].facts.case)
    for item in items:
        if (item.head.ledger, item.facts.case) != (made.ledger, made.case):
            continue  # of another name: it would be shown where it does not belong
        line = line_of(item.admitted, item.facts, body_of(item.kind, item.admitted.body), tables)
        line.set_aside = _why(item.head.ledger != item.facts.office, out_of_office(item, last_good))
        if item.facts.risk and not line.set_aside:
            made.risk = item.facts.risk
        made.lines.append(line)
    return made


def _why(foreign: bool, code: str) -> str:
    if foreign:
        return "这一条写在别的单位的台账里"
    if code:
        return "写这一条的机器已被停用" if code == REVOKED else "写这一条的人已经离岗，离岗之前这一条没有送到"
    return ""


def opinion_texts(admitted: Iterable[Admitted]) -> list[str]:
    """The words of each opinion that are still here."""
    found = (body_of(item.kind, item.admitted.body) for item in gathered(admitted) if item.kind == KIND)
    return [body.text for body in found if body is not None]
