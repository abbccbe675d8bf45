"""Who can open what is sealed, or makes others able to: each such post, who gave it and when, and who let its person sign in anew.

For the readers themselves and for the admins, on the page that each starts from: nobody becomes a reader, or signs in as one, unseen.
"""

from collections.abc import Iterable

import msgspec

from protocol.entry import derive
from protocol.events import PostGiven, ResetVouched, facts_of
from protocol.node.journal import Journal
from protocol.node.journal.rows import named
from protocol.people_rules import is_guarded
from protocol.tables import Tables


class Guarded(msgspec.Struct, frozen=True):
    """by: the person who gave the post ("" = at the machine itself) · codes: (ms, person who gave it, account), the newest first."""

    person: str
    post: str
    kind: str
    title: str
    office: str
    ended: bool
    by: str = ""
    since_ms: int = 0
    codes: tuple[tuple[int, str, str], ...] = ()

    @property
    def persons(self) -> set[str]:
        return {self.person, self.by, *(by for _, by, _ in self.codes)}


async def guarded(journal: Journal, tables: Tables, node: str, accounts: Iterable[tuple[str, str]]) -> list[Guarded]:
    """Every such post, also those that ended. accounts: (name, person) of this machine, `node`."""
    accounts = list(accounts)
    async with journal.read() as c:
        posts = await named(c, "select subject, post, kind, title, ledger, ended from post_row order by ended, ledger, post", {})
    found = []
    for p in posts:
        if is_guarded(tables.post_powers(p.kind), p.ledger):
            row = Guarded(p.subject, p.post, p.kind, p.title or tables.post_name(p.kind), p.ledger, bool(p.ended))
            by, since_ms = await _given(journal, p.subject, p.post)
            codes = [code for name, person in accounts if person == p.subject for code in await _codes(journal, node, name)]
            found.append(msgspec.structs.replace(row, by=by, since_ms=since_ms, codes=tuple(sorted(codes, reverse=True))))
    return found


async def _given(journal: Journal, person: str, post: str) -> tuple[str, int]:
    for e in await journal.subject(person):
        facts = facts_of(e.head) if e.head.kind == "PostGiven" else None
        if isinstance(facts, PostGiven) and facts.post == post:
            return e.head.author[0], e.head.occurred_ms
    return "", 0


async def _codes(journal: Journal, node: str, account: str) -> list[tuple[int, str, str]]:
    entries = await journal.subject(derive(f"{node} {account}", "account"))
    return [(e.head.occurred_ms, e.head.author[0], account) for e in entries if isinstance(facts_of(e.head), ResetVouched)]
