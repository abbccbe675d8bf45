"""What somebody saved is handed to the pump by whoever wrote it: it goes out without a look into the journal, and is just what stands there."""

from types import SimpleNamespace

from protocol import batch as batches
from protocol.commands import AddNote
from protocol.lane import EMPTY
from protocol.node.link.answers import piece
from protocol.node.link.pump import HANDED_MAX, _whole
from tests.link.kit import V1
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
    lane = (V1, node.signer.origin)
    node.pump.added({lane: (head(0), rows(1, 2)), (V1, "nhub22222:1"): (head(0), rows(1, 1))})
    node.pump.added({lane: (head(2), rows(3, 1))})
    assert list(node.pump._handed) == [V1], "what others wrote is not ours to send"
    made = _whole(V1, lane[1], 0, node.pump._handed[V1])
    assert (made.after, made.last, made.prev) == (0, 3, EMPTY.hash)
    assert _whole(V1, lane[1], 1, node.pump._handed[V1]) is None, "another part of it went out already"
    node.pump.added({lane: (head(9), rows(10, 1))})
    assert _whole(V1, lane[1], 0, node.pump._handed[V1]) is None, "another program wrote in between"
    node.pump._handed.clear()
    node.pump.added({lane: (head(0), rows(1, HANDED_MAX))})
    node.pump.added({lane: (head(HANDED_MAX), rows(HANDED_MAX + 1, 1))})
    assert not node.pump._handed[V1][1], "it waits too long: the journal has it"
