"""What happened, one pair of structs a kind: facts (in the head, no personal data, decide state) and body (personal, erasable).

Facts are arrays that only grow at their end; bodies are maps. Every fact about a dispute or a task begins with
(office, term, seen): the office it was written for, the term it was written in, and for entries that move the hold the
highest seq per origin of the case that they were decided on. Old shapes are upcast here when read; stored bytes stay.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from protocol.commands import Blob, Party
from protocol.entry import UNREADABLE, Head
from protocol.events_of_merges import MergeTold
from protocol.events_of_nodes import (
    BodyErased,
    BranchDecided,
    LaneOpened,
    NodeEnrolled,
    NodeRevoked,
    PersonRegistered,
    PersonRegisteredBody,
    PostEnded,
    PostGiven,
    PostGivenBody,
    ResetVouched,
    Sealed,
    SealedBody,
    TableSet,
)
from protocol.events_of_parties import PartyAdded, PartyAddedBody, PartyCorrected, PartyCorrectedBody, PartyWithdrawn, PartyWithdrawnBody
from protocol.events_of_reviews import ReviewDecided, TaskReviewDecided
from protocol.facts import Body, Facts, Fen, Id, Latitude, Longitude, Metres, Path, TextBody, Whole

# ── dispute ──


class DisputeLogged(Facts):
    """Of a successor, written by a node itself (office ""): by: the office that handed it over and holds it until it is taken up ·
    predecessor: the case it goes on from · since_ms, accepted_ms: that one's registration and acceptance, whose clocks count ·
    suggested: what the page had offered by the person's words, with blanks between: types as their codes alone, the rest by its field (`risk:red`,
    `ledger:330523/330523111`), and of 发生地点 that one was (`spot`). What was chosen stands beside it, in type, risk and ledger: both are learnt from. Unknown words are passed over.
    """

    code: str
    type: str
    intake: str
    headcount: Whole
    risk: str
    amount_fen: Fen | None
    happened_ms: Whole | None
    visit: str
    by: str = ""
    predecessor: str = ""
    since_ms: Whole | None = None
    accepted_ms: Whole | None = None
    suggested: str = ""


class DisputeLoggedBody(Body):
    title: str
    account: str
    parties: list[Party]
    place_text: str = ""


class DisputeCorrected(Facts):
    """Facts carry the new value where the field is a fact (type, amount_fen, headcount), else the body does."""

    field: str
    value: str | Whole | None


class DisputeCorrectedBody(Body):
    reason: str
    value: str | Whole | list[Party] | None = None


class DisputeVoided(Facts):
    pass


class DisputeRemoved(Facts):
    pass


class DisputeAccepted(Facts):
    willing: bool


class DisputeDeclined(Facts):
    pass


class DisputeDeclinedBody(Body):
    reason: str
    door: str


class MediationRecorded(Facts):
    result: str
    held_ms: Whole


class MediationRecordedBody(Body):
    account: str
    present: str = ""


class AgreementSigned(Facts):
    number: str
    form: str
    signed_ms: Whole
    due: tuple[str, ...]
    follow_up_by: str
    amount_fen: Fen | None
    copies: Whole


class AgreementSignedBody(Body):
    terms: list[str]
    performance: str
    facts: str = ""
    responsibility: str = ""


class MediationEnded(Facts):
    pass


class MediationEndedBody(Body):
    reason: str
    ways: str


class DisputeEscalated(Facts):
    to: Path


class DisputeEscalatedBody(Body):
    reason: str
    tried: str = ""


class DisputeArrived(Facts):
    """Written by the receiving office's node by itself, so that every node starts T30 at the same instant. offer: origin/seq."""

    offer: str


class DisputeTakenUp(Facts):
    """term = the term it opens. offer: origin/seq of the offer taken up. handler: person id."""

    offer: str
    handler: str


class DisputeReturned(Facts):
    offer: str


class DisputeCalledUp(Facts):
    """term = the term it opens."""


class DisputeHandedDown(Facts):
    """by: in a successor, written by a node itself, the office that hands it down."""

    to: Path
    due: str
    by: str = ""


class DisputeTransferred(Facts):
    """To an office that does not cover the ledger. successor: id of the command that opens the case there (its subject follows from it)
    · shows: what of the case goes along, words of `transfer.SHOWN`.
    """

    to: Path
    due: str
    successor: Id
    shows: tuple[str, ...]


class DisputeTransferredBody(Body):
    """What the receiver gets to see, as chosen; reason is among it."""

    reason: str
    title: str = ""
    account: str = ""
    parties: list[Party] = msgspec.field(default_factory=list)
    place_text: str = ""


