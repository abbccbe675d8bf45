"""The store is full at the moment when a commit asks more of the views: the commit stands and is told, and the views follow when there is room."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.node import folding
from protocol.node.journal import Journal, rebuild
from protocol.node.node import Node as Whole
from protocol.node.shelf import Stale
from protocol.node.wake import Wake
from protocol.problem import Refused
from tests.node.desk_kit import VILLAGE, County, Node, dispute
from tests.node.test_errands import settle
from tests.node.test_posts_ended import end, person, three


class Full:
    """Where this is called nothing can be written, as long as `is_full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.is_full, owner = True, folding if hasattr(folding, name) else Journal
        real = getattr(owner, name)

        async def asked(*words, **more):
            if self.is_full:
                raise Refused("disk_full")
            return await real(*words, **more)

        monkeypatch.setattr(owner, name, asked)


async def case_row(node: Node, case: str) -> tuple[str, int]:
    row = (await node.journal.rows("case_row", "subject = :s", {"s": case}))[0]
    return row["status"], row["reviews"]


def told_of(node: Node) -> list[set]:
    lanes = list[set]()
    node.wake.listen(lambda lanes_told: lanes.append({ledger for ledger, _ in lanes_told}))
    return lanes


async def work_beyond_an_end(county: County) -> tuple[Node, Node, object, str]:
    """(township, village, who was replaced, the case that he logged since): the village has the work, the township says the end."""
    root, town, village = await three(county)
    old = await person(town, "王芳", "clerk", VILLAGE)
    await settle(root, town, village)
    return town, village, old, (await village.say(dispute(), old)).subject


async def test_whoever_says_the_end_of_a_post_on_a_full_disk_has_said_it(county, monkeypatch):
    town, village, old, case = await work_beyond_an_end(county)
    full, told = Full(monkeypatch, "fold_ended"), told_of(town)
    await end(town, old)
    assert told and town.shelf.owed.is_due.is_set(), "the others hear of it at once"
    full.is_full = False
    await folding.pay(town.journal, town.shelf)
    assert not town.shelf.owed.is_due.is_set()
    await settle(town, village)
    for node in (town, village):
        assert await case_row(node, case) == ("logged", 1)
        assert await rebuild(node.journal)


async def test_who_hears_of_it_on_a_full_disk_passes_it_on(county, monkeypatch):
    town, village, old, case = await work_beyond_an_end(county)
    await end(town, old)
    full, told = Full(monkeypatch, "fold_ended"), told_of(village)
    await settle(town, village)
    assert VILLAGE in set().union(*told)
    assert await case_row(village, case) == ("logged", 0)
    full.is_full = False
    await folding.pay(village.journal, village.shelf)
    assert await case_row(village, case) == ("logged", 1)
    assert await rebuild(village.journal)


@pytest.mark.parametrize("point", ["_project", "barrier"])
async def test_a_revocation_that_could_not_be_folded_in_is_folded_in_later(county, monkeypatch, point):
    root, town, village = await three(county)
    case = (await village.say(dispute())).subject
    await settle(root, town, village)
    full = Full(monkeypatch, point)
    await root.desk.revoke_node(village.signer.node, [], "电脑丢了")
    await settle(root, town)
    for node in (root, town):
        await node.admission.settled()
        assert node.shelf.owed.is_due.is_set()
        assert (await case_row(node, case))[1] == 0
    full.is_full = False
    for node in (root, town):
        await folding.pay(node.journal, node.shelf)
        assert not node.shelf.owed.is_due.is_set()
        assert await rebuild(node.journal)
        assert (await case_row(node, case))[1] > 0


@pytest.mark.parametrize("what", ["revocation", "end"])
async def test_a_rebuild_beside_a_serving_program_leaves_what_that_one_learned_meanwhile(county, monkeypatch, what):
    root, town, village = await three(county)
    old = await person(town, "王芳", "clerk", VILLAGE)
    await settle(root, town, village)
    case = (await village.say(dispute(), old)).subject
    await settle(root, village)
    beside = await county.node("town")  # the command line's
    real = folding.rebuild

    async def meanwhile(journal: Journal) -> bool:
        if what == "end":
            await end(town, old)
            await settle(village, town)
        else:
            await root.desk.revoke_node(village.signer.node, [], "电脑丢了")
            await settle(root, town)
        await town.admission.settled()
        assert (await case_row(town, case))[1] > 0
        return await real(journal)

    monkeypatch.setattr(folding, "rebuild", meanwhile)
    await folding.made_anew(beside.journal, beside.shelf)
    assert (await case_row(town, case))[1] > 0
    assert await rebuild(town.journal)


async def test_common_that_could_not_be_read_is_read_later(county, monkeypatch):
    _, town, _ = await three(county)

    def away(*_):
        raise Refused("store_busy")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "read", away)
        assert not await folding.follow_common(town.journal, town.shelf)
    assert town.shelf.owed.common and town.shelf.owed.is_due.is_set()
    await folding.pay(town.journal, town.shelf)
    assert not town.shelf.owed.common and not town.shelf.owed.is_due.is_set()


def test_two_changes_of_which_none_was_folded_in_are_one_that_goes_back_to_the_least_that_counted():
    one, two, lane, other = "nvill2222", "ntown2222", ("330523", "nvill2222:1"), ("_", "nvill2222:1")
    first = Stale(nodes=frozenset({one}), before={one: {lane: 7, other: 3}})
    later = Stale(True, frozenset({one, two}), {one: {lane: 5}, two: {}})
    assert first.then(later) == Stale(True, frozenset({one, two}), {one: {lane: 5}, two: {}})
    assert Stale().then(first) == first == first.then(Stale())
    assert Stale(nodes=frozenset({one})).then(first).before == first.before, "before the first one all of it counted"


async def test_what_is_owed_is_tried_again_by_the_node_itself(monkeypatch):
    """The loop of a node, its store standing in: it ends when the second attempt has succeeded."""
    tried, done = list[int](), asyncio.Event()

    node: Any = SimpleNamespace(shelf=folding.Shelf(lambda: 0), journal=None, wake=Wake())

    async def fold_ended(*_):
        tried.append(len(tried))
        if len(tried) < 2:
            raise Refused("disk_full")
        done.set()

    monkeypatch.setattr(folding, "fold_ended", fold_ended)
    monkeypatch.setattr("protocol.node.node.OWED_S", 0.01)
    node.shelf.owed.is_due.set()
    task = asyncio.create_task(Whole._owed(node))
    await asyncio.wait_for(done.wait(), 10)
    await asyncio.sleep(0.05)
    assert len(tried) == 2
    task.cancel()
