"""Who plays in one dispute, with which sums and days: what the slots of a situation's texts stand for, the same in every text."""

import datetime as dt
import random
import re
from functools import lru_cache
from typing import Any, Final

import msgspec

from deploy.demo.situations import words
from deploy.demo.situations.shape import Situation

CHINA: Final = dt.timezone(dt.timedelta(hours=8))
WEEKDAYS: Final = "一二三四五六日"
_SPEC: Final = re.compile(r"^([+\-/.])(?:co(.+)|([mf*])(\d+)-(\d+))(?:=([abcd]))?$")
_BRIEF: Final = (
    ("物业服务有限公司", "物业"),
    ("有限公司", "公司"),
    ("合作社", "合作社"),
    ("厂", "厂"),
    ("经营部", "农资店"),
    ("工作室", "那边"),
)
_OF_A: Final = re.compile(r"^\{a\}|.*\{a\}退")
_SIDES: Final = {"+": "applicant", "-": "respondent", "/": "third"}


class Person(msgspec.Struct, frozen=True):
    """side: "" = only named in texts · born: 0 for a company."""

    name: str
    side: str
    woman: bool
    born: int


def person_name(chance: random.Random, woman: bool | None = None) -> str:
    """Of one who works for an office; no party of a dispute has such a name. Nobody real is meant."""
    woman = chance.random() < 0.45 if woman is None else woman
    return chance.choice(words.SURNAMES) + chance.choice(words.STAFF_WOMEN if woman else words.STAFF_MEN)


def party_name(chance: random.Random, woman: bool, age: int, surname: str = "") -> str:
    """Surname and one or two characters that fit the age; nobody real is meant."""
    young, mid, old = (words.WOMEN_YOUNG, words.WOMEN_MID, words.WOMEN_OLD) if woman else (words.MEN_YOUNG, words.MEN_MID, words.MEN_OLD)
    given = old if age >= 62 else mid if age >= 42 else young
    while True:
        name = (surname or chance.choice(words.SURNAMES)) + chance.choice(given)
        if name not in words.FAMOUS:
            return name


@lru_cache(maxsize=4096)
def yuan_words(fen: int) -> str:
    """1900元, 4.2万元, 41.26万元: as people write a sum."""
    yuan = fen // 100
    return f"{yuan}元" if yuan < 10_000 else f"{yuan / 10_000:.4f}".rstrip("0").rstrip(".") + "万元"


def rounded(chance: random.Random, yuan: float) -> int:
    """Yuan as people name a sum of that size."""
    step = 10 if yuan < 1_000 else 100 if yuan < 10_000 else chance.choice((1_000, 500, 1_000, 100))
    return max(round(yuan / step) * step, 10)


def day_words(day: dt.date, year: int) -> str:
    return f"{day.month}月{day.day}日" if day.year == year else f"{day.year}年{day.month}月{day.day}日"


def date_of(ms: int) -> dt.date:
    return dt.datetime.fromtimestamp(ms / 1000, CHINA).date()


