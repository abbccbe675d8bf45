"""Views: tables the pages read, as a pure function of the entries of one subject.

`rows(sort, admitted, tables)` gives every row of one subject; a store deletes the subject's rows and inserts these, in the
transaction of the journal row. The first column of every table is `subject`; key columns make the primary key.
A clock's `state` is running, met or stopped; whether it is late depends on the present and is asked of `clocks.warn`.
"""

from hashlib import sha256
from typing import Any, Final, Literal

import msgspec

from protocol import above, clocks, merges
from protocol.case import COMING, OPEN, Case, Task, key_text
from protocol.companion import SORT as COMPANION
from protocol.companion_fold import fold_companion, opinion_texts
from protocol.entry import Admitted
from protocol.events import (
    DisputeCorrected,
    DisputeLogged,
    NodeEnrolled,
    NodeRevoked,
    PostEnded,
    TableSet,
    UnitsConvened,
    body_of,
    facts_of,
)
from protocol.events_of_parties import PartyAdded, PartyCorrected
from protocol.fold import LastGood, fold_case, fold_person, fold_task
from protocol.hold import Item, gathered, out_of_office, read
from protocol.tables import DECLINED, Tables
from protocol.words import party_names

VERSION: Final = (
    4  # raised when the same entries come to other rows: a store that was filled by another one is filled anew when it is opened
)
ACCOUNT_CHARS: Final = 200
PERSON_CHARS: Final = 24  # 96 bits: no two persons of a country meet
NUMBER_CHARS_MIN: Final = 7  # of a telephone or card number: 110 is nobody's own
RAISES: Final = ("DisputeEscalated", "DisputeCalledUp")
UNCOUNTED: Final = ("voided", "merged", "transferred")
# bits of case_row.figures. kept, missed: a duty of a desk was met in time, or after its end
FIGURES: Final = {
    name: 1 << n for n, name in enumerate(("registered", "accepted", "resolved", "kept", "missed", "raised", "followed", "money", "open"))
}

Type = Literal["text", "int", "real", "blob"]


class Column(msgspec.Struct, frozen=True):
    """Every column but a key may be NULL."""

    name: str
    type: Type = "text"
    key: bool = False
    index: bool = False


def _columns(text: str) -> tuple[Column, ...]:
    """`name[:type][!][+]`: ! key, + index."""
    out = []
    for word in text.split():
        bare = word.rstrip("!+")
        name, _, kind = bare.partition(":")
        out.append(Column(name, kind or "text", "!" in word, "+" in word))  # type: ignore[arg-type]
    return tuple(out)


TABLES: Final[dict[str, tuple[Column, ...]]] = {
    "case_row": _columns(
        "subject! ledger+ code+ title type+ status+ holder handler term:int offer_to+ offer_by+ offer_kind offer_ms:int arrived_ms:int"
        " risk headcount:int amount_fen:int parties account intake place_text logged_office logged_ms:int+ accepted_ms:int agreed_ms:int"
        " closed_ms:int updated_ms:int+ due_ms:int+ due_clock duty_ms:int follow_up_by+ follow_up_due_ms:int reviews:int convened merged_into visit+"
        " predecessor+ successor+ answer answered transfer_to+ leftover:int+"
        " ending figures:int follow_ups:int person urged_ms:int"
        " last_origin last_seq:int"
    ),
    "task_row": _columns(
        "subject! case_subject+ case_code ledger+ purpose_kind purpose cadre+ home unit+ assigned_by+ assigned_ms:int due_ms:int status+"
        " confirmed_ms:int arrived_ms:int reported_ms:int result bring address words updated_ms:int place link+ request+ answered urges:int recalls:int reviews:int worded:int asked_ms:int declined_ms:int last_origin last_seq:int"
    ),
    "clock_row": _columns("subject! clock! starts_ms:int! due_ms:int+ state note"),
    "review_row": _columns("subject! item! owner+ reason due_ms:int"),
    "meeting_row": _columns("subject! item! when_ms:int ledger units command"),
    "number_row": _columns("subject! number!+"),
    "unmerged_row": _columns("subject! command! into_case+"),
    "unlinked_row": _columns("subject! command! source+"),
    "opinion_row": _columns("subject! item! case_subject+ ledger+ risk at_ms:int"),
    "person_row": _columns("subject! ledger+ name+ phone"),
    "post_row": _columns("subject! post! ledger+ kind+ title home+ ended:int"),
    "ended_row": _columns("subject! post!+ item! source+ limits:blob"),
    "table_row": _columns("subject! name!+ version! valid_from content:blob"),
    "node_row": _columns("subject! certificate:blob revoked:int"),
}


