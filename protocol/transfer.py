"""转办: a case never changes ledger. Going to an office beside its own line, it goes on there as a successor under the same code.

    old ledger   DisputeTransferred (an offer; the holder stays responsible) … TransferAnswered: taken up → 已转办, or returned
    receiver's   DisputeLogged, DisputeHandedDown (by a node that covers both) … taken up or returned like any offer

The successor holds what the transfer chose to show, the code, and the clocks of the case it goes on from: the earlier one counts.
What becomes of it is told to the old case, fact by fact, and that follows it; a return ends the successor, and the old one goes on.
A call-up of the old case calls the transfer off: a node that covers both returns the successor, if nobody was quicker. Was somebody, the
two have two holders, until that of the old one adopts what it is told (已转办) or agrees with the other on one.
"""

from collections.abc import Iterable
from typing import Final

from protocol import words
from protocol.access import may_register_in
from protocol.case import OPEN, Case, key_text
from protocol.commands import Party
from protocol.entry import derive
from protocol.events import (
    DisputeHandedDown,
    DisputeLogged,
    DisputeLoggedBody,
    DisputeReturned,
    DisputeTransferred,
    DisputeTransferredBody,
    Draft,
    TextBody,
    TransferAnswered,
    facts_of,
)
from protocol.place import covers

SHOWN = words.SHOWN
ANSWERABLE: Final = ("transferred", *OPEN)  # states of the old case that an answer may change, or that show it
CALLED_OFF: Final = "转办已经取消，不用受领。"
_SAID: Final = {"DisputeReturned": "原因", "DisputeClosed": "结果"}  # whose words the old case is told, under which label
Reach = tuple[tuple[str, ...], tuple[str, ...]]  # (serves, covers) of a node


def receivers(case: Case, nodes: Iterable[Reach]) -> set[str]:
    """Paths of what some node serves (with `/*`: and all below) where offices may lie that can't see the case's ledger."""
    served = {path for serves, _ in nodes for path in serves}
    return {path for path in served if path.endswith("/*") or not may_register_in(path, case.ledger)}


def may_receive(office: str, case: Case, nodes: Iterable[Reach]) -> bool:
    """Claims that somebody serves the office, and that its people can't see the case where it is: else it is handed down or escalated.

    Its node may: a township's computer also serves villages without one, and two of them are strangers to each other all the same.
    """
    return not may_register_in(office, case.ledger) and covers(receivers(case, nodes), office)


def excerpt(case: Case, reason: str, shows: Iterable[str]) -> DisputeTransferredBody:
    """What the receiver will see of the personal part."""
    chosen = set(shows)
    parties = [
        Party(
            p.name, p.side, p.kind,
            phone=p.phone if "phones" in chosen else "", address=p.address if "addresses" in chosen else "",
        )
        for p in case.parties
    ]  # fmt: skip
    return DisputeTransferredBody(
        reason,
        case.title if "title" in chosen else "",
        case.account if "account" in chosen else "",
        parties if "parties" in chosen else [],
        case.place_text if "place_text" in chosen else "",
    )


def successor_subject(command: str) -> str:
    return derive(command, "case")


def opening(case: Case) -> tuple[str, list[Draft]]:
    """(command id, drafts) that open the successor of a case with a pending transfer; the same at whatever node makes them."""
    sent = case.transfer
    if sent is None or case.offer is None or case.offer.key != sent.key:
        return "", []
    subject, shows = successor_subject(sent.opens), set(sent.shows)
    logged = DisputeLogged(
        "", 1, (), case.code, case.type, case.intake, case.headcount, case.risk if "risk" in shows else "green",
        case.amount_fen if "amount" in shows else None, None, "", sent.by, case.id, case.logged_ms, case.accepted_ms,
    )  # fmt: skip
    text = sent.excerpt or DisputeTransferredBody("")
    told = DisputeLoggedBody(text.title, text.account, text.parties, text.place_text)
    handed = DisputeHandedDown("", 1, (), sent.to, sent.due, sent.by)
    return sent.opens, [
        Draft(sent.to, subject, "dispute", logged, told),
        Draft(sent.to, subject, "dispute", handed, TextBody(text.reason)),
    ]


def called_off(old: Case, successor: Case) -> Draft | None:
    """DisputeReturned for a successor that nobody took up and whose transfer counts no more; None when it does, or is not known here yet."""
    if not successor.is_coming or successor.offer is None or old.removed:
        return None
    sent = next(
        (x for x in old.lines if isinstance(f := facts_of(x.head), DisputeTransferred) and successor_subject(f.successor) == successor.id),
        None,
    )
    if sent is None or sent.waiting or (old.offer is not None and old.offer.key == sent.key):
        return None
    if old.transfer is not None and old.transfer.key == sent.key and old.transfer.answer:
        return None  # told already: somebody did take it up, and the entry is not here yet
    facts = DisputeReturned("", 1, tuple(sorted(successor.seen.items())), key_text(successor.offer.key))
    return Draft(successor.ledger, successor.id, "dispute", facts, TextBody(CALLED_OFF))


def answer_of(successor: Case) -> str:
    """What the case it goes on from is to be told, as one text; "" while it waits to be taken up."""
    if not successor.predecessor:
        return ""
    if successor.term == 1:
        return "returned" if successor.status == "merged" else ""
    return f"taken_up/{successor.status}/{successor.ending}/{successor.holder}"


def answering(old: Case, successor: Case) -> Draft | None:
    """TransferAnswered for the old case; None when it knows already, or is over in a way that no answer changes (removed, voided)."""
    told = answer_of(successor)
    if not told or told == old.answered or old.transfer is None or old.status not in ANSWERABLE:
        return None
    answer, moved = told.partition("/")[0], successor.moves[-1]
    line = next((x for x in reversed(successor.lines) if x.kind in _SAID and not x.set_aside), None)
    said = line.text.get(_SAID[line.kind], "") if line is not None else ""
    facts = TransferAnswered(
        "", old.term, tuple(sorted(old.seen.items())), key_text(old.transfer.key), answer, successor.status, successor.ending,
        successor.holder, line.at_ms if line is not None else moved.at_ms,
    )  # fmt: skip
    return Draft(old.ledger, old.id, "dispute", facts, TextBody(said) if said else None)
