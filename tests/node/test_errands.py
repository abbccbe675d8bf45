"""Tasks that an office asks for in a ledger its node does not cover: carried there and back by the lowest node that covers both."""

import copy

import pytest

from protocol.calendar import DAY_MS
from protocol.case import Task
from protocol.commands import (
    ArriveTask,
    AssignTask,
    CallUpDispute,
    ConfirmTask,
    ConveneUnits,
    DeclineTask,
    Party,
    RecallTask,
    ReportTask,
    RequestTask,
    TellTask,
    UrgeTask,
)
from protocol.entry import derive
from protocol.events import Draft, TaskUrged, TextBody
from protocol.node.errands import ERRAND_MS, answer, linked_id
from protocol.node.journal import rebuild
from protocol.problem import Refused
from tests.node.desk_kit import OTHER_TOWN, REACH, TOWN, UNIT, VILLAGE, Node, add_person, batch_of, carry, dispute, exchange, new_id

OTHER_VILLAGE = f"{OTHER_TOWN}/330523002002"
NEXT = f"{TOWN}/330523111201"


async def settle(*nodes: Node) -> None:
    """Until nobody learns or writes anything new."""
    while True:
        await exchange(*nodes)
        if not sum([len(await node.desk.arrivals()) for node in nodes]):
            return


async def three(county) -> tuple[Node, Node, Node]:
    """The village, the other township's node and the root, which knows of all."""
    root, village, stranger = [await county.node(kind) for kind in ("root", "village", "stranger")]
    for kind in ("root", "village", "stranger"):
        await root.desk.enrol_node(county.certificate(kind))
    await settle(root, village, stranger)
    return root, village, stranger


def request(case: str, node: Node, **fields) -> RequestTask:
    given = {"to": OTHER_VILLAGE, "purpose": "看看叶根水在那边的承包地", "due_ms": node.clock() + DAY_MS, "summary": "两家争田埂"}
    return RequestTask(id=new_id(), case=case, **(given | fields))


async def asked(county) -> tuple[Node, Node, Node, str]:
    root, village, stranger = await three(county)
    case = (await village.say(dispute())).subject
    task = (await village.say(request(case, village, contacts=[Party("叶根水", phone="13800005678")]))).subject
    await settle(root, village, stranger)
    return root, village, stranger, task


def clerk_there(stranger: Node):
    return stranger.actor("clerk", OTHER_VILLAGE)


async def test_a_village_asks_beyond_its_township_and_reads_what_came_of_it(county):
    root, village, stranger, task = await asked(county)
    there = await stranger.reads.task(clerk_there(stranger), linked_id(task))
    assert (there.ledger, there.unit, there.assigned_by, there.case) == (OTHER_VILLAGE, OTHER_VILLAGE, VILLAGE, "")
    assert (there.purpose, there.summary, [p.phone for p in there.contacts]) == ("看看叶根水在那边的承包地", "两家争田埂", ["13800005678"])
    for command in (ConfirmTask(id=new_id(), task=there.id), ReportTask(id=new_id(), task=there.id, result="eased", words="地是他舅舅的")):
        await stranger.say(command, clerk_there(stranger))
        await settle(root, village, stranger)
    here = await village.reads.task(village.actor(), task)
    assert (here.status, here.result, here.words, here.answered) == ("reported", "eased", "地是他舅舅的", "reported")
    assert [line.kind for line in here.lines] == ["TaskAssigned", "TaskAnswered", "TaskAnswered"]
    assert not any(line.set_aside for line in [*here.lines, *there.lines])
    rows = await village.reads.tasks(village.actor())
    assert [(row.subject, row.status, row.place) for row in rows] == [(task, "reported", OTHER_VILLAGE)]


async def test_each_holds_only_its_own_half(county):
    _, village, stranger, task = await asked(county)
    assert await village.journal.subject(linked_id(task)) == []
    assert await stranger.journal.subject(task) == []
    assert not any(ledger.startswith(TOWN) for ledger in await stranger.journal.ledgers())


