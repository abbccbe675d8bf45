"""What of errands.py is due, as questions: each finds what nobody has carried yet, by indices of its own."""

from typing import Final

from protocol import transfer
from protocol.node import removing

ARRIVED: Final = "select subject from case_row where offer_to > '' and arrived_ms is null and ({served}) limit :most"
TO_OPEN: Final = (
    "select subject, ledger, transfer_to from case_row where transfer_to > ''"
    " and not exists (select 1 from case_row s where s.subject = case_row.successor) limit :most"
)
TO_TELL: Final = (
    # cross: else SQLite walks all cases from o, whose subject must be > '' too
    "select o.subject, o.ledger, s.ledger from case_row s cross join case_row o where o.subject = s.predecessor"
    " and s.predecessor > '' and o.successor = s.subject and s.answer > '' and s.answer <> coalesce(o.answered, '')"
    f" and coalesce(o.status, '') in ({', '.join(repr(one) for one in transfer.ANSWERABLE)}) limit :most"
)
TO_CALL_OFF: Final = (
    "select s.subject, s.ledger, o.ledger from case_row s join case_row o on o.subject = s.predecessor where s.predecessor > ''"
    " and coalesce(s.status, '') = 'coming' and coalesce(s.offer_to, '') > ''"
    " and (coalesce(o.transfer_to, '') = '' or o.successor <> s.subject) and coalesce(o.status, '') <> 'voided' limit :most"
)
# coalesce: an index of `status` would be walked instead of the few rows that have a link at all
TO_LINK: Final = (
    "select subject, ledger, link from task_row where link > '' and coalesce(status, '') = 'sent'"
    " and not exists (select 1 from task_row l where l.request = task_row.subject) limit :most"
)
_BOTH: Final = " from task_row l join task_row m on m.subject = l.request where l.request > ''"
TO_ANSWER: Final = (
    f"select m.subject, m.ledger, l.ledger{_BOTH} and l.status <> 'sent' and l.status <> coalesce(m.answered, '') limit :most"
)
TO_RECALL: Final = f"select l.subject, l.ledger, m.ledger{_BOTH} and coalesce(m.status, '') = 'recalled' and coalesce(l.status, '') in ('sent', 'confirmed', 'arrived') and l.recalls = 0 limit :most"
TO_URGE: Final = f"select l.subject, l.ledger, m.ledger{_BOTH} and l.urges < m.urges and coalesce(l.status, '') in ('sent', 'confirmed', 'arrived') limit :most"
TO_ANNOUNCE: Final = (
    "select subject, post, item, limits from ended_row where source = ''"
    " and not exists (select 1 from ended_row c where c.post = ended_row.post and c.source = ended_row.item) limit :most"
)
CODED_ANEW: Final = (
    "select a.subject, a.ledger, b.ledger, a.code from case_row a join case_row b on b.code = a.code and b.subject <> a.subject"
    " where a.code in (select code from case_row where code > '' group by code having count(*) > 1)"
    " and a.predecessor = '' and b.predecessor = '' and (b.logged_ms < a.logged_ms or (b.logged_ms = a.logged_ms and b.subject < a.subject))"
    " limit :most"
)
STILL: Final = "select 1 from case_row where code = :code and subject <> :subject and predecessor = '' limit 1"
CODE_TO_FOLLOW: Final = (  # its predecessor got a new one after the transfer
    "select s.subject, s.ledger, o.ledger from case_row s join case_row o on o.subject = s.predecessor"
    " where s.predecessor > '' and s.code <> o.code limit :most"
)
_BY_MERGE: Final = (
    "join case_row a on a.subject = {source} join case_row b on b.subject = {into} where not exists (select 1 from {told} n"
    " where n.command = m.command and n.subject = {other}) limit :most"
)
UNMERGED: Final = "select m.subject, m.into_case, a.ledger, b.ledger, m.command from unmerged_row m " + _BY_MERGE.format(
    source="m.subject", into="m.into_case", told="unlinked_row", other="m.into_case"
)
MERGED_AGAIN: Final = "select m.source, m.subject, a.ledger, b.ledger, m.command from unlinked_row m " + _BY_MERGE.format(
    source="m.source", into="m.subject", told="unmerged_row", other="m.source"
)
DEAD_ENDS: Final = (  # merged, and nothing goes on: see merges.py
    "select s.subject, s.ledger, t.ledger, s.holder from case_row s join case_row t on t.subject = s.merged_into where s.merged_into > ''"
    " and coalesce(s.status, '') = 'merged' and s.merged_into <> coalesce(s.predecessor, '')"
    " and ((t.status = 'voided' and t.leftover is null) or (coalesce(t.status, '') = 'merged' and (t.merged_into = s.subject"
    " or (t.term = 1 and t.predecessor > '' and t.merged_into = t.predecessor)))) limit :most"
)
TO_ERASE: Final = (
    "select subject, holder from case_row where leftover >= 0 and (leftover > 0"
    " or exists (select 1 from task_row t where t.case_subject = case_row.subject and t.worded > 0)) limit :most"
)
_KINDS: Final = (
    ("select 1 from case_row where offer_to > '' and arrived_ms is null",),
    (TO_LINK, TO_RECALL, TO_URGE, TO_ANSWER),
    (TO_OPEN, TO_TELL, TO_CALL_OFF),
    (TO_ANNOUNCE,),
    (UNMERGED, MERGED_AGAIN),
    (TO_ERASE, removing.DUE),
)
DUE: Final = (
    "select "
    + ", ".join(" or ".join(f"exists ({q.removesuffix(' limit :most')})" for q in kind) for kind in _KINDS[:-1])
    + (
        # of the last kind nothing is due where no case was removed, and its own question costs more than all others
        ", case when exists (select 1 from case_row where leftover >= 0) then "
        + " or ".join(f"exists ({q.removesuffix(' limit :most')})" for q in _KINDS[-1])
        + " else false end"
    )
)
