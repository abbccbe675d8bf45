"""What a node knows of others: who should have what, whom to ask, whose clock is how far off, and how much that costs in a county."""

import asyncio
import time
from collections import Counter
from random import Random

import msgspec
import pytest

from protocol import certificate as certificates
from protocol import have
from protocol.have import Have, Room
from protocol.lane import LaneHead
from protocol.node.link.ground import Ground
from protocol.node.link.peers import Peers
from protocol.place import COMMON
from tests.link.kit import COUNTY, HALL, HUB, N1, N2, N9, NODES, T1, TOWN, V1, V2, now_ms
from tests.link.test_wire import issued

HASH = bytes(32)


def certificate(node: str, **changed):
    serves, covers, branch = NODES.get(node, ((V1,), (V1,), "330523111"))
    return issued(**{"node": node, "serves": serves, "covers": covers, "branch": branch, "name": node} | changed)


def said(node: str, ledger: str, seq: int, clock_ms: int = 0, origin: str = f"{N1}:1") -> Have:
    return Have(node, ledger, {origin: (seq, HASH)}, clock_ms, "0.1.0")


def village() -> Peers:
    """What the village knows of the hub and of its township."""
    peers = Peers(certificate(N1))
    for node in (HUB, T1, N1):
        peers.learn(certificate(node))
    return peers


def test_everybody_who_covers_a_ledger_is_expected_to_have_it():
    peers = village()
    assert {k.certificate.node for k in peers.expected(V1)} == {HUB, T1}
    assert peers.expected(COMMON) == []  # only its writer keeps count of *common*
    ours = {f"{N1}:1": LaneHead(5, HASH, 5)}
    assert peers.is_unreceived(V1, ours)
    peers.note(said(HUB, V1, 5), 0)
    assert peers.is_unreceived(V1, ours), "the township lacks it still"
    peers.note(said(T1, V1, 5), 0)
    assert not peers.is_unreceived(V1, ours)
    peers.note(said(T1, V1, 4), 0)
    assert peers.is_unreceived(V1, ours), "it fell back: a restored disk"
    peers.learn(certificate(T1), revoked=True)
    assert not peers.is_unreceived(V1, ours)
    assert [p.node for p in peers.shown({V1: ours}) if p.revoked] == [T1]


def test_what_was_said_before_the_start_counts_in_the_figures_alone_and_until_it_is_said_anew():
    peers, ours, lane = Peers(certificate(N1)), {f"{N1}:1": LaneHead(5, HASH, 5)}, f"{N1}:1"
    peers.remember([(HUB, V1, lane, 5, 700), (HUB, COMMON, f"{HUB}:1", 2, 900), (T1, V1, lane, 3, 800), ("nstranger", V1, lane, 9, 1)])
    for node in (HUB, T1):
        peers.learn(certificate(node))

    def figures():
        return {p.node: (p.owed, p.owed_from, p.lacks, p.last_seen_ms) for p in peers.shown({V1: ours})}

    assert figures() == {HUB: (0, (), (), 900), T1: (2, ((V1, lane, 4),), (V1,), 800)}
    assert {node: [count for _, count in lanes] for node, lanes in peers.owed(V1, ours).items()} == {HUB: [], T1: [2]}
    assert (peers.debts(HUB, {V1: ours}), [one.owed for one in peers.debts(T1, {V1: ours})]) == ([], [2])
    assert set(peers.lackers(V1, ours)) == {HUB, T1}, "what goes out rests on what was heard since"
    assert peers.holders(V1, lane, 0) == []
    peers.note(Have(HUB, V1, {}, 0, "0.1.0"), 1_000)
    peers.note(said(T1, V1, 5), 1_000)
    assert figures() == {HUB: (5, ((V1, lane, 1),), (V1,), 1_000), T1: (0, (), (), 1_000)}, "it was put back to an empty disk"


def test_what_all_received_is_compared_again_when_we_have_more_or_somebody_joins():
    peers, ours = village(), {f"{N1}:1": LaneHead(5, HASH, 5)}
    for node in (HUB, T1):
        peers.note(said(node, V1, 5), 0)
    assert not peers.is_unreceived(V1, ours)
    more = {f"{N1}:1": LaneHead(6, HASH, 6)}
    assert peers.is_unreceived(V1, more)
    for node in (HUB, T1):
        peers.note(said(node, V1, 6), 0)
    assert not peers.is_unreceived(V1, more)
    peers.learn(certificate(HALL))
    assert peers.is_unreceived(V1, more), "who has just joined has nothing yet"


