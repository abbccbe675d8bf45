"""What becomes of files: which come by themselves, who may have them, how much fits, and that the last erased body takes the bytes along."""

import asyncio
import os
import time
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from protocol import certificate as certificates
from protocol.commands import AddEvidence, EraseBody
from protocol.node import bodies, sweeping
from protocol.node.blobs import MEGABYTE, Blobs
from protocol.node.journal.rows import insert
from protocol.node.uploads import PIECE_BYTES, Uploads
from protocol.problem import Refused
from tests.node.desk_kit import TOWN, County, Node, dispute, exchange, new_id

PHOTO, SMALL = b"\xff\xd8\xff\xe0" + b"a boundary stone " * 5_000, b"\xff\xd8\xff\xe0" + b"small stone " * 200
DAY_S = 86_400.0
LATER_S = sweeping.HOLD_S + 5


async def photographed(node: Node, case: str, plain: bytes = PHOTO, thumb: bytes | None = SMALL):
    """(entry key, blob, thumb) of a photo that was added at this node."""
    blob = await node.blobs.put(plain, "界石.jpg", "image/jpeg")
    small = await node.blobs.put(thumb, "界石.jpg", "image/jpeg", "photo") if thumb else None
    done = await node.say(AddEvidence(id=new_id(), case=case, blob=blob, thumb=small))
    return done.entries[0], blob, small


async def stages(node: Node) -> dict[str, int]:
    return {row["address"]: row["stage"] for row in await node.journal.rows("blob")}


async def bring(source: Node, target: Node) -> None:
    """As fetching does, without a wire."""
    for row in await target.journal.rows("blob", "stage = 1"):
        offset = 0
        while piece := await source.blobs.chunk(row["address"], offset):
            offset = (await target.blobs.write_chunk(row["address"], piece, row["size"])).have


async def test_full_files_go_up_and_only_thumbnails_come_down(county: County):
    root, town, village = [await county.node(kind) for kind in ("root", "town", "village")]
    case = (await village.say(dispute())).subject
    _, up, up_small = await photographed(village, case)
    await exchange(root, town, village)
    assert await stages(town) == await stages(root) == {up.address: bodies.WANTED, up_small.address: bodies.WANTED}
    _, down, down_small = await photographed(town, case, PHOTO + b"2", SMALL + b"2")
    await exchange(root, town, village)
    assert (await stages(village))[down.address] == bodies.ASIDE
    assert (await stages(village))[down_small.address] == bodies.WANTED
    assert (await stages(root))[down.address] == bodies.WANTED
    shown = await village.reads.case(village.actor(), case)
    assert [a.thumb for a in shown.blobs] == [up_small, down_small]


def test_who_is_above_whom_is_said_by_what_they_cover():
    county = County.__new__(County)
    county.key = __import__("nacl.signing").signing.SigningKey(bytes(32))
    made = {kind: county.certificate(kind) for kind in ("root", "town", "village", "stranger")}
    above = {(a, b) for a in made for b in made if certificates.is_above(made[a], made[b])}
    assert above == {("root", "town"), ("root", "village"), ("root", "stranger"), ("town", "village")}
    exact = msgspec.structs.replace(made["town"], covers=(TOWN,))
    assert certificates.is_above(made["town"], exact) and not certificates.is_above(exact, made["town"])


async def test_the_last_erased_body_takes_the_file_along_everywhere_byte_by_byte(county: County):
    root, town, village = nodes = [await county.node(kind) for kind in ("root", "town", "village")]
    case, other = [(await village.say(dispute())).subject for _ in range(2)]
    first, blob, small = await photographed(village, case)
    again, _, _ = await photographed(village, case)  # the same file named twice, and once more in another case
    third, _, _ = await photographed(village, other, thumb=None)
    await exchange(*nodes)
    for node in (town, root):
        await bring(village, node)
    cipher = {node.kind: node.blobs._path(blob.address).read_bytes() for node in nodes}
    assert len(set(cipher.values())) == 1

    async def erase(key: tuple[str, str, int]) -> None:
        await root.say(EraseBody(id=new_id(), item="|".join(map(str, key)), ground="个人信息保护法第47条"))
        await exchange(*nodes)
        for node in nodes:
            await sweeping.sweep(node.journal, node.blobs, time.time() + LATER_S)

    await erase(first)
    assert all(node.blobs.has(blob.address) and node.blobs.has(small.address) for node in nodes), "another body still names both"
    await erase(again)
    assert all(node.blobs.has(blob.address) for node in nodes)
    assert not any(node.blobs.has(small.address) for node in nodes)
    await erase(third)
    for node in nodes:
        assert not node.blobs.has(blob.address)
        assert await node.journal.rows("blob") == await node.journal.rows("blob_use") == []
        left = [path for path in (county.folder / node.kind / "blobs").rglob("*") if path.is_file()]
        assert not any(cipher["village"][1000:1100] in path.read_bytes() for path in left), "not a byte of it is left"
        assert (await node.reads.case(node.actor(), case)).blobs == []


