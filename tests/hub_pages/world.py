"""A real small county behind the pages: SQLCipher journals, the real desk and reads, people who sign in with passwords.

async with world(tmp_path) as hub: hub.client is an httpx client; await hub.sign_in("operator").
with served(folder) as (url, hub, run): the same app behind a real port, for a browser.
"""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import uvicorn

from deploy.nats.servers import free_ports
from hub.web.pages import app
from protocol.calendar import DAY_MS
from protocol.commands import AcceptDispute, EscalateDispute, HandDownDispute, LogDispute, Party, RecordMediation, TakeUpDispute
from protocol.events import Actor
from protocol.node.config import Config
from tests.kit.browser import leave_pages
from tests.kit.source import ROOT
from tests.node.desk_kit import ROOT as TOP
from tests.node.desk_kit import TOWN, VILLAGE, County, Node, add_person, exchange, new_id, person_id

PASSWORD = "长一点的口令 2026"
JSON = {"accept": "application/json"}
DIST = ROOT / "hub/web/dist"
OTHER_VILLAGE = "330523/330523110/330523110201"
MATTERS = (
    ("0204", "田埂地界", "两家的菜地中间一条田埂，一家说往东挪了半尺，吵了两回。", "叶根土", "叶根水"),
    ("1002", "工钱没结清", "去年秋天在工地做小工四十天，包工头说甲方没付款，一直拖着。", "查小满", "卫建工"),
    ("0202", "空调外机对着窗", "楼下装的空调外机正对卧室窗，夏天热风直吹，说了几次不肯移。", "屠秀兰", "晏家强"),
    ("0301", "老宅地基", "兄弟分家后老宅翻建，弟弟多占了约二十平米宅基地。", "游长根", "游长青"),
    ("1501", "物业费三年没交", "业主嫌电梯老坏，三年没交物业费，物业停了门禁卡。", "安居物业", "柏大海"),
    ("0701", "承包地互换", "十年前口头换的承包地，现在一方要种白茶想换回来。", "储来发", "冉阿毛"),
)


class HubNode:
    """A node of the test county as the pages want one; no pump, so it reads 离线."""

    def __init__(self, node: Node, name: str) -> None:
        self.node, self.name, self.pump, self.servers = node, name, None, []
        self.desk, self.reads, self.people, self.blobs, self.wake = node.desk, node.reads, node.people, node.blobs, node.wake
        self.journal, self.certificate, self.config, self.uploads = node.journal, node.signer.certificate, Config(), node.uploads
        self.recovering, self.admission, self.unsaved = node.recovering, node.admission, node.unsaved
        self.push = node.push

    @property
    def made_up(self) -> bool:
        return self.config.demo.made_up

    def tables(self) -> Any:
        return self.node.shelf()

    def clock(self) -> int:
        return self.node.clock()


class Hub:
    """county, root, village: real nodes · app: the hub's application · cases: subjects by title."""

    def __init__(self, county: County, root: Node, town: Node, village: Node) -> None:
        self.county, self.root, self.town, self.village = county, root, town, village
        self.pages = HubNode(root, "安吉县社会治理中心")
        self.app = app(self.pages, DIST)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://hub.test")
        self.cases: dict[str, str] = {}
        self.cadre = ""

    async def sign_in(self, name: str) -> None:
        said = await self.client.post("/sign-in", data={"name": name, "password": PASSWORD}, headers=JSON)
        assert said.status_code == 200, said.text

    def actor(self, kind: str = "operator") -> Actor:
        return self.root.actor(kind, TOP, person_id(f"{kind}-person"))

    def as_cadre(self) -> Actor:
        """Whose phone is at home here."""
        return self.root.actor("cadre", TOP, self.cadre)

    async def person(self, name: str) -> str:
        return next(row["person"] for row in (await self.get("/people"))["people"] if row["name"] == name)

    async def get(self, path: str, status: int = 200) -> Any:
        """The JSON twin of a page."""
        said = await self.client.get(path, headers=JSON)
        assert said.status_code == status, f"{path}: {said.status_code} {said.text[:400]}"
        return said.json()

    async def post(self, path: str, form: dict[str, Any], status: int = 200) -> Any:
        said = await self.client.post(path, data=form, headers=JSON)
        assert said.status_code == status, f"{path}: {said.status_code} {said.text[:400]}"
        return said.json()

    async def send(self, title: str = "田埂地界", **more: Any) -> str:
        """A task of this case, by the operator, for the cadre whose phone is at home here."""
        due_ms = self.county.clock() + 2 * DAY_MS
        form = {"command_id": new_id(), "cadre": self.cadre, "purpose": f"上门：{title}", "due_ms": str(due_ms), "contact": ["0"], **more}
        return (await self.post(f"/cases/{self.cases[title]}/AssignTask", form, 201))["subjects"][0]

    async def handed_down(self, title: str) -> str:
        """A case that the county sent somebody for is the township's now."""
        subject, officer = self.cases[title], self.actor()
        await self.root.say(HandDownDispute(id=new_id(), case=subject, to=TOWN, due="2026-12-31", reason="请就近办理"), officer)
        await exchange(self.root, self.town)
        await self.town.say(TakeUpDispute(id=new_id(), case=subject), self.town.actor())
        await exchange(self.root, self.town)
        return subject

    async def second_node_has_it(self) -> None:
        """The village takes what is here, and its receipt comes back."""
        await exchange(self.root, self.village)
        for ledger in await self.village.journal.ledgers():
            lanes = await self.village.journal.lanes(ledger)
            async with self.root.journal.writing() as w:
                await w.set_haves({(self.village.signer.node, ledger): (lanes, self.county.clock(), b"")})
        self.root.wake.heard()


