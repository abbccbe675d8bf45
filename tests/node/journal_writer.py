"""A program that writes to a journal until it is killed: `python -m tests.node.journal_writer URL KEY [COUNT [ENTRIES]]`.

Says READY, waits for a line, then `ACK n` once commit n (of ENTRIES entries, projected) is on the disk, `NAK n code` when it
was refused. KEY is hex, or - for none.
"""

import asyncio
import os
import sys

from protocol.node.journal import Journal
from protocol.problem import Refused
from tests.node.journal_kit import Lane, Views, no_tables, subject


def tell(line: str) -> None:
    os.write(1, line.encode() + b"\n")


async def main(url: str, key: str, count: int = 10**6, entries: int = 1) -> None:
    journal = await Journal.open(url, None if key == "-" else bytes.fromhex(key), no_tables, views=Views)
    lane = Lane()
    tell("READY")
    await asyncio.to_thread(sys.stdin.readline)
    for n in range(1, count + 1):
        before = lane.copy()
        said = [lane.say(f"第{n}次 张三与李四 {i}", subject(n % 20)) for i in range(entries)]
        try:
            async with journal.writing() as w:
                new = await w.append(said)
                await w.project({e.subject for e in new})
            tell(f"ACK {n}")
        except Refused as refused:
            lane = before
            tell(f"NAK {n} {refused.code}")
    tell("DONE")
    await journal.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
