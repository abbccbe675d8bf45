"""The pump over real nats-servers: live, receipts, gaps, cuts, bad batches, files. Journals in memory (see kit)."""

import asyncio
import contextlib
import os
import time

import pytest

from protocol import batch as batches
from protocol import certificate as certificates
from protocol import entry, have, lane
from protocol.events import Draft, NodeRevoked, NoteAdded, TextBody
from protocol.have import Have
from protocol.node.blobs import Blobs
from protocol.node.link import subjects
from protocol.place import COMMON
from protocol.problem import Refused
from tests.link.kit import ALL, COUNTY, HALL, HUB, N1, N2, N9, T1, TOWN, V1, V2, Raw, Town, now_ms, origin, signing_key, soon
from tests.link.proxy import Proxy


def peer(node, of: str):
    return next(p for p in node.pump.peers() if p.node == of)


async def test_live_then_have_then_receipt(county):
    hub, t1, v1, v2 = county
    v1.write()
    await soon(lambda: hub.has(v1) and t1.has(v1))
    await soon(lambda: v1.receipt(HUB, V1, origin(N1)) == v1.receipt(T1, V1, origin(N1)) == 2)
    for n in range(20):
        v1.write()
        await soon(lambda n=n: v1.receipt(HUB, V1, origin(N1)) == 3 + n)
    assert not any(key[0] == V1 for key in v2.memory.lanes)  # a neighbour hears nothing
    lanes, _, wire = v1.memory.haves[HUB, V1]
    assert have.is_signed(wire, town_key(hub))  # what is kept is the county's signed word
    assert have.digest(lanes) == have.digest(have.lanes_of({o: h for (_, o), h in (await v1.memory.heads(V1)).items()}))


def town_key(node) -> bytes:
    return node.certificate.key


async def test_down_is_the_same_as_up(county):
    hub, t1, v1, v2 = county
    hub.write(ledger=V1, count=3)
    await soon(lambda: v1.has(hub, V1) and t1.has(hub, V1))
    await soon(lambda: hub.receipt(N1, V1, origin(HUB)) == 4)
    assert not v2.memory.lanes.get((V1, origin(HUB)))


async def test_the_writer_of_common_learns_who_has_it_also_after_its_own_restart(county):
    hub, t1, *_ = county
    for _ in range(2):
        await soon(lambda: not peer(hub, T1).lacks and not peer(hub, N1).lacks)
        await hub.stop()
        hub.start()
        await soon(lambda: any(p.node == T1 and p.last_seen_ms for p in hub.pump.peers()))
    assert not any(ledger == COMMON for _, ledger in t1.memory.haves)  # nobody else keeps count


async def test_what_commits_meanwhile_goes_together_and_no_have_comes_before_its_commit(county):
    hub, _, v1, _ = county
    hub.admits.slow_s = 0.05
    for _ in range(30):
        v1.write()
    await soon(lambda: hub.has(v1))
    assert max(count for _, count, _ in hub.admits.admitted) >= 2
    said = v1.receipt(HUB, V1, origin(N1))
    assert said <= hub.memory.head(V1, origin(N1)).seq


async def test_what_could_not_be_read_is_said_when_it_can(county, monkeypatch):
    _, _, v1, _ = county
    v1.write()
    await soon(lambda: v1.receipt(HUB, V1, origin(N1)) == v1.receipt(T1, V1, origin(N1)) == 2)
    read, failed = v1.pump._publish, []

    async def fails_once(ledger: str):
        if not failed:
            failed.append(ledger)
            raise Refused("store_busy")
        return await read(ledger)

    monkeypatch.setattr(v1.pump, "_publish", fails_once)
    v1.write()
    await soon(lambda: v1.receipt(HUB, V1, origin(N1)) == v1.receipt(T1, V1, origin(N1)) == 3)
    assert failed == [V1]


