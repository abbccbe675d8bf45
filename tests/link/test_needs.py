"""What is known to be missing: until when a restored node's pages wait for it, and how much of it one speaker may have waiting at once."""

import asyncio
import math

import pytest

from protocol import entry
from protocol.lane import LaneHead
from protocol.node.link import needs
from protocol.node.link.catchup import CatchUp
from protocol.node.link.needs import IDLE, NEW_EACH_MAX, UNLIKELY_EACH_MAX
from protocol.place import COMMON
from tests.link.kit import HALL, HUB, N1, T1, TOWN, V1, soon
from tests.link.test_invented import Ground, H, invented, says
from tests.link.test_peers import certificate


async def asked_in_vain(catchup: CatchUp, lane: tuple[str, str], *nodes: str) -> None:
    for node in nodes:
        catchup._said.gave_nothing(lane, catchup._needs[lane], node)
    await asyncio.sleep(0.12)


async def test_after_a_connection_of_our_own_nothing_that_was_not_given_before_opens_the_pages(monkeypatch):
    """The answer was lost on a wire that was half open; then the line was down for long."""
    monkeypatch.setattr(needs, "UNSHOWN_S", 0.1)
    ground, lane = Ground(T1, N1), (V1, f"{N1}:2")
    catchup = CatchUp(ground)
    says(ground, catchup, T1, V1, {lane[1]: (3, H)})
    await asked_in_vain(catchup, lane, *[T1] * IDLE)
    catchup._said.give_up(lane, catchup._needs[lane])
    catchup.connected()
    says(ground, catchup, T1, V1, {lane[1]: (3, H)})
    assert catchup.missing == {lane: 3} and catchup.lacks(lane, 3)
    assert not catchup.is_done, "and files wait for it as well"


async def test_who_is_not_heard_any_more_may_have_what_it_said(monkeypatch):
    """A township that was put back while its line to the county is cut: its own server goes on, and nobody says that it is alone."""
    monkeypatch.setattr(needs, "UNSHOWN_S", 0.1)
    ground, lanes = Ground(HUB, HALL, N1, mine=T1), [(V1, f"{T1}:{n}") for n in range(1, IDLE + 3)]
    catchup = CatchUp(ground)
    says(ground, catchup, HUB, V1, {lane[1]: (3, H) for lane in lanes})
    for lane in lanes[:-1]:  # the last one is not even asked for
        catchup._said.gave_nothing(lane, catchup._needs[lane], HUB)
    await asyncio.sleep(0.12)
    assert set(catchup.missing) == set(lanes), "its own closed lanes, with what the law took"
    says(ground, catchup, HALL, V1, {lanes[0][1]: (3, H)})
    await asked_in_vain(catchup, lanes[0], HALL)
    says(ground, catchup, HALL, V1, {lanes[0][1]: (3, H)})
    assert lanes[0] in catchup.missing, "somebody else who is there has it not: the county may"
    says(ground, catchup, HUB, V1, {lane[1]: (3, H) for lane in lanes})
    assert not catchup.missing, "and one that speaks for so long has it not"


async def test_who_is_asked_late_has_as_long_to_show_it(monkeypatch):
    """Else whoever said so first, and has it not, would have the pages open at the first answer of another that is lost."""
    monkeypatch.setattr(needs, "UNSHOWN_S", 0.1)
    ground, lane = Ground(T1, N1, HALL), (V1, f"{N1}:2")
    catchup = CatchUp(ground)
    says(ground, catchup, HALL, V1, {lane[1]: (3, H)})
    await asked_in_vain(catchup, lane, HALL)
    for node in (HALL, T1):
        says(ground, catchup, node, V1, {lane[1]: (3, H)})
    catchup._said.gave_nothing(lane, catchup._needs[lane], T1)
    assert catchup.missing == {lane: 3}
    await asyncio.sleep(0.12)
    says(ground, catchup, T1, V1, {lane[1]: (3, H)})
    assert not catchup.missing


async def test_one_true_piece_now_and_then_keeps_no_pages_shut(monkeypatch):
    monkeypatch.setattr(needs, "UNSHOWN_S", 0.1)
    ground, lanes = Ground(N1, HALL), [(V1, f"{N1}:{n}") for n in range(2, 50)]
    catchup = CatchUp(ground)
    for _ in range(3):
        says(ground, catchup, HALL, V1, {lane[1]: (3, H) for lane in lanes})
        for lane in lanes[: needs.SCORE_MAX]:
            catchup._said.gave_nothing(lane, catchup._needs[lane], HALL)
        catchup._said.gave(HALL)
        await asyncio.sleep(0.05)
    says(ground, catchup, HALL, V1, {lane[1]: (3, H) for lane in lanes})
    assert not catchup.missing
    for _ in range(needs.SCORE_MAX):
        catchup._said.gave(HALL)
    assert lanes[-1] in catchup.missing, "who gives what it says is believed again"


