"""The page 依法删除: what still holds a person's words, found by a name or number, erased on a ground of the law, once and everywhere."""

from pathlib import Path

from protocol.commands import AddNote, WriteOpinion
from tests.hub_pages.world import JSON, world
from tests.node.desk_kit import VILLAGE, exchange, new_id
from tests.node.journal_kit import everything_in

TITLE, NAME, PHONE = "田埂地界", "叶根土", "13800000000"


async def test_everything_that_names_a_person_is_found_and_erased_at_every_node(tmp_path: Path):
    async with world(tmp_path) as hub:
        await hub.sign_in("operator")
        case = hub.cases[TITLE]
        await hub.root.say(AddNote(id=new_id(), case=case, text=f"{NAME}的儿子来问过"), hub.actor())
        await hub.root.say(WriteOpinion(id=new_id(), case=case, text=f"{NAME}上月到省里去过"), hub.actor())
        await hub.send(TITLE)  # its task carries the names and numbers of the contacts
        await exchange(hub.root, hub.town, hub.village)
        assert PHONE.encode() in await everything_in(hub.village.journal), "this search finds what is there"
        page = (await hub.client.get(f"/cases/{case}")).text
        assert f'href="/cases/{case}/erase"' in page
        by_name = await hub.get(f"/cases/{case}/erase?word={NAME}")
        kinds = {row["kind"] for row in by_name["rows"] if row["item"] in by_name["ticked"]}
        assert kinds == {"DisputeLogged", "NoteAdded", "OpinionWritten", "TaskAssigned"}
        by_number = await hub.get(f"/cases/{case}/erase?word={PHONE}")
        assert {row["kind"] for row in by_number["rows"] if row["item"] in by_number["ticked"]} == {"DisputeLogged", "TaskAssigned"}
        ground = "个人信息保护法第47条：本人撤回同意"
        form = {"command_id": new_id(), "item": by_name["ticked"], "ground": ground}
        assert (await hub.post(f"/cases/{case}/erase", form))["erased"] == 4
        assert (await hub.post(f"/cases/{case}/erase", form))["erased"] == 4, "sent again it is the same erasure"
        await exchange(hub.root, hub.town, hub.village)
        for node in (hub.root, hub.town, hub.village):
            stored = await everything_in(node.journal)
            here = [word for word in (f"{NAME}的儿子", f"{NAME}上月", "一家说往东挪了半尺") if word.encode() in stored]
            assert here == [], node.kind
            assert (await node.reads.case(node.actor(), case)).status == "mediating"
        erasures = [e for e in await hub.root.journal.subject(case) if e.sort == "erasure"]
        assert len(erasures) == 2 and all(e.ledger == VILLAGE for e in erasures)
        page = (await hub.client.get(f"/cases/{case}")).text
        assert page.count(ground) == 3 and NAME not in page


async def test_what_was_not_ticked_or_not_confirmed_is_not_erased(tmp_path: Path):
    async with world(tmp_path) as hub:
        await hub.sign_in("operator")
        case, other = hub.cases[TITLE], hub.cases["工钱没结清"]
        item = (await hub.get(f"/cases/{case}/erase"))["rows"][0]["item"]
        foreign = (await hub.get(f"/cases/{other}/erase"))["rows"][0]["item"]
        ground = "个人信息保护法第47条：保存期限已满"
        for form, why in (
            ({"item": [], "ground": ground}, "item"),
            ({"item": [item], "ground": ""}, "ground"),
            ({"item": [item], "ground": "我想删"}, "ground"),
            ({"item": [foreign], "ground": ground}, "item"),
        ):
            assert why in (await hub.post(f"/cases/{case}/erase", {"command_id": new_id(), **form}, 422))["wrong"]
        unsure = await hub.client.post(f"/cases/{case}/erase", data={"command_id": new_id(), "item": [item], "ground": ground})
        assert unsure.status_code == 422 and "删了找不回来，请确认" in unsure.text and f'value="{item}" checked' in unsure.text
        assert not any(row["erased"] for row in (await hub.get(f"/cases/{case}/erase"))["rows"])


async def test_only_who_may_erase_sees_the_way(tmp_path: Path):
    async with world(tmp_path) as hub:
        case = hub.cases[TITLE]
        await hub.sign_in("admin")
        assert (await hub.client.get(f"/cases/{case}/erase", headers=JSON)).status_code == 404
