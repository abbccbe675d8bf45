"""Where words hide besides entries: samples of what was refused, what a heal keeps apart, uploads nobody took, old journals."""

import errno
import shutil
from collections.abc import Iterable
from contextlib import closing
from hashlib import sha256

import msgspec
import pytest

from protocol.calendar import DAY_MS
from protocol.commands import (
    AcceptDispute,
    AddEvidence,
    AddNote,
    CallUpDispute,
    DecideReview,
    EraseBody,
    MergeDispute,
    RemoveDispute,
    RequestTask,
    TakeUpDispute,
    TransferDispute,
)
from protocol.events import Actor, facts_of
from protocol.node import asides, removing
from protocol.node.blobs import CIPHER_EXTRA_BYTES
from protocol.node.errands import linked_id
from protocol.node.healing import _follow_up
from protocol.node.journal.engine import connect_sqlite
from protocol.node.journal.loose import LOOSE, Loose, LooseRow
from protocol.node.sweeping import HOLD_S, sweep
from protocol.node.uploads import PIECE_BYTES
from protocol.problem import Refused
from tests.node.desk_kit import OTHER_TOWN, ROOT, VILLAGE, County, Node, batch_of, carry, dispute, exchange, new_id
from tests.node.test_errands import settle
from tests.node.test_transfers import transferred

WORD = "龘靐鱻"
KEY = sha256(b"village").digest()


async def erased(county: County, root, village, case: str) -> None:
    entry = (await root.journal.subject(case))[0]
    item = "|".join(map(str, entry.key))
    command = EraseBody(id=new_id(), item=item, ground="个人信息保护法第47条：保存期限已满")
    await root.desk.submit(command, Actor("0" * 32, "operator.00000001", ROOT, root.shelf().post_powers("operator")))
    await carry(root, village)


async def test_what_is_left_in_the_place_of_the_words_reaches_every_node_and_is_erased_like_any_other(county):
    root, village = await county.node("root"), await county.node("village")
    case = (await village.say(dispute(account=f"{WORD}家的田埂"))).subject
    await exchange(root, village)
    operator = Actor("0" * 32, "operator.00000001", ROOT, root.shelf().post_powers("operator"))
    item = "|".join(map(str, (await root.journal.subject(case))[0].key))
    ground = "个人信息保护法第47条"
    await root.desk.submit(EraseBody(id=new_id(), item=item, ground=ground, replacement=f" 已转{WORD}之外的人办理 "), operator)
    await carry(root, village)
    ((key, gone),) = (await village.reads.erasures(case)).items()
    assert ("|".join(map(str, key)), gone.ground, gone.instead) == (item, ground, f"已转{WORD}之外的人办理")
    again = "|".join(map(str, (gone.line.head.ledger, *gone.line.key)))
    await root.desk.submit(EraseBody(id=new_id(), item=again, ground=ground), operator)
    await carry(root, village)
    gone = (await village.reads.erasures(case))[key]
    assert (gone.ground, gone.instead, gone.line.erased) == (ground, "", True)
    for node in (root, village):
        assert all(WORD.encode() not in (e.body or b"") for e in await node.journal.subject(case))


def everything(file) -> bytes:
    with closing(connect_sqlite(file, KEY, False)) as c:
        tables = [name for (name,) in c.execute("select name from sqlite_master where type = 'table' and sql not like '%virtual%'")]
        values = (value for table in tables for row in c.execute(f'select * from "{table}"') for value in row)
        return b"\0".join(v if isinstance(v, bytes) else str(v).encode() for v in values)


async def test_a_sample_of_a_refused_batch_goes_with_the_words_of_its_ledger(county):
    root, village = await county.node("root"), await county.node("village")
    case = (await village.say(dispute(account=f"{WORD}家的田埂"))).subject
    await exchange(root, village)
    async with village.journal.writing() as w:
        for ledger in (VILLAGE, "330523/330523002"):
            await w.quarantine("nfarr2222", ledger, "nfarr2222:1", Refused("frame_broken"), 1, WORD.encode())
    await erased(county, root, village, case)
    samples = {row["ledger"]: row["sample"] for row in await village.journal.rows("quarantine")}
    assert samples == {VILLAGE: None, "330523/330523002": WORD.encode()}


