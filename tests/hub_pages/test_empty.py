"""A list that is empty says what to do next, or by what way something would come to it; in English too."""

import html
import re

import pytest

from protocol.calendar import DAY_MS
from protocol.commands import ConveneUnits
from protocol.node.web.page import LANGUAGE
from tests.hub_pages.world import Hub, register
from tests.node.desk_kit import UNIT, new_id

EMPTY = re.compile(r'class="(?:card )?empty"[^>]*>(.*?)</(?:td|p|li)>', re.DOTALL)
NOTHING = "这里没有要看的纠纷。"
PAGES = [
    ("operator", "/tasks?show=all", "还没有派过任务。", "在纠纷页点“派单”", "Press “Dispatch” on a dispute"),
    ("operator", "/reviews", "没有要核对的。", "现在不用做什么", "nothing to do now"),
    ("admin", "/people?text=没有这个人", "没有找到。", '<a href="/people">看全部人员</a>', '<a href="/people">see everybody</a>'),
    ("admin", "/people?text=没有这个人", "没有找到。", '<a href="#register">在下面登记</a>', '<a href="#register">register below</a>'),
    ("discipline", "/sealed", "没有密封件。", "改用“密封转交”的，会送到这里", "passes on sealed comes here by itself"),
    ("operator", "/quarantine", "没有拒收过数据包，", "会写明是哪台机器、为什么", "the computer and the reason"),
    ("operator", "/board?risk=red", NOTHING, '<a href="/board">清除筛选再看</a>', '<a href="/board">Clear the filters</a>'),
    ("operator", "/board?risk=red&figure=held", NOTHING, '"/board?figure=held">清除', '<a href="/board?figure=held">Clear the filters</a>'),
    ("operator", "/board?place=330523/330523105", NOTHING, '<a href="/board">看全县的</a>', '<a href="/board">See the whole county</a>'),
    ("operator", "/board?figure=overdue", NOTHING, '<a href="/board">看所有未办结的</a>', '<a href="/board">See all open ones</a>'),
    ("operator", "/board", "现在没有干部在外。", "在列表里点“派单”", "Press “Dispatch” in the list"),
    ("operator", "/forks", "没有两份记录的台账。", '<a href="/link">“连接与台账”</a>', "There is nothing to do now"),
    ("operator", "/losses", "没有丢失或停用的电脑。", "请打电话给管理员停用它", "phone the admin to revoke it"),
    ("operator", "/tasks/{task}", "还没有反馈。", "等久了可以在下面催办", "if it takes long, urge below"),
]


@pytest.mark.parametrize(("who", "path", "state", "step", "english"), PAGES)
async def test_an_empty_list_names_the_next_step(hub: Hub, who, path, state, step, english):
    await hub.sign_in(who)
    if "{task}" in path:
        path = path.format(task=await hub.send())
    (said,) = [one for one in await told(hub, path) if one.startswith(state)]
    assert step in said
    hub.client.cookies.set(LANGUAGE, "en")
    (other,) = [one for one in await told(hub, path) if english in one]
    assert not re.search("[一-鿿]", other)


async def told(hub: Hub, path: str) -> list[str]:
    return [html.unescape(one).strip() for one in EMPTY.findall((await hub.client.get(path)).text)]


async def test_a_department_without_a_case_reads_how_one_would_come(hub: Hub):
    await register(hub.root, "国土窗口", "department", UNIT, account="unit")
    await hub.sign_in("unit")
    rows, out = await told(hub, "/board")
    assert rows.startswith(f"{NOTHING}登记的、送来的会马上出现。")
    assert out == "现在没有请本单位参加的。别的单位请来联调，会马上出现在这里。"
    hub.client.cookies.set(LANGUAGE, "en")
    assert not re.search("[一-鿿]", "".join(await told(hub, "/board")))


async def test_who_waits_for_a_department_is_told_where_it_answers(hub: Hub):
    await register(hub.root, "国土窗口", "department", UNIT, account="unit")
    await hub.sign_in("operator")
    asked = ConveneUnits(id=new_id(), case=hub.cases["田埂地界"], units=[UNIT], purpose="带宗地图来", when_ms=hub.county.clock() + DAY_MS)
    (task,) = set((await hub.root.say(asked, hub.actor())).subjects) - {hub.cases["田埂地界"]}
    await hub.sign_in("unit")
    assert await told(hub, f"/tasks/{task}") == ["还没有反馈。办好了，在下面提交答复。"]
