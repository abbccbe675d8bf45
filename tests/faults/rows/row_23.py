"""Bytes that nobody should have sent: to every decoder, to a lane's check, to the pages' forms, and as a flood to a real node.

Three ways to be wrong: bytes drawn at random, MessagePack of anything (deep, huge, of wrong types), and what was right with some of it
changed. A decoder answers with a refusal or with what was meant, never with another error; it holds no more memory than the limits say.

The pages stand on small nodes, the flood comes to whole ones, all inside this program; afterwards all checkers over what was saved meanwhile, with
nothing in quarantine but what such a flood is refused as.
"""

import asyncio
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
import msgspec
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import Box, PrivateKey, SealedBox
from nacl.signing import SigningKey

from protocol import batch, bundle, certificate, enrolment, entry, events, have, lane
from protocol.batch import BATCH_BYTES_MAX, Batch
from protocol.entry import UNREADABLE
from protocol.events import SealedBody
from protocol.node import blobs, sealing
from protocol.node.journal.rows import fetch
from protocol.node.link import answers
from protocol.node.link.client import end
from protocol.node.link.hearing import LANES_MIN
from protocol.node.node import Node
from protocol.problem import Refused
from tests.edge.rig import OFFICES, PASSWORD, Rig
from tests.faults.kit.truth import judge
from tests.faults.kit.whole import STAFFED, Folders, Small, promise, settled
from tests.faults.row import Outcome, Row, together
from tests.faults.rows.drawn import examples, flipped
from tests.link.kit import V1, soon
from tests.link.test_whole_nodes import Whole, actor, dispute, soon_equal
from tests.link.test_wire import FIRST, KEY, ORIGIN, OURS, PUBLIC, RAW, SECOND, VILLAGE, WIRE
from tests.node.desk_kit import dispute as dispute_of_a_village
from tests.node.desk_kit import exchange

EXAMPLES, FLOOD, FORMS, INVENTED = 40, 600, 36, 20
FLOODED = ("batch_malformed", "frame_broken", "lane_foreign", "lanes_too_many")  # what stands in quarantine then
MEMORY_MAX = 24 * 2**20  # of one decoding: a batch unpacked, its copy, and room
SEALING, ASKER = PrivateKey(bytes(range(5, 37))), SigningKey(bytes(range(9, 41)))
CODE = enrolment.Code("10.0.0.1:8330", bytes(range(10)))
ASK = enrolment.ask(CODE, ASKER, "UUSER", "ULEAF", b"pem", bytes(24))
HAVE = have.sign(have.Have("nabcdefgh", VILLAGE, {ORIGIN: (3, bytes(32))}, 5, "0.1.0", True), KEY)
FILE = bundle.pack([WIRE], [b"piece"], certificate=OURS, key=KEY, made_ms=5, receiver=bytes(SEALING.public_key), ephemeral=SEALING)
PIECE = msgspec.msgpack.encode(["a" * 64, 0, 3, b"abc", blobs._sum("a" * 64, 0, 3, b"abc")])
HEAD = FIRST.batch.heads[1]
DEEP = msgspec.Raw(b"\x91" * 20_000 + b"\xc0")


def _sealed(raw: bytes) -> Any:
    outer = msgspec.structs.replace(entry.decode_head(HEAD), kind="Sealed", sort="sealed")
    body = msgspec.msgpack.encode(SealedBody(SealedBox(SEALING.public_key).encrypt(raw)))
    return sealing.opened(outer, body, 1, bytes(SEALING))


def _head(raw: bytes) -> None:
    head = entry.decode_head(raw)
    events.facts_of(head)
    events.body_of(head.kind, raw)


def _certificate(raw: bytes) -> None:
    certificate.is_valid(certificate.decode(raw), PUBLIC)


def _ask_boxed(raw: bytes) -> None:
    enrolment.open_ask(CODE.secret, bytes(32) + bytes(enrolment._box(CODE.secret, b"ask").encrypt(raw)))


def _answer_boxed(raw: bytes) -> None:
    enrolment.open_answer(CODE.secret, bytes(enrolment._box(CODE.secret, b"answer").encrypt(raw)))


