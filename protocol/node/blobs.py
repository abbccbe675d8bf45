"""Attachments, encrypted where they are taken: XChaCha20-Poly1305, the key stands in the entry's body, the address is the
SHA-256 of the cipher text. So folders, backups and sticks hold nothing readable, and erasing the body ends every copy.

    blobs = Blobs(folder, secret)      secret: 32 bytes of this node; the key of a file is a keyed hash (BLAKE2b) of its content,
                                       so the same file twice is one blob here, and means nothing to anybody else

A blob is whole or absent: written beside, synced, renamed, folder synced. Pieces travel as `chunk` makes them: packed
[address, offset, total, data, sum], self-checking; `write_chunk` takes them in order, resumes after a stop, and checks the
address at the end. How large a file is, its entries say, never a piece; where they differ each size has its own half. Disk methods are
coroutines and work off the loop.
"""

import asyncio
import math
import os
import re
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from hashlib import blake2b, sha256
from pathlib import Path

import msgspec
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as unlock
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as lock
from nacl.exceptions import CryptoError

from protocol.commands import Blob
from protocol.entry import UNREADABLE
from protocol.node import killpoints
from protocol.node.disk import MEANS
from protocol.problem import Refused

FORMAT = b"\x01"  # first byte of a cipher text: 1 = XChaCha20-Poly1305, 2 is kept for SM4
FILE_BYTES_MAX = 20 * 1024 * 1024  # a scanned contract or ten minutes of voice; photos are shrunk on the phone
CIPHER_EXTRA_BYTES = 17  # format byte and tag
CIPHER_BYTES_MAX = FILE_BYTES_MAX + CIPHER_EXTRA_BYTES
CHUNK_BYTES = 262_144
STORE_BYTES_MAX = 20 * 1024**3  # of one node: 40,000 photos; yidi.toml says otherwise
MEGABYTE = 1024 * 1024
NAME_CHARS_MAX = 100
_NONCE = bytes(24)  # a key is used for one content only, so one nonce is enough
_UNNAMED = ".unnamed"
_ADDRESS = re.compile(r"[0-9a-f]{64}")

# what a file begins with → its type; `ftyp` brands are looked at in `kind_of`
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"#!AMR", "audio/amr"),
    (b"\x1aE\xdf\xa3", "audio/webm"),
)
_BRANDS = {
    b"M4A ": "audio/mp4",
    b"mp42": "audio/mp4",
    b"isom": "audio/mp4",
    b"iso5": "audio/mp4",
    b"heic": "image/heic",
    b"mif1": "image/heic",
}


class Progress(msgspec.Struct, frozen=True):
    """have: cipher bytes on disk (= the next offset to ask for) · total: cipher bytes of the blob (0: not known yet)."""

    have: int
    total: int

    @property
    def is_whole(self) -> bool:
        return self.total > 0 and self.have == self.total


class _Piece(msgspec.Struct, array_like=True, frozen=True):
    address: str
    offset: int
    total: int
    data: bytes
    sum: bytes


_decoder = msgspec.msgpack.Decoder(_Piece)


