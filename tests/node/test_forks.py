"""A copied computer: both histories are kept, one of them stays the lane everywhere, and what the other says is adopted or contested."""

import asyncio

import msgspec
import pytest

from protocol import entry, have, lane
from protocol.commands import AddNote, EraseBody
from protocol.events import BranchDecided, facts_of
from protocol.node.forks import Wanted
from protocol.node.journal import branches, rebuild
from protocol.node.journal.branches import adopted_id
from protocol.place import COMMON
from protocol.problem import Refused
from tests.node.desk_kit import VILLAGE, County, Node, batch_of, carry, dispute, exchange, new_id


async def beside(node: Node) -> list[branches.Branched]:
    async with node.journal.read() as c:
        return await branches.branched(c, "order by ledger, origin, seq, hash", {})


async def twins(county: County) -> tuple[Node, Node]:
    """One identity in two folders, with one case in common."""
    village, clone = await county.node("village"), await county.node("village", folder="clone")
    await village.say(dispute())
    await carry(village, clone)
    return village, clone


async def bring(source: Node, target: Node, by: str = "") -> None:
    """A lane of the source that the target refuses as another history."""
    with pytest.raises(Refused, match="lane_fork"):
        await target.admission.admit(await batch_of(source, VILLAGE, source.signer.origin), by or source.signer.node)


async def wired(source: Node, target: Node) -> None:
    """What the wire does: all that `target` wants is asked of `source`, until nothing is wanted."""
    while wanted := target.forks.take():
        for one in wanted:
            got = await source.forks.piece(one.ledger, one.origin, one.seq, one.hash, 2)
            if got is not None:
                await target.forks.note(got, source.signer.node, one.hash if one.vouched else b"")


async def test_both_histories_are_kept_whole_and_the_first_stays_the_lane(county: County):
    village, clone, town = *await twins(county), await county.node("town")
    await village.say(dispute())
    for _ in range(3):
        await clone.say(dispute(account="另一台机器上写的。"))
    await carry(village, town)
    before = await town.journal.lanes(VILLAGE)
    await bring(clone, town)
    await bring(clone, town)
    assert await town.journal.lanes(VILLAGE) == before
    kept, origin = await beside(town), clone.signer.origin
    assert [row.head_bytes for row in kept] == [e.head_bytes for e in await clone.journal.lane(VILLAGE, origin, 2, 10)]
    assert [row.body for row in kept] == [e.body for e in await clone.journal.lane(VILLAGE, origin, 2, 10)]
    assert await town.forks.tips(VILLAGE) == {origin: ((5, (await clone.journal.lanes(VILLAGE))[origin][1]),)}
    assert await rebuild(town.journal)


async def test_the_writer_stops_only_when_it_sees_its_own_signature_under_what_it_never_wrote(county: County):
    village, clone, stranger = *await twins(county), await county.node("stranger")
    village.desk.stopped = lambda: "node_forked" if village.forks.is_forked else ""
    await village.say(dispute())
    await clone.say(dispute())
    forged = await batch_of(clone, VILLAGE, clone.signer.origin)
    ends = list(lane.hashes(forged))[-1]
    wrong = type(forged)(*[getattr(forged, name) for name in forged.__struct_fields__[:-1]], entry.sign(stranger.signer.key, ends))
    with pytest.raises(Refused, match="signature_wrong"):
        await village.forks.note(wrong, "x")
    assert not village.forks.is_forked
    await bring(clone, village)
    with pytest.raises(Refused, match="node_forked"):
        await village.say(dispute())
    again = await county.node("village", folder="clone")
    assert not again.forks.is_forked
    await village.forks.load()
    assert village.forks.is_forked, "it knows again after a start"


