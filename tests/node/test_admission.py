"""Entries of other nodes: whole or not at all, once, proven, and the same tables at both ends."""

import asyncio

import msgspec
import pytest

from protocol import certificate as certificates
from protocol import entry, have, lane
from protocol.batch import Batch
from protocol.commands import AcceptDispute, AddEvidence, AddNote, EraseBody, EscalateDispute, RecordMediation, TakeUpDispute
from protocol.events import Draft, NodeRevoked, NoteAdded, TableSet, TextBody
from protocol.node.folding import fold_again
from protocol.node.journal import rebuild
from protocol.node.shelf import Stale
from protocol.problem import Refused
from tests.node.desk_kit import ROOT, TOWN, VILLAGE, County, Node, add_person, batch_of, carry, dispute, exchange, new_id, signing_key

VIEWS = ("case_row", "task_row", "clock_row", "review_row", "person_row", "post_row")


async def digests(node: Node) -> dict[str, str]:
    return {ledger: have.digest(await node.journal.lanes(ledger)) for ledger in await node.journal.ledgers()}


async def views(node: Node) -> dict[str, list[dict[str, object]]]:
    found = {}
    for table in VIEWS:
        rows = await node.journal.rows(table)
        found[table] = sorted(rows, key=repr)
    return found


async def played(county: County) -> tuple[Node, Node, Node, str]:
    """A village that escalates, a town that takes up, a root that looks on; everything exchanged."""
    village, town, root = await county.node("village"), await county.node("town"), await county.node("root")
    for node in (village, town):
        await root.desk.enrol_node(node.signer.certificate)
    case = (await village.say(dispute())).subject
    await village.say(AcceptDispute(id=new_id(), case=case))
    await village.say(RecordMediation(id=new_id(), case=case, account="谈了一上午，没谈拢。", result="failed"))
    await village.say(EscalateDispute(id=new_id(), case=case, to=TOWN, reason="谈不拢", tried="一次"))
    await exchange(village, town, root)
    await town.say(TakeUpDispute(id=new_id(), case=case))
    await exchange(village, town, root)
    return village, town, root, case


async def test_two_desks_end_with_equal_digests_and_equal_views(county: County):
    village, town, root, case = await played(county)
    at_village, at_town, at_root = await digests(village), await digests(town), await digests(root)
    assert at_village[VILLAGE] == at_town[VILLAGE] == at_root[VILLAGE]
    assert await views(village) == await views(town) == await views(root)
    row = await village.reads.case_row(village.actor(), case)
    assert (row.holder, row.term, row.offer_to) == (TOWN, 2, "")
    for node in (village, town, root):
        assert await rebuild(node.journal), "a rebuild of every view gives the same tables"


async def test_the_receiving_node_writes_the_arrival_by_itself_and_once(county: County):
    _village, town, root, case = await played(county)
    arrived = [e for e in await root.journal.subject(case) if e.head.kind == "DisputeArrived"]
    assert [(e.origin, e.head.author) for e in arrived] == [(town.signer.origin, ("", "node"))]
    assert await town.desk.arrivals() == []


async def test_offers_of_one_number_in_two_ledgers_both_arrive(county: County):
    """The same node wrote both, each as the same entry of its lane: the number alone names neither."""
    town, root = await county.node("town"), await county.node("root")
    cases = []
    for ledger in (VILLAGE, f"{TOWN}/330523111218"):
        case = (await town.say(dispute(ledger))).subject
        for one in (
            AcceptDispute(id=new_id(), case=case, willing=True),
            EscalateDispute(id=new_id(), case=case, to=ROOT, reason="要县里牵头", tried="两次"),
        ):
            await town.say(one)
        cases.append(case)
    await exchange(town, root)
    for case in cases:
        assert (await root.reads.case(root.actor(), case)).offer.arrived_ms


async def test_a_batch_may_come_as_often_as_it_likes(county: County):
    village, town = await county.node("village"), await county.node("town")
    await village.say(dispute())
    first = await batch_of(village, VILLAGE, village.signer.origin)
    await village.say(dispute())
    whole = await batch_of(village, VILLAGE, village.signer.origin)
    assert await town.admission.admit(first, "x") == 2
    assert await town.admission.admit(first, "x") == 0
    assert await town.admission.admit(whole, "x") == 1, "what is here is cut away"
    assert await town.admission.admit(first, "x") == 0
    assert (await digests(town))[VILLAGE] == (await digests(village))[VILLAGE]


