"""The cadre's phone in each of its states, for `./run shots`: in hands of two sizes, made by what brings them about in a village."""

import asyncio
import json
import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from deploy.demo.cast import VILLAGE
from deploy.demo.check import Story, new_id, soon
from deploy.demo.county import Demo
from protocol import calendar
from protocol.node.web.page import COOKIE
from protocol.tables import Tables
from tests.kit.browser import PHONE, SMALL_PHONE, TOUCH
from tests.phone.test_pieces_browser import noise
from tests.phone.test_week_browser import DISK, LAID

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.shots import Camera

HELD = (("", PHONE), ("-360", SMALL_PHONE))
EMPTY = "现在没有要办的任务"
SECOND_PIECE = re.compile(r"/uploads/.*offset=(?!0$)")


async def in_its_states(camera: "Camera", demo: Demo, story: Story) -> None:
    """Every task made here is over when it ends."""
    url = demo.url("town")
    stranger = await camera.browser.new_context(viewport=PHONE, locale="zh-CN", timezone_id="Asia/Shanghai", **TOUCH)
    page = await stranger.new_page()
    await page.goto(f"{url}/task")
    await page.get_by_text("请登录后收任务。").wait_for()
    await camera.take(page, "phone-signed-out", HELD)
    await page.goto(f"{url}/task#help")
    await camera.take(page, "phone-help", HELD)
    await stranger.close()
    for account, said, name in (("xuafa", EMPTY, "phone-empty"), ("liqiang", "没有下派干部的岗位", "phone-no-cadre")):
        page = await camera.person(url, account, PHONE, **TOUCH)
        await page.goto(f"{url}/task")
        await page.get_by_text("退出登录").wait_for()
        if said != EMPTY or await page.get_by_text(said).count():  # in a larger county he may have a visit
            await page.get_by_text(said).wait_for()
            await camera.take(page, name, HELD)
        await page.context.close()
    page = await camera.person(url, "chenjianguo", PHONE, **TOUCH)
    await page.context.add_init_script(DISK)
    await page.goto(f"{url}/task")
    await page.get_by_text("退出登录").wait_for()
    await page.wait_for_function("() => navigator.serviceWorker.controller")
    camera.refusals = True
    await recalled(camera, page, story)
    await without_a_signal(camera, page, story)
    await under_way(camera, page, story)
    camera.refusals = False
    await page.context.close()


async def sent(story: Story, page: "Page", purpose: str) -> str:
    """A task that has come to the phone's screen; its id."""
    home = json.loads((story.demo.folder / "town" / "identity" / "node.json").read_text())["node"]
    cadre = (await story.phone.get("/task/mine"))["me"]["person"]
    due = calendar.end_of_day_ms(calendar.local_date(int(time.time() * 1000)) + timedelta(days=2))
    where = {"place": VILLAGE, "address": "高禹村三组晒谷场东边", "cadre": cadre, "home": home}
    what = {"purpose": purpose, "due_ms": str(due), "bring": "卷尺", "summary": "两家都说话算数，去看一眼围墙挪了没有。"}
    made = await story.county.post(f"/cases/{story.case_id}/AssignTask", {"command_id": new_id(), **where, **what})
    await page.get_by_text(purpose).first.wait_for()
    return made["subjects"][0]


async def taken_back(story: Story, task: str) -> None:
    """Returns when the phone's own node knows."""
    await story.county.post(f"/tasks/{task}/RecallTask", {"command_id": new_id(), "reason": "两家自己先约好了"})

    async def is_known() -> bool:
        return any(t["id"] == task and t["status"] == "recalled" for t in (await story.phone.get("/task/mine"))["tasks"])

    await soon("手机的机器上任务已撤回", is_known)


async def listed(page: "Page") -> None:
    await page.get_by_role("link", name="‹ 我的任务").tap()


