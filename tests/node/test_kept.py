"""What pages kept is true: it is asked anew when an entry came, when something was folded anew, and when its time is over."""

from protocol.node.journal.rows import is_postgres
from protocol.node.kept import KEPT_MS, LONG_MS, Kept
from protocol.node.node import Node
from tests.node.desk_kit import ROOT, TOWN, VILLAGE, County, dispute


class Asker:
    """Answers with how often it was asked."""

    def __init__(self, node: Node, kept: Kept) -> None:
        self.node, self.kept, self.times = node, kept, 0

    async def ask(self) -> int:
        self.times += 1
        return self.times

    async def of(self, key: str = "a", **more: int) -> int:
        async with self.node.journal.read() as c:
            return await self.kept.of(c, key, self.ask, **more)


async def test_an_answer_holds_until_an_entry_comes_or_something_is_folded_anew(county: County):
    root = await county.node("root")
    case = (await root.say(dispute(VILLAGE), root.actor("operator", ROOT))).subject
    asker = Asker(root, Kept(county.clock))
    assert [await asker.of(), await asker.of()] == [1, 1]
    await root.say(dispute(VILLAGE), root.actor("operator", ROOT))
    assert [await asker.of(), await asker.of()] == [2, 2]
    async with root.journal.writing() as w:
        await w.project([case])  # as when another subject's entry changed it
    assert [await asker.of(), await asker.of()] == [3, 3]


async def test_an_answer_holds_for_its_time(on_either: County):
    root, clock = await on_either.node("root"), on_either.clock
    async with root.journal.read() as c:
        long_ms = KEPT_MS if is_postgres(c) else LONG_MS
    asker = Asker(root, Kept(clock))
    assert (await asker.of(), await asker.of("long", for_ms=LONG_MS)) == (1, 2)
    clock.pass_ms(KEPT_MS - 1)
    assert (await asker.of(), await asker.of("long", for_ms=LONG_MS)) == (1, 2)
    clock.pass_ms(1)
    assert await asker.of() == 3
    clock.pass_ms(long_ms - KEPT_MS)
    assert await asker.of("long", for_ms=LONG_MS) == 4


async def test_no_more_answers_are_kept_than_there_is_room_for(county: County):
    asker = Asker(await county.node("root"), Kept(county.clock, most=2))
    assert [await asker.of(key) for key in "abab"] == [1, 2, 1, 2]
    assert [await asker.of(key) for key in "cb"] == [3, 4]


async def test_a_list_that_was_paged_through_has_what_came_meanwhile(county: County):
    root = await county.node("root")
    operator, officer = root.actor("operator", ROOT), root.actor("officer", TOWN)
    for _ in range(3):
        await root.say(dispute(VILLAGE), operator)
    for who in (operator, officer):
        assert [(await root.reads.cases(who, text="田埂", page=page, per=2)).total for page in (1, 2)] == [3, 3]
        assert (await root.reads.cases(who, place=TOWN)).total == 3
    new = (await root.say(dispute(VILLAGE), operator)).subject
    for who in (operator, officer):
        found = await root.reads.cases(who, text="田埂", per=2)
        assert (found.total, found.rows[0].subject) == (4, new)
        assert (await root.reads.cases(who, place=TOWN)).total == 4
    assert (await root.reads.cases(root.actor("department", "330523/u09"), text="田埂")).total == 0, "what one found is not another's"
