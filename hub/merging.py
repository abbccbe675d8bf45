"""A place is merged into another: its ledger stays where it is, and whoever serves the other one serves and covers it from now on.

    widened = await merge(enrolment, journal, desk, shelf, old="330523/330523111/330523111217", new="…218", day="2026-12-01", now_ms)

What follows is in the tables and certificates alone: pages say 原××村, open cases go on with the people of the successor, a new
registration in the old place is refused with the name of the new one; what a PC of the old place wrote before it heard is taken.
"""

from datetime import date, timedelta
from typing import Any

import msgspec

from hub.enrolment import Enrolment
from protocol import certificate as certificates
from protocol import place
from protocol.certificate import Certificate
from protocol.node.shelf import Shelf
from protocol.problem import Refused

PLACES = "places"


async def merge(enrolment: Enrolment, desk: Any, shelf: Shelf, *, old: str, new: str, day: str) -> list[Certificate]:
    """day: ISO, the first on which the old place is no more, not after today. The nodes that were widened. Again changes nothing.

    Raises Refused field_impossible: no such places, not of one place above (a leaf hears its own branch alone), or ended already.
    """
    tables = shelf()
    if not all(path in tables.places and place.tier(path) == place.DEPTH_MAX - 1 for path in (old, new)) or old == new:
        raise Refused("field_impossible", field="old", what="辖区", why="只能把一个村并入另一个村")
    if place.parent(old) != place.parent(new):
        raise Refused("field_impossible", field="new", what="并入的村", why="要在同一个乡镇；跨乡镇的请先调整乡镇的机器")
    if tables.is_ended(new) or (tables.is_ended(old) and tables.place_successor(old) != new):
        raise Refused("field_impossible", field="old", what="辖区", why="它已经并入别处")
    if not tables.is_ended(old):
        await desk.set_table(PLACES, *_table(tables, old, new, day))
    before = [node for node, known in sorted(shelf.certificates.items()) if certificates.serves(known, new)]
    widened = [await enrolment.widen(node, (old,)) for node in before]
    return [made for made in widened if made]


def _table(tables: Any, old: str, new: str, day: str) -> tuple[str, str, bytes]:
    """(version, valid_from, content) of the places as they are after the merge."""
    last = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
    rows = [
        msgspec.structs.replace(row, valid_to=last, successor=place.code_of(new)) if path == old else row
        for path, row in tables.places.items()
    ]
    version, valid_from = tables.versions[PLACES]
    begins = max(day, valid_from)
    said = f"{version} {place.code_of(old)}"
    return said, begins, msgspec.json.encode({"version": said, "valid_from": begins, "rows": rows})
