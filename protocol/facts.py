"""What every event is made of: facts, which stand in the signed head and decide, and a body, which is personal and may be erased."""

from typing import Annotated, Final

import msgspec

# What any node may sign ends in columns, sums, dates and lanes of every other: what lies beyond these bounds is read as Unknown (events.facts_of),
# or as a body that this version can't read, wherever it stands. It is stored and forwarded all the same.
COUNT_MAX: Final = 2**53  # a turn, a seq, a time: what every store and every JSON reader keeps exactly
FEN_MAX: Final = 10**13  # 1000 亿元
Whole = Annotated[int, msgspec.Meta(gt=-COUNT_MAX, lt=COUNT_MAX)]
Fen = Annotated[int, msgspec.Meta(ge=0, le=FEN_MAX)]
# of an office or a ledger that a node carries something to by itself, and the id under which it does: others refuse a lane named otherwise
Path = Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9A-Za-z_-]{1,40}(?:/[0-9A-Za-z_-]{1,40}){0,2})?\Z")]
Id = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-z-]{8,64}\Z")]
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]
Metres = Annotated[float, msgspec.Meta(ge=0)]

Seen = tuple[tuple[str, Whole], ...]  # (origin, highest seq of the case in that lane), sorted by origin


class Facts(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """office "" stands for the node itself (LaneOpened and the like)."""

    office: str
    term: Whole
    seen: Seen


class Body(msgspec.Struct, omit_defaults=True, gc=False):
    """Only what may be erased."""


class TextBody(Body):
    text: str = ""
