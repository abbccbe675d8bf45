"""Days without a network: a signed, encrypted file carries what the wire would have carried, both ways, as often as one likes."""

from pathlib import Path

import msgspec
from nacl.public import PrivateKey

from deploy.keeping import opened
from protocol import batch as batches
from protocol import bundle
from protocol import certificate as certificates
from protocol.node import blobs, killpoints
from protocol.node.config import Config
from protocol.node.identity import write_whole
from protocol.node.journal import Journal
from protocol.node.link.answers import piece
from protocol.node.link.ground import LOCAL
from protocol.node.node import Node, now_ms
from protocol.problem import Refused


async def export(folder: Path, config: Config, file: Path, to: str) -> int:
    """Everything that the receiver covers and this node has, with the attachments that are here."""
    if file.exists():
        raise FileExistsError(f"{file} 已经存在")
    async with opened(folder, config) as node:
        receiver, box = await _receiver(node, to)
        packed, pieces, entries = await _content(node, receiver)
        raw = bundle.pack(
            packed,
            pieces,
            certificate=node.certificate,
            key=node.signer.key,
            made_ms=now_ms(),
            receiver=box,
            ephemeral=PrivateKey.generate(),
        )
        killpoints.reach("stick.export")
        write_whole(file, raw)  # a stick is pulled out as soon as the sentence below is read
    print(f"已导出 {entries} 条、附件 {len(pieces)} 块到 {file}，只有 {receiver.name} 能打开。")
    return 0


async def import_(folder: Path, config: Config, file: Path) -> int:
    async with opened(folder, config) as node:
        secrets = [bundle.box_secret(node.signer.key)]
        if sealing := node.identity.sealing_secret():
            secrets.append(PrivateKey(sealing))
        got = bundle.unpack(_read(file), secrets, node.about.root_public)
        new, refused = 0, 0
        for packed in got.batches:
            ledger, origin = "", ""
            try:
                batch = batches.unpack(packed)
                ledger, origin = batch.ledger, batch.origin
                new += await node.admission.admit(batch, got.certificate.node, by_hand=True)
                killpoints.reach("stick.import")
            except Refused as refusal:
                if refusal.code in LOCAL:
                    raise  # a full disk is nobody's fault: the same stick is read again later
                refused += 1
                async with node.journal.writing() as w:
                    await w.quarantine(got.certificate.node, ledger, origin, refusal, now_ms())
        for one in got.pieces:
            try:
                piece_ = blobs.unpack(one)
                if node.blobs.progress(piece_.address).have <= piece_.offset:
                    await node.blobs.write_chunk(piece_.address, one)
            except Refused as refusal:
                if refusal.code in LOCAL:
                    raise
                refused += 1
        await node.admission.settled()
    print(
        f"来自 {got.certificate.name}：新入账 {new} 条，附件 {len(got.pieces)} 块"
        + (f"，拒收 {refused} 批（见 连接与台账）" if refused else "。")
    )
    return 1 if refused else 0


def _read(file: Path) -> bytes:
    """Raises Refused bundle_wrong before a film that somebody put on the stick is read into memory."""
    if file.stat().st_size > bundle.BUNDLE_BYTES_MAX + 1_024:
        raise Refused("bundle_wrong", why="太大")
    return file.read_bytes()


def _piece(packed: bytes) -> tuple[str, int, int]:
    """(address, offset, length) of a piece as blobs.chunk packs it."""
    fields = msgspec.msgpack.decode(packed)
    return str(fields[0]), int(fields[1]), len(fields[3])


async def _receiver(node: Node, to: str) -> tuple[certificates.Certificate, bytes]:
    """Who may open the file, and with which X25519 key. Raises Refused."""
    id_ = to or node.about.root_node
    known = node.shelf.certificates.get(id_)
    if known is None:
        raise Refused("bundle_wrong", why=f"不认识节点 {id_}")
    return known, bundle.box_key(known.key)


async def _content(node: Node, receiver: certificates.Certificate) -> tuple[list[bytes], list[bytes], int]:
    packed: list[bytes] = []
    entries = 0
    journal: Journal = node.journal
    for (ledger, origin), head in (await journal.heads()).items():
        after = 0
        while certificates.hears(receiver, ledger) and after < head.signed_seq:
            got = await piece(journal, ledger, origin, after, batches.BATCH_ENTRIES_MAX)
            if got is None:
                break
            packed.append(batches.pack(got))
            entries += len(got.heads)
            after = got.last
    pieces: list[bytes] = []
    heard = {use["address"] for use in await journal.rows("blob_use") if certificates.hears(receiver, use["ledger"])}
    for row in await journal.rows("blob", "stage >= 0"):
        if row["address"] not in heard:
            continue
        offset = 0
        while node.blobs.has(row["address"]) and (one := await node.blobs.chunk(row["address"], offset)):
            pieces.append(one)
            _, at, length = _piece(one)
            offset = at + length
    return packed, pieces, entries
