"""Attachments: one blob for the same file, nothing readable on disk, pieces that resume and prove themselves."""

import errno
import os
import resource
from pathlib import Path

import msgspec
import pytest

from protocol.node import blobs as blobs_module
from protocol.node.blobs import CHUNK_BYTES, CIPHER_EXTRA_BYTES, FILE_BYTES_MAX, Blobs, Progress, kind_of, shown_name, unpack
from protocol.problem import Refused

JPEG = b"\xff\xd8\xff\xe0" + b"a boundary stone " * 50_000  # three pieces and a bit
CIPHER = len(JPEG) + CIPHER_EXTRA_BYTES
SECRET, OTHER_SECRET = b"k" * 32, b"o" * 32


@pytest.fixture
def here(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "here", SECRET)


@pytest.fixture
def there(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "there", OTHER_SECRET)


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def pieces_of(blobs: Blobs, address: str) -> list[bytes]:
    offset, found = 0, []
    while piece := await blobs.chunk(address, offset):
        found.append(piece)
        offset += CHUNK_BYTES
    return found


async def test_a_file_comes_back_as_it_was_and_the_same_file_is_one_blob(here: Blobs, tmp_path: Path):
    first = await here.put(JPEG, "界石.jpg", "image/jpeg")
    again = await here.put(JPEG, "IMG_1.jpg", "image/jpeg")
    assert (again.address, again.key) == (first.address, first.key)
    assert len(files_of(tmp_path / "here")) == 1
    assert await here.get(first) == JPEG
    assert (first.size, first.mime, first.name) == (len(JPEG), "image/jpeg", "界石.jpg")


async def test_nothing_readable_lies_in_the_folder_and_another_node_names_it_otherwise(here: Blobs, there: Blobs, tmp_path: Path):
    ours, theirs = await here.put(JPEG, "a.jpg", ""), await there.put(JPEG, "a.jpg", "")
    assert ours.address != theirs.address, "whoever holds the plain file cannot ask by address who else has it"
    assert all(b"boundary" not in path.read_bytes() for path in files_of(tmp_path))


async def test_pieces_resume_where_a_cut_left_off(here: Blobs, there: Blobs):
    blob = await here.put(JPEG, "a.jpg", "")
    pieces = await pieces_of(here, blob.address)
    assert len(pieces) == 4
    assert there.progress(blob.address) == Progress(0, 0)
    first = await there.write_chunk(blob.address, pieces[0], CIPHER)
    assert (first.have, first.is_whole) == (CHUNK_BYTES, False)
    assert (await there.write_chunk(blob.address, pieces[2], CIPHER)).have == CHUNK_BYTES, "a piece too far changes nothing"
    assert (await there.write_chunk(blob.address, pieces[0], CIPHER)).have == CHUNK_BYTES, "nor does one that is here"
    after_restart = Blobs(there.folder, OTHER_SECRET)
    assert after_restart.progress(blob.address).have == CHUNK_BYTES
    assert not after_restart.has(blob.address)
    for piece in pieces[1:]:
        done = await after_restart.write_chunk(blob.address, piece, CIPHER)
    assert done.is_whole
    assert await after_restart.get(blob) == JPEG
    assert (await after_restart.write_chunk(blob.address, pieces[1], CIPHER)).is_whole


async def test_a_disk_that_fills_within_a_piece_gets_its_bytes_back(here: Blobs, there: Blobs):
    blob = await here.put(JPEG, "a.jpg", "")
    pieces = await pieces_of(here, blob.address)
    await there.write_chunk(blob.address, pieces[0], CIPHER)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK_BYTES + 70_000, hard))  # the system writes as much as fits, then refuses
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            await there.write_chunk(blob.address, pieces[1], CIPHER)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert there.progress(blob.address).have == CHUNK_BYTES
    for piece in pieces[1:]:
        await there.write_chunk(blob.address, piece, CIPHER)
    assert await there.get(blob) == JPEG


@pytest.mark.parametrize("is_torn", [False, True])
async def test_what_was_stopped_between_its_last_byte_and_its_name_is_checked_by_whoever_goes_on(
    here: Blobs, there: Blobs, monkeypatch: pytest.MonkeyPatch, is_torn: bool
):
    blob = await here.put(JPEG, "a.jpg", "")
    pieces = await pieces_of(here, blob.address)

    def stopped(*_: Path) -> None:
        raise KeyError

    monkeypatch.setattr(blobs_module, "_settle", stopped)
    for piece in pieces[:-1]:
        await there.write_chunk(blob.address, piece, CIPHER)
    with pytest.raises(KeyError):
        await there.write_chunk(blob.address, pieces[-1], CIPHER)
    monkeypatch.undo()
    (half,) = files_of(there.folder)
    if is_torn:
        half.write_bytes(half.read_bytes()[:-1] + b"?")
    started, again = Blobs(there.folder, OTHER_SECRET), Blobs(there.folder, OTHER_SECRET)
    left = await started.left()
    assert not started.has(blob.address)
    found = await started.settled(blob.address, CIPHER)
    assert found.is_whole == started.has(blob.address) == (not is_torn)
    assert await started.left() == await Blobs(there.folder, OTHER_SECRET).left() == left + is_torn * (len(JPEG) + CIPHER_EXTRA_BYTES)
    for piece in pieces:
        found = await again.write_chunk(blob.address, piece, CIPHER)
    assert found.is_whole and await again.get(blob) == JPEG


