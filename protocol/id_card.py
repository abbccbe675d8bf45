"""Numbers of a resident's identity card (GB 11643): a slip of the pen is found by the check digit, and the year of birth stands in it.

party = checked(party)      Raises Refused; else the party, with the kind of card and the year of birth that its number tells
"""

import re
from datetime import date
from typing import Final

from msgspec.structs import replace

from protocol.commands import Party
from protocol.problem import Refused

CARD: Final = "111"  # GA/T 517: the resident's identity card
DIGITS: Final = 18
MEANT: Final = re.compile(r"\d{14,20}[Xx]?")  # no other card has so many digits and no letter before them
WEIGHTS: Final = tuple(pow(2, place, 11) for place in range(17, 0, -1))
CHECK: Final = "10X98765432"
YEARS: Final = (1880, 2100)


def wrong(number: str) -> str:
    """What is wrong with the number of an identity card, in words; "" = nothing."""
    if len(number) != DIGITS:
        return f"身份证号码是 {DIGITS} 位，这里有 {len(number)} 位"
    if not re.fullmatch(r"\d{17}[\dX]", number, re.ASCII):
        return "身份证号码只有数字，最后一位可以是 X"
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return "第 7 到 14 位应当是出生日期，请再对一遍"
    total = sum(int(digit) * weight for digit, weight in zip(number, WEIGHTS, strict=False))
    return "" if CHECK[total % 11] == number[-1] else "有一位写错了（和最后一位对不上），请再对一遍"


def checked(party: Party, known: str = "", row: int = 0) -> Party:
    """known: the number that was registered before, which is not looked at again · row: of a form with several parties, from 0. Raises Refused."""
    place, (low, high) = f"-{row}" if row else "", YEARS
    if party.birth_year is not None and not low <= party.birth_year <= high:
        raise Refused("field_impossible", field=f"party_birth_year{place}", what=_what("出生年", row), why="请写成 1970 这样的年份")
    number = "".join(party.id_number.split()).upper()
    if not number or party.id_number == known or not (party.id_type == CARD or (not party.id_type and MEANT.fullmatch(number))):
        return party
    if why := wrong(number):
        raise Refused("field_impossible", field=f"party_id_number{place}", what=_what("证件号码", row), why=why)
    return replace(party, id_number=number, id_type=CARD, birth_year=party.birth_year or int(number[6:10]))


def _what(label: str, row: int) -> str:
    return f"第 {row + 1} 位当事人的{label}" if row else label