def test_what_all_who_hear_a_ledger_have_said_they_understand_is_spoken_there_and_nothing_else():
    def speaking(node: str, *words: str) -> Have:
        return msgspec.structs.replace(said(node, V1, 1), speaks=words)

    peers, ours = village(), ("bare", "dict1")
    assert peers.speaks(V1, ours) == (), "nobody was heard of yet"
    peers.note(speaking(HUB, "bare", "dict1", "of a later version"), 0)
    assert peers.speaks(V1, ours) == (), "the township may be an older one"
    peers.note(speaking(T1, "dict1"), 0)
    assert peers.speaks(V1, ours) == ("dict1",)
    peers.note(speaking(T1, "dict1", "bare"), 0)
    assert peers.speaks(V1, ours) == ours
    peers.learn(certificate(HALL))
    assert peers.speaks(V1, ours) == (), "one more joined, who has said nothing"
    peers.learn(certificate(HALL), revoked=True)
    assert peers.speaks(V1, ours) == ours
    peers.note(speaking(T1), 0)
    assert peers.speaks(V1, ours) == (), "it was put back to an older version"
    assert Peers(certificate(N1)).speaks(V1, ours) == ()


def test_a_newer_certificate_takes_the_place_of_the_older_and_never_the_reverse():
    peers = village()
    peers.learn(certificate(T1, covers=[f"{TOWN}/*", V2], valid_from_ms=9))
    peers.learn(certificate(T1, valid_from_ms=3))
    assert peers.get(T1).certificate.covers == (f"{TOWN}/*", V2)


def test_who_is_asked_first_is_whoever_answers_then_the_origin_itself():
    peers = Peers(certificate(HUB))
    for node in (T1, N1):
        peers.learn(certificate(node))
        peers.note(said(node, V1, 9), 0)
    assert peers.holders(V1, f"{N1}:1", 3) == [N1, T1]
    peers.get(N1).failures = 1
    assert peers.holders(V1, f"{N1}:1", 3) == [T1, N1]
    assert peers.holders(V1, f"{N1}:1", 9) == []
    assert peers.holders(V1, f"{N1}:1", 9, hinted={"nstranger": 20, T1: 9}) == ["nstranger"]
    assert peers.branch("nstranger", V1) == "330523111"
    assert {peers.branch("nstranger", COMMON) for _ in range(6)} == {"_", *(k.certificate.branch for k in peers)}
    assert peers.branch("nstranger", COUNTY) == peers.branch("nstranger", f"{COUNTY}/u07") == "_"


def test_who_lies_behind_another_leaf_is_asked_last_and_one_of_them_a_round():
    """A county has hundreds of them, all hold *common*, and none of their answers gets to a village."""
    peers, lane = Peers(certificate(N1)), (COMMON, f"{HUB}:1", 3)
    others = ["nfaraway2", "nfaraway3", "nfaraway4"]
    for node in (HUB, *others):
        peers.learn(certificate(node, **({} if node == HUB else {"branch": "330523002"})))
        peers.note(said(node, COMMON, 9, origin=f"{HUB}:1"), 0)
    assert peers.holders(*lane) == [HUB, others[0]]
    peers.get(HUB).answered(False)
    assert peers.holders(*lane, {HUB}) == [others[0]], "once in a round"
    peers.get(others[0]).answered(False)
    assert peers.holders(*lane, {HUB, others[0]}) == []
    assert peers.holders(*lane) == [HUB, others[1]], "and another one the next time"
    peers.get(others[2]).answered(True)
    assert peers.holders(*lane) == [others[2], HUB, others[1]], "no leaf lies between: it did answer"


def test_the_room_of_a_disk_is_what_its_node_said_last_in_the_ledger_of_its_place():
    peers = Peers(certificate(HUB))
    peers.learn(certificate(T1))

    def shown():
        return peers.shown({})[0].room

    assert shown() is None
    peers.note(msgspec.structs.replace(said(T1, TOWN, 1), room=Room(900, 5_000)), 0)
    peers.note(said(T1, V1, 1), 0)
    assert shown() == Room(900, 5_000), "of other ledgers it says nothing of it"
    peers.note(said(T1, TOWN, 1), 0)
    assert shown() is None, "it was put back to an older program"