async def test_a_gap_is_named(county: County):
    village, town = await county.node("village"), await county.node("town")
    for _ in range(3):
        await village.say(dispute())
    late = await batch_of(village, VILLAGE, village.signer.origin, after=2)
    with pytest.raises(Refused, match="本机到第 0 条，它从第 3 条开始"):
        await town.admission.admit(late, "x")
    assert await digests(town) == {}


async def test_whoever_changes_a_byte_is_refused_whole(county: County):
    village, town = await county.node("village"), await county.node("town")
    await village.say(dispute())
    good = await batch_of(village, VILLAGE, village.signer.origin)
    salt, body = good.bodies[1] or (b"", b"")
    changed = {
        "signature_wrong": msgspec.structs.replace(good, signature=bytes(64)),
        "body_wrong": msgspec.structs.replace(good, bodies=(good.bodies[0], (salt, body.replace("叶根土".encode(), "叶根木".encode())))),
        "batch_malformed": msgspec.structs.replace(good, heads=(good.heads[0], good.heads[1][:-1])),
    }
    for code, batch in changed.items():
        with pytest.raises(Refused) as refused:
            await town.admission.admit(batch, "x")
        assert refused.value.code == code
    assert await digests(town) == {}
    assert await town.admission.admit(good, "x") == 2


async def test_a_ledger_outside_our_reach_is_refused_before_anything_else(county: County):
    root, village = await county.node("root"), await county.node("village")
    await root.say(dispute(TOWN), root.actor("operator", ROOT))
    with pytest.raises(Refused) as refused:
        await village.admission.admit(await batch_of(root, TOWN, root.signer.origin), root.signer.node)
    assert refused.value.code == "lane_foreign"


def forged(node: Node, ledger: str, drafts: list[Draft]) -> Batch:
    """What a node with a true certificate could sign if it did not keep the rules."""
    opening = lane.open_lane(ledger, node.signer.origin, node.signer.certificate)
    words = {"author": ("", "node"), "command": "forged-0001", "occurred_ms": 1, "offset_ms": None, "turns": {}, "salt": lambda: bytes(16)}
    return lane.next_entries(None, [opening, *drafts], origin=node.signer.origin, key=node.signer.key, **words).batch


async def test_a_true_certificate_does_not_open_other_ledgers_offices_or_common(county: County):
    root, village, stranger = await county.node("root"), await county.node("village"), await county.node("stranger")
    note = NoteAdded(VILLAGE, 1, ())
    foreign = forged(stranger, VILLAGE, [Draft(VILLAGE, "0" * 32, "dispute", NoteAdded(TOWN, 1, ()), TextBody("x"))])
    office = forged(village, VILLAGE, [Draft(VILLAGE, "0" * 32, "dispute", NoteAdded(ROOT, 1, ()), TextBody("x"))])
    table = forged(village, "_", [Draft("_", "0" * 32, "common", TableSet("", 0, (), "limits", "1", "", b"{}"))])
    revoking = forged(village, VILLAGE, [Draft(VILLAGE, root.signer.node, "common", NodeRevoked("", 0, (), root.signer.node, ()))])
    for batch, code in ((foreign, "lane_foreign"), (office, "office_not_served"), (table, "lane_foreign"), (revoking, "lane_foreign")):
        with pytest.raises(Refused) as refused:
            await root.admission.admit(batch, "x")
        assert refused.value.code == code
    assert await root.admission.admit(forged(village, VILLAGE, [Draft(VILLAGE, "0" * 32, "dispute", note, TextBody("x"))]), "x") == 2


async def test_a_certificate_of_another_county_is_worth_nothing(county: County):
    root, village = await county.node("root"), await county.node("village")
    other = certificates.issue(
        signing_key("another county"), node=village.signer.node, name="x", key=bytes(village.signer.key.verify_key),
        serves=(VILLAGE,), covers=(VILLAGE,), short=18, valid_from_ms=1, branch="_",
    )  # fmt: skip
    village.signer = type(village.signer)(village.signer.node, 1, village.signer.key, other)
    with pytest.raises(Refused) as refused:
        await root.admission.admit(forged(village, VILLAGE, [Draft(VILLAGE, "0" * 32, "dispute", NoteAdded(VILLAGE, 1, ()))]), "x")
    assert refused.value.code == "certificate_wrong"


