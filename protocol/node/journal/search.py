"""Finding text: own bigrams, since a Chinese name has two characters and trigrams cannot find it.

A text is normalised (NFKC, case folded), cut into runs of letters and digits, and each run gives its pairs of UTF-16
units and its last unit, as hex: `张三丰` → 张三 三丰 丰. A word of two or more units asks for its pairs, one of a single unit for
any gram that begins with it. What the index offers is then held against the text itself, so an answer is never a guess.
Rows not indexed yet (`pending`) are held against the text alone: what was just saved is found.
"""

import unicodedata
from functools import lru_cache
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.node.journal.rows import fetch, is_postgres

WORDS_MAX: Final = 8  # of a question
WORD_CHARS_MAX: Final = 100
TEXT_CHARS_MAX: Final = 20_000  # of one subject: the longest accounts and all names of 40 parties
_UNIT: Final = 4  # hex digits of a UTF-16 unit


def normal(text: str) -> str:
    """NFKC, case folded, white space to single spaces, no NUL (PostgreSQL takes none)."""
    return " ".join(unicodedata.normalize("NFKC", text.replace("\0", " ")).casefold().split())[:TEXT_CHARS_MAX]


def _runs(text: str) -> list[str]:
    """Runs of letters, digits and marks, each as hex of its UTF-16 units."""
    spaced = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text)
    return [run.encode("utf-16-be", "replace").hex() for run in spaced.split()]


def grams(text: str) -> str:
    """The grams of a normal text, each once, joined by spaces."""
    found: dict[str, None] = {}
    for run in _runs(text):
        for at in range(0, len(run) - _UNIT, _UNIT):
            found[run[at : at + 2 * _UNIT]] = None
        found[run[-_UNIT:]] = None
    return " ".join(found)


def words_of(question: str) -> list[str]:
    """The words that must all occur; empty when nothing is asked."""
    return [word[:WORD_CHARS_MAX] for word in normal(question).split()[:WORDS_MAX]]


def _asked(words: list[str]) -> tuple[list[str], list[str]]:
    """(whole grams, first units of grams) that the index must have for all of `words`."""
    whole: dict[str, None] = {}
    begun: dict[str, None] = {}
    for word in words:
        for run in _runs(word):
            if len(run) == _UNIT:
                begun[run] = None
            for at in range(0, len(run) - _UNIT, _UNIT):
                whole[run[at : at + 2 * _UNIT]] = None
    return list(whole), list(begun)


def _sure(words: list[str]) -> bool:
    """Claims that the grams alone decide: each word is one run of a pair or of a single unit."""
    return all([len(run) <= 2 * _UNIT for run in _runs(word)] == [True] and word.isalnum() for word in words)


@lru_cache(maxsize=64)
def _hits(postgres: bool, words: tuple[str, ...], few: bool = False) -> tuple[str, tuple[tuple[str, str], ...]]:
    """few: only the last :most are wanted, so the index is walked from its end, each offer held against its text where the index alone
    does not decide, until so many are found."""
    found = "select id, subject from search where "
    if not words:
        return found + "1 = 1", ()
    place = "position(:find_{n} in text) > 0" if postgres else "instr(text, :find_{n}) > 0"
    exact = " and ".join(place.format(n=n) for n in range(len(words)))
    values = tuple((f"find_{n}", word) for n, word in enumerate(words))
    whole, begun = _asked(list(words))
    if not whole and not begun:  # only punctuation was asked for
        return found + exact, values
    if postgres:
        asked = " & ".join([f"'{g}'" for g in whole] + [f"'{g}':*" for g in begun])
        indexed = "grams @@ cast(:find_grams as tsquery)"
        if few:
            return _last(f"select id, subject from search where {indexed} and {exact} order by id desc", found, exact, values, asked)
    else:
        asked = " AND ".join([f'"{g}"' for g in whole] + [f'"{g}"*' for g in begun])
        sure = _sure(list(words))
        at = "(id + 0)" if sure and not few else "id"  # in an index that holds the subject (listing.SEARCH); the row holds all the text
        last = " order by rowid desc limit :most" if sure and few else ""
        if few and not sure:
            offers = "select search.id, subject from search_gram join search on search.id = search_gram.rowid where search_gram match :find_grams"
            return _last(f"{offers} and {exact} order by search_gram.rowid desc", found, exact, values, asked)
        indexed = f"{at} in (select rowid from search_gram where search_gram match :find_grams{last})"
    held = indexed if _sure(list(words)) else f"{indexed} and {exact}"
    return f"{found}{held} union all {found}pending = 1 and {exact}", (*values, ("find_grams", asked))


def _last(walk: str, found: str, exact: str, values: tuple, asked: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return f"select id, subject from ({walk} limit :most) as last union all {found}pending = 1 and {exact}", (
        *values,
        ("find_grams", asked),
    )


async def subjects(connection: AsyncConnection, question: str, most: int | None = None) -> list[str]:
    """In whose text every word of the question occurs; all for a question without a word. most: only the last that came, newest first."""
    sql, values = _hits(is_postgres(connection), tuple(words_of(question)), most is not None)
    if most is None:
        return [row[1] for row in await fetch(connection, sql, dict(values))]
    last = f"select id, subject from ({sql}) as hit order by (id + 0) desc limit :most"
    return [row[1] for row in await fetch(connection, last, {**dict(values), "most": most})]
