"""Who this node is, kept in its folder: an id, an epoch, keys that only its user reads, and what enrolment gave it.

    folder/identity/node.json    id, epoch, name, servers, public keys of the root, certificate (nothing secret)
    folder/identity/*.key        signing seed (Ed25519), store key, blob secret, box key (X25519), backup key: 32 bytes each, mode 0600
    folder/mark                  how far our own lanes had got: kept outside the database, so that a restored one is noticed

Writing is whole or not at all: a new file beside, synced, renamed, folder synced.
"""

import base64
import os
import secrets
from hashlib import blake2b
from pathlib import Path

import msgspec
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from protocol import certificate
from protocol.certificate import Certificate
from protocol.node import killpoints
from protocol.node.signer import Signer

JOURNAL = "journal.db"
KEYS = ("sign", "store", "blob", "box")


class About(msgspec.Struct, kw_only=True):
    """former: ids that this machine had before it was enrolled again · moved: the epoch that was opened because others held more of ours than we did (0: never). certificate: bytes signed by the root · branch: token of our pulls and inboxes · servers: host:port, best first · made_up: founded or joined as a demo, which no switch undoes."""

    node: str
    epoch: int = 1
    name: str = ""
    root_node: str = ""
    root_public: bytes = b""
    sealing_public: bytes = b""
    certificate: bytes = b""
    branch: str = "_"
    servers: list[str] = []
    origins_closed: list[str] = []
    moved: int = 0
    former: list[str] = []
    made_up: bool = False


def new_node_id() -> str:
    return "n" + base64.b32encode(secrets.token_bytes(5)).decode().lower()


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Durable once it returns. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as f:
        f.write(content)
        f.flush()
        os.fsync(f.fileno())
    killpoints.reach("identity.write")
    beside.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Identity:
    """Of one folder. `exists` before enrolment is False."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "identity"
        self.file = self.folder / "node.json"

    @property
    def exists(self) -> bool:
        return self.file.exists()

    def about(self) -> About:
        return msgspec.json.decode(self.file.read_bytes(), type=About)

    def save(self, about: About) -> None:
        write_whole(self.file, msgspec.json.format(msgspec.json.encode(about), indent=1))

    def has(self, name: str) -> bool:
        """Claims that this key was made."""
        return (self.folder / f"{name}.key").exists()

    def key(self, name: str) -> bytes:
        """32 bytes, made at first use and never again. Raises RuntimeError instead of making one for a journal that another key opens, or to
        sign for a node that joined with another one."""
        path = self.folder / f"{name}.key"
        if name == "sign" and not path.exists() and self.exists:
            raise RuntimeError(_unsigned(self))
        if name == "store" and not path.exists() and (self.folder.parent / JOURNAL).exists():
            raise RuntimeError(
                f"{self.folder} 里没有 store.key，{self.folder.parent} 里的台账没有它打不开；没有改动。请把另存的 identity/ 里的 store.key 放回去；"
                "找不到了，请用备份恢复（yidi restore）"
            )
        return self.any_key(name)

    def any_key(self, name: str) -> bytes:
        """`key`, made also beside a journal that is about to be put aside."""
        path = self.folder / f"{name}.key"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            write_whole(path, secrets.token_bytes(32))
        return path.read_bytes()

    def derived(self, name: str) -> bytes:
        """32 bytes that follow from the signing seed: every copy of this folder has the same, also one that was made before they were wanted."""
        return blake2b(name.encode(), key=bytes(self.signing_key()), digest_size=32, person=b"yidi derived").digest()

    def signing_key(self) -> SigningKey:
        """Made before a node joins; then the one of its certificate: what another one signs nobody takes. Raises RuntimeError."""
        seed = self.key("sign")
        if len(seed) != certificate.KEY_BYTES or (self.exists and bytes(SigningKey(seed).verify_key) != self.certificate().key):
            raise RuntimeError(_unsigned(self))
        return SigningKey(seed)

    def can_sign(self) -> bool:
        try:
            self.signing_key()
        except RuntimeError:
            return False
        return True

    def box_key(self) -> PrivateKey:
        return PrivateKey(self.key("box"))

    def certificate(self) -> Certificate:
        return certificate.decode(self.about().certificate)

    def signer(self) -> Signer:
        about = self.about()
        return Signer(about.node, about.epoch, self.signing_key(), certificate.decode(about.certificate))

    def new_epoch(self, above: int = 0, moved: bool = False) -> int:
        """After a restore: the old origin is closed, the next entries open lanes of a new one.

        above: the highest epoch of this node that anybody knows of; an old folder may have forgotten its later ones.
        """
        about = self.about()
        about.origins_closed = [*about.origins_closed, f"{about.node}:{about.epoch}"]
        about.epoch = max(about.epoch, above) + 1
        about.moved = about.epoch if moved else 0
        self.save(about)
        return about.epoch

    def sealing_secret(self) -> bytes | None:
        """X25519 secret, 32 bytes, only where sealed reports may be read."""
        path = self.folder / "sealing.key"
        return path.read_bytes() if path.exists() else None


def _unsigned(identity: Identity) -> str:
    """Nobody gives a code to who gives them: the root only has what was kept apart."""
    folder, about = identity.folder, identity.about() if identity.exists else None
    if about is not None and about.node == about.root_node:
        return (
            f"{folder} 里没有 sign.key，或者不是原来的那一把：用别的签，写下的谁也不收。没有改动。"
            "请把另存的 identity/ 整个放回去，最近存的那一份"
        )
    return (
        f"{folder} 里没有 sign.key，或者不是登记时的那一把：用别的签，写下的谁也不收。没有改动。请把登记以后另存的 identity/ 整个放回去；"
        "找不到了，请要一个新的登记码，照登记时那样再登记一次，写下的都还在"
    )
