"""Lists of cases as SQL: what an actor may see, what each view holds, in which order. The same text on both stores.

Pages of 100,000 cases stay fast by a few indices that hold all that lists ask for (INDICES, made when the journal is
opened): a list is a walk along one of them, newest first, and only the rows of the page are fetched. SQLite chooses by
guessing and would rather take the single-column indices and fetch thousands of rows; `(column || '')` keeps it from them.

What lies in an office's own region is a range of text (`/` is followed by `0`). Cases of other places come in by holder,
offer, registration and the tasks that ask a unit to join; for a place these are almost none, so they are looked up first.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import place
from protocol.access import CASE_POWERS
from protocol.calendar import DAY_MS, ZONE_MS
from protocol.case import OPEN, TASK_OPEN
from protocol.events import Actor
from protocol.node.journal.rows import among, bound, fetch
from protocol.node.journal.search import subjects
from protocol.views import FIGURES

VIEWS: Final = ("all", "open", "held", "due", "incoming", "outgoing", "came_down", "urged", "follow_up", "review", "overdue", "soon")
DATED: Final = ("due", "overdue", "soon")  # of these, what hangs on the clock
OTHERS_MAX: Final = 1_000  # cases of other places that one list takes in for an office that has a region
NONE: Final = "none"  # of what a case may lack: an ending, a way it came
Where = tuple[str, dict[str, Any]]  # a condition on case_row and its bound values

IS_OPEN: Final = "(status || '') in (" + ", ".join(f"'{status}'" for status in OPEN) + ")"
# What waits for a review is not over.
TASK_IS_OPEN: Final = "status in (" + ", ".join(f"'{status}'" for status in TASK_OPEN) + ")"
TASK_GOES_ON: Final = f"({TASK_IS_OPEN} or reviews > 0)"
# By the date that ends first; what has none comes after all that have one, the oldest first. One number, so that both stores walk one index.
NEVER_MS: Final = 10**15
WENT_MS: Final = "coalesce(arrived_ms, reported_ms, 0)"  # when who was sent was there; 0: he was not yet
FIRST_DUE_MS: Final = f"(coalesce(due_ms, logged_ms + {NEVER_MS}))"
FIRST_DUE: Final = f"{FIRST_DUE_MS}, subject"
_IS_DECLINED: Final = "(status || '') = 'declined'"
DECLINED: Final = (
    f"{_IS_DECLINED} and exists (select 1 from case_row c where c.subject = task_row.case_subject and {IS_OPEN.replace('(status', '(c.status')})"
    " and not exists (select 1 from task_row l where l.case_subject = task_row.case_subject and"
    " (l.purpose_kind = task_row.purpose_kind or (l.purpose_kind = 'visit' and task_row.purpose_kind = 'inquiry'))"  # who goes asks there too
    " and l.assigned_ms > coalesce(task_row.declined_ms, task_row.assigned_ms) and l.subject <> task_row.subject)"
)
_TASK_IS_OPEN: Final = TASK_IS_OPEN.replace("status", "(status || '')", 1)
ASKED: Final = f"asked_ms is not null and {_TASK_IS_OPEN}"  # who went waits for an answer
HAS_IN_HAND: Final = f"{_TASK_IS_OPEN} and cadre > ''"
_IS_HANDLED: Final = f"{IS_OPEN} and handler > ''"
# Tables to count from: in the order of their index, and with a limit, else SQLite would count along an index of all years.
_MANY: Final = 10**9
IN_HAND: Final = (
    f"(select cadre, due_ms from task_row where {HAS_IN_HAND} and coalesce(link, '') = '' order by cadre, due_ms limit {_MANY}) in_hand"
)
HANDLED: Final = f"(select handler, holder from case_row where {{whose}} and {_IS_HANDLED} order by handler, holder limit {_MANY}) handled"
_IS_ASKED: Final = "unit > '' and (status || '') = 'sent'"  # an office was asked, and has not said yet whether it comes
INDICES: Final = (
    "create index if not exists case_list on case_row (updated_ms, subject, ledger, type, status, logged_ms, risk, intake, ending)",
    f"create index if not exists case_open on case_row (updated_ms, subject, ledger, holder, due_ms, offer_to, type, status) where {IS_OPEN}",
    (
        f"create index if not exists case_ends on case_row ({FIRST_DUE}, ledger, holder, due_ms, offer_to, type, status, risk, handler)"
        f" where {IS_OPEN}"
    ),
    (
        f"create index if not exists case_held on case_row (holder, {FIRST_DUE}, ledger, due_ms, offer_to, type, status, risk, handler, updated_ms)"
        f" where {IS_OPEN}"
    ),
    (
        "create index if not exists case_after on case_row (follow_up_by, follow_up_due_ms, subject, ledger, due_ms, status, holder)"
        " where follow_up_due_ms is not null"
    ),
    (
        "create index if not exists case_figures on case_row (logged_ms, figures, ledger, type, intake, risk, ending, duty_ms, follow_ups, amount_fen)"
        " where figures > 0"
    ),
    f"create index if not exists case_handler on case_row (handler, {FIRST_DUE}, ledger, holder, due_ms, offer_to, type, status, risk, updated_ms)",
    f"create index if not exists case_tally on case_row (ledger, holder, type, due_ms, logged_ms) where {IS_OPEN}",
    f"create index if not exists case_handled on case_row (handler, holder) where {_IS_HANDLED}",
    # a township is offered thousands a year; most cases never are, and an index that leaves them out costs their saves no page
    "create index if not exists case_offer on case_row (offer_to, offer_ms, subject, ledger) where offer_to is not null",
    "create index if not exists case_offer_in on case_row (offer_to, ledger, subject) where offer_to is not null",
    "create index if not exists case_offer_by on case_row (offer_by) where offer_by is not null",
    "create index if not exists case_transfer_to on case_row (transfer_to) where transfer_to is not null",
    "create index if not exists case_leftover on case_row (leftover) where leftover is not null",
    # looked for after each commit; arrived_ms first, or SQLite may take one of those above
    "create index if not exists case_to_arrive on case_row (arrived_ms, offer_to) where offer_to > '' and arrived_ms is null",
    "create index if not exists case_came_down on case_row (offer_to, subject, ledger, predecessor, term) where offer_kind = 'hand_down'",
    "create index if not exists case_urged on case_row (holder, urged_ms, subject, ledger, handler) where urged_ms is not null",
    "create index if not exists case_standing on case_row ((status || '.'), updated_ms, subject, ledger, type, logged_ms)",  # these three to count, and to look hits up
    "create index if not exists case_type on case_row (type, ledger, subject)",
    "create index if not exists case_found on case_row ((subject || ''), ledger, updated_ms, type)",
    "create index if not exists case_merged on case_row (merged_into) where merged_into > ''",  # to what a removal reaches
    "create index if not exists case_person on case_row (person, logged_ms) where person > ''",
    "create index if not exists case_holder on case_row (holder, ledger, subject)",
    "create index if not exists case_logged_office on case_row (logged_office, ledger, subject)",
    f"create index if not exists task_goes_on on task_row (due_ms, assigned_ms, updated_ms, subject, ledger, assigned_by, unit, request, status, reviews) where {TASK_GOES_ON}",
    f"create index if not exists task_asks on task_row (case_subject, asked_ms, subject, ledger, assigned_by, unit, request, home) where {ASKED}",
    f"create index if not exists task_declined on task_row (updated_ms, subject, case_subject, purpose_kind, declined_ms, assigned_ms, ledger, assigned_by, unit, request) where {_IS_DECLINED}",
    f"create index if not exists task_busy on task_row (cadre, due_ms, link) where {HAS_IN_HAND}",
    f"create index if not exists task_asked_of on task_row (unit, due_ms, assigned_ms, subject, link) where {_IS_ASKED}",
    f"create index if not exists task_went on task_row (cadre, ({WENT_MS}), case_subject) where cadre > ''",
    "create index if not exists entry_account on entry (position) where sort = 'account'",  # who answered for whom, of millions of entries
    "create index if not exists entry_person on entry (position) where sort = 'person'",  # who was registered by whom
    "create index if not exists entry_branch on entry (position) where sort = 'branch'",  # what was decided about other histories
    "create index if not exists entry_task on entry (position) where sort = 'task'",  # the newest of them
    "create index if not exists meeting_when on meeting_row (when_ms, subject, item, ledger)",
)
SEARCH: Final = "create index if not exists search_hit on search ((id + 0), subject)"  # SQLite's: a row of `search` holds all its text
# Indices that no question walks: of older programs, and of single columns, which SQLite would take for lists instead of those above.
GONE: Final = (
    "task_asked",
    "case_row_status",
    "case_row_type",
    "case_row_updated_ms",
    "case_row_due_ms",
    "case_row_offer_to",
    "case_row_offer_by",
    "case_row_transfer_to",
    "case_row_leftover",
    "case_row_follow_up_by",
    "case_offered",
    "case_offered_in",
    "case_arriving",
    "case_status",
    "case_due",
    "case_follow_up",
    "case_hit",
)
SOON_MS: Final = 86_400_000  # what ends within a day is told apart on every page
DUE_MS: Final = 3 * 86_400_000  # what ends within three days, or has ended, is pressing
AHEAD_MS: Final = {"now_ms": 0, "soon_ms": SOON_MS, "pressing_ms": DUE_MS}  # what dates are held against
COUNTED: Final = "figures > 0"
LATE: Final = f"((figures & {FIGURES['missed']}) > 0 or ((figures & {FIGURES['open']}) > 0 and duty_ms is not null and duty_ms < :now_ms))"
KINDS: Final = {
    **{name: f"(figures & {FIGURES[name]}) > 0" for name in ("registered", "accepted", "resolved", "raised", "followed", "money")},
    "timed": f"((figures & {FIGURES['kept']}) > 0 or {LATE})",
    "on_time": f"((figures & {FIGURES['kept']}) > 0 and not {LATE})",
    "late": LATE,
    "again": "",  # asks beyond the row itself
}
AGAIN_MS: Final = 365 * DAY_MS
PERSONS_TWICE: Final = "select person from case_row where person > '' group by person having min(logged_ms) < max(logged_ms)"
# PostgreSQL has no idea how many are open, so it sorts all of them instead of walking case_ends, until it may look at the expression.
STATISTICS: Final = ("create statistics if not exists case_status on (status || '') from case_row",)
# An office above said something since which the holder has written nothing (protocol/above.py) and sent nobody.
URGED: Final = (
    "urged_ms is not null and not exists (select 1 from task_row t where t.case_subject = case_row.subject"
    " and (t.assigned_by || '') = case_row.holder and t.assigned_ms >= case_row.urged_ms)"  # of the office there are thousands, of the case few
)
_VIEW: Final = {  # dates by what case_ends is ordered by: a range of it
    "all": "1 = 1",
    "open": IS_OPEN,
    "held": f"holder = :office and {IS_OPEN}",
    "due": f"holder = :office and {IS_OPEN} and {FIRST_DUE_MS} < :pressing_ms",
    "incoming": "offer_to = :office",
    "outgoing": "offer_by = :office and offer_to > ''",
    "came_down": "offer_to = :office and offer_kind = 'hand_down' and (coalesce(predecessor, '') = '' or term > 1)",  # a transfer opens its successor as handed down
    "urged": f"holder = :office and {URGED}",
    "follow_up": "follow_up_by = :office and follow_up_due_ms is not null",
    "review": "subject in (select subject from review_row where owner = :office)",
    "overdue": f"{FIRST_DUE_MS} < :now_ms and {IS_OPEN}",
    "soon": f"{FIRST_DUE_MS} >= :now_ms and {FIRST_DUE_MS} < :soon_ms and {IS_OPEN}",
}
# Of tasks, what waits for the office itself. What it was asked in a ledger of its own is done there: of the two tasks that one.
TASK_VIEWS: Final = {
    "requested": f"unit = :office and {_IS_ASKED} and coalesce(link, '') = ''",
    "visit_review": "subject in (select subject from review_row where owner = :office)",
}
TASK_ENDS: Final = "coalesce(nullif(due_ms, 0), assigned_ms), subject"
_OWN: Final = frozenset({"held", "due", "incoming", "outgoing", "came_down", "urged"})  # names the actor's office, so it is seen by rule
_ORDER: Final = {
    "overdue": FIRST_DUE,
    "due": FIRST_DUE,
    "incoming": "offer_ms, subject",
    "urged": "urged_ms, subject",
    "follow_up": "follow_up_due_ms, subject",
}
OF_HIT: Final = "(subject || '')"  # looked up in case_found, which holds what a list of hits asks for
_NEWEST: Final = "updated_ms desc, subject desc"
# An office that was convened, and not asked back since, has a task of its own; whoever was asked for one thing only (请别处协助) has one too, and
# joins nothing: found by its tasks, told by the case.
_JOINED: Final = (
    "select c.subject from task_row t join case_row c on c.subject = t.case_subject"
    " where t.unit = :own and ' ' || coalesce(c.convened, '') || ' ' like '% ' || :own || ' %'"
)
_ELSEWHERE: Final = " union ".join(
    [
        *(
            f"select subject from case_row where {column} = :own and {side}"
            for column in ("holder", "logged_office", "offer_to")
            for side in ("ledger < :own", "ledger >= :own_to")
        ),
        f"{_JOINED} and (c.ledger < :own or c.ledger >= :own_to)",
    ]
)
_OF_UNIT: Final = " union ".join(
    [
        *(f"select subject from case_row where {column} = :own" for column in ("ledger", "holder", "logged_office", "offer_to")),
        _JOINED,
    ]
)


def subtree(column: str, name: str, path: str) -> Where:
    """Claims that `column` is `path` or lies below it."""
    sql = f"({column} = :{name} or ({column} >= :{name}_from and {column} < :{name}_to))"
    return sql, {name: path, f"{name}_from": f"{path}/", f"{name}_to": f"{path}0"}


async def visible(c: AsyncConnection, actor: Actor, column: str = "(ledger || '')") -> Where:
    """The rows of case_row for which access.may_see_case holds. column `ledger` lets its own index count a region."""
    if not actor.powers & CASE_POWERS:
        return "1 = 0", {}
    return any_of([await _visible(c, office, column) for office in actor.offices])


async def _visible(c: AsyncConnection, office: str, column: str) -> Where:
    if place.is_unit(office):
        return f"subject in ({_OF_UNIT})", {"own": office}
    if place.tier(office) == 0:
        return "1 = 1", {}
    sql, values = subtree(column, "own", office)
    others = await _elsewhere(c, office)
    if not others:
        return sql, values
    return f"({sql} or {among(c, 'subject', 'others')})", {**values, "others": bound(c, others)}


async def _elsewhere(c: AsyncConnection, office: str) -> list[str]:
    _, values = subtree("ledger", "own", office)
    return [row[0] for row in await fetch(c, f"{_ELSEWHERE} limit {OTHERS_MAX}", {name: values[name] for name in ("own", "own_to")})]


async def sees(c: AsyncConnection, actor: Actor) -> Callable[[Any], bool]:
    """What `visible` claims, of a row's subject and ledger. Of no unit: what one sees stands in more than its rows."""
    if not actor.powers & CASE_POWERS:
        return lambda _row: False
    if any(place.tier(office) == 0 for office in actor.offices):
        return lambda _row: True
    others = {subject for office in actor.offices for subject in await _elsewhere(c, office)}
    within = cache(lambda ledger: any(place.within(ledger, office) for office in actor.offices))
    return lambda row: within(row.ledger) or row.subject in others


