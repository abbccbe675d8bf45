"""The county's NATS authority: operator → account → users, made with nkeys alone. Servers hold the first two and no list of users.

    authority = Authority.open(folder)            keys are made once and kept in `folder`, readable by this user alone
    authority.node_jwt(certificate, user, now_s)  the token of a node's client      authority.leaf_jwt(…)  of a township's server
    authority.revoke(node, now_s)                 all tokens of that node issued up to this second are dead once servers reload

One account a county, so that the leaf of a township and the county alike take the same credentials. A server refuses a reload when
the operator's token differs by a byte, so it is made once and kept. Revocation works by second: enrol again with a new key.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import nkeys

from deploy.nats.permissions import UNLIMITED, leaf_may, node_may
from protocol.certificate import Certificate
from protocol.node.identity import write_whole
from protocol.node.link.creds import kept_key, public, write_creds


class Trust(msgspec.Struct, frozen=True):
    """What every server of the county holds, leaf or not: who signs, and (in account_jwt) whose tokens are dead. Nothing secret."""

    operator_jwt: str
    account: str
    account_jwt: str
    system: str
    system_jwt: str


class Kept(msgspec.Struct):
    """operator_jwt: made once · users: node → public keys of its users · revoked: public key → Unix second."""

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
        self._kept = msgspec.json.decode(self._file.read_bytes(), type=Kept) if self._file.exists() else Kept()
        if not self._kept.operator_jwt:
            self._kept.operator_jwt = jwt(self._operator, public(self._operator), "operator", now_s)
            self._save()

    def trust(self) -> Trust:
        """The same bytes until somebody is revoked, so whoever holds it can tell whether there is anything to apply."""
        account, system = public(self._account), public(self._system)
        ours = account_jwt(self._operator, account, self._kept.revoked, max(self._kept.revoked.values(), default=0))
        return Trust(self._kept.operator_jwt, account, ours, system, account_jwt(self._operator, system, {}, 0))

    def node_jwt(self, certificate: Certificate, user: str, now_s: int) -> str:
        """user: public nkey of the node's client. Asked again for the same key it only makes the token anew."""
        self._note(certificate.node, user)
        return jwt(self._account, user, "user", now_s, name=certificate.node, **node_may(certificate))

    def wider(self, certificate: Certificate, now_s: int) -> dict[str, str]:
        """Public key → new token, for every key of the node: it takes the one that is its own. A token is nothing without its seed."""
        return {
            user: jwt(self._account, user, "user", now_s, name=certificate.node, **node_may(certificate))
            for user in self._kept.users.get(certificate.node, [])
        }

    def leaf_jwt(self, node: str, township: str, user: str, now_s: int) -> str:
        """township: path whose nodes may speak through this leaf; node: the one that runs it."""
        self._note(node, user)
        return jwt(self._account, user, "user", now_s, name=f"{node} leaf", **leaf_may(township))

    def write_node_creds(self, certificate: Certificate, path: Path, seed: Path, now_s: int) -> None:
        """For the node that runs the authority itself, whose enrolment crosses no wire."""
        key = kept_key(seed)
        write_creds(path, self.node_jwt(certificate, public(key), now_s), key)

    def revoke(self, node: str, now_s: int) -> int:
        """How many users of that node are cut once every server has `trust` and was reloaded."""
        users = self._kept.users.get(node, [])
        self._kept.revoked |= dict.fromkeys(users, now_s)
        self._save()
        return len(users)

    def _note(self, node: str, user: str) -> None:
        users = self._kept.users.setdefault(node, [])
        if user not in users:
            users.append(user)
            self._save()

    def _save(self) -> None:
        write_whole(self._file, msgspec.json.encode(self._kept))


_KEYS = (("operator", "operator"), ("account", "account"), ("system", "account"))
