"""A Have costs its speaker nothing: lanes that exist nowhere hold up nobody who is honest, neither ledgers nor files nor a restored node's pages."""

import asyncio
from types import SimpleNamespace

import pytest

from protocol import have
from protocol.have import HAVE_BYTES_MAX, Have
from protocol.lane import EMPTY, LaneHead
from protocol.node.gate import Gate, Notes, note_restored
from protocol.node.link import hearing, needs, subjects
from protocol.node.link.catchup import WORKERS, CatchUp
from protocol.node.link.hearing import LANES_MIN, Hearing
from protocol.node.link.needs import HINTS_EACH_MAX, HINTS_MAX, IDLE
from protocol.node.link.peers import Peers
from protocol.node.link.turns import AHEAD
from protocol.place import COMMON
from tests.link.kit import ALL, COUNTY, HALL, HUB, N1, T1, TOWN, V1, V9, Raw, now_ms, signing_key, soon
from tests.link.test_peers import certificate

MANY = 4_500  # what fits into a Have
H = b"h" * 32
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def invented(count: int, first: int = 0) -> dict[str, tuple[int, bytes]]:
    """Of nodes that nobody enrolled; they sort before all others."""
    names = ("naa" + "".join(LETTERS[n >> 5 * i & 31] for i in range(6)) for n in range(first, first + count))
    return {f"{name}:1": (9, H) for name in names}


class Ground:
    """Of `Ground` what needs and turns are made of: a county's node that knows these, and asks nobody."""

    def __init__(self, *enrolled: str, mine: str = HUB) -> None:
        self.certificate, self.peers = certificate(mine), Peers(certificate(mine))
        self.heads: dict[str, dict[str, LaneHead]] = {}
        self.refused: list[tuple[str, str]] = []
        self.clock, self.leads, self.on_back, self.on_joined = (lambda: 7), (lambda: True), None, None
        self.admission, self.link = SimpleNamespace(is_shared=False), SimpleNamespace(is_connected=True)
        self.signer = SimpleNamespace(node=mine, origin=f"{mine}:1")
        for node in enrolled:
            self.peers.learn(certificate(node, key=bytes(signing_key(node).verify_key)))

    def hears(self, _ledger: str) -> bool:
        return True

    def keep_have(self, *_: object) -> None:
        """Nothing is kept."""

    def head(self, ledger: str, of: str) -> LaneHead:
        return self.heads.get(ledger, {}).get(of, EMPTY)

    def quarantine(self, node: str, _ledger: str, _origin: str, refused, _wire=None) -> None:
        self.refused.append((node, refused.code))


def says(ground: Ground, catchup: CatchUp, node: str, ledger: str, lanes: dict[str, tuple[int, bytes]], signed: bool = True) -> None:
    """As hearing takes it over."""
    if signed:
        ground.peers.note(Have(node, ledger, lanes, 0), 1)
        catchup.retold(node, ledger, lanes)
    for one, (seq, _) in lanes.items():
        catchup.need(ledger, one, seq, node, signed=signed)


def at_work(catchup: CatchUp) -> list[tuple[str, str] | None]:
    """What all workers take at once."""
    taken = []
    for _ in range(WORKERS):
        if lane := catchup._turns.next():
            catchup._needs[lane].busy = True
        taken.append(lane)
    return taken


def rested(catchup: CatchUp, lanes: list[tuple[str, str] | None]) -> None:
    for lane in filter(None, lanes):
        catchup._needs[lane].busy = False
        catchup._turns.done(lane)


