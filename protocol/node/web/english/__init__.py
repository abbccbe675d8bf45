"""The pages in English: `catalogue = Catalogue([…toml])`, `catalogue.say("还剩 3 天")` → '3 days left', `environment(shared, catalogue)`.

Chinese is written in the templates and in the code; English stands beside it, one file a package, as message → English. A message is a
run of words between tags, or a string of the code; what is filled in is `{1}` `{2}` … or the name that `str.format` uses. In the English:

    {1}    what is filled in, as it stands: a name, a place, a number      {1!}  words of ours too: said in English as well
    {-1}   left out on purpose                                             [s]   only when the number before it is not 1

An English that equals its message says that the words stay Chinese. `[in."case.html"]` gives other English within one template, `[in.kind]` within
one filter. Punctuation at the ends of a message is not part of it: it is
written the English way by itself. Only expressions named under `own` (templates.py) are ever looked up; what people typed is not.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from copy import copy
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

IDEOGRAPH: Final = re.compile("[\u3400-\u9fff]")
SIGN: Final = re.compile("[\u3400-\u9fff，。；：、！？（）]")
HOLE: Final = re.compile(r"\{(-?)(\w+)(!?)\}")
POINTS: Final = str.maketrans(
    {"，": ", ", "。": ". ", "；": "; ", "：": ": ", "、": ", ", "·": " · ", "！": "! ", "？": "? ", "（": " (", "）": ") "}
)
ENDS: Final = "，。；：、！？…·　 \n\t"
CUTS: Final = (
    re.compile(r"([；。]+|　+)"),
    re.compile(r"( · |，)"),
    re.compile(r"([：、（）]+)"),
    re.compile("( )"),
    re.compile("(·)"),
)  # the coarsest first
CALENDAR: Final = re.compile("[年月日周 ]*")  # a message of these alone is a date, see said_date
LASTED: Final = re.compile(r"(\d+ (?:分钟|小时|天))((?:还没|没有|未).+)")
COUNTED: Final = re.compile(" [条件个天小分秒张次项千兆位字台处]")  # what stands before it is a number
TENS_OF_THOUSANDS: Final = re.compile(r"([\d,.]+) 万元")
PLURAL: Final = re.compile(r"(?<![\d.,])(\d[\d,.]*)((?: [A-Za-z]+)*? ?[A-Za-z]+)\[s\]")
MONTHS: Final = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS: Final[dict[str, str]] = dict(zip("一二三四五六日", ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True))
NEAR: Final[dict[str, str]] = {"今天": "today", "昨天": "yesterday", "明天": "tomorrow"}
DATE: Final = re.compile(r"(?:(\d{4})年)?(?:(\d{1,2})月)?(?:(\d{1,2})日)?(?:[ ，]?周([一二三四五六日]))?(?: (\d\d:\d\d))?")
WHEN: Final = re.compile(r"(今天|昨天|明天) (\d\d:\d\d)")
KEPT_MAX: Final = 4096  # answers kept; a page has some hundred


class Catalogue:
    """files: TOML with [messages], [own] and [in.…], read once; stamp: of what they say. Raises ValueError for a message that two files give differently."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.messages: dict[str, str] = {}
        self.own: dict[str, frozenset[str]] = {}
        self.places: dict[str, dict[str, str]] = {}
        read = sha256()
        for file in files:
            read.update(raw := file.read_bytes())
            told = tomllib.loads(raw.decode())
            for message, english in told.get("messages", {}).items():
                if self.messages.setdefault(message, english) != english:
                    raise ValueError(f"{file}: “{message}” has another English already")
            for template, expressions in told.get("own", {}).items():
                self.own[template] = self.own.get(template, frozenset()) | frozenset(expressions)
            for place, messages in told.get("in", {}).items():
                self.places.setdefault(place, {}).update(messages)
        self.stamp = read.hexdigest()
        self._prepare()

    def of(self, place: str) -> "Catalogue":
        """The catalogue as it reads within a template or filter."""
        if place not in self.places:
            return self
        if place not in self._within:
            made = copy(self)
            made.messages, made.places = {**self.messages, **self.places[place]}, {}
            made._prepare()
            self._within[place] = made
        return self._within[place]

    def _prepare(self) -> None:
        self._within: dict[str, Catalogue] = {}
        holed = [message for message in self.messages if HOLE.search(message) and not CALENDAR.fullmatch(HOLE.sub("", message))]
        holed.sort(key=lambda message: (-len(IDEOGRAPH.findall(HOLE.sub("", message))), message.startswith("{")))  # who says most wins
        self._patterns = [(_pattern(message), self.messages[message]) for message in holed]
        self.say = lru_cache(KEPT_MAX)(self._say)

    def _say(self, text: str) -> str:
        """Words of ours in English; what is in no file stays as it is."""
        if not SIGN.search(text):
            return text
        before, core, after = peeled(text)
        if not IDEOGRAPH.search(core):
            return tidy(pointed(text))
        return tidy(pointed(before) + self._core(core) + pointed(after))

    def _core(self, core: str) -> str:
        if (found := self.messages.get(core)) is not None:
            return found
        if when := said_date(core) or said_sum(core):
            return when
        if since := LASTED.fullmatch(core):
            return f"{self.say(since[2])}, {self.say(since[1])}"
        for pattern, english in self._patterns:
            if met := pattern.fullmatch(core):
                return plural(self._filled(english, met.groupdict()))
        for cut in CUTS:
            if len(parts := cut.split(core)) > 1:
                return "".join(pointed(part) if i % 2 else self._say(part) for i, part in enumerate(parts))
        return core

    def _filled(self, english: str, values: Mapping[str, str]) -> str:
        def one(hole: re.Match[str]) -> str:
            left_out, name, ours = hole.groups()
            value = values.get(f"_{name}", "")
            if left_out or not ours:
                return "" if left_out else value
            return within(self.say(value)) if hole.start() and english[hole.start() - 1] != "“" else self.say(value)

        return HOLE.sub(one, english)

    def deep(self, value: Any) -> Any:
        """Every text in it said in English: lists, tuples, items and values of a dict; its keys and anything else stay."""
        if isinstance(value, Markup):
            return value
        if isinstance(value, str):
            return self.say(value)
        if isinstance(value, Mapping):
            return {key: self.deep(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.deep(one) for one in value]
        return [self.deep(one) for one in value] if type(value).__name__ in ("dict_items", "dict_values", "generator") else value


def peeled(text: str) -> tuple[str, str, str]:
    """Text without the punctuation and white space at its ends, and those ends; a bracket goes only with its pair or alone."""
    core = text.strip(ENDS + "（）")
    if core.count("（") != core.count("）"):
        core = text.strip(ENDS)
    at = text.find(core) if core else len(text)
    return text[:at], core, text[at + len(core) :]


def message_of(text: str) -> str:
    """The key under which a catalogue has it."""
    return " ".join(peeled(text)[1].split())


def pointed(text: str) -> str:
    return text.translate(POINTS)


def tidy(text: str) -> str:
    """One space where several met, none before a point."""
    return re.sub(r"\( +", "(", re.sub(r" +([,.;:!?)])", r"\1", re.sub(r"[ \n\t]+", " ", text)))


def within(english: str) -> str:
    """Words that stand alone elsewhere, inside a sentence: no capital, except of an abbreviation."""
    return english[:1].lower() + english[1:] if english[1:2].islower() else english


def plural(text: str) -> str:
    return PLURAL.sub(lambda m: f"{m[1]}{m[2]}{'' if m[1] == '1' else 's'}", text).replace("[s]", "s")


def said_date(text: str) -> str:
    """'11月26日 周四 17:30' → 'Thu 26 Nov 17:30', also '… 前' and '…至…'; "" for anything else."""
    if text.endswith("前"):
        return f"by {before}" if (before := said_date(text[:-1].rstrip())) else ""
    if "至" in text:
        return _said_range(*text.split("至", 1))
    if near := WHEN.fullmatch(text):
        return f"{NEAR[near[1]]} {near[2]}"
    found = DATE.fullmatch(text)
    if not found or not any(found.groups()[:4]):
        return NEAR.get(text, "") or WEEKDAYS.get(text, "")
    year, month, day, weekday, time = found.groups()
    if day and year and not month:
        return ""
    parts = (WEEKDAYS.get(weekday or "", ""), day or "", MONTHS[int(month)] if month and int(month) <= 12 else "", year or "", time or "")
    return " ".join(filter(None, parts))


def _said_range(first: str, last: str) -> str:
    """'2026年11月1日', '27日' → '1 to 27 Nov 2026': what both share is said once, at the end."""
    if not (since := DATE.fullmatch(first)) or not (until := DATE.fullmatch(last)) or not (since[3] and until[3]):
        return ""
    year, month = until[1] or since[1], until[2] or since[2]
    begin = said_date((f"{since[1]}年" if until[1] else "") + (f"{since[2]}月" if until[2] and since[2] else "") + f"{since[3]}日")
    return f"{begin} to {said_date((f'{year}年' if year and month else '') + (f'{month}月' if month else '') + f'{until[3]}日')}"


def said_sum(text: str) -> str:
    """'12.3 万元' → '123k yuan'; "" for anything else."""
    found = TENS_OF_THOUSANDS.fullmatch(text)
    return f"{float(found[1].replace(',', '')) * 10:,.0f}k yuan" if found else ""


def _pattern(message: str) -> re.Pattern[str]:
    seen: set[str] = set()
    parts, at = [], 0
    for hole in HOLE.finditer(message):
        name = f"_{hole[2]}"
        what = r"[\d,.]+" if COUNTED.match(message, hole.end()) else r"(?:(?! · )[^；。])*?"
        parts += [re.escape(message[at : hole.start()]), f"(?P={name})" if name in seen else f"(?P<{name}>{what})"]
        seen.add(name)
        at = hole.end()
    return re.compile("".join(parts) + re.escape(message[at:]), re.DOTALL)
