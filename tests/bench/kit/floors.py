"""The bare task on this machine, to hold a figure against: a commit with full sync, an echo over a nats-server, rows into a store."""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from protocol.node.journal.engine import connect_sqlite
from tests.bench.figure import percentile

KEY = bytes(range(32))


def commits_ms(folder: Path, count: int, size_bytes: int) -> list[float]:
    """`count` commits, each of one row of `size_bytes`, into a fresh SQLCipher store with the journal's own settings."""
    path = folder / f"floor-{time.monotonic_ns()}.db"
    took = []
    with closing(connect_sqlite(path, KEY, True)) as c:
        c.execute("create table row (id integer primary key, content blob)")
        for _ in range(count):
            content = os.urandom(size_bytes)
            began = time.perf_counter()
            c.execute("begin immediate")
            c.execute("insert into row (content) values (?)", (content,))
            c.execute("commit")
            took.append((time.perf_counter() - began) * 1000)
    for left in folder.glob(f"{path.name}*"):
        left.unlink()
    return took


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
