"""Small builders for the tests of clocks: a case as a fold would leave it, times written as people write them."""

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from protocol.case import Agreement, Case, FollowUp, Line, Offer
from protocol.clocks import Clock, of_case
from protocol.entry import FORMAT, Head
from protocol.tables import Tables

TABLES = Tables.packaged()
ZONE = timezone(timedelta(hours=8))
COUNTY = "330523"
TOWNSHIP = "330523/330523111"
VILLAGE = "330523/330523111/330523111217"
ORIGIN = "nvillage2:1"


def ms(text: str) -> int:
    """'2026-03-16 09:30', or a date alone: at nine in the morning."""
    moment = datetime.fromisoformat(text if " " in text else f"{text} 09:00")
    return int(moment.replace(tzinfo=ZONE).timestamp() * 1000)


def day(due_ms: int) -> str:
    """The date of a clock's end; only its last millisecond counts as its end."""
    assert (due_ms + 1 + 8 * 3_600_000) % 86_400_000 == 0, "ends within a day"
    return datetime.fromtimestamp(due_ms / 1000, ZONE).date().isoformat()


def a_case(logged: str, **fields: Any) -> Case:
    """Logged and held by the village unless fields say otherwise."""
    start = ms(logged)
    given: dict[str, Any] = {
        "type": "0204",
        "status": "logged",
        "holder": VILLAGE,
        "term_since_ms": start,
        "intake": "visit",
        "headcount": 2,
    }
    given |= {"logged_office": VILLAGE, "logged_ms": start, "lines": [a_line("DisputeLogged", logged)]} | fields
    return Case(id="0" * 32, ledger=VILLAGE, code="2026-017-00042K", handler="", term=1, **given)


def a_line(kind: str, at: str, **fields: Any) -> Line:
    head = Head(FORMAT, VILLAGE, ORIGIN, 1, "0" * 32, "dispute", 1, ms(at), None, ("", ""), "", kind, msgspec.Raw(b"\x90"), b"")
    return Line(key=(ORIGIN, 1), head=head, kind=kind, office=VILLAGE, at_ms=ms(at), received_ms=ms(at), text={}, **fields)


def a_paper(signed: str, *due: str, number: str = "（2026）安调字第017-00001号", **fields: Any) -> Agreement:
    given: dict[str, Any] = {
        "form": "written",
        "follow_up_by": VILLAGE,
        "amount_fen": None,
        "copies": 3,
        "terms": [],
        "performance": "",
    } | fields
    given |= {"facts": "", "responsibility": "", "key": (ORIGIN, 3), "office": VILLAGE}
    return Agreement(number=number, signed_ms=ms(signed), due=due, **given)


def agreed(case: Case, *papers: Agreement, status: str = "agreed") -> Case:
    case.status, case.agreement, case.agreements = status, papers[-1], list(papers)
    return case


def a_visit(at: str, kept: str = "yes") -> FollowUp:
    return FollowUp(key=(ORIGIN, 9), office=VILLAGE, at_ms=ms(at), kept=kept, satisfied="yes", account="")


def an_offer(arrived: str | None) -> Offer:
    at = ms("2026-01-19 10:00")
    return Offer(TOWNSHIP, VILLAGE, "escalate", "", "", at, (ORIGIN, 2), ms(arrived) if arrived else None)


def clocks(case: Case, id_: str) -> list[Clock]:
    return [clock for clock in of_case(case, TABLES) if clock.id == id_]


def ends(case: Case, id_: str) -> str:
    """The date on which the only clock of that id ends."""
    (clock,) = clocks(case, id_)
    return day(clock.due_ms)


def states(case: Case, id_: str) -> list[tuple[str, str]]:
    return [(day(clock.due_ms), clock.state) for clock in clocks(case, id_)]
