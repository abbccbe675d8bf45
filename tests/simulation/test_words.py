"""Words that an entry lost on its way, or to somebody who had been put out, come back from whoever has them. Played in a small county."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from protocol import batch as batches
from protocol import commands as c
from protocol.events import Actor
from tests.simulation import acts_case, simulate
from tests.simulation.hand import Hand
from tests.simulation.plan import Plan
from tests.simulation.site import Site
from tests.simulation.world import World

QUIET = Plan(5, "small", 2.0, ())


async def logged(world: World, at: Site) -> tuple[str, str, int, str]:
    """A dispute that its village has told: (ledger, origin, seq, subject)."""
    assert at.node is not None
    hand = Hand(at.node, Random("words"), world.record)
    actor = await hand.somebody("log")
    await hand.say(acts_case.dispute(hand, at.seat.path), actor)
    return at.disk.rows("select ledger, origin, seq, subject from entry where sort = 'dispute' order by position desc limit 1")[0]


def has_words(site: Site, subject: str) -> bool:
    return site.disk.rows("select body is not null from entry where subject = ? and sort = 'dispute'", (subject,)) == [(1,)]


def played(monkeypatch: pytest.MonkeyPatch, scene: Callable[[World], Awaitable[None]]) -> list[str]:
    """What is broken after this scene and the ordinary healing."""
    suffer = World.suffer

    async def and_then(world: World) -> None:
        await suffer(world)
        await scene(world)

    monkeypatch.setattr(World, "suffer", and_then)
    return simulate.run(QUIET).broken


def test_words_that_a_revoked_computer_erased_where_nobody_knew_of_it_yet_come_back(monkeypatch):
    seen = []

    async def scene(world: World) -> None:
        village, township, county = (world.sites[name] for name in ("t1v1", "t1", "county"))
        *item, subject = await logged(world, village)
        await asyncio.sleep(3)
        for one, other in (("t1", "county"), ("county", "t1"), ("t1v1", "county")):
            world.wire.cut(one, other)
        world.put_out["t1v1"] = village.node_id
        await asyncio.sleep(1)
        await asyncio.ensure_future(world._revoke(village.node_id))
        erase = c.EraseBody(id="f" * 32, item="|".join(map(str, item)), ground="个人信息保护法第四十七条")
        assert village.node is not None
        await village.node.desk.submit(erase, Actor("p" * 32, "clerk.1", village.seat.path, frozenset({"erase"})))
        await asyncio.sleep(3)
        seen.append((has_words(township, subject), has_words(county, subject)))
        world.wire.heal()
        await asyncio.sleep(20)
        seen.append((has_words(township, subject), has_words(county, subject)))

    assert played(monkeypatch, scene) == []
    assert seen == [(False, True), (True, True)]


def test_words_that_whoever_passed_an_entry_on_left_out_are_asked_of_others(monkeypatch):
    cut, leaves_out = batches.cut, [False]

    def without(*arguments):
        got = cut(*arguments)
        if got is None or not leaves_out[0]:
            return got
        return batches.Batch(got.ledger, got.origin, got.after, got.prev, got.heads, tuple(None for _ in got.bodies), got.signature)

    async def scene(world: World) -> None:
        leaves_out[0] = True
        subject = (await logged(world, world.sites["t1v1"]))[3]
        await asyncio.sleep(3)
        leaves_out[0] = False
        assert not has_words(world.sites["county"], subject), "else nothing was left out"

    monkeypatch.setattr(batches, "cut", without)
    assert played(monkeypatch, scene) == []
