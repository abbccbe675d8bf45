"""Two registrations of one matter, merged where nodes do not hear each other: one of them always goes on."""

import msgspec
import pytest

from protocol import commands as c
from protocol import dispute, merges, transfer
from protocol.calendar import DAY_MS
from protocol.clocks import of_case
from protocol.fold import fold_case
from protocol.problem import Refused
from tests.protocol.county import COUNTY, EVERYTHING, FAR, TABLES, TOWNSHIP, VILLAGE, County, Node, actor, kinds, same_everywhere
from tests.protocol.test_successors import Far, decided_by


def merge(world: County, node: Node, case: str, into: str, office: str):
    command = c.MergeDispute(id=world.id(), case=case, into=into, reason="同一件事")
    return node.do(command, actor(office), cases={into: node.case(into)})


def crossed(world: County) -> tuple[str, str]:
    """The village merges its own into the township's; the township, cut off, the other way."""
    a, b = world.log(), world.log(world.township, VILLAGE, TOWNSHIP)
    world.sync()
    merge(world, world.village, a, b, VILLAGE)
    merge(world, world.township, b, a, TOWNSHIP)
    world.sync()
    return a, b


def by_itself(world: County, node: Node, subject: str) -> bool:
    """What the node of the holder's office does."""
    case = node.case(subject)
    draft = merges.reopening(case, node.case(case.merged_into))
    if draft is not None:
        node.write([draft], world.id())
    return draft is not None


def test_merged_into_one_another_the_one_that_the_lower_office_merged_is_reopened() -> None:
    world = County()
    a, b = crossed(world)
    assert [world.county.case(one).status for one in (a, b)] == ["merged", "merged"]
    assert not by_itself(world, world.township, b)
    assert by_itself(world, world.village, a)
    first, second = same_everywhere(world, a), same_everywhere(world, b)
    assert (first.status, first.merged_into, first.holder, first.closed_ms, first.reviews) == ("logged", "", VILLAGE, None, [])
    assert (second.status, second.merged_into) == ("merged", a)
    assert not any(by_itself(world, node, b) for node in (world.township, world.county))


@pytest.mark.parametrize("who", ["holder", "above"])
def test_a_merged_case_is_reopened_by_its_holder_alone(who: str) -> None:
    world = County()
    a, _ = crossed(world)
    node, office = (world.village, VILLAGE) if who == "holder" else (world.township, TOWNSHIP)
    steps = {step.command for step in dispute.steps(node.case(a), actor(office, EVERYTHING), node.context())}
    assert ("ReopenDispute" in steps) == (who == "holder")
    if who == "holder":
        world.act(world.village, c.ReopenDispute, a, VILLAGE)
        assert same_everywhere(world, a).status == "logged"


def test_who_reopened_without_knowing_of_the_merge_does_not_undo_it() -> None:
    """Two nodes of one office: what older nodes set aside stays set aside."""
    world = County()
    a, b = world.log(world.county, COUNTY, COUNTY), world.log(world.county, COUNTY, COUNTY)
    world.act(world.county, c.AcceptDispute, a, COUNTY)
    world.act(world.county, c.EndMediation, a, COUNTY)
    world.hall.pull(world.county)
    merge(world, world.county, a, b, COUNTY)
    world.act(world.hall, c.AddNote, a, COUNTY)
    world.act(world.hall, c.ReopenDispute, a, COUNTY)
    case = same_everywhere(world, a, world.county, world.hall)
    assert (case.status, case.merged_into, kinds(case)) == ("merged", b, [("DisputeReopened", "unfit")])


@pytest.mark.parametrize("older", [True, False])
def test_a_reopening_that_an_older_node_adopted_leaves_the_case_merged(older: bool) -> None:
    world = County()
    a, b = world.log(world.county, COUNTY, COUNTY), world.log(world.county, COUNTY, COUNTY)
    world.act(world.county, c.AcceptDispute, a, COUNTY)
    world.act(world.county, c.EndMediation, a, COUNTY)
    world.hall.pull(world.county)
    merge(world, world.county, a, b, COUNTY)
    world.act(world.hall, c.ReopenDispute, a, COUNTY)
    world.sync()
    closed_ms = world.county.case(a).closed_ms
    decided_by(world, world.county, a, COUNTY, older=older)
    case = same_everywhere(world, a, world.county, world.hall)
    assert (case.status, case.merged_into, case.closed_ms, case.reviews) == (
        ("merged", b, closed_ms, []) if older else ("accepted", "", None, [])
    )


