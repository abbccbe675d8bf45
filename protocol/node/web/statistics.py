"""统计: what the cases of a time and a place come to, each number a link to the cases behind it, all of it in the address.

A page parses, asks `reads.statistics` (protocol/node/statistics.py) and lays out. The same layout is what exports hold; what is drawn
stands in tables too. COUNTING says in words how each number is counted, on the page and in each file.
"""

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get
from litestar.response import Stream

from protocol import place as places
from protocol.access import CASE_POWERS
from protocol.case import LISTED_STATUS_NAMES
from protocol.events import Actor
from protocol.node import log
from protocol.node.listing import NONE
from protocol.node.shown import CaseRow
from protocol.node.statistics import Found, Sums
from protocol.node.web import exports, lists, made_up
from protocol.node.web.exports import CSV_TYPE, XLSX_TYPE, Cell, Rate, Sheet
from protocol.node.web.masking import masked_title
from protocol.node.web.page import KEPT_NOWHERE, actor_of, node_of, page, twin, wants_json
from protocol.node.web.periods import NAMES, Period, month_end, period
from protocol.node.web.words import local
from protocol.tables import Tables
from protocol.words import yuan

DRAWN_MAX: Final = 15  # bars of a chart; the table has all
WARMED: Final = ("month", "year")
COUNTING: Final = (
    (
        "哪些算在内",
        "登记日在这段时间里的纠纷，按登记在哪里的台账算地方。作废的、并入别件的、已经转到别的台账接着办的不算；密封件在任何数字里都没有。",
    ),
    ("化解", "以算作化解的方式办结的：{resolving}。化解率 = 化解 ÷ 受理。"),
    (
        "按期、超期",
        "按期：有期限已经办到，没有一个超过。超期：有期限是超过以后才办到的，或者还没办结、现在已经超过。按期率 = 按期 ÷（按期 + 超期）。",
    ),
    (
        "看哪些期限",
        "法定期限和当地规定的受领、办理期限；换过承办单位的，以前各任的办理期限也算，超过以后才上报、交办或者被提级的算超期。当事人自己申请的期限、回访期限和多久没有进展不算。",
    ),
    ("上报、提级", "上报过或者被上级提级过的，不论后来谁办。"),
    (
        "重复来访",
        "第一申请人在此前 365 天里、不是同一天，为同一大类的事登记过。同一个人：姓名和证件号一样；没有证件号的，姓名和电话一样；两样都没有的认不出来，不算。",
    ),
    ("回访", "做过回访的件数，后面是回访的次数。"),
    ("涉及金额", "写了金额的件数和合计。"),
    ("同上期比", "还没过完的月、季、年同上一个月、季、年的同样天数比；其余同紧挨着的同样长的一段比。"),
    ("比率", "都是按件算的：本系统没有人口数，算不出万人发案率。"),
)
LIST_HEAD: Final = (
    "编号", "登记时间", "地方", "类型", "事由和当事人", "来源", "风险", "状态", "承办单位", "涉及金额（元）", "受理时间", "办结时间", "结案方式", "回访次数",
)  # fmt: skip
SUMS_HEAD: Final = ("登记", "受理", "化解", "化解率", "按期", "超期", "按期率")


class Query(msgspec.Struct, frozen=True):
    period: Period
    place: str = ""
    type: str = ""

    def address(self, path: str = "/statistics", **change: str) -> str:
        """The page with one thing changed: period, since, until, place, type."""
        asked = {"period": self.period.name, "place": self.place, "type": self.type}
        if self.period.name == "days" and "period" not in change:
            asked |= {"since": self.period.since.isoformat(), "until": self.period.until.isoformat()}
        kept = {k: v for k, v in (asked | change).items() if v and (k, v) != ("period", "month")}
        return path + (f"?{urlencode(kept)}" if kept else "")

    def behind(self, kind: str = "registered", **more: str) -> str:
        """The list of the cases that a number counts."""
        asked = {"kind": kind, "since": self.period.since.isoformat(), "until": self.period.until.isoformat()}
        asked |= {"place": self.place, "type": self.type, **more}
        return "/cases?" + urlencode({k: v for k, v in asked.items() if v})

    @property
    def past(self) -> dict[str, str]:
        """The days of the time before, as `behind` takes them."""
        return {"since": self.period.before_since.isoformat(), "until": self.period.before_until.isoformat()}


