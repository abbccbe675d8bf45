"""What is missing while a line is thin, a holder silent, or the leading program changes. Real nats-servers; journals in memory (kit)."""

import asyncio
import math
import os
from collections import Counter
from functools import partial

from protocol import have
from protocol.events import Draft, NodeRevoked, NoteAdded, TextBody
from protocol.have import Have
from protocol.node.blobs import Blobs
from protocol.node.gate import PULLED_CALM_S, Gate, Notes, note_restored
from protocol.node.link import pump, subjects
from protocol.node.link.pump import QUIET_COMMON_S, QUIET_S, quiet_s
from protocol.place import COMMON
from tests.link.kit import ALL, HUB, N1, T1, V1, Raw, now_ms, origin, signing_key, soon
from tests.link.proxy import Proxy


def random_notes(count: int) -> list[Draft]:
    """That no compression makes small."""
    return [Draft(V1, "a" * 32, "dispute", NoteAdded(V1, 1, ()), TextBody(os.urandom(75).hex())) for _ in range(count)]


async def test_a_thin_line_carries_what_is_missing_in_smaller_pieces(town, monkeypatch):
    monkeypatch.setattr("protocol.node.link.catchup.ANSWER_S_MAX", 0.4)
    proxy = await Proxy(town.county_listen.port, 11).start()
    hub, v1 = town.node(HUB), town.node(N1, f"127.0.0.1:{proxy.port}")
    hub.enrolled(*ALL)
    hub.start(), v1.start()
    await soon(lambda: v1.has(hub, COMMON))
    await v1.stop()
    for _ in range(3):
        v1.write(*random_notes(200))
    proxy.bytes_s_max = 60_000  # 500 of them take two seconds
    v1.start()
    await soon(lambda: hub.has(v1), 60)
    await proxy.stop()


async def test_a_thin_line_carries_a_file_in_smaller_pieces(town, tmp_path, monkeypatch):
    monkeypatch.setattr("protocol.node.link.fetching.PIECE_S_MAX", 0.4)
    proxy = await Proxy(town.county_listen.port, 12).start()
    hub, v1 = town.node(HUB), town.node(N1, f"127.0.0.1:{proxy.port}")
    hub.enrolled(*ALL)
    for node in (hub, v1):
        node.blobs = Blobs(tmp_path / f"blobs {node.name}", b"s" * 32)
    plain = b"\xff\xd8\xff" + os.urandom(300_000)
    blob = await v1.blobs.put(plain, "现场.jpg", "image/jpeg")
    size = v1.blobs.progress(blob.address).total
    row = {"address": blob.address, "size": size, "have": size, "source": "", "what": "photo", "ledger": V1, "subject": "a" * 32}
    v1.memory.files[blob.address] = dict(row, added_ms=1, stage=3, elsewhere="")
    hub.start(), v1.start()
    v1.write()
    await soon(lambda: hub.has(v1))
    proxy.bytes_s_max = 100_000  # a whole piece takes two and a half seconds
    hub.memory.files[blob.address] = dict(row, added_ms=1, stage=1, elsewhere="", have=0, source=N1)
    hub.pump.committed([(V1, origin(N1))])
    await soon(lambda: hub.blobs.has(blob.address), 60)
    assert await hub.blobs.get(blob) == plain
    await proxy.stop()


async def test_what_nobody_gives_stays_known_as_missing_since_it_was_shown(county, town, tmp_path, monkeypatch):
    monkeypatch.setattr("protocol.node.link.catchup.ANSWER_S_MAX", 0.1)
    monkeypatch.setattr("protocol.node.link.catchup.RETRY_S_MAX", 0.8)
    hub, t1, v1, _ = county
    v1.write()
    await soon(lambda: hub.has(v1) and t1.has(v1))
    await v1.stop()
    silent, asked = Raw(town, N1), []

    async def heard(msg) -> None:
        asked.append(msg.reply)

    await soon(lambda: silent.link.is_connected)
    await silent.link.subscribe(subjects.pull(town.certificates[N1].branch, N1), heard)
    await silent.link.confirm()
    here = hub.memory.head(V1, origin(N1)).seq
    shown = have.sign(Have(N1, V1, {origin(N1): (here + 3, bytes(32))}, now_ms()), signing_key(N1))
    await silent.say(subjects.have(V1, N1), shown)
    needs = hub.pump._catchup._needs
    await soon(lambda: needs and needs[V1, origin(N1)].due == math.inf)  # it is chased no more
    state, count = hub.pump.state(), len(asked)
    assert state.behind == {V1: 3}
    await silent.say(subjects.have(V1, N1), shown)
    await soon(lambda: len(asked) > count)  # shown again, asked for again
    assert hub.pump.state().behind == {V1: 3}
    assert hub.pump.state().behind_since == state.behind_since
    await soon(lambda: needs[V1, origin(N1)].due == math.inf)
    notes = Notes(tmp_path)
    note_restored(notes, now_ms(), "restore")
    gate = Gate(notes, hub.pump, now_ms, hub.wake)
    waits = asyncio.create_task(gate.run())
    assert not await gate.passed(PULLED_CALM_S * 2)  # what is missing may be an erasure: no page is shown
    hub.write(Draft(COMMON, N1, "common", NodeRevoked("", 0, (), N1, ((V1, origin(N1), here),)), TextBody("丢失")))
    await soon(lambda: not hub.pump.state().behind)  # nobody who counts has it
    assert await gate.passed(15)
    waits.cancel()
    await silent.stop()


