"""各地机器 and 连接与台账: who worries most stands on top, with the reason in words and since when."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from protocol import certificate as certificates
from protocol.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from protocol.certificate import Certificate, is_node_id
from protocol.have import Room
from protocol.lane import LaneHead
from protocol.node import room
from protocol.node.config import Config, Metrics
from protocol.node.link.client import LinkState
from protocol.node.link.peers import Peers
from protocol.node.link.pump import PumpState
from protocol.node.machine import Machine
from protocol.node.standing import ACT, CALM, LOOK, span
from protocol.node.version import VERSION
from protocol.node.web.page import COOKIE, LANGUAGE
from protocol.node.web.words import moment, offset
from protocol.problem import Refused
from tests.hub_pages.world import TOP, Hub, world
from tests.node.desk_kit import TOWN, VILLAGE, exchange

SINCE_MS = 1_795_000_000_000


def certificate_of(node: str, path: str, hub: Hub) -> Certificate:
    return certificates.issue(
        hub.county.key,
        node=node,
        name="别的镇",
        key=bytes(32),
        serves=[path],
        covers=[f"{path}/*"],
        short=99,
        valid_from_ms=1,
        branch=path[7:],
    )


class Pump:
    """What the pages ask of the real one, over real Peers and the node's own heads."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.known = hub, Peers(hub.root.signer.certificate)
        for node in (hub.town, hub.village):
            self.known.learn(node.signer.certificate)
        self.heads: dict[str, dict[str, LaneHead]] = {}

    async def load(self) -> "Pump":
        self.heads = {}
        for (ledger, origin), head in (await self.hub.root.journal.heads()).items():
            self.heads.setdefault(ledger, {})[origin] = head
        return self

    def says(
        self,
        node: str,
        ms_ago: int,
        *,
        offset_ms: int = 0,
        version: str = VERSION,
        missing: int = 0,
        speaks: tuple[str, ...] = Machine.speaks,
    ) -> None:
        """`node` said it has all that we have of what it hears, but for the last `missing` entries of each lane."""
        known, now_ms = self.known.get(node), self.hub.county.clock()
        assert known
        known.seen_ms, known.version, known.speaks = now_ms - ms_ago, version, frozenset(speaks)
        known.samples.append(-offset_ms)
        known.lanes = {
            ledger: {origin: (max(0, head.seq - missing), b"") for origin, head in lanes.items()} for ledger, lanes in self.heads.items()
        }

    def peers(self):
        return self.known.shown(self.heads)

    def debts(self, node: str):
        return self.known.debts(node, self.heads)

    def owed(self, ledger: str):
        return self.known.owed(ledger, self.heads.get(ledger, {})) if self.known.counts(ledger) else None

    def state(self) -> PumpState:
        return PumpState(LinkState(True, "127.0.0.1:4222", False, 0, (), ""), {VILLAGE: 7}, (), 0, {}, behind_since={VILLAGE: SINCE_MS})


@pytest.fixture
async def hub(tmp_path) -> AsyncIterator[Hub]:
    async with world(tmp_path) as made:
        await exchange(made.root, made.town, made.village)
        made.pages.pump = await Pump(made).load()
        made.pages.shelf = made.root.shelf
        yield made


async def test_a_village_that_is_silent_and_behind_stands_above_one_that_is_well(hub: Hub):
    hub.pages.pump.says(hub.town.signer.node, 10_000)
    hub.county.clock.pass_ms(2 * DAY_MS)
    hub.pages.pump.says(hub.town.signer.node, 10_000)
    hub.pages.pump.says(hub.village.signer.node, 2 * DAY_MS - HOUR_MS, missing=2)
    await hub.sign_in("operator")
    nodes = await hub.get("/nodes")
    first, second = nodes["rows"]
    assert (first["node"], first["worry"]) == (hub.village.signer.node, ACT)
    said = [reason["said"] for reason in first["reasons"]]
    assert any(words.startswith(f"有 {first['owed']} 条没有收到，最早的等了 2 天") for words in said), said
    assert any(words.startswith("已经 1 天没有消息") for words in said), said
    assert first["owed"] > 0
    assert first["owed_since_ms"] < hub.county.clock() - DAY_MS
    assert (second["node"], second["worry"], second["reasons"]) == (hub.town.signer.node, CALM, [])
    spots = {spot["path"]: spot for spot in nodes["spots"]}
    assert len(spots) == 15
    assert (spots[TOWN]["nodes"], spots[TOWN]["worrying"], spots[TOWN]["tone"]) == (2, 1, "late")
    page = (await hub.client.get("/nodes")).text
    assert page.index(first["node"]) < page.index(second["node"])
    assert "1 台要看" in page