def _packed(raw: bytes) -> None:
    batch.unpack(batch._framed(zstandard.ZstdCompressor().compress(raw)))


def _in_bundle(raw: bytes) -> None:
    public = bytes(SEALING.public_key)
    boxed = Box(SEALING, SEALING.public_key).encrypt(raw, bundle._nonce(public, public)).ciphertext
    bundle.unpack(bundle.MAGIC + public + public + boxed, [SEALING], PUBLIC)


class Decoder(msgspec.Struct, frozen=True):
    """right: bytes that it takes · may: what it may raise; None: nothing at all."""

    name: str
    decode: Callable[[bytes], Any]
    right: bytes
    may: tuple[type[Exception], ...] = (Refused,)


DECODERS: Final = (
    Decoder("head", _head, HEAD, UNREADABLE),
    Decoder("batch", batch.decode, RAW),
    Decoder("batch packed", batch.unpack, WIRE),
    Decoder("batch inside zstd", _packed, RAW),
    Decoder("have", have.read, HAVE),
    Decoder("certificate", _certificate, certificate.encode(OURS)),
    Decoder("bundle", lambda raw: bundle.unpack(raw, [SEALING], PUBLIC), FILE),
    Decoder("bundle inside its box", _in_bundle, msgspec.msgpack.encode(bundle.Content(b"", 1, (WIRE,), ()))),
    Decoder("enrolment asked", lambda raw: enrolment.open_ask(CODE.secret, raw), ASK),
    Decoder("enrolment inside its box", _ask_boxed, msgspec.msgpack.encode(enrolment.Ask(b"k", "U", "", b""))),
    Decoder("enrolment answer", _answer_boxed, msgspec.msgpack.encode([b"c"] * 12)),
    Decoder("code", lambda raw: enrolment.read_code(raw.decode(errors="replace")), CODE.text.encode()),
    Decoder("lane asked", answers._lane_asks.decode, msgspec.msgpack.encode(answers.LaneAsk(VILLAGE, ORIGIN, 0, 5)), UNREADABLE),
    Decoder("blob asked", answers._blob_asks.decode, msgspec.msgpack.encode(answers.BlobAsk("a" * 64, 0)), UNREADABLE),
    Decoder("piece of a file", blobs.unpack, PIECE),
    Decoder("sealed report", _sealed, msgspec.msgpack.encode([HEAD, FIRST.batch.bodies[1][1], b""]), ()),
    Decoder("sealed head", lambda raw: _sealed(msgspec.msgpack.encode([raw, b"", b""])), HEAD, ()),
    Decoder("sealed body", lambda raw: _sealed(msgspec.msgpack.encode([HEAD, raw, b""])), b"\x80", ()),
)

_texts = st.text(max_size=8) | st.sampled_from(["", "_", "330523/*", "\0", "\ud7ff", "é" * 40, ">", "../x"])
_anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | _texts | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=15) | st.dictionaries(_texts | st.integers(0, 9), inner, max_size=4),
    max_leaves=30,
)


