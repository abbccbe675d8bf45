"""How times, money, offices and kinds of entry read on a page: filters and names for the templates.

    {{ ms | moment }} 今天 17:30   {{ ms | day }} 11月22日   {{ due_ms | due }} 还剩 2 个工作日   {{ due_ms | due_tone }} late | soon | ""
    {{ fen | money }} 41,260.00 元   {{ path | office }}   {{ path | place }}   {{ path | place_full }}   {{ code | type }}
    {{ 'accepted' | status }}   {{ 'DisputeLogged' | kind }}   {{ name | masked }}   and task_status, result, risk, side, intake, ending

Everything that may change by a table (types, places, offices) is asked of the tables in force at that moment.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, Final

from jinja2 import Environment

from protocol import access
from protocol.calendar import MINUTE_MS
from protocol.case import LISTED_STATUS_NAMES, TASK_STATUS_NAMES
from protocol.clocks import due_words
from protocol.events import Actor
from protocol.node.blobs import MEGABYTE
from protocol.node.listing import SOON_MS
from protocol.node.room import room_of
from protocol.node.silence import lasted
from protocol.node.standing import span
from protocol.node.web.help import help_of
from protocol.parties import LISTS as PARTY_LISTS
from protocol.place import SEALED, segments
from protocol.tables import Tables
from protocol.words import EVENT_NAMES, FIELD_NAMES, PARTY_LABELS, PERSON_LABELS, UNKNOWN_NAME, value_text, yuan

LOCAL: Final = timezone(timedelta(hours=8))
LOCAL_MS_MAX: Final = 253_370_000_000_000  # within the year 9998: what a calendar of four digits can still say
WEEKDAYS: Final = "一二三四五六日"
NEAR: Final = {0: "今天", -1: "昨天", 1: "明天"}  # days from now
HERE: Final = "本机"  # on a phone that would be the phone
FILES_SHORT: Final = 10  # a tenth of the store
OFFSET_S_NOISE: Final = 3  # what two messages on a slow line can make of a right clock


def local(ms: int) -> datetime:
    """The wall clock of the country, UTC+8, whatever the machine is set to. Total: a clock gone mad must not stop a page."""
    return datetime.fromtimestamp(min(max(ms, 0), LOCAL_MS_MAX) / 1000, LOCAL)


@lru_cache(maxsize=8)  # a page says some hundred times of one moment that it is now
def _date(now_ms: int) -> date:
    return local(now_ms).date()


def _day(then: date, now: date) -> str:
    near = NEAR.get((then - now).days)
    return near or (f"{then.month}月{then.day}日" if then.year == now.year else f"{then.year}年{then.month}月{then.day}日")


def day(ms: int | None, now_ms: int) -> str:
    return "" if ms is None else _day(local(ms).date(), _date(now_ms))


def moment(ms: int | None, now_ms: int) -> str:
    if ms is None:
        return ""
    then = local(ms)
    return f"{_day(then.date(), _date(now_ms))} {then.hour:02}:{then.minute:02}"


def due_tone(due_ms: int | None, now_ms: int) -> str:
    if due_ms is None:
        return ""
    return "late" if due_ms < now_ms else "soon" if due_ms - now_ms < SOON_MS else ""


def offset(ms: int | None) -> str:
    """How far another machine's clock is from ours, as said on 连接与台账."""
    if ms is None:
        return "不知道"
    if abs(ms) < OFFSET_S_NOISE * 1000:
        return "准"
    long = span(abs(ms)).rstrip()
    return f"快 {long}" if ms > 0 else f"慢 {long}"


def _reach(path: str, tables: Tables) -> str:
    """A path of a certificate: `/*` at its end takes in what lies below."""
    if SEALED in segments(path):
        return "密封台账"
    return f"{tables.place_full(path[:-2])}和下辖各处" if path.endswith("/*") else tables.place_full(path)


def party_change(correction: Any, open_phone: bool, tables: Tables) -> list[tuple[str, str, str | None]]:
    """(label, before, after) of each field of a party that was corrected; of one who was withdrawn the name, after None. Numbers are masked."""
    old, new = correction.old, correction.new
    if old is None:
        return []
    if new is None:
        return [("撤下", old.name, None)]
    return [
        (PARTY_LABELS[name], _of_party(old, name, open_phone, tables), _of_party(new, name, open_phone, tables)) for name in correction.what
    ]


def _of_party(party: Any, name: str, open_phone: bool, tables: Tables) -> str:
    value = str(getattr(party, name) or "")
    if name == "id_number":
        return access.masked_id(value)
    if name == "phone" and not open_phone:
        return access.masked_phone(value)
    return tables.word(PARTY_LISTS[name], value) if name in PARTY_LISTS and value else value


def party_form(party: Any) -> dict[str, str]:
    """A party as the fields of its form; the number of a card stands apart, for it is not sent back."""
    return {f"party_{name}": str(getattr(party, name) or "") for name in PARTY_LABELS if name != "id_number"} | {"number": party.id_number}


def waited(since_ms: int, now_ms: int) -> str:
    return f"等了 {lasted(now_ms - since_ms)}" if now_ms - since_ms >= MINUTE_MS else "刚问的"


