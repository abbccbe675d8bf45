"""Files on their way from a browser or phone into this node: pieces that resume, encrypted from the first byte.

    half = await uploads.ask(person, sum, size)          what is here already; refused before a byte is sent when it can't be taken
    half = await uploads.write(person, sum, size, offset, data)      the next piece; another one changes nothing
    blob = await uploads.take(person, sum, size, name, mime)         all is here: checked against its sum, kept as a blob
    plain = await uploads.read(person, sum, size)                    the same bytes, nothing kept
    await uploads.drop(person, sum, size)

A file is named by whoever sends it, its SHA-256 (`sum`, hex) and its size: the same person choosing the same file again, tomorrow or
after the page was killed, goes on where it stopped, and nobody else's half is ever found by a sum alone. Each piece lies sealed with
XChaCha20-Poly1305 under a random nonce and a key of this node; a piece torn by a power cut is cut off and asked for again. The half
stays until its entry was written (`drop`), so an answer that was lost costs nothing; broken ones go after some days (`tidy`).
"""

import asyncio
import re
import secrets
from contextlib import suppress
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Final

import msgspec
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as unlock
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as lock
from nacl.exceptions import CryptoError

from protocol.commands import Blob
from protocol.entry import derive
from protocol.node.blobs import CIPHER_EXTRA_BYTES, Blobs, shown_name
from protocol.problem import Refused

PIECE_BYTES: Final = 262_144
HALVES_MAX: Final = 40  # of one person at once: the photos of a few visits
THUMB_BYTES_MAX: Final = 20_480
_NONCE_BYTES, _TAG_BYTES = 24, 16
_SEGMENT: Final = PIECE_BYTES + _NONCE_BYTES + _TAG_BYTES
_SUM: Final = re.compile(r"[0-9a-f]{64}")


class Half(msgspec.Struct, frozen=True):
    """have: plain bytes that are here; go on from there."""

    have: int
    size: int

    @property
    def is_whole(self) -> bool:
        return self.have == self.size


