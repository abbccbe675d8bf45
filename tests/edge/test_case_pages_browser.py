"""The pages around a case in a real Chromium, at desk and phone size: internal opinions, parties, erasure, sealing, a proof, a lost password."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from protocol.commands import AddParty, CorrectParty, Party, WriteOpinion
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, served
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id

pytestmark = needs_chromium
FAULTY_ONCE = """() => { const real = fetch; window.fetch = (to, how) => { if (!String(to).includes("word=")) return real(to, how);
  window.fetch = real; return Promise.resolve(new Response("<h1>坏了</h1>", { status: 502 })); }; }"""  # of a browser's own the console would tell
SIZES = [(DESK, ""), (PHONE, "-390")]


@pytest.fixture
def rig(tmp_path) -> Iterator[Served]:
    with served(tmp_path, "village", "town", "root") as made:
        yield made


async def case_with_all(r: Rig) -> str:
    subject = await r.log("village", parties=[Party("叶根土", phone="13800001234", id_type="111", id_number="330523197001011239")])
    added = AddParty(id=new_id(), case=subject, party=Party("叶根水", side="respondent"), reason="田埂另一头的人家")
    await r.say("village", added)
    corrected = Party("叶根土", phone="13900000000", id_type="111", id_number="330523197001011239")
    await r.say("village", CorrectParty(id=new_id(), case=subject, party_id="p1", party=corrected, reason="换了号码"))
    await r.everywhere()
    await r.say("town", WriteOpinion(id=new_id(), case=subject, text="两家都和村委有亲，由镇里出面。", risk="yellow"))
    await r.everywhere()
    return subject


def signed_in(rig: Served, open_page, kind: str, account: str, size, path: str) -> Page:
    return open_page(rig.url[kind] + path, size, who=(account, PASSWORD))


@pytest.mark.parametrize(("size", "end"), SIZES)
def test_an_opinion_is_written_and_marked_and_words_are_erased(rig: Served, open_page, size, end):
    subject = rig.do(case_with_all)
    page = signed_in(rig, open_page, "root", "fang", size, f"/cases/{subject}")
    page.locator("#step-WriteOpinion summary").click()
    page.fill("#WriteOpinion-text", "有集访苗头，先稳住。")
    look(page, f"opinion{end}")
    page.get_by_role("button", name="写内部意见").click()
    expect(page.locator("#timeline li.apart")).to_have_count(2)
    expect(page.locator("#timeline li.apart").last).to_contain_text("村里看不到")
    page.get_by_role("link", name="依法删除正文").click()
    page.select_option("#ground", index=1)
    page.locator("[name=item]").last.check()
    page.fill("#word", "叶根土")
    page.evaluate(FAULTY_ONCE)
    page.get_by_role("button", name="勾上", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("没有查成，请再试一次；还不行请告诉管理员。")
    look(page, f"erase-not-found{end}")
    page.get_by_role("button", name="勾上", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="写着“叶根土”的有 2 条")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("[name=item]:checked")).to_have_count(3)
    assert page.url.endswith("/erase"), "the name of somebody who is to be erased is in no address, so in no history"
    page.locator("[name=item]").last.uncheck()
    assert page.input_value("#ground") != "", "what was chosen before stands"
    page.fill("#erase-replacement", "当事人要求删除，纠纷已办结。")
    page.check("#sure")
    look(page, f"erase{end}")
    page.get_by_role("button", name="删除勾选的").click()
    expect(page.locator("#timeline")).to_contain_text("正文已依法删除（个人信息保护法第47条")
    expect(page.locator("#timeline").get_by_text("当事人要求删除，纠纷已办结。").first).to_be_visible()
    look(page, f"erased{end}")


@pytest.mark.parametrize(("size", "end"), SIZES)
def test_parties_a_proof_and_the_way_to_seal(rig: Served, open_page, size, end):
    subject = rig.do(case_with_all)
    page = signed_in(rig, open_page, "village", "wangfang", size, f"/cases/{subject}")
    page.get_by_role("link", name="更正、增减").click()
    page.locator("#party-p1 > summary").click()
    page.fill("#p1-party_address", "三组 12 号")
    page.fill("#p1-reason", "补上住址")
    look(page, f"parties{end}")
    page.locator("#correct-p1").get_by_role("button", name="更正").click()
    expect(page.locator("#side")).to_contain_text("三组 12 号")
    with page.expect_download() as got:
        page.get_by_role("link", name="证明").first.click()
    page.goto(f"{rig.url['village']}/proof")
    page.set_input_files("#file", got.value.path())
    page.get_by_role("button", name="核对", exact=True).click()
    expect(page.get_by_text("证明成立")).to_be_visible()
    look(page, f"proof{end}")
    page.goto(f"{rig.url['village']}/cases/{subject}")
    page.get_by_role("link", name="改为密封").click()
    look(page, f"seal-case{end}")


@pytest.mark.parametrize(("size", "end"), SIZES)
def test_a_lost_password_is_helped_by_telephone(rig: Served, open_page, size, end):
    lost = open_page(f"{rig.url['village']}/sign-in", size)
    lost.get_by_role("link", name="打电话请上级帮着找回").click()
    lost.fill("[name=name]", "wangfang")
    lost.get_by_role("button", name="要一串字母").click()
    challenge = lost.locator(".once").inner_text()
    look(lost, f"recover{end}")
    helper = signed_in(rig, open_page, "town", "shen", size, "/people")
    look(helper, f"people-township{end}")
    helper.get_by_role("link", name="帮下级找回密码").click()
    helper.select_option("[name=node]", "nvill2222")
    helper.fill("[name=account]", "wangfang")
    helper.fill("[name=challenge]", challenge)
    helper.check("#sure")
    helper.get_by_role("button", name="给出答复").click()
    answer = helper.locator(".once").inner_text()
    look(helper, f"vouch{end}")
    lost.fill("[name=answer]", answer)
    lost.fill("[name=password]", "xin-kou-ling-7")
    lost.fill("[name=again]", "xin-kou-ling-7")
    lost.get_by_role("button", name="定新密码").click()
    lost.wait_for_url("**/sign-in")
