"""Of the other nodes the one that worries most stands first: one test a key of that order, the keys before it equal. On both stores."""

from collections.abc import AsyncIterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from protocol.have import Room
from protocol.node.journal import Journal
from protocol.node.link.peers import Peer
from protocol.node.standing import ACT, CALM, DAMAGED, FULL, LOOK, NEARLY_FULL, SAFE, SPLIT, Standing, own_clock_ms, standings
from protocol.problem import Refused
from protocol.tables import Tables
from tests.node.journal_kit import KEY, PLACE, Lane

NOW_MS, VERSION = 1_800_000_000_000, "0.3.0"
TIGHT, NONE_LEFT, DAMAGE = Room(900, 200_000), Room(1, 200_000), Room(90_000, 200_000, True)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else f"sqlite:///{tmp_path}/journal.db"


@pytest.fixture
async def journal(url: str) -> AsyncIterator[Journal]:
    tables = Tables.packaged()
    made = await Journal.open(url, KEY if url.startswith("sqlite") else None, lambda: tables)
    yield made
    await made.close()


def peer(name: str, silent_ms: int | None = 1_000, **more: Any) -> Peer:
    """Heard of a moment ago, with all that it should have."""
    seen_ms = None if silent_ms is None else NOW_MS - silent_ms
    return Peer(**{"node": f"n{name}", "name": name, "lacks": (), "leads": (), "last_seen_ms": seen_ms, "offset_ms": 0, "version": VERSION, "revoked": False} | more)  # fmt: skip


async def stand(journal: Journal, *peers: Peer) -> list[Standing]:
    """In one order, whatever the order in which they are known."""
    some = [await standings(journal, known, {}, VERSION, NOW_MS) for known in permutations(peers)]
    assert all(one == some[0] for one in some)
    return some[0]


def names(found: Sequence[Standing]) -> list[str]:
    return [one.name for one in found]


async def forked(journal: Journal, name: str, since_ms: int) -> None:
    async with journal.writing() as w:
        for at_ms in (since_ms, NOW_MS - 1_000):  # it is refused again whenever it is heard
            await w.quarantine(f"n{name}", PLACE, "n:1", Refused("lane_fork", lane=PLACE, seq=3), at_ms)


async def lacking(journal: Journal, name: str, since_ms: int, owed: int, **more: Any) -> Peer:
    """It has not said that it has an entry which came here so long ago."""
    lane = Lane(origin=f"nof{name}:1")
    async with journal.writing() as w:
        await w.append([msgspec.structs.replace(lane.say("here"), received_ms=since_ms)])
    return peer(name, owed=owed, owed_from=((PLACE, lane.origin, 1),), **more)


async def test_what_can_be_lost_stands_before_what_has_worried_for_longer(journal: Journal):
    await forked(journal, "fork", NOW_MS - 1_000)
    some = (
        peer("silent", 30 * DAY_MS, owed=9_000),
        peer("tight", room=TIGHT), peer("full", room=NONE_LEFT), peer("fork"), peer("damaged", room=DAMAGE),
    )  # fmt: skip
    found = await stand(journal, *some)
    assert [(one.name, one.risk) for one in found] == [
        ("damaged", DAMAGED),
        ("fork", SPLIT),
        ("full", FULL),
        ("tight", NEARLY_FULL),
        ("silent", SAFE),
    ]
    assert {one.worry for one in found} == {ACT}
    assert [one.reasons[0].said for one in found[:4]] == [
        "台账损坏了，存不下新的登记，要人去修", "同一编号有两份不同的内容，要人处理", "磁盘满了，存不下新的登记", "磁盘快满了，只剩 900 兆",
    ]  # fmt: skip


async def test_the_reason_that_puts_a_machine_where_it_stands_is_said_first(journal: Journal):
    (found,) = await stand(journal, peer("all", 30 * DAY_MS, offset_ms=HOUR_MS, version="0.2.0", room=Room(1, 200_000, True)))
    assert [reason.said for reason in found.reasons][:2] == ["台账损坏了，存不下新的登记，要人去修", "磁盘满了，存不下新的登记"]
    assert (found.reasons[-1].level, found.since_ms) == (LOOK, NOW_MS - 30 * DAY_MS)


