"""However many files nobody gives, or nobody is left to be told of, a later one comes: a real store, and a wire that answers as it is told."""

import asyncio
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from protocol.node import bodies
from protocol.node.blobs import Blobs
from protocol.node.journal import Journal
from protocol.node.journal.rows import insert
from protocol.node.link import fetching
from protocol.node.link.answers import BlobAsk
from protocol.node.link.fetching import Fetching
from protocol.node.link.file_turns import Turns
from tests.kit.machine import needs_postgresql
from tests.link.kit import N1, N2, T1, V1
from tests.node.desk_kit import County

OURS, FORMER = "nhere2222", "nonce2222"
MOST = 30  # that rest at once; a real node keeps 2,000


def address(n: int) -> str:
    return sha256(b"%d" % n).hexdigest()


class Wire:
    """asked: how often each node was · silent: who never answers · gives: address → whoever has the file."""

    def __init__(self, journal: Journal, blobs: Blobs) -> None:
        self.journal, self.blobs, self.asked = journal, blobs, Counter[str]()
        self.tried: list[str] = []
        self.silent, self.gives, self.known = set[str](), dict[str, Blobs](), {N1: False, N2: False, T1: True}
        self.link, self.calm, self.clock = SimpleNamespace(is_connected=True), asyncio.Event(), lambda: 1_000_000
        self.certificate = SimpleNamespace(node=OURS)
        self.wake = SimpleNamespace(commit=lambda *_: None)
        self.peers = SimpleNamespace(get=self.get, hearers=lambda _: [], branch=lambda *_: "_")
        self.calm.set()

    def leads(self) -> bool:
        return True

    def get(self, node: str) -> Any:
        return SimpleNamespace(revoked=self.known[node]) if node in self.known else None

    async def vouch(self, node: str, _: str) -> bool:
        return node in self.known

    async def refresh(self, _: Any) -> None:
        pass

    async def ask(self, node: str, _: str, body: bytes, most_s: float, before: Callable[[], Any]) -> Any:
        await before()
        ask = msgspec.msgpack.decode(body, type=BlobAsk)
        self.asked[node] += 1
        self.tried.append(ask.address)
        if node in self.silent:
            raise TimeoutError
        held = self.gives.get(ask.address)
        data = await held.chunk(ask.address, ask.offset, ask.most) if held else None
        return SimpleNamespace(data=data or b"", headers=None)

    async def add(self, some: list[str], *, source: str = N1, stage: int = bodies.WANTED, size: int = 500, at_ms: int = 1) -> None:
        names = ["address", "size", "have", "source", "what", "ledger", "subject", "added_ms", "stage", "elsewhere"]
        have = size if stage == bodies.UNTOLD else 0
        rows = [[one, size, have, source, "photo", V1, "a" * 32, at_ms, stage, ""] for one in some]
        async with self.journal.writing() as w:
            await insert(w.connection, "blob", names, rows)

    async def stages(self) -> Counter[int]:
        return Counter(row["stage"] for row in await self.journal.rows("blob"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgresql)])
def urls(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"town": request.getfixturevalue("postgres_url")} if request.param == "postgresql" else {}


@pytest.fixture
async def wire(urls: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetching, "RESTS_MAX", MOST)
    monkeypatch.setattr(fetching, "PAUSE_S_MAX", 0.5)
    county = County(tmp_path, urls)
    town = await county.node("town")
    yield Wire(town.journal, town.blobs)
    await county.close()


class At:
    """Fetches, as long as it is entered."""

    def __init__(self, wire: Wire, **more: Any) -> None:
        self.fetching = Fetching(wire, SimpleNamespace(is_done=True), **more)

    async def __aenter__(self) -> Fetching:
        self.task = asyncio.create_task(self.fetching.work())
        return self.fetching

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()


async def until(claim: Callable[[], Any], most_s: float = 30.0) -> None:
    async with asyncio.timeout(most_s):
        while not await claim():
            await asyncio.sleep(0.02)


