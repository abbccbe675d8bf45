"""Files of two histories of one lane: what goes with the words of one case leaves those of another alone."""

import time
from typing import NamedTuple

import msgspec
import pytest

from protocol.commands import AddNote, Blob, EraseBody
from protocol.node import bodies, sweeping
from protocol.node.journal import branches
from protocol.node.journal.rows import run
from tests.node.desk_kit import VILLAGE, County, Node, batch_of, carry, dispute, exchange, new_id
from tests.node.test_files import LATER_S, PHOTO, SMALL, photographed
from tests.node.test_files import bring as fetched
from tests.node.test_forks import beside, bring, twins

GROUND = "个人信息保护法第47条"
Key = tuple[str, str, int]


class Apart(NamedTuple):
    """A computer and its copy, each with a photo in its blobs; one key names both: of another case, in either history."""

    village: Node
    clone: Node
    key: Key
    files: tuple[tuple[Blob, Blob], tuple[Blob, Blob]]  # the computer's, its copy's
    case: str  # the one that both know; the computer's photo is of it


async def photographed_apart(county: County) -> Apart:
    village, clone = await twins(county)
    (case,) = {e.subject for e in await village.journal.lane(VILLAGE, village.signer.origin, 1, 1)}
    await village.say(AddNote(id=new_id(), case=case, text="又去看了一回。"))
    key, *ours = await photographed(village, case)
    other = (await clone.say(dispute(account="复制的电脑上写的一件。"))).subject
    same, *theirs = await photographed(clone, other, PHOTO + b"2", SMALL + b"2")
    assert key == same
    return Apart(village, clone, key, (tuple(ours), tuple(theirs)), case)


async def take(apart: Apart, node: Node, *, first: Node) -> None:
    """The node hears this one first, and the other one as another history; it has the files of both."""
    await carry(first, node)
    await bring(apart.clone if first is apart.village else apart.village, node)
    for source in (apart.village, apart.clone):
        await fetched(source, node)
    assert [all(map(node.blobs.has, (blob.address, small.address))) for blob, small in apart.files] == [True, True]


async def erase(node: Node, key: Key) -> None:
    eraser = msgspec.structs.replace(node.actor(), powers=frozenset({"erase"}))
    await node.say(EraseBody(id=new_id(), item="|".join(map(str, key)), ground=GROUND), eraser)


async def kept(node: Node, apart: Apart) -> list[list[bool]]:
    """Of the computer's and of the copy's: whether the file is there, and its small picture, after the sweep."""
    await sweeping.sweep(node.journal, node.blobs, time.time() + LATER_S)
    known = {row["address"] for row in await node.journal.rows("blob", "stage >= 0")}
    here = [[blob.address for blob in pair if node.blobs.has(blob.address)] for pair in apart.files]
    assert known == {address for pair in here for address in pair}
    return [[blob.address in addresses for blob in pair] for pair, addresses in zip(apart.files, here, strict=True)]


@pytest.mark.parametrize("erased", ["the computer's", "its copy's"])
async def test_an_erasure_takes_the_files_of_its_own_case_in_whichever_history_it_stands(on_either: County, erased: str):
    apart, root, town = await photographed_apart(on_either), await on_either.node("root"), await on_either.node("town")
    await take(apart, root, first=apart.village)
    await take(apart, town, first=apart.clone)
    says, hears = (root, town) if erased == "the computer's" else (town, root)
    await erase(says, apart.key)
    await hears.admission.admit(await batch_of(says, VILLAGE, says.signer.origin), says.signer.node)
    left = [[False, False], [True, True]] if says is root else [[True, True], [False, False]]
    for node in (root, town):
        assert await kept(node, apart) == left, node.kind
        (row,) = [row for row in await beside(node) if row.seq == apart.key[2]]
        assert {row.body is None, (await node.journal.entry(*apart.key)).body is None} == {True, False}, "one of them is erased"


