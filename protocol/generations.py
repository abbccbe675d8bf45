"""Which kinds of events each release reads: how versions of events are negotiated.

Every Have says the generation of its program's events, as a word among `speaks` (have.py). Nobody waits for anybody: what is new is written at
once, and a node that does not know its kind keeps it, passes it on unharmed and reads it when its program is renewed (events.Unknown). But whoever
writes is told: the receipt says that the step arrived where it can't be read yet, and 连接与台账 names the steps that a node does not read.

A released kind is never changed: its facts grow at their end alone, by fields with a default, and an older program reads those that it knows.
What can't be said so becomes a new kind, with its generation below. A test holds both against each release in the history.
"""

from collections.abc import Collection
from typing import Final

from protocol.batch import SPEAKS

SINCE: Final[dict[str, int]] = {
    "BranchDecided": 2, "DisputeTransferred": 2, "TaskAnswered": 2, "TaskReviewDecided": 2, "TransferAnswered": 2,
    "DisputeRemoved": 3, "MergeTold": 3, "OpinionWritten": 3, "PartyAdded": 3, "PartyCorrected": 3, "PartyWithdrawn": 3, "ResetVouched": 3, "TaskTold": 3,
}  # fmt: skip  # kind → the generation that began to write it; 1, that of 0.1.0, is left out. 2 is that of 0.2.0, 3 of 0.3.0
GENERATION: Final = max(SINCE.values())
_SAID: Final = "ev"
WORD: Final = f"{_SAID}{GENERATION}"


def generation_of(speaks: Collection[str]) -> int:
    """Of the events that whoever says these words reads. Programs of the first two generations did not name theirs: only the second spoke more than the plain frame."""
    said = [int(word.removeprefix(_SAID)) for word in speaks if word.startswith(_SAID) and word[len(_SAID) :].isdecimal() and len(word) < 8]
    return max(said, default=2 if any(word in SPEAKS for word in speaks) else 1)


def since(kind: str) -> int:
    """The generation that began to write this kind."""
    return SINCE.get(kind, 1)


def beyond(generation: int) -> list[str]:
    """The kinds that a program of this generation does not read, in the order of SINCE."""
    return [kind for kind, begun in SINCE.items() if begun > generation]
