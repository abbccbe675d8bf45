"""A damaged journal is made whole again: what is proven goes over into a new one, what is missing is asked of others.

    done = await heal(folder, config, clock)      with the node's program stopped; a kill at any point leaves the old journal or the new
    await finish(folder, config)                  at each start: a heal that was killed on its way is ended

What is still open while the node runs is mending.py's. Own entries come back under their numbers from whoever holds them; when a page was damaged or something of ours is missing the
node goes on under a new epoch, offline too. What stood behind a gap that nobody can fill is written anew, and each number that is gone
is listed in `healed-….json` and on the page 连接与台账. The damaged file is kept until all is decided.
"""

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlcipher3 import dbapi2 as sqlcipher

from protocol import entry, views
from protocol.calendar import DAY_MS
from protocol.commands import Blob
from protocol.events import EvidenceAddedBody, body_of
from protocol.node import killpoints, locks, log
from protocol.node.blobs import Blobs
from protocol.node.bodies import EVIDENCE, erase_bodies, expect_files, found_here
from protocol.node.config import Config
from protocol.node.folding import open_journal
from protocol.node.identity import Identity, write_whole
from protocol.node.journal import Journal, Witness
from protocol.node.journal.backup import BackupBroken, meaning
from protocol.node.journal.engine import sync_folder
from protocol.node.journal.faults import refusal
from protocol.node.journal.reseal import PAGE_BYTES, reseal
from protocol.node.journal.salvage import UNREADABLE_STORE, Saved, salvage
from protocol.node.journal.stored import LaneHead
from protocol.node.machine import MARK, Machine, store_url
from protocol.node.shelf import Shelf
from protocol.problem import Refused

WORK: Final = "healing"  # folder of a heal that is under way
DAMAGED: Final = "damaged.db"  # in it: a copy of what was there, readable
PLAN: Final = "ready.json"  # in it: everything stands, only the places are to be changed
SEEN: Final = "seen"  # in it, of PostgreSQL: the traces of other programs when the reading began
STATE: Final = "healing.json"  # what is still open; renamed when nothing is
ASKED: Final = "heal-asked"  # somebody at a page, or the node itself, asked for it: done before the next opening
EPOCH: Final = (
    "epoch"  # row of `local` on PostgreSQL: a healed database is written under this one or a later one, whichever program opens it
)
FAILED: Final = "heal-failed"  # it could not be done: not tried again and again
NAMES: Final = ("journal.db", "journal.db-wal", "journal.db-shm")
ENTRIES_AT_ONCE: Final = 2_000
BY_ITSELF_MAX: Final = 2  # a day
ROOM_TIMES: Final = 4  # of the journal: its copy, what can be read of it, the new one, and the log of that
HEALS_MAX: Final = 2  # at once: another program may have come and gone meanwhile
_IN_USE: Final = "数据库还有别的程序连着（另开的进程？备份程序？）。先停下它们，再运行 yidi heal"
_WRITTEN: Final = "修复的时候别的程序写了数据库，写的都在，没有改动。先停下它们，再运行 yidi heal"
_UNREADABLE: Final = "台账的目录已损坏，读不出来。请用最近的备份恢复（yidi restore），备份以后的联上后从别的节点取回"
_ROOM: Final = "磁盘上地方不够，没有修复，台账还是原来的样子。修复要在旁边另做一份新的，大约要 {mb} MB 空地方：请清出来，停下本机的程序，再运行 yidi heal"
_NOTHING: Final = (
    "台账里一条也没有读出来，没有改动。多半是密钥不对：请看 {keys}/store.key 是不是这台电脑自己的，把另存的 identity/ 放回去再启动；"
    "密钥没有错，请用最近的备份恢复（yidi restore），备份以后的联上后从别的节点取回"
)
_AWAY: Final = "数据库连不上，或者现在不能写。台账还是原来的样子；等它好了再运行 yidi heal"


class Gap(msgspec.Struct, frozen=True):
    """Entries first … last of a lane that were here once and are not now."""

    ledger: str
    origin: str
    first: int
    last: int


