"""One bit at a time, and a file that ends too soon: in the journal, its log, an attachment, a backup, a stick.

The truth is what a small county wrote: a village with its township, disputes, notes, a file. A copy is damaged, read, and held
against it. Every region of the journal's file is met: a drawn bit of each page, then drawn bits of all.

In half of the rounds a village is then damaged that has peers over a real link: its journal (bits, whole pages, or its end is gone) and its
attachments; it is healed, joins them again, and all that had been sent comes back: equal digests, then all checkers at both (kit/truth.py).
"""

import shutil
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from nacl.public import PrivateKey
from sqlalchemy import text
from sqlcipher3 import dbapi2 as sqlcipher

from protocol import batch, bundle
from protocol.commands import AddEvidence, AddNote, Blob
from protocol.node import healing
from protocol.node.blobs import CIPHER_EXTRA_BYTES, is_address
from protocol.node.config import Config
from protocol.node.folding import open_journal
from protocol.node.journal import BackupBroken, Journal, LaneHead, Witness, backup, rebuild, restore
from protocol.node.journal.engine import connect_sqlite
from protocol.node.journal.scrub import scrub
from protocol.node.node import now_ms
from protocol.node.scrubbing import look
from protocol.node.shelf import Shelf
from protocol.problem import Refused
from tests.faults.kit.desks import Saved
from tests.faults.kit.files import drawn
from tests.faults.kit.truth import judge
from tests.faults.kit.whole import STAFFED, Folders, attached, promise, settled
from tests.faults.row import Outcome, Row
from tests.faults.rows.drawn import flip_file, flipped, refused
from tests.link.kit import V1, soon
from tests.link.test_whole_nodes import Whole, actor
from tests.link.test_whole_nodes import dispute as logged
from tests.node.desk_kit import VILLAGE, County, Node, batch_of, carry, dispute, exchange, new_id
from tests.node.test_salvage import COLUMNS, is_true, salvaged

KEY, BACKUP_KEY = sha256(b"village").digest(), bytes(range(32))
FLIPS, LOG_FLIPS, STICK_FLIPS, OPENED, RESTORED, HEALED = 60, 40, 100, 2, 4, 12
CASES = (15, 30)
PAGE = 4096
Rows = dict[str, list[tuple[Any, ...]]]


@dataclass
class World:
    county: County
    village: Node
    town: Node
    blob: Blob
    file: Path


async def _world(draw: Random, folder: Path) -> World:
    county = County(folder / "county")
    village, town = await county.node("village"), await county.node("town")
    for _ in range(8):
        case = (await village.say(dispute(account="两家的菜地中间一条田埂。" * draw.randint(1, 40)))).subject
        await exchange(village, town)
        await town.say(AddNote(id=new_id(), case=case, text="镇里知道了。"))
    blob = await village.blobs.put(b"\xff\xd8\xff" + draw.randbytes(9_000), "田埂.jpg", "image/jpeg")
    await village.say(AddEvidence(id=new_id(), case=case, blob=blob))
    await exchange(village, town)
    await town.blobs.write_chunk(blob.address, await village.blobs.chunk(blob.address, 0) or b"", blob.size + CIPHER_EXTRA_BYTES)
    return World(county, village, town, blob, county.folder / "village" / "journal.db")


def dump(path: Path, key: bytes = KEY) -> Rows:
    """Every row of every table. Raises sqlcipher.Error."""
    with closing(connect_sqlite(path, key, False)) as c:
        tables = [name for (name,) in c.execute("select name from sqlite_master where type = 'table' and sql not like '%virtual%'")]
        return {name: sorted(c.execute(f'select * from "{name}"'), key=repr) for name in tables}


def _is_noticed_by_a_scrub(path: Path) -> bool:
    with closing(connect_sqlite(path, KEY, False)) as c:
        return bool(c.execute("pragma cipher_integrity_check").fetchall())


# ── the journal's file ──