class Figure(msgspec.Struct, frozen=True):
    """number: as it is read · under: what it is made of, each with the kind that a list of it asks, "" = no list says it · before: that of
    the time before · change: towards it, in words.
    """

    kind: str
    label: str
    number: str
    unit: str
    under: tuple[tuple[str, str], ...]
    before: str
    change: str


class Row(msgspec.Struct, frozen=True):
    """drill: address of the page about it alone, "" = there is nothing below · more: what the list behind asks besides; None: no list says it."""

    name: str
    sums: Sums
    drill: str = ""
    more: dict[str, str] | None = {}
    share: float | None = None


def query_of(request: Request) -> Query:
    asked, node = request.query_params, node_of(request)
    tables = node.tables()
    named = asked.get("period", "")
    days = [lists.day_of(asked.get(name, "")) for name in ("since", "until")]
    place, type_ = asked.get("place", "")[:40], asked.get("type", "")[:4]
    return Query(
        period(named, local(node.clock()).date(), *days),
        place if tables.is_place(place) else "",
        type_ if tables.is_type(type_) and not tables.type_flag(type_, "sealed") else "",
    )


# ── what the numbers read ──


def rate_words(value: float | None) -> str:
    return "—" if value is None else f"{value * 100:.1f}%"


def change_words(now: float | None, before: float | None, of_rate: bool) -> str:
    """'+12.5%', of a rate '−2.0 个百分点'; '' where nothing can be compared."""
    if now is None or before is None or (not of_rate and not before):
        return ""
    moved = (now - before) * 100 if of_rate else (now - before) / before * 100
    if abs(moved) < 0.05:
        return "持平"
    return f"{'+' if moved > 0 else '−'}{abs(moved):.1f}" + (" 个百分点" if of_rate else "%")


def figures(found: Found) -> list[Figure]:
    now, before = found.whole, found.before

    def count(kind: str, label: str, *under: tuple[str, str]) -> Figure:
        a, b = getattr(now, kind), getattr(before, kind)
        return Figure(kind, label, f"{a:,}", "件", under, f"{b:,} 件", change_words(a, b, of_rate=False))

    def rate(kind: str, label: str, a: float | None, b: float | None, *under: tuple[str, str]) -> Figure:
        return Figure(kind, label, rate_words(a), "", under, rate_words(b), change_words(a, b, of_rate=True))

    accepted = (f"受理 {now.accepted:,} 件", "accepted")
    kept, late = (f"按期 {now.on_time:,} 件", "on_time"), (f"超期 {now.late:,} 件", "late")
    money = change_words(now.amount_fen, before.amount_fen, of_rate=False)
    return [
        count("registered", "登记"),
        count("accepted", "受理"),
        count("resolved", "化解"),
        rate("resolved", "化解率", now.resolved_rate, before.resolved_rate, accepted),
        rate("on_time", "按期率", now.on_time_rate, before.on_time_rate, kept, late),
        count("late", "超期"),
        count("raised", "上报、提级"),
        count("again", "重复来访"),
        count("followed", "回访", (f"共 {now.follow_ups:,} 次", "")),
        Figure("money", "涉及金额", wan(now.amount_fen), "", ((f"{now.money:,} 件", "money"),), wan(before.amount_fen), money),
    ]


def wan(fen: int) -> str:
    """Round amounts as people say them: 12.3 万元; below ten thousand to the fen."""
    if fen >= 1_000_000:
        return f"{fen / 1_000_000:,.1f} 万元"
    return yuan(fen) if fen else "0 元"


# ── ways of looking ──


def type_rows(found: Found, query: Query, tables: Tables) -> list[Row]:
    """By 2 digits; of one of these, by 4."""
    length, gathered = (4 if query.type else 2), dict[str, Sums]()
    for code, sums in found.types.items():
        gathered[code[:length]] = gathered.get(code[:length], Sums()) + sums
    rows = []
    for code, sums in gathered.items():
        vague = bool(query.type) and len(code) < length and len(gathered) > 1  # the list of its code holds the finer ones too
        name = "没有细分" if vague else tables.type_name(code).rpartition("·")[2] or "没有写"
        drill = query.address(type=code) if not query.type and tables.is_type(code) else ""
        rows.append(Row(name, sums, drill, None if vague or not code else {"type": code}))
    return _by_size(rows)


