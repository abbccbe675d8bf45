"""What a put out computer hands in waits on one page: nothing is lost or orphaned, one press takes all of it over, or each by itself."""

import re

from protocol.node.reviewing import OTHERS
from protocol.node.web.reviews import GOOD
from protocol.problem import Refused
from tests.edge.handed_in import hand_in, put_out
from tests.edge.pages_kit import JSON, at
from tests.edge.rig import Rig
from tests.edge.test_forks_browser import forked
from tests.node.desk_kit import carry, exchange, new_id


async def groups(client) -> list:
    return (await client.get("/reviews", headers=JSON)).json()["groups"]


async def test_everything_handed_in_is_on_the_page_and_counts_nowhere_yet(rig: Rig):
    sent, unsent = await put_out(rig)
    await hand_in(rig, "again", "town")
    assert (await rig.case("again", sent)).status == "accepted"
    assert (await rig.case("again", unsent)).status == "logged"
    async with at(rig, "again") as client:
        assert "有 5 条等本单位核对" in (await client.get("/link")).text
        (group,) = await groups(client)
        assert (group["key"], group["name"]) == ("nvill2222", "village")
        whats = [(row["subject"], row["what"], row["adoptable"]) for row in group["rows"]]
        assert whats == [
            (unsent, "登记", True), (unsent, "受理", True), (sent, "调解记录", True), (sent, "备注", True), (unsent, "上报", False),
        ]  # fmt: skip
        assert group["rows"][2]["person"] == "王芳"
        assert "两边都肯让一点" in str(group["rows"][2]["text"])
        assert [name.partition("（")[0] for name in group["apart"]["anew"]] == ["盛小明"]
    async with at(rig, "town") as client:
        (group,) = await groups(client)
        assert (group["rows"], len(group["apart"]["anew"])) == ([], 1), "the holder's office decides, nobody else"


async def test_words_that_have_not_come_are_not_said_to_be_taken_by_law(rig: Rig):
    sent, _ = await put_out(rig)
    await hand_in(rig, "again")
    await forget(rig, "again", sent, "MediationRecorded")
    async with at(rig, "again") as client:
        page = (await client.get("/reviews")).text
    assert "正文不在本机，正在向别的机器取" in page and "已依法删除" not in page


async def test_nor_are_those_of_another_record(rig: Rig):
    await forked(rig)
    row = (await rig.nodes["village"].node.journal.rows("entry", "sort = 'dispute'", {}, limit=1))[0]
    await forget(rig, "village", row["subject"])
    async with at(rig, "village") as client:
        page = (await client.get("/forks")).text
    assert "正文不在本机。" in page and "已依法删除" not in page


async def forget(rig: Rig, kind: str, subject: str, event: str = "") -> None:
    """The node has these entries of the subject without their words, as from a giver who had none."""
    async with rig.nodes[kind].node.journal.writing() as w:
        for e in [e for e in await w.subject(subject) if event in ("", e.head.kind)]:
            await w.erase(*e.key, subject)
        await w.project([subject])


async def test_one_press_adopts_all_that_can_be_in_the_order_in_which_it_was_written(rig: Rig):
    sent, unsent = await put_out(rig)
    await hand_in(rig, "again", "town", "root")
    async with at(rig, "again") as client:
        got = await client.post("/reviews/all", data={"group": "nvill2222", "reason": "断网那几天办的"}, headers=JSON)
        assert got.json() == {"adopted": 4, "left": 1, "sentence": ""}
        again = await client.post("/reviews/all", data={"group": "nvill2222", "reason": "断网那几天办的"}, headers=JSON)
        assert again.json() == {"adopted": 0, "left": 1, "sentence": ""}
        (group,) = await groups(client)
        (left,) = group["rows"]
        said = {"subject": left["subject"], "item": left["item"], "reason": "村里自己调", "command_id": new_id()}
        refused = await client.post("/reviews/decide", data={**said, "decision": "adopt"}, headers=JSON)
        assert refused.status_code == 422
        assert "谁承办不能靠核对改变" in refused.json()["sentence"]
        assert (await client.post("/reviews/decide", data={**said, "decision": "reject"}, headers=JSON)).status_code == 200
        assert [len(group["rows"]) for group in await groups(client)] == [0]
    again_, town, root = (rig.nodes[kind] for kind in ("again", "town", "root"))
    await exchange(again_.node, town.node, root.node)
    for kind in ("again", "town", "root"):
        case, other = await rig.case(kind, unsent), await rig.case(kind, sent)
        assert (case.status, case.reviews) == ("accepted", [])
        assert (other.status, other.reviews) == ("mediating", [])
        assert not any(line.set_aside for line in other.lines)


