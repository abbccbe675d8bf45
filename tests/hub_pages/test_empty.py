"""A list that is empty says what to do next, or by what way something would come to it; in English too."""

import html
import re

import pytest

from protocol.node.web.page import LANGUAGE
from tests.hub_pages.world import Hub

EMPTY = re.compile(r'class="(?:card )?empty"[^>]*>(.*?)</(?:td|p)>', re.DOTALL)
PAGES = [
    ("operator", "/tasks?show=all", "还没有派过任务。", "在纠纷页点“派单”", "Press “Dispatch” on a dispute"),
    ("operator", "/reviews", "没有要核对的。", "现在不用做什么", "nothing to do now"),
    ("admin", "/people?text=没有这个人", "没有找到。", '<a href="/people">看全部人员</a>', '<a href="/people">see everybody</a>'),
    ("admin", "/people?text=没有这个人", "没有找到。", '<a href="#register">在下面登记</a>', '<a href="#register">register below</a>'),
    ("discipline", "/sealed", "没有密封件。", "改用“密封转交”的，会送到这里", "passes on sealed comes here by itself"),
    ("operator", "/quarantine", "没有拒收过数据包，", "会写明是哪台机器、为什么", "the computer and the reason"),
]


@pytest.mark.parametrize(("who", "path", "state", "step", "english"), PAGES)
async def test_an_empty_list_names_the_next_step(hub: Hub, who, path, state, step, english):
    await hub.sign_in(who)
    (said,) = EMPTY.findall((await hub.client.get(path)).text)
    said = html.unescape(said)
    assert said.strip().startswith(state)
    assert step in said
    hub.client.cookies.set(LANGUAGE, "en")
    (told,) = EMPTY.findall((await hub.client.get(path)).text)
    assert english in html.unescape(told)
    assert not re.search("[一-鿿]", told)
