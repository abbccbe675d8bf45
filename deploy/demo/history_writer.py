"""One dispute, told forward in time, as acts that the rules allow: registered, mediated, passed up or down, settled, followed up.

A Writer draws a situation and a cast and goes on until the matter rests. `wish` names turns that must happen (when they can);
without it chance decides. Acts may lie in the future: whoever asks for the play leaves those out.
"""

import datetime as dt
import random
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from deploy.demo.history_act import CHANCES, Act, Play, at_work, midnight_ms
from deploy.demo.history_cast import Cast, Person, date_of, day_words, yuan_words
from deploy.demo.situations import words
from deploy.demo.situations.shape import Situation
from protocol.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from protocol.place import parent
from protocol.tables import Tables

_DAYS: Final = re.compile(r"\{d(\d)\}")
_PAYS: Final = re.compile(r"(?<!垫)付|赔|退还|归还|补足|补偿|转账")
_AWAY: Final = re.compile(
    r"没有来|没来|没有到|不露面|联系不上|电话里|关机|来不了|走亲戚|回了娘家|在外省|不接电话|打\{b\}的电话|(\{a\}没有到场)"
)
_NOBODY: Final = Person("", "", False, 0)
_PART_KEPT: Final = re.compile(r"一半|第一|大半|砌了|付了")