async def test_pieces_are_asked_for_back_to_where_the_history_left_the_lane(county: County):
    village, clone, town, root = *await twins(county), await county.node("town"), await county.node("root")
    await village.say(dispute())
    for _ in range(7):
        await clone.say(dispute())
    await carry(village, town)
    await carry(village, root)
    origin, (seq, end) = clone.signer.origin, (await clone.journal.lanes(VILLAGE))[clone.signer.origin]
    await town.forks.heard(VILLAGE, {origin: [(seq, end)]}, clone.signer.node)
    await wired(clone, town)
    assert [row.seq for row in await beside(town)] == list(range(3, 10))
    said = have.read(have.sign(have.Have("ntown2222", VILLAGE, {}, 1, forks=await town.forks.tips(VILLAGE)), town.signer.key))
    await root.forks.heard(VILLAGE, {origin: said.forks[origin]}, "ntown2222")
    await wired(town, root)
    assert [row.hash for row in await beside(root)] == [row.hash for row in await beside(town)], "whoever covers the ledger gets it"


async def test_what_lies_below_a_known_end_is_asked_for_again_until_it_is_here(county: County):
    """The first who was asked for it did not answer; every Have speaks of the end alone, and that is here already."""
    village, clone, town = *await twins(county), await county.node("town")
    await village.say(dispute())
    for _ in range(5):
        await clone.say(dispute())
    await carry(village, town)
    origin, (seq, end) = clone.signer.origin, (await clone.journal.lanes(VILLAGE))[clone.signer.origin]
    await town.forks.heard(VILLAGE, {origin: [(seq, end)]}, clone.signer.node)
    (wanted,) = town.forks.take()
    await town.forks.note(await clone.forks.piece(VILLAGE, origin, seq, end, 2), clone.signer.node, b"")
    assert (wanted.seq, [one.seq for one in town.forks.take()]) == (seq, [seq - 2]), "asked, and nobody answers"
    await town.forks.heard(VILLAGE, {origin: [(seq, end)]}, "nroot")
    await wired(clone, town)
    assert [row.seq for row in await beside(town)] == list(range(3, seq + 1))
    await town.forks.heard(VILLAGE, {origin: [(seq, end)]}, "nroot")
    assert town.forks.take() == []


async def test_a_piece_that_nobody_signed_and_no_proven_entry_names_is_refused(county: County):
    village, clone, town = *await twins(county), await county.node("town")
    await clone.say(dispute())
    await clone.say(dispute())
    await village.say(dispute())
    await carry(village, town)
    origin = clone.signer.origin
    middle = (await clone.journal.lane(VILLAGE, origin, 2, 1))[0]
    piece = await clone.forks.piece(VILLAGE, origin, 3, middle.hash, 1)
    assert piece is not None
    unsigned = type(piece)(*[getattr(piece, name) for name in piece.__struct_fields__[:-1]], b"")
    with pytest.raises(Refused, match="signature_wrong"):
        await town.forks.note(unsigned, "x")
    assert await town.forks.note(unsigned, "x", vouched=middle.hash) == 1


async def revoked(root: Node, node: Node) -> None:
    """As the operator does it: what the hub holds counts."""
    heads = {key: head for key, head in (await root.journal.heads()).items() if key[1] == node.signer.origin}
    await root.desk.revoke_node(
        node.signer.node, [(*key, head.seq) for key, head in heads.items()], "复制", {k: h.hash for k, h in heads.items()}
    )


async def forked_apart(county: County) -> tuple[Node, Node, Node, Node]:
    """The township heard the copy first, the top the computer itself."""
    village, clone, town, root = *await twins(county), await county.node("town"), await county.node("root")
    await root.desk.enrol_node(village.signer.certificate)
    await village.say(dispute(account="先写的一件，送到了县里。"))
    await clone.say(dispute(account="复制的电脑上写的一件。"))
    await clone.say(dispute(account="复制的电脑上写的又一件。"))
    await carry(clone, town)
    await carry(village, root)
    return village, clone, town, root


