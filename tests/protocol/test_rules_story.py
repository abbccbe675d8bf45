"""The main story told by the rules alone: a dispute goes up, a cadre comes down, and the books close."""

import msgspec

from protocol import commands as c
from protocol import dispute, events, views
from protocol.calendar import DAY_MS
from protocol.case import Case
from protocol.entry import Admitted
from protocol.fold import fold_case
from tests.protocol.county import CADRE, COUNTY, TABLES, TOWNSHIP, UNIT, VILLAGE, County, actor

PHOTO = c.Blob("b" * 64, b"k" * 32, "滴水巷.jpg", "image/jpeg", 180_000)


def go_up(world: County) -> str:
    """Logged offline at the village, mediated there and at the township, taken up by the county."""
    subject = world.log(place_text="村口")
    world.act(world.village, c.AddEvidence, subject, VILLAGE, blob=PHOTO, note="围墙")
    world.act(world.village, c.AcceptDispute, subject, VILLAGE)
    world.act(world.village, c.RecordMediation, subject, VILLAGE, result="failed")
    world.act(world.village, c.EscalateDispute, subject, VILLAGE, to=TOWNSHIP)
    world.township.pull(world.village)  # the county is cut off
    world.township.arrive(subject)
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.act(world.township, c.RecordMediation, subject, TOWNSHIP, result="failed")
    world.act(world.township, c.EscalateDispute, subject, TOWNSHIP, to=COUNTY)
    world.sync()
    world.county.arrive(subject)
    world.act(world.county, c.TakeUpDispute, subject, COUNTY)
    return subject


def visit(world: County, subject: str) -> str:
    """The county sends a cadre, who goes; gives the task."""
    county = world.county
    command = c.AssignTask(
        id=world.id(),
        place=VILLAGE,
        cadre=CADRE.person,
        home="ntownship",
        purpose="丈量滴水巷",
        due_ms=county.now_ms + 3 * DAY_MS,
        case=subject,
        bring="卷尺",
        summary="两家争滴水巷",
        address="村口",
    )
    task = county.do(command, actor(COUNTY), cadre=CADRE, cases={subject: county.case(subject)})[0].head.subject
    world.sync()
    cadre = actor(TOWNSHIP, frozenset({"field"}), CADRE.person)
    home = world.township
    home.do(c.ConfirmTask(id=world.id(), task=task), cadre)
    home.do(c.ArriveTask(id=world.id(), task=task, latitude=30.63, longitude=119.68, accuracy_m=8), cadre)
    home.do(c.ReportTask(id=world.id(), task=task, result="eased", words="两家都愿意各退一尺", photos=1, signatures=1), cadre)
    home.do(c.AddTaskEvidence(id=world.id(), task=task, blob=PHOTO), cadre)
    world.sync()
    return task


def test_a_dispute_goes_up_a_cadre_comes_down_and_the_books_close() -> None:
    world = County()
    subject = go_up(world)
    world.act(world.county, c.ConveneUnits, subject, COUNTY, units=[UNIT], purpose="一起定界")
    join = next(one.head.subject for one in world.county.entries.values() if one.head.sort == "task")
    assert world.county.task(join).ledger == UNIT
    task = visit(world, subject)
    assert (world.village.task(task).status, world.village.task(task).result) == ("reported", "eased")

    county = world.county
    due = ["2026-03-27"]
    world.act(county, c.SignAgreement, subject, COUNTY, terms=["各退一尺", "围墙拆除"], due=due, follow_up_by=TOWNSHIP, amount_fen=50000)
    world.act(county, c.CloseDispute, subject, COUNTY)
    world.sync()
    case = world.township.case(subject)
    assert (case.status, case.ending, case.follow_up_by, case.reviews) == ("closed", "agreement", TOWNSHIP, [])
    assert [(move.term, move.kind, move.from_, move.to) for move in case.moves] == [
        (1, "log", "", VILLAGE),
        (2, "take_up", VILLAGE, TOWNSHIP),
        (3, "take_up", TOWNSHIP, COUNTY),
    ]
    assert all(move.offered_ms < move.arrived_ms < move.at_ms for move in case.moves[1:])

    row = views.rows("dispute", world.township.of(subject), TABLES)["case_row"][0]
    assert (row["follow_up_by"], row["status"], row["convened"], row["offer_to"]) == (TOWNSHIP, "closed", UNIT, None)
    assert row["follow_up_due_ms"] == 1775664000000 - 1  # 2026-04-08 24:00: seven working days after 03-27, 清明 between
    world.township.now_ms = 1774573200000  # 2026-03-27
    world.act(world.township, c.RecordFollowUp, subject, TOWNSHIP)
    world.sync()
    world.act(county, c.ArchiveDispute, subject, COUNTY)
    world.sync()
    told = {(node.case(subject).status, node.case(subject).holder, len(node.case(subject).lines)) for node in world.nodes}
    assert told == {("archived", COUNTY, 16)}
    row = views.rows("dispute", world.village.of(subject), TABLES)["case_row"][0]
    assert row["follow_up_due_ms"] is None
    assert row["due_ms"] is None or row["due_clock"]


