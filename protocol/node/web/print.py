"""Papers: a case in, PDF bytes out, the same on every machine.

    paper = await print.agreement(case, node.tables())          人民调解协议书, or 口头协议登记表 for an oral one
    GET /cases/{id}/agreement.pdf?blanks=1                      the same, for whoever may see the case; the parties' numbers
                                                                are whole where they are on its page (access.may_read_numbers)

What an agreement says follows 人民调解法 29: the parties; main facts, issue and responsibility; what was agreed, how and by
when it is performed. A case without an agreement is refused (not_now), one whose body was erased prints what is left.

The fonts are ours, whole (print/fonts, laid by the bundle step; none: paper_unready). A character that they lack would
print as an empty box without a word, so the text is held against the fonts' cmap first: glyph_missing names the characters;
with `blanks` a line is printed in the place of each, to be filled in by hand.

Typst runs in a process of its own (print/child.py): a small node prints seldom and should not keep 43 MB for it.
"""

import asyncio
import re
import sys
from functools import lru_cache
from pathlib import Path
from struct import unpack_from
from typing import Any, Final
from urllib.parse import quote
from weakref import WeakKeyDictionary

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from protocol import access, calendar, money
from protocol.case import Agreement, Case
from protocol.commands import Party
from protocol.node.web import made_up
from protocol.node.web.masking import without_numbers
from protocol.node.web.page import actor_of, node_of, page, wants_json
from protocol.problem import Refused
from protocol.tables import Tables

HERE: Final = Path(__file__).parent / "print"
FONTS: Final = HERE / "fonts"
PRINT_S_MAX: Final = 30.0  # 0.1 s is usual; an old PC under load is not a fault yet
AT_ONCE_MAX: Final = 2  # processes of 60 MB each
BLANK: Final = "＿"
STEMS: Final = "甲乙丙丁戊己庚辛壬癸"
DIGITS: Final = "零一二三四五六七八九"
SEXES: Final = {"1": "男", "2": "女"}
PRIVATE: Final = {"Cache-Control": "private, no-store"}
WORDLESS: Final = "（内容已删除或还没到本机）"
_DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_turns: Final = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]()  # a node that is opened again has another loop


def numeral(n: int) -> str:
    """1 to 99 in Chinese: 三, 十, 十二, 二十, 二十一. Beyond them, as only a hostile node writes, in digits."""
    if not 0 < n < 100:
        return str(n)
    tens, ones = divmod(n, 10)
    return ("" if tens == 0 else "十" if tens == 1 else DIGITS[tens] + "十") + (DIGITS[ones] if ones else "")


def party_label(i: int) -> str:
    return f"当事人{STEMS[i]}" if i < len(STEMS) else f"当事人{numeral(i + 1)}"


def party_words(party: Party, tables: Tables) -> str:
    """What 人民调解法 29 calls 当事人的基本情况, in the order of the printed form; what is unknown is left out."""
    words = [party.name]
    if party.kind == "person":
        words += [SEXES.get(party.sex, ""), f"{party.birth_year}年生" if party.birth_year else ""]
    if party.id_number:
        words.append(f"{tables.word('id_type', party.id_type or '111')}{party.id_number}")
    words += [f"住{party.address}" if party.address and party.kind == "person" else party.address]
    words += [f"联系电话{party.phone}" if party.phone else "", f"委托代理人{party.agent}" if party.agent else ""]
    words += [f"监护人{party.guardian}" if party.guardian else ""]
    return "，".join(word for word in words if word) + "。"


