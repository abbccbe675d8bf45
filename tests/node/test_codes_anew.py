"""A number that was given twice, in two ledgers: the later case gets a new one, by whatever node covers both, and the old one leads to both."""

import pytest

from protocol import codes
from protocol.node.journal import rebuild
from protocol.node.journal.rows import fetch
from protocol.tables import Tables
from tests.node.desk_kit import TOWN, VILLAGE, County, Node, dispute, exchange

OTHER = next(path for path in Tables.packaged().children(TOWN) if path != VILLAGE)


@pytest.fixture
async def county(tmp_path):
    made = County(tmp_path)
    yield made
    await made.close()


async def counted_twice(town: Node) -> tuple[str, str]:
    """Between the two the disk is put back, as far as it counts."""
    first = (await town.say(dispute(VILLAGE))).subject
    async with town.journal.writing() as w:
        await fetch(w.connection, "delete from counter where name like 'case %'")
    return first, (await town.say(dispute(OTHER))).subject


async def test_the_later_case_gets_a_new_number_and_keeps_the_old_one_beside_it(county: County):
    town, root = await county.node("town"), await county.node("root")
    first, second = await counted_twice(town)
    given = (await town.reads.case(town.actor(), second)).code
    assert (await town.reads.case(town.actor(), first)).code == given
    assert len(await town.desk.codes()) == 1
    assert await town.desk.codes() == [], "once"
    await exchange(town, root)
    for node in (town, root):
        kept, anew = [await node.reads.case(node.actor(), subject) for subject in (first, second)]
        assert (kept.code, kept.aliases) == (given, [])
        assert (anew.aliases, codes.is_code(anew.code), anew.code == given) == ([given], True, False)
        assert {row.subject for row in (await node.reads.cases(node.actor(), text=given)).rows} == {first, second}
        assert [row.subject for row in (await node.reads.cases(node.actor(), text=anew.code)).rows] == [second]
        assert await rebuild(node.journal)
    assert await root.desk.codes() == []


async def test_a_node_that_covers_only_one_of_them_changes_nothing(county: County):
    town, village = await county.node("town"), await county.node("village")
    await counted_twice(town)
    await exchange(town, village)
    assert await village.desk.codes() == []


async def test_a_code_that_is_none_is_not_taken(county: County):
    from protocol.events import DisputeCorrected, DisputeCorrectedBody, Draft

    town = await county.node("town")
    case = (await town.say(dispute(VILLAGE))).subject
    given = (await town.reads.case(town.actor(), case)).code

    async def make(_):
        return "forged", [Draft(VILLAGE, case, "dispute", DisputeCorrected("", 1, (), "code", "12345"), DisputeCorrectedBody("x"))]

    assert await town.desk.by_itself(make)
    assert (await town.reads.case(town.actor(), case)).code == given
