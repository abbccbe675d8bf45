"""The county's NATS authority: operator → account → users, made with nkeys alone. Servers hold the first two and no list of users.

    authority = Authority.open(folder)            keys are made once and kept in `folder`, readable by this user alone
    authority.node_jwt(certificate, user, now_s)  the token of a node's client      authority.leaf_jwt(…)  of a township's server
    authority.revoke(node)                        all tokens of that node, whenever issued, are dead once servers reload

One account a county, so that the leaf of a township and the county alike take the same credentials. A server refuses a reload when
the operator's token differs by a byte, so it is made once and kept. A key that was put out never comes back: enrol again with a new one.

The running program and a command at the terminal each have an Authority of one folder: what is noted lies in its file alone, is read anew
for every answer, and is changed under a lock.
"""

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import nkeys

from deploy.nats.permissions import UNLIMITED, leaf_may, node_may
from protocol.certificate import Certificate
from protocol.node.identity import write_whole
from protocol.node.link.creds import kept_key, public, write_creds

NEVER_S = 253_402_300_799  # the end of the year 9999: no token was issued later


class Trust(msgspec.Struct, frozen=True):
    """What every server of the county holds, leaf or not: who signs, and (in account_jwt) whose tokens are dead. Nothing secret."""

    operator_jwt: str
    account: str
    account_jwt: str
    system: str
    system_jwt: str


class Kept(msgspec.Struct):
    """operator_jwt: made once · users: node → public keys of its users · revoked: public key → Unix second, which older programs read."""

    operator_jwt: str = ""
    users: dict[str, list[str]] = {}
    revoked: dict[str, int] = {}


def jwt(issuer: nkeys.KeyPair, subject: str, kind: str, now_s: int, **nats: Any) -> str:
    claims: dict[str, Any] = {"iat": now_s, "iss": public(issuer), "sub": subject, "nats": nats | {"type": kind, "version": 2}}
    claims["jti"] = hashlib.sha256(json.dumps(claims).encode()).hexdigest()
    parts = b'{"typ":"JWT","alg":"ed25519-nkey"}', json.dumps(claims).encode()
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return (signed + b"." + base64.urlsafe_b64encode(issuer.sign(signed)).rstrip(b"=")).decode()


def account_jwt(operator: nkeys.KeyPair, account: str, revoked: dict[str, int], now_s: int) -> str:
    """revoked: a user's public key → Unix second; its tokens issued in or before that second are dead."""
    limits = UNLIMITED | dict.fromkeys(["imports", "exports", "conn", "leaf"], -1) | {"wildcards": True}
    return jwt(operator, account, "account", now_s, limits=limits, revocations=revoked)


class Authority:
    def __init__(self, folder: Path, now_s: int) -> None:
        self.folder = folder
        self._operator, self._account, self._system = (kept_key(folder / f"{k}.seed", n) for k, n in _KEYS)
        self._file = folder / "nats.json"
        if not self._read().operator_jwt:
            with self._changing() as kept:
                kept.operator_jwt = kept.operator_jwt or jwt(self._operator, public(self._operator), "operator", now_s)

    def trust(self) -> Trust:
        """The same bytes until somebody is revoked, so whoever holds it can tell whether there is anything to apply.

        Servers let in a token that was issued after the second of its revocation. No clock says when that was, so it lies behind all."""
        kept, account, system = self._read(), public(self._account), public(self._system)
        ours = account_jwt(self._operator, account, dict.fromkeys(kept.revoked, NEVER_S), 0)
        return Trust(kept.operator_jwt, account, ours, system, account_jwt(self._operator, system, {}, 0))

    def learn(self, said: bytes) -> None:
        """said: a Trust as JSON that was announced once. Whoever was revoked by it stays so, also where an older copy of the folder was put back."""
        account = msgspec.json.decode(said, type=Trust).account_jwt.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(account + "=" * (-len(account) % 4)))
        revoked = claims["nats"].get("revocations", {})
        if revoked.keys() - self._read().revoked.keys():
            with self._changing() as kept:
                kept.revoked |= dict.fromkeys(revoked, NEVER_S)

    def node_jwt(self, certificate: Certificate, user: str, now_s: int) -> str:
        """user: public nkey of the node's client. Asked again for the same key it only makes the token anew."""
        self._note(certificate.node, user)
        return jwt(self._account, user, "user", now_s, name=certificate.node, **node_may(certificate))

    def wider(self, certificate: Certificate, now_s: int) -> dict[str, str]:
        """Public key → new token, for every key of the node: it takes the one that is its own. A token is nothing without its seed."""
        return {
            user: jwt(self._account, user, "user", now_s, name=certificate.node, **node_may(certificate))
            for user in self._read().users.get(certificate.node, [])
        }

    def leaf_jwt(self, node: str, township: str, user: str, now_s: int) -> str:
        """township: path whose nodes may speak through this leaf; node: the one that runs it."""
        self._note(node, user)
        return jwt(self._account, user, "user", now_s, name=f"{node} leaf", **leaf_may(township))

    def write_node_creds(self, certificate: Certificate, path: Path, seed: Path, now_s: int) -> None:
        """For the node that runs the authority itself, whose enrolment crosses no wire."""
        key = kept_key(seed)
        write_creds(path, self.node_jwt(certificate, public(key), now_s), key)

    def revoke(self, node: str) -> int:
        """How many users of that node are cut once every server has `trust` and was reloaded."""
        with self._changing() as kept:
            users = kept.users.get(node, [])
            kept.revoked |= dict.fromkeys(users, NEVER_S)
        return len(users)

    def _note(self, node: str, user: str) -> None:
        if user not in self._read().users.get(node, []):
            with self._changing() as kept:
                kept.users[node] = [*dict.fromkeys([*kept.users.get(node, []), user])]

    def _read(self) -> Kept:
        return msgspec.json.decode(self._file.read_bytes(), type=Kept) if self._file.exists() else Kept()

    @contextmanager
    def _changing(self) -> Iterator[Kept]:
        """What the file holds, to be changed; whole or, after an error, not at all. Another program waits."""
        import fcntl  # not on every system that may read this module

        held = os.open(self.folder / "nats.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            kept = self._read()
            yield kept
            write_whole(self._file, msgspec.json.encode(kept))
        finally:
            os.close(held)


_KEYS = (("operator", "operator"), ("account", "account"), ("system", "account"))
