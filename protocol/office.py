"""How offices stand to one another: above, below, next in line. Offices are paths of places and units (`protocol.place`)."""

from collections.abc import Iterable

from protocol import place
from protocol.tables import Tables


def is_above(office: str, holder: str) -> bool:
    """Claims that `office` stands above `holder`: a county above its units, townships and villages; a unit above nobody."""
    return office != holder and place.within(holder, office)


def receivers_up(holder: str) -> tuple[str, ...]:
    """Offices that a holder may escalate to: the one above it, or none."""
    above = place.parent(holder)
    return () if above is None else (above,)


def receivers_down(holder: str, ledger: str, tables: Tables) -> tuple[str, ...]:
    """Offices that a holder may hand down to: those between it and the place of the ledger; from the top also its units.

    An office beside that line does not cover the ledger and would never receive the case.
    """
    parts = place.segments(ledger)
    line = ("/".join(parts[: n + 1]) for n in range(len(parts)))
    region = place.parent(holder) if place.is_unit(holder) else holder
    below = [office for office in line if office not in (region, holder) and place.within(office, region or holder)]
    if place.tier(holder) == 0 and region is not None:
        below += [unit for unit in tables.units_of(region) if unit not in (holder, *below)]
    return tuple(below)


def lowest(offices: Iterable[str]) -> str:
    """The one lowest down, the earliest of equals; "" of none."""
    best, depth = "", -1
    for office in offices:
        if place.tier(office) > depth:
            best, depth = office, place.tier(office)
    return best
