"""人员 and 忘了密码 at an edge: a township registers its people, gives second accounts, and helps a village that is cut off."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from protocol.commands import Command, EndPost, GivePost, RegisterPerson
from protocol.node.apart import NAMELESS
from protocol.node.web.recover import LATELY_MAX
from tests.edge.pages_kit import JSON, at, form_of, section
from tests.edge.rig import PASSWORD, Rig
from tests.edge.test_reviews_pages import forget
from tests.node.desk_kit import TOWN, VILLAGE, add_person, batch_of, new_id, person_id

NEW = "ce-shi-kou-ling-9"
NOBODY = {"anew": [], "again": [], "ends": []}
DAY_MS = 86_400_000


@pytest.fixture
async def rig(tmp_path) -> AsyncIterator[Rig]:
    made = await Rig.make(tmp_path)
    yield made
    await made.close()


async def test_a_township_registers_a_person_who_signs_in_by_a_code(rig: Rig):
    async with at(rig, "town") as client:
        assert 'href="/people"' in (await client.get("/desk")).text
        form = {"command_id": new_id(), "name": "岑文静", "office": TOWN, "kind": "mediator", "account": "cen"}
        made = (await client.post("/people", data=form, headers=JSON)).json()
        assert made["code"]
    async with at(rig, "town", "-") as client:
        first = await client.post("/sign-in", data={"name": "cen", "password": made["code"]})
        assert first.headers["location"] == "/password"
    async with at(rig, "village") as client:
        assert 'href="/people"' not in (await client.get("/desk")).text
        assert (await client.get("/people", headers=JSON)).status_code == 403


async def test_who_works_elsewhere_gets_a_second_account_here(rig: Rig):
    person = rig.persons["village"][0]
    async with at(rig, "town") as client:
        page = (await client.get("/people")).text
        assert f'action="/people/{person}/account"' in page
        made = (
            await client.post(f"/people/{person}/account", data={"command_id": new_id(), "account": "wangfang-zhen"}, headers=JSON)
        ).json()
        assert made["code"] and made["name"] == "王芳"
        for account in ("wangfang-zhen", "shen", "a b", ""):
            assert (
                await client.post(f"/people/{person}/account", data={"command_id": new_id(), "account": account}, headers=JSON)
            ).status_code == 422, account
    async with at(rig, "village") as client:
        refused = await client.post(f"/people/{person}/account", data={"command_id": new_id(), "account": "x1"}, headers=JSON)
        assert refused.status_code == 403
    assert ("wangfang-zhen", person) in await rig.web("town").people.accounts()


async def test_a_forgotten_password_is_helped_by_telephone(rig: Rig):
    async with at(rig, "village", "-") as village, at(rig, "town") as town:
        assert 'href="/recover"' in (await village.get("/sign-in")).text
        page = (await village.post("/recover", data={"name": "wangfang"})).text
        assert "天子湖镇综治中心" in page
        form = form_of(page.replace('<form method="post" action="/recover/finish"', '<form id="finish" action="/recover/finish"'), "finish")
        assert form["challenge"] in page.replace("&#39;", "")
        vouching = {"command_id": new_id(), "node": "nvill2222", "account": "wangfang", "challenge": form["challenge"]}
        unsure = await town.post("/vouch", data=vouching)
        assert unsure.status_code == 422 and "请填写已经确认是本人" in unsure.text
        answer = (await town.post("/vouch", data=vouching, headers=JSON)).json()["answer"]
        person = rig.persons["village"][0]
        for n in range(LATELY_MAX + 1):  # codes of the township's own accounts, which nobody asked for by telephone
            code = {"command_id": new_id(), "account": "wangfang-zhen"}
            step = "code" if n else "account"
            assert (await town.post(f"/people/{person}/{step}", data=code, headers=JSON)).status_code in (200, 201)
        page = (await town.get("/vouch")).text
        assert "wangfang-zhen" not in page and "最近答复过的" in page and "wangfang" in page and "沈国强" in page and answer not in page
        wrong = await village.post("/recover/finish", data={**form, "answer": answer, "password": NEW, "again": "x"})
        assert wrong.status_code == 422 and form["challenge"] in wrong.text and f'value="{answer}"' in wrong.text
        done = await village.post("/recover/finish", data={**form, "answer": answer, "password": NEW, "again": NEW})
        assert done.status_code == 303 and done.headers["location"] == "/sign-in"
        assert (await village.post("/sign-in", data={"name": "wangfang", "password": PASSWORD}, headers=JSON)).status_code == 401
        assert (await village.post("/sign-in", data={"name": "wangfang", "password": NEW}, headers=JSON)).status_code == 200
        assert (await village.get("/vouch", headers=JSON)).status_code == 403


async def test_who_may_not_help_gets_no_answer(rig: Rig):
    async with at(rig, "village") as client:
        vouching = {"command_id": new_id(), "node": "ntown2222", "account": "shen", "challenge": "AAAA-BBBB-CCCC"}
        assert (await client.post("/vouch", data=vouching, headers=JSON)).status_code == 403


@pytest.mark.parametrize(("state", "status", "words"), [(None, 403, "现在没有岗位"), (object(), 503, "您的岗位还在从别的机器取回")])
async def test_who_has_no_post_is_told_whether_it_is_on_its_way_back(rig: Rig, state: object, status: int, words: str):
    """A heal is open as long as something that was here has not come back."""
    node = rig.web("village").node
    await node.people.add_account("meiyou", "0" * 32, PASSWORD, rig.county.clock())
    node.mending = SimpleNamespace(state=state)
    async with at(rig, "village", "-") as client:
        answer = await client.post("/sign-in", data={"name": "meiyou", "password": PASSWORD})
    assert (answer.status_code, words in answer.text) == (status, True)


async def test_who_was_registered_by_somebody_who_had_left_is_told_where_people_look_and_registered_anew(rig: Rig):
    """The county ended the officer's post while the township was cut off; he registered a clerk meanwhile."""
    town, root = rig.web("town"), rig.web("root")
    new, _ = await add_person(town.node, "李梅", "officer")
    await town.people.add_account("limei", new, PASSWORD, rig.county.clock())
    clerk = {"name": "盛小明", "phone": "13900007777", "office": VILLAGE, "kind": "clerk"}
    async with at(rig, "town") as client:
        early = (await client.post("/people", data={"command_id": new_id(), **clerk, "name": "钮小红"}, headers=JSON)).json()
    await rig.everywhere()
    ended = EndPost(id=new_id(), post=rig.persons["town"][1], office=TOWN, reason="调离")
    await root.desk.submit(ended, root.node.actor("admin"))
    async with at(rig, "town") as client:
        made = (await client.post("/people", data={"command_id": new_id(), **clerk, "account": "sheng"}, headers=JSON)).json()
        kept = (await client.post("/people", data={"command_id": new_id(), **clerk, "name": "岑文静"}, headers=JSON)).json()
    await rig.everywhere()
    async with at(rig, "town", "limei") as client:
        found = (await client.get("/people", headers=JSON)).json()
        persons = {made["person"], kept["person"], early["person"]}
        assert persons & {row["person"] for row in found["people"]} == {early["person"]}, "what had been sent before the end counts"
        assert found["apart"] == {"anew": ["盛小明（登记人员、任岗）", "岑文静（登记人员、任岗）"], "again": [], "ends": []}
        page = (await client.get("/people")).text
        assert "盛小明（登记人员、任岗）、岑文静（登记人员、任岗）：写的人已经离岗，离岗以前没有送到" in page
        assert '<a href="/people#register">确实要的，用同一个名字重新登记</a>' in page
        (group,) = (await client.get("/reviews", headers=JSON)).json()["groups"]
        assert (group["key"], group["rows"], group["apart"]) == ("post_over", [], found["apart"])
        assert "盛小明（登记人员、任岗）" in (await client.get("/reviews")).text
    async with at(rig, "village") as client:
        page = (await client.get("/reviews")).text
        assert ("盛小明" in page, "请管人员的人在“人员”里用同一个名字重新登记" in page, 'href="/people#register"' in page) == (
            True,
            True,
            False,
        )
    async with at(rig, "town", "limei") as client:
        again = await client.post("/people", data={"command_id": new_id(), **clerk, "account": "sheng2"}, headers=JSON)
        assert again.status_code == 201
        left = (await client.get("/people", headers=JSON)).json()["apart"]["anew"]
        assert left == ["岑文静（登记人员、任岗）"], "the other stands by now"
        other = {**clerk, "command_id": new_id(), "name": "岑文静", "phone": "13911112222", "kind": "mediator"}
        assert (await client.post("/people", data=other, headers=JSON)).status_code == 201
        assert (await client.get("/people", headers=JSON)).json()["apart"] == NOBODY, "by that name, whatever else was written of her"


