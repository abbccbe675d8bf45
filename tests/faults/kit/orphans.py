"""Nothing is nobody's. `await owned(county, "town", offices)` reads a stopped node's store; a line for each thing that nobody would look at.

What was set aside stands in 待核对 with an owner and a day, or was decided; an open case is held by an office, an open task was given by
one, that has people. An office of a merged place is its successor's.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from protocol.case import OPEN, TASK_OPEN, Case, Task, key_text
from protocol.fold import fold_case, fold_task
from protocol.node.node import Node

DECIDED = "核对结果"


class Stopped(Protocol):
    """Nodes that take part, their programs ended: a BrokenCounty, or the folders of nodes without pages (kit/whole.py)."""

    @property
    def nodes(self) -> Sequence[str]: ...
    def opened(self, node: str) -> AbstractAsyncContextManager[Node]: ...


async def peopled(county: Stopped) -> set[str]:
    """Offices with a post that has not ended, on a node that serves them and is not revoked: an account here, a post in the ledger."""
    found: set[str] = set()
    for name in county.nodes:
        async with county.opened(name) as node:
            if node.about.node in node.shelf.revoked:
                continue
            persons = {person for _, person in await node.people.accounts()}
            posts = [row for row in await node.journal.rows("post_row") if not row["ended"] and row["subject"] in persons]
            found |= {row["ledger"] for row in posts if node.shelf().post_powers(row["kind"]) & {"mediate", "review"}}
    return found


async def owned(county: Stopped, name: str, offices: Collection[str]) -> list[str]:
    """offices: see `peopled`."""
    async with county.opened(name) as node:
        wrong = []
        for of in [*await _folded(node, "dispute"), *await _folded(node, "task")]:
            wrong += [f"{name}: {line}" for line in _nobodys(of, node, offices)]
            rows = await node.journal.rows("review_row", "subject = :subject", {"subject": of.id})
            if {(row["item"], row["owner"], bool(row["due_ms"])) for row in rows} != {(r.item, r.owner, True) for r in of.reviews}:
                wrong.append(f"{name}: the list of what is to be reviewed of {of.id} is not what its entries say")
        return wrong


def _nobodys(of: Case | Task, node: Node, offices: Collection[str]) -> list[str]:
    tables, wrong = node.shelf(), []

    def has_people(office: str) -> bool:
        return (tables.place_successor(office) or office) in offices or office in offices

    undecided = {review.item: review for review in of.reviews}
    for line in of.lines:
        item = key_text(line.key)
        if line.set_aside and item not in undecided and DECIDED not in line.set_aside:
            wrong.append(f"{line.head.kind} {item} was set aside and is nobody's: {line.set_aside}")
        if line.waiting:
            wrong.append(f"{line.head.kind} {item} still waits for what it names")
    ownerless = [review for review in of.reviews if not review.due_ms or not has_people(review.owner)]
    wrong += [f"{review.item} is to be reviewed by {review.owner or 'nobody'}, due {review.due_ms}" for review in ownerless]
    if isinstance(of, Case) and of.status in OPEN and not has_people(of.holder):
        wrong.append(f"{of.code} {of.status} is held by {of.holder}, which has nobody")
    if isinstance(of, Task) and of.status in TASK_OPEN and not has_people(of.assigned_by or of.unit):
        wrong.append(f"task {of.id} {of.status} was given by {of.assigned_by}, which has nobody")
    return wrong


async def _folded(node: Node, sort: str) -> list[Case | Task]:
    """Every case or task here, folded from its entries and not from a view."""
    made: list[Case | Task] = []
    table, fold = ("case_row", fold_case) if sort == "dispute" else ("task_row", fold_task)
    for row in await node.journal.rows(table):
        entries = [e.admitted for e in await node.journal.subject(row["subject"]) if e.sort == sort]
        folded = fold(entries, node.shelf(), node.shelf.good_until(entries))
        assert folded is not None, f"{table} has {row['subject']} and the journal does not"
        made.append(folded)
    return made