async def test_who_asked_sees_only_his_own_half_also_where_one_node_serves_both(county):
    root, _village, _stranger, task = await asked(county)
    asker, there = root.actor("clerk", VILLAGE), root.actor("clerk", OTHER_VILLAGE)
    assert (await root.reads.task(there, linked_id(task))).id == linked_id(task)
    with pytest.raises(Refused, match="task_unknown"):
        await root.reads.task(asker, linked_id(task))
    assert [row.subject for row in await root.reads.tasks(asker)] == [task]
    assert linked_id(task) in [row.subject for row in await root.reads.tasks(there)]


async def test_a_refusal_comes_back_with_its_reason(county):
    root, village, stranger, task = await asked(county)
    await stranger.say(DeclineTask(id=new_id(), task=linked_id(task), reason="人已经搬走"), clerk_there(stranger))
    await settle(root, village, stranger)
    here = await village.reads.task(village.actor(), task)
    assert (here.status, here.words) == ("declined", "人已经搬走")


async def test_urging_and_recalling_reach_the_other_half(county):
    root, village, stranger, task = await asked(county)
    for _ in range(2):
        await village.say(UrgeTask(id=new_id(), task=task, text="今天能去吗"))
    await settle(root, village, stranger)
    there = await stranger.reads.task(clerk_there(stranger), linked_id(task))
    assert there.urges == 2
    await village.say(RecallTask(id=new_id(), task=task, reason="双方谈好了"))
    await settle(root, village, stranger)
    there = await stranger.reads.task(clerk_there(stranger), linked_id(task))
    assert (there.status, there.lines[-1].text) == ("recalled", {"原因": "双方谈好了"})


async def test_an_urge_that_two_nodes_carried_is_one_and_the_next_is_carried_too(county):
    root, village, stranger, task = await asked(county)
    second = await county.node("root", epoch=2, folder="second")
    await exchange(root, second)
    for n in (1, 2):
        await village.say(UrgeTask(id=new_id(), task=task, text=f"第 {n} 次催"))
        for node in (root, second):
            await carry(village, node)
            await node.desk.arrivals()
        await settle(root, village, stranger, second)
        there = await stranger.reads.task(clerk_there(stranger), linked_id(task))
        assert there.urges == n
    assert [line.kind for line in there.lines].count("TaskUrged") > there.urges, "both carried it"


async def test_a_recall_that_two_nodes_carried_is_one_and_nobody_has_to_review_it(county):
    root, village, stranger, task = await asked(county)
    second = await county.node("root", epoch=2, folder="second")
    await exchange(root, second)
    await village.say(RecallTask(id=new_id(), task=task, reason="双方谈好了"))
    for node in (root, second):
        await carry(village, node)
        await node.desk.arrivals()
    await settle(root, village, stranger, second)
    there = await stranger.reads.task(clerk_there(stranger), linked_id(task))
    assert [line.kind for line in there.lines].count("TaskRecalled") == 2, "both carried it"
    assert (there.status, there.reviews, {line.set_aside for line in there.lines}) == ("recalled", [], {""})


async def test_after_urges_that_were_numbered_otherwise_the_next_is_carried_all_the_same(county):
    """0.2 counted one that two nodes had carried as two, and named the next the third."""
    root, village, stranger, task = await asked(county)
    second = await county.node("root", epoch=2, folder="second")
    await exchange(root, second)
    there = linked_id(task)

    async def carried(node: Node, n: int) -> None:
        async def make(asked):
            done = await asked.task(there)
            return derive(there, f"urge {n}"), [Draft(done.ledger, there, "task", TaskUrged("", 0, ()), TextBody("今天能去吗"))]

        assert await node.desk.by_itself(make)

    for node in (root, second):
        await carried(node, 1)
    await exchange(root, second)
    await carried(root, 3)
    for _ in range(2):
        await village.say(UrgeTask(id=new_id(), task=task, text="今天能去吗"))
    await settle(root, village, stranger, second)
    assert (await stranger.reads.task(clerk_there(stranger), there)).urges == 2
    for n in (3, 4):
        await village.say(UrgeTask(id=new_id(), task=task, text="还没去吗"))
        await settle(root, village, stranger, second)
        assert (await stranger.reads.task(clerk_there(stranger), there)).urges == n


