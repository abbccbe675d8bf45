"""Figures of cases: each equals what a plain walk over the folded cases counts, and the list behind it holds as many, on either store."""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import pytest

from protocol import access, clocks, place
from protocol.calendar import DAY_MS, ZONE_MS
from protocol.case import OPEN, Case
from protocol.commands import (
    AcceptDispute,
    AddNote,
    ArchiveDispute,
    CloseDispute,
    DeclineDispute,
    EndMediation,
    EscalateDispute,
    MergeDispute,
    Party,
    RecordFollowUp,
    ReopenDispute,
    SealDispute,
    SetRisk,
    SignAgreement,
    TakeUpDispute,
    VoidDispute,
)
from protocol.events import Actor
from protocol.node import reads
from protocol.node.listing import KINDS, NONE, Narrowed
from protocol.node.statistics import KEPT_MS, Asked, Found, Sums
from tests.node.desk_kit import OTHER_TOWN, ROOT, START_MS, TOWN, UNIT, VILLAGE, County, Node, dispute, exchange, new_id

PLACES = (VILLAGE, f"{TOWN}/330523111201", TOWN, f"{OTHER_TOWN}/330523002210", ROOT)
PEOPLE = (
    Party("叶根土", phone="138-0000 0001"),
    Party("叶根土", phone="13800000002"),
    Party("查小满", id_number="330523197001010017"),
    Party("屠秀兰"),
)
TYPES = ("0204", "0202", "1002", "1501")
SPAN = 45 * DAY_MS
ASKED = Asked(START_MS, START_MS + SPAN, (START_MS - SPAN, START_MS), (START_MS, START_MS + SPAN // 3, START_MS + SPAN))


@pytest.fixture
def county(on_either: County) -> County:
    return on_either


async def lived(county: County, draw: Random, cases: int = 60) -> tuple[Node, list[str]]:
    """(the node above all, subjects): registered in several places, accepted, ended in all ways, raised, followed up, merged, voided; some overdue."""
    root, town, village = [await county.node(kind) for kind in ("root", "town", "village")]
    made: list[str] = []
    for n in range(cases):
        root.clock.pass_ms(draw.randint(0, DAY_MS))
        node = village if n % 4 == 0 else root
        words: dict[str, Any] = {"type": draw.choice(TYPES), "parties": [draw.choice(PEOPLE), Party("柏大海", side="respondent")]}
        words["intake"] = draw.choice(("visit", "phone", "petition"))
        if draw.random() < 0.5:
            words["amount_fen"] = draw.randint(0, 900_000)
        ledger = VILLAGE if node is village else draw.choice(PLACES)
        made.append((await node.say(dispute(ledger, **words))).subject)
        await go_on(node, draw, made)
    await exchange(village, town)
    for row in (await town.reads.cases(town.actor(), "incoming", per=200)).rows[:3]:
        await town.say(TakeUpDispute(id=new_id(), case=row.subject))
    await exchange(village, town, root)
    return root, made


async def go_on(node: Node, draw: Random, made: list[str]) -> None:
    fates = (
        "leave",
        "void",
        "decline",
        "file",
        "agree",
        "agree",
        "end",
        "withdraw",
        "risk",
        "reopen",
        "raise" if node.kind == "village" else "merge",
    )
    case, fate = made[-1], draw.choice(fates if node.kind == "root" or len(made) > 1 else ("raise",))
    if fate == "void":
        await node.say(VoidDispute(id=new_id(), case=case, reason="登错了"))
    elif fate in ("decline", "file"):
        await node.say(DeclineDispute(id=new_id(), case=case, reason="不归调解", door="人民法院"))
        if fate == "file":
            await node.say(ArchiveDispute(id=new_id(), case=case, retention="10"))
    elif fate == "risk":
        await node.say(SetRisk(id=new_id(), case=case, risk="red", reason="动过手"))
    elif fate == "raise":
        await node.say(EscalateDispute(id=new_id(), case=case, to=TOWN, reason="谈不拢"))
    elif fate == "merge":
        into = (await node.say(dispute(VILLAGE))).subject
        await node.say(MergeDispute(id=new_id(), case=case, into=into, reason="同一件事"))
        made.append(into)
    elif fate in ("agree", "end", "withdraw", "reopen"):
        await ended(node, draw, case, fate)


async def ended(node: Node, draw: Random, case: str, fate: str) -> None:
    await node.say(AcceptDispute(id=new_id(), case=case))
    if draw.random() < 0.15:
        node.clock.pass_ms(9 * DAY_MS)
    if fate == "end":
        await node.say(EndMediation(id=new_id(), case=case, reason="谈不拢", ways="可以起诉"))
        await node.say(CloseDispute(id=new_id(), case=case, ending="law", result="去法院"))
        return
    if fate == "withdraw":
        await node.say(CloseDispute(id=new_id(), case=case, ending="withdrawn", result="不要求了"))
        return
    await node.say(SignAgreement(id=new_id(), case=case, terms=["各让一步。"], performance="当面办完。"))
    await node.say(CloseDispute(id=new_id(), case=case, ending="agreement", result="办完了"))
    if draw.random() < 0.5:
        await node.say(RecordFollowUp(id=new_id(), case=case, kept="yes", satisfied="yes"))
    if fate == "reopen":
        await node.say(ReopenDispute(id=new_id(), case=case, reason="没有履行"))


# ── a plain walk over the cases ──


async def folded(node: Node, subjects: list[str]) -> list[Case]:
    operator = node.actor("operator", ROOT)
    return [await node.reads.case(operator, subject) for subject in subjects]


def claims(node: Node, cases: list[Case], actor: Actor) -> dict[str, Callable[[Case], bool]]:
    tables, now_ms = node.shelf(), node.clock()
    known = {case.id: clocks.of_case(case, tables) for case in cases}

    def late(case: Case) -> bool:
        """As the page says it: by the law's and the county's terms; not by a right, a follow-up or a silence."""
        running = [
            c
            for c in known[case.id]
            if c.state == "running" and not c.right and c.name not in ("回访", "息访回访", "无进展", "无进展（红色风险）")
        ]
        return clocks.kept_and_missed(known[case.id])[1] > 0 or (case.status in OPEN and any(c.due_ms < now_ms for c in running))

    def kept(case: Case) -> bool:
        return clocks.kept_and_missed(known[case.id])[0] > 0

    return {
        "registered": lambda case: True,
        "accepted": lambda case: case.accepted_ms is not None,
        "resolved": lambda case: case.ending in tables.endings and tables.endings[case.ending].ok,
        "timed": lambda case: kept(case) or late(case),
        "on_time": lambda case: kept(case) and not late(case),
        "late": late,
        "raised": lambda case: any(line.kind in ("DisputeEscalated", "DisputeCalledUp") for line in case.lines),
        "again": lambda case: any(came_before(case, one) for one in cases if access.may_see_case(actor, one)),
        "followed": lambda case: bool(case.follow_ups),
        "money": lambda case: (case.amount_fen or 0) > 0,
    }


def came_before(case: Case, one: Case) -> bool:
    """As the page says it."""
    first, other = case.parties[0], one.parties[0]
    numbers = [p.id_number.upper() or "".join(filter(str.isdigit, p.phone)) for p in (first, other)]
    days = [(c.logged_ms + ZONE_MS) // DAY_MS for c in (case, one)]
    is_same = first.name == other.name and numbers[0] == numbers[1] != "" and case.type[:2] == one.type[:2]
    return is_same and one.status != "voided" and days[1] < days[0] and case.logged_ms - one.logged_ms <= 365 * DAY_MS


def counted(cases: list[Case], asked: Asked, actor: Actor) -> list[Case]:
    return [
        case
        for case in cases
        if case.status not in ("voided", "merged", "transferred")
        and asked.from_ms <= case.logged_ms < asked.to_ms
        and (not asked.place or place.within(case.ledger, asked.place))
        and case.type.startswith(asked.type)
        and access.may_see_case(actor, case)
    ]


def ended_with(case: Case) -> str:
    return "declined" if any(line.kind == "DisputeDeclined" for line in case.lines) else case.ending


def check(sums: Sums, cases: list[Case], said: dict[str, Callable[[Case], bool]], kinds: tuple[str, ...]) -> None:
    assert {kind: getattr(sums, kind) for kind in kinds} == {kind: sum(map(said[kind], cases)) for kind in kinds}


PART = ("registered", "accepted", "resolved", "timed", "on_time", "late")


def check_all(found: Found, cases: list[Case], said: dict[str, Callable[[Case], bool]], asked: Asked, actor: Actor) -> None:
    inside = counted(cases, asked, actor)
    check(found.whole, inside, said, tuple(KINDS))
    assert found.whole.amount_fen == sum(case.amount_fen or 0 for case in inside)
    assert found.whole.follow_ups == sum(len(case.follow_ups) for case in inside)
    parts = ((found.types, "type"), (found.places, "ledger"), (found.intakes, "intake"), (found.risks, "risk"), (found.endings, "ending"))
    for made, field in parts:
        codes = {case.id: ended_with(case) if field == "ending" else getattr(case, field) for case in inside}
        assert set(made) == set(codes.values())
        for code, sums in made.items():
            more = ("again",) if field in ("type", "ledger") else ()
            check(sums, [case for case in inside if codes[case.id] == code], said, (*PART, *more))
    for n, sums in enumerate(found.months):
        check(
            sums, [c for c in inside if asked.months[n] <= c.logged_ms < asked.months[n + 1]], said, ("registered", "accepted", "resolved")
        )


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_figure_is_what_a_plain_walk_counts(county: County, seed: int):
    root, subjects = await lived(county, Random(seed))
    cases = await folded(root, subjects)
    operator = root.actor("operator", ROOT)
    seen = (operator, root.actor("officer", TOWN), root.actor("clerk", VILLAGE), root.actor("operator", UNIT))
    for actor in seen:
        said = claims(root, cases, actor)
        for more in ({}, {"place": TOWN}, {"type": "02"}, {"place": VILLAGE, "type": "1002"}):
            asked = Asked(*[getattr(ASKED, name) for name in ("from_ms", "to_ms", "before", "months")], **more)
            check_all(await root.reads.statistics.found(actor, asked), cases, said, asked, actor)
    whole = (await root.reads.statistics.found(operator, ASKED)).whole
    assert [kind for kind in KINDS if not getattr(whole, kind)] == [], "a figure that is always nought proves nothing"
    assert (await root.reads.statistics.found(root.actor("cadre", ROOT), ASKED)).whole == Sums()


async def test_what_it_is_compared_to_is_the_same_of_the_time_before(county: County):
    root, _ = await lived(county, Random(3), 24)
    operator = root.actor("operator", ROOT)
    middle = START_MS + SPAN // 3
    asked = Asked(middle, START_MS + SPAN, (START_MS, middle), ())
    past = Asked(START_MS, middle, (0, START_MS), ())
    statistics = root.reads.statistics
    assert (await statistics.found(operator, asked)).before == (await statistics.found(operator, past)).whole


async def test_the_list_behind_a_number_holds_as_many(county: County, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reads, "EVERY_AT_ONCE", 7)  # several pieces
    root, _ = await lived(county, Random(4))
    for actor in (root.actor("operator", ROOT), root.actor("officer", TOWN)):
        found = await root.reads.statistics.found(actor, ASKED)
        span = {"from_ms": ASKED.from_ms, "to_ms": ASKED.to_ms}

        async def total(place: str = "", type: str = "", asked: dict[str, Any] = span, actor: Actor = actor, **more: Any) -> int:
            return (await root.reads.cases(actor, place=place, type=type, narrowed=Narrowed(**asked, **more), per=1)).total

        for kind in KINDS:
            assert await total(kind=kind) == getattr(found.whole, kind), kind
        for code, sums in found.types.items():
            assert await total(type=code, kind="on_time") == sums.on_time
        for path, sums in found.places.items():
            assert await total(place=path, alone=True, kind="late") == sums.late
        for name, parts in (("intake", found.intakes), ("risk", found.risks), ("ending", found.endings)):
            for code, sums in parts.items():
                assert await total(kind="registered", **{name: code or NONE}) == sums.registered, (name, code)
        rows = [row async for some in root.reads.every(actor, narrowed=Narrowed("resolved", **span)) for row in some]
        assert len(rows) == found.whole.resolved == len({row.subject for row in rows})
        assert [row.logged_ms for row in rows] == sorted((row.logged_ms for row in rows), reverse=True)


async def test_an_answer_is_kept_until_an_entry_comes_or_a_clock_may_have_run_out(county: County):
    root = await county.node("root")
    operator, statistics = root.actor("operator", ROOT), root.reads.statistics
    case = (await root.say(dispute(VILLAGE), operator)).subject
    first = await statistics.found(operator, ASKED)
    assert await statistics.found(operator, ASKED) is first
    await root.say(AddNote(id=new_id(), case=case, text="又来问过。"), operator)
    second = await statistics.found(operator, ASKED)
    assert second is not first
    assert (second.whole.registered, second.whole.late) == (1, 0)
    root.clock.pass_ms(KEPT_MS + 60 * DAY_MS)
    assert (await statistics.found(operator, ASKED)).whole.late == 1, "nothing was written, but its time is over"


async def test_a_silence_and_a_follow_up_remind_and_make_nobody_late(county: County):
    """The township has 15 working days; after five without a word the list is marked, and after signing a follow-up is due."""
    town = await county.node("town")
    for is_signed in (False, True):
        case = (await town.say(dispute(TOWN))).subject
        if is_signed:
            await town.say(AcceptDispute(id=new_id(), case=case))
            await town.say(SignAgreement(id=new_id(), case=case, terms=["各让一步。"], performance="当面办完。"))
    town.clock.pass_ms(13 * DAY_MS)
    actor = town.actor()
    assert (await town.reads.cases(actor, "overdue")).total == 2
    whole = (await town.reads.statistics.found(actor, ASKED)).whole
    assert (whole.registered, whole.on_time, whole.late) == (2, 1, 0)
    assert (await town.reads.cases(actor, narrowed=Narrowed("late"))).total == 0


@pytest.mark.parametrize(("hours", "again"), [(2, 0), (10, 1), (24 * 365, 1), (24 * 365 + 1, 0)])
async def test_who_comes_again_within_a_year_but_not_the_same_day_comes_again(county: County, hours: int, again: int):
    """The first came at three in the afternoon; ten hours later is the next day."""
    root = await county.node("root")
    for after_ms in (0, hours * 3_600_000 - 1000):
        root.clock.pass_ms(after_ms)
        await root.say(dispute(VILLAGE, parties=[PEOPLE[0]]), root.actor("operator", ROOT))
    asked = Asked(START_MS, START_MS + 400 * DAY_MS, (0, START_MS), ())
    assert (await root.reads.statistics.found(root.actor("operator", ROOT), asked)).whole.again == again


async def test_a_registration_that_was_a_slip_is_no_earlier_visit(county: County):
    """Voided yesterday, since it was entered wrongly; today's is the first. An unknown type finds nothing, whatever signs it has."""
    root = await county.node("root")
    operator = root.actor("operator", ROOT)
    slip = (await root.say(dispute(VILLAGE, parties=[PEOPLE[0]]), operator)).subject
    await root.say(VoidDispute(id=new_id(), case=slip, reason="登错了"), operator)
    root.clock.pass_ms(DAY_MS)
    await root.say(dispute(VILLAGE, parties=[PEOPLE[0]]), operator)
    assert (await root.reads.statistics.found(operator, ASKED)).whole.again == 0
    assert (await root.reads.cases(operator, narrowed=Narrowed("again"))).total == 0
    for type_ in ("\U0010ffff", "02\ud7ff", "x"):
        assert (await root.reads.cases(operator, type=type_)).total == 0
        assert (await root.reads.statistics.found(operator, msgspec.structs.replace(ASKED, type=type_))).whole == Sums()


async def test_past_the_last_page_is_the_last_one(county: County):
    root = await county.node("root")
    operator = root.actor("operator", ROOT)
    for _ in range(3):
        await root.say(dispute(VILLAGE), operator)
    for more in ({}, {"type": "02"}, {"text": "田埂"}):
        last = await root.reads.cases(operator, **more, page=9, per=2)
        assert (last.page, last.total, len(last.rows)) == (2, 3, 1), more


async def test_what_is_sealed_is_in_no_figure(county: County):
    root = await county.node("root")
    await root.say(SealDispute(id=new_id(), account="有人说青苗费发到了别人的卡上。"), root.actor("operator", ROOT))
    for kind in ("operator", "discipline"):
        found = await root.reads.statistics.found(root.actor(kind, ROOT), ASKED)
        assert found.whole == Sums() and not found.types and not found.places


async def test_a_village_that_was_late_stays_late_in_figures_once_the_township_took_the_case_up(county: County):
    """It is nobody's deadline of today, though; who escalated in time was never late."""
    village, town = [await county.node(kind) for kind in ("village", "town")]
    late, in_time = [(await village.say(dispute())).subject for _ in range(2)]
    await village.say(EscalateDispute(id=new_id(), case=in_time, to=TOWN, reason="谈不拢"))
    village.clock.pass_ms(20 * DAY_MS)
    await village.say(EscalateDispute(id=new_id(), case=late, to=TOWN, reason="谈不拢"))
    await exchange(village, town)
    await town.desk.arrivals()
    for case in (late, in_time):
        await town.say(TakeUpDispute(id=new_id(), case=case))
    whole = (await town.reads.statistics.found(town.actor(), ASKED)).whole
    assert (whole.registered, whole.late) == (2, 1)
    assert [row.subject for row in (await town.reads.cases(town.actor(), narrowed=Narrowed("late"))).rows] == [late]
    assert (await town.reads.cases(town.actor(), "overdue")).total == 0
