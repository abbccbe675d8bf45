"""People whose registration, post or dismissal counts nowhere, since whoever wrote it was out of office: nothing of it stands in the views.

    await apart(journal, shelf, actor, now_ms)      {node that was put out, or POST_OVER: Apart(anew=("盛小明（登记人员、任岗）", …), …)}

A review can't take them over: whom somebody made a clerk, and gave a telephone or a password, is for who holds the post now to say
anew; so is who was to have it no longer, and has it yet. Once that is said here, they are listed no more. Nor, after some days, is whom nobody
wants; but who has a post that he was to lose is listed until he loses it.
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
from protocol.words import EVENT_NAMES, UNKNOWN_NAME, at_ms

READ_MAX: Final = 20_000  # the newest entries of people: a county has some five thousand
LISTED_MS: Final = 30 * 86_400_000  # since it is known here that it does not count; _apart.html says the days
APART_MAX: Final = 100  # people of one kind in one group
NAMELESS: Final = "（名字没有了）"
_WRITTEN: Final = "select position, received_ms, head_bytes, body from entry where sort = 'person' order by position desc limit :most"  # an index of its own (listing.INDICES)
_STANDING: Final = (
    "select p.subject, p.name, p.phone, p.ledger, o.post, o.kind, o.ledger as office from person_row p"
    " left join post_row o on o.subject = p.subject and o.ended = 0 where {subjects} or {names}"
)
_PUT_OUT: Final = "select subject, received_ms, head_bytes from entry where ledger = :common and {nodes}"
_OVER: Final = "select r.post, e.received_ms from ended_row r join entry e on e.subject = r.subject and e.origin || '/' || e.seq = r.item where {posts}"


class Again(msgspec.Struct, frozen=True):
    """A post that does not count, of a person who stands here all the same. name: as they stand, whatever else was written of them."""

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

    @property
    def found_by(self) -> str:
        """The name by which a list finds the one whose post is to be ended again; "" where there are more, or it is gone."""
        return self.ends[0] if len(self.ends) == 1 and self.ends[0] != NAMELESS else ""

    def joined(self, other: "Apart") -> "Apart":
        """Both, each once."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__struct_fields__)
        return Apart(*(tuple(dict.fromkeys([*one, *more])) for one, more in pairs))


class _Written(NamedTuple):
    """position, received_ms: here · name, phone: "" where it is no registration, or was erased · title: of a post, likewise."""

    position: int
    received_ms: int
    head: Head
    name: str
    phone: str
    title: str


class _Registered(NamedTuple):
    """The last registration of somebody that counts."""

    ledger: str
    position: int
    at_ms: int


Groups = dict[str, dict[str, list[_Written]]]  # group → person → what was written of him, in order


async def apart(journal: Journal, shelf: Shelf, actor: Actor, now_ms: int) -> dict[str, Apart]:
    """Of the ledgers in the actor's region. Whoever stands there by now, or is dismissed, is left out."""
    if not shelf.revoked and not shelf.ended:
        return {}
    async with journal.read() as c:
        groups, registered = _grouped(reversed(await fetch(c, _WRITTEN, {"most": READ_MAX})), shelf, actor)
        groups = _lately(groups, await _known_ms(c, groups), now_ms)
        subjects = {subject for people in groups.values() for subject in people}
        names = {one.name for people in groups.values() for some in people.values() for one in some if one.name}
        standing = await _standing(c, subjects, names)
    found = {key: _of_group(people, standing, registered) for key, people in groups.items()}
    return {key: one for key, one in found.items() if one}


def _grouped(rows: Iterable[Any], shelf: Shelf, actor: Actor) -> tuple[Groups, dict[str, _Registered]]:
    """(What does not count, who was registered by what does.)"""
    groups: Groups = defaultdict(lambda: defaultdict(list))
    registered: dict[str, _Registered] = {}
    mine: dict[str, bool] = {}
    for position, received_ms, raw, body in rows:
        head = decode_head(bytes(raw))
        key = _out(head, shelf)
        if not key and head.kind == "PersonRegistered":
            registered[head.subject] = _Registered(head.ledger, position, at_ms(head))
        if not key or not mine.setdefault(head.ledger, in_region(actor, head.ledger) and not place.is_sealed(head.ledger)):
            continue
        said = body_of(head.kind, bytes(body) if body is not None else None)
        words = (getattr(said, name, "") for name in ("name", "phone", "title"))
        groups[key][head.subject].append(_Written(position, received_ms, head, *words))
    return groups, registered


