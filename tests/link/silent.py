"""A township's line that falls silent: `python -m tests.link.silent FOLDER` in a network namespace of its own, whose only device is put down.

Prints one JSON object: {"closed": the leaf's server has given the line up, "stale": because its own pings were not answered twice}, after it
carries again.
"""

import asyncio
import fcntl
import json
import socket
import struct
import sys
from pathlib import Path

from tests.link.kit import Town, soon

SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1  # netdevice(7)


async def main(folder: Path) -> dict[str, bool]:
    device(True)
    town = Town(folder)
    await town.server.start()
    await town.leaf.start()
    try:
        await soon(lambda: town.leaf.state().carries)
        device(False)
        await soon(lambda: not town.leaf.state().carries)
        said = town.leaf.log_file.read_text()
        device(True)
        await soon(lambda: town.leaf.state().carries)
        return {"closed": "Leafnode connection closed" in said, "stale": "Stale Connection" in said}
    finally:
        device(True)
        await town.stop()


def device(is_up: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        fcntl.ioctl(asked, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP if is_up else 0))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
