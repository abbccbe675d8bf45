"""What the real store finds after a power cut: `word = await Afterwards(home).judge(folder, acks)`, "" when every receipt is true.

Receipts (see writer): a command is in the journal with its entries, an attachment opens to the same picture, a lane that a Have spoke of
is as long, a stick or a backup has its bytes. And whatever was told: each lane's chain and last signature hold, the mark is not
ahead of the journal (else the node would open a new epoch for nothing). Of some, all that one store shows without the others (truth.alone): what
was set aside has an owner and a day, no clock was trusted for order, nothing is held that its certificate does not hear.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from deploy.demo.cast import PEOPLE
from protocol import certificate as certificates
from protocol.commands import Blob
from protocol.entry import START, chain, is_signed
from protocol.events import LaneOpened, facts_of
from protocol.node.blobs import Blobs
from protocol.node.folding import Folding
from protocol.node.identity import Identity
from protocol.node.journal import Journal, Witness
from protocol.node.node import MARK, now_ms
from protocol.node.shelf import Shelf
from protocol.problem import Refused
from tests.faults.kit.truth import alone

OFFICES = frozenset(person.office for person in PEOPLE)


class Broken(Exception):
    """The store ended its program."""


def fatal(what: str) -> NoReturn:
    raise Broken(what)


class Afterwards:
    def __init__(self, home: Path) -> None:
        """home: the node's folder before the cut; its keys are used."""
        identity = Identity(home)
        self._store, self._blob, self._about = identity.key("store"), identity.key("blob"), identity.about()

    async def judge(self, folder: Path, acks: Sequence[Mapping[str, Any]], whole: bool = False, url: str = "") -> str:
        """whole: all that the store shows alone is asked too, every view folded again · url: of its store, where that is a PostgreSQL."""
        shelf = Shelf(now_ms)
        try:
            store = (url, None) if url else (f"sqlite:///{folder}/journal.db", self._store)
            journal = await Journal.open(*store, shelf, views=Folding(shelf), fatal=fatal)
        except (Refused, Broken) as error:
            return f"unreadable: {error}"
        try:
            return await self._judged(journal, folder, acks) or (await self._alone(journal, shelf, folder) if whole else "")
        except (Refused, Broken) as error:
            return f"unreadable: {error}"
        finally:
            await journal.close()

    async def _alone(self, journal: Journal, shelf: Shelf, folder: Path) -> str:
        await shelf.load(journal)
        await shelf.load_ended(journal)
        certificate, blobs = certificates.decode(self._about.certificate), Blobs(folder / "blobs", self._blob)
        node = SimpleNamespace(journal=journal, shelf=shelf, blobs=blobs, certificate=certificate, about=self._about)
        try:
            await alone("it", node, OFFICES)
        except AssertionError as untrue:
            return f"untrue: {untrue}"
        return ""

    async def _judged(self, journal: Journal, folder: Path, acks: Sequence[Mapping[str, Any]]) -> str:
        heads, commands = await journal.heads(), set[str]()
        for (ledger, origin), head in heads.items():
            rows = await journal.lane(ledger, origin, 0, 5_000)
            at = START
            for row in rows:
                at = chain(at, row.head_bytes)
                if at != row.hash:
                    return f"damaged: {ledger} {origin} {row.seq}"
                commands.add(row.command)
            if (len(rows), at) != (head.seq, head.hash):
                return f"damaged: head of {ledger} {origin}"
            opening = facts_of(rows[0].head)
            key = certificates.decode(opening.certificate).key if isinstance(opening, LaneOpened) else b""
            if rows[-1].signature is None or not is_signed(key, at, rows[-1].signature):
                return f"half a commit: {ledger} {origin}"
        if Witness(folder / MARK).ahead(heads):
            return "the mark is ahead"
        blobs = Blobs(folder / "blobs", self._blob)
        for ack in acks:
            if word := await self._untrue(ack, commands, heads, blobs, folder):
                return word
        return ""

    async def _untrue(self, ack: Mapping[str, Any], commands: set[str], heads: Mapping, blobs: Blobs, folder: Path) -> str:
        if "command" in ack and ack["command"] not in commands:
            return "lost: a command"
        if "lane" in ack and (heads[tuple(ack["lane"][:2])].seq if tuple(ack["lane"][:2]) in heads else 0) < ack["lane"][2]:
            return "lost: what a Have spoke of"
        if "blob" in ack:
            address, key, sha = ack["blob"]
            try:
                plain = await blobs.get(Blob(address=address, key=bytes.fromhex(key), name="", mime="", size=0, what=""))
            except Refused:
                return "torn: an attachment"
            if plain is None or sha256(plain).hexdigest() != sha:
                return "lost: an attachment"
        if "file" in ack:
            path = folder / "out" / ack["file"]
            if not path.exists():
                return f"lost: {path.suffix}"
            if sha256(path.read_bytes()).hexdigest() != ack["sha"]:
                return f"torn: {path.suffix}"
        return ""
