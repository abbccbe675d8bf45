"""一起派: a day's visits for a team. Several cases and one or several cadres become that many tasks, each a command of its own.

    GET  /visits/team?case=…&case=…                        who goes, together or shared out, on which day
    GET  the same with find=…&look=1                       the same form, of those who were looked for and those who are chosen
    GET  the same with cadre=…&split=each|all&by=…&plan=1  what will be sent to whom, to be confirmed
    POST /visits/team        command_id, pair=CASE:PERSON …, by, purpose, bring → each task, or why it was not sent

What is confirmed is the list itself, not the choice behind it, so that nothing else is sent when somebody's load has changed meanwhile. The id
of each command derives from the form's, its case and its cadre: the same form sent again after a fault sends only what is missing.
"""

from collections import Counter
from typing import Any, Final

import msgspec
from litestar import Request, Response, get, post

from protocol.calendar import Calendar, local_date, start_of_day_ms
from protocol.case import Case
from protocol.commands import AssignTask
from protocol.entry import derive
from protocol.node import candidates
from protocol.node.web import forms
from protocol.node.web.dispatching import CADRES_SHOWN_MAX, Reasons, find_context, reasons, wanted_of
from protocol.node.web.page import actor_of, node_of, page, twin, wants_json
from protocol.node.web.sharing import SUMMARY_CHARS, contacts_of
from protocol.node.web.words import WEEKDAYS
from protocol.problem import Refused

CASES_MAX: Final = 30  # what a team can do on one day, twice over
PAIRS_MAX: Final = 60  # each is a commit of some milliseconds: the page answers within a second or two
DAYS_OFFERED: Final = 5
SPLITS: Final = (("each", "分着去：每件一个人，各人差不多多"), ("all", "一起去：每件大家都去，各有一项任务"))
PURPOSE: Final = "上门走访"


class Visit(msgspec.Struct, frozen=True):
    """A case to be visited, with its candidates in order."""

    case: Case
    title: str
    ranked: list[candidates.Candidate]


class Member(msgspec.Struct, frozen=True):
    """A cadre who can be chosen. able: to how many of the visits he may go · known, near: to how many of those he was before or met a party
    elsewhere, and how many lie near him · skill: to how many cases of the kinds that these are of he went, in words."""

    reasons: Reasons
    able: int
    known: int
    near: int
    skill: str
    chosen: bool


class Pair(msgspec.Struct, frozen=True):
    """One task to be. why_not: "" when it can be sent · sent: its task, once it is · problem: why it was not."""

    visit: Visit
    person: str
    name: str
    why_not: str = ""
    sent: str = ""
    problem: str = ""

    @property
    def key(self) -> str:
        return f"{self.visit.case.id}:{self.person}"


def days_offered(now_ms: int, days: Calendar) -> list[tuple[str, str]]:
    """(milliseconds of its closing time as text, words): today while it lasts, and the next working days."""
    today, (hour, minute) = local_date(now_ms), (int(part) for part in days.closes.split(":"))
    closing_ms = (hour * 60 + minute) * 60_000
    dates = [today] if days.is_working(today) and start_of_day_ms(today) + closing_ms > now_ms else []
    dates += [days.add_working_days(today, n) for n in range(1, DAYS_OFFERED + 1)]
    words = [f"{date.month}月{date.day}日 周{WEEKDAYS[date.weekday()]}" for date in dates]
    return [
        (str(start_of_day_ms(date) + closing_ms), f"今天 {said}" if date == today else said)
        for date, said in zip(dates, words, strict=True)
    ]


async def visits_of(request: Request, cases: list[str]) -> list[Visit]:
    """Those that the actor may see, in the order given. Raises Refused not_allowed without the power to send."""
    node, actor, made = node_of(request), actor_of(request), []
    for subject in list(dict.fromkeys(cases))[:CASES_MAX]:
        try:
            case: Case = await node.reads.case(actor, subject)
        except Refused:
            continue
        names = [party.name for party in case.parties]
        past, choices = await node.reads.visited(actor, case.id, names), await node.reads.cadres(actor, case.ledger)
        title = case.title or node.tables().type_name(case.type)
        made.append(Visit(case, title, candidates.ranked(choices, case.ledger, names, past)))
    return made


