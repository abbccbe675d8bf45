"""Our own checkpoint of SQLite's log, on a connection of its own: it never waits for the writer nor the writer for it.

SQLite's automatic one hides I/O errors (3 of 22 positions swept were silent; with this one 23 of 23 were heard), and no
page checksum guards the log, so it is emptied as soon as nothing has been written for a moment.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from sqlcipher3 import dbapi2 as sqlcipher

from protocol.node import killpoints
from protocol.node.journal.engine import connect_sqlite, stop_if_fatal

CACHE_KB = 512  # it copies pages, it reads none twice
IDLE_S = 1.0
LOG_BYTES = 8 * 2**20  # do not wait for an idle moment beyond this
PAUSE_S = 0.1  # between rounds while writing goes on: each syncs the database
LOG_BYTES_MAX = 128 * 2**20  # beyond this the writer waits, so that the log can start again from its beginning


class Checkpoint:
    """committed(): call after each commit. Errors other than I/O ones (a reader in the way, a full disk) leave it to the next round."""

    def __init__(self, path: Path, key: bytes, failed: Callable[[BaseException], Any], turn: asyncio.Semaphore) -> None:
        self._log = path.with_name(path.name + "-wal")
        self._failed, self._turn = failed, turn
        self._connection, self._mutex = connect_sqlite(path, key, True, CACHE_KB), Lock()
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def committed(self) -> None:
        self._again = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._rounds())

    async def _rounds(self) -> None:
        while self._again:
            self._again = False
            if self._size() < LOG_BYTES:
                await asyncio.sleep(IDLE_S)
                if self._again and self._size() < LOG_BYTES:
                    continue
            if self._size() > LOG_BYTES_MAX:
                async with self._turn:
                    await self._run("truncate")
            else:
                await self._run("passive")
                await asyncio.sleep(PAUSE_S)

    def _size(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0

    async def _run(self, mode: str) -> None:
        await asyncio.to_thread(self._checkpoint, mode)

    def _checkpoint(self, mode: str) -> None:
        try:
            with self._mutex:  # closing may come while a round is in its thread
                self._connection.execute(f"pragma wal_checkpoint({mode})").fetchall()
                killpoints.reach("journal.checkpoint")
        except sqlcipher.Error as error:  # busy or full: the next round tries again
            stop_if_fatal(error, self._failed)

    async def damaged_pages(self) -> list[str]:
        """Pages of the file whose checksum is wrong, also those that nobody reads. Looked at twice: another program may be writing one."""
        first = set(await asyncio.to_thread(self._look))
        return sorted(first & set(await asyncio.to_thread(self._look))) if first else []

    def _look(self) -> list[str]:
        with self._mutex:  # no checkpoint of ours meanwhile
            return [str(row[0]) for row in self._connection.execute("pragma cipher_integrity_check").fetchall()]

    async def close(self) -> None:
        """With nobody writing: the log is emptied here, where an error is heard, and not by the last connection to close."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._run("truncate")
        self._connection.close()
