"""What a fold yields: a case, a task, a person, as plain structs that pages and papers read.

Times are Unix milliseconds. `at_ms` is the author's clock less its measured offset (head.occurred_ms is kept raw),
`received_ms` this node's own. A key is (origin, seq): it names an entry inside its case; written as text it is `origin/seq`.
Everything that decides (status, holder, terms, clock starts) comes from facts; what may be missing because a body was
erased is "" or an empty list.
"""

from typing import Any, Final

import msgspec

from protocol.commands import Blob, Party
from protocol.entry import Head

Key = tuple[str, int]

STATUS_NAMES: Final[dict[str, str]] = {
    "logged": "已登记",
    "accepted": "已受理",
    "mediating": "调解中",
    "agreed": "已达成协议",
    "ended": "已终止调解",
    "closed": "已办结",
    "archived": "已归档",
    "declined": "不予受理",
    "voided": "已作废",
    "merged": "已并案",
    "transferred": "已转办",
}
COMING: Final = "coming"  # in lists alone: nobody has taken it up there, so it counts where it comes from
LISTED_STATUS_NAMES: Final[dict[str, str]] = {**STATUS_NAMES, COMING: "转办中"}
OPEN: Final = ("logged", "accepted", "mediating", "agreed", "ended")

TASK_STATUS_NAMES: Final[dict[str, str]] = {
    "sent": "已派出",
    "confirmed": "已接单",
    "arrived": "已到场",
    "reported": "已反馈",
    "declined": "已谢绝",
    "recalled": "已撤回",
}
TASK_OPEN: Final = ("sent", "confirmed", "arrived")


def key_text(key: Key) -> str:
    """`origin/seq`, as facts name an entry (offer, item)."""
    return f"{key[0]}/{key[1]}"


def key_of(text: str) -> Key | None:
    """The inverse; None for anything else."""
    origin, slash, seq = text.rpartition("/")
    return (origin, int(seq)) if slash and origin and seq.isascii() and seq.isdigit() and len(seq) <= 18 else None


class Offer(msgspec.Struct, frozen=True, gc=False):
    """An escalation or hand-down that waits to be taken up; the holder stays responsible. kind: escalate, hand_down, transfer.

    due: ISO date of a hand-down · arrived_ms: when the receiving office's node had it (starts T30), None before.
    """

    to: str
    by: str
    kind: str
    reason: str
    due: str
    at_ms: int
    key: Key
    arrived_ms: int | None = None


class Transfer(msgspec.Struct, frozen=True):
    """A case that goes on in another ledger. at_ms: when it was offered · opens: id of the command that opens
    the successor · excerpt: events.DisputeTransferredBody, what goes along (None: erased) · answer: "", taken_up, returned · status, ending, holder, words:
    of the successor as last told."""

    to: str
    by: str
    due: str
    key: Key
    at_ms: int
    opens: str
    shows: tuple[str, ...]
    excerpt: Any = None
    answer: str = ""
    status: str = ""
    ending: str = ""
    holder: str = ""
    words: str = ""
    answered_ms: int | None = None


class Agreement(msgspec.Struct, frozen=True, gc=False):
    """A signed paper. late: signed in a term that had been closed elsewhere; the paper stands, the status waits for a review.

    signed_ms: as the paper says, written_ms: when it was recorded here, perhaps days later."""

    number: str
    form: str
    signed_ms: int
    due: tuple[str, ...]
    follow_up_by: str
    amount_fen: int | None
    copies: int
    terms: list[str]
    performance: str
    facts: str
    responsibility: str
    key: Key
    office: str
    late: bool = False
    written_ms: int = 0


class FollowUp(msgspec.Struct, frozen=True, gc=False):
    key: Key
    office: str
    at_ms: int
    kept: str
    satisfied: str
    account: str


class Move(msgspec.Struct, frozen=True, gc=False):
    """A recorded hand-over. kind: log, take_up, call_up · from_: "" for the first · by: (person, post) · offered_ms, arrived_ms: of
    the offer that was taken up.
    """

    term: int
    kind: str
    from_: str
    to: str
    by: tuple[str, str]
    at_ms: int
    received_ms: int
    key: Key
    offered_ms: int | None = None
    arrived_ms: int | None = None


class Line(msgspec.Struct, gc=False):
    """One entry of the timeline. text: Chinese label → what is shown · set_aside: "" or the reason in words.

    waiting: what it was decided on is not all here yet, so it does not count yet · prevailed: the entry that it gave way to, where it was
    set aside for one.
    """

    key: Key
    head: Head
    kind: str
    office: str
    at_ms: int
    received_ms: int
    text: dict[str, str]
    set_aside: str = ""
    erased: bool = False
    waiting: bool = False
    prevailed: Key | None = None


OUT_OF_OFFICE: Final = ("revoked", "post_over")  # nothing speaks against such an entry but who wrote it, and when


class Review(msgspec.Struct, frozen=True, gc=False):
    """待核对: an entry that was set aside. item: `origin/seq` · owner: Case.keeper (of a task: who sent it) · code: late, lost,
    unfit, foreign, revoked, post_over; crossed: of a task, a report that counts though the task was recalled meanwhile.
    """

    item: str
    owner: str
    reason: str
    due_ms: int
    code: str = ""
    kind: str = ""


class Correction(msgspec.Struct, frozen=True, gc=False):
    """The old value stays readable. old and new are None when erased (parties: list[Party], party: Party, new None = withdrawn).

    what: of a party, the fields that were corrected.
    """

    key: Key
    field: str
    old: Any
    new: Any
    reason: str
    at_ms: int
    what: tuple[str, ...] = ()


