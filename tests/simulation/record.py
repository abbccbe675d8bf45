"""What the people of a simulated county were told: what is saved, what was refused, what still stands typed in a form.

Checkers hold it against the journals. A line enters `acknowledged` at the moment `desk.submit` returns, without a wait in between: a
node that is killed before has told nobody anything. A form stands in `forms` from before its sending until its answer, so whoever
was cut off sends the same command id again.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from protocol.commands import Command
from protocol.events import Actor
from protocol.node.desk import Outcome

Key = tuple[str, str, int]
Look = Callable[[Any, Sequence[Key]], list[bytes]]
Find = Callable[[Any, str], list[Key]]
RECENT_MAX = 6
AGAIN = ("disk_full", "store_busy", "store_damaged", "node_forked")  # the form stays open: the person tries once more


class Broken(AssertionError):
    """A promise that can be judged on the spot was not kept."""


@dataclass(frozen=True)
class Acknowledged:
    """Entries of one lane that one command led to, as the person was told. hashes: chain hash of each · code: of a new dispute, as on the slip."""

    node: str
    command: str
    kind: str
    person: str
    ledger: str
    origin: str
    seq_first: int
    seq_last: int
    hashes: tuple[bytes, ...]
    code: str = ""


@dataclass(frozen=True)
class RefusedForm:
    node: str
    command: str
    kind: str
    code: str


@dataclass
class Form:
    """What stands typed at one node's page, or waits in a phone."""

    node: str
    command: Command
    actor: Actor
    at_ms: int | None = None
    offset_ms: int | None = None
    step: str = ""  # of a phone: the command's kind

    @property
    def kind(self) -> str:
        return self.step or type(self.command).__name__


@dataclass(frozen=True)
class Shown:
    """A receipt that a page of `node` showed for an entry: the mark `level` was reached."""

    node: str
    key: Key
    level: str


@dataclass(frozen=True)
class LetGo:
    """A phone was told that a second node has what this command wrote, and forgot it. keys: its entries, as the phone's node had them."""

    node: str
    person: str
    command: str
    keys: tuple[Key, ...]


@dataclass
class Record:
    """look: (node, keys) → their chain hashes as committed there (b"" for what is not), find: (node, command id) → keys; both without
    waiting, the world's own eyes."""

    look: Look
    find: Find
    acknowledged: list[Acknowledged] = field(default_factory=list)
    refused: list[RefusedForm] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    let_go: list[LetGo] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)  # command id of a sealed report → number of its slip
    secrets: list[str] = field(default_factory=list)  # words of sealed reports: in clear they may stand in no journal
    files: list[str] = field(default_factory=list)  # addresses of what was taken in at a desk, anywhere
    pried: set[tuple[str, str]] = field(default_factory=set)  # (node, address) of files that wrong hands asked for
    invented: set[str] = field(default_factory=set)  # origins under which somebody spoke with a certificate of his own making
    erased: list[Key] = field(default_factory=list)  # whose erasure was confirmed
    forms: list[Form] = field(default_factory=list)
    on_shown: Callable[[Any, Shown], None] | None = None  # (node, what), at the moment it is shown
    on_let_go: Callable[[Any, LetGo], None] | None = None
    done: list[tuple[Form, Outcome]] = field(default_factory=list)
    phones: dict[str, Any] = field(default_factory=dict)  # person → phone.Phone
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT_MAX))  # subjects acted on last, anywhere: people meet over them

    def typed(self, form: Form) -> None:
        if all(form.command.id != other.command.id for other in self.forms):
            self.forms.append(form)

    def forget(self, form: Form) -> None:
        self.forms = [other for other in self.forms if other.command.id != form.command.id]

    def acknowledge(self, node: Any, form: Form, outcome: Outcome) -> None:
        """Raises Broken when what was said to be saved is not there."""
        self.forget(form)
        self.done.append((form, outcome))
        if outcome.subject and outcome.subject not in self.recent:
            self.recent.append(outcome.subject)
        if outcome.receipt:
            self.receipts[outcome.command] = outcome.receipt
        self._told(node, form, self.find(node, outcome.command) if outcome.receipt else outcome.entries, outcome.code)

    def answered(self, node: Any, form: Form) -> None:
        """A phone's step: its answer names no entries. Raises Broken."""
        self._told(node, form, self.find(node, form.command.id), "")

    def _told(self, node: Any, form: Form, keys: Sequence[Key], code: str) -> None:
        lanes: dict[tuple[str, str], list[int]] = {}
        for ledger, origin, seq in keys:
            lanes.setdefault((ledger, origin), []).append(seq)
        for (ledger, origin), seqs in lanes.items():
            hashes = tuple(self.look(node, [(ledger, origin, seq) for seq in seqs]))
            if b"" in hashes:
                raise Broken(f"{form.kind} {form.command.id} was said to be saved, but {ledger} {origin} {seqs} is not all there")
            told = (form.node, form.command.id, form.kind, form.actor.person, ledger, origin)
            self.acknowledged.append(Acknowledged(*told, seqs[0], seqs[-1], hashes, code))

    def show(self, node: Any, shown: Shown) -> None:
        self.shown.append(shown)
        if self.on_shown:
            self.on_shown(node, shown)

    def let_it_go(self, node: Any, gone: LetGo) -> None:
        self.let_go.append(gone)
        if self.on_let_go:
            self.on_let_go(node, gone)

    def refuse(self, form: Form, code: str) -> None:
        self.refused.append(RefusedForm(form.node, form.command.id, form.kind, code))
        if code not in AGAIN:
            self.forget(form)

    def of_node(self, node: str) -> list[tuple[Form, Outcome]]:
        return [(form, outcome) for form, outcome in self.done if form.node == node]


def in_memory() -> Record:
    """A Record for nodes whose journals lie on simulated disks (`store.Disk`)."""

    def look(node: Any, keys: Sequence[Key]) -> list[bytes]:
        sql = "select hash from entry where ledger = ? and origin = ? and seq = ?"
        found = [node.journal._writer.disk.rows(sql, key) for key in keys]
        return [bytes(rows[0][0]) if rows else b"" for rows in found]

    def find(node: Any, command: str) -> list[Key]:
        sql = "select ledger, origin, seq from entry where command = ? and sort <> 'lane' order by ledger, origin, seq"
        return [(row[0], row[1], row[2]) for row in node.journal._writer.disk.rows(sql, (command,))]

    return Record(look, find)