async def test_receipts_heard_before_a_program_led_are_kept_when_it_does(town):
    hub, t1 = town.node(HUB), town.node(T1)
    hub.enrolled(*ALL)
    hub.leads = False  # another program of the same node leads, and is killed
    hub.start(), t1.start()
    await soon(lambda: t1.pump.say(COMMON) or hub.pump.heard >= 1)  # said again: who does not lead asks nobody
    t1.memory.nodes = dict(hub.memory.nodes)
    t1.write()
    await soon(lambda: any(p.node == T1 and p.last_seen_ms for p in hub.pump.peers()))
    assert not hub.memory.haves
    hub.leads = True
    hub.pump.lead()
    await soon(lambda: hub.receipt(T1, t1.ledger, origin(T1)) > 0)


async def test_a_refused_commit_rests_and_is_pulled_again_after_a_cut(town, monkeypatch):
    monkeypatch.setattr("protocol.node.link.catchup.REST_S", 1.0)
    monkeypatch.setattr("protocol.node.link.catchup.RETRY_S_MAX", 0.4)
    proxy = await Proxy(town.county_listen.port, 13).start()
    hub, v1, lane = town.node(HUB, f"127.0.0.1:{proxy.port}"), town.node(N1), (V1, origin(N1))
    hub.enrolled(*ALL)
    hub.start(), v1.start()
    await soon(lambda: v1.has(hub, COMMON))
    await v1.stop()
    v1.write(*random_notes(3))  # one commit, so no smaller piece of it exists
    hub.admits.broken[lane] = 3
    v1.start()
    needs = hub.pump._catchup._needs
    await soon(lambda: lane in needs and needs[lane].resting)
    proxy.cut()
    await soon(lambda: needs[lane].due == math.inf)
    hub.admits.broken.clear()
    proxy.heal()
    await soon(lambda: hub.has(v1))
    await proxy.stop()


async def test_who_connects_anew_again_and_again_is_not_asked_for_ever(county):
    """Else a line that flaps, or a computer that only says so, holds one of the few workers as long as it likes."""
    _hub, _t1, v1, _v2 = county
    ground, asked = v1.pump._ground, []

    async def never(*_: object) -> None:
        asked.append(1)
        asyncio.get_running_loop().call_later(0.02, ground.back, T1)
        await asyncio.Event().wait()

    ground.link.request = never
    asking = asyncio.create_task(ground.ask(T1, "y1.pull.x", b"", 1.0))
    await soon(asking.done)
    assert isinstance(asking.exception(), TimeoutError)
    assert len(asked) > 1


async def test_what_everybody_hears_is_said_seldom_when_nothing_is_new_but_by_whoever_writes_it(county, monkeypatch):
    """Of *common* each Have goes to every node: of 1,600 nodes each one's half minute would be 53 a second, everywhere."""
    hub, t1, v1, _ = county
    assert quiet_s(hub.certificate, COMMON) == quiet_s(v1.certificate, V1) == QUIET_S
    assert quiet_s(v1.certificate, COMMON) == quiet_s(t1.certificate, COMMON) == QUIET_COMMON_S > QUIET_S
    v1.write()
    await soon(lambda: hub.receipt(N1, V1, origin(N1)) == hub.receipt(T1, V1, origin(N1)) == 2)
    await soon(lambda: not any(peer.lacks for peer in hub.pump.peers() if peer.node in (N1, T1)))
    monkeypatch.setattr(pump, "QUIET_S", 0.2)
    said, publish = Counter(), {}

    async def counted(node, subject, body, headers=None):
        said[node.name, subjects.read(subject)[0]] += subject.startswith("y1.have.")
        return await publish[node.name](subject, body, headers)

    for node in (hub, t1, v1):
        link = node.pump._ground.link
        publish[node.name], link.publish = link.publish, partial(counted, node)
    await soon(lambda: said[N1, V1] >= 5 and said[T1, V1] >= 5 and said[HUB, COMMON] >= 5)
    assert said[N1, COMMON] + said[T1, COMMON] == 0


async def test_whoever_is_off_is_not_called_each_five_seconds_all_night(county, monkeypatch):
    hub, _, v1, _ = county
    v1.write()
    await soon(lambda: hub.receipt(N1, V1, origin(N1)) == 2)
    for name, value in (("REPEAT_S_MIN", 0.1), ("REPEAT_S_MAX", 0.2), ("QUIET_S", 600.0)):
        monkeypatch.setattr(pump, name, value)
    await v1.stop()
    hub.write(ledger=V1)
    repeat = hub.pump._repeats[V1]
    await soon(lambda: repeat.pause == 0.2)
    began = repeat.last
    await soon(lambda: repeat.last > began + 0.5)
    assert repeat.pause == 0.2, "it was there a moment ago"
    monkeypatch.setattr(pump, "AWAY_S", 0.1)
    await soon(lambda: repeat.pause > 2)
    v1.start()
    await soon(lambda: v1.has(hub, V1))
    await soon(lambda: hub.receipt(N1, V1, origin(HUB)) == 2)