async def elsewhere(c: AsyncConnection, actor: Actor) -> Where | None:
    """Cases outside the regions of the actor's offices that `visible` holds all the same; None: there are none."""
    parts: list[Where] = []
    for office in actor.offices:
        if place.is_unit(office):
            parts.append((f"subject in ({_OF_UNIT})", {"own": office}))
        elif place.tier(office) == 0:
            return None
        elif others := await _elsewhere(c, office):
            parts.append((among(c, "subject", "others"), {"others": bound(c, others)}))
    if not parts:
        return None
    (sql, values), (region, own) = any_of(parts), own_region(actor)
    return f"{sql} and not {region}", {**values, **own}


def any_of(wheres: Sequence[Where]) -> Where:
    """One of these holds; their values are kept apart. A single one stays as it is, so that its index is taken."""
    if len(wheres) == 1:
        return wheres[0]
    parts = [re.sub(r":(\w+)", rf":\1_{n}", sql) for n, (sql, _) in enumerate(wheres)]
    return "(" + " or ".join(parts) + ")", {f"{name}_{n}": value for n, (_, some) in enumerate(wheres) for name, value in some.items()}


def dates(now_ms: int) -> dict[str, int]:
    return {name: now_ms + ms for name, ms in AHEAD_MS.items()}


async def dated_until(c: AsyncConnection, now_ms: int) -> int:
    """The first moment in ms at which one more open case, of anybody, is past its date, soon or pressing: until then what is counted by dates stays."""
    first = f"(select min({FIRST_DUE_MS}) from case_row where {IS_OPEN} and {FIRST_DUE_MS} >= :%s)"
    rows = await fetch(c, "select " + ", ".join(first % name for name in AHEAD_MS), dates(now_ms))
    found = [int(due_ms) - ms for due_ms, ms in zip(rows[0], AHEAD_MS.values(), strict=True) if due_ms is not None]
    return min(found, default=now_ms + NEVER_MS) + 1


