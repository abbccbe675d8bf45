"""How cases lie over places: open ones, those past a date, and those registered in a time, by ledger and 2-digit type, within what the actor may see.

One question, two walks along indices that hold all it asks for (case_open, case_figures), so what was closed long ago costs nothing. It counts
what the lists count: `opened` the view open, `overdue` the view overdue, `fresh` the kind registered of that time.
"""

from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.events import Actor
from protocol.node import listing
from protocol.node.journal.rows import named

_QUESTION: Final = (
    "select ledger, kind, sum(opened) as opened, sum(overdue) as overdue, sum(fresh) as fresh from ("
    " select ledger, substr(type, 1, 2) as kind, 1 as opened, case when due_ms < :now_ms then 1 else 0 end as overdue, 0 as fresh"
    f" from case_row where {listing.IS_OPEN} and {{seen}}"
    " union all select ledger, substr(type, 1, 2), 0, 0, 1"
    f" from case_row where {listing.COUNTED} and logged_ms >= :from_ms and logged_ms < :to_ms and {{seen}}"
    ") found group by ledger, kind"
)


class Lying(msgspec.Struct, frozen=True):
    """Numbers of cases."""

    opened: int = 0
    overdue: int = 0
    fresh: int = 0

    def __add__(self, other: "Lying") -> "Lying":
        return Lying(self.opened + other.opened, self.overdue + other.overdue, self.fresh + other.fresh)


Spread = dict[tuple[str, str], Lying]  # (ledger, 2-digit type, "" = none was written); what has none of all is left out


async def spread(c: AsyncConnection, actor: Actor, now_ms: int, from_ms: int, to_ms: int) -> Spread:
    """from_ms, to_ms: when what is fresh was registered, to_ms no more. {} for who may see no case."""
    seen, values = await listing.visible(c, actor)
    asked: dict[str, Any] = {**values, "now_ms": now_ms, "from_ms": from_ms, "to_ms": to_ms}
    rows = await named(c, _QUESTION.format(seen=seen), asked)
    return {(row.ledger, row.kind or ""): Lying(int(row.opened), int(row.overdue), int(row.fresh)) for row in rows}
