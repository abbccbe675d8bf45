"""What people do with a dispute, each as the table of rules lets them: choose a case and somebody who may, fill the form, save.

An act returns normally when it was saved, and raises Refused or Nothing. The rules are read from `dispute.TABLE`, so a row that
changes there changes what is tried here.
"""

from types import SimpleNamespace
from typing import Any

from protocol import commands as c
from protocol import place
from protocol.calendar import DAY_MS, local_date
from protocol.drafts import ENDINGS, MERGEABLE
from protocol.office import receivers_down, receivers_up
from protocol.transfer import SHOWN, may_receive, receivers
from tests.simulation.hand import NAMES, Hand, Nothing, Row
from tests.simulation.record import Shown

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
TYPES = ("0204", "0101", "0301", "99")
LIST = {"risk": ("green", "yellow", "red"), "kept": ("yes", "partly", "no"), "satisfied": ("yes", "mostly", "no")}


async def picture(hand: Hand, what: str = "photo") -> c.Blob:
    """Some file as a page takes it: bytes first, then the entry that names it."""
    plain = PNG + hand.chance.randbytes(hand.chance.choice((40, 700, 3_000)))
    blob = await hand.node.blobs.put(plain, f"照片{hand.chance.getrandbits(12)}.png", "image/png", what)
    hand.record.files.append(blob.address)
    return blob


def parties(hand: Hand) -> list[c.Party]:
    first, second = hand.chance.sample(NAMES, 2)
    return [c.Party(first, phone=f"138{hand.chance.getrandbits(26):08d}"[:11]), c.Party(second, side="respondent")]


def dispute(hand: Hand, ledger: str, visit: str = "", id_: str = "") -> c.LogDispute:
    tables, now = hand.tables(), local_date(hand.now_ms)
    type_ = hand.one(code for code in TYPES if tables.is_type_open(code, now))
    told = {"title": hand.text() if hand.odds(0.5) else "", "place_text": hand.text() if hand.odds(0.3) else "", "visit": visit}
    return c.LogDispute(id=id_ or hand.new_id(), ledger=ledger, type=type_, account=hand.text(), parties=parties(hand), **told)


async def place_to_log(hand: Hand, office: str) -> str:
    """Mostly the office's own ledger, else one below it."""
    tables = hand.tables()
    top = place.parent(office) or office if place.is_unit(office) else office
    below = [path for path in tables.children(top) if place.covers(hand.node.desk.signer.covers, path)]
    further = [path for child in below[:8] for path in tables.children(child)[:4]]
    return hand.one(below + further) if below and hand.odds(0.4) else office


async def log(hand: Hand) -> None:
    actor = await hand.somebody("log")
    await hand.say(dispute(hand, await place_to_log(hand, actor.office)), actor)


async def log_visit(hand: Hand) -> None:
    """One visitor brings two matters."""
    actor, visit = await hand.somebody("log"), hand.new_id()
    for _ in range(2):
        await hand.say(dispute(hand, actor.office, visit), actor)


async def log_with_file(hand: Hand) -> None:
    actor = await hand.somebody("log")
    blob = await picture(hand)
    made = await hand.say(dispute(hand, actor.office), actor)
    await hand.say(c.AddEvidence(id=hand.new_id(), case=made.subject, blob=blob), actor)


async def seal(hand: Hand) -> None:
    actor, word = await hand.somebody("log"), f"密{hand.chance.getrandbits(64):016x}"
    hand.record.secrets.append(word)
    type_ = hand.one(code for code in ("2201", "2202", "22") if hand.tables().type_flag(code, "sealed"))
    await hand.say(c.SealDispute(id=hand.new_id(), account=f"举报材料 {word}", accuser=word, type=type_), actor)


async def accept(hand: Hand) -> None:
    case, actor = await hand.case_for("AcceptDispute")
    await hand.say(c.AcceptDispute(id=hand.new_id(), case=case["subject"], willing=hand.odds(0.9)), actor)


async def decline(hand: Hand) -> None:
    case, actor = await hand.case_for("DeclineDispute")
    await hand.say(c.DeclineDispute(id=hand.new_id(), case=case["subject"], reason=hand.text(), door="县信访局"), actor)


async def mediate(hand: Hand) -> None:
    case, actor = await hand.case_for("RecordMediation")
    result = "go_on" if hand.odds(0.6) else "failed"
    await hand.say(c.RecordMediation(id=hand.new_id(), case=case["subject"], account=hand.text(), result=result), actor)


def agreement(hand: Hand, case: str) -> c.SignAgreement:
    due = [hand.day(0, 40) for _ in range(hand.chance.randint(0, 2))]
    told = {"terms": [hand.text()], "performance": hand.text(), "form": "oral" if hand.odds(0.2) else "written"}
    return c.SignAgreement(id=hand.new_id(), case=case, due=due, amount_fen=hand.chance.choice((None, 120_000)), **told)


async def agree(hand: Hand) -> None:
    case, actor = await hand.case_for("SignAgreement")
    await hand.say(agreement(hand, case["subject"]), actor)


