"""The checkers can fail: each is shown something untrue, on small real nodes."""

import pytest

from protocol import certificate as certificates
from protocol import fold as folding
from protocol import hold as rules
from protocol.commands import AddNote, EraseBody
from protocol.have import Have
from protocol.node import refusals
from protocol.node.blobs import Blobs, Progress
from protocol.node.bodies import DONE
from protocol.node.journal import rebuild
from protocol.node.journal.rows import fetch
from protocol.problem import Refused
from tests.faults.kit.desks import Saved
from tests.faults.kit.files import JPEG, Picture
from tests.faults.kit.orphans import unseen
from tests.faults.kit.truth import alike, counted, held_at, hold, judge, kept, timeless
from tests.faults.kit.whole import STAFFED, Folders, attached, promise, settled
from tests.link import test_whole_nodes as link
from tests.link.kit import V1
from tests.node.desk_kit import VILLAGE, County, dispute, exchange, new_id

PICTURE = Picture(JPEG + b"a boundary stone" * 900, JPEG + b"small")


async def world(tmp_path):
    county = County(tmp_path)
    village, root = await county.node("village"), await county.node("root")
    said = [await village.say(dispute()) for _ in range(3)]
    said.append(await village.say(AddNote(id=new_id(), case=said[0].subject, text="又来问了一次")))
    return county, village, root, [Saved("village", "clerk", o.command, o.subject, o.code, o.entries) for o in said]


async def held(county, *nodes):
    public = bytes(county.key.verify_key)
    return {node.kind: await held_at(node.kind, node, node.signer.certificate, public) for node in nodes}


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


# ── files ──


async def pictured(tmp_path, giver: str, *takers: str):
    """(nodes, the promise): somebody at `giver` saves a case with a picture; its entries and files are carried to the others."""
    county = County(tmp_path)
    nodes = {kind: await county.node(kind) for kind in (giver, *takers)}
    node = nodes[giver]
    told = await node.say(dispute())
    saved = Saved(giver, "", told.command, told.subject, told.code, told.entries, await attached(node, node.actor(), told, PICTURE))
    await exchange(*nodes.values())
    for taker in takers:
        for row in await nodes[taker].journal.rows("blob", "stage = 1"):
            await nodes[taker].blobs.write_chunk(row["address"], await node.blobs.chunk(row["address"], 0) or b"", row["size"])
            async with nodes[taker].journal.writing() as w:
                await fetch(w.connection, "update blob set stage = :done where address = :address", {"done": DONE, **row})
    return county, nodes, saved


def path(node, row):
    return node.blobs._path(row["address"])


@pytest.mark.parametrize("at", ["village", "root"])
@pytest.mark.parametrize("what", ["photo", "thumb"])
async def test_a_file_that_is_gone_from_its_writer_or_from_whom_it_came_to_is_lost(tmp_path, at, what):
    county, nodes, saved = await pictured(tmp_path, "village", "root")
    assert counted(await held(county, *nodes.values()), [saved]) == ([], [])
    (row,) = await nodes[at].journal.rows("blob", "what = :what", {"what": what})
    path(nodes[at], row).unlink()
    lost, _ = counted(await held(county, *nodes.values()), [saved])
    told = {"photo": "file", "thumb": "small picture"}[what]
    assert lost == [
        f"{at}: file {row['address']} of {VILLAGE} is said to be here",
        f"{at} lacks the {told} {row['address']} that village told  was saved",
    ]
    await county.close()


async def test_a_file_with_another_byte_is_lost_and_so_is_one_that_was_never_expected(tmp_path):
    county, nodes, saved = await pictured(tmp_path, "village", "root")
    (row,) = await nodes["root"].journal.rows("blob", "what = 'photo'")
    path(nodes["root"], row).write_bytes(path(nodes["root"], row).read_bytes()[:-1] + b"?")
    lost, _ = counted(await held(county, *nodes.values()), [saved])
    assert len(lost) == 3 and "is not what its name says" in lost[1], lost
    async with nodes["root"].journal.writing() as w:
        await fetch(w.connection, "delete from blob", {})
    path(nodes["root"], row).unlink()
    lost, _ = counted(await held(county, *nodes.values()), [saved])
    assert len(lost) == 1 and lost[0].startswith("root lacks the file"), lost
    await county.close()


