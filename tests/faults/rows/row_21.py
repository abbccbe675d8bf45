"""Sticks: half copied, bit-flipped, read twice, in the wrong order, of another county, older than what is here; real export and import.

A village whose line is dead exports again and again; the county reads what comes in whatever order, with damaged and foreign files between.
Every file is refused whole or admitted once. Hypothesis changes bundles that an enrolled node signed all the same: nonsense in it is counted,
and what is good beside it is taken.

Asserted: every damaged or foreign file is refused whole, with its reason; what a stick brought is counted as the command says, and never more
than the village wrote; after all sticks, and the county's own on the way back, all checkers at both nodes over what the village and the
county saved, with nothing in quarantine but the nonsense that the village's key had signed.
"""

import contextlib
import io
from pathlib import Path
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from deploy import sticks
from protocol import bundle, certificate
from protocol.commands import AddEvidence
from protocol.node.config import Config
from protocol.node.node import Node
from tests.faults.kit.desks import Saved
from tests.faults.kit.truth import judge
from tests.faults.kit.whole import STAFFED, Folders, promise
from tests.faults.row import Outcome, Row
from tests.faults.rows.drawn import examples, flipped, refused
from tests.link.kit import V1
from tests.link.test_whole_nodes import Whole, actor, dispute, new_id

EXAMPLES, SIGNED, SAVES = 60, 4, 3
NONSENSE = ("frame_broken",)  # in quarantine: batches on a stick that are not what their sum says
Entries = dict[tuple[str, str, int], bytes]


async def entries(node: Node) -> Entries:
    return {e.key: e.hash for e in await node.journal.since(0, 5000)}