class Healing(msgspec.Struct):
    """pages: damaged ones of the file · entries: proven, gone over · loose: kept apart, to follow · short: lanes with how far they should
    reach · epoch: the new one, 0: none was needed · aside: folder of the damaged file · codes: of enrolment, out and void by the new epoch.
    Set later: attached: of the loose · rewritten: under the new epoch · gone: for good · bodiless: written anew without their damaged words ·
    settled_by: who did not wait for all."""

    since_ms: int
    pages: int
    entries: int
    loose: int
    short: list[Gap]
    epoch: int = 0
    aside: str = ""
    attached: int = 0
    rewritten: int = 0
    gone: list[Gap] = []
    bodiless: list[Gap] = []
    settled_by: str = ""
    done_ms: int = 0
    codes: int = 0


class _Code(msgspec.Struct):
    """What is asked here of a code that is out. epoch: of whoever gave it; 0: an older program, which any lets in."""

    epoch: int = 0


async def heal(folder: Path, config: Config, clock: Callable[[], int]) -> Healing:
    """Makes the new journal beside the old one and puts it in its place. Raises RuntimeError where nothing can be done (locks.Busy: not now),
    OSError, Refused; then nothing was changed."""
    if config.root.beside:
        raise RuntimeError("这是另开的进程，修复要由第一个进程来做。请停下两个，在第一个的文件夹里运行 yidi heal")
    async with locks.alone(folder):  # what a command wrote after it was read would be lost
        return await _finished(folder, config) or await _healed(folder, config, clock)


async def finish(folder: Path, config: Config) -> Healing | None:
    """Changes the places when a new journal stands ready; each step may be done twice. None: there is none, or the database did not take
    it and is what it was: then it is made anew when the program starts again. Raises OSError, Refused store_busy (the database is away),
    locks.Busy."""
    if not (folder / WORK / PLAN).exists():
        return None
    async with locks.alone(folder):
        return await _finished(folder, config)


def tidy(folder: Path) -> None:
    """What a heal left that was killed before its plan stood. Nobody else may be healing here."""
    if not (folder / WORK / PLAN).exists():
        shutil.rmtree(folder / WORK, ignore_errors=True)


def leave(folder: Path, aside: Path) -> None:
    """Another journal is about to take the place: what stood ready goes, plan first, and what was open goes with the old journal to `aside`.
    Raises OSError."""
    _give_up(folder / WORK)
    for said in (ASKED, FAILED):
        (folder / said).unlink(missing_ok=True)
    if (folder / STATE).exists():
        aside.mkdir(exist_ok=True)
        (folder / STATE).rename(aside / STATE)
    sync_folder(folder)


def state_of(folder: Path) -> Healing | None:
    """What is still open; None: nothing was healed, or all is decided."""
    try:
        return msgspec.json.decode((folder / STATE).read_bytes(), type=Healing)
    except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError):
        return None


def reports(folder: Path) -> list[Healing]:
    """All that were ended, the newest first."""
    found = []
    for file in folder.glob("healed-*.json"):
        try:
            found.append(msgspec.json.decode(file.read_bytes(), type=Healing))
        except msgspec.MsgspecError:
            continue
    return sorted(found, key=lambda one: -one.since_ms)


def keep_state(folder: Path, state: Healing) -> None:
    """Raises OSError."""
    write_whole(folder / STATE, msgspec.json.encode(state))


def end_state(folder: Path, state: Healing) -> None:
    """The report stays; the damaged file goes, for all that was in it is decided: not where nothing was saved from it, unless others had all
    of it. Raises OSError."""
    write_whole(folder / f"healed-{state.since_ms}.json", msgspec.json.encode(state))
    (folder / STATE).unlink(missing_ok=True)
    if state.aside and (state.entries or state.loose or (state.short and not state.gone)):
        shutil.rmtree(folder / state.aside, ignore_errors=True)


def keep_failed(folder: Path, error: Exception) -> None:
    """Raises OSError."""
    (folder / FAILED).touch()
    os.utime(folder / FAILED)
    with suppress(OSError):  # a disk that is full takes the name alone
        (folder / FAILED).write_text(getattr(error, "sentence", str(error)))


def why_failed(folder: Path) -> str:
    """In words, of the last attempt; "" where none failed."""
    try:
        return (folder / FAILED).read_text()
    except FileNotFoundError:
        return ""


