"""A village's journal is damaged on its disk: what is true stays, what others have comes back, what nobody has is named, nothing is twice."""

import asyncio
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from protocol.commands import AddNote
from protocol.node import healing
from protocol.node.config import Config
from protocol.node.healing import Gap, Healing
from protocol.node.identity import Identity
from protocol.node.journal.engine import connect_sqlite
from protocol.node.journal.loose import LOOSE
from protocol.node.journal.reseal import PAGE_BYTES
from protocol.node.journal.scrub import scrub
from protocol.node.node import Node, now_ms
from tests.link.kit import TOWN, V1, soon
from tests.link.test_whole_nodes import Whole, actor, dispute, new_id, soon_equal


async def stopped(whole: Whole, node: Node) -> Path:
    await node.close()
    whole.nodes.remove(node)
    return node.folder


async def begun(whole: Whole, folder: Path, pump: bool = True) -> Node:
    node = await whole._node(folder, Config())
    if pump:
        await node.start()
    return node


def change(folder: Path, sql: str) -> int:
    """What no checksum of a page tells: memory that flipped before the write. How many rows it met."""
    with closing(connect_sqlite(folder / "journal.db", Identity(folder).key("store"), True)) as c:
        return c.execute(sql).rowcount


def zero(folder: Path, pages: range) -> None:
    with (folder / "journal.db").open("r+b") as f:
        for page in pages:
            f.seek(page * PAGE_BYTES)
            f.write(bytes(PAGE_BYTES))


async def ended(node: Node) -> Healing:
    await soon(lambda: node.mending.state is None)
    (report,) = healing.reports(node.folder)
    return report


async def commands(node: Node) -> list[str]:
    return sorted(e.command for e in await node.journal.since(0, 5_000) if e.sort not in ("lane", "branch"))


async def test_flipped_pages_heal_from_peers_under_the_same_numbers(whole):
    """All of it had been sent: every node ends with the same bytes, the own lane is closed, work goes on under a new epoch."""
    town, village = await whole.join("天子湖镇", TOWN, leaf=True), await whole.join("高禹村", V1)
    for _ in range(15):
        case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    await soon_equal(V1, whole.hub, town, village)
    await town.desk.submit(AddNote(id=new_id(), case=case, text="镇里知道了。"), actor(town, "officer"))
    await soon_equal(V1, whole.hub, town, village)
    await village.people.add_account("wangfang", "0" * 32, None, now_ms())
    before, account = await commands(village), await village.people.accounts()
    folder = await stopped(whole, village)
    pages = (folder / "journal.db").stat().st_size // PAGE_BYTES
    zero(folder, range(pages - 30, pages - 4))
    told = await healing.heal(folder, Config(), now_ms)
    assert (told.pages, told.epoch) == (26, 2)
    village = await begun(whole, folder)
    assert village.signer.origin.endswith(":2")
    await soon_equal(V1, whole.hub, town, village)
    report = await ended(village)
    assert (report.gone, report.rewritten) == ([], 0)
    assert await commands(village) == before
    assert await scrub(village.journal) == []
    assert await village.people.accounts() == account
    assert not list(folder.glob("damaged-*")), "what was damaged goes when all is decided"
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await soon_equal(V1, whole.hub, town, village)
    print(f"\n{told.pages} of {pages} pages gone: {told.entries} entries proven, {told.loose} loose, {report.attached} put back")


