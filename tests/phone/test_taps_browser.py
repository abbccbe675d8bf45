"""How much a cadre has to do with the thumb: the taps of a whole visit, counted by the browser, and whether each can be hit."""

import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from protocol.commands import RecallTask
from protocol.tables import Tables
from tests.edge.test_reading_browser import CUT, UNBROKEN, long_county
from tests.kit.browser import PHONE, SMALL_PHONE, TOUCH, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id
from tests.phone.test_cadre_browser import Phone, picture
from tests.phone.test_halves_browser import half_written

pytestmark = needs_chromium
TAPS_MAX, TARGET_PX, APART_PX = 6, 48, 8
# Taps where something is written (the field, the signature) are writing.
COUNT = """addEventListener('click', (e) => {
  if (!e.isTrusted || e.target.closest('textarea, canvas') || e.target.matches('input')) return;
  const taps = JSON.parse(sessionStorage.taps ?? '[]'); taps.push((e.target.innerText || e.target.tagName).trim().split('\\n')[0]); sessionStorage.taps = JSON.stringify(taps);
}, true);"""
# What is tapped: a label stands for the field inside it or the one it names, wherever that is drawn.
SMALL = """() => [...document.querySelectorAll('a:not(.skip), button, label.answer, label.button, textarea, summary, input:is([type=text], [type=password])')].map((e) => [e, e.getBoundingClientRect()])
  .filter(([e, r]) => r.width && r.height && (r.height < 47.5 || r.width < 47.5)).map(([e, r]) => `${e.innerText} ${Math.round(r.width)}×${Math.round(r.height)}`)"""
CLOSE = """(apart) => { const all = [...document.querySelectorAll('.phone a, .phone button, .phone label.answer, .phone label.button')].map((e) => [e.innerText, e.getBoundingClientRect(), !e.closest('.foot')]).filter(([, r, flows]) => r.width && flows);
  return all.flatMap(([one, a], i) => all.slice(i + 1).filter(([, b]) => { const dx = Math.max(a.left - b.right, b.left - a.right), dy = Math.max(a.top - b.bottom, b.top - a.bottom); return Math.max(dx, dy) < apart - 0.5; }).map(([two]) => `${one} | ${two}`)); }"""

# Each time that another step stands at the thumb: the button that a tap at this place would have met just then.
UNDER = """([x, y]) => { const step = () => document.querySelector('.foot button')?.innerText; let was = step(); globalThis.under = [];
  new MutationObserver(() => { if (step() !== was) under.push(document.elementFromPoint(x, y)?.closest('button')?.innerText ?? ''); was = step(); })
    .observe(app, { childList: true, subtree: true, characterData: true }); }"""

# Each time that a card is pushed: what it says, and whether a tap on it would open it just then.
PUSHED = """() => { globalThis.hits = () => [...document.querySelectorAll('a.card')].map((card) => { const { x, y } = card.getBoundingClientRect(); return [card.getAttribute('href'), y, document.elementFromPoint(x + 9, y + 9)?.closest('a') === card]; });
  let was = hits(); globalThis.hit = [];
  new MutationObserver(() => { const now = hits(); for (const [card, y, is] of now) if (was.some(([one, top]) => one === card && top !== y)) hit.push([card, is]); was = now; })
    .observe(app, { childList: true, subtree: true, characterData: true }); }"""


def middle(what: Locator) -> list[float]:
    box = what.bounding_box()
    assert box
    return [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]


def fits_a_thumb(page: Page, name: str) -> None:
    look(page, name)
    assert page.evaluate(SMALL) == []
    assert page.evaluate(CLOSE, APART_PX) == []


def taps(page: Page) -> list[str]:
    return page.evaluate("JSON.parse(sessionStorage.taps ?? '[]')")


both_sizes = pytest.mark.parametrize("size", [PHONE, SMALL_PHONE], ids=["390", "360"])


