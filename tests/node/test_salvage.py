"""A journal with damaged pages: what is true in it goes over, nothing else does, and what stood behind a gap is kept for later."""

import shutil
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import NamedTuple

import msgspec
import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from protocol.commands import AddNote
from protocol.node import healing
from protocol.node.bodies import DONE
from protocol.node.journal import Journal
from protocol.node.journal.engine import connect_sqlite
from protocol.node.journal.loose import LOOSE, Loose
from protocol.node.journal.reseal import PAGE_BYTES, reseal
from protocol.node.journal.salvage import Saved, readable, salvage
from protocol.node.shelf import Shelf
from tests.node.desk_kit import VILLAGE, County, dispute, exchange, new_id

COLUMNS = "ledger, origin, seq, head_bytes, salt, body, hash, signature, received_ms"
KEY = sha256(b"village").digest()
PAGE_ENTRIES_MAX = 8  # as many of these as one page holds


@pytest.fixture
async def world(tmp_path):
    """(county, the file of a village that wrote and heard, closed, its entries as they were)."""
    county = County(tmp_path)
    village, town = await county.node("village"), await county.node("town")
    for n in range(12):
        case = (await village.say(dispute(account=f"第{n}次，两家的菜地中间一条田埂。" * 20))).subject
        await exchange(village, town)
        await town.say(AddNote(id=new_id(), case=case, text="镇里知道了。"))
        await exchange(village, town)
    await village.journal.close()
    with closing(connect_sqlite(tmp_path / "village" / "journal.db", KEY, False)) as c:
        truth = {row[:3]: row[3:] for row in c.execute(f"select {COLUMNS} from entry order by position")}
    county.nodes.remove(village)
    yield county, tmp_path / "village" / "journal.db", truth
    await county.close()


class Got(NamedTuple):
    """pages: damaged ones · loose: by (ledger, origin, seq)."""

    pages: int
    saved: Saved
    entries: dict
    loose: dict


async def salvaged(county: County, damaged: Path, work: Path) -> Got:
    work.mkdir()
    empty = county.folder / "empty.db"
    if not empty.exists():
        await (await Journal.open(f"sqlite:///{empty}", KEY, Shelf(county.clock))).close()
    pages, made = reseal(damaged, KEY), work / "journal.db"
    shutil.copyfile(empty, made)
    saved = salvage(damaged, KEY, made, work, bytes(county.key.verify_key))
    loose = {}
    with closing(connect_sqlite(made, KEY, False)) as c:
        entries = {row[:3]: row[3:] for row in c.execute(f"select {COLUMNS} from entry order by position")}
        for (value,) in c.execute("select value from local where name like ?", (f"{LOOSE}%",)):
            one = msgspec.msgpack.decode(value, type=Loose)
            loose |= {(one.ledger, one.origin, row.seq): row for row in one.rows}
    return Got(pages, saved, entries, loose)


def is_true(got: Got, truth: dict) -> bool:
    """Heads, salts, bodies and hashes are those that were written; a signature is the true one or none; the rest is known to be missing."""
    for key, row in got.entries.items():
        if row[:4] != truth[key][:4] or row[4] not in (truth[key][4], None):
            return False
    last = {key[:2]: key[2] for key in sorted(truth)}
    ends = {lane: max((seq for *one, seq in got.entries if tuple(one) == lane), default=0) for lane in last}
    return all(got.saved.here.get(lane, 0) == end and max(end, got.saved.known.get(lane, 0)) == last[lane] for lane, end in ends.items())


