"""The clocks of a case and of a task (domain.md §5.2), counted by protocol.calendar from rules that are data (table `clocks`).

`of_case` says when each clock ends and whether it still runs; it knows no present, so every node that has the same entries
shows the same dates. Whether it is late is asked of `warn` with a time. A clock runs from the author's time (occurred), not
from receipt; one that starts on arrival starts at the Arrived entry. Total: a date that can't be read has no clock.

What starts a rule: logged, accepted, signed (each agreement, also a late one: the paper stands), due (each day of
performance; none given: the day of signing), pledge (closing by pledge), offer (arrival at the office asked), term (the hold),
written (the last progress), asked (the date of a hand-down or urge), task. A reopened case is mediated anew: clocks that
mediation stops start again, those of the petition law don't; a date that was asked before it and is over asks nothing any more. Escalation restarts only the inner ones (term, offer).
The term of who held before is over: reached, or missed, for good. Who offered the case to somebody in time did what the term asked of him.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import pairwise
from typing import Final

import msgspec

from protocol.calendar import HOUR_MS, Calendar, day_end_ms, day_number, local_time, to_date, to_number
from protocol.case import Agreement, Case, Move, Task, key_text
from protocol.events import facts_of
from protocol.place import tier
from protocol.shapes import ClockRule
from protocol.tables import Tables

RUNNING: Final = "running"
MET: Final = "met"
STOPPED: Final = "stopped"

_DROPPED: Final = frozenset({"voided", "merged", "declined", "transferred"})
_UNSETTLED: Final = frozenset({"logged", "accepted", "mediating"})  # no agreement in force, mediation not ended
_REMINDERS: Final = frozenset({"T12", "T31"})
_OUTCOMES: Final = ("AgreementSigned", "MediationEnded", "DisputeClosed", "DisputeReopened")
_OFFERS: Final = ("DisputeEscalated", "DisputeHandedDown", "DisputeTransferred")
_RETURNS: Final = ("DisputeReturned", "TransferAnswered")
_MS_MAX: Final = 2**62  # a column of a store holds it


class Clock(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """id: T2, T10 …, village, township, county, asked, task · due_ms: the last millisecond in time · state: running, met, stopped.

    right: the parties' own (nobody at a desk is late) · end: what happens at the end · soon_ms, late_ms: when a warning begins.
    provisional: counted through a year whose rest days are not yet known · met_ms: when a duty that is met was met, None where that is not
    known or the clock is not met.
    """

    id: str
    name: str
    starts_ms: int
    due_ms: int
    state: str
    basis: str
    soon_ms: int
    late_ms: int
    provisional: bool = False
    note: str = ""
    right: bool = False
    end: str = ""
    met_ms: int | None = None


def of_case(case: Case, tables: Tables) -> list[Clock]:
    """Every clock that has started, the one that ends first in front; (id, starts_ms) names one."""
    reopened_ms, last_ms = _marks(case, tables.quiet_kinds)
    found = [*_outer(case, tables, reopened_ms), *_inner(case, tables, reopened_ms, last_ms), *_held_before(case, tables)]
    if case.agreements or case.agreement is not None:
        found += _of_agreements(case, tables)
    if case.ending == "pledge":
        found += _of_pledge(case, tables)
    return sorted({(c.id, c.starts_ms): c for c in found}.values(), key=_order)


def of_task(task: Task, tables: Tables) -> list[Clock]:
    """The date given on assignment; met by the report, stopped when declined or recalled."""
    state = {"reported": MET, "declined": STOPPED, "recalled": STOPPED}.get(task.status, RUNNING)
    if task.due_ms <= 0:
        return []
    return [_timed(rule, tables, task.assigned_ms, task.due_ms, state) for rule in tables.clocks_from.get("task", ())]


def first_due(clocks: Iterable[Clock]) -> Clock | None:
    """The running duty that ends first; a right of the parties is none."""
    return min((c for c in clocks if c.state == RUNNING and not c.right), key=_order, default=None)


def duty_ms(clocks: Iterable[Clock]) -> int | None:
    """When the first running duty ends of those that figures count: a follow-up and a silence remind, nobody is late by them. None: no such."""
    first = first_due(c for c in clocks if c.id not in _REMINDERS)
    return first.due_ms if first else None


def follow_up_due_ms(clocks: Iterable[Clock]) -> int | None:
    """When the next follow-up (T12) must be done at the latest; None when none is due."""
    return min((c.due_ms for c in clocks if c.id == "T12" and c.state == RUNNING), default=None)


def kept_and_missed(clocks: Iterable[Clock]) -> tuple[int, int]:
    """How many duties were met in time, and how many after their end. What runs or was stopped is neither; so is a follow-up."""
    met = [c.met_ms <= c.due_ms for c in clocks if c.met_ms is not None and c.state == MET and not c.right]
    return sum(met), len(met) - sum(met)


def is_overdue(clock: Clock, now_ms: int) -> bool:
    return clock.state == RUNNING and now_ms > clock.due_ms


def warn(clock: Clock, now_ms: int) -> str:
    """'' · 'soon' from half of the time · 'late' from four fifths on and when overdue (limits). A right that is over warns no more."""
    if clock.state != RUNNING or (clock.right and now_ms > clock.due_ms):
        return ""
    return "late" if now_ms >= clock.late_ms else "soon" if now_ms >= clock.soon_ms else ""


def due_words(due_ms: int, now_ms: int, calendar: Calendar) -> str:
    """'还剩 2 个工作日', '今天 17:30' (the closing time, when the day's end is meant), '超期 1 天'; '（暂定）' where the calendar is."""
    today, last = day_number(now_ms), day_number(due_ms)
    if now_ms > due_ms:
        over = today - last
        return f"超期 {over} 天" if over else f"超期 {max((now_ms - due_ms) // HOUR_MS, 1)} 小时"
    if today == last:
        return f"今天 {_time_of_day(due_ms, now_ms, calendar)}"
    left = calendar.working_days_between(to_date(today), to_date(last)) if last - today < _COUNTED_MAX else 0
    words = f"还剩 {left} 个工作日" if left else f"还剩 {last - today} 天"
    return words + ("（暂定）" if left and calendar.is_provisional(to_date(today), to_date(last)) else "")


_COUNTED_MAX: Final = 366  # beyond a year calendar days say enough


def _time_of_day(due_ms: int, now_ms: int, calendar: Calendar) -> str:
    if due_ms != day_end_ms(day_number(due_ms)):
        return local_time(due_ms)
    return calendar.closes if local_time(now_ms) < calendar.closes else "24:00"


# ── the kinds of start ──


def _outer(case: Case, tables: Tables, reopened_ms: int) -> Iterator[Clock]:
    """The law's clocks of registering and accepting; escalation does not touch them."""
    petition = _is_petition(case, tables)
    for start, ms in (("logged", case.logged_ms), ("accepted", case.accepted_ms)):
        if ms is None:
            continue
        for rule in tables.clocks_from.get(start, ()):
            if _fits(rule, case, petition):
                from_ms = reopened_ms if rule.stops == "mediation" and reopened_ms > ms else ms
                yield _met(_counted(rule, tables, from_ms, _state(rule.stops, case)), rule.stops, case)


def _inner(case: Case, tables: Tables, reopened_ms: int, last_ms: int) -> Iterator[Clock]:
    """The county's own: take up, the term, no progress, the date asked."""
    state = _state("mediation", case)
    term_ms = max(case.term_since_ms, reopened_ms)
    holder_tier = tier(case.holder)
    for rule in tables.clocks_from.get("term", ()):
        if (rule.tier is None or rule.tier == holder_tier) and _fits(rule, case, False):
            yield _met(_counted(rule, tables, term_ms, state), "mediation", case)
    if case.offer is not None and case.offer.arrived_ms is not None and case.status not in _DROPPED:
        for rule in tables.clocks_from.get("offer", ()):
            yield _counted(rule, tables, case.offer.arrived_ms, RUNNING)
    for move in case.moves:
        if move.arrived_ms is not None:
            for rule in tables.clocks_from.get("offer", ()):
                yield _taken_up(_counted(rule, tables, move.arrived_ms, MET), move.at_ms)
    if case.status in _UNSETTLED or case.status == "ended":
        for rule in tables.clocks_from.get("written", ()):
            if _fits(rule, case, False):
                yield _counted(rule, tables, last_ms, RUNNING)
    asked = _day(case.due) if case.due else None
    if asked is not None and day_end_ms(asked) >= reopened_ms:  # what was asked of the work before is over
        for rule in tables.clocks_from.get("asked", ()):
            yield _met(_timed(rule, tables, case.term_since_ms, day_end_ms(asked), state), "mediation", case)


def _held_before(case: Case, tables: Tables) -> Iterator[Clock]:
    """The terms before the present one, of which something was reached or that were over before the case was offered to who holds it next."""
    for move, after in pairwise(case.moves):
        if case.predecessor and move.term == 1:
            continue  # nobody had taken it up here yet
        starts_ms, reached_ms = _reached(case, move)
        left_ms = after.offered_ms or min([after.at_ms, *_offered(case, move, starts_ms)])
        for rule in tables.clocks_from.get("term", ()):
            if (rule.tier is None or rule.tier == tier(move.to)) and _fits(rule, case, False):
                clock = _counted(rule, tables, starts_ms, MET)
                if reached_ms is not None or left_ms > clock.due_ms:
                    yield msgspec.structs.replace(clock, met_ms=left_ms if reached_ms is None else reached_ms)


def _reached(case: Case, move: Move) -> tuple[int, int | None]:
    """When the term that this opened began, the last time, and when what it is for was reached after that; a paper also that came too late to count."""
    said = [line for line in case.lines if line.kind in _OUTCOMES and not line.waiting and facts_of(line.head).term == move.term]
    counting = [line for line in said if not line.set_aside]
    starts_ms = max([move.at_ms, *(line.at_ms for line in counting if line.kind == "DisputeReopened")])
    keys = {line.key for line in said}
    signed = [max(paper.signed_ms, starts_ms) for paper in case.agreements if paper.key in keys and paper.written_ms >= starts_ms]
    ended = [line.at_ms for line in counting if line.kind in ("MediationEnded", "DisputeClosed") and line.at_ms >= starts_ms]
    return starts_ms, min([*signed, *ended], default=None)


def _offered(case: Case, move: Move, starts_ms: int) -> list[int]:
    """When it was offered to somebody in the term that this opened, since it began the last time; nothing where the offer came back before the term
    was over."""
    lines = [line for line in case.lines if line.kind in (*_OFFERS, *_RETURNS) and not line.waiting and not line.set_aside]
    said = [(line, facts) for line in lines if (facts := facts_of(line.head)).term == move.term]
    back = {
        getattr(facts, "offer", "") for line, facts in said if line.kind in _RETURNS and getattr(facts, "answer", "returned") == "returned"
    }
    return [line.at_ms for line, _ in said if line.kind in _OFFERS and line.at_ms >= starts_ms and key_text(line.key) not in back]


def _taken_up(clock: Clock, at_ms: int) -> Clock:
    return msgspec.structs.replace(clock, met_ms=at_ms, note=clock.note if at_ms <= clock.due_ms else "超期后才受领")


def _met(clock: Clock, stops: str, case: Case) -> Clock:
    """With the moment of what met it: the first since it began; one that was recorded before then met no later clock. A paper that was signed
    before it began and recorded after met it at once."""
    if clock.state != MET:
        return clock
    paper, signed_ms = case.agreement, None
    if paper is not None:
        signed_ms = max(paper.signed_ms, clock.starts_ms) if paper.written_ms >= clock.starts_ms else paper.signed_ms
    told: dict[str, tuple[int | None, ...]] = {
        "told": (case.accepted_ms, signed_ms, case.ended_ms, case.closed_ms),
        "mediation": (signed_ms, case.ended_ms, case.closed_ms),
        "closed": (case.closed_ms,),
    }
    moments = [ms for ms in told.get(stops, ()) if ms is not None and ms >= clock.starts_ms]
    return msgspec.structs.replace(clock, met_ms=min(moments, default=None))


def _of_agreements(case: Case, tables: Tables) -> Iterator[Clock]:
    papers = _papers(case)
    for paper in papers:
        note = str(tables.type_flag(case.type, "not_confirmable") or "")
        for rule in tables.clocks_from.get("signed", ()):
            state = STOPPED if case.status == "voided" else RUNNING
            yield _counted(rule, tables, paper.signed_ms, state, note)
    alive = [paper for paper in papers if _in_force(paper, case)]
    days = sorted({day for paper in alive for day in _performance(paper)})
    dead = sorted({day for paper in papers for day in _performance(paper)} - set(days))
    signed = min((day_number(paper.signed_ms) for paper in alive), default=0)
    visits = sorted(day for day in (day_number(visit.at_ms) for visit in case.follow_ups) if day >= signed)
    met = _visited(days, visits)
    for rule in tables.clocks_from.get("due", ()):
        for n, day in enumerate(days):
            yield _counted(rule, tables, day_end_ms(day), MET if n in met else _after(case))
        for day in dead:
            yield _counted(rule, tables, day_end_ms(day), STOPPED)


def _of_pledge(case: Case, tables: Tables) -> Iterator[Clock]:
    """A pledge is followed up several times; each round starts where the one before ended."""
    if case.ending != "pledge" or case.closed_ms is None or case.status not in ("closed", "archived"):
        return
    closed = day_number(case.closed_ms)
    visits = sorted(day_number(visit.at_ms) for visit in case.follow_ups if visit.at_ms >= case.closed_ms)
    for rule in tables.clocks_from.get("pledge", ()):
        lengths = rule.lengths or (rule.length,)
        met = _visited([closed + length for length in lengths], visits)
        before = case.closed_ms
        for n, length in enumerate(lengths):
            last = tables.calendar.last_day(closed, length, rule.unit, rule.move)
            yield _timed(rule, tables, before, day_end_ms(last), MET if n in met else _after(case), _moved_note(closed + length, last))
            before = day_end_ms(closed + length)


# ── what a case says ──


def _is_petition(case: Case, tables: Tables) -> bool:
    return bool(
        tables.intake_is_petition(case.intake)
        or tables.type_flag(case.type, "petition")
        or tables.unit_flag(case.logged_office, "petition")
    )


def _fits(rule: ClockRule, case: Case, petition: bool) -> bool:
    if rule.petition and not petition:
        return False
    if (rule.risks and case.risk not in rule.risks) or case.risk in rule.risks_not:
        return False
    if rule.types and case.type not in rule.types and case.type[:2] not in rule.types:
        return False
    return not rule.types_not or (case.type not in rule.types_not and case.type[:2] not in rule.types_not)


def _state(stops: str, case: Case) -> str:
    """stops: mediation (agreed or ended), told (accepted or answered), closed, none."""
    status = case.status
    if status in _DROPPED or case.is_declined:
        return MET if stops == "told" and case.is_declined else STOPPED
    if stops == "told":
        return RUNNING if case.accepted_ms is None and status == "logged" else MET
    if stops == "mediation":
        return RUNNING if status in _UNSETTLED else MET
    return MET if stops == "closed" and status in ("closed", "archived") else RUNNING


def _after(case: Case) -> str:
    """The state of a follow-up nobody has made."""
    return STOPPED if case.status in _DROPPED or case.status == "archived" else RUNNING


def _marks(case: Case, quiet: frozenset[str]) -> tuple[int, int]:
    """When it was last reopened (0: never), and when its holder or a helper last wrote."""
    reopened = last = 0
    for line in case.lines:
        if line.waiting or line.kind in quiet or line.kind == "MergeTold":  # a node says it by itself
            continue
        last = max(last, line.at_ms)
        if line.kind == "DisputeReopened" and not line.set_aside:
            reopened = max(reopened, line.at_ms)
    return reopened, last or case.logged_ms


def _papers(case: Case) -> list[Agreement]:
    papers = list(case.agreements)
    if case.agreement is not None and all(paper.number != case.agreement.number for paper in papers):
        papers.append(case.agreement)
    return papers


def _in_force(paper: Agreement, case: Case) -> bool:
    """The paper that stands, and a late one that waits to be reviewed; one that was reopened or replaced is followed up no more."""
    if paper.late:
        return True
    return case.agreement is not None and paper.number == case.agreement.number and case.status not in _UNSETTLED


def _performance(paper: Agreement) -> list[int]:
    """Days of performance; an agreement without one is performed on the day of signing."""
    days = [day for day in map(_day, paper.due) if day is not None]
    return days or [day_number(paper.signed_ms)]


def _day(text: str) -> int | None:
    try:
        return max(to_number(date.fromisoformat(text)), 0)
    except ValueError:
        return None


def _visited(days: list[int], visits: list[int]) -> set[int]:
    """Which of the sorted days a follow-up has dealt with: a visit covers every day up to its own; one that comes early, the next day open."""
    met: set[int] = set()
    for visit in visits:
        reached = bisect_left(days, visit + 1)
        still = [n for n in range(reached) if n not in met]
        if not still:
            still = [n for n in range(len(days)) if n not in met][:1]
        met.update(still)
    return met


# ── making one ──


def _counted(rule: ClockRule, tables: Tables, starts_ms: int, state: str, note: str = "") -> Clock:
    if rule.unit == "hour":
        return _timed(rule, tables, starts_ms, starts_ms + rule.length * HOUR_MS, state, note)
    first = day_number(starts_ms)
    last = tables.calendar.last_day(first, rule.length, rule.unit, rule.move)
    if rule.move and rule.unit != "workday" and not note:
        note = _moved_note(tables.calendar.last_day(first, rule.length, rule.unit, False), last)
    return _timed(rule, tables, starts_ms, day_end_ms(last), state, note)


def _timed(rule: ClockRule, tables: Tables, starts_ms: int, due_ms: int, state: str, note: str = "") -> Clock:
    if not 0 <= starts_ms <= _MS_MAX or not 0 <= due_ms <= _MS_MAX:
        starts_ms, due_ms = min(max(starts_ms, 0), _MS_MAX), min(max(due_ms, 0), _MS_MAX)
    length = due_ms - starts_ms if due_ms > starts_ms else 0
    provisional = not tables.calendar.is_known(day_number(starts_ms), day_number(due_ms))
    if provisional:
        note = "；".join(filter(None, (note, "放假安排还没有公布，日期暂定")))
    return Clock(
        id=rule.id or rule.key,
        name=rule.name,
        starts_ms=starts_ms,
        due_ms=due_ms,
        state=state,
        basis=rule.basis,
        soon_ms=due_ms - length * (100 - tables.limit("warn_soon_percent")) // 100,
        late_ms=due_ms - length * (100 - tables.limit("warn_late_percent")) // 100,
        provisional=provisional,
        note=note,
        right=rule.right,
        end=rule.end,
    )


def _moved_note(unmoved: int, last: int) -> str:
    if unmoved == last:
        return ""
    day = to_date(unmoved)
    return f"{day.month}月{day.day}日逢休息日，顺延"


def _order(clock: Clock) -> tuple[int, str, int]:
    return (clock.due_ms, clock.id, clock.starts_ms)