class TransferAnswered(Facts):
    """What became of the successor, brought back by the node that opened it. offer: origin/seq of the transfer · answer: taken_up,
    returned · status, ending, holder: of the successor · at_ms: when that came about there."""

    offer: str
    answer: str
    status: str
    ending: str
    holder: str
    at_ms: Whole


class HandlerNamed(Facts):
    person: str


class UnitsConvened(Facts):
    units: tuple[str, ...]
    when_ms: Whole | None
    due: str
    withdrawn: tuple[str, ...] = ()  # asked back before they came


class DisputeClosed(Facts):
    ending: str


class DisputeReopened(Facts):
    pass


class FollowUpRecorded(Facts):
    kept: str
    satisfied: str


class DisputeArchived(Facts):
    retention: str


class DisputeMerged(Facts):
    into: str


class NoteAdded(Facts):
    pass


class InstructionGiven(Facts):
    pass


class DisputeUrged(Facts):
    due: str


class RiskSet(Facts):
    risk: str


class EvidenceAdded(Facts):
    what: str
    size: Whole


class EvidenceAddedBody(Body):
    """thumb: a blob of its own, with a key of its own. A node that does not know the field keeps it and fetches the file alone."""

    blob: Blob
    note: str = ""
    thumb: Blob | None = None


class OpinionWritten(Facts):
    """Stands in the companion of a case, in the writer's own ledger. risk: as assessed there, "" = not said."""

    case: str
    risk: str


# ── task ──


class TaskAssigned(Facts):
    """sort of task: visit (a cadre goes, or an office elsewhere is asked to go), inquiry, join (a unit joins the mediation).

    unit: the office that was asked · place: where it is done, when that is not the ledger it lies in · link: the ledger in which
    its linked task is to be made; then this one is not done itself, it is answered · request, asked_by: on a linked task, written
    by a node itself (office ""): the task that asked for it and the office behind it.
    """

    case: str
    purpose_kind: str
    cadre: str
    home: str
    unit: str
    due_ms: Whole
    place: str = ""
    link: Path = ""
    request: str = ""
    asked_by: str = ""


class TaskAssignedBody(Body):
    purpose: str
    bring: str = ""
    summary: str = ""
    address: str = ""
    code: str = ""
    contacts: list[Party] = msgspec.field(default_factory=list)


class TaskConfirmed(Facts):
    pass


class TaskDeclined(Facts):
    pass


class CadreArrived(Facts):
    pass


class CadreArrivedBody(Body):
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    accuracy_m: Metres | None = None


class TaskReported(Facts):
    result: str
    photos: Whole
    signatures: Whole


class TaskEvidenceAdded(Facts):
    what: str
    size: Whole


class TaskRecalled(Facts):
    pass


class TaskUrged(Facts):
    pass


class TaskTold(Facts):
    pass


class TaskAnswered(Facts):
    """How far the linked task has got, brought back by the node that made it: what the office that asked may know, nothing else."""

    status: str
    result: str
    at_ms: Whole


class Unknown(Facts):
    """An event of a later version: stored and forwarded unharmed, shown as 未知条目."""


