"""The county's PostgreSQL is damaged on its disk: what is true stays, what others have comes back, whatever was hit."""

import asyncio
import os
import re
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import msgspec
import pytest

from deploy import running
from protocol.node import fellows, healing, mending
from protocol.node.config import Config, Root
from protocol.node.healing import Gap, Healing
from protocol.node.identity import Identity
from protocol.node.journal import Journal, postgres_salvage, rebuild
from protocol.node.journal.engine import connect_sqlite
from protocol.node.journal.loose import LOOSE
from protocol.node.journal.scrub import scrub
from protocol.node.node import Node, now_ms
from protocol.problem import Refused
from tests.kit.machine import needs_postgresql
from tests.kit.postgres import Server
from tests.link.kit import TOWN, V1, soon
from tests.link.test_whole_nodes import Whole, actor, dispute, soon_equal

BLOCK_BYTES = 8_192
pytestmark = needs_postgresql


@pytest.fixture
async def whole(tmp_path: Path, postgres_url: str):
    made = await Whole(tmp_path, postgres_url).start()
    yield made
    await made.stop()


@pytest.fixture(autouse=True)
def no_loop_fails(caplog):
    """Whatever runs beside the pages says in the log that it failed, and is begun again: here it must not."""
    yield
    failed = [record.exc_info for record in caplog.get_records("call") if record.getMessage() == "loop failed"]
    assert not [told for told in failed if told and not isinstance(told[1], Refused)], "a damaged store refuses; nothing else may fail"


async def asked(url: str, sql: str) -> list[asyncpg.Record]:
    c = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await c.fetch(sql)
    finally:
        await c.close()


async def files(server: Server, url: str, *names: str) -> list[Path]:
    """Of tables or indices, all of it on the disk."""
    await asked(url, "checkpoint")
    found = [(await asked(url, f"select pg_relation_filepath('{name}') p"))[0]["p"] for name in names]
    return [server.data / path for path in found]


def spoil(file: Path, blocks: range) -> int:
    """One byte of each of these blocks is another one; how many there were."""
    hit = 0
    with file.open("r+b") as f:
        for block in blocks:
            if (block + 1) * BLOCK_BYTES <= file.stat().st_size:
                f.seek(block * BLOCK_BYTES + 5_000)
                byte = f.read(1)[0]
                f.seek(-1, 1)
                f.write(bytes([byte ^ 0x55]))
                hit += 1
    return hit


async def commands(node: Node) -> list[str]:
    return sorted(e.command for e in await node.journal.since(0, 5_000) if e.sort not in ("lane", "branch"))


async def closed(whole: Whole) -> None:
    await whole.hub.close()
    whole.nodes.remove(whole.hub)


async def begun(whole: Whole) -> Node:
    whole.hub = await whole._node(whole.folder / "hub", whole.hub_config)
    await whole.hub.start()
    return whole.hub


def beside(whole: Whole) -> tuple[Path, Config]:
    """A further program of the county on the same PostgreSQL: folder and configuration."""
    folder = whole.folder / "beside"
    shutil.copytree(whole.folder / "hub" / "identity", folder / "identity")
    return folder, msgspec.structs.replace(whole.hub_config, root=Root(beside=True))


async def ended(node: Node) -> Healing:
    await soon(lambda: node.mending.state is None)
    (report,) = healing.reports(node.folder)
    return report


async def filled(whole: Whole, disputes: int = 5) -> tuple[Node, Node, list[str]]:
    """A township and a village that wrote, and what the county knows when all is one."""
    town, village = await whole.join("天子湖镇", TOWN, leaf=True), await whole.join("高禹村", V1)
    for _ in range(disputes):
        await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await soon_equal(V1, whole.hub, town, village)
    await soon_equal("_", whole.hub, town, village)
    await whole.hub.people.add_account("chenjie", "0" * 32, None, now_ms())
    assert not await whole.hub._may_count_twice()
    return town, village, await commands(whole.hub)