@pytest.mark.parametrize("span", [1, 2, branches.SPAN])
async def test_after_the_decision_one_history_is_the_lane_at_every_node(county: County, monkeypatch, span: int):
    monkeypatch.setattr(branches, "SPAN", span)
    village, clone, town, root = await forked_apart(county)
    await bring(village, town)
    await revoked(root, village)
    await carry_common(root, town)
    (moved,) = await town.forks.settle()
    assert [row.seq for row in moved.aside] == [3, 4]
    await carry(root, town)
    assert await town.journal.lanes(VILLAGE) == await root.journal.lanes(VILLAGE)
    assert [row.head_bytes for row in await beside(town)] == [
        e.head_bytes for e in await clone.journal.lane(VILLAGE, clone.signer.origin, 2, 9)
    ]
    assert await town.forks.settle() == []
    assert await rebuild(town.journal)
    texts = [(await town.reads.cases(town.actor(), text=words)).total for words in ("先写的一件", "复制的电脑")]
    assert texts == [1, 0]


async def test_when_the_shorter_history_became_the_lane_what_goes_on_from_it_is_new(county: County):
    """What was taken in says up to where the lane is proven: that was of the other history."""
    village, clone, town, root = await forked_apart(county)  # at the township the clone's, up to 4; the county has the village's, up to 3
    await clone.say(dispute())
    await carry(clone, town)
    await bring(village, town)
    await revoked(root, village)
    await carry_common(root, town)
    assert len(await town.forks.settle()) == 1
    origin = village.signer.origin
    assert (await town.journal.heads(VILLAGE))[VILLAGE, origin].seq == 3
    await village.say(dispute(account="停用以前写的，后来才送到。"))
    later = await batch_of(village, VILLAGE, origin, after=3)
    assert later.last <= 4
    assert await town.admission.admit(later, root.signer.node) == 1
    assert await town.journal.lanes(VILLAGE) == await village.journal.lanes(VILLAGE)
    assert await town.admission.admit(later, root.signer.node) == 0
    assert await rebuild(town.journal)


async def test_behind_the_last_good_entry_every_node_takes_the_longest_history(county: County):
    """The county knew of neither when it put the origin out, so its word names the entry before both."""
    village, clone, town, root = await forked_apart(county)
    origin = village.signer.origin
    (good,) = await root.journal.lane(VILLAGE, origin, 1, 1)
    await root.desk.revoke_node(village.signer.node, [(VILLAGE, origin, good.seq)], "复制", {(VILLAGE, origin): good.hash})
    await carry_common(root, town)
    await bring(clone, root, town.signer.node)
    await bring(village, town, root.signer.node)
    assert await town.forks.settle() == []
    (moved,) = await root.forks.settle()
    assert [row.seq for row in moved.aside] == [3]
    assert await town.journal.lanes(VILLAGE) == await root.journal.lanes(VILLAGE) == await clone.journal.lanes(VILLAGE)
    for node in (town, root):
        assert [row.seq for row in await beside(node)] == [3]
        assert await node.forks.settle() == []
        assert await rebuild(node.journal)


async def test_an_erasure_behind_the_last_good_entry_takes_nothing_away_by_whichever_way_it_came(county: County):
    village, clone, town, root = await forked_apart(county)
    origin = village.signer.origin
    (good,) = await root.journal.lane(VILLAGE, origin, 1, 1)
    item = "|".join(map(str, good.key))
    eraser = msgspec.structs.replace(clone.actor(), powers=frozenset({"erase"}))  # a computer in strange hands
    await clone.say(EraseBody(id=new_id(), item=item, ground="个人信息保护法第47条"), eraser)
    await root.desk.revoke_node(village.signer.node, [(VILLAGE, origin, good.seq)], "复制", {(VILLAGE, origin): good.hash})
    await carry_common(root, town)
    await town.admission.admit(await batch_of(clone, VILLAGE, origin, after=4), root.signer.node)  # here as the lane goes on
    await bring(clone, root, town.signer.node)  # here as a longer history than the lane's
    assert len(await root.forks.settle()) == 1
    assert await town.journal.lanes(VILLAGE) == await root.journal.lanes(VILLAGE)
    for node in (town, root):
        assert (await node.journal.entry(*good.key)).body is not None
        assert await rebuild(node.journal)


