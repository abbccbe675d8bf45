"""What persons have in hand here: visits that they were sent on and that go on, cases of these offices that bear their name and are open."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from protocol.node.journal import Journal
from protocol.node.journal.rows import among, bound, fetch
from protocol.node.listing import HAS_IN_HAND, IS_OPEN

# Along task_busy and case_held, which hold what is open alone: named cadres, or a count, would lead SQLite through all visits of years.
_VISITS: Final = f"select cadre from task_row where {HAS_IN_HAND} and coalesce(link, '') = '' order by cadre, due_ms"
_CASES: Final = f"select handler, count(*) from case_row where {{among}} and {IS_OPEN} and handler > '' group by handler"


class InHand(msgspec.Struct, frozen=True):
    visits: int = 0
    cases: int = 0


async def in_hand(journal: Journal, persons: Iterable[str], offices: Iterable[str]) -> dict[str, InHand]:
    """Of these persons; who has nothing is left out."""
    wanted = set(persons)
    async with journal.read() as c:
        visits = Counter(row[0] for row in await fetch(c, _VISITS, {}))
        cases = await fetch(c, _CASES.format(among=among(c, "holder", "offices")), {"offices": bound(c, sorted(set(offices)))})
    handled = {row[0]: int(row[1]) for row in cases}
    return {one: InHand(visits.get(one, 0), handled.get(one, 0)) for one in wanted & (visits.keys() | handled.keys())}