def place_rows(found: Found, query: Query, office: str, tables: Tables) -> list[Row]:
    """By the places right below the one asked for, those without a case too; what lies in its own ledger beside them, and what it sees of others."""
    base = query.place or (places.segments(office)[0] if places.is_unit(office) else office)
    depth = len(places.segments(base)) + 1
    gathered = {path: Sums() for path in tables.children(base) if places.is_unit(office) or places.within(path, office)}
    for ledger, sums in found.places.items():
        path = "/".join(places.segments(ledger)[:depth]) if places.within(ledger, base) else ledger
        gathered[path] = gathered.get(path, Sums()) + sums
    rows = []
    for path, sums in gathered.items():
        if path == base:
            own = "本级" if tables.children(path) else ""
            rows.append(Row(f"{tables.place_name(path)}{own}", sums, "", {"place": path, "alone": "1"}))
        elif not places.within(path, base):
            rows.append(Row(tables.place_full(path), sums, "", {"place": path, "alone": "1"}))
        else:
            is_last = places.is_unit(path) or not tables.children(path)
            rows.append(Row(tables.place_name(path), sums, "" if is_last else query.address(place=path), {"place": path}))
    return _by_size(rows)


def _by_size(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (-row.sums.registered, row.name))


def code_rows(parts: dict[str, Sums], names: list[tuple[str, str]], field: str, none: str) -> list[Row]:
    """In the order of the table; a code that it lacks reads as itself. Each with its share of all."""
    known, whole = dict(names), sum(sums.registered for sums in parts.values())
    order = [code for code in known if code in parts] + [code for code in parts if code not in known]
    return [Row(known.get(c, c) or none, parts[c], "", {field: c or NONE}, parts[c].registered / whole if whole else None) for c in order]


def month_rows(found: Found, query: Query) -> list[Row]:
    return [
        Row(f"{day.year}年{day.month}月", sums, "", {"since": day.isoformat(), "until": month_end(day).isoformat()})
        for day, sums in zip(query.period.months, found.months, strict=True)
    ]


class Shown(msgspec.Struct, frozen=True):
    """The page as data: what it shows and what a file of it holds."""

    query: Query
    found: Found
    figures: list[Figure]
    months: list[Row]
    types: list[Row]
    places: list[Row]
    intakes: list[Row]
    risks: list[Row]
    endings: list[Row]
    counting: list[tuple[str, str]]


async def shown(request: Request) -> Shown:
    node, actor, query = node_of(request), actor_of(request), query_of(request)
    tables = node.tables()
    found = await node.reads.statistics.found(actor, query.period.asked(query.place, query.type))
    resolving = "、".join(row.name for code, row in tables.endings.items() if tables.ending_ok(code))
    return Shown(
        query,
        found,
        figures(found),
        month_rows(found, query),
        type_rows(found, query, tables),
        place_rows(found, query, actor.office, tables),
        code_rows(found.intakes, [(code, row.name) for code, row in tables.intakes.items()], "intake", "没有写"),
        code_rows(found.risks, list(tables.words("risk")), "risk", "没有写"),
        code_rows(found.endings, tables.ending_names(), "ending", "还没有办结"),
        [(what, how.format(resolving=resolving)) for what, how in COUNTING],
    )


def drawn(made: Shown) -> dict[str, dict[str, Any]]:
    """What the charts draw, by their id, which tables beside them say too. lying: bars with their names in front, else columns."""

    def chart(id_: str, rows: list[Row], shorts: list[str] | None = None) -> dict[str, Any]:
        some = rows if shorts else [row for row in rows if row.sums.registered][:DRAWN_MAX]
        series = [
            {"name": "化解", "tone": "good", "data": [row.sums.resolved for row in some]},
            {"name": "没有化解", "tone": "act", "data": [row.sums.registered - row.sums.resolved for row in some]},
        ]
        links = [row.drill or (made.query.behind(**row.more) if row.more is not None else "") for row in some]
        names = [row.name for row in some]
        return {"id": id_, "names": names, "shorts": shorts or names, "series": series, "links": links, "lying": not shorts}

    months = [f"{day.month}月" for day in made.query.period.months]
    return {"months": chart("months", made.months, months), "types": chart("types", made.types), "places": chart("places", made.places)}


