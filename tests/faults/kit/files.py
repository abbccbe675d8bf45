"""Attachments: what somebody was told is saved with a picture, and whether the picture lies whole wherever it must.

    picture = drawn(chance)                             like no other: the same file twice is one blob, and would hide that one is lost
    got = await posted(http, "/cases", form, picture)   the form with it, as a page sends it: along with the form, or before it in pieces
    found = await found_at(blobs, journal, certificate, lanes)      what the entries of a stopped node name, and what of it is on its disk
    missing(held, saved)                                a line for each promise about a file that is not true

Where it must lie, by rules of our own (protocol/node/bodies.py has the node's): at the node whose people attached it; at every other that
hears the ledger; of what a wider place attached only the small picture there, for the file itself comes when somebody opens it. It counts
when it is the cipher text of its address and opens, by the key in the entry, to the bytes that were given. Besides, a file that a node
says it has (its table, or a name in its folder) is whole and true, whoever attached it.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Protocol

import httpx
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as unlock
from nacl.exceptions import CryptoError

from protocol import certificate as certificates
from protocol import events
from protocol.certificate import Certificate
from protocol.commands import Blob
from protocol.events import EvidenceAddedBody, LaneOpened
from protocol.node.blobs import Blobs, is_address
from protocol.node.bodies import DONE, EVIDENCE, UNTOLD
from protocol.node.journal import Journal, Stored
from protocol.node.journal.branches import adopted_id
from protocol.node.uploads import PIECE_BYTES, command_of

JPEG, NAME, MIME = b"\xff\xd8\xff\xe0", "现场.jpg", "image/jpeg"
SIZES = (700, 700, 2_000, 9_000, 40_000, 300_000)  # bytes; the last one travels in two pieces
SMALL_BYTES = 600
NONCE = bytes(24)


class Picture(NamedTuple):
    """small: its thumbnail; b"": none was made, and it goes along with the form."""

    plain: bytes
    small: bytes = b""


class Kept(NamedTuple):
    """A promise about a file. command: of the entry that attaches it · sum, small: SHA-256 of the picture and its thumbnail, "" = none."""

    command: str
    sum: str
    small: str = ""


class File(NamedTuple):
    """What an entry names. comes: it must be here without being opened · sum: SHA-256 of what it opens to, "" where it is not here
    or not true. address "": the words of the entry are gone, and with them the key."""

    command: str
    address: str
    is_small: bool
    comes: bool
    sum: str


class Found(NamedTuple):
    """files: by the command of the entry that names them · untrue: a line for each that is said to be here and is not."""

    files: Mapping[str, Sequence[File]]
    untrue: Sequence[str]


class HasFiles(Protocol):
    """What a node holds (truth.Held)."""

    @property
    def certificate(self) -> Certificate: ...
    @property
    def found(self) -> Found: ...


class Promise(Protocol):
    """desks.Saved."""

    @property
    def node(self) -> str: ...
    @property
    def account(self) -> str: ...
    @property
    def keys(self) -> tuple[tuple[str, str, int], ...]: ...
    @property
    def files(self) -> tuple[Kept, ...]: ...


# ── giving ──


def drawn(chance: Random) -> Picture:
    return Picture(JPEG + chance.randbytes(chance.choice(SIZES)), JPEG + chance.randbytes(SMALL_BYTES) if chance.random() < 0.5 else b"")


def kept(command: str, picture: Picture, address: str) -> tuple[Kept, ...]:
    """What is promised by the answer to a form that was sent with this command. address: of the picture, as that says."""
    sum_ = sum_of(picture.plain)
    return (Kept(command_of(command, sum_ if picture.small else address), sum_, sum_of(picture.small) if picture.small else ""),)


def sum_of(plain: bytes) -> str:
    return sha256(plain).hexdigest()


async def posted(http: httpx.AsyncClient, path: str, form: Mapping[str, Any], picture: Picture | None) -> httpx.Response:
    """The answer; of a piece that was not taken, the answer to that."""
    if picture is None:
        return await http.post(path, data=dict(form))
    if not picture.small:
        return await http.post(path, data=dict(form), files={"files": (NAME, picture.plain, MIME)})
    about = {"sum": sum_of(picture.plain), "size": len(picture.plain), "name": NAME, "mime": MIME}
    got = await http.post("/uploads", json=about)
    while got.status_code == 200 and (have := got.json()["have"]) < about["size"]:
        piece = picture.plain[have : have + PIECE_BYTES]
        got = await http.put(f"/uploads/{about['sum']}", params={"size": about["size"], "offset": have}, content=piece)
    if got.status_code != 200:
        return got
    named = json.dumps({**about, "what": "photo", "thumb": b64encode(picture.small).decode()})
    return await http.post(path, data={**form, "upload": named})


# ── judging ──


async def found_at(blobs: Blobs, journal: Journal, certificate: Certificate, lanes: Mapping[Any, Sequence[Stored]]) -> Found:
    """certificate: the node's · lanes: all that it holds, proven."""
    files: dict[str, list[File]] = {}
    for rows in lanes.values():
        opening = events.facts_of(rows[0].head)
        assert isinstance(opening, LaneOpened)
        comes = not certificates.is_above(certificates.decode(opening.certificate), certificate)
        for row in rows:
            if row.head.kind in EVIDENCE:
                files.setdefault(row.command, []).extend(_named(row, comes, blobs.folder))
    return Found(files, [*await _said(blobs, journal), *_lying(blobs.folder)])


