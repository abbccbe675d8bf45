"""Attachments, encrypted where they are taken: XChaCha20-Poly1305, the key stands in the entry's body, the address is the
SHA-256 of the cipher text. So folders, backups and sticks hold nothing readable, and erasing the body ends every copy.

    blobs = Blobs(folder, secret)      secret: 32 bytes of this node; the key of a file is a keyed hash (BLAKE2b) of its content,
                                       so the same file twice is one blob here, and means nothing to anybody else

A blob is whole or absent: written beside, synced, renamed, folder synced. Pieces travel as `chunk` makes them: packed
[address, offset, total, data, sum], self-checking; `write_chunk` takes them in order, resumes after a stop, and checks the
address at the end. Disk methods are coroutines and work off the loop.
"""

from pathlib import Path

import msgspec

from protocol.commands import Blob

FILE_BYTES_MAX = 20 * 1024 * 1024
CHUNK_BYTES = 262_144


class Progress(msgspec.Struct, frozen=True):
    """have: cipher bytes on disk (= the next offset to ask for) · total: cipher bytes of the blob (0: not known yet)."""

    have: int
    total: int

    @property
    def is_whole(self) -> bool:
        return self.total > 0 and self.have == self.total


class Blobs:
    def __init__(self, folder: Path, secret: bytes) -> None: ...

    async def put(self, plain: bytes, name: str, mime: str, what: str = "photo") -> Blob:
        """Raises Refused file_too_large, file_kind (judged by content, not by name), disk_full."""
        raise NotImplementedError

    async def get(self, blob: Blob) -> bytes | None:
        """The plain bytes; None while they are not here. Raises Refused frame_broken when the file is damaged (it is set apart)."""
        raise NotImplementedError

    def has(self, address: str) -> bool:
        raise NotImplementedError

    def progress(self, address: str) -> Progress:
        """Where to resume: (0, 0) when nothing is here."""
        raise NotImplementedError

    async def chunk(self, address: str, offset: int) -> bytes | None:
        """A packed piece of at most CHUNK_BYTES from `offset`; None: not here or past the end."""
        raise NotImplementedError

    async def write_chunk(self, address: str, packed: bytes) -> Progress:
        """A piece that is not the next one changes nothing (the answer says where to go on). Raises Refused frame_broken."""
        raise NotImplementedError

    async def remove(self, address: str) -> None:
        raise NotImplementedError
