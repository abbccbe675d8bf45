"""An entry of another history, written anew: the same event, author and time, under an origin that goes on.

Its command id follows from the old one, so it is written once however often it is adopted, and whoever sends the old command
again gets this outcome. What it named in its own history (an offer, an item, `seen`) is named as it stands in the lanes now; a
number that was given twice, or may have been by a copy that went on, is given anew, and the old one stays as a second code, for
it may be on a paper somewhere.
"""

from typing import Any, Final

import msgspec

from protocol import certificate as certificates
from protocol import entry, events, lane, place
from protocol.certificate import Certificate
from protocol.events import BranchDecided, DisputeCorrected, DisputeCorrectedBody, DisputeLogged, Draft, Facts, TextBody, Unknown
from protocol.node.deciding import Asked
from protocol.node.journal import Writing
from protocol.node.journal.branches import Branched, adopted_id, branched
from protocol.node.journal.rows import fetch
from protocol.problem import Refused

OWN_WORK: Final = frozenset(
    {"DisputeArrived", "TaskAnswered", lane.OPENS, "BranchDecided"}
)  # what a node writes by itself it writes again by itself
REFERENCES: Final = ("offer", "item")  # facts that name another entry of the case: origin/seq
_GIVEN: Final = "select 1 from case_row where code = :code and subject <> :subject limit 1"
# whoever wrote the other history counted on from the same count, and what it gave since need not be here yet
_FORKED: Final = (
    "select 1 from branch b join entry e on e.ledger = b.ledger and e.origin = b.origin and e.seq = b.seq"
    " where b.origin = :origin and b.hash <> e.hash limit 1"
)


def decision_subject(hash_: bytes) -> str:
    """The subject of what was decided about one entry of another history."""
    return entry.derive(hash_.hex(), "branch")


async def already(asked: Asked, row: Branched, subject: str = "") -> tuple[str, str, int] | None:
    """Where the same command stands in a lane: the person may have sent it to both, or it was adopted before."""
    sql = "select ledger, origin, seq from entry where command in (:old, :new) and sort <> 'lane' order by position"
    if subject:
        sql = sql.replace(" order by", " and subject = :subject order by")
    values = {"old": row.command, "new": adopted_id(row.command), "subject": subject}
    found = await fetch(asked.w.connection, sql, {name: value for name, value in values.items() if f":{name}" in sql})
    return (found[0][0], found[0][1], found[0][2]) if found else None


async def same_command(w: Writing, row: Branched) -> list[Branched]:
    """All that one command wrote in that history, in all ledgers: it is decided about as a whole."""
    rows = await branched(
        w, "where origin = :origin and command = :command order by ledger, seq, hash", {"origin": row.origin, "command": row.command}
    )
    return list({(one.ledger, one.seq): one for one in rows[::-1]}.values())[::-1]


def decided(row: Branched, mine: Certificate, office: str, decision: str, reason: str) -> Draft:
    """The entry that says what became of one."""
    ledger = certificates.sealed_ledger(mine) if place.is_sealed(row.ledger) else row.ledger
    facts = BranchDecided(office, 0, (), row.origin, row.seq, row.hash, decision)
    return Draft(ledger, decision_subject(row.hash), "branch", facts, TextBody(reason) if reason else None)


async def rewritten(asked: Asked, row: Branched) -> list[Draft]:
    """What is to be written for it. Raises Refused not_served, ledger_not_covered, version_unknown."""
    head, facts, mine = row.head, events.facts_of(row.head), asked.signer.certificate
    if head.kind in OWN_WORK:
        return []
    if isinstance(facts, Unknown) or type(facts).__name__ != head.kind:
        raise Refused("version_unknown", version=head.kind)
    if not certificates.serves(mine, facts.office):
        raise Refused("not_served", office=asked.shelf().office_name(facts.office))
    ledger = certificates.sealed_ledger(mine) if place.is_sealed(row.ledger) else row.ledger
    facts = await _renamed(asked, row, facts)
    drafts: list[Draft] = []
    if isinstance(facts, DisputeLogged):
        facts, drafts = await _coded(asked, row, facts)
    body: Any = events.body_of(head.kind, row.body)
    return [Draft(ledger, row.subject, row.sort, facts, body), *drafts]


async def _renamed(asked: Asked, row: Branched, facts: Facts) -> Facts:
    changed: dict[str, Any] = {}
    if facts.seen:
        case = await asked.case(row.subject) if row.sort == "dispute" else await asked.task(row.subject)
        changed["seen"] = tuple(sorted(case.seen.items())) if case else ()
    for name in REFERENCES:
        said = getattr(facts, name, "")
        origin, _, seq = said.rpartition("/") if isinstance(said, str) else ("", "", "")
        if origin == row.origin and seq.isdecimal() and (now := await _as_now(asked, row, int(seq))):
            changed[name] = now
    return msgspec.structs.replace(facts, **changed)


async def _as_now(asked: Asked, row: Branched, seq: int) -> str:
    """The name today of an entry that this one's own history had at `seq`; "" where it is the lane's."""
    where = "where ledger = :ledger and origin = :origin and seq = :seq and subject = :subject"
    values: dict[str, object] = {"ledger": row.ledger, "origin": row.origin, "seq": seq, "subject": row.subject}
    for other in await branched(asked.w, where, values):
        if found := await already(asked, other, row.subject):
            return f"{found[1]}/{found[2]}"
    return ""


async def _coded(asked: Asked, row: Branched, facts: DisputeLogged) -> tuple[DisputeLogged, list[Draft]]:
    c = asked.w.connection
    if not await fetch(c, _GIVEN, {"code": facts.code, "subject": row.subject}) and not await fetch(c, _FORKED, {"origin": row.origin}):
        return facts, []
    code = await asked.case_code()
    kept = DisputeCorrected(facts.office, 1, (), "alias", facts.code)
    alias = Draft(row.ledger, row.subject, row.sort, kept, DisputeCorrectedBody(reason="同一编号发过两次，原编号保留"))
    return msgspec.structs.replace(facts, code=code), [alias]
