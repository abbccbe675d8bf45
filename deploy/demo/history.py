"""A county's year of disputes, drawn from a seed: who quarrelled, what was said, where it went, how it ended.

`plays(seed, now_ms, village paths …)` gives one Play a dispute: acts in order, each a command for the desk of an office. Acts that
would lie in the future are left out, so the youngest disputes stand in every stage by themselves. The persons are made up.
"""

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from deploy.demo import situations
from deploy.demo.situations import SITUATIONS, Situation
from protocol import money
from protocol.place import parent

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
CHINA: Final = dt.timezone(dt.timedelta(hours=8))
INTAKES: Final = ("visit", "visit", "visit", "phone", "grid", "patrol")
MEDIATIONS_MAX = 3


class Act(msgspec.Struct, frozen=True):
    """kind: of the post that acts · command: class name · fields: of the command, without id and case · name: of the id."""

    at_ms: int
    office: str
    kind: str
    command: str
    fields: dict[str, Any]
    name: str


class Play(msgspec.Struct, frozen=True):
    """ledger: the village it happened in · into: number of the play it is merged into (-1: none)."""

    number: int
    ledger: str
    acts: list[Act]


def plays(seed: int, now_ms: int, villages: Sequence[tuple[str, int]], days: int = 320) -> Iterator[Play]:
    """villages: (path, how many disputes happened there). The same seed and day give the same plays."""
    chance = random.Random(seed)
    number = 0
    for path, count in villages:
        for _ in range(count):
            began = now_ms - int(DAY_MS * days * chance.random() ** 1.35)
            yield Writer(chance, number, path, _at_work(chance, began), now_ms).play()
            number += 1


def _at_work(chance: random.Random, ms: int) -> int:
    """The same day, in office hours of UTC+8; a Sunday becomes Monday."""
    at = dt.datetime.fromtimestamp(ms / 1000, CHINA)
    if at.weekday() == 6:
        at += dt.timedelta(days=1)
    hour = chance.choice((8, 8, 9, 9, 10, 10, 11, 13, 14, 14, 15, 16))
    at = at.replace(hour=hour, minute=chance.randrange(60), second=chance.randrange(60), microsecond=0)
    return int(at.timestamp() * 1000)


def person_name(chance: random.Random, woman: bool | None = None) -> str:
    """Surname and one or two characters; nobody real is meant."""
    given = situations.GIVEN_WOMEN if (chance.random() < 0.45 if woman is None else woman) else situations.GIVEN_MEN
    return chance.choice(situations.SURNAMES) + "".join(chance.choice(given) for _ in range(chance.choice((1, 2, 2, 2))))


