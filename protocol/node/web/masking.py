"""How a case reads where it is shown to many or taken along: title and parties with every person's name masked; and, for programs, with
the numbers masked that its page masks."""

import re
from typing import Any, Final

import msgspec

from protocol import access
from protocol.commands import Party
from protocol.node.shown import CaseRow

PERSON_CHARS_MAX: Final = 4  # a name as short as this may be a person's whatever it ends with
_MORE: Final = re.compile(r"(.+?)(等(?:\d|[一二两三四五六七八九十百数几多人户]|村民|职工|工人|业主|$).{0,8}|[（(][^（()）]*[）)])")  # 王小明等23人, 欧阳小明（代）
_ORGANISATION: Final = re.compile(
    r".*(公司|集团|中心|政府|学校|学院|大学|中学|小学|银行|医院|酒店|宾馆|饭店|超市|商行|车行|物业|服务|工地|项目部|居委会|合作社|事务所|工作室"
    r"|民宿|农家乐|[厂店局所院校园社队站馆场村组会处部办行庄铺坊])"
)


def masked_title(row: CaseRow) -> str:
    """Title and parties as a board may show them: every person's name is masked. A long name that ends as an organisation's is no person's."""
    names = {name: _masked(name) for name in row.parties.split("、") if name}
    stems = {stem: _masked(stem) for stem in (_parts(name)[0] for name in names)}  # a title may say 王小明 of 王小明等23人
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


def _masked(name: str) -> str:
    stem, more = _parts(name)
    is_organisation = len(stem) > PERSON_CHARS_MAX and _ORGANISATION.fullmatch(stem)
    return name if is_organisation else access.masked(stem) + more


def _parts(name: str) -> tuple[str, str]:
    """A name, and what is written behind it of others or of whom it stands for; "" = nothing."""
    found = _MORE.fullmatch(name)
    return (found[1], found[2]) if found else (name, "")
