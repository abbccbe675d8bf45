"""A node that hears a ledger and lies about its files holds up none of them, and nobody lets go of a file for its sake."""

import os
from types import SimpleNamespace

import msgspec
import pytest

from protocol.node import blobs as store
from protocol.node import bodies, sticks
from protocol.node.blobs import Blobs
from protocol.problem import Refused
from tests.link.kit import HALL, HUB, N1, T1, V1, Town, origin, soon
from tests.link.test_files import wanted

PLAIN = b"\xff\xd8\xff" + os.urandom(700_000)


def piece_of(address: str, offset: int, total: int, data: bytes) -> bytes:
    return msgspec.msgpack.encode([address, offset, total, data, store._sum(address, offset, total, data)])


async def start(town: Town, tmp_path, *nodes: str):
    """(address, size, the nodes): all know one another, the village alone has the file and names it."""
    made = [town.node(name) for name in nodes]
    made[0].enrolled(*nodes)
    village = made[-1]
    for node in made:
        node.blobs = Blobs(tmp_path / f"blobs {node.name}", b"s" * 32)
    blob = await village.blobs.put(PLAIN, "现场.jpg", "image/jpeg")
    size = village.blobs.progress(blob.address).total
    village.memory.files[blob.address] = wanted(blob, size) | {"have": size, "stage": bodies.DONE, "source": ""}
    village.write()
    for node in made:
        node.start()
    await soon(lambda: all(node.has(village) for node in made[:-1]))
    await soon(lambda: all(made[0].memory.haves.get((node.name, V1)) for node in made[1:]))
    for node in made[1:-1]:  # each is asked, and gives what it says that it has
        node.memory.files[blob.address] = wanted(blob, size) | {"have": size, "stage": bodies.DONE}
    return blob.address, size, made


def file_is_wanted(hub, village, address: str, size: int) -> None:
    hub.memory.files[address] = village.memory.files[address] | {"have": 0, "stage": bodies.WANTED, "source": N1}
    hub.pump.committed([(V1, origin(N1))])


async def test_pieces_of_a_larger_file_are_refused_and_the_source_is_told_of_none(town: Town, tmp_path):
    address, size, (hub, t1, v1) = await start(town, tmp_path, HUB, T1, N1)
    asked: list[int] = []

    async def lies(_: str, offset: int, most: int = 0) -> bytes | None:
        """As much as the file has, of another one that is larger, and no more."""
        asked.append(offset)
        data = bytes(min(store.CHUNK_BYTES, size - offset)) if offset < size else b""
        return piece_of(address, offset, size + 100_000, data) if data else None

    t1.blobs.chunk = lies
    for offset in (size - 1, size + 1):  # as an older program asks that was given half of another file
        assert await hub.pump._fetching._ask(N1, V1, address, offset)
    assert not v1.memory.files[address]["elsewhere"], "that is not to have the whole"
    await v1.stop()
    file_is_wanted(hub, v1, address, size)
    await soon(lambda: len(asked) > 1)
    v1.start()
    await soon(lambda: hub.memory.files[address]["have"] == size or v1.memory.files[address]["elsewhere"])
    assert hub.blobs.has(address), "the village was told that another has it, and let go of its own"
    await soon(lambda: v1.memory.files[address]["elsewhere"] == HUB)
    await soon(lambda: hub.memory.quarantined.get((T1, V1, "", "frame_broken")))
    assert not any(key[0] == N1 for key in hub.memory.quarantined)


async def test_who_has_a_file_learns_of_a_second_copy_by_its_true_size(town: Town, tmp_path):
    """A store that was put back may have heard of it from another first, who named another size."""
    address, size, (hub, _, v1) = await start(town, tmp_path, HUB, T1, N1)
    v1.memory.files[address]["size"] = size + 1
    assert await hub.pump._fetching._ask(N1, V1, address, size + 1)
    assert not v1.memory.files[address]["elsewhere"]
    assert await hub.pump._fetching._ask(N1, V1, address, size)
    assert v1.memory.files[address]["elsewhere"] == HUB


async def test_wrong_bytes_in_the_front_are_asked_for_anew_from_whoever_gives_the_rest(town: Town, tmp_path):
    address, size, (hub, hall, t1, v1) = await start(town, tmp_path, HUB, HALL, T1, N1)
    offset = 0
    while one := await v1.blobs.chunk(address, offset):
        offset = (await t1.blobs.write_chunk(address, one, size)).have
    asked: list[int] = []

    async def lies(_: str, offset: int, most: int = 0) -> bytes | None:
        """All but the last byte, wrong."""
        asked.append(offset)
        data = bytes(min(store.CHUNK_BYTES, size - 1 - offset))
        return piece_of(address, offset, size, data) if data else None

    hall.blobs.chunk = lies
    await v1.stop()  # and does not come back
    file_is_wanted(hub, v1, address, size)
    await soon(lambda: hub.memory.files[address]["have"] == size)
    assert asked and hub.blobs.has(address)
    assert not any(key[0] == T1 for key in hub.memory.quarantined), "whoever gave true pieces is not blamed"


async def test_a_half_that_is_of_another_size_goes_and_a_true_one_stays(tmp_path):
    source, target = Blobs(tmp_path / "source", b"s" * 32), Blobs(tmp_path / "target", b"t" * 32)
    address = (await source.put(PLAIN, "现场.jpg", "image/jpeg")).address
    size = source.progress(address).total
    first = await source.chunk(address, 0)
    assert first
    for total in (size - 1, size + 1):  # as an older program took it, or a disk gave it
        half = target._path(address).with_name(f"{address}.{total}.part")
        half.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(bytes(total - 1))
        assert (await target.settled(address, size)).have == 0 and not half.exists()
    half = target._path(address).with_name(f"{address}.{size}.part")
    half.write_bytes(bytes(size + 1))
    assert (await target.write_chunk(address, first, size)).have == store.CHUNK_BYTES
    with pytest.raises(Refused, match="frame_broken"):
        await target.write_chunk(address, piece_of(address, store.CHUNK_BYTES, size + 1, b"x"), size)
    assert target.progress(address).have == store.CHUNK_BYTES, "what was true is not asked for again"
    assert await target.left() == target.store_bytes_max - store.CHUNK_BYTES


async def test_a_stick_brings_no_half_of_another_size(tmp_path):
    blobs = Blobs(tmp_path, b"s" * 32)

    async def rows(*_: object) -> list[dict]:
        row = {"address": "0" * 64, "size": 300_000, "stage": bodies.WANTED}
        return [row | {"source": N1, "ledger": V1, "subject": "a" * 32, "what": "photo"}]

    async def select(*_: object) -> list:
        return []

    node = SimpleNamespace(blobs=blobs, journal=SimpleNamespace(rows=rows, select=select))
    with pytest.raises(Refused, match="frame_broken"):
        await sticks._piece(node, piece_of("0" * 64, 0, 400_000, bytes(9)))
    assert blobs.progress("0" * 64).have == 0
    assert await sticks._piece(node, piece_of("0" * 64, 0, 300_000, bytes(9))) == "new"
