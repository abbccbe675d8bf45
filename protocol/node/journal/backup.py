"""A consistent copy of a journal while it is in use, and the way back.

A backup is always one SQLCipher file, whichever store it was taken from: it can be restored to either. It is verified page
by page and synced before it gets its name, and written beside the journal, never into it. What it was not told: the keys
of the node, the blobs, the configuration.
"""

import asyncio
import errno
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlcipher3 import dbapi2 as sqlcipher

from protocol import views as folding
from protocol.node.disk import takes_nothing
from protocol.node.journal import schema
from protocol.node.journal.engine import connect_sqlite, postgres_engine, sqlite_path, sync_folder
from protocol.node.journal.faults import is_fatal, refusal
from protocol.node.journal.journal import Journal
from protocol.node.journal.migrate import OPENED
from protocol.node.journal.projection import Views
from protocol.node.journal.rows import fetch, insert, number_on, pieces
from protocol.problem import Refused

ROWS_AT_ONCE, ROOM_BYTES_MIN = 5000, 2**20
FULL, FAILING = "database or disk is full", "disk I/O error"  # sqlite3_errstr: the driver's own copying gives no code with it


class BackupBroken(Exception):
    """备份文件不完整或已损坏，不能使用。"""


class NotEmpty(Exception):
    """目标里已经有台账，不能恢复到它上面。"""


async def backup(journal: Journal, path: Path, key: bytes) -> None:
    """Writes the file `path`, encrypted with `key` (32 bytes). Raises FileExistsError, OSError, BackupBroken; Refused as reads do."""
    if path.exists():
        raise FileExistsError(path)
    if journal.url.startswith("sqlite"):
        await asyncio.to_thread(_copy_file, sqlite_path(journal.url), journal.key, path, key)
        return
    work = path.with_name(path.name + ".work")
    _remove(work)
    try:
        copy = await Journal.open(f"sqlite:///{work}", key, journal.tables, views=journal.views)
        try:
            await _copy_tables(journal, copy)
        finally:
            await copy.close()
        await asyncio.to_thread(_copy_file, work, key, path, key)
    finally:
        _remove(work)


async def restore(path: Path, key: bytes, url: str, new_key: bytes | None, tables: Callable[[], Any], *, views: Views = folding) -> None:
    """Makes a journal at `url` out of a backup; opening it brings it to this program's version. Raises NotEmpty, BackupBroken.

    Who restores begins a new epoch before anything is written: other nodes may hold what the backup does not.
    """
    if url.startswith("sqlite"):
        target = sqlite_path(url)
        if target.exists():
            raise NotEmpty(str(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_copy_file, path, key, target, new_key or b"")
        return
    work = path.with_name(path.name + ".work")
    _remove(work)
    await asyncio.to_thread(_copy_file, path, key, work, key)
    try:
        source = await Journal.open(f"sqlite:///{work}", key, tables, views=views)
        target_journal = await Journal.open(url, new_key, tables, views=views)
        try:
            await _copy_tables(source, target_journal)
        finally:
            await target_journal.close()
            await source.close()
    finally:
        _remove(work)


async def has_entries(url: str) -> bool:
    """Whether somebody's entries lie in this PostgreSQL; makes no tables in it. Raises as Journal.open does."""
    engine = postgres_engine(url, False)
    try:
        async with engine.connect() as c:
            made = await fetch(c, "select 1 where to_regclass('lane') is not null")
            return bool(made and await fetch(c, "select 1 from lane limit 1"))
    except Exception as error:
        if meant := refusal(error):
            raise meant from error
        raise
    finally:
        await engine.dispose()


def meaning(error: BaseException, folder: Path) -> Exception:
    """A full disk and a disk that fails are said as such; pages that are not what was written, or another key, make the file of no use."""
    refused = refusal(error) or (Refused("disk_full") if str(error) == FULL else None)
    if is_fatal(error) or str(error) == FAILING:  # of the copy, or of reading: nothing that was promised depends on it
        if shutil.disk_usage(folder).free < ROOM_BYTES_MIN:  # SQLite calls it so when its shared memory finds no room
            return Refused("disk_full")
        return OSError(errno.EIO, os.strerror(errno.EIO))
    if refused and refused.code == "store_readonly" and takes_nothing(folder):  # the disk of the copy
        return OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))
    return BackupBroken(str(error)) if refused is None or refused.code == "store_damaged" else refused


def _copy_file(source: Path, source_key: bytes, target: Path, target_key: bytes) -> None:
    if not source.exists():
        raise FileNotFoundError(source)
    part = target.with_name(target.name + ".part")
    _remove(part)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(connect_sqlite(source, source_key, False)) as from_, closing(connect_sqlite(part, target_key, True)) as to:
            to.execute("pragma synchronous = OFF")  # synced below, once and as a whole
            from_.backup(to)
            to.execute("pragma journal_mode = delete")  # one file, nothing beside it
            wrong = to.execute("pragma cipher_integrity_check").fetchall() or [r for r in to.execute("pragma quick_check") if r[0] != "ok"]
        if wrong:
            raise BackupBroken(str(wrong[0]))
    except sqlcipher.Error as error:
        meant = meaning(error, target.parent)  # before there is room again
        _remove(part)
        raise meant from error
    except BaseException:
        _remove(part)
        raise
    with part.open("rb") as f:
        os.fsync(f.fileno())
    part.rename(target)
    sync_folder(target.parent)


async def _copy_tables(source: Journal, target: Journal) -> None:
    """Every kept table, as of one moment, in one transaction of the target."""
    async with target.writing() as w, source.read() as c:
        if await fetch(w.connection, "select 1 from lane limit 1"):
            raise NotEmpty(target.url)
        for table in schema.kept.sorted_tables:
            names = [column.name for column in table.columns]
            # rows of `local` that tell of the views beside them, which are not copied, and of the last opening there
            where = f" where name not in ('views', 'view names', '{OPENED}')" if table.name == "local" else ""
            async for some in pieces(c, f"select {', '.join(names)} from {table.name}{where}", ROWS_AT_ONCE):
                await insert(w.connection, table.name, names, some)
        await fetch(w.connection, "delete from local where name = 'views'")  # they are empty: the next opening fills them
        await number_on(w.connection)


def _remove(path: Path) -> None:
    for name in (path.name, path.name + "-wal", path.name + "-shm", path.name + "-journal"):
        path.with_name(name).unlink(missing_ok=True)
