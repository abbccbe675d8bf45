"""Whatever an enrolled node, or anybody at a township's server, says and signs: the others go on, and nothing grows by names that it invents."""

from collections import Counter
from types import SimpleNamespace

import pytest

from protocol import batch as batches
from protocol import have, lane, place
from protocol.batch import Batch
from protocol.entry import Entry
from protocol.have import Have
from protocol.node.forks import Wanted
from protocol.node.journal.branches import LANES_MAX, TIPS_MAX
from protocol.node.link import ground as grounds
from protocol.node.link import subjects
from protocol.node.link.catchup import CatchUp
from protocol.node.link.ground import STRANGER, Ground
from protocol.node.link.hearing import Hearing
from protocol.node.wake import Wake
from protocol.problem import SENTENCES, Refused
from tests.link.kit import COUNTY, HUB, N1, N2, T1, TOWN, V1, V2, V9, Node, now_ms, origin, signing_key, soon
from tests.link.test_invented import Ground as Known
from tests.link.test_invented import says
from tests.link.test_own_store import Store, ground_on
from tests.link.test_peers import certificate

LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


async def hears(node: Node, kind: str, ledger: str, speaker: str, wire: bytes) -> None:
    subject = (subjects.have if kind == "have" else subjects.live)(ledger, speaker)
    heard = node.pump._hearing.have if kind == "have" else node.pump._hearing.live
    await node.pump._ground.guarded(kind, heard)(SimpleNamespace(subject=subject, data=wire))


def strangers(count: int) -> list[str]:
    return ["nzz" + "".join(LETTERS[n >> 5 * i & 31] for i in range(6)) for n in range(count)]


async def test_a_lane_that_this_store_cannot_take_costs_no_worker_and_holds_up_no_file(county):
    """Not refused: a fault, as of a number that no column takes. What is good before it goes in."""
    hub, _, v1, v2 = county
    admit = hub.admits.admit

    async def fails(batch: Batch, from_node: str, *, backlog: bool = False) -> int:
        if batch.ledger == V1 and batch.last > 3:
            raise OverflowError("value out of int64 range")
        return await admit(batch, from_node, backlog=backlog)

    hub.admits.admit = fails
    for _ in range(8):
        v1.write()
    v2.write(count=3)
    await soon(lambda: hub.has(v2) and hub.memory.head(V1, origin(N1)).seq == 3)
    await soon(lambda: any(key[2:] == (origin(N1), "batch_malformed") for key in hub.memory.quarantined))
    await soon(lambda: hub.pump._catchup.is_done)
    assert not any(name.startswith("pull ") for name in hub.pump.state().faults), "no worker ended"


async def test_invented_names_of_ledgers_lanes_and_speakers_fill_no_quarantine(county):
    """Each was a row with its sample, for ever. All of it is counted, and what came of what is sealed stays told apart."""
    hub, _, v1, _ = county
    v1.write()
    await soon(lambda: hub.has(v1))
    for n in range(300):
        await hears(hub, "have", f"{COUNTY}/x{n}/y{n}", N2, b"garbage")
        await hears(hub, "have", f"{COUNTY}/sealed/x{n}", N2, b"garbage")
        invented = Batch(V2, f"{N2}:{n + 1}", 0, bytes(32), (b"x",), (None,), b"s" * 64)
        await hears(hub, "live", V2, N2, batches.pack(invented))
        await hears(hub, "live", V2, N2, batches.pack(Batch(V2, f"{N2}:x{n}", 0, bytes(32), (b"x",), (None,), b"s" * 64)))
    for name in strangers(300):
        await hears(hub, "have", V1, name, b"garbage")
    await hears(hub, "have", V1, N1, b"garbage")
    await soon(lambda: sum(hub.memory.quarantined.values()) == 5 * 300 + 1)
    sealed = f"{COUNTY}/sealed/-"
    assert {(node, ledger, origin_): count for (node, ledger, origin_, _), count in hub.memory.quarantined.items()} == {
        (N2, "", ""): 300, (N2, sealed, ""): 300, (N2, V2, ""): 600, (STRANGER, V1, ""): 300, (N1, V1, ""): 1,
    }  # fmt: skip
    assert place.is_sealed(sealed)


