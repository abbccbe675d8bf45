"""People whose registration, post or dismissal counts nowhere, since whoever wrote it was out of office: nothing of it stands in the views.

    await apart(journal, shelf, actor)      {node that was put out, or POST_OVER: Apart(anew=("盛小明（登记人员、任岗）", …), …)}

A review can't take them over: whom somebody made a clerk, and gave a telephone or a password, is for who holds the post now to say
anew; so is who was to have it no longer, and has it yet. Once that is said here, they are listed no more.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
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
APART_MAX: Final = 100  # people of one kind in one group
NAMELESS: Final = "（名字没有了）"
_WRITTEN: Final = (
    "select head_bytes, body from entry where sort = 'person' order by position desc limit :most"  # an index of its own (listing.INDICES)
)
_STANDING: Final = (
    "select p.subject, p.name, p.phone, p.ledger, o.post, o.kind, o.ledger as office from person_row p"
    " left join post_row o on o.subject = p.subject and o.ended = 0 where {subjects} or {names}"
)


class Again(msgspec.Struct, frozen=True):
    """A post that does not count, of a person who stands here all the same."""

    person: str
    name: str
    kind: str
    office: str
    title: str


class Apart(msgspec.Struct, frozen=True):
    """anew: who stands nowhere here, with what was written · again: posts of people who stand · ends: names of people whose post was ended, which
    does not count: they have it yet, and sign in by it."""

    anew: tuple[str, ...] = ()
    again: tuple[Again, ...] = ()
    ends: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.anew or self.again or self.ends)

    def joined(self, other: "Apart") -> "Apart":
        """Both, each once."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__struct_fields__)
        return Apart(*(tuple(dict.fromkeys([*one, *more])) for one, more in pairs))


class _Written(NamedTuple):
    """name, phone: "" where it is no registration, or was erased · title: of a post, likewise."""

    head: Head
    name: str
    phone: str
    title: str


async def apart(journal: Journal, shelf: Shelf, actor: Actor) -> dict[str, Apart]:
    """Of the ledgers in the actor's region. Whoever stands there by now, or is dismissed, is left out."""
    if not shelf.revoked and not shelf.ended:
        return {}
    async with journal.read() as c:
        groups = _grouped(reversed(await fetch(c, _WRITTEN, {"most": READ_MAX})), shelf, actor)
        subjects = {subject for people in groups.values() for subject in people}
        names = {one.name for people in groups.values() for some in people.values() for one in some if one.name}
        standing = await _standing(c, subjects, names)
    found = {key: _of_group(people, standing) for key, people in groups.items()}
    return {key: one for key, one in found.items() if one}


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
        groups[key][head.subject].append(_Written(head, *(getattr(said, name, "") for name in ("name", "phone", "title"))))
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


def _of_group(people: dict[str, list[_Written]], standing: Sequence[Any]) -> Apart:
    anew, again, ends = list[str](), list[Again](), list[str]()
    for subject, some in people.items():
        own = [row for row in standing if row.subject == subject]
        name = next((one.name for one in reversed(some) if one.name), "") or next((row.name for row in own if row.name), "") or NAMELESS
        over = {facts.post for one in some if isinstance(facts := facts_of(one.head), PostEnded)}
        said = [one for one in some if one.head.kind != "PostEnded" and getattr(facts_of(one.head), "post", "") not in over]
        if any(row.post in over for row in own):
            ends.append(name)
        if any(row.ledger for row in own):
            again += [one for written in said if (one := _again(subject, name, written, own)) is not None]
        elif not all(_holds(one.head, [*own, *_called(some, standing)]) for one in said):
            anew.append(f"{name}（{'、'.join(dict.fromkeys(EVENT_NAMES.get(one.head.kind, UNKNOWN_NAME) for one in said))}）")
    return Apart(tuple(anew[:APART_MAX]), tuple(again[:APART_MAX]), tuple(ends[:APART_MAX]))


def _again(person: str, name: str, one: _Written, own: Sequence[Any]) -> Again | None:
    """None: it is no post, or he has such a one by now. own: rows of a person who stands."""
    facts = facts_of(one.head)
    if not isinstance(facts, PostGiven) or _holds(one.head, own):
        return None
    return Again(person, name, facts.kind, one.head.ledger, one.title)


def _called(some: Sequence[_Written], standing: Sequence[Any]) -> list[Any]:
    """Who stands here and is called like this, with the same telephone where both have one."""
    name = next((one.name for one in reversed(some) if one.name), "")
    phones = {one.phone for one in some if one.phone}
    return [row for row in standing if row.name == name != "" and (not row.phone or not phones or row.phone in phones)]


def _holds(head: Head, rows: Sequence[Any]) -> bool:
    """Claims that what it says is so, by other entries. rows: those of its person."""
    facts = facts_of(head)
    if isinstance(facts, PostGiven):
        return any((row.kind, row.office) == (facts.kind, head.ledger) for row in rows)
    return any(row.ledger == head.ledger for row in rows)
