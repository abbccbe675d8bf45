"""The subjects of wire version 1, made and read in one place.

y1.live|have.<path of the ledger: 3 tokens>.<speaker>     y1.pull|blob.<branch>.<answerer>     _INBOX.<branch>.<asker>.…
"""

from functools import lru_cache
from typing import Final

from protocol import place
from protocol.certificate import Certificate, is_node_id, sealed_ledger

KINDS: Final = ("live", "have")
WIDEST: Final = "*"


def live(ledger: str, node: str) -> str:
    return f"y1.live.{place.tokens(ledger)}.{node}"


def have(ledger: str, node: str) -> str:
    return f"y1.have.{place.tokens(ledger)}.{node}"


def pull(branch: str, node: str) -> str:
    return f"y1.pull.{branch}.{node}"


def blob(branch: str, node: str) -> str:
    return f"y1.blob.{branch}.{node}"


def inbox(branch: str, node: str) -> str:
    """The prefix of a node's reply subjects: only it may listen there, so it names the asker."""
    return f"_INBOX.{branch}.{node}"


@lru_cache(16_384)  # a county has some 2,000, and each message of a storm has one of them
def read(subject: str) -> tuple[str, str]:
    """(ledger, speaker) of a live or have subject. Raises ValueError."""
    tokens = subject.split(".")
    if len(tokens) != 6 or tokens[0] != "y1" or tokens[1] not in KINDS:
        raise ValueError(f"no such subject: {subject}")
    return place.from_tokens(".".join(tokens[2:5])), tokens[5]


def asker(reply: str) -> str:
    """The node that a request came from, by its reply subject; "" when that is no node's inbox."""
    tokens = reply.split(".")
    return tokens[2] if len(tokens) > 3 and tokens[0] == "_INBOX" and is_node_id(tokens[2]) else ""


def heard_subjects(certificate: Certificate) -> list[str]:
    """What the node subscribes to, and may: *common*, its own sealed ledger, what it covers. None of them twice or within another."""
    paths = [place.COMMON, sealed_ledger(certificate), *certificate.covers]
    wanted = list(dict.fromkeys(_tokens(path) for path in paths))
    kept = [one for one in wanted if not any(other != one and _within(one, other) for other in wanted)]
    return [f"y1.{kind}.{three}.*" for kind in KINDS for three in kept]


def _tokens(path: str) -> str:
    """Three subject tokens for a path of a reach, wildcards for its subtree."""
    if not path.endswith("/*"):
        return place.tokens(path)
    parts = place.segments(path[:-2])
    return ".".join((*parts, *[WIDEST] * (place.DEPTH_MAX - len(parts))))


def _within(one: str, other: str) -> bool:
    return all(theirs in (WIDEST, mine) for mine, theirs in zip(one.split("."), other.split("."), strict=True))
