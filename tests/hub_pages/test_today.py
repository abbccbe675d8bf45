"""今天's 快到时间的走访: a visit that ends soon, one that nobody hears of, and nothing else."""

from protocol.calendar import DAY_MS, HOUR_MS
from protocol.commands import ArriveTask, ConfirmTask, DeclineTask, ReportTask
from protocol.node.web import today
from protocol.node.web.words import SOON_MS
from tests.edge.pages_kit import section
from tests.hub_pages.world import Hub
from tests.node.desk_kit import new_id


async def visits(hub: Hub, hours: float = 0) -> str:
    """After so many hours. Sessions end meanwhile."""
    if hours:
        hub.county.clock.pass_ms(round(hours * HOUR_MS))
        await hub.sign_in("operator")
    return section((await hub.client.get("/today")).text, "today-visits")


def due(hub: Hub, days: float) -> dict[str, str]:
    return {"due_ms": str(hub.county.clock() + round(days * DAY_MS))}


async def test_a_visit_that_ends_soon_stands_there_until_it_is_reported(hub: Hub):
    await visits(hub, 17)  # of the next day, in the morning: the night is not silence
    assert "没有。" in await visits(hub)
    far, subject = await hub.send("空调外机对着窗", **due(hub, SOON_MS / DAY_MS + 9)), await hub.send(**due(hub, SOON_MS / DAY_MS + 0.5))
    for one in (far, subject):  # who answers is not silent
        await hub.root.say(ConfirmTask(id=new_id(), task=one), hub.as_cadre())
    assert subject not in await visits(hub)
    shown = await visits(hub, 13)
    assert (
        f'<li><a href="/tasks/{subject}">上门：田埂地界</a> <span class="soft">陈立新　已接单</span> <span class="tag soon">还剩' in shown
    )
    assert (far in shown, "没有。" in shown) == (False, False), "there is time yet"
    await hub.root.say(ArriveTask(id=new_id(), task=subject), hub.as_cadre())
    assert "陈立新　已到场" in await visits(hub)
    await hub.root.say(ReportTask(id=new_id(), task=subject, result="eased", words="坐下来谈过一次。"), hub.as_cadre())
    shown = await visits(hub)
    assert (subject in shown, "没有。" in shown) == (False, True)


async def test_a_visit_that_nobody_hears_of_stands_there_though_it_has_time(hub: Hub):
    await visits(hub, 17)
    subject = await hub.send(**due(hub, 20))
    assert subject not in await visits(hub)
    shown = await visits(hub, 1)
    assert f'<a href="/tasks/{subject}">上门：田埂地界</a> <span class="soft">陈立新　已派出 · 1 小时还没到手机</span>' in shown
    await hub.root.say(ConfirmTask(id=new_id(), task=subject), hub.as_cadre())
    assert "没有。" in await visits(hub)


async def test_a_visit_that_was_declined_and_is_nobodys_stands_there_and_of_many_the_first(hub: Hub, monkeypatch):
    monkeypatch.setattr(today, "SHOWN", 1)
    subject = await hub.send(**due(hub, 20))
    await hub.root.say(DeclineTask(id=new_id(), task=subject, reason="腿摔了"), hub.as_cadre())
    shown = await visits(hub)
    assert (f'href="/tasks/{subject}"' in shown, "已谢绝，要另派" in shown, "共" in shown) == (True, True, False)
    await hub.send("空调外机对着窗", **due(hub, 0.9))
    shown = await visits(hub)
    assert (shown.count("<li>"), '<a href="/tasks">共 2 件</a>' in shown) == (1, True)