def sees_cases(actor: Actor | None) -> bool:
    """Who has no power over cases (a cadre, an admin) gets no search and no list."""
    return actor is not None and bool(actor.powers & access.CASE_POWERS)


def files_room(node: Any, here: str = HERE) -> str:
    """How large a file may be, and what still fits: said before anybody chooses one. here: what the reader calls this machine."""
    most, (left, _) = f"每个最多 {node.blobs.file_bytes_max // MEGABYTE} 兆", _files_left(node)
    return most if left is None else f"{most}，{here}还能存 {_size(left // MEGABYTE)}"


def files_short(node: Any, here: str = HERE) -> str:
    """The same once it is nearly used up, with what to do: less than a tenth is left, or no room for one of the largest files. Else "".

    A higher limit helps only where the limit is what leaves less. Text is not taken either where the disk of the ledger is full, which may
    be another than that of the files.
    """
    blobs, (left, is_disk) = node.blobs, _files_left(node)
    if (ledger := room_of(getattr(node, "folder", blobs.folder))) and ledger.is_full:
        return f"{here}的磁盘满了，照片、录音、文字都可能存不下。请告诉管理员清出空间。"
    if left is None or left >= max(blobs.store_bytes_max // FILES_SHORT, blobs.file_bytes_max):
        return ""
    if is_disk and left < MEGABYTE:
        return f"{here}存附件的磁盘满了，照片、录音现在收不下；文字照常。请告诉管理员清出空间。"
    if is_disk:
        return f"{here}存附件的磁盘快满了，还能存 {_size(left // MEGABYTE)}，照片、录音可能很快收不下；文字照常。请告诉管理员清出空间。"
    if left < MEGABYTE:
        return f"{here}存附件的地方满了，照片、录音现在收不下；文字照常。请告诉管理员清出空间，或者调高上限。"
    return f"{here}存附件的地方快满了，还能存 {_size(left // MEGABYTE)}，照片、录音可能很快收不下；文字照常。请告诉管理员清出空间，或者调高上限。"


def _files_left(node: Any) -> tuple[int | None, bool]:
    """Bytes: what the limit of the store leaves, or the disk with it where that is no more, and whether it is the disk. None before it was
    counted."""
    left, disk = node.blobs.left_known, room_of(node.blobs.folder)
    if left is None or disk is None or left < disk.free_mib * MEGABYTE:
        return left, False
    return disk.free_mib * MEGABYTE, True


def _size(mib: int) -> str:
    return f"{mib / 1024:.1f} GB" if mib >= 1024 else f"{mib} 兆"


def teach(environment: Environment, node: Any) -> None:
    """Gives the templates their filters, bound to the node's clock and to its tables in force."""
    said: dict[str, Any] = {"files_room": lambda: files_room(node), "files_short": lambda: files_short(node)}
    environment.globals.update(said)
    filters: dict[str, Callable[..., Any]] = {
        "moment": lambda ms: moment(ms, node.clock()),
        "day": lambda ms: day(ms, node.clock()),
        "due": lambda ms: due_words(ms, node.clock(), node.tables().calendar) if ms else "",
        "waited": lambda ms: waited(ms, node.clock()),
        "due_tone": lambda ms: due_tone(ms, node.clock()),
        "money": yuan,
        "office": lambda path: node.tables().office_name(path) if path else "",
        "place": lambda path: node.tables().place_name(path) if path else "",
        "place_full": lambda path: node.tables().place_full(path) if path else "",
        "level": lambda path: node.tables().level(path) if path else "",
        "type": lambda code: node.tables().type_name(code) if code else "",
        "type_short": lambda code: node.tables().type_name(code).rpartition("·")[2] if code else "",
        "status": lambda code: LISTED_STATUS_NAMES.get(code, code),
        "task_status": lambda code: TASK_STATUS_NAMES.get(code, code),
        "result": lambda code: node.tables().word("task_result", code),
        "risk": lambda code: node.tables().word("risk", code),
        "side": lambda code: node.tables().word("side", code),
        "intake": lambda code: node.tables().intake_name(code),
        "ending": lambda code: node.tables().ending_name(code),
        "kind": lambda kind: EVENT_NAMES.get(kind, UNKNOWN_NAME),
        "office_short": lambda path: node.tables().place_name(path) if path else "",
        "reach": lambda path: _reach(path, node.tables()),
        "offset": offset,
        "room": lambda room: _size(room.free_mib),
        "correction": lambda correction, which: value_text(correction.field, getattr(correction, which), node.tables()),
        "party_change": lambda correction, open_phone: party_change(correction, open_phone, node.tables()),
        "party_form": party_form,
        "masked": access.masked,
        "masked_phone": access.masked_phone,
        "masked_id": access.masked_id,
    }
    environment.filters.update(filters)
    names: dict[str, Any] = {
        "office_name": lambda: node.name,
        "made_up": lambda: node.made_up,
        "help_of": help_of,
        "tables": node.tables,
        "sees_cases": sees_cases,
        "PERSON_LABELS": PERSON_LABELS,
        "FIELD_NAMES": FIELD_NAMES,
    }
    environment.globals.update(names)