async def test_spoilt_blocks_of_every_table_and_index_heal_from_the_others(whole, postgres_server, postgres_url):
    town, village, before = await filled(whole, 25)
    await closed(whole)
    names = ("entry", "entry_lane", "entry_subject", "case_row", "lane", "search", "command")
    spoilt = await files(postgres_server, postgres_url, *names)
    postgres_server.crash()
    hit = [spoil(file, range(2) if file is spoilt[0] else range(50)) for file in spoilt]
    postgres_server.start()
    assert all(hit), dict(zip(names, hit, strict=True))
    with pytest.raises(Refused) as refused:
        await Node.open(whole.folder / "hub", whole.hub_config)
    assert refused.value.code == "store_damaged"
    told = await healing.heal(whole.folder / "hub", whole.hub_config, now_ms)
    assert told.pages >= hit[0] + hit[4] + hit[6], "the blocks of kept tables"
    assert told.epoch == 2
    hub = await begun(whole)
    await soon_equal(V1, hub, town, village)
    await soon_equal("_", hub, town, village)
    report = await ended(hub)
    assert (report.gone, report.rewritten) == ([], 0)
    assert await hub._may_count_twice()
    await hub.desk.codes()
    assert await commands(hub) == before
    assert await scrub(hub.journal) == []
    assert await rebuild(hub.journal)
    assert [name for name, _ in await hub.people.accounts()] == ["chenjie"]
    assert not list(hub.folder.glob("damaged-*")), "what was damaged goes when all is decided"
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await soon_equal(V1, hub, town, village)


async def test_a_body_that_no_checksum_guards_is_found_and_comes_back(whole, postgres_url):
    town, village, before = await filled(whole)
    rows = await asked(postgres_url, f"select origin, seq from entry where ledger = '{V1}' and sort = 'dispute' order by seq desc limit 1")
    origin, seq = rows[0]
    signed = (
        f"select coalesce(max(seq), 0) from entry where ledger = '{V1}' and origin = '{origin}' and seq < {seq} and signature is not null"
    )
    ((proven,),) = await asked(postgres_url, signed)
    await asked(postgres_url, f"update entry set body = '\\x00'::bytea where ledger = '{V1}' and origin = '{origin}' and seq = {seq}")
    (wrong,) = await scrub(whole.hub.journal)
    assert (wrong.ledger, wrong.seq, wrong.what) == (V1, seq, "body")
    assert whole.hub.may_heal
    with pytest.raises(RuntimeError, match="连着"):
        await healing.heal(whole.folder / "hub", whole.hub_config, now_ms)
    assert len(await commands(whole.hub)) == len(before), "nothing was changed"
    await closed(whole)
    await asked(postgres_url, "create table of_somebody_else as select 1 as kept")
    told = await healing.heal(whole.folder / "hub", whole.hub_config, now_ms)
    assert told.short == [Gap(V1, origin, proven + 1, seq)], "commits that came as one batch have one signature, at their end"
    assert await asked(postgres_url, "select kept from of_somebody_else")
    hub = await begun(whole)
    await soon_equal(V1, hub, town, village)
    assert (await ended(hub)).gone == []
    assert await commands(hub) == before
    assert await scrub(hub.journal) == []


