"""A node's real program that also tells when it has committed: `python -m tests.bench.kit.timed PORT NAME hub --folder …`.

Each commit is one datagram to PORT on loopback: (name, at_ns, lanes, subjects); at_ns is the monotonic clock, the same for all processes of
a machine. It is taken where the pump is woken: the transaction is on the disk, nobody was told yet. On the way to it each of POINTS is one
too: (name, at_ns, point). All else is `yidi`.
"""

import socket
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec

from protocol.node.wake import Wake
from tests.bench.kit import points

POINTS = frozenset({"link.publish", "journal.append", "journal.commit"})


def tell(port: int, name: str) -> None:
    said = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    said.connect(("127.0.0.1", port))
    encode = msgspec.msgpack.Encoder().encode
    real = Wake.commit

    def commit(self: Wake, lanes: Iterable[tuple[str, str]], subjects: Iterable[str], *added: Any) -> None:
        at_ns, known, touched = time.monotonic_ns(), list(lanes), list(subjects)
        with suppress(OSError):  # the bench is over
            said.send(encode((name, at_ns, known, touched[:50])))
        real(self, known, touched, *added)

    def hears(point: str, at_ns: int) -> None:
        if point in POINTS:
            with suppress(OSError):
                said.send(encode((name, at_ns, point)))

    Wake.commit = commit  # type: ignore[method-assign]
    points.listen(hears)


if __name__ == "__main__":
    tell(int(sys.argv[1]), sys.argv[2])
    from deploy import cli

    cli.main(sys.argv[3:])