async def given(wire: Wire, folder: Path) -> tuple[str, int]:
    """(address, size) of a file that the village has."""
    has = Blobs(folder / "village", b"v" * 32)
    one = (await has.put(b"\xff\xd8\xff" + bytes(9_000), "a.jpg", "image/jpeg")).address
    wire.gives[one] = has
    return one, has.progress(one).total


async def brought(wire: Wire, one: str, size: int) -> None:
    """It lies here, whole, and no row says so."""
    offset = 0
    while piece := await wire.gives[one].chunk(one, offset):
        offset = (await wire.blobs.write_chunk(one, piece, size)).have


class Dribbles:
    """Gives a byte at a time, and takes its time."""

    def __init__(self, has: Blobs) -> None:
        self.has = has

    async def chunk(self, address: str, offset: int, most: int) -> bytes | None:
        await asyncio.sleep(0.005)
        return await self.has.chunk(address, offset, 1)


@pytest.mark.parametrize("way", ["waits", "is opened"])
async def test_a_file_that_comes_byte_by_byte_holds_up_no_other(wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str):
    """A long recording over a thin line, or a holder that means to."""
    monkeypatch.setattr(fetching, "TURN_S", 0.2 if way == "waits" else 1_000.0)
    slow, size = await given(wire, tmp_path)
    wire.gives[slow] = Dribbles(wire.gives[slow])
    await wire.add([slow], size=size)
    async with At(wire) as at:
        await until(lambda: asyncio.sleep(0, wire.tried.count(slow) > 3))
        has = Blobs(tmp_path / "hall", b"h" * 32)
        one = (await has.put(b"\xff\xd8\xff" + bytes(5_000), "b.jpg", "image/jpeg")).address
        wire.gives[one] = has
        await wire.add([one], size=has.progress(one).total, at_ms=2)
        if way == "is opened":
            at.want(one)
        await until(lambda: wire.journal.rows("blob", "address = :a and stage = 3", {"a": one}))
        had = wire.blobs.progress(slow, size).have
        assert 0 < had < size, "what came of it stays"
        await until(lambda: asyncio.sleep(0, wire.blobs.progress(slow, size).have > had))