async def _known_ms(c: AsyncConnection, groups: Groups) -> dict[str, int]:
    """Node that was put out, or post that is over → when that came to be known here."""
    by = {one.head.author[1] for some in groups.get(POST_OVER, {}).values() for one in some}
    over = await fetch(c, _OVER.format(posts=among(c, "r.post", "posts")), {"posts": bound(c, by)})
    nodes = {"common": place.COMMON, "nodes": bound(c, groups.keys() - {POST_OVER})}
    out = await fetch(c, _PUT_OUT.format(nodes=among(c, "subject", "nodes")), nodes)
    known: dict[str, int] = {}
    for key, ms in [*over, *((node, ms) for node, ms, raw in out if decode_head(bytes(raw)).kind == "NodeRevoked")]:
        known[key] = max(ms, known.get(key, 0))
    return known


def _lately(groups: Groups, known_ms: dict[str, int], now_ms: int) -> Groups:
    """Without what has been listed for LISTED_MS; ends stay. A registration stays with what came later of its person: it alone says by which
    name they may be registered by now."""

    def is_late(key: str, one: _Written) -> bool:
        since_ms = max(one.received_ms, known_ms.get(one.head.author[1] if key == POST_OVER else key, 0))
        return one.head.kind != "PostEnded" and since_ms > now_ms - LISTED_MS

    def kept(key: str, some: list[_Written]) -> list[_Written]:
        stay = {"PostEnded", "PersonRegistered"} if any(is_late(key, one) for one in some) else {"PostEnded"}
        return [one for one in some if one.head.kind in stay or is_late(key, one)]

    lately = {key: {who: kept(key, some) for who, some in people.items()} for key, people in groups.items()}
    return {key: {who: some for who, some in people.items() if some} for key, people in lately.items()}


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


def _of_group(people: dict[str, list[_Written]], standing: Sequence[Any], registered: dict[str, _Registered]) -> Apart:
    anew, again, ends = list[str](), list[Again](), list[str]()
    for subject, some in people.items():
        own = [row for row in standing if row.subject == subject]
        over = {facts.post for one in some if isinstance(facts := facts_of(one.head), PostEnded)}
        said = [one for one in some if one.head.kind != "PostEnded" and getattr(facts_of(one.head), "post", "") not in over]
        stands, called = any(row.ledger for row in own), next((row.name for row in own if row.name), "") or NAMELESS
        if any(row.post in over for row in own):
            ends.append(called)
        if stands:
            again += [one for written in said if (one := _again(subject, called, written, own)) is not None]
        elif not _is_registered(some, standing, registered) and not all(_holds(one.head, [*own, *_called(some, standing)]) for one in said):
            steps = dict.fromkeys(EVENT_NAMES.get(one.head.kind, UNKNOWN_NAME) for one in said)
            anew.append(f"{_name(some) or called}（{'、'.join(steps)}）")
    return Apart(tuple(anew[:APART_MAX]), tuple(again[:APART_MAX]), tuple(ends[:APART_MAX]))


def _again(person: str, name: str, one: _Written, own: Sequence[Any]) -> Again | None:
    """None: it is no post, or he has such a one by now. own: rows of a person who stands."""
    facts = facts_of(one.head)
    if not isinstance(facts, PostGiven) or _holds(one.head, own):
        return None
    return Again(person, name, facts.kind, one.head.ledger, one.title)


def _name(some: Sequence[_Written]) -> str:
    return next((one.name for one in reversed(some) if one.name), "")


def _is_registered(some: Sequence[_Written], standing: Sequence[Any], registered: dict[str, _Registered]) -> bool:
    """Claims that somebody was registered in the same ledger by the same name after it was written, or after it came here: with another telephone,
    or for another post, that is who was wanted."""
    first, name = some[0], _name(some)
    found = [registered[row.subject] for row in standing if row.name == name != "" and row.subject in registered]
    later = [one for one in found if one.position > first.position or one.at_ms >= at_ms(first.head)]
    return any(one.ledger == first.head.ledger for one in later)


def _called(some: Sequence[_Written], standing: Sequence[Any]) -> list[Any]:
    """Who stands here and is called like this, with the same telephone where both have one."""
    name = _name(some)
    phones = {one.phone for one in some if one.phone}
    return [row for row in standing if row.name == name != "" and (not row.phone or not phones or row.phone in phones)]


def _holds(head: Head, rows: Sequence[Any]) -> bool:
    """Claims that what it says is so, by other entries. rows: those of its person."""
    facts = facts_of(head)
    if isinstance(facts, PostGiven):
        return any((row.kind, row.office) == (facts.kind, head.ledger) for row in rows)
    return any(row.ledger == head.ledger for row in rows)
