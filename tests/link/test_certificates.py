"""What the county's authority signs."""

import datetime as dt

from cryptography import x509

from deploy.nats.certificates import CertificateAuthority
from protocol.node.link.creds import tls_request

NOW_S = 1_795_000_000


def test_a_pc_whose_clock_begins_years_ago_still_trusts_the_countys_servers(tmp_path):
    """Its battery is flat: the clock shows the year of its board until somebody sets it, and it is the link that shows it to be wrong."""
    authority = CertificateAuthority(tmp_path, "安吉县", NOW_S)
    server = x509.load_pem_x509_certificate(authority.sign(tls_request(tmp_path / "tls.key"), "hub", ["hub.anji"], NOW_S))
    for certificate in (x509.load_pem_x509_certificate(authority.pem), server):
        assert certificate.not_valid_before_utc <= dt.datetime(2009, 1, 1, tzinfo=dt.UTC)
        assert certificate.not_valid_after_utc.timestamp() > NOW_S + 4 * 365 * 86_400


def test_a_county_that_moves_is_still_reached_by_those_who_know_its_earlier_names(tmp_path):
    authority = CertificateAuthority(tmp_path / "county", "安吉县", NOW_S)
    for hosts in (("10.0.0.1", "hub.anji"), ("10.0.0.2",), ("fd00::2", "yidi.anji")):
        authority.write_own(tmp_path, "hub", hosts, NOW_S)
    names = x509.load_pem_x509_certificate((tmp_path / "tls.pem").read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    shown = [str(name) for kind in (x509.IPAddress, x509.DNSName) for name in names.value.get_values_for_type(kind)]
    assert sorted(shown) == sorted(["10.0.0.1", "10.0.0.2", "127.0.0.1", "fd00::2", "hub.anji", "localhost", "yidi.anji"])