async def _import(node: Node, file: Path) -> str:
    """What the command says. Raises Refused."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        await sticks.import_(node.folder, Config(), file)
    return said.getvalue()


async def _exports(draw: Random, village: Node, folder: Path, saved: list[Saved]) -> list[Path]:
    """One file after each few saves, the last with an attachment of several pieces."""
    files = []
    for n in range(SAVES):
        for _ in range(draw.randint(1, 3)):
            logged = await village.desk.submit(dispute(V1), actor(village, "clerk"))
            saved.append(promise("village", logged))
        if n == SAVES - 1:
            blob = await village.blobs.put(b"\xff\xd8\xff" + draw.randbytes(600_000), "田埂.jpg", "image/jpeg")
            added = await village.desk.submit(AddEvidence(id=new_id(), case=logged.subject, blob=blob), actor(village, "clerk"))
            saved.append(promise("village", added))
        file = folder / f"stick-{n}.yidi"
        with contextlib.redirect_stdout(io.StringIO()):
            await sticks.export(village.folder, Config(), file, "")
        files.append(file)
    return files


async def _damaged(draw: Random, hub: Node, file: Path, folder: Path) -> int:
    """Never a word of it is taken; Hypothesis asks the reader, a few go through the command."""
    raw, county = file.read_bytes(), hub.about.root_public
    secrets = [bundle.box_secret(hub.signer.key)]

    @examples(draw, EXAMPLES)
    @given(st.integers(0, len(raw) * 8 - 1) | st.integers(0, 8 * 72 * 8), st.integers(0, len(raw) - 1), st.binary(max_size=9))
    def refused_whole(bit: int, length: int, more: bytes) -> None:
        for damaged in (flipped(raw, bit), raw[:length], raw[:length] + more, raw + (more or b"\0")):
            if damaged != raw:
                with refused(what="a damaged stick"):
                    bundle.unpack(damaged, secrets, county)

    refused_whole()
    before, bad = await entries(hub), folder / "bad.yidi"
    for damaged in (flipped(raw, draw.randrange(len(raw) * 8)), raw[: draw.randrange(len(raw))], b"", draw.randbytes(5_000)):
        bad.write_bytes(damaged)
        with refused("bundle_wrong", what="a damaged stick by the command"):
            await _import(hub, bad)
    assert await entries(hub) == before, "a damaged stick changed something"
    return 4 * EXAMPLES + 4


async def _foreign(hub: Node, village: Node, folder: Path, good: Path) -> None:
    """Of another county, or for another node: refused with a reason."""
    packed = bundle.unpack(good.read_bytes(), [bundle.box_secret(hub.signer.key)], hub.about.root_public).batches
    theirs, to, file = SigningKey(bytes(range(32))), bundle.box_key(bytes(hub.signer.key.verify_key)), folder / "foreign.yidi"
    cert = village.certificate
    alien = certificate.issue(
        theirs,
        node=cert.node,
        name="邻县",
        key=cert.key,
        serves=cert.serves,
        covers=cert.covers,
        short=3,
        valid_from_ms=1,
        branch=cert.branch,
    )
    made = {"key": village.signer.key, "made_ms": 1, "ephemeral": PrivateKey.generate()}
    before = await entries(hub)
    for code, raw in {
        "certificate_wrong": bundle.pack(packed, certificate=alien, receiver=to, **made),
        "signature_wrong": bundle.pack(packed, certificate=cert, receiver=to, **{**made, "key": theirs}),
        "bundle_elsewhere": bundle.pack(packed, certificate=cert, receiver=bundle.box_key(cert.key), **made),
    }.items():
        file.write_bytes(raw)
        with refused(code):
            await _import(hub, file)
    assert await entries(hub) == before


async def _signed_nonsense(draw: Random, hub: Node, village: Node, folder: Path, good: Path) -> int:
    """What an enrolled and broken program writes: no fault of ours, no entry that the village never wrote, no piece of another file."""
    content = bundle.unpack(good.read_bytes(), [bundle.box_secret(hub.signer.key)], hub.about.root_public)
    truth, file = await entries(village), folder / "signed.yidi"
    to = bundle.box_key(bytes(hub.signer.key.verify_key))
    for _ in range(SIGNED):
        packed, pieces = list(content.batches) * draw.randint(1, 2), list(content.pieces)
        draw.shuffle(packed)
        draw.shuffle(pieces)
        nonsense = [draw.randbytes(30), b"", flipped(packed[0], draw.randrange(len(packed[0]) * 8)), b"\x91" * 20_000]
        packed.insert(draw.randrange(len(packed) + 1), draw.choice(nonsense))
        if draw.random() < 0.5:
            pieces.insert(draw.randrange(len(pieces) + 1), draw.choice([*nonsense, msgspec.msgpack.encode(["../x", 0, 1, b"a", b""])]))
        file.write_bytes(
            bundle.pack(
                packed,
                pieces,
                certificate=village.certificate,
                key=village.signer.key,
                made_ms=1,
                receiver=to,
                ephemeral=PrivateKey.generate(),
            )
        )
        assert "拒收" in await _import(hub, file), "nonsense was not told of"
        here = await entries(hub)
        assert all(truth[key] == hash_ for key, hash_ in here.items() if key[1] == village.signer.origin)
    rows = await hub.journal.rows("quarantine")
    assert {row["node"] for row in rows} == {village.about.node}
    return SIGNED


async def play(draw: Random, folder: Path) -> Outcome:
    whole, saved = await Whole(folder).start(), list[Saved]()
    try:
        hub, village = whole.hub, await whole.join("高禹村", V1)
        await whole.server.stop()
        files = await _exports(draw, village, folder, saved)
        truth = await entries(village)
        images = await _damaged(draw, hub, draw.choice(files), folder)
        await _foreign(hub, village, folder, files[-1])
        order = [*range(SAVES), *draw.choices(range(SAVES), k=2)]
        draw.shuffle(order)
        for n in order:
            before = await entries(hub)
            told = await _import(hub, files[n])
            after = await entries(hub)
            assert f"新入账 {len(after) - len(before)} 条" in told and "拒收" not in told, told
            assert before.items() <= after.items(), "a stick took something away"
            own = {key: hash_ for key, hash_ in after.items() if key[1] == village.signer.origin}
            assert own.items() <= truth.items()
        images += await _signed_nonsense(draw, hub, village, folder, files[-1])
        rows = await hub.journal.rows("blob")
        assert rows and all(hub.blobs.has(row["address"]) for row in rows), "the attachment did not come"
        saved.append(await _back(hub, village, folder))
    finally:
        await whole.stop()
    said = f"{len(order)} sticks in the order {order}, {images} damaged, foreign or nonsense: refused whole or admitted once"
    left = Folders(hub=hub.folder, village=village.folder)
    return await judge(left, saved, expected=NONSENSE, staffed=STAFFED, images=images, said=(said,))


async def _back(hub: Node, village: Node, folder: Path) -> Saved:
    """And the other way: what the county wrote into the village's ledger comes home on the same stick."""
    logged = await hub.desk.submit(dispute(V1), actor(hub, "operator"))
    file = folder / "home.yidi"
    with contextlib.redirect_stdout(io.StringIO()):
        await sticks.export(hub.folder, Config(), file, village.about.node)
    await _import(village, file)
    assert await village.journal.lanes(V1) == await hub.journal.lanes(V1)
    first = await _import(village, file)
    assert "新入账 0 条" in first
    return promise("hub", logged)


ROW = Row(21, "stick: half copied, bit-flipped, replayed, reordered, wrong county, older", "refused whole or admitted once", (), play)