async def test_a_cloned_computer_is_seen_at_the_first_shared_peer(county: County):
    village, clone, town = await county.node("village"), await county.node("village", folder="clone"), await county.node("town")
    await village.say(dispute())
    await village.say(dispute())
    await clone.say(dispute(account="另一件事，另一台机器上写的。"))
    await carry(village, town)
    before = await digests(town)
    short = await batch_of(clone, VILLAGE, clone.signer.origin)
    await clone.say(dispute())
    equal = await batch_of(clone, VILLAGE, clone.signer.origin)
    await clone.say(dispute())
    longer = await batch_of(clone, VILLAGE, clone.signer.origin)
    for batch in (short, equal, longer):
        with pytest.raises(Refused) as refused:
            await town.admission.admit(batch, clone.signer.node)
        assert refused.value.code == "lane_fork"
    assert await digests(town) == before, "ours stays"


async def test_what_is_being_written_while_a_revocation_comes_is_folded_by_it_too(county: County):
    village, root = await county.node("village"), await county.node("root")
    case = (await village.say(dispute())).subject
    await exchange(village, root)
    note = (await village.say(AcceptDispute(id=new_id(), case=case))).subject
    assert note == case
    lane = (VILLAGE, village.signer.origin)
    late = await village.journal.lane(*lane, (await root.journal.heads())[lane].seq, 10)
    async with root.journal.writing() as w:
        await w.take([late])  # folded by what is known before
        stale = Stale(nodes=frozenset({village.signer.node}))
        root.shelf.revoked = {village.signer.node: {lane: late[0].seq - 1}}
        folding = asyncio.create_task(fold_again(root.journal, root.shelf, stale))
        await asyncio.sleep(0.1)
    await folding
    assert (await root.journal.rows("case_row", "subject = :case", {"case": case}))[0]["status"] == "logged"
    assert await rebuild(root.journal)


async def test_what_a_revoked_node_wrote_afterwards_is_set_aside_everywhere(county: County):
    """A thief goes on writing; one node had some of it before it heard of the revocation."""
    village, town, root, case = await played(county)
    origin = village.signer.origin
    last = [(ledger, o, head.seq) for (ledger, o), head in (await root.journal.heads()).items() if o == origin]
    await village.say(AddNote(id=new_id(), case=case, text="丢了以后别人写的"))
    _, post = await add_person(village, "冒充的人", "clerk")
    await carry(village, town)
    assert await town.journal.rows("post_row", "post = :post", {"post": post})
    await root.desk.revoke_node(village.signer.node, last, "电脑丢了")
    await exchange(root, town)
    for node in (town, root):
        await node.admission.settled()
        with pytest.raises(Refused) as refused:
            await node.admission.admit(await batch_of(village, VILLAGE, origin), village.signer.node)
        assert refused.value.code == "origin_revoked"
        seen = await node.reads.case(node.actor(), case)
        (aside,) = [line for line in seen.lines if line.set_aside]
        assert aside.key[0] == origin
        assert [r.owner for r in seen.reviews] == [TOWN]
        assert not await node.journal.rows("post_row", "post = :post", {"post": post})
        assert (await node.reads.case_row(node.actor(), case)).reviews == 1
        assert await rebuild(node.journal)
    assert (await digests(town))[VILLAGE] == (await digests(root))[VILLAGE]
    assert (await town.reads.counts(town.actor()))["review"] == 1


async def test_of_two_revocations_the_first_says_what_counts(county: County):
    """A county that was put back says it once more, of more or of fewer entries than it knew the first time."""
    village, town, root, case = await played(county)
    lane = (VILLAGE, village.signer.origin)
    seq = (await root.journal.heads())[lane].seq
    await root.desk.revoke_node(village.signer.node, [(*lane, seq - 1)], "电脑丢了")
    for beyond in (seq, seq - 2):
        await root.desk.revoke_node(village.signer.node, [(*lane, beyond)], "电脑丢了")
    await exchange(root, town)
    for node in (town, root):
        await node.admission.settled()
        assert node.shelf.revoked == {village.signer.node: {lane: seq - 1}}
        lines = (await node.reads.case(node.actor(), case)).lines
        assert [line.key for line in lines if line.set_aside and line.key[0] == lane[1]] == [(lane[1], seq)]
        assert await rebuild(node.journal)


