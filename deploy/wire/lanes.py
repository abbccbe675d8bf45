"""A county's lanes in memory, drawn from a seed and written by the real rules: what travels, for training and for measuring.

    lanes = drawn(seed, villages=40, each=6)      (ledger, origin) → its commits, one a command, signed, salted, chained as a desk does

Every office has a node of its own, as where each village has its PC. Persons and texts are the demo's: made up. Ids are as random as
real ones (32 hex digits), so nothing here is shorter than it will be. `text`: words put in the place of every text of a body.
"""

import datetime as dt
import random
from base64 import b32encode
from collections.abc import Callable
from typing import Any, Final

import msgspec
from nacl.signing import SigningKey

from deploy.demo import history
from deploy.demo.history_act import Act
from protocol import certificate as certificates
from protocol import commands, dispute, entry, lane, task
from protocol.certificate import Certificate
from protocol.context import Cadre, Context
from protocol.entry import Admitted
from protocol.events import Actor, Draft
from protocol.fold import fold_case, fold_task
from protocol.lane import Commit
from protocol.place import is_unit, segments
from protocol.problem import Refused
from protocol.tables import Tables

COUNTY = "330523"
NOW_MS = int(dt.datetime.fromisoformat("2026-11-24T10:30:00+08:00").timestamp() * 1000)
WORDS_FROM: Final = 6  # a shorter text of a body is a name or a code
Lanes = dict[tuple[str, str], list[Commit]]
Text = Callable[[random.Random, str], str]


def drawn(seed: int, villages: int = 40, each: int = 6, text: Text | None = None) -> Lanes:
    """The same arguments give the same bytes. What the rules refuse ends that dispute, as in the demo."""
    tables, chance = Tables.packaged(), random.Random(seed)
    paths = [path for township in tables.children(COUNTY) for path in tables.children(township)]
    where = [(path, each) for path in sorted(chance.sample(paths, villages))]
    county = _County(chance, tables, text)
    plays = list(history.plays(seed, NOW_MS, where))
    stopped: set[int] = set()
    for _, number, at in sorted((act.at_ms, play.number, at) for play in plays for at, act in enumerate(play.acts)):
        if number in stopped:
            continue
        try:
            county.play(plays[number].acts[at], entry.derive(plays[number].acts[0].name, "case"))
        except Refused:
            stopped.add(number)
    return county.lanes


