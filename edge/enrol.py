"""Joining a county: `joined = await enrol(code, folder, …)`. Makes the keys, asks once, checks the answer, writes the folder.

Everything is written before `identity/node.json`, so a folder is either enrolled or not. Asked again after a lost answer it gets the
same one, since the keys are kept. One at a time does so in a folder. What is left to the caller: `take_in` its `batches` (tables, nodes, the first person; else the link brings
them) and make the first account with a one-time code (`people.add_account(account, person, None, now_ms)`), which is noted here until
`first_done`.
"""

import asyncio
import http.client
import secrets
import shutil
import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import msgspec

from protocol import batch as batches
from protocol import certificate as certificates
from protocol import enrolment as joining
from protocol.certificate import Certificate
from protocol.enrolment import Answer, Code, Leaf
from protocol.node import locks
from protocol.node.identity import JOURNAL, About, Identity, write_whole
from protocol.node.link import creds
from protocol.node.node import Node
from protocol.problem import Refused

ENROL_PATH = "/enrol"
FIRST = "first.json"  # [account, person]: to be made yet
JOINED_BY = "joined_by"  # by which code, hashed as the county finds it
RENEWING = "renewing"  # where a new identity is made, inside the folder; whoever joins here, anew or for the first time, holds it
ELSEWHERE = ("code_of_another_county", "code_of_another_place")
KEPT_KEYS = ("store", "blob", "box", "backup", "upload")
PUT_OUT = "key_put_out"
TOLD = ("code_unknown_late_or_used", "key_not_proven", PUT_OUT)  # what a county may answer
KNOWN_BY = (creds.SEED, creds.BRANCH_SEED, creds.TLS_KEY, "sign.key")  # the keys of one id; the last one gone, the others are
ANSWER_S_MAX = 30.0

Post = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]


class Joined(msgspec.Struct, frozen=True):
    """batches: packed, in order, to be admitted · account, person: the first account ("" = none) · leaf: of a township's own server."""

    certificate: Certificate
    batches: tuple[bytes, ...]
    account: str
    person: str
    leaf: Leaf | None


async def enrol(code: str, folder: Path, post: Post | None = None, chance: Callable[[int], bytes] = secrets.token_bytes) -> Joined:
    """Raises Refused: the code's own reasons, key_put_out, key_not_proven, certificate_wrong, frame_broken, county_busy, joining_now;
    ConnectionError when nobody answers there; RuntimeError: a journal lies there whose keys are gone."""
    _check_free(folder)
    joining.read_code(code)
    with alone(folder):
        return await _joined(code, folder, post, chance)


