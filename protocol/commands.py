"""What a person may ask for, one struct a command. Imperative with the domain noun; strict: unknown fields are refused.

Every command has an `id` chosen where the person acts (page or phone): 8 to 64 characters of [0-9a-z-]. Money is in fen
(1/100 yuan), times in Unix milliseconds, dates are ISO `YYYY-MM-DD` in UTC+8, `case` and `task` are subject ids.
"""

from typing import Annotated

import msgspec

from protocol.facts import Fen, Id, Latitude, Longitude, Metres, Whole

# \Z: `$` would let a line's end through, and every other node refuses an id with one, and all that follows it in the lane
Subject = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
Address = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Date = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z")]
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
MaybeText = Annotated[str, msgspec.Meta(max_length=2000)]


class Party(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """kind: person, company, group · side: applicant, respondent, third · id_type: GA/T 517 code, 111 = identity card."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    side: str = "applicant"
    kind: str = "person"
    sex: str = ""
    birth_year: Whole | None = None
    id_type: str = ""
    id_number: Annotated[str, msgspec.Meta(max_length=50)] = ""
    phone: Annotated[str, msgspec.Meta(max_length=50)] = ""
    address: Annotated[str, msgspec.Meta(max_length=200)] = ""
    agent: Annotated[str, msgspec.Meta(max_length=80)] = ""
    guardian: Annotated[str, msgspec.Meta(max_length=80)] = ""
    need: Annotated[str, msgspec.Meta(max_length=80)] = ""


class Blob(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """An attachment: address = SHA-256 of the cipher text (hex), key = 32 random bytes; erasing the body loses the key.

    what: photo, signature, paper, voice, other · size in bytes of the plain content.
    """

    address: Address
    key: bytes
    name: str
    mime: str
    size: Whole
    what: str = "photo"


class Command(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag=True, tag_field="kind"):
    id: Id


# ── a dispute ────────────────────────────────────────────────────────────────────────────────────────────────────────


class LogDispute(Command):
    """登记. ledger: the place it belongs to; the office that logs it becomes the first holder (term 1).

    type: 4 digits (0204) or 2 (02) · intake: way of intake, a code of table `intake` · risk: green, yellow, red.
    suggested: what the page had offered, see DisputeLogged. visit: of a further matter of one visitor, the case of the first one ("" = the first, or the only one). sealed types are refused here: SealDispute.
    """

    ledger: str
    type: str
    account: Text
    parties: Annotated[list[Party], msgspec.Meta(min_length=1, max_length=40)]
    title: Annotated[str, msgspec.Meta(max_length=100)] = ""
    place_text: Annotated[str, msgspec.Meta(max_length=100)] = ""
    happened_ms: Whole | None = None
    intake: str = "visit"
    headcount: Annotated[int, msgspec.Meta(ge=1, le=9999)] = 2
    amount_fen: Fen | None = None
    risk: str = "green"
    visit: str = ""
    suggested: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[0-9a-z:/ ]*\Z")] = ""


class SealDispute(Command):
    """密封转交. Encrypted to the county's sealing key at once; what stays here is a receipt without content. account: as long as all that
    was told of a case which is sealed afterwards, for there it is erased."""

    account: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
    accuser: Annotated[str, msgspec.Meta(max_length=80)] = ""
    accused: Annotated[str, msgspec.Meta(max_length=200)] = ""
    contact: Annotated[str, msgspec.Meta(max_length=100)] = ""
    type: str = "2201"


class CaseCommand(Command, kw_only=True):
    case: Subject


class CorrectDispute(CaseCommand):
    """更正: the old value stays readable. field: title, account, place_text, type, amount_fen, headcount, parties."""

    field: str
    value: str | int | list[Party] | None
    reason: Line


class RemoveDispute(CaseCommand):
    """移出: it never was a dispute (an accusation, which was sealed). It ends, and all words of it and of its tasks are erased."""


class AddParty(CaseCommand):
    """加当事人, after the registration."""

    party: Party
    reason: Annotated[str, msgspec.Meta(max_length=100)] = ""


class CorrectParty(CaseCommand):
    """更正当事人. party_id: of Case.party_ids · party: as it is to read, whole."""

    party_id: Annotated[str, msgspec.Meta(max_length=20)]
    party: Party
    reason: Line


class WithdrawParty(CaseCommand):
    """撤下当事人: who is no party of it; the old reading stays in the record."""

    party_id: Annotated[str, msgspec.Meta(max_length=20)]
    reason: Line


class VoidDispute(CaseCommand):
    """作废: logged by mistake. Only while nothing but logging has happened."""

    reason: Line


class AcceptDispute(CaseCommand):
    """受理: the legal act that starts legal clocks. willing: both sides agreed to mediation (人民调解法 17)."""

    willing: bool = True


class DeclineDispute(CaseCommand):
    """不予受理, in writing, with the right door named."""

    reason: Text
    door: Line


class RecordMediation(CaseCommand):
    """调解记录, one per session. result: go_on, failed (this session brought nothing; the holder may escalate or end)."""

    account: Text
    result: str
    held_ms: Whole | None = None
    present: MaybeText = ""


class SignAgreement(CaseCommand):
    """协议签订. form: written, oral · due: days of performance (each starts a follow-up clock) · copies: 2 to 20.

    follow_up_by: the office that follows up; "" = the lowest office that has held the case. signed_ms: None = now.
    responsibility: who answers for what (人民调解法 29) · performance: way, place and term, in words.
    """

    terms: Annotated[list[Text], msgspec.Meta(min_length=1, max_length=20)]
    performance: Text
    facts: MaybeText = ""
    responsibility: MaybeText = ""
    due: Annotated[list[Date], msgspec.Meta(max_length=24)] = []
    form: str = "written"
    amount_fen: Fen | None = None
    copies: Annotated[int, msgspec.Meta(ge=2, le=20)] = 3
    signed_ms: Whole | None = None
    follow_up_by: str = ""


class EndMediation(CaseCommand):
    """终止调解: the parties are told the other ways (人民调解法 26)."""

    reason: Text
    ways: Text


class EscalateDispute(CaseCommand):
    """上报: offered to the office above; the holder stays responsible until it is taken up."""

    to: str
    reason: Text
    tried: MaybeText = ""


class TakeUpDispute(CaseCommand):
    """受领: moves the hold, opens a term. handler: the person named inside the office ("" = who takes up)."""

    handler: str = ""


class ReturnDispute(CaseCommand):
    """退回 of an offer not taken up, or withdrawal of it by the one who made it: the holder stays the same."""

    reason: Text


class CallUpDispute(CaseCommand):
    """提级: a higher office takes the case without being asked."""

    reason: Text


class HandDownDispute(CaseCommand):
    """交办: offered to a lower office or a unit, with a date for the written result (信访工作条例 22(3))."""

    to: str
    due: Date
    reason: Text


class TransferDispute(CaseCommand):
    """转办: to an office that does not cover the ledger; it goes on there as a successor under the same code.

    shows: what goes along (title, account, place_text, parties, phones, addresses, amount, risk), nothing else does.
    """

    to: str
    reason: Text
    due: Date | None = None
    shows: Annotated[list[str], msgspec.Meta(max_length=20)] = []


class NameHandler(CaseCommand):
    """定承办人: the person inside the holding office."""

    person: str


class ConveneUnits(CaseCommand):
    """联调: the holder leads; each unit asked gets a linked task. when_ms: the meeting."""

    units: Annotated[list[str], msgspec.Meta(min_length=1, max_length=20)]
    purpose: Text
    when_ms: Whole | None = None
    due: Date | None = None


class CloseDispute(CaseCommand):
    """办结, with a written ending. ending: agreement, ended, opinion, pledge, law, withdrawn."""

    ending: str
    result: Text


class ReopenDispute(CaseCommand):
    """重开: agreement not kept or new facts; never a silent undo of a legal fact."""

    reason: Text


class RecordFollowUp(CaseCommand):
    """回访. kept: yes, partly, no · satisfied: yes, mostly, no."""

    kept: str
    satisfied: str
    account: MaybeText = ""


class ArchiveDispute(CaseCommand):
    """归档, after closing and the last follow-up due. retention: 10, 30, forever."""

    retention: str = "10"


class MergeDispute(CaseCommand):
    """并案: this one ends, `into` goes on; both codes and receipts stay, the earlier clock counts."""

    into: Subject
    reason: Line


class AddNote(CaseCommand):
    """备注, by any office that covers the ledger."""

    text: Text


class WriteOpinion(CaseCommand):
    """内部意见 of an office above the place of the case, in its own ledger: the place never gets it. risk: an assessment ("" = none)."""

    text: Text
    risk: str = ""


class GiveInstruction(CaseCommand):
    """批示, by an office above the holder."""

    text: Text


class UrgeDispute(CaseCommand):
    """催办, by an office above the holder. due: the new date."""

    text: Text
    due: Date | None = None


class SetRisk(CaseCommand):
    """risk: green, yellow, red. A fall needs a reason."""

    risk: str
    reason: Text


class AddEvidence(CaseCommand):
    """附件: a file of the case. thumb: a small picture of it, made where it was taken; downward only that one travels by itself."""

    blob: Blob
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""
    thumb: Blob | None = None


class RequestTask(CaseCommand):
    """请别处协助: asks the office of another place or unit for a visit or an inquiry. It gets a linked task in its own ledger.

    to: office path · purpose_kind: visit, inquiry · summary, contacts, address: all that it gets to see of the case.
    """

    to: str
    purpose: Line
    due_ms: Whole
    purpose_kind: str = "visit"
    summary: MaybeText = ""
    address: Annotated[str, msgspec.Meta(max_length=200)] = ""
    contacts: Annotated[list[Party], msgspec.Meta(max_length=10)] = []


class DecideReview(CaseCommand):
    """待核对: the holder's office adopts or rejects what was set aside. item: `origin/seq` of the entry. decision: adopt, reject."""

    item: str
    decision: str
    reason: Text


# ── a task ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class AssignTask(Command):
    """派单: sends a cadre to a place. place: ledger path of the place visited · home: node id that serves the cadre's phone.

    case: the case it belongs to ("" = none) · due_ms · purpose: what for · bring: what to take along.
    summary and contacts are all that the phone gets to see of the case.
    """

    place: str
    cadre: str
    home: str
    purpose: Line
    due_ms: Whole
    case: str = ""
    bring: Annotated[str, msgspec.Meta(max_length=200)] = ""
    summary: MaybeText = ""
    address: Annotated[str, msgspec.Meta(max_length=200)] = ""
    contacts: Annotated[list[Party], msgspec.Meta(max_length=10)] = []


class TaskCommand(Command, kw_only=True):
    """at_ms: when the cadre did it by the phone's clock (None = now); the phone's offset is measured by its home node."""

    task: Subject
    at_ms: Whole | None = None


class ConfirmTask(TaskCommand):
    """接单."""


class DeclineTask(TaskCommand):
    reason: Line


class ArriveTask(TaskCommand):
    """到场. Position in degrees WGS-84 and metres, only if the cadre gives it."""

    latitude: Latitude | None = None
    longitude: Longitude | None = None
    accuracy_m: Metres | None = None


class ReportTask(TaskCommand):
    """反馈. result: settled, eased, unsettled, absent. Text first: photos and signature follow as AddTaskEvidence."""

    result: str
    words: Text
    photos: Annotated[int, msgspec.Meta(ge=0, le=20)] = 0
    signatures: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0


class AddTaskEvidence(TaskCommand):
    """thumb: as in AddEvidence."""

    blob: Blob
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""
    thumb: Blob | None = None


class RecallTask(TaskCommand):
    """撤回, by the office that assigned it."""

    reason: Line


class UrgeTask(TaskCommand):
    text: Line


class TellTask(TaskCommand):
    """留言: the one who goes asks or explains, the office that sent him answers; the status stays."""

    text: Annotated[str, msgspec.Meta(max_length=200)]


class DecideTaskReview(TaskCommand):
    """待核对 of a task: the office that sent it (of a linked task: the one that does it) adopts or rejects. item: `origin/seq`."""

    item: str
    decision: str
    reason: Text


# ── people, tables, law ──────────────────────────────────────────────────────────────────────────────────────────────


class RegisterPerson(Command):
    """office: the office whose ledger holds the person."""

    person: Subject
    office: str
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    phone: Annotated[str, msgspec.Meta(max_length=50)] = ""


class GivePost(Command):
    """post: `<kind>.<8 hex>`, kind a row of table `posts` · home: node id that serves a cadre's phone."""

    post: str
    person: Subject
    office: str
    title: Line
    home: str = ""


class EndPost(Command):
    post: str
    office: str
    reason: Line


class VouchReset(Command):
    """帮找回密码: somebody at a node below asked by telephone. node: whose account it is · challenge: as it was read aloud."""

    node: Annotated[str, msgspec.Meta(max_length=20)]
    account: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    challenge: Annotated[str, msgspec.Meta(min_length=12, max_length=20)]


class IssueCode(Command):
    """发登录码: who gives a one-time code, and with it the account, to somebody stands in the ledger. The account itself is the machine's."""

    person: Subject
    account: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class EraseBody(Command):
    """item: `ledger|origin|seq` · ground: the law's article (PIPL 47, retention) · replacement: what may be read in its place."""

    item: str
    ground: Line
    replacement: MaybeText = ""


CASE_COMMANDS: tuple[type[CaseCommand], ...] = tuple(CaseCommand.__subclasses__())
TASK_COMMANDS: tuple[type[TaskCommand], ...] = tuple(TaskCommand.__subclasses__())
PHONE_COMMANDS = (ConfirmTask, DeclineTask, ArriveTask, ReportTask, TellTask)
