"""What every form that sends somebody shows: who can go, with the reasons, and until when."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from litestar import Request

from protocol import calendar
from protocol.case import Case
from protocol.node import candidates
from protocol.node.shown import CadreChoice
from protocol.node.web.page import actor_of, node_of
from protocol.node.web.words import day, moment

CADRES_SHOWN_MAX: Final = 60
FIND_FROM: Final = 8  # so many are seen at a glance; of more one is looked for
FIND_CHARS_MAX: Final = 40
WORKING_DAYS_OFFERED: Final = (1, 3, 5)


class Reasons(msgspec.Struct, frozen=True):
    """A candidate as the form shows him. duty: what he is · skill: which kind of matter he went to · where, load, before: words · why_not: "" when he can be chosen."""

    choice: CadreChoice
    distance: int
    duty: str
    where: str
    load: str
    before: str
    skill: str
    linked: str
    why_not: str


class Choices(msgspec.Struct, frozen=True):
    """shown: the first CADRES_SHOWN_MAX of those that were looked for, before them whoever is chosen and stands not there · total: how many
    were found · everybody: how many there are · able: office → how many of all of them can be chosen."""

    shown: list[Reasons]
    total: int
    everybody: int
    able: Mapping[str, int]

    def context(self, find: str) -> dict[str, Any]:
        """What visits/_cadres.html shows."""
        listed = min(self.total, CADRES_SHOWN_MAX)
        said = {"cadres": self.shown, "cadres_total": self.total, "cadres_listed": listed, "cadres_able": self.able}
        return said | find_context(find, self.everybody)


def find_context(find: str, everybody: int) -> dict[str, Any]:
    """The field that finds among them, where there are many."""
    return {"find": find, "may_find": bool(find) or everybody > FIND_FROM, "find_chars_max": FIND_CHARS_MAX}


class Wanted(msgspec.Struct, frozen=True):
    """What is asked of the list. find: words of a name, a unit, a duty · chosen: a person."""

    find: str = ""
    chosen: str = ""


ALL: Final = Wanted()


def wanted_of(request: Request, form: Mapping[str, Any] | None) -> Wanted:
    """As typed in the form, or as the address has it."""
    asked = form if form and ("find" in form or "cadre" in form) else request.query_params
    find, chosen = (str(asked.get(name) or "") for name in ("find", "cadre"))
    return Wanted(find.strip()[:FIND_CHARS_MAX], chosen)


async def candidates_for(
    request: Request, place: str, case: Case | None, names: Iterable[str], now: str = "", wanted: Wanted = ALL
) -> Choices:
    """In the order of protocol/node/candidates.py. names: of the parties · now: who has the task already, last of all. Raises Refused not_allowed."""
    node, actor, parties = node_of(request), actor_of(request), list(names)
    past = await node.reads.visited(actor, case.id if case else "", parties)
    ranked = candidates.ranked(await node.reads.cadres(actor, place), place, parties, past)
    ranked.sort(key=lambda one: one.choice.person == now)
    found = candidates.matching(ranked, wanted.find, node.tables())
    kind, first = case.type[:2] if case else "", found[:CADRES_SHOWN_MAX]
    if wanted.chosen not in {one.choice.person for one in first}:
        first = [*(one for one in ranked if one.choice.person == wanted.chosen), *first]
    persons = [] if wanted.find else [one.choice.person for one in first]  # else each letter typed were a question of its own
    went = await node.reads.practised(actor, persons, kind) if kind and persons else {}
    shown = [reasons(one, place, node, went.get(one.choice.person, 0), kind) for one in first]
    has_it = "这一项现在就在他手上"
    shown = [msgspec.structs.replace(one, why_not=has_it) if one.choice.person == now else one for one in shown]
    return Choices(shown, len(found), len(ranked), Counter(one.choice.office for one in ranked if one.may and one.choice.person != now))


def reasons(one: candidates.Candidate, place: str, node: Any, went: int = 0, kind: str = "") -> Reasons:
    """went: to how many cases of this kind (2-digit type)."""
    choice, tables, now_ms = one.choice, node.tables(), node.clock()
    load = f"手上 {choice.open_tasks} 件" if choice.open_tasks else "手上没有任务"
    if choice.open_tasks and choice.next_due_ms:
        load += f"，最近一件{'已超期' if choice.next_due_ms < now_ms else moment(choice.next_due_ms, now_ms) + ' 前'}"
    linked = f"他的手机不归这里管：任务经{tables.office_name(choice.office)}转到，答复会回到这里" if choice.linked else ""
    where, before = candidates.where(one, place, tables), candidates.before(one.past, day(one.past.last_ms, now_ms))
    skill = f"{tables.type_name(kind)}类去过 {went} 件" if went else ""
    return Reasons(choice, one.distance, candidates.duty(choice, tables), where, load, before, skill, linked, candidates.why_not(one))


def as_twin(one: Reasons) -> dict[str, Any]:
    said = {name: getattr(one, name) for name in ("distance", "duty", "where", "load", "before", "skill", "why_not")}
    return msgspec.structs.asdict(one.choice) | said


def times_offered(now_ms: int, days: calendar.Calendar) -> list[tuple[str, str]]:
    """(milliseconds as text, words): the closing time of some of the next working days, today's while it lasts."""
    today, (hour, minute) = calendar.local_date(now_ms), (int(part) for part in days.closes.split(":"))
    closing_ms = (hour * 60 + minute) * 60_000
    found = []
    if days.is_working(today) and calendar.start_of_day_ms(today) + closing_ms > now_ms:
        found.append((calendar.start_of_day_ms(today) + closing_ms, f"今天 {days.closes}"))
    for n in WORKING_DAYS_OFFERED:
        date = days.add_working_days(today, n)
        found.append((calendar.start_of_day_ms(date) + closing_ms, f"{n} 个工作日内（{date.month}月{date.day}日）"))
    return [(str(ms), words) for ms, words in found]