class Writer:
    """One dispute, told forward in time. `at` only grows; what comes after `now_ms` has not happened."""

    def __init__(self, chance: random.Random, number: int, ledger: str, began_ms: int, now_ms: int) -> None:
        self.chance, self.number, self.ledger, self.at, self.now_ms = chance, number, ledger, began_ms, now_ms
        self.village, self.township = ledger, parent(ledger) or ledger
        self.county = parent(self.township) or self.township
        self.office, self.acts = self.village, []
        self.what: Situation = chance.choices(SITUATIONS, [3 if s.hard == 0 else 2 for s in SITUATIONS])[0]
        self.a, self.b = person_name(chance), person_name(chance)
        least, most = self.what.yuan
        self.fen = int(round(chance.uniform(least, most), -2)) * 100 if most else None
        self.n = chance.randint(2, 9)

    acts: list[Act]

    def play(self) -> Play:
        self._log()
        turn = self.chance.random()
        if turn < 0.012:
            self._then(0.1, "VoidDispute", reason="同一件事登记了两次，这一条作废。")
        elif turn < 0.035:
            self._then(0.5, "DeclineDispute", reason="事情已经由法院立案，村里不再调解。", door="县人民法院诉讼服务中心")
        else:
            self._handle()
        return Play(self.number, self.ledger, [act for act in self.acts if act.at_ms < self.now_ms])

    # ── scenes ──

    def _log(self) -> None:
        what, chance = self.what, self.chance
        account = self._say(chance.choice(what.accounts))
        parties = [self._party(self.a, "applicant"), self._party(self.b, "respondent")]
        self._act(
            "LogDispute",
            ledger=self.ledger,
            type=what.type if chance.random() > 0.05 else what.type[:2],
            account=account,
            parties=parties,
            place_text=chance.choice(situations.SPOTS) if chance.random() < 0.6 else "",
            intake=chance.choice(INTAKES),
            headcount=chance.randint(*what.heads),
            amount_fen=self.fen,
            risk=what.risk,
            happened_ms=self.at - chance.randint(1, 96) * HOUR_MS,
        )

    def _handle(self) -> None:
        chance, hard = self.chance, self.what.hard
        self._then(chance.uniform(0.05, 0.9), "AcceptDispute", willing=True)
        if chance.random() < 0.35:
            self._then(chance.uniform(0.1, 1), "AddNote", text=self._say(chance.choice(situations.NOTES)))
        if not self._talks(goes_well=chance.random() > (0.22, 0.62, 0.92)[hard]):
            if not self._up(self.township, "officer", "本村调解不成，请镇里一起来做。"):
                return
            well = chance.random() > (0.15, 0.3, 0.72)[hard]
            if not self._talks(goes_well=well, visit=chance.random() < 0.35):
                if not self._up(self.county, "operator", "涉及部门多，镇里定不了，请县里牵头。"):
                    return
                units = chance.sample(("u06", "u08", "u09", "u10"), 2)
                joined = tuple(f"{self.county}/{unit}" for unit in units)
                self._then(chance.uniform(0.5, 3), "ConveneUnits", units=list(joined), purpose="一起听一次情况，各说各的办法。")
                if not self._talks(goes_well=chance.random() < 0.8, visit=chance.random() < 0.5):
                    return self._end()
        self._agree()

    def _talks(self, goes_well: bool, visit: bool = False) -> bool:
        """One to three sessions; ends well or with a failed one."""
        sessions = self.chance.randint(1, MEDIATIONS_MAX - 1)
        for n in range(sessions):
            last = n == sessions - 1
            if visit and last:
                self._visit()
            text = self.what.stuck if last and not goes_well else self.chance.choice(self.what.talks)
            result = "failed" if last and not goes_well else "go_on"
            present = f"{self.a}、{self.b}，{self.chance.choice(('组长', '老书记', '妇联主任', '网格员', '驻村律师'))}"
            self._then(self.chance.uniform(0.6, 4), "RecordMediation", account=self._say(text), result=result, present=present)
        return goes_well

    def _up(self, to: str, kind: str, reason: str) -> bool:
        """Offers it to the office above, which takes it up a day or so later. False: nobody went further (it stays where it is)."""
        if self.chance.random() < 0.06:
            self._then(self.chance.uniform(1, 5), "EndMediation", reason="双方都不愿再谈。", ways="可以向人民法院起诉，诉讼时效请留意。")
            return False
        self._then(self.chance.uniform(0.2, 2), "EscalateDispute", to=to, reason=reason, tried=self._say(self.what.stuck))
        self.office = to
        self._then(self.chance.uniform(0.08, 1.2), "TakeUpDispute", kind=kind)
        if self.chance.random() < 0.3:
            self._then(self.chance.uniform(0.1, 1), "AddNote", text=self._say(self.chance.choice(situations.NOTES)), kind=kind)
        return True

    def _visit(self) -> None:
        """A cadre of the township goes there."""
        assign = self._then(
            self.chance.uniform(0.2, 1),
            "AssignTask",
            place=self.ledger,
            purpose=self.chance.choice(situations.VISITS),
            due_ms=self.at + 4 * DAY_MS,
            bring="记录纸、卷尺、印泥",
            summary=self._say(self.what.accounts[0]),
        )
        for days, command, fields in (
            (0.2, "ConfirmTask", {}),
            (self.chance.uniform(0.3, 2.5), "ArriveTask", {}),
            (0.06, "ReportTask", {"result": self.chance.choice(("eased", "settled", "unsettled")), "words": self._say(self.what.talks[0])}),
        ):
            self._then(days, command, kind="cadre", office=self.township, task=assign.name, **fields)

    def _agree(self) -> None:
        chance, what = self.chance, self.what
        self._later(chance.uniform(0.1, 3))
        signed = dt.datetime.fromtimestamp(self.at / 1000, CHINA).date()
        due = [signed + dt.timedelta(days=n) for n in sorted(chance.sample(range(3, 60), chance.choice((1, 1, 2))))]
        self._act(
            "SignAgreement",
            terms=[self._say(term) for term in what.terms],
            performance=f"{due[0].month}月{due[0].day}日前在村委会当面履行。" if not self.fen else f"{due[-1].month}月{due[-1].day}日前付清，走银行转账。",
            facts=self._say(what.accounts[0]),
            responsibility="双方对事情的经过没有异议，愿意互相谅解。",
            due=[d.isoformat() for d in due],
            amount_fen=self.fen,
            follow_up_by=self.village,
            form="oral" if chance.random() < 0.2 and not what.hard else "written",
        )
        self._then(chance.uniform(0.1, 4), "CloseDispute", ending="agreement", result="双方签了协议，说好的事写清楚了。")
        self._kept(due)

    def _kept(self, due: Sequence[dt.date]) -> None:
        """Follow-ups some days after each due date, most of the time; then the file is put away."""
        for day in due:
            midnight = dt.datetime.combine(day, dt.time(), CHINA).timestamp() * 1000
            self.at = max(self.at, _at_work(self.chance, int(midnight) + self.chance.randint(1, 6) * DAY_MS))
            kept = self.chance.choices(("yes", "partly", "no"), (86, 10, 4))[0]
            satisfied = self.chance.choices(("yes", "mostly", "no"), (70, 26, 4))[0]
            told = self._say(self.chance.choice(situations.KEPT)) if kept != "no" else "钱没有给，打电话不接，建议申请司法确认后执行。"
            if self.chance.random() < 0.07:
                return
            self._then(0, "RecordFollowUp", office=self.village, kind="clerk", kept=kept, satisfied=satisfied, account=told)
        if self.chance.random() < 0.8:
            self._then(self.chance.uniform(2, 20), "ArchiveDispute", retention="30" if self.what.type[:2] in ("06", "07") else "10")

    def _end(self) -> None:
        self._then(
            self.chance.uniform(1, 6),
            "EndMediation",
            reason=self._say(self.what.stuck),
            ways="可以申请法律援助，也可以向人民法院起诉；劳动报酬可以申请支付令。",
        )
        self._then(self.chance.uniform(0.2, 5), "CloseDispute", ending="ended", result="已书面告知其他途径，双方签收。")

    # ── tools ──

    def _say(self, template: str) -> str:
        words = {"a": self.a, "b": self.b, "n": self.n, "where": self.chance.choice(situations.SPOTS), "when": self.chance.choice(situations.WHENS)}
        return template.format(yuan=f"{money.plain(self.fen)}元" if self.fen else "一些钱", **words)

    def _party(self, name: str, side: str) -> dict[str, Any]:
        born = self.at // DAY_MS // 365 + 1970 - self.chance.randint(24, 82)
        sex = "女" if any(c in situations.GIVEN_WOMEN for c in name[1:]) else "男"
        return {"name": name, "side": side, "sex": sex, "birth_year": int(born), "address": f"{self.chance.randint(1, 18)}组"}

    def _later(self, days: float) -> None:
        moved = self.at + int(days * DAY_MS)
        at = dt.datetime.fromtimestamp(moved / 1000, CHINA)
        self.at = moved if 8 <= at.hour < 18 and at.weekday() < 6 else max(self.at + 60_000, _at_work(self.chance, moved + DAY_MS // 2))

    def _then(self, days: float, command: str, kind: str = "", office: str = "", **fields: Any) -> Act:
        self._later(days)
        return self._act(command, kind=kind, office=office, **fields)

    def _act(self, command: str, kind: str = "", office: str = "", **fields: Any) -> Act:
        where = office or self.office
        default = {self.village: "clerk", self.township: "officer"}.get(where, "operator")
        act = Act(self.at, where, kind or default, command, fields, f"demo-{self.number:04d}-{len(self.acts):02d}")
        self.acts.append(act)
        return act
