"""Codes that stay unique offline: the year, the short number of the origin that drew it (given once, on enrolment), a count and a check.

A case code is `2026-017-00042K`. The short number has 3 or 4 digits, the count 5 or more. A restored node opens a new epoch and
would count again from what it remembers, so from epoch 2 on letters follow the short number: `2026-017B-00001…`.
The check character catches every single wrong character and every swap of two neighbours, the dash included:

    sum of value(symbol) × 9^position  ≡ 0  (mod 31)      position 0 = the check, counted from the right

over the digits and letters, with how far the count is longer than 5 as one more symbol in front (it tells 101-700042 from
1017-00042).
31 is prime and has as many symbols as the alphabet, so a changed value is seen; 9^n and 9^(n+1) differ, so a swap is.
"""

import re
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKLMNPRTUVWXY"  # without I O Q S Z, which are read as digits
EPOCH_LETTERS: Final = "BCDEFGHJKLMNPRTUVWXY"  # epoch 2 is B; A, the first, is not written
EPOCHS_MAX: Final = 1 + len(EPOCH_LETTERS) + len(EPOCH_LETTERS) ** 2  # 421
SHORT_MAX: Final = 9_999
COUNT_MAX: Final = 9_999_999
_VALUES: Final = {symbol: value for value, symbol in enumerate(ALPHABET)}
_BASE: Final = 9
_COUNT_DIGITS: Final = 5
_SHAPE: Final = re.compile(
    rf"([1-9]\d{{3}})-((?:\d{{3}}|[1-9]\d{{3}})[{EPOCH_LETTERS}]{{0,2}})-(\d{{5}}|[1-9]\d{{5,6}})([{ALPHABET}])", re.ASCII
)


def case_code(year: int, short: int, epoch: int, count: int) -> str:
    """'2026-017-00042K'. Raises ValueError outside of years 1000–9999, epochs 1–421 and the limits above."""
    if not 1000 <= year <= 9999:
        raise ValueError(f"no year of four digits: {year}")
    origin, number = _origin(short, epoch), _count(count)
    return f"{year}-{origin}-{number}{_check(f'{year}{origin}', number)}"


def is_code(text: str) -> bool:
    """Claims that `text` is a case code as written by `case_code`, its check included."""
    found = _SHAPE.fullmatch(text)
    return found is not None and _check(found[1] + found[2], found[3]) == found[4]


def tidy(text: str) -> str:
    """What a person typed as a code, brought into its written form: full width, small letters, spaces and other dashes."""
    narrow = "".join(chr(ord(c) - 0xFEE0) if 0xFF01 <= ord(c) <= 0xFF5E else c for c in text)
    return re.sub(r"[‐‑‒–—－_]", "-", re.sub(r"\s", "", narrow)).upper()


def as_code(text: str) -> str:
    """What was asked for, as a code where it is one."""
    return tidied if is_code(tidied := tidy(text)) else text


def paper_number(year: int, short: int, epoch: int, count: int, kind: str) -> str:
    """'（2026）安调字第017-00012号'. kind: the words of the paper's number (`mark` of table `templates`), '安调字'."""
    return f"（{year}）{kind}第{_origin(short, epoch)}-{_count(count)}号"


def _origin(short: int, epoch: int) -> str:
    if not 0 <= short <= SHORT_MAX:
        raise ValueError(f"a short number has at most 4 digits: {short}")
    size = len(EPOCH_LETTERS)
    if not 1 <= epoch <= EPOCHS_MAX:
        raise ValueError(f"no letters for epoch {epoch}")
    letters, rest = "", epoch - 1
    while rest:
        rest, digit = divmod(rest - 1, size)
        letters = EPOCH_LETTERS[digit] + letters
    return f"{short:03d}{letters}"


def _count(count: int) -> str:
    if not 1 <= count <= COUNT_MAX:
        raise ValueError(f"a count is 1 to {COUNT_MAX}: {count}")
    return f"{count:05d}"


def _check(origin: str, number: str) -> str:
    symbols = [len(number) - _COUNT_DIGITS, *(_VALUES[c] for c in origin + number)]
    total, weight = 0, 1
    for value in reversed(symbols):
        weight = weight * _BASE % len(ALPHABET)
        total += value * weight
    return ALPHABET[-total % len(ALPHABET)]
