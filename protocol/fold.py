"""From entries to state: total, and independent of the order in which entries arrived.

`hold.judge` says what counts; here it is written into the structs of `case`. What decides comes from facts, what is shown
from bodies: without them the same status, holder, term and clock starts come out.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from protocol import codes, parties, words
from protocol.calendar import end_of_day_ms, local_date
from protocol.case import (
    OUT_OF_OFFICE,
    STATUS_NAMES,
    Agreement,
    Attachment,
    Case,
    Correction,
    FollowUp,
    Key,
    Move,
    Offer,
    Person,
    Post,
    Review,
    Transfer,
    key_of,
    key_text,
)
from protocol.dispute import ANSWER, OFFER, RETURN, TRANSFER
from protocol.drafts import IN_FACTS, LINK_FIELDS
from protocol.entry import Admitted
from protocol.events import body_of
from protocol.facts import FEN_MAX
from protocol.hold import FOREIGN, LATE, LOST, POST_OVER, REVOKED, Item, LastGood, Verdict, gathered, judge
from protocol.office import lowest
from protocol.tables import Tables
from protocol.task_fold import fold_task
from protocol.transfer import answer_of, successor_subject
from protocol.words import TIME_MAX_MS, at_ms, line_of

__all__ = ["LastGood", "at_ms", "fold_case", "fold_person", "fold_task", "line_of"]

HOLD_KINDS: Final = {"DisputeLogged": "log", "DisputeTakenUp": "take_up", "DisputeCalledUp": "call_up"}
# Its erasures stand by themselves and went ahead of any review: that protects whoever spoke, and words can't be brought back.
WORDS_GONE: Final = "正文已经按这一条删掉，找不回来：采纳就作废，后来写的也删；不采纳就接着办，缺的请重新问。"
OFFER_KINDS: Final = {"DisputeEscalated": "escalate", "DisputeHandedDown": "hand_down", "DisputeTransferred": "transfer"}


def _body(item: Item) -> Any:
    return body_of(item.kind, item.admitted.body)


def fold_case(admitted: Iterable[Admitted], tables: Tables, last_good: LastGood | None = None, *, texts: bool = True) -> Case | None:
    """The case of one subject; None while its registration is not here. last_good: see `hold.judge`.

    texts=False leaves the lines without words: a third of the time, for views that show none.
    """
    verdict = judge(gathered(admitted), last_good)
    if verdict is None:
        return None
    bodies = {item.key: _body(item) for item in verdict.items}
    case = _registered(verdict, bodies)
    for item in verdict.items:
        if item.kind == "MergeTold" and item.effect and item.key not in verdict.waiting and _counts(item, verdict):
            _told_of_merge(case, item.facts)
    for item in verdict.items:
        if item.effect == "append" and item.key not in verdict.waiting and _counts(item, verdict):
            _append(case, item, bodies[item.key], verdict)
    for item, _ in verdict.effects:
        fill = _FILL.get(item.kind)
        if fill:
            fill(case, item, bodies[item.key])
    _stand(case, verdict, bodies)
    _hold(case, verdict, bodies)
    if (sent := _sent(verdict)) is not None:
        _transferred(case, sent, bodies[sent.key])
    for item in verdict.items:
        if item.kind == "TransferAnswered" and item.effect and item.key not in verdict.waiting and _is_true(item, verdict):
            _told(case, item, bodies[item.key])  # in their order: one that came too late to move the case tells the truth all the same
    _show(case, verdict, bodies, tables, texts)
    if case.status == "merged" and case.predecessor and not case.merged_into:
        case.merged_into = case.predecessor
    case.answer = answer_of(case)
    return case


def _counts(item: Item, verdict: Verdict) -> bool:
    return item.key not in verdict.aside or verdict.decided.get(item.key) == "adopt"


def _registered(verdict: Verdict, bodies: dict[Key, Any]) -> Case:
    first, last = verdict.opened[0], verdict.items[-1]
    facts, body, at = first.facts, bodies[first.key], at_ms(first.head)
    updated_ms = max([at_ms(item.head) for item in verdict.items])
    case = Case(
        id=first.head.subject, ledger=first.head.ledger, code=facts.code, type=facts.type, status=verdict.status,
        holder=verdict.opened[-1].facts.office, handler=first.head.author[0], term=len(verdict.opened), term_since_ms=at,
        intake=facts.intake, headcount=facts.headcount, amount_fen=facts.amount_fen, risk=facts.risk, visit=facts.visit,
        happened_ms=facts.happened_ms, logged_office=facts.office, logged_ms=at, turn=last.order[0],
        last=last.key, updated_ms=updated_ms, seen=_frontier(verdict),
    )  # fmt: skip
    if body is not None:
        case.title, case.account, case.parties, case.place_text = body.title, body.account, body.parties, body.place_text
        case.party_ids = parties.registered(len(body.parties))
    case.predecessor = facts.predecessor
    if facts.since_ms is not None:
        case.logged_ms = min(case.logged_ms, _time(facts.since_ms))
    if facts.accepted_ms is not None:
        case.accepted_ms = _time(facts.accepted_ms)
    return case


def _time(ms: int) -> int:
    return min(max(ms, 0), TIME_MAX_MS)


def _frontier(verdict: Verdict) -> dict[str, int]:
    seen: dict[str, int] = {}
    for item in verdict.items:
        origin, seq = item.key
        if seq > seen.get(origin, 0) and item.key not in verdict.waiting:
            seen[origin] = seq
    return seen


# ── what counts ──


def _append(case: Case, item: Item, body: Any, verdict: Verdict) -> None:
    facts = item.facts
    if item.kind == "EvidenceAdded" and body is not None:
        case.blobs.append(Attachment(item.key, body.blob, body.note, facts.office, at_ms(item.head), body.thumb))
    elif item.kind == "DisputeUrged" and facts.due and facts.term == len(verdict.opened):
        case.due = facts.due
    elif item.kind == "DisputeCorrected" and item.head.command not in case.unlinked:
        _link(case, facts.field, facts.value)


def _told_of_merge(case: Case, facts: Any) -> None:
    if facts.stands:
        case.unlinked.pop(facts.command, None)
    else:
        case.unlinked[facts.command] = facts.case


def _link(case: Case, field: str, value: Any) -> None:
    """What a registration that was merged into this one left here: its code, and its clocks if they are earlier. A code instead of one
    that was given twice: the old one may be on a paper somewhere."""
    if field == "alias" and isinstance(value, str) and value not in case.aliases:
        case.aliases.append(value)
    elif field == "code" and isinstance(value, str) and codes.is_code(value) and value != case.code:
        _link(case, "alias", case.code)
        case.code = value
    elif field == "logged_ms" and isinstance(value, int):
        case.logged_ms = min(case.logged_ms, value)
    elif field == "accepted_ms" and isinstance(value, int):
        case.accepted_ms = value if case.accepted_ms is None else min(case.accepted_ms, value)


def _correct(case: Case, item: Item, body: Any) -> None:
    field = item.facts.field
    if field not in words.FIELD_NAMES or field in LINK_FIELDS:
        return
    in_facts = field in IN_FACTS
    new = item.facts.value if in_facts else (None if body is None else body.value)
    old = getattr(case, field)
    case.corrections.append(Correction(item.key, field, old, new, "" if body is None else body.reason, at_ms(item.head)))
    if field == "parties":
        case.party_ids = parties.replaced(case, new, item.head.command) if isinstance(new, list) else []
    kind = {"type": str, "headcount": int, "amount_fen": int | None, "parties": list}.get(field, str)
    if isinstance(new, kind) and not (field == "amount_fen" and new is not None and not 0 <= new <= FEN_MAX):  # type: ignore[arg-type,operator]
        setattr(case, field, new)
    elif not in_facts:
        setattr(case, field, [] if field == "parties" else "")  # the new text was erased; the old one must not come back


def _remove(case: Case, _: Item, __: Any) -> None:
    case.removed = True


def _accept(case: Case, item: Item, _: Any) -> None:
    at = at_ms(item.head)
    case.accepted_ms = at if case.accepted_ms is None else min(case.accepted_ms, at)
    case.willing = item.facts.willing


def _sign(case: Case, item: Item, body: Any) -> None:
    case.agreement = _paper(item, body, late=False)
    case.agreements.append(case.agreement)


def _paper(item: Item, body: Any, late: bool) -> Agreement:
    f = item.facts
    texts = ([], "", "", "") if body is None else (body.terms, body.performance, body.facts, body.responsibility)
    signed = min(max(f.signed_ms, 0), TIME_MAX_MS)
    return Agreement(
        f.number, f.form, signed, f.due, f.follow_up_by, f.amount_fen, f.copies, *texts, item.key, f.office, late, at_ms(item.head)
    )


def _end(case: Case, item: Item, _: Any) -> None:
    case.ended_ms = at_ms(item.head)


def _close(case: Case, item: Item, _: Any) -> None:
    case.ending, case.closed_ms = item.facts.ending, at_ms(item.head)


def _decline(case: Case, item: Item, _: Any) -> None:
    case.closed_ms = at_ms(item.head)


def _reopen(case: Case, _: Item, __: Any) -> None:
    case.ending, case.closed_ms, case.archived_ms, case.ended_ms, case.retention, case.merged_into = "", None, None, None, "", ""


def _archive(case: Case, item: Item, _: Any) -> None:
    case.retention, case.archived_ms = item.facts.retention, at_ms(item.head)


def _merge(case: Case, item: Item, _: Any) -> None:
    case.merged_into, case.closed_ms = item.facts.into, at_ms(item.head)


def _convene(case: Case, item: Item, _: Any) -> None:
    named = dict.fromkeys([*case.convened, *item.facts.units])
    case.convened = [unit for unit in named if unit not in item.facts.withdrawn]


def _sent(verdict: Verdict) -> Item | None:
    """The transfer that the case follows: the one that it went on by, else the last that counts, else the last that was set aside. Also by
    that the other office may have taken it up, as it could not know; then both hold it, until the holder here decides about what is told.
    """
    sent = {item.key: item for item in verdict.items if item.effect == TRANSFER and item.key not in verdict.waiting}
    counted = [item for item, _ in verdict.effects]
    gone_on = [key_of(item.facts.offer) for item in counted if item.effect == ANSWER and item.facts.answer != "returned"]
    aside = sorted(sent.keys() & verdict.aside.keys(), key=lambda key: (_is_true(sent[key], verdict), sent[key].order))
    keys = [*aside, *(item.key for item in counted if item.effect == TRANSFER), *gone_on]
    return next((sent[key] for key in reversed(keys) if key in sent), None)


def _is_true(item: Item, verdict: Verdict) -> bool:
    """Claims that it was written by whoever might write it, if also too late to count: what a node that was put out invented is not told."""
    return _counts(item, verdict) or verdict.aside[item.key] not in OUT_OF_OFFICE


def _transferred(case: Case, item: Item, body: Any) -> None:
    f = item.facts
    case.successor = successor_subject(f.successor)
    case.transfer = Transfer(f.to, f.office, f.due, item.key, at_ms(item.head), f.successor, f.shows, body)


def _told(case: Case, item: Item, body: Any) -> None:
    f, sent = item.facts, case.transfer
    if sent is None or key_of(f.offer) != sent.key:
        return
    case.answered = "returned" if f.answer == "returned" else f"{f.answer}/{f.status}/{f.ending}/{f.holder}"
    said = "" if body is None else body.text
    changes = {"answer": f.answer, "status": f.status, "ending": f.ending, "holder": f.holder, "words": said, "answered_ms": _time(f.at_ms)}
    case.transfer = msgspec.structs.replace(sent, **changes)


def _follow_up(case: Case, item: Item, body: Any) -> None:
    f = item.facts
    case.follow_ups.append(FollowUp(item.key, f.office, at_ms(item.head), f.kept, f.satisfied, "" if body is None else body.text))


def _risk(case: Case, item: Item, _: Any) -> None:
    case.risk = item.facts.risk


_FILL: Final[dict[str, Callable[[Case, Item, Any], None]]] = {
    "DisputeCorrected": _correct,
    "PartyAdded": lambda case, item, body: parties.added(case, item.facts, body),
    "PartyCorrected": lambda case, item, body: parties.corrected(case, item.facts, body, item.key, at_ms(item.head)),
    "PartyWithdrawn": lambda case, item, body: parties.withdrawn(case, item.facts, body, item.key, at_ms(item.head)),
    "DisputeRemoved": _remove,
    "DisputeAccepted": _accept,
    "DisputeDeclined": _decline,
    "AgreementSigned": _sign,
    "MediationEnded": _end,
    "DisputeClosed": _close,
    "DisputeReopened": _reopen,
    "DisputeArchived": _archive,
    "DisputeMerged": _merge,
    "UnitsConvened": _convene,
    "FollowUpRecorded": _follow_up,
    "RiskSet": _risk,
}


def _stand(case: Case, verdict: Verdict, bodies: dict[Key, Any]) -> None:
    """Legal facts of an office that held in its own branch: the paper and the acceptance count for clocks, not for the status."""
    for item in verdict.standing:
        if _counts(item, verdict):
            continue  # adopted: it is among the effects
        if item.kind == "DisputeAccepted":
            at = at_ms(item.head)
            case.accepted_ms = at if case.accepted_ms is None else min(case.accepted_ms, at)
            continue
        paper = _paper(item, bodies[item.key], late=True)
        case.agreements.append(paper)
        if case.agreement is None or case.agreement.late:
            case.agreement = paper


# ── the hold ──


def _hold(case: Case, verdict: Verdict, bodies: dict[Key, Any]) -> None:
    by_key = {item.key: item for item in verdict.items}
    arrived = _arrivals(verdict)
    named = [item for item, _ in verdict.effects if item.kind == "HandlerNamed"]
    for term, move in enumerate(verdict.opened, 1):
        key = key_of(getattr(move.facts, "offer", ""))
        offer = by_key.get(key) if key else None
        from_ = verdict.opened[term - 2].facts.office if term > 1 else ""
        at = at_ms(move.head)
        case.moves.append(
            Move(
                term,
                HOLD_KINDS[move.kind],
                from_,
                move.facts.office,
                move.head.author,
                at,
                move.admitted.received_ms,
                move.key,
                at_ms(offer.head) if offer else None,
                arrived.get(offer.key) if offer else None,
            )
        )
        handler = getattr(move.facts, "handler", "") or move.head.author[0]
        case.handler = next((item.facts.person for item in reversed(named) if item.facts.term == term), handler)
        case.term_since_ms = at
        if term == case.term and not case.due:
            case.due = getattr(offer.facts, "due", "") if offer else ""
    if verdict.offer is not None:
        case.offer = _offer(verdict.offer, bodies[verdict.offer.key], arrived)
    if case.agreement is not None or case.status in ("closed", "archived"):
        case.follow_up_by = verdict.follow or lowest(move.to for move in case.moves)


def _arrivals(verdict: Verdict) -> dict[Key, int]:
    """Offer → when the first node of the office it is for had it."""
    offers = {item.key: item for item in verdict.items if item.effect == "offer"}
    found: dict[Key, int] = {}
    for item in verdict.items:
        if item.effect == "arrive" and item.key not in verdict.waiting and _counts(item, verdict):
            offer = offers.get(key_of(item.facts.offer) or ("", 0))
            if offer is not None and offer.facts.to == item.facts.office:
                found.setdefault(offer.key, at_ms(item.head))
    return found


def _offer(item: Item, body: Any, arrived: dict[Key, int]) -> Offer:
    f = item.facts
    kind = OFFER_KINDS[item.kind]
    reason = "" if body is None else (body.text if kind == "hand_down" else body.reason)
    return Offer(f.to, f.office, kind, reason, getattr(f, "due", ""), at_ms(item.head), item.key, arrived.get(item.key))


# ── what is shown ──


def _show(case: Case, verdict: Verdict, bodies: dict[Key, Any], tables: Tables, texts: bool) -> None:
    for item in verdict.items:
        line = line_of(item.admitted, item.facts, bodies[item.key], tables if texts else None)
        line.waiting = item.key in verdict.waiting
        code, decision = verdict.aside.get(item.key, ""), verdict.decided.get(item.key, "")
        if code and decision != "adopt":
            line.set_aside, line.prevailed = _why(case, item, code, verdict, tables), _prevailed(item, code, verdict)
            if item.kind == "DisputeRemoved" and code not in OUT_OF_OFFICE:
                line.set_aside += WORDS_GONE
            if decision:
                line.set_aside += "核对结果：" + tables.word("review", decision) + "。"
        elif code:
            line.text["核对"] = tables.word("review", decision)
        case.lines.append(line)
        if code and not decision:
            case.reviews.append(_review(case, item, code, verdict, tables, line.set_aside))


def _why(case: Case, item: Item, code: str, verdict: Verdict, tables: Tables) -> str:
    holder = tables.office_name(case.keeper)
    if code in (LATE, LOST):
        taker = tables.office_name(_taker(item, code, verdict).facts.office)
        if item.kind == "AgreementSigned":
            return f"{taker}已受领，你的协议待{holder}核对；协议书本身有效，期限从签订日起算。"
        return f"{taker}已受领，这一条没有改变办理结果，待{holder}核对。"
    if code == FOREIGN:
        return f"{tables.office_name(item.facts.office)}当时不是承办单位，这一条没有改变办理结果，待{holder}核对。"
    if code == REVOKED:
        return f"写这一条的机器已被停用，待{holder}核对。"
    if code == POST_OVER:
        return f"写这一条的人已经离岗，离岗之前这一条没有送到，待{holder}核对。"
    return f"和先记下的情况对不上（现在是“{STATUS_NAMES[case.status]}”），这一条没有改变办理结果，待{holder}核对。"


def _taker(item: Item, code: str, verdict: Verdict) -> Item:
    """The move that closed or decided the term of an entry that is late or lost."""
    term = item.facts.term + 1 if code == LATE else item.facts.term
    return verdict.opened[min(max(term, 1), len(verdict.opened)) - 1]


def _prevailed(item: Item, code: str, verdict: Verdict) -> Key | None:
    """The entry that this one gave way to. Of one that does not fit: the last before it that moved the case, one that it did not know
    if there is any; of a stranger's: the move that gave the term to who held it. None: who wrote it is what speaks against it."""
    if code in OUT_OF_OFFICE:
        return None
    if code in (LATE, LOST):
        return _taker(item, code, verdict).key
    if code == FOREIGN:
        return verdict.opened[min(max(item.facts.term, 1), len(verdict.opened)) - 1].key
    before = [one for one in (*verdict.opened, *(one for one, _ in verdict.effects if _moves(one))) if one.order < item.order]
    seen = dict(item.facts.seen)
    unknown = [one for one in before if one.key[0] != item.key[0] and one.key[1] > seen.get(one.key[0], 0)]
    return max(unknown or before, key=lambda one: one.order, default=verdict.opened[-1]).key


