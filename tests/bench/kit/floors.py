"""The bare task on this machine, to hold a figure against: a commit with full sync, an echo over a nats-server, rows into a store."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import nats
from nats.aio.msg import Msg

from deploy.nats.servers import binary, free_ports
from protocol.node.journal.engine import connect_sqlite
from tests.bench.figure import percentile

KEY = bytes(range(32))


@contextmanager
def store(folder: Path, size_bytes: int) -> Iterator[Callable[[], float]]:
    """Commits one row of `size_bytes` into a fresh SQLCipher store with the journal's own settings, each time it is called; milliseconds."""
    path = folder / f"floor-{time.monotonic_ns()}.db"

    def commit() -> float:
        content = os.urandom(size_bytes)
        began = time.perf_counter()
        c.execute("begin immediate")
        c.execute("insert into row (content) values (?)", (content,))
        c.execute("commit")
        return (time.perf_counter() - began) * 1000

    with closing(connect_sqlite(path, KEY, True)) as c:
        c.execute("create table row (id integer primary key, content blob)")
        yield commit
    for left in folder.glob(f"{path.name}*"):
        left.unlink()


def commits_ms(folder: Path, count: int, size_bytes: int) -> list[float]:
    with store(folder, size_bytes) as commit:
        return [commit() for _ in range(count)]


async def commits_p_ms(folder: Path, count: int, size_bytes: int, percent: float = 99) -> float:
    return percentile(await asyncio.to_thread(commits_ms, folder, count, size_bytes), percent)


def rows_s(folder: Path, tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[object]]]], at_once: int) -> float:
    """Seconds for the rows of (create statement, further statements, rows) with `at_once` rows a transaction, nothing else done."""
    path = folder / f"floor-{time.monotonic_ns()}.db"
    with closing(connect_sqlite(path, KEY, True)) as c:
        for create, more, _ in tables:
            for statement in (create, *more):
                c.execute(statement)
        began = time.perf_counter()
        for create, _, rows in tables:
            name = create.split()[2]
            for at in range(0, len(rows), at_once):
                some = rows[at : at + at_once]
                c.execute("begin immediate")
                c.executemany(f"insert into {name} values ({', '.join('?' * len(some[0]))})", some)
                c.execute("commit")
        took = time.perf_counter() - began
    for left in folder.glob(f"{path.name}*"):
        left.unlink()
    return took


async def _calm(_error: Exception) -> None:
    """A server that is just starting, or a cut wire, is no news; nats-py would print a traceback for each attempt."""


PATIENT: Any = {"max_reconnect_attempts": -1, "reconnect_time_wait": 0.1, "connect_timeout": 2, "error_cb": _calm}  # as the link has it


@asynccontextmanager
async def nats_server() -> AsyncIterator[int]:
    """A nats-server of its own without any permissions; gives its port."""
    (port,) = free_ports(1)
    server = await asyncio.create_subprocess_exec(str(binary()), "-a", "127.0.0.1", "-p", str(port), stderr=asyncio.subprocess.DEVNULL)
    try:
        yield port
    finally:
        server.terminate()
        await server.wait()


async def echoes_s(count: int, size_bytes: int) -> float:
    """Seconds until `count` messages, sent at once, have come back through a nats-server, one client at each end."""
    async with nats_server() as port:
        here, there = [await nats.connect(f"nats://127.0.0.1:{port}", **PATIENT) for _ in range(2)]
        back = asyncio.Queue[bytes]()

        async def echo(msg: Msg) -> None:
            await there.publish("back", msg.data)

        async def heard(msg: Msg) -> None:
            back.put_nowait(msg.data)

        await there.subscribe("there", cb=echo)
        await here.subscribe("back", cb=heard)
        await there.flush()
        await here.flush()
        began = time.monotonic()
        for _ in range(count):
            await here.publish("there", bytes(size_bytes))
        for _ in range(count):
            await back.get()
        took = time.monotonic() - began
        await here.close()
        await there.close()
        return took
