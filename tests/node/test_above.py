"""催办 and 批示 wait for the holder until it has acted on them, at every node alike."""

from protocol import above
from protocol.commands import AcceptDispute, AddNote, AssignTask, EscalateDispute, GiveInstruction, TakeUpDispute, UrgeDispute
from protocol.node import errands_due, listing
from protocol.node.journal.rows import among, bound, named
from tests.node.desk_kit import ROOT, TOWN, County, Node, add_person, dispute, exchange, new_id


async def urged(node: Node) -> list[str]:
    page = await node.reads.cases(node.actor(), "urged")
    assert page.total == (await node.reads.counts(node.actor()))["urged"]
    return [row.subject for row in page.rows]


async def test_an_urge_waits_until_the_holder_writes_after_it(tmp_path):
    county = County(tmp_path)
    village, town = await county.node("village"), await county.node("town")
    case = (await village.say(dispute())).subject
    other = (await village.say(dispute())).subject
    await exchange(village, town)
    assert await urged(village) == []
    await town.say(UrgeDispute(id=new_id(), case=case, text="抓紧", due="2026-12-20"))
    await town.say(GiveInstruction(id=new_id(), case=other, text="请驻村法官一起去"))
    await exchange(village, town)
    assert await urged(village) == [case, other]  # the oldest first
    assert await urged(town) == []  # it is asked of who holds
    await village.say(AcceptDispute(id=new_id(), case=case))
    await village.say(AddNote(id=new_id(), case=other, text="法官明天来"))
    assert await urged(village) == []
    await town.say(UrgeDispute(id=new_id(), case=case, text="还要快"))
    await town.say(AddNote(id=new_id(), case=case, text="镇里也在看"))
    await exchange(village, town)
    assert await urged(village) == [case]  # what others write answers nothing
    await county.close()


async def test_what_was_written_without_having_read_it_is_no_answer(tmp_path):
    county = County(tmp_path)
    village, town = await county.node("village"), await county.node("town")
    case = (await village.say(dispute())).subject
    await exchange(village, town)
    await village.say(AddNote(id=new_id(), case=case, text="先去看过"))
    for n in range(3):  # the village is without a network, and ahead in turns
        await village.say(AddNote(id=new_id(), case=case, text=f"第 {n} 次"))
    await village.say(AcceptDispute(id=new_id(), case=case))
    village.clock.pass_ms(60_000)
    await town.say(UrgeDispute(id=new_id(), case=case, text="怎么没动静"))
    await exchange(village, town)
    assert await urged(village) == [case]
    assert [line.text["催办"] for line in above.waiting(await village.reads.case(village.actor(), case))] == ["怎么没动静"]
    await county.close()


async def test_sending_somebody_answers_and_another_holder_is_asked_nothing(tmp_path):
    county = County(tmp_path)
    root, town, village = [await county.node(kind) for kind in ("root", "town", "village")]
    for node in (root, town, village):
        await root.desk.enrol_node(node.signer.certificate)
    cadre, _ = await add_person(town, "周敏", "cadre", home="ntown2222")
    case = (await village.say(dispute())).subject
    await village.say(EscalateDispute(id=new_id(), case=case, to=TOWN, reason="谈不拢"))
    await exchange(root, town, village)
    await town.say(TakeUpDispute(id=new_id(), case=case))
    await exchange(root, town, village)
    await root.say(UrgeDispute(id=new_id(), case=case, text="县里在等"))
    await exchange(root, town, village)
    assert (await urged(village), await urged(town)) == ([], [case])
    due_ms = town.clock() + 86_400_000
    sent = AssignTask(id=new_id(), case=case, place=TOWN, cadre=cadre, home="ntown2222", purpose="上门", due_ms=due_ms)
    await town.say(sent)
    assert await urged(town) == []
    await root.say(GiveInstruction(id=new_id(), case=case, text="再催一次"))
    await exchange(root, town, village)
    assert await urged(town) == [case]
    await town.say(EscalateDispute(id=new_id(), case=case, to=ROOT, reason="请县里办"))
    await exchange(root, town, village)
    await root.say(TakeUpDispute(id=new_id(), case=case))
    await exchange(root, town, village)
    assert (await urged(town), await urged(root)) == ([], [])
    await county.close()


async def test_whether_somebody_was_sent_is_looked_up_by_the_case(tmp_path):
    """An office has thousands of tasks: looked up by the office, two thousand urges took minutes."""
    county = County(tmp_path)
    village = await county.node("village")
    async with village.journal.read() as c:
        sql, values = listing.view("urged", village.actor(), village.clock(), await listing.visible(c, village.actor()))
        plan = " ".join(str(row) for row in await named(c, f"explain query plan select count(*) from case_row where {sql}", values))
    assert "INDEX case_urged" in plan
    assert "INDEX task_row_case_subject" in plan
    await county.close()


async def test_what_persons_have_in_hand_is_counted_along_what_is_open(tmp_path):
    """Along the index of all years it took fifty times as long."""
    county = County(tmp_path)
    village = await county.node("village")
    async with village.journal.read() as c:
        for table, index in ((listing.IN_HAND, "task_busy"), (listing.HANDLED.format(whose=among(c, "handler", "some")), "case_handled")):
            plan = " ".join(
                str(row) for row in await named(c, f"explain query plan select 1, count(*) from {table}", {"some": bound(c, ["a"])})
            )
            assert f"INDEX {index}" in plan and "TEMP B-TREE" not in plan
    await county.close()


async def test_what_is_offered_is_found_along_its_index(tmp_path):
    """A township is offered thousands; looking at the row of each took a tenth of a second, three times a page."""
    county = County(tmp_path)
    village = await county.node("village")
    asked = (
        ("select subject from case_row where offer_to = :office order by offer_ms, subject limit 30", "COVERING INDEX case_offer "),
        ("select subject from case_row where offer_to = :office and ledger < 'a'", "COVERING INDEX case_offer_in "),
        ("select subject from case_row where offer_by = :office and offer_to > ''", "INDEX case_offer_by "),
        ("select subject from case_row where transfer_to > ''", "INDEX case_transfer_to "),
        ("select subject from case_row where leftover >= 0", "INDEX case_leftover "),
    )
    async with village.journal.read() as c:
        for sql, index in asked:
            plan = " ".join(str(row) for row in await named(c, f"explain query plan {sql}", {"office": "a"}))
            assert index in plan and "TEMP B-TREE" not in plan
        condition, values = listing.view("came_down", village.actor(), 0, ("1 = 1", {}))
        plan = " ".join(str(row) for row in await named(c, f"explain query plan select count(*) from case_row where {condition}", values))
        assert "COVERING INDEX case_came_down" in plan, "each page counts them"
    await county.close()


async def test_what_is_to_be_said_after_a_save_costs_no_look_at_what_has_arrived_long_ago(tmp_path):
    """Each save is followed by that question. With five thousand offers that had arrived it took a tenth of a second, and the next save waited."""
    county = County(tmp_path)
    village = await county.node("village")
    served, values = listing.subtree("offer_to", "office", "330523")
    async with village.journal.read() as c:
        for sql, asked in ((errands_due.DUE, {}), (errands_due.ARRIVED.format(served=served), {**values, "most": 200})):
            plan = " ".join(str(row) for row in await named(c, f"explain query plan {sql}", asked))
            assert "INDEX case_to_arrive" in plan and "SCAN case_row" not in plan and "INDEX case_offer" not in plan
            assert "(subject>?)" not in plan, "a join that walks all cases: 0.4 s of a hundred thousand"
    await county.close()
