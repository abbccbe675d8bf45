"""`yidi table show NAME`, `yidi table set NAME FILE`: the county's own code tables (data/README.md), the rest days of next year among them.

    yidi table show calendar > calendar.json      what is in force, a row a line, to be changed with an editor; --packaged: what came in the package
    yidi table set calendar calendar.json         at the hub: said what changes, then written into *common*, for every node

A version is never written twice with different rows, and one that would not come into force is refused: nobody would see why. So is one
whose codes another that is still to begin would take back, or that would take back codes of that one.
"""

import argparse
import asyncio
import json
import re
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from protocol import shapes
from protocol.calendar import days_of, local_date
from protocol.data import PACKAGED
from protocol.place import COMMON, covers
from protocol.problem import Refused

# What names a row. CODES: those that stand in entries for ever, so that no row may go; it may end (valid_to)
KEYS: Final[dict[str, tuple[str, ...]]] = {
    "types": ("code",), "intake": ("code",), "outcomes": ("code",), "lists": ("list", "code"), "posts": ("kind",), "units": ("path",),
    "places": ("code",), "levels": ("tier",), "limits": ("key",), "clocks": ("key",), "calendar": ("year",), "notices": ("key",),
    "templates": ("key",),
}  # fmt: skip
CODES: Final = frozenset({"types", "intake", "outcomes", "lists", "posts", "units", "places", "levels"})
NAMED_MAX: Final = 8  # rows that a sentence names one by one


class Version(NamedTuple):
    """A version of a table, in the order in which they come into force: by day, then by version as text."""

    valid_from: str
    version: str
    content: bytes


def parser(command: Callable[..., argparse.ArgumentParser]) -> None:
    made = command("table", _run, "查看、更换代码表，例如节假日 calendar（show a code table, or set it at the hub）")
    made.add_argument("what", choices=["show", "set"])
    made.add_argument("name", choices=sorted(KEYS), help="表名，见 protocol/data/README.md（name of the table）")
    made.add_argument("file", nargs="?", default="", help="set：新表的 JSON 文件（the new table）")
    made.add_argument("--packaged", action="store_true", help="软件自带的那一份（the one that came in the package）")


def _run(given: argparse.Namespace, config: Any) -> int:
    from deploy.keeping import opened

    async def run() -> int:
        async with opened(Path(given.folder), config) as node:
            if given.what == "show" and given.packaged:
                print(pretty(PACKAGED[given.name][2]))
                return 0
            if given.what == "show":
                show(await known(node, given.name), given.name, node.shelf.content(given.name), local_date(node.clock()))
                return 0
            if bool(given.file) == given.packaged:
                raise _wrong("写法：yidi table set 表名 文件，或 yidi table set 表名 --packaged")
            raw = PACKAGED[given.name][2] if given.packaged else Path(given.file).read_bytes()
            return await put(node, given.name, raw)

    return asyncio.run(run())


async def known(node: Any, name: str) -> list[Version]:
    """Every version of the table in *common*, the one that counts last at the end."""
    rows = await node.journal.rows("table_row")
    return sorted(Version(row["valid_from"] or "", row["version"], bytes(row["content"])) for row in rows if row["name"] == name)


def show(versions: list[Version], name: str, content: bytes, today: date) -> None:
    import sys

    print(pretty(content))
    head = msgspec.json.decode(content, type=shapes.Version)
    said = [f"现在用的：版本 {head.version}，{head.valid_from} 起。"]
    said += [f"以后的：版本 {one.version}，{one.valid_from} 起。" for one in versions if one.valid_from > today.isoformat()]
    version, valid_from, packaged = PACKAGED[name]
    if packaged != content:
        used, said_of = _begun(versions, today.isoformat()), f"软件自带的是版本 {version}，{valid_from} 起"
        if used and (valid_from, version) < used[:2]:
            how = f"yidi table show {name} --packaged > 文件，把 valid_from 改晚或 version 改大，再 yidi table set {name} 文件"
            said.append(f"{said_of}，排在现在用的前面；要用它：{how}")
        else:
            said.append(f"{said_of}；要用它：yidi table set {name} --packaged")
    print("\n".join(said), file=sys.stderr)


async def put(node: Any, name: str, raw: bytes) -> int:
    """Raises Refused field_impossible, or ledger_not_covered where the county does not speak."""
    if not covers(node.certificate.covers, COMMON):
        raise _wrong("代码表由县里更换，请在县中心的数据目录上运行", what="数据目录")
    made, versions = read(name, raw), await known(node, name)
    today, before = local_date(node.clock()).isoformat(), node.shelf.content(name)
    due = {one.valid_from: one for one in versions if one.valid_from > today}  # of one day the last alone is ever in force
    used = due.get(made.valid_from) if made.valid_from > today else _begun(versions, today)
    if made == used:
        print(f"{name} 已经有版本 {made.version}，内容一样，没有改动。")
        return 0
    if any(one.version == made.version and one != made for one in versions):
        raise _wrong(f"版本 {made.version} 已经有了，内容不同：请把 version 改成一个新的", what="version")
    if used and made[:2] < used[:2]:
        when = "那天" if used.valid_from > today else "现在"
        raise _wrong(
            f"{when}用的是版本 {used.version}，{used.valid_from} 起，按日期和版本号都排在这一份后面，写了也不会生效："
            "请把 valid_from 写晚，或把 version 写大",
            what="valid_from",
        )
    told = changes(name, before, made.content)
    stays(name, made, due.values())
    await node.desk.set_table(name, made.version, made.valid_from, made.content)
    begins = f"{made.valid_from} 零点起" if made.valid_from > today else "现在起"
    print("\n".join([*told, f"{name} 版本 {made.version} 已发布，{begins}在全县生效；没联上的机器联上以后生效。期限会跟着重算。"]))
    return 0


