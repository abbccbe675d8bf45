"""A node's own keys for the link: an nkey seed that never leaves its folder, and the credentials file NATS clients read.

The credentials file holds the token that the enrolment gave (a JWT, public in itself) and the seed that proves it.
"""

import os
from pathlib import Path
from typing import Any

import nkeys

from protocol.node.identity import write_whole

CREDS = "link.creds"  # of the node's client
BRANCH_CREDS = "leaf.creds"  # of the server that a node may run for the nodes below it
SEED = "link.seed"
BRANCH_SEED = "leaf.seed"
BRANCH_FILE = "leaf.bin"
AUTHORITY = "ca.pem"
TLS_CERTIFICATE, TLS_KEY = "tls.pem", "tls.key"


def new_key(kind: str) -> nkeys.KeyPair:
    """kind: operator, account, user."""
    return nkeys.from_seed(bytearray(nkeys.encode_seed(os.urandom(32), getattr(nkeys, f"PREFIX_BYTE_{kind.upper()}"))))


def public(key: nkeys.KeyPair) -> str:
    return bytes(key.public_key).decode()


def seed_text(key: nkeys.KeyPair) -> str:
    seed = key.seed
    if seed is None:
        raise ValueError("a public key alone has no seed")
    return bytes(seed).decode()


def kept_key(path: Path, kind: str = "user") -> nkeys.KeyPair:
    """Made once, readable by this user alone, then always the same."""
    if not path.exists():
        write_whole(path, seed_text(new_key(kind)).encode())
    return nkeys.from_seed(bytearray(path.read_bytes().strip()))


def kept_tls_key(path: Path) -> Any:
    """An EllipticCurvePrivateKey; PEM, made once; it never leaves this file."""
    from cryptography.hazmat.primitives.asymmetric import ec  # 8 MB that only an enrolment needs
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        write_whole(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def tls_request(key_file: Path) -> bytes:
    """A signing request (PEM) for the key in this file."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "yidi")])
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(kept_tls_key(key_file), SHA256()).public_bytes(Encoding.PEM)


def write_creds(path: Path, token: str, key: nkeys.KeyPair) -> None:
    parts = [
        f"-----BEGIN {title}-----\n{value}\n------END {title}------\n\n"
        for title, value in (("NATS USER JWT", token), ("USER NKEY SEED", seed_text(key)))
    ]
    write_whole(path, "".join(parts).encode())
