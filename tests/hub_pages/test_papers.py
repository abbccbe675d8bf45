"""The other papers of a case's file: filled from what was entered, for the offices that handle the case alone, and blank where nothing was."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from protocol.commands import EndMediation, RecordMediation
from tests.hub_pages.world import Hub, world
from tests.node.desk_kit import new_id
from tests.phone.test_print import read


@pytest.fixture
async def hub(tmp_path) -> AsyncIterator[Hub]:
    async with world(tmp_path) as made:
        await made.sign_in("operator")
        yield made


async def said(hub: Hub, kind: type, subject: str, **told: Any) -> None:
    await hub.root.say(kind(id=new_id(), case=subject, **told), hub.root.actor())


async def offered(hub: Hub, subject: str) -> dict[str, str]:
    """Name of a paper → its address, as the case page offers them."""
    page = await hub.client.get(f"/cases/{subject}")
    parts = page.text.split('id="papers"')[1].split("</section>")[0].split('href="')[1:] if 'id="papers"' in page.text else []
    return {part.split(">")[1].split("<")[0]: part.split('"')[0].replace("&amp;", "&") for part in parts}


async def printed(hub: Hub, address: str) -> str:
    got = await hub.client.get(address)
    assert (got.status_code, got.headers["content-type"]) == (200, "application/pdf"), got.text
    return read(got.content)[0]


async def test_the_file_of_a_mediation_is_printed_as_far_as_it_has_come(hub: Hub):
    subject = hub.cases["田埂地界"]
    there = await offered(hub, subject)
    assert list(there) == ["受理登记表", "权利义务告知书", "调解笔录"]  # of the session that the case began with
    case = await hub.root.reads.case(hub.root.actor(), subject)
    form = await printed(hub, there["受理登记表"])
    for words in (
        "人民调解受理登记表",
        case.code,
        "叶根土，男，1970年生",
        "当事人乙（被申请人）",
        "纠纷简要情况",
        "当事人要求",
        "登记人（签名）",
    ):
        assert words in form, words
    rights = await printed(hub, there["权利义务告知书"])
    for words in (
        "接受调解、拒绝调解或者要求终止调解",
        "如实陈述纠纷事实",
        "不收取任何费用",
        "叶根土、叶根水：",
        "当事人乙（签名或者按指印）",
    ):
        assert words in rights, words
    await said(hub, RecordMediation, subject, account="两家到田边看了界石，各退一步。", present="村主任祝大山", result="go_on")
    await said(hub, EndMediation, subject, reason="叶根水不愿再调。", ways="可以向人民法院起诉。")
    there = await offered(hub, subject)
    assert list(there) == ["受理登记表", "权利义务告知书", "调解笔录", "终止调解通知书"]
    session = await printed(hub, there["调解笔录"])
    for words in ("两家到田边看了界石，各退一步。", "村主任祝大山", "人民调解员（签名）", "核对"):
        assert words in session, words
    ended = await printed(hub, there["终止调解通知书"])
    for words in ("现终止调解", "叶根水不愿再调。", "可以向人民法院起诉。"):
        assert words in ended, words


async def test_an_id_number_stands_in_none_of_them(hub: Hub):
    subject = hub.cases["田埂地界"]
    case = await hub.root.reads.case(hub.root.actor(), subject)
    for address in (await offered(hub, subject)).values():
        text = await printed(hub, address)
        assert not [party.id_number for party in case.parties if party.id_number and party.id_number in text]


async def test_whoever_does_not_handle_the_case_is_offered_none(hub: Hub):
    subject = hub.cases["田埂地界"]
    await hub.sign_in("cadre")
    assert (await hub.client.get(f"/cases/{subject}/papers/intake")).status_code == 404
    await hub.sign_in("operator")
    assert (await hub.client.get(f"/cases/{subject}/papers/nothing")).status_code == 404
    assert (await hub.client.get(f"/cases/{subject}/papers/session?item={quote('nowhere:1/9')}")).status_code == 404


async def test_a_missing_character_is_left_blank_only_when_asked(hub: Hub):
    subject = hub.cases["田埂地界"]
    await said(hub, RecordMediation, subject, account="姓𪚥的也在场。", result="go_on")
    address = (await offered(hub, subject))["调解笔录"]
    got = await hub.client.get(address)
    assert got.status_code == 422
    assert "𪚥" in got.text
    again = got.text.split('class="button main" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "姓＿的也在场" in await printed(hub, again)