def view(name: str, actor: Actor, now_ms: int, seen: Where) -> Where:
    """One of VIEWS, within what is seen."""
    sql, values = seen
    inside = sql if name not in _OWN or sql == "1 = 0" else "1 = 1"
    asked, offices = (
        any_of([(_VIEW[name], {"office": office, **dates(now_ms)}) for office in actor.offices])
        if ":office" in _VIEW[name]
        else (_VIEW[name], {})
    )
    return f"{inside} and {asked}", {**values, **offices, **dates(now_ms)}


def task_view(name: str, actor: Actor) -> Where:
    """One of TASK_VIEWS: each names an office that the actor acts for, so it is seen by rule."""
    if not actor.powers & CASE_POWERS:
        return "1 = 0", {}
    return any_of([(TASK_VIEWS[name], {"office": office}) for office in actor.offices])


def own_region(actor: Actor) -> Where:
    """Claims that `ledger` is that of one of the actor's offices, or lies below it."""
    return any_of([subtree("ledger", "region", office) for office in actor.offices])


async def found(c: AsyncConnection, question: str, actor: Actor, hits: Sequence[str] | None = None) -> Where:
    """Cases whose own text matches, and those of which something was written apart that does, for whom that is to be read.

    hits: what was found already, perhaps not all of it.
    """
    hits = [*(await subjects(c, question) if hits is None else hits)]
    inside, some = own_region(actor)
    sql = f"select distinct case_subject from opinion_row where {inside} and {among(c, OF_HIT, 'hits')} limit {OTHERS_MAX}"
    rows = await fetch(c, sql, {**some, "hits": bound(c, hits)})
    hits.extend(row[0] for row in rows)
    return among(c, OF_HIT, "hits"), {"hits": bound(c, hits)}


