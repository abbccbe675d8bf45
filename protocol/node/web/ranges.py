"""A part of a file, as players ask for it (Safari plays no sound without): one `Range` of bytes, RFC 9110 14. Litestar 2 has none of it."""

import re
from typing import Final

_ONE: Final = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.IGNORECASE)


def part_of(asked: str, size: int) -> range | None:
    """The bytes that are asked for; empty: there are none of them (416). None: all, since no part is asked, several are, or it is malformed."""
    found = _ONE.fullmatch(asked)
    if not found or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:  # the last ones
        return range(max(size - int(last), 0), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)
