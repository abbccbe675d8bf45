"""A county's year of disputes, drawn from a seed: who quarrelled, what was said, where it went, how it ended.

`plays(seed, now_ms, villages)` gives one Play a dispute: acts in order, each a command for the desk of an office. Acts that
would lie in the future are left out, so the youngest disputes stand in every stage by themselves; every sixth play is drawn
until it stands where SCENES wants one today (waiting to be taken up, urged, a cadre on the way …). The persons are made up.

A second registration of a matter is a play of its own that ends with MergeDispute; `into` is the case of the other play,
`entry.derive(first act's name, "case")`. Of one play all acts concern one case.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from deploy.demo.history_act import Act, Play, at_work
from deploy.demo.history_cast import CHINA, date_of, day_words, person_name
from deploy.demo.history_writer import Writer
from deploy.demo.situations import SITUATIONS, Situation, words
from protocol.calendar import DAY_MS, HOUR_MS
from protocol.entry import derive

__all__ = ["CHINA", "SCENES", "Act", "Play", "person_name", "plays"]

SCENE_EVERY, TRIES_MAX = 6, 500
MERGE_SHARE, MERGE_EVERY = 0.01, 60  # by chance, and at the least


class Scene(msgspec.Struct, frozen=True):
    """Where a dispute stands today. last: command of its last act (or of any of `last`) · within: days that act may be old (from, to) ·
    back: how many days ago it was logged at most · hard: of the situation at least · wish: turns the writer must take.
    """

    name: str
    last: tuple[str, ...]
    within: tuple[float, float]
    back: float
    hard: int = 0
    wish: tuple[str, ...] = ()
    risk: str = ""


SCENES: Final[tuple[Scene, ...]] = (
    Scene("waits for the township", ("EscalateDispute",), (0, 1.5), 12, 1, ("village_fails", "no_return")),
    Scene("in mediation", ("RecordMediation",), (0, 4), 7),
    Scene("logged today", ("LogDispute",), (0, 1), 1.2),
    Scene("waits for the county", ("EscalateDispute",), (0, 2), 26, 2, ("village_fails", "township_fails", "no_return")),
    Scene("a cadre on the way", ("ConfirmTask",), (0, 2), 16, 1, ("village_fails", "visit", "no_return")),
    Scene("agreed, not yet closed", ("SignAgreement",), (0, 3), 10),
    Scene("handed down", ("HandDownDispute",), (0, 2), 4, 0, ("township_first", "hand_down")),
    Scene("a follow-up is due", ("CloseDispute",), (2, 30), 40, 0, ("no_unkept",)),
    Scene("accepted", ("AcceptDispute",), (0, 3), 4),
    Scene("convened", ("ConveneUnits",), (0, 3), 30, 2, ("village_fails", "township_fails", "no_return")),
    Scene("urged", ("UrgeDispute",), (0, 3), 22, 0, ("stall", "no_late_take_up")),
    Scene("opened again", ("ReopenDispute",), (0, 4), 75, 0, ("unkept", "no_late_follow")),
    Scene("a task just sent", ("AssignTask",), (0, 1), 16, 1, ("village_fails", "visit", "no_return")),
    Scene("a cadre at the door", ("ArriveTask",), (0, 1.2), 18, 1, ("village_fails", "visit", "late_report", "no_return")),
    Scene("red", ("SetRisk", "AddNote", "RecordMediation"), (0, 1), 6, 2, ("rise", "note"), "red"),
    Scene("ended, to be closed", ("EndMediation",), (0, 4), 24, 1, ("village_fails", "township_fails", "county_fails", "no_return")),
    Scene("silent too long", ("RecordMediation", "AcceptDispute", "AddNote"), (8, 13), 20, 0, ("busy", "stall")),
    Scene("a cadre who can't", ("DeclineTask",), (0, 2), 18, 1, ("village_fails", "visit", "no_cadre", "no_return")),
    Scene("a task called back", ("RecallTask",), (0, 3), 20, 1, ("village_fails", "visit", "recall", "no_return")),
    Scene("declined", ("DeclineDispute",), (0, 6), 6, 0, ("decline", "no_void")),
    Scene("logged by mistake", ("VoidDispute",), (0, 9), 9, 0, ("void",)),
    Scene("reported from the field", ("ReportTask",), (0, 2), 20, 1, ("village_fails", "visit", "no_return")),
    Scene("handed down by the county", ("HandDownDispute",), (0, 2), 4, 1, ("county_first", "hand_down")),
)  # fmt: skip


def plays(seed: int, now_ms: int, villages: Sequence[tuple[str, int]], days: int = 320) -> Iterator[Play]:
    """villages: (path, how many disputes happened there). The same seed, time and villages give the same plays.

    Units that were asked to join answer (kind department, office = the unit); their task is derive(fields["task"], "join " + office).
    """
    county = _County(seed, now_ms, days)
    number = 0
    for path, count in villages:
        end = number + count
        while number < end:
            scene = SCENES[number // SCENE_EVERY % len(SCENES)] if number % SCENE_EVERY == SCENE_EVERY - 1 else None
            written = county.written(number, path, scene)
            yield county.until_now(written.acts, number, path)
            number += 1
            wanted = county.chance.random() < MERGE_SHARE or number >= MERGE_EVERY * (county.merged + 1)
            if number < end and wanted and _can_be_merged_into(written.acts):
                twin = county.twin(number, path, written.acts)
                if twin is not None:
                    county.merged += len(twin.acts) > 1
                    yield twin
                    number += 1


def _can_be_merged_into(acts: Sequence[Act]) -> bool:
    first = acts[0]
    return first.office == first.fields["ledger"] and not any(act.command in ("VoidDispute", "DeclineDispute") for act in acts)


class _County:
    """What the plays of one county share: chance, names taken, how often each situation was told."""

    def __init__(self, seed: int, now_ms: int, days: int) -> None:
        self.chance, self.now_ms, self.days = random.Random(seed), now_ms, days
        self.taken: set[str] = set()
        self.told: Counter[int] = Counter()
        self.merged = 0
        self.last: Writer | None = None

    def written(self, number: int, path: str, scene: Scene | None) -> Play:
        """A whole play, drawn again until it stands where the scene wants it (the last draw when none does)."""
        for _ in range(TRIES_MAX if scene else 1):
            back = scene.back * self.chance.random() if scene else self.days * self.chance.random() ** 1.3
            began = at_work(self.chance, self.now_ms - int(back * DAY_MS))
            if began > self.now_ms:
                began = at_work(self.chance, self.now_ms - int((back + 3) * DAY_MS))
            which = self._situation(began, scene)
            writer = Writer(
                self.chance, number, path, began, SITUATIONS[which], taken=self.taken, told=self.told[which],
                wish=frozenset(scene.wish if scene else ()),
            )  # fmt: skip
            play = writer.play()
            if scene is None or self._stands(play.acts, scene):
                break
        self.told[which] += 1
        self.taken |= writer.cast.names
        self.last = writer
        return play

    def until_now(self, acts: Sequence[Act], number: int, path: str) -> Play:
        return Play(number, path, sorted((act for act in acts if act.at_ms < self.now_ms), key=lambda act: act.at_ms))

    def _situation(self, began: int, scene: Scene | None) -> int:
        """In season, not told too often already."""
        month, weights = date_of(began).month, []
        for at, what in enumerate(SITUATIONS):
            fits = (not what.months or month in what.months) and (scene is None or _suits(what, scene))
            season = 2.5 if what.months and len(what.months) <= 6 else 1.2 if what.months else 1
            weights.append(what.weight * season / (1 + self.told[at]) ** 1.4 if fits else 0)
        return self.chance.choices(range(len(SITUATIONS)), weights)[0]

    def _stands(self, acts: Sequence[Act], scene: Scene) -> bool:
        past = sorted((act for act in acts if act.at_ms < self.now_ms), key=lambda act: act.at_ms)
        if not past or past[-1].command not in scene.last:
            return False
        if scene.name == "waits for the county" and len([act for act in past if act.command == "EscalateDispute"]) < 2:
            return False
        if scene.risk and not any(act.command == "SetRisk" and act.fields["risk"] == scene.risk for act in past):
            return False
        if scene.name == "a follow-up is due" and not self._follow_up_due(past):
            return False
        age = (self.now_ms - past[-1].at_ms) / DAY_MS
        return scene.within[0] <= age <= scene.within[1]

    def _follow_up_due(self, past: Sequence[Act]) -> bool:
        papers = [act for act in past if act.command == "SignAgreement"]
        return bool(papers and papers[-1].fields["due"] and papers[-1].fields["due"][0] < date_of(self.now_ms).isoformat())

    def twin(self, number: int, path: str, acts: Sequence[Act]) -> Play | None:
        """The same matter registered again a little later, and merged into the first. None: the two would meet too late."""
        assert self.last is not None
        chance, first, cast = self.chance, acts[0], self.last.cast
        logged = at_work(chance, first.at_ms + int(chance.uniform(0.15, 2.2) * DAY_MS))
        merged = at_work(chance, logged + int(chance.uniform(0.05, 0.7) * DAY_MS))
        if logged >= self.now_ms or any(act.command == "ArchiveDispute" and act.at_ms <= merged for act in acts):
            return None
        other = next((told for told in self.last.what.told if told != self.last.told), self.last.told)
        again: dict[str, Any] = {
            "account": cast.say(other, later=True),
            "intake": chance.choice(("phone", "grid")),
            "risk": self.last.what.risk,
        }
        again |= {"amount_fen": cast.yuan * 100 if cast.yuan and "{yuan}" in other else None}
        day = day_words(date_of(first.at_ms), date_of(merged).year)
        reason = cast.say(chance.choice(words.MERGES[again["intake"]]), day=day)
        ends = {"into": derive(first.name, "case"), "reason": reason}
        both = [
            Act(logged, path, "clerk", "LogDispute", first.fields | again, f"demo-{number:04d}-00"),
            Act(max(merged, logged + HOUR_MS), path, "clerk", "MergeDispute", ends, f"demo-{number:04d}-01"),
        ]
        return self.until_now(both, number, path)


def _suits(what: Situation, scene: Scene) -> bool:
    if what.hard < scene.hard or what.type.startswith(("19", "21")):
        return False
    if "decline" in scene.wish and not what.door[0]:
        return False
    if "visit" in scene.wish and not what.visit[0]:
        return False
    return not scene.risk or scene.risk in (what.rise[0], what.risk)
