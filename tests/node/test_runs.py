"""What the door hands to the journal: runs of entries that were proven to follow one another, taken whole or not at all."""

from pathlib import Path

import pytest

from protocol.lane import LaneHead
from protocol.node.journal import Journal
from protocol.problem import Refused
from tests.node.journal_kit import KEY, ORIGIN, PLACE, Lane, Views, no_tables, subject

ABOVE = "nhgfedcba:2"


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, bytes | None]:
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url"), None
    return f"sqlite:///{tmp_path}/journal.db", KEY


async def test_runs_go_on_from_their_lane_or_are_not_taken(where: tuple[str, bytes | None]) -> None:
    journal = await Journal.open(*where, no_tables, views=Views)
    lane, other, fork = Lane(), Lane(origin=ABOVE), Lane()
    one, two = [lane.say("张三")], [lane.say("李四", signed=False), lane.say("王五", signed=False)]
    beside = [other.say("钱七", subject(2))]
    async with journal.writing() as w:
        assert [e.seq for e in await w.take([one, two, beside])] == [1, 2, 3, 1]
    assert await journal.heads() == {(PLACE, ORIGIN): LaneHead(3, two[-1].hash, 1), (PLACE, ABOVE): LaneHead(1, other.hash, 1)}
    assert [bytes(e.body or b"").decode() for e in await journal.subject(subject(1))] == ["张三", "李四", "王五"]
    three, far = lane.say("赵六"), lane.say("too far")
    for text in ("another", "history", "of it"):
        fork.say(text)
    for wrong, code in (([far], "lane_gap"), (two, "lane_gap"), ([fork.say("here")], "lane_fork")):
        with pytest.raises(Refused, match=f"^{code}:"):
            async with journal.writing() as w:
                await w.take([[other.copy().say("with it")], wrong])
    async with journal.writing() as w:
        await w.take([[three]])
    assert await journal.heads() == {(PLACE, ORIGIN): LaneHead(4, three.hash, 4), (PLACE, ABOVE): LaneHead(1, other.hash, 1)}
    await journal.close()