async def test_of_what_a_wider_place_attached_only_the_small_picture_must_come(tmp_path):
    county, nodes, saved = await pictured(tmp_path, "town", "village")
    found = await held(county, *nodes.values())
    (row,) = await nodes["village"].journal.rows("blob", "what = 'photo'")
    assert not nodes["village"].blobs.has(row["address"]) and counted(found, [saved]) == ([], [])
    assert counted(found, [saved._replace(files=(saved.files[0]._replace(small="0" * 64),))])[0], "other bytes as the small picture"
    assert counted(found, [saved._replace(files=(saved.files[0]._replace(command="another"),))])[0], "no entry attaches it"
    await county.close()


def dropped(self: Blobs, address: str, size: int) -> Progress:
    """A mistake that somebody could make in one line: the finished file is thrown away, and called whole."""
    self._drop(address, size)
    return Progress(size, size)


@pytest.mark.parametrize("planted", [False, True])
async def test_a_program_that_drops_what_it_fetched_is_found(tmp_path, monkeypatch, planted):
    if planted:
        monkeypatch.setattr(Blobs, "_end", dropped)
    whole = await link.Whole(tmp_path).start()
    try:
        village = await whole.join("高禹村", V1)
        clerk = link.actor(village, "clerk")
        told = await village.desk.submit(link.dispute(V1), clerk)
        saved = promise("village", told, await attached(village, clerk, told, PICTURE))
        await settled(whole.hub, village)
    finally:
        await whole.stop()
    outcome = await judge(Folders(hub=whole.hub.folder, village=village.folder), [saved], staffed=STAFFED)
    assert outcome.lost == (4 if planted else 0) and not outcome.doubled, outcome.said


# ── order ──


async def both_wrote(tmp_path):
    """Village and county wrote to one case, by turns and at once."""
    county, village, root, saved = await world(tmp_path)
    await exchange(village, root)
    case = saved[0].case
    for _ in range(2):
        for node in (root, village):
            await node.say(AddNote(id=new_id(), case=case, text="知道了"))
        await exchange(village, root)
    return county, village, root, case


def by_occurred(admitted):
    return sorted(map(rules.read, admitted), key=lambda item: item.head.occurred_ms)


def by_received(admitted):
    return sorted(map(rules.read, admitted), key=lambda item: item.admitted.received_ms)


def backwards(admitted):
    return rules.gathered(admitted)[::-1]


async def test_cases_that_two_nodes_wrote_to_read_the_same_at_both_whatever_the_clocks_said(tmp_path):
    county, village, root, _ = await both_wrote(tmp_path)
    timeless(await held(county, village, root))
    await county.close()


@pytest.mark.parametrize(
    ("planted", "why"),
    [(by_occurred, "when clocks and arrivals are others"), (by_received, "reads otherwise at"), (backwards, "which it knew")],
)
async def test_a_fold_that_goes_by_a_clock_or_by_no_order_of_causes_is_found(tmp_path, monkeypatch, planted, why):
    county, village, root, _ = await both_wrote(tmp_path)
    monkeypatch.setattr(folding, "gathered", planted)
    for node in (village, root):
        await rebuild(node.journal)  # its views are made by the same mistake
    with pytest.raises(AssertionError, match=why):
        timeless(await held(county, village, root))
    await county.close()


@pytest.mark.parametrize(("field", "value"), [("holder", "330523"), ("status", "closed"), ("term", 2), ("handler", "0" * 32)])
async def test_a_case_that_reads_otherwise_at_one_of_two_nodes_is_found(tmp_path, field, value):
    county, village, root, case = await both_wrote(tmp_path)
    found = await held(county, village, root)
    setattr(found["root"].folds[case].of, field, value)
    with pytest.raises(AssertionError, match=f"{case} reads otherwise at village and root: {field} "):
        timeless(found)
    del found["village"]
    if field in ("holder", "term"):
        with pytest.raises(AssertionError, match="not one holder a term"):
            timeless(found)
    await county.close()


# ── what was refused ──


async def test_what_was_refused_and_nobody_is_shown_is_found(tmp_path, monkeypatch):
    county, village, root, _ = await world(tmp_path)
    async with village.journal.writing() as w:
        for origin in ("nfarr2222:1", "nfarr2222:2"):
            await w.quarantine("nfarr2222", VILLAGE, origin, Refused("lane_gap", have=1, got=3), county.clock())
    assert await unseen(village) == [] == await unseen(root)
    monkeypatch.setattr(refusals, "SHOWN_MAX", 0)
    assert await unseen(village) == [f"nobody is shown 2 × nfarr2222 {VILLAGE} lane_gap"]
    await county.close()