async def test_an_answer_of_before_is_told_again_after_one_that_was_not_the_last(county):
    """Of a copied computer a node that was put back heard the other history first: it told how far that one was."""
    root, village, stranger, task = await asked(county)
    for command in (
        ConfirmTask(id=new_id(), task=linked_id(task)),
        ReportTask(id=new_id(), task=linked_id(task), result="eased", words="去过"),
    ):
        await stranger.say(command, clerk_there(stranger))
        await settle(root, village, stranger)

    async def older(asked):
        done = copy.copy(await asked.task(linked_id(task)))
        done.status = "confirmed"
        return new_id(), [answer(await asked.task(task), done)]

    await root.desk.by_itself(older)
    assert (await root.reads.task(root.actor(), task)).answered == "confirmed"
    await settle(root, village, stranger)
    here = await village.reads.task(village.actor(), task)
    assert (here.status, here.answered) == ("reported", "reported")
    assert await root.desk.arrivals() == []


async def until_quiet(one: Node, other: Node) -> None:
    """They write by themselves, also on hearing one another, until neither has anything to say; each has waited for the lower one."""
    quiet = 0
    for _ in range(12):
        one.clock.pass_ms(ERRAND_MS)
        written = [len(await node.desk.arrivals()) for node in (one, other)]
        heard = [await carry(other, one), await carry(one, other)]
        for node in (one, other):
            await node.admission.settled()
        quiet = 0 if any(written + heard) else quiet + 1
        if quiet == 3:
            return
    raise AssertionError("they still write against each other")


async def revoked_as(town: Node, root: Node, node: Node) -> None:
    """The root puts a copied computer out; the history that the township has counts."""
    lane = (node.office, node.signer.origin)
    head = (await town.journal.heads(node.office))[lane]
    with pytest.raises(Refused, match="lane_fork"):
        await root.admission.admit(await batch_of(town, *lane), town.signer.node)
    await root.desk.revoke_node(node.signer.node, [(*lane, head.seq)], "复制", {lane: head.hash})
    await root.forks.settle()
    assert (await root.journal.heads(node.office))[lane] == head


async def test_two_nodes_that_know_different_copies_of_a_computer_do_not_tell_against_each_other_for_ever(county, monkeypatch):
    """Until it is decided which of the copies counts; then what that one said is told."""
    monkeypatch.setitem(REACH, "next", ("nnext2222", (NEXT,), (NEXT,), 22, "330523111"))
    root, town, village, one = [await county.node(kind) for kind in ("root", "town", "village", "next")]
    for kind in ("root", "town", "village", "next"):
        await root.desk.enrol_node(county.certificate(kind))
    await settle(root, town, village, one)
    case = (await village.say(dispute())).subject
    task = (await village.say(request(case, village, to=NEXT))).subject
    await settle(root, town, village, one)
    there, clerk = linked_id(task), one.actor("clerk", NEXT)
    await one.say(ConfirmTask(id=new_id(), task=there), clerk)
    await settle(root, town, village, one)
    copy = await county.node("next", folder="copy")
    await exchange(root, copy)
    await carry(one, copy)
    await one.say(ArriveTask(id=new_id(), task=there), clerk)
    await copy.say(DeclineTask(id=new_id(), task=there, reason="不去了"), clerk)
    await carry(one, town)
    await carry(copy, root)
    assert [(await node.reads.task(node.actor(), there)).status for node in (town, root)] == ["arrived", "declined"]
    await until_quiet(town, root)
    told = [line.kind for line in (await town.reads.task(town.actor(), task)).lines].count("TaskAnswered")
    assert told <= 5, "each once more after the other"
    await revoked_as(town, root, one)
    await until_quiet(town, root)
    for node in (town, root):
        assert (await node.reads.task(node.actor(), there)).status == "arrived"
        assert (await node.reads.task(node.actor(), task)).answered == "arrived"