def order(name: str, by_registration: bool = False, by_date: bool = False) -> str:
    """by_date: as a board has it, whatever the view."""
    if by_date:
        return FIRST_DUE
    return "logged_ms desc, subject desc" if by_registration else _ORDER.get(name, _NEWEST)


def of_type(code: str) -> Where:
    """2 digits take their 4-digit types along; what is no number is no type."""
    if not (code.isascii() and code.isdigit()):
        return "1 = 0", {}
    sql = "((type || '') >= :type and (type || '') < :type_to)"
    return sql, {"type": code, "type_to": code[:-1] + chr(ord(code[-1]) + 1)}


def in_place(path: str, alone: bool = False) -> Where:
    """With what lies below it, unless alone."""
    return ("(ledger || '') = :place", {"place": path}) if alone else subtree("(ledger || '')", "place", path)


def of_status(status: str) -> Where:
    """By an expression of its own: the newest changes may all be of others, so a list walks case_standing, and IS_OPEN never does."""
    sql = "(status || '.') = :status"
    return f"{sql} and {IS_OPEN}" if status in OPEN else sql, {"status": f"{status}."}


def either(status: str, type: str) -> Where | None:
    """The only one of these that is asked, told so that an index counts it; None: none, or both."""
    if bool(status) == bool(type):
        return None
    sql, values = of_status(status) if status else of_type(type)
    return sql.replace("(type || '')", "type"), values