async def test_what_is_saved_comes_once_though_its_have_overtakes_the_disk(county, monkeypatch):
    hub, t1, v1, _ = county
    v1.write()
    await soon(lambda: v1.receipt(HUB, V1, origin(N1)) == v1.receipt(T1, V1, origin(N1)) == 2)
    hub.admits.slow_s = 0.3
    asked, ask = [], hub.pump._ground.ask

    async def counted(node: str, *words, **more):
        asked.append(node)
        return await ask(node, *words, **more)

    monkeypatch.setattr(hub.pump._ground, "ask", counted)
    v1.write()
    await soon(lambda: v1.receipt(HUB, V1, origin(N1)) == 3)
    assert t1.has(v1) and not asked, "it was on its way to the disk, and pulled once more all the same"


async def test_a_sealed_ledger_goes_through_the_leaf_to_the_hub_and_nowhere_else(town, county):
    hub, t1, v1, v2 = county
    hall = town.node(HALL).start()
    await soon(lambda: hall.has(hub, COMMON))
    sealed = certificates.sealed_ledger(v1.certificate)
    v1.write(Draft(sealed, os.urandom(16).hex(), "sealed", NoteAdded("", 0, ()), TextBody("密")))
    await soon(lambda: hub.has(v1, sealed))
    await soon(lambda: v1.receipt(HUB, sealed, origin(N1)) == 2)
    v1.write()
    await soon(lambda: t1.has(v1) and hall.has(v1))
    for other in (t1, v2, hall):
        assert not any(ledger == sealed for ledger, _ in other.memory.lanes)
        assert not any(ledger == sealed for _, ledger in other.memory.haves)


async def test_a_gap_is_pulled_from_whoever_has_the_lane(town, county):
    hub, t1, v1, _v2 = county
    await v1.stop()
    for count in (490, 450, 210):  # more than a batch: written while the link was down
        v1.write(count=count)
    v1.start()
    await soon(lambda: hub.has(v1) and t1.has(v1))
    await v1.stop()  # the origin is off: a new node gets the lane all the same
    await t1.stop()
    t1again = town.node(T1, town.branch)
    t1again.memory.nodes = dict(hub.memory.nodes)
    t1again.start()
    await soon(lambda: t1again.memory.head(V1, origin(N1)) == hub.memory.head(V1, origin(N1)))


async def test_a_new_node_gets_everything_it_covers_and_is_usable_meanwhile(town):
    hub, v1 = town.node(HUB), town.node(N1)
    hub.enrolled(*ALL)
    for n in range(20):
        hub.write(ledger=V2 if n % 2 else TOWN, count=100)
    v1.write(count=300)
    hub.start(), v1.start()
    await soon(lambda: hub.has(v1))
    t1 = town.node(T1, town.branch, town.county).start()
    t1.write()
    await soon(lambda: t1.has(hub, V2) and t1.has(hub, TOWN) and t1.has(v1) and hub.has(t1))
    await soon(lambda: not peer(hub, T1).lacks)


@pytest.mark.parametrize(("seed", "ways"), [(7, ("cut", "torn", "half open")), (8, ("cut", "torn", "torn"))])
async def test_cut_and_healed_both_sides_have_all(town, seed, ways):
    """The village's wire is cut, torn inside a message and left half open; both sides go on writing."""
    print(f"\nseed {seed}")
    proxy = await Proxy(town.county_listen.port, seed).start()
    hub, v1 = town.node(HUB), town.node(N1, f"127.0.0.1:{proxy.port}")
    hub.enrolled(*ALL)
    hub.start(), v1.start()
    await soon(lambda: v1.has(hub, COMMON))
    for way in ways:
        {"cut": proxy.cut, "torn": lambda: proxy.cut_after(700), "half open": proxy.half_open}[way]()
        for _ in range(5):
            v1.write()
            hub.write(ledger=V1)
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        proxy.heal()
        await soon(lambda: hub.has(v1) and v1.has(hub, V1))
        await soon(lambda: v1.receipt(HUB, V1, origin(N1)) == v1.memory.head(V1, origin(N1)).seq)
    await proxy.stop()


