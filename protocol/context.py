"""What decide may know besides the case: the time, what this node serves and covers, tables, numbers drawn for it."""

from typing import NamedTuple

import msgspec

from protocol.case import Case
from protocol.tables import Tables


class Cadre(msgspec.Struct, frozen=True):
    """Whom a task is for. home_covers: what the node that serves his phone covers · office: of his post, whose ledger reaches him."""

    person: str
    name: str
    home_covers: tuple[str, ...]
    office: str = ""


class Join(NamedTuple):
    """A task to join a case: the unit asked, the task, where it stands."""

    unit: str
    task: str
    status: str


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """code, paper: a case code and a paper number drawn for this command (used only by LogDispute, SignAgreement).

    nodes: (serves, covers) of every node of the county that is not revoked.
    held: (ledger, subject, origin, seq) of each entry of the case and of its tasks that has words (used only by RemoveDispute).
    cases: other cases a command names (MergeDispute.into, AssignTask.case, that of the task of a RecallTask), by subject.
    joins: of the case (used only by ConveneUnits and RecallTask).
    """

    now_ms: int
    serves: tuple[str, ...]
    covers: tuple[str, ...]
    tables: Tables
    code: str = ""
    paper: str = ""
    cadre: Cadre | None = None
    cases: dict[str, Case] = {}
    held: tuple[tuple[str, str, str, int], ...] = ()
    nodes: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    joins: tuple[Join, ...] = ()


class Step(msgspec.Struct, frozen=True):
    """A command that may be asked for now. label: the button · sentence: what will happen to whom · sees: what whom it is sent to will see."""

    command: str
    label: str
    sentence: str
    sees: str = ""
