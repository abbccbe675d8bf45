"""The checkers can fail: each is shown something untrue, on small real nodes."""

import pytest

from protocol import certificate as certificates
from protocol.commands import AddNote, EraseBody
from protocol.have import Have
from protocol.node.journal.rows import fetch
from tests.faults.kit.desks import Saved
from tests.faults.kit.truth import alike, counted, hold, kept
from tests.node.desk_kit import VILLAGE, County, dispute, exchange, new_id


async def world(tmp_path):
    county = County(tmp_path)
    village, root = await county.node("village"), await county.node("root")
    said = [await village.say(dispute()) for _ in range(3)]
    said.append(await village.say(AddNote(id=new_id(), case=said[0].subject, text="又来问了一次")))
    return county, village, root, [Saved("village", "clerk", o.command, o.subject, o.code, o.entries) for o in said]


async def held(county, *nodes):
    public = bytes(county.key.verify_key)
    return {node.kind: await hold(node.kind, node.signer.certificate, node.journal, public) for node in nodes}


async def test_what_is_everywhere_once_is_neither_lost_nor_doubled(tmp_path):
    county, village, root, saved = await world(tmp_path)
    await exchange(village, root)
    found = await held(county, village, root)
    alike(found)
    assert counted(found, saved) == ([], [])
    await county.close()


async def test_an_acknowledged_entry_that_one_node_lacks_is_lost_there(tmp_path):
    county, village, root, saved = await world(tmp_path)
    await exchange(village, root)
    late = await village.say(dispute())
    found = await held(county, village, root)
    lost, doubled = counted(found, [*saved, Saved("village", "clerk", late.command, late.subject, late.code, late.entries)])
    assert len(lost) == 1 and lost[0].startswith("root lacks") and not doubled
    with pytest.raises(AssertionError, match="differs"):
        alike(found)
    await county.close()


async def test_a_command_that_led_to_more_than_was_told_is_doubled(tmp_path):
    county, village, _, saved = await world(tmp_path)
    short = saved[0]._replace(keys=())
    lost, doubled = counted(await held(county, village), [short])
    assert not lost and len(doubled) == 1
    await county.close()


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("update case_row set title = '别的'", "a view was not what its entries say"),
        ("update entry set head_bytes = head_bytes || x'00' where seq = 3", "."),
        ("update lane set hash = zeroblob(32)", "differ"),
    ],
)
async def test_a_changed_row_of_the_store_is_found(tmp_path, sql, why):
    county, village, _, _ = await world(tmp_path)
    async with village.journal.writing() as w:
        await fetch(w.connection, sql, {})
    with pytest.raises(Exception, match=why):
        await held(county, village)
    await county.close()


async def test_a_have_that_says_more_than_the_disk_holds_is_a_broken_promise(tmp_path):
    county, village, _, _ = await world(tmp_path)
    found = await held(county, village)
    origin, rows = village.signer.origin, found["village"].lanes[VILLAGE, village.signer.origin]
    true = Have(village.signer.node, VILLAGE, {origin: (len(rows), rows[-1].hash)}, 1)
    kept(found, [(village.signer.node, true)])
    for seq, hash_ in ((len(rows) + 1, bytes(32)), (len(rows), bytes(32))):
        with pytest.raises(AssertionError, match="said"):
            kept(found, [(village.signer.node, Have(village.signer.node, VILLAGE, {origin: (seq, hash_)}, 1))])
    await county.close()


async def test_a_ledger_that_a_node_does_not_hear_is_found(tmp_path):
    county, village, _, _ = await world(tmp_path)
    stranger = county.certificate("stranger")
    assert not certificates.hears(stranger, VILLAGE)
    with pytest.raises(AssertionError, match="does not hear"):
        await hold("stranger", stranger, village.journal, bytes(county.key.verify_key))
    await county.close()


async def test_an_entry_whose_words_are_gone_though_nobody_erased_them_is_lost(tmp_path):
    county, village, root, saved = await world(tmp_path)
    await exchange(village, root)
    ledger, origin, seq = saved[0].keys[0]
    async with root.journal.writing() as w:
        await fetch(w.connection, "update entry set body = null, salt = null, erased = 1 where seq = :seq", {"seq": seq})
        await w.project([saved[0].case])
    lost, _ = counted(await held(county, village, root), saved)
    assert lost == [f"root has no words of {(ledger, origin, seq)}"]
    await root.say(EraseBody(id=new_id(), item=f"{ledger}|{origin}|{seq}", ground="个人信息保护法第47条"))
    assert counted(await held(county, root), [])[0] == [], "erased by law it is not lost"
    await county.close()