async def test_what_a_heal_keeps_apart_loses_the_body_before_it_is_put_back(county):
    root, village = await county.node("root"), await county.node("village")
    case = (await village.say(dispute(account=f"{WORD}家的田埂"))).subject
    await exchange(root, village)
    entry = (await village.journal.subject(case))[0]
    row = LooseRow(entry.seq, entry.head_bytes, entry.salt, entry.body, entry.hash, entry.signature, entry.received_ms)
    other = msgspec.structs.replace(row, seq=entry.seq + 1)
    async with village.journal.writing() as w:  # as if a heal had found no way to chain it
        await w.connection.exec_driver_sql("delete from entry where origin = ?", (entry.origin,))
        await w.connection.exec_driver_sql("delete from lane where origin = ?", (entry.origin,))
        value = msgspec.msgpack.encode(Loose(VILLAGE, entry.origin, (row, other)))
        await w.set_local(f"{LOOSE}{VILLAGE} {entry.origin} {entry.seq:016d}", value)
    await erased(county, root, village, case)
    (kept,) = await village.journal.rows("local", "name like :like", {"like": f"{LOOSE}%"})
    first, second = msgspec.msgpack.decode(kept["value"], type=Loose).rows
    assert (first.salt, first.body, second.body) == (None, None, entry.body)


async def test_a_whole_upload_of_the_same_size_goes_with_the_file(county, monkeypatch):
    root, village = await county.node("root"), await county.node("village")
    case = (await village.say(dispute())).subject
    plain = b"\xff\xd8\xff" + bytes(PIECE_BYTES + 7)
    for size, data in ((len(plain), plain), (100, b"\xff\xd8\xff" + bytes(97))):
        sum_ = sha256(data).hexdigest()
        for at in range(0, size, PIECE_BYTES):
            await village.uploads.write("p" * 32, sum_, size, at, data[at : at + PIECE_BYTES])
    blob = await village.uploads.take("p" * 32, sha256(plain).hexdigest(), len(plain), "田埂.jpg", "image/jpeg")
    await village.say(AddEvidence(id=new_id(), case=case, blob=blob))
    await exchange(root, village)
    evidence = (await root.journal.subject(case))[-1]
    command = EraseBody(id=new_id(), item="|".join(map(str, evidence.key)), ground="x")
    await root.desk.submit(command, Actor("0" * 32, "operator.00000001", ROOT, root.shelf().post_powers("operator")))
    await carry(root, village)
    later = village.blobs.touched_s(blob.address) + HOLD_S + 1
    with monkeypatch.context() as held:

        async def refused(*_):
            raise OSError(errno.EROFS, "read-only")

        held.setattr(village.blobs, "remove", refused)  # of a disk of their own
        assert await sweep(village.journal, village.blobs, later, village.uploads) == []
        assert not village.journal.writable.is_readonly and (await village.say(dispute())).subject, "the store is not that disk"
    assert await sweep(village.journal, village.blobs, later, village.uploads) == [blob.address]
    left = [path.stat().st_size for path in village.uploads._folder.glob("*.half")]
    assert len(left) == 1 and left[0] < 200, "the other one is still on its way"
    assert blob.size + CIPHER_EXTRA_BYTES > PIECE_BYTES


