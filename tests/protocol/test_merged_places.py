"""A merged village: its cases go on with the people of its successor, for its own office; nothing new is registered in it."""

import msgspec
import pytest

from protocol import commands as c
from protocol import dispute
from protocol.access import may_see_case
from protocol.problem import Refused
from tests.protocol.county import EVERYTHING, PARTIES, TOWNSHIP, VILLAGE, VILLAGE_2, County, actor, ask
from tests.protocol.test_tables import merged_tables

MERGED = merged_tables((VILLAGE, VILLAGE_2.rpartition("/")[2]))


def successors_clerk():
    return msgspec.structs.replace(actor(VILLAGE_2), also=MERGED.places_merged_into(VILLAGE_2))


def test_its_cases_are_seen_and_held_by_the_successors_people() -> None:
    world = County()
    subject = world.log()
    world.sync()
    case, who = world.village.case(subject), successors_clerk()
    assert not may_see_case(actor(VILLAGE_2), case)
    assert may_see_case(who, case)
    context = msgspec.structs.replace(world.township.context(), serves=(VILLAGE, VILLAGE_2), covers=(VILLAGE, VILLAGE_2), tables=MERGED)
    own = msgspec.structs.replace(world.village.context(), tables=MERGED)
    offered = {step.command for step in dispute.steps(case, who, context)}
    assert offered == {step.command for step in dispute.steps(case, actor(VILLAGE), own)}
    (draft,) = dispute.decide(case, ask(c.AcceptDispute, subject, "command-1", case), who, context)
    assert (draft.ledger, draft.facts.office) == (VILLAGE, VILLAGE)  # the ledger stays, and so does the office


def test_what_is_offered_to_it_is_taken_up_by_the_successors_people() -> None:
    world = County()
    subject = world.log(world.township, VILLAGE, TOWNSHIP)
    world.act(world.township, c.HandDownDispute, subject, TOWNSHIP, to=VILLAGE)
    case = world.township.case(subject)
    context = msgspec.structs.replace(world.township.context(), serves=(VILLAGE, VILLAGE_2), tables=MERGED)
    assert "TakeUpDispute" in {step.command for step in dispute.steps(case, successors_clerk(), context)}
    (draft,) = dispute.decide(case, ask(c.TakeUpDispute, subject, "command-1", case), successors_clerk(), context)
    assert draft.facts.office == VILLAGE


def test_a_node_without_the_certificate_of_both_writes_for_neither() -> None:
    world = County()
    subject = world.log()
    world.sync()
    context = msgspec.structs.replace(world.township.context(), serves=(VILLAGE_2,), covers=(VILLAGE, VILLAGE_2), tables=MERGED)
    with pytest.raises(Refused, match="not_served"):
        dispute.decide(world.village.case(subject), ask(c.AcceptDispute, subject, "command-1"), successors_clerk(), context)


def test_nothing_new_is_registered_in_it_and_the_sentence_names_the_successor() -> None:
    world = County()
    context = msgspec.structs.replace(world.township.context(), tables=MERGED)
    command = c.LogDispute(id="command-1", ledger=VILLAGE, type="0204", account="占了滴水巷", parties=PARTIES)
    with pytest.raises(Refused, match="place_ended") as refused:
        dispute.decide(None, command, actor(TOWNSHIP, EVERYTHING), context)
    assert MERGED.place_name(VILLAGE_2) in refused.value.sentence