async def test_a_flipped_bit_costs_what_its_page_holds_at_most_nothing_false_goes_over_and_what_is_missing_is_known(world, tmp_path):
    """Mostly one entry or none. A bit spoils 16 bytes; where they hold the size or the number of a row, SQLite gives no row of that page."""
    county, file, truth = world
    draw, raw, lost = Random(7), file.read_bytes(), []
    for page in range(0, len(raw) // PAGE_BYTES, 3):
        bit = draw.randrange(page * PAGE_BYTES * 8, (page * PAGE_BYTES + PAGE_BYTES - 64) * 8)
        spoilt = bytearray(raw)
        spoilt[bit // 8] ^= 1 << bit % 8
        copy = tmp_path / f"copy{page}.db"
        copy.write_bytes(spoilt)
        got = await salvaged(county, copy, tmp_path / f"work{page}")
        assert got.pages == (len(raw) // PAGE_BYTES if bit < 128 else 1)
        assert is_true(got, truth), f"page {page}, bit {bit}"
        lost.append(len(truth.keys() - got.entries.keys() - {key for key, row in got.loose.items() if not row.is_bare}))
    assert max(lost) <= PAGE_ENTRIES_MAX, lost
    assert sum(gone > 1 for gone in lost) <= len(lost) // 10, lost


async def test_pages_that_are_gone_cost_what_stood_in_them_and_the_rest_is_read_past_them(world, tmp_path):
    county, file, truth = world
    raw, beside = file.read_bytes(), 0
    pages = len(raw) // PAGE_BYTES
    for first in range(pages // 2, pages - 1, 4):
        spoilt = bytearray(raw)
        spoilt[first * PAGE_BYTES : (first + 2) * PAGE_BYTES] = bytes(2 * PAGE_BYTES)
        copy = tmp_path / f"copy{first}.db"
        copy.write_bytes(spoilt)
        got = await salvaged(county, copy, tmp_path / f"work{first}")
        assert got.pages == 2
        assert is_true(got, truth), f"page {first}"
        beside += bool(got.loose) and len(got.entries) + len(got.loose) < len(truth)
    assert beside, "entries behind a hole were never kept"


async def test_a_file_cut_in_the_middle_gives_what_is_before_the_cut(world, tmp_path):
    county, file, truth = world
    copy = tmp_path / "copy.db"
    copy.write_bytes(file.read_bytes()[: file.stat().st_size - 20 * PAGE_BYTES + 100])
    got = await salvaged(county, copy, tmp_path / "work")
    assert got.pages == 1
    assert is_true(got, truth)


async def test_a_journal_whose_list_of_tables_is_gone_is_read_through_the_list_of_an_empty_one(world, tmp_path):
    county, file, truth = world
    copy, work = tmp_path / "copy.db", tmp_path / "work"
    raw = bytearray(file.read_bytes())
    raw[: PAGE_BYTES * 2] = bytes(PAGE_BYTES * 2)
    copy.write_bytes(raw)
    got = await salvaged(county, copy, work)
    assert is_true(got, truth)
    assert len(got.entries) + len(got.loose) >= len(truth) - 3


async def test_an_undamaged_journal_goes_over_whole(world, tmp_path):
    county, file, truth = world
    copy = tmp_path / "copy.db"
    shutil.copyfile(file, copy)
    pages, saved, entries, loose = await salvaged(county, copy, tmp_path / "work")
    assert (pages, entries, loose, saved.entries) == (0, truth, {}, len(truth))
    assert all(seq <= saved.here[lane] for lane, seq in saved.known.items())
    assert (VILLAGE, "nvill2222:1") in saved.here


OF_0_2_0 = (  # what 0.3.0 changes, taken back
    "drop index entry_bare",
    "drop table erasure",
    "create table erasure (ledger TEXT NOT NULL, origin TEXT NOT NULL, seq INTEGER NOT NULL, primary key (ledger, origin, seq))",
    "insert into erasure values ('330523', 'nvill2222:1', 70)",
    "update alembic_version set version_num = '0003'",
    "alter table case_row add column older text",
    "create table view_of_then (id text)",
)


async def test_a_damaged_journal_of_an_older_program_goes_over_with_what_waits_in_it(world, tmp_path):
    """Bringing it up to this version first fails: the new index reads all entries, and meets the page."""
    county, file, truth = world
    copy = tmp_path / "copy.db"
    shutil.copyfile(file, copy)
    with closing(connect_sqlite(copy, KEY, True)) as c:
        for change in OF_0_2_0:
            c.execute(change)
        c.execute("pragma wal_checkpoint(truncate)")
    with copy.open("r+b") as f:
        f.seek(copy.stat().st_size // PAGE_BYTES // 2 * PAGE_BYTES)
        f.write(bytes(PAGE_BYTES))
    got = await salvaged(county, copy, tmp_path / "work")
    assert got.pages == 1 and is_true(got, truth) and len(got.entries) + len(got.loose) >= len(truth) - PAGE_ENTRIES_MAX
    with closing(connect_sqlite(tmp_path / "work" / "journal.db", KEY, False)) as c:
        assert c.execute("select * from erasure").fetchall() == [("330523", "nvill2222:1", 70, "")]


async def test_columns_that_a_table_has_not_are_no_damage_to_be_read_past(world):
    _, file, _ = world
    openings = 0

    def opened():
        nonlocal openings
        openings += 1
        assert openings < 10, "asked again and again"
        return connect_sqlite(file, KEY, False, tolerant=True)

    with pytest.raises(sqlcipher.OperationalError, match="no such column"):
        list(readable(opened, "entry", "ledger, colour"))
    assert list(readable(opened, "no_such_table", "ledger")) == []


async def test_a_file_that_0_1_0_had_whole_is_not_fetched_once_more(tmp_path):
    """It knew no stages: the salvaged row has that of a file that is wanted."""
    shelf = Shelf(lambda: 0)
    journal = await Journal.open(f"sqlite:///{tmp_path / 'journal.db'}", KEY, shelf)
    try:
        async with journal.writing() as w:
            await w.connection.exec_driver_sql("insert into blob (address, size, have) values ('a', 9, 9)")
        await healing._follow_up(journal, shelf, SimpleNamespace(has=lambda _: True), 0)
        assert [(row["have"], row["stage"]) for row in await journal.rows("blob")] == [(9, DONE)]
    finally:
        await journal.close()
