"""The pump while its own store fails: receipts outlast it, and nobody else is blamed for it."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from nats.aio.msg import Msg
from sqlcipher3 import dbapi2 as sqlcipher

from protocol import have
from protocol.have import Have
from protocol.node.link import ground as grounds
from protocol.node.link import hearing, subjects
from protocol.node.link.ground import Ground
from protocol.node.wake import Wake
from protocol.problem import OWN_STORE, Refused
from tests.link.kit import HUB, N1, V1, now_ms, origin, signing_key
from tests.link.test_peers import certificate


class Store:
    """Of which each write fails with the next of `faults`; then it takes what comes."""

    def __init__(self, *faults: Exception) -> None:
        self.faults, self.haves, self.counts = list(faults), dict[Any, Any](), dict[str, int]()

    @asynccontextmanager
    async def writing(self):
        if self.faults:
            raise self.faults.pop(0)
        yield self

    async def set_haves(self, haves: dict) -> None:
        self.haves |= haves

    async def set_own_haves(self, own: dict) -> None:
        pass

    async def quarantine(self, node, ledger, origin, refused, at_ms, sample, count) -> None:
        self.counts[refused.code] = self.counts.get(refused.code, 0) + count


def ground_on(store: Any) -> Ground:
    return Ground(store, None, None, SimpleNamespace(node=N1, origin=origin(N1)), certificate(N1), Wake(), now_ms, None, "")


async def test_receipts_outlast_each_fault_of_the_store_and_are_written_when_it_takes_them(monkeypatch):
    monkeypatch.setattr(grounds, "AGAIN_S", 0.01)
    raw = sqlcipher.OperationalError("attempt to write a readonly database")
    store = Store(Refused("store_readonly"), raw, KeyError("a fault of ours"))
    ground = ground_on(store)
    ground.keep_have(HUB, V1, {origin(N1): (7, bytes(32))}, b"signed", True)
    ground.quarantine(HUB, V1, "", Refused("frame_broken"))
    keeping = asyncio.create_task(ground.for_ever("keep", ground.keep))
    while len(store.faults) > 1:
        await asyncio.sleep(0)
    ground.quarantine(HUB, V1, "", Refused("frame_broken"))  # the same again, meanwhile
    async with asyncio.timeout(10):
        while sum(store.counts.values()) < 2:
            await asyncio.sleep(0.01)
    keeping.cancel()
    assert store.haves[HUB, V1][0] == {origin(N1): (7, bytes(32))}
    assert store.counts == {"frame_broken": 2}


async def test_what_the_store_can_t_take_holds_up_nothing_else(monkeypatch):
    """As a PostgreSQL takes no text with a NUL: everybody's receipts went in one transaction with it, again and again."""
    monkeypatch.setattr(grounds, "AGAIN_S", 0.01)
    store, lanes = Store(), {origin(N1): (7, bytes(32))}
    ground, set_haves = ground_on(store), store.set_haves

    async def picky(haves: dict) -> None:
        if any("\0" in ledger for _, ledger in haves):
            raise ValueError("invalid byte sequence")
        await set_haves(haves)

    monkeypatch.setattr(store, "set_haves", picky)
    for node, ledger in ((HUB, V1), (N1, f"{V1}\0"), (N1, V1)):
        ground.keep_have(node, ledger, lanes, b"signed", True)
    ground.quarantine(HUB, V1, "", Refused("frame_broken"))
    keeping = asyncio.create_task(ground.for_ever("keep", ground.keep))
    async with asyncio.timeout(10):
        while not store.counts:
            await asyncio.sleep(0.01)
    assert set(store.haves) == {(HUB, V1), (N1, V1)}
    assert ground.faults["keep"] == 1, "and it is not tried for ever"
    keeping.cancel()


async def test_haves_that_say_nothing_new_are_written_together_and_a_receipt_at_once(monkeypatch):
    monkeypatch.setattr(grounds, "WITNESSES_S", 3_600.0)
    ground, lanes = ground_on(store := Store()), {origin(N1): (7, bytes(32))}
    keeping = asyncio.create_task(ground.keep())
    for node in (HUB, N1):
        ground.keep_have(node, V1, lanes, b"signed", False)
    await asyncio.sleep(0.1)
    assert not store.haves, "each would be a sync of the disk"
    ground.keep_have("ntown2222", V1, lanes, b"signed", True)
    async with asyncio.timeout(10):
        while len(store.haves) < 3:
            await asyncio.sleep(0.01)
    keeping.cancel()


async def test_trouble_of_our_own_store_is_not_put_down_to_whoever_spoke(monkeypatch):
    for code in OWN_STORE:
        ground = ground_on(Store())

        async def away(*_: object, code: str = code) -> Any:
            raise Refused(code)

        async def unknown(*_: object) -> bool:
            return False

        ground.refresh, ground.vouch = away, unknown  # type: ignore[method-assign]
        hears = hearing.Hearing(ground, None, None, lambda _: None, lambda _: None)  # type: ignore[arg-type]
        more = Have(HUB, V1, {origin(N1): (5, bytes(32))}, now_ms())  # of our own lane: the journal is looked at
        await hears.have(Msg(None, subject=subjects.have(V1, HUB), data=have.sign(more, signing_key(HUB))))
        ahead = SimpleNamespace(ledger=V1, origin=origin(HUB), after=5, last=6)
        monkeypatch.setattr(hearing.batches, "unpack", lambda *_, ahead=ahead: ahead)
        await hears.live(Msg(None, subject=subjects.live(V1, HUB), data=b""))
        assert ground.refused == 0, code
