"""Whether what a merged case ended in was removed as an accusation (改为密封): then it is the same accusation, and reopened it would stand in the open,
where what comes late of it is erased no more (removing.py reaches it by the merge alone).

A fold knows one subject and can't say it; the node can, by the views of the others, and where it does not hear of those (a successor's
case lies in another ledger) by the erasures that were carried to this one.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from protocol import words
from protocol.case import Case
from protocol.events import BodyErased, facts_of
from protocol.node.journal import Stored

# along each merge to what goes on, and along transfers either way: the way back of removing.py. A removed case has `leftover`.
_REMOVED: Final = (
    "with recursive matter(subject) as (select subject from case_row where subject = :case"
    " union select s.subject from matter cross join case_row r cross join case_row s where r.subject = matter.subject"
    " and ((r.merged_into > '' and s.subject = r.merged_into) or s.subject = r.predecessor or s.predecessor = r.subject))"
    " select 1 from matter cross join case_row r where r.subject = matter.subject and r.leftover >= 0 limit 1"
)


Select = Callable[[str, Mapping[str, Any]], Awaitable[Sequence[Any]]]


async def look(select: Select, case: Case, entries: Iterable[Stored], counts: Callable[[str, str, int], bool]) -> Case:
    """The same case, with `sealed` as it is known here. entries: all of its subject · counts: of an entry, see Shelf."""
    if case.status == "merged":
        said = [facts_of(e.head) for e in entries if e.sort == "erasure" and counts(*e.key)]
        is_erased = any(isinstance(facts, BodyErased) and facts.ground == words.REMOVED_GROUND for facts in said)
        case.sealed = is_erased or bool(await select(_REMOVED, {"case": case.id}))
    return case
