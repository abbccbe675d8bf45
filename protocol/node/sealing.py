"""A report that only the holder of the sealing secret may read: the true head and body go into a sealed box (X25519) at once.

The outer entry stands in the ledger `<root>/sealed/<node>` and says 'sealed', the node and a random subject, nothing else; its
author is the node itself. Boxes are padded to whole kilobytes, so that a length tells little. Nothing is kept readable at
rest anywhere: a node with the secret opens boxes when someone with the power `sealed` reads, so an erased body is gone here too.
"""

import msgspec


class SealedReport(msgspec.Struct, frozen=True):
    """What the holder of the secret reads. at_ms: when it was handed in · node: where · receipt: what the reporter was told."""

    subject: str
    receipt: str
    node: str
    at_ms: int
    received_ms: int
    type: str
    account: str
    accuser: str
    accused: str
    contact: str
    key: tuple[str, str, int]
    readable: bool = True
