"""The place of a task on the scheme of the county, and how many who can be sent are in each township: beside the form that sends them."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from hub.web.case_map import position, spot_of
from protocol import place as places
from protocol.node import candidates
from protocol.tables import Tables


class Spot(msgspec.Struct, frozen=True):
    """A township. column, row: as on the board · there: the task is in it · cadres: who can be sent and works in it."""

    path: str
    name: str
    column: int
    row: int
    there: bool
    cadres: int


class Drawn(msgspec.Struct, frozen=True):
    """there: the township that the task is in · beside: how many can be sent from offices that are in no township."""

    spots: list[Spot]
    there: str
    beside: int


def drawn(place: str, sendable: Mapping[str, int], tables: Tables) -> Drawn:
    """sendable: office → how many. Without a spot for the place there is nothing to show: `spots` is empty."""
    root = places.segments(place)[0]
    able = Counter[str]()
    for office, count in sendable.items():
        able[spot_of(candidates.at(office), root)] += count
    spots = []
    for path in tables.children(root):
        column, row = position(path)
        if column:
            spots.append(Spot(path, tables.place_name(path), column, row, places.within(place, path), able[path]))
    target = next((spot.name for spot in spots if spot.there), "")
    return Drawn(spots if target else [], target, able.total() - sum(spot.cadres for spot in spots))
