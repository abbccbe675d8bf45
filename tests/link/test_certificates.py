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
