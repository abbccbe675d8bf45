"""What the 233 nodes of a county wrote (crowd.py), packed as it travels between nodes of this version; made once and kept: it takes minutes.

made = await wires(60_000)      whole: of each lane its pieces · commits: the first few commits of each, one a piece · halves: each
                                lane's first half and the rest, as one piece each (a lane of one commit has no rest)
"""

import asyncio
from pathlib import Path
from typing import NamedTuple

import msgspec
from nacl.signing import SigningKey

from protocol import batch as batches
from protocol.batch import Batch
from tests.bench.crowd import Crowd
from tests.bench.kit.kept import kept

COMMITS_SHARE = 10  # one in so many entries is also cut a commit at a time
Wires = list[list[bytes]]  # of each lane its pieces, packed, in order


class Written(NamedTuple):
    county_key: SigningKey
    whole: Wires
    commits: Wires
    halves: Wires


async def wires(entries: int) -> Written:
    at = await kept(f"packed-{entries}", lambda part: asyncio.to_thread(_write, part, entries))
    whole, commits, halves = (msgspec.msgpack.decode((at / name).read_bytes(), type=Wires) for name in ("whole", "commits", "halves"))
    return Written(SigningKey((at / "key").read_bytes()), whole, commits, halves)


def _write(folder: Path, entries: int) -> None:
    folder.mkdir(parents=True)
    crowd = Crowd(entries)
    single = crowd.pieces(1)
    each = -(-entries // COMMITS_SHARE // len(crowd.lanes))
    made = {
        "whole": list(crowd.pieces().values()),
        "commits": [some[:each] for some in single.values()],
        "halves": [
            [_joined(part) for part in (some[: -(-len(some) // 2)], some[-(-len(some) // 2) :]) if part] for some in single.values()
        ],
    }
    (folder / "key").write_bytes(bytes(crowd.county_key))
    for name, lanes in made.items():
        (folder / name).write_bytes(msgspec.msgpack.encode([[batches.pack(one, batches.SPEAKS) for one in pieces] for pieces in lanes]))


def _joined(pieces: list[Batch]) -> Batch:
    """One batch of consecutive ones."""
    first, last = pieces[0], pieces[-1]
    heads = tuple(head for one in pieces for head in one.heads)
    bodies = tuple(body for one in pieces for body in one.bodies)
    return Batch(first.ledger, first.origin, first.after, first.prev, heads, bodies, last.signature)