def may_by_itself(folder: Path, now_ms: int) -> bool:
    """Claims that nobody has to be asked: a journal that is damaged again and again lies on a disk that dies."""
    state, failed = state_of(folder), folder / FAILED
    if failed.exists() and now_ms - failed.stat().st_mtime * 1000 < DAY_MS:
        return False
    healed = [one.since_ms for one in (*([state] if state else []), *reports(folder))]
    return sum(now_ms - at < DAY_MS for at in healed) < BY_ITSELF_MAX


# ── the rest is private ──


async def _healed(folder: Path, config: Config, clock: Callable[[], int]) -> Healing:
    for left in reversed(range(HEALS_MAX)):
        plan = await _made(folder, config, clock)
        killpoints.reach("heal.ready")
        try:
            return await _changed_places(folder, config) or plan
        except _Written:
            if not left:
                raise
    raise AssertionError("the last attempt returns or raises")


async def _finished(folder: Path, config: Config) -> Healing | None:
    try:
        return await _changed_places(folder, config)
    except _Away as away:
        raise Refused("store_busy") from away
    except RuntimeError as error:
        log.event("not healed", level=logging.ERROR, exception=error)
        (folder / ASKED).touch()
        return None


async def _made(folder: Path, config: Config, clock: Callable[[], int]) -> Healing:
    """The new journal whole beside the old one, and what is to be done with it. Where it can't be made nothing of it stays: what lay there
    would keep a full disk full."""
    work, key = folder / WORK, Identity(folder).key("store")
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir(mode=0o700)
        return await _made_in(folder, work, key, config, clock)
    except (sqlcipher.Error, Refused, OSError) as error:
        meant = _meaning(error, folder, config)
        _give_up(work)
        raise meant from None  # whoever words it would else find the full disk of a save
    except BaseException:
        _give_up(work)
        raise