async def renew(code: str, folder: Path, post: Post | None = None) -> Joined:
    """A folder that was enrolled joins again by a new code: new keys and a new id over the same journal, files and accounts.

    The keys that open what lies here (journal, files, backups) stay. The new identity is made beside the old one and takes its
    place whole, at the latest when the program starts again; the old one is kept aside. A code of another county or place changes nothing
    here: it would take a journal along to where it does not belong. One that was killed when the county had answered is ended, and nobody is asked
    again: its code is used. Raises as `enrol` does.
    """
    joining.read_code(code)
    with alone(folder):
        if _take_place(folder):
            return Joined(Identity(folder).certificate(), (), "", "", leaf_of(folder))
        old, beside = Identity(folder), Identity(folder / RENEWING)
        if beside.exists:  # what could not sign
            shutil.rmtree(beside.folder)
        beside.folder.mkdir(parents=True, exist_ok=True)
        beside.folder.chmod(0o700)
        for name in KEPT_KEYS:
            if (source := old.folder / f"{name}.key").exists() and not (beside.folder / f"{name}.key").exists():
                write_whole(beside.folder / f"{name}.key", source.read_bytes())
        try:
            joined = await _joined(code, folder / RENEWING, post, secrets.token_bytes, before=old.about())
        except Refused as refused:
            if refused.code in ELSEWHERE:
                shutil.rmtree(beside.folder)  # its keys are known where they do not belong: the right code gets others
            raise
        _take_place(folder)
        return joined


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While one computer joins, or its first account is made: of two at once, the second would put what it half made in the place of what
    the first one did. Raises Refused joining_now, OSError."""
    (folder / RENEWING).mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(locks.mine(folder / RENEWING))
        except locks.Busy:
            raise Refused("joining_now") from None
        yield


async def take_in(node: Node, packed: Iterable[bytes]) -> None:
    """Admits what the county gave along. A lane that stands otherwise here, since this computer was copied, is no reason to stop: both
    histories are kept, and what the revocation says decides. Raises Refused.
    """
    for one in packed:
        try:
            await node.admission.admit(batches.unpack(one), node.about.root_node)
        except Refused as refused:
            if refused.code != "lane_fork":
                raise
    await node.admission.settled()


def is_joined(folder: Path) -> bool:
    """Claims that the folder was enrolled: also where a renewal was stopped before it took its place, which the next start ends."""
    return Identity(folder).exists or Identity(folder / RENEWING).exists


def first_of(folder: Path) -> tuple[str, str]:
    """(account, person) that the enrolment named and nobody made here yet; ("", "") when there is none."""
    path = Identity(folder).folder / FIRST
    return msgspec.json.decode(path.read_bytes(), type=tuple[str, str]) if path.exists() else ("", "")


def first_done(folder: Path) -> None:
    (Identity(folder).folder / FIRST).unlink(missing_ok=True)


def finish_renewal(folder: Path) -> bool:
    """The identity that was made beside takes its place: two renames, and whichever was the last one done, this ends it. Claims that there was
    one. Raises Refused joining_now; RuntimeError: the only one there could not sign."""
    if not Identity(folder / RENEWING).exists:
        return False
    with alone(folder):
        return _take_place(folder)


def has_joined_again(code: str, folder: Path) -> bool:
    """Claims that it was another node before, and that this code made it what it is. Raises Refused for what is no code."""
    identity = Identity(folder)
    path = identity.folder / JOINED_BY
    if not identity.exists or not identity.about().former or not path.exists():
        return False
    return path.read_bytes() == joining.lookup(joining.read_code(code).secret)


def leaf_of(folder: Path) -> Leaf | None:
    """What a township's own server needs, as the enrolment gave it; None: this node runs none."""
    path = Identity(folder).folder / creds.BRANCH_FILE
    return msgspec.msgpack.decode(path.read_bytes(), type=Leaf) if path.exists() else None


def _check_free(folder: Path) -> None:
    """Claims that nobody joined here, nor lost the keys with which he did. Raises as `enrol`."""
    if Identity(folder).exists:
        raise Refused("not_now", status="已登记", what="再登记一次（先换一个空的数据目录）")
    if (folder / JOURNAL).exists():
        raise RuntimeError(
            f"{folder} 里有台账，没有 identity/：没有它的密钥，这本台账谁也打不开。没有登记，什么也没有改动。请先把另存的 identity/ 放回去；"
            "找不到了，就换一个空的数据目录再登记，这个目录先留着"
        )


async def _joined(code: str, folder: Path, post: Post | None, chance: Callable[[int], bytes], before: About | None = None) -> Joined:
    """`enrol`, for whoever is alone. before: who this machine was until now. Raises for it also code_of_another_county, code_of_another_place."""
    _check_free(folder)
    identity = Identity(folder)
    read, home = joining.read_code(code), identity.folder
    try:
        got = await _asked(read, identity, post or post_http, chance)
    except Refused as refused:
        if refused.code != PUT_OUT:
            raise
        for name in KNOWN_BY:
            (home / name).unlink(missing_ok=True)
        got = await _asked(read, identity, post or post_http, chance)  # the code was not used up
    certificate = certificates.decode(got.certificate)
    if not certificates.is_valid(certificate, got.county_public) or certificate.key != bytes(identity.signing_key().verify_key):
        raise Refused("certificate_wrong")
    if before is not None:
        _check_place(certificate, got, before)
    creds.write_creds(home / creds.CREDS, got.jwt, creds.kept_key(home / creds.SEED))
    write_whole(home / creds.AUTHORITY, got.authority, 0o644)
    write_whole(home / creds.TLS_CERTIFICATE, got.tls, 0o644)
    if got.leaf is not None:
        creds.write_creds(home / creds.BRANCH_CREDS, got.leaf.jwt, creds.kept_key(home / creds.BRANCH_SEED))
        write_whole(home / creds.BRANCH_FILE, msgspec.msgpack.encode(got.leaf))
    identity.key("backup")  # now, and not with the first backup: who keeps this folder apart does it once
    if got.account:
        write_whole(home / FIRST, msgspec.json.encode((got.account, got.person)))
    write_whole(home / JOINED_BY, joining.lookup(read.secret))
    identity.save(_about(certificate, got, before))
    return Joined(certificate, got.batches, got.account, got.person, got.leaf)