def pulled(catchup: CatchUp, count: int, gives: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """So many lanes as workers would take them, one after the other; of those nodes something comes, of others nothing."""
    turns, taken = catchup._turns, []

    def following() -> tuple[str, str] | None:
        lane = turns.next()
        if lane is None and turns.owes_s:  # a worker waits so long
            turns._look(asyncio.get_running_loop().time())
            lane = turns.next()
        return lane

    while len(taken) < count and (lane := following()):
        need = catchup._needs[lane]
        need.busy = True
        taken.append(lane)
        speakers = [*catchup._said.speakers(lane, need), *need.hinted]
        if any(node in gives for node in speakers):
            catchup._said.gave(next(node for node in speakers if node in gives))
            need.until = 0
        else:
            for node in speakers:
                catchup._gave_nothing(lane, need, node)
            need.due = asyncio.get_running_loop().time() + 60
        need.busy = False
        catchup._turns.done(lane)
        if not need.until:
            catchup._said.drop(lane)
    return taken


async def test_each_speaker_has_its_turn_however_many_lanes_another_invents():
    ground = Ground(T1, N1, HALL)
    catchup = CatchUp(ground)
    says(ground, catchup, HALL, V1, {f"{N1}:{n}": (9, H) for n in range(2, 500)})  # likely ones: that node is enrolled
    says(ground, catchup, T1, V1, {f"{T1}:1": (3, H), f"{N1}:1": (3, H)})
    assert {lane[1] for lane in pulled(catchup, 4, gives=(T1,))} >= {f"{T1}:1", f"{N1}:1"}


async def test_who_gave_nothing_has_one_worker_and_nobody_waits_for_it():
    ground = Ground(T1, N1, HALL)
    catchup = CatchUp(ground)
    says(ground, catchup, HALL, V1, {f"{N1}:{n}": (9, H) for n in range(2, 500)})
    assert len(pulled(catchup, IDLE)) == IDLE
    says(ground, catchup, T1, V1, {f"{T1}:{n}": (3, H) for n in range(1, 100)})
    catchup._turns._look(asyncio.get_running_loop().time())  # of so many that waits for a moment
    taken = at_work(catchup)
    assert [lane[1].startswith(T1) for lane in taken].count(True) == WORKERS - 1, taken
    rested(catchup, taken)
    for lane in [lane for lane in catchup._needs if lane[1].startswith(T1)]:
        catchup._said.drop(lane)
    catchup._turns._look(asyncio.get_running_loop().time())
    alone = at_work(catchup)
    assert len([*filter(None, alone)]) == WORKERS // 2, "and half where nobody else has anything: one who is honest may come any time"


async def test_what_one_speaker_may_have_invented_holds_up_nothing_else_that_it_says():
    """A folder put back knows nothing of those who were enrolled since: what the same neighbour says of others comes meanwhile."""
    ground = Ground(T1, N1)
    catchup = CatchUp(ground)
    says(ground, catchup, T1, V1, invented(3 * AHEAD) | {f"{N1}:{n}": (3, H) for n in range(1, 3 * AHEAD)})
    taken = at_work(catchup)
    assert [lane[1].startswith(N1) for lane in taken].count(True) == WORKERS - 1, taken
    rested(catchup, taken)
    assert len(set(pulled(catchup, 6 * AHEAD, gives=(T1,)))) == 6 * AHEAD - 1, "and all of it comes"


async def test_common_comes_before_all_else_of_whoever_said_it():
    """Everything is proven by it; by name it sorts last."""
    ground = Ground(T1, N1, HALL)
    catchup = CatchUp(ground)
    says(ground, catchup, T1, V1, {f"{N1}:{n}": (3, H) for n in range(1, 20)})
    says(ground, catchup, N1, COMMON, {f"{HUB}:1": (50, H)})
    assert pulled(catchup, 1, gives=(N1,)) == [(COMMON, f"{HUB}:1")]
    says(ground, catchup, T1, COMMON, {f"{HUB}:1": (60, H)})
    catchup._turns._look(asyncio.get_running_loop().time())
    assert pulled(catchup, 1, gives=(T1,)) == [(COMMON, f"{HUB}:1")]


async def test_what_strangers_hint_at_is_bounded_and_holds_up_nothing():
    ground = Ground(T1)
    catchup = CatchUp(ground)
    for n in range(200):
        says(ground, catchup, f"nfake{n:04}", V1, invented(MANY // 100, first=n * 45), signed=False)
    assert len(catchup._needs) == HINTS_MAX
    says(ground, catchup, "nalone222", V9, {"nalone222:1": (4, H)}, signed=False)
    assert (V9, "nalone222:1") in catchup._needs, "of another branch: those who fill it make room"
    says(ground, catchup, "nmany2222", V9, invented(MANY), signed=False)
    assert sum(catchup._needs[lane].hinted.get("nmany2222", 0) > 0 for lane in catchup._needs) <= HINTS_EACH_MAX
    assert catchup.is_done and catchup.behind.keys() <= {(V9, "nalone222:1")}
    says(ground, catchup, T1, V1, {f"{T1}:1": (3, H)})
    await soon(lambda: not catchup.is_done)
    assert (V1, f"{T1}:1") in pulled(catchup, 2, gives=(T1,))
    assert (V9, "nalone222:1") in pulled(catchup, 2), "a branch has one turn, however many strangers it sends"


async def test_what_a_newer_have_names_no_more_is_forgotten():
    ground = Ground(HALL)
    catchup = CatchUp(ground)
    for n in range(20):
        says(ground, catchup, HALL, V1, invented(64, first=n * 64))
    assert len(catchup._needs) == 64


async def test_files_do_not_wait_for_a_lane_that_may_not_exist_nor_for_one_that_all_were_asked_for():
    ground = Ground(T1, N1, HALL)
    catchup = CatchUp(ground)
    says(ground, catchup, HALL, V1, invented(20))
    assert catchup.is_done
    says(ground, catchup, HALL, V1, {f"{N1}:7": (3, H)})
    assert not catchup.is_done, "it may be so"
    need = catchup._needs[V1, f"{N1}:7"]
    catchup._said.give_up((V1, f"{N1}:7"), need)
    assert catchup.is_done
    need.came()
    for _ in range(IDLE):
        catchup._said.gave_nothing((V1, f"{N1}:7"), need, HALL)
    assert catchup.is_done, "nor for whoever gave nothing for so long"


async def test_a_restored_node_waits_for_whom_it_does_not_know_yet_but_not_for_ever(monkeypatch):
    """*Common* is an old one: the lanes of who was enrolled since look like invented ones."""
    monkeypatch.setattr(needs, "UNSHOWN_S", 0.1)
    ground = Ground(T1, N1, HALL)
    catchup, lane, own = CatchUp(ground), (V1, "nlater222:1"), (V1, f"{N1}:1")
    says(ground, catchup, T1, V1, {lane[1]: (3, H)})
    assert catchup.missing == {lane: 3}
    assert catchup.lacks(lane, 3) and catchup.awaited_of() == [T1]
    assert pulled(catchup, 1) == [lane], "and it is asked for"
    assert catchup.missing == {lane: 3}
    await asyncio.sleep(0.12)
    assert catchup.missing == {lane: 3}, "it was not heard since: its line may be cut, and it may have it"
    says(ground, catchup, T1, V1, {lane[1]: (3, H)})
    assert not catchup.missing and not catchup.lacks(lane, 3)
    assert catchup.behind == {lane: 3}, "the page of the link says it still"
    says(ground, catchup, HALL, V1, {lane[1]: (3, H)})
    assert catchup.missing == {lane: 3}, "somebody else says so too: it is asked first"
    says(ground, catchup, N1, V1, {own[1]: (8, H)})
    for _ in range(IDLE):
        catchup._said.gave_nothing(own, catchup._needs[own], N1)
    await asyncio.sleep(0.12)
    says(ground, catchup, N1, V1, {own[1]: (8, H)})
    assert own in catchup.missing, "its own: nobody else may have it"
    ground.peers.learn(certificate(N1), revoked=True)
    assert own not in catchup.missing


async def test_strangers_hold_the_pages_for_a_minute_and_only_by_their_own_lanes(monkeypatch):
    monkeypatch.setattr(needs, "UNKNOWN_S", 0.1)
    ground = Ground(T1)
    catchup = CatchUp(ground)
    says(ground, catchup, "nlater222", V1, {"nother222:1": (3, H)}, signed=False)
    assert not catchup.missing
    says(ground, catchup, "nlater222", V1, {"nlater222:1": (3, H)}, signed=False)
    assert catchup.missing == {(V1, "nlater222:1"): 3}
    await asyncio.sleep(0.12)
    says(ground, catchup, "nfaked222", V1, {"nfaked222:1": (3, H)}, signed=False)
    assert not catchup.missing, "another one each time does not help"


def heard_by(ground: Ground) -> tuple[Hearing, CatchUp]:
    catchup = CatchUp(ground)
    return Hearing(ground, catchup, SimpleNamespace(note=lambda *_: None), lambda *_: None, lambda *_: None), catchup


async def test_a_have_of_a_large_county_is_heard_whole_and_one_that_can_not_be_is_cut():
    names = ["n" + "".join(LETTERS[n >> 5 * i & 31] for i in range(8)) for n in range(1_600)]
    whole = {f"{node}:{epoch}": (12_345, H) for node in names for epoch in (1, 2, 3)}
    assert len(have.sign(Have(T1, COUNTY, whole, 5), signing_key(T1))) <= HAVE_BYTES_MAX
    ground = Ground(T1, HALL)
    listening, _ = heard_by(ground)
    for node in names:
        ground.peers.learn(certificate(node, serves=(f"{COUNTY}/u07",), covers=(f"{COUNTY}/*",), branch="_"))
    assert len(listening._counted(Have(T1, COUNTY, whole, 5), b"").lanes) == 4_800
    assert not ground.refused
    small = Ground(T1, N1, HALL)
    listening, _ = heard_by(small)
    small.heads[V1] = {"nolder222:1": LaneHead(4, H, 4)}
    few = listening._counted(Have(T1, V1, invented(MANY) | {f"{N1}:1": (9, H), f"{T1}:1": (2, H), "nolder222:1": (9, H)}, 5), b"").lanes
    assert {f"{N1}:1", f"{T1}:1", "nolder222:1"} < few.keys(), "what is here and what is likely is kept before the rest"
    assert (len(few), small.refused) == (LANES_MIN, [(T1, "lanes_too_many")])


async def test_who_speaks_of_ledgers_without_end_is_heard_of_some(monkeypatch):
    """Below what it covers any path is one that it hears."""
    monkeypatch.setattr(hearing, "LEDGERS_MIN", 5)
    ground = Ground(T1)
    listening, _ = heard_by(ground)
    for n in range(9):
        ledger = f"{TOWN}/3305231119{n:02}"
        wire = have.sign(Have(T1, ledger, {f"{T1}:1": (3, H)}, 5), signing_key(T1))
        await listening.have(SimpleNamespace(subject=subjects.have(ledger, T1), data=wire))
    assert len(ground.peers.get(T1).lanes) == 5
    assert (listening.heard, listening.proven) == (5, 1), "each ledger that is not here would have a restored node's pages wait anew"
    assert ground.refused == [(T1, "lanes_too_many")] * 4


async def test_too_many_lanes_are_no_reproach_while_common_is_old_and_are_asked_for_again_when_more_nodes_are_known():
    ground = Ground(T1, N1)
    listening, catchup = heard_by(ground)
    asked = []
    listening._say = lambda ledger, want=False: asked.append((ledger, want))
    says(ground, catchup, T1, COMMON, {f"{HUB}:1": (9, H)})
    assert len(listening._counted(Have(T1, V1, invented(100), 5), b"").lanes) == LANES_MIN
    assert not ground.refused
    ground.on_joined()
    assert asked == [(V1, True)]
    catchup._said.drop((COMMON, f"{HUB}:1"))
    listening._counted(Have(T1, V1, invented(100), 5), b"")
    assert ground.refused == [(T1, "lanes_too_many")]


@pytest.mark.parametrize("is_enrolled", [True, False])
async def test_one_who_invents_lanes_and_is_silent_holds_up_nobody(town, tmp_path, monkeypatch, is_enrolled):
    """An edge that hears the whole county says that it has thousands of lanes of each ledger, again and again, and answers nothing."""
    monkeypatch.setattr(needs, "UNSHOWN_S", 2.0)
    monkeypatch.setattr("protocol.node.link.catchup.ANSWER_S_MAX", 0.3)
    hub, t1, v1 = town.node(HUB), town.node(T1), town.node(N1)
    hub.enrolled(*(node for node in ALL if is_enrolled or node != HALL))
    v1.write(count=3)
    hub.start(), t1.start()
    silent, wanted = Raw(town, HALL), []

    async def heard(msg) -> None:
        wanted.append(msg.subject)

    await soon(lambda: silent.link.is_connected and t1.has(hub, COMMON))
    await silent.link.subscribe(subjects.pull(town.certificates[HALL].branch, HALL), heard)
    await silent.link.confirm()

    async def flood() -> None:
        n = 0
        while True:
            for ledger in (V1, COMMON):
                said = Have(HALL, ledger, invented(MANY, first=n), now_ms())
                await silent.say(subjects.have(ledger, HALL), have.sign(said, signing_key(HALL)))
            n += 100
            await asyncio.sleep(0.5)

    flooding = asyncio.create_task(flood())
    await soon(lambda: len(wanted) > 3)
    notes = Notes(tmp_path)
    note_restored(notes, now_ms(), "restore")
    gate = Gate(notes, hub.pump, now_ms, hub.wake)
    waits = asyncio.create_task(gate.run())
    v1.start()
    await soon(lambda: hub.has(v1) and t1.has(v1) and v1.has(hub, COMMON))
    await soon(lambda: hub.pump._catchup.is_done)
    assert await gate.passed(30)
    assert len(hub.pump._catchup._needs) <= 2 * LANES_MIN
    counted = (HALL, V1, "", "lanes_too_many")
    if is_enrolled:
        await soon(lambda: counted in hub.memory.quarantined)
        assert len(hub.pump.said(HALL, V1)) == LANES_MIN
    else:
        assert counted not in hub.memory.quarantined
        assert not hub.pump.state().behind
    assert (HALL, V1) not in hub.memory.haves, "what had to be cut is no witness"
    v1.write()
    await soon(lambda: hub.has(v1) and t1.has(v1))
    for task in (flooding, waits):
        task.cancel()
    await silent.stop()
