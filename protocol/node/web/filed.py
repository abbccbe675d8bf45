"""What stands in the papers of a case's file; which there are and who prints them: papers.py.

司法部 forms of 2010-12; the words of the law are those of 人民调解法 3, 4, 7, 23, 24, 31, 33. What was not entered is left blank,
to be written by hand. Phones stand in them whole, ID numbers do not.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from protocol.case import Case, Line
from protocol.node.web.print import WORDLESS, day_words, paragraphs, party_label, party_words
from protocol.tables import Tables

BY_HAND: Final = "＿" * 12
RIGHTS: Final = (
    "人民调解委员会是依法设立的调解民间纠纷的群众性组织，调解民间纠纷不收取任何费用。",
    "调解遵循下列原则：（一）在当事人自愿、平等的基础上进行调解；（二）不违背法律、法规和国家政策；（三）尊重当事人的权利，不得因调解而阻止当事人依法通过仲裁、行政、司法等途径维护自己的权利。",
    "当事人享有下列权利：（一）选择或者接受人民调解员；（二）接受调解、拒绝调解或者要求终止调解；（三）要求调解公开进行或者不公开进行；（四）自主表达意愿、自愿达成调解协议。",
    "当事人履行下列义务：（一）如实陈述纠纷事实；（二）遵守调解现场秩序，尊重人民调解员；（三）尊重对方当事人行使权利。",
    "经人民调解委员会调解达成的调解协议，具有法律约束力，当事人应当按照约定履行。各方当事人认为有必要的，可以自调解协议生效之日起三十日内共同向人民法院申请司法确认。",
)


class Told(NamedTuple):
    """What a paper is filled from. line: the entry that it tells of."""

    case: Case
    tables: Tables
    line: Line


def _rows(*rows: tuple[str, list[str]] | tuple[str, list[str], int]) -> list[dict[str, Any]]:
    return [{"label": row[0], "lines": row[1], "space": str(row[2] if len(row) > 2 else 0)} for row in rows]


def _parties(case: Case, tables: Tables) -> list[tuple[str, list[str]]]:
    open_ = [msgspec.structs.replace(party, id_number="") for party in case.parties]
    told = [(f"{party_label(i)}（{tables.word('side', party.side)}）", [party_words(party, tables)]) for i, party in enumerate(open_)]
    return told or [("当事人", [WORDLESS])]


def _signs(case: Case, how: str = "签名、盖章或者按指印") -> list[str]:
    return [f"{party_label(i)}（{how}）" for i in range(max(len(case.parties), 1))]


def _names(case: Case) -> str:
    return "、".join(party.name for party in case.parties if party.name)


def _said(line: Line, label: str) -> list[str]:
    """What the entry says under a label, as the case page shows it."""
    return [WORDLESS] if line.erased else paragraphs(line.text.get(label, ""))


def _matter(case: Case) -> str:
    return f"“{case.title or case.code}”"


def _intake(told: Told) -> dict[str, Any]:
    case, tables = told.case, told.tables
    rows = _rows(
        *_parties(case, tables),
        ("纠纷类型", [tables.type_name(case.type)]),
        ("来源", [tables.intake_name(case.intake)]),
        ("纠纷简要情况", paragraphs(case.account) or [WORDLESS]),
        ("当事人要求", [], 4),
        ("登记", [f"{tables.office_name(case.logged_office)}　{day_words(case.logged_ms)}"]),
        ("受理", [day_words(case.accepted_ms)] if case.accepted_ms else [], 0 if case.accepted_ms else 1),
    )
    return {"rows": rows, "signs": [*_signs(case), "登记人（签名）"], "at_ms": case.logged_ms}


def _rights(told: Told) -> dict[str, Any]:
    case = told.case
    before = [f"关于{_matter(case)}的调解，根据《中华人民共和国人民调解法》，现将有关事项和您的权利义务告知如下：", *RIGHTS]
    return {
        "to": _names(case),
        "before": before,
        "after": ["以上内容已经告知，我已知悉。"],
        "signs": _signs(case, "签名或者按指印"),
        "at_ms": None,
    }


def _session(told: Told) -> dict[str, Any]:
    case, tables, line = told.case, told.tables, told.line
    rows = _rows(
        ("时间", _said(line, "时间")),
        ("地点", [], 1),
        *_parties(case, tables),
        ("在场人员", _said(line, "在场"), 0 if line.text.get("在场") else 1),
        ("调解经过", _said(line, "经过"), 2),
        ("调解结果", _said(line, "结果")),
    )
    after = ["已告知当事人的权利义务。以上笔录经当事人核对（或已向当事人宣读），与所说相符。"]
    return {"rows": rows, "after": after, "signs": [*_signs(case), "人民调解员（签名）", "记录人（签名）"], "at_ms": line.at_ms}


def _declined(told: Told) -> dict[str, Any]:
    case, line = told.case, told.line
    door = "；".join(_said(line, "应找"))
    before = [
        f"您于{day_words(case.logged_ms)}就{_matter(case)}提出的事项，经审查，决定不予受理。",
        f"理由：{'；'.join(_said(line, '原因'))}",
        f"您可以通过下列途径解决：{door or BY_HAND}",
    ]
    return {"to": _names(case), "before": before, "signs": ["签收人（签名）", "签收日期"], "at_ms": line.at_ms}


def _ended(told: Told) -> dict[str, Any]:
    case, line = told.case, told.line
    before = [
        f"关于{_matter(case)}的纠纷，经调解未能达成协议，现终止调解。",
        f"理由：{'；'.join(_said(line, '原因'))}",
        f"您可以依法通过下列途径维护自己的权利：{'；'.join(_said(line, '其他途径')) or '仲裁、行政、诉讼等'}",
    ]
    return {"to": _names(case), "before": before, "signs": ["人民调解员（签名）", "签收人（签名）"], "at_ms": line.at_ms}


def _follow_up(told: Told) -> dict[str, Any]:
    case, line = told.case, told.line
    rows = _rows(
        ("被回访人", [_names(case)]),
        ("协议编号", [case.agreement.number] if case.agreement else [], 0 if case.agreement else 1),
        ("履行情况", _said(line, "履行")),
        ("是否满意", _said(line, "满意")),
        ("回访情况", _said(line, "情况"), 1),
        ("隐患和措施", [], 3),
    )
    return {"rows": rows, "signs": ["被回访人（签名）", "回访人（签名）"], "at_ms": line.at_ms}


TITLES: Final = {
    "intake": "人民调解受理登记表",
    "rights": "人民调解权利义务告知书",
    "session": "人民调解笔录",
    "declined": "不予受理告知书",
    "ended": "终止调解通知书",
    "follow_up": "人民调解回访记录",
}
_FILLED: Final[dict[str, Callable[[Told], dict[str, Any]]]] = {
    "intake": _intake, "rights": _rights, "session": _session, "declined": _declined, "ended": _ended, "follow_up": _follow_up,
}  # fmt: skip


def values_of(kind: str, case: Case, line: Line | None, tables: Tables) -> dict[str, Any]:
    """What print/paper.typ reads. line: the entry that the paper tells of; None: of the whole case."""
    made: dict[str, Any] = {"to": "", "before": [], "rows": [], "after": [], **_FILLED[kind](Told(case, tables, line or case.lines[0]))}
    at_ms = made.pop("at_ms")
    return {
        **made,
        "title": TITLES[kind],
        "code": case.code,
        "committee": tables.office_name(line.office if line else case.logged_office),
        "date": day_words(at_ms) if at_ms else "　　　　年　　月　　日",
    }
