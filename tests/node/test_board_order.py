"""What ends first stands in front, page after page along one index, on both stores; and who was where before."""

import hashlib
import random

import msgspec
import pytest
from sqlalchemy import text

from protocol.case import OPEN
from protocol.commands import ArriveTask, AssignTask, DeclineTask
from protocol.node import listing, phones
from protocol.views import TABLES
from tests.node.desk_kit import ROOT, TOWN, VILLAGE, County, Node, add_person, dispute, new_id

ROWS, PER = 10_000, 30


@pytest.fixture
def county(on_either: County) -> County:
    return on_either


async def fill(node: Node, seed: int) -> list[dict]:
    chance, columns = random.Random(seed), [c.name for c in TABLES["case_row"]]
    villages = [v for town in node.shelf().children(ROOT) for v in node.shelf().children(town)]
    rows = []
    for n in range(ROWS):
        due_ms = chance.choice([None, chance.randrange(1, 2**41), 1_790_000_000_000])
        row = dict.fromkeys(columns) | {
            "subject": hashlib.md5(f"{seed} {n}".encode()).hexdigest(), "ledger": chance.choice(villages), "status": chance.choice([*OPEN, "closed"]),
            "holder": ROOT, "logged_ms": chance.randrange(2**40), "updated_ms": chance.randrange(2**40), "due_ms": due_ms, "reviews": 0,
            "type": "0204", "term": 1, "headcount": 1, "last_origin": "x:1", "last_seq": n + 1,
        }  # fmt: skip
        rows.append(row)
    names = ", ".join(columns)
    async with node.journal.writing() as w:
        await w.connection.execute(text(f"insert into case_row ({names}) values ({', '.join(f':{c}' for c in columns)})"), rows)
    if node.journal.url.startswith("postgres"):
        async with node.journal.writing() as w:
            await w.connection.execute(text("analyze case_row"))
    return rows


async def test_every_page_is_in_the_order_of_the_dates_and_none_is_shown_twice(county: County):
    root = await county.node("root")
    rows = await fill(root, 20261127)
    wanted = sorted(
        (row for row in rows if row["status"] in OPEN),
        key=lambda row: (row["due_ms"] is None, row["logged_ms"] if row["due_ms"] is None else row["due_ms"], row["subject"]),
    )
    for page in (1, 2, 17, len(wanted) // PER + 1):
        found = await root.reads.cases(root.actor(), "open", page=page, per=PER, by_date=True)
        assert found.total == len(wanted)
        assert [row.subject for row in found.rows] == [row["subject"] for row in wanted[(page - 1) * PER : page * PER]]
    inside = await root.reads.cases(root.actor(), "open", place=TOWN, per=PER, by_date=True)
    assert [row.subject for row in inside.rows] == [row["subject"] for row in wanted if row["ledger"].startswith(f"{TOWN}/")][:PER]
    now_ms = root.clock()
    soon = [row["subject"] for row in wanted if row["due_ms"] and now_ms <= row["due_ms"] < now_ms + listing.SOON_MS]
    late = [row["subject"] for row in wanted if row["due_ms"] and row["due_ms"] < now_ms]
    counts = await root.reads.counts(root.actor())
    assert (counts["soon"], counts["overdue"], counts["open"]) == (len(soon), len(late), len(wanted))


async def test_a_page_is_found_by_walking_the_index_not_by_sorting(county: County):
    root = await county.node("root")
    await fill(root, 7)
    asked = f"select subject from case_row where 1 = 1 and {listing.IS_OPEN} order by {listing.FIRST_DUE} limit 30 offset 3000"
    is_postgres = root.journal.url.startswith("postgres")
    explained = await root.journal.select(("explain " if is_postgres else "explain query plan ") + asked, {})
    plan = "\n".join(str(tuple(row)) for row in explained)
    assert "case_ends" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


async def test_who_was_where_and_what_reached_whom_is_known_on_both_stores(county: County):
    root = await county.node("root")
    person, _ = await add_person(root, "陈立新", "cadre", home=root.signer.node)
    case, other = [(await root.desk.submit(dispute(ledger=VILLAGE), root.actor())).subject for _ in range(2)]
    due_ms = root.clock() + 86_400_000
    told = AssignTask(id=new_id(), place=VILLAGE, cadre=person, home=root.signer.node, purpose="去看看", due_ms=due_ms, case=case)
    task = (await root.desk.submit(told, root.actor())).subject
    (choice,) = await root.reads.cadres(root.actor(), VILLAGE)
    assert (choice.open_tasks, choice.next_due_ms, choice.kind) == (1, due_ms, "cadre")
    (row,) = await root.reads.tasks(root.actor())
    assert await root.reads.carried([(task, "nfarr2222", row.last)]) == set()
    assert await root.reads.carried([(task, root.signer.node, row.last)]) == {task}  # who wrote it has it
    async with root.journal.writing() as w:
        await w.set_haves({("nfarr2222", VILLAGE): (await root.journal.lanes(VILLAGE), 5, b"")})
    assert await root.reads.carried([(task, "nfarr2222", row.last)]) == {task}
    await phones.heard(root.journal, person, "session", "store", 1, 77)
    assert await phones.fetched(root.journal, [person]) == {task: 77}
    assert await root.reads.visited(root.actor(), case, ["叶根土"]) == {}
    again = msgspec.structs.replace(told, id=new_id())
    refused = (await root.desk.submit(again, root.actor())).subject
    await root.desk.submit(DeclineTask(id=new_id(), task=refused, reason="去不了"), root.actor("cadre", ROOT, person))
    assert [row.subject for row in await root.reads.declined(root.actor())] == [refused]
    await root.desk.submit(ArriveTask(id=new_id(), task=task), root.actor("cadre", ROOT, person))
    here = (await root.reads.visited(root.actor(), case, ["叶根土", "叶根水"]))[person]
    met = (await root.reads.visited(root.actor(), other, ["叶根土", "叶根水", "无此人"]))[person]
    assert ((here.here, here.met), (met.here, met.met, met.names)) == ((1, 0), (0, 1, ("叶根土", "叶根水")))