class Blobs:
    def __init__(self, folder: Path, secret: bytes, file_bytes_max: int = FILE_BYTES_MAX, store_bytes_max: int = STORE_BYTES_MAX) -> None:
        """file_bytes_max: of a file taken here; from other nodes FILE_BYTES_MAX is the limit · store_bytes_max: of the whole folder."""
        self.folder, self._secret, self.file_bytes_max = folder, secret, min(file_bytes_max, FILE_BYTES_MAX)
        self.store_bytes_max = store_bytes_max
        self.is_readonly = False  # the last write of a file was refused for it
        self._used: int | None = None  # counted at first use, then kept along; counted anew by `count`
        self._locks: dict[str, asyncio.Lock] = {}
        folder.mkdir(parents=True, exist_ok=True)

    async def put(self, plain: bytes, name: str, mime: str, what: str = "photo") -> Blob:
        """Raises Refused file_too_large, store_full, file_kind (judged by content; `mime` only serves the drawn `image/svg+xml`), disk_full."""
        self.check_size(len(plain))
        kind = kind_of(plain, mime)
        if not kind:
            raise Refused("file_kind", field="file", what=shown_name(name))
        key, cipher = await asyncio.to_thread(self._encrypt, plain)
        address = sha256(cipher).hexdigest()
        async with self._held(address):
            if self.has(address):
                with self.disk():
                    self._path(address).touch()  # somebody is about to name it: not to be swept now
            else:
                await self.check_room(len(cipher))
                await asyncio.to_thread(self._write_whole, address, cipher)
                self._count(len(cipher))
        return Blob(address=address, key=key, name=shown_name(name), mime=kind, size=len(plain), what=what)

    async def get(self, blob: Blob) -> bytes | None:
        """The plain bytes; None while they are not here. Raises Refused frame_broken when the file is damaged (it is set apart)."""
        if not self.has(blob.address):
            return None
        return await asyncio.to_thread(self._read, blob)

    async def is_sound(self, address: str) -> bool:
        """Whole and what its address says; what is not is set apart, so that it can be fetched again."""
        return self.has(address) and await asyncio.to_thread(self._is_sound, self._path(address))

    def has(self, address: str) -> bool:
        return self._path(address).exists()

    def progress(self, address: str, size: int = 0) -> Progress:
        """Where to resume: (0, 0) when nothing is here. size: of the half of this size, else of the largest. It may be called whole a moment before
        it is (`settled`)."""
        path = self._path(address)
        if path.exists():
            size = path.stat().st_size
            return Progress(size, size)
        halves = [Progress(part.stat().st_size, _total_of(part)) for part in self._parts(address, size)]
        return max(halves, key=lambda half: half.have, default=Progress(0, 0))

    async def settled(self, address: str, size: int, sizes: Collection[int] = ()) -> Progress:
        """The same for whoever goes on: all bytes of a half that was stopped before it got its name are checked now, so whole means
        whole; what they don't add up to is dropped, and halves of other sizes than these. size: cipher bytes. Raises Refused disk_full."""
        async with self._written(address):
            return await asyncio.to_thread(self._settled, address, size, sizes)

    async def chunk(self, address: str, offset: int, most: int = CHUNK_BYTES) -> bytes | None:
        """A packed piece of at most `most` bytes from `offset`, never more than CHUNK_BYTES; None: not here or past the end."""
        path = self._path(address)
        return await asyncio.to_thread(_read_piece, path, address, offset, min(most, CHUNK_BYTES)) if path.exists() else None

    async def write_chunk(self, address: str, packed: bytes, size: int) -> Progress:
        """A piece that is not the next one changes nothing (the answer says where to go on). size: cipher bytes of the whole. Raises
        Refused frame_broken (also of a piece of another size), disk_full."""
        piece = unpack(packed)
        if (piece.address, piece.total) != (address, size):
            raise Refused("frame_broken")
        async with self._written(address):
            return await asyncio.to_thread(self._append, piece)

    async def remove(self, address: str, before_s: float = math.inf) -> bool:
        """False: it was touched after `before_s` (Unix seconds), perhaps while this one waited for its turn; it stays."""
        async with self._held(address):
            if self.touched_s(address) > before_s:
                return False
            self._count(-self._bytes(address))
            for path in list(self._path(address).parent.glob(f"{address}*")):  # halves, and what was set apart as damaged, too
                path.unlink(missing_ok=True)
        return True

    @contextmanager
    def disk(self) -> Iterator[None]:
        """A full disk and one that may only be read are said in words; any other error of the disk is a fault and goes up."""
        try:
            yield
        except OSError as error:
            if error.errno not in MEANS:
                raise
            refused = Refused(MEANS[error.errno])
            self.is_readonly = refused.code == "store_readonly"
            raise refused from error
        self.is_readonly = False

    # ── room ──

    def check_size(self, size: int) -> None:
        """Of a file that is to be taken here, before a byte of it is sent. Raises Refused file_too_large."""
        if size > self.file_bytes_max:
            raise Refused("file_too_large", field="file", most=self.file_bytes_max // MEGABYTE, have=-(-size // MEGABYTE))

    async def check_room(self, size: int) -> None:
        """Raises Refused store_full."""
        if not await self.has_room(size):
            raise Refused("store_full", field="file", most=self.store_bytes_max // MEGABYTE)

    async def has_room(self, size: int) -> bool:
        return size <= await self.left()

    async def left(self) -> int:
        """Bytes that may still be stored here."""
        if self._used is None:
            await self.count()
        return max(self.store_bytes_max - (self._used or 0), 0)

    @property
    def left_known(self) -> int | None:
        """The same as it was last counted; None before."""
        return None if self._used is None else max(self.store_bytes_max - self._used, 0)

    async def count(self) -> None:
        """What lies in the folder, counted anew: other programs may share it."""
        self._used = await asyncio.to_thread(lambda: sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()))

    def touched_s(self, address: str) -> float:
        """When a byte of it was written, or it was last put again (Unix seconds); 0: nothing of it is here."""
        path = self._path(address)
        return max((found.stat().st_mtime for found in ([path] if path.exists() else self._parts(address))), default=0.0)

    def addresses(self) -> set[str]:
        """Of all files here, whole or half."""
        return {name for path in self.folder.glob("*/*") if is_address(name := path.name.split(".")[0])}

    def note_unnamed(self, some: Collection[str], now_s: float) -> dict[str, float]:
        """Notes beside these files that no entry names them, and takes the note from all others. Returns since when, Unix seconds. What
        stands beside a file outlives this program, and a database that is put back."""
        since = {}
        for note in list(self.folder.glob(f"*/*{_UNNAMED}")):
            if note.name.removesuffix(_UNNAMED) not in some:
                note.unlink(missing_ok=True)
        for address in some:
            note = self._path(address).with_suffix(_UNNAMED)
            with suppress(OSError):  # a disk that takes no note: it is of today
                if not note.exists():
                    note.touch()
                    os.utime(note, (now_s, now_s))
            since[address] = note.stat().st_mtime if note.exists() else now_s
        return since

    def _count(self, size: int) -> None:
        if self._used is not None:
            self._used += size

    # ── the rest is private ──

    def _path(self, address: str) -> Path:
        if not is_address(address):
            raise Refused("command_invalid", why="附件地址")
        return self.folder / address[:2] / address

    def _parts(self, address: str, size: int = 0) -> list[Path]:
        """Its halves; size: that of this one alone."""
        return list(self._path(address).parent.glob(f"{address}.{size or '*'}.part"))

    def _bytes(self, address: str) -> int:
        """Of the file, or of its halves."""
        path = self._path(address)
        return path.stat().st_size if path.exists() else sum(part.stat().st_size for part in self._parts(address))

    def _held(self, address: str) -> asyncio.Lock:
        """One writer an address. Locks of finished addresses are dropped now and then, else the table only grows."""
        if len(self._locks) > 1_000:
            self._locks = {a: held for a, held in self._locks.items() if held.locked()}
        return self._locks.setdefault(address, asyncio.Lock())

    @asynccontextmanager
    async def _written(self, address: str) -> AsyncIterator[None]:
        """Held, and what it came to is counted, whatever comes."""
        async with self._held(address):
            before = self._bytes(address)
            try:
                yield
            finally:
                self._count(self._bytes(address) - before)

    def _encrypt(self, plain: bytes) -> tuple[bytes, bytes]:
        key = blake2b(plain, key=self._secret, digest_size=32, person=b"yidi blob key").digest()
        return key, FORMAT + lock(plain, FORMAT, _NONCE, key)

    def _is_sound(self, path: Path) -> bool:
        sound = is_file_of(path, path.name)
        if not sound:
            path.rename(path.with_suffix(".damaged"))
        return sound

    def _read(self, blob: Blob) -> bytes:
        path = self._path(blob.address)
        cipher = path.read_bytes()
        if sha256(cipher).hexdigest() != blob.address:
            path.rename(path.with_suffix(".damaged"))
            raise Refused("frame_broken")
        try:
            return unlock(cipher[1:], cipher[:1], _NONCE, blob.key)
        except CryptoError:
            raise Refused("frame_broken") from None

    def _write_whole(self, address: str, cipher: bytes) -> None:
        path = self._path(address)
        with self.disk():
            _make_folder(path.parent)
            beside = path.with_suffix(".new")
            with beside.open("wb") as file:
                file.write(cipher)
                file.flush()  # without it the sync misses what still stands in the buffer
                _sync(file.fileno())
            _settle(beside, path)

    def _append(self, piece: _Piece) -> Progress:
        here = self._half(piece.address, piece.total)
        if here.is_whole or piece.offset != here.have:
            return here
        path = self._path(piece.address)
        part = path.with_name(f"{piece.address}.{piece.total}.part")
        with self.disk():
            _make_folder(path.parent)
            try:
                with part.open("ab") as file:
                    file.write(piece.data)
            except OSError:
                with suppress(OSError):  # a disk that is full gets back what did not fit as a whole
                    os.truncate(part, here.have)
                raise
        done = Progress(here.have + len(piece.data), piece.total)
        if done.is_whole and not self._end(piece.address, piece.total).is_whole:
            raise Refused("frame_broken")
        return done

    def _settled(self, address: str, size: int, sizes: Collection[int]) -> Progress:
        for part in self._parts(address):
            if _total_of(part) not in (size, *sizes):  # no piece would ever follow it
                part.unlink(missing_ok=True)
        return self._half(address, size)

    def _half(self, address: str, size: int) -> Progress:
        here = self.progress(address, size)
        if self.has(address):
            return here
        if here.have > size:
            self._drop(address, size)
            return Progress(0, 0)
        return self._end(address, size) if here.is_whole else here

    def _end(self, address: str, size: int) -> Progress:
        """Of a half with all its bytes: it gets its name, or goes, for it is not what the address says."""
        part = next(iter(self._parts(address, size)), None)
        if part is None or not is_file_of(part, address):
            self._drop(address, size)
            return Progress(0, 0)
        with self.disk():
            with part.open("rb") as file:
                _sync(file.fileno())
            _settle(part, self._path(address))
        self._drop(address)
        return self.progress(address)

    def _drop(self, address: str, size: int = 0) -> None:
        for part in self._parts(address, size):
            part.unlink(missing_ok=True)


def is_address(text: str) -> bool:
    return _ADDRESS.fullmatch(text) is not None


def unpack(packed: bytes) -> _Piece:
    """Raises Refused frame_broken: not a piece, altered, or beyond what a blob may be."""
    try:
        piece = _decoder.decode(packed)
    except UNREADABLE:
        raise Refused("frame_broken") from None
    end = piece.offset + len(piece.data)
    fits = piece.offset >= 0 and 0 < len(piece.data) <= CHUNK_BYTES and end <= piece.total <= CIPHER_BYTES_MAX
    if not fits or piece.sum != _sum(piece.address, piece.offset, piece.total, piece.data) or not is_address(piece.address):
        raise Refused("frame_broken")
    return piece


def tail(piece: _Piece, offset: int) -> bytes:
    """The piece packed without what comes before this offset of its file."""
    return _packed(piece.address, max(offset, piece.offset), piece.total, piece.data[max(offset - piece.offset, 0) :])


def total_of(packed: bytes) -> int:
    """What a piece says of the size of its file; 0: it is none."""
    try:
        return unpack(packed).total
    except Refused:
        return 0


def kind_of(plain: bytes, mime: str) -> str:
    """The media type that the content itself shows; "" for what is not taken. A drawn signature is SVG without script."""
    for magic, kind in _MAGIC:
        if plain.startswith(magic):
            return kind
    if plain[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(plain[8:12], "")
    if plain[4:8] == b"ftyp":
        return _BRANDS.get(plain[8:12], "")
    if len(plain) > 1 and plain[0] == 0xFF and plain[1] & 0xE0 == 0xE0:
        return "audio/mpeg"
    if mime == "image/svg+xml" and _is_drawn(plain):
        return mime
    return ""


def shown_name(name: str) -> str:
    """The last part of a file's name, printable, short enough for a list."""
    last = re.split(r"[\\/]", name)[-1]
    kept = "".join(c for c in last if c.isprintable()).strip()
    return kept[-NAME_CHARS_MAX:] or "附件"


def _is_drawn(plain: bytes) -> bool:
    """Paths and groups only: an SVG may carry script, style, links and foreign content, and a page would run them."""
    try:
        text = plain.decode().strip().lower()
    except UnicodeDecodeError:
        return False
    tags = set(re.findall(r"<\s*/?\s*([^\s/>]+)", text))
    return text.startswith("<svg") and tags <= {"svg", "g", "path", "circle", "rect"} and not re.search(r"\bon\w+\s*=|href|url\(", text)


def _sum(address: str, offset: int, total: int, data: bytes) -> bytes:
    return blake2b(f"{address}\0{offset}\0{total}\0".encode() + data, digest_size=16).digest()


def _read_piece(path: Path, address: str, offset: int, most: int) -> bytes | None:
    with path.open("rb") as file:
        total = os.fstat(file.fileno()).st_size
        if not 0 <= offset < total:
            return None
        file.seek(offset)
        data = file.read(most)
    return _packed(address, offset, total, data)


def _packed(address: str, offset: int, total: int, data: bytes) -> bytes:
    return msgspec.msgpack.encode(_Piece(address, offset, total, data, _sum(address, offset, total, data)))


def is_file_of(path: Path, address: str) -> bool:
    """Claims that it is what its address says, byte for byte. Raises OSError."""
    hash_ = sha256()
    with path.open("rb") as file:
        while block := file.read(MEGABYTE):
            hash_.update(block)
    return hash_.hexdigest() == address


def _total_of(part: Path) -> int:
    return int(part.name.split(".")[1])


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folder(folder.parent)


def _settle(beside: Path, path: Path) -> None:
    """The synced file gets its name, then the folder is synced: without that a power cut may forget the name."""
    killpoints.reach("blob.write")
    beside.rename(path)
    killpoints.reach("blob.rename")
    _sync_folder(path.parent)


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