async def put_out(rig: Rig, *unsent: Command) -> None:
    """The township's computer is put out; what it wrote last, while nobody heard it, comes to the county by hand."""
    town, root = rig.web("town"), rig.web("root")
    heard = {lane: head.seq for lane, head in (await root.journal.heads()).items() if lane[1] == town.signer.origin}
    for command in unsent:
        await town.desk.submit(command, town.node.actor("admin"))
    await root.desk.revoke_node(town.signer.node, [(*lane, seq) for lane, seq in heard.items()], "电脑丢了")
    await by_hand(rig)


async def by_hand(rig: Rig) -> None:
    """What the township's computer wrote since comes to the county on a stick."""
    town, root = rig.web("town"), rig.web("root")
    here = (await root.journal.heads())[TOWN, town.signer.origin].seq
    await root.admission.admit(await batch_of(town.node, TOWN, town.signer.origin, here), town.signer.node, by_hand=True)


async def test_a_dismissal_that_does_not_count_is_said_to_be_none_and_done_again(rig: Rig):
    root = rig.web("root")
    left, post = await add_person(rig.web("town").node, "李梅", "officer")
    await root.people.add_account("limei", left, PASSWORD, rig.county.clock())
    await rig.everywhere()
    await put_out(rig, EndPost(id=new_id(), post=post, office=TOWN, reason="调离"))
    async with at(rig, "root", "limei") as client:
        assert (await client.get("/people")).status_code == 200, "he has the post yet"
    async with at(rig, "root") as client:
        assert (await client.get("/people", headers=JSON)).json()["apart"] == NOBODY | {"ends": ["李梅"]}
        for page in ((await client.get("/people")).text, (await client.get("/reviews")).text):
            assert "李梅：离岗是在停用的机器上办的" in page and "还能登录" in page and "登录不了" not in page
            assert '<a href="/people?text=%E6%9D%8E%E6%A2%85">确实离岗的，请再终止一次岗位</a>' in page
        form = {"command_id": new_id(), "post": post, "office": TOWN, "reason": "调离"}
        assert (await client.post(f"/people/{left}/end", data=form, headers=JSON)).status_code == 201
        assert (await client.get("/people", headers=JSON)).json()["apart"] == NOBODY
    async with at(rig, "root", "-") as client:
        refused = await client.post("/sign-in", data={"name": "limei", "password": PASSWORD})
        assert refused.status_code == 403 and "现在没有岗位" in refused.text