@both_sizes
def test_a_visit_from_the_list_to_the_report_in_six_taps(world, open_page, size):
    url, hub, run = world
    subject = run(
        hub.send("田埂地界", bring="卷尺、调解记录本", summary="两家争一条田埂，前后吵过两回。", address="三组十二号，老戏台对面")
    )
    phone = Phone.of("cadre", open_page, url, size)
    page, wide = phone.page, size["width"]
    page.context.add_init_script(COUNT)
    page.reload()
    expect(page.get_by_role("link", name=re.compile("田埂地界"))).to_be_visible()
    began = time.monotonic()
    fits_a_thumb(page, f"phone-{wide}-list")
    phone.task("田埂地界")
    fits_a_thumb(page, f"phone-{wide}-visit")
    main = page.locator(".foot button").bounding_box()
    assert main and main["y"] + main["height"] > size["height"] - 48, "the next step lies at the thumb"
    phone.main("接单")
    phone.main("已到现场")
    page.get_by_text(Tables.packaged().word("task_result", "settled")).tap()
    page.get_by_label("经过和结果").fill("两家当面把界石立回去了，握了手。")
    with page.expect_file_chooser() as chooser:
        page.get_by_text("拍照片").tap()
    chooser.value.set_files({"name": "现场.png", "mimeType": "image/png", "buffer": picture(2000, 1500)})
    expect(page.get_by_alt_text("第 1 张照片")).to_be_visible()
    phone.sign_name()
    fits_a_thumb(page, f"phone-{wide}-report")
    page.evaluate("scrollTo(0, 0)")
    look(page, f"phone-{wide}-report-top")
    page.locator(".foot button").evaluate(
        "(e) => { const twice = () => e.click(); e.addEventListener('click', twice, { once: true }); }"
    )  # it slips
    phone.main("提交反馈")
    expect(page.get_by_role("button", name="提交反馈")).to_have_count(0)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    counted = taps(page)
    print(
        f"\ntaps at {wide} px: {len(counted)} ({' · '.join(counted)}); by script {time.monotonic() - began:.1f} s, pictures taken on the way"
    )
    assert 0 < len(counted) <= TAPS_MAX, counted
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert (task.status, [line.kind for line in task.lines].count("TaskReported"), len(task.blobs)) == ("reported", 1, 2)
    fits_a_thumb(page, f"phone-{wide}-reported")
    page.get_by_role("link", name="发送情况").tap()
    fits_a_thumb(page, f"phone-{wide}-queue")
    page.get_by_role("link", name="‹ 我的任务").tap()
    phone.signal(False)
    page.get_by_role("link", name="怎么用").tap()
    for told in ("没有信号也能办", "照片什么时候送出", "被退回怎么办", "换手机、丢手机"):
        expect(page.get_by_role("heading", name=told)).to_be_visible()
    fits_a_thumb(page, f"phone-{wide}-help")


