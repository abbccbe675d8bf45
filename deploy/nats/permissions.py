"""Who may say what. Subjects are the hierarchy, so what a certificate covers is a list of wildcards.

    y1.live|have.<path: 3 tokens>.<node>     y1.pull|blob.<branch>.<node>     _INBOX.<branch>.<node>.>

A node publishes as itself alone and hears what it covers. A leaf's permissions name its branch once: enrolling a node behind it
never re-issues them, and inside the branch the signatures guard. A wildcard never brings sealed ledgers: whoever does not list
`<county>/sealed/*` is denied them, even with the whole county in reach.
"""

from collections.abc import Iterable
from typing import Any

from protocol import place
from protocol.certificate import Certificate
from protocol.node.link.subjects import KINDS, heard_subjects

ANSWER_NS_MAX = 5_000_000_000  # how long after a request its answer is let through
UNLIMITED = dict.fromkeys(["subs", "data", "payload"], -1)

May = dict[str, Any]


def node_may(certificate: Certificate) -> May:
    """Nothing but its own node's words, requests to all, and what it hears. These credentials open no leaf connection."""
    node, branch = certificate.node, certificate.branch
    said = [f"y1.{kind}.*.*.*.{node}" for kind in KINDS] + ["y1.pull.*.*", "y1.blob.*.*"]
    asked = [f"y1.pull.{branch}.{node}", f"y1.blob.{branch}.{node}", f"_INBOX.{branch}.{node}.>"]
    hears: dict[str, list[str]] = {"allow": [*heard_subjects(certificate), *asked]}
    if denied := _denied_sealed(certificate):
        hears["deny"] = denied
    answers = {"max": 1, "ttl": ANSWER_NS_MAX}  # `allow_responses`: once, to the reply subject of a request it was sent
    return UNLIMITED | {"pub": {"allow": said}, "sub": hears, "resp": answers, "allowed_connection_types": ["STANDARD"]}


def leaf_may(township: str) -> May:
    """township: its path, `330523/330523111`. pub: what the county takes from this leaf; sub: what it lets in.

    Its patterns end in `>`, not in `*.*`: nats-server 2.15 tells a leaf of a wider subscription (the county's `330523.*.*.*`) only when
    it finds a pattern of the leaf within it, and that search (Sublist.ReverseMatch) misses every pattern whose last token is `*`.
    """
    county, code = place.segments(township)
    ledgers = [f"{county}.{code}.>", f"{county}.{place.SEALED}.>"]
    own = [f"y1.{kind}.{where}" for kind in KINDS for where in ledgers]
    asked = [f"y1.{kind}.{code}.*" for kind in ("pull", "blob")]
    said = [*own, "y1.have._._._.*", *asked, "y1.pull._.*", "y1.blob._.*", f"_INBOX.{code}.>", f"_INBOX.{place.FILL}.>"]
    heard = [*own, *(f"y1.{kind}._._._.*" for kind in KINDS), *asked, f"_INBOX.{code}.>"]
    return UNLIMITED | {"pub": {"allow": said}, "sub": {"allow": heard}, "allowed_connection_types": ["LEAFNODE"]}


def _denied_sealed(certificate: Certificate) -> list[str]:
    """Counties whose subtree is covered without all their sealed ledgers. Such a node hears no receipt for its own sealed ledger."""
    counties = {
        path[:-2] for path in certificate.covers if path.endswith("/*") and place.tier(path[:-2]) == 0 and not place.is_unit(path[:-2])
    }
    open_ = {place.segments(path)[0] for path in certificate.covers if path == f"{place.segments(path)[0]}/{place.SEALED}/*"}
    return [f"y1.{kind}.{county}.{place.SEALED}.>" for county in sorted(counties - open_) for kind in KINDS]


def allows(subjects: Iterable[str], subject: str) -> bool:
    """Claims that one of the patterns matches: for tests and for the page that explains a refusal."""
    return any(_matches(pattern.split("."), subject.split(".")) for pattern in subjects)


def _matches(pattern: list[str], subject: list[str]) -> bool:
    for n, word in enumerate(pattern):
        if word == ">":
            return len(subject) > n
        if n >= len(subject) or word not in ("*", subject[n]):
            return False
    return len(pattern) == len(subject)