async def test_an_old_journal_keeps_its_entries_and_loses_the_words(county, tmp_path):
    root, village = await county.node("root"), await county.node("village")
    case = (await village.say(dispute(account=f"{WORD}家的田埂"))).subject
    other = (await village.say(dispute(account="灪爩虋家的水沟"))).subject
    await exchange(root, village)
    folder = tmp_path / "village"
    await village.journal.close()
    for name in ("before-restore-1", "damaged-1"):
        (folder / name).mkdir()
        shutil.copyfile(folder / "journal.db", folder / name / "journal.db")
    raw = bytearray((folder / "damaged-1" / "journal.db").read_bytes())
    raw[:9_000] = bytes(9_000)
    (folder / "damaged-1" / "journal.db").write_bytes(raw)
    county.nodes.remove(village)
    village = await county.node("village")
    await erased(county, root, village, case)
    key = village.journal.key
    assert await asides.reach(folder, village.journal, key) == 2
    assert not (folder / "damaged-1").exists(), "it could not be changed, and what was proven in it is here"
    old = everything(folder / "before-restore-1" / "journal.db")
    assert WORD.encode() not in old
    assert "灪爩虋".encode() in old
    assert {case, other} <= {one.decode() for one in old.split(b"\0") if one in (case.encode(), other.encode())}
    assert await asides.reach(folder, village.journal, key) == 0, "nothing new was erased"
    await erased(county, root, village, other)
    assert await asides.reach(folder, village.journal, key) == 1
    assert "灪爩虋".encode() not in everything(folder / "before-restore-1" / "journal.db")


async def test_a_heal_erases_nothing_that_a_node_said_after_it_was_put_out(county):
    root, town, village = [await county.node(kind) for kind in ("root", "town", "village")]
    case = (await village.say(dispute(account=f"{WORD}家的田埂"))).subject
    await exchange(root, town, village)
    words = (await village.journal.subject(case))[0]
    good = {lane: head.seq for lane, head in (await root.journal.heads()).items() if lane[1] == town.signer.origin}
    item, ground = "|".join(map(str, words.key)), "个人信息保护法第47条"
    await town.desk.submit(EraseBody(id=new_id(), item=item, ground=ground), town.actor("operator"))
    assert not (await town.journal.subject(case))[0].body
    late = await batch_of(town, VILLAGE, town.signer.origin, good.get((VILLAGE, town.signer.origin), 0))
    await root.desk.revoke_node(town.signer.node, [(*lane, seq) for lane, seq in good.items()], "电脑丢了")
    await carry(root, village)
    await village.admission.admit(late, root.signer.node)
    assert [e.head.kind for e in await village.journal.since(0, 500)].count("BodyErased") == 1
    await _follow_up(village.journal, village.shelf, village.blobs, county.clock())
    assert (await village.journal.subject(case))[0].body == words.body


async def accused(county: County) -> tuple[tuple[Node, ...], str, str, list[str]]:
    """An accusation taken for a dispute, which went a way round before somebody saw it. (root, town, stranger; the case, the one it goes
    on as, every subject that holds words of it)"""
    *nodes, case, successor = await transferred(county, ["title", "account", "parties", "phones", "place_text"])
    town = nodes[1]
    twin = (await town.say(dispute(account=f"{WORD}，另一天来说的"))).subject
    asked = RequestTask(
        id=new_id(), case=twin, to=OTHER_TOWN, purpose="问问", purpose_kind="visit", due_ms=town.clock() + DAY_MS, summary=WORD
    )
    task = (await town.say(asked)).subject
    await town.say(MergeDispute(id=new_id(), case=twin, into=case, reason=f"都是{WORD}"))
    await settle(*nodes)
    return tuple(nodes), case, successor, [case, successor, twin, task, linked_id(task)]


async def left(nodes: Iterable[Node], subjects: list[str]) -> list[tuple[str, int, str]]:
    return [
        (node.kind, subjects.index(subject), e.head.kind)
        for node in nodes
        for subject in subjects
        for e in await node.journal.subject(subject)
        if e.body is not None
    ]


