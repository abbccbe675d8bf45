"""What persons have in hand here: visits that they were sent on and that go on, cases of these offices that bear their name and are open."""

from collections.abc import Iterable
from typing import Final

import msgspec

from protocol.node.journal import Journal
from protocol.node.journal.rows import among, bound, fetch
from protocol.node.listing import HANDLED, IN_HAND

_VISITS: Final = f"select cadre, count(*) from {IN_HAND} group by cadre"
# Of `whose` alone: a county has thousands of others.
_CASES: Final = f"select handler, count(*) from {HANDLED} where {{offices}} group by handler"


class InHand(msgspec.Struct, frozen=True):
    visits: int = 0
    cases: int = 0


async def in_hand(journal: Journal, persons: Iterable[str], offices: Iterable[str]) -> dict[str, InHand]:
    """Of these persons; who has nothing is left out."""
    wanted = set(persons)
    async with journal.read() as c:
        sent = await fetch(c, _VISITS, {})
        handled = _CASES.format(whose=among(c, "handler", "persons"), offices=among(c, "holder", "offices"))
        named = await fetch(c, handled, {"persons": bound(c, sorted(wanted)), "offices": bound(c, sorted(set(offices)))})
    visits, cases = ({row[0]: int(row[1]) for row in rows} for rows in (sent, named))
    return {one: InHand(visits.get(one, 0), cases.get(one, 0)) for one in wanted & (visits.keys() | cases.keys())}