async def recalled(camera: "Camera", page: "Page", story: Story) -> None:
    purpose = "送调解通知书"
    await taken_back(story, await sent(story, page, purpose))
    await page.get_by_role("heading", name="刚撤回，不用去了").wait_for()
    await camera.take(page, "phone-recalled", HELD)
    await page.get_by_text(purpose).tap()
    await page.get_by_text("这项任务撤回了，不用去了。").wait_for()
    await camera.take(page, "phone-recalled-visit", HELD)
    await listed(page)


async def without_a_signal(camera: "Camera", page: "Page", story: Story) -> None:
    """A step done meanwhile is refused once there is a signal: the task was taken back."""
    purpose = "看围墙挪了没有"
    task = await sent(story, page, purpose)
    await page.context.set_offline(True)
    await page.reload()
    await page.get_by_text("现在没有信号").wait_for()
    await camera.take(page, "phone-no-signal", HELD)
    await page.get_by_text(purpose).tap()
    await page.get_by_role("button", name="接单", exact=True).tap()
    await page.get_by_text("1 条待发送").wait_for()
    await taken_back(story, task)
    await page.context.set_offline(False)
    await page.get_by_role("alert").get_by_text("没有办成").wait_for()
    await page.get_by_role("link", name="发送情况").tap()
    await camera.take(page, "phone-queue-refused", HELD)
    await page.get_by_role("button", name="不要这一步了").tap()
    await listed(page)


async def photographed(page: "Page", n: int, side: int) -> None:
    await page.locator("#photo").set_input_files({"name": "现场.png", "mimeType": "image/png", "buffer": noise(side, side * 3 // 4)})
    await page.get_by_alt_text(f"第 {n} 张照片").wait_for()


async def under_way(camera: "Camera", page: "Page", story: Story) -> None:
    """Half written on a phone that is nearly full; handed in, its photo on a thin line; the session over in the middle of it."""
    held: list[Any] = []
    await page.context.route(SECOND_PIECE, lambda route: held.append(route))  # noqa: PLW0108 playwright can't wrap a builtin
    await page.evaluate("navigator.serviceWorker.getRegistration('/task').then((r) => { r.sync.register = async () => {}; })")
    await sent(story, page, "回头看一次滴水巷")
    await page.get_by_text("回头看一次滴水巷").tap()
    for step in ("接单", "已到现场"):
        await page.get_by_role("button", name=step, exact=True).tap()
    await page.get_by_text(Tables.packaged().word("task_result", "settled"), exact=True).tap()
    await page.locator("#words").fill("围墙已退回老墙脚，两家都在场看了。")
    while not await page.evaluate(LAID, ["reserve-text", "reserve-files"]):
        await page.wait_for_timeout(50)
    await photographed(page, 1, 1600)
    await page.evaluate("room = 0")
    await photographed(page, 2, 120)
    await page.get_by_text("手机快存满了").wait_for()
    await page.evaluate("room = Infinity")
    await camera.take(page, "phone-nearly-full", HELD)
    await page.get_by_role("link", name="发送情况").tap()
    await page.get_by_role("heading", name="还没提交的").wait_for()
    await camera.take(page, "phone-queue-half", HELD)
    await page.get_by_role("link", name="接着写").tap()
    await page.get_by_role("button", name="提交反馈", exact=True).tap()
    await page.get_by_text(re.compile("照片已传 [1-9]")).wait_for()
    await camera.take(page, "phone-visit-sending", HELD)
    await page.get_by_role("link", name="发送情况").tap()
    await camera.take(page, "phone-queue-sending", HELD)
    cookies = [cookie for cookie in await page.context.cookies() if cookie["name"] == COOKIE]
    await page.context.clear_cookies(name=COOKIE)
    await asyncio.gather(*(route.abort() for route in held))
    await page.get_by_text("登录过期了").wait_for()
    await camera.take(page, "phone-queue-expired", HELD)
    await listed(page)
    await camera.take(page, "phone-expired", HELD)
    await page.context.unroute(SECOND_PIECE)
    await page.context.add_cookies([{"name": COOKIE, "value": cookies[0]["value"], "url": story.demo.url("town")}])
    await page.reload()
    await page.get_by_text(re.compile("已送达")).wait_for()
