"""What of a case goes along with a visit: whom the cadre may ring, and as much of the story as a phone shows at once."""

from typing import Final

from protocol.case import Case
from protocol.commands import Party

SUMMARY_CHARS: Final = 200
CONTACTS_MAX: Final = 10


def contacts_of(case: Case, chosen: list[str]) -> list[Party]:
    """Name, side, kind, phone and address of the parties ticked, nothing else of them."""
    ticked = [case.parties[int(i)] for i in chosen if i.isdecimal() and int(i) < len(case.parties)]
    return [Party(name=p.name, side=p.side, kind=p.kind, phone=p.phone, address=p.address) for p in ticked][:CONTACTS_MAX]
