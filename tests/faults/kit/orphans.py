"""Nothing is nobody's. `await owned(county, "town", offices)` reads a stopped node's store; a line for each thing that nobody would look at.

What was set aside stands in 待核对 with an owner and a day, or was decided; an open case is held by an office, an open task was given by
one, that has people. An office of a merged place is its successor's. `await unseen(node)` says which refused things nobody would find who
works at that node: what 连接与台账 shows to them is asked, with each count.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from protocol import place
from protocol.case import OPEN, TASK_OPEN, Case, Task, key_text
from protocol.events import Actor
from protocol.node import refusals
from protocol.node.node import Node
from protocol.people_rules import FIRST_POSTS
from tests.faults.kit.folds import folds_of

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
        return [f"{name}: {line}" for line in await nobodys(node, offices)]


async def nobodys(node: Any, offices: Collection[str]) -> list[str]:
    """The same of a node that was opened."""
    wrong = []
    for of in [fold.of for fold in (await folds_of(node)).values()]:
        wrong += _nobodys(of, node, offices)
        rows = await node.journal.rows("review_row", "subject = :subject", {"subject": of.id})
        if {(row["item"], row["owner"], bool(row["due_ms"])) for row in rows} != {(r.item, r.owner, True) for r in of.reviews}:
            wrong.append(f"the list of what is to be reviewed of {of.id} is not what its entries say")
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


async def unseen(node: Any) -> list[str]:
    """Kinds of what was refused here (from whom, of which ledger, why) that nobody is shown whole; node: a stopped one, or desk_kit's."""
    wanted, shown = Counter[tuple[str, str, str]](), set[tuple[str, str, str, int]]()
    for row in await node.journal.rows("quarantine"):
        sealed = place.is_sealed(row["ledger"])  # of that only how often
        wanted["" if sealed else row["node"], place.SEALED if sealed else row["ledger"], "" if sealed else row["code"]] += row["count"]
    for actor in await workers(node) if wanted else ():
        told = Counter[tuple[str, str, str]]()
        for one in await refusals.refused_here(node.journal, lambda name: name, actor):
            told[one.node, one.ledger, one.code] += one.count
        shown |= {(*kind, count) for kind, count in told.items()}
    return [f"nobody is shown {count} × {' '.join(kind)}" for kind, count in wanted.items() if (*kind, count) not in shown]


async def workers(node: Any) -> list[Actor]:
    """Whoever has an account here, by each of their posts; where nobody has one, whoever would begin there."""
    tables, persons = node.shelf(), {person for _, person in await node.people.accounts()}
    posts = [row for row in await node.journal.rows("post_row") if not row["ended"] and row["subject"] in persons]
    if posts:
        return [Actor(row["subject"], row["post"], row["ledger"], tables.post_powers(row["kind"]), "") for row in posts]
    office = node.office
    kind = FIRST_POSTS[min(place.tier(office), len(FIRST_POSTS) - 1)]
    return [Actor("", f"{kind}.00000000", office, tables.post_powers(kind), "")]
