"""A form as typed → a command struct, or every field that is wrong with one plain sentence each.

    filled = fill(RecordMediation, typed(form), {"case": subject})     filled.command, or filled.wrong and filled.form

A field of the form carries the name of the command's field. Beside that:
- `command_id` is the command's id, made with the page, so that a form sent twice is one command;
- money is typed in yuan as `amount` (4.5万, 41260.5) where the command has `amount_fen`, which is accepted too, in fen;
- times (`…_ms`) are `2026-11-24T10:02` at UTC+8, or milliseconds; a list is a repeated field or one item a line;
- the form of an agreement is `paper_form` (see CONTROLS); a program may say `form`;
- parties are the repeated fields party_name, party_phone, party_side … in step; rows without any entry are left out;
- `page_person` and `page_post` are for whom the page was made (whose.py): no fields of any command, so `typed` leaves them out.
What was typed is always given back in `form`, as strings, ready for the template. Rules about cases are not here: the desk refuses.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from protocol import money
from protocol.commands import Command, Party
from protocol.node.web.words import LOCAL
from protocol.problem import Refused
from protocol.words import PARTY_LABELS

PUT_BACK: Final = "您登录前写的内容已经放回来，请检查后再保存。"
Typed = dict[str, list[str]]
PARTY_FIELDS: Final = tuple(f.name for f in msgspec.structs.fields(Party))
FOLDED: Final = ("address", "id_number", "birth_year")  # of each party of a registration, shown on demand
LISTS: Final = ("terms", "due", "units")
# A control named `form` would hide the form's own property of that name from every script of the page (htmx could not send it).
CONTROLS: Final = {"form": "paper_form"}
OF_PAGE = PAGE_PERSON, PAGE_POST = "page_person", "page_post"
DIGITS_MAX: Final = 18  # of a whole number; an amount or a time in ms has fewer
TRUE: Final = ("true", "on", "1", "yes")

WHAT: Final[dict[str, str]] = {
    "account": "什么事",
    "parties": "当事人",
    "party_name": "当事人姓名",
    "ledger": "属于哪里",
    "type": "类型",
    "title": "标题",
    "place_text": "发生地点",
    "happened_ms": "发生时间",
    "headcount": "涉及人数",
    "amount": "金额",
    "intake": "来访方式",
    "risk": "风险等级",
    "reason": "理由",
    "door": "该去哪里办",
    "result": "结果",
    "held_ms": "调解时间",
    "present": "在场的人",
    "terms": "协议内容",
    "performance": "履行的方式、地点和期限",
    "facts": "主要事实",
    "responsibility": "各方责任",
    "due": "日期",
    "copies": "协议份数",
    "signed_ms": "签订时间",
    "ways": "其他解决途径",
    "to": "送给谁",
    "tried": "已经做过什么",
    "person": "承办人",
    "units": "参加的单位",
    "purpose": "事由",
    "when_ms": "时间",
    "ending": "办结方式",
    "kept": "是否履行",
    "satisfied": "是否满意",
    "into": "并入哪一件",
    "text": "内容",
    "field": "更正哪一项",
    "value": "改成什么",
    "decision": "核对结论",
    "accuser": "反映人",
    "accused": "被反映人",
    "contact": "联系方式",
    "note": "说明",
}
WHAT_IN: Final[dict[tuple[str, str], str]] = {
    ("RecordMediation", "account"): "调解经过",
    ("RecordFollowUp", "account"): "回访情况",
    ("SealDispute", "account"): "反映的内容",
    ("EscalateDispute", "reason"): "为什么上报",
    ("CloseDispute", "result"): "办结说明",
    ("ConveneUnits", "purpose"): "请他们来做什么",
    ("HandDownDispute", "due"): "要求办结的日期",
    ("ReportTask", "words"): "办的经过和结果",
    ("DeclineTask", "reason"): "不能参加的原因",
}


class Filled(msgspec.Struct):
    """command: None when anything is wrong · form: what was typed, for the template · wrong: field → sentence."""

    command: Command | None
    form: dict[str, Any]
    wrong: dict[str, str]


def typed(pairs: Iterable[tuple[str, Any]]) -> Typed:
    """The text fields of a form, every name with all its values; files and anything else that is no text are left out."""
    found: Typed = {}
    for name, value in pairs:
        if isinstance(value, str) and name not in OF_PAGE:
            found.setdefault(name, []).append(value.replace("\r\n", "\n").strip())
    return found


def shown(form: Typed) -> dict[str, Any]:
    """What a template needs to show the form as it was: the one value, the list, the parties as rows."""
    values: dict[str, Any] = {name: all_[0] if len(all_) == 1 else all_ for name, all_ in form.items()}
    values.update({name: form[name] for name in LISTS if name in form})
    values["parties"] = party_rows(form)
    return values


def fill(kind: type[Command], form: Typed, fixed: Mapping[str, Any] | None = None) -> Filled:
    """The command, or what is wrong with each field. `fixed` overrides the form (ids from the address)."""
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {"id": (form.get("command_id") or [""])[0], **(fixed or {})}
    for spec in msgspec.structs.fields(kind):
        if spec.name in values:
            continue
        try:
            value = _value(kind, spec, form)
        except Refused as refusal:
            wrong[refusal.field or spec.name] = refusal.sentence
            continue
        if value is not msgspec.UNSET:
            values[spec.name] = value
    if wrong:
        return Filled(None, shown(form), wrong)
    try:
        return Filled(kind(**_checked(kind, values)), shown(form), {})
    except Refused as refusal:
        return Filled(None, shown(form), {refusal.field: refusal.sentence})


def from_json(kind: type[Command], raw: bytes, fixed: Mapping[str, Any]) -> Command:
    """A command sent by a program as JSON, its own field names. Raises Refused command_invalid."""
    try:
        values = msgspec.json.decode(raw, type=dict[str, Any]) | dict(fixed)
        values.pop("kind", None)
        return msgspec.convert(values, kind)
    except msgspec.MsgspecError as error:
        raise Refused("command_invalid", why=str(error)) from error


def party_rows(form: Typed) -> list[dict[str, str]]:
    """The parties as typed, one dict a row; a row in which nothing but the side stands is left out."""
    columns = {name: form.get(f"party_{name}", []) for name in PARTY_FIELDS}
    rows = []
    for i in range(max((len(c) for c in columns.values()), default=0)):
        row = {name: column[i] for name, column in columns.items() if i < len(column) and column[i]}
        if row.keys() - {"side", "kind"}:
            rows.append(row)
    return rows


def party_of(form: Typed) -> Party:
    """The one party of a form. Raises Refused with the field that is wrong."""
    return _parties(form)[0]


def what(kind: type, field: str) -> str:
    """How the field is called in a sentence."""
    return WHAT_IN.get((kind.__name__, field)) or WHAT.get(field, field)


def _value(kind: type[Command], spec: Any, form: Typed) -> Any:
    """The value of one field, UNSET when it was left open and may be. Raises Refused with the field of the form."""
    name = spec.name
    if name == "parties":
        return _parties(form)
    if name == "value":
        return _corrected(form)
    if name == "amount_fen":
        return _fen(form)
    raw = form.get(name) or form.get(CONTROLS.get(name, name), [])
    if name in LISTS and _is_list(spec.type):
        items = [line.strip() for text in raw for line in text.split("\n") if line.strip()]
        return _one(kind, spec, items) if items or spec.required else msgspec.UNSET
    text = raw[0] if raw else ""
    if not text:
        if spec.required:
            raise Refused("field_missing", field=name, what=what(kind, name))
        return msgspec.UNSET
    if name.endswith("_ms"):
        return _ms(kind, name, text)
    if spec.type is bool:
        return text.lower() in TRUE
    return _one(kind, spec, text)


def _is_list(hint: Any) -> bool:
    return "list[" in str(hint)


def _one(kind: type[Command], spec: Any, value: Any) -> Any:
    """`value` as the field's type allows it, else a sentence that says what would be right."""
    try:
        return msgspec.convert(value, spec.type, strict=False)
    except msgspec.ValidationError as error:
        raise _sentence(what(kind, spec.name), spec.name, value, str(error)) from error