def test_the_clock_offset_is_the_smallest_of_the_last_few():
    peers = village()
    for delay_ms in (40, 3, 900, 60_000):
        peers.note(said(HUB, V1, 1, clock_ms=1_000_000), 1_000_000 + 7_000 + delay_ms)
    assert peers.get(HUB).offset_ms == 7_003
    assert peers.offset_ms() == 7_003  # of the node above, heard last
    for _ in range(16):  # our clock was put right
        peers.note(said(HUB, V1, 1, clock_ms=2_000_000), 2_000_005)
    assert peers.offset_ms() == 5
    peers.note(said(T1, V1, 1, clock_ms=2_000_000), 2_000_100)
    assert peers.offset_ms() == 100
    assert Peers(certificate(HUB)).offset_ms() is None


def test_a_county_of_233_nodes_and_300_ledgers_is_looked_through_in_a_few_milliseconds():
    peers = Peers(certificate(HUB))
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    names = ["n" + "".join(letters[n >> 5 * k & 31] for k in range(8)) for n in range(1, 234)]
    ledgers = {
        f"{TOWN}/330523111{n:03d}": {f"{names[n % 233]}:1": LaneHead(9, HASH, 9), f"{HUB}:1": LaneHead(2, HASH, 2)} for n in range(300)
    }
    for n, node in enumerate(names):
        where = [f"{TOWN}/330523111{n:03d}", f"{TOWN}/330523111{(n + 233) % 300:03d}"]
        peers.learn(certificate(node, serves=where, covers=where))
    for ledger, ours in ledgers.items():
        for known in peers.expected(ledger):
            peers.note(Have(known.certificate.node, ledger, have.lanes_of(ours), 0), 1)
    began = time.thread_time()  # what it costs, and not what others on this machine cost
    for _ in range(10):
        assert not any(peers.is_unreceived(ledger, ours) for ledger, ours in ledgers.items())
    took_ms = (time.thread_time() - began) * 100
    print(f"\none look through a county: {took_ms:.2f} ms")
    assert took_ms < 20


def test_what_a_node_lacks_is_found_among_many_ledgers_as_by_asking_of_each(monkeypatch):
    chance, peers = Random(20261129), Peers(certificate(HUB))
    ledgers = [f"{TOWN}/330523111{n:03d}" for n in range(60)]
    heads = {ledger: {f"{N1}:1": LaneHead(chance.randint(1, 9), HASH, 1)} for ledger in (*ledgers[:40], COMMON)}
    ids = ["nlack" + "".join("abcdefghijklmnopqrstuvwxyz234567"[n >> 5 * k & 31] for k in range(4)) for n in range(52)]
    nodes = {ids[n]: ledgers[n] for n in range(50)}
    for node, ledger in nodes.items():
        peers.learn(certificate(node, serves=(ledger,), covers=(ledger,)))
    peers.learn(certificate(T1))
    nodes[T1] = TOWN

    def check() -> None:
        every = {known.certificate.node: known for known in peers}
        found = {
            node: sorted(peers.lacking(known, heads)) for node, known in every.items()
        }  # first: whoever asks for `expected` places a ledger
        for node, known in every.items():
            asked = [ledger for ledger in heads if known in peers.expected(ledger) and known.lacks(ledger, heads[ledger])]
            assert found[node] == sorted(asked), node

    check()
    for node, ledger in nodes.items():
        if chance.random() < 0.5:
            peers.note(said(node, ledger, 5), 0)
    check()
    heads[ledgers[45]] = {f"{N1}:1": LaneHead(3, HASH, 3)}  # the first entry of a ledger
    check()
    peers.learn(certificate(ids[7], serves=(ledgers[7],), covers=(ledgers[7],)), revoked=True)
    check()
    peers.learn(certificate(ids[51], serves=(ledgers[1],), covers=(ledgers[1],)))
    check()
    compared = list[str]()
    monkeypatch.setattr(type(peers.get(T1)), "lacks", lambda _, ledger, __: bool(compared.append(ledger)))
    for node in nodes:
        peers.lacking(peers.get(node), heads)  # type: ignore[arg-type]
    assert len(compared) <= 3 * len(heads) + len(nodes), "each node is compared by what it should have, not by all there is"


