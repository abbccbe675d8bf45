"""Where else the words of a removed case lie (改为密封): in what it was transferred to or from, in what was merged into it, in what
somebody elsewhere was asked to do about it. All of that is the same accusation.

Such words lie in other ledgers, which the office that removed the case doesn't reach: the lowest node that covers these and that of
the case erases them (errands.py), for the lowest office whose region holds them all.
"""

from typing import Final

from protocol import events as e
from protocol import place, words
from protocol.case import Case
from protocol.drafts import REMOVED_MAX
from protocol.events import Draft
from protocol.node.deciding import Asked, with_words
from protocol.node.journal.rows import fetch

# {first}: the cases to begin with. Each step goes along one transfer, either way, or from a case to what was merged into it; {also}: or further.
# cross join: SQLite takes the tables as they stand, the few removed cases first; by its own guess it walks all entries.
_SAME: Final = (
    "with recursive same(removed, subject) as (select subject, subject from case_row where {first}"
    " union select same.removed, s.subject from same cross join case_row r cross join case_row s where r.subject = same.subject"
    " and (s.subject = r.predecessor or s.predecessor = r.subject or (s.merged_into > '' and s.merged_into = r.subject){also}))"
)
_TASKS: Final = (
    "same cross join task_row t where t.case_subject = same.subject",
    "same cross join task_row m cross join task_row t where m.case_subject = same.subject and t.request = m.subject",
)
DUE: Final = (  # (removed case, its ledger, its holder, the case that the words belong to, its ledger, the ledger of the words)
    _SAME.format(first="leftover >= 0", also="") + " select c.subject, c.ledger, c.holder, v.subject, v.ledger, w.ledger from ("
    "select same.removed, same.subject, e.ledger from same cross join entry e where e.subject = same.subject"
    " and same.subject <> same.removed and e.body is not null and e.sort in ('dispute', 'erasure')"
    + "".join(f" union select same.removed, same.subject, t.ledger from {tasks} and t.worded > 0" for tasks in _TASKS)
    + ") w cross join case_row c cross join case_row v where c.subject = w.removed and v.subject = w.subject limit :most"
)
_SUBJECTS: Final = (
    _SAME.format(first="subject = :case", also="")
    + " select subject, 'dispute' from same where subject <> :case"
    + "".join(f" union select t.subject, 'task' from {tasks}" for tasks in _TASKS)
)


TOO: Final = (
    _SAME.format(first="subject = :case", also="") + " select subject from same where subject <> :case order by subject"
)  # whose words go with its own
MATTER: Final = (  # every other case of the same matter as :case, also the one that it was merged into
    _SAME.format(first="subject = :case", also=" or s.subject = r.merged_into")
    + " select subject from same where subject <> :case order by subject"
)


def over(*ledgers: str) -> str:
    """The lowest office whose region holds all of them; "" when there is none."""
    office: str | None = ledgers[0]
    while office and not all(place.within(ledger, office) for ledger in ledgers):
        office = place.parent(office)
    return office or ""


async def erasures(asked: Asked, case: Case, there: str, office: str) -> list[Draft]:
    """Of every entry in that ledger that has words of the same matter, for this office; [] unless the case is removed."""
    if not case.removed:
        return []
    rows = await fetch(asked.w.connection, _SUBJECTS, {"case": case.id})
    found = await with_words(asked, sorted((row[0], row[1]) for row in rows))
    return [
        Draft(ledger, subject, "erasure", e.BodyErased(office, 0, (), ledger, origin, seq, words.REMOVED_GROUND))
        for ledger, subject, origin, seq in found
        if ledger == there
    ][:REMOVED_MAX]