def _sentence(label: str, field: str, value: Any, error: str) -> Refused:
    length = re.search(r"length <= (\d+)", error)
    if length and isinstance(value, str):
        return Refused("text_too_long", field=field, what=label, most=length.group(1), have=len(value))
    if length:
        longest = max((len(item) for item in value), default=0)
        if len(value) > int(length.group(1)):
            return Refused("field_impossible", field=field, what=label, why=f"最多 {length.group(1)} 项")
        return Refused("text_too_long", field=field, what=label, most=length.group(1), have=longest)
    if "length >= 1" in error:
        return Refused("field_missing", field=field, what=label)
    if bound := re.search(r"(>=|<=) (-?\d+)", error):
        return Refused(
            "field_impossible", field=field, what=label, why=f"要{'至少' if bound.group(1) == '>=' else '不超过'} {bound.group(2)}"
        )
    if "regex" in error and "d{4}-" in error:
        return Refused("field_impossible", field=field, what=label, why="请写成 2026-11-30 这样的日期")
    if "Expected `int" in error or "Expected `float" in error:
        return Refused("field_impossible", field=field, what=label, why="请只填数字")
    return Refused("field_impossible", field=field, what=label, why="请重新选一次")


def whole(text: str) -> int | None:
    """A whole number from 0 as people type it, full-width digits too; None for anything else (③ and ² are digits of no number)."""
    return int(text) if text.isdecimal() and len(text) <= DIGITS_MAX else None