Rows = dict[str, list[dict[str, Any]]]


def rows(sort: str, admitted: list[Admitted], tables: Tables, last_good: LastGood | None = None) -> Rows:
    """Every row of one subject, by table; {} for sorts without a view. last_good: see `hold.judge`."""
    if sort == "dispute":
        case = fold_case(admitted, tables, last_good, texts=False)
        found = {} if case is None else _of_case(case, tables)
    elif sort == "task":
        task = fold_task(admitted, tables, last_good)
        found = {} if task is None else _of_task(task, tables)
    elif sort == "person":
        found = _of_person(admitted, last_good)
    elif sort == COMPANION:
        found = _of_companion(admitted, last_good)
    elif sort == "common":
        found = _of_common(admitted)
    else:
        return {}
    return {table: kept for table, kept in found.items() if kept}


def _of_case(case: Case, tables: Tables) -> Rows:
    found = clocks.of_case(case, tables)
    first = clocks.first_due(found)
    offer = case.offer if case.offer is None or case.offer.kind != "transfer" else None
    row = {
        "subject": case.id, "ledger": case.ledger, "code": case.code, "title": case.title, "type": case.type,
        "status": COMING if case.is_coming else case.status,
        "holder": case.holder, "handler": case.handler, "term": case.term,
        "offer_to": offer.to if offer else None, "offer_by": offer.by if offer else None, "offer_kind": offer.kind if offer else None,
        "offer_ms": offer.at_ms if offer else None, "arrived_ms": offer.arrived_ms if offer else None,
        "risk": case.risk, "headcount": case.headcount, "amount_fen": case.amount_fen, "parties": party_names(case.parties),
        "account": case.account[:ACCOUNT_CHARS], "intake": case.intake, "place_text": case.place_text,
        "logged_office": case.logged_office, "logged_ms": case.logged_ms, "accepted_ms": case.accepted_ms,
        "agreed_ms": case.agreement.signed_ms if case.agreement else None, "closed_ms": case.closed_ms, "updated_ms": case.updated_ms,
        "due_ms": first.due_ms if first else None, "due_clock": first.id if first else None, "duty_ms": clocks.duty_ms(found),
        "follow_up_by": case.follow_up_by, "follow_up_due_ms": clocks.follow_up_due_ms(found), "reviews": len(case.reviews),
        "convened": " ".join(case.convened), "merged_into": case.merged_into, "visit": case.visit,
        "predecessor": case.predecessor, "successor": case.successor, "answer": case.answer, "answered": case.answered,
        "transfer_to": case.offer.to if case.offer and offer is None else None,
        "leftover": worded(case) if case.removed else None,
        "ending": DECLINED if case.is_declined else case.ending, "figures": figures(case, found, tables), "follow_ups": len(case.follow_ups),
        "person": "" if case.status == "voided" else who_came(case), "urged_ms": max((line.at_ms for line in above.waiting(case)), default=None),
        "last_origin": case.last[0], "last_seq": case.last[1],
    }  # fmt: skip
    numbers = {key for party in case.parties for number in (party.phone, party.id_number) if (key := number_key(number))}
    number_rows = [{"subject": case.id, "number": key} for key in sorted(numbers)]
    beside = {"clock_row": _clock_rows(case.id, found), "review_row": _review_rows(case), "meeting_row": _meeting_rows(case)}
    unmerged = [{"subject": case.id, "command": command, "into_case": into} for command, into in merges.unmerged(case).items()]
    unlinked = [{"subject": case.id, "command": command, "source": source} for command, source in case.unlinked.items()]
    return {"case_row": [row], **beside, "number_row": number_rows, "unmerged_row": unmerged, "unlinked_row": unlinked}


def _meeting_rows(case: Case) -> list[dict[str, Any]]:
    """Joint meetings that have an hour."""
    held = [(line, facts_of(line.head)) for line in case.lines if line.kind == "UnitsConvened" and not line.set_aside and not line.waiting]
    return [
        {
            "subject": case.id,
            "item": key_text(line.key),
            "when_ms": facts.when_ms,
            "ledger": case.ledger,
            "units": " ".join(facts.units),
            "command": line.head.command,
        }
        for line, facts in held
        if isinstance(facts, UnitsConvened) and facts.when_ms
    ]


