"""A node's own program, made to work without a person: `python -m tests.faults.kit.writer FOLDER SEED COUNT [mutation …]`.

It opens the folder as `yidi edge` does (journal, blobs, mark, link loops, our checkpoint) and says `ACK {json}` on its output after each
thing that a page would show as done: a command accepted, a file taken, entries of others admitted, a stick or a backup written.
FOLDER/inbox holds packed batches of other nodes; they come in between. With `wait` a line on its input begins the work and
another ends the program. Mutations, which the tests of rows 6 and 7 must notice:

    early   the receipt is shown before the commit (M1)     nosync  synchronous = OFF (M2); of a PostgreSQL nobody asks whether it syncs
    blobs-nosync   files are not synced                     blobs-nofolder   the names of files are not synced
"""

import asyncio
import json
import os
import random
import secrets
import sys
from hashlib import sha256
from pathlib import Path

import msgspec

from deploy import keeping, sticks
from protocol import batch as batches
from protocol.commands import AddEvidence, AddNote, LogDispute, Party
from protocol.events import Actor
from protocol.node import blobs as blob_store
from protocol.node.config import load
from protocol.node.identity import Identity
from protocol.node.journal import checkpoint, durable, engine
from protocol.node.journal.faults import refusal
from protocol.node.node import Node
from protocol.place import tier
from protocol.problem import Refused

POSTS = ("operator", "officer", "clerk")
AGAIN_S, AGAIN_MAX, TELLS_MAX = 0.05, 400, 3
IDLE_S = 0.08  # of our checkpoint: many of them in one short recording


def tell(line: str) -> None:
    """Whatever fails: a call that is made to fail is meant for the disk, and strace counts this one too."""
    for left in reversed(range(TELLS_MAX)):
        try:
            os.write(1, line.encode() + b"\n")
            return
        except OSError:
            if not left:
                raise


def ack(**words: object) -> None:
    tell("ACK " + json.dumps(words))


def photo(chance: random.Random) -> bytes:
    return b"\xff\xd8\xff\xe0" + chance.randbytes(chance.randrange(2_000, 30_000))


def mutate(names: set[str]) -> None:
    """Each is a mistake that somebody could make in one line."""
    if "nosync" in names:
        connect = engine.connect_sqlite

        def careless(*words, **named):
            c = connect(*words, **named)
            c.execute("pragma synchronous = OFF")
            return c

        engine.connect_sqlite = checkpoint.connect_sqlite = careless
        durable.SETTINGS = {}
    if "blobs-nosync" in names:
        blob_store._sync = lambda descriptor: None
    if "blobs-nofolder" in names:
        blob_store._sync_folder = lambda folder: None


async def again(act):
    """As a person does: what was refused, in words or by a fault of the disk, is sent again as it is. Says NAK each time."""
    for _ in range(AGAIN_MAX):
        try:
            return await act()
        except Refused as refused:
            if refused.code not in ("disk_full", "store_busy", "store_readonly"):
                raise
            tell(f"NAK {refused.code}")
        except FileExistsError:
            return None  # made, and only the word of it was lost: what stands under the name must be whole
        except OSError as error:
            meant = refusal(error)  # as the terminal says it
            tell(f"NAK {meant.code if meant else error.strerror}")
        await asyncio.sleep(AGAIN_S)
    raise AssertionError("refused for too long")


class Writer:
    def __init__(self, node: Node, chance: random.Random, early: bool) -> None:
        self.node, self.chance, self.early = node, chance, early
        kind = POSTS[tier(node.office)]
        self.actor = Actor("0" * 31 + "1", f"{kind}.00000001", node.office, node.tables().post_powers(kind), "办事员")
        self.cases: list[str] = []
        self.inbox = sorted((node.folder / "inbox").glob("*"))

    async def step(self, n: int) -> None:
        fate = self.chance.random() if n % 4 != 3 else 0.6  # a picture at least now and then
        if self.inbox and n % 4 != 3 and fate < 0.4:
            await self.admit(self.inbox.pop(0))
        elif self.cases and fate < 0.55:
            await self.submit(AddNote(id=secrets.token_hex(8), case=self.chance.choice(self.cases), text="又来问了一次，答应周五去看。"))
        elif self.cases and fate < 0.7:
            plain = photo(self.chance)
            blob = await again(lambda: self.node.blobs.put(plain, "现场.jpg", "image/jpeg"))
            await self.submit(
                AddEvidence(id=secrets.token_hex(8), case=self.chance.choice(self.cases), blob=blob),
                blob=[blob.address, blob.key.hex(), sha256(plain).hexdigest()],
            )
        else:
            parties = [Party("叶根土"), Party("叶根水", side="respondent")]
            text = "两家的菜地中间一条田埂，一家说往东挪了半尺。" * self.chance.randrange(1, 30)
            command = LogDispute(id=secrets.token_hex(8), ledger=self.node.office, type="0204", account=text, parties=parties)
            self.cases.append(await self.submit(command))

    async def submit(self, command, **more: object) -> str:
        """Returns the case."""
        if self.early:
            ack(command=command.id, **more)
        outcome = await again(lambda: self.node.desk.submit(command, self.actor))
        if not self.early:
            ack(command=command.id, **more)
        return outcome.subject

    async def admit(self, file: Path) -> None:
        """What the Have after it says."""
        batch = batches.unpack(file.read_bytes())
        if self.early:
            ack(lane=[batch.ledger, batch.origin, batch.last])
        await again(lambda: self.node.admission.admit(batch, batch.origin.partition(":")[0]))
        if not self.early:
            ack(lane=[batch.ledger, batch.origin, batch.last])


async def main(folder: Path, seed: int, count: int, options: set[str]) -> None:
    chance, config = random.Random(seed), load(folder / "yidi.toml", {})
    mutate(options)
    checkpoint.IDLE_S = IDLE_S
    if not Identity(folder).about().servers and not config.link.servers:  # the county's own program is told where its server listens
        config = msgspec.structs.replace(config, link=msgspec.structs.replace(config.link, servers=["127.0.0.1:1"]))
    node = await Node.open(folder, config)
    try:
        await node.start()
        if "wait" in options:
            tell("READY")
            await asyncio.to_thread(sys.stdin.readline)
        writer = Writer(node, chance, "early" in options)
        written = sorted(chance.sample(range(count), 2))
        for n in range(count):
            await writer.step(n)
            await asyncio.sleep(chance.choice((0, 0, 0, 0.002, 0.02, 2.5 * IDLE_S if n % 10 == 0 else 0)))
            if n in written:
                stick, copy = folder / "out" / f"{n}.yidi", folder / "out" / f"{n}.tar"
                await again(lambda to=stick: sticks.export(folder, config, to, ""))
                ack(file=stick.name, sha=sha256(stick.read_bytes()).hexdigest())
                await again(lambda to=copy: keeping.backup(folder, config, to))
                ack(file=copy.name, sha=sha256(copy.read_bytes()).hexdigest())
        tell("DONE")
        if "wait" in options:
            await asyncio.to_thread(sys.stdin.readline)
    finally:
        await node.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), set(sys.argv[4:])))
