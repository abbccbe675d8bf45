"""What a list finds by its words: all of it, and of what is too common the part that came last, which is said.

A word that 1,000 cases have is not what anybody looks for: the page asks for a second sign, and offers some from the hits. So nothing
that grows with all the cases is counted: the index is asked for one more than FOUND_MAX.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.node.journal.rows import among, bound, named

FOUND_MAX: Final = 1_000
SAMPLE_MAX: Final = 100  # of what is found: the kinds that are offered to narrow it by are those of the first ones


class Found(NamedTuple):
    """subjects: in the order of the list, a space between them: a third of the room of a list · more: there are others, which came earlier."""

    subjects: str
    more: bool


class Sign(msgspec.Struct, frozen=True):
    """What a case that was found can be told apart by."""

    type: str
    status: str
    ledger: str
    logged_ms: int


async def signs(c: AsyncConnection, subjects: Sequence[str]) -> tuple[Sign, ...]:
    some = {"some": bound(c, list(subjects[:SAMPLE_MAX]))}
    rows = await named(c, f"select type, status, ledger, logged_ms from case_row where {among(c, 'subject', 'some')}", some)
    return tuple(Sign(row.type or "", row.status or "", row.ledger, row.logged_ms or 0) for row in rows)
