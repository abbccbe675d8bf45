"""转办 by its page: what the receiver will see is shown piece by piece before it is done, and that is what it gets."""

from protocol.commands import CallUpDispute, ConveneUnits, CorrectDispute, Party, TransferDispute
from tests.hub_pages.world import JSON, Hub, register
from tests.node.desk_kit import TOWN, UNIT, VILLAGE, exchange, new_id


async def test_the_page_says_what_the_receiver_will_see_and_the_receiver_sees_that(hub: Hub):
    case = hub.cases["工钱没结清"]
    page = (await hub.client.get(f"/cases/{case}/transfer")).text
    for words in ("对方将看到", "查小满、卫建工", "去年秋天在工地做小工四十天", "调解记录、备注、批示、附件和证件号都不送"):
        assert words in page
    assert f'value="{TOWN}"' in page
    assert 'value="330523/330523110"' not in page  # of its own place: that one is handed down to
    form = {"command_id": new_id(), "to": TOWN, "reason": "", "shows": ["title", "parties"]}
    assert set((await hub.post(f"/cases/{case}/TransferDispute", form, 422))["wrong"]) == {"reason"}
    form["reason"] = "工地在你们那里"
    first = await hub.post(f"/cases/{case}/TransferDispute", form)
    assert await hub.post(f"/cases/{case}/TransferDispute", form) == first
    assert "等对方受领" in (await hub.client.get(f"/cases/{case}")).text
    (opened,) = [o for o in await hub.root.desk.arrivals() if o.subject != case]
    shown = await hub.get(f"/cases/{opened.subject}")
    assert (shown["ledger"], shown["title"], shown["account"], [p["name"] for p in shown["parties"]]) == (
        TOWN,
        "工钱没结清",
        "",
        ["查小满", "卫建工"],
    )
    old = (await hub.client.get(f"/cases/{case}")).text
    assert f'href="/cases/{opened.subject}"' in old
    new = (await hub.client.get(f"/cases/{opened.subject}")).text
    assert "期限按原来的登记" in new and "转办给" in new and "交办给" not in new


async def test_a_transfer_that_came_too_late_is_not_waited_for(hub: Hub):
    case = await hub.handed_down("田埂地界")
    to = f"{TOWN}/330523111003"
    await hub.town.say(TransferDispute(id=new_id(), case=case, to=to, reason="田在那边", shows=["title"]), hub.town.actor())
    await hub.root.say(CallUpDispute(id=new_id(), case=case, reason="县里来办"), hub.actor())
    await exchange(hub.root, hub.town)
    page = (await hub.client.get(f"/cases/{case}")).text
    assert "没有算数，由" in page and "等对方受领" not in page


async def test_a_unit_that_joins_reads_no_whole_number_on_any_page_or_twin_of_the_case(hub: Hub):
    case, parties = hub.cases["田埂地界"], [Party("叶根土", phone="13800000000", id_type="111", id_number="330523197001011239")]
    await hub.root.say(CorrectDispute(id=new_id(), case=case, field="parties", value=parties, reason="补证件"), hub.actor())
    await hub.root.say(ConveneUnits(id=new_id(), case=case, units=[UNIT], purpose="带图来"), hub.actor())
    pages = [f"/cases/{case}{path}" for path in ("", "/peek", "/parties", "/transfer", "/ask", "/dispatch")]
    for path in ("", "/parties"):  # the holder reads the telephone whole, the card masked as on the page
        said = (await hub.client.get(f"/cases/{case}{path}", headers=JSON)).text
        assert "13800000000" in said and "330***********1239" in said and "330523197001011239" not in said
    await register(hub.root, "国土窗口", "department", UNIT, account="unit")
    hub.client.cookies.clear()
    await hub.sign_in("unit")
    for path in pages:
        for accept in ({"accept": "text/html"}, JSON):
            said = await hub.client.get(path, headers=accept)
            assert said.status_code == (403 if path.endswith("dispatch") else 200), path
            assert not [number for number in ("13800000000", "13900000000", "330523197001011239") if number in said.text], (path, accept)
    form = {"command_id": new_id(), "to": TOWN, "reason": "想看看", "shows": ["phones"]}
    refused = await hub.client.post(f"/cases/{case}/TransferDispute", data=form, headers={"accept": "text/html"})
    assert refused.status_code >= 400 and "13800000000" not in refused.text and "想看看" in refused.text


async def test_what_cannot_be_transferred_says_why(hub: Hub):
    case = hub.cases["工钱没结清"]
    form = {"command_id": new_id(), "to": VILLAGE.rpartition("/")[0] + "/330523111999", "reason": "x", "shows": []}
    said = await hub.post(f"/cases/{case}/TransferDispute", form, 422)
    assert said["code"] == "not_receiver"
