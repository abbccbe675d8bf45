"""The clocks of a case that the real fold made, from entries, also with every body erased."""

import msgspec

from protocol import events
from protocol.clocks import MET, RUNNING, of_case
from protocol.commands import Party
from protocol.entry import FORMAT, Admitted, Head
from protocol.fold import fold_case
from tests.protocol.clock_cases import ORIGIN, TABLES, VILLAGE, day, ms

SUBJECT = "5" * 32


def entry(seq: int, at: str, facts: events.Facts, body: events.Body | None = None) -> Admitted:
    kind = type(facts).__name__
    packed = msgspec.Raw(msgspec.msgpack.encode(facts))
    head = Head(
        FORMAT,
        VILLAGE,
        ORIGIN,
        seq,
        SUBJECT,
        "dispute",
        seq,
        ms(at),
        None,
        ("p" * 32, "clerk.00000001"),
        f"command-{seq}",
        kind,
        packed,
        b"",
    )
    return Admitted(head, None if body is None else msgspec.msgpack.encode(body), ms("2026-03-19 08:40"))


def s1() -> list[Admitted]:
    """The boundary wall: logged, accepted and agreed offline, admitted on 03-19."""
    said = events.DisputeLoggedBody("围墙", "东邻砌围墙占了滴水巷", [Party(name="甲"), Party(name="乙", side="respondent")])
    paper = events.AgreementSigned(
        VILLAGE, 1, (), "（2026）安调字第017-00001号", "written", ms("2026-03-18 15:00"), ("2026-03-31",), "", None, 3
    )
    return [
        entry(
            1,
            "2026-03-16 09:00",
            events.DisputeLogged(VILLAGE, 1, (), "2026-017-00042K", "0204", "visit", 2, "green", None, None, ""),
            said,
        ),
        entry(2, "2026-03-16 09:30", events.DisputeAccepted(VILLAGE, 1, (), True)),
        entry(3, "2026-03-18 15:10", paper, events.AgreementSignedBody(["拆除围墙"], "三月底前拆除")),
    ]


def dates(admitted: list[Admitted]) -> list[tuple[str, str, str]]:
    case = fold_case(admitted, TABLES)
    assert case is not None
    return [(clock.id, day(clock.due_ms), clock.state) for clock in of_case(case, TABLES)]


def test_s1_has_its_dates_whatever_the_order_of_arrival_and_without_any_body() -> None:
    told = [("village", "2026-03-23", MET), ("T12", "2026-04-10", RUNNING), ("T2", "2026-04-16", MET), ("T10", "2026-04-17", RUNNING)]
    assert dates(s1()) == told
    assert dates(s1()[::-1]) == told
    assert dates([msgspec.structs.replace(one, body=None, erased=True) for one in s1()]) == told


def test_a_case_only_logged_has_the_inner_clocks() -> None:
    assert dates(s1()[:1]) == [("T31", "2026-03-23", RUNNING), ("village", "2026-03-23", RUNNING)]
