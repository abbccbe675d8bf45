"""Questions from the way and tasks that change hands, as an operator meets them on the screen."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from protocol.commands import ConfirmTask, TellTask
from tests.hub_pages.world import PASSWORD, Hub, register, served
from tests.kit.browser import DESK, PHONE, TOUCH, look, sign_in
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import ROOT, new_id

pytestmark = needs_chromium
SIZES = (("wide", DESK, {}), ("narrow", PHONE, TOUCH))
QUESTION = "户主电话打不通，说是去女儿家了，过两天回来。改到后天上午去行不行？要不要先去对方家里？"


@pytest.fixture
def desk(tmp_path) -> Iterator[tuple[str, Hub, Callable[[Any], Any]]]:
    with served(tmp_path) as (url, hub, run):
        run(hub.sign_in("operator"))
        yield url, hub, run


def both(page: Page, name: str) -> None:
    for end, size, _ in SIZES:
        page.set_viewport_size(size)
        look(page, f"{name}-{end}")
    page.set_viewport_size(DESK)


def test_a_question_is_seen_and_answered_from_today(desk, open_page):
    url, hub, run = desk
    who = hub.root.actor("cadre", ROOT, hub.cadre)
    subject = run(hub.send())
    page = open_page(url, DESK)
    sign_in(page, "operator", PASSWORD)
    page.get_by_role("navigation", name="主菜单").get_by_role("link", name="今天").click()
    expect(page.locator("#today-asked")).to_have_count(0)
    run(hub.root.say(ConfirmTask(id=new_id(), task=subject), who))
    run(hub.root.say(TellTask(id=new_id(), task=subject, text=QUESTION), who))
    expect(page.locator("#today-asked")).to_contain_text(QUESTION)  # by itself
    both(page, "asked-today")
    page.goto(f"{url}/board")
    both(page, "asked-board")
    page.goto(f"{url}/tasks")
    both(page, "asked-tasks")
    page.goto(f"{url}/cases/{hub.cases['田埂地界']}")
    page.locator("#tasks").scroll_into_view_if_needed()
    both(page, "asked-case")
    page.locator("#tasks").get_by_role("link", name="留言待复").click()
    both(page, "asked-task")
    page.get_by_label("答复或说明").fill("可以，后天上午去，先别去对方家。")
    page.get_by_role("button", name="留言").click()
    expect(page.locator("#task")).not_to_contain_text("在等答复")
    page.get_by_role("navigation", name="主菜单").get_by_role("link", name="今天").click()
    expect(page.locator("#today-asked")).to_have_count(0)


@pytest.mark.parametrize("way", ["", "/board"])
def test_another_place_is_chosen_after_the_rest_was_written(desk, open_page, way):
    """Whoever can be sent there is asked for beside the form: that sends nothing of it and forgets nothing."""
    url, hub, run = desk
    case = hub.cases["田埂地界"]
    page = open_page(f"{url}{way or f'/cases/{case}/dispatch'}", DESK, who=("operator", PASSWORD))
    if way:
        page.locator(f"a[href='/cases/{case}/dispatch']").first.click()
    form = page.locator("#go-form")
    form.get_by_label("去做什么").fill("量一量田埂")
    form.get_by_label("告诉干部的情况").fill("两家都在家，先到东头")
    place = form.get_by_label("去哪里")
    before = place.input_value()
    other = next(v for v in place.locator("option").evaluate_all("all => all.map(o => o.value)") if v != before)
    with page.expect_response(lambda got: "only=cadres" in got.url):
        place.select_option(other)
    page.evaluate("new Promise(done => setTimeout(done, 50))")  # what comes after the answer has come
    expect(place).to_have_value(other)
    expect(form.get_by_label("去做什么")).to_have_value("量一量田埂")
    look(page, "dispatch-elsewhere")
    if not way:
        expect(form).to_have_attribute("data-kept", "")
        with page.expect_response(lambda got: "only=cadres" in got.url):
            page.reload()
        expect(place).to_have_value(other)
        expect(form.get_by_label("去做什么")).to_have_value("量一量田埂")
    form.get_by_role("radio", name="穆青").check()
    form.get_by_role("button", name="派出").click()
    expect(form).to_have_count(0)
    subject = run(hub.root.journal.rows("task_row", "case_subject = :case", {"case": case}))[0]["subject"]
    row = run(hub.root.reads.task(hub.root.actor("operator", ROOT), subject))
    assert (row.place, row.purpose, row.summary) == (other, "量一量田埂", "两家都在家，先到东头")


@pytest.mark.parametrize(("name", "size", "more"), SIZES, ids=[name for name, _, _ in SIZES])
def test_the_tasks_of_who_fell_ill_are_given_to_another(desk, open_page, name, size, more):
    """By keyboard alone at a desk, by thumb on a phone."""
    url, hub, run = desk
    for title in ("田埂地界", "空调外机对着窗", "工钱没结清"):
        run(hub.send(title))
    page = open_page(url, size, who=("operator", PASSWORD), **more)
    page.get_by_role("navigation", name="主菜单").get_by_role("link", name="任务").click()
    press(page.get_by_role("link", name="3 项一起改派"), more)
    expect(page.locator("#reassign-task").get_by_role("checkbox", checked=True)).to_have_count(3)
    look(page, f"reassign-{name}")
    press(page.get_by_role("button", name="看看谁会收到什么"), more)
    expect(page.get_by_role("alert")).to_contain_text("请选一位干部。")
    look(page, f"reassign-wrong-{name}")
    box = page.locator("#reassign-task").get_by_label("工钱没结清")
    press(box, more, "Space")
    press(page.locator("#reassign-cadre").get_by_label("穆青"), more, "Space")
    press(page.get_by_role("button", name="看看谁会收到什么"), more)
    confirm = page.get_by_role("button", name="改派这 2 项")
    expect(confirm).to_be_focused()
    expect(page.locator("#plan")).to_contain_text("2 项，从陈立新改派给穆青")
    look(page, f"reassign-plan-{name}")
    press(confirm, more)
    expect(page.get_by_role("status").filter(has_text="改派了 2 项给 穆青")).to_be_visible()
    look(page, f"reassign-done-{name}")
    page.go_back()  # the page says what is so now: one is left
    expect(page.locator("#reassign-task").get_by_role("checkbox")).to_have_count(1)
    page.goto(f"{url}/tasks")
    expect(page.locator("#task-rows tr")).to_have_count(3)


def press(control: Locator, touch: dict[str, Any], key: str = "Enter") -> None:
    """A tap where there is a screen to touch, else a key on what has the focus."""
    if touch:
        control.tap()
    else:
        control.focus()
        control.page.keyboard.press(key)


def test_enter_shows_the_plan_and_only_in_the_field_to_find_somebody_it_looks(desk, open_page):
    url, hub, run = desk

    async def more() -> None:
        for name in "赵国强 钱建华 孙丽 李明 周志远 吴晓梅 郑海 王小红 冯建军 陈晓东".split():
            await register(hub.root, name, "cadre", ROOT, home=hub.root.signer.node)

    run(more())
    page = open_page(url, DESK)
    sign_in(page, "operator", PASSWORD)
    page.goto(f"{url}/visits/team?case={hub.cases['田埂地界']}")
    page.get_by_label("去做什么").fill("问水沟")
    page.get_by_label("找人").fill("王")
    page.keyboard.press("Enter")
    expect(page.locator("#team-cadre .cadre")).to_have_count(1)
    expect(page.locator("#plan")).to_have_count(0)
    expect(page.get_by_label("去做什么")).to_have_value("问水沟")
    page.get_by_label("王小红").check()
    page.get_by_label("带什么").fill("卷尺")
    page.keyboard.press("Enter")
    expect(page.locator("#plan")).to_contain_text("王小红")