async def test_the_county_is_away_the_township_goes_on_and_then_all_is_equal(county, town):
    hub, t1, v1, v2 = county
    await town.server.stop()
    v1.write(), v2.write()
    await soon(lambda: t1.has(v1) and t1.has(v2))
    t1.write(ledger=V1)
    await soon(lambda: v1.has(t1, V1))
    hub.write(ledger=V1)
    assert not hub.has(v1)
    await asyncio.sleep(1)
    await town.server.start()
    await soon(lambda: hub.has(v1) and hub.has(v2) and hub.has(t1, V1) and v1.has(hub, V1))
    digests = {
        node.name: have.digest(have.lanes_of({o: h for (_, o), h in (await node.memory.heads(V1)).items()})) for node in (hub, t1, v1)
    }
    assert len(set(digests.values())) == 1, digests


async def test_live_goes_before_catch_up(county):
    hub, _, v1, v2 = county
    await v1.stop()
    for _ in range(40):
        v1.write(count=100)
    hub.admits.slow_s = 0.15
    v1.start()
    await soon(lambda: hub.memory.head(V1, origin(N1)).seq > 0)
    began = time.monotonic()
    v2.write()
    await soon(lambda: hub.has(v2))
    print(f"\nlive during a catch-up of 4,000 entries: {(time.monotonic() - began) * 1000:.0f} ms")
    await soon(lambda: hub.has(v1))
    order = [origin_ for origin_, _, _ in hub.admits.admitted if origin_ != origin(HUB)]
    assert order.index(origin(N2)) < len(order) - 3, "it waited for the backlog"


# ── what is bad ──


def lane_of(town: Town, node: str, ledger: str, *, key=None, certificate=None, office: str | None = None) -> lane.Commit:
    certificate = certificate or town.certificates[node]
    drafts = [lane.open_lane(ledger, origin(node), certificate)]
    drafts += [
        Draft(ledger, "b" * 32, "dispute", NoteAdded(ledger if office is None else office, 1, ()), TextBody(f"第{n}次")) for n in range(3)
    ]
    return lane.next_entries(
        None, drafts, origin=origin(node), key=key or signing_key(node), author=("", "node"), command="d" * 12, occurred_ms=1, offset_ms=None,
        turns={}, salt=lambda: bytes(16),
    )  # fmt: skip


async def test_bad_batches_are_refused_whole_counted_and_the_pump_goes_on(town):
    hub = town.node(HUB)
    hub.enrolled(*ALL)
    hub.start()
    evil = Raw(town, N2)
    live = subjects.live(V2, N2)
    good = lane_of(town, N2, V2)
    foreign = lane_of(town, N2, V1)
    stranger = town.issue(N2, (f"{COUNTY}/*",), (f"{COUNTY}/*",), "_")
    forged = certificates.issue(
        signing_key(N2),
        node=N2,
        name="x",
        key=stranger.key,
        serves=[f"{COUNTY}/*"],
        covers=[f"{COUNTY}/*"],
        short=9,
        valid_from_ms=1,
        branch="_",
    )
    bodies = batches.pack(
        batches.Batch(V2, origin(N2), 0, entry.START, good.batch.heads, (None, (bytes(16), b"x"), None, None), good.batch.signature)
    )
    said = {
        "frame_broken": batches.pack(good.batch)[:-1],
        "frame_too_large": batches._framed(b"\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x40" + bytes(40)),
        "batch_malformed": batches._framed(__import__("zstandard").compress(b"\x93nonsense")),
        "lane_foreign": batches.pack(foreign.batch),
        "signature_wrong": batches.pack(lane_of(town, N2, V2, key=signing_key(N1)).batch),
        "office_not_served": batches.pack(lane_of(town, N2, V2, office=V1).batch),
        "certificate_wrong": batches.pack(lane_of(town, N2, V2, certificate=forged).batch),
        "body_wrong": bodies,
    }
    for _ in range(5):  # what was said before the county's server knew of its listener reaches nobody
        for wire in said.values():
            await evil.say(live, wire)
        with contextlib.suppress(AssertionError):
            await soon(lambda: {key[3] for key in hub.memory.quarantined} >= set(said), 4)
            break
    assert {key[3] for key in hub.memory.quarantined} >= set(said)
    await evil.say(live, b"x" * 900_000)
    await evil.say(subjects.live(TOWN, N2), batches.pack(good.batch))  # the right batch on the wrong subject
    await evil.say(subjects.live(V1, N2), batches.pack(lane_of(town, N1, V1).batch))  # another node's lane in one's own name
    await soon(lambda: {key[:2] for key in hub.memory.quarantined if key[3] == "lane_foreign"} >= {(N2, TOWN), (N2, V1)})
    assert not any(ledger != COMMON for ledger, _ in hub.memory.lanes), "nothing of it may be kept"
    assert {key[0] for key in hub.memory.quarantined} == {N2}
    assert hub.pump.state().refused >= len(said)
    assert not hub.pump.state().faults
    await evil.say(live, batches.pack(good.batch))
    await soon(lambda: hub.memory.head(V2, origin(N2)).seq == 4)  # and the pump goes on
    await evil.stop()


