"""Mutations of the one question on which all others rest: did the county's root key sign this certificate?

It is asked at three doors: of each batch, of each stick, of each proof. It is asked once more where a node takes its own wider certificate, or the
newest of another, out of *common*, and lanes out of a damaged store: what stands there came in by the first door, so nobody could tell; and of
the answer to an enrolment, which brings the key along with the certificate.
"""

from typing import Final

from tests.simulation.planting import Cut, Mutation

BY_CERTIFICATE: Final[tuple[Mutation, ...]] = (
    Mutation(
        "certificate without the county's key", "whoever signs a certificate for himself is believed",
        (Cut("protocol.lane:_certificates", " and certificates.is_valid(c, county_public)", ""),),
        seeds_max=120, needs=("usurp",),
    ),
    Mutation(
        "stick without the county's key", "a stick of whoever signs a certificate for himself is taken in",
        (Cut("protocol.bundle:unpack", "if not certificates.is_valid(certificate, county_public):", "if False:"),),
        by="tests/link/test_bundle.py::test_another_county_s_or_another_node_s_bundle_is_refused",
    ),
    Mutation(
        "proof without the county's key", "a proof by a certificate that somebody else signed is called true",
        (Cut("protocol.proof:_judge", "if not certificates.is_valid(certificate, county):", "if False:"),),
        by="tests/edge/test_proofs.py::test_any_change_makes_it_worthless",
    ),
)  # fmt: skip
