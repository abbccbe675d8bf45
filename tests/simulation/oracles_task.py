"""Judges of tasks: what became of each word that was said about one, by rules written here and not by production's fold.

    broken = oracles_task.at_end(world)        when it has healed

(task) At every node that covers a task: each 接单, 谢绝, 到场, 反馈, 撤回 and each second 派单 either counts in the row that pages read, or
stands beside it as a review item of the right office with a date, or was decided. So of two words that can't both be true (two reports,
a report and a recall) at least one is somebody's to look at, in whatever order they came; what nothing crossed is not set aside; and
neither clocks nor the order of arrival decide anything.

(request) What was asked of an office elsewhere has one linked task there, in the ledger that was named, for the office that asked; how far
that one got is known to who asked, and a recall reached it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from protocol.entry import Admitted, decode_head, node_of
from protocol.events import PostEnded, facts_of
from protocol.node.journal.branches import adopted_id
from protocol.node.journal.stored import SELECT, stored
from protocol.task_fold import fold_task
from tests.simulation.checks import BROKEN_MAX
from tests.simulation.oracles import Good, _covered, _ends, _good_until, _has_lost, _other_time
from tests.simulation.site import Site

if TYPE_CHECKING:
    from tests.simulation.world import World

TIMELESS_MAX: Final = 12  # tasks of a run that are folded once more with other clocks
BY_DOER: Final = {"TaskConfirmed": "confirmed", "TaskDeclined": "declined", "CadreArrived": "arrived", "TaskReported": "reported"}
ENDS: Final = {"TaskDeclined": "declined", "TaskRecalled": "recalled", "TaskReported": "reported"}
MOVES: Final = BY_DOER | ENDS | {"TaskAssigned": "sent"}
_SAID: Final = "select subject, hash, head_bytes from entry where sort = 'task' order by subject, ledger, origin, seq"
_ROWS: Final = (
    "select subject, ledger, status, cadre, unit, assigned_by, due_ms, link, request, result, answered, recalls, confirmed_ms, arrived_ms,"
    " reported_ms from task_row"
)
_REVIEWS: Final = "select subject, item, owner, due_ms from review_row"
Key = tuple[str, int]


class Act(NamedTuple):
    """One entry of a task, as its head says it."""

    key: Key
    kind: str
    facts: Any
    ledger: str
    person: str
    post: str
    command: str


class Row(NamedTuple):
    """What pages read of a task."""

    subject: str
    ledger: str
    status: str
    cadre: str
    unit: str
    assigned_by: str
    due_ms: int
    link: str
    request: str
    result: str
    answered: str
    recalls: int
    confirmed_ms: int | None
    arrived_ms: int | None
    reported_ms: int | None


class Seen(NamedTuple):
    """A task at one node. reviews: key → (owner, due_ms)."""

    row: Row
    acts: list[Act]
    reviews: dict[Key, tuple[str, int]]


def at_end(world: "World") -> list[str]:
    county, known = world.sites["county"], set[Any]()
    good, ends, anew = _good_until(county), _ends(county), _written_anew(world)
    broken = list[str]()
    for site in (county, *(one for one in world.alive() if one is not county)):
        found, without = _tasks(site)
        broken += [f"(task) {site.name} shows nothing of task {subject}" for subject in without]
        for task, mark in found:
            if not _has_lost(world) and (waiting := _waiting(task.acts)):
                broken.append(f"(task) {task.row.subject}: {waiting} wait for what nobody has lost (at {site.name})")
            if mark not in known:  # else it was judged at another node, to the last letter
                known.add(mark)
                broken += [f"{what} (at {site.name})" for what in _judged(task, good, ends, anew, world.counts)]
        if site is county:
            broken += [
                *_requests([task for task, _ in found], bool(_has_lost(world)), world.counts),
                *_timeless(site, [task.row for task, _ in found]),
            ]
    return broken[:BROKEN_MAX]


# ── what stands at a node ──


@lru_cache(8_192)
def _act(head_bytes: bytes) -> Act:
    head = decode_head(head_bytes)
    return Act((head.origin, head.seq), head.kind, facts_of(head), head.ledger, *head.author, head.command)


def _tasks(site: Site) -> tuple[list[tuple[Seen, Any]], list[str]]:
    """Every task with a mark that is the same where everything about it is; and those that were given and that no page shows."""
    rows = {row[0]: Row(*row) for row in site.disk.rows(_ROWS)}
    heads: dict[str, list[tuple[bytes, bytes]]] = {}
    for subject, hash_, head in site.disk.rows(_SAID):
        heads.setdefault(subject, []).append((hash_, head))
    reviews: dict[str, dict[Key, tuple[str, int]]] = {}
    for subject, item, owner, due_ms in site.disk.rows(_REVIEWS) if rows else ():
        reviews.setdefault(subject, {})[_key(item)] = (owner or "", due_ms or 0)
    found = []
    for subject, row in rows.items():
        some, open_ = heads.get(subject, []), reviews.get(subject, {})
        mark = (row, tuple(hash_ for hash_, _ in some), tuple(sorted((key, owner, due_ms > 0) for key, (owner, due_ms) in open_.items())))
        found.append((Seen(row, [act for _, head in some if (act := _act(head)).ledger == row.ledger], open_), mark))
    without = [one for one in heads if one not in rows and any(_act(head).kind == "TaskAssigned" for _, head in heads[one])]
    return found, without


def _key(item: str) -> Key:
    origin, _, seq = item.rpartition("/")
    return origin, int(seq)


# ── one task ──


def _judged(task: Seen, good: Good, ends: dict[str, list[PostEnded]], anew: frozenset[str], counts: Counter[str]) -> Iterator[str]:
    subject, row, name = task.row.subject, task.row, f"(task) {task.row.subject}"
    waiting = _waiting(task.acts)
    live = [act for act in task.acts if act.key not in waiting]
    decided = _decided(live, task.reviews)
    counts.update(f"task: {act.kind} set aside" for act in live if act.key in task.reviews)
    counts["task: set aside, then decided"] += len(decided)
    owner = _owner(row)
    for key, (said, due_ms) in task.reviews.items():
        if said != owner or due_ms <= 0 or key not in {act.key for act in live}:
            yield f"{name}: the review of {key} is owned by {said!r} until {due_ms}, it should be {owner}"
    looked_at = task.reviews.keys() | decided.keys()
    carried = {act.command for act in live if act.key in looked_at and act.kind == "TaskRecalled"}  # by several: to look at one is enough
    looked_at |= {act.key for act in live if row.request and act.kind == "TaskRecalled" and act.command in carried}
    out = {act.key for act in live if _is_out(act, good, ends)}
    for act in live:
        if act.key in out and act.kind in MOVES and act.kind != "TaskAssigned" and act.key not in looked_at:
            yield f"{name}: {act.kind} {act.key} counts, though its writer was out of office by then"
    standing = [act for act in live if act.key not in looked_at and act.key not in out]
    yield from (
        f"{name}: {act.kind} {act.key} of {act.facts.office} counts, who has no part in it" for act in standing if not _may(row, act)
    )
    yield from _crossed(subject, row, standing, live, looked_at)
    yield from _shown(subject, row, standing, live, looked_at, decided)
    if not decided and any(act.kind == "TaskRecalled" for act in standing):
        yield from _counting(row, [act for act in live if act.kind == "TaskReported" and act.key not in out and _may(row, act)])
    if not out:
        yield from _uncrossed(subject, row, live, task.reviews, anew)


def _waiting(acts: list[Act]) -> set[Key]:
    """What was decided on something that is not here, or comes in its lane after such."""
    here, waits = {act.key for act in acts}, set[Key]()
    while True:
        more = set[Key]()
        for act in acts:
            origin, seq = act.key
            lacks = any(cause not in here or cause in waits for cause in act.facts.seen)
            if act.key not in waits and (lacks or any(other == origin and n < seq for other, n in waits)):
                more.add(act.key)
        if not more:
            return waits
        waits |= more


def _decided(live: list[Act], reviews: Iterable[Key]) -> dict[Key, str]:
    """What was set aside and decided, by decisions that nobody has to look at themselves: key → decision."""
    decisions = {act.key: act for act in live if act.kind == "TaskReviewDecided"}
    named = {_key(act.facts.item) for act in decisions.values()}
    return {_key(act.facts.item): act.facts.decision for key, act in decisions.items() if key not in reviews and key not in named}


def _owner(row: Row) -> str:
    """The office that sent it; of a linked task, which that one does not see, the one that does it."""
    return (row.unit or row.ledger) if row.request else row.assigned_by


def _is_out(act: Act, good: Good, ends: dict[str, list[PostEnded]]) -> bool:
    lane, (origin, seq) = (act.ledger, act.key[0]), act.key
    revoked = good.get(node_of(origin))
    if revoked is not None and seq > revoked.get(lane, 0):
        return True
    over = (end for end in ends.get(act.post, ()) if _covered(end.reach, act.ledger))
    return any(seq > {(ledger, one): last for ledger, one, last in end.last}.get(lane, 0) for end in over)


def _may(row: Row, act: Act) -> bool:
    """Claims that it is whoever goes, or whoever sent him, who says it."""
    office = act.facts.office
    if act.kind == "TaskRecalled":
        return office == ("" if row.request else row.assigned_by)
    if act.kind not in BY_DOER:
        return True
    if row.link or not row.unit:
        return not row.link and act.person == row.cadre
    return office == row.unit or (bool(row.request) and _covered((f"{office}/*",), row.unit))


def _crossed(subject: str, row: Row, standing: list[Act], live: list[Act], looked_at: Iterable[Key]) -> Iterator[str]:
    """Of words that can't both be true all but one are somebody's to look at."""
    carried = {act.command if row.request and act.kind == "TaskRecalled" else act.key: act for act in standing}  # by several: it is one
    said = Counter(act.kind for act in carried.values())
    for kind in ("TaskConfirmed", "TaskDeclined", "TaskReported", "TaskRecalled"):
        if said[kind] > 1:
            yield f"(task) {subject}: {said[kind]} times {kind} counts"
    given = {act.facts.request or act.key for act in standing if act.kind == "TaskAssigned"}
    if len(given) > 1:
        yield f"(task) {subject} was given {len(given)} times, and nobody has to look at it"
    ended = {ENDS[act.kind] for act in standing if act.kind in ENDS}
    if len(ended) > 1 and not (row.request and ended == {"recalled", "reported"}):  # of a linked task whoever asked decides
        yield f"(task) {subject} is {' and '.join(sorted(ended))} at once, and nobody has to look at it"
    told = [act.key for act in live if act.kind == "TaskAnswered" and act.facts.status == "reported"]
    if "recalled" in ended and told and not any(key in looked_at for key in told):
        yield f"(task) {subject} was recalled and done elsewhere, and nobody has to look at it"


def _shown(
    subject: str, row: Row, standing: list[Act], live: list[Act], looked_at: Iterable[Key], decided: dict[Key, str]
) -> Iterator[str]:
    """What counts is in the row. What was adopted goes before what stood."""
    kinds = {act.kind: act for act in standing}
    later = {ENDS[act.kind] for act in live if act.kind in ENDS and (decided.get(act.key) == "adopt" or act.key in looked_at)}
    later |= {act.facts.status for act in live if act.kind == "TaskAnswered"}
    beside = later | {"reported" for act in standing if row.request and act.kind == "TaskReported"}
    for kind, at_ms in (("TaskConfirmed", row.confirmed_ms), ("CadreArrived", row.arrived_ms), ("TaskReported", row.reported_ms)):
        if kind in kinds and at_ms is None:
            yield f"(task) {subject}: {kind} {kinds[kind].key} neither counts nor is set aside"
    for kind, status in ENDS.items():
        if kind in kinds and row.status not in {status, *beside}:
            yield f"(task) {subject}: {kind} {kinds[kind].key} neither counts nor is set aside, it is {row.status}"
    report = kinds.get("TaskReported")
    if report is not None and row.status == "reported" and "reported" not in later and row.result != report.facts.result:
        yield f"(task) {subject} shows {row.result}, and {report.facts.result} was reported"
    if row.recalls < ("TaskRecalled" in kinds):
        yield f"(task) {subject} was recalled, and says so nowhere"
    if row.status not in {"sent", *(MOVES[act.kind] for act in live if act.kind in MOVES), *later}:
        yield f"(task) {subject} is {row.status}, which nobody said"


def _counting(row: Row, reports: list[Act]) -> Iterator[str]:
    """Of a task that was recalled: somebody was there and told of it, so it counts, also while it is looked at."""
    results = {act.facts.result for act in reports}
    if reports and (row.status != "reported" or row.reported_ms is None or row.result not in results):
        yield f"(task) {row.subject} is {row.status} with {row.result!r}, though it was reported with {sorted(results)}"


def _uncrossed(subject: str, row: Row, live: list[Act], reviews: Iterable[Key], anew: frozenset[str]) -> Iterator[str]:
    """What was decided on all that was ever said of the task, or was known to whoever said the rest, fitted when it was written.

    anew: commands under which words of another history were written anew. Whoever said those knew nothing of what stands here.
    """
    moves = [act for act in live if act.kind in MOVES or act.kind == "TaskAnswered"]
    is_recalled = any(act.kind == "TaskRecalled" for act in moves)
    for act in moves:
        if act.key not in reviews or act.kind not in MOVES or (act.kind == "TaskReported" and is_recalled):
            continue
        if all(other is act or _knew(act, other, anew) or _knew(other, act, anew) for other in moves):
            yield f"(task) {subject}: {act.kind} {act.key} is set aside, though nothing crossed it"


def _written_anew(world: "World") -> frozenset[str]:
    """See adopting.py: each entry that stands beside a lane, under the id of the command that puts it into one."""
    return frozenset(adopted_id(command) for site in world.alive() for (command,) in site.disk.rows("select distinct command from branch"))


def _knew(act: Act, other: Act, anew: frozenset[str]) -> bool:
    """Claims that `act` was decided on `other`."""
    if act.command in anew:
        return False
    origin, seq = other.key
    return (origin == act.key[0] and seq < act.key[1]) or seq <= dict(act.facts.seen).get(origin, 0)


def _timeless(site: Site, rows: list[Row]) -> Iterator[str]:
    """Every clock wrong by another amount, everything received in another order: the same task."""
    if site.node is None:
        return
    for row in rows[:TIMELESS_MAX]:
        found = [
            stored(one) for one in site.disk.rows(f"{SELECT} where subject = ? and sort = 'task' order by position desc", (row.subject,))
        ]
        if len(found) < 3:
            continue
        heads = [decode_head(e.head_bytes) for e in found]
        other = [msgspec.structs.replace(head, occurred_ms=_other_time(head.origin, head.occurred_ms)) for head in heads]
        admitted = [Admitted(head, None, -e.received_ms, True) for head, e in zip(other, found, strict=True)]
        task = fold_task(admitted, site.node.desk.shelf(), site.node.shelf.good_until(admitted))
        items = {item for (item,) in site.disk.rows("select item from review_row where subject = ?", (row.subject,))}
        if task is None or (task.status, task.result, task.answered, task.recalls, {r.item for r in task.reviews}) != (
            row.status, row.result, row.answered, row.recalls, items,
        ):  # fmt: skip
            yield f"(task) {row.subject} is judged otherwise when clocks and arrivals are others"


# ── requests ──


def _requests(tasks: list[Seen], has_lost: bool, counts: Counter[str]) -> Iterator[str]:
    """has_lost: a disk went or is an old one. Of a unit's ledger there is one, so its task may be gone with it; it is made anew unless whoever
    asked was answered before.
    """
    rows = {task.row.subject: task.row for task in tasks}
    made: dict[str, set[str]] = {}
    for task in tasks:
        for act in task.acts:
            if act.kind == "TaskAssigned" and act.facts.request:
                made.setdefault(act.facts.request, set()).add(task.row.subject)
    for asking in rows.values():
        if not asking.link:
            continue
        there = [rows[subject] for subject in sorted(made.get(asking.subject, ()))]
        counts["request"] += 1
        if len(there) > 1:
            yield f"(request) {len(there)} linked tasks were made for {asking.subject}"
        elif there:
            counts["request: linked"] += 1
            yield from _linked(asking, there[0], counts)
        elif asking.status != "recalled" and not (has_lost and asking.answered):
            yield f"(request) {asking.link} was asked for {asking.subject}, which is {asking.status}, and has no task for it"


def _linked(asking: Row, done: Row, counts: Counter[str]) -> Iterator[str]:
    same = ("cadre", "unit", "due_ms")
    if (done.ledger, done.assigned_by) != (asking.link, asking.assigned_by) or any(getattr(asking, n) != getattr(done, n) for n in same):
        yield f"(request) {done.subject} is another task than was asked for with {asking.subject}"
    if done.status != "sent":
        counts["request: answered"] += 1
        if asking.answered != done.status:
            yield f"(request) {done.subject} is {done.status}, and {asking.subject} was told {asking.answered or 'nothing'}"
    if asking.status == "recalled":
        counts["request: recalled"] += 1
        if done.status in ("sent", "confirmed") and not done.recalls:
            yield f"(request) {asking.subject} was recalled, and {done.subject} does not know of it"