async def test_a_flood_of_rubbish_costs_one_row_and_few_writes(town):
    hub, v1 = town.node(HUB), town.node(N1)
    hub.enrolled(*ALL)
    hub.start(), v1.start()
    await soon(lambda: v1.has(hub, COMMON))
    await asyncio.sleep(0.5)
    evil, before = Raw(town, N2), hub.memory.commits
    for n in range(2_000):
        await evil.say(subjects.live(V2, N2), b"rubbish" * 20 + bytes([n % 256]))
    v1.write()
    await soon(lambda: hub.has(v1))
    await soon(lambda: sum(hub.memory.quarantined.values()) == 2_000)
    assert hub.memory.commits - before < 30
    assert len(hub.memory.quarantined) == 1
    await evil.stop()


async def test_a_false_have_is_no_receipt_and_starts_no_chase(county, town):
    _hub, _t1, v1, _ = county
    v1.write()
    await soon(lambda: v1.receipt(HUB, V1, origin(N1)) == 2)
    evil = Raw(town, HUB)  # the hub's own name on the wire, but not its key
    lanes = {origin(N1): (2**40, bytes(32))}
    await evil.say(subjects.have(V1, HUB), have.sign(Have(HUB, V1, lanes, now_ms()), signing_key(N2)))
    await evil.say(subjects.have(V1, HUB), have.sign(Have(T1, V1, lanes, now_ms()), signing_key(T1)))
    await soon(lambda: {key[3] for key in v1.memory.quarantined} == {"signature_wrong", "lane_foreign"})
    assert v1.receipt(HUB, V1, origin(N1)) == 2
    assert not v1.pump.state().behind
    await evil.stop()


async def test_who_connects_anew_is_asked_at_once_for_what_was_lost_with_the_old_connection(county, town, monkeypatch):
    monkeypatch.setattr("protocol.node.link.catchup.ANSWER_S_MAX", 60.0)
    _hub, _t1, v1, _ = county
    await v1.stop()
    silent, asked = Raw(town, N1), []

    async def heard(msg) -> None:
        asked.append(msg.reply)  # and its answer is lost

    await soon(lambda: silent.link.is_connected)
    await silent.link.subscribe(subjects.pull(town.certificates[N1].branch, N1), heard)
    await silent.link.confirm()
    lanes, anew = {origin(N1): (5, bytes(32))}, Have(N1, COMMON, {}, now_ms(), want=True, speaks=(have.ANEW,))
    await silent.say(subjects.have(V1, N1), have.sign(Have(N1, V1, lanes, now_ms(), want=True), signing_key(N1)))
    await soon(lambda: len(asked) == 2)  # the county and the township
    await asyncio.sleep(0.3)
    assert len(asked) == 2
    await silent.say(subjects.have(COMMON, N1), have.sign(anew, signing_key(N1)))
    await soon(lambda: len(asked) == 4)
    await asyncio.sleep(0.3)
    await silent.say(subjects.have(COMMON, N1), have.sign(anew, signing_key(N1)))
    await soon(lambda: len(asked) == 6)  # a line that flaps
    await silent.stop()


