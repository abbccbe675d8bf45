"""How cases lie over places: open ones, those past a date, and those registered in a time, by ledger and 2-digit type, within what the actor may see.

It counts what the lists count: `opened` the view open and `overdue` the view overdue, both as the tallies have them; `fresh` the kind registered
of that time, by a walk along an index that holds all it asks for (case_figures).
"""

from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.events import Actor
from protocol.node import listing
from protocol.node.journal.rows import named
from protocol.node.tallies import Of

_FRESH: Final = (
    f"select ledger, substr(type, 1, 2) as kind, count(*) as fresh from case_row where {listing.COUNTED}"
    " and logged_ms >= :from_ms and logged_ms < :to_ms and {seen} group by ledger, kind"
)


class Lying(msgspec.Struct, frozen=True):
    """Numbers of cases."""

    opened: int = 0
    overdue: int = 0
    fresh: int = 0

    def __add__(self, other: "Lying") -> "Lying":
        return Lying(self.opened + other.opened, self.overdue + other.overdue, self.fresh + other.fresh)


Spread = dict[tuple[str, str], Lying]  # (ledger, 2-digit type, "" = none was written); what has none of all is left out


async def spread(c: AsyncConnection, actor: Actor, of: Of, from_ms: int, to_ms: int) -> Spread:
    """of: what is open, as far as the actor may see it · from_ms, to_ms: when what is fresh was registered, to_ms no more. {} for who may see no case."""
    found = {(ledger, kind): Lying(some.cases, some.late) for ledger, one in of.items() for kind, some in one.types.items()}
    seen, values = await listing.visible(c, actor)
    for row in await named(c, _FRESH.format(seen=seen), {**values, "from_ms": from_ms, "to_ms": to_ms}):
        key = (row.ledger, row.kind or "")
        found[key] = found.get(key, Lying()) + Lying(fresh=int(row.fresh))
    return found
