"""What pages may read: within what the actor may see, with receipts that tell how far each entry got."""

import hashlib
from typing import Any

import pytest

from protocol import have
from protocol.batch import SPEAKS
from protocol.commands import (
    AcceptDispute,
    AddParty,
    AddTaskEvidence,
    ArriveTask,
    AssignTask,
    CallUpDispute,
    ConfirmTask,
    ConveneUnits,
    EscalateDispute,
    HandDownDispute,
    Party,
    RecordMediation,
    ReportTask,
    TakeUpDispute,
)
from protocol.events import Actor
from protocol.node import finding
from protocol.node.journal import engine
from protocol.node.journal.rows import run
from protocol.node.listing import INDICES, VIEWS, Narrowed
from protocol.node.machine import Machine
from protocol.problem import Refused
from protocol.views import TABLES
from tests.node.desk_kit import ROOT, TOWN, UNIT, VILLAGE, County, Node, add_person, dispute, exchange, new_id, person_id

OTHER_VILLAGE = "330523/330523111/330523111201"


async def three(county: County) -> tuple[Node, Node, Node]:
    village, town, root = await county.node("village"), await county.node("town"), await county.node("root")
    for node in (village, town, root):
        await root.desk.enrol_node(node.signer.certificate)
    await exchange(village, town, root)
    return village, town, root


async def tell(speaker: Node, hearer: Node, ledger: str, speaks: tuple[str, ...] = Machine.speaks) -> None:
    """`speaker` says its Have of a ledger and `hearer` keeps it."""
    lanes = await speaker.journal.lanes(ledger)
    wire = have.sign(have.Have(speaker.signer.node, ledger, lanes, speaker.clock(), speaks=speaks), speaker.signer.key)
    async with hearer.journal.writing() as w:
        await w.set_haves({(speaker.signer.node, ledger): (lanes, hearer.clock(), wire)})


def texts(marks) -> list[str]:
    return [mark.text for mark in marks]


# ── receipts ──


async def test_marks_are_independent_and_the_top_may_be_first(county: County):
    village, town, root = await three(county)
    key = (await village.say(dispute())).entries[0]
    assert texts((await village.reads.marks([key]))[key]) == ["已存本机", "未到乡镇", "未到县"]
    await exchange(village, root)
    await tell(root, village, VILLAGE)
    marks = (await village.reads.marks([key]))[key]
    assert texts(marks) == ["已存本机", "未到乡镇", "已到县"]
    assert [mark.reached for mark in marks] == [True, False, True]
    await exchange(village, town)
    await tell(town, village, VILLAGE)
    assert texts((await village.reads.marks([key]))[key]) == ["已存本机", "已到乡镇", "已到县"]


async def test_a_later_entry_has_its_own_marks_and_a_fallen_have_says_again(county: County):
    village, town, _ = await three(county)
    first = await village.say(dispute())
    await exchange(village, town)
    await tell(town, village, VILLAGE)
    second = await village.say(dispute())
    marks = await village.reads.marks([*first.entries, *second.entries])
    assert texts(marks[first.entries[0]])[1] == "已到乡镇"
    assert texts(marks[second.entries[0]])[1] == "未到乡镇"
    async with village.journal.writing() as w:
        await w.set_haves({(town.signer.node, VILLAGE): ({}, village.clock(), b"restored from an old backup")})
    (mark,) = [m for m in (await village.reads.marks(first.entries))[first.entries[0]] if m.state == "again"]
    assert (mark.text, mark.reached) == ("重新送达中", False)


async def test_what_comes_from_above_shows_when_it_is_at_the_village(county: County):
    village, town, root = await three(county)
    outcome = await root.say(dispute(VILLAGE), root.actor("operator", ROOT))
    key = outcome.entries[0]
    assert texts((await root.reads.marks([key]))[key]) == ["已存本机", "未到乡镇", "未到村"]
    await exchange(root, town, village)
    await tell(village, root, VILLAGE)
    assert texts((await root.reads.marks([key]))[key]) == ["已存本机", "未到乡镇", "已到村"]
    assert texts((await village.reads.marks([key]))[key]) == ["已存本机", "未到乡镇", "已到县"], "who wrote it has it"
    row = await root.reads.case_row(root.actor(), outcome.subject)
    assert texts(row.marks) == ["已存本机", "未到乡镇", "已到村"]


