"""Export and import by hand in a real Chromium: a file comes out, the same goes in, each result is said in words."""

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from protocol.node import sticks
from tests.edge.rig import Rig
from tests.edge.served import Served, served
from tests.edge.test_losses_browser import signed_in
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium


@pytest.fixture
def both(tmp_path) -> Iterator[Served]:
    with served(tmp_path, "village", "town") as made:
        made.do(_prepared)
        yield made


async def _prepared(rig: Rig) -> None:
    await rig.log("village", 0)
    for kind in ("village", "town"):
        node = rig.nodes[kind].node
        node.folder, node.stopped = rig.county.folder / kind, lambda: ""
        node.about = SimpleNamespace(former=[], root_node="nroot2222", root_public=bytes(rig.county.key.verify_key))
        node.identity = SimpleNamespace(sealing_secret=lambda: None)


def test_a_file_is_carried_from_the_village_to_the_township(both: Served, open_page, tmp_path):
    page = signed_in(both, open_page, DESK, "village", "wangfang", "/link")
    page.get_by_role("link", name="用优盘送").click()
    look(page, "stick")
    page.set_viewport_size(PHONE)
    look(page, "stick-390")
    page.set_viewport_size(DESK)
    page.get_by_label("给哪台机器").select_option(label="town")
    page.get_by_role("button", name="导出").click()
    link = page.get_by_role("link", name="存到优盘")
    expect(link).to_be_visible()
    look(page, "stick-made")
    with page.expect_download() as waited:
        link.click()
    file = tmp_path / "carried.yidi"
    waited.value.save_as(file)
    assert waited.value.suggested_filename.endswith(".yidi")
    town = signed_in(both, open_page, DESK, path="/stick")
    for words in ("新收 1 条", "里面的本机都有了"):
        town.locator("#stick-file").set_input_files(file)
        town.get_by_role("button", name="导入").click()
        expect(town.locator("#stick-job")).to_contain_text(words)
    look(town, "stick-told")
    file.write_bytes(file.read_bytes()[:-9])
    town.locator("#stick-file").set_input_files(file)
    town.get_by_role("button", name="导入").click()
    expect(town.get_by_role("alert")).to_contain_text("不完整或被改动")
    look(town, "stick-torn")


def test_what_runs_can_be_given_up_and_leaves_nothing_half(both: Served, open_page, tmp_path, monkeypatch):
    go_on = threading.Event()
    real = sticks.piece

    async def slow(*words):
        while not go_on.is_set():
            await asyncio.sleep(0.02)
        return await real(*words)

    both.do(lambda rig: rig.log("village", 1))
    page = signed_in(both, open_page, DESK, "village", "wangfang", "/stick")
    page.get_by_label("给哪台机器").select_option(label="town")
    monkeypatch.setattr(sticks, "piece", slow)
    page.get_by_role("button", name="导出").click()
    expect(page.locator("#stick-job")).to_contain_text("正在准备文件")
    look(page, "stick-running")
    page.get_by_role("button", name="取消").click()
    expect(page.locator("#stick-job")).to_contain_text("正在停下")
    go_on.set()
    expect(page.locator("#stick-job")).to_contain_text("已取消，没有留下文件。")
    assert both.do(_left_of) == []
    page.get_by_label("给哪台机器").select_option(label="town")
    page.get_by_role("button", name="导出").click()
    expect(page.get_by_role("link", name="存到优盘")).to_be_visible()


async def _left_of(rig: Rig) -> list[str]:
    return [file.name for file in (rig.nodes["village"].node.folder / sticks.FOLDER).glob("*")]
