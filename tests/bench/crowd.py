"""A county's nodes and what they wrote, in memory: real disputes, decided by the rules, chained and signed as nodes do it.

    crowd = Crowd(entries)          one node a village and a township of the county, 233 of them
    crowd.lanes                     (ledger, origin) → its entries, proven
    crowd.pieces(limit)             every lane as it travels, cut at `limit` entries: lane by lane, in order

No journal, no disk: seconds for a county. A play ends where the county would act, so all of it is written by the nodes below, and
what waits for the county waits. The same numbers give the same bytes.
"""

import random
from functools import lru_cache
from hashlib import sha256
from types import SimpleNamespace

from nacl.signing import SigningKey

from deploy.demo import history, seed
from protocol import batch as batches
from protocol import certificate as certificates
from protocol import codes, commands, dispute, entry, lane, task
from protocol.batch import Batch
from protocol.certificate import Certificate
from protocol.commands import AssignTask, Command, LogDispute, TaskCommand
from protocol.context import Cadre, Context
from protocol.entry import Admitted
from protocol.events import Actor, Draft
from protocol.fold import fold_case, fold_task
from protocol.lane import LaneHead, Proven
from protocol.node.signer import Signer
from protocol.place import parent, tier
from protocol.problem import Refused
from protocol.tables import Tables

COUNTY = "330523"
NOW_MS = 1_795_000_000_000  # 2026-11-18
DAYS = 160
YEAR = 2026


class Author:
    """A node below the county: a village's, or a township's that covers its villages."""

    def __init__(self, county_key: SigningKey, path: str, number: int) -> None:
        self.path, self.number = path, number
        node = "n" + "".join("abcdefghijklmnopqrstuvwxyz234567"[b % 32] for b in sha256(path.encode()).digest()[:8])
        reach = (path,) if tier(path) == 2 else (path, f"{path}/*")
        key = SigningKey(sha256(f"key {path}".encode()).digest())
        self.certificate: Certificate = certificates.issue(
            county_key, node=node, name=path, key=bytes(key.verify_key), serves=(path,), covers=reach, short=number, valid_from_ms=1,
            branch=path.split("/")[1],
        )  # fmt: skip
        self.signer = Signer(node, 1, key, self.certificate)
        self.counts = {"case": 0, "paper": 0}

    def count(self, kind: str) -> int:
        self.counts[kind] += 1
        return self.counts[kind]


def authors(county_key: SigningKey, tables: Tables) -> dict[str, Author]:
    """By path, the townships first. The same key of the county gives the same ones."""
    towns = tables.children(COUNTY)
    paths = [*towns, *(village for town in towns for village in tables.children(town))]
    return {path: Author(county_key, path, n) for n, path in enumerate(paths, 17)}