async def test_a_damaged_piece_is_refused_and_the_rest_goes_on(here: Blobs, there: Blobs):
    blob = await here.put(JPEG, "a.jpg", "")
    pieces = await pieces_of(here, blob.address)
    for at in (0, 5, 70, len(pieces[0]) // 2, len(pieces[0]) - 1):
        damaged = bytearray(pieces[0])
        damaged[at] ^= 1
        with pytest.raises(Refused, match="frame_broken"):
            await there.write_chunk(blob.address, bytes(damaged), CIPHER)
    with pytest.raises(Refused, match="frame_broken"):
        await there.write_chunk("0" * 64, pieces[0], CIPHER)
    for piece in pieces:
        await there.write_chunk(blob.address, piece, CIPHER)
    assert await there.get(blob) == JPEG


async def test_right_sums_over_wrong_bytes_do_not_pass_as_the_blob(here: Blobs, there: Blobs):
    """A hostile node can make pieces that are whole in themselves; the address is what they must add up to."""
    blob = await here.put(JPEG, "a.jpg", "")
    data = b"\x01" + b"x" * 99
    forged = blobs_module._Piece(blob.address, 0, 100, data, blobs_module._sum(blob.address, 0, 100, data))
    with pytest.raises(Refused, match="frame_broken"):
        await there.write_chunk(blob.address, msgspec.msgpack.encode(forged), 100)
    assert not there.has(blob.address)
    assert there.progress(blob.address) == Progress(0, 0), "and the next honest peer begins anew"


@pytest.mark.parametrize("total", [0, 50, 2**40])
async def test_a_piece_beyond_what_a_blob_may_be_is_refused(there: Blobs, total: int):
    piece = blobs_module._Piece("0" * 64, 0, total, b"x" * 100, blobs_module._sum("0" * 64, 0, total, b"x" * 100))
    with pytest.raises(Refused, match="frame_broken"):
        await there.write_chunk("0" * 64, msgspec.msgpack.encode(piece), total)


async def test_a_bit_that_flipped_on_disk_is_seen_and_the_file_set_apart(here: Blobs, there: Blobs):
    blob = await here.put(JPEG, "a.jpg", "")
    pieces = await pieces_of(here, blob.address)
    path = here._path(blob.address)
    raw = bytearray(path.read_bytes())
    raw[1000] ^= 4
    path.write_bytes(raw)
    with pytest.raises(Refused, match="frame_broken"):
        await here.get(blob)
    assert await here.get(blob) is None, "it is absent now, so a peer's copy can take its place"
    for piece in pieces:
        await here.write_chunk(blob.address, piece, CIPHER)
    assert await here.get(blob) == JPEG


async def test_an_erased_key_leaves_nothing_to_read(here: Blobs):
    blob = await here.put(JPEG, "a.jpg", "")
    with pytest.raises(Refused, match="frame_broken"):
        await here.get(msgspec.structs.replace(blob, key=bytes(32)))
    await here.remove(blob.address)
    assert await here.get(blob) is None


async def test_what_is_no_picture_voice_or_paper_is_refused_in_words(here: Blobs):
    with pytest.raises(Refused, match="这个文件打不开：病毒.exe"):
        await here.put(b"MZ\x90\x00" * 100, "C:\\下载\\病毒.exe", "image/jpeg")
    with pytest.raises(Refused, match="最多 20 兆，这个有 21 兆"):
        await here.put(b"\xff\xd8\xff" + bytes(FILE_BYTES_MAX), "大.jpg", "image/jpeg")


async def test_a_full_disk_is_said_and_leaves_no_half_file(here: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(blobs_module, "_sync", full)
    with pytest.raises(Refused) as refused:
        await here.put(JPEG, "a.jpg", "")
    assert refused.value.code == "disk_full"
    monkeypatch.undo()
    blob = await here.put(JPEG, "a.jpg", "")
    assert await here.get(blob) == JPEG
    assert len(files_of(tmp_path / "here")) == 1


def test_kinds_are_judged_by_content():
    drawn = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0L9 9"/></svg>'
    assert kind_of(drawn, "image/svg+xml") == "image/svg+xml"
    assert kind_of(drawn, "image/png") == ""
    for bad in (
        b"<svg><script>x</script></svg>",
        b'<svg onload="x"></svg>',
        b'<svg><path d="" onclick = "x"/></svg>',
        b"<svg><a href='x'/></svg>",
    ):
        assert kind_of(bad, "image/svg+xml") == ""
    assert kind_of(b"%PDF-1.7", "") == "application/pdf"
    assert kind_of(b"RIFF\0\0\0\0WEBPVP8 ", "") == "image/webp"
    assert kind_of(b"\0\0\0\x20ftypM4A \0", "") == "audio/mp4"
    assert kind_of(b"\0\0\0\x20ftypiso5\0", "") == "audio/mp4"  # a phone's recorder that writes in fragments
    assert kind_of(b"<html>", "text/html") == ""


def test_names_are_the_last_part_and_printable():
    assert shown_name("C:\\照片\\界石.jpg") == "界石.jpg"
    assert shown_name("../../etc/passwd\n") == "passwd"
    assert shown_name("\u202e") == "附件"
    assert len(shown_name("长" * 500)) == 100


@pytest.mark.parametrize("address", ["", "../../etc/passwd", "0" * 63, "G" * 64, "0" * 64 + "\n"])
def test_no_address_leads_out_of_the_folder(here: Blobs, address: str):
    with pytest.raises(Refused):
        here.has(address)


def test_a_piece_whose_texts_are_no_texts_is_refused():
    for raw in (b"\x95\xa4\xff\xfe\xfd\xfc\x00\x03\xc4\x01a\xc4\x00", b"\x91" * 20_000):
        with pytest.raises(Refused, match="frame_broken"):
            unpack(raw)