async def test_a_lane_that_turned_likely_is_asked_for_soon_however_long_it_rests_as_a_doubtful_one():
    ground, lane = Ground(T1), (V1, "nlater222:1")
    catchup = CatchUp(ground)
    says(ground, catchup, T1, V1, {lane[1]: (3, H)})
    need = catchup._needs[lane]
    for _ in range(12):
        catchup._said.gave_nothing(lane, need, T1)
        catchup._said.give_up(lane, need)
    need.due, now = math.inf, asyncio.get_running_loop().time()
    assert need.again > now + needs.LIKELY_S_MAX * 10
    ground.peers.learn(certificate("nlater222", covers=(V1,)))
    says(ground, catchup, T1, V1, {lane[1]: (3, H)})
    assert need.due <= now + needs.LIKELY_S_MAX


async def test_nothing_is_given_up_while_our_own_line_is_down(monkeypatch):
    monkeypatch.setattr("protocol.node.link.catchup.RETRY_S_MAX", 0.4)
    ground, lane = Ground(T1, N1), (V1, f"{N1}:2")
    ground.link.is_connected = False
    catchup = CatchUp(ground)
    says(ground, catchup, T1, V1, {lane[1]: (3, H)})
    need = catchup._needs[lane]
    for _ in range(5):
        await catchup._pull(lane, need)
    assert need.due == math.inf and not need.is_given_up, "nobody was asked"
    ground.link.is_connected = True
    catchup.connected()
    says(ground, catchup, T1, V1, {lane[1]: (3, H)})
    assert not catchup.is_done and need.pause_s == needs.RETRY_S_MIN


async def test_a_stranger_that_was_heard_before_the_line_was_down_keeps_no_pages_shut(monkeypatch):
    """It was switched off meanwhile, and *common* says nothing new."""
    monkeypatch.setattr("protocol.node.link.catchup.RETRY_S_MAX", 0.4)
    ground, lane = Ground(T1, N1), (V1, "nlater222:1")
    catchup = CatchUp(ground)
    says(ground, catchup, "nlater222", V1, {lane[1]: (3, H)}, signed=False)
    need, ground.link.is_connected = catchup._needs[lane], False
    for _ in range(5):
        await catchup._pull(lane, need)
    ground.link.is_connected = True
    catchup.connected()
    assert not catchup.missing and not catchup.behind


async def test_a_word_that_is_taken_back_leaves_no_more_hints_than_there_may_be():
    """Signed, hinted at by another name, and taken back: again and again, with ever other lanes."""
    ground = Ground(T1, N1)
    catchup = CatchUp(ground)
    for n in range(40):
        lanes = invented(64, first=64 * n)
        says(ground, catchup, T1, V1, lanes)
        says(ground, catchup, f"nother{n:03}", V1, lanes, signed=False)
    says(ground, catchup, T1, V1, {})
    assert len(catchup._needs) == len(catchup._said._bare) <= needs.HINTS_MAX
    says(ground, catchup, N1, V1, {f"{N1}:9": (3, H)})
    says(ground, catchup, "nother001", V1, {f"{N1}:9": (2, H)}, signed=False)
    says(ground, catchup, N1, V1, {})
    assert (V1, f"{N1}:9") not in catchup._needs or catchup._needs[V1, f"{N1}:9"].until == 2


def ledgers(count: int) -> list[str]:
    return [f"{TOWN}/330523111{n:03}" for n in range(count)]


async def test_one_speaker_has_only_so_many_lanes_waiting_over_all_ledgers():
    """Below what it covers any path is a ledger that it hears, and its own lanes there are as likely as any."""
    ground = Ground(T1, N1, HALL)
    catchup = CatchUp(ground)
    for n, ledger in enumerate(ledgers(100)):
        says(ground, catchup, HALL, ledger, invented(64, first=64 * n))
    assert len(catchup._needs) == UNLIKELY_EACH_MAX
    for ledger in ledgers(100):
        says(ground, catchup, HALL, ledger, {f"{HALL}:{n}": (9, H) for n in range(1, 65)})
    assert len(catchup._needs) == NEW_EACH_MAX
    says(ground, catchup, T1, V1, invented(64) | {f"{N1}:1": (3, H), f"{T1}:1": (3, H)})
    assert sum(lane[0] == V1 for lane in catchup._needs) == 66, "what another says is none of it"
    says(ground, catchup, HALL, COMMON, {f"{HUB}:1": (3, H)})
    assert (COMMON, f"{HUB}:1") in catchup._needs, "nor is *common*"
    for ledger in ledgers(100):
        says(ground, catchup, HALL, ledger, {})
    assert len(catchup._needs) == 67 and not catchup._said.cut and not any(catchup._said._new[HALL])


