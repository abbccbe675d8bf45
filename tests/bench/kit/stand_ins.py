"""The nodes of a county in one program: `python -m tests.bench.kit.stand_ins FOLDER SERVER`, started by centre.py.

Each has a connection of its own to the real nats-server with its own credentials, and the production pump over a journal in memory:
it says Haves, answers pulls, admits what the hub writes. A township holds the lanes of its villages too.
On `go` all connect at once; it prints when every one has heard from the hub that all it holds is on the hub's disk.

What a county has and this has not:

- Leaves. Each dials the county's server itself, where a township's nodes come through its leaf over one connection.
- Disks, folds and pages at the nodes: in a county each has a machine for that, here it would be the hub's.
- What the nodes say to one another of *common*. In production each hears it of all (`y1.have._._._.*`), here of the hub alone
  (`HubLink`): 233 nodes that prove each other's words in one program are no load that a county knows. But the nats-server would have
  to hand them out, and is spared it: `Told.unheard`, `unheard_bytes` say how much that is. Counted is each message of *common*
  that a stand-in publishes from the word to go until all is drained, once for each of the other stand-ins, with its bytes.
  Of 233 each says it about twice in a drain of 20 s: 466 messages of 159 bytes, handed out 232 times 108,112, 17 MB.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from nacl.signing import SigningKey

from protocol import batch as batches
from protocol import certificate as certificates
from protocol import entry
from protocol.batch import Batch
from protocol.certificate import Certificate
from protocol.node.link.client import Heard, Link, end
from protocol.node.link.pump import Pump
from protocol.node.wake import Wake
from protocol.place import COMMON, tokens
from protocol.tables import Tables
from tests.bench.crowd import Author, authors
from tests.bench.kit.centre import Told
from tests.link.kit import Admits, Memory, Row, now_ms

TICK_S = 0.05
OF_COMMON = f".{tokens(COMMON)}."  # in a subject, before who speaks


class HubLink(Link):
    """Of *common* it hears the hub alone. said: messages that it published of *common*, said_bytes: and theirs."""

    hub, said, said_bytes = "", 0, 0

    async def subscribe(self, subject: str, cb: Heard, group: str = "") -> None:
        await super().subscribe(subject.replace(f"{OF_COMMON}*", f"{OF_COMMON}{self.hub}"), cb, group)

    async def publish(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> bool:
        sent = await super().publish(subject, body, headers)
        if sent and subject.endswith(f"{OF_COMMON}{self.node}"):
            self.said, self.said_bytes = self.said + 1, self.said_bytes + len(body)
        return sent


class StandIn:
    def __init__(self, author: Author, folder: Path, server: str, county_public: bytes, known: list[Certificate]) -> None:
        self.signer, certificate = author.signer, author.signer.certificate
        self.memory, wake = Memory(), Wake()
        self.memory.nodes = {c.node: {"subject": c.node, "certificate": certificates.encode(c), "revoked": 0} for c in known}
        admits = Admits(self.memory, county_public, certificate, wake)
        self.link = HubLink(
            self.signer.node, certificate.branch, folder / "creds" / f"{self.signer.node}.creds", [server], folder / "ca.pem"
        )
        self.link.hub = known[0].node
        self.pump = Pump(self.memory, admits, self.link, self.signer, certificate, wake, now_ms, version="0.2.0")

    def is_received(self, hub: str) -> bool:
        """Claims that the hub has said to hold all that was here at the start."""
        for (ledger, origin), seq in self.wanted.items():
            lanes = self.memory.haves.get((hub, ledger), ({},))[0]
            if lanes.get(origin, (0, b""))[0] < seq:
                return False
        return True

    def start(self) -> asyncio.Task[Any]:
        self.wanted = {lane: len(rows) for lane, rows in self.memory.lanes.items() if lane[0] != COMMON}
        return asyncio.create_task(self.pump.run())


def rows_of(pieces: list[Batch]) -> list[Row]:
    """A signature only where a piece ends: the others are not here any more, as after a catch-up."""
    rows: list[Row] = []
    for piece in pieces:
        at = piece.prev
        for n, one in enumerate(piece.entries):
            at, head = entry.chain(at, one.head_bytes), entry.decode_head(one.head_bytes)
            signature = piece.signature if n == len(piece.heads) - 1 else None
            rows.append(Row(seq=head.seq, head=head, head_bytes=one.head_bytes, salt=one.salt, body=one.body, hash=at, signature=signature))
    return rows


def stand_ins(folder: Path, server: str) -> tuple[list[StandIn], Certificate]:
    crowd = msgspec.msgpack.decode((folder / "crowd.bin").read_bytes())
    hub = certificates.decode(crowd["hub"])
    key = SigningKey(crowd["county_key"])
    known = {path: author for path, author in authors(key, Tables.packaged()).items() if path in set(crowd["paths"])}
    made = [StandIn(author, folder, server, bytes(key.verify_key), [hub, author.signer.certificate]) for author in known.values()]
    for raw in crowd["lanes"]:
        pieces = [batches.decode(one) for one in raw]
        rows = rows_of(pieces)
        for one in made:
            if certificates.hears(one.signer.certificate, pieces[0].ledger):
                one.memory.lanes[pieces[0].ledger, pieces[0].origin] = list(rows)
    return made, hub


async def main(folder: Path, server: str) -> None:
    crowd, hub = stand_ins(folder, server)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began, cpu, connected_s = time.monotonic(), time.process_time(), 0.0
    tasks = [one.start() for one in crowd]
    while not all(one.is_received(hub.node) for one in crowd):
        for task in tasks:
            if task.done():
                task.result()
        if not connected_s and all(one.link.is_connected for one in crowd):
            connected_s = time.monotonic() - began
        await asyncio.sleep(TICK_S)
    took = time.monotonic() - began
    entries = sum({lane: seq for one in crowd for lane, seq in one.wanted.items()}.values())
    others = len(crowd) - 1
    unheard, unheard_bytes = others * sum(one.link.said for one in crowd), others * sum(one.link.said_bytes for one in crowd)
    told = Told(connected_s or took, took, entries, time.process_time() - cpu, unheard, unheard_bytes)
    print(msgspec.json.encode(told).decode(), flush=True)
    await asyncio.to_thread(sys.stdin.readline)  # stays connected until it is ended
    await end(tasks)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
