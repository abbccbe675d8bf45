"""How cases lie over places: what a plain walk over the folded cases counts, as each may see it, on either store; by walking indices alone."""

from random import Random

import msgspec
import pytest

from protocol import access, place
from protocol.calendar import DAY_MS
from protocol.case import OPEN
from protocol.commands import ConveneUnits, RequestTask, SealDispute
from protocol.node import listing, spread
from protocol.node.journal.rows import named
from protocol.node.listing import Narrowed
from protocol.node.spread import Lying
from tests.node.desk_kit import ROOT, START_MS, TOWN, UNIT, VILLAGE, County, dispute, exchange, new_id
from tests.node.test_statistics import claims, county, folded, lived

__all__ = ["county"]
SECOND, OTHER_VILLAGE, OTHER_UNIT = f"{TOWN}/330523111202", f"{ROOT}/330523002/330523002002", f"{ROOT}/u03"


@pytest.mark.parametrize("seed", [11, 12])
async def test_each_number_is_what_a_plain_walk_counts_for_everyone_who_asks(county: County, seed: int):
    root, subjects = await lived(county, Random(seed))
    cases = await folded(root, subjects)
    from_ms, to_ms = START_MS + 5 * DAY_MS, START_MS + 25 * DAY_MS
    some = Lying()
    for actor in (root.actor("operator", ROOT), root.actor("officer", TOWN), root.actor("clerk", VILLAGE), root.actor("operator", UNIT)):
        said, now_ms = claims(root, cases, actor), root.clock()
        counted: dict[tuple[str, str], Lying] = {}
        for case in cases:
            if not access.may_see_case(actor, case):
                continue
            row = await root.reads.case_row(actor, case.id)
            is_open = case.status in OPEN
            is_over = is_open and row.due_ms is not None and row.due_ms < now_ms
            is_fresh = (
                from_ms <= case.logged_ms < to_ms and case.status not in ("voided", "merged", "transferred") and said["registered"](case)
            )
            if is_open or is_fresh:
                key = (case.ledger, case.type[:2])
                counted[key] = counted.get(key, Lying()) + Lying(int(is_open), int(is_over), int(is_fresh))
        assert await root.reads.spread(actor, from_ms, to_ms) == counted
        some = sum(counted.values(), some)
    assert some.opened and some.overdue and some.fresh, "a number that is always nought proves nothing"


async def test_the_lists_hold_as_many(county: County):
    root, _ = await lived(county, Random(13), 30)
    operator, span = root.actor("operator", ROOT), (START_MS + 3 * DAY_MS, START_MS + 12 * DAY_MS)
    for (ledger, kind), lying in (await root.reads.spread(operator, *span)).items():
        asked = {"place": ledger, "type": kind}
        alone, fresh = Narrowed(alone=True), Narrowed("registered", *span, alone=True)
        lists = [("open", alone, lying.opened), ("overdue", alone, lying.overdue), ("all", fresh, lying.fresh)]
        for view, narrowed, count in lists:
            assert (await root.reads.cases(operator, view, narrowed=narrowed, **asked)).total == count


async def test_who_may_see_no_case_gets_nothing_and_a_sealed_report_is_in_no_number(county: County):
    root, _ = await lived(county, Random(14), 8)
    village, always = await county.node("village"), (0, START_MS * 2)
    operator = root.actor("operator", ROOT)
    before = await root.reads.spread(operator, *always)
    told = SealDispute(id=new_id(), account="有人说青苗费发到了别人的卡上。", accused="某干部", accuser="不愿透露")
    await village.say(told)
    own = await village.reads.spread(village.actor(), *always)
    await exchange(village, root)
    assert await root.reads.spread(operator, *always) == before
    assert await village.reads.spread(village.actor(), *always) == own
    assert await root.reads.spread(root.actor("cadre", ROOT), *always) == {}
    assert await root.reads.spread(root.actor("discipline", ROOT), *always) == {}


async def test_only_indices_are_read(county: County):
    """At 100,000 cases a look at each row would be a hundred times as slow."""
    root = await county.node("root")
    async with root.journal.read() as c:
        if c.dialect.name == "postgresql":
            pytest.skip("its planner decides by size")
        for actor in (root.actor("operator", ROOT), root.actor("officer", TOWN)):
            seen, values = await listing.visible(c, actor)
            asked = {**values, "from_ms": 1, "to_ms": 2}
            plan = [row[3] for row in await named(c, "explain query plan " + spread._FRESH.format(seen=seen), asked)]
            assert [step for step in plan if "COVERING INDEX case_figures (logged_ms>? AND logged_ms<?)" in step], plan
            assert len([step for step in plan if "case_row" in step]) == 1, plan


@pytest.mark.parametrize("seed", [15, 16])
async def test_a_list_holds_what_each_may_see_and_a_request_opens_nothing(county: County, seed: int):
    """Whoever is asked for one thing (请别处协助) is told of that; the case itself opens to those who were convened."""
    draw, root = Random(seed), await county.node("root")
    offices, operator, subjects = (VILLAGE, SECOND, OTHER_VILLAGE, TOWN, UNIT, OTHER_UNIT), root.actor("operator", ROOT), []
    for _ in range(10):
        case = (await root.say(dispute(draw.choice(offices[:3])), operator)).subject
        subjects.append(case)
        asked, joins = draw.sample(offices, 2)
        due_ms = root.clock() + DAY_MS
        await root.say(RequestTask(id=new_id(), case=case, to=asked, purpose="查档案", purpose_kind="inquiry", due_ms=due_ms), operator)
        if draw.random() < 0.4:
            await root.say(ConveneUnits(id=new_id(), case=case, units=[joins], purpose="一起看"), operator)
        await root.desk.arrivals()
    cases, some = [await root.reads.case(operator, case) for case in subjects], 0
    for office in offices:
        for actor in (root.actor("operator", office), msgspec.structs.replace(root.actor("operator", OTHER_UNIT), also=(office,))):
            may = {case.id for case in cases if access.may_see_case(actor, case)}
            assert {row.subject for row in (await root.reads.cases(actor)).rows} == may, actor.offices
            assert await root.reads.total(actor) == len(may)
            async with root.journal.read() as c:
                sees = await listing.sees(c, actor)
            if not any(map(place.is_unit, actor.offices)):
                assert {row.subject for row in (await root.reads.cases(operator)).rows if sees(row)} == may
            some += 0 < len(may) < len(cases)
    assert some > 3, "who sees all or nothing proves little"
