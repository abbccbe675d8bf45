"""How a case reads where it is shown to many or taken along: title and parties with every person's name masked; and, for programs, with
the numbers masked that its page masks."""

from typing import Any

import msgspec

from protocol import access
from protocol.access import masked_name, name_parts
from protocol.commands import Party
from protocol.node.shown import CaseRow


def masked_title(row: CaseRow) -> str:
    """Title and parties as a board may show them: every person's name is masked (access.masked_name)."""
    names = {name: masked_name(name) for name in row.parties.split("、") if name}
    stems = {stem: masked_name(stem) for stem in (name_parts(name)[0] for name in names)}  # a title may say 王小明 of 王小明等23人
    title, every = row.title, stems | names
    named = any(name in title for name in every)
    for name in sorted(every, key=len, reverse=True):
        title = title.replace(name, every[name])
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