async def test_a_post_that_does_not_count_is_given_again_to_who_stands_and_makes_no_second_person(rig: Rig):
    person = rig.persons["town"][0]
    await put_out(rig, GivePost(id=new_id(), post="mediator.0000abcd", person=person, office=TOWN, title="专职调解员"))
    async with at(rig, "root") as client:
        before = (await client.get("/people", headers=JSON)).json()
        again = {"person": person, "name": "沈国强", "kind": "mediator", "office": TOWN, "title": "专职调解员"}
        assert before["apart"] == NOBODY | {"again": [again]}
        (group,) = (await client.get("/reviews", headers=JSON)).json()["groups"]
        assert group["apart"] == before["apart"]
        page = (await client.get("/people")).text
        assert "登录不了" not in page and "再给岗位" in page
        form = form_of(page.replace('<form class="row" action="/people/', '<form id="again" action="/people/', 1), "again")
        assert {name: form[name] for name in ("kind", "office", "title")} == {name: again[name] for name in ("kind", "office", "title")}
        assert (await client.post(f"/people/{person}/post", data=form, headers=JSON)).status_code == 201
        after = (await client.get("/people", headers=JSON)).json()
        assert after["apart"] == NOBODY and len(after["people"]) == len(before["people"])


async def test_whom_nobody_wants_is_listed_for_a_month_since_it_is_known_and_a_dismissal_until_it_is_done(rig: Rig):
    town = rig.web("town")
    _, post = await add_person(town.node, "李梅", "officer")
    await rig.everywhere()
    unsent = [
        RegisterPerson(id=new_id(), person=person_id("岑文静"), office=TOWN, name="岑文静"),
        GivePost(id=new_id(), post="mediator.0000abcd", person=rig.persons["town"][0], office=TOWN, title=""),
        EndPost(id=new_id(), post=post, office=TOWN, reason="调离"),
    ]
    await put_out(rig, *unsent)
    for days, listed in ((29, (1, 1, 1)), (2, (0, 0, 1))):
        rig.county.clock.pass_ms(days * DAY_MS)
        async with at(rig, "root") as client:
            found = (await client.get("/people", headers=JSON)).json()["apart"]
            assert tuple(map(len, found.values())) == listed