async def test_a_broken_entry_is_halved_down_to_the_last_good_one(county):
    hub, _, v1, _ = county
    await v1.stop()
    for _ in range(40):
        v1.write()
    hub.admits.broken[V1, origin(N1)] = 30
    v1.start()
    await soon(lambda: hub.memory.head(V1, origin(N1)).seq == 29)
    await asyncio.sleep(1)
    assert hub.memory.head(V1, origin(N1)).seq == 29
    assert hub.memory.quarantined[N1, V1, origin(N1), "body_wrong"] >= 2
    v1.write(ledger=V1)
    hub.write(ledger=V1)
    await soon(lambda: v1.has(hub, V1))  # everything else goes on


async def test_two_histories_under_one_number_are_seen(county, town):
    hub, _, v1, _ = county
    v1.write()
    await soon(lambda: hub.has(v1))
    await v1.stop()
    clone = town.node(N1, town.branch, town.county)
    clone.write(text="另一段历史")
    clone.start()
    await soon(lambda: any(key[3] == "lane_fork" for key in hub.memory.quarantined))
    assert hub.has(v1)
    assert not hub.has(clone)


async def test_a_full_disk_is_waited_out_and_nothing_is_forgotten(county):
    hub, _, v1, _ = county
    hub.memory.full = True
    v1.write()
    await asyncio.sleep(0.5)
    assert not hub.has(v1)
    assert v1.receipt(HUB, V1, origin(N1)) == 0  # nothing is said to be here that no disk has
    assert not hub.memory.quarantined
    hub.memory.full = False
    await soon(lambda: hub.has(v1))
    await soon(lambda: v1.receipt(HUB, V1, origin(N1)) == 2)


async def test_pulls_are_answered_to_those_who_cover_the_ledger_alone(county, town):
    hub, _t1, v1, _ = county
    v1.write()
    await soon(lambda: hub.has(v1))
    import msgspec

    from protocol.node.link.answers import REFUSED_HEADER, LaneAsk

    asks = {N2: "pull_refused", N9: "pull_refused", HALL: "", T1: ""}
    for node, code in asks.items():
        one = Raw(town, node)
        await soon(lambda one=one: one.link.is_connected)
        got = await one.link.request(subjects.pull("_", HUB), msgspec.msgpack.encode(LaneAsk(V1, origin(N1), 0, 500)), 15)
        assert got is not None
        assert (got.headers or {}).get(REFUSED_HEADER, "") == code, node
        assert bool(got.data) == (code == "")
        for rubbish in (
            b"",
            b"\xc1",
            msgspec.msgpack.encode([V1, origin(N1), -1, 500]),
            msgspec.msgpack.encode([V1, origin(N1), 0, 10**9]),
        ):
            bad = await one.link.request(subjects.pull("_", HUB), rubbish, 15)
            assert bad is not None
            assert bad.headers[REFUSED_HEADER] == "batch_malformed"
        await one.stop()


async def test_revoked_counts_no_more_and_gets_nothing_even_where_no_server_knows(county):
    hub, t1, v1, _ = county
    v1.write()
    await soon(lambda: hub.has(v1) and t1.has(v1))
    hub.write(Draft(COMMON, N1, "common", NodeRevoked("", 0, (), N1, ((V1, origin(N1), 2),)), TextBody("丢失")))
    await soon(lambda: t1.has(hub, COMMON))
    await soon(lambda: peer(t1, N1).revoked)
    seen = peer(t1, N1).last_seen_ms
    t1.write(ledger=V1)
    await asyncio.sleep(1.5)
    assert not v1.has(t1, V1) or v1.memory.head(V1, origin(T1)).seq  # live is not held back by the wire …
    assert peer(t1, N1).last_seen_ms == seen  # … but its word counts no more
    assert N1 not in [p.node for p in t1.pump.peers() if p.lacks]