class Writer:
    """`at` only grows. office: who holds the case now."""

    def __init__(
        self, chance: random.Random, number: int, ledger: str, began_ms: int, what: Situation, *,
        taken: set[str], told: int, wish: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self.chance, self.number, self.ledger, self.what, self.wish = chance, number, ledger, what, wish
        self.village, self.township = ledger, parent(ledger) or ledger
        self.county = parent(self.township) or self.township
        self.at = at_work(chance, began_ms)
        self.cast = Cast(chance, what, self.at, taken)
        self.told = what.told[told % len(what.told)]
        self.facts = self.cast.say(self.told, later=True)
        self.office, self.risk = self._first_office(), what.risk
        self.acts: list[Act] = []
        self.sessions: list[int] = []  # times of those of the present office
        self.used: set[str] = set()

    def _first_office(self) -> str:
        if "county_first" in self.wish:
            return self.county
        if "township_first" in self.wish:
            return self.township
        drawn = self.chance.random()
        if self.wish or drawn < 0.86:
            return self.village
        return self.county if drawn > 0.96 and self.what.hard else self.township

    def play(self) -> Play:
        self._log()
        if self._happens("void"):
            self._then(0.1, "VoidDispute", reason=self._say(self._one_of(words.VOIDS)))
        elif self.what.type.startswith(("19", "21")) or (self.what.door[0] and not self.wish & _BUSY and self._happens("decline")):
            self._decline()
        else:
            self._handle()
        return Play(self.number, self.ledger, self.acts)

    # ── the first days ──

    def _log(self) -> None:
        what, cast, chance = self.what, self.cast, self.chance
        low, high = what.heads
        group = any(f"{{n}}{unit}" in "".join((self.told, *what.terms)) for unit in ("户", "人", "个人", "个工人", "个民工", "个老人"))
        self._act(
            "LogDispute",
            ledger=self.ledger,
            type=what.type if len(what.type) == 4 and chance.random() > 0.03 else what.type[:2],
            account=cast.say(self.told),
            parties=cast.parties(),
            place_text=cast.where if "{where}" in self.told or chance.random() < 0.15 else "",
            intake=self._intake(),
            headcount=max(cast.n, low) if group else chance.randint(low, min(high, low + 3)),
            amount_fen=cast.yuan * 100 if cast.yuan and "{yuan}" in self.told else None,
            risk=what.risk,
            happened_ms=midnight_ms(cast.happened) + 10 * HOUR_MS if "{when}" in self.told else None,
        )
        if self._happens("correct") and self.acts[0].fields["place_text"]:
            other = chance.choice([spot for spot in words.SPOTS if spot != cast.where])
            self._then(0.05, "CorrectDispute", field="place_text", value=other, reason="电话里听错了地方。")

    def _intake(self) -> str:
        kind = self.what.type[:2]
        if self.office == self.county:
            return self.chance.choice(("visit", "visit", "online", "petition" if kind in ("07", "08", "09", "20") else "visit"))
        if kind in ("06", "14") and self.chance.random() < 0.3:
            return "police"
        if kind in ("04", "18") and self.chance.random() < 0.12:
            return "court"
        if self.office == self.township:
            return self.chance.choice(("visit", "visit", "phone", "online", "unit"))
        return self.chance.choice(("visit", "visit", "visit", "phone", "phone", "grid", "patrol"))

    def _decline(self) -> None:
        reason, door = self.what.door
        if self.what.type.startswith(("19", "21")):
            self._rise()
            self._then(0.1, "AddNote", text=self._say(self.what.notes[0]))
        self._then(self.chance.uniform(0.1, 0.9), "DeclineDispute", reason=self._say(reason), door=door)
        if self._happens("archive"):
            self._then(self.chance.uniform(5, 20), "ArchiveDispute", retention="10")

    def _handle(self) -> None:
        self._then(self.chance.uniform(0.02, 0.8), "AcceptDispute", willing=True)
        if self._happens("rise"):
            self._rise()
        if self._happens("note"):
            self._note(self.what.notes)
        if self._happens("withdraw"):
            self._then(self.chance.uniform(0.5, 3), "CloseDispute", ending="withdrawn", result=self._say(self._one_of(words.WITHDRAWN)))
            return self._put_away()
        if self.office == self.county and self._happens("hand_down"):
            self._hand_down(self.township, words.DOWN_TOWNSHIP)
        elif self.office == self.township and self._happens("hand_down"):
            self._hand_down(self.village, words.DOWN_VILLAGE)
        return self._tiers()

    def _tiers(self) -> None:
        """The village tries, then the township, then the county, as far as it takes."""
        what = self.what
        if self.office == self.village:
            if self._well(0.88, 0.5, 0.14, "village_fails"):
                return self._settle()
            self._fail(what.stuck[0], with_first=True)
            if self._happens("end_low") and not what.hard:
                return self._end()
            if not self._up(self.township, (*words.UP_VILLAGE, *(words.UP_NEAR if self._near() else ()))):
                return self._settle()  # sent back: the village tries once more
        if self.office == self.township:
            if self._well(0.97, 0.85, 0.35, "township_fails"):
                return self._settle()
            self._fail(what.stuck[1] if len(what.stuck) > 1 else self._one_of(words.FAIL_TOWNSHIP), with_first=False)
            if not what.top:
                return self._end()
            self._up(self.county, words.UP_TOWNSHIP)
        return self._county()

    def _well(self, easy: float, middling: float, hard: float, wished: str) -> bool:
        if wished in self.wish:
            return False
        return self.chance.random() < (easy, middling, hard)[self.what.hard]

    def _county(self) -> None:
        what = self.what
        names = words.UNITS[what.type[:2]]
        when = self._open_at(self.at + int(self.chance.uniform(1.5, 3.5) * DAY_MS) + HOUR_MS)
        self._later(self.chance.uniform(0.1, 0.8))
        when = max(when, self._open_at(self.at + DAY_MS))
        when += -when % (30 * MINUTE_MS)
        units = [f"{self.county}/{unit}" for unit in names]
        convened = self._act("ConveneUnits", units=units, purpose=self._say(self._one_of(words.PURPOSES)), when_ms=when)
        self._units_answer(convened, units)
        self.at = when + 2 * HOUR_MS
        if self._happens("county_fails") or not what.top:
            self._session(self._one_of(words.FAIL_COUNTY), "failed")
            return self._end()
        self._session(what.top, "go_on")
        if what.opinion and self._happens("opinion"):
            return self._answer()
        return self._agree()

    def _units_answer(self, convened: Act, units: Sequence[str]) -> None:
        now = self.at
        for unit in units:
            self.at = now + self.chance.randint(20, 180) * MINUTE_MS
            self._act("ConfirmTask", kind="department", office=unit, task=convened.name)
        self.at = max(act.at_ms for act in self.acts) + MINUTE_MS
        for unit in units:
            report = {"result": "eased", "words": self._say(self._one_of(words.CAME))}
            late = convened.fields["when_ms"] + self.chance.randint(60, 119) * MINUTE_MS
            self.acts.append(Act(late, unit, "department", "ReportTask", {"task": convened.name, **report}, self._name()))

    # ── scenes ──

    def _settle(self) -> None:
        """Sessions that end well, then the paper."""
        first, turn, done = self.what.talks
        plan = [first] if first not in self.used and self.chance.random() < 0.75 else []
        plan += [turn] if turn not in self.used and self.chance.random() < (0.3, 0.5, 0.6)[self.what.hard] else []
        for text in plan:
            self._wait()
            self._session(text, "go_on")
        if self._happens("law"):
            self._then(self.chance.uniform(1, 3), "CloseDispute", ending="law", result=self._say(self._one_of(words.LAW)))
            return self._put_away()
        if self.office != self.village and self.what.visit[0] and self._happens("visit"):
            self._visit()
        if self._happens("stall") and self.office == self.village:
            self._stall()
        self._wait()
        self._session(done, "go_on")
        if self.what.opinion and self.office != self.village and self._happens("opinion"):
            return self._answer()
        return self._agree()

    def _answer(self) -> None:
        """A written answer of the office ends it."""
        self._then(self.chance.uniform(1, 3), "CloseDispute", ending="opinion", result=self._say(self.what.opinion))
        self._put_away()

    def _fail(self, text: str, with_first: bool) -> None:
        first, turn, _ = self.what.talks
        before = first if with_first else turn
        if before not in self.used and self.chance.random() < 0.7:
            self._wait()
            self._session(before, "go_on")
        if not with_first and self.what.visit[0] and self._happens("visit"):
            self._visit()
        if with_first and self._happens("stall"):
            self._stall()
        self._wait()
        self._session(text, "failed")

    def _wait(self) -> None:
        self._later(self.chance.uniform(0.6, 2.6))

    def _session(self, text: str, result: str) -> None:
        self.used.add(text)
        level = {self.village: "village", self.township: "township"}.get(self.office, "county")
        company = not self.cast.people["b"].born
        sitting = ["a", "c" if company and "c" in self.cast.people else "b", *[k for k in "cd" if self.cast.people.get(k, _NOBODY).side]]
        if away := _AWAY.search(text):
            sitting = [key for key in sitting if key == "a"] if away[1] is None else [key for key in sitting if key != "a"]
        names = list(dict.fromkeys(self.cast.people[key].name for key in sitting))
        present = "、".join([*names, self.chance.choice(words.HELPERS[level])])
        self._act("RecordMediation", account=self._say(text), result=result, present=present)
        self.sessions.append(self.at)

    def _up(self, to: str, reasons: Sequence[str]) -> bool:
        """Offered to the office above, which takes it up within a day or so. False: it was sent back once."""
        days = [day_words(date_of(ms), date_of(self.at).year) for ms in self.sessions[:6]]
        place = "村委会" if self.office == self.village else "镇综治中心"
        tried = self.chance.choice(words.TRIED).format(
            days="、".join(dict.fromkeys(days)), place=place, k=len(days), a=self.cast.people["a"].name, b=self.cast.people["b"].name
        )
        self._then(
            self.chance.uniform(0.05, 1.2), "EscalateDispute", to=to, reason=self._say(self._one_of(reasons), k=len(days)), tried=tried
        )
        kind = "officer" if to == self.township else "operator"
        self._later(self.chance.uniform(2, 4) if self._happens("late_take_up") else self.chance.uniform(0.05, 0.9))
        if to == self.township and self._happens("return"):
            self._act("ReturnDispute", kind=kind, office=to, reason=self._say(self._one_of(words.RETURNS)))
            return False
        self._act("TakeUpDispute", kind=kind, office=to)
        self.office, self.sessions = to, []
        if to == self.township and self.what.hard == 2 and self._happens("instruct"):
            texts = words.INSTRUCTIONS_GROUP if self.acts[0].fields["headcount"] >= 8 else words.INSTRUCTIONS
            self._then(0.1, "GiveInstruction", kind="operator", office=self.county, text=self._say(self._one_of(texts)))
        if self._happens("note_later"):
            self._note(())
        return True

    def _hand_down(self, to: str, reasons: Sequence[str]) -> None:
        self._later(self.chance.uniform(0.1, 0.8))
        due = self._working_days(10)
        self._act(
            "HandDownDispute",
            to=to,
            due=due.isoformat(),
            reason=self._say(self._one_of(reasons), due=day_words(due, date_of(self.at).year)),
        )
        self._later(self.chance.uniform(0.1, 0.9))
        self._act("TakeUpDispute", kind="clerk" if to == self.village else "officer", office=to)
        self.office, self.sessions = to, []

    def _stall(self) -> None:
        """Nothing for more than a week, until the township urges."""
        self._later(self.chance.uniform(7, 10))
        due = self._working_days(3)
        text = self._say(self._one_of(words.STALLED), due=day_words(due, date_of(self.at).year))
        self._act("UrgeDispute", kind="officer", office=self.township, text=text, due=due.isoformat())
        self._later(self.chance.uniform(0.3, 2))
        self._session(self._one_of(words.AGAIN), "go_on")

    def _visit(self) -> None:
        """A cadre of the township goes there; now and then one can't, or needn't any more."""
        if self._happens("recall"):
            sent = self._assign()
            self._then(
                self.chance.uniform(0.1, 0.5),
                "RecallTask",
                office=self.township,
                kind="officer",
                task=sent.name,
                reason=self._one_of(words.RECALLS),
            )
            return
        sent = self._assign()
        if self._happens("no_cadre"):
            self._cadre(0.2, "DeclineTask", sent, reason=self._say(self._one_of(words.NO_CADRE)))
            sent = self._assign()
        self._cadre(self.chance.uniform(0.02, 0.4), "ConfirmTask", sent)
        self._cadre(self.chance.uniform(0.3, 1.8), "ArriveTask", sent)
        days = self.chance.uniform(0.7, 1.2) if self._happens("late_report") else 0.05
        result = self.chance.choice(("eased", "eased", "unsettled"))
        self._cadre(days, "ReportTask", sent, result=result, words=self._say(self.what.visit[1]))

    def _assign(self) -> Act:
        self._later(self.chance.uniform(0.2, 0.9))
        return self._act(
            "AssignTask",
            place=self.ledger,
            purpose=self._say(self.what.visit[0]),
            due_ms=midnight_ms(self._working_days(3)) + 17 * HOUR_MS,
            bring=self.what.bring or "记录纸、印泥",
            summary=self.facts,
            address=self.acts[0].fields["place_text"] or self.cast.party("a")["address"],
            contacts=[party for party in self.cast.parties() if party["side"] != "third"][:3],
        )

    def _cadre(self, days: float, command: str, sent: Act, **fields: Any) -> None:
        self._then(days, command, kind="cadre", office=self.township, task=sent.name, **fields)

    def _rise(self) -> None:
        risk, reason = self.what.rise
        if risk and risk != self.risk:
            self._then(self.chance.uniform(0.05, 0.6), "SetRisk", risk=risk, reason=self._say(reason))
            self.risk = risk

    def _note(self, texts: Sequence[str]) -> None:
        common = (*words.NOTES, *(words.NOTES_NEAR if self._near() else ()))
        fit = [t for t in ((*texts, *common) if not texts or self.chance.random() < 0.4 else texts) if t not in self.used]
        if fit:
            self._then(self.chance.uniform(0.05, 0.7), "AddNote", text=self._say(self._one_of(fit), day=self.chance.choice("一二三四五")))

    # ── the paper, and after ──

    def _agree(self) -> None:
        if self._happens("next_day"):
            self._later(self.chance.uniform(0.6, 1.6))
        else:
            self._later(0.04)
        due = self._sign(list(self.what.terms), self.what.how, self.cast.paid)
        if self.risk != "green" and self._happens("ease"):
            self._then(0.3, "SetRisk", risk="green", reason=self._say(self._one_of(words.EASED)))
            self.risk = "green"
        self._then(self.chance.uniform(0.3, 2.5), "CloseDispute", ending="agreement", result=self._say(self.what.result))
        self._kept(due)

    def _sign(self, terms: list[str], how: str, paid: int) -> list[dt.date]:
        """The agreement; its days of performance are the {d…} of its texts."""
        text = "".join([*terms, how])
        count = max((int(n) for n in _DAYS.findall(text)), default=0)
        signed = date_of(self.at)
        due = self._dues(signed, count, months="{p2}" in text)
        self.days = {f"d{at + 1}": day_words(day, signed.year) for at, day in enumerate(due)}
        has_sum = any(slot in text for slot in ("{paid}", "{p1}", "{p2}"))
        money = self.cast.yuan if "{yuan}" in text and not has_sum else paid if has_sum else 0
        self._act(
            "SignAgreement",
            terms=[self._say(term, brief=False) for term in terms],
            performance=self._say(how, brief=False),
            facts=self.facts,
            responsibility=self._say(self.what.duty or self._one_of(words.DUTIES), brief=False),
            due=[day.isoformat() for day in due],
            amount_fen=money * 100 if money else None,
            follow_up_by=self.village,
            form="oral" if not self.what.hard and count < 2 and money < 2_000 and self.chance.random() < 0.35 else "written",
        )
        return due

    def _dues(self, signed: dt.date, count: int, months: bool) -> list[dt.date]:
        found: list[dt.date] = []
        for _ in range(count):
            gap = self.chance.randint(4, 16) if not found else self.chance.randint(26, 34) if months else self.chance.randint(6, 14)
            day = (found[-1] if found else signed) + dt.timedelta(days=gap)
            while day.day % 5 and self.chance.random() < 0.8:
                day += dt.timedelta(days=1)
            found.append(day)
        return found

    def _kept(self, due: Sequence[dt.date]) -> None:
        """A follow-up some days after each day of performance; a paper not kept is opened again; then the file is put away."""
        steps = list(due) or [date_of(self.at)]
        money = bool(self.acts_of("SignAgreement")[-1].fields["amount_fen"] and _PAYS.search("".join(self.what.terms)))
        for at, day in enumerate(steps[:-1]):
            text = self._one_of(words.STEP_MONEY if money and len(self.cast.parts) > 1 else words.STEP_DEED)
            part = yuan_words(self.cast.parts[min(at, len(self.cast.parts) - 1)] * 100)
            self._follow(day, "yes", text, d=day_words(day, day.year), p=part, nth="一二三"[at], soon=True)
        if self._happens("unkept"):
            return self._not_kept(steps[-1], money)
        paid = self.acts_of("SignAgreement")[-1].fields["amount_fen"] or 0
        if self._happens("partly") and not (money and paid < 200_000):
            self._follow(steps[-1], "partly", self._one_of(words.PARTLY_MONEY if money else words.PARTLY_DEED))
            self._later(self.chance.uniform(6, 14))
            self._follow(date_of(self.at), "yes", self.what.kept)
        else:
            self._follow(steps[-1], "yes", self.what.kept)
        return self._put_away()

    def _not_kept(self, day: dt.date, money: bool) -> None:
        cast = self.cast
        text = self.what.unkept or self._one_of(words.UNKEPT_MONEY if money else words.UNKEPT_DEED)
        self._follow(day, "partly" if _PART_KEPT.search(text) else "no", text)
        self._then(
            self.chance.uniform(0.5, 3), "ReopenDispute", reason=self._say(f"{date_of(self.at).month}月回访发现协议没有履行：{text}")
        )
        self._wait()
        self._session(self._one_of(words.SECOND_TALK), "go_on")
        self._later(0.04)
        if len(cast.parts) > 1:
            rest = yuan_words(cast.parts[-1] * 100)
            payer = "a" if self.what.terms[0].startswith("{a}") else "b"
            due = self._sign(
                [f"{{{payer}}}于{{d1}}前付清余款{rest}，再逾期的，对方可以持原协议和本协议向法院起诉。"],
                "转账付清，不迟于{d1}，付清当日告诉村里。",
                0,
            )
            signed = self.acts.pop()
            self.acts.append(msgspec.structs.replace(signed, fields=signed.fields | {"amount_fen": cast.parts[-1] * 100}))
        else:
            due = self._sign(list(self.what.terms), self.what.how, cast.paid)
        self._then(self.chance.uniform(0.3, 2.5), "CloseDispute", ending="agreement", result="重新约定日子，双方签字。")
        self._follow((due or [date_of(self.at)])[-1], "yes", self._one_of(words.SECOND_DONE))
        self._put_away()

    def _follow(self, due: dt.date, kept: str, text: str, soon: bool = False, **more: Any) -> None:
        late = self.chance.randint(14, 24) if not soon and self._happens("late_follow") else self.chance.randint(1, 6)
        self.at = self._open_at(max(self.at + HOUR_MS, midnight_ms(due) + late * DAY_MS + self.chance.randint(540, 990) * MINUTE_MS))
        satisfied = {"yes": ("yes", "yes", "yes", "mostly"), "partly": ("mostly", "mostly", "no"), "no": ("no",)}[kept]
        self._act(
            "RecordFollowUp",
            office=self.village,
            kind="clerk",
            kept=kept,
            satisfied=self.chance.choice(satisfied),
            account=self._say(text, **more),
        )

    def _put_away(self) -> None:
        if self._happens("archive"):
            retention = "30" if self.what.type[:2] in ("03", "06", "07", "08") or self.what.heads[1] >= 10 else "10"
            self._then(self.chance.uniform(2, 20), "ArchiveDispute", retention=retention)

    def _end(self) -> None:
        ways = words.WAYS.get(self.what.type) or words.WAYS.get(self.what.type[:2], words.WAYS[""])
        self._then(self.chance.uniform(0.5, 3), "EndMediation", reason=self._say(self._one_of(words.END_REASONS)), ways=ways)
        self._then(self.chance.uniform(0.3, 4), "CloseDispute", ending="ended", result=self._say(self._one_of(words.ENDED)))
        self._put_away()

    # ── tools ──

    def _near(self) -> bool:
        """Two families of one village."""
        return self.what.type[:2] in ("01", "02", "03", "07") and all(person.born for person in self.cast.people.values())

    def acts_of(self, command: str) -> list[Act]:
        return [act for act in self.acts if act.command == command]

    def _happens(self, turn: str) -> bool:
        return turn in self.wish or (f"no_{turn}" not in self.wish and self.chance.random() < CHANCES[turn])

    def _one_of(self, texts: Sequence[str]) -> str:
        """One not yet used in this dispute, while there is one."""
        text = self.chance.choice([t for t in texts if t not in self.used] or list(texts))
        self.used.add(text)
        return text

    def _say(self, template: str, brief: bool = True, **more: Any) -> str:
        days = getattr(self, "days", {})
        today = date_of(self.at)
        return self.cast.say(template, later=True, brief=brief, **{"day": f"{today.month}月{today.day}日", **days, **more})

    def _working_days(self, count: int) -> dt.date:
        return Tables.packaged().calendar.add_working_days(date_of(self.at), count)

    def _open_at(self, ms: int) -> int:
        return at_work(self.chance, ms)

    def _later(self, days: float) -> None:
        self.at = self._open_at(self.at + max(int(days * DAY_MS), MINUTE_MS))

    def _then(self, days: float, command: str, kind: str = "", office: str = "", **fields: Any) -> Act:
        self._later(days)
        return self._act(command, kind=kind, office=office, **fields)

    def _name(self) -> str:
        return f"demo-{self.number:04d}-{len(self.acts):02d}"

    def _act(self, command: str, kind: str = "", office: str = "", **fields: Any) -> Act:
        where = office or self.office
        default = {self.village: "clerk", self.township: "officer"}.get(where, "operator")
        act = Act(self.at, where, kind or default, command, fields, self._name())
        self.acts.append(act)
        return act


_BUSY: Final = frozenset({"village_fails", "township_fails", "unkept", "stall", "rise", "visit", "hand_down", "note", "busy"})