async def test_what_was_written_long_before_anybody_knew_that_it_does_not_count_is_listed_from_then_on(rig: Rig):
    town, root = rig.web("town"), rig.web("root")
    new, _ = await add_person(town.node, "李梅", "officer")
    await town.people.add_account("limei", new, PASSWORD, rig.county.clock())
    await rig.everywhere()
    await root.desk.submit(EndPost(id=new_id(), post=rig.persons["town"][1], office=TOWN, reason="调离"), root.node.actor("admin"))
    clerk = {"command_id": new_id(), "name": "岑文静", "office": VILLAGE, "kind": "clerk"}
    async with at(rig, "town") as client:
        assert (await client.post("/people", data=clerk, headers=JSON)).status_code == 201
    rig.county.clock.pass_ms(40 * DAY_MS)
    await rig.everywhere()
    for days, listed in ((29, 1), (2, 0)):
        rig.county.clock.pass_ms(days * DAY_MS)
        async with at(rig, "town", "limei") as client:
            assert len((await client.get("/people", headers=JSON)).json()["apart"]["anew"]) == listed


async def test_nor_is_it_shorter_of_a_computer_that_was_put_out_long_after(rig: Rig):
    town, root = rig.web("town"), rig.web("root")
    heads = [(*lane, head.seq) for lane, head in (await root.journal.heads()).items() if lane[1] == town.signer.origin]
    await town.desk.submit(RegisterPerson(id=new_id(), person=person_id("岑文静"), office=TOWN, name="岑文静"), town.node.actor("admin"))
    await rig.deliver("town", "root")
    rig.county.clock.pass_ms(40 * DAY_MS)
    await root.desk.revoke_node(town.signer.node, heads, "电脑丢了")
    for days, listed in ((29, 1), (2, 0)):
        rig.county.clock.pass_ms(days * DAY_MS)
        async with at(rig, "root") as client:
            assert len((await client.get("/people", headers=JSON)).json()["apart"]["anew"]) == listed


async def test_what_is_given_or_ended_again_is_said_by_the_name_and_the_kind_that_the_press_means(rig: Rig):
    """Whoever has the put out computer calls somebody by another name, and an officer's post by the title of a lesser one."""
    person, post = await add_person(rig.web("town").node, "俞小兰", "clerk")
    await rig.everywhere()
    unsent = [
        RegisterPerson(id=new_id(), person=person, office=TOWN, name="李梅"),
        GivePost(id=new_id(), post="officer.0000abcd", person=person, office=TOWN, title="网格员"),
        EndPost(id=new_id(), post=post, office=TOWN, reason="调离"),
    ]
    await put_out(rig, *unsent)
    async with at(rig, "root") as client:
        again = {"person": person, "name": "俞小兰", "kind": "officer", "office": TOWN, "title": "网格员"}
        assert (await client.get("/people", headers=JSON)).json()["apart"] == {"anew": [], "again": [again], "ends": ["俞小兰"]}
        for page in ((await client.get("/people")).text, (await client.get("/reviews")).text):
            (row,) = [line for line in page.split("<li") if "再给岗位" in line]
            shown = row.partition("</li>")[0]
            assert "俞小兰" in shown and "网格员" in shown and "乡镇（街道）综治中心工作人员</span>" in shown
            assert "李梅" not in page


def again_form(page: str) -> dict[str, str]:
    """What the first “再给岗位” sends."""
    return form_of(page.replace('<form class="row" action="/people/', '<form id="again" action="/people/', 1), "again")


async def test_a_post_that_is_refused_again_makes_no_second_person(rig: Rig):
    """It is said above the list; the form that registers a person has nothing of it."""
    person = rig.persons["town"][0]
    await put_out(rig, GivePost(id=new_id(), post="cadre.0000abcd", person=person, office=TOWN, title="", home="ntown2222"))
    async with at(rig, "root") as client:
        given = again_form((await client.get("/people")).text)
        ended = {"command_id": new_id(), "post": "cadre.0000abcd", "office": TOWN, "reason": "调离"}
        account = {"command_id": new_id(), "account": "fang", "office": TOWN}
        for step, sent, why in (
            ("post", given, "现在没有机器替这个单位办事，请先让它的电脑加入"),
            ("end", ended, "没有这个岗位，或者已经终止"),
            ("account", account, "登录账号不对"),
        ):
            refused = await client.post(f"/people/{person}/{step}", data=sent)
            assert (refused.status_code, why in refused.text) == (422, True), step
            below = section(refused.text, "register")
            register = form_of(below.replace('<form action="/people"', '<form id="new" action="/people"'), "new")
            assert register["command_id"] != sent["command_id"] and register["office"] != TOWN, step
            assert not register["account"] and 'role="alert"' not in below, step
            told = (await client.post(f"/people/{person}/{step}", data=sent, headers=JSON)).json()
            assert told["code"] == "field_impossible" and told["wrong"], step