def paragraphs(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def day_words(ms: int) -> str:
    day = calendar.local_date(ms)
    return f"{day.year}年{day.month}月{day.day}日"


def due_words(due: tuple[str, ...]) -> str:
    days = [found.groups() for day in sorted(due) if (found := _DAY.fullmatch(day))]  # of what is no date nothing can be said
    return "、".join(f"{int(y)}年{int(m)}月{int(d)}日" for y, m, d in days)


def values_of(case: Case, agreement: Agreement, tables: Tables) -> dict[str, Any]:
    """What print/agreement.typ and print/oral.typ read."""
    parties = [
        {
            "short": party_label(i),
            "side": tables.word("side", party.side),
            "label": f"{party_label(i)}（{tables.word('side', party.side)}）",
            "words": party_words(party, tables),
        }
        for i, party in enumerate(case.parties)
    ]
    amount = agreement.amount_fen
    return {
        "title": "人民调解口头协议登记表" if agreement.form == "oral" else "人民调解协议书",
        "number": agreement.number,
        "code": case.code,
        "committee": tables.office_name(agreement.office),
        "date": day_words(agreement.signed_ms),
        "parties": parties,
        "facts": paragraphs(agreement.facts or case.account) or [WORDLESS],
        "responsibility": paragraphs(agreement.responsibility),
        "terms": [" ".join(paragraphs(term)) for term in agreement.terms] or [WORDLESS],
        "numerals": [numeral(i + 1) for i in range(max(len(agreement.terms), 1))],
        "amount": money.plain(amount) if amount else "",
        "capitals": money.capitals(amount) if amount else "",
        "performance": paragraphs(agreement.performance) or [WORDLESS],
        "due": due_words(agreement.due),
        "copies": numeral(agreement.copies),
    }


def cmap_of(font: bytes) -> list[tuple[int, int]]:
    """The ranges of characters of a TrueType font, from its format 12 subtable (OpenType, `cmap`). Empty when it has none."""
    tables = {font[12 + 16 * i : 16 + 16 * i]: 12 + 16 * i for i in range(unpack_from(">H", font, 4)[0])}
    (start,) = unpack_from(">I", font, tables[b"cmap"] + 8)
    for i in range(unpack_from(">H", font, start + 2)[0]):
        (offset,) = unpack_from(">I", font, start + 4 + 8 * i + 4)
        sub = start + offset
        if unpack_from(">H", font, sub)[0] == 12:
            groups = unpack_from(">I", font, sub + 12)[0]
            return [unpack_from(">II", font, sub + 16 + 12 * n) for n in range(groups)]
    return []


@lru_cache(maxsize=2)
def characters(folder: Path) -> frozenset[int]:
    """What every font of the folder can print. Raises Refused paper_unready when there is none."""
    found = [frozenset(c for first, last in cmap_of(f.read_bytes()) for c in range(first, last + 1)) for f in sorted(folder.glob("*.ttf"))]
    if not found:
        raise Refused("paper_unready")
    return frozenset.intersection(*found)


def missing(text: str, folder: Path = FONTS) -> str:
    """The characters of `text` that the fonts lack, each once, in order."""
    known = characters(folder)
    return "".join(dict.fromkeys(c for c in text if ord(c) not in known and not c.isspace()))


def _texts(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(_texts(v) for v in value.values())
    return "".join(_texts(v) for v in value) if isinstance(value, list) else str(value)


def _blanked(value: Any, lacking: str) -> Any:
    if isinstance(value, dict):
        return {name: _blanked(v, lacking) for name, v in value.items()}
    if isinstance(value, list):
        return [_blanked(v, lacking) for v in value]
    return "".join(BLANK if c in lacking else c for c in value)


async def pdf(template: str, values: dict[str, Any], *, mark: str = "", blanks: bool = False, fonts: Path = FONTS) -> bytes:
    """`print/TEMPLATE.typ` filled with values (strings, lists, dicts). mark: what stands above and below on every page. Raises Refused paper_unready, glyph_missing, paper_failed."""
    values = {**values, "mark": mark}
    if lacking := await asyncio.to_thread(missing, _texts(values), fonts):
        if not blanks:
            raise Refused("glyph_missing", what="、".join(f"“{c}”" for c in lacking))
        values = _blanked(values, lacking)
    command = [sys.executable, "-I", str(HERE / "child.py"), str(HERE / f"{template}.typ"), str(fonts)]
    pipe = asyncio.subprocess.PIPE
    async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE_MAX)):
        child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            paper, told = await asyncio.wait_for(child.communicate(msgspec.json.encode(values)), PRINT_S_MAX)
        except (TimeoutError, asyncio.CancelledError) as error:
            child.kill()
            await child.wait()
            if isinstance(error, TimeoutError):
                raise Refused("paper_failed") from error
            raise
    if child.returncode or not paper.startswith(b"%PDF"):
        raise Refused("paper_failed") from RuntimeError(told.decode(errors="replace")[-2_000:])
    return paper


async def agreement(case: Case, tables: Tables, *, mark: str = "", blanks: bool = False) -> bytes:
    """The agreement of the case as PDF. Raises Refused not_now when there is none."""
    if (signed := case.agreement) is None:
        raise Refused("not_now", status="还没有签协议", what="打印协议书")
    template = "oral" if signed.form == "oral" else "agreement"
    return await pdf(template, values_of(case, signed, tables), mark=mark, blanks=blanks)


@get("/cases/{subject:str}/agreement.pdf")
async def agreement_paper(request: Request, subject: FromPath[str]) -> Response[Any]:
    """Raises Refused case_unknown, not_now, paper_unready, paper_failed; a missing character is answered with a page that offers blanks."""
    node, actor = node_of(request), actor_of(request)
    case = await node.reads.case(actor, subject)
    if not access.may_read_numbers(actor, case):
        case = without_numbers(case, open_phone=False)
    try:
        paper = await agreement(case, node.tables(), mark=made_up.mark(node), blanks=request.query_params.get("blanks") == "1")
    except Refused as refusal:
        if refusal.code != "glyph_missing" or wants_json(request):
            raise
        return await page(
            request,
            "visits/blanks.html",
            status=refusal.status,
            sentence=refusal.sentence,
            case=case,
            again=f"/cases/{case.id}/agreement.pdf?blanks=1",
        )
    name = quote(made_up.named(node, f"{case.agreement.number if case.agreement else case.code}.pdf"))
    return Response(paper, media_type="application/pdf", headers={"Content-Disposition": f"inline; filename*=UTF-8''{name}", **PRIVATE})


def routes() -> list[Any]:
    return [agreement_paper]