class Team(msgspec.Struct, frozen=True):
    """shown: whoever is chosen, then the first CADRES_SHOWN_MAX of those that were looked for · total: how many were found · everybody: how many there are."""

    shown: list[Member]
    total: int
    everybody: int


NOBODY: Final = Team([], 0, 0)


async def members(request: Request, visits: list[Visit], chosen: list[str], find: str) -> Team:
    """Who may go to most of them first, of those whoever knows most and is nearest to most; then as for the first of the visits."""
    some: dict[str, list[candidates.Candidate]] = {}
    for visit in visits:
        for one in visit.ranked:
            some.setdefault(one.choice.person, []).append(one)
    ranked = sorted(some.values(), key=_counts, reverse=True)
    matching = candidates.matching([of[0] for of in ranked], find, node_of(request).tables())
    found = [one.choice.person for one in matching]
    listed = dict.fromkeys([*(one for one in chosen if one in some), *found[:CADRES_SHOWN_MAX]])
    kinds = sorted({visit.case.type[:2] for visit in visits if visit.case.type})
    went = await _went(request, kinds, list(listed))
    shown = [_member(request, visits, some[person], went[person], kinds, person in chosen) for person in listed]
    return Team(shown, len(found), len(some))


def _counts(some: list[candidates.Candidate]) -> tuple[int, int, int]:
    """To how many of the visits he may go, of how many he knows something, how many are near."""
    able = [one for one in some if one.may]
    return len(able), sum(1 for one in able if one.past.here or one.past.met), sum(1 for one in able if one.distance < candidates.FAR)


def _member(request: Request, visits: list[Visit], some: list[candidates.Candidate], went: int, kinds: list[str], chosen: bool) -> Member:
    kind = kinds[0] if len(kinds) == 1 else ""
    shown = reasons(some[0], visits[0].case.ledger, node_of(request), went if kind else 0, kind)
    return Member(shown, *_counts(some), shown.skill or (f"这几类的去过 {went} 件" if went else ""), chosen)


async def _went(request: Request, kinds: list[str], persons: list[str]) -> Counter[str]:
    """person → to how many cases of these kinds he went."""
    went = Counter[str]()
    for kind in kinds if persons else ():
        went.update(await node_of(request).reads.practised(actor_of(request), persons, kind))
    return went


def planned(visits: list[Visit], chosen: list[str], split: str) -> list[Pair]:
    """What would be sent, and what cannot be, with the reason."""
    pairs = []
    shared = candidates.spread([(visit.case.id, visit.case.ledger, visit.ranked) for visit in visits], chosen)
    for visit in visits:
        mine = [one for one in visit.ranked if one.choice.person in chosen]
        if split == "all":
            pairs += [Pair(visit, one.choice.person, one.choice.name, candidates.why_not(one)) for one in mine]
        elif visit.case.id in shared:
            choice = shared[visit.case.id].choice
            pairs.append(Pair(visit, choice.person, choice.name))
        else:
            pairs.append(Pair(visit, "", "", "选中的人都去不了这一件（当事人，或手机收不到）"))
    return pairs