async def test_who_may_not_give_such_a_post_gets_no_button_for_it(rig: Rig):
    root = rig.web("root")
    admin, _ = await add_person(root.node, "李梅", "admin")
    await root.people.add_account("limei", admin, PASSWORD, rig.county.clock())
    await put_out(rig, GivePost(id=new_id(), post="admin.0000abcd", person=rig.persons["town"][0], office=TOWN, title=""))
    for account, may in (("fang", False), ("limei", True)):
        async with at(rig, "root", account) as client:
            page = (await client.get("/people")).text
            assert ("再给岗位" in page, "这个岗位请最上级的系统管理员给" in page) == (may, not may)
            assert ("kind" in again_form(page)) == may
    async with at(rig, "root") as client:
        page = (await client.get("/reviews")).text
        assert ("再给岗位" in page, "这个岗位请最上级的系统管理员给" in page) == (False, True)


async def test_a_name_is_known_as_long_as_a_post_of_its_person_is_listed(rig: Rig):
    """Two sticks of a computer that was put out: her registration on the first; her post, when she was registered anew, on the second."""
    await put_out(rig, RegisterPerson(id=new_id(), person=person_id("岑文静"), office=TOWN, name="岑文静"))
    town = rig.web("town")
    rig.county.clock.pass_ms(5 * DAY_MS)
    async with at(rig, "root") as client:
        found = (await client.get("/people", headers=JSON)).json()["apart"]
        assert found == NOBODY | {"anew": ["岑文静（登记人员）"]}
        anew = {"command_id": new_id(), "name": "岑文静", "office": TOWN, "kind": "mediator"}
        assert (await client.post("/people", data=anew, headers=JSON)).status_code == 201
    given = GivePost(id=new_id(), post="clerk.0000abcd", person=person_id("岑文静"), office=TOWN, title="")
    await town.desk.submit(given, town.node.actor("admin"))
    rig.county.clock.pass_ms(15 * DAY_MS)
    await by_hand(rig)
    for days in (0, 11, 20):
        rig.county.clock.pass_ms(days * DAY_MS)
        async with at(rig, "root") as client:
            assert (await client.get("/people", headers=JSON)).json()["apart"] == NOBODY, days


async def test_nor_does_what_came_later_keep_a_post_that_nobody_wanted(rig: Rig):
    """Nor an end: it is listed until it is done, the rest for a month each."""
    town = rig.web("town")
    person, post = await add_person(town.node, "李梅", "clerk")
    await rig.everywhere()
    unsent = [
        GivePost(id=new_id(), post="mediator.0000abcd", person=person, office=TOWN, title=""),
        EndPost(id=new_id(), post=post, office=TOWN, reason="调离"),
        RegisterPerson(id=new_id(), person=person_id("岑文静"), office=TOWN, name="岑文静"),
        GivePost(id=new_id(), post="clerk.0000abcd", person=person_id("岑文静"), office=TOWN, title=""),
        EndPost(id=new_id(), post="clerk.0000abcd", office=TOWN, reason="调离"),
    ]
    await put_out(rig, *unsent)
    rig.county.clock.pass_ms(20 * DAY_MS)
    await town.desk.submit(GivePost(id=new_id(), post="reader.0000abcd", person=person, office=TOWN, title=""), town.node.actor("admin"))
    await by_hand(rig)
    for days, listed, anew in ((9, ["mediator", "reader"], ["岑文静（登记人员）"]), (2, ["reader"], []), (20, [], [])):
        rig.county.clock.pass_ms(days * DAY_MS)
        async with at(rig, "root") as client:
            found = (await client.get("/people", headers=JSON)).json()["apart"]
            assert ([one["kind"] for one in found["again"]], found["anew"], found["ends"]) == (listed, anew, ["李梅"])


async def test_whose_name_is_gone_is_not_looked_for_by_the_words_that_say_so(rig: Rig):
    left, post = await add_person(rig.web("town").node, "李梅", "officer")
    await rig.everywhere()
    await put_out(rig, EndPost(id=new_id(), post=post, office=TOWN, reason="调离"))
    await forget(rig, "root", left, "PersonRegistered")
    async with at(rig, "root") as client:
        assert (await client.get("/people", headers=JSON)).json()["apart"] == NOBODY | {"ends": [NAMELESS]}
        assert '<a href="/people">确实离岗的，请再终止一次岗位</a>' in (await client.get("/people")).text
