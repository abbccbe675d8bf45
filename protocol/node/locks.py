"""Who may work on the journal of a folder beside others, and who must be alone there.

    async with beside(folder): …     a command that opens the journal; any number at a time, also beside the running program
    async with alone(folder): …      whoever puts another journal in its place: a heal, its end, a restore
    with mine(folder): …             a folder that a program made for itself
    is_free(folder)                  whether whoever would be alone there need not wait

The lock is the kernel's (flock) and lies on the folder itself: nothing has to be written for it, so a full or read-only disk is no reason to
go without, and it ends with the program that holds it, however that ends.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

WAIT_S: Final = 30.0  # for commands that are about to end; a heal of a large journal takes longer, whoever waits for it is told
LOOK_EACH_S: Final = 0.1


class Busy(RuntimeError):
    """本机的台账正在用，请等它好了再试。"""


@asynccontextmanager
async def beside(folder: Path) -> AsyncIterator[None]:
    """Raises Busy, OSError (no such folder)."""
    async with _held(folder, False, "本机正在修复或恢复台账，请等它好了再试"):
        yield


@asynccontextmanager
async def alone(folder: Path) -> AsyncIterator[None]:
    """Raises Busy, OSError (no such folder)."""
    async with _held(folder, True, "有别的 yidi 命令正在用本机的台账（导入、导出、备份、登记人员？），或者正在修复。请等它好了再试"):
        yield


@contextmanager
def mine(folder: Path) -> Iterator[None]:
    """Alone there, without waiting. Raises Busy, OSError."""
    import fcntl

    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy from None
        yield
    finally:
        os.close(held)


def is_free(folder: Path) -> bool:
    """Claims that nobody is at work there at this moment. Raises OSError (no such folder)."""
    try:
        with mine(folder):
            return True
    except Busy:
        return False


@asynccontextmanager
async def _held(folder: Path, is_alone: bool, why: str) -> AsyncIterator[None]:
    import fcntl  # not on every system that may read this module

    held, until = os.open(folder, os.O_RDONLY | os.O_DIRECTORY), monotonic() + WAIT_S
    try:
        while True:
            try:
                fcntl.flock(held, (fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic() > until:
                    raise Busy(why) from None
            await asyncio.sleep(LOOK_EACH_S)
        yield
    finally:
        os.close(held)