async def test_a_level_stands_before_all_that_is_less(journal: Journal):
    found = await stand(
        journal, peer("clock", offset_ms=HOUR_MS), peer("silent", 2 * DAY_MS, owed=500), peer("well"), peer("out", revoked=True)
    )
    assert names(found) == ["clock", "silent", "well", "out"]
    assert [one.worry for one in found] == [ACT, LOOK, 0, 0]


async def test_of_two_forks_the_older_one_stands_first_however_often_it_was_refused_since(journal: Journal):
    await forked(journal, "a", NOW_MS - HOUR_MS)
    await forked(journal, "b", NOW_MS - DAY_MS)
    found = await stand(journal, peer("a", owed=7), peer("b"))
    assert [(one.name, one.since_ms) for one in found] == [("b", NOW_MS - DAY_MS), ("a", NOW_MS - HOUR_MS)]


async def test_the_longest_silent_or_behind_stands_first_and_what_has_no_beginning_last(journal: Journal):
    behind = await lacking(journal, "behind", NOW_MS - 3 * HOUR_MS, 1)
    some = (
        peer("briefly", HOUR_MS, owed=900),
        behind,
        peer("long", 9 * HOUR_MS),
        peer("never", None, due=9_000),
        peer("clock", offset_ms=MINUTE_MS),
    )
    found = await stand(journal, *some)
    assert names(found) == ["long", "behind", "briefly", "never", "clock"]
    assert [one.since_ms for one in found[:3]] == [NOW_MS - hours * HOUR_MS for hours in (9, 3, 1)]
    assert {one.worry for one in found} == {LOOK}


async def test_how_long_it_has_been_so_is_what_began_first(journal: Journal):
    (found,) = await stand(journal, await lacking(journal, "both", NOW_MS - 5 * HOUR_MS, 2, silent_ms=2 * HOUR_MS))
    assert (found.since_ms, found.owed_since_ms) == (NOW_MS - 5 * HOUR_MS, NOW_MS - 5 * HOUR_MS)


async def test_of_two_that_are_silent_for_as_long_the_further_behind_stands_first_both_ways_counted(journal: Journal):
    found = await stand(journal, peer("a", HOUR_MS, owed=5), peer("b", HOUR_MS, owed=2, due=4), peer("c", HOUR_MS, due=7))
    assert [(one.name, one.owed + one.due) for one in found] == [("c", 7), ("b", 6), ("a", 5)]


async def test_of_two_alike_the_name_decides_and_of_two_names_the_node(journal: Journal):
    found = await stand(journal, peer("乙"), peer("甲", node="nzz"), peer("甲", node="naa"), peer("", node="nbare"))
    assert [(one.name, one.node) for one in found] == [("", "nbare"), ("乙", "n乙"), ("甲", "naa"), ("甲", "nzz")]


async def test_where_most_agree_about_the_time_it_is_our_clock_that_is_wrong_and_theirs_is_told_by_theirs(journal: Journal):
    """offset_ms of a peer: how far ours is ahead of it."""
    slow = -365 * DAY_MS
    some = [
        peer("a", offset_ms=slow),
        peer("b", offset_ms=slow + 2_000),
        peer("c", offset_ms=slow - HOUR_MS),
        peer("d", None, offset_ms=None),
    ]
    assert own_clock_ms(some) in (slow, slow + 2_000)
    found = {one.name: one for one in await stand(journal, *some)}
    assert [(found[name].worry, found[name].reasons) for name in "ab"] == [(CALM, ())] * 2
    assert found["c"].worry == ACT and [reason.said for reason in found["c"].reasons] == ["时钟快 1 小时"], "by the others' time"
    assert found["d"].offset_ms is None


@pytest.mark.parametrize(
    "offsets", [(), (HOUR_MS,), (HOUR_MS, 0), (HOUR_MS, DAY_MS), (HOUR_MS, HOUR_MS, 0, 0), (20_000, 20_000), (DAY_MS, HOUR_MS, 0)]
)
async def test_and_where_they_do_not_agree_or_one_alone_says_so_it_is_theirs(offsets: tuple[int, ...]):
    assert own_clock_ms([peer(str(n), offset_ms=ms) for n, ms in enumerate(offsets)]) == 0


async def test_who_was_put_out_says_nothing_of_our_clock():
    assert own_clock_ms([peer("a", offset_ms=HOUR_MS, revoked=True), peer("b", offset_ms=HOUR_MS)]) == 0
