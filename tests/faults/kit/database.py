"""The hub's PostgreSQL: one server of our own a program, a database of its own for each county, and ways to kill it.

database = await Database.here()        initdb and start on a free port of loopback, as a user that is not root
database = await Database.drawn(chance) the same for half of all seeds; None: the hub's store is SQLCipher
async with in_memory() as database:     another one, for a round in `./run test`
database.kill(); await database.start() SIGKILL of the postmaster; then crash recovery
"""

import asyncio
import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

from deploy.nats.servers import free_ports
from protocol.node.config import load
from protocol.node.identity import Identity
from protocol.node.journal import backup as copy_journal
from protocol.node.journal import restore as restore_journal
from protocol.node.node import Node, now_ms
from protocol.node.shelf import Shelf
from tests.kit import postgres

START_S_MAX = 60.0
_here: "Database | None" = None


class Database:
    def __init__(self, server: postgres.Server, folder: Path) -> None:
        self.server, self._folder, self._template, self._made = server, folder, "", list[str]()

    @classmethod
    async def here(cls) -> "Database":
        """The one of this program; ended with it. Raises LookupError without PostgreSQL."""
        global _here
        if _here is None:
            _here = await asyncio.to_thread(cls._begun)
            atexit.register(_here.end)
        await _here.start()
        return _here

    @classmethod
    async def drawn(cls, chance: Random) -> "Database | None":
        """Of a whole county's round. Raises LookupError."""
        return await cls.here() if chance.random() < 0.5 else None

    @classmethod
    async def quick(cls) -> "Database":
        """One of the caller's own, who ends it; it lies in memory where there is room, so for rounds that time nothing. Raises LookupError."""
        made = await asyncio.to_thread(cls._begun, postgres.memory())
        await made.start()
        return made

    @classmethod
    def _begun(cls, within: Path | None = None) -> "Database":
        bin_ = postgres.programs()
        if bin_ is None:
            raise LookupError(postgres.MISSING)
        folder = Path(tempfile.mkdtemp(prefix="yidi-pg-", dir=within))
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        server = postgres.Server(bin_, folder, free_ports(1)[0])
        server.make()
        return cls(server, folder)

    @property
    def pid(self) -> int:
        """Of the postmaster; 0: it does not run."""
        with suppress(OSError, ValueError, IndexError):
            pid = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
            stat = Path(f"/proc/{pid}/stat").read_text()
            return 0 if stat.rpartition(")")[2].split()[0] == "Z" else pid  # killed, and nobody has taken notice of it yet
        return 0

    def kill(self) -> None:
        """SIGKILL of the postmaster: its children notice and end; nothing is written any more."""
        if pid := self.pid:
            os.kill(pid, signal.SIGKILL)

    async def start(self) -> None:
        """Until it answers; after a kill that is when its children are gone and the log is replayed."""
        began = time.monotonic()
        while not self._answers():
            with suppress(subprocess.CalledProcessError):
                if not self.pid:
                    await asyncio.to_thread(self.server.start)
            assert time.monotonic() - began < START_S_MAX, "PostgreSQL does not come back: " + (self._folder / "log").read_text()[-800:]
            await asyncio.sleep(0.1)

    def _answers(self) -> bool:
        return bool(self.pid) and (self._folder / "data" / "postmaster.pid").read_text().rstrip().endswith("ready")

    async def copy_of(self, home: Path) -> str:
        """A new database with what the folder's journal holds, under the same epoch. Returns its URL."""
        for name in self._made[:-1]:
            await self.server._say(f"drop database if exists {name} with (force)")
        self._made = self._made[-1:]
        if not self._template:
            self._template = "county"
            await self.server._say(f"create database {self._template}")
            await fill(home, self.server.url(self._template))
        name = f"county{time.time_ns()}"
        await self.server._say(f"create database {name} template {self._template}")
        self._made.append(name)
        return self.server.url(name)

    async def empty(self, like: str = "") -> str:
        """Another new one, with nothing in it: what an operator makes to restore into. Returns its URL. like: that of one whose contents it
        begins with, which nobody has open."""
        self._made.append(f"empty{time.time_ns()}")
        template = f" template {like.rpartition('/')[2]}" if like else ""
        await self.server._say(f"create database {self._made[-1]}{template}")
        return self.server.url(self._made[-1])

    def end(self) -> None:
        self.server.crash()
        shutil.rmtree(self._folder, ignore_errors=True)


@asynccontextmanager
async def in_memory() -> AsyncIterator[Database]:
    """Of this block, and ended with it. Raises LookupError."""
    database = await Database.quick()
    try:
        yield database
    finally:
        database.end()


async def fill(home: Path, url: str) -> None:
    """From the embedded store, by the product's own copy."""
    identity = Identity(home)
    with tempfile.TemporaryDirectory() as work:
        copy, key = Path(work) / "copy", identity.key("backup")
        node = await Node.open(home, load(home / "yidi.toml", {}))
        try:
            await copy_journal(node.journal, copy, key)
        finally:
            await node.close()
        await restore_journal(copy, key, url, None, Shelf(now_ms))
