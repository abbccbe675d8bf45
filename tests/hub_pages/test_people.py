"""人员: a person, a post and a first sign-in in one step; codes are shown once and work once."""

import re

import pytest

from protocol.commands import LogDispute, Party, RecallTask
from protocol.node.in_hand import InHand, in_hand
from tests.hub_pages.world import JSON, PASSWORD, Hub
from tests.node.desk_kit import ROOT, TOWN, new_id


def form(**more: str) -> dict[str, str]:
    return {"command_id": new_id(), "name": "岑文静", "phone": "13700000000", "office": ROOT, "kind": "operator", "title": "窗口", **more}


async def test_a_new_person_signs_in_with_the_code_and_chooses_a_password(hub: Hub):
    made = await hub.post("/people", form(account="cenwenjing"), 201)
    assert made["code"]
    assert made["code"] not in (await hub.client.get("/people")).text  # told once
    hub.client.cookies.clear()
    said = await hub.client.post("/sign-in", data={"name": "cenwenjing", "password": made["code"]})
    assert said.status_code in (200, 303)
    chosen = await hub.client.post("/password", data={"password": "自己选的口令 1", "again": "自己选的口令 1"}, follow_redirects=True)
    assert chosen.url.path == "/board"
    hub.client.cookies.clear()
    again = await hub.client.post("/sign-in", data={"name": "cenwenjing", "password": made["code"]}, headers=JSON)
    assert again.status_code == 401


async def test_the_same_form_twice_is_one_person(hub: Hub):
    typed = form()
    first, second = await hub.post("/people", typed, 201), await hub.post("/people", typed, 201)
    assert first["person"] == second["person"]
    assert [row["name"] for row in (await hub.get("/people?text=岑文静"))["people"]] == ["岑文静"]


async def test_thirty_stand_on_a_page_and_whoever_was_just_changed_on_the_one_that_is_shown(hub: Hub):
    def names(page: str) -> list[str]:
        return re.findall(r'<td class="tight called"><strong>(.*?)</strong>', page)

    known = (await hub.get("/people"))["total"]
    for n in range(32 - known):
        await hub.post("/people", form(name=f"岑{n}"), 201)
    everybody = [row["name"] for row in (await hub.get("/people"))["people"]]
    first, second, beyond = [(await hub.client.get(f"/people?page={n}")).text for n in (1, 2, 9)]
    assert (names(first), names(second)) == (everybody[:30], everybody[30:])
    assert names(beyond) == names(second)
    assert "第 2 页，共 2 页" in second
    assert "/people?text=&amp;office=&amp;page=2" in first
    last = (await hub.get("/people"))["people"][-1]
    post = {"command_id": new_id(), "post": last["posts"][0][0], "office": last["posts"][0][3], "reason": "调离"}
    ended = (await hub.client.post(f"/people/{last['person']}/end", data=post)).text
    assert names(ended) == everybody[30:]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"kind": ""}, "kind"),
        ({"account": "a b"}, "account"),
        ({"account": "admin"}, "account"),
        ({"kind": "king"}, "post"),
    ],
)
async def test_a_wrong_field_is_named_and_nobody_is_registered(hub: Hub, change: dict[str, str], field: str):
    typed = form(**change)
    assert field in (await hub.post("/people", typed, 422))["wrong"]
    page = await hub.client.post("/people", data=typed)
    assert page.status_code == 422
    assert "13700000000" in page.text
    if field != "post":  # the kind of post is judged by the rules, after the person was taken down
        assert (await hub.get("/people?text=岑文静"))["total"] == 0


async def test_a_cadre_gets_a_home_for_the_phone_and_can_be_sent(hub: Hub):
    await hub.post("/people", form(name="郁长河", office=TOWN, kind="cadre", title="包村干部"), 201)
    wrong = await hub.post("/people", form(name="梅雨", office=TOWN, kind="cadre", home="nroot2222"), 422)
    assert set(wrong["wrong"]) == {"home"}  # this node does not act for that office, so the phone could write nothing
    choices = (await hub.get(f"/cases/{hub.cases['田埂地界']}/dispatch"))["cadres"]
    assert {"郁长河": "ntown2222"}.items() <= {choice["name"]: choice["home"] for choice in choices}.items()