def test_the_timeline_tells_it_in_words() -> None:
    world = County()
    subject = go_up(world)
    lines = world.county.case(subject).lines
    told = {line.kind: line.text for line in lines}
    assert told["DisputeLogged"]["当事人"] == "王阿根、李水生"
    assert told["DisputeEscalated"] == {"报给": "安吉县社会治理中心", "原因": "谈不拢"}
    assert told["DisputeArrived"] == {"已到": "安吉县社会治理中心"}
    assert told["EvidenceAdded"] == {"文件": "滴水巷.jpg", "说明": "围墙", "附件": "照片", "大小": "176 千字节"}
    assert told["MediationRecorded"]["结果"] == TABLES.word("session", "failed")
    assert [line.office for line in lines if line.kind == "DisputeTakenUp"] == [TOWNSHIP, COUNTY]


def test_without_bodies_the_same_state_and_no_personal_word() -> None:
    world = County()
    subject = go_up(world)
    world.act(world.county, c.CorrectDispute, subject, COUNTY, field="account", value="改过的经过")
    full = world.county.case(subject)
    bare = fold_case([msgspec.structs.replace(one, body=None, erased=True) for one in world.county.of(subject)], TABLES)
    assert (bare.status, bare.holder, bare.term, bare.accepted_ms) == (full.status, full.holder, full.term, full.accepted_ms)
    shown = str((bare.title, bare.account, bare.parties, bare.blobs, bare.corrections, [line.text for line in bare.lines]))
    for word in ("王阿根", "李水生", "砌围墙", "滴水巷", "谈不拢", "改过的经过"):
        assert word not in shown
    assert all(line.erased for line in bare.lines)


def test_an_erased_correction_does_not_bring_the_old_text_back() -> None:
    world = County()
    subject = world.log()
    (corrected,) = world.act(world.village, c.CorrectDispute, subject, VILLAGE, field="account", value="改过的经过")
    gone = msgspec.structs.replace(corrected, body=None, erased=True)
    case = fold_case([gone if one.key == corrected.key else one for one in world.village.of(subject)], TABLES)
    assert case.account == ""
    assert case.corrections[0].old == "东邻砌围墙占了滴水巷"  # its own entry was not erased


def test_a_correction_keeps_the_old_value_readable() -> None:
    world = County()
    subject = world.log(amount_fen=100)
    for field, value in [("type", "0205"), ("amount_fen", 4_126_000), ("headcount", 7), ("parties", [c.Party("赵大")]), ("title", "新的")]:
        world.act(world.village, c.CorrectDispute, subject, VILLAGE, field=field, value=value)
    case = world.village.case(subject)
    assert (case.type, case.amount_fen, case.headcount, case.parties[0].name, case.title) == ("0205", 4_126_000, 7, "赵大", "新的")
    old = {one.field: one.old for one in case.corrections}
    assert (old["type"], old["amount_fen"], old["headcount"], [p.name for p in old["parties"]]) == ("0204", 100, 2, ["王阿根", "李水生"])
    lines = [line.text for line in case.lines if line.kind == "DisputeCorrected"]
    assert lines[1] == {"更正": "金额", "原因": "写错了", "改为": "41,260.00 元"}
    assert lines[0]["改为"] == TABLES.type_name("0205")
    world.act(world.village, c.CorrectDispute, subject, VILLAGE, field="amount_fen", value=None)
    assert world.village.case(subject).amount_fen is None