# ── clocks, files ──


async def test_how_far_our_clock_is_ahead_is_measured(town):
    hub, v1 = town.node(HUB), town.node(N1)
    hub.enrolled(*ALL)
    v1.skew_ms = 3_600_000
    hub.start(), v1.start()
    await soon(lambda: v1.has(hub, COMMON))
    v1.write()
    await soon(lambda: v1.receipt(HUB, V1, origin(N1)) == 2)
    await soon(lambda: v1.pump.offset_ms() < 3_600_500 or not v1.write())  # the least of some counts: one may have been held up on its way
    assert v1.pump.offset_ms() >= 3_600_000
    await soon(lambda: peer(hub, N1).offset_ms is not None)
    await soon(lambda: peer(hub, N1).offset_ms < -3_599_500 or not v1.write())
    assert peer(hub, N1).offset_ms >= -3_600_000
    assert hub.pump.offset_ms() is None  # nobody is above it
    assert peer(v1, HUB).version == "0.1.0"


async def test_files_follow_the_text_by_pieces_and_resume(county, tmp_path):
    hub, t1, v1, v2 = county
    plain = b"\xff\xd8\xff" + os.urandom(1_500_000)
    for node in (hub, v1, t1, v2):
        await node.stop()
        node.blobs = Blobs(tmp_path / f"blobs {node.name}", b"s" * 32)
    blob = await v1.blobs.put(plain, "现场.jpg", "image/jpeg")
    size = v1.blobs.progress(blob.address).total
    row = {"address": blob.address, "size": size, "have": size, "source": "", "what": "photo", "ledger": V1, "subject": "a" * 32}
    row |= {"added_ms": 1, "stage": 3, "elsewhere": ""}
    v1.memory.files[blob.address] = row
    first = await v1.blobs.chunk(blob.address, 0)
    await hub.blobs.write_chunk(blob.address, first, size)  # it was stopped once in the middle
    for node in (hub, v1, t1, v2):
        node.start()
    v1.write()
    await soon(lambda: hub.has(v1) and t1.has(v1))
    for node in (hub, t1, v2):
        node.memory.files[blob.address] = dict(row, have=0, source=N1, stage=1)
        node.pump.committed([(V1, origin(N1))])
    await soon(lambda: hub.blobs.has(blob.address) and t1.blobs.has(blob.address))
    await soon(lambda: hub.memory.files[blob.address]["have"] == size)
    assert await hub.blobs.get(blob) == plain
    await asyncio.sleep(0.5)
    assert not v2.blobs.has(blob.address)  # not its ledger: refused by all


async def test_text_comes_before_files(county, tmp_path):
    hub, _, v1, _ = county
    for node in (hub, v1):
        await node.stop()
        node.blobs = Blobs(tmp_path / f"blobs {node.name}", b"s" * 32)
    blob = await v1.blobs.put(b"\xff\xd8\xff" + os.urandom(600_000), "现场.jpg", "image/jpeg")
    size = v1.blobs.progress(blob.address).total
    row = {
        "address": blob.address,
        "size": size,
        "have": size,
        "source": "",
        "what": "photo",
        "ledger": V1,
        "subject": "a" * 32,
        "added_ms": 1,
        "stage": 3,
        "elsewhere": "",
    }
    v1.memory.files[blob.address] = row
    for _ in range(20):
        v1.write(count=100)
    hub.start()
    await soon(lambda: any(p.node == T1 and p.last_seen_ms for p in hub.pump.peers()))
    hub.admits.slow_s = 0.15
    v1.start()
    await soon(lambda: hub.memory.head(V1, origin(N1)).seq)  # the first piece of the catch-up names the file
    hub.memory.files[blob.address] = dict(row, have=0, source=N1, stage=1)
    hub.pump.committed([(V1, origin(N1))])
    await soon(lambda: hub.blobs.has(blob.address))
    assert hub.has(v1), "a file may wait, an entry may not"
