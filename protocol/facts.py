"""What every event is made of: facts, which stand in the signed head and decide, and a body, which is personal and may be erased."""

import msgspec

Seen = tuple[tuple[str, int], ...]  # (origin, highest seq of the case in that lane), sorted by origin


class Facts(msgspec.Struct, array_like=True, frozen=True):
    """office "" stands for the node itself (LaneOpened and the like)."""

    office: str
    term: int
    seen: Seen


class Body(msgspec.Struct, omit_defaults=True):
    """Only what may be erased."""


class TextBody(Body):
    text: str = ""
