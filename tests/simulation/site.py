"""What a node stands on in the simulation, and what of it outlives the node: disk, mark, identity, files, all in memory.

    site = Site(name, seat, chance, wire, image, about, keys)
    site.start()                       the program, as deploy/running runs it: opened again whenever it asks for it
    site.kill(power=False)             at once; `kill_after(steps)` between two awaits of its own
    kept = site.copy(); site.put_back(kept)      everything of the folder, as it is now

`site.node` is the production Node; None while it is down or opening.
"""

import asyncio
import math
import os
from collections import Counter
from collections.abc import Callable, Collection
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec
from nacl.signing import SigningKey

from protocol import certificate as certificates
from protocol.have import Room
from protocol.node.blobs import CHUNK_BYTES, CIPHER_BYTES_MAX, Blobs, Progress, _Piece, _sum, kind_of, shown_name, unpack
from protocol.node.config import Config
from protocol.node.folding import Folding, furnish
from protocol.node.gate import Notes
from protocol.node.identity import About, Identity
from protocol.node.journal import Journal
from protocol.node.journal.witness import Witness
from protocol.node.link.client import end
from protocol.node.machine import Machine
from protocol.node.node import Node
from protocol.node.shelf import Shelf
from protocol.node.signer import Signer
from protocol.node.uploads import Uploads
from protocol.problem import Refused
from tests.simulation.store import Disk, open_journal
from tests.simulation.virtual import Life
from tests.simulation.wire import COUNTY, Msg, Wire, WireLink

if TYPE_CHECKING:
    from protocol.commands import Blob

NOWHERE: Final = Path(os.devnull)  # a folder in which nothing can be made: whoever reaches for a file is heard
BASE_MS: Final = 1_795_000_000_000  # 2026-11-18
Entry = tuple[str, str, int, bytes]  # ledger, origin, seq, chain hash
ROOM_MIB: Final = 200_000
PIECE_BYTES: Final = 400  # so that a small file has several
AGAIN_S: Final = 1.0  # a program that could not open its store is started again by the machine
JOINS_S: Final = 0.3  # from a mended wire until the leaf stands again and its program has seen it


class Seat(msgspec.Struct, frozen=True):
    """A place of the county that has a computer. name: county, t1, t1v2 … · tier: 0, 1, 2 · server: the leaf it is next to."""

    name: str
    path: str
    tier: int
    server: str

    def hears(self, ledger: str, node: str) -> bool:
        """Which ledgers may lie here: by segments, and apart from what production thinks of it."""
        parts = ledger.split("/")
        if ledger == "_" or self.tier == 0:
            return True
        if len(parts) > 1 and parts[1] == "sealed":
            return parts[2:] == [node]
        own = self.path.split("/")
        return parts[: len(own)] == own and (self.tier == 1 or len(parts) == len(own))


class Kept(msgspec.Struct):
    """All of a folder at one moment."""

    image: bytes
    mark: bytes
    about: bytes
    keys: dict[str, bytes]
    files: dict[str, bytes]
    parts: dict[str, tuple[int, bytes]]
    restored: bytes = b""


class MemoryIdentity(Identity):
    """As it lies in the site."""

    def __init__(self, site: "Site") -> None:
        super().__init__(NOWHERE)
        self._site = site

    @property
    def exists(self) -> bool:
        return bool(self._site.about)

    def about(self) -> About:
        return msgspec.json.decode(self._site.about, type=About)

    def save(self, about: About) -> None:
        self._site.about = msgspec.json.encode(about)

    def key(self, name: str) -> bytes:
        keys = self._site.keys
        if name not in keys:
            keys[name] = sha256(self._site.about + name.encode()).digest()
        return keys[name]

    def signer(self) -> Signer:
        about = self.about()
        return Signer(about.node, about.epoch, self.signing_key(), certificates.decode(about.certificate))

    def sealing_secret(self) -> bytes | None:
        return self._site.keys.get("sealing")