async def test_an_erasure_that_came_first_takes_the_words_of_its_own_case_alone(county: County):
    apart, root = await photographed_apart(county), await county.node("root")
    await carry(apart.village, root)
    await erase(root, apart.key)
    await apart.clone.say(AddNote(id=new_id(), case=apart.case, text="那件也去看了。"))
    await bring(apart.clone, root)
    assert [row.body is None for row in await beside(root)] == [False, False, False]
    await fetched(apart.clone, root)
    assert await kept(root, apart) == [[False, False], [True, True]]


async def test_with_the_words_that_were_written_anew_the_file_goes_too(county: County):
    apart, root, again = await photographed_apart(county), await county.node("root"), await county.node("village again")
    await take(apart, root, first=apart.village)
    await exchange(root, again)
    await bring(apart.clone, again, root.signer.node)
    await fetched(root, again)
    for row in await beside(again):
        await again.desk.adopt(row, again.actor())
    await exchange(again, root)
    (anew,) = [e for e in await again.journal.lane(VILLAGE, again.signer.origin, 0, 20) if e.head.kind == "EvidenceAdded"]
    async with root.journal.writing() as w:
        assert await branches.erase(w, *anew.key, "somebody else's case") == set()
    assert all(row.body for row in await beside(root))
    await erase(root, anew.key)
    await exchange(root, again)
    for node in (root, again):
        assert await kept(node, apart) == [[True, True], [False, False]], node.kind


async def test_with_words_that_were_gone_before_they_came_the_file_of_the_first_ones_goes_too(county: County):
    """Whoever was off for a day pulls both lanes at once: the erasure comes before what was written anew."""
    apart, root, again = await photographed_apart(county), await county.node("root"), await county.node("village again")
    await take(apart, root, first=apart.village)
    await exchange(root, again)
    await bring(apart.clone, again, root.signer.node)
    for row in await beside(again):
        await again.desk.adopt(row, again.actor())
    await exchange(again, root)
    (anew,) = [e for e in await again.journal.lane(VILLAGE, again.signer.origin, 0, 20) if e.head.kind == "EvidenceAdded"]
    await erase(root, anew.key)
    town = await county.node("town")
    await take(apart, town, first=apart.village)
    before = [row for row in await beside(town) if row.body]
    await town.admission.admit(await batch_of(root, VILLAGE, root.signer.origin), root.signer.node)
    assert len([row for row in await beside(town) if row.body]) == len(before), "what was written anew is not here yet"
    await carry(again, town)
    assert await kept(town, apart) == [[True, True], [False, False]]
    assert not [row.body for row in await beside(town) if row.body and row.head.kind == "EvidenceAdded"]


@pytest.mark.parametrize("was", ["not fetched yet", "not to come by itself", "gone", "about to go", "here"])
async def test_a_file_that_is_not_here_is_asked_for_when_its_entry_is_written_anew(county: County, was: str):
    apart, again = await photographed_apart(county), await county.node("village again")
    await carry(apart.village, again)
    await bring(apart.clone, again, "nroot2222")
    (blob, small), stage = apart.files[1], {"here": bodies.DONE, "not to come by itself": bodies.ASIDE, "about to go": bodies.GONE}.get(was)
    values = [{"address": one.address, "stage": stage} for one in (blob, small)]
    async with again.journal.writing() as w:
        if was == "gone":
            for table in ("blob", "blob_use"):
                await run(w.connection, f"delete from {table} where address = :address", [{"address": one["address"]} for one in values])
        elif stage is not None:
            have = "size" if was == "here" else "0"
            await run(w.connection, f"update blob set stage = :stage, have = {have} where address = :address", values)
    for row in await beside(again):
        await again.desk.adopt(row, again.actor())
    rows = {row["address"]: row for row in await again.journal.rows("blob")}
    for one in (blob, small):
        found = rows[one.address]
        if was == "here":
            assert found["have"] == found["size"] and found["stage"] in (bodies.UNTOLD, bodies.DONE)
        else:
            assert (found["have"], found["stage"]) == (0, bodies.WANTED)
        assert found["source"] == apart.clone.signer.node, "asked there first, and never of this node itself"
