"""What a list finds by its words: all of it, and of what is too common a part, which is said.

A word that 2,000 texts have is not what anybody looks for: the page asks for a second sign, and offers some from the hits. So nothing
that grows with all the cases is counted: the index is walked from its end until LOOKED_AT are found. Whoever may see no more than
FOUND_MAX of those gets all that he may see, as if nothing had been cut.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.codes import as_code
from protocol.node.journal.rows import among, bound, fetch, named
from protocol.node.journal.search import subjects
from protocol.node.listing import Asked, Where, subjects_of

LOOKED_AT: Final = 2_000
FOUND_MAX: Final = 1_000
SAMPLE_MAX: Final = 200  # of what is found, from its first to its last: the kinds that are offered to narrow it by are theirs


class Found(NamedTuple):
    """subjects: in the order of the list, a space between them: a third of the room of a list · more: there are others."""

    subjects: str
    more: bool


class Sign(msgspec.Struct, frozen=True):
    """What a case that was found can be told apart by."""

    type: str
    status: str
    ledger: str
    logged_ms: int


async def found(c: AsyncConnection, asked: Asked, ordered: str, where: Callable[[Sequence[str] | None], Awaitable[Where]]) -> Found:
    """where: what the list holds, of these hits or of all. Of a word that very many texts have only some are looked at first; where the asker
    may see too few of those, all."""
    hits = await subjects(c, as_code(asked.text), LOOKED_AT) if asked.is_words else None
    if hits is not None and len(hits) >= LOOKED_AT:
        some = await _listed(c, ordered, await where(hits))
        if len(some) > FOUND_MAX:
            return Found(" ".join(some[:FOUND_MAX]), True)
        hits = None
    return Found(" ".join(await _listed(c, ordered, await where(hits))), False)


async def _listed(c: AsyncConnection, ordered: str, where: Where) -> list[str]:
    return [row[0] for row in await fetch(c, subjects_of(where[0], ordered), where[1])]


async def signs(c: AsyncConnection, hits: Sequence[str]) -> tuple[Sign, ...]:
    some = {"some": bound(c, list(hits[:: -(-len(hits) // SAMPLE_MAX)]))}
    rows = await named(c, f"select type, status, ledger, logged_ms from case_row where {among(c, 'subject', 'some')}", some)
    return tuple(Sign(row.type or "", row.status or "", row.ledger, row.logged_ms or 0) for row in rows)
