"""A report that is half written: it outlasts a sign-out, is its writer's alone, is counted wherever the phone says what lies on it, and ends with its visit."""

import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from protocol.commands import RecallTask, ReportTask
from protocol.tables import Tables
from tests.hub_pages.world import Hub
from tests.kit.browser import WAITS_MS, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id
from tests.phone.test_cadre_browser import Phone, picture

pytestmark = needs_chromium
WORDS = "两家当面把界石立回去了，握了手。"
STORE = "const store = () => new Promise((done) => { const asked = indexedDB.open('yidi-task'); asked.onsuccess = () => done(asked.result); }), got = (asked) => new Promise((done) => { asked.onsuccess = () => done(asked.result); });"
KEYS = f"async () => {{ {STORE} return got((await store()).transaction('drafts').objectStore('drafts').getAllKeys()); }}"
# The draft as the shell before this one kept it: under the visit alone, its photo beside it.
OLDER = f"""async ([task, words, sealed]) => {{ {STORE}
  const db = await store(), state = (name) => got(db.transaction('state').objectStore('state').get(name)), key = await state('key'), {{ person }} = await state('me');
  const all = await got(db.transaction('drafts').objectStore('drafts').getAll()), photo = all.find((d) => d.of);
  const draft = {{ task, person, result: '', words, strokes: [], files: [photo.task] }};
  const head = new TextEncoder().encode(JSON.stringify(draft)), iv = crypto.getRandomValues(new Uint8Array(12));
  const plain = await new Blob([new Uint32Array([0, head.length]), head]).arrayBuffer();
  const box = await crypto.subtle.encrypt({{ name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(task) }}, key, plain);
  const drafts = db.transaction('drafts', 'readwrite').objectStore('drafts');
  drafts.clear();
  drafts.put(sealed ? {{ task, iv, box }} : draft);
  await got(drafts.put({{ ...photo, of: task }}));
}}"""


def half_written(open_page: Any, url: str, signal: bool = True) -> Phone:
    """On the visit, a report with words and a photo, not handed in. signal False: there is none from the arrival on."""
    phone = Phone.of("cadre", open_page, url)
    phone.task("田埂地界")
    phone.main("接单")
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    phone.signal(signal)
    phone.main("已到现场")
    phone.page.get_by_text(Tables.packaged().word("task_result", "settled")).tap()
    phone.page.get_by_label("经过和结果").fill(WORDS)
    phone.page.locator("#photo").set_input_files({"name": "现场.png", "mimeType": "image/png", "buffer": picture(800, 600)})
    expect(phone.page.get_by_alt_text("第 1 张照片")).to_be_visible()
    return phone


def lie_there(page: Page, count: int) -> None:
    """Waits until so many records are half written: a promise that is handed to wait_for_function counts as come true."""
    until = time.monotonic() + WAITS_MS / 1000
    while len(keys := page.evaluate(KEYS)) != count:
        assert time.monotonic() < until, keys
        page.wait_for_timeout(50)


def is_there(page: Page) -> None:
    expect(page.get_by_label("经过和结果")).to_have_value(WORDS)
    expect(page.get_by_alt_text("第 1 张照片")).to_be_visible()


def home(phone: Phone) -> None:
    phone.page.get_by_role("link", name="‹ 我的任务").tap()


def leave(phone: Phone) -> str:
    """What the phone asks before it lets him go."""
    asked: list[str] = []
    phone.page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    phone.main("退出登录")
    expect(phone.page.get_by_role("link", name="登录", exact=True)).to_be_visible()
    return "".join(asked)


def said_to(who: str, hub: Hub, run: Any) -> dict[str, Any]:
    """What the node says to this person's phone."""
    run(hub.sign_in(who))
    return run(hub.get("/task/mine"))


