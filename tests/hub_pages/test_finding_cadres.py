"""More cadres than a list shows: each can be found by name, unit or duty, and whoever is chosen stays chosen."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from protocol.node.web import dispatching
from tests.hub_pages.world import OTHER_VILLAGE, PASSWORD, Hub, register, served
from tests.kit.browser import DESK, OLD_PC, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import ROOT, TOWN

HTMX = {"HX-Request": "true"}
LAST = "钟远山"  # of many with as little to do, by name


async def crowd(hub: Hub) -> str:
    """More than are listed, all as near and as free; returns the last one."""
    for n in range(dispatching.CADRES_SHOWN_MAX + 4):
        await register(hub.root, f"干部{n:02d}", "cadre", ROOT, home="nroot2222")
    await register(hub.root, "周明", "cadre", TOWN, home="nroot2222")
    return await register(hub.root, LAST, "cadre", ROOT, home="nroot2222")


async def listed(hub: Hub, address: str) -> list[str]:
    return [one["name"] for one in (await hub.get(address))["cadres"]]


async def test_who_is_beyond_the_list_is_found_by_name_unit_and_duty_in_the_same_order(hub: Hub):
    last = await crowd(hub)
    path = f"/cases/{hub.cases['田埂地界']}/dispatch"
    everybody = await listed(hub, path)
    assert len(everybody) == dispatching.CADRES_SHOWN_MAX
    assert LAST not in everybody
    assert await listed(hub, f"{path}?find={LAST}") == [LAST]
    assert await listed(hub, f"{path}?find=远山 社会治理中心") == [LAST]
    assert await listed(hub, f"{path}?find=天子湖") == [name for name in everybody if name in ("周明", "周敏")] != []
    assert await listed(hub, f"{path}?find=干部4") == [name for name in everybody if name.startswith("干部4")] != []
    assert await listed(hub, f"{path}?find=没有这个人") == []
    assert (await listed(hub, f"{path}?find=周敏&cadre={last}")) == [LAST, "周敏"]  # whoever is chosen stays, before the others
    page = (await hub.client.get(f"{path}?find=周敏&cadre={last}&only=found", headers=HTMX)).text
    assert re.search(f'value="{last}" checked', page)
    assert "找到 1 位" in page
    assert "只列出前 60 位，共 69 位，其余的在上面找。" in (await hub.client.get(path)).text


async def test_few_need_no_field(hub: Hub):
    assert 'name="find"' not in (await hub.client.get(f"/cases/{hub.cases['田埂地界']}/dispatch")).text


async def test_who_cannot_go_is_found_too_and_says_why(hub: Hub):
    await crowd(hub)
    page = (await hub.client.get(f"/cases/{hub.cases['工钱没结清']}/dispatch?find=周敏&only=found", headers=HTMX)).text
    assert "任务经天子湖镇综治中心转到" in page


@pytest.fixture
def desk(tmp_path) -> Iterator[tuple[str, Hub, Callable[[Any], Any], str]]:
    with served(tmp_path) as (url, hub, run):
        run(hub.sign_in("operator"))
        yield url, hub, run, run(crowd(hub))


def tasks(hub: Hub, run: Callable[[Any], Any], case: str) -> list[tuple[str, str]]:
    """(cadre, purpose) of each."""
    rows = run(hub.root.journal.rows("task_row", "case_subject = :case", {"case": case}))
    known = [run(hub.root.reads.task(hub.actor(), row["subject"])) for row in rows]
    return [(task.cadre, task.purpose) for task in known if task.status != "recalled"]


def seen(page: Page, name: str) -> None:
    for size, end in ((OLD_PC, "-old"), (PHONE, "-phone"), (DESK, "")):
        page.set_viewport_size(size)
        page.get_by_label("找人").scroll_into_view_if_needed()
        look(page, f"{name}{end}")


def found(page: Page) -> Any:
    return page.expect_response(lambda got: "only=found" in got.url)


@needs_chromium
@pytest.mark.parametrize("way", ["", "/board"], ids=["page", "pane"])
def test_one_is_found_while_typing_chosen_and_sent(desk, open_page, way):
    url, hub, run, last = desk
    case = hub.cases["田埂地界"]
    page = open_page(f"{url}{way or f'/cases/{case}/dispatch'}", DESK, who=("operator", PASSWORD))
    if way:
        page.get_by_label("派单：田埂地界").click()
    form, find = page.locator("#go-form"), page.get_by_label("找人")
    form.get_by_label("去做什么").fill("量一量田埂")
    expect(form.get_by_role("radio", name=LAST)).to_have_count(0)
    seen(page, f"dispatch-many{'-pane' if way else ''}")
    find.focus()
    page.keyboard.type("远山")
    expect(page.locator("#found")).to_have_text("找到 1 位")
    with found(page):
        page.keyboard.press("Enter")  # it looks, it sends nothing
    assert tasks(hub, run, case) == []
    expect(find).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    chosen = form.get_by_role("radio", name=LAST)
    expect(chosen).to_be_checked()
    find.fill("周敏")
    expect(page.locator("#go-cadres .cadre")).to_have_count(2)
    expect(chosen).to_be_checked()
    seen(page, f"dispatch-found{'-pane' if way else ''}")
    with page.expect_response(lambda got: "only=cadres" in got.url):
        form.get_by_label("去哪里").select_option(OTHER_VILLAGE)
    expect(page.locator(".where .there .name")).to_have_text("梅溪")
    expect(chosen).to_be_checked()
    expect(find).to_have_value("周敏")
    expect(form.get_by_label("去做什么")).to_have_value("量一量田埂")
    form.get_by_role("button", name="派出").click()
    expect(form).to_have_count(0)
    assert tasks(hub, run, case) == [(last, "量一量田埂")]


@needs_chromium
def test_whoever_is_chosen_while_the_answer_is_on_its_way_stays_chosen(desk, open_page):
    url, hub, _, _ = desk
    page = open_page(f"{url}/cases/{hub.cases['田埂地界']}/dispatch", DESK, who=("operator", PASSWORD))
    waiting = []
    page.route("**/dispatch?only=found**", lambda route: route.continue_() if waiting else waiting.append(route))
    page.get_by_label("找人").fill("远山")
    with page.expect_request(lambda sent: "only=found" in sent.url):
        page.get_by_label("找人").press("Enter")
    page.get_by_role("radio", name="干部00").check()
    with page.expect_response(lambda got: "only=found" in got.url):
        waiting[0].continue_()
    page.evaluate("new Promise(done => setTimeout(done, 50))")  # what comes after the answer has come
    expect(page.get_by_role("radio", name="干部00")).to_be_checked()
    expect(page.get_by_role("radio", name="干部00")).to_be_focused()
    expect(page.get_by_role("radio", name=LAST)).to_have_count(0)
    with found(page):
        page.get_by_label("找人").press("Enter")
    expect(page.locator("#go-cadres .cadre")).to_have_count(2)
    expect(page.get_by_role("radio", name="干部00")).to_be_checked()
    expect(page.get_by_role("radio", name=LAST)).not_to_be_checked()


@needs_chromium
def test_a_draft_comes_back_with_whom_it_had_chosen_and_a_mere_search_is_none(desk, open_page):
    url, hub, _, _ = desk
    page = open_page(f"{url}/cases/{hub.cases['田埂地界']}/dispatch", DESK, who=("operator", PASSWORD))
    form = page.locator("#go-form")
    with found(page):
        page.get_by_label("找人").fill("远山")
    expect(page.locator("#found")).to_have_text("找到 1 位")
    expect(form).not_to_have_attribute("data-dirty", "")
    form.get_by_role("radio", name=LAST).check()
    expect(form).to_have_attribute("data-kept", "")
    page.reload()
    expect(form.get_by_role("radio", name=LAST)).to_be_checked()
    expect(form.get_by_role("radio", name=LAST)).to_be_visible()
    expect(page.get_by_label("找人")).to_have_value("")


@needs_chromium
def test_an_input_method_has_its_letters_to_itself(desk, open_page):
    url, hub, _, _ = desk
    page = open_page(f"{url}/cases/{hub.cases['田埂地界']}/dispatch", DESK, who=("operator", PASSWORD))
    asked: list[str] = []
    page.on("request", lambda sent: "only=found" in sent.url and asked.append(sent.url))
    page.get_by_label("找人").focus()
    keys = page.context.new_cdp_session(page)
    for letters in ("y", "yu", "yuan"):
        keys.send("Input.imeSetComposition", {"text": letters, "selectionStart": len(letters), "selectionEnd": len(letters)})
    keys.send("Input.insertText", {"text": "远山"})
    expect(page.locator("#found")).to_have_text("找到 1 位")
    assert len(asked) == 1, asked


@needs_chromium
def test_without_script_a_button_finds_and_nothing_written_is_lost(desk, open_page):
    url, hub, run, last = desk
    case = hub.cases["田埂地界"]
    page = open_page(f"{url}/cases/{case}/dispatch", DESK, who=("operator", PASSWORD), java_script_enabled=False)
    page.get_by_label("去做什么").fill("量一量田埂")
    page.get_by_label("找人").fill("远山")
    page.get_by_role("button", name="找", exact=True).click()
    expect(page.locator("#found")).to_have_text("找到 1 位")
    expect(page.get_by_label("去做什么")).to_have_value("量一量田埂")
    page.get_by_role("radio", name=LAST).check()
    page.get_by_label("找人").fill("周敏")
    page.get_by_label("找人").press("Enter")
    expect(page.locator("#go-cadres .cadre")).to_have_count(2)
    expect(page.get_by_role("radio", name=LAST)).to_be_checked()
    assert tasks(hub, run, case) == []
    page.get_by_role("button", name="派出").click()
    page.wait_for_url("**/tasks/*")
    assert tasks(hub, run, case) == [(last, "量一量田埂")]


@needs_chromium
def test_a_task_and_all_tasks_of_one_are_given_to_who_is_beyond_the_list(desk, open_page):
    url, hub, run, last = desk
    case, other = hub.cases["田埂地界"], hub.cases["空调外机对着窗"]
    subject = run(hub.send())
    run(hub.send("空调外机对着窗"))
    page = open_page(f"{url}/tasks/{subject}/ask/ReassignTask", DESK, who=("operator", PASSWORD))
    page.get_by_label("找人").fill("远山")
    expect(page.locator("#found")).to_have_text("找到 1 位")
    page.get_by_role("radio", name=LAST).check()
    look(page, "reassign-found")
    page.get_by_role("button", name="改派").click()
    page.wait_for_url("**/tasks/*")
    assert [cadre for cadre, _ in tasks(hub, run, case)] == [last]
    page.goto(f"{url}/visits/reassign?of={hub.cadre}")
    page.get_by_label("找人").fill("远山")
    page.get_by_label("找人").press("Enter")
    page.get_by_role("radio", name=LAST).check()
    seen(page, "reassign-all-found")
    page.get_by_role("button", name="看看谁会收到什么").click()
    page.get_by_role("button", name="改派这 1 项").click()
    expect(page.get_by_role("main")).to_contain_text(LAST)
    assert [cadre for cadre, _ in tasks(hub, run, other)] == [last]
