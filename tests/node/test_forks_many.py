"""Whoever writes a lane may sign thousands of other histories of it, each as large as a message: each costs its own size, once."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from protocol import lane as lanes
from protocol.batch import BATCH_BYTES_MAX, Batch
from protocol.events import Draft, NoteAdded, TextBody
from protocol.lane import LaneHead
from protocol.node.forks import WANTED_EACH_MAX, WANTED_MAX, Wanted
from protocol.node.histories import HISTORIES_MAX, histories
from protocol.node.journal import branches
from protocol.node.journal.branches import LANES_MAX, TIPS_MAX, few
from tests.node.desk_kit import VILLAGE, County, Node, carry, dispute, exchange
from tests.node.hostile_kit import Writer
from tests.node.test_forks import carry_common

LARGE = 100_000
H = b"h" * 32


def note(case: str, text: str) -> Draft:
    return Draft(VILLAGE, case, "dispute", NoteAdded(VILLAGE, 1, ()), TextBody(text))


class Counted:
    """Bytes that statements about other histories gave back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes, fetch = 0, branches.fetch

        async def counting(*asked: Any) -> Any:
            rows = await fetch(*asked)
            self.bytes += sum(len(cell) for row in rows for cell in row if isinstance(cell, bytes))
            return rows

        monkeypatch.setattr(branches, "fetch", counting)

    async def of(self, what: Any) -> int:
        before = self.bytes
        await what
        return self.bytes - before


async def forked(county: County, *kinds: str) -> tuple[str, LaneHead, Node, list[Node]]:
    """(a case, the lane's head here, its writer, nodes that have the lane so far): the village's lane goes on by two notes everywhere."""
    village, others = await county.node("village"), [await county.node(kind) for kind in kinds]
    case = (await village.say(dispute())).subject
    key = (VILLAGE, village.signer.origin)
    for node in others:
        await carry(village, node)
    left = (await village.journal.heads())[key]
    honest = Writer(village, head=left).batch(note(case, "一"), note(case, "二"))
    for node in others:
        await node.admission.admit(honest, village.signer.node)
    return case, left, village, others


def alternatives(village: Node, left: LaneHead, case: str, count: int, size: int = LARGE) -> list[Batch]:
    return [Writer(village, head=left).batch(note(case, f"{n} {'x' * size}")) for n in range(count)]


async def test_what_is_kept_beside_a_lane_is_not_read_again_with_each_that_comes(on_either: County, monkeypatch):
    case, left, village, (root,) = await forked(on_either, "root")
    counted, spent = Counted(monkeypatch), list[int]()
    for one in alternatives(village, left, case, 20):
        spent.append(await counted.of(root.forks.note(one, village.signer.node)))
    assert max(spent) < LARGE // 10, spent
    assert len((await root.forks.tips(VILLAGE))[village.signer.origin]) == TIPS_MAX
    assert await counted.of(root.forks.note(one, village.signer.node)) < LARGE // 10, "nor when it comes again"


async def test_the_longest_that_hangs_on_the_lane_is_found_without_reading_all(on_either: County, monkeypatch):
    """Behind the last good entry of somebody who was put out; whole ones alone, by whichever order they came."""
    case, left, village, nodes = await forked(on_either, "root", "town")
    root, town = nodes
    await root.desk.enrol_node(village.signer.certificate)
    long, broken = Writer(village, head=left), Writer(village, head=left)
    chain = [long.batch(note(case, f"长 {n}")) for n in range(4)]
    gap = [broken.batch(note(case, f"缺 {n}")) for n in range(7)][3:]  # what lies below is nowhere
    came = [*alternatives(village, left, case, 20), *chain, *gap]
    for seed, node in enumerate(nodes):
        for one in Random(seed).sample(came, len(came)):
            await node.forks.note(one, village.signer.node)
    await root.desk.revoke_node(
        village.signer.node, [(VILLAGE, village.signer.origin, left.seq)], "复制", {(VILLAGE, village.signer.origin): left.hash}
    )
    await carry_common(root, town)
    counted = Counted(monkeypatch)
    assert [await counted.of(node.forks.settle()) < LARGE for node in nodes] == [True, True]
    ends = [(await node.journal.heads())[VILLAGE, village.signer.origin] for node in nodes]
    assert [(end.seq, end.hash) for end in ends] == 2 * [(chain[-1].last, list(lanes.hashes(chain[-1]))[-1])]
    await root.forks.settle()
    assert await counted.of(root.forks.settle()) < 200, "and is not looked for again until something comes"
    await exchange(root, town)
    assert await root.forks.settle() == []