class MemoryWitness(Witness):
    def __init__(self, site: "Site") -> None:
        self._site = site
        super().__init__(NOWHERE)

    def _read(self) -> dict[str, tuple[int, bytes]]:
        return msgspec.msgpack.decode(self._site.mark, type=dict[str, tuple[int, bytes]]) if self._site.mark else {}

    def note(self, ledger: str, origin: str, head: Any) -> None:
        if self._site.disk.is_full:
            raise OSError("no space left")
        self._marks[f"{ledger} {origin}"] = (head.seq, head.hash)
        self._site.mark = msgspec.msgpack.encode(self._marks)


class MemoryNotes(Notes):
    def __init__(self, site: "Site") -> None:
        self._site = site

    def read(self) -> bytes | None:
        return self._site.restored or None

    def write(self, content: bytes) -> None:
        self._site.restored = content

    def end(self, since_ms: int, content: bytes) -> None:
        self._site.restored = b""


class MemoryBlobs(Blobs):
    """Files whole or in part, by address. Everything that is no file access is production's."""

    def __init__(self, site: "Site", secret: bytes, clock: Callable[[], int]) -> None:
        self._site, self._secret, self._clock = site, secret, clock
        self.folder, self.file_bytes_max, self.store_bytes_max = NOWHERE, CIPHER_BYTES_MAX, 1 << 30
        self._used, self.is_readonly = 0, False
        self._locks: dict[str, asyncio.Lock] = {}
        self._touched: dict[str, float] = {}
        self._unnamed: dict[str, float] = {}

    async def put(self, plain: bytes, name: str, mime: str, what: str = "photo") -> "Blob":
        from protocol.commands import Blob

        kind = kind_of(plain, mime)
        if not kind:
            raise Refused("file_kind", field="file", what=shown_name(name))
        if self._site.disk.is_full:
            raise Refused("disk_full")
        key, cipher = self._encrypt(plain)
        address = sha256(cipher).hexdigest()
        await asyncio.sleep(0)
        self._site.files[address] = cipher
        self._touched[address] = self._clock() / 1000
        return Blob(address=address, key=key, name=shown_name(name), mime=kind, size=len(plain), what=what)

    async def get(self, blob: "Blob") -> bytes | None:
        from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as unlock

        cipher = self._site.files.get(blob.address)
        return None if cipher is None else unlock(cipher[1:], cipher[:1], bytes(24), blob.key)

    async def is_sound(self, address: str) -> bool:
        return address in self._site.files

    def has(self, address: str) -> bool:
        return address in self._site.files

    def progress(self, address: str, size: int = 0) -> Progress:
        if address in self._site.files:
            return Progress(len(self._site.files[address]), len(self._site.files[address]))
        total, data = self._site.parts.get(address, (0, b""))
        return Progress(len(data), total)

    async def settled(self, address: str, size: int, sizes: Collection[int] = ()) -> Progress:
        return self.progress(address)

    async def chunk(self, address: str, offset: int, most: int = CHUNK_BYTES) -> bytes | None:
        whole = self._site.files.get(address)
        await asyncio.sleep(0)
        if whole is None or not 0 <= offset < len(whole):
            return None
        data = whole[offset : offset + min(most, PIECE_BYTES)]
        return msgspec.msgpack.encode(_Piece(address, offset, len(whole), data, _sum(address, offset, len(whole), data)))

    async def write_chunk(self, address: str, packed: bytes, size: int) -> Progress:
        piece = unpack(packed)
        if (piece.address, piece.total) != (address, size):
            raise Refused("frame_broken")
        await asyncio.sleep(0)
        here = self.progress(address)
        if here.is_whole or piece.offset != here.have:
            return here
        if self._site.disk.is_full:
            raise Refused("disk_full")
        data = self._site.parts.pop(address, (0, b""))[1] + piece.data
        if len(data) < piece.total:
            self._site.parts[address] = (piece.total, data)
        elif sha256(data).hexdigest() == address:
            self._site.files[address] = data
        else:
            raise Refused("frame_broken")
        self._touched[address] = self._clock() / 1000
        return self.progress(address)

    async def remove(self, address: str, before_s: float = math.inf) -> bool:
        if self.touched_s(address) > before_s:
            return False
        self._site.files.pop(address, None)
        self._site.parts.pop(address, None)
        return True

    async def count(self) -> None:
        self._used = sum(map(len, self._site.files.values()))

    def touched_s(self, address: str) -> float:
        return self._touched.get(address, 0.0)

    def addresses(self) -> set[str]:
        return {*self._site.files, *self._site.parts}

    def note_unnamed(self, some: Collection[str], now_s: float) -> dict[str, float]:
        self._unnamed = {address: self._unnamed.get(address, now_s) for address in some}
        return dict(self._unnamed)


