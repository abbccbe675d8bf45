"""待核对 of an office, gathered by where it came from: `groups = await waiting(node.journal, node.reads, node.shelf, actor, now_ms)`.

What a lost or put out computer had not sent is handed in on a stick, or comes by way of a township that had not heard of it. Every node keeps
it and counts none of it by itself; here the holder's office sees all of it, computer by computer, case by case, and takes it over.
What can't be taken over by a review (people, posts and their ends: apart.py) is listed beside, so that nobody waits for it.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from protocol import drafts, entry, task
from protocol.access import CASE_POWERS
from protocol.case import OUT_OF_OFFICE, Case, Line, Review, Task, key_of, key_text
from protocol.events import Actor
from protocol.node.apart import Apart, apart
from protocol.node.journal import Journal
from protocol.node.journal.rows import among, bound, fetch
from protocol.node.shelf import Shelf
from protocol.problem import Refused
from protocol.words import EVENT_NAMES, UNKNOWN_NAME

SUBJECTS_MAX: Final = 300  # cases and tasks looked into for one page
OTHERS: Final = "others"  # what no computer's end set aside: late, lost, unfit …


class Prevailed(msgspec.Struct, frozen=True):
    """The entry that one which waits gave way to (Line.prevailed). item: `origin/seq`, of the same case or task."""

    item: str
    kind: str
    person: str
    office: str
    at_ms: int
    text: dict[str, str]
    erased: bool
    ground: str


class Waiting(msgspec.Struct, frozen=True):
    """One entry that waits. item: `origin/seq` · erased: it has no words here, ground: of the law that took them ("" = they have not come) · matter: case code and whose it is, or the task's purpose · adoptable: else it can only be left."""

    subject: str
    item: str
    matter: str
    kind: str
    what: str
    person: str
    office: str
    at_ms: int
    text: dict[str, str]
    erased: bool
    reason: str
    due_ms: int
    adoptable: bool
    is_task: bool
    ground: str = ""
    prevailed: Prevailed | None = None


class Group(msgspec.Struct, frozen=True):
    """key: id of the node that was put out, `post_over`, or OTHERS · apart: people whose registration, post or dismissal does not count."""

    key: str
    name: str
    rows: tuple[Waiting, ...]
    apart: Apart = Apart()

    @property
    def adoptable(self) -> int:
        return sum(row.adoptable for row in self.rows)


async def count(journal: Journal, actor: Actor) -> int:
    """How many entries wait for this office."""
    async with journal.read() as c:
        sql = f"select count(*) from review_row where {among(c, 'owner', 'offices')}"
        return (await fetch(c, sql, {"offices": bound(c, actor.offices)}))[0][0]


async def first_of(journal: Journal, actor: Actor, subjects: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Case or task → (item, due_ms) of its entry that the actor's offices have to decide first."""
    async with journal.read() as c:
        sql = f"select subject, item, due_ms from review_row where {among(c, 'owner', 'offices')} and {among(c, 'subject', 'some')}"
        rows = await fetch(c, sql, {"offices": bound(c, actor.offices), "some": bound(c, subjects)})
    found: dict[str, tuple[str, int]] = {}
    for subject, item, due_ms in sorted(rows, key=lambda row: (row[2], row[1])):
        found.setdefault(subject, (item, due_ms))
    return found


async def waiting(journal: Journal, reads: Any, shelf: Shelf, actor: Actor, now_ms: int) -> list[Group]:
    """Groups of computers first, the one with most in it first; in each in the order in which it was written."""
    if not actor.powers & CASE_POWERS:
        return []
    async with journal.read() as c:
        sql = f"select distinct subject from review_row where {among(c, 'owner', 'offices')} order by subject limit :most"
        subjects = [row[0] for row in await fetch(c, sql, {"offices": bound(c, actor.offices), "most": SUBJECTS_MAX})]
    found: dict[str, list[Waiting]] = {}
    for subject in subjects:
        for review, row in await _of(reads, actor, subject):
            found.setdefault(_key(review), []).append(row)
    people = await apart(journal, shelf, actor, now_ms)
    groups = [
        Group(key, _name(key, shelf), tuple(sorted(found.get(key, ()), key=_order)), people.get(key, Apart()))
        for key in dict.fromkeys([*found, *people])
    ]
    return sorted(groups, key=lambda g: (g.key == OTHERS, -len(g.rows), g.key))


async def _of(reads: Any, actor: Actor, subject: str) -> list[tuple[Review, Waiting]]:
    """Of one case or task, what waits for this office."""
    subject_of: Case | Task
    try:
        subject_of, is_task = await reads.case(actor, subject), False
    except Refused:
        try:
            subject_of, is_task = await reads.task(actor, subject), True
        except Refused:
            return []
    lines = {line.key: line for line in subject_of.lines}
    erasures = await reads.erasures(subject) if any(line.erased for line in subject_of.lines) else {}
    grounds = {line.key: erasures[key].ground for line in subject_of.lines if (key := (line.head.ledger, *line.key)) in erasures}
    found = []
    for review in subject_of.reviews:
        line = lines.get(key_of(review.item) or ("", 0))
        if line is not None and review.owner in actor.offices:
            can = task.is_adoptable(review) if is_task else drafts.is_adoptable(review)
            person = await reads.person_name(line.head.author[0])
            won = lines.get(line.prevailed) if line.prevailed else None
            by = await reads.person_name(won.head.author[0]) if won else ""
            beside = None
            if won:
                why = grounds.get(won.key, "")
                beside = Prevailed(key_text(won.key), won.kind, by, won.office, won.at_ms, won.text, won.erased, why)
            row = _row(subject_of, review, line, person, can, is_task)
            found.append((review, msgspec.structs.replace(row, ground=grounds.get(line.key, ""), prevailed=beside)))
    return found


def _row(of: Case | Task, review: Review, line: Line, person: str, adoptable: bool, is_task: bool) -> Waiting:
    if isinstance(of, Case):
        names = "、".join(party.name for party in of.parties[:2])
        matter = f"{of.code} {names}".strip()
    else:
        matter = of.purpose or "任务"
    what = EVENT_NAMES.get(line.kind, UNKNOWN_NAME)
    return Waiting(
        of.id, review.item, matter, line.kind, what, person, line.office, line.at_ms, line.text, line.erased, review.reason, review.due_ms, adoptable,
        is_task,
    )  # fmt: skip


def _key(review: Review) -> str:
    if review.code == "revoked":
        return entry.node_of(review.item.rpartition("/")[0])
    return review.code if review.code in OUT_OF_OFFICE else OTHERS


def _name(key: str, shelf: Shelf) -> str:
    known = shelf.certificates.get(key)
    return known.name if known else {"post_over": "离岗的人没有送到的", OTHERS: "先后、承办对不上的"}.get(key, key)


def _order(row: Waiting) -> tuple[Any, ...]:
    origin, _, seq = row.item.rpartition("/")
    return (row.at_ms, origin, int(seq) if seq.isdecimal() else 0)
