"""A PostgreSQL of the tests' own: in a temporary folder, on a free loopback port, run by the user postgres since it refuses root.

`postgres_server` starts one for the whole run; `postgres_url` is a fresh, empty database on it for one test. Import both in
the conftest of the folder that uses them. Without PostgreSQL the tests that ask for it are skipped, and say what to install.
"""

import asyncio
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from deploy.nats.servers import free_ports

MISSING = "no PostgreSQL here: apt-get install -y postgresql"
MEMORY, MEMORY_BYTES_MIN = Path("/dev/shm"), 2 << 30  # a run's databases take 0.3 GB at the most
START_S_MAX = 180  # of a busy machine, after a crash
_numbers = itertools.count(1)


class Server:
    """One cluster. `url` names its maintenance database; crash() is a power cut as far as the server can tell."""

    def __init__(self, programs: Path, folder: Path, port: int, settings: tuple[str, ...] = ("shared_buffers=32MB",)) -> None:
        self._programs, self._folder, self._settings = programs, folder, settings
        self.port = port

    def _run(self, program: str, *words: str) -> None:
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*user, str(self._programs / program), "-D", str(self.data), *words]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)  # a pipe would stay open in the server: hang

    def make(self, *more: str) -> None:
        """more: words for initdb."""
        self._run("initdb", "-A", "trust", "-U", "yidi", "--locale=C.UTF-8", "--encoding=UTF8", "--data-checksums", "-N", *more)

    def start(self) -> None:
        more = "".join(f" -c {one}" for one in self._settings)
        settings = f"-p {self.port} -h 127.0.0.1 -k {self._folder} -c max_connections=50{more}"
        self._run("pg_ctl", "-w", "-t", str(START_S_MAX), "-l", str(self._folder / "log"), "-o", settings, "start")

    def crash(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "fast", "stop")

    @property
    def data(self) -> Path:
        """The folder of its files; they belong to its user."""
        return self._folder / "data"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+asyncpg://yidi@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        name = f"t{next(_numbers)}"
        asyncio.run(self._say(f"create database {name}"))
        return self.url(name)

    def drop(self, url: str) -> None:
        """After a crash the server syncs every file of every database before it answers: those of past tests must be gone."""
        asyncio.run(self._say(f"drop database {url.rpartition('/')[2]} with (force)"))

    async def _say(self, sql: str) -> None:
        c = await asyncpg.connect(user="yidi", host="127.0.0.1", port=self.port, database="postgres")
        await c.execute(sql)
        await c.close()


def memory() -> Path | None:
    """Where a sync costs nothing: crash() ends the programs, not the machine. None: no such place, or too small a one."""
    there = MEMORY.is_dir() and os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN
    return MEMORY if there else None


def programs() -> Path | None:
    """The newest PostgreSQL of this machine (Debian's folders, else the PATH)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    other = shutil.which("initdb")
    return found[-1].parent if found else Path(other).parent if other else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    bin_ = programs()
    if bin_ is None or (os.geteuid() == 0 and not shutil.which("runuser")):
        pytest.skip(MISSING)
    # not below pytest's own temporary folder: each run that starts closes that one to all but its user
    folder = Path(tempfile.mkdtemp(prefix="yidi-pg-", dir=memory()))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server = Server(bin_, folder, free_ports(1)[0])  # it syncs, as any that the product opens
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.crash()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    url = postgres_server.new_database()
    yield url
    postgres_server.drop(url)