@pytest.mark.parametrize(
    ("speaks", "said"),
    [
        ((), "已到村，程序旧，读不懂这一步"),
        (SPEAKS, "已到村，程序旧，读不懂这一步"),
        ((*SPEAKS, "ev3"), "已到村"),
        ((*SPEAKS, "ev4"), "已到村"),
    ],
)
async def test_a_mark_says_where_a_step_got_to_and_is_not_read_yet(county: County, speaks, said):
    village, town, root = await three(county)
    operator = root.actor("operator", ROOT)
    outcome = await root.say(dispute(VILLAGE), operator)
    await root.say(AddParty(id=new_id(), case=outcome.subject, party=Party("阿卜杜热合曼", side="respondent"), reason="另一家"), operator)
    await exchange(root, town, village)
    await tell(village, root, VILLAGE, speaks)
    lines = (await root.reads.case(operator, outcome.subject)).lines
    marks = await root.reads.line_marks(lines)
    shown = {line.kind: marks[line.head.ledger, *line.key][-1] for line in lines}
    assert (shown["DisputeLogged"].text, shown["PartyAdded"].text) == ("已到村", said)
    assert shown["PartyAdded"].reached, "it is kept there all the same"
    await tell(village, root, VILLAGE)
    assert {texts(some)[-1] for some in (await root.reads.line_marks(lines)).values()} == {"已到村"}, "its program was renewed"
    await tell(root, village, VILLAGE, ())
    here = (await village.reads.case(village.actor(), outcome.subject)).lines
    assert {texts(some)[-1] for some in (await village.reads.line_marks(here)).values()} == {"已到县"}, "who wrote it reads it"


# ── cases ──


async def test_views_follow_a_case_up_and_down(county: County):
    village, town, root = await three(county)
    case = (await village.say(dispute())).subject
    await village.say(AcceptDispute(id=new_id(), case=case))
    await village.say(RecordMediation(id=new_id(), case=case, account="没谈拢。", result="failed"))
    await village.say(EscalateDispute(id=new_id(), case=case, to=TOWN, reason="谈不拢", tried="一次"))
    await exchange(village, town, root)
    at_village, at_town = await village.reads.counts(village.actor()), await town.reads.counts(town.actor())
    assert (at_village["held"], at_village["outgoing"]) == (1, 1)
    assert (at_town["held"], at_town["incoming"], at_town["came_down"], at_town["open"]) == (0, 1, 0, 1)
    await town.say(TakeUpDispute(id=new_id(), case=case))
    await exchange(village, town, root)
    assert (await village.reads.counts(village.actor()))["held"] == 0
    assert (await town.reads.counts(town.actor()))["held"] == 1
    await town.say(HandDownDispute(id=new_id(), case=case, to=VILLAGE, due="2026-12-01", reason="先在村里谈田埂"))
    await exchange(village, town, root)
    came = await village.reads.cases(village.actor(), view="came_down")
    assert [row.subject for row in came.rows] == [case]
    village.clock.pass_ms(90 * 86_400_000)
    late = await village.reads.cases(village.actor(), view="overdue")
    assert [row.subject for row in late.rows] == [case]


async def test_a_word_that_too_many_have_finds_some_of_them_and_says_so(county: County, monkeypatch: pytest.MonkeyPatch):
    village = await county.node("village")
    for n in range(7):
        await village.say(dispute(type="0204" if n % 2 else "0101", account=f"第{n}件，为了{'田埂' if n % 2 else '分家'}的事。"))
    actor, reads = village.actor(), village.reads
    await village.journal.index()
    monkeypatch.setattr(finding, "FOUND_MAX", 4)
    monkeypatch.setattr(finding, "LOOKED_AT", 6)
    whole = await reads.cases(actor, text="分家", per=3)
    assert (whole.total, whole.more, len(whole.rows)) == (4, False, 3), "as many as the limit are all of them"
    assert [sign.type for sign in whole.signs] == ["0101"] * 4
    for word in ("根土", "为了", "叶根土"):
        common = await reads.cases(actor, text=word, per=3)
        assert (common.total, common.more) == (4, True), word
        assert [row.code for row in common.rows] == [row.code for row in (await reads.cases(actor, per=3)).rows], "the last ones"
    narrow = await reads.cases(actor, text="根土", type="01", per=3)
    assert (narrow.total, narrow.more) == (4, False), "with a second sign nothing is left out"
    assert (await reads.cases(actor, text="根土 分家")).more is False
    assert not (await reads.cases(actor, text="分家")).signs, "a page holds all of it"