class Crowd:
    """authors by path · lanes: (ledger, origin) → entries in order, LaneOpened first."""

    def __init__(self, entries: int, number: int = 1) -> None:
        """entries: how many at least, spread over all villages. number: of the seed."""
        self.county_key = SigningKey(sha256(b"crowd county").digest())
        self.tables, self._chance = Tables.packaged(), random.Random(number)
        towns = self.tables.children(COUNTY)
        self.villages = [v for t in towns for v in self.tables.children(t)]
        self.authors = authors(self.county_key, self.tables)
        self.lanes: dict[tuple[str, str], list[Proven]] = {}
        self._heads: dict[tuple[str, str], LaneHead] = {}
        self._subjects: dict[str, list[Admitted]] = {}
        self._write(entries, number)

    @property
    def root_public(self) -> bytes:
        return bytes(self.county_key.verify_key)

    @property
    def entries(self) -> int:
        return sum(map(len, self.lanes.values()))

    def pieces(self, limit: int = batches.BATCH_ENTRIES_MAX) -> dict[tuple[str, str], list[Batch]]:
        found: dict[tuple[str, str], list[Batch]] = {}
        for (ledger, origin), proven in self.lanes.items():
            rows = [
                SimpleNamespace(head_bytes=p.entry.head_bytes, salt=p.entry.salt, body=p.entry.body, hash=p.hash, signature=p.signature)
                for p in proven
            ]
            after, prev = 0, entry.START
            while after < len(rows):
                made = batches.cut(rows[after:], ledger, origin, after, prev, limit)
                assert made is not None
                found.setdefault((ledger, origin), []).append(made)
                after, prev = made.last, rows[made.last - 1].hash
        return found

    # ── writing ──

    def _write(self, entries: int, number: int) -> None:
        each = max(1, entries // (9 * len(self.villages)))  # a play has about nine acts below the county
        plays = list(history.plays(number, NOW_MS, [(v, each) for v in self.villages], DAYS))
        acts = sorted(((act.at_ms, play.number, n) for play in plays for n, act in enumerate(play.acts)))
        by_number, over = {play.number: play for play in plays}, set[int]()
        for _, at, n in acts:
            play = by_number[at]
            if at in over:
                continue
            try:
                self._act(play, play.acts[n])
            except (Refused, LookupError):
                over.add(at)  # the county's turn, or what the rules no longer allow

    def _act(self, play: history.Play, act: history.Act) -> None:
        writer = self.authors[act.office]  # LookupError: the county, or one of its units
        case = entry.derive(play.acts[0].name, "case")
        command = _command(act, case, self._cadre(act.office if tier(act.office) == 1 else parent(act.office) or ""))
        person = _person(act.fields.get("task", act.name) if act.kind == "cadre" else f"{act.kind} {act.office}")
        actor = Actor(person, f"{act.kind}.00000001", act.office, self.tables.post_powers(act.kind), "办事员")
        self.write(writer, self._decide(writer, command, actor, act.at_ms), (actor.person, actor.post), command.id, act.at_ms)

    def _cadre(self, township: str) -> str:
        return self.authors[township].signer.node

    def _decide(self, writer: Author, command: Command, actor: Actor, at_ms: int) -> list[Draft]:
        if isinstance(command, TaskCommand):
            known = fold_task(self._subjects.get(command.task, ()), self.tables)
            return task.decide_task(known, command, actor, self._context(writer, at_ms))
        if isinstance(command, LogDispute):
            code = codes.case_code(YEAR, writer.number, 1, writer.count("case"))
            return dispute.decide(None, command, actor, self._context(writer, at_ms, code=code))
        case = fold_case(self._subjects.get(command.case, ()), self.tables)  # type: ignore[attr-defined]
        if isinstance(command, AssignTask):
            cadre = Cadre(command.cadre, "许干部", writer.signer.covers)
            return dispute.decide(case, command, actor, self._context(writer, at_ms, cadre=cadre))
        into = getattr(command, "into", "")
        other = fold_case(self._subjects.get(into, ()), self.tables) if into else None
        paper = codes.paper_number(YEAR, writer.number, 1, writer.count("paper"), "调")
        return dispute.decide(case, command, actor, self._context(writer, at_ms, paper=paper, cases={other.id: other} if other else {}))

    def _context(self, writer: Author, at_ms: int, **more: object) -> Context:
        signer = writer.signer
        return Context(now_ms=at_ms, serves=signer.serves, covers=signer.covers, tables=self.tables, **more)  # type: ignore[arg-type]

    def write(self, writer: Author, drafts: list[Draft], author: tuple[str, str], id_: str, at_ms: int) -> None:
        """One commit a lane."""
        for ledger in dict.fromkeys(draft.ledger for draft in drafts):
            key = (ledger, writer.signer.origin)
            head, some = self._heads.get(key), [draft for draft in drafts if draft.ledger == ledger]
            opening = [] if head else [lane.open_lane(ledger, writer.signer.origin, writer.certificate)]
            turns = {d.subject: max((a.head.turn for a in self._subjects.get(d.subject, ())), default=0) for d in some}
            commit = lane.next_entries(
                head, [*opening, *some], origin=writer.signer.origin, key=writer.signer.key, author=author, command=id_, occurred_ms=at_ms,
                offset_ms=0, turns=turns, salt=lambda: self._chance.randbytes(entry.SALT_BYTES),
            )  # fmt: skip
            self._heads[key] = commit.head
            self.lanes.setdefault(key, []).extend(commit.entries)
            for one in commit.entries:
                self._subjects.setdefault(one.head.subject, []).append(Admitted(one.head, one.entry.body, at_ms))


def _command(act: history.Act, case: str, home: str) -> Command:
    kind = getattr(commands, act.command)
    fields = {**act.fields, "id": act.name}
    if issubclass(kind, commands.CaseCommand):
        fields["case"] = case
    if issubclass(kind, TaskCommand):
        fields["task"] = entry.derive(act.fields["task"], "task")
    if kind is AssignTask:
        fields |= {"case": case, "cadre": _person(act.name), "home": home}
    return seed.msgspec.convert(fields, kind)


@lru_cache(4096)
def _person(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:32]