async def test_a_file_that_is_named_again_before_it_went_stays(county: County):
    root, village = await county.node("root"), await county.node("village")
    case = (await village.say(dispute())).subject
    key, blob, _ = await photographed(village, case)
    await exchange(root, village)
    await root.say(EraseBody(id=new_id(), item="|".join(map(str, key)), ground="个人信息保护法第47条"))
    await exchange(root, village)
    assert (await stages(village))[blob.address] == bodies.GONE
    assert await sweeping.sweep(village.journal, village.blobs, time.time()) == [], "touched a moment ago"
    await photographed(village, case)
    assert (await stages(village))[blob.address] == bodies.DONE
    await sweeping.sweep(village.journal, village.blobs, time.time() + LATER_S)
    assert await village.blobs.get(blob) == PHOTO


async def test_what_a_crash_left_lying_goes_after_some_days_and_nothing_else(county: County, tmp_path: Path):
    village = await county.node("village")
    uploads = Uploads(village.blobs, tmp_path / "uploads", b"u" * 32)
    case = (await village.say(dispute())).subject
    _, kept, _ = await photographed(village, case)
    lost = await village.blobs.put(PHOTO + b"never named", "a.jpg", "image/jpeg")
    await uploads.write("p" * 32, "0" * 64, 300_000, 0, bytes(262_144))
    (half := village.blobs._path("0" * 64).with_name(f"{'0' * 64}.900.part")).parent.mkdir()
    half.write_bytes(b"half")
    assert await sweeping.tidy(village.journal, village.blobs, uploads, time.time() - 60) == 0
    assert await sweeping.tidy(village.journal, village.blobs, uploads, time.time() + 60) == 2
    assert village.blobs.has(kept.address) and village.blobs.has(lost.address) and not half.exists()
    assert (await uploads.ask("p" * 32, "0" * 64, 300_000)).have == 0


async def test_a_whole_file_goes_when_nobody_named_it_for_a_season(county: County):
    village = await county.node("village")
    case = (await village.say(dispute())).subject
    _, named, _ = await photographed(village, case)
    lost = await village.blobs.put(PHOTO + b"never named", "a.jpg", "image/jpeg")
    began, season = time.time(), sweeping.UNNAMED_DAYS * DAY_S

    async def gone(days: int) -> int:
        after_restart = Blobs(village.blobs.folder, b"s" * 32)
        return await sweeping.tidy_whole(village.journal, after_restart, began + 60, now_s := began + 60 + days * DAY_S, now_s - season)

    assert (await gone(0), await gone(89)) == (0, 0)
    rows = await village.journal.rows("blob", "address = :address", {"address": named.address})
    async with village.journal.writing() as w:  # a backup was put in place
        await w.connection.execute(text("delete from blob where address = :address"), {"address": named.address})
    assert await gone(91) == 1
    assert (village.blobs.has(named.address), village.blobs.has(lost.address)) == (True, False)
    async with village.journal.writing() as w:  # and its entry came back
        await insert(w.connection, "blob", list(rows[0]), [list(rows[0].values())])
    assert await gone(91 + 89) == 0
    async with village.journal.writing() as w:
        await w.connection.execute(text("delete from blob where address = :address"), {"address": named.address})
    assert (await gone(91 + 90), await gone(91 + 90 + 89)) == (0, 0), "counted from when it was seen last"
    assert village.blobs.has(named.address)
    assert await sweeping.tidy_whole(village.journal, village.blobs, began - 60, began + 3 * season, began + 2 * season) == 0, (
        "touched a moment ago"
    )
    assert not list(village.blobs.folder.glob("*/*.unnamed"))


