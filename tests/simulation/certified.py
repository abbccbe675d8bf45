"""Who is enrolled: whatever certificate a node stands on was signed by the county's root key, and of whoever was put out it takes nothing more.

    broken += certified.at_end(site)        when the world has healed

It stands on the certificate in its folder, on those that lanes begin with, in the lane and beside it, on those that *common* announces, and on
those that its program took up out of all these. Signatures are judged by rules written here, not by production's functions.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from protocol.entry import decode_head, node_of
from protocol.events import LaneOpened, NodeEnrolled, NodeRevoked, facts_of
from protocol.node.identity import About
from tests.simulation.site import Site, signing_key

ROOT: Final = bytes(signing_key("county").verify_key)  # as `founding` crowns the county
SIGNED_FIELDS: Final = 8  # and the signature after them


def at_end(site: Site) -> Iterator[str]:
    put_out = set[str]()
    for table in ("entry", "branch"):
        for (head,) in site.disk.rows(f"select head_bytes from {table} where sort in ('lane', 'common') order by ledger, origin, seq"):
            node, raw, ends = _said(bytes(head))
            if raw and not is_of_the_county(raw, node):
                yield f"(certificate) {site.name} keeps in {table} one of {node} that the county never signed"
            if ends and table == "entry":
                put_out.add(node)
    own = msgspec.json.decode(site.about, type=About)
    if not is_of_the_county(own.certificate, own.node):
        yield f"(certificate) {site.name} goes by one that the county never signed"
    yield from _program(site, put_out)


def is_of_the_county(raw: bytes, node: str) -> bool:
    """Claims that the root key signed it, for this node."""
    signed_for = _signed_for(raw)
    return signed_for != "" and signed_for == node


# ── the rest is private ──


def _program(site: Site, put_out: set[str]) -> Iterator[str]:
    if site.node is None:
        return
    shelf, peers = site.node.shelf, site.node.pump._ground.peers
    taken: list[tuple[str, Any]] = [("announced", one) for one in shelf.certificates.items()]
    taken += [("known", (known.certificate.node, known.certificate)) for known in peers]
    for where, (node, certificate) in taken:
        if not is_of_the_county(msgspec.msgpack.encode(certificate), node):
            yield f"(certificate) {site.name} goes by one of {node} ({where}) that the county never signed"
    for node in sorted(put_out):
        known = peers.get(node)
        if node not in shelf.revoked or (known is not None and not known.revoked):
            yield f"(revoked) {site.name} knows by *common* that {node} was put out, and goes by its certificate"


@lru_cache(8_192)  # those of the founding are the same in every run
def _said(head_bytes: bytes) -> tuple[str, bytes, bool]:
    """(node, certificate, whether it was put out); "" and b"" where an entry says nothing of certificates."""
    head = decode_head(head_bytes)
    facts = facts_of(head)
    if isinstance(facts, LaneOpened):
        return node_of(head.origin), facts.certificate, False
    if isinstance(facts, NodeEnrolled):
        return head.subject, facts.certificate, False
    return (facts.node, b"", True) if isinstance(facts, NodeRevoked) else ("", b"", False)


@lru_cache(8_192)
def _signed_for(raw: bytes) -> str:
    """The node's id, or "" when the root key did not sign it."""
    fields = msgspec.msgpack.decode(raw)
    try:
        VerifyKey(ROOT).verify(b"yidi certificate 1\0" + msgspec.msgpack.encode(fields[:SIGNED_FIELDS]), fields[SIGNED_FIELDS])
    except (CryptoError, ValueError, TypeError):
        return ""
    return fields[0]
