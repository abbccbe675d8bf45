"""A PostgreSQL of the bench's own on loopback: started as a user that is not root, settled as a county's hub would have it, gone at the end.

async with postgres() as server: url = await database(server)
"""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.nats.servers import free_ports
from tests.kit import postgres as kit

SETTINGS = ("shared_buffers=256MB", "max_wal_size=4GB")  # what any guide asks of a machine with 4 GB; the defaults are for 128 MB
_numbers = itertools.count(1)


@asynccontextmanager
async def postgres() -> AsyncIterator[kit.Server]:
    """Raises LookupError where there is no PostgreSQL."""
    programs = kit.programs()
    if programs is None:
        raise LookupError(kit.MISSING)
    folder = Path(tempfile.mkdtemp(prefix="yidi-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server = kit.Server(programs, folder, free_ports(1)[0], SETTINGS)
    try:
        await asyncio.to_thread(server.make)
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.crash)
        await asyncio.to_thread(shutil.rmtree, folder, True)


async def database(server: kit.Server, template: str = "template1") -> str:
    """The URL of a new one."""
    name = f"b{next(_numbers)}"
    await server._say(f"create database {name} template {template}")
    return server.url(name)


async def dropped(server: kit.Server, url: str) -> None:
    await server._say(f"drop database {url.rpartition('/')[2]} with (force)")