async def test_a_visit_that_somebody_arrived_at_is_called_off_there_too(county):
    root, village, stranger, task = await asked(county)
    for kind in (ConfirmTask, ArriveTask):
        await stranger.say(kind(id=new_id(), task=linked_id(task)), clerk_there(stranger))
    await settle(root, village, stranger)
    assert (await village.reads.task(village.actor(), task)).status == "arrived"
    await village.say(RecallTask(id=new_id(), task=task, reason="去的人调走了"))
    await settle(root, village, stranger)
    for node, who, one in ((village, village.actor(), task), (stranger, clerk_there(stranger), linked_id(task))):
        assert (await node.reads.task(who, one)).status == "recalled"
        assert await rebuild(node.journal)


async def test_a_report_that_crosses_the_recall_comes_back_all_the_same(county):
    root, village, stranger, task = await asked(county)
    await village.say(RecallTask(id=new_id(), task=task, reason="双方谈好了"), village.actor("officer"))
    await stranger.say(ReportTask(id=new_id(), task=linked_id(task), result="eased", words="已经去过"), clerk_there(stranger))
    await settle(root, village, stranger)
    here = await village.reads.task(village.actor(), task)
    there = await stranger.reads.task(clerk_there(stranger), linked_id(task))
    assert (here.status, here.words, there.status) == ("reported", "已经去过", "reported")


async def test_a_clock_that_is_put_back_by_a_year_holds_up_no_answer(county):
    """When an errand was first seen lies in what is now the future."""
    root, village, stranger, task = await asked(county)
    await stranger.say(ConfirmTask(id=new_id(), task=linked_id(task)), clerk_there(stranger))
    await settle(root, village, stranger)
    assert (await village.reads.task(village.actor(), task)).answered == "confirmed"
    county.clock.pass_ms(-365 * DAY_MS)
    await stranger.say(ReportTask(id=new_id(), task=linked_id(task), result="eased", words="已经去过"), clerk_there(stranger))
    await settle(root, village, stranger)
    assert (await village.reads.task(village.actor(), task)).answered == "reported"


async def test_two_nodes_and_two_runs_make_one_linked_task(county):
    root, village, stranger = await three(county)
    case = (await village.say(dispute())).subject
    task = (await village.say(request(case, village))).subject
    second = await county.node("root", epoch=2, folder="second")  # as if another node of the same reach had not heard of the first
    await exchange(village, root)
    await exchange(village, second)
    assert [len(await node.journal.subject(linked_id(task))) for node in (root, second)] == [1, 1]  # made on admission
    assert await root.desk.arrivals() == await second.desk.arrivals() == []
    await settle(root, village, stranger, second)
    entries = await stranger.journal.subject(linked_id(task))
    assert [e.head.kind for e in entries] == ["TaskAssigned", "TaskAssigned"]
    assert len({(e.command, bytes(e.head.facts)) for e in entries}) == 1
    there: Task = await stranger.reads.task(clerk_there(stranger), linked_id(task))
    assert [line.set_aside for line in there.lines] == ["", ""]
    assert len(await stranger.reads.tasks(clerk_there(stranger))) == 1


async def test_the_lowest_goes_first_and_a_higher_one_when_it_stays_away(county):
    root, village, _ = await three(county)
    await root.desk.enrol_node(county.certificate("town"))
    case = (await village.say(dispute())).subject
    to = f"{TOWN}/330523111201"
    task = (await village.say(request(case, village, to=to))).subject
    await exchange(village, root)
    assert await root.desk.arrivals() == []  # the township covers both and is lower
    county.clock.pass_ms(ERRAND_MS)
    assert [o.subject for o in await root.desk.arrivals()] == [linked_id(task)]