async def test_a_whole_file_that_is_taken_again_while_old_ones_go_stays(county: County, monkeypatch):
    """Between the look for what nobody names and the end of this one a clerk sends the same photo; its entry comes a moment later."""
    village = await county.node("village")
    case = (await village.say(dispute())).subject
    blob = await village.blobs.put(PHOTO, "a.jpg", "image/jpeg")
    now, season = time.time(), sweeping.UNNAMED_DAYS * DAY_S
    path = village.blobs._path(blob.address)
    os.utime(path, (now - 2 * season, now - 2 * season))

    async def tidied(now_s: float) -> int:
        return await sweeping.tidy_whole(village.journal, village.blobs, now - 60, now_s, now_s - season)

    assert await tidied(now - season - DAY_S) == 0, "from now on it is known as unnamed"
    writing = village.journal.writing

    @asynccontextmanager
    async def after_it_was_taken_again():
        monkeypatch.setattr(village.journal, "writing", writing)
        assert await village.blobs.put(PHOTO, "a.jpg", "image/jpeg") == blob
        async with writing() as w:
            yield w

    monkeypatch.setattr(village.journal, "writing", after_it_was_taken_again)
    assert await tidied(now) == 0
    done = await village.say(AddEvidence(id=new_id(), case=case, blob=blob))
    assert done.entries and await village.blobs.get(blob) == PHOTO, "a receipt for a photo that is nowhere"


async def test_a_file_that_is_being_taken_is_not_what_a_crash_left(county: County, tmp_path: Path):
    village = await county.node("village")
    uploads = Uploads(village.blobs, tmp_path / "uploads", b"u" * 32)
    blob = await village.blobs.put(PHOTO, "a.jpg", "image/jpeg")
    path = village.blobs._path(blob.address)
    async with village.blobs._held(blob.address):  # as `put` writes it: beside its name first
        path.rename(path.with_suffix(".new"))
        tidying = asyncio.create_task(sweeping.tidy(village.journal, village.blobs, uploads, time.time() - 60))
        while not village.blobs._held(blob.address)._waiters:
            await asyncio.sleep(0.01)
        path.with_suffix(".new").rename(path)
    await tidying
    assert village.blobs.has(blob.address)


async def test_what_lies_behind_the_end_of_an_upload_is_refused_and_the_law_finds_it_by_its_size(tmp_path: Path):
    uploads = Uploads(Blobs(tmp_path / "blobs", b"s" * 32), tmp_path / "uploads", b"u" * 32)
    who, sum_, size = "p" * 32, "0" * 64, 2 * PIECE_BYTES
    for offset in (0, PIECE_BYTES):
        await uploads.write(who, sum_, size, offset, bytes(PIECE_BYTES))
    for offset, data in ((size, b""), (size + PIECE_BYTES, b""), (-PIECE_BYTES, bytes(PIECE_BYTES))):
        with pytest.raises(Refused, match="command_invalid"):
            await uploads.write(who, sum_, size, offset, data)
    await uploads.drop_size(size)
    assert not list((tmp_path / "uploads").iterdir())


async def test_a_store_that_is_full_says_so_before_a_byte_and_room_comes_back(tmp_path: Path):
    blobs = Blobs(tmp_path, b"s" * 32, store_bytes_max=2 * MEGABYTE)
    first = await blobs.put(b"\xff\xd8\xff" + bytes(1_500_000), "a.jpg", "image/jpeg")
    assert 500_000 < await blobs.left() < 2 * MEGABYTE - 1_500_000
    with pytest.raises(Refused, match="store_full"):
        await blobs.put(b"\xff\xd8\xff" + bytes(1_000_000), "b.jpg", "image/jpeg")
    assert not await blobs.has_room(1_000_000)
    await blobs.put(b"\xff\xd8\xff" + bytes(1_500_000), "again.jpg", "image/jpeg")  # it is here, so it needs no room
    await blobs.remove(first.address)
    assert await blobs.left() == 2 * MEGABYTE
    assert await Blobs(tmp_path, b"s" * 32, store_bytes_max=2 * MEGABYTE).left() == 2 * MEGABYTE


async def test_a_journal_of_the_first_release_learns_which_entries_name_its_files(county: County, monkeypatch):
    """The tables as 0.1.0 left them, with a whole and a wanted file, brought to this version."""
    village = await county.node("village")
    case = (await village.say(dispute())).subject
    key, blob, _ = await photographed(village, case, thumb=None)
    before = await village.journal.rows("blob_use")
    async with village.journal.writing() as w:
        for statement in (
            "drop table blob_use", "drop index blob_stage", "alter table blob drop column stage", "alter table blob drop column elsewhere",
            "insert into blob (address, size, have) values ('00', 9, 1)", "drop index entry_bare", "update alembic_version set version_num = '0002'",
        ):  # fmt: skip
            await w.connection.execute(text(statement))
    url, shelf = village.journal.url, village.shelf
    await village.journal.close()
    from hashlib import sha256

    from protocol.node.folding import open_journal

    village.journal = await open_journal(url, sha256(b"village").digest(), shelf)
    assert (
        await village.journal.rows("blob_use") == before == [{"ledger": key[0], "origin": key[1], "seq": key[2], "address": blob.address}]
    )
    assert await stages(village) == {blob.address: bodies.DONE, "00": bodies.WANTED}