async def test_an_unknown_event_is_stored_and_passed_on_unharmed(county: County):
    village, town, root = await county.node("village"), await county.node("town"), await county.node("root")
    outcome = await village.say(dispute())
    head = (await village.journal.heads())[VILLAGE, village.signer.origin]
    facts = msgspec.Raw(msgspec.msgpack.encode([VILLAGE, 1, [], "from a later version", 7]))
    later = entry.Head(
        1, VILLAGE, village.signer.origin, head.seq + 1, outcome.subject, "dispute", 2, village.clock(), None, ("", "node"), "later-0001",
        "DisputeBlessed", facts, b"",
    )  # fmt: skip
    raw = entry.encode_head(later)
    signature = entry.sign(village.signer.key, entry.chain(head.hash, raw))
    first = await batch_of(village, VILLAGE, village.signer.origin)
    await town.admission.admit(first, "x")
    await town.admission.admit(Batch(VILLAGE, village.signer.origin, head.seq, head.hash, (raw,), (None,), signature), "x")
    await exchange(town, root)
    kept = await root.journal.lane(VILLAGE, village.signer.origin, head.seq, 1)
    assert [e.head_bytes for e in kept] == [raw]
    case = await root.reads.case(root.actor(), outcome.subject)
    assert case.lines[-1].kind == "DisputeBlessed"


async def test_an_erasure_reaches_every_copy_and_waits_for_what_is_not_here(county: County):
    village, root, late = await county.node("village"), await county.node("root"), await county.node("town")
    outcome = await village.say(dispute())
    ledger, origin, seq = outcome.entries[0]
    with_body = await batch_of(village, ledger, origin)
    await carry(village, root)
    await root.say(EraseBody(id=new_id(), item=f"{ledger}|{origin}|{seq}", ground="个人信息保护法第47条"))
    await late.admission.admit(await batch_of(root, ledger, root.signer.origin), root.signer.node)
    assert await late.admission.admit(with_body, "x") == 2, "the erasure came first, from another peer"
    await exchange(village, root)
    for node in (village, root, late):
        stored = await node.journal.entry(ledger, origin, seq)
        assert stored is not None
        assert (stored.body, stored.erased) == (None, True)
        assert (await node.reads.cases(node.actor(), text="叶根土")).total == 0
    assert await digests(village) == await digests(late)


async def test_an_erasure_does_not_reach_into_another_ledger(county: County):
    root, village = await county.node("root"), await county.node("village")
    outcome = await root.say(dispute(TOWN), root.actor("operator", ROOT))
    from protocol.events import BodyErased

    facts = BodyErased(VILLAGE, 0, (), TOWN, *outcome.entries[0][1:], ground="x")
    await root.admission.admit(forged(village, VILLAGE, [Draft(VILLAGE, outcome.subject, "erasure", facts)]), "x")
    stored = await root.journal.entry(*outcome.entries[0])
    assert stored is not None
    assert stored.body is not None


async def test_files_that_evidence_names_are_wanted_from_who_brought_it(county: County):
    village, root = await county.node("village"), await county.node("root")
    case = (await village.say(dispute())).subject
    blob = await village.blobs.put(b"\xff\xd8\xff" + b"x" * 1000, "a.jpg", "")
    await village.say(AddEvidence(id=new_id(), case=case, blob=blob))
    await carry(village, root)
    (row,) = await root.journal.rows("blob")
    assert (row["address"], row["have"], row["source"]) == (blob.address, 0, village.signer.node)
    assert row["size"] == village.blobs.progress(blob.address).total


async def test_a_file_of_evidence_whose_erasure_came_first_is_never_wanted(county: County):
    village, root, late = await county.node("village"), await county.node("root"), await county.node("town")
    case = (await village.say(dispute())).subject
    blob = await village.blobs.put(b"\xff\xd8\xff" + b"x" * 1000, "a.jpg", "")
    ((ledger, origin, seq), *_) = (await village.say(AddEvidence(id=new_id(), case=case, blob=blob))).entries
    all_of_it = await batch_of(village, ledger, origin)
    await carry(village, root)
    await root.say(EraseBody(id=new_id(), item=f"{ledger}|{origin}|{seq}", ground="个人信息保护法第47条"))
    await late.admission.admit(await batch_of(root, ledger, root.signer.origin), root.signer.node)
    await late.admission.admit(all_of_it, village.signer.node)
    assert (await late.journal.entry(ledger, origin, seq)).erased
    assert await late.journal.rows("blob") == await late.journal.rows("blob_use") == []


async def test_tables_come_down_with_common(county: County):
    root, village = await county.node("root"), await county.node("village")
    content = b'{"version":"2026.9","valid_from":"2026-11-01","rows":[{"key":"warn_soon_percent","value":42}]}'
    await root.desk.set_table("limits", "2026.9", "2026-11-01", content)
    case = (await village.say(dispute())).subject
    await carry(root, village)
    await village.admission.settled()
    assert village.shelf().versions["limits"][0] == "2026.9"
    assert case
    assert await rebuild(village.journal)
