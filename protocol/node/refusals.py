"""What this node refused of other nodes, in words for whoever works here: from whom, of which ledger, why, and what to do next.

    rows = await refused_here(journal, reads.node_name, actor)    newest first

The table is local to the node, so its own people must see it: at a village nobody else ever does. They read words of ours by the code of the
refusal, never what a stranger sent; who looks after machines reads the whole sentence. Of a sealed ledger they see nothing: that something
came at all tells that somebody accuses. Who opens what is sealed, or guards who does, learns that something was refused, and no more.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from protocol.access import CASE_POWERS
from protocol.events import Actor
from protocol.node.journal import Journal
from protocol.node.journal.rows import named
from protocol.people_rules import ADMIN, is_guarded
from protocol.place import SEALED
from protocol.problem import ASK, SEALED_TOLD, told

SHOWN_MAX: Final = 200
LOOKS_AFTER: Final = frozenset({ADMIN, "supervise"})
SEALED_LIKE: Final = f"%/{SEALED}/%"  # of a ledger's path, in SQL


class Refusal(msgspec.Struct, frozen=True):
    """One kind of what was refused. ledger: "" where what came does not tell; SEALED, without node and name, for all that is sealed together."""

    node: str
    name: str
    ledger: str
    code: str
    why: str
    then: str
    count: int
    first_ms: int
    last_ms: int


def said(code: str, sentence: str) -> str:
    """The sentence as it was kept; where it names a sealed ledger, the words for its code."""
    return told(code)[0] if f"/{SEALED}/" in sentence else sentence


async def refused_here(journal: Journal, name_of: Callable[[str], str], actor: Actor) -> list[Refusal]:
    """Nothing for who sees no cases and looks after no machines. Of what is sealed see `sealed_here`, whose row comes last."""
    if not actor.powers & (CASE_POWERS | LOOKS_AFTER):
        return []
    whole = bool(actor.powers & LOOKS_AFTER)
    sql = (
        f"select node, ledger, code, {'sentence' if whole else 'code'} as words, sum(count) as times, min(first_ms) as since_ms,"
        f" max(last_ms) as latest_ms from quarantine where ledger not like :sealed group by node, ledger, code{', sentence' if whole else ''}"
        " order by latest_ms desc, node, ledger, code limit :most"
    )
    async with journal.read() as c:
        rows = await named(c, sql, {"sealed": SEALED_LIKE, "most": SHOWN_MAX})
    found = []
    for row in rows:
        why, then = told(row.code)
        why, then = said(row.code, row.words) if whole else why, ASK if ADMIN in actor.powers else then
        found.append(Refusal(row.node, name_of(row.node), row.ledger, row.code, why, then, int(row.times), row.since_ms, row.latest_ms))
    sealed = await sealed_here(journal, actor)
    return found if sealed is None else [*found, sealed]


async def sealed_here(journal: Journal, actor: Actor) -> Refusal | None:
    """All that was refused of sealed ledgers in one, without whose or from whom; None for whoever may not know, and when nothing was."""
    if not is_guarded(actor.powers, actor.office):
        return None
    sql = "select sum(count) as times, min(first_ms) as since_ms, max(last_ms) as latest_ms from quarantine where ledger like :sealed"
    async with journal.read() as c:
        (row,) = await named(c, sql, {"sealed": SEALED_LIKE})
    return Refusal("", "", SEALED, "", *SEALED_TOLD, int(row.times), row.since_ms, row.latest_ms) if row.times else None