def crumbs(query: Query, office: str, tables: Tables) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(name, address) from the widest place down to the one asked for; the same of types."""
    own = "" if places.is_unit(office) else office
    ways = [("能看到的全部" if places.is_unit(office) else tables.place_name(office), query.address(place=""))]
    parts = places.segments(query.place) if query.place else ()
    for n in range(1, len(parts) + 1):
        path = "/".join(parts[:n])
        if n > 1 and path != own and (not own or places.within(path, own)):
            ways.append((tables.place_name(path), query.address(place=path)))
    types = [("全部类型", query.address(type=""))]
    types += [
        (tables.type_name(query.type[:n]).rpartition("·")[2], query.address(type=query.type[:n])) for n in (2, 4) if len(query.type) >= n
    ]
    return ways, types


@get("/statistics", of_cases=True)
async def statistics(request: Request) -> Response[Any]:
    made, actor, tables = await shown(request), actor_of(request), node_of(request).tables()
    if wants_json(request):
        return twin({"figures": made.figures, "found": made.found, "since": made.query.period.since, "until": made.query.period.until})
    ways, kinds = crumbs(made.query, actor.office, tables)
    context = {"made": made, "query": made.query, "periods": NAMES, "charts": drawn(made), "places": ways, "types": kinds}
    return await page(request, "statistics.html", **context)


# ── files ──


async def about_of(request: Request, title: str, more: list[list[Cell]]) -> tuple[str, list[list[Cell]]]:
    """(who makes it, the first lines of the file)."""
    node, actor = node_of(request), actor_of(request)
    name = await node.reads.person_name(actor.person)
    who = f"{name}（{node.tables().office_name(actor.office)}）"
    now = local(node.clock())
    marked: list[list[Cell]] = [["演示", mark]] if (mark := made_up.mark(node)) else []
    return who, [*marked, ["一地", title], ["导出人", who], ["导出时间", f"{now:%Y-%m-%d %H:%M}"], *more]


def sheets(made: Shown) -> list[Sheet]:
    figured = [
        [f.label, f"{f.number} {f.unit}".strip(), "，".join(words for words, _ in f.under), f.before, f.change] for f in made.figures
    ]
    tables = (("按月", "月份", made.months), ("类型", "类型", made.types), ("地方", "地方", made.places),
              ("来源", "来源", made.intakes), ("风险", "风险", made.risks), ("结案方式", "结案方式", made.endings))  # fmt: skip
    made_sheets = [Sheet("总数", ("指标", "本期", "其中", "上期", "变化"), [list(row) for row in figured])]
    for title, label, rows in tables:
        with_again = title in ("类型", "地方")
        head = (label, *SUMS_HEAD, *(("重复来访",) if with_again else ()))
        made_sheets.append(
            Sheet(title, head, [[row.name, *sums_cells(row.sums), *([row.sums.again] if with_again else [])] for row in rows])
        )
    return made_sheets


def sums_cells(sums: Sums) -> list[Cell]:
    return [
        sums.registered, sums.accepted, sums.resolved, Rate(sums.resolved_rate), sums.on_time, sums.late, Rate(sums.on_time_rate),
    ]  # fmt: skip


@get(["/statistics.csv", "/statistics.xlsx"], of_cases=True)
async def statistics_file(request: Request) -> Response[bytes]:
    node, made = node_of(request), await shown(request)
    query, tables = made.query, node.tables()
    place = tables.place_full(query.place) if query.place else "能看到的全部"
    more: list[list[Cell]] = [["时间", query.period.words], ["上期", query.period.before_words], ["地方", place]]
    more.append(["类型", tables.type_name(query.type) if query.type else "全部"])
    more.extend([what, how] for what, how in made.counting)
    who, about = await about_of(request, "统计", more)
    kind = log_taken(request)
    name = made_up.named(node, f"统计 {query.period.since:%Y%m%d}-{query.period.until:%Y%m%d}")
    if kind == "xlsx":
        return _file(await exports.xlsx_sheets("统计", who, about, sheets(made), made_up.mark(node)), XLSX_TYPE, f"{name}.xlsx")
    return _file(exports.csv_sheets(about, sheets(made)), CSV_TYPE, f"{name}.csv")


def log_taken(request: Request) -> str:
    """csv or xlsx. That a file was made is written down, without a word of what it holds."""
    log.event("file taken along", route=request.url.path)
    return request.url.path.rpartition(".")[2]


def _file(content: bytes, type_: str, name: str) -> Response[bytes]:
    return Response(content, media_type=type_, headers={**KEPT_NOWHERE, **exports.attached(name)})


def list_cells(row: CaseRow, tables: Tables) -> list[Cell]:
    """As LIST_HEAD says; names masked as on the board."""

    def at(ms: int | None) -> str:
        return "" if ms is None else f"{local(ms):%Y-%m-%d %H:%M}"

    return [
        row.code, at(row.logged_ms), tables.place_full(row.ledger), tables.type_name(row.type), masked_title(row), tables.intake_name(row.intake),
        tables.word("risk", row.risk), LISTED_STATUS_NAMES.get(row.status, row.status), tables.office_name(row.holder),
        None if row.amount_fen is None else row.amount_fen / 100, at(row.accepted_ms), at(row.closed_ms), tables.ending_name(row.ending), row.follow_ups,
    ]  # fmt: skip


def list_words(query: lists.Query, tables: Tables) -> list[list[Cell]]:
    """What the list holds, in words. The word that was looked for may be a name or a number, so the file, which masks them, does not repeat it."""
    said: list[list[Cell]] = [["看哪些", dict(lists.VIEWS)[query.view] + (f"，只看{lists.KINDS[query.kind]}" if query.kind else "")]]
    named = (
        ("登记从", query.since), ("登记到", query.until), ("找", "只有查到某个词的；词没有写出来，里面可能有姓名、电话" if query.text else ""),
        ("承办人", "只看导出人自己" if query.mine else ""), ("状态", LISTED_STATUS_NAMES.get(query.status, "")),
        ("地方", tables.place_full(query.place) + ("本级" if query.alone else "") if query.place else ""),
        ("类型", tables.type_name(query.type) if query.type else ""),
        ("来源", "没有写" if query.intake == NONE else tables.intake_name(query.intake)),
        ("风险", tables.word("risk", query.risk) if query.risk else ""),
        ("结案方式", "还没有办结" if query.ending == NONE else tables.ending_name(query.ending)),
    )  # fmt: skip
    said.extend([label, words] for label, words in named if words)
    return said


@get(["/cases.csv", "/cases.xlsx"], of_cases=True)
async def cases_file(request: Request) -> Response[Any]:
    """The whole list that /cases shows a page of, whatever it is narrowed to."""
    node, actor, query = node_of(request), actor_of(request), lists.query_of(request)
    tables = node.tables()
    who, about = await about_of(request, "纠纷列表", [*list_words(query, tables), ["说明", "姓名已遮盖。登记晚的在前。"]])

    async def pieces() -> AsyncIterator[list[list[Cell]]]:
        async for rows in node.reads.every(actor, query.view, query.text, query.status, query.place, query.type, query.narrowed):
            yield [list_cells(row, tables) for row in rows]

    kind = log_taken(request)
    name = made_up.named(node, f"纠纷 {local(node.clock()):%Y%m%d-%H%M}")
    headers = {**KEPT_NOWHERE, **exports.attached(f"{name}.{kind}")}
    if kind == "xlsx":
        book = exports.xlsx_list("纠纷列表", who, about, LIST_HEAD, pieces(), made_up.mark(node))
        return Stream(book, media_type=XLSX_TYPE, headers=headers)
    return Stream(exports.csv_pieces(about, LIST_HEAD, pieces()), media_type=CSV_TYPE, headers=headers)


async def warm(node: Any) -> None:
    """Counts what its own office asks first, so that nobody waits for it after a start: stretches are kept (protocol/node/stretches.py)."""
    today, office = local(node.clock()).date(), node.office
    actor = Actor("", "", office, CASE_POWERS, "", node.tables().places_merged_into(office))
    for name in WARMED:
        await node.reads.statistics.found(actor, period(name, today).asked("", ""))


def routes() -> list[Any]:
    return [statistics, statistics_file, cases_file]
