"""How a case reads where it is shown to many or taken along: title and parties with every person's name masked; and, for programs, with
the numbers masked that its page masks."""

from typing import Any, Final

import msgspec

from protocol import access
from protocol.commands import Party
from protocol.node.shown import CaseRow

PERSON_CHARS_MAX: Final = 4


def masked_title(row: CaseRow) -> str:
    """Title and parties as a board may show them: every person's name is masked. A company (a long name without a dot) is no person."""
    names = {name: _masked(name) for name in row.parties.split("、") if name}
    title, named = row.title, any(name in row.title for name in names)
    for name in sorted(names, key=len, reverse=True):
        title = title.replace(name, names[name])
    return title if named else " ".join(part for part in (title, "、".join(names.values())) if part)


def without_numbers(value: Any, open_phone: bool) -> Any:
    """The same with the card number of every party in it masked, at any depth, and the telephone unless open_phone."""
    if isinstance(value, Party):
        phone = value.phone if open_phone else access.masked_phone(value.phone)
        return msgspec.structs.replace(value, id_number=access.masked_id(value.id_number), phone=phone)
    if type(value) in (list, tuple):
        return type(value)(without_numbers(one, open_phone) for one in value)
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        masked = {name: without_numbers(one, open_phone) for name, one in fields.items()}
        return msgspec.structs.replace(value, **masked) if masked != fields else value
    return value


def _masked(name: str) -> str:
    return access.masked(name) if len(name) <= PERSON_CHARS_MAX or "·" in name else name