@get("/visits/team")
async def team(request: Request) -> Response[Any]:
    asked, node = request.query_params, node_of(request)
    visits = await visits_of(request, asked.getall("case", []))
    if "assign" not in actor_of(request).powers:
        raise Refused("not_allowed", what="派单")
    days = days_offered(node.clock(), node.tables().calendar)
    chosen, split = asked.getall("cadre", []), asked.get("split", "each")
    by = asked.get("by", "") if asked.get("by", "") in dict(days) else days[min(1, len(days) - 1)][0]
    is_plan, find = bool(asked.get("plan")) and bool(visits) and not asked.get("look"), wanted_of(request, None).find
    people = await members(request, visits, chosen, find) if visits else NOBODY
    known = [member.reasons.choice.person for member in people.shown if member.chosen]
    pairs = planned(visits, known, split) if is_plan else []
    wrong = {"cadre": "请至少选一位干部。"} if is_plan and not known else {}
    if len([pair for pair in pairs if not pair.why_not]) > PAIRS_MAX:
        wrong["cadre"] = f"一次最多派 {PAIRS_MAX} 项，请少选几件或少选几个人。"
    form = {
        "split": split if split in dict(SPLITS) else "each",
        "by": by,
        "purpose": asked.get("purpose", "") or PURPOSE,
        "bring": asked.get("bring", ""),
    }
    context = {"visits": visits, "people": people.shown, "days": days, "splits": SPLITS, "form": form, "wrong": wrong, "sentence": ""}
    beyond = max(len(set(asked.getall("case", []))) - CASES_MAX, 0)
    context |= {"pairs": [] if wrong else pairs, "day": dict(days)[by], "beyond": beyond, "most": CASES_MAX}
    context |= {"cadres_total": people.total, "cadres_listed": min(people.total, CADRES_SHOWN_MAX), **find_context(find, people.everybody)}
    if wants_json(request):
        told = {"plan": [] if wrong else [_as_twin(pair) for pair in pairs], "wrong": wrong, "days": days}
        return twin(told | {"people": [_member_twin(member) for member in people.shown]}, 422 if wrong else 200)
    return await page(request, "visits/team.html", status=422 if wrong else 200, **context)


def _member_twin(member: Member) -> dict[str, Any]:
    said = {name: getattr(member, name) for name in ("able", "known", "near", "skill")}
    return said | {"person": member.reasons.choice.person, "name": member.reasons.choice.name}


def _as_twin(pair: Pair) -> dict[str, Any]:
    said = {name: getattr(pair, name) for name in ("person", "name", "why_not", "sent", "problem")}
    return said | {"case": pair.visit.case.id, "pair": pair.key}


@post("/visits/team", status_code=200)
async def send(request: Request) -> Response[Any]:
    form = forms.typed((await request.form()).multi_items())
    id_, by, purpose, bring = ((form.get(name) or [""])[0] for name in ("command_id", "by", "purpose", "bring"))
    wanted = [key.partition(":") for key in dict.fromkeys(form.get("pair", []))][:PAIRS_MAX]
    visits = {visit.case.id: visit for visit in await visits_of(request, [case for case, _, _ in wanted])}
    if not wanted or not visits:
        raise Refused("field_missing", field="pair", what="要派的任务")
    if not 8 <= len(id_) <= 64:
        raise Refused("command_invalid", why="command_id")
    due_ms = int(by) if by.isascii() and by.isdigit() and len(by) <= 15 else 0
    said = {"due_ms": due_ms, "purpose": purpose, "bring": bring}
    done = [await _sent(request, visits[case], person, id_, said) for case, _, person in wanted if case in visits]
    if wants_json(request):
        return twin({"sent": [_as_twin(pair) for pair in done]}, 200 if all(pair.sent for pair in done) else 207)
    failed = [pair for pair in done if not pair.sent]
    form_again = {"command_id": id_, "by": by, "purpose": purpose, "bring": bring}
    return await page(request, "visits/team_sent.html", pairs=done, failed=failed, form=form_again, due_ms=due_ms)


async def _sent(request: Request, visit: Visit, person: str, id_: str, said: dict[str, Any]) -> Pair:
    """One command of the batch; what becomes of it changes nothing for the others."""
    case, node = visit.case, node_of(request)
    one = next((one for one in visit.ranked if one.choice.person == person), None)
    if one is None:
        return Pair(visit, person, "", problem="这里没有这位干部了，请另选一位。")
    told = {
        "case": case.id, "place": case.ledger, "cadre": person, "home": one.choice.home, "due_ms": said["due_ms"], "bring": said["bring"][:200],
        "purpose": f"{said['purpose'] or PURPOSE}：{visit.title}"[:100], "summary": case.account[:SUMMARY_CHARS], "address": case.place_text[:200],
        "contacts": contacts_of(case, [str(n) for n in range(len(case.parties))]),
    }  # fmt: skip
    try:
        outcome = await node.desk.submit(AssignTask(id=derive(id_, f"{case.id} {person}"), **told), actor_of(request))
    except Refused as refusal:
        return Pair(visit, person, one.choice.name, problem=refusal.sentence)
    return Pair(visit, person, one.choice.name, sent=outcome.subject)


def routes() -> list[Any]:
    return [team, send]
