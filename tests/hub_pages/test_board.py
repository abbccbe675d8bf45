"""The operator's home: figures that filter, the worst clock first, and what each post is led to instead."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.calendar import DAY_MS
from protocol.commands import SealDispute
from protocol.node.web.masking import masked_title
from protocol.problem import Refused
from tests.hub_pages.world import Hub, world
from tests.node.desk_kit import VILLAGE, exchange, new_id


@pytest.fixture
async def hub(tmp_path) -> AsyncIterator[Hub]:
    async with world(tmp_path) as made:
        yield made


async def test_the_list_has_the_worst_clock_first_and_every_figure_filters_it(hub: Hub):
    hub.county.clock.pass_ms(5 * DAY_MS)
    await hub.sign_in("operator")
    board = await hub.get("/board")
    dues = [row["due_ms"] for row in board["rows"]]
    assert len(dues) == 7
    assert dues == sorted(dues)
    assert board["rows"][0]["due_ms"] < hub.county.clock()
    figures = {name: count for name, _, count in board["figures"]}
    assert (figures["incoming"], figures["held"], figures["open"]) == (1, 6, 7)
    for name, count in figures.items():
        assert (await hub.get(f"/board?figure={name}"))["total"] == count


async def test_a_tile_filters_by_township_and_its_numbers_are_those_of_the_list(hub: Hub):
    await hub.sign_in("operator")
    tiles = {tile["name"]: tile for tile in (await hub.get("/board"))["tiles"]}
    assert len(tiles) == 15
    assert (tiles["天子湖镇"]["open"], tiles["梅溪镇"]["open"], tiles["山川乡"]["open"]) == (4, 3, 0)
    assert len({(tile["column"], tile["row"]) for tile in tiles.values()}) == 15  # no two on one spot
    assert all(tile["column"] for tile in tiles.values())
    inside = await hub.get(f"/board?place={tiles['天子湖镇']['path']}")
    assert inside["total"] == 4
    assert {row["ledger"] for row in inside["rows"]} == {VILLAGE}


async def test_names_on_the_board_are_masked(hub: Hub):
    await hub.sign_in("operator")
    page = (await hub.client.get("/board")).text
    assert "叶*土" in page
    assert "叶根土" not in page


async def test_a_page_that_is_there_no_more_is_the_last_one(hub: Hub):
    """On page 2 somebody closes what stood there."""
    await hub.sign_in("operator")
    page = (await hub.client.get("/board?page=2")).text
    assert "这里没有要看的纠纷" not in page
    assert "叶*土" in page
    assert "叶根土" in (await hub.client.get("/cases?page=7")).text


async def test_an_operator_takes_up_from_the_board(hub: Hub):
    await hub.sign_in("operator")
    page = (await hub.client.get("/board?figure=incoming")).text
    action = f"/cases/{hub.cases['水渠清淤']}/TakeUpDispute"
    assert action in page
    assert "这件改由安吉县社会治理中心负责，承办人是您" in page
    assert 'title="天子湖镇综治中心送来；受领后由安吉县社会治理中心负责' in page
    done = await hub.client.post(action, data={"command_id": new_id()}, follow_redirects=True)
    assert "受领：已存本机。 <span>现在由安吉县社会治理中心负责；要交回去，用“交办”。</span>" in done.text
    assert 'id="step-HandDownDispute"' in done.text  # the way back is there
    assert "承办人是您" not in (await hub.client.get("/board")).text  # nothing to take up any more
    assert (await hub.get("/board?figure=incoming"))["total"] == 0
    assert (await hub.get("/board?figure=held"))["total"] == 7


@pytest.mark.parametrize(("who", "home"), [("operator", "/board"), ("admin", "/people"), ("discipline", "/sealed"), ("cadre", "/task")])
async def test_everyone_is_led_to_the_page_of_their_post(hub: Hub, who: str, home: str):
    await hub.sign_in(who)
    said = await hub.client.get("/", follow_redirects=True)
    assert said.status_code == 200
    assert said.url.path == home


async def test_a_sealed_report_is_read_by_the_discipline_post_alone_and_shows_nowhere_else(hub: Hub):
    clerk = hub.village.actor()
    told = SealDispute(id=new_id(), account="有人说青苗费发到了别人的卡上。", accused="某干部", accuser="不愿透露")
    receipt = (await hub.village.say(told, clerk)).receipt
    await exchange(hub.village, hub.root)
    await hub.sign_in("operator")
    assert (await hub.get("/sealed", 403))["code"] == "not_allowed"
    seen = "".join([(await hub.client.get(path)).text for path in ("/board", "/cases", "/tasks", "/quarantine", "/people")])
    assert "青苗费" not in seen
    assert receipt not in seen
    assert (await hub.get("/board"))["total"] == 7
    await hub.sign_in("discipline")
    reports = (await hub.get("/sealed"))["reports"]
    assert [report["account"] for report in reports] == ["有人说青苗费发到了别人的卡上。"]
    assert "青苗费" in (await hub.client.get("/sealed")).text
    assert (await hub.client.get("/board")).status_code == 303


async def test_a_refused_batch_is_shown_with_its_reason_and_its_count(hub: Hub):
    for _ in range(3):
        async with hub.root.journal.writing() as w:
            await w.quarantine("nfarr2222", VILLAGE, "nfarr2222:1", Refused("signature_wrong"), hub.county.clock())
    await hub.sign_in("operator")
    rows = (await hub.get("/quarantine"))["rows"]
    assert [(row["node"], row["sentence"], row["count"]) for row in rows] == [("nfarr2222", "签名不对，拒收。", 3)]
    page = (await hub.client.get("/quarantine")).text
    assert "签名不对，拒收。" in page
    assert "天子湖镇高禹村" in page
    await hub.sign_in("cadre")
    assert (await hub.get("/quarantine", 403))["code"] == "not_allowed"


@pytest.mark.parametrize(
    ("parties", "title", "shown"),
    [
        ("王小明等23人", "王小明等23人与某某工地工资纠纷", "王*明等23人与某某工地工资纠纷"),
        ("王小明等23人、查小满", "王小明反映的工资纠纷", "王*明反映的工资纠纷"),
        ("买买提•艾力", "", "买****力"),
        ("阿依古丽热合曼", "", "阿*****曼"),
        ("欧阳小明（代）", "欧阳小明（代）反映的通行纠纷", "欧**明（代）反映的通行纠纷"),
        ("鑫源竹制品厂、张三", "", "鑫源竹制品厂、张*"),
        ("浙江某某（集团）有限公司", "", "浙江某某（集团）有限公司"),
        ("王小明（王大明）", "王小明（王大明）与张三的纠纷", "王*明（*）与张三的纠纷"),
        ("王小明（父）、李四(法定代理人)", "", "王*明（父）、李*(法定代理人)"),
        ("王小明（父王大明，住高禹村）", "", "王*明（*）"),
        ("王小明等3人（代表王大明）", "", "王*明等3人（*）"),
        ("王小明（代）等3人", "", "王*明（代）等3人"),
        ("王小明（代）（王大明）", "", "王*明（代）（*）"),
        ("王小明（安吉县鑫源竹制品厂）", "", "王*明（安吉县鑫源竹制品厂）"),
        ("安吉县鑫源竹制品厂（王大明）", "安吉县鑫源竹制品厂欠薪", "安吉县鑫源竹制品厂欠薪"),
        ("安吉县鑫源竹制品厂（法定代表人王大明）", "", "安吉县鑫源竹制品厂（*）"),
        ("安吉县鑫源竹制品厂（筹）", "", "安吉县鑫源竹制品厂（筹）"),
        ("安吉县高等职业学校", "", "安吉县高等职业学校"),
    ],
)
def test_every_name_of_a_person_is_masked_however_it_is_written(parties: str, title: str, shown: str):
    row: Any = SimpleNamespace(parties=parties, title=title)
    assert masked_title(row) == shown


async def test_what_is_taken_up_in_the_list_is_said_there_and_so_is_why_it_could_not_be(hub: Hub):
    await hub.sign_in("operator")
    path = f"/cases/{hub.cases['水渠清淤']}/TakeUpDispute"
    form, htmx = {"command_id": new_id(), "from": "list"}, {"HX-Request": "true"}
    done = await hub.client.post(path, data=form, headers=htmx)
    assert (done.status_code, done.headers.get("HX-Retarget")) == (200, None)  # in the place that the form names
    assert "受领：水渠清淤 宣*宝" in done.text  # others see the screen too
    assert "现在由安吉县社会治理中心负责" in done.text
    again = await hub.client.post(path, data=form, headers=htmx)
    assert (again.status_code, again.text) == (200, done.text)
    late = await hub.client.post(path, data={**form, "command_id": new_id()}, headers=htmx)
    assert late.status_code == 409
    assert "没有等您受领的上报或交办" in late.text
    assert "水渠清淤 宣*宝" in late.text
    assert "<form" not in late.text  # the form stands in the list
    plain = await hub.client.post(path, data=form)
    assert (plain.status_code, plain.headers["location"]) == (303, path.replace("/TakeUpDispute", "?said=TakeUpDispute"))