def _moves(item: Item) -> bool:
    return item.effect in (OFFER, RETURN, TRANSFER, ANSWER) or any(before != after for before, after in item.row.moves.items())


def _review(case: Case, item: Item, code: str, verdict: Verdict, tables: Tables, reason: str) -> Review:
    """Due one working day after this node knew both the entry and what set it aside (domain.md §5.1: the duty to know)."""
    known = [item.admitted.received_ms, verdict.opened[0].admitted.received_ms]
    known += (
        [move.admitted.received_ms for move in verdict.opened[item.facts.term - 1 : item.facts.term + 1]] if item.facts.term > 0 else []
    )
    day = local_date(max(known))
    due = end_of_day_ms(tables.calendar.add_working_days(day, tables.limit("review_workdays")))
    return Review(key_text(item.key), case.keeper, reason, due, code, item.kind)


# ── people ──


def fold_person(admitted: Iterable[Admitted]) -> Person | None:
    """The person of one subject, with posts; None when there is no entry of a person. A post's office is the ledger it stands in."""
    items = [item for item in gathered(admitted) if item.kind in ("PersonRegistered", "PostGiven", "PostEnded")]
    if not items:
        return None
    person = Person(id=items[0].head.subject, turn=max(item.head.turn for item in items))
    posts: dict[str, Post] = {}
    for item in items:
        head, facts, body = item.head, item.facts, _body(item)
        person.seen[head.origin] = max(head.seq, person.seen.get(head.origin, 0))
        if type(facts).__name__ != item.kind:
            continue
        if item.kind == "PersonRegistered":
            person.ledger = head.ledger
            person.name, person.phone = ("", "") if body is None else (body.name, body.phone)
        elif item.kind == "PostGiven":
            title = "" if body is None else body.title
            posts[facts.post] = Post(facts.post, facts.kind, head.ledger, title, facts.home, at_ms(head))
        elif facts.post in posts:
            old = posts[facts.post]
            posts[facts.post] = Post(old.post, old.kind, old.office, old.title, old.home, old.given_ms, True, at_ms(head))
    person.posts = list(posts.values())
    return person
