"""People whose registration or post counts nowhere, since whoever wrote it was out of office: nothing of them stands in the views.

    await apart(journal, shelf, actor)      {node that was put out, or POST_OVER: ("盛小明（登记人员、任岗）", …)}

A review can't take them over: whom somebody made a clerk, and gave a telephone or a password, is for who holds the post now to say
anew. Once that is said here, they are listed no more.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import entry, place
from protocol.access import in_region
from protocol.entry import Head, decode_head
from protocol.events import Actor, PostEnded, PostGiven, body_of, facts_of
from protocol.hold import POST_OVER
from protocol.node.journal import Journal
from protocol.node.journal.rows import among, bound, fetch, named
from protocol.node.shelf import Shelf
from protocol.words import EVENT_NAMES, UNKNOWN_NAME

READ_MAX: Final = 20_000  # the newest entries of people: a county has some five thousand
APART_MAX: Final = 100  # people of one group
NAMELESS: Final = "（名字没有了）"
_WRITTEN: Final = (
    "select head_bytes, body from entry where sort = 'person' order by position desc limit :most"  # an index of its own (listing.INDICES)
)
_STANDING: Final = (
    "select p.subject, p.name, p.phone, p.ledger, o.post, o.kind, o.ledger as office from person_row p"
    " left join post_row o on o.subject = p.subject and o.ended = 0 where {subjects} or {names}"
)


class _Written(NamedTuple):
    """name, phone: "" where it is no registration, or was erased."""

    head: Head
    name: str
    phone: str


async def apart(journal: Journal, shelf: Shelf, actor: Actor) -> dict[str, tuple[str, ...]]:
    """Of the ledgers in the actor's region. Whoever stands there by now is left out."""
    if not shelf.revoked and not shelf.ended:
        return {}
    async with journal.read() as c:
        groups = _grouped(reversed(await fetch(c, _WRITTEN, {"most": READ_MAX})), shelf, actor)
        of_whom = {subject: some for people in groups.values() for subject, some in people.items()}
        standing = await _standing(c, of_whom, {one.name for some in of_whom.values() for one in some if one.name})
    found = {}
    for key, people in groups.items():
        names = [_told(subject, some, standing) for subject, some in people.items()]
        found[key] = tuple([name for name in names if name][:APART_MAX])
    return {key: names for key, names in found.items() if names}


def _grouped(rows: Iterable[Any], shelf: Shelf, actor: Actor) -> dict[str, dict[str, list[_Written]]]:
    """Group → person → what was written of him, in order."""
    groups: dict[str, dict[str, list[_Written]]] = defaultdict(lambda: defaultdict(list))
    mine: dict[str, bool] = {}
    for raw, body in rows:
        head = decode_head(bytes(raw))
        key = _out(head, shelf)
        if not key or not mine.setdefault(head.ledger, in_region(actor, head.ledger) and not place.is_sealed(head.ledger)):
            continue
        said = body_of(head.kind, bytes(body) if body is not None else None)
        groups[key][head.subject].append(_Written(head, getattr(said, "name", ""), getattr(said, "phone", "")))
    return groups


def _out(head: Head, shelf: Shelf) -> str:
    """The node that was put out before this, POST_OVER where its author's post was over, or ""."""
    if not shelf.counts(head.ledger, head.origin, head.seq):
        return entry.node_of(head.origin)
    if head.kind == "PostEnded":  # counts whoever wrote it (views)
        return ""
    ends = shelf.ended.get(head.author[1], ())
    is_over = any(place.covers(end.reach, head.ledger) and head.seq > end.last.get((head.ledger, head.origin), 0) for end in ends)
    return POST_OVER if is_over else ""


async def _standing(c: AsyncConnection, subjects: Iterable[str], names: Iterable[str]) -> list[Any]:
    """Who stands here of these persons and of those who are called like them, with each post that goes on."""
    sql = _STANDING.format(subjects=among(c, "p.subject", "subjects"), names=among(c, "p.name", "names"))
    return await named(c, sql, {"subjects": bound(c, subjects), "names": bound(c, names)})


def _told(subject: str, some: Sequence[_Written], standing: Sequence[Any]) -> str:
    """Who it is and what was written; "" when all of it holds by now, said by somebody else."""
    name = next((one.name for one in reversed(some) if one.name), "")
    phones = {one.phone for one in some if one.phone}
    rows = [
        row
        for row in standing
        if row.subject == subject or (row.name == name != "" and (not row.phone or not phones or row.phone in phones))
    ]
    if all(_holds(one.head, rows) for one in some):
        return ""
    name = name or next((row.name for row in rows if row.name), "") or NAMELESS
    return f"{name}（{'、'.join(dict.fromkeys(EVENT_NAMES.get(one.head.kind, UNKNOWN_NAME) for one in some))}）"


def _holds(head: Head, rows: Sequence[Any]) -> bool:
    """Claims that what it says is so, by other entries. rows: those of its person."""
    facts = facts_of(head)
    if isinstance(facts, PostGiven):
        return any((row.kind, row.office) == (facts.kind, head.ledger) for row in rows)
    if isinstance(facts, PostEnded):
        return all(row.post != facts.post for row in rows)
    return any(row.ledger == head.ledger for row in rows)
