"""The machine's zone, locale, encoding and year, and what people are called: same bytes at every node, same answer to a search.

A small county writes the same history in this program and in others that live in New York, in locale C, on a GBK console, at the edge of
32-bit time or of a leap second. Texts of all planes are searched by two characters and held against plain comparison.
"""

import asyncio
import os
import sys
import unicodedata
from itertools import pairwise
from pathlib import Path
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from protocol import entry
from protocol.calendar import end_of_day_ms, local_date
from protocol.node.journal import Journal, search
from protocol.node.web import words
from protocol.tables import Tables
from tests.faults.row import Outcome, Row, together
from tests.faults.rows import same_bytes
from tests.faults.rows.drawn import examples
from tests.node.journal_kit import KEY, Lane, Views, no_tables, subject

HERE = Path(__file__).parents[3]
ENVIRONMENTS = (
    {"TZ": "America/New_York"},
    {"TZ": "Pacific/Apia", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "gbk", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
    {"TZ": "Europe/London", "PYTHONHASHSEED": "1"},
    {"TZ": ":right/UTC", "LANG": "zh_CN.GBK", "PYTHONUTF8": "0"},
)
INSTANTS = (  # Unix milliseconds
    1_795_000_000_000,  # an ordinary day
    1_483_228_799_999,  # within the leap second of 2016
    1_772_953_200_000,  # New York's clock jumps to 3 a.m.
    1_793_511_000_000,  # and here says 1:30 twice
    2_147_483_647_000,  # the last second of 32 bits
    2_147_483_648_000,
    4_107_513_600_000,  # 2100-02-28: no leap year
    1_767_196_799_000,  # new year's eve in UTC+8
)
EXAMPLES, TEXTS = 60, 60
_letters = st.one_of(
    st.sampled_from(list("叶根土王芳田埂𠮷𪚥𰻞龘㐂é̂ê゙ｱﬁİıß한👨\u200d\u200b")),
    st.characters(min_codepoint=0x20000, max_codepoint=0x323AF),  # extensions B to H
    st.characters(exclude_categories=["Cs", "Cc"]),
)


async def _told(environment: dict[str, str], folder: Path, seed: int, now_ms: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "VIRTUAL_ENV") if name in os.environ}
    command = (sys.executable, "-m", "tests.faults.rows.same_bytes", str(folder), str(seed), str(now_ms))
    process = await asyncio.create_subprocess_exec(
        *command, cwd=HERE, env=kept | environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, f"{environment}: {err.decode(errors='replace')[-1500:]}"
    return msgspec.json.decode(out.splitlines()[-1], type=dict[str, str])


async def _same_everywhere(draw: Random, folder: Path) -> Outcome:
    """At both all checkers hold, too (same_bytes.py)."""
    environment, now_ms, seed = draw.choice(ENVIRONMENTS), draw.choice(INSTANTS), draw.randrange(10**6)
    here = await same_bytes.written(folder / "here", seed, now_ms)
    there = await _told(environment, folder / "there", seed, now_ms)
    assert here == there, f"{environment} at {now_ms}: {[name for name in here if here[name] != there.get(name)]}"
    told = f"{len(here)} digests equal with {' '.join(f'{k}={v}' for k, v in environment.items())} at {now_ms}"
    return Outcome(int(here[same_bytes.SAVED]), images=1, said=(told,))


async def _a_terminal_that_knows_no_chinese() -> None:
    """The command line says its piece all the same, and says the same."""
    program = "import atexit; atexit.register(lambda: print('𠮷田')); from deploy.cli import main; main(['--help'])"
    for environment in ({"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "gbk"}):
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, cwd=HERE, env=kept | environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        assert process.returncode == 0 and not err, f"{environment}: {err.decode(errors='replace')[-600:]}"
        assert b"yidi" in out


def _days(draw: Random) -> int:
    """Days and their ends are those of UTC+8 in every year, with or without a leap second, beyond 2038 as well."""
    calendar = Tables.packaged().calendar

    @examples(draw, EXAMPLES)
    @given(st.integers(0, 221_845_000_000_000) | st.sampled_from(INSTANTS), st.integers(1, 30))
    def one(ms: int, days: int) -> None:
        day, end = local_date(ms), 0
        end = end_of_day_ms(day)
        assert 0 <= end - ms < 86_400_000 and local_date(end) == day
        assert (end + 1 + 8 * 3_600_000) % 86_400_000 == 0
        assert (day - local_date(0)).days == (ms + 8 * 3_600_000) // 86_400_000
        if day.year < 9_990:
            later = calendar.add_working_days(day, days)
            assert (later - day).days >= days

    @examples(draw, EXAMPLES)
    @given(st.integers(-(2**63), 2**63))
    def any_clock(ms: int) -> None:
        assert 1970 <= local_date(ms).year <= 9000
        assert 1970 <= words.local(ms).year <= 9999 and words.day(ms, INSTANTS[0])

    one()
    any_clock()
    return 2 * EXAMPLES


def _heads(draw: Random) -> int:
    """A head is the same bytes after any number of readings, whatever stands in it."""

    @examples(draw, EXAMPLES)
    @given(st.text(_letters, max_size=30), st.integers(-(2**53) + 1, 2**53 - 1))
    def one(text: str, ms: int) -> None:
        made = entry.Head(
            1, "330523", "nabcdefgh:1", 2, "s", "dispute", 1, ms, None, ("p", "q"), "c", "NoteAdded", msgspec.Raw(b"\x90"), b""
        )
        raw = entry.encode_head(made)
        assert entry.encode_head(entry.decode_head(raw)) == raw
        body = msgspec.msgpack.encode({"text": text})
        assert msgspec.msgpack.decode(body) == {"text": text} and msgspec.msgpack.encode(msgspec.msgpack.decode(body)) == body

    one()
    return EXAMPLES


async def _search(draw: Random, folder: Path) -> int:
    """Two characters find what holds them, and nothing else, on the real index."""
    texts: list[str] = []

    @examples(draw, TEXTS)
    @given(st.text(_letters, min_size=2, max_size=12))
    def gather(text: str) -> None:
        texts.append(text)

    gather()
    journal, lane = await Journal.open(f"sqlite:///{folder / 'search.db'}", KEY, no_tables, views=Views), Lane()
    try:
        async with journal.writing() as w:
            rows = [lane.say(text, subject(n)) for n, text in enumerate(texts)]
            await w.append(rows)
            await w.project({row.subject for row in rows})
        normal = {subject(n): search.normal(text) for n, text in enumerate(texts)}
        asked = 0
        for text in draw.sample(texts, min(40, len(texts))):
            for a, b in list(pairwise(search.normal(text)))[:3]:
                question = a + b
                wanted = search.words_of(question)
                if not wanted:
                    continue
                expected = {s for s, n in normal.items() if all(word in n for word in wanted)}
                found = set(await journal.search(question, 10_000))
                assert found == expected, f"{question!r} {[unicodedata.name(c, '?') for c in question]}: {found ^ expected}"
                asked += 1
        return asked
    finally:
        await journal.close()


async def play(draw: Random, folder: Path) -> Outcome:
    same = await _same_everywhere(draw, folder)
    await _a_terminal_that_knows_no_chinese()
    count = _days(draw) + _heads(draw)
    asked = await _search(draw, folder)
    return together(same, Outcome(0, images=count + asked, said=(f"{count} days and heads, {asked} questions of two characters",)))


ROW = Row(31, "leap second, DST zone, 2038, locale, GBK console, rare characters", "same bytes, same answer at every node", (), play)