def _ms(kind: type[Command], name: str, text: str) -> int:
    if (ms := whole(text)) is not None:
        return ms
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=LOCAL).timestamp() * 1000)
    except ValueError as error:
        raise Refused("field_impossible", field=name, what=what(kind, name), why="请写成 2026-11-24 10:02 这样的时间") from error


def _fen(form: Typed) -> Any:
    """`amount` as people write it (yuan), else `amount_fen` as programs do; UNSET when neither was filled."""
    text = (form.get("amount") or [""])[0]
    if text:
        try:
            return money.parse(text)
        except (ValueError, Refused) as error:
            raise Refused("field_impossible", field="amount", what=WHAT["amount"], why="请写成 41260.50 或 4.5万 这样的数") from error
    fen = (form.get("amount_fen") or [""])[0]
    if not fen:
        return msgspec.UNSET
    if (number := whole(fen)) is None:
        raise Refused("field_impossible", field="amount", what=WHAT["amount"], why="请只填数字")
    return number


def _parties(form: Typed) -> list[Party]:
    rows, parties = party_rows(form), []
    if not rows:
        raise Refused("field_missing", field="party_name", what="当事人（不愿说就写“不愿透露”）")
    for i, row in enumerate(rows):
        if not row.get("name"):
            raise Refused("field_missing", field="party_name" if i == 0 else "parties", what=f"第 {i + 1} 位当事人的姓名")
        try:
            parties.append(msgspec.convert(row, Party, strict=False))
        except msgspec.ValidationError as error:
            field = (re.search(r"\$\.(\w+)", str(error)) or ["", "name"])[1]
            label, at = PARTY_LABELS.get(field, "当事人"), f"-{i}" if i and field in FOLDED else ""
            raise _sentence(f"第 {i + 1} 位当事人的{label}", f"party_{field}{at}", row.get(field, ""), str(error)) from error
    return parties


def _corrected(form: Typed) -> Any:
    """The new value of a correction: its shape follows from the field that is corrected."""
    field, text = (form.get("field") or [""])[0], (form.get("value") or [""])[0]
    if field == "parties":
        return _parties(form)
    if field == "amount_fen":
        fen = _fen({"amount": [text]})
        return None if fen is msgspec.UNSET else fen
    if not text and field != "place_text":  # a wrong place is taken out
        raise Refused("field_missing", field="value", what=WHAT["value"])
    if field == "headcount":
        if (number := whole(text)) is None:
            raise Refused("field_impossible", field="value", what="人数", why="请只填数字")
        return number
    return text.split()[0] if field == "type" else text


def _checked(kind: type[Command], values: dict[str, Any]) -> dict[str, Any]:
    """The whole command once more by its own struct (id, subject), so that nothing passes that a program could not send."""
    builtin = msgspec.to_builtins(values)
    try:
        command = msgspec.convert(builtin, kind)
    except msgspec.ValidationError as error:
        raise Refused("command_invalid", why=str(error)) from error
    return {f: getattr(command, f) for f in kind.__struct_fields__}
