"""The one door for what people and the node itself write: `outcome = await desk.submit(command, actor)`.

    desk = Desk(journal, signer, shelf, clock, wake, sealing_key, chance)

- The same accepted command id answers again with the same Outcome and writes nothing; a Refused writes nothing either, and
  the same id may be tried again, mended. An id that another person used is refused.
- State is read, decided and written in one transaction: entries (a lane is opened where needed), views, counters, the
  accepted command. One signature a lane, one sync of the disk. After the commit, and only then, pump and streams are woken.
- What the node writes by itself (errands, tables, nodes) goes the same way, with ids derived from what caused it.
- A sealed report leaves nothing but its box: no person, no subject, no place in any list; the Outcome is a receipt number.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from protocol import certificate as certificates
from protocol import entry, lane, tables
from protocol.certificate import Certificate
from protocol.commands import Command, EndPost, IssueCode, SealDispute
from protocol.events import Actor, DisputeLogged, Draft, NodeEnrolled, NodeRevoked, TableSet, TextBody, facts_of
from protocol.node import adopting, observe, sealing
from protocol.node.bodies import erase_bodies, expect_files
from protocol.node.deciding import Asked, decide
from protocol.node.errands import Errands
from protocol.node.folding import follow, follow_common, follow_ends
from protocol.node.journal import Journal, Stored, Writing
from protocol.node.journal.branches import Branched, adopted_id
from protocol.node.journal.rows import among, bound, fetch
from protocol.node.journal.stored import SELECT, stored
from protocol.node.shelf import Shelf
from protocol.node.signer import Signer
from protocol.node.wake import Wake
from protocol.place import COMMON
from protocol.problem import Refused

NODE = ("", "node")  # author of what the node writes by itself


class Outcome(msgspec.Struct, frozen=True):
    """command: its id · subjects: cases, tasks, persons touched, the first is the one acted on · entries: (ledger, origin, seq)
    · code: case code of a new dispute ("" else) · receipt: number of a sealed report ("" else; then there is nothing else)."""

    command: str
    subjects: tuple[str, ...]
    entries: tuple[tuple[str, str, int], ...]
    code: str = ""
    receipt: str = ""

    @property
    def subject(self) -> str:
        return self.subjects[0] if self.subjects else ""


class _Said(NamedTuple):
    """What one command leads to, for `_write`."""

    id: str
    drafts: Sequence[Draft]
    author: tuple[str, str]
    occurred_ms: int
    offset_ms: int | None


Make = Callable[[Asked], Awaitable[tuple[str, list[Draft]]]]  # (id, drafts) by what is there now, no drafts when nothing is due


class Desk:
    """offset: how far this node's clock is known to be ahead of the node above (set by whoever measures it)."""

    def __init__(
        self,
        journal: Journal,
        signer: Signer,
        shelf: Shelf,
        clock: Callable[[], int],
        wake: Wake,
        sealing_key: bytes | None = None,
        chance: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """sealing_key: X25519 public key, 32 bytes (None: SealDispute is refused) · chance: random bytes (salts)."""
        self.journal, self.signer, self.shelf, self.clock, self.wake = journal, signer, shelf, clock, wake
        self.offset: Callable[[], int | None] = lambda: None
        self.stopped: Callable[[], str] = lambda: ""  # why nothing may be written here (a code of problem.SENTENCES), "" when all is well
        self.is_asked: Callable[[], bool] = lambda: True  # whether `ready` would return at once
        self.ready: Callable[[], Awaitable[None]] = _at_once  # returns when others were asked what they hold of ours
        self._sealing_key, self._chance = sealing_key, chance
        self.errands = Errands(self)

    @observe.each("save", lambda _, command, *__, **___: {"kind": type(command).__name__})
    async def submit(self, command: Command, actor: Actor, at_ms: int | None = None, offset_ms: int | None = None) -> Outcome:
        """at_ms: when it was done by the clock of whoever did it (a phone), offset_ms: how far that clock is ahead. Raises Refused."""
        occurred_ms = at_ms or getattr(command, "at_ms", None) or self.clock()
        if not 0 < occurred_ms < lane.COUNT_MAX:
            raise Refused("command_invalid", why="时间")
        offset_ms = self.offset() if at_ms is None else offset_ms
        await self.ready()
        try:
            outcome = await self._submit(command, actor, occurred_ms, offset_ms)
        except Refused as refused:
            if refused.code not in ("store_busy", "store_readonly") or not self.journal.url.startswith("postgres"):
                raise
            # another program had the same command, or the same lanes; or another server leads
            outcome = await self._submit(command, actor, occurred_ms, offset_ms)
        await self.wake.passed_on()  # mostly it is on its way before the page is written that says so: half a millisecond here, two there
        return outcome

    async def arrivals(self) -> list[Outcome]:
        """All that this node has to write by itself (`errands`). Call at start, after admissions and now and then.

        Nothing before others were asked: a disk that was put back would go on under numbers that it gave already.
        """
        return await self.errands.run() if self.is_asked() and not self.stopped() else []

    async def codes(self) -> list[Outcome]:
        """See Errands.codes."""
        return await self.errands.codes() if self.is_asked() and not self.stopped() else []

    async def merges(self) -> list[Outcome]:
        """See Errands.merges."""
        return await self.errands.merges() if self.is_asked() and not self.stopped() else []

    async def by_itself(self, make: Make) -> Outcome | None:
        """One thing that the node writes without being asked.

        None when nothing was written: nothing was due, this node wrote it before, or it was revoked."""
        return next(iter(await self.all_by_itself([make])), None)

    async def all_by_itself(self, makes: Sequence[Make], subjects: Iterable[str] = ()) -> list[Outcome]:
        """As many such things in one transaction; what was written, in order. subjects: what they will look at, read together."""
        async with self.journal.writing(brief=len(makes) == 1) as w:
            asked, due = self._asked(w), dict[str, list[Draft]]()
            await w.subjects(subjects)
            for make in makes if self.signer.node not in self.shelf.revoked else ():
                id_, drafts = await make(asked)
                if drafts:
                    due.setdefault(id_, drafts)
            before = {e.command for e in await _written(w, due) if entry.node_of(e.origin) == self.signer.node}
            now_ms, offset_ms = self.clock(), self.offset()
            said = [_Said(id_, drafts, NODE, now_ms, offset_ms) for id_, drafts in due.items() if not before & {id_, adopted_id(id_)}]
            outcomes = await self._write_all(asked, said) if said else []
        if outcomes:
            self._told(outcomes, [draft for one in said for draft in one.drafts])
        return outcomes

    async def set_table(self, name: str, version: str, valid_from: str, content: bytes) -> Outcome:
        """Only where the certificate covers *common*. The same again changes nothing. Raises Refused field_impossible."""
        tables.check(name, content)
        facts = TableSet("", 0, (), name, version, valid_from, content)
        id_ = entry.derive(f"{name} {version} {valid_from} {sha256(content).hexdigest()}", "set table")
        return await self._say(Draft(COMMON, entry.derive("table", name), "common", facts), id_)

    async def enrol_node(self, certificate: Certificate) -> Outcome:
        """Announces a certificate, a first one or a wider one of the same node."""
        raw = certificates.encode(certificate)
        facts = NodeEnrolled("", 0, (), raw)
        return await self._say(Draft(COMMON, certificate.node, "common", facts), entry.derive(sha256(raw).hexdigest(), "enrol node"))

    async def revoke_node(
        self,
        node: str,
        last: Iterable[tuple[str, str, int]],
        reason: str = "",
        tips: Mapping[tuple[str, str], bytes] = MappingProxyType({}),
        said: Iterable[tuple[str, str, int]] = (),
        heard_ms: int = 0,
    ) -> Outcome:
        """said, heard_ms: what its last Haves claimed beyond that, see NodeRevoked. last: (ledger, origin, last good seq); what that node wrote after counts nowhere until the holder adopts it.

        tips: (ledger, origin) → chain hash at that seq; of two histories of the lane that one counts.
        """
        good = tuple(sorted(last))
        hashes = tuple(tips.get((ledger, origin), b"") for ledger, origin, _ in good)
        facts = NodeRevoked("", 0, (), node, good, hashes, tuple(sorted(said)), heard_ms)
        id_ = entry.derive(sha256(msgspec.msgpack.encode(facts)).hexdigest(), "revoke node")
        return await self._say(Draft(COMMON, node, "common", facts, TextBody(reason)), id_)

    async def adopt(self, row: Branched, actor: Actor, decision: str = "adopt", reason: str = "") -> Outcome:
        """Decides about what one command wrote in another history: written anew for its author, or contested; once, whoever asks again.

        Raises Refused not_served, version_unknown, node_revoked, node_forked.
        """
        id_ = entry.derive(row.command, f"decide {row.origin}")
        async with self.journal.writing() as w:
            known = await _accepted(w, id_, actor.person, self.signer.node)
            if known:
                return known
            self._may_write(actor.office)
            asked, rows = self._asked(w), await adopting.same_command(w, row)
            drafts: list[Draft] = []
            if decision == "adopt" and not await adopting.already(asked, row):
                drafts = [draft for one in rows for draft in await adopting.rewritten(asked, one)]
            if drafts:
                head = row.head
                anew, first = adopted_id(row.command), entry.node_of(row.origin)
                await self._write(asked, drafts, head.author, anew, head.occurred_ms, head.offset_ms, first)
            said = [adopting.decided(one, self.signer.certificate, actor.office, decision, reason) for one in rows]
            outcome = await self._write(self._asked(w), said, (actor.person, actor.post), id_, self.clock(), self.offset())
        self._told([outcome], [*drafts, *said])
        return outcome

    # ── the rest is private ──

    async def _submit(self, command: Command, actor: Actor, occurred_ms: int, offset_ms: int | None) -> Outcome:
        async with self.journal.writing(brief=True, urgent=True) as w:
            asked, known = self._asked(w), await _accepted(w, command.id, actor.person)
            if known and isinstance(command, IssueCode):  # whoever hears it opens the account again: judged by the posts of now
                await decide(asked, command, actor)
            if known:
                return known
            self._may_write(actor.office)
            if isinstance(command, SealDispute):
                drafts, author = [self._sealed(command, actor, occurred_ms)], NODE
            else:
                drafts, author = await decide(asked, command, actor), (actor.person, actor.post)
            outcome = await self._write(asked, drafts, author, command.id, occurred_ms, offset_ms)
        if isinstance(command, EndPost):
            await follow_ends(self.journal, self.shelf)
        self._told([outcome], drafts, w.added())
        return outcome

    def _asked(self, w: Writing) -> Asked:
        return Asked(w, self.signer, self.shelf, self.clock())

    def _may_write(self, office: str) -> None:
        if self.signer.node in self.shelf.revoked:
            raise Refused("node_revoked")
        if (code := self.stopped()) and code != "store_readonly":  # whether it still is, the save itself finds out
            raise Refused(code)
        if not office or not certificates.serves(self.signer.certificate, office):
            raise Refused("not_served", office=self.shelf().office_name(office))

    def _sealed(self, command: SealDispute, actor: Actor, at_ms: int) -> Draft:
        if "log" not in actor.powers:
            raise Refused("not_allowed", what="密封转交")
        if not self.shelf().type_flag(command.type, "sealed"):
            raise Refused("type_unknown", field="type", type=command.type)
        if self._sealing_key is None:
            raise Refused("ledger_not_covered", place="密封台账")
        ledger = certificates.sealed_ledger(self.signer.certificate)
        return sealing.seal(command, actor, ledger, at_ms, self._sealing_key, self._chance)

    async def _say(self, draft: Draft, id_: str) -> Outcome:
        """What the node itself has to say in *common*; then the tables in force are looked at again. Raises Refused store_busy."""
        await self.ready()
        if (code := self.stopped()) == "store_busy":  # it opens again under another origin: whoever asked for it asks once more
            raise Refused(code)
        async with self.journal.writing() as w:
            known = await _accepted(w, id_, NODE[0], self.signer.node)
            if known:
                return known
            outcome = await self._write(self._asked(w), [draft], NODE, id_, self.clock(), self.offset())
        if await follow_common(self.journal, self.shelf):
            await follow(self.journal, self.shelf)
        self._told([outcome], [draft])
        return outcome

    async def _write(
        self,
        asked: Asked,
        drafts: Sequence[Draft],
        author: tuple[str, str],
        id_: str,
        occurred_ms: int,
        offset_ms: int | None,
        first: str = "",
    ) -> Outcome:
        """What is acted on comes first in `drafts`, so its subject is the first of the outcome. first: as in `_write_all`."""
        (outcome,) = await self._write_all(asked, [_Said(id_, drafts, author, occurred_ms, offset_ms)], first)
        return outcome

    async def _write_all(self, asked: Asked, said: Sequence[_Said], first: str = "") -> list[Outcome]:
        """One commit a lane and command, in the order of `said`. first: the node that wrote it, where it is written anew here: its files may
        be elsewhere."""
        w, every = asked.w, [draft for one in said for draft in one.drafts]
        turns = await asked.turns({draft.subject for draft in every})
        heads = await self._heads(w, {draft.ledger for draft in every})
        written, by_command = list[Stored](), list[list[Stored]]()
        for one in said:
            proven = list[lane.Proven]()
            for ledger in dict.fromkeys(draft.ledger for draft in one.drafts):
                commit = self._commit(heads[ledger], [draft for draft in one.drafts if draft.ledger == ledger], one, turns)
                heads[ledger] = commit.head
                proven += commit.entries
            turns.update({p.head.subject: max(p.head.turn, turns.get(p.head.subject, 0)) for p in proven})
            by_command.append([row_of(p, self.clock()) for p in proven])
            written += by_command[-1]
        await w.append(written)
        await expect_files(w, written, first, self.clock(), first=first)
        await w.project({draft.subject for draft in every} | await erase_bodies(w, written))
        outcomes = [_outcome(one.id, rows) for one, rows in zip(said, by_command, strict=True)]
        await w.remember({outcome.command: msgspec.msgpack.encode(outcome) for outcome in outcomes})
        return outcomes

    def _commit(self, head: lane.LaneHead, drafts: Sequence[Draft], said: _Said, turns: Mapping[str, int]) -> lane.Commit:
        opening = [] if head.seq else [lane.open_lane(drafts[0].ledger, self.signer.origin, self.signer.certificate)]
        return lane.next_entries(
            head,
            [*opening, *drafts],
            origin=self.signer.origin,
            key=self.signer.key,
            author=said.author,
            command=said.id,
            occurred_ms=said.occurred_ms,
            offset_ms=said.offset_ms,
            turns=turns,
            salt=lambda: self._chance(entry.SALT_BYTES),
        )

    async def _heads(self, w: Writing, ledgers: Iterable[str]) -> dict[str, lane.LaneHead]:
        """Of our own lanes; locked in one order by every program."""
        for ledger in ledgers:
            if not certificates.writes(self.signer.certificate, ledger):
                raise Refused("ledger_not_covered", place=self.shelf().place_full(ledger))
        found = await w.lane_heads([(ledger, self.signer.origin) for ledger in ledgers])
        return {ledger: head for (ledger, _), head in found.items()}

    def _told(self, outcomes: Sequence[Outcome], drafts: Sequence[Draft], added: Mapping[tuple[str, str], Any] | None = None) -> None:
        lanes = {(draft.ledger, self.signer.origin) for draft in drafts}
        self.wake.commit(lanes, {subject for outcome in outcomes for subject in outcome.subjects}, added)


async def _at_once() -> None:
    """Nobody has to be asked first."""


def row_of(one: lane.Proven, received_ms: int) -> Stored:
    """A proven entry as the journal takes it."""
    h, e = one.head, one.entry
    gone = e.body is None and h.body_hash != b""
    ids = (h.ledger, h.origin, h.seq, h.subject, h.sort, h.command)
    return Stored(0, *ids, e.head_bytes, e.salt, e.body, one.hash, one.signature, received_ms, gone, h)


async def _accepted(w: Writing, id_: str, person: str, node: str = "") -> Outcome | None:
    """What an accepted command led to, here or at another node, as its entries tell. Raises Refused for somebody else's id.

    node: only what this node wrote counts. Ids that a node derives can be foreseen, so another could use them up.
    """
    written = [e for e in await _written(w, [id_]) if e.sort != lane.SORT and node in ("", entry.node_of(e.origin))]
    if not written:
        return None
    author, outcome = written[0].head.author[0], _outcome(id_, written)
    if author != person and not outcome.receipt:
        raise Refused("command_invalid", why="这个请求编号已经用过")
    return outcome


async def _written(w: Writing, ids: Iterable[str]) -> list[Stored]:
    """Entries that these commands led to, also where they were adopted."""
    c, wanted = w.connection, [name for id_ in ids for name in (id_, adopted_id(id_))]
    if not wanted:
        return []
    sql = f"{SELECT} where {among(c, 'command', 'commands')} order by position"
    return [stored(row) for row in await fetch(c, sql, {"commands": bound(c, wanted)})]


def _outcome(id_: str, written: Sequence[Stored]) -> Outcome:
    """The opening of a lane is no part of it; of a sealed report only the number of its slip."""
    said = [e for e in written if e.sort != lane.SORT]
    if any(e.sort == sealing.SORT for e in said):
        return Outcome(id_, (), (), receipt=sealing.receipt_of(said[0].subject))
    logged = [facts_of(e.head) for e in said if e.head.kind == "DisputeLogged"]
    code = next((facts.code for facts in logged if isinstance(facts, DisputeLogged)), "")
    return Outcome(id_, tuple(dict.fromkeys(e.subject for e in said)), tuple(e.key for e in said), code)