class _County:
    """One memory of all entries; a lane an office and ledger."""

    def __init__(self, chance: random.Random, tables: Tables, text: Text | None) -> None:
        self.chance, self.tables, self.text = chance, tables, text
        self.root = SigningKey(chance.randbytes(32))
        self.lanes: Lanes = {}
        self.nodes: dict[str, tuple[str, SigningKey, Certificate]] = {}
        self.entries: dict[str, list[Admitted]] = {}
        self.people: dict[tuple[str, str], tuple[str, str]] = {}
        self.count = 0

    def play(self, act: Act, case: str) -> None:
        """Ids of subjects derive from the act's name; what is written carries a command id as a page makes it."""
        kind: Any = getattr(commands, act.command)
        fields: dict[str, Any] = {**act.fields, "id": act.name}
        more: dict[str, Any] = {}
        if issubclass(kind, commands.CaseCommand):
            fields["case"] = case
        if issubclass(kind, commands.TaskCommand):
            fields["task"] = entry.derive(act.fields["task"], f"join {act.office}" if act.kind == "department" else "task")
        if kind is commands.AssignTask:
            cadre = self.person(act.office, "cadre")[0]
            fields |= {"case": case, "cadre": cadre, "home": self.node(COUNTY)[0].partition(":")[0]}
            more = {"cadre": Cadre(cadre, "某干部", (f"{COUNTY}/*",)), "cases": {case: self.case(case)}}
        command = msgspec.convert(fields, kind)
        if kind is commands.MergeDispute:
            more = {"cases": {command.into: self.case(command.into)}}
        drafts = self.decided(command, act, case, more)
        id_ = entry.derive(act.name, "id")
        self.write(drafts, act.office, act.at_ms, id_, self.person(act.office, act.kind))
        known = self.case(case) if "to" in act.fields else None
        arrived = dispute.arrival(known, (f"{COUNTY}/*",)) if known else None
        if arrived is not None:
            self.write([arrived], arrived.facts.office, act.at_ms + 3_000, entry.derive(id_, "arrived"), ("", "node"))

    def decided(self, command: Any, act: Act, case: str, more: dict[str, Any]) -> list[Draft]:
        self.count += 1
        numbers = {"code": f"2026-017-{self.count:05d}K", "paper": f"（2026）安调字第017-{self.count:05d}号"}
        reach = (f"{COUNTY}/*",)
        context = Context(now_ms=act.at_ms, serves=reach, covers=reach, tables=self.tables, **numbers, **more)
        person, post = self.person(act.office, act.kind)
        actor = Actor(person, post, act.office, self.tables.post_powers(act.kind))
        if isinstance(command, commands.TaskCommand | commands.AssignTask):
            found = fold_task(self.entries.get(getattr(command, "task", ""), ()), self.tables)
            return list(task.decide_task(found, command, actor, context))
        return list(dispute.decide(self.case(case) if isinstance(command, commands.CaseCommand) else None, command, actor, context))

    def case(self, subject: str) -> Any:
        return fold_case(self.entries.get(subject, ()), self.tables)

    def person(self, office: str, kind: str) -> tuple[str, str]:
        """(person id, post id): one for each kind of post of an office."""
        return self.people.setdefault((office, kind), (self.chance.randbytes(16).hex(), f"{kind}.{self.chance.randbytes(4).hex()}"))

    def node(self, office: str) -> tuple[str, SigningKey, Certificate]:
        """(origin, key, certificate) of the node that serves the office: a unit's entries come from the county's."""
        parts = segments(office)
        at = parts[0] if is_unit(office) else office
        if at not in self.nodes:
            name = "n" + b32encode(self.chance.randbytes(5)).decode().lower()
            key = SigningKey(self.chance.randbytes(32))
            reach = (f"{at}/*", "_", f"{COUNTY}/sealed/*") if at == COUNTY else (f"{at}/*",) if len(segments(at)) < 3 else (at,)
            made = certificates.issue(
                self.root, node=name, name=self.tables.office_name(at), key=bytes(key.verify_key), serves=(reach[0],), covers=reach,
                short=len(self.nodes) + 1, valid_from_ms=NOW_MS, branch="_" if at == COUNTY else segments(at)[1],
            )  # fmt: skip
            self.nodes[at] = (f"{name}:1", key, made)
        return self.nodes[at]

    def write(self, drafts: list[Draft], office: str, at_ms: int, command: str, author: tuple[str, str]) -> None:
        origin, key, certificate = self.node(office)
        for ledger in dict.fromkeys(draft.ledger for draft in drafts):
            some = [self.worded(draft) for draft in drafts if draft.ledger == ledger]
            commits = self.lanes.setdefault((ledger, origin), [])
            opening = [] if commits else [lane.open_lane(ledger, origin, certificate)]
            known = {draft.subject: max((one.head.turn for one in self.entries.get(draft.subject, ())), default=0) for draft in some}
            made = lane.next_entries(
                commits[-1].head if commits else None, [*opening, *some], origin=origin, key=key, author=author, command=command,
                occurred_ms=at_ms, offset_ms=self.chance.randrange(-40, 40), turns=known, salt=lambda: self.chance.randbytes(16),
            )  # fmt: skip
            commits.append(made)
            for one in made.entries[len(opening) :]:
                self.entries.setdefault(one.head.subject, []).append(Admitted(one.head, one.entry.body, at_ms))

    def worded(self, draft: Draft) -> Draft:
        """With other words in the body, where those of the demo are not wanted."""
        if self.text is None or draft.body is None:
            return draft
        change = {
            name: self.text(self.chance, value)
            for name in draft.body.__struct_fields__
            if isinstance(value := getattr(draft.body, name), str) and len(value) > WORDS_FROM
        }
        return msgspec.structs.replace(draft, body=msgspec.structs.replace(draft.body, **change)) if change else draft