async def test_of_what_is_known_each_kind_is_a_row_up_to_a_bound_and_few_samples_wait(county, monkeypatch):
    hub, _, v1, _ = county
    v1.write()
    await soon(lambda: hub.has(v1))
    ground = hub.pump._ground
    await soon(lambda: ground.head(V1, origin(N1)).seq)
    ground.quarantine(N1, V1, origin(N1), Refused("frame_broken"), b"x")
    await soon(lambda: (N1, V1, origin(N1), "frame_broken") in hub.memory.quarantined)
    monkeypatch.setattr(grounds, "KINDS_EACH_MAX", 20)
    hub.memory.full = True
    codes = [code for code, (_, words) in SENTENCES.items() if "{" not in words and code not in grounds.OWN_STORE]
    sample = b"x" * 200_000
    for code in codes:
        for ledger in (V1, TOWN, V9, f"{COUNTY}/sealed/{N1}"):
            ground.quarantine(N1, ledger, "", Refused(code), sample)
    kinds = Counter(node for node, *_ in ground._refusals)
    assert kinds[N1] <= 20 + 2 * len(codes) and len(codes) > 20
    assert sum(len(sample) for _, _, sample, _ in ground._refusals.values() if sample) <= grounds.SAMPLES_MAX * grounds.SAMPLE_BYTES_MAX
    assert not any(sample for (_, ledger, _, _), (_, _, sample, _) in ground._refusals.items() if place.is_sealed(ledger))
    hub.memory.full = False
    await soon(lambda: sum(hub.memory.quarantined.values()) == 1 + 4 * len(codes))


async def nobody_vouches(*_: object) -> bool:
    return False


class Ends:
    """Of `Forks` what hearing tells it."""

    def __init__(self) -> None:
        self.told: list[dict[str, list[tuple[int, bytes]]]] = []
        self.lanes: set[tuple[str, str]] = set()
        self.wanted: list[Wanted] = []

    def want(self, wanted: Wanted) -> None:
        self.wanted.append(wanted)

    def follow(self, *_: object) -> None:
        """Nothing is followed."""

    async def heard(self, _ledger: str, ends: dict[str, list[tuple[int, bytes]]], _node: str) -> None:
        self.told.append(ends)


@pytest.mark.parametrize("is_enrolled", [True, False])
async def test_of_ends_of_other_histories_as_many_are_heard_as_a_have_tells_and_none_of_a_stranger(is_enrolled):
    ground, ends = Known(*([T1] if is_enrolled else []), mine=HUB), Ends()
    ground.vouch = nobody_vouches
    hearing = Hearing(ground, CatchUp(ground), SimpleNamespace(note=lambda *_: None), lambda *_: None, lambda *_: None, ends)
    forks = {f"{T1}:{n}": tuple((seq, bytes(32)) for seq in range(1, 60)) for n in range(1, 100)} | {f"{N1}:1": ((7, bytes(32)),)}
    wire = have.sign(Have(T1, V1, {f"{T1}:1": (1, b"x" * 32)}, now_ms(), forks=forks), signing_key(T1))
    await hearing.have(SimpleNamespace(subject=subjects.have(V1, T1), data=wire))
    told = [tip for some in ends.told for tips in some.values() for tip in tips]
    if not is_enrolled:
        assert not told
        return
    (some,) = ends.told
    assert f"{N1}:1" in some and len(told) <= LANES_MAX * TIPS_MAX + 1


@pytest.mark.parametrize("forked", [True, False])
async def test_what_goes_on_is_asked_for_by_its_end_only_where_a_lane_has_two_histories(forked: bool):
    ground, ends, origin = Known(T1, mine=HUB), Ends(), f"{T1}:1"
    ends.lanes |= {(V1, origin)} if forked else set()
    hearing = Hearing(ground, CatchUp(ground), SimpleNamespace(note=lambda *_: None), lambda *_: None, lambda *_: None, ends)
    wire = have.sign(Have(T1, V1, {origin: (4, b"x" * 32)}, now_ms()), signing_key(T1))
    await hearing.have(SimpleNamespace(subject=subjects.have(V1, T1), data=wire))
    assert ends.wanted == ([Wanted(V1, origin, 4, b"x" * 32, T1)] if forked else [])


