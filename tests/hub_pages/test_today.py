"""今天 of what is out there: visits that end soon or that nobody hears of, what this office was asked, and what waits for its review."""

import re

from protocol.calendar import DAY_MS, HOUR_MS
from protocol.commands import ArriveTask, ConfirmTask, ConveneUnits, DeclineTask, RecallTask, ReportTask, RequestTask
from protocol.node.errands import linked_id
from protocol.node.web import today
from protocol.node.web.words import SOON_MS
from tests.edge.pages_kit import section
from tests.hub_pages.world import Hub, register
from tests.node.desk_kit import TOWN, UNIT, exchange, new_id


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


async def test_a_declined_visit_stays_until_somebody_else_is_sent_for_the_same(hub: Hub):
    """What was sent before it was declined, or for something else, does not go there."""
    subject = await hub.send(**due(hub, 40))
    await hub.send(**due(hub, 41))
    await hub.root.say(DeclineTask(id=new_id(), task=subject, reason="腿摔了"), hub.as_cadre())
    inquiry = {"to": TOWN, "purpose": "查档案", "purpose_kind": "inquiry", "due_ms": hub.county.clock() + 2 * DAY_MS}
    await hub.root.say(RequestTask(id=new_id(), case=hub.cases["田埂地界"], **inquiry), hub.actor())
    shown = await visits(hub)
    assert (f'href="/tasks/{subject}"' in shown, "已谢绝，要另派" in shown) == (True, True)
    hub.county.clock.pass_ms(1_000)
    await hub.send(**due(hub, 42))
    assert f'href="/tasks/{subject}"' not in await visits(hub)


async def test_what_an_office_declined_to_ask_into_is_somebodys_again_once_a_visit_is_sent(hub: Hub):
    """What 另派 leads to sends people; a unit that won't join is asked again beside it."""
    case = hub.cases["田埂地界"]
    inquiry = {"to": TOWN, "purpose": "查档案", "purpose_kind": "inquiry", "due_ms": hub.county.clock() + 9 * DAY_MS}
    asked = (await hub.root.say(RequestTask(id=new_id(), case=case, **inquiry), hub.actor())).subject
    join = (await hub.root.say(ConveneUnits(id=new_id(), case=case, units=[UNIT], purpose="一起看现场"), hub.actor())).subjects[1]
    await hub.root.say(DeclineTask(id=new_id(), task=join, reason="人手不够"), hub.root.actor("department", UNIT))
    await hub.root.desk.arrivals()
    await exchange(hub.root, hub.town)
    await hub.town.say(DeclineTask(id=new_id(), task=linked_id(asked), reason="档案不在这里"), hub.town.actor())
    await exchange(hub.root, hub.town)
    await hub.root.desk.arrivals()
    shown = await visits(hub)
    assert (f'href="/tasks/{asked}"' in shown, f'href="/tasks/{join}"' in shown, shown.count("已谢绝，要另派")) == (True, True, 2)
    hub.county.clock.pass_ms(1_000)
    await hub.send(**due(hub, 42))
    shown = await visits(hub)
    assert (f'href="/tasks/{asked}"' in shown, f'href="/tasks/{join}"' in shown) == (False, True)
    hub.county.clock.pass_ms(1_000)
    await hub.root.say(ConveneUnits(id=new_id(), case=case, units=[UNIT], purpose="一起看现场"), hub.actor())
    assert f'href="/tasks/{join}"' not in await visits(hub)


async def test_a_visit_that_waits_for_a_review_is_told_and_leads_to_its_form(hub: Hub):
    await visits(hub)
    subject = await hub.send(**due(hub, 20))
    await hub.root.say(RecallTask(id=new_id(), task=subject, reason="双方谈好了"), hub.actor())
    await hub.root.say(ReportTask(id=new_id(), task=subject, result="eased", words="已经去过了"), hub.as_cadre())
    page = (await hub.client.get("/today")).text
    shown = section(page, "today-visit-review")
    assert ("走访等核对 <span" in shown, f'href="/tasks/{subject}"' in shown) == (True, True)
    to = re.search(r'href="/reviews#(row-[^"]+)">核对</a>', shown)[1]
    assert f'<li class="line aside" id="{to}">' in (await hub.client.get("/reviews")).text
    assert [one["row"]["subject"] for one in (await hub.get("/today"))["visit_reviews"]] == [subject]
    listed = (await hub.client.get("/cases?view=review")).text
    assert '走访另有 1 件等核对，<a href="/reviews">去核对</a>' in listed
    assert '待核对 <span class="count">1</span>' in listed


def counts_of(page: str) -> dict[str, str]:
    return dict(
        re.findall(
            r'<a href="(/[a-z]+)"[^>]*>[^<]+ <span class="count">(\d+)</span></a>', page.partition('id="nav"')[2].partition("</nav>")[0]
        )
    )


async def test_what_an_office_was_asked_stands_there_until_it_answers_though_there_is_time(hub: Hub):
    await register(hub.root, "国土窗口", "department", UNIT, account="unit")
    await register(hub.root, "国土查阅", "reader", UNIT, account="reader")
    case = hub.cases["田埂地界"]
    before_ms = hub.county.clock() + 9 * DAY_MS
    asks = ConveneUnits(id=new_id(), case=case, units=[UNIT], purpose="带宗地图来", when_ms=before_ms)
    (task,) = set((await hub.root.say(asks, hub.actor())).subjects) - {case}
    await hub.sign_in("unit")
    page = (await hub.client.get("/today")).text
    shown = section(page, "today-requested")
    assert f'<a class="button" href="/tasks/{task}#answer">接单</a>' in shown
    assert ("带宗地图来" in shown, "请来联调" in shown, task in section(page, "today-visits")) == (True, True, False)
    assert counts_of(page) == {"/today": "1", "/tasks": "1"}
    assert 'id="answer"' in (await hub.client.get(f"/tasks/{task}")).text
    hub.county.clock.pass_ms(3 * DAY_MS)
    for account, act in (("reader", f'href="/tasks/{task}">打开'), ("unit", f'href="/tasks/{task}#answer">接单')):
        await hub.sign_in(account)
        page = (await hub.client.get("/today")).text
        assert act in section(page, "today-requested"), account
        assert task not in section(page, "today-visits"), "silent by now, and said once"
    await hub.post(f"/tasks/{task}/ConfirmTask", {"command_id": new_id()})
    page = (await hub.client.get("/today")).text
    assert ('id="today-requested"' in page, counts_of(page)) == (False, {})


async def test_who_is_late_is_urged_from_there_and_one_is_back(hub: Hub):
    subject = await hub.send(**due(hub, 0.5))
    shown = await visits(hub)
    for step in ("UrgeTask", "ReassignTask", "RecallTask"):
        assert f'<a href="/tasks/{subject}/ask/{step}?from=/today"' in shown
    form = {"command_id": new_id(), "text": "今天能到吗", "back": "/today"}
    assert 'name="back" value="/today"' in (await hub.client.get(f"/tasks/{subject}/ask/UrgeTask?from=/today")).text
    said = await hub.client.post(f"/tasks/{subject}/ask/UrgeTask", data=form)
    assert (said.status_code, said.headers["location"]) == (303, "/today")