async def test_where_not_all_has_room_files_come_one_after_the_other(wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A piece in turn of each would leave halves of all."""
    monkeypatch.setattr(fetching, "TURN_S", 0.0)
    monkeypatch.setattr(fetching, "PIECE_BYTES_MIN", 2_000)
    monkeypatch.setattr(fetching, "CHUNK_BYTES", 2_000)
    has = Blobs(tmp_path / "village", b"v" * 32)
    some = [(await has.put(b"\xff\xd8\xff" + bytes([n]) * 5_900, "a.jpg", "image/jpeg")).address for n in range(10)]
    size = has.progress(some[0]).total
    wire.gives = dict.fromkeys(some, has)
    wire.blobs.store_bytes_max = await used(wire.blobs) + 5 * size
    await wire.add(some, size=size)
    async with At(wire):
        await until(lambda: asyncio.sleep(0, sum(map(wire.blobs.has, some)) == 5))


async def used(blobs: Blobs) -> int:
    return blobs.store_bytes_max - await blobs.left()


@pytest.mark.parametrize("at_ms", [2, 2**45], ids=["after them", "under a clock that was ahead"])
async def test_a_later_file_comes_though_more_than_may_rest_are_given_by_nobody(wire: Wire, tmp_path: Path, at_ms: int):
    await wire.add([address(n) for n in range(4 * MOST)])
    one, size = await given(wire, tmp_path)
    await wire.add([one], size=size, at_ms=at_ms)
    async with At(wire):
        await until(lambda: wire.journal.rows("blob", "address = :a and stage = 3", {"a": one}))


async def test_files_of_a_clock_that_was_set_back_all_have_their_turn_though_the_first_are_given_by_nobody(wire: Wire):
    """Stamped while the clock was ahead: each is newer than now, and stays so for a year."""
    ahead = [address(n) for n in range(50)]
    for n, one in enumerate(ahead):
        await wire.add([one], at_ms=2_000_000 + n)
    turns = Turns(wire.journal, wire.clock)
    had: set[str] = set()

    def rests(row: dict[str, Any]) -> bool:
        return row["address"] in had

    for _ in range(4 * len(ahead)):
        had |= {row["address"] for row in await turns.next(fetching.AT_ONCE, [], rests, True)}
    assert len(had) == len(ahead)


async def test_what_comes_new_has_its_turn_before_all_that_nobody_gave(wire: Wire, tmp_path: Path):
    await wire.add([address(n) for n in range(4 * MOST)])
    async with At(wire) as at:
        await until(lambda: asyncio.sleep(0, len(set(wire.tried)) == 4 * MOST))
        one, size = await given(wire, tmp_path)
        await wire.add([one], size=size, at_ms=2)
        before = len(wire.tried)
        at.poke()
        await until(lambda: wire.journal.rows("blob", "address = :a and stage = 3", {"a": one}))
        assert wire.tried[before:].index(one) <= 2 * fetching.AT_ONCE
        for _ in range(2):  # and each of the others again, while none is new
            tried = len(wire.tried)
            at.again()
            await until(lambda tried=tried: asyncio.sleep(0, len(set(wire.tried[tried:])) >= 4 * MOST), 60)


async def test_a_later_file_comes_though_many_wait_for_a_source_that_is_silent(wire: Wire, tmp_path: Path):
    await wire.add([address(n) for n in range(4 * MOST)], stage=bodies.UNTOLD, source=N2)
    one, size = await given(wire, tmp_path)
    await wire.add([one], size=size, at_ms=2)
    wire.silent.add(N2)
    async with At(wire) as at:
        await until(lambda: wire.journal.rows("blob", "address = :a and stage = 3", {"a": one}))
        assert wire.asked[N2] < MOST, "one that does not answer is not asked for each file"
        wire.silent.clear()
        at.again()
        await until(lambda: asyncio.sleep(0, wire.asked[N2] >= 4 * MOST))
        await until(lambda: wire.journal.rows("blob", "address = :a and stage = 3", {"a": address(0)}))
        assert (await wire.stages())[bodies.DONE] > 3 * MOST


@pytest.mark.parametrize("source", [T1, "ngone2222", FORMER], ids=["was put out", "is known to nobody", "is what this one was before"])
async def test_where_nobody_is_left_to_be_told_a_whole_file_is_done(wire: Wire, tmp_path: Path, source: str):
    await wire.add([address(n) for n in range(4 * MOST)], stage=bodies.UNTOLD, source=source)
    one, size = await given(wire, tmp_path)
    await wire.blobs.put(b"\xff\xd8\xff", "b.jpg", "image/jpeg")
    await brought(wire, one, size)
    await wire.add([one], size=size, source=source, at_ms=2)
    async with At(wire, former=[FORMER]):
        await until(lambda: wire.journal.rows("blob", "address = :a and stage = 3", {"a": one}))
        await until(lambda: wire.journal.rows("blob", "stage = 3 and address = :a", {"a": address(4 * MOST - 1)}))
    assert not wire.asked and (await wire.stages())[bodies.DONE] > 3 * MOST


async def test_the_author_of_a_file_that_lies_here_already_is_told(wire: Wire, tmp_path: Path):
    """After a restore or a heal: else a phone keeps its photo for ever."""
    one, size = await given(wire, tmp_path)
    await brought(wire, one, size)
    await wire.add([one], size=size, source=N2)
    await wire.add([address(0)], source=N2)
    await bodies.found_here(wire.journal, wire.blobs)
    assert await wire.stages() == {bodies.UNTOLD: 1, bodies.WANTED: 1}
    async with At(wire):
        await until(lambda: wire.journal.rows("blob", "address = :a and stage = 3", {"a": one}))
    assert one in wire.tried, "a question at the end of the file is the receipt"
