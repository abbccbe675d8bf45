"""What freshly written entries ask for besides their views, in the same transaction: bodies to erase, files to expect.

A row of `blob` says what is to become of a file here (`stage`), rows of `blob_use` which entries name it. Size, source, ledger and kind in
`blob` are those of whoever named it first, who may be wrong: what the entries themselves say is asked where it matters (`uses`), until the file is
here and its hash has decided. A file of an entry that a
wider place wrote is not fetched by itself, only its thumbnail is: it comes when somebody opens it. With the last body that names it
a file has nobody left who could read it, and goes (sweeping.py). Two histories of a lane may give one number to entries of different cases
(forks.py), so what is named at a number is asked of every body that stands there. A body that is missing though no erasure that counts
names it (it was sent without, or taken by somebody who had been put out) is `lacking`, and others are asked for it (link/words.py).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import text

from protocol import entry
from protocol.access import office_covers
from protocol.certificate import NODE_ID_CHARS
from protocol.commands import Blob
from protocol.entry import Head, decode_head
from protocol.events import BodyErased, EvidenceAddedBody, body_of, facts_of
from protocol.lane import is_origin
from protocol.node.blobs import CIPHER_BYTES_MAX, CIPHER_EXTRA_BYTES, FILE_BYTES_MAX
from protocol.node.journal import Stored, Writing, branches
from protocol.node.journal.rows import fetch, run

GONE, ASIDE, WANTED, UNTOLD, DONE = -1, 0, 1, 2, 3  # ASIDE: only when somebody opens it · UNTOLD: whole, its source does not know yet
THUMB: Final = "thumb"
_EXPECT: Final = text(
    "insert into blob (address, size, have, source, what, ledger, subject, added_ms, stage)"
    " values (:address, :size, :have, :source, :what, :ledger, :subject, :added_ms, :stage) on conflict (address) do update set"
    " stage = case when blob.stage < 1 then excluded.stage"
    f" when blob.stage = {DONE} and excluded.source > '' and excluded.what <> '{THUMB}' then {UNTOLD} else blob.stage end,"  # nor does this one know
    " size = case when excluded.have > 0 then excluded.size else blob.size end,"
    " have = case when excluded.have > blob.have then excluded.have else blob.have end"
)
_FOUND: Final = text(
    f"update blob set have = size, stage = case when source <> '' and what <> '{THUMB}' then {UNTOLD} else {DONE} end where address = :address"
)
_USE: Final = text("insert into blob_use (ledger, origin, seq, address) values (:ledger, :origin, :seq, :address) on conflict do nothing")
_ONE: Final = " where ledger = :ledger and origin = :origin and seq = :seq"
_UNUSED: Final = (
    "update blob set stage = -1 where address = :address and not exists (select 1 from blob_use u where u.address = blob.address)"
)
USES_EACH, USES_MAX = 4, 40  # entries of one author that name a file, of all: nobody hides the others by naming it often
_USES: Final = (
    "select u.ledger, u.origin, e.subject, e.head_bytes, e.body from (select ledger, origin, seq, row_number() over"
    " (partition by substr(origin, 1, :id_chars) order by ledger, origin, seq) as nth from blob_use where address = :address) u"
    " join entry e on e.ledger = u.ledger and e.origin = u.origin and e.seq = u.seq"
    " where u.nth <= :each order by u.nth, e.position limit :most"
)
Lost = tuple[str, str, int, str]  # ledger, origin, seq, subject
EVIDENCE: Final = ("EvidenceAdded", "TaskEvidenceAdded")


def _takes(head: Head) -> Lost | None:
    """The entry whose words this one may take; None: it takes none."""
    facts = facts_of(head) if head.kind == "BodyErased" else None
    if not isinstance(facts, BodyErased) or facts.ledger != head.ledger or not office_covers(facts.office, head.ledger):
        return None
    if not facts.seq > 0 or not is_origin(facts.origin):  # of no entry; and a name without end is in no index
        return None
    return facts.ledger, facts.origin, facts.seq, head.subject


async def erase_bodies(w: Writing, fresh: Iterable[Stored]) -> set[str]:
    """Applies BodyErased, now or when its target arrives; with what was written anew goes what it was written from. Returns the subjects to project.

    Only an entry of the subject it is written on (the number alone may be another's, after a fork), inside the ledger it stands in, and
    only for an office whose region holds that ledger: a node that is trusted with one village cannot take words out of another.
    """
    touched = set()
    for e in fresh:
        if (taken := _takes(e.head)) is None:
            continue
        ledger, origin, seq, subject = taken
        if await w.erase(ledger, origin, seq, subject):
            touched.add(subject)
        for number in sorted({(ledger, origin, seq), *await branches.erase(w, ledger, origin, seq, subject)}):
            await _let_go(w, *number)
    for key, subject in w.bared().items():
        for number in sorted(await branches.erase(w, *key, subject)):
            await _let_go(w, *number)
    return touched


async def _let_go(w: Writing, ledger: str, origin: str, seq: int) -> None:
    """The files are marked to go that no body names any more which stands at this number in the lane or beside it, nor any other entry."""
    key = {"ledger": ledger, "origin": origin, "seq": seq}
    named = {row[0] for row in await fetch(w.connection, f"select address from blob_use {_ONE}", key)}  # before the bodies
    if named and (here := await w.entry(ledger, origin, seq)):
        named -= _addresses(here.head, here.body)
    if named:
        async for row in branches.with_words(w, ledger, origin, seq):
            named -= _addresses(row.head, row.body)
    gone = [{**key, "address": address} for address in sorted(named)]
    await run(w.connection, f"delete from blob_use {_ONE} and address = :address", gone)
    await run(w.connection, _UNUSED, [{"address": one["address"]} for one in gone])


async def expect_files(
    w: Writing, fresh: Sequence[Stored], source: str, now_ms: int, takes: Callable[[str], bool] | None = None, first: str = ""
) -> None:
    """A row a file that evidence names: whole when it was taken here (source ""), else to be fetched, first from the entry's author.

    source: the node that brought the entries · takes: whether full files of this author's entries come here by themselves · first: who wrote
    them first, where they are written anew.
    """
    rows, uses = [], []
    for e in fresh:
        body = body_of(e.head.kind, e.body) if e.head.kind in EVIDENCE else None
        if not isinstance(body, EvidenceAddedBody):
            continue
        author = first or entry.node_of(e.origin)
        for blob, what in _named(body):
            size = blob.size + CIPHER_EXTRA_BYTES
            comes = what == THUMB or takes is None or takes(author)
            row: dict[str, Any] = {"address": blob.address, "size": size, "what": what, "ledger": e.ledger, "subject": e.subject}
            here = (
                {"have": size, "stage": DONE, "source": ""}
                if not source
                else {"have": 0, "stage": WANTED if comes else ASIDE, "source": author}
            )
            rows.append({**row, **here, "added_ms": now_ms})
            uses.append({"ledger": e.ledger, "origin": e.origin, "seq": e.seq, "address": blob.address})
    if rows:
        await w.connection.execute(_EXPECT, rows)
        await w.connection.execute(_USE, uses)


def _addresses(head: Head, raw: bytes | None) -> set[str]:
    body = body_of(head.kind, raw) if head.kind in EVIDENCE else None
    return {blob.address for blob, _ in _named(body)} if isinstance(body, EvidenceAddedBody) else set()


def _named(body: EvidenceAddedBody) -> list[tuple[Blob, str]]:
    """The small one first: it is fetched in this order. One that no node would take is not waited for."""
    found = [(body.thumb, THUMB)] if body.thumb is not None else []
    return [(blob, what) for blob, what in [*found, (body.blob, body.blob.what)] if 0 <= blob.size <= FILE_BYTES_MAX]


class HasFiles(Protocol):
    def has(self, address: str) -> bool: ...


async def found_here(journal: Any, blobs: HasFiles) -> None:
    """Files that are expected and lie here already: of entries that came back and had been here before. Whether their authors know is known to
    nobody any more, so they are told (again)."""
    for row in await journal.rows("blob", "(have < size and stage >= 0) or stage = 1"):
        if blobs.has(row["address"]):
            async with journal.writing() as w:
                await w.connection.execute(_FOUND, {"address": row["address"]})


class Use(NamedTuple):
    """An entry that names a file. size: cipher bytes."""

    author: str
    ledger: str
    subject: str
    what: str
    size: int


class Selects(Protocol):
    async def select(self, sql: str, values: Mapping[str, Any]) -> Sequence[Any]: ...


async def uses(journal: Selects, row: Mapping[str, Any]) -> list[Use]:
    """Of a row of `blob`: the entries here that name the file, in the order of their coming; where none is known, what the row itself says. Of a size
    that no file may have, none."""
    bounds = {"id_chars": NODE_ID_CHARS, "each": USES_EACH, "most": USES_MAX}
    found = []
    for ledger, origin, subject, head_bytes, body in await journal.select(_USES, {"address": row["address"], **bounds}):
        said = body_of(decode_head(bytes(head_bytes)).kind, None if body is None else bytes(body))
        for blob, what in _named(said) if isinstance(said, EvidenceAddedBody) else ():
            if blob.address == row["address"]:
                found.append(Use(entry.node_of(origin), ledger, subject, what, blob.size + CIPHER_EXTRA_BYTES))
    if not found and row["size"] <= CIPHER_BYTES_MAX:
        found.append(Use(row["source"], row["ledger"], row["subject"], row["what"], row["size"]))
    return found


# ── words that are missing though nobody erased them ──

_SAID: Final = "sort = 'erasure' and subject in (select subject from entry where erased = 1)"
Counts = Callable[[str, str, int], bool]  # (ledger, origin, seq): its writer was not put out before it


class HasRows(Protocol):
    async def rows(self, table: str, where: str, values: Mapping[str, Any]) -> list[dict[str, Any]]: ...


async def lacking(journal: HasRows, counts: Counts) -> list[Lost]:
    """Entries whose words did not come along, or were taken by somebody who had been put out."""
    bare = [(row["ledger"], row["origin"], row["seq"], row["subject"]) for row in await journal.rows("entry", "erased = 1", {})]
    said = await journal.rows("entry", _SAID, {}) if bare else []
    gone = {_takes(decode_head(bytes(row["head_bytes"]))) for row in said if counts(row["ledger"], row["origin"], row["seq"])}
    return [key for key in bare if key not in gone]


async def give_back(w: Writing, lost: Lost, words: entry.Entry, source: str, now_ms: int, counts: Counts) -> bool:
    """Puts the words of an entry beside its head again, where nobody erased them meanwhile. Claims that it did."""
    *key, subject = lost
    here = await w.subject(subject)
    e = next((one for one in here if one.key == tuple(key)), None)
    if e is None or e.head_bytes != words.head_bytes or words.body is None or words.salt is None:
        return False
    if entry.body_hash(words.salt, words.body) != e.head.body_hash or lost in {_takes(one.head) for one in here if counts(*one.key)}:
        return False
    back = await w.give_back(e, words.salt, words.body)
    await expect_files(w, [back], source, now_ms)
    await w.project([subject])
    return True