async def end(hand: Hand) -> None:
    case, actor = await hand.case_for("EndMediation")
    await hand.say(c.EndMediation(id=hand.new_id(), case=case["subject"], reason=hand.text(), ways="可以向法院起诉"), actor)


async def escalate(hand: Hand) -> None:
    case, actor = await hand.case_for("EscalateDispute", fits=lambda row: bool(receivers_up(row["holder"])))
    to = receivers_up(case["holder"])[0]
    await hand.say(c.EscalateDispute(id=hand.new_id(), case=case["subject"], to=to, reason=hand.text()), actor)


async def hand_down(hand: Hand) -> None:
    tables = hand.tables()
    case, actor = await hand.case_for("HandDownDispute", fits=lambda row: bool(receivers_down(row["holder"], row["ledger"], tables)))
    below = receivers_down(case["holder"], case["ledger"], tables)
    to = hand.one(below[:3]) if hand.odds(0.8) else hand.one(below)
    await hand.say(c.HandDownDispute(id=hand.new_id(), case=case["subject"], to=to, due=hand.day(1, 60), reason=hand.text()), actor)


async def transfer(hand: Hand) -> None:
    nodes = hand.node.reads.nodes()

    def open_to(row: Row) -> list[str]:
        case = _as_case(row)
        offices = {path.removesuffix("/*") for path in receivers(case, nodes)}
        return sorted(office for office in offices if may_receive(office, case, nodes)) if place.tier(row["holder"]) <= 1 else []

    case, actor = await hand.case_for("TransferDispute", fits=lambda row: bool(open_to(row)))
    shows = [name for name in SHOWN if hand.odds(0.7)]
    told = {"reason": hand.text(), "due": hand.day(1, 30) if hand.odds(0.5) else None, "shows": shows}
    await hand.say(c.TransferDispute(id=hand.new_id(), case=case["subject"], to=hand.one(open_to(case)), **told), actor)


def _as_case(row: Row) -> Any:
    return SimpleNamespace(**row)


async def take_up(hand: Hand) -> None:
    case, actor = await hand.case_for("TakeUpDispute", "offer_to")
    await hand.say(c.TakeUpDispute(id=hand.new_id(), case=case["subject"]), actor)


async def give_back(hand: Hand) -> None:
    """退回, or a withdrawal by the one who made the offer."""
    case, actor = await hand.case_for("ReturnDispute", "offer_to" if hand.odds(0.7) else "holder")
    await hand.say(c.ReturnDispute(id=hand.new_id(), case=case["subject"], reason=hand.text()), actor)


async def call_up(hand: Hand) -> None:
    case, actor = await hand.case_for("CallUpDispute", "")
    await hand.say(c.CallUpDispute(id=hand.new_id(), case=case["subject"], reason=hand.text()), actor)


async def name_handler(hand: Hand) -> None:
    case, actor = await hand.case_for("NameHandler")
    person = hand.one(person for person, _ in await hand.node.reads.handlers(actor) if person != case["handler"])
    await hand.say(c.NameHandler(id=hand.new_id(), case=case["subject"], person=person), actor)


async def convene(hand: Hand) -> None:
    case, actor = await hand.case_for("ConveneUnits")
    asked = (case["convened"] or "").split(" ")
    units = [unit for unit in hand.tables().units_of(place.segments(actor.office)[0])[:8] if unit != case["holder"] and unit not in asked]
    some = [hand.one(units) for _ in range(hand.chance.randint(1, 2))]
    told = {"purpose": hand.text(), "due": hand.day(1, 20) if hand.odds(0.5) else None}
    await hand.say(c.ConveneUnits(id=hand.new_id(), case=case["subject"], units=some, **told), actor)


async def close(hand: Hand) -> None:
    case, actor = await hand.case_for("CloseDispute")
    ending = hand.one(ENDINGS.get(case["status"], ()))
    await hand.say(c.CloseDispute(id=hand.new_id(), case=case["subject"], ending=ending, result=hand.text()), actor)


async def reopen(hand: Hand) -> None:
    case, actor = await hand.case_for("ReopenDispute")
    await hand.say(c.ReopenDispute(id=hand.new_id(), case=case["subject"], reason=hand.text()), actor)


async def follow_up(hand: Hand) -> None:
    case, actor = await hand.case_for("RecordFollowUp", hand.chance.choice(("holder", "follow_up_by")))
    told = {"kept": hand.one(LIST["kept"]), "satisfied": hand.one(LIST["satisfied"]), "account": hand.text()}
    await hand.say(c.RecordFollowUp(id=hand.new_id(), case=case["subject"], **told), actor)


async def archive(hand: Hand) -> None:
    case, actor = await hand.case_for("ArchiveDispute")
    await hand.say(c.ArchiveDispute(id=hand.new_id(), case=case["subject"], retention=hand.chance.choice(("10", "30"))), actor)