def test_whoever_hears_a_ledger_is_found_among_many_as_by_asking_each():
    chance = Random(20261128)
    paths = [
        "330523",
        *(f"330523/33052310{n}" for n in range(9)),
        *(f"330523/33052310{n}/33052310{n}20{v}" for n in range(9) for v in range(4)),
    ]
    peers, some = Peers(certificate(HUB)), []
    for n in range(120):
        reach = tuple(path + chance.choice(("", "/*")) for path in chance.sample(paths, chance.randint(1, 3)))
        some.append(msgspec.structs.replace(certificate(N1), node=f"nn{n:07d}", covers=reach))
        peers.learn(some[-1], revoked=chance.random() < 0.1)
    for ledger in (*paths, COMMON, "330523/sealed/nn0000007", "330523/u07"):
        told = [known.certificate.node for known in peers.expected(ledger)]
        asked = [one.node for one in some if certificates.hears(one, ledger) and not peers.get(one.node).revoked]
        assert told == asked, ledger
    moved = msgspec.structs.replace(some[0], covers=(paths[-1],), valid_from_ms=some[0].valid_from_ms + 1)
    peers.learn(moved)
    assert some[0].node in [known.certificate.node for known in peers.expected(paths[-1])] or peers.get(some[0].node).revoked


async def test_what_was_asked_over_a_lost_connection_is_asked_again_in_the_order_of_asking():
    """Else a seed of the simulation would not be a replay."""
    told: list[str] = []

    class Silent:
        async def request(self, subject: str, *_: object) -> bytes:
            told.append(subject)
            if len(told) <= len(wanted):
                await asyncio.Event().wait()
            return b""

    wanted = [f"{n}" for n in range(40)]
    ground = Ground(None, None, Silent(), None, certificate(N1), None, now_ms, None, "")
    asked = [asyncio.create_task(ground.ask(HUB, subject, b"", 60.0)) for subject in wanted]
    while len(told) < len(wanted):
        await asyncio.sleep(0)
    ground.back(HUB)
    await asyncio.gather(*asked)
    assert told == wanted * 2


@pytest.mark.parametrize(
    ("own", "back", "again"),
    [
        (HUB, T1, {T1, N1, N2}),  # the leaf lies between the county and all of its branch
        (N1, T1, {T1, HUB, N9}),  # and between a village and all beyond
        (HUB, N1, {N1}),  # a village's own connection is nobody else's
        (N1, HUB, {HUB}),
    ],
)
async def test_what_was_asked_through_a_townships_server_is_asked_again_when_that_connected_anew(own, back, again):
    """Its clients never notice that it was cut off: the county waited three seconds for a village's answer that had been lost."""
    asked, silent = Counter[str](), asyncio.Event()

    class Line:
        async def request(self, subject: str, *_: object) -> bytes:
            asked[subject] += 1
            if asked[subject] == 1:
                await silent.wait()
            return b""

    ground = Ground(None, None, Line(), None, certificate(own), None, now_ms, None, "")
    others = sorted({HUB, T1, N1, N2, N9} - {own})
    for node in others:
        ground.peers.learn(certificate(node))
    questions = [asyncio.create_task(ground.ask(node, node, b"", 60.0)) for node in others]
    while asked.total() < len(others):
        await asyncio.sleep(0)
    ground.back(back)
    for _ in range(5):
        await asyncio.sleep(0)
    assert {node for node in others if asked[node] == 2} == again
    silent.set()
    await asyncio.gather(*questions)


async def test_what_comes_to_be_missing_in_the_turn_before_a_question_goes_first():
    """A piece of a file was asked for in the turn after it had been looked whether entries are missing."""
    told: list[str] = []

    class Line:
        async def request(self, *_: object) -> bytes:
            told.append("a piece" if nothing_missing.is_set() else "a piece before the text")
            return b""

    (nothing_missing := asyncio.Event()).set()
    ground = Ground(None, None, Line(), None, certificate(N1), None, now_ms, None, "")
    asked = asyncio.create_task(ground.ask(HUB, "blob", b"", 0.05, nothing_missing.wait))
    loop = asyncio.get_running_loop()
    loop.call_soon(nothing_missing.clear)  # heard of while the question is on its way
    await asyncio.sleep(0.2)
    assert told == [], "and waiting for the text is not counted as asking"
    nothing_missing.set()
    assert await asked == b"" and told == ["a piece"]