class Cast:
    """People, numbers and sums of one dispute logged on a day. taken: names already in the county's history, to keep them apart."""

    def __init__(self, chance: random.Random, what: Situation, logged_ms: int, taken: set[str]) -> None:
        self.chance, self.what, self.logged = chance, what, date_of(logged_ms)
        self.people: dict[str, Person] = {}
        self._draw_people(taken)
        self.n, self.m = chance.randint(*what.n), chance.randint(*what.m)
        self.happened, self._when = self._moment()
        self.where = chance.choice(words.SPOTS)
        self._draw_sums()
        self._phones = {key: f"1380000{chance.randrange(10_000):04d}" if chance.random() < 0.65 else "" for key in self.people}
        self._homes = {key: f"{chance.randint(1, 14)}组{chance.randint(1, 96)}号" for key in self.people}

    def _draw_people(self, taken: set[str]) -> None:
        specs = {key: spec for key in "abcd" if (spec := getattr(self.what, key))}
        read = {key: _SPEC.match(spec) for key, spec in specs.items()}
        surnames: dict[str, str] = {}
        for key in sorted(read, key=lambda k: bool((found := read[k]) and found[6])):  # who lends a surname comes first
            match = read[key]
            assert match is not None, specs[key]
            side, company, sex, low, high, kin = match.groups()
            for _ in range(40):
                if company:
                    person = Person(self.chance.choice(words.SHOPS) + company, _SIDES.get(side, ""), False, 0)
                else:
                    age, woman = self.chance.randint(int(low), int(high)), sex == "f" or (sex == "*" and self.chance.random() < 0.4)
                    name = party_name(self.chance, woman, age, surnames.get(kin or "", ""))
                    person = Person(name, _SIDES.get(side, ""), woman, self.logged.year - age)
                if person.name not in taken and all(person.name != other.name for other in self.people.values()):
                    break
            self.people[key] = person
            surnames[key] = person.name[0]
        self.people = {key: self.people[key] for key in "abcd" if key in self.people}
        self.names = {person.name for person in self.people.values()}

    def _draw_sums(self) -> None:
        what, chance = self.what, self.chance
        self.each = 0
        if what.each[1]:
            step = 10 if what.each[1] <= 400 else 100
            self.each = round(chance.randint(*what.each) / step) * step
            self.yuan = self.each * self.n
        else:
            self.yuan = rounded(chance, chance.uniform(*what.yuan)) if what.yuan[1] else 0
        low, high = what.share
        self.paid = round(self.yuan * low) if low == high else min(rounded(chance, self.yuan * chance.uniform(low, high)), self.yuan)
        text = "".join((*what.terms, what.how))
        self.parts = self._split(3 if "{p3}" in text else 2 if "{p2}" in text else 1)

    def _split(self, count: int) -> list[int]:
        if count == 1 or not self.paid:
            return [self.paid]
        first = self.paid / 2 if count == 2 and self.chance.random() < 0.45 else self.paid * self.chance.uniform(0.4, 0.6) * 2 / count
        step = 10 if self.paid < 2_000 else 100 if self.paid < 20_000 else 1_000
        first = max(int(first / step) * step, step)
        parts = [first] * (count - 1)
        return [*parts, self.paid - sum(parts)]

    def _moment(self) -> tuple[dt.date, str]:
        """When it happened, and how that is said on the day of the registration."""
        days = self.chance.choice((1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 11, 14, 17))
        day = self.logged - dt.timedelta(days=days)
        if days == 1:
            return day, self.chance.choice(("昨天", "昨天傍晚", "昨天夜里"))
        if days == 2:
            return day, "前天"
        if days <= 8:
            same_week = day.isocalendar()[:2] == self.logged.isocalendar()[:2]
            return day, ("礼拜" if same_week else "上礼拜") + WEEKDAYS[
                day.weekday()
            ] if same_week or days <= 7 else f"{day.month}月{day.day}号"
        return day, f"{day.month}月{day.day}号"

    def called(self, key: str, brief: bool) -> str:
        """brief: a company as people call it once everybody knows which."""
        person = self.people[key]
        if not brief or person.born:
            return person.name
        stem = next((shop for shop in words.SHOPS if person.name.startswith(shop)), "")
        return stem + next((short for end, short in _BRIEF if person.name.endswith(end)), person.name.removeprefix(stem))

    def say(self, template: str, later: bool = False, brief: bool = False, **more: Any) -> str:
        """later: told on another day, so days are named by their date."""
        month = self.logged.month
        slots: dict[str, Any] = {key: self.called(key, brief) for key in self.people}
        who, other = ("a", "b") if _OF_A.match("".join(self.what.terms[:1])) or self.what.how.startswith("{a}") else ("b", "a")
        slots |= {"who": slots[who], "other": slots[other], "age": self.logged.year - self.people["a"].born}
        slots |= {"t" + key: "她" if self.people[key].woman else "他" for key in ("a", "b")}
        slots |= {f"m{back}": f"{(month - back - 1) % 12 + 1}月" for back in (1, 2, 3)}
        slots |= {f"p{at + 1}": yuan_words(part * 100) for at, part in enumerate(self.parts)}
        slots |= {"n": self.n, "m": self.m, "where": self.where}
        if "{knot}" in template:
            slots["knot"] = "" if template == self.what.knot else self.say(self.what.knot)
        slots |= {"when": day_words(self.happened, self.logged.year) if later else self._when}
        slots |= {"y1": f"{self.logged.year - 1}年" if later else "去年"}
        slots |= {
            "yuan": yuan_words(self.yuan * 100),
            "paid": yuan_words(self.paid * 100),
            "less": yuan_words((self.yuan - self.paid) * 100),
        }
        slots |= {"each": yuan_words(self.each * 100)}
        return template.format(**{**slots, **more})

    def party(self, key: str) -> dict[str, Any]:
        """As a command takes it."""
        person = self.people[key]
        found: dict[str, Any] = {"name": person.name, "side": person.side, "phone": self._phones[key], "address": self._homes[key]}
        if not person.born:
            agent = self.people.get("c" if key == "b" else "d")
            return found | {"kind": "company", "agent": agent.name if agent and not agent.side else "", "address": ""}
        return found | {"sex": "2" if person.woman else "1", "birth_year": person.born}

    def parties(self) -> list[dict[str, Any]]:
        return [self.party(key) for key, person in self.people.items() if person.side]