class Attachment(msgspec.Struct, frozen=True, gc=False):
    """A file and the key of its line; it vanishes with the line's body."""

    key: Key
    blob: Blob
    note: str
    office: str
    at_ms: int
    thumb: Blob | None = None


class Case(msgspec.Struct, kw_only=True, gc=False):
    """One dispute as this node knows it. convened: office paths · aliases: codes of registrations merged into it · unlinked: {command of a merge that does not stand: the case that was to be merged}.

    party_ids: of `parties`, in step · removed: it never was a dispute, so no words of it may stay · seen: {origin: highest seq of the case here that waits for nothing} · turn: the highest here · due: ISO date asked of the
    present holder by hand-down or urge · predecessor: the case this one goes on from, successor: the one that goes on from this ("" = none)
    · sealed: what it was merged into was removed, see node/sealed_end.py; no fold knows it
    · answer: of a successor, what its predecessor is to be told · answered: what was last told here, after the last transfer: its parts · accepted_ms, logged_ms: the earliest, also of what was merged in.
    """

    id: str
    ledger: str
    code: str
    type: str
    status: str
    holder: str
    handler: str
    term: int
    term_since_ms: int
    offer: Offer | None = None
    title: str = ""
    account: str = ""
    parties: list[Party] = []
    party_ids: list[str] = []
    place_text: str = ""
    intake: str = ""
    headcount: int = 0
    amount_fen: int | None = None
    risk: str = "green"
    visit: str = ""
    happened_ms: int | None = None
    logged_office: str = ""
    logged_ms: int = 0
    accepted_ms: int | None = None
    willing: bool | None = None
    agreement: Agreement | None = None
    agreements: list[Agreement] = []
    ended_ms: int | None = None
    ending: str = ""
    closed_ms: int | None = None
    archived_ms: int | None = None
    follow_ups: list[FollowUp] = []
    follow_up_by: str = ""
    convened: list[str] = []
    moves: list[Move] = []
    lines: list[Line] = []
    reviews: list[Review] = []
    corrections: list[Correction] = []
    turn: int = 0
    seen: dict[str, int] = {}
    removed: bool = False
    sealed: bool = False
    merged_into: str = ""
    aliases: list[str] = []
    unlinked: dict[str, str] = {}
    retention: str = ""
    blobs: list[Attachment] = []
    due: str = ""
    predecessor: str = ""
    successor: str = ""
    answer: str = ""
    answered: str = ""
    transfer: "Transfer | None" = None
    updated_ms: int = 0
    last: Key = ("", 0)

    @property
    def is_declined(self) -> bool:
        """Claims that it was not accepted and that was its end, also when it is archived by now: what was closed has an ending."""
        return self.status == "declined" or (self.status == "archived" and not self.ending)

    @property
    def keeper(self) -> str:
        """The office that decides what was set aside: the holder. That of a successor nobody has taken up yet does not see this ledger: its own does."""
        return self.ledger if self.predecessor and self.term == 1 else self.holder

    @property
    def is_coming(self) -> bool:
        """Claims that it goes on from another case, which its office still answers for: nobody has taken this one up."""
        return bool(self.predecessor) and self.term == 1 and self.status in OPEN


class Task(msgspec.Struct, kw_only=True):
    """purpose_kind: visit (a cadre goes, or an office asked), inquiry, join (a unit joins the mediation) · unit: office asked or "".

    case: subject or "" · place: where it is done · link: ledger of its linked task ("" = it is done here) · request: the task that
    asked for this one ("" = a person did) · answered: the status last brought back from the linked task · urges, recalls: how many were
    written, whether they counted or not · asked_ms: since when whoever does it waits for an answer to what he asked (None = he does not).
    """

    id: str
    ledger: str
    status: str
    case: str = ""
    case_code: str = ""
    purpose_kind: str = "visit"
    purpose: str = ""
    bring: str = ""
    summary: str = ""
    address: str = ""
    contacts: list[Party] = []
    cadre: str = ""
    home: str = ""
    unit: str = ""
    assigned_by: str = ""
    assigned_person: str = ""
    assigned_ms: int = 0
    due_ms: int = 0
    confirmed_ms: int | None = None
    arrived_ms: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    reported_ms: int | None = None
    result: str = ""
    words: str = ""
    photos: int = 0
    signatures: int = 0
    declined_ms: int | None = None
    recalled_ms: int | None = None
    urged_ms: int | None = None
    asked_ms: int | None = None
    place: str = ""
    link: str = ""
    request: str = ""
    answered: str = ""
    urges: int = 0
    recalls: int = 0
    reviews: list[Review] = []
    blobs: list[Attachment] = []
    lines: list[Line] = []
    turn: int = 0
    seen: dict[str, int] = {}
    updated_ms: int = 0
    last: Key = ("", 0)


class Post(msgspec.Struct, frozen=True):
    """office: the ledger it was written in · home: node id that serves a cadre's phone."""

    post: str
    kind: str
    office: str
    title: str
    home: str
    given_ms: int
    ended: bool = False
    ended_ms: int | None = None


class Person(msgspec.Struct, kw_only=True):
    """ledger "" and name "": posts are here, the registration is not yet (or was erased)."""

    id: str
    ledger: str = ""
    name: str = ""
    phone: str = ""
    posts: list[Post] = []
    turn: int = 0
    seen: dict[str, int] = {}