def dies_at(monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """The program ends there, as by SIGKILL: nothing after it is done."""
    where, name = {"healed": (healing.log, "event"), "put back": (healing, "_keep")}.get(point, (healing.killpoints, "reach"))
    real = getattr(where, name)

    def dies(said: object, *words: object, **more: object) -> object:
        if said == point or point == "put back":
            raise KeyboardInterrupt
        return real(said, *words, **more)

    monkeypatch.setattr(where, name, dies)


async def killed(whole: Whole, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    with monkeypatch.context() as patch:
        dies_at(patch, point)
        with pytest.raises(KeyboardInterrupt):
            await healing.heal(whole.folder / "hub", whole.hub_config, now_ms)


@pytest.mark.parametrize("point", ["heal.ready", "heal.swap", "put back", "healed"])
async def test_a_heal_that_was_killed_on_its_way_is_ended_at_the_next_start(whole, postgres_url, monkeypatch, point):
    town, village, before = await filled(whole)
    await closed(whole)
    await asked(postgres_url, f"delete from entry where ledger = '{V1}' and seq = 3")
    await killed(whole, monkeypatch, point)
    hub = await begun(whole)
    assert not (hub.folder / healing.WORK).exists()
    await soon_equal(V1, hub, town, village)
    assert await commands(hub) == before
    assert await rebuild(hub.journal)


async def test_no_program_writes_under_the_old_epoch_from_the_moment_the_healed_tables_stand(whole, postgres_url, monkeypatch):
    """The first one was killed right after it put them in place; a further one opens them before it."""
    town, village, before = await filled(whole)
    origin = whole.hub.signer.origin
    await closed(whole)
    folder, config = beside(whole)
    await asked(postgres_url, f"delete from entry where origin = '{origin}' and ledger = '{V1}' and seq > 1")
    await asked(postgres_url, f"delete from entry where origin = '{origin}' and ledger = '_' and seq > 2")
    await killed(whole, monkeypatch, "put back")
    assert Identity(whole.folder / "hub").about().epoch == 1
    other = await Node.open(folder, config)
    assert other.signer.origin == f"{whole.hub.about.node}:2"
    await other.close()
    hub = await begun(whole)
    assert (hub.signer.origin, other.signer.origin) == (other.signer.origin, f"{hub.about.node}:2")
    assert hub.mending.state or healing.reports(hub.folder), "what is open is known"
    await soon_equal("_", hub, town, village)
    assert (await ended(hub)).gone == []
    assert await commands(hub) == before


FULL = "create or replace function full_disk() returns event_trigger language plpgsql as $$ begin raise 'no room' using errcode = '53100'; end $$"
REFUSE = "create event trigger full_disk on ddl_command_start when tag in ('DROP TABLE') execute function full_disk()"


@pytest.mark.parametrize("point", ["", "heal.ready"])
async def test_a_database_that_takes_nothing_stays_what_it_was_and_is_opened_as_it_is(whole, postgres_url, monkeypatch, point):
    town, village, before = await filled(whole)
    await closed(whole)
    folder, origin = whole.folder / "hub", whole.hub.signer.origin
    body = f"where origin = '{origin}' and ledger = '_' and seq = (select max(seq) from entry where origin = '{origin}' and ledger = '_')"
    await asked(postgres_url, f"update entry set body = '\\x00'::bytea {body}")
    if point:
        await killed(whole, monkeypatch, point)
    await asked(postgres_url, FULL)
    await asked(postgres_url, REFUSE)
    if not point:
        with pytest.raises(RuntimeError, match="还是原来的样子"):
            await healing.heal(folder, whole.hub_config, now_ms)
    node = await Node.open(folder, whole.hub_config)
    assert (node.signer.origin, await commands(node)) == (origin, before)
    await node.close()
    assert not [name for name in (healing.WORK, healing.STATE) if (folder / name).exists()] and not list(folder.glob("damaged-*"))
    assert (folder / healing.ASKED).exists() == bool(point), "what was under way is made anew when the program starts"
    await asked(postgres_url, "drop event trigger full_disk")
    assert (await healing.heal(folder, whole.hub_config, now_ms)).epoch == 2
    hub = await begun(whole)
    await soon_equal("_", hub, town, village)
    assert await commands(hub) == before


async def test_while_the_server_is_away_what_stands_ready_waits(whole, postgres_server, postgres_url, monkeypatch):
    town, village, before = await filled(whole)
    await closed(whole)
    await asked(postgres_url, f"delete from entry where ledger = '{V1}' and seq = 3")
    await killed(whole, monkeypatch, "heal.ready")
    postgres_server.crash()
    with pytest.raises(Refused) as refused:
        await Node.open(whole.folder / "hub", whole.hub_config)
    postgres_server.start()
    assert refused.value.code == "store_busy"
    assert (whole.folder / "hub" / healing.WORK / healing.PLAN).exists()
    hub = await begun(whole)
    assert not (hub.folder / healing.WORK).exists()
    await soon_equal(V1, hub, town, village)
    assert await commands(hub) == before


async def test_a_connection_that_breaks_after_the_commit_ends_the_heal_all_the_same(whole, postgres_url, monkeypatch):
    await filled(whole)
    await closed(whole)
    await asked(postgres_url, f"delete from entry where ledger = '{V1}' and seq = 3")
    real = postgres_salvage.put_back

    async def breaks(*words: object) -> None:
        await real(*words)
        raise ConnectionResetError

    monkeypatch.setattr(postgres_salvage, "put_back", breaks)
    assert await healing.heal(whole.folder / "hub", whole.hub_config, now_ms) == healing.state_of(whole.folder / "hub")


async def test_a_database_that_lost_its_table_of_entries_says_to_restore(whole, postgres_url):
    await closed(whole)
    await asked(postgres_url, "drop table entry")
    with pytest.raises(RuntimeError, match="yidi restore"):
        await healing.heal(whole.folder / "hub", whole.hub_config, now_ms)
    assert await asked(postgres_url, "select 1 from lane limit 1"), "nothing was changed"


def brings_down(monkeypatch: pytest.MonkeyPatch, table: str, block: int, line: int) -> list[str]:
    """Whoever asks for this row loses the server process that answers, as by a row whose reading is a fault of memory; the server recovers.

    The row itself is sound: what is shown is how a reader goes on after a server that falls, not that a row can bring it down.
    """
    asked_for, real = list[str](), asyncpg.Connection.fetch

    async def fetch(self: asyncpg.Connection, sql: str, *values: object) -> object:
        blocks = re.search(rf"from {table} where ctid >= '\((\d+),0\)' and ctid < '\((\d+),0\)'", sql)
        row = f"from {table} where ctid = '({block},{line})'" in sql
        if row or (blocks and "ctid::text" not in sql and int(blocks[1]) <= block < int(blocks[2])):
            asked_for.append(sql)
            os.kill(self.get_server_pid(), signal.SIGKILL)
        return await real(self, sql, *values)

    monkeypatch.setattr(asyncpg.Connection, "fetch", fetch)
    monkeypatch.setattr(postgres_salvage, "PAUSE_S", 0.1)
    return asked_for


async def test_a_row_that_brings_the_server_down_is_left_out_and_comes_back_from_the_others(whole, postgres_url, monkeypatch):
    town, village, before = await filled(whole)
    await closed(whole)
    wanted = f"select seq, ctid::text from entry where ledger = '{V1}' and sort = 'dispute' order by seq desc limit 1"
    ((seq, ctid),) = await asked(postgres_url, wanted)
    block, line = map(int, ctid.strip("()").split(","))
    asked_for = brings_down(monkeypatch, "entry", block, line)
    told = await healing.heal(whole.folder / "hub", whole.hub_config, now_ms)
    monkeypatch.undo()
    assert told.pages == 1, "one row, and nothing of what lies beside it"
    assert len(asked_for) % 2 == 0 and f"ctid = '{ctid}'" in asked_for[-1], "each run of rows twice, down to the row"
    assert [gap.last for gap in told.short] == [seq]
    hub = await begun(whole)
    await soon_equal(V1, hub, town, village)
    assert (await ended(hub)).gone == []
    assert await commands(hub) == before


class Over(Exception):
    """A loop has come to where it waits for ever."""

    async def wait(self) -> None:
        raise self


async def test_a_further_program_leaves_what_the_first_one_still_has_to_put_back(whole, postgres_url, monkeypatch):
    town, village, before = await filled(whole)
    await closed(whole)
    await asked(postgres_url, f"delete from entry where ledger = '{V1}' and seq = 3")
    folder, config = beside(whole)
    with pytest.raises(RuntimeError, match="第一个"):
        await healing.heal(folder, config, now_ms)
    told = await healing.heal(whole.folder / "hub", whole.hub_config, now_ms)
    assert told.loose
    other = await Node.open(folder, config)
    monkeypatch.setattr(mending, "asyncio", SimpleNamespace(Event=Over))
    with pytest.raises(Over):
        await other.mending.run()
    monkeypatch.undo()
    assert await other.journal.rows("local", "name like :like", {"like": f"{LOOSE}%"})
    await other.close()
    hub = await begun(whole)
    await soon_equal(V1, hub, town, village)
    report = await ended(hub)
    assert (report.gone, await commands(hub)) == ([], before)


async def damaged_and_ready(whole: Whole, url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Config]:
    """The first program was killed when all stood ready; a further one is about to start."""
    await closed(whole)
    await asked(url, f"delete from entry where ledger = '{V1}' and seq = 3")
    await killed(whole, monkeypatch, "heal.ready")
    monkeypatch.setattr(postgres_salvage, "PAUSE_S", 0.05)
    return beside(whole)


async def test_what_a_further_program_saved_meanwhile_is_in_the_healed_database(whole, postgres_url, monkeypatch):
    town, village, before = await filled(whole)
    other = await Node.open(*await damaged_and_ready(whole, postgres_url, monkeypatch))
    case = (await other.desk.submit(dispute(V1), actor(other, "operator"))).subject
    await other.people.add_account("zhoumin", "0" * 32, None, now_ms())
    await other.close()
    node = await running._opened(whole.folder / "hub", whole.hub_config)
    assert [name for name, _ in await node.people.accounts()] == ["chenjie", "zhoumin"], "made anew of what is there now"
    assert (node.folder / healing.STATE).exists(), "it is healed"
    await node.close()
    hub = await begun(whole)
    await soon_equal(V1, hub, town, village)
    assert (await ended(hub)).gone == []
    assert await hub.journal.subject(case)
    assert set(before) < set(await commands(hub))


async def test_a_heal_that_is_killed_while_it_gives_up_what_stood_ready_is_not_taken_for_done(whole, postgres_url, monkeypatch):
    await filled(whole)
    other = await Node.open(*await damaged_and_ready(whole, postgres_url, monkeypatch))
    await other.close()
    folder = whole.folder / "hub"

    def dies(work: Path, **_: object) -> None:
        (work / healing.NAMES[0]).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(healing, "shutil", SimpleNamespace(rmtree=dies))
        await healing.finish(folder, whole.hub_config)
    assert await healing.finish(folder, whole.hub_config) is None
    assert await healing.heal(folder, whole.hub_config, now_ms) == healing.state_of(folder)


async def test_beside_a_program_that_is_connected_nothing_is_put_back(whole, postgres_url, monkeypatch):
    await filled(whole)
    other = await Node.open(*await damaged_and_ready(whole, postgres_url, monkeypatch))
    case = (await other.desk.submit(dispute(V1), actor(other, "operator"))).subject
    node = await running._opened(whole.folder / "hub", whole.hub_config)
    assert not [name for name in (healing.WORK, healing.STATE) if (node.folder / name).exists()]
    assert (node.folder / healing.FAILED).exists()
    assert await node.journal.subject(case) and await other.journal.subject(case)
    await other.desk.submit(dispute(V1), actor(other, "operator"))
    await node.close()
    await other.close()


async def test_who_waits_for_its_turn_to_open_the_database_holds_up_no_heal(whole, postgres_url, monkeypatch):
    await filled(whole)
    folder, config = await damaged_and_ready(whole, postgres_url, monkeypatch)
    opening, real = list[asyncio.Task[Node]](), postgres_salvage._is_used

    async def used(c: asyncpg.Connection) -> bool:
        opening.append(asyncio.create_task(Node.open(folder, config)))
        waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        while not await c.fetchval(waits):
            await asyncio.sleep(0.01)
        return await real(c)

    monkeypatch.setattr(postgres_salvage, "_is_used", used)
    assert await healing.finish(whole.folder / "hub", whole.hub_config)
    (other,) = [await task for task in opening]
    assert len(await other.journal.heads(V1)) and await other.journal.local("healed")
    await other.desk.submit(dispute(V1), actor(other, "operator"))
    await other.close()


async def test_a_program_that_comes_back_between_the_look_and_the_lock_keeps_its_tables(whole, postgres_url, monkeypatch):
    """It is connected again, and wrote nothing yet that would tell of it."""
    await filled(whole)
    await damaged_and_ready(whole, postgres_url, monkeypatch)
    back, real = list[asyncpg.Connection](), postgres_salvage._is_used

    async def used(c: asyncpg.Connection) -> bool:
        looked = await real(c)
        back.append(await asyncpg.connect(postgres_url.replace("+asyncpg", "")))
        return looked

    monkeypatch.setattr(postgres_salvage, "_is_used", used)
    before = await asked(postgres_url, "select 'entry'::regclass::oid")
    assert await healing.finish(whole.folder / "hub", whole.hub_config) is None
    assert await asked(postgres_url, "select 'entry'::regclass::oid") == before
    assert (whole.folder / "hub" / healing.ASKED).exists(), "made anew at the next start"
    (other,) = back
    await other.close()


async def test_a_program_that_was_cut_off_while_the_database_was_healed_does_not_go_on_from_what_it_remembers(
    whole, postgres_url, monkeypatch
):
    await filled(whole)
    await closed(whole)
    other = await Node.open(*beside(whole))
    await asked(postgres_url, f"delete from entry where ledger = '{V1}' and seq = 3")
    ends = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    await asked(postgres_url, ends)
    assert (await healing.heal(whole.folder / "hub", whole.hub_config, now_ms)).entries
    with pytest.raises(Refused) as refused:
        await other.desk.submit(dispute(V1), actor(other, "operator"))
    assert refused.value.code == "store_busy"
    task = asyncio.create_task(other._elsewhere())
    await soon(other.outdated.is_set)
    task.cancel()
    await other.close()
    again = await Node.open(other.folder, other.config)
    await again.desk.submit(dispute(V1), actor(again, "operator"))
    await again.close()


def test_the_lead_is_among_the_traces():
    assert fellows.LEAD in postgres_salvage.TRACES


async def test_an_erasure_that_waits_in_the_database_of_an_older_program_goes_over(tmp_path: Path, postgres_url):
    file, key = tmp_path / "damaged.db", b"k" * 32
    for url in (postgres_url, f"sqlite:///{file}"):
        await (await Journal.open(url, key, lambda: None)).close()
    await asked(postgres_url, "alter table erasure drop column subject")
    await asked(postgres_url, "insert into erasure values ('330523', 'nvill:1', 7)")
    assert await postgres_salvage.read_out(postgres_url, file, key) == 0
    assert connect_sqlite(file, key, False).execute("select * from erasure").fetchall() == [("330523", "nvill:1", 7, "")]