async def register(node: Node, name: str, kind: str, office: str, home: str = "", account: str = "") -> str:
    person, _ = await add_person(node, name, kind, office=office, home=home)
    if account:
        await node.people.add_account(account, person, PASSWORD, node.clock())
    return person


async def nodes_known(*nodes: Node) -> None:
    """Every node's certificate stands in *common*, as enrolment leaves it."""
    root = next(node for node in nodes if node.kind == "root")
    for node in nodes:
        await root.desk.enrol_node(node.signer.certificate)
    await exchange(*nodes)


async def settle(hub: Hub) -> None:
    """The matters: logged in two townships, some taken up, one offered to the county, one held by it."""
    root, officer = hub.root, hub.root.actor("operator", TOP)
    for n, (type_, title, account, first, second) in enumerate(MATTERS):
        ledger = VILLAGE if n % 2 == 0 else OTHER_VILLAGE
        parties = [Party(first, phone="13800000000", sex="1", birth_year=1970), Party(second, side="respondent", phone="13900000000")]
        logged = LogDispute(id=new_id(), ledger=ledger, type=type_, account=account, parties=parties, title=title, place_text="三组")
        hub.cases[title] = (await root.say(logged, officer)).subject
    await root.say(AcceptDispute(id=new_id(), case=hub.cases["田埂地界"]), officer)
    await root.say(RecordMediation(id=new_id(), case=hub.cases["田埂地界"], account="头一回谈，各说各的。", result="go_on"), officer)


async def offer_from_below(hub: Hub) -> str:
    """A village's case that was offered as far as the county and waits to be taken up."""
    village, town, root = hub.village, hub.town, hub.root
    clerk, officer = village.actor(), town.actor()
    logged = LogDispute(
        id=new_id(), ledger=VILLAGE, type="0204", account="水渠堵了，两家为清淤费争执。", parties=[Party("宣小宝")], title="水渠清淤"
    )
    subject = (await village.say(logged, clerk)).subject
    await village.say(EscalateDispute(id=new_id(), case=subject, to=TOWN, reason="谈了两回没谈拢"), clerk)
    await exchange(village, town)
    await town.say(TakeUpDispute(id=new_id(), case=subject), officer)
    await town.say(EscalateDispute(id=new_id(), case=subject, to=TOP, reason="牵涉水利站"), officer)
    await exchange(village, town, root)
    await root.desk.arrivals()
    hub.cases["水渠清淤"] = subject
    return subject


class Kept(NamedTuple):
    """The county as it was made once; each test gets a copy of its folder, which is four times as fast."""

    folder: tempfile.TemporaryDirectory[str]
    now_ms: int
    cases: dict[str, str]
    cadre: str


_kept: list[Kept] = []


async def opened(folder: Path) -> Hub:
    county = County(folder)
    return Hub(county, *[await county.node(kind) for kind in ("root", "town", "village")])


async def make() -> Kept:
    folder = tempfile.TemporaryDirectory()
    hub = await opened(Path(folder.name))
    root = hub.root
    await nodes_known(root, hub.town, hub.village)
    await register(root, "卞主任", "operator", TOP, account="operator")
    await register(root, "管理员", "admin", TOP, account="admin")
    await register(root, "纪检专岗", "discipline", TOP, account="discipline")
    cadre = await register(root, "陈立新", "cadre", TOP, home="nroot2222", account="cadre")
    await register(root, "穆青", "cadre", TOP, home="nroot2222", account="other")
    await register(root, "周敏", "cadre", TOWN, home="ntown2222")
    await settle(hub)
    await offer_from_below(hub)
    await hub.county.close()
    return Kept(folder, hub.county.clock(), hub.cases, cadre)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[Hub]:
    if not _kept:
        _kept.append(await make())
    kept = _kept[0]
    shutil.copytree(kept.folder.name, folder, dirs_exist_ok=True)
    hub = await opened(folder)
    hub.county.clock.now_ms, hub.cases, hub.cadre = kept.now_ms, dict(kept.cases), kept.cadre
    try:
        yield hub
        await hub.client.aclose()
    finally:
        await hub.county.close()


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, Hub, Callable[[Any], Any]]]:
    """(url, hub, run): the hub's app on a port of the loopback, in a loop of its own; run(coroutine) goes into that loop."""
    port, ready, made, loop = free_ports(1)[0], threading.Event(), [], asyncio.new_event_loop()

    async def main() -> None:
        async with world(folder) as hub:
            server = uvicorn.Server(uvicorn.Config(hub.app, port=port, log_level="warning", timeout_graceful_shutdown=1))
            made.extend([server, hub])
            serving = asyncio.create_task(server.serve())
            while not server.started:
                await asyncio.sleep(0.02)
            ready.set()
            await serving

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    assert ready.wait(30), "the server did not start"
    try:
        yield f"http://127.0.0.1:{port}", made[1], lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)
    finally:
        leave_pages()
        made[0].should_exit = True
        thread.join(60)
        loop.close()