async def test_what_decides_the_order_is_read_in_the_row_on_both_pages(hub: Hub):
    pump, (town, village) = hub.pages.pump, (hub.town.signer.node, hub.village.signer.node)
    hub.county.clock.pass_ms(2 * DAY_MS)
    pump.says(town, 10_000)
    pump.known.get(town).room = Room(90_000, 200_000, True)
    pump.says(village, 2 * DAY_MS - HOUR_MS, missing=2)
    await hub.sign_in("operator")
    first, second = (await hub.get("/nodes"))["rows"]
    assert [(row["node"], row["worry"]) for row in (first, second)] == [(town, ACT), (village, ACT)], (
        "the store is damaged: that can be lost"
    )
    assert (await hub.get("/link"))["standings"] == [first, second]
    assert first["since_ms"] is None
    assert second["since_ms"] == second["owed_since_ms"] < hub.county.clock() - 2 * DAY_MS + HOUR_MS
    for path in ("/nodes", "/link"):
        page = (await hub.client.get(path)).text
        rows = {node: page[page.index(f'id="peer-{node}"') :].partition("</tr>")[0] for node in (town, village)}
        assert page.index(f"peer-{town}") < page.index(f"peer-{village}")
        assert "台账损坏了，存不下新的登记，要人去修" in rows[town] and 'data-label="从何时起"></td>' in rows[town]
        assert f'data-label="从何时起">{moment(second["since_ms"], hub.county.clock())}<' in rows[village]
        assert f'data-label="没收到的">{second["owed"]}<' in rows[village]


async def test_a_wrong_clock_an_old_program_and_what_was_refused_are_said(hub: Hub):
    pump = hub.pages.pump
    pump.says(hub.town.signer.node, 1_000, offset_ms=40_000)
    pump.says(hub.village.signer.node, 1_000, version="0.0.9", speaks=())
    async with hub.root.journal.writing() as w:
        await w.quarantine(hub.village.signer.node, VILLAGE, "nvill2222:1", Refused("signature_wrong"), hub.county.clock() - HOUR_MS)
    await hub.sign_in("operator")
    rows = {row["node"]: row for row in (await hub.get("/nodes"))["rows"]}
    town, village = rows[hub.town.signer.node], rows[hub.village.signer.node]
    assert [(reason["level"], reason["said"]) for reason in town["reasons"]] == [(LOOK, "时钟快 40 秒")]
    said = " ".join(reason["said"] for reason in village["reasons"])
    assert "一天里拒收 1 次" in said
    assert "程序是 0.0.9" in said
    assert "有的步骤它读不懂，升级以后补上：核对另一份记录、转办、答复、核对、" in said
    assert village["refused"] == 1


async def test_a_clock_of_our_own_that_is_wrong_is_said_of_us_and_not_of_all_others(hub: Hub):
    for node in (hub.town, hub.village):
        hub.pages.pump.says(node.signer.node, 1_000, offset_ms=365 * DAY_MS)
    await hub.sign_in("operator")
    told = await hub.get("/nodes")
    assert told["worrying"] == 0 and [row["reasons"] for row in told["rows"]] == [[], []]
    for path in ("/nodes", "/link"):
        page = (await hub.client.get(path)).text
        assert "本机的时钟和多数机器对不上" in page and "慢 365 天" in page and "快 365 天" not in page
        page = (await hub.client.get(path, headers={"cookie": f"{LANGUAGE}=en; {COOKIE}={hub.client.cookies[COOKIE]}"})).text
        assert "The clock of this computer differs from most others" in page and "365 days slow" in page
    hub.pages.pump.says(hub.town.signer.node, 1_000)
    hub.pages.pump.known.get(hub.town.signer.node).samples.clear()
    for path in ("/nodes", "/link"):
        assert "本机的时钟和多数" not in (await hub.client.get(path)).text, "one alone may be the wrong one"