class Narrowed(msgspec.Struct, frozen=True):
    """What a figure counts, so that the list behind it holds the same. kind: one of KINDS, "" = whatever there is, also what is not counted.

    from_ms, to_ms: when it was registered, to_ms no more · ending, intake, risk: a code, or NONE · alone: only what lies in the ledger
    of the place itself · holder: an office · handler: a person.
    """

    kind: str = ""
    from_ms: int | None = None
    to_ms: int | None = None
    ending: str = ""
    intake: str = ""
    risk: str = ""
    alone: bool = False
    holder: str = ""
    handler: str = ""


class Asked(NamedTuple):
    """What a list holds: one of VIEWS, words that its cases have, and what else is true of them."""

    view: str = "all"
    text: str = ""
    status: str = ""
    place: str = ""
    type: str = ""
    narrowed: Narrowed = Narrowed()

    @property
    def is_whole(self) -> bool:
        """Claims that all of the view is asked for."""
        return self[1:] == Asked()[1:]

    @property
    def is_place(self) -> bool:
        """Claims that nothing is asked but what of the view lies in a place and below it."""
        return bool(self.place) and self == Asked(self.view, place=self.place)

    @property
    def is_words(self) -> bool:
        """Claims that nothing is asked but words."""
        return self == Asked(text=self.text)

    @property
    def alone(self) -> Where | None:
        """See either."""
        return either(self.status, self.type) if self == Asked(status=self.status, type=self.type) else None


