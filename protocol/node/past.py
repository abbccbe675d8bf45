"""What cadres did before: whom they met already, and which kind of matter they went to, as far as the asking actor may see the cases."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.events import Actor
from protocol.node import candidates, listing
from protocol.node.journal.rows import among, bound, named

PARTIES_LOOKED_UP, PAST_CASES_MAX = 6, 50  # names of one case whose other cases are looked at, and how many of each
SKILL_MS: Final = 2 * 365 * 86_400_000  # what lies longer ago says little
_POSTS: Final = "select subject, kind, ledger, title, home from post_row where ended = 0 and home > '' order by subject"
_BUSY: Final = f"select cadre, count(*) as open_tasks, min(nullif(due_ms, 0)) as next_due_ms from {listing.IN_HAND} group by cadre"
_VISITED: Final = (
    f"select cadre, case_subject, count(*) as visits, max({listing.WENT_MS}) as last_ms from task_row"
    f" where {{among}} and cadre > '' and {listing.WENT_MS} > 0 group by cadre, case_subject"
)
# Each cadre's visits along task_went, the kind of their cases in case_found: no row of either table is fetched.
_PRACTISED: Final = (
    f"select cadre, count(distinct case_subject) as cases from task_row where {{among}} and cadre > '' and {listing.WENT_MS} > :since_ms"
    f" and exists (select 1 from case_row where {listing.OF_HIT} = (task_row.case_subject || '') and substr(type, 1, 2) = :kind and {{seen}}) group by cadre"
)


async def posted(c: AsyncConnection) -> tuple[list[Any], dict[str, tuple[int, int | None]]]:
    """(posts of who has a phone somewhere, person → (how many open tasks he has, when the first of them ends))."""
    busy = {row.cadre: (row.open_tasks, row.next_due_ms) for row in await named(c, _BUSY, {})}
    return await named(c, _POSTS, {}), busy


async def visited(c: AsyncConnection, actor: Actor, case: str, parties: Sequence[str]) -> dict[str, candidates.Past]:
    """person → his visits to this case ("" = none), and to other cases of people with these names."""
    names = [name for name in dict.fromkeys(parties) if len(name) > 1][:PARTIES_LOOKED_UP]
    seen, values = await listing.visible(c, actor)
    of_names: dict[str, set[str]] = {case: set()} if case else {}
    for name in names:
        matching, some = await listing.found(c, name, actor)
        sql = f"select subject, parties from case_row where {seen} and {matching} order by updated_ms desc limit {PAST_CASES_MAX}"
        for row in await named(c, sql, {**values, **some}):
            if row.subject != case and name in (row.parties or "").split("、"):
                of_names.setdefault(row.subject, set()).add(name)
    rows = await named(c, _VISITED.format(among=among(c, "case_subject", "cases")), {"cases": bound(c, of_names)})
    found: dict[str, candidates.Past] = {}
    for row in rows:
        before, is_here = found.get(row.cadre, candidates.Past()), row.case_subject == case
        met = tuple(dict.fromkeys([*before.names, *sorted(of_names[row.case_subject])]))
        here, elsewhere = (row.visits, 0) if is_here else (0, row.visits)
        last_ms = max(before.last_ms, row.last_ms)
        found[row.cadre] = candidates.Past(before.here + here, before.met + elsewhere, met, last_ms)
    return found


async def practised(c: AsyncConnection, actor: Actor, persons: Sequence[str], kind: str, since_ms: int) -> dict[str, int]:
    """person → to how many cases of this kind (2-digit type) he went since then; whoever went to none is left out."""
    seen, values = await listing.visible(c, actor)
    sql = _PRACTISED.format(among=among(c, "cadre", "persons"), seen=seen)
    asked = {**values, "persons": bound(c, persons), "kind": kind, "since_ms": since_ms}
    return {row.cadre: int(row.cases) for row in await named(c, sql, asked)}