async def test_whoever_may_see_few_of_what_a_common_word_finds_sees_those(county: County, monkeypatch: pytest.MonkeyPatch):
    town = await county.node("town")
    own = [await town.say(dispute(OTHER_VILLAGE, account=f"第{n}件，为了田埂的事，张建和建国都在。")) for n in range(2)]
    for n in range(9):
        await town.say(dispute(TOWN, account=f"另外第{n}件，为了田埂的事，张建国在。"))
    await town.journal.index()
    monkeypatch.setattr(finding, "FOUND_MAX", 3)
    monkeypatch.setattr(finding, "LOOKED_AT", 6)
    clerk = town.actor("clerk", OTHER_VILLAGE)
    for word in ("田埂", "为了田埂"):
        found = await town.reads.cases(clerk, text=word)
        assert (found.total, found.more) == (2, False), "what others have comes before his in the index"
        assert {row.subject for row in found.rows} == {result.subject for result in own}
        assert (await town.reads.cases(town.actor(), text=word)).more
    held = await town.reads.cases(town.actor(), text="张建和建国")
    assert (held.total, held.more) == (2, False), "nine others are offered by the index, whose text has not got it"


async def test_lists_filter_search_and_turn_pages(county: County):
    village = await county.node("village")
    codes = []
    for n in range(7):
        kind = "0204" if n % 2 else "0101"
        codes.append((await village.say(dispute(type=kind, account=f"第{n}件，为了{'田埂' if n % 2 else '分家'}的事。"))).code)
    actor, reads = village.actor(), village.reads
    first = await reads.cases(actor, per=3)
    assert (first.total, len(first.rows), first.rows[0].code) == (7, 3, codes[-1])
    third = await reads.cases(actor, per=3, page=3)
    assert [row.code for row in third.rows] == [codes[0]]
    assert (await reads.cases(actor, type="02")).total == 3
    assert (await reads.cases(actor, type="0101")).total == 4
    assert (await reads.cases(actor, text="分家")).total == 4
    assert (await reads.cases(actor, text="根土 田埂")).total == 7
    assert (await reads.cases(actor, text=codes[2].lower())).rows[0].code == codes[2]
    assert (await reads.cases(actor, status="accepted")).total == 0
    assert (await reads.cases(actor, place=OTHER_VILLAGE)).total == 0
    assert (await reads.cases(actor, place=TOWN)).total == 7
    assert (await reads.cases(actor, view="nonsense", page=-3, per=10**9)).total == 7


async def test_nobody_reads_beyond_what_they_may_see(county: County):
    root = await county.node("root")
    here = (await root.say(dispute(VILLAGE), root.actor("operator", ROOT))).subject
    there = (await root.say(dispute(OTHER_VILLAGE), root.actor("operator", ROOT))).subject
    far = (await root.say(dispute("330523/330523002/330523002210"), root.actor("operator", ROOT))).subject
    at_unit = (await root.say(dispute(VILLAGE), root.actor("department", UNIT))).subject
    expected = {
        ("clerk", VILLAGE): {here, at_unit},
        ("officer", TOWN): {here, there, at_unit},
        ("operator", ROOT): {here, there, far, at_unit},
        ("department", UNIT): {at_unit},
        ("cadre", TOWN): set(),
        ("admin", ROOT): set(),
        ("discipline", ROOT): set(),
    }
    for (kind, office), seen in expected.items():
        actor = root.actor(kind, office)
        assert {row.subject for row in (await root.reads.cases(actor)).rows} == seen, (kind, office)
        assert await root.reads.total(actor) == len(seen)
        for subject in (here, there, far, at_unit):
            if subject in seen:
                assert (await root.reads.case(actor, subject)).id == subject
                continue
            for ask in (root.reads.case, root.reads.case_row, root.reads.task):
                with pytest.raises(Refused):
                    await ask(actor, subject)