def _named(row: Stored, comes: bool, folder: Path) -> Iterator[File]:
    body = events.body_of(row.head.kind, row.body)
    if not isinstance(body, EvidenceAddedBody):
        yield File(row.command, "", False, False, "")
        return
    yield File(row.command, body.blob.address, False, comes, _opened(folder, body.blob))
    if body.thumb is not None:
        yield File(row.command, body.thumb.address, True, True, _opened(folder, body.thumb))


def _opened(folder: Path, blob: Blob) -> str:
    """SHA-256 of the plain bytes; "" where the whole true cipher text is not here."""
    if not _is_true(_path(folder, blob.address)):
        return ""
    cipher = _path(folder, blob.address).read_bytes()
    try:
        return sum_of(unlock(cipher[1:], cipher[:1], NONCE, blob.key))
    except CryptoError:
        return ""


def _path(folder: Path, address: str) -> Path:
    return folder / address[:2] / address


def _is_true(path: Path) -> bool:
    return path.exists() and sum_of(path.read_bytes()) == path.name


async def _said(blobs: Blobs, journal: Journal) -> Iterable[str]:
    """Files of which the table says that they are here."""
    rows = await journal.rows("blob", "stage in (:untold, :done)", {"untold": UNTOLD, "done": DONE})
    return [
        f"file {row['address']} of {row['ledger']} is said to be here" for row in rows if not _is_true(_path(blobs.folder, row["address"]))
    ]


def _lying(folder: Path) -> Iterator[str]:
    """Files that have the name of a whole one."""
    for path in folder.glob("*/*"):
        if is_address(path.name) and not _is_true(path):
            yield f"file {path.name} is not what its name says"


def missing(held: Mapping[str, HasFiles], saved: Iterable[Promise]) -> Iterator[str]:
    for name, one in held.items():
        yield from (f"{name}: {line}" for line in one.found.untrue)
    for promise in saved:
        for file in promise.files:
            for name, one in held.items():
                if any(certificates.hears(one.certificate, ledger) for ledger, _, _ in promise.keys):
                    wrong = _wrong(one.found, file)
                    yield from (f"{name} {line} that {promise.node} told {promise.account} was saved" for line in wrong)


def _wrong(found: Found, promised: Kept) -> Iterator[str]:
    here = [file for id_ in (promised.command, adopted_id(promised.command)) for file in found.files.get(id_, ())]
    if any(not file.address for file in here):
        return  # erased: whether anybody might is asked of the entry
    for sum_, is_small in ((promised.sum, False), (promised.small, True)):
        files = [file for file in here if file.is_small is is_small]
        what = "small picture" if is_small else "file"
        if sum_ and not files:
            yield f"holds no entry that names the {what}"
        for file in files if sum_ else ():
            if file.sum != sum_ and (file.comes or file.sum):
                yield f"holds other bytes as the {what} {file.address}" if file.sum else f"lacks the {what} {file.address}"
