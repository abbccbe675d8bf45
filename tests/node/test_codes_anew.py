"""A number that was given twice, in two ledgers: the later case gets a new one, by whatever node covers both, and the old one leads to both."""

from protocol import codes
from protocol.commands import AcceptDispute, TakeUpDispute, TransferDispute
from protocol.node.journal import rebuild
from protocol.node.journal.rows import fetch
from protocol.tables import Tables
from tests.node.desk_kit import OTHER_TOWN, TOWN, VILLAGE, County, Node, dispute, exchange, new_id
from tests.node.test_errands import settle

OTHER = next(path for path in Tables.packaged().children(TOWN) if path != VILLAGE)


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


async def test_what_goes_on_from_the_later_case_elsewhere_takes_the_new_number_over(county: County):
    """It was handed to another township (转办) before anybody knew that its number was given twice."""
    root, town, stranger = [await county.node(kind) for kind in ("root", "town", "stranger")]
    for kind in ("root", "town", "stranger"):
        await root.desk.enrol_node(county.certificate(kind))
    await settle(root, town, stranger)
    first, second = await counted_twice(town)
    given = (await town.reads.case(town.actor(), first)).code
    await town.say(AcceptDispute(id=new_id(), case=second))
    await town.say(TransferDispute(id=new_id(), case=second, to=OTHER_TOWN, reason="田在那边", shows=[]))
    await settle(root, town, stranger)
    goes_on = (await town.reads.case(town.actor(), second)).successor
    await stranger.say(TakeUpDispute(id=new_id(), case=goes_on))
    await settle(root, town, stranger)
    assert [len(await node.desk.codes()) for node in (town, stranger)] == [1, 0]
    await settle(root, town, stranger)
    assert [len(await root.desk.codes()) for _ in range(2)] == [1, 0], "once, by the lowest that covers both"
    await settle(root, town, stranger)
    kept, anew, new = [await root.reads.case(root.actor(), subject) for subject in (first, second, goes_on)]
    assert (kept.code, kept.aliases) == (given, [])
    assert (anew.code, anew.aliases) == (new.code, new.aliases) == (anew.code, [given])
    assert (await stranger.reads.case(stranger.actor(), goes_on)).code == anew.code != given
    assert [row.subject for row in (await stranger.reads.cases(stranger.actor(), text=given)).rows] == [goes_on], "still found by it"
    for node in (root, town, stranger):
        assert await rebuild(node.journal)
        assert await node.desk.codes() == []


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
