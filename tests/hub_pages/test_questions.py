"""Who asked on a visit and waits is seen wherever the desk looks, until it answers."""

from protocol.commands import ConfirmTask, ReportTask, TellTask
from tests.hub_pages.world import Hub, register
from tests.node.desk_kit import VILLAGE, new_id

MARK, WAITED = "留言待复", "留言待复 · 等了 1 小时"
HTML = {"accept": "text/html"}


async def asked(hub: Hub, title: str = "田埂地界") -> str:
    subject = await hub.send(title)
    await hub.root.say(ConfirmTask(id=new_id(), task=subject), hub.as_cadre())
    await hub.root.say(TellTask(id=new_id(), task=subject, text="户主电话打不通，改明天行吗"), hub.as_cadre())
    hub.county.clock.pass_ms(3_600_000)
    await hub.sign_in("operator")
    return subject


async def marked(hub: Hub) -> dict[str, bool]:
    """Page → whether it says that somebody waits; the help of the page speaks of it too."""
    case = hub.cases["田埂地界"]
    pages = ("/today", "/board", "/cases", "/cases?view=held", "/tasks", f"/cases/{case}")
    return {path: MARK in (await hub.client.get(path, headers=HTML)).text.partition("</main>")[0] for path in pages}


async def refused(hub: Hub, subject: str) -> str:
    """The page with a form that said nothing."""
    said = await hub.client.post(f"/tasks/{subject}/TellTask", data={"command_id": new_id(), "text": " "}, headers=HTML)
    assert said.status_code == 422
    return said.text


async def test_it_is_marked_everywhere_until_it_is_answered(hub: Hub):
    await hub.send("空调外机对着窗")
    assert set((await marked(hub)).values()) == {False}
    subject = await asked(hub)
    assert set((await marked(hub)).values()) == {True}, await marked(hub)
    today = (await hub.client.get("/today", headers=HTML)).text
    assert f'<a class="button" href="/tasks/{subject}#TellTask-text">答复</a>' in today
    assert "户主电话打不通，改明天行吗" in today
    for path in ("/tasks", f"/cases/{hub.cases['田埂地界']}"):
        assert (await hub.client.get(path, headers=HTML)).text.count(WAITED) == 1, path
    listed = (await hub.client.get("/board", headers=HTML)).text.partition('id="board-rows"')[2].partition("</tbody>")[0]
    assert listed.count(MARK) == 1  # of this case, not of the other that somebody visits
    assert "陈立新在等答复：</strong>户主电话打不通，改明天行吗" in await refused(hub, subject)
    await hub.post(f"/tasks/{subject}/TellTask", {"command_id": new_id(), "text": "可以，明天上午去"})
    assert set((await marked(hub)).values()) == {False}
    assert "在等答复" not in (await hub.client.get(f"/tasks/{subject}", headers=HTML)).text + await refused(hub, subject)


async def test_a_visit_that_is_over_waits_for_nothing(hub: Hub):
    subject = await asked(hub)
    await hub.root.say(ReportTask(id=new_id(), task=subject, result="settled", words="电话后来通了"), hub.as_cadre())
    assert set((await marked(hub)).values()) == {False}


async def test_another_office_is_told_whom_he_waits_for_and_has_nothing_to_answer(hub: Hub):
    """It covers the place, so it sees the visit; the question is not its own."""
    await asked(hub)
    await register(hub.root, "王芳", "clerk", VILLAGE, account="clerk")
    await hub.sign_in("clerk")
    page = (await hub.client.get(f"/cases/{hub.cases['田埂地界']}", headers=HTML)).text
    assert (MARK in page, "答复留言" in page) == (False, True)