async def test_an_erasure_that_counts_only_since_an_earlier_revocation_came_is_carried_out(county: County):
    """A county that was put back put the computer out once more, naming less of it; of the two the first counts, whichever comes first."""
    village, town, root = await county.node("village"), await county.node("town"), await county.node("root")
    origin = village.signer.origin
    await root.desk.enrol_node(village.signer.certificate)
    case = (await village.say(dispute(account="说的是龘靐鱻家。"))).subject
    for node in (root, town):
        await carry(village, node)
    again = await county.node("root", epoch=2, folder="put back")
    await carry(root, again)
    (said,) = [e for e in await village.journal.subject(case) if e.sort == "dispute"]
    eraser = msgspec.structs.replace(village.actor(), powers=frozenset({"erase"}))
    await village.say(EraseBody(id=new_id(), item="|".join(map(str, said.key)), ground="个人信息保护法第47条"), eraser)
    await carry(village, root)
    for one in (again, root):
        await revoked(one, village)
    await carry_common(again, town)
    await town.admission.admit(await batch_of(village, VILLAGE, origin, after=said.seq), root.signer.node)
    assert (await town.journal.entry(*said.key)).body is not None, "as far as the township knows it was written after the last good one"
    await carry_common(root, town)
    assert (await town.journal.entry(*said.key)).body is None
    assert (await town.reads.cases(town.actor(), text="龘靐鱻")).total == 0
    assert await rebuild(town.journal)


async def test_words_erased_while_the_other_history_is_put_down_stand_in_neither(on_either: County, monkeypatch):
    """On a PostgreSQL both go on at once: whichever comes second must see what the first did."""
    village, clone, root = await on_either.node("village"), await on_either.node("village", folder="clone"), await on_either.node("root")
    case = (await village.say(dispute())).subject
    await carry(village, clone)
    for twin in (village, clone):
        await twin.say(AddNote(id=new_id(), case=case, text="龘靐鱻又来了一趟。"))
    await carry(village, root)
    (noted,) = [e for e in await root.journal.subject(case) if e.head.kind == "NoteAdded"]
    erase = EraseBody(id=new_id(), item="|".join(map(str, noted.key)), ground="个人信息保护法第47条")
    operator = msgspec.structs.replace(root.actor(), powers=frozenset({"erase"}))
    look, erasing = branches._without_erased, []

    async def meanwhile(w, rows):
        found = await look(w, rows)
        erasing.append(asyncio.create_task(root.say(erase, operator)))
        await asyncio.wait(erasing, timeout=1)
        return found

    monkeypatch.setattr(branches, "_without_erased", meanwhile)
    await bring(clone, root)
    await erasing[0]
    assert (await root.journal.entry(*noted.key)).body is None
    assert [row.body for row in await beside(root)] == [None]


async def carry_common(source: Node, target: Node) -> None:
    for origin in await source.journal.lanes(COMMON):
        await target.admission.admit(await batch_of(source, COMMON, origin), source.signer.node)
    await target.admission.settled()


async def test_a_decision_that_names_an_unknown_history_asks_for_it(county: County):
    village, _clone, town, root = await forked_apart(county)
    await revoked(root, village)
    await carry_common(root, town)
    assert await town.forks.settle() == []
    (wanted,) = town.forks.take()
    assert wanted == Wanted(VILLAGE, village.signer.origin, 3, (await root.journal.lanes(VILLAGE))[village.signer.origin][1], "")
    town.forks.want(wanted)
    await wired(root, town)
    assert len(await town.forks.settle()) == 1
    assert await town.journal.lanes(VILLAGE) == await root.journal.lanes(VILLAGE)


