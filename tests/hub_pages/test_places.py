"""A village is split: the new one has a ledger of its own, which its township and the county cover, and the old one does not."""

import json

import pytest

from hub.places import merge, split
from protocol.data import PACKAGED
from protocol.problem import Refused
from tests.node.desk_kit import REACH, ROOT, TOWN, VILLAGE, County, dispute, exchange

CODE, NAME, DAY = "330523111299", "新塘新村", "2026-11-18"


@pytest.fixture
async def county(tmp_path, monkeypatch):
    monkeypatch.setitem(REACH, "new", ("nneww2222", (f"{TOWN}/{CODE}",), (f"{TOWN}/{CODE}",), 21, "330523111"))
    made = County(tmp_path)
    yield made
    await made.close()


async def test_a_new_village_logs_in_a_ledger_of_its_own(county):
    root, town, village, new = [await county.node(kind) for kind in ("root", "town", "village", "new")]
    old = (await village.say(dispute())).subject
    path = await split(root.desk, root.shelf, old=VILLAGE, code=CODE, name=NAME, day=DAY)
    await root.admission.common_changed()
    await exchange(root, town, village, new)
    assert path in town.shelf().children(TOWN)
    assert town.shelf().place_full(path).endswith(NAME)
    made = (await new.say(dispute(path))).subject
    await exchange(root, town, village, new)
    for node in (root, town, new):
        assert (await node.reads.case(node.actor(), made)).ledger == path
    assert await village.journal.subject(made) == []
    assert await new.journal.subject(old) == [], "nothing of the old one's comes to the new one"
    assert (await village.reads.case(village.actor(), old)).holder == VILLAGE
    assert await split(root.desk, root.shelf, old=VILLAGE, code=CODE, name=NAME, day=DAY) == path, "again changes nothing"


@pytest.mark.parametrize(
    ("old", "code", "name"),
    [
        (TOWN, CODE, NAME),  # only a village
        (f"{TOWN}/330523111298", CODE, NAME),  # there is none
        (VILLAGE, "330523002299", NAME),  # of another township
        (VILLAGE, "３３０５２３１１１２９９", NAME),
        (VILLAGE, "330523111217", NAME),  # taken
        (VILLAGE, CODE, "高禹村"),  # so is the name
        (VILLAGE, CODE, ""),
    ],
)
async def test_what_cannot_be_a_new_village_is_refused(county, old, code, name):
    root = await county.node("root")
    with pytest.raises(Refused, match="field_impossible"):
        await split(root.desk, root.shelf, old=old, code=code, name=name, day=DAY)
    assert root.shelf().versions == (await county.node("town")).shelf().versions, "nothing was said"
    assert ROOT in root.shelf().places


async def test_nothing_is_merged_or_split_that_a_table_of_places_still_to_begin_would_take_back(county):
    root = await county.node("root")
    table = json.dumps({**json.loads(PACKAGED["places"][2]), "version": "2027.1", "valid_from": "2026-12-01"}).encode()
    await root.desk.set_table("places", "2027.1", "2026-12-01", table)
    for made in (
        split(root.desk, root.shelf, old=VILLAGE, code=CODE, name=NAME, day=DAY),
        merge(None, root.desk, root.shelf, old=VILLAGE, new=f"{TOWN}/330523111218", day=DAY),
    ):
        with pytest.raises(Refused) as refused:
            await made
        assert "2026-12-01 零点" in refused.value.sentence
    assert len(await root.journal.rows("table_row")) == 1, "nothing was said"
    county.clock.pass_ms(13 * 86_400_000)
    await root.shelf.load(root.journal)
    assert await split(root.desk, root.shelf, old=VILLAGE, code=CODE, name=NAME, day=DAY) in root.shelf().places
