"""What a node stands on: its folder, its store, its wire, its clock and its chance. Nowhere else does a node meet the machine.

    node = await Node.on(Machine(folder, config, clock))

Whoever runs nodes under other laws (a county in one process, in a time of its own) gives them another machine: the node
above it is the same one.
"""

import platform
import secrets
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from protocol import generations
from protocol.batch import SPEAKS
from protocol.have import Room
from protocol.node.blobs import MEGABYTE, Blobs
from protocol.node.config import Config
from protocol.node.folding import open_journal
from protocol.node.gate import Notes
from protocol.node.identity import Identity
from protocol.node.journal import Journal
from protocol.node.journal.witness import Witness
from protocol.node.link.client import Link
from protocol.node.link.creds import AUTHORITY, CREDS
from protocol.node.room import room_of
from protocol.node.shelf import Shelf
from protocol.node.uploads import Uploads

MARK = "mark"


class Machine:
    """identity must exist (enrolment made it). clock: Unix milliseconds. speaks: what its program understands on the wire, and which events it reads."""

    speaks: tuple[str, ...] = (*SPEAKS, generations.WORD)

    def __init__(self, folder: Path, config: Config, clock: Callable[[], int]) -> None:
        self.folder, self.config, self.clock = folder, config, clock
        self.identity = Identity(folder)

    @property
    def name(self) -> str:
        """Of the program: one a folder, the same after a restart."""
        return sha256(f"{platform.node()} {self.folder.resolve()}".encode()).hexdigest()[:16]

    def chance(self, count: int) -> bytes:
        return secrets.token_bytes(count)

    async def journal(self, shelf: Shelf) -> Journal:
        """Raises Refused store_damaged, store_busy, store_readonly, disk_full; JournalTooNew, durable.StoreForgets."""
        url = store_url(self.folder, self.config)
        return await open_journal(url, store_key(self.identity, self.config), shelf, index_later=not url.startswith("sqlite"))

    def witness(self) -> Witness:
        return Witness(self.folder / MARK)

    def notes(self) -> Notes:
        return Notes(self.folder)

    def blobs(self) -> Blobs:
        files = self.config.files
        return Blobs(
            files_folder(self.folder, self.config) / "blobs",
            self.identity.key("blob"),
            files.file_mb_max * MEGABYTE,
            files.store_mb_max * MEGABYTE,
        )

    def uploads(self, blobs: Blobs) -> Uploads:
        return Uploads(blobs, files_folder(self.folder, self.config) / "uploads", self.identity.key("upload"))

    def room(self, is_damaged: bool) -> Room | None:
        return room_of(self.folder, is_damaged)

    def link(self) -> Link:
        about, authority = self.identity.about(), self.identity.folder / AUTHORITY
        servers = self.config.link.servers or about.servers
        return Link(about.node, about.branch, self.identity.folder / CREDS, servers, authority if authority.exists() else None)


def files_folder(folder: Path, config: Config) -> Path:
    """Where files lie, in `blobs`, and what is half uploaded; several programs of one node may share it."""
    return Path(config.files.folder) if config.files.folder else folder


def store_url(folder: Path, config: Config) -> str:
    return f"sqlite:///{folder.resolve() / 'journal.db'}" if config.store.url == "sqlite" else config.store.url


def store_key(identity: Identity, config: Config) -> bytes | None:
    """Raises RuntimeError: the journal is here and its key is not."""
    return identity.key("store") if config.store.url.startswith("sqlite") else None
