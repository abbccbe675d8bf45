"""A long history in minutes: the drawn disputes of the demo county, told again and again with other persons, codes and ids.

    bulk = Bulk(await templates(journal), signers, year=2026)     signers: origin → Signer, of every origin that the templates name
    rows, subjects = bulk.cases(500)                              500 further cases as rows of a journal, each lane where it stood

What is told again is what real desks wrote (deploy/demo): the same acts, the same lanes, one signature a commit, chained and signed with
the nodes' own keys, so any node admits it. Only texts of persons, ids, codes, `seen` and the keys of offers are made anew.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import msgspec

from deploy.demo.history_cast import person_name
from protocol import codes, entry, events
from protocol.case import key_of, key_text
from protocol.entry import Head
from protocol.events import DisputeLogged, DisputeLoggedBody, Facts, TaskAssigned
from protocol.lane import LaneHead
from protocol.node.journal import Journal, Stored
from protocol.node.signer import Signer

READ_AT_ONCE = 2_000
FIRST_COUNT = 200_000  # codes of told cases begin here: the desks of the same nodes count from 1
KINDS = ("dispute", "task")
Keys = dict[tuple[str, int], tuple[str, int]]  # of the entry that is told again → of the one that tells it


class Told(msgspec.Struct, frozen=True):
    """One entry of a template. commit: which of its commits it belongs to · ends: as the last of it."""

    head: Head
    facts: Facts
    body: bytes | None
    commit: int
    ends: bool


class Template(msgspec.Struct, frozen=True):
    """All entries of one dispute and its tasks, in the order they were committed. names: of its parties."""

    entries: tuple[Told, ...]
    ids: tuple[str, ...]
    names: tuple[str, ...]


async def templates(journal: Journal, inside: str = "") -> list[Template]:
    """Of every dispute whose ledger lies in `inside` ("": all)."""
    cases: dict[str, list[Stored]] = defaultdict(list)
    case_of: dict[str, str] = {}
    position = 0
    while some := await journal.since(position, READ_AT_ONCE):
        for e in some:
            position = e.position
            if e.sort not in KINDS or not e.ledger.startswith(inside):
                continue
            facts = events.facts_of(e.head)
            if isinstance(facts, TaskAssigned):
                case_of[e.subject] = facts.case
            cases[case_of.get(e.subject, e.subject)].append(e)
    return [_template(some) for some in cases.values() if some[0].head.kind == "DisputeLogged"]


def _template(rows: Sequence[Stored]) -> Template:
    ends = [_ends(rows, n) for n in range(len(rows))]
    told = tuple(Told(e.head, events.facts_of(e.head), e.body, sum(ends[:n]), ends[n]) for n, e in enumerate(rows))
    logged = events.body_of("DisputeLogged", rows[0].body)
    names = tuple({p.name for p in logged.parties}) if isinstance(logged, DisputeLoggedBody) else ()
    return Template(told, tuple(dict.fromkeys(e.subject for e in rows)), names)


def _ends(rows: Sequence[Stored], n: int) -> bool:
    """The next entry belongs to another command or another lane."""
    if n + 1 == len(rows):
        return True
    one, two = rows[n], rows[n + 1]
    return (one.command, one.origin, one.ledger) != (two.command, two.origin, two.ledger)


class Bulk:
    """heads: lane → where it stands; what is told goes on from there."""

    def __init__(self, told: Sequence[Template], signers: dict[str, Signer], heads: dict[tuple[str, str], LaneHead], seed: int = 1) -> None:
        self.told = [one for one in told if all(t.head.origin in signers for t in one.entries)]
        assert self.told, "no template that these nodes may sign"
        self.signers, self.heads, self.chance = signers, dict(heads), Random(seed)
        self.count = 0

    def cases(self, count: int) -> tuple[list[Stored], list[str]]:
        """(rows to append, subjects to project)."""
        rows: list[Stored] = []
        subjects: list[str] = []
        for _ in range(count):
            template = self.told[self.count % len(self.told)]
            self.count += 1
            subjects += self._tell(template, rows)
        return rows, subjects

    def _tell(self, template: Template, rows: list[Stored]) -> list[str]:
        ids = {old: f"{self.chance.getrandbits(128):032x}" for old in template.ids}
        swaps = [(name.encode(), self._name(name).encode()) for name in template.names]
        keys: Keys = {}
        commands = [f"{self.chance.getrandbits(128):032x}" for _ in range(template.entries[-1].commit + 1)]  # as a page draws them
        for one in template.entries:
            head = self._entry(one, ids, swaps, keys, commands[one.commit], rows)
            keys[one.head.origin, one.head.seq] = (head.origin, head.seq)
        return list(ids.values())

    def _name(self, name: str) -> str:
        """Another name, as long as this one: bytes are swapped in place. Companies keep theirs."""
        for _ in range(8):
            drawn = person_name(self.chance)
            if len(drawn.encode()) == len(name.encode()):
                return drawn
        return name

    def _entry(
        self, one: Told, ids: dict[str, str], swaps: Sequence[tuple[bytes, bytes]], keys: Keys, command: str, rows: list[Stored]
    ) -> Head:
        h = one.head
        at = self.heads[h.ledger, h.origin]
        salt, body = (None, None) if one.body is None else (os.urandom(entry.SALT_BYTES), _swapped(one.body, swaps))
        facts = msgspec.Raw(msgspec.msgpack.encode(self._facts(one.facts, ids, keys)))
        made = msgspec.structs.replace(
            h, seq=at.seq + 1, subject=ids[h.subject], facts=facts, command=command, body_hash=entry.body_hash(salt, body)
        )
        raw = entry.encode_head(made)
        hash_ = entry.chain(at.hash, raw)
        signature = entry.sign(self.signers[h.origin].key, hash_) if one.ends else None
        self.heads[h.ledger, h.origin] = LaneHead(made.seq, hash_, made.seq if one.ends else at.signed_seq)
        where = (made.ledger, made.origin, made.seq, made.subject, made.sort, made.command)
        rows.append(Stored(0, *where, raw, salt, body, hash_, signature, made.occurred_ms + 2_000, False, made))
        return made

    def _facts(self, facts: Facts, ids: dict[str, str], keys: Keys) -> Facts:
        new: dict[str, Any] = {}
        if facts.seen:
            new["seen"] = tuple(sorted(keys.get(key, key) for key in facts.seen))
        for name in ("offer", "item"):
            key = key_of(getattr(facts, name, ""))
            if key in keys:
                new[name] = key_text(keys[key])
        if isinstance(facts, DisputeLogged):
            year, short = int(facts.code[:4]), int(facts.code[5:8])
            new["code"] = codes.case_code(year, short, 1, FIRST_COUNT + self.count)
        if isinstance(facts, TaskAssigned):
            new["case"] = ids[facts.case]
        return msgspec.structs.replace(facts, **new) if new else facts


def _swapped(body: bytes, swaps: Sequence[tuple[bytes, bytes]]) -> bytes:
    for old, new in swaps:
        body = body.replace(old, new)
    return body


def chunks_of(total: int, size: int) -> Iterator[int]:
    while total > 0:
        yield min(size, total)
        total -= size


async def write(journal: Journal, bulk: Bulk, cases: int, at_once: int = 500) -> int:
    """Told cases straight into a journal, views and search with them. Returns entries."""
    written = 0
    for some in chunks_of(cases, at_once):
        rows, subjects = bulk.cases(some)
        async with journal.writing() as w:
            await w.append(rows)
            await w.project(subjects)
        written += len(rows)
    return written