@pytest.mark.parametrize("is_known", [False, True], ids=["of nodes that are not known", "of nodes that are"])
async def test_more_lanes_than_one_speaker_may_have_waiting_all_come_without_another_word(monkeypatch, is_known):
    """A county of many nodes, at a new computer or one that was put back; pages wait for all of it."""
    monkeypatch.setattr(needs, "NEW_EACH_MAX", 60)
    monkeypatch.setattr(needs, "UNLIKELY_EACH_MAX", 60 if is_known else 20)
    ground, all_lanes = Ground(T1), {ledger: invented(7, first=7 * n) for n, ledger in enumerate(ledgers(40))}
    catchup = CatchUp(ground)
    for lanes in all_lanes.values():
        for of in lanes if is_known else ():
            ground.peers.learn(certificate(entry.node_of(of), covers=(f"{TOWN}/*",)))
    for ledger, lanes in all_lanes.items():
        says(ground, catchup, T1, ledger, lanes)
    assert len(catchup._needs) == (60 if is_known else 20)

    async def comes(lane, need) -> None:
        assert catchup.missing
        ground.heads.setdefault(lane[0], {})[lane[1]] = LaneHead(9, H, 9)

    monkeypatch.setattr(catchup, "_pull", comes)
    working = asyncio.create_task(catchup.work())
    await soon(lambda: not catchup._needs)
    working.cancel()
    assert all(ground.head(ledger, of).seq == 9 for ledger, lanes in all_lanes.items() for of in lanes)
    assert not catchup._said.cut


async def test_what_was_cut_is_there_as_soon_as_its_nodes_are_known(monkeypatch):
    monkeypatch.setattr(needs, "UNLIKELY_EACH_MAX", 20)
    ground, lanes = Ground(T1), invented(200)
    catchup = CatchUp(ground)
    says(ground, catchup, T1, V1, lanes | {f"{HUB}:1": (9, H), f"{HUB}:2": (9, H)})
    assert len(catchup._needs) == 20 + 2
    for of in lanes:
        ground.peers.learn(certificate(entry.node_of(of)))
    del catchup._said.kept[V1, f"{HUB}:1"], catchup._said.kept[V1, f"{HUB}:2"]
    catchup.forget_gone()
    assert {lane[1] for lane in catchup._needs} == set(lanes), "but not what would be our own of a later time: that is for claims"


async def test_who_was_put_out_has_nothing_more_shown_of_its(monkeypatch):
    monkeypatch.setattr(needs, "UNLIKELY_EACH_MAX", 20)
    ground = Ground(HALL)
    catchup = CatchUp(ground)
    says(ground, catchup, HALL, V1, invented(64))
    ground.peers.learn(certificate(HALL), revoked=True)
    for lane in list(catchup._needs):
        catchup._said.drop(lane)
    catchup.forget_met()
    assert not catchup._needs and not catchup._said.cut


async def test_a_look_through_very_many_is_seldom_and_what_is_due_waits_for_the_next_one():
    ground = Ground(T1, N1)
    catchup = CatchUp(ground)
    turns, looks = catchup._turns, []
    look = turns._look

    def slow(now: float) -> None:
        looks.append(now)
        look(now)
        turns._cost_s = 0.02

    turns._look = slow
    assert turns.next() is None and len(looks) == 1
    says(ground, catchup, T1, V1, {f"{N1}:{n}": (3, H) for n in range(2, 5)})
    for _ in range(50):
        assert turns.next() is None
        await asyncio.sleep(0)
    assert len(looks) == 1, "neither because something is new nor because nothing was found"
    pulled_lanes = []

    async def pulls(lane, need) -> None:
        pulled_lanes.append(lane)
        need.until = 0

    catchup._pull = pulls
    working = asyncio.create_task(catchup.work())
    await soon(lambda: len(pulled_lanes) == 3, 10)
    working.cancel()


async def test_whether_all_is_there_is_looked_up_seldom_where_that_costs_much(monkeypatch):
    ground = Ground(T1, N1)
    catchup = CatchUp(ground)
    says(ground, catchup, T1, V1, {f"{N1}:2": (3, H)})
    assert not catchup.is_done
    catchup._said.give_up((V1, f"{N1}:2"), catchup._needs[V1, f"{N1}:2"])
    catchup._done_cost_s = 0.0  # however long a machine that does other things took over that look
    assert catchup.is_done, "of few it is exact"
    asked, counts = [], catchup._said.counts
    monkeypatch.setattr(catchup._said, "counts", lambda *of: (asked.append(of), counts(*of))[1])
    catchup._done_cost_s = 0.02
    for _ in range(100):
        assert catchup.is_done
    assert not asked
    await soon(lambda: catchup.is_done and asked)