def test_a_thumb_that_taps_twice_takes_one_step(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = Phone.of("cadre", open_page, url)
    phone.task("田埂地界")
    main = phone.page.locator(".foot button")
    expect(main).to_have_text("接单")
    phone.page.evaluate(UNDER, middle(main))
    main.tap()
    expect(main).to_have_text("已到现场")
    phone.main("已到现场")
    expect(phone.page.get_by_role("button", name="提交反馈")).to_be_visible()
    met = phone.page.evaluate("under")
    assert met and not {"已到现场", "提交反馈"} & {*met}, "the second tap of a double one would have met the next step"
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    assert run(hub.root.reads.task(hub.root.actor(), subject)).status == "arrived"


def test_a_card_that_is_tapped_twice_hands_in_no_half_written_report(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = half_written(open_page, url)
    page, main = phone.page, phone.page.locator(".foot button")
    place = middle(main)
    page.get_by_role("link", name="‹ 我的任务").tap()
    expect(page.get_by_role("heading", name="我的任务")).to_be_visible()
    page.evaluate(UNDER, place)
    phone.task("田埂地界")
    expect(main).to_have_text("提交反馈")
    met = page.evaluate("under")
    assert met and "提交反馈" not in met, "the second tap of a double one would have handed it in"
    phone.main("提交反馈")
    expect(main).to_have_count(0)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    assert run(hub.root.reads.task(hub.root.actor(), subject)).status == "reported"


def test_a_list_that_moves_under_the_thumb_opens_nothing_else(world, open_page):
    url, hub, run = world
    run(hub.send("田埂地界"))
    recalled = run(hub.send("空调外机对着窗"))
    phone = Phone.of("cadre", open_page, url)
    page = phone.page
    expect(page.locator(".card")).to_have_count(2)
    page.wait_for_timeout(500)  # he looks at it
    page.evaluate("""() => { globalThis.hit = []; new MutationObserver(() => {
      for (const card of document.querySelectorAll('.card')) { const r = card.getBoundingClientRect(); hit.push([card.innerText, Boolean(document.elementFromPoint(r.x + 9, r.y + 9).closest('a'))]); }
    }).observe(app, { childList: true, subtree: true }); }""")
    run(hub.root.say(RecallTask(id=new_id(), task=recalled, reason="双方谈好了"), hub.root.actor()))
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.get_by_role("heading", name="刚撤回，不用去了")).to_be_visible()
    met = page.evaluate("hit")
    assert met and not any(is_hit for _, is_hit in met), met
    phone.task("田埂地界")
    expect(page.get_by_role("heading", name="上门：田埂地界")).to_be_visible()


def test_a_list_that_is_pushed_by_a_lost_signal_opens_nothing_else(world, open_page):
    url, hub, run = world
    for title in ("田埂地界", "空调外机对着窗"):
        run(hub.send(title))
    phone = Phone.of("cadre", open_page, url)
    page, calm = phone.page, phone.page.get_by_text("现在没有信号")
    expect(page.locator("a.card")).to_have_count(2)
    page.evaluate(PUSHED)
    for there in (False, True):
        page.wait_for_timeout(500)  # he looks at it
        page.evaluate("hit = []")
        phone.signal(there)
        expect(calm).to_have_count(0 if there else 1)
        met = page.evaluate("hit")
        assert len(met) >= 2 and not any(is_hit for _, is_hit in met), met
    page.evaluate("new Promise((done) => setTimeout(done, 500))")  # by its own clock: it may stand still while ours goes on
    assert page.evaluate("hits().every(([, , is]) => is)"), "a moment later each card takes a tap again"


@both_sizes
def test_what_is_tapped_on_other_days_can_be_hit_too(world, open_page, size):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    wide = size["width"]
    phone = Phone(open_page(f"{url}/task", size, **TOUCH), url)
    page = phone.page
    fits_a_thumb(page, f"phone-{wide}-signed-out")
    page.get_by_role("link", name="登录").tap()
    page.wait_for_url("**/sign-in**")
    fits_a_thumb(page, f"phone-{wide}-sign-in")
    phone.sign_in("cadre")
    phone.task("田埂地界")
    phone.main("谢绝…")
    fits_a_thumb(page, f"phone-{wide}-decline")
    phone.main("谢绝")
    expect(phone.notice).to_contain_text("请写一句去不了的原因")
    fits_a_thumb(page, f"phone-{wide}-notice")
    phone.notice.get_by_role("button").tap()
    phone.main("不了，我去")
    phone.main("问派单的人…")
    fits_a_thumb(page, f"phone-{wide}-message")
    page.get_by_label("要问什么").fill("户主说后天才回来，改到后天行不行？")
    phone.main("留言")
    phone.main("接单")
    phone.main("已到现场")
    page.get_by_label("经过和结果").fill("两家都在，")
    fits_a_thumb(page, f"phone-{wide}-told")
    page.get_by_role("link", name="发送情况").tap()
    expect(page.get_by_text("没写完的反馈")).to_be_visible()
    fits_a_thumb(page, f"phone-{wide}-half")
    recalled = run(hub.send("空调外机对着窗"))
    page.get_by_role("link", name="‹ 我的任务").tap()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.get_by_role("link", name=re.compile("空调外机"))).to_be_visible()
    run(hub.root.say(RecallTask(id=new_id(), task=recalled, reason="双方谈好了"), hub.root.actor()))
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.get_by_role("heading", name="刚撤回，不用去了")).to_be_visible()
    phone.task("空调外机")
    expect(page.get_by_text("不用去了。")).to_be_visible()
    fits_a_thumb(page, f"phone-{wide}-recalled")
    phone.main("已经去过了，要写反馈…")
    fits_a_thumb(page, f"phone-{wide}-recalled-report")
    assert run(hub.root.reads.task(hub.root.actor(), subject)).status == "arrived"


@both_sizes
def test_names_without_a_break_leave_the_phone_as_wide_as_it_is(world, open_page, size):
    url, hub, run = world
    run(long_county(hub))
    phone = Phone.of(UNBROKEN[-4:], open_page, url, size)
    expect(phone.page.get_by_role("link", name=re.compile(UNBROKEN))).to_be_visible()
    fits_a_thumb(phone.page, f"phone-{size['width']}-long-list")
    phone.task(UNBROKEN)
    expect(phone.page.get_by_role("heading", name="找谁")).to_be_visible()
    fits_a_thumb(phone.page, f"phone-{size['width']}-long-visit")
    assert phone.page.evaluate(CUT) == []