def test_what_others_were_merged_into_is_not_voided() -> None:
    world = County()
    a, b = world.log(), world.log()
    merge(world, world.village, a, b, VILLAGE)
    with pytest.raises(Refused, match="void_merged_in.*" + world.village.case(a).code):
        world.act(world.village, c.VoidDispute, b, VILLAGE)
    with pytest.raises(Refused, match="not_now"):
        world.act(world.village, c.VoidDispute, a, VILLAGE)


def voided(world: County, kind: type[c.CaseCommand]) -> tuple[str, str]:
    """The township merges into a case of the village that the village ends meanwhile as never registered."""
    a, b = world.log(world.township, VILLAGE, TOWNSHIP), world.log()
    world.sync()
    merge(world, world.township, a, b, TOWNSHIP)
    world.act(world.village, kind, b, VILLAGE)
    world.sync()
    assert (world.county.case(a).status, world.county.case(b).status) == ("merged", "voided")
    return a, b


def test_merged_into_what_was_voided_meanwhile_it_is_reopened() -> None:
    world = County()
    a, _ = voided(world, c.VoidDispute)
    assert by_itself(world, world.township, a)
    case = same_everywhere(world, a)
    assert (case.status, case.merged_into, case.holder) == ("logged", "", TOWNSHIP)


def test_merged_into_what_was_sealed_meanwhile_it_stays() -> None:
    world = County()
    a, _ = voided(world, c.RemoveDispute)
    assert not by_itself(world, world.township, a)


def test_merged_into_what_goes_on_or_ended_it_stays() -> None:
    world = County()
    a, b = world.log(), world.log()
    merge(world, world.village, a, b, VILLAGE)
    assert not by_itself(world, world.village, a)
    third = world.log()
    merge(world, world.village, b, third, VILLAGE)
    assert not by_itself(world, world.village, a)
    world.act(world.village, c.CloseDispute, third, VILLAGE)
    assert not by_itself(world, world.village, b)


@pytest.mark.parametrize("how", ["returned", "called off"])
def test_merged_into_what_comes_and_goes_back_it_is_reopened_where_it_was_registered(how: str) -> None:
    """The other township merges its own registration into what is transferred to it: the case that this goes on from it does not see."""
    world = Far()
    subject, successor = world.transferred()
    a = world.log(world.far, FAR, FAR)
    merge(world, world.far, a, successor, FAR)
    world.sync()
    assert not by_itself(world, world.far, a), "it may be taken up yet"
    if how == "returned":
        world.act(world.far, c.ReturnDispute, successor, FAR)
    else:
        world.act(world.county, c.CallUpDispute, subject, COUNTY)
        world.county.write([transfer.called_off(world.county.case(subject), world.county.case(successor))], world.id())
    world.sync()
    assert world.far.case(successor).status == "merged"
    sealed = msgspec.structs.replace(world.far.case(a), sealed=True)
    assert merges.reopening(sealed, world.far.case(successor)) is None, "the same accusation"
    assert by_itself(world, world.far, a)
    case = same_everywhere(world, a, world.far, world.county)
    assert (case.status, case.merged_into, case.holder) == ("logged", "", FAR)
    assert not by_itself(world, world.county, successor), "it ended with its transfer"


# ── what a merge leaves where the matter goes on ──


def late(world: County) -> tuple[str, str]:
    """The village, cut off, merges what it accepted into a later petition; meanwhile the township calls that up."""
    a = world.accepted()
    world.village.now_ms += 3 * DAY_MS
    b = world.log(intake="letter")
    world.sync()
    world.act(world.township, c.CallUpDispute, a, TOWNSHIP)
    merge(world, world.village, a, b, VILLAGE)
    world.sync()
    return a, b