async def test_a_fork_worries_until_somebody_settles_it(hub: Hub):
    hub.pages.pump.says(hub.village.signer.node, 1_000)
    async with hub.root.journal.writing() as w:
        await w.quarantine(hub.village.signer.node, VILLAGE, "nvill2222:1", Refused("lane_fork", lane=VILLAGE, seq=3), 1_000)
    await hub.sign_in("operator")
    row = next(row for row in (await hub.get("/nodes"))["rows"] if row["node"] == hub.village.signer.node)
    assert (row["worry"], row["reasons"][0]["said"]) == (ACT, "同一编号有两份不同的内容，要人处理")
    page = (await hub.client.get("/nodes")).text
    shown = page[page.index(f'id="peer-{hub.village.signer.node}"') :].partition("</tr>")[0]
    assert '<a href="/forks">看两份记录</a>' in shown and page.count("看两份记录") == 1
    page = (await hub.client.get("/quarantine")).text
    assert "同一条号出现两份不同的内容：天子湖镇高禹村 第 3 条，已隔离。" in page, "no code of a place"
    assert '<a href="/forks">看两份记录</a>' in page
    await hub.sign_in("operator")
    hub.client.cookies.set("yidi-language", "en")
    assert '<a href="/forks">See both histories</a>' in (await hub.client.get("/nodes")).text


async def test_a_township_filters_and_revoked_machines_stand_last(hub: Hub):
    hub.pages.pump.known.learn(hub.village.signer.certificate, revoked=True)
    hub.pages.pump.says(hub.town.signer.node, DAY_MS)
    await hub.sign_in("operator")
    rows = (await hub.get(f"/nodes?place={TOWN}"))["rows"]
    assert [(row["revoked"], row["worry"]) for row in rows] == [(False, LOOK), (True, CALM)]
    assert (await hub.get("/nodes?place=330523/330523110"))["total"] == 0
    assert "还没有别的机器" in (await hub.client.get("/nodes?place=330523/330523110")).text


async def test_the_title_the_versions_and_the_tile_count_the_same_machines(hub: Hub):
    """Those that are listed and not put out; of the township that was asked for where one was."""
    pump, other = hub.pages.pump, certificate_of("nmeixi222", "330523/330523110", hub)
    pump.known.learn(other)
    pump.known.learn(hub.village.signer.certificate, revoked=True)
    pump.says(hub.town.signer.node, 1_000)
    pump.says(other.node, 1_000, version="0.2.0")
    await hub.sign_in("operator")
    for asked, versions in (("", [[VERSION, 1], ["0.2.0", 1]]), (f"?place={TOWN}", [[VERSION, 1]])):
        told, page = await hub.get(f"/nodes{asked}"), (await hub.client.get(f"/nodes{asked}")).text
        assert told["total"] == sum(count for _, count in told["versions"]) and sorted(told["versions"]) == sorted(versions)
        assert told["put_out"] == 1 and len(told["rows"]) == told["total"] + 1
        assert f"{told['total']} 台" in page.partition("<h1>")[2] and "另有 1 台已停用" in page
        assert next(spot["nodes"] for spot in told["spots"] if spot["path"] == TOWN) == 1


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (None, "不知道"),
        (2_900, "准"),
        (-40_000, "慢 40 秒"),
        (7 * MINUTE_MS, "快 7 分钟"),
        (-365 * DAY_MS, "慢 365 天"),
        (5 * HOUR_MS, "快 5 小时"),
    ],
)
def test_how_far_a_clock_is_off_is_said_in_its_largest_unit(ms: int | None, said: str):
    assert offset(ms) == said


async def test_who_sees_no_case_sees_no_machines(hub: Hub):
    await hub.sign_in("discipline")
    await hub.get("/nodes", 404)
    await hub.sign_in("admin")
    assert all(is_node_id(row["node"]) for row in (await hub.get("/nodes"))["rows"])


async def test_what_is_missing_here_is_named_on_the_link_page(hub: Hub):
    await hub.sign_in("operator")
    assert (await hub.get("/link"))["behind"] == {VILLAGE: 7}
    page = (await hub.client.get("/link")).text
    assert re.search(r'data-label="还差">7 条</td><td[^>]*>([^<]+)', page)[1] == moment(SINCE_MS, hub.root.clock())
    ledger = page[page.index('id="ledger-330523-330523111-330523111217"') :]
    lanes = [lane for lane, head in (await hub.root.journal.heads(VILLAGE)).items() if head.seq]
    assert re.search(r'data-label="几台机器写的">(\d+)<', ledger)[1] == str(len(lanes))


