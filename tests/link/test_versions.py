"""Three releases in one county, over real nats-servers: what an older node does not understand is never sent to it."""

import asyncio

import pytest
import zstandard

from protocol import batch as batches
from protocol.batch import DICTIONARIES, SPEAKS, SUM_BYTES
from protocol.events import Draft, Facts, TextBody
from tests.link.kit import HUB, N1, N2, T1, V1, V2, Town, soon

ALL = (HUB, T1, N1, N2)
OLD: tuple[str, ...] = ()  # what the release 0.1.0 says: nothing, for its Have has no such field


class Told(Facts):
    """An event of a later version."""

    mood: str


class Wire:
    """Everything published live of one ledger, as it went over the wire: the dictionary of each frame."""

    def __init__(self) -> None:
        self.dictionaries: list[int] = []

    async def hear(self, msg) -> None:
        self.dictionaries.append(zstandard.get_frame_parameters(msg.data[SUM_BYTES:]).dict_id)


@pytest.fixture
async def county(town: Town):
    nodes = {name: town.node(name, *([] if name == HUB else [town.branch, town.county])) for name in ALL}
    nodes[HUB].enrolled(*ALL)
    return nodes


async def started(nodes, **speaks) -> None:
    for name, node in nodes.items():
        node.speaks = speaks.get(name, SPEAKS)
        node.version = "0.1.0" if name in speaks else "0.2.0"
        node.start()
    nodes[N1].write()  # whoever receives it says so, and with it what it speaks
    await soon(lambda: {T1, HUB} <= {p.node for p in nodes[N1].pump.peers() if p.last_seen_ms})
    await soon(lambda: nodes[HUB].has(nodes[N1]) and nodes[T1].has(nodes[N1]))


async def heard(wire: Wire, node) -> None:
    """A subscription goes from server to server: what was said before it came all the way is not heard."""
    async with asyncio.timeout(15):
        while not wire.dictionaries:
            node.write()
            await asyncio.sleep(0.2)


def speaks(node, ledger: str) -> tuple[str, ...]:
    return node.pump._ground.peers.speaks(ledger, SPEAKS)


async def test_where_all_are_new_the_dictionary_is_spoken_live_and_in_pulls(town, county, monkeypatch):
    wire, answers = Wire(), []
    real = batches.pack
    monkeypatch.setattr(batches, "pack", lambda got, words=(): answers.append(tuple(words)) or real(got, words))
    county[N1].write(count=20)  # before the link is up: this is pulled
    await started(county)
    await county[HUB].pump._ground.link.subscribe(f"y1.live.{V1.replace('/', '.')}.*", wire.hear)
    await soon(lambda: county[HUB].has(county[N1]) and county[T1].has(county[N1]))
    assert SPEAKS in answers, "the pull was answered in the asker's words"
    await soon(lambda: speaks(county[N1], V1) == SPEAKS)
    county[N1].write()
    await heard(wire, county[N1])
    await soon(lambda: county[HUB].has(county[N1]))
    assert wire.dictionaries[-1] == DICTIONARIES["dict1"]
    assert not county[HUB].memory.quarantined and not county[T1].memory.quarantined


async def test_an_old_township_hears_plain_frames_until_it_is_upgraded(town, county):
    wire = Wire()
    await started(county, **{T1: OLD})
    await county[HUB].pump._ground.link.subscribe(f"y1.live.{V1.replace('/', '.')}.*", wire.hear)
    county[N1].write(count=3)
    await heard(wire, county[N1])
    await soon(lambda: county[T1].has(county[N1]) and county[HUB].has(county[N1]))
    assert set(wire.dictionaries) == {0}, "one of those who hear this ledger is old, so all get the plain frame"
    assert {p.node: p.version for p in county[N1].pump.peers()}[T1] == "0.1.0"
    await county[T1].stop()
    for _ in range(3):
        county[N1].write(count=100)
    county[T1].speaks, county[T1].version = SPEAKS, "0.2.0"
    county[T1].start()
    await soon(lambda: county[T1].has(county[N1]))
    await soon(lambda: speaks(county[N1], V1) == SPEAKS)
    assert {p.node: p.version for p in county[N1].pump.peers()}[T1] == "0.2.0"
    county[N1].write()
    await soon(lambda: wire.dictionaries[-1] == DICTIONARIES["dict1"])
    await soon(lambda: county[T1].has(county[N1]))
    assert not county[T1].memory.quarantined


async def test_an_old_hub_serves_new_villages_and_an_old_village_a_new_hub(town, county):
    await started(county, **{HUB: OLD, N2: OLD})
    county[HUB].write(ledger=V2, count=30)
    for name in (N1, N2, T1):
        county[name].write(count=40)
    await soon(lambda: county[HUB].has(county[N1]) and county[HUB].has(county[N2]) and county[HUB].has(county[T1]))
    await soon(lambda: county[N2].has(county[HUB], V2) and county[T1].has(county[N2]))
    for node in county.values():
        assert not node.memory.quarantined, node.name


async def test_one_that_joined_and_has_said_nothing_yet_loses_nothing(town, county):
    """Between its certificate and its first Have a frame that it can't read may reach it: it pulls the same in its own words."""
    late = county.pop(N2)
    await started(county)
    await soon(lambda: speaks(county[N1], V1) == SPEAKS)
    assert speaks(county[HUB], V2) == (), "the village that is enrolled and was never heard"
    county[HUB].write(ledger=V2, count=5)
    late.speaks = OLD
    late.start()
    hub = county[HUB].pump._ground
    await hub.link.publish(f"y1.live.{V2.replace('/', '.')}.{HUB}", batches.pack(await _lane(county[HUB], V2), SPEAKS))
    await soon(lambda: late.has(county[HUB], V2))


async def _lane(node, ledger: str):
    from protocol.node.link.answers import piece

    got = await piece(node.memory, ledger, node.signer.origin, 0, 500)
    assert got is not None
    return got


async def test_an_event_of_a_later_version_passes_through_old_and_new_unharmed(town, county):
    await started(county, **{T1: OLD})
    county[N1].write(Draft(V1, "b" * 32, "dispute", Told(V1, 1, (), "better"), TextBody("以后的版本写的")))
    await soon(lambda: county[T1].has(county[N1]) and county[HUB].has(county[N1]))
    rows = [county[name].memory.lanes[V1, county[N1].signer.origin][-1] for name in (N1, T1, HUB)]
    assert len({(row.head_bytes, row.salt, row.body) for row in rows}) == 1