async def _asked(read: Code, identity: Identity, post: Post, chance: Callable[[int], bytes]) -> Answer:
    """By the keys of this folder, which are made where there are none. Raises as `enrol`."""
    home = identity.folder
    key, user, leaf_user = identity.signing_key(), creds.kept_key(home / creds.SEED), creds.kept_key(home / creds.BRANCH_SEED)
    tls = creds.tls_request(home / creds.TLS_KEY)
    status, answered = await post(read.address, joining.ask(read, key, creds.public(user), creds.public(leaf_user), tls, chance(24)))
    if status != 200:
        raise _refusal(status, answered)
    return joining.open_answer(read.secret, answered)


def _take_place(folder: Path) -> bool:
    """For whoever is alone. Claims that there was one beside, which could sign."""
    old, beside = Identity(folder), Identity(folder / RENEWING)
    if not beside.exists or (old.exists and not beside.can_sign()):
        return False
    beside.signing_key()
    if old.exists:
        name = f"identity-{old.about().node}"  # this computer may have been that node before, and been put back to it
        names = (name if n == 1 else f"{name}-{n}" for n in count(1))
        old.folder.rename(next(folder / name for name in names if not (folder / name).exists()))
    beside.folder.rename(old.folder)
    return True


def _check_place(certificate: Certificate, got: Answer, before: About) -> None:
    """Claims that who goes on here is of the same county, and sits where it sat. Raises Refused."""
    if got.county_public != before.root_public:
        raise Refused("code_of_another_county")
    if certificates.seat(certificate) != certificates.seat(certificates.decode(before.certificate)):
        raise Refused("code_of_another_place", name=certificate.name, own=before.name)


def _about(certificate: Certificate, got: Answer, before: About | None) -> About:
    return About(
        node=certificate.node,
        name=certificate.name,
        root_node=got.county_node,
        root_public=got.county_public,
        sealing_public=got.sealing_public,
        certificate=got.certificate,
        branch=certificate.branch,
        servers=list(got.servers),
        origins_closed=[*before.origins_closed, f"{before.node}:{before.epoch}"] if before else [],
        former=[*before.former, before.node] if before else [],
        made_up=got.made_up or bool(before and before.made_up),
    )


def _refusal(status: int, answered: bytes) -> Refused:
    """The hub says why as JSON {code, why: what older programs do not know, …}, or that it can't just now; anything else did not come from a
    hub."""
    if status >= 500:
        return Refused("county_busy")
    try:
        said = msgspec.json.decode(answered)
        code = said.get("why") or said.get("code")
    except (msgspec.MsgspecError, AttributeError):
        code = ""
    return Refused(code if code in TOLD else "frame_broken")


async def post_http(address: str, body: bytes) -> tuple[int, bytes]:
    """(status, body). Plain HTTP, or TLS where the other side wants it; the code seals both ways, so no certificate is asked for.

    Raises ConnectionError: nobody answers there as a county does, whatever the reason."""
    try:
        return await asyncio.to_thread(_post, address, body)
    except (OSError, http.client.HTTPException, UnicodeError) as error:  # no such name, no way there, too late, no TLS
        raise ConnectionError(f"{address}: {error}") from error


def _post(address: str, body: bytes) -> tuple[int, bytes]:
    try:
        return _send(http.client.HTTPConnection(address, timeout=ANSWER_S_MAX), body)
    except (http.client.HTTPException, ConnectionResetError):
        open_to_all = ssl.create_default_context()
        open_to_all.check_hostname, open_to_all.verify_mode = False, ssl.CERT_NONE  # sealed by the code: see protocol.enrolment
        return _send(http.client.HTTPSConnection(address, timeout=ANSWER_S_MAX, context=open_to_all), body)


def _send(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
    try:
        connection.request("POST", ENROL_PATH, body, {"Content-Type": "application/octet-stream"})
        answered = connection.getresponse()
        return answered.status, answered.read(joining.ANSWER_BYTES_MAX + 1)
    finally:
        connection.close()