def merged(world: County) -> tuple[str, str, Case, Case]:
    """The village's older case goes on, the window's own ends in it."""
    old = world.accepted()
    world.sync()
    new = world.log(world.county, COUNTY, COUNTY)
    county = world.county
    command = c.MergeDispute(id=world.id(), case=old, into=new, reason="同一件事")
    world.act(county, c.CallUpDispute, old, COUNTY)
    county.do(command, actor(COUNTY), cases={new: county.case(new)})
    world.sync()
    return old, new, county.case(old), county.case(new)


def test_two_registrations_of_one_matter_are_linked_and_the_earlier_clock_counts() -> None:
    old, new, ended, goes_on = merged(County())
    assert (ended.status, ended.merged_into, goes_on.status) == ("merged", new, "logged")
    assert goes_on.aliases == [ended.code]
    assert (goes_on.logged_ms, goes_on.accepted_ms) == (ended.logged_ms, ended.accepted_ms)
    assert goes_on.code != ended.code
    assert old != new


def test_a_later_registration_that_ends_in_an_older_one_leaves_only_its_code() -> None:
    world = County()
    old = world.accepted()
    world.sync()
    new = world.log(world.county, VILLAGE, COUNTY)
    county = world.county
    before = county.case(old)
    written = county.do(c.MergeDispute(id=world.id(), case=new, into=old, reason="同一件事"), actor(COUNTY), cases={old: before})
    assert [one.head.kind for one in written] == ["DisputeMerged", "DisputeCorrected"]
    after = county.case(old)
    assert (after.logged_ms, after.accepted_ms, after.aliases) == (before.logged_ms, before.accepted_ms, [county.case(new).code])
    later = events.DisputeCorrected(COUNTY, 1, (), "logged_ms", before.logged_ms + DAY_MS)
    county.write([dispute.Draft(VILLAGE, old, "dispute", later)], "later")
    assert county.case(old).logged_ms == before.logged_ms


def test_a_merged_code_is_found_by_search() -> None:
    world = County()
    _, new, ended, goes_on = merged(world)
    text = views.search_text("dispute", world.county.of(new))
    assert ended.code in text
    assert goes_on.code in text


def test_clocks_run_by_the_authors_time_less_its_measured_offset() -> None:
    world = County()
    subject = world.accepted()
    fast = 9 * 60_000
    entries = [
        Admitted(
            msgspec.structs.replace(one.head, occurred_ms=one.head.occurred_ms + fast, offset_ms=fast), one.body, one.received_ms + DAY_MS
        )
        for one in world.village.of(subject)
    ]
    case, plain = fold_case(entries, TABLES), world.village.case(subject)
    assert (case.logged_ms, case.accepted_ms) == (plain.logged_ms, plain.accepted_ms)
    assert case.lines[0].head.occurred_ms == plain.logged_ms + fast  # raw, as written
    assert case.lines[0].received_ms == plain.lines[0].received_ms + DAY_MS


def test_arrival_is_written_only_by_who_serves_the_office_and_once() -> None:
    world = County()
    subject = world.escalated()
    case = world.village.case(subject)
    assert dispute.arrival(case, world.village.serves) is None
    assert dispute.arrival(case, ("330523/*",)) is not None
    draft = dispute.arrival(case, (TOWNSHIP,))
    assert isinstance(draft.facts, events.DisputeArrived)
    assert (draft.facts.office, draft.facts.term, draft.ledger, draft.sort) == (TOWNSHIP, 1, VILLAGE, "dispute")
    world.township.arrive(subject)
    assert dispute.arrival(world.township.case(subject), (TOWNSHIP,)) is None


def test_risk_goes_up_from_above_and_a_late_fall_is_set_aside() -> None:
    world = County()
    subject = world.accepted()
    world.sync()
    world.act(world.township, c.CallUpDispute, subject, TOWNSHIP)
    world.act(world.township, c.SetRisk, subject, TOWNSHIP, risk="red")
    world.act(world.village, c.SetRisk, subject, VILLAGE, risk="yellow")
    world.sync()
    assert world.county.case(subject).risk == "red"
    world.act(world.county, c.SetRisk, subject, COUNTY, risk="yellow")
    world.sync()
    assert world.village.case(subject).risk == "yellow"