async def merge(hand: Hand) -> None:
    """并案: this one ends, another one that the same office may see goes on."""
    case, actor = await hand.case_for("MergeDispute")
    others = await hand.rows("case_row", "subject <> :subject", {"subject": case["subject"]})
    into = hand.one(o for o in others if o["status"] in MERGEABLE and any(place.within(o["ledger"], office) for office in actor.offices))
    await hand.say(c.MergeDispute(id=hand.new_id(), case=case["subject"], into=into["subject"], reason=hand.text()[:90]), actor)


async def correct(hand: Hand) -> None:
    case, actor = await hand.case_for("CorrectDispute")
    field = hand.chance.choice(("title", "account", "place_text", "amount_fen", "headcount", "parties", "type"))
    value: Any = {"amount_fen": hand.chance.randrange(10**7), "headcount": hand.chance.randint(1, 40), "type": hand.one(TYPES)}.get(field)
    value = parties(hand) if field == "parties" else value if value is not None else hand.text()
    await hand.say(c.CorrectDispute(id=hand.new_id(), case=case["subject"], field=field, value=value, reason="登记时写错"), actor)


async def void(hand: Hand) -> None:
    case, actor = await hand.case_for("VoidDispute")
    await hand.say(c.VoidDispute(id=hand.new_id(), case=case["subject"], reason="登错了"), actor)


async def set_risk(hand: Hand) -> None:
    case, actor = await hand.case_for("SetRisk", hand.chance.choice(("holder", "")))
    risk = hand.one(risk for risk in LIST["risk"] if risk != case["risk"])
    await hand.say(c.SetRisk(id=hand.new_id(), case=case["subject"], risk=risk, reason=hand.text()), actor)


async def _seen_case(hand: Hand) -> tuple[Row, Any]:
    """A case in the region of somebody's office: who may see it may add to it."""
    actor = await hand.somebody("note")
    rows = await hand.rows("case_row", "1 = 1")
    seen = [row for row in rows if any(place.within(row["ledger"], office) for office in actor.offices)]
    return hand.talked_of(seen, lambda row: row["subject"]), actor


async def note(hand: Hand) -> None:
    case, actor = await _seen_case(hand)
    await hand.say(c.AddNote(id=hand.new_id(), case=case["subject"], text=hand.text()), actor)


async def evidence(hand: Hand) -> None:
    case, actor = await _seen_case(hand)
    blob = await picture(hand, hand.chance.choice(("photo", "paper")))
    thumb = None
    if hand.odds(0.5):
        thumb = await hand.node.blobs.put(JPEG + hand.chance.randbytes(60), "小图.jpg", "image/jpeg", "photo")
    await hand.say(c.AddEvidence(id=hand.new_id(), case=case["subject"], blob=blob, thumb=thumb), actor)


async def instruct(hand: Hand) -> None:
    case, actor = await hand.case_for("GiveInstruction", "")
    await hand.say(c.GiveInstruction(id=hand.new_id(), case=case["subject"], text=hand.text()), actor)


async def urge(hand: Hand) -> None:
    case, actor = await hand.case_for("UrgeDispute", "")
    due = hand.day(1, 20) if hand.odds(0.5) else None
    await hand.say(c.UrgeDispute(id=hand.new_id(), case=case["subject"], text=hand.text(), due=due), actor)


async def review(hand: Hand) -> None:
    """待核对: what was set aside is adopted or not, by the office that holds the case."""
    case, actor = await hand.case_for("DecideReview", fits=lambda row: row["reviews"] > 0)
    item = hand.one(await hand.rows("review_row", "subject = :subject", {"subject": case["subject"]}, "item"))
    told = {"item": item["item"], "decision": hand.chance.choice(("adopt", "reject")), "reason": hand.text()}
    await hand.say(c.DecideReview(id=hand.new_id(), case=case["subject"], **told), actor)


async def ask(hand: Hand) -> None:
    """请别处协助: another place's office is asked; a node that covers both makes the linked task."""
    case, actor = await hand.case_for("RequestTask")
    nodes = [path.removesuffix("/*") for serves, _ in hand.node.reads.nodes() for path in serves]
    to = hand.one(sorted({path for path in nodes if path not in actor.offices and hand.tables().is_place(path)}))
    told = {"purpose": hand.text(), "due_ms": hand.now_ms + hand.chance.randint(1, 20) * DAY_MS, "summary": hand.text()}
    kind = hand.chance.choice(("visit", "inquiry"))
    await hand.say(c.RequestTask(id=hand.new_id(), case=case["subject"], to=to, purpose_kind=kind, **told), actor)


async def receipts(hand: Hand) -> None:
    """Somebody opens a case and reads how far each entry got: what the page shows is a promise, too."""
    case, actor = await _seen_case(hand)
    folded = await hand.node.reads.case(actor, case["subject"])
    keys = [(line.head.ledger, *line.key) for line in folded.lines]
    for key, marks in sorted((await hand.node.reads.marks(keys)).items()):
        for mark in (mark for mark in marks[1:] if mark.reached and mark.at_ms is not None):
            hand.record.show(hand.node, Shown(hand.id, key, mark.level))
    if not keys:
        raise Nothing
