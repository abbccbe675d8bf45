"""The readers of a SQLite journal: a few connections that cannot write, each lent to one snapshot at a time.

BEGIN and ROLLBACK of a reader touch no disk and are done where they are asked for; a pool of SQLAlchemy sends each to the
connection's thread, with two hops of its own: 0.3 ms a snapshot, and a page takes some thirty. The one that was given back
last is lent first: a node that is asked one thing after another keeps the pages of one connection in memory, not of all.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sqlalchemy.dialects import sqlite

from protocol.node.journal.engine import READERS_MAX, WAIT_S, Connection
from protocol.problem import Refused


class Snapshot:
    """What `rows` asks of a connection. It sees one moment, that of its first statement."""

    dialect = sqlite.dialect()

    def __init__(self, driver: Connection) -> None:
        self.driver = driver


class Readers:
    """Stands where PostgreSQL has an AsyncEngine. opened: makes a connection, which is open when it returns."""

    def __init__(self, opened: Callable[[], Awaitable[Connection]], most: int = READERS_MAX) -> None:
        self._opened, self._room = opened, asyncio.Semaphore(most)
        self._idle: list[Connection] = []
        self._ending: set[asyncio.Future[None]] = set()
        self._is_disposed = False

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Snapshot]:
        """Raises Refused store_busy when all are lent for longer than WAIT_S, and after `dispose`."""
        await self._take_room()
        try:
            driver = self._idle.pop() if self._idle else await self._opened()
        except BaseException:
            self._room.release()
            raise
        try:
            driver.plain.execute("BEGIN")
            yield Snapshot(driver)
        finally:
            self._take_back(driver)

    def _take_back(self, driver: Connection) -> None:
        def is_back(ended: asyncio.Future[None] | None) -> None:
            if ended:
                self._ending.discard(ended)
            if self._is_disposed or (ended and ended.exception()):
                driver.stop()
            else:
                self._idle.append(driver)
            self._room.release()

        try:
            ending = driver.end_reading()
        except BaseException:  # what can't be rolled back is of no use to the next one
            driver.stop()
            self._room.release()
            raise
        if ending:
            self._ending.add(ending)
            ending.add_done_callback(is_back)
        else:
            is_back(None)

    async def dispose(self) -> None:
        """What is lent is closed when it comes back."""
        self._is_disposed = True
        await asyncio.gather(*self._ending, return_exceptions=True)
        idle, self._idle = self._idle, []
        for driver in idle:
            await driver.close()

    async def _take_room(self) -> None:
        if self._is_disposed:
            raise Refused("store_busy")
        if not self._room.locked():
            await self._room.acquire()  # at once, without a timer
            return
        try:
            async with asyncio.timeout(WAIT_S):
                await self._room.acquire()
        except TimeoutError:
            raise Refused("store_busy") from None
