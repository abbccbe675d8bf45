"""How much room its node has for files stands on the phone before it is used up, where files are chosen, and without a signal too."""

from playwright.sync_api import Page, expect

from protocol.node.blobs import MEGABYTE
from tests.kit.browser import look
from tests.kit.machine import needs_chromium
from tests.phone.test_cadre_browser import Phone
from tests.phone.test_week_browser import fill, photo

pytestmark = needs_chromium
SHORT = "中心的机器存附件的地方快满了，还能存 18 兆，照片、录音可能很快收不下；文字照常。请告诉管理员清出空间，或者调高上限。"
LAST = "（上次联系上时）"
STAYS = "照常写、照常拍：收不下的先留在手机里，有地方了自动发出。"
LIMITS = "照片、录音：每个最多 20 兆，中心的机器还能存 "
TOLD = """(words) => new Promise((done) => { const asked = indexedDB.open('yidi-task'); asked.onsuccess = () => {
  const told = asked.result.transaction('state').objectStore('state').get('flow'); told.onsuccess = () => done(told.result.files.short === words); }; })"""


def told(page: Page, words: str) -> None:
    """It asks again, and keeps the answer."""
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_function(TOLD, arg=words)


def test_what_room_the_node_has_is_said_before_it_is_used_up_and_without_a_signal(world, open_page):
    url, hub, run = world
    run(hub.send("田埂地界"))
    blobs = hub.root.blobs
    run(blobs.count())
    blobs.store_bytes_max = 21 * MEGABYTE
    phone = Phone.of("cadre", open_page, url)
    page = phone.page
    phone.task("田埂地界")
    phone.main("接单")
    expect(page.get_by_text("存附件的地方")).to_have_count(0)
    phone.main("已到现场")
    expect(page.get_by_text(f"{LIMITS}21 兆", exact=True)).to_be_visible()
    look(page, "phone-files-room")
    blobs.store_bytes_max = 18 * MEGABYTE
    told(page, SHORT)
    expect(page.get_by_text(f"{SHORT}{STAYS}", exact=True)).to_be_visible()
    phone.signal(False)
    page.reload()
    expect(page.get_by_text(f"{SHORT}{LAST}{STAYS}", exact=True)).to_be_visible()
    expect(page.get_by_text(f"{LIMITS}18 兆{LAST}", exact=True)).to_be_visible()
    look(page, "phone-files-short")
    fill(phone)
    photo(phone)
    expect(page.get_by_alt_text("第 1 张照片")).to_be_visible()
    phone.main("提交反馈")
    expect(phone.status).to_have_text("2 条待发送，有信号时自动发出")
    phone.signal(True)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    blobs.store_bytes_max = 100_000
    told(page, SHORT.replace("快满了，还能存 18 兆，照片、录音可能很快收不下", "满了，照片、录音现在收不下"))
    page.get_by_role("link", name="‹ 我的任务").tap()
    expect(page.get_by_text("中心的机器存附件的地方满了，照片、录音现在收不下")).to_be_visible()
    look(page, "phone-files-full")
    phone.signal(False)
    full = page.get_by_text(f"照片、录音现在收不下；文字照常。请告诉管理员清出空间，或者调高上限。{LAST}{STAYS}")
    expect(full).to_be_visible()
    look(page, "phone-files-full-no-signal")
    page.get_by_role("link", name="发送情况").tap()
    expect(full).to_be_visible()
    phone.signal(True)
    expect(full).to_have_count(0)
    expect(page.get_by_text(f"或者调高上限。{STAYS}")).to_be_visible()
