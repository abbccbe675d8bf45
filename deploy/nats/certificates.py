"""The county's certificate authority: servers, leaves and the pages of edges show certificates that it signed.

A private key is made where it is used and stays there: a node sends a request (`creds.tls_request`), the authority signs it (`sign`) for the
hosts named in the invitation, never for those that the request would like. ECDSA P-256, X.509 v3 (RFC 5280).
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocol.node.identity import write_whole
from protocol.node.link.creds import kept_tls_key, tls_request
from protocol.problem import Refused

CA_DAYS, LEAF_DAYS = 3_650, 1_825
BEGINS = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
LOOPBACK = ("127.0.0.1", "localhost")


class CertificateAuthority:
    """Kept in a folder: ca.key, ca.pem."""

    def __init__(self, folder: Path, name: str, now_s: int) -> None:
        self.folder, self.pem_file = folder, folder / "ca.pem"
        self._key = kept_tls_key(folder / "ca.key")
        if not self.pem_file.exists():
            subject = _named(name)
            made = _builder(subject, subject, self._key.public_key(), now_s, CA_DAYS)
            made = made.add_extension(x509.BasicConstraints(True, 0), critical=True)
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            made = made.add_extension(usage, critical=True)
            made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            write_whole(self.pem_file, made.sign(self._key, SHA256()).public_bytes(Encoding.PEM), 0o644)
        self._certificate = x509.load_pem_x509_certificate(self.pem_file.read_bytes())

    @property
    def pem(self) -> bytes:
        return self.pem_file.read_bytes()

    def sign(self, request_pem: bytes, name: str, hosts: Sequence[str], now_s: int) -> bytes:
        """PEM, good as server and as client. Raises Refused key_not_proven when the request's own signature is wrong."""
        try:
            asked = x509.load_pem_x509_csr(request_pem)
            if not asked.is_signature_valid:
                raise Refused("key_not_proven")
        except (ValueError, InvalidSignature) as error:
            raise Refused("key_not_proven") from error
        public = asked.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise Refused("key_not_proven")
        made = _builder(_named(name), self._certificate.subject, public, now_s, LEAF_DAYS)
        made = made.add_extension(x509.BasicConstraints(False, None), critical=True)
        made = made.add_extension(x509.SubjectAlternativeName([_host(h) for h in dict.fromkeys((*hosts, *LOOPBACK))]), critical=False)
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        made = made.add_extension(x509.ExtendedKeyUsage(both), critical=False)
        made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        return made.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def write_own(self, folder: Path, name: str, hosts: Sequence[str], now_s: int) -> None:
        """tls.key, tls.pem and ca.pem for the machine that runs the authority itself; signed anew when a host is not in it yet. It stays good
        for all that it was good for: who joined by an earlier name knows no other."""
        had = _names(folder / "tls.pem")
        if not {*had} >= {_host(host) for host in (*hosts, *LOOPBACK)}:
            hosts = (*hosts, *(str(name.value) for name in had))
            write_whole(folder / "tls.pem", self.sign(tls_request(folder / "tls.key"), name, hosts, now_s), 0o644)
        write_whole(folder / "ca.pem", self.pem, 0o644)


def _names(file: Path) -> list[x509.GeneralName]:
    """Those that a certificate is good for; none while there is no file."""
    if not file.exists():
        return []
    return list(x509.load_pem_x509_certificate(file.read_bytes()).extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now_s: int, days: int) -> x509.CertificateBuilder:
    """Begins long before it is made: a PC whose battery is flat starts in the year of its board, and would trust no server of the county."""
    until = dt.datetime.fromtimestamp(now_s, dt.UTC) + dt.timedelta(days=days)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return made.serial_number(x509.random_serial_number()).not_valid_before(BEGINS).not_valid_after(until)


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
