"""One ledger, lane by lane: who wrote it up to where, and which machine has not got it yet; one machine, ledger by ledger, likewise.

Figures are those of `pump.owed` and `pump.debts` (the last signed Have of each peer); since when is when the first entry that it lacks
came to be here. Sealed ledgers are in none.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from protocol import entry
from protocol.node.journal import Journal
from protocol.node.standing import received

Said = Callable[[str], str]  # node → its name


class Lacker(msgspec.Struct, frozen=True):
    """A machine that has not said it has the end of a lane. count: entries · since_ms: when the first of them came here, None: not known."""

    node: str
    name: str
    count: int
    since_ms: int | None


class Written(msgspec.Struct, frozen=True):
    """One lane. last_ms: when its last entry came here · lackers: the longest without first."""

    origin: str
    node: str
    name: str
    seq: int
    last_ms: int | None
    lackers: tuple[Lacker, ...]


class Between(msgspec.Struct, frozen=True):
    """One ledger between this node and another. entries: we have · owed: it has not said it has · due: it has and we lack."""

    ledger: str
    entries: int
    owed: int
    since_ms: int | None
    due: int


async def lanes_of(journal: Journal, pump: Any, ledger: str, said: Said) -> tuple[list[Written], int | None]:
    """The lanes of a ledger, and how many machines should have it; None where another node keeps count of that."""
    heads = {origin: head for (_, origin), head in (await journal.heads(ledger)).items()}
    owed: dict[str, list[tuple[tuple[str, str, int], int]]] | None = pump.owed(ledger) if pump else {}
    open_lanes = [lane for lanes in (owed or {}).values() for lane, _ in lanes]
    async with journal.read() as c:
        came = await received(c, {*open_lanes, *((ledger, origin, head.seq) for origin, head in heads.items())})
    lackers: dict[str, list[Lacker]] = {}
    for node, lanes in (owed or {}).items():
        for lane, count in lanes:
            lackers.setdefault(lane[1], []).append(Lacker(node, said(node), count, came.get(lane)))
    made = [
        Written(
            origin,
            entry.node_of(origin),
            said(entry.node_of(origin)),
            head.seq,
            came.get((ledger, origin, head.seq)),
            tuple(sorted(lackers.get(origin, ()), key=lambda one: (one.since_ms or 0, one.node))),
        )
        for origin, head in heads.items()
    ]
    return sorted(made, key=lambda one: (-(one.last_ms or 0), one.origin)), None if owed is None else len(owed)


async def between(journal: Journal, pump: Any, node: str) -> list[Between]:
    """What is open between this node and another, what it lacks most of first."""
    debts = pump.debts(node) if pump else []
    entries: dict[str, int] = {}
    for (ledger, _), head in (await journal.heads()).items():
        entries[ledger] = entries.get(ledger, 0) + head.seq
    async with journal.read() as c:
        came = await received(c, {lane for debt in debts for lane in debt.owed_from})
    made = [
        Between(
            debt.ledger,
            entries.get(debt.ledger, 0),
            debt.owed,
            min((came[lane] for lane in debt.owed_from if lane in came), default=None),
            debt.due,
        )
        for debt in debts
    ]
    return sorted(made, key=lambda one: (-one.owed, -one.due, one.ledger))
