"""Attachments whose way is cut at any byte: the wire breaks inside a piece, a disk keeps only a part, pieces come wrong, twice, too large.

First the store alone: a file is written piece by piece, cut at drawn bytes, with foreign and damaged pieces between, and is whole and true in
the end. Then a real village sends a real file through a wire that is cut at byte n again and again, and what is typed meanwhile overtakes it.

These nodes run inside this program, so that pieces can be forged and what is asked for on the wire is seen; the slice in `./run test` ends there.

A round goes on with a county of real programs, whose desks write all the while: a clerk saves two cases with the same large file, which goes up to
township and county over slow lines. At drawn bytes of it a line is cut, the village's program or the one that fetches gets SIGKILL.

Asserted: the store never holds anything but whole true files and goes on at the byte where it was cut; over the wire no byte that was kept is
asked for again, the file opens to the same bytes at the county, and comes after the text. Between real programs what a taker has of the file never
becomes less. Then all checkers, with nothing in quarantine.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from random import Random

import msgspec
from nats.aio.msg import Msg

from deploy.demo.cast import VILLAGE
from deploy.demo.check import Page
from protocol.commands import AddEvidence, Blob
from protocol.node import blobs as store
from protocol.node.blobs import CHUNK_BYTES, CIPHER_EXTRA_BYTES, Blobs, is_address
from protocol.node.config import Config
from protocol.node.link.answers import BlobAsk
from protocol.node.node import Node
from tests.faults.kit.county import BrokenCounty, standing
from tests.faults.kit.database import Database
from tests.faults.kit.desks import CALM_S, Desks, Saved, promised
from tests.faults.kit.files import SMALL_BYTES, Kept, Picture, posted, sum_of
from tests.faults.kit.proxy import Proxy
from tests.faults.kit.truth import judge
from tests.faults.kit.whole import STAFFED, Folders, promise, settled
from tests.faults.row import Outcome, Row, together
from tests.faults.rows.drawn import flipped, refused
from tests.kit.county import distinct, until
from tests.link.kit import V1, soon
from tests.link.test_whole_nodes import Whole, actor, dispute, new_id

CUTS_ON_DISK, CUTS_ON_WIRE, CUTS_MORE = 20, 2, 2
JPEG = b"\xff\xd8\xff"
KINDS = ("line cut", "village killed", "taker killed")  # each once a round at least
TAKERS, FILE_BYTES, BYTES_S, COMES_S_MAX = ("hub", "town"), (2_500_000, 6_000_000), 500_000, 90.0
SHARE = 1 / 4  # of what is still to come, at most, comes before the next cut


async def _on_disk(draw: Random, folder: Path) -> int:
    """A store that is killed in the middle of a piece, at any byte, goes on from there; at the end the whole is what its address says."""
    source, target = Blobs(folder / "source", bytes(32)), Blobs(folder / "target", bytes(range(32)))
    cuts = 0
    while cuts < CUTS_ON_DISK:
        plain = JPEG + draw.randbytes(draw.choice([1, CHUNK_BYTES - 20, CHUNK_BYTES, 3 * CHUNK_BYTES + draw.randrange(CHUNK_BYTES)]))
        blob = await source.put(plain, "田埂.jpg", "image/jpeg")
        again = await source.put(plain, "又一张.jpg", "image/jpeg")
        assert again.address == blob.address, "the same file twice was kept twice"
        cuts += await _one_file(draw, source, target, blob)
        assert await target.get(blob) == plain
        assert not list((folder / "target").rglob("*.part")), "half a file was left"
    return cuts


async def _one_file(draw: Random, source: Blobs, target: Blobs, blob: Blob) -> int:
    cuts = 0
    size = blob.size + CIPHER_EXTRA_BYTES
    while not (at := target.progress(blob.address)).is_whole:
        packed = await source.chunk(blob.address, at.have) or b""
        for wrong in _wrong_pieces(draw, packed, at.have):
            with refused("frame_broken", what="a wrong piece"):
                await target.write_chunk(blob.address, wrong, size)
        if at.have:  # an older piece again changes nothing
            assert await target.write_chunk(blob.address, await source.chunk(blob.address, 0) or b"", size) == at
        await target.write_chunk(blob.address, packed, size)
        part = next(iter(target._parts(blob.address)), None)
        if part and draw.random() < 0.7:
            keep = draw.randrange(part.stat().st_size + 1)
            with part.open("r+b") as file:
                file.truncate(keep)
            target = Blobs(target._path(blob.address).parents[1], bytes(range(32)))  # the program is started again
            assert target.progress(blob.address).have == keep, "it begins anew instead of going on"
            cuts += 1
    return max(cuts, 1)


def _wrong_pieces(draw: Random, packed: bytes, at: int) -> list[bytes]:
    address, offset, total, data, sum_ = msgspec.msgpack.decode(packed)
    other = sha256(b"other").hexdigest()
    return [
        flipped(packed, draw.randrange(len(packed) * 8)),
        packed[: draw.randrange(len(packed))],
        msgspec.msgpack.encode([other, offset, total, data, store._sum(other, offset, total, data)]),
        *(msgspec.msgpack.encode([address, offset, n, data, store._sum(address, offset, n, data)]) for n in (total - 1, total + 1, 2**40)),
        msgspec.msgpack.encode([address, offset, total, data + b"x" * CHUNK_BYTES, sum_]),
    ]


async def _wrong_whole(draw: Random, folder: Path) -> None:
    """A peer that gives right pieces of another file under this address: thrown away at the end, and fetched again from a better one."""
    source, target = Blobs(folder / "good", bytes(32)), Blobs(folder / "misled", bytes(32))
    blob = await source.put(JPEG + draw.randbytes(1000), "a.jpg", "image/jpeg")
    address, offset, total, data, _ = msgspec.msgpack.decode(await source.chunk(blob.address, 0) or b"")
    lie = bytes(reversed(data))
    with refused("frame_broken"):
        wrong = msgspec.msgpack.encode([address, offset, total, lie, store._sum(address, offset, total, lie)])
        await target.write_chunk(address, wrong, total)
    assert target.progress(address).have == 0
    assert (await target.write_chunk(address, await source.chunk(address, 0) or b"", total)).is_whole


async def _on_the_wire(draw: Random, folder: Path) -> Outcome:
    whole = await Whole(folder).start()
    wire = await Proxy(seed=draw.getrandbits(30)).start(whole.server.listen.port)
    try:
        hub, village = whole.hub, await _behind(whole, wire)
        asked = _asked(hub)
        plain = JPEG + draw.randbytes(draw.randint(1_500_000, 2_200_000))
        blob = await village.blobs.put(plain, "录音.jpg", "image/jpeg")
        wire.faults.bytes_per_s = 1_500_000
        logged = await village.desk.submit(dispute(V1), actor(village, "clerk"))
        added = await village.desk.submit(AddEvidence(id=new_id(), case=logged.subject, blob=blob), actor(village, "clerk"))
        low, cuts = 0, 0
        while cuts < CUTS_ON_WIRE and not hub.blobs.has(blob.address):
            await soon(lambda low=low: hub.blobs.progress(blob.address).have > low, 30)
            wire.faults.cut_after = {"up": draw.randrange(1, 500_000)}  # inside a piece that is on its way, or in what comes next
            await asyncio.sleep(draw.random() * 0.3)
            wire.cut()
            cuts += 1
            have = hub.blobs.progress(blob.address).have
            assert have >= low, f"it had {low} bytes and has {have}"
            low = have
            wire.is_cut, wire.faults.cut_after = False, {}
        typed = await village.desk.submit(dispute(V1), actor(village, "clerk"))
        text_first = await _overtakes(hub, typed.subject, blob)
        wire.heal()
        await soon(lambda: hub.blobs.has(blob.address), 60)
        assert await hub.blobs.get(blob) == plain
        again = [(offset, kept) for address, offset, kept in asked if address == blob.address and offset < kept]
        assert asked and not again, f"asked for bytes that were kept: {again[:3]} (from, kept)"
        await settled(hub, village)
    finally:
        await whole.stop()
        await wire.stop()
    told = f"{cuts} cuts of the wire, {low} bytes kept at the last, {len(asked)} pieces asked for; text {'overtook' if text_first else 'came with'} the file"
    saved = [promise("village", one) for one in (logged, typed)] + [promise("village", added, (Kept(added.command, sum_of(plain)),))]
    return await judge(Folders(hub=hub.folder, village=village.folder), saved, staffed=STAFFED, images=cuts, said=(told,))


def _asked(node: Node) -> list[tuple[str, int, int]]:
    """(address, from which byte, how many of it were kept by then) of each piece that this node asks for on the wire from now on, once more
    after a cut too."""
    asked, most, request = list[tuple[str, int, int]](), dict[str, int](), node.link.request

    async def noted(subject: str, body: bytes, timeout_s: float) -> Msg | None:
        if subject.startswith("y1.blob."):
            ask = msgspec.msgpack.decode(body, type=BlobAsk)
            most[ask.address] = max(most.get(ask.address, 0), node.blobs.progress(ask.address).have)
            asked.append((ask.address, ask.offset, most[ask.address]))
        return await request(subject, body, timeout_s)

    node.link.request = noted
    return asked


async def _behind(whole: Whole, wire: Proxy) -> Node:
    """A village whose only line is the wire."""
    village = await whole.join("高禹村", V1)
    await village.close()
    whole.nodes.remove(village)
    node = await whole._node(village.folder, Config(link=type(Config().link)(servers=[f"127.0.0.1:{wire.port}"])))
    await node.start()
    return node


async def _overtakes(hub: Node, subject: str, blob: Blob) -> bool:
    """Text first: what was typed after the file began is there no later than the file is."""
    while not await hub.journal.subject(subject):
        await asyncio.sleep(0.01)
        if hub.blobs.has(blob.address):
            assert await hub.journal.subject(subject), "the file came before the text"
            return False
    return True


# ── real programs ──


class Way:
    """A file of the village on its way to township and county: what each has of it, which never becomes less."""

    def __init__(self, county: BrokenCounty, size: int) -> None:
        """size: of the file itself. Every line is slow from now on."""
        self.county, self.size, self.address, self.low = county, size + CIPHER_EXTRA_BYTES, "", dict.fromkeys(TAKERS, 0)
        self.slow(county.demo.wires)

    def slow(self, names: Iterable[str]) -> None:
        for name in names:
            self.county.demo.wires[name].faults.bytes_per_s = BYTES_S

    def began(self) -> None:
        folder = self.county.home("gaoyu") / "blobs"
        found = [path.name for path in folder.glob("*/*") if is_address(path.name) and path.stat().st_size == self.size]
        assert len(found) == 1, "the same file twice was kept twice"
        (self.address,) = found

    def kept(self, taker: str) -> int:
        folder, most = self.county.home(taker) / "blobs" / self.address[:2], 0
        for path in (*folder.glob(f"{self.address}.*.part"), folder / self.address):  # a half becomes the whole one meanwhile
            with suppress(FileNotFoundError):
                most = max(most, path.stat().st_size)
        assert most >= self.low[taker], f"{taker} had {self.low[taker]} bytes and has {most}"
        self.low[taker] = most
        return most

    def has(self, taker: str) -> bool:
        return self.kept(taker) == self.size

    async def cut(self, kind: str, draw: Random) -> str:
        """When a drawn number of bytes is there. "": all of it had come before."""
        if not (lacking := [taker for taker in TAKERS if not self.has(taker)]):
            return ""
        taker = draw.choice(lacking)
        at = self.kept(taker) + draw.randrange(int((self.size - self.kept(taker)) * SHARE) + 1)
        await until(lambda: self.kept(taker) >= at, f"{taker} gets {at} bytes of the file", COMES_S_MAX)
        if kind == "line cut":
            return await self._line(taker, draw)
        victim = "gaoyu" if kind == "village killed" else taker
        await self.county.kill(victim)
        left = self.kept(taker)
        await self.county.begin(victim)
        return f"{victim} killed with {left} bytes at {taker}"

    async def _line(self, taker: str, draw: Random) -> str:
        """It breaks so many bytes later, inside a piece or in what comes between, and is mended."""
        below = taker == "town" or draw.random() < 0.5
        names, more = self.county.demo._ways("gaoyu") if below else ["town"], draw.randrange(1, CHUNK_BYTES)
        wires = [self.county.demo.wires[name] for name in names]
        for wire in wires:
            wire.faults.cut_in = {"up": more}
        await until(lambda: any(w.faults.cut_in["up"] <= 0 for w in wires) or self.has(taker), f"{more} bytes more", COMES_S_MAX)
        is_cut = any(wire.faults.cut_in["up"] <= 0 for wire in wires)
        await asyncio.sleep(draw.random() * 0.3)
        for wire in wires:
            wire.heal()
        self.slow(names)
        return f"line of {'gaoyu' if below else 'town'} cut with {self.kept(taker)} bytes at {taker}" if is_cut else ""

    async def overtaken(self, text: Saved) -> str:
        """By what was typed while more than two pieces of it were to come, wherever they were."""
        waiting = [taker for taker in TAKERS if self.size - self.kept(taker) > 2 * CHUNK_BYTES]
        for taker in waiting:
            await self._comes_first(text.keys[0], taker)
        return (
            f"text overtook the file on its way to {' and '.join(waiting)}" if waiting else "the file was there before the text was typed"
        )

    async def _comes_first(self, key: tuple[str, str, int], taker: str) -> None:
        while True:
            is_whole = self.has(taker)  # asked first
            if (await self.county.lanes(taker)).get(key[:2], (0, b""))[0] >= key[2]:
                return
            assert not is_whole, f"the file came to {taker} before the text"
            await asyncio.sleep(0.02)


async def _between_programs(draw: Random, folder: Path) -> Outcome:
    async with standing(folder, draw, database=await Database.drawn(draw)) as county:
        picture = Picture(JPEG + draw.randbytes(draw.randint(*FILE_BYTES)), JPEG + draw.randbytes(SMALL_BYTES))
        async with Desks(county, draw, pause_s=CALM_S) as desks:
            clerk, way = await county.page("wangfang"), Way(county, len(picture.plain))
            saved = [await _saved(county, clerk, picture) for _ in range(2)]
            way.began()
            kinds = [*draw.sample(KINDS, len(KINDS)), *draw.choices(KINDS, k=draw.randint(0, CUTS_MORE))]
            cuts = [told for kind in kinds if (told := await way.cut(kind, draw))]
            saved.append(await _saved(county, clerk))
            overtook = await way.overtaken(saved[-1])
            for wire in county.demo.wires.values():
                wire.heal()
            await until(lambda: all(map(way.has, TAKERS)), "the file is whole at township and county", COMES_S_MAX)
            await desks.more(4)
        await county.settle()
        await county.stop()
        said = (county.store, f"{way.size} bytes between real programs", *cuts, overtook)
        return await judge(county, [*desks.saved, *saved], images=len(cuts), said=said)


async def _saved(county: BrokenCounty, clerk: Page, picture: Picture | None = None) -> Saved:
    got = await posted(clerk.http, "/cases", county.form(VILLAGE, distinct("附件很大的一件")), picture)
    assert got.status_code in (200, 201), f"{got.status_code} {got.text[:300]}"
    return promised("gaoyu", "wangfang", got.json(), picture)


async def play(draw: Random, folder: Path) -> Outcome:
    return together(await small(draw, folder), await _between_programs(draw, folder / "county"))


async def small(draw: Random, folder: Path) -> Outcome:
    """The store, and nodes inside this program."""
    cuts = await _on_disk(draw, folder)
    await _wrong_whole(draw, folder)
    found = await _on_the_wire(draw, folder / "wire")
    return msgspec.structs.replace(found, images=cuts + found.images, said=(f"{cuts} cuts on the disk", *found.said))


ROW = Row(
    20,
    "attachment cut at any byte, wrong bytes, huge, same twice",
    "resumes; hash checked; text never waits",
    ("postgres",),
    play,
    small,
    (),
)
