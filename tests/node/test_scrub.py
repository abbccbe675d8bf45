"""Damage that no page checksum tells: it is found, writing stops in words, attachments are fetched again, the start looks at its mark."""

import pytest
from sqlalchemy import text

from protocol import have
from protocol.commands import AddEvidence, AddNote
from protocol.node.journal import Witness
from protocol.node.journal.scrub import Wrong, scrub
from protocol.node.scrubbing import look
from protocol.problem import Refused
from tests.node.desk_kit import VILLAGE, dispute, exchange, new_id


@pytest.mark.parametrize(
    ("column", "what"),
    [
        ("body = cast(x'a1' || substr(body, 2) as blob)", "body"),
        ("salt = zeroblob(16)", "body"),
        ("salt = null", "body"),
        ("head_bytes = cast(substr(head_bytes, 1, length(head_bytes) - 1) || x'00' as blob)", "chain"),
        ("hash = zeroblob(32)", "chain"),
        ("signature = zeroblob(64)", "signature"),
        ("subject = 'another'", "row"),
        ("command = 'another'", "row"),
    ],
)
async def test_whatever_changed_in_an_entry_is_found_and_writing_stops(county, column, what):
    village = await county.node("village")
    case = (await village.say(dispute())).subject
    await village.say(AddNote(id=new_id(), case=case, text="下雨，改天去"))
    assert await scrub(village.journal) == []
    async with village.journal.writing() as w:
        await w.connection.execute(text(f"update entry set {column} where seq = 2"))
    assert await scrub(village.journal) == [Wrong(VILLAGE, village.signer.origin, 2, what)]
    assert village.journal.damaged
    with pytest.raises(Refused, match="本机台账有损坏，已停止写入"):
        await village.say(AddNote(id=new_id(), case=case, text="不会记下"))


async def test_entries_that_are_gone_are_found(county):
    village = await county.node("village")
    await village.say(dispute())
    lane = (VILLAGE, village.signer.origin)
    async with village.journal.writing() as w:
        await w.connection.execute(text("delete from entry where seq = 2"))
    assert [one.what for one in await scrub(village.journal)] == ["missing"]
    village.journal.damaged = False
    async with village.journal.writing() as w:  # as a lost log leaves it: whole, only shorter
        await w.connection.execute(text("update lane set seq = 1, hash = (select hash from entry where seq = 1)"))
    assert await scrub(village.journal) == []
    wire = have.sign(have.Have(village.signer.node, VILLAGE, {lane[1]: (2, bytes(32))}, 1), village.signer.key)
    async with village.journal.writing() as w:
        await w.set_own_haves({VILLAGE: (1, wire)})
    assert await scrub(village.journal) == [Wrong(*lane, 2, "said")]


async def test_what_was_erased_by_law_is_no_damage_nor_is_what_others_wrote(county):
    village, town = await county.node("village"), await county.node("town")
    case = (await village.say(dispute())).subject
    await exchange(village, town)
    await town.say(AddNote(id=new_id(), case=case, text="镇里知道了"))
    await exchange(village, town)
    async with village.journal.writing() as w:
        assert await w.erase(VILLAGE, village.signer.origin, 2, case)
    assert await scrub(village.journal) == []
    assert not village.journal.damaged


async def test_a_damaged_attachment_is_set_apart_and_wanted_again(county):
    village = await county.node("village")
    case = (await village.say(dispute())).subject
    blob = await village.blobs.put(b"\xff\xd8\xff" + bytes(5_000), "田埂.jpg", "image/jpeg")
    await village.say(AddEvidence(id=new_id(), case=case, blob=blob))
    assert (await look(village.journal, village.blobs)).files == ()
    path = village.blobs._path(blob.address)
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    found = await look(village.journal, village.blobs)
    assert (found.entries, found.files) == ((), (blob.address,))
    (row,) = await village.journal.rows("blob")
    assert (row["have"], village.blobs.has(blob.address)) == (0, False)
    assert await village.blobs.get(blob) is None


@pytest.mark.parametrize("raw", [b"\x81\xa1\xff\x92\x01\xc4\x00", b"\xc1", b"\x81\xa1a\x91\x01", b""])
def test_a_mark_that_was_damaged_says_nothing_and_stops_nobody(tmp_path, raw):
    (tmp_path / "mark").write_bytes(raw)
    assert Witness(tmp_path / "mark").ahead({}) == []
