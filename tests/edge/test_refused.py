"""What a node refused is seen by its own people, and by nobody else would it be; of what is sealed only who may know of it learns anything."""

import re

import httpx
import pytest

from edge.web.pages import edge_app
from hub.web.pages import app as hub_app
from protocol.calendar import HOUR_MS
from protocol.node.link.peers import Peer
from protocol.node.web.page import LANGUAGE
from protocol.problem import Refused
from tests.edge.pages_kit import JSON, at, section
from tests.edge.rig import PASSWORD, Rig
from tests.node.desk_kit import VILLAGE, add_person

STRANGER, SAMPLE, QUOTED = "nfarr2222", "王小明的电话 13800001234", "王小明"
SEALED = f"330523/sealed/{STRANGER}"


async def refuse(rig: Rig, kind: str, ledger: str, refused: Refused, node: str = STRANGER, origin: str = "") -> None:
    async with rig.nodes[kind].journal.writing() as w:
        await w.quarantine(node, ledger, origin or f"{node}:1", refused, rig.county.clock(), SAMPLE.encode())


async def browser(rig: Rig, kind: str, post: str) -> httpx.AsyncClient:
    """Somebody with this post, at the pages of this node."""
    node = rig.nodes[kind]
    person, _ = await add_person(node.node, "章秀兰", post)
    await node.people.add_account(post, person, PASSWORD, rig.county.clock())
    app = hub_app(node) if kind == "root" else edge_app(node)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk")
    assert (await client.post("/sign-in", data={"name": post, "password": PASSWORD})).status_code == 303
    return client


async def test_a_clerk_sees_from_whom_of_which_ledger_why_how_often_since_when_and_what_to_do(rig: Rig):
    town = rig.nodes["town"].certificate.node
    await refuse(rig, "village", VILLAGE, Refused("batch_malformed", why=QUOTED), town, f"{town}:1")
    rig.county.clock.pass_ms(2 * HOUR_MS)
    await refuse(rig, "village", VILLAGE, Refused("batch_malformed", why=QUOTED), town, f"{town}:2")
    await refuse(rig, "village", "", Refused("signature_wrong"))
    async with at(rig, "village") as client:
        page = (await client.get("/link")).text
        shown = re.sub(r"<[^>]+>", " ", section(page, "refused"))
        rows = (await client.get("/link", headers=JSON)).json()["refused"]
    assert [(row["node"], row["ledger"], row["code"], row["count"]) for row in rows] == [
        (STRANGER, "", "signature_wrong", 1),
        (town, VILLAGE, "batch_malformed", 2),
    ]
    assert (rows[1]["name"], rows[1]["last_ms"] - rows[1]["first_ms"]) == ("town", 2 * HOUR_MS)
    for words in (
        "town",
        town,
        "天子湖镇高禹村",
        "内容不合格式",
        "次数还在增加",
        STRANGER,
        "看不出是哪本",
        "签名不对",
        "告诉县里的系统管理员",
    ):
        assert words in shown, words
    assert rig.nodes["village"].certificate.node in shown and 'href="#refused"' in page
    assert QUOTED not in page and "13800001234" not in page, "no word of what came"


async def test_where_nothing_was_refused_the_page_says_nothing_of_it(rig: Rig):
    async with at(rig, "village") as client:
        page = (await client.get("/link")).text
        assert (
            "没有收下的数据" not in page
            and 'id="refused"' not in page
            and (await client.get("/link", headers=JSON)).json()["refused"] == []
        )


@pytest.mark.parametrize("post", ["clerk", "mediator", "officer", "admin"])
async def test_nobody_at_a_village_sees_a_hint_of_what_is_sealed(rig: Rig, post: str):
    known = Peer(STRANGER, "外县", (), (), rig.county.clock(), 0, "", False)
    rig.nodes["village"].pump.peers = lambda: [known]
    client = await browser(rig, "village", post)
    before = [(await client.get(path)).text for path in ("/link", "/stick")]
    twin = (await client.get("/link", headers=JSON)).json()
    await refuse(rig, "village", SEALED, Refused("lane_fork", lane=SEALED, seq=3))
    assert [(await client.get(path)).text for path in ("/link", "/stick")] == before
    assert (await client.get("/link", headers=JSON)).json() == twin
    await refuse(rig, "village", VILLAGE, Refused("lane_foreign", ledger=SEALED))
    page, said = (await client.get("/link")).text, (await client.get("/link", headers=JSON)).text
    assert "不归本机的台账" in page and "sealed" not in page + said and "密封台账" not in section(page, "refused")
    await client.aclose()


@pytest.mark.parametrize(("post", "path"), [("admin", "/link"), ("discipline", "/sealed")])
async def test_who_may_know_learns_that_something_sealed_was_refused_and_no_more(rig: Rig, post: str, path: str):
    client = await browser(rig, "root", post)
    await refuse(rig, "root", SEALED, Refused("lane_fork", lane=SEALED, seq=3))
    await refuse(rig, "root", SEALED.replace(STRANGER, "nelse2222"), Refused("signature_wrong"), "nelse2222")
    for page in ((await client.get(path)).text, (await client.get(path, headers=JSON)).text):
        assert "密封内容没有收下" in page
        assert not [word for word in (STRANGER, "nelse2222", "签名", "两份不同的内容", SAMPLE) if word in page]
    assert '"count":2' in (await client.get(path, headers=JSON)).text.replace(" ", "")
    client.cookies.set(LANGUAGE, "en")
    assert "look at the log of this computer" in (await client.get(path)).text
    await client.aclose()


async def test_the_operator_of_the_county_sees_whole_sentences_and_nothing_sealed(rig: Rig):
    await refuse(rig, "root", VILLAGE, Refused("office_not_served", office=VILLAGE))
    await refuse(rig, "root", SEALED, Refused("signature_wrong"), "nelse2222")
    client = await browser(rig, "root", "operator")
    page = (await client.get("/link")).text
    assert f"发送方替它不服务的单位写了条目：{VILLAGE}。" in page
    assert not [word for word in ("nelse2222", "签名", "密封台账") if word in section(page, "refused")]
    assert [row["code"] for row in (await client.get("/quarantine", headers=JSON)).json()["rows"]] == ["office_not_served"]
    await client.aclose()


async def test_who_is_enrolled_nowhere_is_named_so(rig: Rig):
    await refuse(rig, "root", "", Refused("frame_broken"), "?")
    client = await browser(rig, "root", "admin")
    for language, stranger, ledger in (("zh", "没有登记的机器", "看不出是哪本"), ("en", "not enrolled", "cannot be told")):
        client.cookies.set(LANGUAGE, language)
        for path in ("/link", "/quarantine"):
            text = (await client.get(path)).text
            assert stranger in text and ledger in text, path
    await client.aclose()