async def test_one_entry_is_adopted_by_itself_once_and_a_reason_is_asked_for(rig: Rig):
    _, unsent = await put_out(rig)
    await hand_in(rig, "again")
    async with at(rig, "again") as client:
        (group,) = await groups(client)
        logged = group["rows"][0]
        said = {"subject": unsent, "item": logged["item"], "decision": "adopt", "command_id": new_id()}
        refused = await client.post("/reviews/decide", data={**said, "reason": " "}, headers=JSON)
        assert (refused.status_code, refused.json()["field"]) == (422, "reason")
        for _ in range(2):
            assert (await client.post("/reviews/decide", data={**said, "reason": "本人登记的"}, headers=JSON)).status_code in (
                200,
                404,
                409,
            )
        (group,) = await groups(client)
        assert [row["what"] for row in group["rows"]] == ["受理", "调解记录", "备注", "上报"]


async def test_the_reason_for_adopting_is_none_for_turning_down_and_what_was_typed_stays(rig: Rig):
    _, unsent = await put_out(rig)
    await hand_in(rig, "again")
    async with at(rig, "again") as client:
        (group,) = await groups(client)
        said = {"subject": unsent, "item": group["rows"][0]["item"], "command_id": new_id()}
        for reason, why in ((GOOD, f"不采纳请另写理由：“{GOOD}”是采纳的理由"), (" ", "请填写核对的理由")):
            got = await client.post("/reviews/decide", data={**said, "decision": "reject", "reason": reason})
            assert (got.status_code, got.text.count('role="alert"'), why in got.text) == (422, 1, True)
        got = await client.post("/reviews/decide", data={**said, "reason": "不是我们办的"})  # as a key sends it: no button was pressed
        assert got.status_code == 422
        (row,) = [line for line in got.text.split("<li") if 'role="alert"' in line]
        assert f'value="{said["item"]}"' in row, "where it was typed"
        assert re.search(r'name="reason"[^>]* value="不是我们办的"', row)
        assert got.text.count(f'value="{GOOD}"') == 1 + 3, "of all, and of the three others that can be adopted"
        (group,) = await groups(client)
        assert len(group["rows"]) == 5
        assert (await client.post("/reviews/decide", data={**said, "decision": "adopt", "reason": GOOD})).status_code == 303


async def test_who_may_not_decide_sees_no_buttons_and_is_refused(rig: Rig):
    await put_out(rig)
    await hand_in(rig, "again", "town")
    async with at(rig, "again") as client:
        (group,) = await groups(client)
        row = group["rows"][0]
    async with at(rig, "town") as client:
        said = {"subject": row["subject"], "item": row["item"], "decision": "adopt", "reason": "x", "command_id": new_id()}
        assert (await client.post("/reviews/decide", data=said, headers=JSON)).status_code != 200
        assert (await client.post("/reviews/all", data={"group": "nvill2222", "reason": "x"}, headers=JSON)).json()["adopted"] == 0
        assert (await client.post("/reviews/all", data={"group": OTHERS, "reason": "x"}, headers=JSON)).status_code == 403
    async with at(rig, "again", "-") as client:
        assert (await client.post("/reviews/all", data={"group": "nvill2222", "reason": "x"}, headers=JSON)).status_code == 401


async def test_what_a_township_relays_waits_on_the_same_page(rig: Rig):
    """It had not heard of the revocation when it took it."""
    await put_out(rig)
    await hand_in(rig, "town")
    await carry(rig.nodes["town"].node, rig.nodes["again"].node)
    async with at(rig, "again") as client:
        (group,) = await groups(client)
        assert len(group["rows"]) == 5


async def test_a_refused_reason_about_another_history_stands_at_its_line(rig: Rig, monkeypatch):
    await forked(rig)
    node = rig.nodes["village"].node
    node.stopped = lambda: ""

    async def full(*_: object) -> None:
        raise Refused("disk_full")

    monkeypatch.setattr(node.desk, "adopt", full)
    async with at(rig, "village") as client:
        hash_ = re.findall(r'action="/forks/(\w+)/adopt"', (await client.get("/forks")).text)[1]
        got = await client.post(f"/forks/{hash_}/contest", data={"reason": "那天没有人来过"})
        (row,) = [line for line in got.text.split("<li") if 'role="alert"' in line and "磁盘满了" in line]
        assert f'action="/forks/{hash_}/adopt"' in row
        assert re.search(r'name="reason"[^>]* value="那天没有人来过"', row)
