"""What takes minutes to make is made once and kept under the machine's temporary folder (YIDI_BENCH_CACHE names another place).

    source = await kept("county-120", make)     make(folder) fills it; the next bench finds it. Copy it before changing anything

VERSION is raised when something is made in another way; what an older one made is thrown away: it holds gigabytes.
"""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

VERSION = 1


def place() -> Path:
    return Path(os.environ.get("YIDI_BENCH_CACHE") or Path(tempfile.gettempdir()) / f"yidi-bench-{os.getuid()}")


async def kept(name: str, make: Callable[[Path], Awaitable[Any]]) -> Path:
    home = place() / f"v{VERSION}"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with _alone(home / f"{name}.lock"):
        for older in place().glob("v*"):
            if older != home:
                await asyncio.to_thread(shutil.rmtree, older, ignore_errors=True)
        path, part = home / name, home / f"{name}.part"
        if not path.exists():
            await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)  # of a bench that was broken off
            await make(part)
            part.rename(path)
        return path


@asynccontextmanager
async def _alone(lock: Path) -> AsyncIterator[None]:
    with lock.open("w") as held:
        await asyncio.to_thread(fcntl.flock, held, fcntl.LOCK_EX)
        yield
