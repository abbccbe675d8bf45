"""今天: what waits for whoever is signed in, by what ends first: due, sent here, to be looked after, to be decided, on its way, half written.

    GET /today      each row leads with one click to the step that is next, open and saying what will happen

The lists are those of /cases (listing.VIEWS); this page shows the head of each and where the rest is.
"""

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get

from protocol import above, dispute
from protocol.case import Case
from protocol.events import facts_of
from protocol.node import reviewing
from protocol.node.listing import Narrowed
from protocol.node.shown import CaseRow
from protocol.node.unsaved import UPLOAD, Draft
from protocol.node.web import carried, cases, guides, link
from protocol.node.web import tracks as tasks
from protocol.node.web.page import actor_of, may, node_of, page, rendered, twin, wants_json
from protocol.node.web.words import SOON_MS
from protocol.problem import Refused
from protocol.task import steps_task
from protocol.words import COMMAND_NAMES, EVENT_NAMES

SHOWN: Final = 8  # of each list
STUCK_MS: Final = 60_000  # younger ones are simply on their way
WORDS_CHARS: Final = 30
TYPED: Final = (
    "account",
    "text",
    "reason",
    "purpose",
    "summary",
    "words",
    "value",
    "party_name",
    "name",
)  # what a half-written form is known by


class Word(msgspec.Struct, frozen=True):
    """What an office above said (protocol/above.py). due: ISO date, "" = none · line: its id on the case page."""

    kind: str
    office: str
    person: str
    at_ms: int
    text: str
    due: str
    line: str


class Item(msgspec.Struct, frozen=True):
    """step: the command that is next ("": only to be looked at) · label: as its button says it · mine: nobody else is named for it
    · words: of above, the newest last."""

    row: CaseRow
    step: str
    label: str
    mine: bool
    handler: str
    words: tuple[Word, ...] = ()


async def item_of(request: Request, row: CaseRow, step: str, names: dict[str, str], view: str) -> Item:
    """step: the command that is next, "" asks the rules."""
    node, actor = node_of(request), actor_of(request)
    mine, handler = row.handler in ("", actor.person), names.get(row.handler, "")
    waits = row.offer_to and row.offer_to not in actor.offices  # for another office: nothing is next here
    if step or (waits and view != "urged"):
        return Item(row, step, COMMAND_NAMES.get(step, ""), mine, handler)
    try:
        case = await node.reads.case(actor, row.subject, texts=view == "urged")
    except Refused:
        return Item(row, "", "", mine, handler)
    words = await words_of(request, case) if view == "urged" else ()
    command, label = ("", "") if waits else next_step(request, case)
    return Item(row, command, label, mine, handler, words)


class Asked(msgspec.Struct, frozen=True):
    """Somebody on a visit who waits for an answer. words: what he asked · may_answer: whoever is signed in may."""

    track: tasks.Track
    words: str
    may_answer: bool


async def asked(request: Request) -> tuple[list[Asked], int]:
    """The longest waiting, and how many there are."""
    reads, actor = node_of(request).reads, actor_of(request)
    rows = await reads.asked(actor)
    made = []
    for one in await tasks.tracks_of(request, await tasks.standings(request, rows[:SHOWN])):
        task = await reads.task(actor, one.row.subject)
        offered = {step.command for step in steps_task(task, actor, cases.context_of(request))}
        made.append(Asked(one, await tasks.question_of(request, task), "TellTask" in offered and actor.person != task.cadre))
    return made, len(rows)


class Requested(msgspec.Struct, frozen=True):
    """A task that this office was asked to do and has not answered. may_answer: whoever is signed in may take it or decline."""

    track: tasks.Track
    may_answer: bool


async def requested(request: Request) -> list[Requested]:
    """What ends first in front."""
    actor, rules = actor_of(request), cases.context_of(request)
    tracks = await _tracks(request, "requested")
    return [Requested(one, "ConfirmTask" in {step.command for step in steps_task(one.row, actor, rules)}) for one in tracks]


async def _tracks(request: Request, view: str) -> list[tasks.Track]:
    rows = await node_of(request).reads.tasks_in(view, actor_of(request), SHOWN)
    return await tasks.tracks_of(request, await tasks.standings(request, rows))


class Half(msgspec.Struct, frozen=True):
    """A draft: what it would become, its first words, how many files it has, where it goes on."""

    what: str
    words: str
    files: int
    href: str
    at_ms: int


def next_step(request: Request, case: Case) -> tuple[str, str]:
    """(command, label) of what moves the case on first, as far as this person may; ("", "") where nothing does."""
    labels = dispute.labels(case, actor_of(request), cases.context_of(request))
    first = min((command for command in labels if command not in (*cases.NOT_STEPS, *cases.LATER)), key=cases.place_of, default="")
    return first, labels.get(first, "")


async def words_of(request: Request, case: Case) -> tuple[Word, ...]:
    lines = above.waiting(case)
    names = await cases.names_of(request, case, lines)
    return tuple(
        Word(
            line.kind, line.office, names[line.head.author[0]], line.at_ms, line.text.get(EVENT_NAMES[line.kind], ""),
            getattr(facts_of(line.head), "due", ""), f"line-{line.key[0].replace(':', '-')}-{line.key[1]}",
        )
        for line in lines
    )  # fmt: skip