async def test_a_unit_that_is_asked_to_join_sees_the_case_and_its_task(county: County):
    root = await county.node("root")
    operator, unit = root.actor("operator", ROOT), root.actor("department", UNIT)
    case = (await root.say(dispute(VILLAGE), operator)).subject
    await root.say(AcceptDispute(id=new_id(), case=case), operator)
    await root.say(RecordMediation(id=new_id(), case=case, account="要看地籍图。", result="go_on"), operator)
    assert (await root.reads.cases(unit)).total == 0
    await root.say(ConveneUnits(id=new_id(), case=case, units=[UNIT], purpose="带地籍图来"), operator)
    assert [row.subject for row in (await root.reads.cases(unit)).rows] == [case]
    (task,) = await root.reads.tasks(unit, open_only=True)
    assert (task.unit, task.purpose_kind, task.case_subject) == (UNIT, "join", case)
    assert (await root.reads.case(unit, case)).convened == [UNIT]


# ── visits ──


async def visit(county: County) -> tuple[Node, Node, Node, Actor, str, str]:
    """A cadre of the town, sent by the root to the village: (village, town, root, cadre, case, task)."""
    village, town, root = await three(county)
    person, post = await add_person(town, "潘建国", "cadre", home=town.signer.node)
    case = (await village.say(dispute())).subject
    await exchange(village, town, root)
    operator = root.actor("operator", ROOT)
    await root.say(CallUpDispute(id=new_id(), case=case, reason="群众反映强烈"), operator)
    await root.say(AcceptDispute(id=new_id(), case=case), operator)
    command = AssignTask(
        id=new_id(), place=VILLAGE, cadre=person, home=town.signer.node, purpose="上门看田埂", due_ms=root.clock() + 86_400_000 * 2, case=case,
        bring="卷尺、地籍图", summary="两家争田埂", address="高禹村东头",
    )  # fmt: skip
    task = (await root.say(command, operator)).subject
    await exchange(village, town, root)
    return village, town, root, Actor(person, post, TOWN, town.shelf().post_powers("cadre"), "潘建国"), case, task


async def test_a_visit_shows_at_once_at_every_level_and_on_the_phone(county: County):
    village, town, root, cadre, case, task = await visit(county)
    for node in (village, town, root):
        assert [row.subject for row in await node.reads.tasks(node.actor(), case=case)] == [task]
    (mine,) = await town.reads.my_tasks(cadre)
    assert (mine.subject, mine.status, mine.bring, mine.home) == (task, "sent", "卷尺、地籍图", town.signer.node)
    assert (await town.reads.task(cadre, task)).summary == "两家争田埂"
    with pytest.raises(Refused):
        await town.reads.case(cadre, case)
    other = Actor(person_id("别人"), "cadre.00000002", TOWN, cadre.powers, "别人")
    assert await town.reads.my_tasks(other) == []
    with pytest.raises(Refused):
        await town.reads.task(other, task)
    with pytest.raises(Refused):
        await town.desk.submit(ConfirmTask(id=new_id(), task=task), other)


async def test_the_cadre_confirms_arrives_and_reports_from_the_phone(county: County):
    village, town, root, cadre, case, task = await visit(county)
    await town.say(ConfirmTask(id=new_id(), task=task), cadre)
    arrived_ms = town.clock() - 3_600_000
    command = ArriveTask(id=new_id(), task=task, at_ms=arrived_ms, latitude=30.7, longitude=119.6, accuracy_m=12.0)
    await town.desk.submit(command, cadre, at_ms=arrived_ms, offset_ms=0)
    await town.say(ReportTask(id=new_id(), task=task, result="eased", words="两家都愿意坐下来谈。", photos=1), cadre)
    blob = await town.blobs.put(b"\xff\xd8\xff" + b"x" * 500, "田埂.jpg", "")
    await town.say(AddTaskEvidence(id=new_id(), task=task, blob=blob), cadre)
    await exchange(village, town, root)
    for node in (village, town, root):
        (row,) = await node.reads.tasks(node.actor(), case=case)
        assert (row.status, row.arrived_ms, row.result, row.words) == ("reported", arrived_ms, "eased", "两家都愿意坐下来谈。")
    assert len((await root.reads.task(root.actor(), task)).blobs) == 1
    assert await root.reads.tasks(root.actor(), open_only=True) == []