async def test_what_a_decision_lacks_is_there_to_be_taken_each_time_and_wakes_nobody(county: County):
    village, _clone, town, root = await forked_apart(county)
    await revoked(root, village)
    await carry_common(root, town)
    town.forks.changed.clear()
    for _ in range(2):
        assert await town.forks.settle() == []
        (wanted,) = town.forks.take()
        assert town.forks.lacked == {(wanted.ledger, wanted.origin, wanted.hash)}
    assert not town.forks.changed.is_set(), "whoever asks rests as long as it is in vain"
    town.forks.want(msgspec.structs.replace(wanted, node="nnear2222"))
    await town.forks.settle()
    assert [one.node for one in town.forks.take()] == ["nnear2222"], "who speaks of it is asked"
    town.forks.want(wanted)
    await wired(root, town)
    assert len(await town.forks.settle()) == 1
    assert town.forks.lacked == set()


async def test_what_the_copy_wrote_is_adopted_once_under_an_origin_that_goes_on(county: County):
    village, clone, _town, root = await forked_apart(county)
    again = await county.node("village again")
    first = (await clone.journal.lane(VILLAGE, clone.signer.origin, 2, 1))[0]
    await clone.say(AddNote(id=new_id(), case=first.subject, text="又去看了一回。"))
    await bring(clone, root)
    await revoked(root, village)
    await exchange(root, again)
    await bring(clone, again, root.signer.node)
    rows = [row for row in await beside(again) if row.head.kind != "LaneOpened"]
    assert len(rows) == 3
    for row in rows:
        await again.desk.adopt(row, again.actor())
        await again.desk.adopt(row, again.actor())
    await exchange(again, root)
    written = [e for e in await root.journal.subject(first.subject) if e.origin == again.signer.origin]
    assert [e.head.kind for e in written] == ["DisputeLogged", "DisputeCorrected", "NoteAdded"], "the case, its second code, the note"
    assert written[0].head.author == first.head.author
    assert written[0].head.occurred_ms == first.head.occurred_ms
    assert written[0].command == adopted_id(first.command)
    case = await root.reads.case(root.actor(), first.subject)
    taken = facts_of(first.head).code
    assert case.aliases == [taken]
    assert case.code != taken
    assert [line.set_aside for line in case.lines] == ["", "", ""]
    said = [facts_of(e.head) for e in await root.journal.lane(VILLAGE, again.signer.origin, 0, 50) if e.sort == "branch"]
    assert {f.decision for f in said if isinstance(f, BranchDecided)} == {"adopt"}
    assert {(f.seq, f.hash) for f in said if isinstance(f, BranchDecided)} == {(row.seq, row.hash) for row in rows}


async def test_what_is_contested_is_written_down_and_nothing_else_is(county: County):
    village, clone, _town, root = await forked_apart(county)
    again = await county.node("village again")
    await bring(clone, root)
    await revoked(root, village)
    await exchange(root, again)
    await bring(clone, again, root.signer.node)
    row = next(row for row in await beside(again) if row.head.kind == "DisputeLogged")
    await again.desk.adopt(row, again.actor(), "contest", "两台机器写了同一件事")
    written = await again.journal.lane(VILLAGE, again.signer.origin, 0, 50)
    assert [e.head.kind for e in written] == ["LaneOpened", "BranchDecided"]


async def test_whoever_does_not_serve_the_office_adopts_nothing(county: County):
    _village, clone, _town, root = await forked_apart(county)
    await bring(clone, root)
    row = next(row for row in await beside(root) if row.head.kind == "DisputeLogged")
    with pytest.raises(Refused, match="not_served"):
        await root.desk.adopt(row, root.actor())