async def test_a_cadre_whose_phone_another_node_serves_gets_a_linked_task(county):
    root, village, stranger = await three(county)
    person, _ = await add_person(stranger, "周小满", "cadre", home=stranger.signer.node)
    case = (await village.say(dispute())).subject
    await settle(root, village, stranger)
    await root.say(CallUpDispute(id=new_id(), case=case, reason="县里来办"))
    (choice,) = await root.reads.cadres(root.actor(), VILLAGE)
    assert (choice.person, choice.reachable, choice.linked) == (person, False, True)
    assign = AssignTask(
        id=new_id(), place=VILLAGE, cadre=person, home=stranger.signer.node, purpose="去看看", due_ms=root.clock() + DAY_MS, case=case
    )
    task = (await root.say(assign)).subject
    await settle(root, village, stranger)
    cadre = stranger.actor("cadre", OTHER_TOWN, person)
    (mine,) = await stranger.reads.my_tasks(cadre)
    assert (mine.subject, mine.ledger, mine.place) == (linked_id(task), OTHER_TOWN, VILLAGE)
    await stranger.say(ReportTask(id=new_id(), task=mine.subject, result="settled", words="谈妥了"), cadre)
    await settle(root, village, stranger)
    for node, actor in ((root, root.actor()), (village, village.actor())):
        found = await node.reads.task(actor, task)
        assert (found.status, found.words, found.link) == ("reported", "谈妥了", OTHER_TOWN)
    assert [row.subject for row in await root.reads.tasks(root.actor())] == [task]  # its other half is not a second visit


async def test_what_the_cadre_of_a_linked_task_asks_is_answered_by_the_office_that_gave_him_his_phone(county):
    root, village, stranger = await three(county)
    person, _ = await add_person(stranger, "周小满", "cadre", home=stranger.signer.node)
    case = (await village.say(dispute())).subject
    await settle(root, village, stranger)
    await root.say(CallUpDispute(id=new_id(), case=case, reason="县里来办"))
    given = {"place": VILLAGE, "cadre": person, "home": stranger.signer.node, "purpose": "去看看", "due_ms": root.clock() + DAY_MS}
    task = (await root.say(AssignTask(id=new_id(), case=case, **given))).subject
    await settle(root, village, stranger)
    mine, officer = linked_id(task), stranger.actor("officer", OTHER_TOWN)
    await stranger.say(TellTask(id=new_id(), task=mine, text="带哪份图"), stranger.actor("cadre", OTHER_TOWN, person))
    assert [row.subject for row in await stranger.reads.asked(officer)] == [mine]
    assert await root.reads.asked(root.actor()) == []
    await stranger.say(TellTask(id=new_id(), task=mine, text="老宗地图"), officer)
    assert await stranger.reads.asked(officer) == []
    await settle(root, village, stranger)
    (told, answer) = (await root.reads.task(root.actor("officer", OTHER_TOWN), mine)).lines[-2:]
    assert (told.set_aside, answer.set_aside, answer.text) == ("", "", {"留言": "老宗地图"})


async def test_a_unit_with_a_ledger_out_of_reach_is_convened_through_the_root(county):
    root, village, town = [await county.node(kind) for kind in ("root", "village", "town")]
    case = (await town.say(dispute())).subject
    await town.say(ConveneUnits(id=new_id(), case=case, units=[UNIT], purpose="一起看现场"))
    await settle(root, village, town)
    unit = root.actor("department", UNIT)
    (row,) = [row for row in await root.reads.tasks(unit) if row.ledger == UNIT]
    await root.say(ReportTask(id=new_id(), task=row.subject, result="settled", words="已定界"), unit)
    await settle(root, village, town)
    (row,) = await town.reads.tasks(town.actor())
    assert (row.ledger, row.status, row.words) == (VILLAGE, "reported", "已定界")


async def test_a_revoked_node_carries_nothing(county):
    root, village, _ = await three(county)
    await root.desk.revoke_node(root.signer.node, [])
    case = (await village.say(dispute())).subject
    task = (await village.say(request(case, village))).subject
    await exchange(village, root)
    assert await root.journal.subject(task)
    assert await root.journal.subject(linked_id(task)) == []