class Uploads:
    def __init__(self, blobs: Blobs, folder: Path, secret: bytes) -> None:
        self._blobs, self._folder, self._secret = blobs, folder, secret
        self._locks: dict[str, asyncio.Lock] = {}
        folder.mkdir(parents=True, exist_ok=True)

    async def ask(self, person: str, sum_: str, size: int) -> Half:
        """Raises Refused command_invalid, file_too_large, store_full."""
        half = await asyncio.to_thread(self._half, self._path(person, sum_, size), size)
        self._blobs.check_size(size)
        await self._blobs.check_room(size + CIPHER_EXTRA_BYTES + await asyncio.to_thread(self._waiting) - half.have)
        if not half.have and len(list(self._folder.glob(f"{_short(person)}-*.half"))) >= HALVES_MAX:
            raise Refused("upload_too_many", most=HALVES_MAX)
        return half

    async def write(self, person: str, sum_: str, size: int, offset: int, data: bytes) -> Half:
        """data: exactly PIECE_BYTES, the last piece what is left. Raises Refused command_invalid, disk_full and what `ask` raises."""
        path = self._path(person, sum_, size)
        if not 0 <= offset < size or offset % PIECE_BYTES or len(data) != min(PIECE_BYTES, size - offset):
            raise Refused("command_invalid", why="附件的这一段")
        if not offset:
            await self.ask(person, sum_, size)
        async with self._held(path.name):
            return await asyncio.to_thread(self._append, path, size, offset, data)

    async def take(self, person: str, sum_: str, size: int, name: str, mime: str, what: str = "photo") -> Blob:
        """Raises Refused upload_unknown (not all is here), frame_broken (other bytes than were named; they are dropped), what `put` raises."""
        path = self._path(person, sum_, size)
        async with self._held(path.name):
            return await self._blobs.put(await self._checked(path, sum_, size, name), name, mime, what)

    async def read(self, person: str, sum_: str, size: int) -> bytes:
        """Raises Refused upload_unknown, frame_broken, as `take`."""
        path = self._path(person, sum_, size)
        async with self._held(path.name):
            return await self._checked(path, sum_, size, "")

    async def is_whole(self, person: str, sum_: str, size: int) -> bool:
        return (await asyncio.to_thread(self._half, self._path(person, sum_, size), size)).is_whole

    async def drop(self, person: str, sum_: str, size: int) -> None:
        """Given up, or its entry is written. What a disk does not let go of now goes by `tidy`."""
        path = self._path(person, sum_, size)
        async with self._held(path.name):
            with suppress(Refused), self._blobs.disk():
                path.unlink(missing_ok=True)

    async def drop_size(self, size: int) -> None:
        """Whole halves of a file of this size go: one that the law took is known by its size alone. Another one is sent anew."""
        there = size + -(-size // PIECE_BYTES) * (_NONCE_BYTES + _TAG_BYTES)
        for path in list(self._folder.glob("*.half")):
            if path.stat().st_size == there:
                path.unlink(missing_ok=True)

    async def tidy(self, before_s: float) -> int:
        """Halves that nobody went on with since (Unix seconds). Returns how many."""
        return await asyncio.to_thread(remove_older, self._folder, "*.half", before_s)

    # ── the rest is private ──

    def _path(self, person: str, sum_: str, size: int) -> Path:
        if not _SUM.fullmatch(sum_) or not 0 < size < 2**40:
            raise Refused("command_invalid", why="附件的摘要或大小")
        return self._folder / f"{_short(person)}-{derive(f'{person} {sum_} {size}', 'upload')}.half"

    async def _checked(self, path: Path, sum_: str, size: int, name: str) -> bytes:
        """Only while it is held."""
        if not (await asyncio.to_thread(self._half, path, size)).is_whole:
            raise Refused("upload_unknown", what=shown_name(name))
        try:
            plain = await asyncio.to_thread(self._plain, path, size)
        except CryptoError:
            plain = b""
        if sha256(plain).hexdigest() != sum_:
            path.unlink(missing_ok=True)
            raise Refused("frame_broken")
        return plain

    def _held(self, name: str) -> asyncio.Lock:
        if len(self._locks) > 1_000:
            self._locks = {n: held for n, held in self._locks.items() if held.locked()}
        return self._locks.setdefault(name, asyncio.Lock())

    def _half(self, path: Path, size: int) -> Half:
        """Whole segments count; the last one of the file is as long as what is left."""
        there = path.stat().st_size if path.exists() else 0
        last = size % PIECE_BYTES or PIECE_BYTES
        whole = -(-size // PIECE_BYTES)
        if there >= (whole - 1) * _SEGMENT + last + _NONCE_BYTES + _TAG_BYTES:
            return Half(size, size)
        return Half(min(there // _SEGMENT, whole - 1) * PIECE_BYTES, size)

    def _append(self, path: Path, size: int, offset: int, data: bytes) -> Half:
        here = self._half(path, size)
        if offset != here.have:
            return here
        nonce = secrets.token_bytes(_NONCE_BYTES)
        with self._blobs.disk(), path.open("r+b" if path.exists() else "xb") as file:
            file.truncate(offset // PIECE_BYTES * _SEGMENT)  # what a power cut tore
            file.seek(0, 2)
            file.write(nonce + lock(data, self._about(path, offset), nonce, self._key(path)))
        return self._half(path, size)

    def _plain(self, path: Path, size: int) -> bytes:
        pieces = []
        with path.open("rb") as file:
            for offset in range(0, size, PIECE_BYTES):
                segment = file.read(min(_SEGMENT, size - offset + _NONCE_BYTES + _TAG_BYTES))
                sealed, nonce = segment[_NONCE_BYTES:], segment[:_NONCE_BYTES]
                pieces.append(unlock(sealed, self._about(path, offset), nonce, self._key(path)))
        return b"".join(pieces)

    def _key(self, path: Path) -> bytes:
        return blake2b(path.name.encode(), key=self._secret, digest_size=32, person=b"yidi half key").digest()

    def _about(self, path: Path, offset: int) -> bytes:
        return f"{path.name} {offset}".encode()

    def _waiting(self) -> int:
        """Bytes of all halves."""
        return sum(path.stat().st_size for path in self._folder.glob("*.half"))


def command_of(command: str, which: str) -> str:
    """The id of the command that attaches one file of a form that was sent with `command`, the same whatever else is in the form when it is sent
    again. which: the sum of a file that was sent before, the address of one that the form carries itself."""
    return derive(command, f"file {which}")


def remove_older(folder: Path, pattern: str, before_s: float) -> int:
    gone = 0
    for path in list(folder.glob(pattern)):
        if path.exists() and path.stat().st_mtime <= before_s:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def _short(person: str) -> str:
    """Groups the halves of one person, and says nothing about who it is."""
    return derive(person, "uploads of")[:12]
