"""A county's PostgreSQL and what writes to it, on one recording: `python -m tests.faults.kit.pulled FOLDER PORT SEED COUNT [word …]`.

    cluster = await Cluster.around(folder)                      a server of its own in FOLDER/data, with what FOLDER/hub holds; stopped
    words, shown, asked = await cluster.cut(chance, 40, 20)     server and writer under strace, from the start of both to their end; 20 images

All of the server's processes are traced: log (pg_wal) and data files, pg_control, commit status. Segments are of 1 MB and the log is kept at
a few, so that a recording holds checkpoints, log files begun and used again. A word with = is a setting of the server, any other one of the writer. Of each image a real server is started, recovers by itself, and
is asked; then its own amcheck looks at each page and index.

PostgreSQL 15 does not sync the folder of a table's new file: it rests on file systems where syncing a file keeps its name (ext4, XFS). So do
its images here. A disk that lies about syncs, and caches of controllers, are not seen.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError

from deploy.nats.servers import free_ports
from protocol.node.journal.engine import driver_url
from tests.faults.kit.afterwards import Afterwards
from tests.faults.kit.database import fill
from tests.faults.kit.powercut import Image, Op, contents, images, lay, record
from tests.kit import postgres

START_S_MAX, DATABASE = 60.0, "county"
SETTINGS = ("shared_buffers=16MB", "min_wal_size=2MB", "max_wal_size=3MB", "autovacuum_naptime=1s", "bgwriter_delay=20ms")
MEMORY = Path("/dev/shm")
_HEAPS = "select relname, msg from pg_class c, lateral verify_heapam(c.oid, skip := 'none') where relkind in ('r', 't')"
_INDICES = """select bt_index_check(indexrelid, c.relkind = 'r') from pg_index join pg_class c on c.oid = indrelid
    join pg_class i on i.oid = indexrelid join pg_am a on a.oid = i.relam where amname = 'btree' and indisvalid"""


class Cluster:
    """folder: data/ is the server's, hub/ the node's, and both are what a power cut hits at one moment."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder, self.server = folder, postgres.Server(programs, folder, free_ports(1)[0], SETTINGS)
        self.before: Image = {}
        self._programs, self._folders = programs, list[Path]()

    @classmethod
    async def around(cls, folder: Path) -> "Cluster":
        """Takes what the node's journal holds into a new server, and leaves it stopped. Raises LookupError without PostgreSQL."""
        programs = postgres.programs()
        if programs is None:
            raise LookupError(postgres.MISSING)
        cluster = cls(programs, folder)
        cluster._give_away(folder)
        await asyncio.to_thread(cluster.server.make, "--wal-segsize=1")
        await asyncio.to_thread(cluster.server.start)
        try:
            await cluster.server._say(f"create database {DATABASE}")
            await fill(folder / "hub", cluster.server.url(DATABASE))
        finally:
            await asyncio.to_thread(cluster.server.stop)
        for left in (folder / "hub").glob("journal.db*"):
            left.unlink()
        with (folder / "hub" / "yidi.toml").open("a") as toml:
            toml.write(f'[store]\nurl = "{cluster.server.url(DATABASE)}"\n')
        (folder / "hub" / "out").mkdir(exist_ok=True)
        cluster.before = contents(folder)
        cluster._folders = [path.relative_to(folder) for path in folder.rglob("*") if path.is_dir()]
        return cluster

    async def cut(self, chance: Random, count: int, pulls: int, *words: str, until_wrong: bool = False) -> tuple[Counter[str], int, int]:
        """(what was said of the images, receipts shown, receipts asked after). until_wrong: the first that is not true is the last."""
        seed, said, asked = chance.randrange(2**31), Counter[str](), 0
        ops = await asyncio.to_thread(self.recorded, seed, count, *words)
        shown, after = sum(op[0] == "ack" for op in ops), Afterwards(self.folder / "hub")
        assert shown, "a recording without a receipt proves nothing"
        for image, acks in images(ops, pulls, seed, self.before, named=True):
            word = (await self.judge(image, acks, after)) or "true"
            said[word] += 1
            asked += len(acks)
            if until_wrong and word != "true":
                break
        return said, shown, asked

    def recorded(self, seed: int, count: int, *words: str) -> list[Op]:
        command = [sys.executable, "-m", "tests.faults.kit.pulled", self.folder, self.server.port, seed, count, *words]
        return record(command, self.folder, cwd=self.server.data)

    async def judge(self, image: Image, acks: Sequence[Mapping[str, Any]], after: Afterwards) -> str:
        with tempfile.TemporaryDirectory(prefix="yidi-pull-", dir=MEMORY if MEMORY.is_dir() else None) as d:
            to = Path(d)
            for path in self._folders:
                (to / path).mkdir(parents=True, exist_ok=True)
            kept = (f"{self.server.data}/", f"{self.folder}/hub/")  # its socket lies in memory, its log is its administrator's
            lay(image, self.folder, to, lambda name: name.startswith(kept) and not name.endswith("/postmaster.pid"))
            self._give_away(to, to / "data")
            server = postgres.Server(self._programs, to, self.server.port, ("shared_buffers=16MB",))
            try:
                await asyncio.to_thread(server.start)
            except subprocess.CalledProcessError:
                return "unreadable: " + (to / "log").read_text(errors="replace")[-600:]
            try:
                word = await after.judge(to / "hub", acks, True, server.url(DATABASE))
                return word or await checked(server.url(DATABASE))
            except (DBAPIError, asyncpg.PostgresError) as error:
                return f"damaged: {error}"
            finally:
                await asyncio.to_thread(server.crash)

    @staticmethod
    def _give_away(folder: Path, data: Path | None = None) -> None:
        """Its user may write into the folder, and its files are its own."""
        folder.chmod(0o755)
        if os.geteuid() == 0:
            for path in (folder, data, *data.rglob("*")) if data else (folder,):
                shutil.chown(path, "postgres")
        if data:
            data.chmod(0o700)


