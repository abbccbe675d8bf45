"""What pages may read. Every question is asked by an actor and answered within what `access` lets that actor see.

Rows carry the columns of their view (protocol/views.py) under the same names; `marks` says how far the newest entry got.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from protocol.events import Actor
from protocol.node.sealing import SealedReport
from protocol.node.signer import Signer
from protocol.tables import Tables

VIEWS = ("all", "open", "held", "incoming", "outgoing", "came_down", "follow_up", "review", "overdue")
PER_MAX = 200
Key = tuple[str, str, int]  # (ledger, origin, seq)


class Mark(msgspec.Struct, frozen=True):
    """One level's receipt. text: what it reads (已存本机, 已到…, 未到…, 重新送达中) · state: here, waiting, again."""

    level: str
    text: str
    reached: bool
    at_ms: int | None
    state: str


class CaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of case_row plus `marks`."""

    subject: str
    ledger: str
    code: str
    title: str
    type: str
    status: str
    holder: str
    handler: str
    term: int
    offer_to: str
    offer_by: str
    offer_kind: str
    offer_ms: int | None
    arrived_ms: int | None
    risk: str
    headcount: int
    amount_fen: int | None
    parties: str
    account: str
    intake: str
    place_text: str
    logged_office: str
    logged_ms: int
    accepted_ms: int | None
    agreed_ms: int | None
    closed_ms: int | None
    updated_ms: int
    due_ms: int | None
    due_clock: str
    follow_up_by: str
    follow_up_due_ms: int | None
    reviews: int
    convened: str
    merged_into: str
    visit: str
    last_origin: str
    last_seq: int
    marks: tuple[Mark, ...] = ()


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of task_row plus `marks`."""

    subject: str
    case_subject: str
    case_code: str
    ledger: str
    purpose_kind: str
    purpose: str
    cadre: str
    home: str
    unit: str
    assigned_by: str
    assigned_ms: int
    due_ms: int | None
    status: str
    confirmed_ms: int | None
    arrived_ms: int | None
    reported_ms: int | None
    result: str
    bring: str
    address: str
    words: str
    updated_ms: int
    last_origin: str
    last_seq: int
    marks: tuple[Mark, ...] = ()


class CasePage(msgspec.Struct, frozen=True):
    rows: tuple[CaseRow, ...]
    total: int
    page: int
    per: int


class CadreChoice(msgspec.Struct, frozen=True):
    """home_covers: what the node of the cadre's phone covers · reachable: it covers the place asked for."""

    person: str
    name: str
    title: str
    office: str
    home: str
    home_covers: tuple[str, ...]
    open_tasks: int
    reachable: bool


class PlaceRow(msgspec.Struct, frozen=True):
    """open, overdue, incoming: cases · last_heard_ms: newest Have of a node that serves it (None: no node, or never)."""

    path: str
    name: str
    open: int
    overdue: int
    incoming: int
    last_heard_ms: int | None


class PersonRow(msgspec.Struct, frozen=True):
    """posts: (post, kind, title, office, home, ended)."""

    person: str
    name: str
    phone: str
    office: str
    posts: tuple[tuple[str, str, str, str, str, bool], ...]


class QuarantineRow(msgspec.Struct, frozen=True):
    node: str
    ledger: str
    origin: str
    code: str
    sentence: str
    count: int
    first_ms: int
    last_ms: int


class Reads:
    def __init__(
        self,
        journal: Any,
        tables: Callable[[], Tables],
        signer: Signer,
        clock: Callable[[], int],
        sealing_secret: bytes | None = None,
    ) -> None:
        """sealing_secret: X25519 secret key, 32 bytes, only where sealed reports may be read."""

    async def cases(
        self,
        actor: Actor,
        view: str = "all",
        text: str = "",
        status: str = "",
        place: str = "",
        type: str = "",
        page: int = 1,
        per: int = 50,
    ) -> CasePage:
        """Newest change first; `overdue` and `follow_up` by their date. type: 2 or 4 digits · place: with its subtree."""
        raise NotImplementedError

    async def counts(self, actor: Actor) -> dict[str, int]:
        """How many cases each of VIEWS holds for this actor."""
        raise NotImplementedError

    async def case(self, actor: Actor, subject: str) -> Any:
        """protocol.case.Case. Raises Refused case_unknown, also when the actor may not see it."""
        raise NotImplementedError

    async def case_row(self, actor: Actor, subject: str) -> CaseRow:
        raise NotImplementedError

    async def marks(self, keys: Iterable[Key]) -> dict[Key, tuple[Mark, ...]]:
        """How far each entry got: this node first, then each level that has a node covering its ledger, nearest first."""
        raise NotImplementedError

    async def tasks(self, actor: Actor, case: str = "", open_only: bool = False) -> list[TaskRow]:
        """Tasks in places the actor's office covers, asked of its unit, or assigned by it. case: only those of this case."""
        raise NotImplementedError

    async def my_tasks(self, actor: Actor) -> list[TaskRow]:
        """Those of the cadre who asks, open ones first."""
        raise NotImplementedError

    async def task(self, actor: Actor, subject: str) -> Any:
        """protocol.task (or case) Task. Raises Refused task_unknown."""
        raise NotImplementedError

    async def cadres(self, actor: Actor, place: str) -> list[CadreChoice]:
        """Reachable ones first, then by fewest open tasks."""
        raise NotImplementedError

    async def places(self, actor: Actor) -> list[PlaceRow]:
        """The actor's own place and the places right below it."""
        raise NotImplementedError

    async def people(self, actor: Actor) -> list[PersonRow]:
        """Persons registered with the actor's office or below; for the power `people` or `admin`, else Refused not_allowed."""
        raise NotImplementedError

    async def handlers(self, actor: Actor) -> list[tuple[str, str]]:
        """(person, name) of those with a post in the actor's own office: who may be named to handle a case."""
        raise NotImplementedError

    async def person_name(self, person: str) -> str:
        """ "" when unknown here. The node itself ("") is 系统."""
        raise NotImplementedError

    async def sealed(self, actor: Actor) -> list[SealedReport]:
        """Only for the power `sealed` where the secret is; else Refused not_allowed. Newest first."""
        raise NotImplementedError

    async def quarantine(self, actor: Actor) -> list[QuarantineRow]:
        """What was refused from other nodes, newest first; for the power `admin` or `supervise`."""
        raise NotImplementedError