async def test_a_disk_that_is_nearly_full_is_said(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    await hub.sign_in("operator")
    hub.pages.folder = tmp_path
    for free, tight in ((2**30 - 1, True), (2**30, False)):
        monkeypatch.setattr(room.shutil, "disk_usage", lambda _path, free=free: SimpleNamespace(free=free, total=10**12, used=0))
        assert ("快满了" in (await hub.client.get("/link")).text) == tight


async def test_a_machine_whose_disk_is_nearly_full_stands_on_top_and_one_that_never_said_is_calm(hub: Hub):
    pump, (town, village) = hub.pages.pump, (hub.town.signer.node, hub.village.signer.node)
    pump.says(town, 1_000, version="0.2.0")
    pump.says(village, 1_000)
    pump.known.get(village).room = Room(1023, 200_000)
    await hub.sign_in("operator")
    first, second = (await hub.get("/nodes"))["rows"]
    assert (first["node"], first["worry"], first["reasons"]) == (village, ACT, [{"level": ACT, "said": "磁盘快满了，只剩 1023 兆"}])
    assert (first["room"], second["room"]) == ({"free_mib": 1023, "total_mib": 200_000}, None)
    hub.pages.config = Config(metrics=Metrics(token="a-token-of-16-chars"))
    said = (await hub.client.get("/metrics", headers={"authorization": "Bearer a-token-of-16-chars"})).text
    assert "\nyidi_peers_disk_tight 1.0\n" in said
    pump.known.get(village).room = Room(3, 200_000)
    assert (await hub.get("/nodes"))["rows"][0]["reasons"][0]["said"] == "磁盘满了，存不下新的登记"
    pump.known.get(village).room = Room(1024, 200_000)
    assert (await hub.get("/nodes"))["rows"][0]["node"] == town, "the older program; the disk has room"
    for path in ("/nodes", "/link"):
        assert re.search(r'data-label="磁盘还剩">1.0 GB<', (await hub.client.get(path)).text)


async def test_health_tells_when_nothing_can_be_saved(hub: Hub, tmp_path):
    assert (await hub.get("/healthz"))["status"] == "ok"
    for stopped, why in (("store_busy", "reopening"), ("node_revoked", "node_revoked"), ("node_forked", "node_forked")):
        hub.pages.stopped = lambda stopped=stopped: stopped
        said = await hub.get("/healthz", 503)
        assert (said["status"], said["why"]) == ("failing", [why])
    hub.pages.stopped = lambda: ""
    hub.pages.gate = SimpleNamespace(is_waiting=True)
    assert [(await hub.get("/healthz"))[name] for name in ("why", "waits")] == [[], True]
    hub.pages.gate = SimpleNamespace(is_waiting=False)
    assert (await hub.get("/healthz"))["waits"] is False
    hub.root.journal.damaged = True
    for stopped in ("", "store_damaged"):  # the latter as a node says it
        hub.pages.stopped = lambda stopped=stopped: stopped
        said = await hub.get("/healthz", 503)
        assert (said["store"], said["why"]) == ("damaged", ["store_damaged"])


async def test_metrics_are_for_the_token_alone_and_name_no_sealed_ledger(hub: Hub):
    assert (await hub.client.get("/metrics")).status_code == 404
    hub.pages.config = Config(metrics=Metrics(token="a-token-of-16-chars"))
    assert (await hub.client.get("/metrics", headers={"authorization": "Bearer wrong"})).status_code == 404
    await hub.sign_in("operator")
    await hub.get("/board")
    said = await hub.client.get("/metrics", headers={"authorization": "Bearer a-token-of-16-chars"})
    assert said.status_code == 200
    figures = dict(line.rsplit(" ", 1) for line in said.text.splitlines() if not line.startswith("#"))
    assert figures["yidi_up"] == "1.0"
    assert float(figures["yidi_entries"]) > 10
    assert float(figures['yidi_seconds_count{what="save"}']) > 0
    assert float(figures['yidi_seconds_count{what="page"}']) > 0
    assert figures['yidi_seconds_bucket{le="+Inf",what="admit"}'] == figures['yidi_seconds_count{what="admit"}']
    state = hub.pages.pump.state()
    behind = {VILLAGE: 2, f"{TOP}/sealed/{hub.village.signer.node}": 3}
    hub.pages.pump.state = lambda: msgspec.structs.replace(state, behind=behind)
    said = await hub.client.get("/metrics", headers={"authorization": "Bearer a-token-of-16-chars"})
    assert "\nyidi_behind_entries 2.0\n" in said.text


def test_a_span_is_said_in_its_largest_unit():
    assert [span(ms) for ms in (500, 59_000, 61_000, HOUR_MS, 50 * HOUR_MS)] == ["1 秒", "59 秒", "1 分钟", "1 小时", "2 天"]