def narrowed(asked: Narrowed, now_ms: int, seen: Where) -> Where:
    wheres: list[str] = []
    values: dict[str, Any] = {"now_ms": now_ms}
    at = "logged_ms" if asked.kind in KINDS else "(logged_ms + 0)"  # its index with what is counted, else the list's own
    for sql, name, ms in ((f"{at} >= :from_ms", "from_ms", asked.from_ms), (f"{at} < :to_ms", "to_ms", asked.to_ms)):
        if ms is not None:
            wheres.append(sql)
            values[name] = ms
    during = tuple(wheres)
    for name in ("ending", "intake", "risk"):
        if code := getattr(asked, name):
            wheres.append(f"({name} || '') = :{name}")
            values[name] = "" if code == NONE else code
    for name in ("holder", "handler"):
        if who := getattr(asked, name):
            wheres.append(f"{name} = :{name}")  # few of all are one office's or person's: an index of its own
            values[name] = who
    if asked.kind in KINDS:
        sql, more = again(seen, during) if asked.kind == "again" else (KINDS[asked.kind], {})
        wheres += [COUNTED, sql]
        values |= more
    return " and ".join(wheres) or "1 = 1", values


def again(seen: Where, during: Sequence[str] = ()) -> Where:
    """Brought by somebody (views.who_came) who had come about the same on an earlier day of the 365 before.

    during: claims about logged_ms that hold for what is asked, so that no other is looked at; their values are the caller's. Only what the actor may see speaks of the earlier visit. Few people come twice, so these are found first.
    """
    sql, values = seen
    rows = "select subject, person, logged_ms from case_row where person > ''"
    day = f"((logged_ms + {ZONE_MS}) / {DAY_MS})"
    before = f"e.logged_ms < {day.replace('logged_ms', 'c.logged_ms')} * {DAY_MS} - {ZONE_MS} and e.logged_ms >= c.logged_ms - {AGAIN_MS}"
    earlier = f"select 1 from ({rows} and {sql}) e where e.person = c.person and {before}"
    asked = " and ".join((rows, *during, f"person in ({PERSONS_TWICE})"))
    return f"subject in (select c.subject from ({asked}) c where exists ({earlier}))", values


def subjects_of(condition: str, ordered: str) -> str:
    """All of a list, in its order: where many are found by their text, counting them and finding one page of them cost one walk each."""
    return f"select {OF_HIT} from case_row where {condition} order by {ordered.replace('subject', OF_HIT)}"


def page(condition: str, ordered: str, table: str = "case_row") -> str:
    """The rows of one page, found in an index and then fetched. Values: per, skip."""
    inner = f"select subject from {table} where {condition} order by {ordered} limit :per offset :skip"
    return f"select * from {table} where subject in ({inner}) order by {ordered}"


def asked_of(actor: Actor, node: str) -> Where:
    """Tasks whose question waits for the actor's office: it sent the task, or has its linked one in its own ledger, or the phone of who went is at home at this node."""
    offices = [
        (
            f"(case when coalesce(request, '') = '' then assigned_by else ledger end = :own or home = :home) and {sql}",
            {**values, "home": node},
        )
        for sql, values in map(tasks_of, actor.offices)
    ]
    sql, values = any_of(offices)
    return f"{ASKED} and {sql}", values


def tasks_of(office: str) -> Where:
    """Tasks in places the office covers, asked of it, or assigned by it; of one and its linked one, not both."""
    inside, values = subtree("(ledger || '')", "own", office)
    asking = "exists (select 1 from task_row m where m.subject = task_row.request and (" + inside.replace("ledger", "m.ledger") + "))"
    sent = "((assigned_by || '') = :own and coalesce(request, '') = '')"  # as access.may_see_task has it
    return f"({inside} or {sent} or (unit || '') = :own) and not ((request || '') > '' and {asking})", values
