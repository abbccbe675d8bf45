"""How a case reads where it is shown to many or taken along: title and parties with every person's name masked."""

from typing import Final

from protocol import access
from protocol.node.shown import CaseRow

PERSON_CHARS_MAX: Final = 4


def masked_title(row: CaseRow) -> str:
    """Title and parties as a board may show them: every person's name is masked. A company (a long name without a dot) is no person."""
    names = {name: _masked(name) for name in row.parties.split("、") if name}
    title, named = row.title, any(name in row.title for name in names)
    for name in sorted(names, key=len, reverse=True):
        title = title.replace(name, names[name])
    return title if named else " ".join(part for part in (title, "、".join(names.values())) if part)


def _masked(name: str) -> str:
    return access.masked(name) if len(name) <= PERSON_CHARS_MAX or "·" in name else name