async def test_a_command_sent_to_both_computers_is_not_written_twice(county: County):
    village, clone = await twins(county)
    same = dispute(account="手机上点了两次，两台机器都收到。")
    await village.say(same)
    await clone.say(same)
    again = await county.node("village again")
    await carry(village, again)
    await bring(clone, again)
    for row in await beside(again):
        await again.desk.adopt(row, again.actor())
    assert [e.head.kind for e in await again.journal.lane(VILLAGE, again.signer.origin, 0, 9)] == ["LaneOpened", "BranchDecided"]


async def test_a_disk_put_back_takes_the_history_of_others_and_writes_its_own_last_words_anew(county: County):
    """In the second before anybody could be asked a clerk wrote; then the node went on under a new epoch."""
    before, town = await county.node("village"), await county.node("town")
    await before.say(dispute())
    old = await county.node("village", folder="old")
    await carry(before, old)
    lost = await before.say(dispute(account="换盘以后丢掉的。"))
    await carry(before, town)
    command = dispute(account="刚换上旧盘就写的。")
    said = await old.say(command)
    await old.journal.close()
    county.nodes.remove(old)
    node = await county.node("village", epoch=2, folder="old")
    await bring(before, node, town.signer.node)
    (moved,) = await node.forks.settle()
    for row in moved.aside:
        await node.desk.adopt(row, node.actor())
    assert (await node.journal.lanes(VILLAGE))[before.signer.origin] == (await town.journal.lanes(VILLAGE))[before.signer.origin]
    await exchange(node, town)
    for one in (node, town):
        for subject in (lost.subject, said.subject):
            assert (await one.reads.case(one.actor(), subject)).lines
        assert await rebuild(one.journal)
    again = await node.say(command)
    assert again.subject == said.subject, "whoever sends the command again gets its outcome"
    assert len(await town.journal.subject(said.subject)) == len(await node.journal.subject(said.subject)) == 2
    assert await node.forks.settle() == [], "once"


async def test_an_erasure_that_comes_back_with_the_history_of_others_is_carried_out_again(county: County):
    village, before = await county.node("village"), await county.node("root")
    case = (await village.say(dispute())).subject
    await exchange(village, before)
    old = await county.node("root", folder="old")
    await carry(village, old)
    logged = next(e for e in await before.journal.subject(case) if e.head.kind == "DisputeLogged")
    await before.say(EraseBody(id=new_id(), item="|".join(map(str, logged.key)), ground="个人信息保护法第47条"))
    await carry(before, village)
    await old.say(AddNote(id=new_id(), case=case, text="刚换上旧盘就写的。"))
    await old.journal.close()
    county.nodes.remove(old)
    node = await county.node("root", epoch=2, folder="old")
    assert (await node.journal.entry(*logged.key)).body is not None, "the old disk still has it"
    await bring(before, node, village.signer.node)
    assert len(await node.forks.settle()) == 1
    assert (await node.journal.entry(*logged.key)).body is None
    assert await rebuild(node.journal)


async def test_an_erasure_reaches_what_stands_beside_the_lane_whichever_came_first(county: County):
    _village, clone, _town, root = await forked_apart(county)
    await bring(clone, root)
    row = next(row for row in await beside(root) if row.head.kind == "DisputeLogged")
    again = await county.node("village again")
    await exchange(root, again)
    await bring(clone, again, root.signer.node)
    (copy,) = [r for r in await beside(again) if r.hash == row.hash]
    await again.desk.adopt(copy, again.actor())
    await exchange(again, root)
    new = next(e for e in await root.journal.subject(row.subject) if e.head.kind == "DisputeLogged")
    await root.say(EraseBody(id=new_id(), item="|".join(map(str, new.key)), ground="个人信息保护法第47条"))
    await exchange(root, again)
    for node in (root, again):
        assert [r.body for r in await beside(node) if r.hash == row.hash] == [None]
        assert [r.body is None for r in await beside(node) if r.hash != row.hash] == [False]
    late = await county.node("town", folder="late")
    await exchange(root, late)
    await bring(clone, late, root.signer.node)
    assert [r.body for r in await beside(late) if r.hash == row.hash] == [None]