async def test_nothing_is_kept_of_names_that_a_stranger_invents(county):
    hub, *_ = county
    pump = hub.pump
    pump._fetching._rests.put("x" * 64)
    for n, name in enumerate(strangers(300)):
        ledger = f"{COUNTY}/x{n}/y{n}"
        said = Have(name, ledger, {f"{name}:1": (3, b"x" * 32)}, now_ms(), want=True)
        await hears(hub, "have", ledger, name, have.sign(said, signing_key(name)))
    assert not [node for node in pump._alive if node.startswith("nzz")]
    assert not [ledger for kept in (pump._says, pump._said, pump._repeats) for ledger in kept if "/x" in ledger]
    assert len(pump._fetching._rests) == 1, "whatever was given by nobody rests on"
    await hears(hub, "have", V2, N2, have.sign(Have(N2, V2, {}, now_ms(), want=True), signing_key(N2)))
    assert V2 in {*pump._says, *pump._said}, "who is enrolled is answered, also about what is not here yet"


async def test_who_was_pulled_from_or_asked_leaves_nothing_behind():
    ground = Known(T1, N1)
    catchup = CatchUp(ground)
    for n in range(300):
        ground.peers.learn(certificate(name := strangers(300)[n]))
        says(ground, catchup, name, V1, {f"{N1}:1": (n + 1, b"h" * 32)})
        taken = catchup._turns.next()
        if taken is not None:
            catchup._turns.done(taken)
    assert not catchup._turns._busy

    real = ground_on(Store())

    async def silent(*_: object) -> None:
        raise TimeoutError

    real.link = SimpleNamespace(request=silent)
    for name in strangers(50):
        with pytest.raises(TimeoutError):
            await real.ask(name, "s", b"", 0.01)
    assert not real._asking


async def test_who_is_known_by_a_lane_of_its_is_asked_about_what_it_said_before():
    """*Common* comes later, and then nobody is new any more. Of ledgers that others invented meanwhile nothing is asked."""
    mine = SimpleNamespace(node=HUB, origin=f"{HUB}:1")
    admission, link = SimpleNamespace(is_shared=False), SimpleNamespace(is_connected=True)
    ground, asked = Ground(Store(), admission, link, mine, certificate(HUB), Wake(), now_ms, None, ""), list[str]()
    hearing = Hearing(
        ground, CatchUp(ground), SimpleNamespace(note=lambda *_: None), lambda ledger, want=False: asked.append(ledger), lambda *_: None
    )
    opening = lane.next_entries(
        None, [lane.open_lane(TOWN, f"{T1}:1", certificate(T1, key=bytes(signing_key(T1).verify_key)))], origin=f"{T1}:1", key=signing_key(T1),
        author=("", "node"), command="c" * 12, occurred_ms=1, offset_ms=None, turns={}, salt=bytes,
    )  # fmt: skip

    async def lane_of(ledger: str, *_: object) -> list[Entry]:
        return [opening.entries[0].entry] if ledger == TOWN else []

    ground.journal = SimpleNamespace(lane=lane_of)
    for ledger, speaker in ((V1, T1), (V9, "nzzaaaaaa")):
        wire = have.sign(Have(speaker, ledger, {}, now_ms()), signing_key(speaker))
        await hearing.have(SimpleNamespace(subject=subjects.have(ledger, speaker), data=wire))
    assert not asked
    ground.heads[TOWN] = {f"{T1}:1": opening.head}
    said = have.sign(Have(T1, TOWN, {f"{T1}:1": (1, opening.head.hash)}, now_ms()), signing_key(T1))
    await hearing.have(SimpleNamespace(subject=subjects.have(TOWN, T1), data=said))
    assert asked == [V1]