class NoUploads(Uploads):
    """Nobody sends files by pieces here."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def tidy(self, before_s: float) -> int:
        return 0

    async def drop_size(self, size: int) -> None:
        pass


class SimMachine(Machine):
    def __init__(self, site: "Site") -> None:
        self.site, self.folder, self.config, self.clock = site, NOWHERE, Config(), site.clock
        self.identity = MemoryIdentity(site)
        self.speaks = site.speaks

    def chance(self, count: int) -> bytes:
        return self.site.chance.randbytes(count)

    async def journal(self, shelf: Shelf) -> Journal:
        return await furnish(await open_journal(self.site.disk, shelf, Folding(shelf)), shelf)

    def witness(self) -> Witness:
        return MemoryWitness(self.site)

    def notes(self) -> Notes:
        return MemoryNotes(self.site)

    def blobs(self) -> Blobs:
        return MemoryBlobs(self.site, self.identity.key("blob"), self.clock)

    def room(self, is_damaged: bool) -> Room:
        return Room(0 if self.site.disk.is_full else ROOM_MIB, ROOM_MIB, is_damaged)

    def uploads(self, blobs: Blobs) -> Uploads:
        return NoUploads(blobs)

    def link(self) -> Any:
        site = self.site
        servers = (site.seat.server, COUNTY) if site.seat.server != COUNTY else (COUNTY,)
        site.link = WireLink(site.wire, site.name, self.identity.certificate(), servers)
        return site.link


class Site:
    """disk, mark, about, keys, files, parts are what a folder holds. opened: told of each node that was opened."""

    def __init__(self, seat: Seat, wire: Wire, chance: Random, kept: Kept, name: str = "", overlap: float = 0.3) -> None:
        self.seat, self.wire, self.name = seat, wire, name or seat.name
        self.chance = Random(chance.random())
        self.disk = Disk(Random(chance.random()), kept.image, overlap=overlap, slow=0.06, yields=0.3)
        self.mark, self.about, self.keys = kept.mark, kept.about, dict(kept.keys)
        self.files, self.parts = dict(kept.files), dict(kept.parts)
        self.restored = kept.restored
        self.offset_ms = 0
        self.speaks = Machine.speaks
        self.life: Life | None = None
        self.lives: list[Life] = []
        self.link: WireLink | None = None
        self.node: Node | None = None
        self.said: set[Entry] = set()  # lane heads that its Haves spoke of, since it was started
        self.at_work: list[asyncio.Task[None]] = []
        self.former: list[str] = []  # ids that the place's computers had before
        self.is_gone = False  # put out of the county, or thrown away
        self.stays_down, self.down_s = False, 0.5  # whether and when whoever runs it starts it again after it died
        self.opened: Callable[[Site], None] = lambda _: None
        self.crashed: Callable[[Site], None] = lambda _: None
        self.promised: Callable[[Site], list[Entry]] = lambda _: []  # what was said to be on this disk
        self.kept: Callable[[Site, list[Entry]], None] = lambda _, __: None
        self.counts: Counter[str] = Counter()

    def clock(self) -> int:
        return BASE_MS + int(asyncio.get_running_loop().time() * 1000) + self.offset_ms

    @property
    def is_up(self) -> bool:
        return self.life is not None and not self.life.is_over

    def hears(self, ledger: str) -> bool:
        """Its own sealed ledger, and those of whoever was here before it."""
        return _hears(self.seat, (self.node_id, *self.former), ledger)

    @property
    def node_id(self) -> str:
        return _about(self.about).node

    @property
    def origin(self) -> str:
        about = _about(self.about)
        return f"{about.node}:{about.epoch}"

    # ── the program ──

    def start(self) -> None:
        if self.is_up or self.is_gone:
            return
        self.life = Life()
        self.lives.append(self.life)
        self.said.clear()
        self.life.spawn(self._program(), f"program {self.name}")

    def kill(self, power: bool = False) -> None:
        if not self.is_up:
            return
        assert self.life is not None
        self.life.end()
        self._died(power)

    def kill_after(self, steps: int, power: bool = False) -> None:
        if self.is_up and self.life is not None:
            self.life.end_after(steps, lambda: self._died(power))

    def _died(self, power: bool) -> None:
        self.counts["killed"] += 1
        promised = self.promised(self)
        self.disk.crash(power)
        self.kept(self, promised)
        self.node = None
        self.at_work = []
        if self.link is not None:
            self.link.at = None
            self.wire.leave(self.link)
        self.crashed(self)

    async def _program(self) -> None:
        """What `deploy.running.run` does with a folder."""
        while True:
            try:
                node = await Node.on(SimMachine(self))
            except Refused as refused:
                self.counts[f"not opened: {refused.code}"] += 1
                await asyncio.sleep(AGAIN_S)
                continue
            self.node = node
            await node.start()
            self.opened(self)
            leaf = [asyncio.create_task(self._follow_leaf(node), name="leaf")] if self.name in self.wire.towns else []
            await node.outdated.wait()
            self.counts["opened again"] += 1
            self.node = None
            await end(leaf)
            await end(self.at_work)  # whoever was at a page when the program ended
            self.at_work.clear()
            await node.close()

    async def _follow_leaf(self, node: Node) -> None:
        """As `deploy.running` lets the program of a township know of its own server."""
        turned, carried = self.wire.turned[self.name], self.wire.carries(self.name)
        while True:
            await turned.wait()
            turned.clear()
            await asyncio.sleep(JOINS_S)
            if self.wire.carries(self.name) != carried:
                carried = not carried
                self.counts["leaf turned"] += 1
                node.wire_turned(carried)

    # ── the folder ──

    def copy(self) -> Kept:
        return Kept(self.disk.image(), self.mark, self.about, dict(self.keys), dict(self.files), dict(self.parts), self.restored)

    def put_back(self, kept: Kept) -> None:
        """Only while it is down."""
        self.disk.put_back(kept.image)
        self.mark, self.about, self.keys = kept.mark, kept.about, dict(kept.keys)
        self.files, self.parts, self.restored = dict(kept.files), dict(kept.parts), kept.restored

    def identity(self) -> MemoryIdentity:
        return MemoryIdentity(self)

    def certificate(self) -> certificates.Certificate:
        return self.identity().certificate()


def signing_key(words: str) -> SigningKey:
    return SigningKey(sha256(words.encode()).digest())


@lru_cache(65_536)
def _hears(seat: Seat, nodes: tuple[str, ...], ledger: str) -> bool:
    return any(seat.hears(ledger, node) for node in nodes)


_about = lru_cache(4_096)(msgspec.json.Decoder(About).decode)

__all__ = ["BASE_MS", "Kept", "Msg", "Seat", "SimMachine", "Site", "signing_key"]