def read(name: str, raw: bytes) -> Version:
    """Raises Refused field_impossible, in words for whoever typed the file."""
    try:
        table = json.loads(raw.decode("utf-8-sig"))
        content = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
        shapes.read(name, content)
        head = msgspec.json.decode(content, type=shapes.Version)
    except UnicodeDecodeError:
        raise _wrong("文件要存成 UTF-8") from None
    except json.JSONDecodeError as wrong:
        raise _wrong(f"第 {wrong.lineno} 行第 {wrong.colno} 个字附近不是合格的 JSON") from None
    except (msgspec.MsgspecError, ValueError) as wrong:
        raise _wrong(_in_chinese(str(wrong))) from None
    if not head.version.strip():
        raise _wrong("要写 version（版本号），例如 2027.1", what="version")
    try:
        begins = date.fromisoformat(head.valid_from).isoformat()
    except ValueError:
        begins = ""
    if begins != head.valid_from:
        raise _wrong("要写 valid_from（从哪天起），例如 2026-11-04", what="valid_from")
    rows = [_key(name, row) for row in shapes.read(name, content).rows]
    if twice := sorted({key for key in rows if rows.count(key) > 1}):
        raise _wrong(f"写了两遍：{_some(twice)}")
    if unknown := sorted(_unknown(name, table)):
        raise _wrong(f"没有这样的项：{_some(unknown)}，请看看有没有写错")
    return Version(head.valid_from, head.version, content)


def changes(name: str, before: bytes, after: bytes) -> list[str]:
    """What differs, a sentence each. Raises Refused field_impossible where a code would go that stands in entries."""
    old, new = _rows(name, before), _rows(name, after)
    gone = [key for key in old if key not in new]
    if gone and name in CODES:
        raise _wrong(f"少了 {_some(gone)}：台账里还用着这些代码，不能删；不再用的请写 valid_to，或者留着")
    said = [f"新增：{_said(name, key, new[key])}" for key in new if key not in old]
    said += [f"改动：{_said(name, key, new[key])}" for key in new if key in old and new[key] != old[key]]
    said += [f"去掉：{key}" for key in gone]
    if len(said) > 3 * NAMED_MAX:
        said = [*said[: 3 * NAMED_MAX], f"…… 一共 {len(said)} 处"]
    return said or ["行的内容没有变化，只换了表头。"]


def stays(name: str, made: Version, due: Iterable[Version]) -> None:
    """due: what is still to begin. Raises Refused field_impossible where a code that begins with one version would go at the midnight of another."""
    for one in due if name in CODES else ():
        if one.valid_from == made.valid_from:
            continue  # which it replaces
        first, then = sorted((made, one))
        has = _rows(name, then.content)
        gone = [key for key in _rows(name, first.content) if key not in has]
        other = f"版本 {one.version}（{one.valid_from} 起）"
        if gone and one is then:
            raise _wrong(
                f"以后的{other}里没有 {_some(gone)}，到那天又会没有：请先把它们也写进那一份（valid_from 不变，version 写大）发布，再发布这一份"
            )
        if gone:
            raise _wrong(f"少了 {_some(gone)}，{other}里有，台账里会用到：请也写进这一份")


def pretty(content: bytes) -> str:
    """JSON with a row a line, as the files of the package are written."""
    table = json.loads(content)
    head = [f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in table.items() if name != "rows"]
    rows = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in table["rows"])
    return "{\n" + ",\n".join([*head, f'  "rows": [\n{rows}\n  ]']) + "\n}"


def _begun(versions: list[Version], today: str) -> Version | None:
    """The one in force."""
    return next((one for one in reversed(versions) if one.valid_from <= today), None)


def _rows(name: str, content: bytes) -> dict[str, Any]:
    return {_key(name, row): row for row in shapes.read(name, content).rows}


def _key(name: str, row: Any) -> str:
    return " ".join(str(getattr(row, field)) for field in KEYS[name])


def _said(name: str, key: str, row: Any) -> str:
    if name == "calendar":
        return f"{key} 年，放假 {sum(len(list(days_of(first, last))) for first, last, _ in row.rest)} 天，调休上班 {len(row.work)} 天"
    words = getattr(row, "name", "") or getattr(row, "title", "") or str(getattr(row, "value", ""))
    return f"{key} {words}".strip()


def _unknown(name: str, table: dict[str, Any]) -> Iterable[str]:
    """Fields that no row of this table has: older nodes read newer tables and leave them out, so a slip of the pen would be lost in silence."""
    fields = {"source", "note", *shapes.read(name, PACKAGED[name][2]).rows[0].__struct_encode_fields__}
    return {field for one in table["rows"] if isinstance(one, dict) for field in one if field not in fields}


def _in_chinese(why: str) -> str:
    """Of msgspec's own sentences the ones that a table meets; another stays as it is."""
    at = re.search(r" - at `\$\.?(.*)`$", why)
    where = f"{at[1]}：" if at and at[1] else ""
    if missing := re.search(r"missing required field `(\w+)`", why):
        return f"{where}少了 {missing[1]}"
    if expected := re.search(r"Expected `(.+?)`, got `(.+?)`", why):
        return f"{where}要的是 {expected[1]}，写的是 {expected[2]}"
    if "Invalid" in why and "date" in why:
        return f"{where}不是日期，要写成 2027-01-01"
    return where + why.partition(" - at `")[0]


def _some(names: list[str]) -> str:
    return "、".join(names[:NAMED_MAX]) + (f" 等 {len(names)} 个" if len(names) > NAMED_MAX else "")


def _wrong(why: str, what: str = "代码表") -> Refused:
    return Refused("field_impossible", what=what, why=why)