def figures(case: Case, found: list[clocks.Clock], tables: Tables) -> int:
    """What of FIGURES is true of a case, one bit each; 0 for one that is not counted, since it goes on elsewhere or never was one."""
    if case.status in UNCOUNTED or case.is_coming:
        return 0
    kept, missed = clocks.kept_and_missed(found)
    raised = any(line.kind in RAISES and not line.set_aside and not line.waiting for line in case.lines)
    true = {
        "registered": True,
        "accepted": case.accepted_ms is not None,
        "resolved": tables.ending_ok(case.ending),
        "kept": kept > 0,
        "missed": missed > 0,
        "raised": raised,
        "followed": bool(case.follow_ups),
        "money": bool(case.amount_fen and case.amount_fen > 0),
        "open": case.status in OPEN,
    }
    return sum([FIGURES[name] for name, is_so in true.items() if is_so])


def who_came(case: Case) -> str:
    """A key of the first applicant and the 2-digit type: who comes again about the same has it again.

    A person is told from another by name and card number, without one by name and telephone number; "" when there is neither.
    """
    first = next((party for party in case.parties if party.side == "applicant"), None)
    if first is None:
        return ""
    number = first.id_number.strip().upper() or _digits(first.phone)
    return sha256(f"{first.name}\0{number}\0{case.type[:2]}".encode()).hexdigest()[:PERSON_CHARS] if number else ""


def _digits(phone: str) -> str:
    return "".join(sign for sign in phone if sign.isdigit())


def number_key(number: str) -> str:
    """By which the cases are found whose parties have this telephone or card number, however it is written; "" for what is too short."""
    written = "".join(number.split()).upper()
    plain = written if written[:-1].isdigit() else _digits(number)
    return sha256(f"number\0{plain}".encode()).hexdigest()[:PERSON_CHARS] if len(plain) >= NUMBER_CHARS_MIN else ""


def worded(of: Case | Task) -> int:
    """How many of its entries still have words."""
    return sum(1 for line in of.lines if line.head.body_hash and not line.erased)


def _review_rows(of: Case | Task) -> list[dict[str, Any]]:
    return [{"subject": of.id, "item": r.item, "owner": r.owner, "reason": r.reason, "due_ms": r.due_ms} for r in of.reviews]


def _clock_rows(subject: str, found: list[clocks.Clock]) -> list[dict[str, Any]]:
    unique = {(c.id, c.starts_ms): c for c in found}
    return [
        {"subject": subject, "clock": c.id, "starts_ms": c.starts_ms, "due_ms": c.due_ms, "state": c.state, "note": c.note}
        for c in unique.values()
    ]


def _of_task(task: Task, tables: Tables) -> Rows:
    row = {
        "subject": task.id, "case_subject": task.case, "case_code": task.case_code, "ledger": task.ledger,
        "purpose_kind": task.purpose_kind, "purpose": task.purpose, "cadre": task.cadre, "home": task.home, "unit": task.unit,
        "assigned_by": task.assigned_by, "assigned_ms": task.assigned_ms, "due_ms": task.due_ms, "status": task.status,
        "confirmed_ms": task.confirmed_ms, "arrived_ms": task.arrived_ms, "reported_ms": task.reported_ms, "result": task.result,
        "bring": task.bring, "address": task.address, "words": task.words, "updated_ms": task.updated_ms,
        "place": task.place, "link": task.link, "request": task.request, "answered": task.answered, "urges": task.urges,
        "recalls": task.recalls, "reviews": len(task.reviews), "worded": worded(task), "asked_ms": task.asked_ms,
        "declined_ms": task.declined_ms, "last_origin": task.last[0], "last_seq": task.last[1],
    }  # fmt: skip
    return {"task_row": [row], "clock_row": _clock_rows(task.id, clocks.of_task(task, tables)), "review_row": _review_rows(task)}


def _of_companion(admitted: list[Admitted], last_good: LastGood | None) -> Rows:
    made = fold_companion(admitted, None, last_good)
    if made is None:
        return {}
    about = {"case_subject": made.case, "ledger": made.ledger, "risk": made.risk}
    return {"opinion_row": [{"subject": made.id, "item": key_text(line.key), **about, "at_ms": line.at_ms} for line in made.lines]}