async def checked(url: str) -> str:
    """What its own tool finds: each table's pages, and each index against its table."""
    c = await asyncpg.connect(driver_url(url))
    try:
        await c.execute("create extension amcheck")
        wrong = [f"{row['relname']}: {row['msg']}" for row in await c.fetch(_HEAPS)]
        await c.fetch(_INDICES)  # raises
    finally:
        await c.close()
    return f"damaged: {wrong[0]}" if wrong else ""


def main(folder: Path, port: str, seed: str, count: str, *words: str) -> int:
    """The exit code of the writer. The server is stopped at the end as its administrator stops it."""
    settings = [word for word in words if "=" in word]
    given = [part for one in (*SETTINGS, *settings) for part in ("-c", one)]
    server = [str(postgres.programs() / "postgres"), "-D", str(folder / "data"), "-p", port, "-h", "127.0.0.1", "-k", str(folder), *given]
    with (folder / "log").open("ab") as log:
        user = "postgres" if os.geteuid() == 0 else None
        running = subprocess.Popen(server, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", user=user)
    try:
        began = time.monotonic()
        while not _is_ready(folder / "data" / "postmaster.pid"):
            assert running.poll() is None and time.monotonic() - began < START_S_MAX, (folder / "log").read_text()[-800:]
            time.sleep(0.05)
        writer = [sys.executable, "-m", "tests.faults.kit.writer", str(folder / "hub"), seed, count]
        return subprocess.run([*writer, *(word for word in words if "=" not in word)], check=False).returncode
    finally:
        running.send_signal(signal.SIGINT)
        running.wait()


def _is_ready(file: Path) -> bool:
    return file.exists() and file.read_text().rstrip().endswith("ready")


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), *sys.argv[2:]))
