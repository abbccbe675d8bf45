"""Money is whole fen (1/100 yuan); this is how it is written and read. No fractions of a fen, no floats.

Capitals follow 正确填写票据和结算凭证的基本规定 (中国人民银行, 支付结算办法 appendix 1): 整 after 元 and 角, one 零 for a run of zeros
inside the number.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Final

from protocol.facts import FEN_MAX
from protocol.problem import Refused

_DIGITS: Final = "零壹贰叁肆伍陆柒捌玖"
_PLACES: Final = ("", "拾", "佰", "仟")
_GROUPS: Final = ("", "万", "亿", "兆")
_UNITS: Final = {"十": 10, "百": 100, "千": 1_000, "万": 10_000, "亿": 100_000_000}
_WORDS: Final = {c: str(n) for n, c in enumerate("零一二三四五六七八九")} | {"〇": "0", "两": "2"}
_OLD: Final = str.maketrans("壹贰叁肆伍陆柒捌玖拾佰仟圆", "一二三四五六七八九十百千元")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)?([十百千]?)")
_WHY: Final = "请写成 41260.50 或 4.5万 这样的数"


def plain(fen: int) -> str:
    """'41,260.00'."""
    sign, fen = ("-" if fen < 0 else ""), abs(fen)
    return f"{sign}{fen // 100:,}.{fen % 100:02d}"


def capitals(fen: int) -> str:
    """'肆万壹仟贰佰陆拾元整', as papers need it. Raises ValueError below 0 and above FEN_MAX."""
    if not 0 <= fen <= FEN_MAX:
        raise ValueError(f"no amount on a paper: {fen}")
    yuan, jiao, cent = fen // 100, fen // 10 % 10, fen % 10
    text = f"{_capital_number(yuan)}元" if yuan or not fen else ""
    if not jiao and not cent:
        return text + "整"
    if jiao:
        text += f"{_DIGITS[jiao]}角"
    elif text:
        text += "零"
    return text + (f"{_DIGITS[cent]}分" if cent else "整")


def parse(text: str, field: str = "amount") -> int:
    """Fen, from what people write: 41260, 41,260.50, ￥300, 4.5万, 41万2千6百元, 三万五千元, 5元5角.

    Raises Refused (field_impossible) for anything else, for fractions of a fen and beyond FEN_MAX.
    """
    try:
        fen = _fen(_narrow(text))
    except (ValueError, InvalidOperation):
        raise Refused("field_impossible", field=field, what="金额", why=_WHY) from None
    if fen != int(fen):
        raise Refused("field_impossible", field=field, what="金额", why="最小到分")
    if fen > FEN_MAX:
        raise Refused("field_impossible", field=field, what="金额", why=f"最多 {plain(FEN_MAX)} 元")
    return int(fen)


def _capital_number(number: int) -> str:
    if number == 0:
        return _DIGITS[0]
    groups = []
    while number:
        number, group = divmod(number, 10_000)
        groups.append(group)
    text, gap = "", False
    for n in range(len(groups) - 1, -1, -1):
        if groups[n] == 0:
            gap = True
            continue
        if text and (gap or groups[n] < 1_000):
            text += _DIGITS[0]
        text += _capital_group(groups[n]) + _GROUPS[n]
        gap = False
    return text


def _capital_group(group: int) -> str:
    """1 to 9999; zeros before the first digit are the caller's."""
    text, gap = "", False
    for n in range(3, -1, -1):
        digit = group // 10**n % 10
        if digit == 0:
            gap = bool(text)
            continue
        text += (_DIGITS[0] if gap else "") + _DIGITS[digit] + _PLACES[n]
        gap = False
    return text


def _narrow(text: str) -> str:
    """Half-width, without spaces, currency signs and thousands' commas; refuses commas that part no thousands."""
    narrow = "".join(chr(ord(c) - 0xFEE0) if 0xFF01 <= ord(c) <= 0xFF5E else c for c in text).replace("￥", "¥")
    narrow = re.sub(r"\s", "", narrow).translate(_OLD).replace("块钱", "元").replace("块", "元").replace("毛", "角")
    narrow = re.sub(r"^(人民币|RMB|¥)", "", narrow, flags=re.IGNORECASE).removesuffix("整").removesuffix("正")
    if "," in narrow and not re.match(r"\d{1,3}(,\d{3})+(?!\d)(?!,)", narrow):
        raise ValueError(narrow)
    narrow = narrow.replace(",", "")
    if len(narrow) > 40 or not narrow.isprintable():
        raise ValueError(narrow)
    return "".join(_WORDS.get(c, c) for c in narrow)


def _fen(text: str) -> Decimal:
    """Yuan, then jiao, then fen. Raises ValueError."""
    found = re.fullmatch(r"(?:([^元角分]+)元?)??(?:(\d)角)?(?:0?(\d)分)?", text, re.ASCII)
    if found is None or not any(found.groups()):
        raise ValueError(text)
    yuan, jiao, cent = found.groups()
    return (_number(yuan) * 100 if yuan else 0) + Decimal(jiao or 0) * 10 + Decimal(cent or 0)


def _number(text: str) -> Decimal:
    """41260.5, 41万2千6百, 3万零5, 十二. Units fall, and each part is smaller than the unit before it. Raises ValueError.

    3万5 and 三千二 are refused: people mean 35,000 and 3,200 by it, machines read 30,005.
    """
    total, least = Decimal(0), Decimal("Infinity")
    for unit in ("亿", "万", ""):
        head, found, rest = text.partition(unit) if unit else (text, "", "")
        if unit and not found:
            continue
        if unit or head:
            part = _below(head, Decimal("Infinity") if unit else least) * _UNITS.get(unit, 1)
            if part >= least or (rest and "." in head):
                raise ValueError(text)
            total, least = total + part, Decimal(_UNITS.get(unit, 1))
        text = rest
    return total


def _below(text: str, least: Decimal) -> Decimal:
    """The part before a 亿 or 万, or the last: 2千6百, 十二, 4.5. least: the unit before it."""
    total, at, fraction = Decimal(0), 0, False
    while at < len(text) or at == 0:
        found = _PART.match(text, at)
        if found is None or found.end() == at or fraction:
            raise ValueError(text)
        digits, unit = found.groups()
        if digits is None and unit != "十":
            raise ValueError(text)
        size = Decimal(_UNITS.get(unit, 1))
        if Decimal(digits or 1) * size >= least or (not unit and len(digits) == 1 and 10 < least < Decimal("Infinity")):
            raise ValueError(text)
        total += Decimal(digits or 1) * size
        least, at, fraction = size, found.end(), "." in (digits or "")
    return total