EVENTS: Final[dict[str, tuple[type[Facts], type[Body] | None]]] = {
    "DisputeLogged": (DisputeLogged, DisputeLoggedBody),
    "DisputeCorrected": (DisputeCorrected, DisputeCorrectedBody),
    "PartyAdded": (PartyAdded, PartyAddedBody),
    "PartyCorrected": (PartyCorrected, PartyCorrectedBody),
    "PartyWithdrawn": (PartyWithdrawn, PartyWithdrawnBody),
    "DisputeVoided": (DisputeVoided, TextBody),
    "DisputeRemoved": (DisputeRemoved, None),
    "DisputeAccepted": (DisputeAccepted, None),
    "DisputeDeclined": (DisputeDeclined, DisputeDeclinedBody),
    "MediationRecorded": (MediationRecorded, MediationRecordedBody),
    "AgreementSigned": (AgreementSigned, AgreementSignedBody),
    "MediationEnded": (MediationEnded, MediationEndedBody),
    "DisputeEscalated": (DisputeEscalated, DisputeEscalatedBody),
    "DisputeArrived": (DisputeArrived, None),
    "DisputeTakenUp": (DisputeTakenUp, None),
    "DisputeReturned": (DisputeReturned, TextBody),
    "DisputeCalledUp": (DisputeCalledUp, TextBody),
    "DisputeHandedDown": (DisputeHandedDown, TextBody),
    "DisputeTransferred": (DisputeTransferred, DisputeTransferredBody),
    "TransferAnswered": (TransferAnswered, TextBody),
    "HandlerNamed": (HandlerNamed, None),
    "UnitsConvened": (UnitsConvened, TextBody),
    "DisputeClosed": (DisputeClosed, TextBody),
    "DisputeReopened": (DisputeReopened, TextBody),
    "FollowUpRecorded": (FollowUpRecorded, TextBody),
    "DisputeArchived": (DisputeArchived, None),
    "DisputeMerged": (DisputeMerged, TextBody),
    "MergeTold": (MergeTold, None),
    "NoteAdded": (NoteAdded, TextBody),
    "InstructionGiven": (InstructionGiven, TextBody),
    "DisputeUrged": (DisputeUrged, TextBody),
    "RiskSet": (RiskSet, TextBody),
    "EvidenceAdded": (EvidenceAdded, EvidenceAddedBody),
    "ReviewDecided": (ReviewDecided, TextBody),
    "TaskAssigned": (TaskAssigned, TaskAssignedBody),
    "TaskConfirmed": (TaskConfirmed, None),
    "TaskDeclined": (TaskDeclined, TextBody),
    "CadreArrived": (CadreArrived, CadreArrivedBody),
    "TaskReported": (TaskReported, TextBody),
    "TaskEvidenceAdded": (TaskEvidenceAdded, EvidenceAddedBody),
    "TaskRecalled": (TaskRecalled, TextBody),
    "TaskUrged": (TaskUrged, TextBody),
    "TaskTold": (TaskTold, TextBody),
    "TaskAnswered": (TaskAnswered, TextBody),
    "TaskReviewDecided": (TaskReviewDecided, TextBody),
    "OpinionWritten": (OpinionWritten, TextBody),
    "PersonRegistered": (PersonRegistered, PersonRegisteredBody),
    "PostGiven": (PostGiven, PostGivenBody),
    "PostEnded": (PostEnded, TextBody),
    "ResetVouched": (ResetVouched, TextBody),
    "LaneOpened": (LaneOpened, None),
    "TableSet": (TableSet, None),
    "NodeEnrolled": (NodeEnrolled, None),
    "NodeRevoked": (NodeRevoked, TextBody),
    "BodyErased": (BodyErased, TextBody),
    "BranchDecided": (BranchDecided, TextBody),
    "Sealed": (Sealed, SealedBody),
}

# Shapes that were written by an earlier version: old kind → (kind now, its old facts array → the array now). Empty until a released
# event changes; a field added at the end with a default needs no row. Stored bytes never change, and a fold sees only what is here.
OLD_SHAPES: Final[dict[str, tuple[str, Callable[[list[Any]], list[Any]]]]] = {}

_facts = {kind: msgspec.msgpack.Decoder(pair[0]) for kind, pair in EVENTS.items()}
_bodies = {kind: msgspec.msgpack.Decoder(pair[1]) for kind, pair in EVENTS.items() if pair[1]}
_unknown = msgspec.msgpack.Decoder(Unknown)


def facts_of(head: Head) -> Facts:
    """Total: an unknown kind, or facts that this version cannot read, come back as Unknown; old shapes come back as today's."""
    kept = head.__dict__.get("read")  # the door, the fold, the errands and search each ask
    if kept is None:
        kept = head.__dict__["read"] = _read_facts(head)
    return kept


def _read_facts(head: Head) -> Facts:
    try:
        if head.kind in OLD_SHAPES:
            kind, upcast = OLD_SHAPES[head.kind]
            return msgspec.convert(upcast(msgspec.msgpack.decode(head.facts)), EVENTS[kind][0])
        return _facts.get(head.kind, _unknown).decode(head.facts)
    except UNREADABLE:
        try:
            return _unknown.decode(head.facts)
        except UNREADABLE:
            return Unknown("", 0, ())


def body_of(kind: str, body: bytes | None) -> Any:
    """The typed body, or None: none, erased, or of a kind or shape that this version cannot read."""
    decoder = _bodies.get(kind)
    if decoder is None or body is None:
        return None
    try:
        return decoder.decode(body)
    except UNREADABLE:
        return None


class Draft(msgspec.Struct, frozen=True):
    """What decide asks to be written: the desk adds lane, seq, turn, author, salt, chain and signature."""

    ledger: str
    subject: str
    sort: str
    facts: Facts
    body: Body | None = None

    @property
    def kind(self) -> str:
        return type(self.facts).__name__


class Actor(msgspec.Struct, frozen=True):
    """Who acts: person and post id, the office acted for, and what the post may do (rows of table `posts`).

    also: offices of places that were merged into the actor's own: what they held and were offered goes on here.
    """

    person: str
    post: str
    office: str
    powers: frozenset[str]
    name: str = ""
    also: tuple[str, ...] = ()

    @property
    def offices(self) -> tuple[str, ...]:
        return (self.office, *self.also)
