"""Questions from the way and tasks that change hands, as an operator meets them on the screen."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from protocol.commands import ConfirmTask, TellTask
from tests.hub_pages.world import PASSWORD, Hub, served
from tests.kit.browser import DESK, PHONE, TOUCH, look
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


def sign_in(page: Page) -> None:
    page.get_by_label("账号").fill("operator")
    page.get_by_label("密码").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/board*")


@pytest.mark.parametrize(("name", "size", "more"), SIZES, ids=[name for name, _, _ in SIZES])
def test_a_question_is_seen_and_answered_from_today(desk, open_page, name, size, more):
    url, hub, run = desk
    who = hub.root.actor("cadre", ROOT, hub.cadre)
    subject = run(hub.send())
    page = open_page(url, size, **more)
    sign_in(page)
    page.get_by_role("navigation", name="主菜单").get_by_role("link", name="今天").click()
    expect(page.locator("#today-asked")).to_have_count(0)
    run(hub.root.say(ConfirmTask(id=new_id(), task=subject), who))
    run(hub.root.say(TellTask(id=new_id(), task=subject, text=QUESTION), who))
    expect(page.locator("#today-asked")).to_contain_text(QUESTION)  # by itself
    look(page, f"asked-today-{name}")
    page.goto(f"{url}/board")
    look(page, f"asked-board-{name}")
    page.goto(f"{url}/tasks")
    look(page, f"asked-tasks-{name}")
    page.goto(f"{url}/cases/{hub.cases['田埂地界']}")
    page.locator("#tasks").scroll_into_view_if_needed()
    look(page, f"asked-case-{name}")
    page.locator("#tasks").get_by_role("link", name="留言待复").click()
    look(page, f"asked-task-{name}")
    page.get_by_label("答复或说明").fill("可以，后天上午去，先别去对方家。")
    page.get_by_role("button", name="留言").click()
    expect(page.locator("#task")).not_to_contain_text("在等答复")
    page.get_by_role("navigation", name="主菜单").get_by_role("link", name="今天").click()
    expect(page.locator("#today-asked")).to_have_count(0)
