"""Packets that are lost without a word: a whole round is played in a network namespace of its own, where `nftables` drops them.

outcome = await netns.played("tests.faults.rows.dropped", seed, folder)     outside: the module's `main(seed, folder)` in there
netns.lose([4222], 30)    netns.lose_none()                                 inside: of the packets to and from these ports, 30 of 100

A relay that is cut resets its connections, so both ends know at once; here nobody is told, as on a real line. Root or an ordinary user.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tests.faults.row import Outcome
from tests.kit import apart

NEEDS = ("nft", "unshare")
CHAIN = "inet yidi input"
SCRIPT = (
    "ip link set lo up && nft add table inet yidi && nft 'add chain inet yidi input { type filter hook input priority 0; }' && exec \"$@\""
)
ADMIN = "/usr/sbin:/sbin"


async def played(module: str, seed: int, folder: Path) -> Outcome:
    words = ("sh", "-c", SCRIPT, "sh", sys.executable, "-m", module, str(seed), str(folder))
    return msgspec.json.decode(await apart.printed(*words, environ=_environ()), type=Outcome)


def is_root() -> bool:
    """Inside: claims that whoever is called root here is it outside too. Only that one can run PostgreSQL, as another user."""
    return Path("/proc/self/uid_map").read_text().split() == ["0", "0", str(2**32 - 1)]


def lose(ports: Iterable[int], of_100: int, ways: Iterable[str] = ("dport", "sport")) -> None:
    """ways: dport, what goes to the port; sport, what comes from it."""
    some = f" numgen random mod 100 < {of_100}" if of_100 < 100 else ""
    for port in ports:
        for way in ways:
            _nft(f"add rule {CHAIN} tcp {way} {port}{some} drop")


def lose_none() -> None:
    _nft(f"flush chain {CHAIN}")


def _nft(words: str) -> None:
    subprocess.run(["nft", words], env=_environ(), check=True)


def _environ() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{ADMIN}"}