def _meaning(error: Exception, folder: Path, config: Config) -> Exception:
    """A disk that has no room or fails is said as such, while what was made still lies there: it is no reason to restore."""
    meant = meaning(error, folder) if isinstance(error, sqlcipher.Error) else refusal(error) or error
    if isinstance(meant, BackupBroken):
        return RuntimeError(_UNREADABLE)
    if isinstance(meant, Refused) and meant.code == "disk_full":
        names = [folder / name for name in NAMES[:2]] if store_url(folder, config).startswith("sqlite") else [folder / WORK / DAMAGED]
        size = sum(path.stat().st_size for path in names if path.exists())
        return RuntimeError(_ROOM.format(mb=size * ROOM_TIMES // 2**20 + 1))
    return meant


async def _made_in(folder: Path, work: Path, key: bytes, config: Config, clock: Callable[[], int]) -> Healing:
    identity, url = Identity(folder), store_url(folder, config)
    made = work / NAMES[0]
    machine, shelf = Machine(folder, config, clock), Shelf(clock)
    await _blank(made, key, shelf)
    if url.startswith("sqlite"):
        pages = await asyncio.to_thread(_copied, folder, work, key)
    else:
        pages = await _read_from(url, work, key, shelf)
    try:
        saved = await asyncio.to_thread(salvage, work / DAMAGED, key, made, work, identity.about().root_public)
    except UnicodeDecodeError as error:
        raise RuntimeError(_UNREADABLE) from error
    journal = await open_journal(f"sqlite:///{made.resolve()}", key, shelf)
    try:
        await _follow_up(journal, shelf, machine.blobs(), clock())
        given = await _codes_out(journal, clock())
    finally:
        await journal.close()
    if url.startswith("sqlite") and _is_empty_handed(work, saved):
        raise RuntimeError(_NOTHING.format(keys=identity.folder))
    plan = _plan(saved, pages, identity, Witness(folder / MARK), clock())
    plan.codes = sum(epoch not in (0, plan.epoch) for epoch in given) if plan.epoch else 0
    if url.startswith("sqlite"):  # the file itself is there
        for left in work.glob(f"{DAMAGED}*"):
            left.unlink()
    for left in work.glob("scratch.db*"):
        left.unlink()
    sync_folder(work)
    write_whole(work / PLAN, msgspec.json.encode(plan))
    return plan


def _is_empty_handed(work: Path, saved: Saved) -> bool:
    """Claims that nothing was proven of a journal that holds more than one without entries does: it is not damage that hides all of it, the
    key is another one."""
    found = sum((work / name).stat().st_size for name in (DAMAGED, f"{DAMAGED}-wal") if (work / name).exists())
    return not saved.entries and not saved.loose and found > (work / NAMES[0]).stat().st_size


async def _blank(file: Path, key: bytes, shelf: Shelf) -> None:
    await (await Journal.open(f"sqlite:///{file.resolve()}", key, shelf)).close()


async def _read_from(url: str, work: Path, key: bytes, shelf: Shelf) -> int:
    """A database that others use is not healed: they would go on from what they remember of it."""
    from protocol.node.journal import postgres_salvage  # with its driver, which only a county on PostgreSQL has

    await _blank(work / DAMAGED, key, shelf)
    try:
        seen = await postgres_salvage.traces(url)  # before the look at who is here: whoever comes after it leaves another one
        if await postgres_salvage.in_use(url):
            raise RuntimeError(_IN_USE)
        write_whole(work / SEEN, seen)
        return await postgres_salvage.read_out(url, work / DAMAGED, key)
    except postgres_salvage.UnreadableStore as error:
        raise RuntimeError(
            "数据库的目录已损坏，读不出来。请用最近的备份恢复（yidi restore）到一个新的数据库，备份以后的联上后从别的节点取回"
        ) from error
    except postgres_salvage.AWAY as error:
        raise RuntimeError(_AWAY) from error


class _Written(RuntimeError):
    """What stood ready is older than what is in the database."""


class _Away(RuntimeError):
    """Nobody knows whether the database took it: asked again at the next start."""


async def _changed_places(folder: Path, config: Config) -> Healing | None:
    """`finish`; what the database refuses it says in words (RuntimeError): then nothing was changed, and what stood ready is gone."""
    work = folder / WORK
    try:
        plan = msgspec.json.decode((work / PLAN).read_bytes(), type=Healing)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    identity, url = Identity(folder), store_url(folder, config)
    if (work / NAMES[0]).exists() and url.startswith("sqlite"):
        _keep(folder, plan, {name: folder / name for name in NAMES[:2]})
        _go_on(folder, plan, identity)
        for name in NAMES[1:]:
            (folder / name).unlink(missing_ok=True)  # a log of the old file must never be read into the new one
        sync_folder(folder)
        killpoints.reach("heal.swap")
        (work / NAMES[0]).rename(folder / NAMES[0])
        sync_folder(folder)
    elif (work / NAMES[0]).exists():
        killpoints.reach("heal.swap")
        await _put_back(url, work, identity.key("store"), plan)  # the new epoch is in it, whoever opens it before we come to the next line
        _keep(folder, plan, {NAMES[0]: work / DAMAGED})
        _go_on(folder, plan, identity)
    for said in (ASKED, FAILED):
        (folder / said).unlink(missing_ok=True)
    shutil.rmtree(work)
    log.event("healed", entries=plan.entries, count=plan.pages, lanes=len(plan.short))
    return plan


def _keep(folder: Path, plan: Healing, sources: Mapping[str, Path]) -> None:
    """What was damaged, until all is decided."""
    aside = folder / plan.aside
    aside.mkdir(mode=0o700, exist_ok=True)
    for name, source in sources.items():
        if source.exists() and not (aside / name).exists():
            os.link(source, aside / name)
    sync_folder(aside)


def _go_on(folder: Path, plan: Healing, identity: Identity) -> None:
    """Under the new epoch, with what is still open."""
    while plan.epoch and identity.about().epoch < plan.epoch:
        identity.new_epoch()
        (folder / MARK).unlink(missing_ok=True)
    write_whole(folder / STATE, msgspec.json.encode(plan))


def _give_up(work: Path) -> None:
    """The plan goes first: without the journal beside it, it would say that all is done."""
    if (work / PLAN).exists():
        (work / PLAN).unlink()
        sync_folder(work)
    shutil.rmtree(work, ignore_errors=True)


async def _put_back(url: str, work: Path, key: bytes, plan: Healing) -> None:
    from protocol.node.journal import postgres_salvage

    mark, notes = str(plan.since_ms).encode(), {EPOCH: str(plan.epoch).encode()} if plan.epoch else {}
    seen = (work / SEEN).read_bytes() if (work / SEEN).exists() else b""
    try:
        await postgres_salvage.put_back(url, work / NAMES[0], key, views, mark, seen, notes)
    except postgres_salvage.InUse as error:
        _give_up(work)
        raise RuntimeError(_IN_USE) from error
    except postgres_salvage.Written as error:
        _give_up(work)
        raise _Written(_WRITTEN) from error
    except (*postgres_salvage.AWAY, *UNREADABLE_STORE) as error:
        try:
            is_back = await postgres_salvage.is_back(url, mark)
        except postgres_salvage.AWAY:
            raise _Away(_AWAY) from error
        if not is_back:  # else the connection broke after the commit
            _give_up(work)
            raise RuntimeError(_AWAY) from error


def _copied(folder: Path, work: Path, key: bytes) -> int:
    """A copy with its log, each page readable; how many were not what was written. What the disk does not give is zeros."""
    if not (folder / NAMES[0]).exists():
        raise RuntimeError(f"{folder} 里没有台账")
    for name, copy in zip(NAMES[:2], (DAMAGED, f"{DAMAGED}-wal"), strict=True):
        if (folder / name).exists():
            _read_out(folder / name, work / copy)
    return reseal(work / DAMAGED, key)


def _read_out(source: Path, target: Path) -> None:
    size = source.stat().st_size
    with source.open("rb", buffering=0) as f, target.open("wb") as out:
        for at in range(0, size, PAGE_BYTES):
            most = min(PAGE_BYTES, size - at)
            try:
                f.seek(at)
                out.write(f.read(most).ljust(most, b"\0"))
            except OSError:
                out.write(bytes(most))


async def _follow_up(journal: Journal, shelf: Shelf, blobs: Blobs, now_ms: int) -> None:
    """What entries that count ask for besides their views, once more: files to expect, bodies that the law took."""
    position = 0
    known = {row["address"] for row in await journal.rows("blob")}
    used = {(row["ledger"], row["origin"], row["seq"]) for row in await journal.rows("blob_use")}
    while some := await journal.since(position, ENTRIES_AT_ONCE):
        position = some[-1].position
        wanted = [e for e in some if e.head.kind in EVIDENCE and (e.key not in used or not _addresses(e) <= known)]
        erasing = [e for e in some if e.head.kind == "BodyErased" and shelf.counts(*e.key)]
        async with journal.writing() as w:
            for e in wanted:
                await expect_files(w, [e], entry.node_of(e.origin), now_ms)
            await w.project(await erase_bodies(w, erasing))
    await found_here(journal, blobs)


async def _codes_out(journal: Journal, now_ms: int) -> list[int]:
    """Of each code of enrolment that is unused and not late the epoch."""
    found = list[int]()
    for row in await journal.rows("invitation", "used_by = '' and until_ms > :now_ms", {"now_ms": now_ms}):
        with suppress(msgspec.MsgspecError):  # a damaged one lets nobody in
            found.append(msgspec.msgpack.decode(row["content"], type=_Code).epoch)
    return found


def _addresses(e: Any) -> set[str]:
    body = body_of(e.head.kind, e.body)
    if not isinstance(body, EvidenceAddedBody):
        return set()
    named: list[Blob] = [body.blob, *([body.thumb] if body.thumb is not None else [])]
    return {blob.address for blob in named}


def _plan(saved: Saved, pages: int, identity: Identity, witness: Witness, now_ms: int) -> Healing:
    about = identity.about()
    heads = {lane: LaneHead(seq) for lane, seq in saved.here.items()}
    known = dict(saved.known)
    for ledger, origin, _, noted in witness.ahead(heads):
        known[ledger, origin] = max(known.get((ledger, origin), 0), noted)
    short = [Gap(*lane, saved.here.get(lane, 0) + 1, seq) for lane, seq in sorted(known.items()) if seq > saved.here.get(lane, 0)]
    mine = [entry.epoch_of(origin) for _, origin in {*saved.here, *known} if entry.node_of(origin) == about.node]
    lost = any(entry.node_of(gap.origin) == about.node and entry.epoch_of(gap.origin) >= about.epoch for gap in short)
    epoch = max([about.epoch, *mine]) + 1 if pages or lost else 0  # a further program of this node may be under a later one than ours
    return Healing(now_ms, pages, saved.entries, saved.loose, short, epoch, f"damaged-{now_ms // 1000}")