async def test_dispatch_offers_those_whose_phone_can_be_reached_there(county: County):
    village, town, root = await three(county)
    near, _ = await add_person(town, "潘建国", "cadre", home=town.signer.node)
    await add_person(village, "章秀兰", "clerk")
    far, _ = await add_person(root, "朱晓明", "cadre", home=root.signer.node)
    lost, _ = await add_person(root, "鲍国强", "cadre", home="nlost2222")
    await exchange(village, town, root)
    choices = {c.person: c for c in await root.reads.cadres(root.actor(), OTHER_VILLAGE)}
    assert {person: choice.reachable for person, choice in choices.items()} == {near: True, far: True, lost: False}
    assert choices[near].home_covers == (f"{TOWN}/*",)
    beyond = {c.person: c.reachable for c in await root.reads.cadres(root.actor(), "330523/330523002")}
    assert beyond == {near: False, far: True, lost: False}
    with pytest.raises(Refused):
        await village.reads.cadres(village.actor(), VILLAGE)


async def test_places_count_what_is_open_late_and_coming(county: County):
    village, town, root = await three(county)
    case = (await village.say(dispute())).subject
    await village.say(AcceptDispute(id=new_id(), case=case))
    await village.say(RecordMediation(id=new_id(), case=case, account="没谈拢。", result="failed"))
    await village.say(EscalateDispute(id=new_id(), case=case, to=TOWN, reason="谈不拢", tried="一次"))
    await exchange(village, town, root)
    await tell(village, town, VILLAGE)
    rows = {row.path: row for row in await town.reads.places(town.actor())}
    assert next(iter(rows)) == TOWN
    assert (rows[VILLAGE].name, rows[VILLAGE].open, rows[VILLAGE].incoming) == ("高禹村", 1, 1)
    assert rows[VILLAGE].last_heard_ms == town.clock()
    assert (rows[OTHER_VILLAGE].open, rows[OTHER_VILLAGE].last_heard_ms) == (0, None)
    at_root = {row.path: row for row in await root.reads.places(root.actor())}
    assert (at_root[TOWN].open, at_root[TOWN].incoming) == (1, 0)
    assert len(at_root) == 16


async def test_people_and_handlers(county: County):
    village = await county.node("village")
    person, post = await add_person(village, "章秀兰", "clerk")
    assert await village.reads.handlers(village.actor()) == [(person, "章秀兰")]
    assert await village.reads.person_name(person) == "章秀兰"
    assert (await village.reads.person_name("0" * 32), await village.reads.person_name("")) == ("", "系统")
    (row,) = await village.reads.people(village.actor("admin"))
    assert (row.name, row.phone, [p[0] for p in row.posts]) == ("章秀兰", "13800001234", [post])
    with pytest.raises(Refused):
        await village.reads.people(village.actor("clerk"))


async def test_quarantine_is_for_those_who_look_after_the_node(county: County):
    village = await county.node("village")
    async with village.journal.writing() as w:
        await w.quarantine("nfarr2222", VILLAGE, "nfarr2222:1", Refused("signature_wrong"), 5)
        await w.quarantine("nfarr2222", f"{ROOT}/sealed/nfarr2222", "nfarr2222:1", Refused("signature_wrong"), 5)
    (row,) = await village.reads.quarantine(village.actor("admin"))
    assert (row.node, row.code, row.count) == ("nfarr2222", "signature_wrong", 1)
    with pytest.raises(Refused):
        await village.reads.quarantine(village.actor("clerk"))


# ── a county's worth ──

CASES = 20_000


async def fill_case_rows(node: Node) -> None:
    """Rows as a county has them after some years, made in SQL: places, statuses and holders in proportion."""
    villages = [v for town in node.shelf().children(ROOT) for v in node.shelf().children(town)]
    columns = [c.name for c in TABLES["case_row"]]
    async with node.journal.writing() as w:
        rows = []
        for n in range(CASES):
            ledger = villages[n * 7919 % len(villages)]
            opened = n % 25 == 0
            values = {
                "subject": hashlib.md5(str(n).encode()).hexdigest(), "ledger": ledger, "code": f"2026-018-{n:05d}X", "title": "田埂地界",
                "type": f"0{n % 9 + 1}0{n % 5 + 1}", "status": ("logged", "accepted", "mediating")[n % 3] if opened else "closed",
                "holder": UNIT if n % 50 == 1 else (ledger, "/".join(ledger.split("/")[:2]), ROOT)[n % 3], "handler": f"h{n % 400}", "urged_ms": n if n % 250 == 0 else None, "term": 1,
                "offer_to": ROOT if n % 500 == 0 else None, "offer_by": "x" if n % 500 == 0 else None, "risk": "green", "headcount": 2,
                "parties": "叶根土、叶根水", "account": "两家的菜地中间一条田埂，一家说往东挪了半尺。" * 8, "intake": "visit", "logged_office": ledger,
                "logged_ms": n, "updated_ms": 1_700_000_000_000 + n * 1000, "due_ms": 1_790_000_000_000 + n if opened else None,
                "reviews": 0, "convened": "", "merged_into": "", "visit": "", "last_origin": "nvill2222:1", "last_seq": n,
            }  # fmt: skip
            rows.append(tuple(values.get(c) for c in columns))
        for index in INDICES:  # made again below: twice as fast as keeping them up
            await w.connection.exec_driver_sql("drop index " + index.split()[5])
        marks = ", ".join("?" * len(columns))
        await w.connection.exec_driver_sql(f"insert into case_row ({', '.join(columns)}) values ({marks})", rows)
        for index in INDICES:
            await w.connection.exec_driver_sql(index)