class Limits(msgspec.Struct, array_like=True, frozen=True):
    """What `ended_row.limits` holds, packed: of PostEnded."""

    reach: tuple[str, ...]
    last: tuple[tuple[str, str, int], ...]
    of: str


def _of_person(admitted: list[Admitted], last_good: LastGood | None) -> Rows:
    """An end counts whoever wrote it, so that ends never hang on one another; the rest only from whoever still held a post."""
    items = gathered(admitted)
    ended = [item for item in items if isinstance(item.facts, PostEnded) and item.facts.reach]
    kept = [item.admitted for item in items if item.kind == "PostEnded" or not out_of_office(item, last_good)]
    person = fold_person(kept)
    found: Rows = {"ended_row": [_ended(item) for item in ended]}
    if person is None or all(one.head.kind == "PostEnded" for one in kept):
        return found
    row = {"subject": person.id, "ledger": person.ledger, "name": person.name, "phone": person.phone}
    posts = [
        {"subject": person.id, "post": p.post, "ledger": p.office, "kind": p.kind, "title": p.title, "home": p.home, "ended": int(p.ended)}
        for p in person.posts
    ]
    return {**found, "person_row": [row], "post_row": posts}


def _ended(item: Item) -> dict[str, Any]:
    f = item.facts
    limits = msgspec.msgpack.encode(Limits(f.reach, f.last, f.of))
    return {"subject": item.head.subject, "post": f.post, "item": key_text(item.key), "source": f.source, "limits": limits}


def _of_common(admitted: list[Admitted]) -> Rows:
    """Every version of a table (readers take the newest in force), the last certificate of a node, and the ends of posts."""
    tables: dict[tuple[str, str], dict[str, Any]] = {}
    node: dict[str, Any] = {}
    ended: list[dict[str, Any]] = []
    for item in gathered(admitted):
        facts, subject = item.facts, item.head.subject
        if isinstance(facts, TableSet):
            tables[facts.name, facts.version] = {
                "subject": subject, "name": facts.name, "version": facts.version, "valid_from": facts.valid_from, "content": facts.content,
            }  # fmt: skip
        elif isinstance(facts, NodeEnrolled):
            node = {"subject": subject, "certificate": facts.certificate, "revoked": node.get("revoked", 0)}
        elif isinstance(facts, NodeRevoked):
            node = {"subject": subject, "certificate": node.get("certificate", b""), "revoked": 1}
        elif isinstance(facts, PostEnded) and facts.reach:
            ended.append(_ended(item))
    return {"table_row": list(tables.values()), "node_row": [node] if node else [], "ended_row": ended}


def search_text(sort: str, admitted: list[Admitted]) -> str:
    """What a search finds the subject by: codes, title, names, place, account. "" for sealed and whatever has no such text."""
    if sort == "dispute":
        return _search_case(admitted)
    if sort == "task":
        sent = gathered(one for one in admitted if one.head.kind == "TaskAssigned")
        bodies = [body_of(item.kind, item.admitted.body) for item in sent]
        return "\n".join(f"{b.code}\n{b.purpose}\n{b.address}\n{b.summary}" for b in bodies if b is not None)
    if sort == COMPANION:
        return "\n".join(opinion_texts(admitted))
    if sort == "person":
        person = fold_person(admitted)
        return person.name if person else ""
    return ""


_SAID: Final = ("DisputeLogged", "DisputeCorrected", "PartyAdded", "PartyCorrected")


def _search_case(admitted: list[Admitted]) -> str:
    """Without the fold: a corrected value is found, and so is the one before it, as long as its body is here."""
    words: dict[str, None] = {}
    said = [one for one in admitted if one.head.kind in _SAID]
    for item in gathered(said) if len(said) > 1 else map(read, said):
        facts, body = item.facts, body_of(item.kind, item.admitted.body)
        if isinstance(facts, DisputeLogged):
            words[facts.code] = None
            if body is not None:
                words |= dict.fromkeys((body.title, party_names(body.parties), body.place_text, body.account))
        elif isinstance(facts, PartyAdded | PartyCorrected):
            words |= {} if body is None else {body.party.name: None}
        elif isinstance(facts, DisputeCorrected):
            value = facts.value if facts.field in ("alias", "code") else (None if body is None else body.value)
            if value is not None:
                words[party_names(value) if isinstance(value, list) else str(value)] = None
    return "\n".join(word for word in words if word)
