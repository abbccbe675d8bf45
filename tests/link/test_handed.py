"""What somebody saved is handed to the pump by whoever wrote it: it goes out without a look into the journal, and is just what stands there."""

import asyncio
from types import SimpleNamespace

from protocol import batch as batches
from protocol.commands import AddNote
from protocol.lane import EMPTY
from protocol.node.link.answers import piece
from protocol.node.link.pump import HANDED_MAX, _whole
from tests.link.kit import V1, soon
from tests.link.test_whole_nodes import actor, dispute, new_id, soon_equal


async def test_a_save_goes_out_as_it_stands_in_the_journal_and_nobody_reads_it_for_that(whole, monkeypatch):
    village = await whole.join("高禹村", V1)
    first = await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await soon_equal(V1, whole.hub, village)
    sent, lane = [], village.journal.lane
    publish = village.link.publish

    async def noted(subject, body, headers=None):
        if subject.startswith("y1.live."):
            sent.append(batches.unpack(body, batches.SPEAKS))
        return await publish(subject, body, headers)

    async def unread(*_):
        raise AssertionError("the journal was read")

    monkeypatch.setattr(village.link, "publish", noted)
    monkeypatch.setattr(village.journal, "lane", unread)
    for n in range(3):
        await village.desk.submit(AddNote(id=new_id(), case=first.subject, text=f"第{n}次上门。"), actor(village, "clerk"))
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await soon_equal(V1, whole.hub, village)
    monkeypatch.setattr(village.journal, "lane", lane)
    assert sum(len(one.heads) for one in sent) >= 4
    for one in sent:
        assert one == await piece(village.journal, V1, village.signer.origin, one.after, len(one.heads))


async def test_it_has_left_before_whoever_saved_is_answered(whole, monkeypatch):
    village = await whole.join("高禹村", V1)
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await soon_equal(V1, whole.hub, village)
    written, transport = [], village.link._nc._transport
    writelines = transport.writelines
    monkeypatch.setattr(transport, "writelines", lambda lines: (written.append(b"".join(lines)), writelines(lines)))
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    assert b"PUB y1.live." in b"".join(written)


def rows(first: int, count: int) -> list:
    return [
        SimpleNamespace(seq=n, head_bytes=b"h", salt=b"s", body=b"b", hash=bytes([n % 256]) * 32, signature=b"S" * 64)
        for n in range(first, first + count)
    ]


def head(seq: int):
    return EMPTY if not seq else SimpleNamespace(seq=seq, hash=bytes([seq % 256]) * 32)


async def test_what_follows_goes_together_and_what_does_not_is_left_to_the_journal(town):
    node = town.node("nvila2222").start()
    lane, handed = (V1, node.signer.origin), node.pump._handed

    def added(before, some, *more):
        node.pump.added([lane, *more], {lane: (before, some)})

    added(head(0), rows(1, 2), ("330523", "nhub22222:1"))
    added(head(2), rows(3, 1))
    assert list(handed) == [V1], "what others wrote is not ours to send"
    made = _whole(V1, lane[1], 0, handed[V1])
    assert (made.after, made.last, made.prev) == (0, 3, EMPTY.hash)
    assert _whole(V1, lane[1], 1, handed[V1]) is None, "another part of it went out already"
    added(head(9), rows(10, 1))
    assert not handed, "another program wrote in between"
    added(head(0), rows(1, HANDED_MAX))
    added(head(HANDED_MAX), rows(HANDED_MAX + 1, 1))
    assert not handed, "it waits too long: the journal has it"


async def test_what_was_handed_over_is_dropped_when_anything_else_happens_in_the_ledger(whole, monkeypatch):
    """An erasure for one: it takes words out of what waits for its turn."""
    village = await whole.join("高禹村", V1)
    case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    await soon_equal(V1, whole.hub, village)
    sent, turn = [], asyncio.Event()
    publish, refresh = village.link.publish, village.pump._ground.refresh

    async def noted(subject, body, headers=None):
        if subject.startswith("y1.live."):
            sent.append(batches.unpack(body, batches.SPEAKS))
        return await publish(subject, body, headers)

    async def held(ledgers):
        await turn.wait()
        await refresh(ledgers)

    monkeypatch.setattr(village.link, "publish", noted)
    monkeypatch.setattr(village.pump._ground, "refresh", held)
    await village.desk.submit(AddNote(id=new_id(), case=case, text="第一次上门。"), actor(village, "clerk"))
    await soon(lambda: len(sent) == 1)  # and now the pump is held up behind it
    await village.desk.submit(AddNote(id=new_id(), case=case, text="第二次上门。"), actor(village, "clerk"))
    wrote = (await village.journal.heads(V1))[V1, village.signer.origin]
    async with village.journal.writing() as w:
        await w.erase(V1, village.signer.origin, wrote.seq, case)
    village.wake.commit([(V1, whole.hub.signer.origin)], {case})  # as the county's word came that took it out
    turn.set()
    await soon(lambda: len(sent) == 2)
    assert sent[1].last == wrote.seq
    assert sent[1].bodies[-1] is None, "what was erased went out from memory"