def _packed_anything(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


@st.composite
def wrongs(draw: st.DrawFn, right: bytes) -> bytes:
    """Bytes of one of the ways to be wrong (or, now and then, right)."""
    way = draw(st.integers(0, 6))
    if way == 0:
        return draw(st.binary(max_size=400))
    if way == 1:
        return _packed_anything(draw(_anything))
    if way == 2:
        return draw(st.sampled_from([b"\x91", b"\x81\xa1a", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"])) * draw(
            st.integers(1, 30_000)
        )
    if way == 3 and right:
        return flipped(right, draw(st.integers(0, len(right) * 8 - 1)))
    if way == 4 and right:
        return right[: draw(st.integers(0, len(right) - 1))] + draw(st.binary(max_size=20))
    if way == 5 and right:
        at = draw(st.integers(0, len(right)))
        return right[:at] + draw(st.sampled_from([b"\xa4\xff\xfe\xfd\xfc", b"\xc6\xff\xff\xff\xff", b"\xdb\x7f\xff\xff\xff"])) + right[at:]
    return _replaced(draw, right)


def _replaced(draw: st.DrawFn, right: bytes) -> bytes:
    """What was right with one of its fields made anything."""
    try:
        fields = msgspec.msgpack.decode(right, strict=False)
        fields[draw(st.integers(0, len(fields) - 1))] = draw(_anything | st.just(DEEP))
        return _packed_anything(fields)
    except UNREADABLE:
        return right + b"\xc0"


def _deep(right: bytes) -> list[bytes]:
    """Each field in turn made deeper than any reader can follow."""
    try:
        fields = msgspec.msgpack.decode(right)
        return [_packed_anything([*fields[:n], DEEP, *fields[n + 1 :]]) for n in range(len(fields))]
    except UNREADABLE:
        return [bytes(DEEP)]


def _decoder(draw: Random, one: Decoder) -> None:
    @examples(draw, EXAMPLES)
    @given(wrongs(one.right))
    def refused_or_meant(raw: bytes) -> None:
        with suppress(*one.may):
            one.decode(raw)

    try:
        for raw in _deep(one.right):
            with suppress(*one.may):
                one.decode(raw)
        refused_or_meant()
    except Exception as error:
        error.add_note(f"decoder: {one.name}")
        raise
    if one.right:
        with suppress(Refused):  # the ones in a box are signed by nobody
            one.decode(one.right)


def _decoders(draw: Random) -> int:
    for one in DECODERS:
        _decoder(draw, one)
    return len(DECODERS) * EXAMPLES


def _bounded(draw: Random) -> int:
    """Frames that promise little and hold much, or hold much of one thing: memory stays within the limits."""
    zeros = zstandard.ZstdCompressor(level=19).compress(bytes(64 * 2**20))
    lying = zstandard.ZstdCompressor(level=19, write_content_size=False).compress(bytes(64 * 2**20))
    small = zstandard.ZstdCompressor().compress(bytes(100))
    tries: list[tuple[Callable[[bytes], Any], bytes]] = [(batch.unpack, batch._framed(raw)) for raw in (zeros, lying, small + zeros)]
    tries += [(batch.decode, b"\xdd\x00\x07\xff\xff" + b"\xc0" * 500_000), (have.read, bytes(64) + b"\xdf\xff\xff\xff\xff" * 50_000)]
    tries += [(have.read, bytes(300_000)), (batch.decode, bytes(BATCH_BYTES_MAX + 1))]
    for decode, raw in tries:
        tracemalloc.start()
        try:
            decode(raw)
            raise AssertionError(f"{len(raw)} bytes were taken")
        except Refused:
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < MEMORY_MAX, f"{peak} bytes held for {len(raw)} bytes"
    return len(tries)


def _lanes(draw: Random) -> int:
    """An enrolled node that signs nonsense: refused whole with a code; what is admitted is what an honest check admits."""
    honest = lane.check(SECOND.batch, FIRST.head, OURS, PUBLIC).entries

    @examples(draw, EXAMPLES)
    @given(st.data())
    def signed_nonsense(data: st.DataObject) -> None:
        fields = list(msgspec.structs.astuple(entry.decode_head(SECOND.batch.heads[-1])))
        at = data.draw(st.integers(0, len(fields) - 1))
        fields[at] = data.draw(_anything | st.just(DEEP))
        head = msgspec.msgpack.encode(fields)
        heads = (*SECOND.batch.heads[:-1], head)
        hash_ = SECOND.batch.prev
        for raw in heads:
            hash_ = entry.chain(hash_, raw)
        made = Batch(VILLAGE, ORIGIN, 3, SECOND.batch.prev, heads, SECOND.batch.bodies, entry.sign(KEY, hash_))
        with suppress(Refused):
            got = lane.check(batch.unpack(batch.pack(made)), FIRST.head, OURS, PUBLIC)
            assert got.entries[:-1] == honest[:-1]
            last = got.entries[-1].head
            assert (last.ledger, last.origin, last.seq) == (VILLAGE, ORIGIN, 7)
            assert certificate.serves(OURS, events.facts_of(last).office)

    signed_nonsense()
    for wrong in (SigningKey(bytes(32)), ASKER):  # a stranger signs what is right
        made = msgspec.structs.replace(SECOND.batch, signature=entry.sign(wrong, list(lane.hashes(SECOND.batch))[-1]))
        try:
            lane.check(made, FIRST.head, OURS, PUBLIC)
            raise AssertionError("a stranger's signature was taken")
        except Refused:
            pass
    return EXAMPLES


async def _forms(draw: Random, folder: Path) -> Outcome:
    """The pages: nothing that is sent to them is a fault of theirs, and nothing of it stands in the ledger."""
    rig = await Rig.make(folder)
    try:
        told = await rig.say("village", dispute_of_a_village())
        subject = told.subject
        before = await rig.web("village").journal.heads()
        transport = httpx.ASGITransport(rig.app("village"), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://village", headers={"Origin": "https://village"}) as http:
            signed_in = await http.post("/sign-in", data={"name": "wangfang", "password": PASSWORD})
            assert signed_in.status_code < 400, signed_in.text
            paths = (
                "/cases",
                f"/cases/{subject}/files",
                f"/cases/{subject}/AddNote",
                "/seal",
                "/sign-in",
                "/tasks/x/ConfirmTask",
                "/enrol",
                "/cases/x/%00",
            )
            for n in range(FORMS):
                path = draw.choice(paths)
                body, kind = _form(draw, n)
                got = await http.post(
                    path, content=body, headers={"Content-Type": kind, "Accept": draw.choice(["text/html", "application/json"])}
                )
                assert got.status_code < 500, f"{path} {kind} {body[:200]!r}: {got.status_code} {got.text[:300]}"
        assert await rig.web("village").journal.heads() == before, "nonsense was registered"
        for node in rig.county.nodes:
            async with node.journal.writing() as w:
                await fetch(
                    w.connection, "delete from peer where signed = :nothing", {"nothing": b""}
                )  # a rig's own receipts: nobody said them
        await exchange(*rig.county.nodes)
        return await judge(Small(rig.county), [promise("village", told)], staffed=OFFICES.values(), images=FORMS)
    finally:
        await rig.close()


def _form(draw: Random, n: int) -> tuple[bytes, str]:
    garbage = draw.randbytes(draw.choice([0, 3, 200, 5_000]))
    deep = b"[" * 40_000
    ways: list[tuple[bytes, str]] = [
        (garbage, "application/x-www-form-urlencoded"),
        (b"account=%ff%fe&party_name=%00&headcount=" + b"9" * 5_000, "application/x-www-form-urlencoded"),
        (b"a=1&" * 4_000, "application/x-www-form-urlencoded"),
        (garbage, "application/json"),
        (deep, "application/json"),
        (b'{"id": {"$gt": ""}, "account": ' + b'"\\ud800"' + b"}", "application/json"),
        (b'{"id":"x","ledger":"330523/330523111/330523111217","type":1e999,"account":null,"parties":{}}', "application/json"),
        (b'--b\r\nContent-Disposition: form-data; name="files"; filename="\xff\xfe"\r\n\r\n' + garbage, "multipart/form-data; boundary=b"),
        (b"--b\r\n" * 300, "multipart/form-data; boundary=b"),
        (garbage, "multipart/form-data"),
        (garbage, "text/plain; charset=utf-99"),
        ("account=登记".encode("gb18030"), "application/x-www-form-urlencoded; charset=gbk"),
    ]
    return ways[n % len(ways)]


def _invents(draw: Random, of: Node) -> bytes:
    """A Have, rightly signed, of 4,000 lanes that nobody ever wrote."""
    names = ("n" + "".join(draw.choices("abcdefghijklmnopqrstuvwxyz234567", k=8)) for _ in range(4_000))
    lanes = {f"{name}:{draw.randrange(1, 50)}": (draw.randrange(1, 2**50), draw.randbytes(32)) for name in names}
    return have.sign(have.Have(of.about.node, V1, lanes, of.clock(), want=True), of.signer.key)


async def _flood(draw: Random, folder: Path) -> Outcome:
    """A node that is enrolled and broken floods the county, also with Haves of lanes that exist nowhere: all of it is refused and counted, and
    the others' work goes on."""
    whole = await Whole(folder).start()
    try:
        village, rogue = await whole.join("高禹村", V1), await whole.join("空壳", V1)
        await end(rogue._tasks)  # whoever has its key and its line says what he likes
        speaking = asyncio.create_task(rogue.link.run())
        hub = whole.hub
        saved = [promise("village", await village.desk.submit(dispute(V1), actor(village, "clerk")))]
        await soon_equal(V1, hub, village)
        name, path = village.about.node, V1.replace("/", ".")
        raws = [msgspec.msgpack.encode(["x"] * 7), RAW, WIRE, batch.pack(SECOND.batch), HAVE, b"", b"\x91" * 20_000]
        for n in range(FLOOD):
            raw = flipped(WIRE, draw.randrange(len(WIRE) * 8)) if n % 3 else draw.choice(raws)
            await village.link.publish(f"y1.{'have' if n % 5 == 0 else 'live'}.{path}.{name}", raw)
            if n % (FLOOD // INVENTED) == 0:
                await soon(lambda: rogue.link.is_connected)
                await rogue.link.publish(f"y1.have.{path}.{rogue.about.node}", _invents(draw, rogue))
            if n == FLOOD // 2:
                saved.append(promise("hub", await hub.desk.submit(dispute(V1), actor(hub, "operator"))))
        await soon(lambda: hub.pump.state().refused >= FLOOD, 60)
        saved.append(promise("village", await village.desk.submit(dispute(V1), actor(village, "clerk"))))
        await soon_equal(V1, hub, village)
        assert not hub.pump.state().faults, hub.pump.state().faults
        rows = await _counted(hub)
        async with asyncio.timeout(60):
            while sum(row["count"] for row in rows if row["code"] == "lanes_too_many") < INVENTED:  # the last may still be on their way
                await asyncio.sleep(0.05)
                rows = await _counted(hub)
        refused = hub.pump.state().refused
        assert sum(row["count"] for row in rows) == refused
        kept = await hub.journal.rows("peer_have", "node = :node", {"node": rogue.about.node})
        assert len(kept) < 2 * LANES_MIN, f"{len(kept)} lanes of one node are kept"
        assert len(hub.pump.missing()) <= LANES_MIN and hub.pump._catchup.is_done
        assert sum(row["count"] for row in rows if row["code"] == "lanes_too_many") == INVENTED
        speaking.cancel()
        assert len(rows) < 20 and all(len(row["sample"] or b"") <= 65_536 for row in rows)
        await settled(hub, village)
    finally:
        await whole.stop()
    told = f"{FLOOD} broken messages, {INVENTED} Haves of 4,000 invented lanes: {refused} refused, {len(rows)} rows in quarantine"
    left = Folders(hub=hub.folder, village=village.folder)  # the broken node itself was stopped half way
    return await judge(left, saved, expected=FLOODED, staffed=STAFFED, images=FLOOD, said=(told,))


async def _counted(hub: Node) -> list[dict[str, Any]]:
    """What is in quarantine, as soon as all that was refused is written there."""
    for _ in range(200):
        rows = await hub.journal.rows("quarantine")
        if sum(row["count"] for row in rows) >= hub.pump.state().refused:
            break
        await asyncio.sleep(0.05)
    return rows


async def play(draw: Random, folder: Path) -> Outcome:
    count = _decoders(draw) + _bounded(draw) + _lanes(draw)
    said = f"{count + FORMS} inputs to {len(DECODERS)} decoders, lanes, forms: refused or meant"
    forms = await _forms(draw, folder / "pages")
    return together(Outcome(0, images=count, said=(said,)), forms, await _flood(draw, folder / "wire"))


ROW = Row(
    23, "malformed, oversized, deep, wrong-signature, foreign-lane bytes", "quarantined and counted; memory bounded; the node keeps working",
    (), play,
)  # fmt: skip