async def test_an_ended_post_ends_the_session(hub: Hub):
    row = next(row for row in (await hub.get("/people?text=陈立新"))["people"])
    post, _, _, office, _, _ = row["posts"][0]
    await hub.post(f"/people/{row['person']}/end", {"command_id": new_id(), "post": post, "office": office, "reason": "调离"}, 201)
    hub.client.cookies.clear()
    said = await hub.client.post("/sign-in", data={"name": "cadre", "password": PASSWORD}, headers=JSON)
    assert said.status_code in (401, 403)


async def test_a_new_code_voids_the_old_password(hub: Hub):
    row = next(row for row in (await hub.get("/people?text=陈立新"))["people"])
    made = await hub.post(f"/people/{row['person']}/code", {"command_id": new_id(), "account": "cadre"}, 201)
    assert made["code"]
    assert (await hub.client.post("/sign-in", data={"name": "cadre", "password": PASSWORD}, headers=JSON)).status_code == 401


async def test_the_post_that_reads_sealed_reports_is_given_by_the_admin_alone(hub: Hub):
    assert "纪检监察专岗" not in (await hub.client.get("/people")).text.split("岗位</label>")[1]
    assert (await hub.post("/people", form(kind="discipline"), 403))["code"] == "not_allowed"
    await hub.sign_in("admin")
    made = await hub.post("/people", form(kind="discipline"), 201)
    cadre = {"command_id": new_id(), "office": ROOT, "kind": "discipline"}
    given = await hub.post(f"/people/{hub.cadre}/post", cadre, 201)  # somebody else may have opened his account
    assert given["code"]
    assert (await hub.client.post("/sign-in", data={"name": "cadre", "password": PASSWORD}, headers=JSON)).status_code == 401
    own = await hub.person("管理员")
    assert (await hub.post(f"/people/{own}/post", {**cadre, "command_id": new_id()}, 403))["code"] == "not_allowed"
    hub.client.cookies.clear()
    await hub.sign_in("discipline")
    seen = (await hub.client.get("/sealed", headers={"accept": "text/html"})).text
    assert "岑文静" in seen and made["person"]
    assert "由管理员给账号 cadre 发了新登录码" in seen


async def test_an_operator_makes_no_admin_and_signs_in_as_nobody_who_reads_what_is_sealed(hub: Hub):
    """The ways round: to make himself the admin, a code for the reader's or the admin's account, one more account, the end of the post."""
    own = await hub.person("卞主任")
    refused = [
        await hub.post(f"/people/{own}/post", {"command_id": new_id(), "office": ROOT, "kind": kind}, 403)
        for kind in ("admin", "discipline")
    ]
    rows = {row["name"]: row for row in (await hub.get("/people"))["people"]}
    for name, account in (("管理员", "admin"), ("纪检专岗", "discipline")):
        person, post = rows[name]["person"], rows[name]["posts"][0][0]
        refused.append(await hub.post(f"/people/{person}/code", {"command_id": new_id(), "account": account}, 403))
        ended = {"command_id": new_id(), "post": post, "office": ROOT, "reason": "调离"}
        refused.append(await hub.post(f"/people/{person}/end", ended, 403))
        await hub.root.people.end_account(account, hub.county.clock())
        refused.append(await hub.post(f"/people/{person}/account", {"command_id": new_id(), "account": f"{account}-2"}, 403))
    assert {one["code"] for one in refused} == {"not_allowed"}
    assert "谁能看密封件" not in (await hub.client.get("/people", headers={"accept": "text/html"})).text


async def test_a_form_sent_before_the_person_became_the_reader_opens_no_account_afterwards(hub: Hub):
    """Every form that gave a code, sent once more: as it was, and with another account."""
    typed = form(account="cen")
    person = (await hub.post("/people", typed, 201))["person"]
    code, more = {"command_id": new_id(), "account": "cen"}, form()
    await hub.post(f"/people/{person}/code", code, 201)
    other = (await hub.post("/people", more, 201))["person"]  # at work elsewhere: no account here
    await hub.sign_in("admin")
    for whom in (person, other):
        await hub.post(f"/people/{whom}/post", {"command_id": new_id(), "office": ROOT, "kind": "discipline"}, 201)
    seen = (await hub.client.get("/people", headers={"accept": "text/html"})).text
    assert "由卞主任给账号 cen 发了新登录码" in seen
    await hub.sign_in("operator")
    before = await hub.root.people.accounts()
    assert "account" in (await hub.post("/people", {**typed, "account": "spy"}, 422))["wrong"]
    for path, again in (("/people", typed), (f"/people/{person}/code", code), ("/people", {**more, "account": "spy"})):
        assert (await hub.post(path, again, 403))["code"] == "not_allowed", path
    assert await hub.root.people.accounts() == before


