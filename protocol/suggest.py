"""What a person's own words point to: types, three at most, how urgent they sound, and whether they accuse somebody. A hint, never a decision.

The words stand in the tables (`types`, `lists` risk), so a county changes them without a new program. A word counts by the square of
its length: a long one says more. What speaks for a 2-digit type speaks half for each of its 4-digit ones that is spoken for itself.
"""

import re
from datetime import date
from typing import Final

import msgspec

from protocol.tables import Tables

TYPES_MAX: Final = 3
TEXT_CHARS_MAX: Final = 4_000
_NAME = r"(?:(?![在住到于从是的了和跟往去至与及这那某每同向由])[\u4e00-\u9fff])"  # no word of a sentence stands in a name
_NUMBER = r"(?:[一二三四五六七八九十]{1,3}|\d{1,4})"
_SPOT: Final = re.compile(
    rf"{_NAME}{{2,4}}自然村(?: ?第?{_NUMBER} ?组)?|第?{_NUMBER} ?(?:村民小)?组(?: ?{_NUMBER} ?号)?|{_NAME}{{1,4}}(?:路|街|弄|巷) ?\d{{1,4}} ?号"
)


class Hint(msgspec.Struct, frozen=True):
    """A code and the words of the text that spoke for it."""

    code: str
    words: tuple[str, ...]


def types(text: str, tables: Tables, day: date) -> tuple[Hint, ...]:
    """Types open that day, the likeliest first. Sealed ones are never offered: ask `accuses`."""
    text = text[:TEXT_CHARS_MAX]
    spoken = [row for row in tables.types_open(day) if not tables.type_flag(row.code, "sealed")]
    said = {row.code: tuple(word for word in row.words if word in text) for row in spoken}
    finer = {code[:2] for code, words in said.items() if len(code) == 4 and words}
    scored = []
    for code, words in said.items():
        if words and not (len(code) == 2 and code in finer):
            above = said.get(code[:2], ()) if len(code) == 4 else ()
            scored.append((2 * _weight(words) + _weight(above), code, (*words, *above)))
    return tuple(Hint(code, words) for _, code, words in sorted(scored, key=lambda one: (-one[0], one[1]))[:TYPES_MAX])


def accuses(text: str, tables: Tables, day: date) -> bool:
    """Whether a word of a type that is itself marked sealed stands anywhere in the text, whatever else is in it. 村干部 alone accuses nobody:
    the words of its finer types only say of whom it would be."""
    return any(word in text for row in tables.types_open(day) if "sealed" in row.flags for word in row.words)


def risk(text: str, tables: Tables) -> Hint | None:
    """The gravest level that a word of the text speaks for; None: nothing does."""
    text, found = text[:TEXT_CHARS_MAX], None
    for code, words in tables.said_words("risk").items():  # from the calmest to the gravest
        if met := tuple(word for word in words if word in text):
            found = Hint(code, met)
    return found


def spot(text: str) -> str:
    """Where in a place it happened, as the text names it first: a hamlet, a group, a house in a street; "": it names none."""
    found = _SPOT.search(text[:TEXT_CHARS_MAX])
    return found[0] if found else ""


def _weight(words: tuple[str, ...]) -> int:
    return sum(len(word) ** 2 for word in words)
