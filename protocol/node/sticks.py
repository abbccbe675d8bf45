"""Days without a network: signed, encrypted files carry what the wire would have carried, both ways, as often as one likes.

    made = await write(node, receiver, folder, "name")    one file, or several where one would be too large; only the receiver can open them
    told = await read(node, raw)                          as the wire would bring it: what is here already changes nothing

A file holds what its receiver hears and no more: a village's own ledger and *common*; a sealed ledger for the county's node alone. Files
may come twice, in any order or in part; what can't be joined yet is said and not kept: it joins when its file is read once more, after the one before it.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from nacl.public import PrivateKey

from protocol import batch as batches
from protocol import bundle, place
from protocol import certificate as certificates
from protocol.certificate import Certificate
from protocol.node import blobs, killpoints, log, refusals
from protocol.node.bodies import uses
from protocol.node.identity import write_whole
from protocol.node.journal.engine import free_again
from protocol.node.link.answers import piece
from protocol.place import COMMON
from protocol.problem import OWN_STORE, Refused

PART_BYTES_MAX: Final = 32 * 2**20  # of one file, before it is sealed: three times that is held in memory for a moment
FOLDER: Final = "sticks"  # where pages put what is to be downloaded
KEPT_S: Final = 3_600.0  # it holds texts that may be erased meanwhile
SUFFIX: Final = ".yidi"
Progress = Callable[[int, int], None]  # done, of how many


class Written(msgspec.Struct, frozen=True):
    files: tuple[Path, ...]
    entries: int
    pieces: int
    size: int


class Told(msgspec.Struct, frozen=True):
    """new, known: entries · files: pieces of attachments that were new · early: entries that wait for a file before this one ·
    gaps: pieces that were left, since what comes before them in their attachment is not here · unnamed: pieces that no entry here names (yet,
    or any more), so they were left · refused: (sentence, batches or pieces), none of a sealed ledger · name, made_ms: who wrote it, and when by its clock."""

    name: str
    made_ms: int
    new: int
    known: int
    files: int
    early: int
    gaps: int
    unnamed: int
    refused: tuple[tuple[str, int], ...]


def receivers(node: Any) -> tuple[list[Certificate], list[Certificate]]:
    """(nodes above, others) that hear something of what lies here; not ourselves, nobody who was put out."""
    mine, shelf = node.certificate, node.shelf
    known = [
        c for one, c in shelf.certificates.items() if one != mine.node and one not in shelf.revoked and c.node not in node.about.former
    ]
    above = [c for c in known if certificates.is_above(c, mine)]
    beside = [c for c in known if c not in above and _shares(c, mine)]
    return sorted(above, key=lambda c: (-len(c.covers), c.name)), sorted(beside, key=lambda c: (c.serves, c.name))


def _shares(theirs: Certificate, mine: Certificate) -> bool:
    paths = [path.removesuffix("/*") for path in theirs.covers if path != "_"]
    return any(certificates.hears(mine, path) for path in paths)


async def write(
    node: Any, to: str, folder: Path, stem: str, now_ms: int, with_files: bool = True, progress: Progress | None = None
) -> Written:
    """stem.yidi, stem-2.yidi … in the folder. A node that was put out is told so, by *common*, and nothing else.
    Raises Refused receiver_unknown, FileExistsError, OSError."""
    receiver = node.shelf.certificates.get(to)
    if receiver is None:
        raise Refused("receiver_unknown", node=to)
    parts, packed, pieces, size = list[Path](), list[bytes](), list[bytes](), 0
    entries = total_pieces = total = 0

    async def flush() -> None:
        nonlocal packed, pieces, size, total
        file = folder / (f"{stem}{SUFFIX}" if not parts else f"{stem}-{len(parts) + 1}{SUFFIX}")
        if file.exists():
            raise FileExistsError(f"{file} 已经存在")
        raw = await asyncio.to_thread(_packed, node, receiver, packed, pieces, now_ms)
        killpoints.reach("stick.export")
        with free_again([file]):
            await asyncio.to_thread(write_whole, file, raw)  # a stick is pulled out as soon as it is said to be done
        os.utime(file, (now_ms / 1000, now_ms / 1000))  # by the clock that `tidy` asks
        parts.append(file)
        total += len(raw)
        packed, pieces, size = [], [], 0

    async for count, one in _content(node, receiver, with_files, progress):
        if size and size + len(one) > PART_BYTES_MAX:
            await flush()
        size += len(one)
        (packed if count else pieces).append(one)
        entries, total_pieces = entries + count, total_pieces + (not count)
    if packed or pieces or not parts:
        await flush()
    log.event("stick written", node=to, entries=entries, count=len(parts))
    return Written(tuple(parts), entries, total_pieces, total)


def _packed(node: Any, receiver: Certificate, packed: list[bytes], pieces: list[bytes], now_ms: int) -> bytes:
    box, once = bundle.box_key(receiver.key), PrivateKey.generate()
    return bundle.pack(
        packed, pieces, certificate=node.certificate, key=node.signer.key, made_ms=now_ms, receiver=box, ephemeral=once
    )  # fmt: skip


async def _content(node: Any, receiver: Certificate, with_files: bool, progress: Progress | None) -> AsyncIterator[tuple[int, bytes]]:
    """(entries, packed batch), then (0, a piece of a file)."""
    journal, is_out = node.journal, receiver.node in node.shelf.revoked
    lanes = {
        lane: head
        for lane, head in (await journal.heads()).items()
        if (lane[0] == COMMON if is_out else certificates.hears(receiver, lane[0]))
    }
    named = await journal.rows("blob_use") if with_files and not is_out else []
    heard = {use["address"] for use in named if certificates.hears(receiver, use["ledger"])}
    rows = [row["address"] for row in await journal.rows("blob", "stage >= 0") if row["address"] in heard]
    done, total = 0, sum(head.signed_seq for head in lanes.values()) + len(rows)
    for (ledger, origin), head in lanes.items():
        after = 0
        while after < head.signed_seq:
            got = await piece(journal, ledger, origin, after, batches.BATCH_ENTRIES_MAX)
            if got is None:
                break
            after = got.last
            done += len(got.heads)
            yield len(got.heads), batches.pack(got)
            if progress:
                progress(done, total)
    for address in rows:
        offset = 0
        while node.blobs.has(address) and (one := await node.blobs.chunk(address, offset)):
            yield 0, one
            fields = msgspec.msgpack.decode(one)
            offset = int(fields[1]) + len(fields[3])
        done += 1
        if progress:
            progress(done, total)


# ── reading ──


def opened(node: Any, raw: bytes) -> bundle.Bundle:
    """Raises Refused bundle_wrong, bundle_elsewhere, certificate_wrong, signature_wrong."""
    secrets = [bundle.box_secret(node.signer.key)]
    if sealing := node.identity.sealing_secret():
        secrets.append(PrivateKey(sealing))
    receiver = bundle.receiver_of(raw)
    if not any(bytes(secret.public_key) == receiver for secret in secrets):
        whose = next((c.name for c in node.shelf.certificates.values() if bundle.box_key(c.key) == receiver), "")
        if not whose:  # a flipped bit, another county's, a computer that nobody here knows
            raise Refused("bundle_wrong", why="认不出是给哪台机器的")
        raise Refused("bundle_elsewhere", whose=whose)
    return bundle.unpack(raw, secrets, node.about.root_public)


async def read(node: Any, raw: bytes, now_ms: int, progress: Progress | None = None) -> Told:
    """Raises what `opened` raises: nothing was taken; disk_full, store_busy: the same file may be read again."""
    got = await asyncio.to_thread(opened, node, raw)
    new = known = early = 0
    pieces: Counter[str] = Counter()
    refused: dict[str, int] = {}
    total = len(got.batches) + len(got.pieces)
    for n, packed in enumerate(got.batches, 1):
        ledger, origin, count = "", "", 0
        try:
            batch = batches.unpack(packed)
            ledger, origin, count = batch.ledger, batch.origin, len(batch.heads)
            fresh = await node.admission.admit(batch, got.certificate.node, by_hand=True)
            new, known = new + fresh, known + count - fresh
            killpoints.reach("stick.import")
        except Refused as refusal:
            if refusal.code in OWN_STORE:
                raise  # a full disk is nobody's fault: the same stick is read again later
            if refusal.code == "lane_gap":
                early += count
            else:
                await _refuse(node, got, ledger, origin, refusal, now_ms)
                told = "" if place.is_sealed(ledger) else refusals.said(refusal.code, refusal.sentence)
                refused[told] = refused.get(told, 0) + 1
        if progress:
            progress(n, total)
    for n, one in enumerate(got.pieces, len(got.batches) + 1):
        try:
            pieces[await _piece(node, one)] += 1
        except Refused as refusal:
            if refusal.code in OWN_STORE:
                raise
            await _refuse(node, got, "", "", refusal, now_ms)
            refused[refusal.sentence] = refused.get(refusal.sentence, 0) + 1
        if progress:
            progress(n, total)
    await node.admission.settled()
    log.event("stick read", node=got.certificate.node, entries=new, count=sum(refused.values()))
    refused.pop("", None)  # of what is sealed: only who may know of it is told, by the page of what was refused
    left = (early, pieces["gap"], pieces["unnamed"])
    return Told(got.certificate.name, got.made_ms, new, known, pieces["new"], *left, tuple(refused.items()))


async def _refuse(node: Any, got: bundle.Bundle, ledger: str, origin: str, refusal: Refused, now_ms: int) -> None:
    async with node.journal.writing() as w:
        await w.quarantine(got.certificate.node, ledger, origin, refusal, now_ms)


async def _piece(node: Any, packed: bytes) -> str:
    """new · known · gap: what comes before it in its file is not here · unnamed by any entry: of one whose body was erased nothing is kept.
    A half may end anywhere (a thin line brings small pieces, a disk fills within one): of a piece it is the rest that is taken.
    Raises Refused frame_broken, store_full: no half of a file is begun that would not fit as a whole."""
    one = blobs.unpack(packed)
    rows = await node.journal.rows("blob", "address = :address and stage >= 0", {"address": one.address})
    if not rows:
        return "unnamed"
    sizes = [use.size for use in await uses(node.journal, rows[0])]
    size = one.total if one.total in sizes else rows[0]["size"]
    have, end = (await node.blobs.settled(one.address, size, sizes)).have, one.offset + len(one.data)
    if have >= end:
        return "known"
    await node.blobs.check_room(size - have)
    while one.offset <= have < end:  # again where the wire brought some of it meanwhile
        have = (await node.blobs.write_chunk(one.address, blobs.tail(one, have), size)).have
    return "new" if have >= end else "gap"


def made(folder: Path) -> list[Path]:
    """What lies there to be downloaded, in the order of its parts."""
    return sorted(folder.glob(f"*{SUFFIX}"), key=lambda file: (len(file.name), file.name))


def empty(folder: Path) -> None:
    """What was made there goes, whole and half."""
    for old in folder.glob(f"*{SUFFIX}*"):
        old.unlink(missing_ok=True)


def tidy(folder: Path, now_s: float) -> None:
    """What was to be downloaded and is old goes."""
    for file in (folder / FOLDER).glob(f"*{SUFFIX}*"):
        with suppress(OSError):
            if now_s - file.stat().st_mtime > KEPT_S:
                file.unlink()