def test_it_outlasts_a_sign_out_is_counted_and_is_shown_to_its_writer_alone(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = half_written(open_page, url)
    page = phone.page
    run(hub.second_node_has_it())
    expect(phone.status).to_have_text("做完的都已送达，1 份反馈没写完")
    page.get_by_role("link", name="发送情况").tap()
    expect(page.get_by_role("heading", name="还没提交的")).to_be_visible()
    look(page, "phone-queue-half")
    home(phone)
    assert leave(phone) == "还有 1 份反馈没写完。退出后仍留在这台手机里，只有您自己再登录才看得到，接着办。现在退出吗？"
    expect(page.get_by_text("手机里还有 1 份反馈没写完，登录后接着办。")).to_be_visible()
    look(page, "phone-left-half")

    (visit,) = said_to("cadre", hub, run)["tasks"]
    theirs = {**said_to("other", hub, run), "tasks": [visit]}  # as if another person were sent to the same visit
    phone.sign_in("other")
    expect(page.get_by_text("手机里还有别人没写完的反馈 1 份，等本人登录后接着写。")).to_be_visible()
    expect(page.get_by_text("现在没有要办的任务")).to_be_visible()
    assert len(page.evaluate(KEYS)) == 2, "what is not his is not his to forget"
    page.context.route("**/task/mine**", lambda route: route.fulfill(json=theirs))
    page.reload()
    phone.task("田埂地界")
    expect(page.get_by_label("经过和结果")).to_have_value("")
    expect(page.get_by_alt_text("第 1 张照片")).to_have_count(0)
    page.get_by_label("经过和结果").fill("另一个人写的")
    expect(phone.status).to_have_text("做完的都已送达，1 份反馈没写完")
    assert WORDS not in page.content()
    page.get_by_role("link", name="发送情况").tap()
    expect(page.get_by_text("还有别人没写完的反馈 1 份，加密存着，看不到内容")).to_be_visible()
    page.context.unroute_all(behavior="wait")
    home(phone)
    leave(phone)
    expect(page.get_by_text("手机里还有 2 份反馈没写完")).to_be_visible()
    phone.sign_in("cadre")
    phone.task("田埂地界")
    is_there(page)
    phone.main("提交反馈")
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert (task.words, len(task.blobs)) == (WORDS, 1)


@pytest.mark.parametrize("sealed", [True, False])
def test_what_an_older_shell_kept_is_its_writer_s(world, open_page, sealed):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = half_written(open_page, url)
    phone.page.evaluate(OLDER, [subject, WORDS, sealed])
    assert subject in phone.page.evaluate(KEYS)
    phone.page.reload()
    is_there(phone.page)
    keys = phone.page.evaluate(KEYS)
    assert (len(keys), subject in keys, f"{subject}/{hub.cadre}" in keys) == (2, False, True)
    home(phone)
    leave(phone)
    phone.sign_in("cadre")
    phone.task("田埂地界")
    is_there(phone.page)


def test_it_is_forgotten_when_the_visit_is_over_or_another_s_and_not_before_the_node_said_so(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = half_written(open_page, url, signal=False)
    page = phone.page
    run(hub.root.say(RecallTask(id=new_id(), task=subject, reason="人手换了"), hub.root.actor()))
    phone.signal(True)
    home(phone)
    expect(page.get_by_text("已撤回")).to_be_visible()
    assert len(page.evaluate(KEYS)) == 2, "who was there already may still say so"
    said = {**said_to("cadre", hub, run), "tasks": [], "more": True}
    page.context.route("**/task/mine**", lambda route: route.fulfill(json=said))
    page.reload()
    expect(page.get_by_text("现在没有要办的任务")).to_be_visible()
    assert len(page.evaluate(KEYS)) == 2, "the list was cut: the visit may be on the rest of it"
    said |= {"more": False, "away": "您现在没有下派干部的岗位。"}
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.get_by_role("alert")).to_have_text("您现在没有下派干部的岗位。")
    assert len(page.evaluate(KEYS)) == 2, "his post may come back"
    look(page, "phone-no-post")
    said["away"] = ""
    page.evaluate("dispatchEvent(new Event('online'))")
    lie_there(page, 0)
    page.context.unroute_all(behavior="wait")


def test_it_is_forgotten_when_the_visit_was_reported_from_another_phone(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = half_written(open_page, url)
    home(phone)
    leave(phone)
    run(hub.root.say(ReportTask(id=new_id(), task=subject, result="settled", words="在新手机上写的"), hub.as_cadre()))
    assert len(phone.page.evaluate(KEYS)) == 2
    phone.sign_in("cadre")
    expect(phone.page.get_by_role("heading", name="办过的")).to_be_visible()
    lie_there(phone.page, 0)
    expect(phone.page.get_by_text("没写完")).to_have_count(0)


def test_it_can_be_thrown_away_after_a_question(world, open_page):
    url, hub, run = world
    run(hub.send("田埂地界"))
    phone = half_written(open_page, url)
    page = phone.page
    page.get_by_role("link", name="发送情况").tap()
    page.once("dialog", lambda dialog: dialog.dismiss())
    phone.main("不要了")
    expect(page.get_by_role("heading", name="还没提交的")).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    phone.main("不要了")
    expect(page.get_by_role("heading", name="还没提交的")).to_have_count(0)
    assert page.evaluate(KEYS) == []
