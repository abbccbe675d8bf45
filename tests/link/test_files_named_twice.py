"""A file that two computers name: whoever names it first, with another size, another kind, in a ledger of its own, keeps it from nobody.

A township's leaf carries what its villages save, so it knows the address of a photo before their lanes went up. Real stores; a wire that
answers as it is told.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from protocol import certificate as certificates
from protocol.commands import AddEvidence, Blob
from protocol.node import blobs as store
from protocol.node import bodies, sticks
from protocol.node.blobs import CHUNK_BYTES, Blobs
from protocol.node.link import answers, fetching, subjects
from protocol.node.link.answers import Answers, BlobAsk
from protocol.problem import Refused
from tests.kit.machine import needs_postgresql
from tests.link.test_files_hostile import piece_of
from tests.link.test_files_many import At, Wire, until
from tests.node.desk_kit import OTHER_TOWN, TOWN, VILLAGE, County, Node, carry, dispute, new_id

PHOTO = b"\xff\xd8\xff" + bytes(range(256)) * 2_500  # three pieces


class Ways(Wire):
    """To each node its own. holds: node → what it answers with · told: (node, address) that heard that the whole is here."""

    def __init__(self, root: Node, *others: Node) -> None:
        super().__init__(root.journal, root.blobs)
        self.certificates = {other.signer.node: other.signer.certificate for other in others}
        self.known = dict.fromkeys(self.certificates, False)
        self.holds: dict[str, Any] = {other.signer.node: other.blobs for other in others}
        self.told: list[tuple[str, str]] = []
        self.woken: set[str] = set()
        self.blamed: list[str] = []
        self.cut_after: dict[str, int] = {}  # node → pieces that still come
        self.peers.hearers = self.hearers
        self.wake = SimpleNamespace(commit=lambda _, subjects: self.woken.update(subjects))

    def hearers(self, ledger: str) -> list[Any]:
        return [self.get(n) for n, c in self.certificates.items() if certificates.hears(c, ledger) and not self.known[n]]

    def get(self, node: str) -> Any:
        return SimpleNamespace(revoked=self.known[node], certificate=self.certificates[node]) if node in self.known else None

    def quarantine(self, node: str, *_: object) -> None:
        self.blamed.append(node)

    async def ask(self, node: str, _: str, body: bytes, most_s: float, before: Callable[[], Any]) -> Any:
        await before()
        ask = msgspec.msgpack.decode(body, type=BlobAsk)
        self.asked[node] += 1
        if node in self.silent or self.cut_after.get(node, 1) <= 0:
            raise TimeoutError
        self.cut_after[node] = self.cut_after.get(node, 1_000) - 1
        data = await self.holds[node].chunk(ask.address, ask.offset, ask.most)
        if not data and self.holds[node].has(ask.address):
            self.told.append((node, ask.address))
        return SimpleNamespace(data=data or b"", headers=None)


class Lies:
    """Has a file of this size, of nothing but zeros; up to `until` of it."""

    def __init__(self, size: int, upto: int = 2**40) -> None:
        self.size, self.upto, self.gave = size, upto, 0
        self.broken = False  # its first answer is no piece at all

    def has(self, _: str) -> bool:
        return False

    async def chunk(self, address: str, offset: int, most: int) -> bytes | None:
        if self.broken:
            self.broken = False
            return b"no piece"
        data = bytes(max(min(most, CHUNK_BYTES, self.size - offset, self.upto - offset), 0))
        self.gave += bool(data)
        return piece_of(address, offset, self.size, data) if data else None


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgresql)])
def urls(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"root": request.getfixturevalue("postgres_url")} if request.param == "postgresql" else {}


@pytest.fixture
async def county(urls: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetching, "PAUSE_S_MAX", 0.2)
    monkeypatch.setattr(fetching, "REST_S_MAX", 0.2)
    monkeypatch.setattr(fetching, "SILENT_S_MAX", 0.2)
    made = County(tmp_path, urls)
    yield made
    await made.close()


async def named(node: Node, blob: Blob, ledger: str, thumb: Blob | None = None) -> str:
    case = (await node.say(dispute(ledger))).subject
    await node.say(AddEvidence(id=new_id(), case=case, blob=blob, thumb=thumb))
    return case


async def named_first_by_town(county: County, **wrong: Any) -> tuple[Node, Node, Node, Blob, str]:
    """(root, town, village, the village's photo, its case): what the town says of it came first."""
    root, town, village = [await county.node(kind) for kind in ("root", "town", "village")]
    blob = await village.blobs.put(PHOTO, "界石.jpg", "image/jpeg")
    case = await named(village, blob, VILLAGE)
    false = msgspec.structs.replace(blob, **wrong)
    if wrong.get("name") == "thumb":
        await named(town, msgspec.structs.replace(false, address="0" * 64), TOWN, false)
    else:
        await named(town, false, TOWN)
    await carry(town, root)
    await carry(village, root)
    return root, town, village, blob, case


async def came(wire: Ways, blob: Blob) -> None:
    await until(lambda: asyncio.sleep(0, wire.blobs.has(blob.address)))
    row = "address = :a and stage = 3 and have = :size and size = :size"
    await until(lambda: wire.journal.rows("blob", row, {"a": blob.address, "size": blob.size + store.CIPHER_EXTRA_BYTES}))
    assert await wire.blobs.get(blob) == PHOTO


@pytest.mark.parametrize("way", ["silent", "all wrong", "all but the end", "was put out", "as a small picture"])
async def test_a_photo_comes_though_another_named_it_first_and_its_author_is_told(county: County, way: str):
    wrong = {"name": "thumb"} if way == "as a small picture" else {"size": len(PHOTO) + 1}
    root, town, village, blob, case = await named_first_by_town(county, **wrong)
    wire, size = Ways(root, town, village), len(PHOTO) + 1 + store.CIPHER_EXTRA_BYTES
    wire.holds[town.signer.node] = Lies(size, size - 1 if way == "all but the end" else 2**40)
    wire.known[town.signer.node] = way == "was put out"
    if way == "silent":
        wire.silent.add(town.signer.node)
    async with At(wire):
        await until(lambda: asyncio.sleep(0, (village.signer.node, blob.address) in wire.told))
        if way not in ("silent", "as a small picture"):
            await came(wire, blob)
    assert await wire.blobs.get(blob) == PHOTO
    assert set(wire.blamed) == ({town.signer.node} if way in ("all wrong", "as a small picture") else set())
    assert case in wire.woken, "whoever looks at its case sees it"


async def test_what_another_gives_of_another_size_takes_nothing_from_what_came_of_the_true_one(county: County):
    """Over a thin line that breaks: each size has its own half."""
    root, town, village, blob, _ = await named_first_by_town(county, size=len(PHOTO) + 1)
    wire = Ways(root, town, village)
    size = len(PHOTO) + store.CIPHER_EXTRA_BYTES
    wire.holds[town.signer.node] = Lies(size + 1, CHUNK_BYTES + 5)
    wire.cut_after[village.signer.node] = 1
    async with At(wire) as at:
        await until(lambda: asyncio.sleep(0, wire.blobs.progress(blob.address, size).have == CHUNK_BYTES))
        await until(lambda: asyncio.sleep(0, wire.blobs.progress(blob.address, size + 1).have == CHUNK_BYTES + 5))
        at.again()
        await until(lambda: asyncio.sleep(0, wire.asked[village.signer.node] > 12))
        assert wire.blobs.progress(blob.address, size).have == CHUNK_BYTES
        wire.cut_after[village.signer.node] = 1_000
        at.again()
        await came(wire, blob)
    assert not list(wire.blobs.folder.glob("*/*.part")), "no half of another size is left"


async def test_who_has_the_true_file_is_not_blamed_where_another_size_is_asked_for(county: County):
    """A hall that hears the township's ledger has it from the village."""
    root, town, village, blob, _ = await named_first_by_town(county, size=len(PHOTO) + 1)
    wire = Ways(root, town, village)
    hall = msgspec.structs.replace(county.certificate("town"), node="nhall2222")
    wire.certificates[hall.node], wire.known[hall.node], wire.holds[hall.node] = hall, False, village.blobs
    wire.silent.add(village.signer.node)
    async with At(wire):
        await until(lambda: asyncio.sleep(0, wire.blobs.has(blob.address)))
    assert not wire.blamed


async def test_a_second_author_is_told_of_a_copy_that_was_here_before(county: County):
    """The same photo from two telephones of the village's people, or from a township that had it sent."""
    root, town, village, blob, _ = await named_first_by_town(county)
    wire = Ways(root, town, village)
    async with At(wire):
        await came(wire, blob)
    again = await county.node("village again")
    await named(again, blob, VILLAGE)
    await again.blobs.put(PHOTO, "界石.jpg", "image/jpeg")
    await carry(again, root)
    wire.certificates[again.signer.node], wire.known[again.signer.node] = again.signer.certificate, False
    wire.holds[again.signer.node] = village.blobs
    async with At(wire):
        await until(lambda: asyncio.sleep(0, (again.signer.node, blob.address) in wire.told))
        await came(wire, blob)


async def test_who_gives_wrong_bytes_in_many_turns_is_known_by_them(county: County, monkeypatch):
    """Each piece in a turn of its own: that nobody else gave any is not forgotten between them."""
    monkeypatch.setattr(fetching, "TURN_S", 0.0)
    root, town, village, blob, _ = await named_first_by_town(county)
    wire = Ways(root, town, village)
    wire.holds[town.signer.node] = Lies(len(PHOTO) + store.CIPHER_EXTRA_BYTES)
    async with At(wire):
        await came(wire, blob)
    assert set(wire.blamed) == {town.signer.node}


async def test_who_gives_wrong_bytes_and_stops_before_the_end_keeps_a_file_from_nobody(county: County, monkeypatch):
    """In many turns: whoever gave all that is here goes on with it."""
    monkeypatch.setattr(fetching, "TURN_S", 0.0)
    root, town, village, blob, _ = await named_first_by_town(county)
    wire = Ways(root, town, village)
    wire.holds[town.signer.node] = Lies(len(PHOTO) + store.CIPHER_EXTRA_BYTES, CHUNK_BYTES + 5)
    async with At(wire):
        await came(wire, blob)


async def test_of_two_sizes_each_has_its_turns(county: County, monkeypatch):
    monkeypatch.setattr(fetching, "TURN_S", 0.0)
    root, town, village, blob, _ = await named_first_by_town(county, size=50 * CHUNK_BYTES)
    wire, lies = Ways(root, town, village), Lies(50 * CHUNK_BYTES + store.CIPHER_EXTRA_BYTES)
    wire.holds[town.signer.node] = lies
    lies.broken = True
    async with At(wire):
        await came(wire, blob)
    assert lies.gave < 10


class Drips:
    """Gives a true byte at a time, each later than a turn."""

    def __init__(self, has: Blobs) -> None:
        self._has = has

    def has(self, _: str) -> bool:
        return False

    async def chunk(self, address: str, offset: int, most: int) -> bytes | None:
        await asyncio.sleep(0.05)
        return await self._has.chunk(address, offset, 1)


@pytest.mark.parametrize("turn_s", [0.02, 1_000.0])
async def test_who_gives_a_byte_at_a_time_keeps_nobody_else_from_being_asked(county: County, monkeypatch, turn_s: float):
    """Also where turns are long, and after it alone was asked: the author was off."""
    monkeypatch.setattr(fetching, "TURN_S", 0.02)
    monkeypatch.setattr(fetching, "LONG_TURN_S", turn_s)
    root, town, village, blob, _ = await named_first_by_town(county)
    wire = Ways(root, town, village)
    if turn_s > 1:
        root.blobs.store_bytes_max = 1_000_000
        await wire.add(["f" * 64], size=2_000_000)
    wire.holds[town.signer.node] = Drips(village.blobs)
    wire.silent.add(village.signer.node)
    async with At(wire) as at:
        await until(lambda: asyncio.sleep(0, wire.asked[town.signer.node] > 2))
        wire.silent.clear()
        at.again()
        await came(wire, blob)


async def test_an_author_who_names_a_copy_while_another_does_not_answer_is_told_too(county: County):
    root, town, village, blob, _ = await named_first_by_town(county)
    wire = Ways(root, town, village)
    wire.holds[town.signer.node] = village.blobs
    async with At(wire):
        await came(wire, blob)
    again, third = await county.node("village again"), await county.node("stranger")
    for other, ledger in ((again, VILLAGE), (third, OTHER_TOWN)):
        await other.blobs.put(PHOTO, "界石.jpg", "image/jpeg")
        await named(other, blob, ledger)
        wire.certificates[other.signer.node], wire.known[other.signer.node] = other.signer.certificate, False
        wire.holds[other.signer.node] = village.blobs
    wire.silent.add(again.signer.node)
    await carry(again, root)
    async with At(wire) as at:
        await until(lambda: asyncio.sleep(0, wire.asked[again.signer.node] > 1))
        await carry(third, root)
        wire.silent.clear()
        at.again()
        await until(lambda: asyncio.sleep(0, {(n.signer.node, blob.address) for n in (again, third)} <= set(wire.told)))


async def test_a_file_that_nobody_waits_for_any_more_still_comes_where_another_entry_names_it(county: County):
    """From above it comes only when somebody opens it; what the village's own people took comes by itself."""
    root, town, village = [await county.node(kind) for kind in ("root", "town", "village")]
    blob = await village.blobs.put(PHOTO, "界石.jpg", "image/jpeg")
    await named(root, blob, TOWN)
    await carry(root, town)
    await named(village, blob, VILLAGE)

    async def stage() -> int:
        return (await town.journal.rows("blob", "address = :a", {"a": blob.address}))[0]["stage"]

    wire = Ways(town, root, village)
    wire.certificate = town.signer.certificate
    await At(wire).fetching.give_up(blob.address)
    assert await stage() == bodies.ASIDE
    await carry(village, town)
    await At(wire).fetching.give_up(blob.address)
    assert await stage() == bodies.WANTED


async def test_a_stick_brings_a_photo_that_another_named_first(county: County):
    root, _, village, blob, _ = await named_first_by_town(county, size=len(PHOTO) + 1)
    offset = 0
    while piece := await village.blobs.chunk(blob.address, offset):
        assert await sticks._piece(root, piece) == "new"
        offset += CHUNK_BYTES
    assert await root.blobs.get(blob) == PHOTO
    other = await village.blobs.put(PHOTO + b"2", "界石.jpg", "image/jpeg")
    await named(village, other, VILLAGE)
    await carry(village, root)
    with pytest.raises(Refused, match="frame_broken"):
        await sticks._piece(root, piece_of(other.address, 0, other.size, b"x"))


async def test_of_an_author_who_names_it_a_thousand_times_some_are_asked_and_the_others_are_too(county: County):
    root, town, village, blob, _ = await named_first_by_town(county, size=len(PHOTO) + 1)
    case = (await town.say(dispute(TOWN))).subject
    for n in range(60):
        await town.say(AddEvidence(id=new_id(), case=case, blob=msgspec.structs.replace(blob, size=n + 1)))
    await carry(town, root)
    (row,) = await root.journal.rows("blob", "address = :a", {"a": blob.address})
    found = await bodies.uses(root.journal, row)
    assert [use.author for use in found].count(town.signer.node) == bodies.USES_EACH
    assert (village.signer.node, VILLAGE, blob.size + store.CIPHER_EXTRA_BYTES) in [(u.author, u.ledger, u.size) for u in found]
    assert await named(town, msgspec.structs.replace(blob, address="1" * 64, size=2**40), TOWN)
    assert not await town.journal.rows("blob", "address = :a", {"a": "1" * 64}), "no node takes a file of that size, nobody waits for it"


async def test_who_hears_the_ledger_of_a_later_name_may_have_it_however_often_another_named_it(county: County, monkeypatch):
    root, town, village = [await county.node(kind) for kind in ("root", "town", "village")]
    blob = await village.blobs.put(PHOTO, "界石.jpg", "image/jpeg")
    await named(village, blob, VILLAGE)
    for _ in range(6):
        await named(town, blob, TOWN)
    await carry(town, root)
    await carry(village, root)
    monkeypatch.setattr(answers, "USES_MAX", 5)
    wire, given = Ways(root, town, village), []
    wire.holds = {}
    root.blobs.chunk = village.blobs.chunk

    async def publish(_: str, body: bytes, headers: dict | None) -> None:
        given.append((body, headers))

    wire.link.publish = publish
    ask = msgspec.msgpack.encode(BlobAsk(blob.address, 0))
    await Answers(wire).blob(SimpleNamespace(data=ask, reply=f"{subjects.inbox('330523111', village.signer.node)}.1"))
    assert given[0][0] and not given[0][1]


async def test_halves_of_two_sizes_lie_side_by_side_and_the_whole_ends_both(tmp_path: Path):
    source, target = Blobs(tmp_path / "source", b"s" * 32), Blobs(tmp_path / "target", b"t" * 32)
    address = (await source.put(PHOTO, "a.jpg", "image/jpeg")).address
    size = source.progress(address).total
    before, sizes = await target.left(), (size, size + 1)
    await target.write_chunk(address, piece_of(address, 0, size + 1, bytes(CHUNK_BYTES)), size + 1)
    await target.write_chunk(address, await source.chunk(address, 0), size)
    assert [(await target.settled(address, one, sizes)).have for one in sizes] == [CHUNK_BYTES] * 2
    assert await target.left() == before - 2 * CHUNK_BYTES
    await target.write_chunk(address, piece_of(address, CHUNK_BYTES, size + 1, bytes(9)), size + 1)
    assert (target.progress(address, size).have, target.progress(address, size + 1).have) == (CHUNK_BYTES, CHUNK_BYTES + 9)
    offset = CHUNK_BYTES
    while piece := await source.chunk(address, offset):
        offset = (await target.write_chunk(address, piece, size)).have
    assert target.has(address) and await target.left() == before - size
    assert not list(target.folder.glob("*/*.part"))
    await target.remove(address)
    assert await target.left() == before
    await target.write_chunk(address, piece_of(address, 0, size + 1, bytes(9)), size + 1)
    assert (await target.settled(address, size)).have == 0 and await target.left() == before, "of a size that nothing names it goes"