async def test_the_admin_helps_the_reader_in_and_that_is_seen(hub: Hub):
    await hub.sign_in("admin")
    person = await hub.person("纪检专岗")
    made = await hub.post(f"/people/{person}/code", {"command_id": new_id(), "account": "discipline"}, 201)
    assert "给账号 discipline 发了新登录码" in (await hub.client.get("/people", headers={"accept": "text/html"})).text
    hub.client.cookies.clear()
    await hub.client.post("/sign-in", data={"name": "discipline", "password": made["code"]})
    await hub.client.post("/password", data={"password": "自己选的口令 1", "again": "自己选的口令 1"})
    assert "由管理员给账号 discipline 发了新登录码" in (await hub.client.get("/sealed", headers={"accept": "text/html"})).text


async def test_people_are_for_those_who_may_register_them(hub: Hub):
    await hub.sign_in("cadre")
    assert (await hub.get("/people", 403))["code"] == "not_allowed"
    assert (await hub.post(f"/people/{hub.cadre}/code", {"command_id": new_id(), "account": "admin"}, 403))["code"] == "not_allowed"


def details(page: str, row: dict, post: str) -> str:
    """The form that ends this post, with what stands before it."""
    mine = page.partition(f'id="person-{row["person"]}"')[2].partition("</tr>")[0]
    return next(one for one in mine.split("<details")[1:] if f'value="{post}"' in one)


async def test_before_a_post_ends_it_is_said_what_becomes_of_what_is_unsent_and_in_hand(hub: Hub):
    async def said() -> str:
        row = next(row for row in (await hub.get("/people?text=陈立新"))["people"])
        return details((await hub.client.get("/people?text=陈立新")).text, row, row["posts"][0][0])

    free = await said()
    assert "就不能再以这个岗位登录、办事" in free and "在“待核对”里采纳才算数" in free and "不能撤销" in free
    assert "手机里没发出的留在手机里，发不出来" in free
    assert "他手上还有" not in free and "的承办人" not in free and "别的岗位照旧" not in free
    task = await hub.send()
    busy = await said()
    assert "他手上还有 1 项没走完的任务" in busy and f'href="/visits/reassign?of={hub.cadre}"' in busy
    own = (await hub.client.get(f"/visits/reassign?of={hub.cadre}")).text
    assert task in own, "the link leads to where it can be given to another"
    await hub.post(f"/people/{hub.cadre}/post", {"command_id": new_id(), "office": ROOT, "kind": "clerk"}, 201)
    assert "别的岗位照旧" in await said()
    await hub.root.say(RecallTask(id=new_id(), task=task, reason="不去了"), hub.actor())
    assert "他手上还有" not in await said()


async def test_who_is_in_charge_of_open_cases_is_said_to_be_before_the_post_ends(hub: Hub):
    row = next(row for row in (await hub.get("/people?text=卞主任"))["people"])
    before = (await in_hand(hub.root.journal, [row["person"]], [ROOT])).get(row["person"], InHand()).cases
    parties = [Party("叶根土", phone="13800000000"), Party("叶根水", side="respondent")]
    logged = LogDispute(id=new_id(), ledger=ROOT, type="0204", account="两家的菜地中间一条田埂，往东挪了半尺。", parties=parties)
    await hub.root.say(logged, hub.root.actor("operator", ROOT, row["person"]))
    page = details((await hub.client.get("/people?text=卞主任")).text, row, row["posts"][0][0])
    assert f"他是 {before + 1} 件没办结的纠纷的承办人，仍由原来的单位承办" in page
    assert "手机里没发出的" not in page, "this post sends nothing by a phone"
