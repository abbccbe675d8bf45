"""A program that opens an older journal and is killed meanwhile: `python -m tests.faults.rows.upgrading FILE KEY KILL…`.

KILL is `s12` (SIGKILL before the 12th statement) or `t40` (after 40 ms). One child for each, each on a copy FILE.KILL of its own: a fork, so that an
interpreter is started once. Prints how each ended: -9, or 0 where it was ready before.
"""

import asyncio
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine

from protocol.node.folding import open_journal
from protocol.node.shelf import Shelf
from tests.node.desk_kit import Clock


def _armed(kill: str) -> None:
    if kill[0] == "t":
        after_s = int(kill[1:]) / 1000
        threading.Thread(target=lambda: (time.sleep(after_s), os.kill(os.getpid(), signal.SIGKILL)), daemon=True).start()
        return
    left = [int(kill[1:])]

    @event.listens_for(Engine, "before_cursor_execute")
    def counted(*_words: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def _opened(path: Path, key: bytes) -> None:
    journal = await open_journal(f"sqlite:///{path}", key, Shelf(Clock()))
    await journal.close()


def main() -> None:
    source, key, kills = Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), sys.argv[3:]
    ends = []
    for kill in kills:
        copy = source.with_name(f"{source.name}.{kill}")
        if source.exists():
            shutil.copyfile(source, copy)
        child = os.fork()
        if child == 0:
            _armed(kill)
            asyncio.run(_opened(copy, key))
            os._exit(0)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(*ends)


if __name__ == "__main__":
    main()
