"""Villages are merged and split: ledgers stay where they are.

    widened = await merge(enrolment, desk, shelf, old="330523/330523111/330523111217", new="…218", day="2026-12-01")
    path = await split(desk, shelf, old="330523/330523111/330523111217", code="330523111233", name="新塘村", day="2026-12-01")

Merged, whoever serves the other place serves and covers the old one's ledger from now on. What follows is in the tables and
certificates alone: pages say 原××村, open cases go on with the people of the successor, a new registration in the old place is refused
with the name of the new one; what a PC of the old place wrote before it heard is taken.
Split, a new place begins beside the old one with an empty ledger and a computer of its own. What the old one has is its own or
its township's to finish: the new one's people were never entitled to its ledger.
"""

import re
from datetime import date, timedelta
from typing import Any

import msgspec

from hub.enrolment import Enrolment
from protocol import certificate as certificates
from protocol import place
from protocol.certificate import Certificate
from protocol.node.shelf import Shelf
from protocol.problem import Refused
from protocol.shapes import PlaceRow

PLACES = "places"
NAME_CHARS_MAX = 40


async def merge(enrolment: Enrolment, desk: Any, shelf: Shelf, *, old: str, new: str, day: str) -> list[Certificate]:
    """day: ISO, the first on which the old place is no more, not after today. The nodes that were widened. Again changes nothing.

    Raises Refused field_impossible: no such places, not of one place above (a leaf hears its own branch alone), ended already, or a
    table of places is still to begin.
    """
    tables = shelf()
    if not all(path in tables.places and place.tier(path) == place.DEPTH_MAX - 1 for path in (old, new)) or old == new:
        raise Refused("field_impossible", field="old", what="辖区", why="只能把一个村并入另一个村")
    if place.parent(old) != place.parent(new):
        raise Refused("field_impossible", field="new", what="并入的村", why="要在同一个乡镇；跨乡镇的请先调整乡镇的机器")
    if tables.is_ended(new) or (tables.is_ended(old) and tables.place_successor(old) != new):
        raise Refused("field_impossible", field="old", what="辖区", why="它已经并入别处")
    if not tables.is_ended(old):
        await desk.set_table(PLACES, *_table(shelf, _merged(tables, old, new, day), place.code_of(old), day))
    before = [node for node, known in sorted(shelf.certificates.items()) if certificates.serves(known, new)]
    widened = [await enrolment.widen(node, (old,)) for node in before]
    return [made for made in widened if made]


async def split(desk: Any, shelf: Shelf, *, old: str, code: str, name: str, day: str) -> str:
    """day: ISO, the first of the new place, not after today. Its path; nobody serves it until a computer is invited. Again changes nothing.

    Raises Refused field_impossible: no such village, the code is no free one of its township, or a table of places is still to begin.
    """
    tables, town = shelf(), place.parent(old) or ""
    if old not in tables.places or place.tier(old) != place.DEPTH_MAX - 1 or tables.is_ended(old):
        raise Refused("field_impossible", field="old", what="辖区", why="只能拆分一个在册的村")
    path = f"{town}/{code}"
    if not re.fullmatch(r"\d{12}", code, re.ASCII) or not code.startswith(place.code_of(town)):
        raise Refused("field_impossible", field="code", what="新村的代码", why=f"要 12 位数字，以 {place.code_of(town)} 开头")
    if not 1 <= len(name) <= NAME_CHARS_MAX:
        raise Refused("field_impossible", field="name", what="新村的名称", why=f"1 到 {NAME_CHARS_MAX} 个字")
    known = tables.places.get(path)
    if known is not None and known.name == name and not known.valid_to:
        return path
    taken = {said for child in tables.children(town) for said in (tables.places[child].name, tables.place_name(child))}
    if known is not None or name in taken:
        raise Refused("field_impossible", field="code", what="新村", why="这个代码或者名称已经有了")
    made = PlaceRow(code, name, tables.places[old].level, tables.places[old].parent, valid_from=day)
    await desk.set_table(PLACES, *_table(shelf, [*tables.places.values(), made], code, day))
    return path


def _merged(tables: Any, old: str, new: str, day: str) -> list[PlaceRow]:
    last = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
    return [
        msgspec.structs.replace(row, valid_to=last, successor=place.code_of(new)) if path == old else row
        for path, row in tables.places.items()
    ]


def _table(shelf: Shelf, rows: list[PlaceRow], code: str, day: str) -> tuple[str, str, bytes]:
    """(version, valid_from, content) of the places. code: of the one that ends or begins.

    Raises Refused field_impossible where a version is still to begin: it would take this one back at its midnight.
    """
    if begins := shelf.next.get(PLACES):
        why = f"已经发布了从 {begins} 零点起用的一份，里面没有这次的变动，到那天会变回去；请在 {begins} 当天或以后再做"
        raise Refused("field_impossible", field="day", what="辖区的代码表", why=why)
    version, valid_from = shelf().versions[PLACES]
    begins, said = max(day, valid_from), f"{version} {code}"
    return said, begins, msgspec.json.encode({"version": said, "valid_from": begins, "rows": rows})
