"""A program that opens older journals and is killed meanwhile: `python -m tests.faults.rows.upgrading KEY KILL URL KILL URL …`.

KILL is `s12` (SIGKILL before the 12th statement), `t40` (after 40 ms) or `pjournal.migrate` (at that named point). KEY is empty for
PostgreSQL. One child for each, forked, so that an interpreter is started once. Prints how each ended: -9, or 0 where it was ready before.
"""

import asyncio
import os
import signal
import sys
import threading
import time

from sqlalchemy import event
from sqlalchemy.engine import Engine

from protocol.node import killpoints
from protocol.node.folding import open_journal
from protocol.node.shelf import Shelf
from tests.node.desk_kit import Clock


def _armed(kill: str) -> None:
    if kill[0] == "p":
        killpoints._armed, killpoints._left = kill[1:], 1
        return
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


async def _opened(url: str, key: bytes | None) -> None:
    journal = await open_journal(url, key, Shelf(Clock()))
    await journal.close()


def main() -> None:
    key, words, ends = bytes.fromhex(sys.argv[1]) or None, iter(sys.argv[2:]), list[int]()
    for kill, url in zip(words, words, strict=True):
        child = os.fork()
        if child == 0:
            _armed(kill)
            asyncio.run(_opened(url, key))
            os._exit(0)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(*ends)


if __name__ == "__main__":
    main()