async def test_unsent_work_behind_a_hole_is_written_anew_and_the_hole_is_named(whole):
    town, village = await whole.join("天子湖镇", TOWN, leaf=True), await whole.join("高禹村", V1)
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await soon_equal(V1, whole.hub, town, village)
    folder = await stopped(whole, village)
    village = await begun(whole, folder, pump=False)  # the wire is off
    cases = [(await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject for _ in range(4)]
    await village.desk.submit(AddNote(id=new_id(), case=cases[3], text="吵得厉害，先劝开了。"), actor(village, "clerk"))
    origin, upto = village.signer.origin, (await village.journal.heads(V1))[V1, village.signer.origin].seq
    first = (await village.journal.subject(cases[0]))[0].seq
    await stopped(whole, village)
    assert (
        change(folder, f"update entry set head_bytes = zeroblob(40) where seq = {first} and origin = '{origin}' and ledger = '{V1}'") == 1
    )
    assert change(folder, f"update entry set body = zeroblob(40) where seq = {first + 1} and origin = '{origin}' and ledger = '{V1}'") == 1
    told = await healing.heal(folder, Config(), now_ms)
    assert (told.pages, told.loose, told.short) == (0, upto - first, [Gap(V1, origin, first, upto)])
    village = await begun(whole, folder)
    report = await ended(village)
    assert report.gone == [Gap(V1, origin, first, first)]
    assert report.bodiless == [Gap(V1, origin, first + 1, first + 1)]
    await soon_equal(V1, whole.hub, town, village)
    for node in (village, town, whole.hub):
        assert not await node.journal.subject(cases[0])
        for case in cases[2:]:
            entries = await node.journal.subject(case)
            assert {e.origin for e in entries} == {village.signer.origin}
        kept = await node.reads.case(actor(node, "operator" if node is whole.hub else "officer"), cases[1])
        assert kept.code and not kept.parties, "the case is there by its facts; its words are to be written again"
    note = (await village.journal.subject(cases[3]))[-1]
    assert "吵得厉害" in (note.body or b"").decode(errors="replace")
    assert not await village.journal.rows("local", "name like :like", {"like": f"{LOOSE}%"})


async def test_what_others_may_still_give_is_waited_for_and_somebody_may_say_not_to(whole):
    town, village = await whole.join("天子湖镇", TOWN, leaf=True), await whole.join("高禹村", V1)
    for _ in range(3):
        case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    await soon_equal(V1, whole.hub, town, village)
    origin = village.signer.origin
    seq = (await village.journal.subject(case))[0].seq
    folder = await stopped(whole, village)
    assert change(folder, f"update entry set body = zeroblob(9) where seq = {seq - 1} and origin = '{origin}' and ledger = '{V1}'") == 1
    await healing.heal(folder, Config(), now_ms)
    await whole.server.stop()
    assert whole.leaf
    await whole.leaf.stop()
    village = await begun(whole, folder)
    await asyncio.sleep(1.5)
    assert sorted(await village.mending.unheard()) == sorted([town.certificate.name, whole.hub.certificate.name])
    assert village.mending.state is not None, "nobody was heard yet"
    assert not await village.journal.subject(case)
    await village.desk.submit(dispute(V1), actor(village, "clerk"))  # work goes on
    await whole.leaf.start()
    await whole.server.start()
    report = await ended(village)
    assert (report.gone, report.rewritten) == ([], 0), "the township gave the hole"
    await soon_equal(V1, whole.hub, town, village)


async def test_somebody_answers_for_not_waiting(whole):
    village = await whole.join("高禹村", V1)
    case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    later = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    await soon_equal(V1, whole.hub, village)
    folder, origin = await stopped(whole, village), village.signer.origin
    await whole.hub.link._close()
    await whole.server.stop()
    assert change(folder, f"delete from entry where subject = '{case}'") == 1
    await healing.heal(folder, Config(), now_ms)
    village = await begun(whole, folder)
    village.mending.settle("wangfang")
    report = await ended(village)
    assert (report.settled_by, report.gone, report.rewritten) == (
        "wangfang",
        [Gap(V1, origin, 2, 2)],
        1,
    )
    assert (await village.journal.subject(later))[0].origin == village.signer.origin
    await whole.server.start()


@pytest.mark.parametrize("step", ["ready", "linked", "epoch", "state", "log"])
async def test_a_heal_that_was_killed_on_its_way_is_ended_at_the_next_start(whole, tmp_path, monkeypatch, step):
    village = await whole.join("高禹村", V1)
    for _ in range(2):
        await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await soon_equal(V1, whole.hub, village)
    before = await commands(village)
    await village.people.add_account("wangfang", "0" * 32, None, now_ms())
    folder = await stopped(whole, village)
    zero(folder, range(90, 92))
    die = {
        "ready": ("killpoints.reach", "heal.ready"), "linked": ("sync_folder", ""), "epoch": ("write_whole", healing.STATE),
        "state": ("killpoints.reach", "heal.swap"), "log": ("log.event", "healed"),
    }[step]  # fmt: skip
    _dies_at(monkeypatch, *die)
    with pytest.raises(KeyboardInterrupt):
        await healing.heal(folder, Config(), now_ms)
    monkeypatch.undo()
    village = await begun(whole, folder)
    assert village.signer.origin.endswith(":2")
    assert not (folder / healing.WORK).exists()
    await soon_equal(V1, whole.hub, village)
    assert await commands(village) == before
    assert (await village.journal.rows("account"))[0]["name"] == "wangfang"


def _dies_at(monkeypatch, name: str, said: str) -> None:
    """The program ends at this call, as by SIGKILL: nothing after it is done."""
    holder, _, attribute = name.rpartition(".")
    target = getattr(healing, holder) if holder else healing
    real = getattr(target, attribute)

    def call(*words, **more):
        first = str(words[0])
        if (said and not first.endswith(said)) or (not said and healing.WORK in first):
            return real(*words, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(target, attribute, call)


async def test_a_damaged_journal_asks_for_its_own_healing_twice_a_day_at_most(whole):
    village = await whole.join("高禹村", V1)
    async with village.journal.writing() as w:
        await w.connection.execute(text("update entry set body = zeroblob(3) where body is not null"))
    assert await scrub(village.journal)
    await soon(village.outdated.is_set)
    assert (village.folder / healing.ASKED).exists()
    assert village.stopped() == "store_damaged"
    now = now_ms()
    for n in range(2):
        assert healing.may_by_itself(village.folder, now)
        healing.end_state(village.folder, Healing(now - n, 1, 1, 0, []))
    assert not healing.may_by_itself(village.folder, now)
    assert healing.may_by_itself(village.folder, now + 2 * healing.DAY_MS)
    assert msgspec.json.decode((village.folder / f"healed-{now}.json").read_bytes(), type=Healing).entries == 1
