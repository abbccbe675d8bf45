"""The page 依法删除: what still holds a person's words, found by a name or number, erased on a ground of the law, once and everywhere."""

import re
from pathlib import Path
from urllib.parse import urlencode

from protocol.commands import AddNote, ConfirmTask, MergeDispute, ReportTask, TellTask, TransferDispute, WriteOpinion
from protocol.node.errands import linked_id
from tests.hub_pages.world import JSON, OTHER_VILLAGE, Hub, world
from tests.node.desk_kit import TOWN, VILLAGE, exchange, new_id
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


async def test_what_was_merged_and_transferred_is_found_with_it(tmp_path: Path):
    async with world(tmp_path) as hub:
        await hub.sign_in("operator")
        case, twin, apart = hub.cases["工钱没结清"], hub.cases[TITLE], hub.cases["水渠清淤"]
        await hub.root.say(MergeDispute(id=new_id(), case=twin, into=case, reason="是同一件"), hub.actor())
        assert "并进来的：" in (await hub.client.get(f"/cases/{case}/seal")).text, "and so says 改为密封"
        moved = TransferDispute(id=new_id(), case=case, to=TOWN, reason=f"{NAME}在那边", shows=["title", "account", "parties"])
        await hub.root.say(moved, hub.actor())
        await hub.root.desk.arrivals()
        successor = (await hub.root.reads.case(hub.actor(), case)).successor
        for opened in (case, twin, successor):
            said = await hub.get(f"/cases/{opened}/erase?word={NAME}")
            ledgers = {row["item"].partition("|")[0] for row in said["rows"]}
            assert {VILLAGE, OTHER_VILLAGE, TOWN} == ledgers and len(said["ticked"]) >= 2, opened
            page = (await hub.client.get(f"/cases/{opened}/erase")).text
            assert "同一件事还在" in page and page.count('class="cadre') == len(said["rows"])
        assert "同一件事还在" not in (await hub.client.get(f"/cases/{apart}/erase")).text
        ticked = (await hub.get(f"/cases/{successor}/erase?word={NAME}"))["ticked"]
        ground = "个人信息保护法第47条：本人撤回同意"
        assert (await hub.post(f"/cases/{successor}/erase", {"command_id": new_id(), "item": ticked, "ground": ground}))["erased"] == len(
            ticked
        )
        bodies = [e.body for subject in (case, twin, successor) for e in await hub.root.journal.subject(subject) if e.body]
        assert not [body for body in bodies if NAME.encode() in body]


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


async def lose(hub: Hub, subject: str, kind: str) -> None:
    """The last entry of this kind came without its words."""
    async with hub.root.journal.writing() as w:
        e = [e for e in await w.subject(subject) if e.head.kind == kind][-1]
        await w.erase(*e.key, subject)
        await w.project([subject])


async def test_words_that_have_not_come_are_not_called_erased_and_can_be(tmp_path: Path):
    """The giver had them not: they are fetched later (link/words.py), so whoever asks for an erasure must reach them now."""
    async with world(tmp_path) as hub:
        await hub.sign_in("operator")
        case, task = hub.cases[TITLE], await hub.send(TITLE)
        await hub.root.say(AddNote(id=new_id(), case=case, text=f"{NAME}的儿子来问过"), hub.actor())
        await lose(hub, case, "NoteAdded")
        await lose(hub, task, "TaskAssigned")
        page = (await hub.client.get(f"/cases/{case}/erase", params={"word": NAME}, headers={"accept": "text/html"})).text
        assert "另有 2 条正文不在本机" in page and "已依法删除。" not in page
        rows = (await hub.get(f"/cases/{case}/erase"))["rows"]
        missing = [row["item"] for row in rows if row["missing"]]
        assert len(missing) == 2 and not any(row["erased"] for row in rows)
        boxes = {item: re.search(rf'value="{re.escape(item)}"([^>]*)', page)[1] for item in missing}
        assert set(boxes.values()) == {""}, "neither locked nor ticked"
        page = (await hub.client.get(f"/tasks/{task}", headers={"accept": "text/html"})).text
        assert "正文不在本机，正在向别的机器取" in page and "<h1>（正文不在本机）" in page and "已依法删除" not in page
        form = {"command_id": new_id(), "item": missing, "ground": "个人信息保护法第47条：本人撤回同意"}
        assert (await hub.post(f"/cases/{case}/erase", form))["erased"] == 2
        assert [row["item"] for row in (await hub.get(f"/cases/{case}/erase"))["rows"] if row["erased"]] == missing
        assert "正文已依法删除（个人信息" in (await hub.client.get(f"/tasks/{task}", headers={"accept": "text/html"})).text


async def test_a_visit_whose_words_have_not_come_is_not_called_erased_and_waits_for_them_to_be_given_to_another(tmp_path: Path):
    async with world(tmp_path) as hub:
        await hub.sign_in("operator")
        task, hold, form = await hub.send(TITLE), "这一项的正文还没到本机，到了再改派", {"by": "kept", "reason": "他病了"}
        await hub.root.say(ConfirmTask(id=new_id(), task=task), hub.as_cadre())
        await hub.root.say(TellTask(id=new_id(), task=task, text="户主电话打不通"), hub.as_cadre())
        await lose(hub, task, "TaskAssigned")
        await lose(hub, task, "TaskTold")
        asked = {"of": hub.cadre, "cadre": await hub.person("穆青"), "plan": "1", "task": task, **form}
        plan = f"/visits/reassign?{urlencode(asked)}"
        for path in (f"/tasks/{task}", "/tasks", "/today", f"/tasks/{task}/ask/ReassignTask", plan):
            page = (await hub.client.get(path, headers={"accept": "text/html"})).text
            assert "（正文不在本机）" in page and "已依法删除" not in page, path
        assert "在等答复：</strong>（正文不在本机）" in (await hub.client.get(f"/tasks/{task}", headers={"accept": "text/html"})).text
        hub.client.cookies.set("yidi-language", "en")
        page = (await hub.client.get(f"/tasks/{task}", headers={"accept": "text/html"})).text
        assert page.count("The text is not on this computer") > 2 and "正文不在本机" not in page
        hub.client.cookies.delete("yidi-language")
        assert [one["why_not"] for one in (await hub.get(plan))["plan"]] == [hold]
        said = await hub.post(f"/tasks/{task}/ask/ReassignTask", {"command_id": new_id(), "cadre": asked["cadre"], **form}, 422)
        assert said["wrong"] == {"reason": f"{hold}。"}


async def test_the_answer_of_another_office_that_has_not_come_is_not_called_erased(tmp_path: Path):
    async with world(tmp_path) as hub:
        await hub.sign_in("operator")
        form = {
            "command_id": new_id(),
            "to": TOWN,
            "purpose": "问问他舅舅",
            "purpose_kind": "inquiry",
            "due_ms": "2026-11-25T17:30",
        }
        task = (await hub.post(f"/cases/{hub.cases[TITLE]}/RequestTask", form, 201))["subjects"][0]
        await hub.root.desk.arrivals()
        await exchange(hub.root, hub.town)
        done = ReportTask(id=new_id(), task=linked_id(task), result="eased", words="地是他舅舅的")
        await hub.town.say(done, hub.town.actor())
        await exchange(hub.root, hub.town)
        await hub.root.desk.arrivals()
        assert "地是他舅舅的" in (await hub.client.get(f"/tasks/{task}", headers={"accept": "text/html"})).text
        await lose(hub, task, "TaskAnswered")
        page = (await hub.client.get(f"/tasks/{task}", headers={"accept": "text/html"})).text
        assert "（正文不在本机）" in page and "已依法删除" not in page
