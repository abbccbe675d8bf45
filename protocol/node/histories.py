"""Two histories of one lane, side by side, for the page: who wrote what and when, and what was decided about it.

    forks = await histories(node.journal, node.shelf, node.signer, actor)
    count = await waiting(c, node.signer, actor, kept)        how many entries of other histories the actor may decide about at this node

An actor sees what lies in the region of the own office; of persons' words only who may see cases. Sealed ledgers are in no list.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import certificate as certificates
from protocol import entry, lane, place
from protocol.access import CASE_POWERS, in_region
from protocol.entry import Admitted
from protocol.events import Actor, BodyErased, BranchDecided, body_of, facts_of
from protocol.node.adopting import OWN_WORK, decision_subject
from protocol.node.counts import who
from protocol.node.journal import Journal
from protocol.node.journal import branches as kept
from protocol.node.journal.branches import Branched, Step
from protocol.node.journal.rows import among, bound, fetch
from protocol.node.journal.stored import SELECT, stored
from protocol.node.kept import LONG_MS, Kept
from protocol.node.shelf import Shelf
from protocol.node.signer import Signer
from protocol.words import EVENT_NAMES, UNKNOWN_NAME, line_of

SHOWN_MAX = 100  # entries of one history on the page; the rest is counted
HISTORIES_MAX = 16  # of one lane: whoever writes it may sign thousands
READ_BYTES_MAX = 8 * 1024 * 1024  # of a lane's other histories, heads and words
DECIDES: Final = frozenset({"review", "mediate", "log"})  # a power of these
# what `waiting` hangs on, for Kept: decisions (an index of its own, listing.INDICES), what stands beside lanes, and whether two histories changed places
_HANGS_ON: Final = (
    "select (select max(position) from entry where sort = 'branch'), (select count(*) from branch),"
    " coalesce((select value from counter where name = :name), 0)"
)


class Line(msgspec.Struct, frozen=True):
    """One entry. person: a name, "" for the node itself · at_ms: by the writer's clock · decision: adopt, contest, "" (open) · may: decide
    · erased: it has no words here, ground: of the law that took them ("" = they have not come)."""

    seq: int
    hash: str
    what: str
    subject: str
    office: str
    person: str
    at_ms: int
    received_ms: int
    text: Mapping[str, str]
    erased: bool
    ground: str = ""
    decision: str = ""
    may: bool = False


class Fork(msgspec.Struct, frozen=True):
    """A lane with more than one history. first: as the lane here · others: each of the others, the longest first · left: first seq that
    differs · decided: the origin was revoked, so it is settled which history counts · more: entries
    that nobody decided about and that are not shown."""

    ledger: str
    origin: str
    node: str
    name: str
    left: int
    first: tuple[Line, ...]
    others: tuple[tuple[Line, ...], ...]
    revoked: bool
    open: int
    more: int


async def histories(journal: Journal, shelf: Shelf, signer: Signer, actor: Actor) -> list[Fork]:
    async with journal.read() as c:
        lanes = sorted(one for one in await kept.forked(c) if in_region(actor, one[0]) and not place.is_sealed(one[0]))
        return [await _fork(c, shelf, signer, actor, *one) for one in lanes]


async def waiting(c: AsyncConnection, signer: Signer, actor: Actor, answers: Kept) -> int:
    """As many as the page offers him to decide about, whatever else waits for others. answers: of the same node, for the menu asks each time."""
    if not actor.powers & DECIDES:
        return 0
    return await answers.of(c, ("forks", *who(actor)), lambda: _waiting(c, signer, actor), LONG_MS, hangs_on=_HANGS_ON)


async def _waiting(c: AsyncConnection, signer: Signer, actor: Actor) -> int:
    found = 0
    for ledger, origin in await kept.forked(c):
        if not in_region(actor, ledger) or place.is_sealed(ledger):
            continue
        steps = await kept.steps(c, ledger, origin)
        decisions = await _decisions(c, steps)
        heads = await kept.heads(c, ledger, origin, [step for step in steps if step.hash not in decisions], READ_BYTES_MAX)
        found += sum(_may(signer, head.kind, facts_of(head).office) for head in heads.values())
    return found


def _may(signer: Signer, kind: str, office: str) -> bool:
    """Claims that an entry of another history may be decided about at this node, if nobody has."""
    return kind not in OWN_WORK and certificates.serves(signer.certificate, office)


async def find(journal: Journal, actor: Actor, hash_: str) -> Branched | None:
    """The entry of another history that a form names, if the actor may see it."""
    try:
        raw = bytes.fromhex(hash_)
    except ValueError:
        return None
    async with journal.read() as c:
        rows = await kept.branched(c, "where hash = :hash", {"hash": raw})
    return next((row for row in rows if in_region(actor, row.ledger)), None)


async def _fork(c: AsyncConnection, shelf: Shelf, signer: Signer, actor: Actor, ledger: str, origin: str) -> Fork:
    steps = await kept.steps(c, ledger, origin)
    gone_on, by_hash, left = {step.prev for step in steps}, {step.hash: step for step in steps}, steps[0].seq
    decisions = await _decisions(c, steps)
    ends = sorted((step for step in steps if step.hash not in gone_on), key=lambda step: (step.hash in decisions, -step.seq, step.hash))
    others = [_open_first(_back(by_hash, end), decisions) for end in ends[:HISTORIES_MAX]]
    rows = await kept.read(c, ledger, origin, list(dict.fromkeys(step for some in others for step in some)), READ_BYTES_MAX)
    sql = f"{SELECT} where ledger = :ledger and origin = :origin and seq >= :left order by seq limit :most"
    here = [stored(row) for row in await fetch(c, sql, {"ledger": ledger, "origin": origin, "left": left, "most": SHOWN_MAX})]
    grounds = await _grounds(c, {one.subject for one in (*here, *rows.values()) if one.admitted.erased})
    heads = [*(e.head for e in here), *(row.head for row in rows.values())]
    says = _Says(shelf, signer, actor, decisions, await _names(c, heads), grounds)
    node = entry.node_of(origin)
    known = shelf.certificates.get(node)
    unread = [step for step in steps if step.hash not in rows and step.hash not in decisions]
    kinds = {hash_: row.head.kind for hash_, row in rows.items()}
    kinds |= {hash_: head.kind for hash_, head in (await kept.heads(c, ledger, origin, unread, READ_BYTES_MAX)).items()}
    undecided = {step.hash for step in steps if kinds.get(step.hash) not in OWN_WORK} - decisions.keys()
    return Fork(
        ledger, origin, node, known.name if known else node, left,
        tuple(says.line(e.seq, e.hash, e.admitted, e.subject) for e in here if e.sort != lane.SORT),
        tuple(
            tuple(says.line(row.seq, row.hash, row.admitted, row.subject, row) for step in some if (row := rows.get(step.hash)))
            for some in others
        ),
        node in shelf.revoked, len(undecided), len(unread),
    )  # fmt: skip


def _back(by_hash: Mapping[bytes, Step], end: Step) -> list[Step]:
    found = [end]
    while (before := by_hash.get(found[-1].prev)) is not None:
        found.append(before)
    return found[::-1]


def _open_first(some: list[Step], decisions: Mapping[bytes, str]) -> list[Step]:
    """As many as are shown: of more than these, those that somebody has to look at."""
    if len(some) <= SHOWN_MAX:
        return some
    return [step for step in some if step.hash not in decisions][:SHOWN_MAX] or some[:SHOWN_MAX]


class _Says:
    def __init__(
        self,
        shelf: Shelf,
        signer: Signer,
        actor: Actor,
        decisions: Mapping[bytes, str],
        names: Mapping[str, str],
        grounds: Mapping[tuple[str, str, str, int], str],
    ) -> None:
        self.shelf, self.signer, self.actor, self.decisions, self.names = shelf, signer, actor, decisions, names
        self.grounds = grounds

    def line(self, seq: int, hash_: bytes, admitted: Admitted, subject: str, row: Branched | None = None) -> Line:
        head, facts = admitted.head, facts_of(admitted.head)
        sees = bool(self.actor.powers & CASE_POWERS)
        made = line_of(admitted, facts, body_of(head.kind, admitted.body), self.shelf())
        decision = self.decisions.get(hash_, "")
        may = row is not None and not decision and _may(self.signer, head.kind, facts.office)
        who = self.names.get(head.author[0], "") if sees else ""
        what = EVENT_NAMES.get(head.kind, UNKNOWN_NAME)
        return Line(
            seq, hash_.hex(), what, subject, facts.office, who, made.at_ms, admitted.received_ms, made.text if sees else {}, admitted.erased,
            self.grounds.get((subject, head.ledger, head.origin, head.seq), ""), decision, may,
        )  # fmt: skip


async def _decisions(c: AsyncConnection, steps: Sequence[Step]) -> dict[bytes, str]:
    subjects = {decision_subject(step.hash) for step in steps}
    sql = f"{SELECT} where sort = 'branch' and {among(c, 'subject', 'subjects')} order by position"
    found: dict[bytes, str] = {}
    for e in map(stored, await fetch(c, sql, {"subjects": bound(c, sorted(subjects))})):
        if isinstance(facts := facts_of(e.head), BranchDecided):
            found.setdefault(facts.hash, facts.decision)
    return found


async def _grounds(c: AsyncConnection, subjects: set[str]) -> dict[tuple[str, str, str, int], str]:
    """(subject, ledger, origin, seq) of what was erased by law → the ground."""
    sql = f"{SELECT} where sort = 'erasure' and {among(c, 'subject', 'subjects')} order by position"
    rows = [stored(row) for row in await fetch(c, sql, {"subjects": bound(c, sorted(subjects))})] if subjects else []
    return {(e.subject, f.ledger, f.origin, f.seq): f.ground for e in rows if isinstance(f := facts_of(e.head), BodyErased)}


async def _names(c: AsyncConnection, heads: Sequence[Any]) -> dict[str, str]:
    persons = sorted({head.author[0] for head in heads} - {""})
    rows = await fetch(c, f"select subject, name from person_row where {among(c, 'subject', 'persons')}", {"persons": bound(c, persons)})
    return {row[0]: row[1] or "" for row in rows}
