"""How many cases each list holds for an actor: what lies in the actor's region as the tallies have it, the rest asked of the store.

async with tallies.alone(), journal.read() as c:
    of = await seen(c, actor, await tallies.now(c), now_ms)        {ledger: Tally} of what the actor may see
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import place
from protocol.access import CASE_POWERS
from protocol.events import Actor
from protocol.node import listing
from protocol.node.journal.rows import fetch
from protocol.node.listing import TASK_VIEWS, VIEWS
from protocol.node.tallies import Of, added, tally

TALLIED: Final = ("all", "open", "held", "due", "overdue", "soon")  # of VIEWS
_ASKED: Final = tuple(name for name in (*VIEWS, *TASK_VIEWS) if name not in TALLIED)


async def counted(c: AsyncConnection, actor: Actor, of: Of, now_ms: int) -> dict[str, int]:
    """How many cases each of VIEWS, and tasks each of TASK_VIEWS, holds. of: of all ledgers."""
    if not actor.powers & CASE_POWERS:
        return dict.fromkeys((*VIEWS, *TASK_VIEWS), 0)
    region = await seen(c, actor, of, now_ms)
    opened = added(one.opened for one in region.values())
    held = added(own for one in of.values() for office in actor.offices if (own := one.holders.get(office)))
    tallied = (sum(one.total for one in region.values()), opened.cases, held.cases, held.pressing, opened.late, opened.soon)
    return dict(zip(TALLIED, tallied, strict=True)) | await asked(c, actor, _ASKED, now_ms)


async def asked(c: AsyncConnection, actor: Actor, views: Sequence[str], now_ms: int) -> dict[str, int]:
    """How many each of these of VIEWS and TASK_VIEWS holds, by a walk along an index each."""
    seen, parts, values = await listing.visible(c, actor), [], {}
    for name in views:
        of_tasks = name in TASK_VIEWS
        condition, some = listing.task_view(name, actor) if of_tasks else listing.view(name, actor, now_ms, seen)
        parts.append(f"(select count(*) from {'task_row' if of_tasks else 'case_row'} where {condition})")
        values.update(some)
    row = (await fetch(c, "select " + ", ".join(parts), values))[0]
    return dict(zip(views, row, strict=True))


async def seen(c: AsyncConnection, actor: Actor, of: Of, now_ms: int) -> Of:
    """What of this the actor may see: access.may_see_case. of: of all ledgers."""
    if not actor.powers & CASE_POWERS:
        return {}
    if any(place.tier(office) == 0 and not place.is_unit(office) for office in actor.offices):
        return of
    own = {ledger: one for ledger, one in of.items() if any(place.within(ledger, office) for office in actor.offices)}
    others = await listing.elsewhere(c, actor)
    return own if others is None else own | await tally(c, others, now_ms)