def _main_file(draw: Random, truth: Rows, file: Path, work: Path) -> tuple[int, int]:
    """(images, refused) of flips and truncations of the file alone."""
    copy, size = work / "flip.db", file.stat().st_size
    shutil.copyfile(file, copy)
    bits = [draw.randrange(page * 8, (page + PAGE) * 8) for page in range(0, size, PAGE)]
    bits += [draw.randrange(size * 8) for _ in range(FLIPS)]
    stopped = 0
    for bit in bits:
        flip_file(copy, bit)
        try:
            assert dump(copy) == truth, f"bit {bit}: wrong rows were shown"
            assert _is_noticed_by_a_scrub(copy), f"bit {bit}: nobody ever notices"
        except sqlcipher.Error:
            stopped += 1
        flip_file(copy, bit)
    assert dump(copy) == truth
    lengths = [draw.randrange(1, size) for _ in range(8)] + [draw.randrange(1, size // PAGE) * PAGE for _ in range(8)]
    for length in lengths:
        copy.write_bytes(file.read_bytes()[:length])
        try:
            assert dump(copy) == truth, f"cut at {length}: wrong rows were shown"
            raise AssertionError(f"cut at {length} of {size} unnoticed")
        except sqlcipher.Error:
            stopped += 1
    return len(bits) + len(lengths), stopped


# ── the log, which no page checksum guards ──


def _lanes(rows: Rows) -> dict[tuple[str, str], LaneHead]:
    return {(r[0], r[1]): LaneHead(r[2], r[3], r[4]) for r in rows["lane"]}


def _is_beginning(some: Rows, truth: Rows) -> bool:
    """Every entry is one that was written, and each lane is whole up to its head."""
    here = {row[1:4]: row for row in some["entry"]}
    true = {row[1:4]: row for row in truth["entry"]}
    upto = {lane: head.seq for lane, head in _lanes(some).items()}
    ends = all((*lane, seq) in here for lane, head in upto.items() for seq in range(1, head + 1))
    return ends and all(true.get(key) == row for key, row in here.items())


def _log(draw: Random, world: World, work: Path) -> tuple[int, int]:
    """(images, images that had lost rows): each of these is told by the mark beside the database, or comes back from its writer."""
    live = {name: (world.file.parent / name).read_bytes() for name in ("journal.db", "journal.db-wal")}
    place = work / "log"
    place.mkdir()
    truth = _reopened(live, place)
    marks = Witness(work / "mark")
    own = (VILLAGE, world.village.signer.origin)
    marks.note(*own, _lanes(truth)[own])
    wal, lost = live["journal.db-wal"], 0
    assert len(wal) > PAGE, "nothing of it is in the log"
    damaged = [flipped(wal, draw.randrange(len(wal) * 8)) for _ in range(LOG_FLIPS)]
    damaged += [wal[: draw.randrange(len(wal))] for _ in range(LOG_FLIPS // 4)]
    for one in damaged:
        try:
            found = _reopened(live | {"journal.db-wal": one}, place)
        except sqlcipher.Error:
            continue
        if found == truth:
            continue
        lost += 1
        assert _is_beginning(found, truth), "the log gave rows that nobody wrote"
        is_shorter = _lanes(found).get(own, LaneHead()) != _lanes(truth)[own]
        assert bool(Witness(work / "mark").ahead(_lanes(found))) == is_shorter
    return len(damaged), lost


def _reopened(files: dict[str, bytes], place: Path) -> Rows:
    for old in place.iterdir():
        old.unlink()
    for name, content in files.items():
        (place / name).write_bytes(content)
    found = dump(place / "journal.db")
    return found if "lane" in found else found | {"lane": [], "entry": []}


# ── what a person meets ──


async def _opened(draw: Random, world: World, work: Path) -> int:
    """The node itself on a damaged file: it meets the page or its scrub finds it; it says so and writes no more."""
    size, stopped = world.file.stat().st_size, 0
    truth = sha256(repr(dump(world.file)["entry"]).encode()).digest()
    for n in range(OPENED):
        copy = work / f"open{n}" / "journal.db"
        copy.parent.mkdir()
        shutil.copyfile(world.file, copy)
        flip_file(copy, draw.randrange(size * 8))
        journal = None
        try:
            journal = await open_journal(f"sqlite:///{copy}", KEY, Shelf(world.county.clock))
            stopped += bool(await scrub(journal))
            assert journal.damaged, "a flipped bit was neither met nor found"
        except Refused as refusal:
            if refusal.code != "store_damaged" or "已停止写入" not in refusal.sentence:
                raise
            stopped += 1
        finally:
            await _writes_nothing(journal)
            if journal is not None:
                await _closed(journal)
    assert sha256(repr(dump(world.file)["entry"]).encode()).digest() == truth
    return stopped


async def _writes_nothing(journal: Journal | None) -> None:
    if journal is None:
        return
    with refused("store_damaged", what="a damaged journal took something"):
        async with journal.writing():
            pass


async def _closed(journal: Journal) -> None:
    with suppress(Refused):  # its last checkpoint may meet the page
        await journal.close()


async def _entry_and_view(draw: Random, world: World) -> None:
    """What no checksum of a store tells (PostgreSQL without them, memory before the write): the hash does. A view is made anew."""
    village = world.village
    async with village.journal.writing() as w:
        await w.connection.execute(text("update case_row set title = '别人的田埂' where subject in (select subject from case_row limit 1)"))
    assert not await rebuild(village.journal), "a wrong view was not noticed"
    assert await rebuild(village.journal), "a wrong view was not mended"
    rows = [e for e in await village.journal.since(0, 5000) if e.body]
    hit = draw.choice(rows)
    raw = flipped(hit.body or b"", draw.randrange(len(hit.body or b"") * 8))
    change, key = text("update entry set body = :body where position = :position"), {"position": hit.position}
    async with village.journal.writing() as w:
        await w.connection.execute(change, {"body": raw, **key})
    (wrong,) = await scrub(village.journal)
    assert (wrong.ledger, wrong.origin, wrong.seq) == hit.key
    await _writes_nothing(village.journal)
    stranger = await world.county.node("root")
    with refused("body_wrong", "batch_malformed", what="a damaged entry was admitted elsewhere"):
        await carry(village, stranger)
    await carry(world.town, stranger)
    assert (await stranger.journal.entry(*hit.key)).body == hit.body, "a peer did not have it"
    village.journal.damaged = False
    async with village.journal.writing() as w:
        await w.connection.execute(change, {"body": hit.body, **key})
    assert await scrub(village.journal) == []


async def _attachment(draw: Random, world: World) -> int:
    """Set apart at once, wanted again, whole again from a peer."""
    village, blob = world.village, world.blob
    plain = await village.blobs.get(blob)
    path = village.blobs._path(blob.address)
    whole = path.read_bytes()
    for n in range(8):
        cut = n % 4 == 0
        path.write_bytes(whole[: draw.randrange(len(whole))] if cut else flipped(whole, draw.randrange(len(whole) * 8)))
        with refused("frame_broken", what="a damaged file was shown"):
            await village.blobs.get(blob)
        assert (await look(village.journal, village.blobs)).files == (blob.address,) or not village.blobs.has(blob.address)
        await village.blobs.write_chunk(blob.address, await world.town.blobs.chunk(blob.address, 0) or b"", blob.size + CIPHER_EXTRA_BYTES)
        assert await village.blobs.get(blob) == plain
    return 8


async def _backup(draw: Random, world: World, work: Path) -> tuple[int, int]:
    """A damaged backup is refused with nothing changed, or what it gives back is the truth."""
    file, truth = work / "journal.backup", await world.village.journal.since(0, 5000)
    await backup(world.village.journal, file, BACKUP_KEY)
    raw, broken = file.read_bytes(), 0
    for n in range(RESTORED):
        file.write_bytes(raw[: draw.randrange(len(raw))] if n % 4 == 0 else flipped(raw, draw.randrange(len(raw) * 8)))
        target = work / f"restored{n}" / "journal.db"
        try:
            await restore(file, BACKUP_KEY, f"sqlite:///{target}", KEY, Shelf(world.county.clock))
        except BackupBroken:
            broken += 1
            assert not target.exists()
            continue
        journal = await open_journal(f"sqlite:///{target}", KEY, Shelf(world.county.clock))
        assert await journal.since(0, 5000) == truth
        await journal.close()
    assert broken, "no damaged backup was refused"
    return RESTORED, broken


async def _healed(draw: Random, world: World, work: Path) -> int:
    """What a heal saves of a damaged file is true, and what it does not save is known to be missing."""
    with closing(connect_sqlite(world.file, KEY, False)) as c:
        truth = {row[:3]: row[3:] for row in c.execute(f"select {COLUMNS} from entry order by position")}
    raw = world.file.read_bytes()
    for n in range(HEALED):
        copy = work / f"heal{n}.db"
        copy.write_bytes(raw[: draw.randrange(len(raw) // 2, len(raw))] if n % 4 == 0 else flipped(raw, draw.randrange(len(raw) * 8)))
        got = await salvaged(world.county, copy, work / f"healed{n}")
        assert is_true(got, truth), f"heal {n}"
    return HEALED


async def _stick(draw: Random, world: World) -> int:
    """Refused whole, always."""
    village, town = world.village.signer, world.town.signer
    packed = [batch.pack(await batch_of(world.village, VILLAGE, village.origin))]
    to = bundle.box_key(bytes(town.key.verify_key))
    raw = bundle.pack(
        packed, certificate=village.certificate, key=village.key, made_ms=1, receiver=to, ephemeral=PrivateKey(draw.randbytes(32))
    )
    public, secrets = bytes(world.county.key.verify_key), [bundle.box_secret(town.key)]
    assert bundle.unpack(raw, secrets, public).batches == tuple(packed)
    for n in range(STICK_FLIPS):
        damaged = raw[: draw.randrange(len(raw))] if n % 4 == 0 else flipped(raw, draw.randrange(len(raw) * 8))
        with refused(what=f"a damaged stick, n={n}"):
            bundle.unpack(damaged, secrets, public)
    return STICK_FLIPS


# ── from its peers, over the wire ──


async def _joins_again(draw: Random, folder: Path) -> Outcome:
    """What is damaged had been sent, so nothing of it is lost, under the numbers that were told."""
    whole, saved = await Whole(folder).start(), list[Saved]()
    try:
        village = await whole.join("高禹村", V1)
        clerk = actor(village, "clerk")
        for _ in range(draw.randint(*CASES)):
            told = await village.desk.submit(logged(V1), clerk)
            files = await attached(village, clerk, told, drawn(draw) if draw.random() < 0.3 else None)
            saved.append(promise("village", told, files))
        await settled(whole.hub, village)
        await village.close()
        whole.nodes.remove(village)
        how = _damages(draw, village.folder / "journal.db")
        spoiled = _damages_files(draw, village.folder / "blobs")
        report = await healing.heal(village.folder, Config(), now_ms)
        village = await whole._node(village.folder, Config())
        missing = {address for address in spoiled if not await village.blobs.is_sound(address)}
        assert missing == spoiled, "a damaged file was taken for whole"
        await look(village.journal, village.blobs)
        await village.start()
        await settled(whole.hub, village)
        await soon(lambda: village.mending.state is None)
        await settled(whole.hub, village)
    finally:
        await whole.stop()
    said = f"joined again: {how}, {report.pages} pages and {len(spoiled)} files damaged, {report.entries} entries were saved, the rest came back"
    return await judge(Folders(hub=whole.hub.folder, village=village.folder), saved, staffed=STAFFED, said=(said,))


def _damages(draw: Random, file: Path) -> str:
    """Behind the pages that list the tables: where those are gone only a backup helps."""
    size = file.stat().st_size
    pages = draw.sample(range(size // PAGE // 2, size // PAGE), 6)
    how = draw.choice(("bits", "pages", "end"))
    if how == "bits":
        for page in pages:
            flip_file(file, draw.randrange(page * PAGE * 8, (page + 1) * PAGE * 8))
    elif how == "pages":
        with file.open("r+b") as f:
            for page in pages:
                f.seek(page * PAGE)
                f.write(draw.randbytes(PAGE))
    else:
        with file.open("r+b") as f:
            f.truncate(draw.randrange(size // 2, size))
    return {"bits": "flipped bits", "pages": "overwritten pages", "end": "a file that ends too soon"}[how]


def _damages_files(draw: Random, folder: Path) -> set[str]:
    """Some of them, by a bit."""
    files = sorted(path for path in folder.glob("*/*") if is_address(path.name))
    hit = draw.sample(files, len(files) // 2)
    for path in hit:
        flip_file(path, draw.randrange(path.stat().st_size * 8))
    return {path.name for path in hit}


async def play(draw: Random, folder: Path) -> Outcome:
    alone = await _alone(draw, folder)
    if draw.random() < 0.5:
        return alone
    again = await _joins_again(draw, folder / "joined")
    promised, said = alone.acknowledged + again.acknowledged, (*alone.said, *again.said)
    return msgspec.structs.replace(again, acknowledged=promised, images=alone.images + 1, said=said)


async def _alone(draw: Random, folder: Path) -> Outcome:
    world = await _world(draw, folder)
    try:
        acknowledged = len(await world.village.journal.since(0, 5000))
        images, lost_rows = _log(draw, world, folder)
        copies, refused = await _backup(draw, world, folder)
        images += copies + await _stick(draw, world) + await _attachment(draw, world)
        await _entry_and_view(draw, world)
        await world.village.journal.close()
        world.county.nodes.remove(world.village)
        flips, stopped = _main_file(draw, dump(world.file), world.file, folder)
        opened = await _opened(draw, world, folder)
        healed = await _healed(draw, world, folder)
        images += healed
    finally:
        await world.county.close()
    said = (
        f"journal: {stopped} of {flips} refused when read, the rest untouched and found by a scrub; {opened} of {OPENED} nodes stopped",
        f"heal: {healed} images, true in each",
        f"log: {lost_rows} images had lost rows, each told by the mark or by its writer · backup: {refused} of {RESTORED} refused",
    )
    return Outcome(acknowledged, images=images + flips + OPENED, said=said)


ROW = Row(
    10, "bit flip, truncation in journal, view, blob, backup, bundle",
    "noticed on read or scrub; healed from a peer; view rebuilt; never wrong data shown", (), play,
)  # fmt: skip
