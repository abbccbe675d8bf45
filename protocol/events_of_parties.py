"""What happened to the parties of a dispute after its registration, one of them at a time: two people who each correct another party at
two nodes both count. `party` is an id inside the case (`parties.REGISTERED`); names and numbers stand in the bodies alone.
"""

import msgspec

from protocol.commands import Party
from protocol.facts import Body, Facts


class PartyAdded(Facts):
    party: str
    side: str


class PartyAddedBody(Body):
    party: Party
    reason: str = ""


class PartyCorrected(Facts):
    """what: names of the fields that were corrected, nothing of their values."""

    party: str
    what: tuple[str, ...]


class PartyCorrectedBody(Body):
    """party: as it reads from now on, whole."""

    party: Party
    reason: str = ""


class PartyWithdrawn(Facts):
    party: str


class PartyWithdrawnBody(Body):
    name: str = ""
    reason: str = ""


PARTY_FIELDS: tuple[str, ...] = tuple(field.name for field in msgspec.structs.fields(Party))