class Group(msgspec.Struct, frozen=True):
    """One list: the first of it, those of whoever asks in front, how many there are, and how many of them are his (0: all are shown)."""

    rows: list[Item]
    total: int
    mine: int = 0


async def group(request: Request, view: str, step: str = "") -> Group:
    """step: the command that is next for all of the view, where the post has the power for it; "" asks the rules for each."""
    actor, reads = actor_of(request), node_of(request).reads
    step = step if step and may(request, dispute.BY_COMMAND[step].power) else ""
    found = await reads.cases(actor, view, per=SHOWN)
    rows, mine = list(found.rows), 0
    if found.total > SHOWN and view != "incoming":  # his own may stand further down; what is sent here is nobody's yet
        own = await reads.cases(actor, view, per=SHOWN, narrowed=Narrowed(handler=actor.person))
        first = {row.subject for row in own.rows}
        rows = [*own.rows, *(row for row in rows if row.subject not in first)][:SHOWN]
        mine = own.total if own.total > len(own.rows) else 0
    names = await reads.person_names({row.handler for row in rows} - {""})
    made = [await item_of(request, row, step, names, view) for row in rows]
    return Group(sorted(made, key=lambda item: not item.mine), found.total, mine)


def halves(drafts: list[Draft]) -> list[Half]:
    made = []
    for draft in drafts:
        address = draft.form.partition(" ")[0].strip("/").split("/")
        said: dict[str, str] = {name: value for name, value in draft.fields if value}
        words = next((said[name] for name in TYPED if name in said), "")[:WORDS_CHARS]
        files = sum(name == UPLOAD for name, _ in draft.fields)
        href = f"/drafts/open?{urlencode({'of': draft.form, 'tab': draft.tab})}"
        if address == ["cases"]:
            made.append(Half("登记纠纷", words, files, href, draft.at_ms))
        elif address[0] in ("cases", "tasks") and len(address) > 2:
            made.append(Half(carried.STEP_NAMES.get(address[-1], "没写完的"), words, files, href, draft.at_ms))
    return made


async def pressing(request: Request) -> tuple[list[tasks.Track], int]:
    """Visits that end soon or should have ended, and those that nobody hears of; and how many they are. What waits for this office's own answer stands apart."""
    soon_ms, offices = node_of(request).clock() + SOON_MS, actor_of(request).offices
    ranked = await tasks.ranked(request)
    found = [one for one in ranked if one.stands.is_silent or (one.row.due_ms and one.row.due_ms < soon_ms)]
    found = [one for one in found if one.row.unit not in offices or one.row.status != "sent"]
    return await tasks.tracks_of(request, found[:SHOWN]), len(found)


async def today_context(request: Request) -> dict[str, Any]:
    node, actor = node_of(request), actor_of(request)
    counts = await node.reads.counts(actor)
    groups = {}
    for view, step in (("due", ""), ("incoming", "TakeUpDispute"), ("urged", ""), ("follow_up", "RecordFollowUp"), ("review", "")):
        groups[view] = await group(request, view, step) if counts.get(view) else Group([], 0)
    due = {item.row.subject for item in groups["due"].rows}
    looked_after = groups["follow_up"]
    once = [item for item in looked_after.rows if item.row.subject not in due]  # its date stands above already
    groups["follow_up"] = Group(once, looked_after.total - len(looked_after.rows) + len(once), looked_after.mine)
    visit_reviews = await _tracks(request, "visit_review") if counts["visit_review"] else []
    reviewed = [item.row.subject for item in groups["review"].rows] + [one.row.subject for one in visit_reviews]
    drafts = await node.unsaved.of(actor.person, actor.offices)
    done = await node.unsaved.saved(actor.person, drafts)
    held_up, stuck_total = await node.reads.stuck(actor, node.clock() - STUCK_MS, SHOWN)
    visited, visits_total = await pressing(request)
    return {
        "groups": groups,
        "asked": await asked(request),
        "requested": await requested(request) if counts["requested"] else [],
        "visit_reviews": visit_reviews,
        "first_reviews": await reviewing.first_of(node.desk.journal, actor, reviewed) if reviewed else {},
        "stuck": held_up,
        "stuck_total": stuck_total,
        "waiting": await link.waiting(node),
        "online": link.is_online(node),
        "halves": halves([draft for draft in drafts if draft not in done])[:SHOWN],
        "visits": visited,
        "visits_total": visits_total,
        "held": counts.get("held", 0),
        "counts": counts,
        "guide": await guides.guide_of(request),
    }


@get("/today", of_cases=True)
async def today(request: Request) -> Response[Any]:
    context = await today_context(request)
    if wants_json(request):
        return twin({**context["groups"], **{name: context[name] for name in ("requested", "visit_reviews", "stuck")}})
    return await page(request, "today.html", live="view=today", **context)


async def today_live(request: Request) -> str:
    return rendered(request, "_today_live.html", await today_context(request))


VIEWS: Final = {"today": today_live}


def routes() -> list:
    return [today]