async def test_what_is_removed_loses_its_words_also_where_it_was_sent_and_where_it_was_merged(county):
    """The receiver has not taken it up yet; a twin was merged into it, and another township was asked about that."""
    nodes, case, successor, subjects = await accused(county)
    root, town, stranger = nodes
    before = {(kind, n) for kind, n, _ in await left(nodes, subjects)}
    assert {("town", 0), ("stranger", 1), ("town", 2), ("town", 3), ("stranger", 4)} <= before
    await town.say(RemoveDispute(id=new_id(), case=case))
    await settle(*nodes)
    assert await left(nodes, subjects) == []
    new = await stranger.reads.case(stranger.actor(), successor)
    assert (new.title, new.account, new.parties, new.offer.to) == ("", "", [], OTHER_TOWN), "what is left says nothing, and may be returned"
    erasures = [e for subject in subjects for e in await root.journal.subject(subject) if e.sort == "erasure"]
    assert len(erasures) == len({(e.head.ledger, e.head_bytes) for e in erasures})
    items = [(facts.ledger, facts.origin, facts.seq) for e in erasures for facts in [facts_of(e.head)]]
    assert len(items) == len(set(items)), "each once"


async def test_who_took_it_up_removes_it_where_it_came_from_too(county):
    nodes, case, successor, subjects = await accused(county)
    _, town, stranger = nodes
    await stranger.say(TakeUpDispute(id=new_id(), case=successor))
    await settle(*nodes)
    assert (await town.reads.case(town.actor(), case)).status == "transferred"
    late = AddNote(id=new_id(), case=case, text=f"{WORD}又来了")
    await stranger.say(RemoveDispute(id=new_id(), case=successor))
    await settle(*nodes)
    assert await left(nodes, subjects) == []
    await town.say(late)  # of what is to be removed nothing may come back
    await settle(*nodes)
    assert await left(nodes, subjects) == []


async def test_what_is_no_part_of_it_keeps_its_words(county):
    nodes, case, _, _ = await accused(county)
    town = nodes[1]
    other = (await town.say(dispute(account="另一件"))).subject
    away = TransferDispute(id=new_id(), case=other, to=OTHER_TOWN, reason="田在那边", shows=["account"])
    await town.say(AcceptDispute(id=new_id(), case=other))
    await town.say(away)
    await settle(*nodes)
    further = (await town.reads.case(town.actor(), other)).successor
    before = await left(nodes, [other, further])
    await town.say(RemoveDispute(id=new_id(), case=case))
    await settle(*nodes)
    assert await left(nodes, [other, further]) == before != []


async def test_what_is_to_be_removed_elsewhere_is_found_without_a_walk(county):
    """It is asked after every commit."""
    root = await county.node("root")
    plan = [row[3] for row in await root.journal.select(f"explain query plan {removing.DUE}", {"most": 1})]
    walked = {step.split()[1] for step in plan if step.startswith("SCAN")}
    assert walked <= {"same", "w"}, plan
    assert not [step for step in plan if "AUTOMATIC" in step]


@pytest.mark.parametrize("decision", ["adopt", "reject"])
async def test_a_removal_that_came_too_late_says_at_the_review_that_the_words_are_gone(county, decision: str):
    """Called up while the village was cut off, which removed it meanwhile: who spoke is protected first, and who holds it is told."""
    village, town = await county.node("village"), await county.node("town")
    case = (await village.say(dispute(account=WORD))).subject
    await exchange(village, town)
    await town.say(CallUpDispute(id=new_id(), case=case, reason="群众反映强烈"))
    await town.say(AddNote(id=new_id(), case=case, text="镇里的记录"))
    await village.say(RemoveDispute(id=new_id(), case=case))
    await settle(village, town)
    here = await town.reads.case(town.actor(), case)
    assert (here.status, here.account, here.removed) == ("logged", "", False)
    (review,) = here.reviews
    assert "正文已经按这一条删掉" in review.reason
    await town.say(DecideReview(id=new_id(), case=case, item=review.item, decision=decision, reason="看过"))
    await settle(village, town)
    texts = [line.text.get("备注", "") for line in (await town.reads.case(town.actor(), case)).lines]
    assert ("镇里的记录" in texts, (await town.reads.case(town.actor(), case)).status) == (
        (False, "voided") if decision == "adopt" else (True, "logged")
    )