async def test_what_a_page_asks_is_at_most_one_walk_along_an_index(county: County, monkeypatch):
    """Counted in steps of SQLite's machine, which are the same on every computer. How long it takes: `./run bench rest`."""
    steps = count_steps(monkeypatch)
    root = await county.node("root")
    await fill_case_rows(root)
    for office in (ROOT, TOWN, VILLAGE, UNIT):
        took = await counted(root, root.actor("operator", office), steps)
        assert max(took.values()) < STEPS_MAX, (office, took)


STEPS_MAX = 15 * CASES  # a filter walks once along an index of all cases (10 steps for each); a second walk takes more


def count_steps(monkeypatch) -> list[int]:
    """A list of one number, which grows by each thousand steps of any connection that is opened from now on."""
    steps, connect = [0], engine.connect_sqlite

    def connected(*given: Any) -> Any:
        made = connect(*given)
        made.set_progress_handler(lambda: steps.__setitem__(0, steps[0] + 1000), 1000)
        return made

    monkeypatch.setattr(engine, "connect_sqlite", connected)
    return steps


async def counted(root: Node, actor: Actor, steps: list[int]) -> dict[str, int]:
    asks = {"counts": lambda: root.reads.counts(actor), "places": lambda: root.reads.places(actor)}
    asks["tasks"] = lambda: root.reads.tasks(actor, open_only=True)
    for view in VIEWS:
        asks[view] = lambda view=view: root.reads.cases(actor, view=view)
    asks["status"] = lambda: root.reads.cases(actor, status="mediating")
    asks["place"] = lambda: root.reads.cases(actor, place=TOWN)
    asks["type"] = lambda: root.reads.cases(actor, type="0102")
    asks["deep"] = lambda: root.reads.cases(actor, page=20)
    mine = Narrowed(handler="h75")
    asks["mine"] = lambda: root.reads.cases(actor, "due", per=8, narrowed=mine)
    asks["all mine"] = lambda: root.reads.cases(actor, narrowed=mine)
    asks["board"] = lambda: root.reads.cases(actor, "open", per=30, by_date=True)
    asks["board deep"] = lambda: root.reads.cases(actor, "open", per=30, page=100, by_date=True)
    asks["board place"] = lambda: root.reads.cases(actor, "open", place=TOWN, per=30, by_date=True)
    took = {}
    for name, ask in asks.items():
        before = steps[0]
        await ask()
        took[name] = steps[0] - before
    print(actor.office, took)
    return took


async def test_what_is_on_its_way_is_found_among_more_late_ledgers_than_one_question_takes(on_either: County):
    root = await on_either.node("root")
    await root.desk.enrol_node(on_either.certificate("town"))  # which has nothing yet
    cases = [(await root.say(dispute(ledger))).subject for ledger in (VILLAGE, OTHER_VILLAGE)]
    late = [{"ledger": f"{TOWN}/x{n:04}", "origin": root.signer.origin, "seq": 1, "hash": bytes(32)} for n in range(1_500)]
    async with root.journal.writing() as w:
        await run(w.connection, "insert into lane (ledger, origin, seq, hash) values (:ledger, :origin, :seq, :hash)", late)
    rows, total = await root.reads.stuck(root.actor(), root.clock() + 1, 5)
    assert ([row.subject for row in rows], total) == (cases[::-1], 2), "the newest in front"