def tell(world: County, node: Node, subject: str, into: str) -> bool:
    case, goes_on = node.case(subject), node.case(into)
    commands = dict.fromkeys([*merges.unmerged(case), *goes_on.unlinked])
    drafts = [draft for command in commands if (draft := merges.telling(case, goes_on, command))]
    node.write(drafts, world.id())
    return bool(drafts)


def reads(world: County, subject: str) -> tuple[object, ...]:
    """Code and clocks; the same at every node, in whatever order the entries came."""
    case = same_everywhere(world, subject)
    told = []
    for node in world.nodes:
        entries = node.of(subject)
        for order in (entries, entries[::-1]):
            one = fold_case(order, TABLES)
            clocks = sorted(
                (clock.id, clock.state, clock.starts_ms) for clock in of_case(one, TABLES) if clock.id != "T31"
            )  # since the last entry
            told.append((one.aliases, one.logged_ms, one.accepted_ms, clocks))
    assert all(one == told[0] for one in told)
    return case.aliases, case.logged_ms, case.accepted_ms, told[0][3]


def test_a_merge_that_was_set_aside_moves_no_clock_of_the_other_case() -> None:
    world = County()
    a = world.accepted()
    world.village.now_ms += 3 * DAY_MS
    b = world.log(intake="letter")
    world.sync()
    before = reads(world, b)
    world.act(world.township, c.CallUpDispute, a, TOWNSHIP)
    merge(world, world.village, a, b, VILLAGE)
    world.sync()
    assert kinds(world.county.case(a)) == [("DisputeMerged", "late")]
    assert reads(world, b) != before, "until it is told"
    assert tell(world, world.village, a, b)
    assert reads(world, b) == before
    assert not any(tell(world, node, a, b) for node in world.nodes), "told once"
    assert world.county.case(b).reviews == []
    world.act(world.township, c.DecideReview, a, TOWNSHIP, decision="reject")
    world.sync()
    assert not any(tell(world, node, a, b) for node in world.nodes)
    assert reads(world, b) == before


def test_a_merge_that_is_adopted_after_all_brings_code_and_clocks_back() -> None:
    world = County()
    a, b = late(world)
    merged = reads(world, b)
    assert tell(world, world.county, a, b)
    world.act(world.township, c.DecideReview, a, TOWNSHIP, decision="adopt")
    world.sync()
    assert world.county.case(a).merged_into == b
    assert tell(world, world.county, a, b)
    assert reads(world, b) == merged
    assert not any(tell(world, node, a, b) for node in world.nodes)


def test_reopened_a_case_takes_its_code_and_clocks_with_it_and_the_other_may_be_voided() -> None:
    world = County()
    a = world.accepted()
    b = world.log()
    before = reads(world, b)
    merge(world, world.village, a, b, VILLAGE)
    assert reads(world, b) != before
    assert not any(tell(world, node, a, b) for node in world.nodes), "a merge that stands needs no word"
    world.act(world.village, c.ReopenDispute, a, VILLAGE)
    assert tell(world, world.village, a, b)
    assert reads(world, b) == before
    world.act(world.village, c.VoidDispute, b, VILLAGE)
    assert (same_everywhere(world, b).status, same_everywhere(world, a).status) == ("voided", "accepted")


def test_what_was_merged_before_anybody_told_counts_as_it_did() -> None:
    world = County()
    a, b = late(world)
    case = world.county.case(b)
    assert (case.aliases, case.accepted_ms) == ([world.county.case(a).code], world.county.case(a).accepted_ms)


def test_without_the_merge_or_its_links_nothing_is_told() -> None:
    world = County()
    a, b = late(world)
    case, goes_on = world.county.case(a), world.county.case(b)
    (command,) = merges.unmerged(case)
    links = [one for one in world.county.of(b) if one.head.command != command]
    assert merges.telling(case, fold_case(links, TABLES), command) is None
    bare = fold_case([one for one in world.county.of(a) if one.head.kind != "DisputeMerged"], TABLES)
    assert merges.unmerged(bare) == {} and merges.telling(bare, goes_on, command) is None