@pytest.mark.parametrize("stands", ["beside", "in the lane"])
async def test_a_piece_is_read_as_far_as_a_message_goes(county: County, monkeypatch, stands: str):
    case, left, village, (root,) = await forked(county, "root")
    writer = Writer(village, head=left)
    many = [writer.batch(note(case, "x" * LARGE)) for _ in range(70)]
    holder = await county.node("town")
    if stands == "beside":
        for one in many:
            await root.forks.note(one, village.signer.node)
        holder = root
    else:
        await carry(village, holder)
        for one in many:
            await holder.admission.admit(one, village.signer.node)
    asked, lane = list[int](), holder.journal.lane

    async def counting(ledger: str, origin: str, after: int, limit: int) -> Any:
        asked.append(limit)
        return await lane(ledger, origin, after, limit)

    monkeypatch.setattr(holder.journal, "lane", counting)
    counted = Counted(monkeypatch)
    end = list(lanes.hashes(many[-1]))[-1]
    got = []
    spent = await counted.of(_kept(got, holder.forks.piece(VILLAGE, village.signer.origin, many[-1].last, end, 500)))
    assert got[0] is not None and list(lanes.hashes(got[0]))[-1] == end
    assert spent < 2 * BATCH_BYTES_MAX and sum(asked) <= branches.WHOLE_AT_ONCE + 1


async def _kept(found: list[Any], what: Any) -> None:
    found.append(await what)


async def test_an_erasure_reads_none_of_the_words_that_it_takes(on_either: County, monkeypatch):
    case, left, village, (root,) = await forked(on_either, "root")
    for one in alternatives(village, left, case, 12):
        await root.forks.note(one, village.signer.node)
    counted = Counted(monkeypatch)
    async with root.journal.writing() as w:
        assert await counted.of(branches.erase(w, VILLAGE, village.signer.origin, left.seq + 1, case)) < LARGE // 10
    async with root.journal.read() as c:
        assert [row.body for row in await branches.branched(c, "", {})] == [None] * 12


async def test_the_page_shows_some_of_them_and_counts_the_rest(county: County, monkeypatch):
    case, left, village, (root,) = await forked(county, "root")
    for one in alternatives(village, left, case, 40, size=10):
        await root.forks.note(one, village.signer.node)
    counted = Counted(monkeypatch)
    (fork,) = await histories(root.journal, root.shelf, root.signer, root.actor())
    first = {bytes.fromhex(line.hash): "contest" for other in fork.others for line in other}
    with monkeypatch.context() as patch:
        patch.setattr("protocol.node.histories._decisions", lambda *_: asyncio.sleep(0, first))
        (later,) = await histories(root.journal, root.shelf, root.signer, root.actor())
    assert (len(later.others), later.open, later.more) == (HISTORIES_MAX, 40 - HISTORIES_MAX, 40 - 2 * HISTORIES_MAX)
    assert not {line.hash for other in later.others for line in other} & {hash_.hex() for hash_ in first}, (
        "those that are left come after them"
    )
    assert (len(fork.others), fork.open, fork.more, fork.left) == (HISTORIES_MAX, 40, 40 - HISTORIES_MAX, left.seq + 1)
    monkeypatch.setattr("protocol.node.histories.READ_BYTES_MAX", 2_000)
    assert await counted.of(histories(root.journal, root.shelf, root.signer, root.actor())) < 60_000
    (fork,) = await histories(root.journal, root.shelf, root.signer, root.actor())
    assert fork.open == 40 and 0 < sum(map(len, fork.others)) < HISTORIES_MAX


def test_a_have_tells_of_some_lanes_of_each_writer_and_of_each_some_ends():
    lanes_of = {f"nevil2222:{n}": [(9 - m % 9, H) for m in range(40)] for n in range(1, 300)} | {
        "nzzzz2222:1": [(3, H)],
        "nzzzz2222:2": [(4, H)],
    }
    told = few(lanes_of)
    assert len(told) == LANES_MAX and {len(tips) for tips in told.values()} == {TIPS_MAX, 1}
    assert {"nzzzz2222:1", "nzzzz2222:2", "nevil2222:1"} <= told.keys()


async def test_the_word_of_one_node_leaves_room_for_others_and_what_is_proven_is_always_asked_for(county: County):
    forks = (await county.node("root")).forks
    wants: Callable[..., Wanted] = lambda n, node, **more: Wanted(VILLAGE, "nvill2222:1", n + 1, n.to_bytes(32), node, **more)  # noqa: E731
    for n in range(2_000):
        forks.want(wants(n, "nevil2222"))
    forks.want(wants(5_000, "nhone2222"))
    assert sum(one.node == "nevil2222" for one in forks.take()) == WANTED_EACH_MAX
    for n in range(2_000):
        forks.want(wants(n, f"n{n}"))
    forks.want(wants(5_000, "nhone2222", vouched=True))
    forks.want(wants(5_001, ""))
    taken = forks.take()
    assert len(taken) == WANTED_MAX + 2 and {one.seq for one in taken} >= {5_001, 5_002}
