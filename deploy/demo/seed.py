"""Plays the drawn history at the real desks of the demo's nodes, each act at its own time, before the nodes are started.

Every act goes through `desk.submit` of the node that serves its office, as if that clerk had typed it that day. What an office
needs of another node's lanes is admitted first, by the same batches that travel on the wire.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from deploy.demo.history import Act, Play
from protocol import batch as batches
from protocol import certificate as certificates
from protocol import commands, entry
from protocol.commands import CaseCommand, Command, TaskCommand
from protocol.events import Actor
from protocol.lane import EMPTY
from protocol.node.node import Node
from protocol.place import COMMON, within
from protocol.problem import Refused

Progress = Callable[[int, int], None]
UNDERWAY_MS = 4_000


class Clock:
    """Stands at the time of the act that is being played."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms


class Staff:
    """Who acts for an office: one person a post kind. actors: (office, kind) → Actor."""

    def __init__(self) -> None:
        self.actors: dict[tuple[str, str], Actor] = {}
        self.cadres: dict[str, list[tuple[str, str]]] = {}  # township → (person, home node)


def node_for(nodes: Sequence[Node], office: str) -> Node:
    """The node that serves the office most closely. Raises LookupError."""
    serving = [n for n in nodes if certificates.serves(n.certificate, office)]
    if not serving:
        raise LookupError(office)
    return max(serving, key=lambda n: len(n.office))


async def bring(nodes: Sequence[Node], to: Node, ledger: str) -> int:
    """Admits at `to` whatever the others have of the ledger and it lacks. Returns entries."""
    new = 0
    have = await to.journal.heads(ledger)
    for other in nodes:
        if other is to or not certificates.hears(to.certificate, ledger):
            continue
        for (_, origin), head in (await other.journal.heads(ledger)).items():
            at = have.get((ledger, origin), EMPTY)
            after, prev = at.seq, at.hash
            while after < head.seq:
                rows = await other.journal.lane(ledger, origin, after, batches.BATCH_ENTRIES_MAX)
                batch = batches.cut(rows, ledger, origin, after, prev)
                if batch is None:
                    break
                new += await to.admission.admit(batch, other.signer.node)
                after, prev = batch.last, rows[batch.last - after - 1].hash
    return new


async def play(nodes: Sequence[Node], clock: Clock, plays: Sequence[Play], staff: Staff, progress: Progress) -> int:
    """Returns how many acts were written. A refusal of the rules skips the rest of that dispute: lawfully so, as on any day."""
    acts = sorted(((act.at_ms, play.number, n) for play in plays for n, act in enumerate(play.acts)))
    by_number = {play.number: play for play in plays}
    stopped: set[int] = set()
    written = 0
    for done, (at_ms, number, n) in enumerate(acts):
        play_, act = by_number[number], by_number[number].acts[n]
        if number not in stopped:
            clock.ms = at_ms
            try:
                await _one(nodes, clock, play_, act, staff)
                written += 1
            except Refused as refused:
                stopped.add(number)
                if refused.code not in LAWFUL:
                    raise
        if done % 20 == 0:
            progress(done, len(acts))
    progress(len(acts), len(acts))
    return written


LAWFUL = frozenset({"not_now", "not_holder", "no_offer", "task_not_now"})


async def _one(nodes: Sequence[Node], clock: Clock, play_: Play, act: Act, staff: Staff) -> None:
    """One act at its desk; a few seconds later every node that covers the place has it, as on a day when the lines are up."""
    node = node_for(nodes, act.office)
    command = _command(act, entry.derive(play_.acts[0].name, "case"), staff)
    if act.kind == "cadre":
        actor = staff.actors[act.office, f"cadre {_cadre(act.fields['task'], act.office, staff)[0]}"]
    else:
        actor = staff.actors[act.office, act.kind]
    outcome = await node.desk.submit(command, actor, at_ms=act.at_ms, offset_ms=0)
    clock.ms += UNDERWAY_MS
    ledgers = {ledger for ledger, _, _ in outcome.entries}
    for ledger in ledgers:
        for other in nodes:
            if other is not node and certificates.hears(other.certificate, ledger):
                await bring([node], other, ledger)
                await bring([other], node, ledger)  # what it wrote by itself: the arrival of an offer


def _cadre(task: str, township: str, staff: Staff) -> tuple[str, str]:
    """The same cadre for the same task, spread over those of the township."""
    choices = staff.cadres[township]
    return choices[int(entry.derive(task, "cadre")[:6], 16) % len(choices)]


def _command(act: Act, case: str, staff: Staff) -> Command:
    kind: type[Command] = getattr(commands, act.command)
    fields: dict[str, Any] = {**act.fields, "id": act.name}
    if issubclass(kind, CaseCommand):
        fields["case"] = case
    if issubclass(kind, TaskCommand):
        fields["task"] = entry.derive(act.fields["task"], f"join {act.office}" if act.kind == "department" else "task")
    if kind is commands.AssignTask:
        township = next(t for t in staff.cadres if within(act.fields["place"], t))
        person, home = _cadre(act.name, township, staff)
        fields |= {"case": case, "cadre": person, "home": home}
    return msgspec.convert(fields, kind)


async def share(nodes: Sequence[Node]) -> int:
    """Every node gets what it covers; *common* first."""
    new = 0
    for to in nodes:
        ledgers = {ledger for n in nodes for ledger in await n.journal.ledgers()}
        for ledger in sorted(ledgers, key=lambda path: (path != COMMON, path)):
            new += await bring(nodes, to, ledger)
    return new
