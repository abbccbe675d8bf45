"""A clerk without a network carries files by hand, from the pages alone: what comes twice, too early, torn or from elsewhere does no harm."""

import asyncio
import errno
import html
import re
from contextlib import asynccontextmanager

import httpx
import pytest

from edge.web.pages import edge_app
from hub.web.pages import app as hub_app
from protocol import bundle
from protocol.certificate import sealed_ledger
from protocol.commands import AddEvidence, Blob, SealDispute
from protocol.node import sticks
from protocol.node.node import Node, now_ms
from protocol.node.web import sticks as stick_pages
from protocol.problem import Refused
from tests.link.kit import TOWN, V1, V2
from tests.link.test_whole_nodes import Whole, actor, dispute, new_id

JSON = {"Accept": "application/json"}
PASSWORD = "diao-jie-2026"


@asynccontextmanager
async def at(whole: Whole, node: Node, kind: str = "clerk"):
    """A signed-in browser at a node's pages."""
    name = f"account{len(await node.people.accounts())}"
    person = await whole.person(node.office, name, kind) if node is whole.hub else None
    if person is None:
        rows = await node.journal.rows("post_row", "ledger = :o and kind = :k", {"o": node.office, "k": kind})
        person = rows[0]["subject"]
    await node.people.add_account(name, person, PASSWORD, now_ms())
    web = hub_app(node) if node is whole.hub else edge_app(node)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://desk") as client:
        assert (await client.post("/sign-in", data={"name": name, "password": PASSWORD})).status_code == 303
        yield client


async def done(client) -> dict:
    for _ in range(400):
        job = (await client.get("/stick/job", headers=JSON)).json()["job"]
        if not job["running"]:
            return job
        await asyncio.sleep(0.02)
    raise AssertionError("it never ends")


async def exported(client, to: str, **form) -> list[bytes]:
    got = await client.post("/stick/export", data={"to": to, "files": "on", **form}, headers=JSON)
    assert got.status_code == 200, got.text
    job = await done(client)
    assert not job["error"], job
    return [(await client.get(f"/stick/files/{name}")).content for name in job["parts"]]


async def imported(client, raw: bytes) -> dict:
    got = await client.post("/stick/import", files={"file": ("优盘.yidi", raw, "application/octet-stream")}, headers=JSON)
    assert got.status_code == 200, got.text
    return await done(client)


async def off(whole: Whole) -> None:
    await whole.server.stop()
    if whole.leaf:
        await whole.leaf.stop()


async def photographed(village: Node) -> Blob:
    """Evidence of a case there, in four pieces."""
    case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    blob = await village.blobs.put(b"\xff\xd8\xff" + bytes(900_000), "田埂.jpg", "image/jpeg")
    await village.desk.submit(AddEvidence(id=new_id(), case=case, blob=blob), actor(village, "clerk"))
    return blob


async def test_a_clerks_weeks_of_work_go_up_and_the_countys_words_come_down_by_hand(whole):
    village = await whole.join("高禹村", V1)
    await off(whole)
    for _ in range(3):
        case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    blob = await village.blobs.put(b"\xff\xd8\xff" + bytes(400_000), "田埂.jpg", "image/jpeg")
    await village.desk.submit(AddEvidence(id=new_id(), case=case, blob=blob), actor(village, "clerk"))
    own = (await village.journal.heads(V1))[V1, village.signer.origin].seq
    async with at(whole, village) as clerk, at(whole, whole.hub, "operator") as operator:
        page = (await clerk.get("/stick")).text
        assert whole.hub.certificate.name in page
        assert "用优盘送" in (await clerk.get("/link")).text
        (raw,) = await exported(clerk, whole.hub.about.node)
        told = (await imported(operator, raw))["told"]
        assert (told["new"], told["early"], told["refused"]) == (own, 0, [])
        assert told["files"] >= 1
        assert "新收" in (await operator.get("/stick")).text
        again = (await imported(operator, raw))["told"]
        assert (again["new"], again["known"]) == (0, told["new"] + told["known"])
        assert "里面的本机都有了" in (await operator.get("/stick")).text
        await whole.hub.desk.submit(dispute(V1), actor(whole.hub, "operator"))
        (home,) = await exported(operator, village.about.node)
        told = (await imported(clerk, home))["told"]
        assert told["new"] >= 1
        assert await village.journal.lanes(V1) == await whole.hub.journal.lanes(V1)
    assert await whole.hub.blobs.get(blob) == b"\xff\xd8\xff" + bytes(400_000)


async def test_parts_of_a_large_export_may_come_in_any_order(whole, monkeypatch):
    village = await whole.join("高禹村", V1)
    await off(whole)
    for _ in range(2):
        blob = await photographed(village)
    monkeypatch.setattr(sticks, "PART_BYTES_MAX", 300_000)
    async with at(whole, village) as clerk, at(whole, whole.hub, "operator") as operator:
        parts = await exported(clerk, whole.hub.about.node)
        assert len(parts) > 2
        late = (await imported(operator, parts[-1]))["told"]
        assert late["unnamed"] >= 1
        assert "没有条目提到" in (await operator.get("/stick")).text
        for raw in (*parts, *reversed(parts)):
            told = (await imported(operator, raw))["told"]
            assert told["refused"] == []
    assert await whole.hub.blobs.get(blob) == b"\xff\xd8\xff" + bytes(900_000)


async def test_a_piece_that_comes_before_the_one_in_front_of_it_is_not_said_to_be_taken(whole, monkeypatch):
    village = await whole.join("高禹村", V1)
    await off(whole)
    blob = await photographed(village)
    monkeypatch.setattr(sticks, "PART_BYTES_MAX", 300_000)  # a piece each
    async with at(whole, village) as clerk, at(whole, whole.hub, "operator") as operator:
        first, *parts = await exported(clerk, whole.hub.about.node)
        assert len(parts) == 3
        told = (await imported(operator, first))["told"]  # the entries are here now, and the first piece
        assert (told["files"], told["gaps"], told["unnamed"]) == (1, 0, 0)
        for raw in (parts[2], parts[1]):
            told = (await imported(operator, raw))["told"]
            assert (told["files"], told["gaps"], told["unnamed"], told["refused"]) == (0, 1, 0, [])
            page = (await operator.get("/stick")).text
            assert "有 1 块附件接不上" in page and "再导入一次这个文件" in page and "里面的本机都有了" not in page
        for raw in parts:
            told = (await imported(operator, raw))["told"]
            assert (told["files"], told["gaps"]) == (1, 0)
        assert await whole.hub.blobs.get(blob) == b"\xff\xd8\xff" + bytes(900_000)
        assert (await imported(operator, parts[0]))["told"]["files"] == 0
        assert "里面的本机都有了" in (await operator.get("/stick")).text


@pytest.mark.parametrize("have", [4_096, 262_144 + 70_000, 524_288])
async def test_half_a_photo_that_ends_anywhere_is_made_whole_by_a_stick(whole, have):
    """A thin line brought small pieces, or the disk was full within one."""
    village = await whole.join("高禹村", V1)
    await off(whole)
    blob = await photographed(village)
    cipher = village.blobs._path(blob.address).read_bytes()
    half = whole.hub.blobs._path(blob.address).with_name(f"{blob.address}.{len(cipher)}.part")
    half.parent.mkdir(parents=True)
    half.write_bytes(cipher[:have])
    async with at(whole, village) as clerk, at(whole, whole.hub, "operator") as operator:
        (raw,) = await exported(clerk, whole.hub.about.node)
        told = (await imported(operator, raw))["told"]
        assert (told["files"], told["gaps"], told["refused"]) == (4 - have // 262_144, 0, [])
        assert await whole.hub.blobs.get(blob) == b"\xff\xd8\xff" + bytes(900_000)
        assert (await imported(operator, raw))["told"]["files"] == 0


async def test_a_store_without_room_takes_no_file_from_a_stick_that_would_not_fit_and_all_else(whole):
    village = await whole.join("高禹村", V1)
    await off(whole)
    case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    large, small = [await village.blobs.put(b"\xff\xd8\xff" + bytes(n), "田埂.jpg", "image/jpeg") for n in (600_000, 3_000)]
    for blob in (large, small):
        await village.desk.submit(AddEvidence(id=new_id(), case=case, blob=blob), actor(village, "clerk"))
    whole.hub.blobs.store_bytes_max = 300_000
    async with at(whole, village) as clerk, at(whole, whole.hub, "operator") as operator:
        (raw,) = await exported(clerk, whole.hub.about.node)
        told = (await imported(operator, raw))["told"]
        ((sentence, count),) = told["refused"]
        assert sentence.startswith("本机存附件的地方满了") and count == 3
        assert (told["files"], told["gaps"]) == (1, 0) and told["new"] >= 3
        assert "本机存附件的地方满了" in (await operator.get("/stick")).text
        assert whole.hub.blobs.progress(large.address).have == 0, "no half that would stay one"
        assert await whole.hub.blobs.get(small) == b"\xff\xd8\xff" + bytes(3_000)
        whole.hub.blobs.store_bytes_max = 10_000_000
        assert (await imported(operator, raw))["told"]["files"] == 3
    assert await whole.hub.blobs.get(large) == b"\xff\xd8\xff" + bytes(600_000)


@pytest.mark.parametrize("stop", [Refused("disk_full"), OSError(errno.ENOSPC, "full"), KeyError("unforeseen")])
async def test_an_import_that_stops_on_its_way_says_that_what_it_took_in_counts(whole, monkeypatch, stop):
    village = await whole.join("高禹村", V1)
    await off(whole)
    for _ in range(2):
        await village.desk.submit(dispute(V1), actor(village, "clerk"))
    real = whole.hub.admission.admit

    async def admit(batch, *given, **more):
        if batch.ledger == V1:
            await real(batch, *given, **more)
            raise stop
        return await real(batch, *given, **more)

    monkeypatch.setattr(whole.hub.admission, "admit", admit)
    async with at(whole, village) as clerk, at(whole, whole.hub, "operator") as operator:
        (raw,) = await exported(clerk, whole.hub.about.node)
        assert (await imported(operator, raw))["error"]
        page = (await operator.get("/stick")).text
        assert "已经收下的都算数；再导入同一个文件就接着收" in page
        for wrong in ("什么也没有改动", "还在表格里", "重新从那台机器导出"):
            assert wrong not in page
        monkeypatch.undo()
        assert (await imported(operator, raw))["told"]["refused"] == []
    assert await village.journal.lanes(V1) == await whole.hub.journal.lanes(V1)


async def test_what_is_torn_foreign_for_somebody_else_or_no_file_at_all_is_refused_in_words(whole, tmp_path):
    village, neighbour = await whole.join("高禹村", V1), await whole.join("张芝村", V2)
    elsewhere = await Whole(tmp_path / "elsewhere").start()
    try:
        async with at(whole, village) as clerk, at(whole, whole.hub, "operator") as operator:
            (raw,) = await exported(clerk, whole.hub.about.node)
            (theirs,) = await exported(operator, neighbour.about.node)
            stranger = elsewhere.hub
            packed = bundle.pack(
                (), certificate=stranger.certificate, key=stranger.signer.key, made_ms=1, receiver=bundle.receiver_of(raw),
                ephemeral=sticks.PrivateKey.generate(),
            )  # fmt: skip
            before = await whole.hub.journal.heads()
            for wrong, why in (
                (raw[:-5], "不完整或被改动"),
                (raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 1]) + raw[len(raw) // 2 + 1 :], "不完整或被改动"),
                (theirs, f"这个文件是给{neighbour.certificate.name}的，不是给本机的"),
                (raw[:40] + bytes(32) + raw[72:], "认不出是给哪台机器的"),
                (packed, "没有县里签发的有效证书"),
                (b"not a stick", "不是导出包"),
            ):
                job = await imported(operator, wrong)
                assert why in job["error"], job
                page = (await operator.get("/stick")).text
                assert "什么也没有改动" in page
                is_elsewhere = "不是给本机的" in job["error"]
                assert ("重新从那台机器导出" not in page) == is_elsewhere == ("损坏" not in page and "签发" not in page)
            assert await whole.hub.journal.heads() == before
            got = await operator.post("/stick/import", data={}, headers=JSON)
            assert got.status_code == 422
            assert "优盘上的文件" in got.json()["sentence"]
            with pytest.raises(Refused, match="receiver_unknown"):
                await sticks.write(whole.hub, "nnobody22", tmp_path, "x", 1)
            got = await clerk.post("/stick/export", data={"to": "nnobody22"}, headers=JSON)
            assert got.status_code == 422
    finally:
        await elsewhere.stop()


async def test_a_film_is_said_to_be_no_file_of_ours_with_the_way_back(whole):
    async with at(whole, whole.hub, "operator") as operator:
        film = {"file": ("婚礼.mp4", bytes(65 * 2**20), "video/mp4")}
        page = await operator.post("/stick/import", files=film)
        assert page.status_code == 413
        assert "选错了" in page.text and 'href="/stick"' in page.text and "分几次" not in page.text


async def test_a_file_sent_after_the_session_had_ended_is_chosen_again_on_its_page(whole):
    async with at(whole, whole.hub, "operator") as operator:
        operator.cookies.clear()
        sent = await operator.post("/stick/import", files={"file": ("优盘.yidi", b"a stick", "application/octet-stream")})
        assert sent.status_code == 401 and "选的文件没有收到，登录后请重新选" in sent.text
        carry = html.unescape(re.search(r'name="carry" value="([^"]*)"', sent.text)[1])
        ((name, _),) = await whole.hub.people.accounts()
        back = (await operator.post("/sign-in", data={"name": name, "password": PASSWORD, "carry": carry})).text
        assert '<a class="button main" href="/stick">回去重新选</a>' in back


@pytest.mark.parametrize("step", ["export", "import", "cancel"])
async def test_whoever_signs_in_again_at_an_answer_comes_to_the_page_of_the_stick(whole, step):
    async with at(whole, whole.hub, "operator") as operator:
        operator.cookies.clear()
        polled = await operator.get("/stick/job", headers={"HX-Request": "true", "HX-Current-URL": f"http://desk/stick/{step}"})
        assert polled.headers["hx-redirect"] == f"/sign-in?next=%2Fstick%2F{step}"
        ((name, _),) = await whole.hub.people.accounts()
        there = await operator.post("/sign-in", data={"name": name, "password": PASSWORD, "next": f"/stick/{step}"})
        anew = await operator.get(there.headers["location"])
        assert (anew.status_code, anew.headers.get("location")) == (303, "/stick")
        assert (await operator.get("/stick")).status_code == 200


async def test_a_file_holds_what_its_receiver_hears_and_sealed_goes_to_the_county_alone(whole):
    town, village, neighbour = await whole.join("天子湖镇", TOWN, leaf=True), await whole.join("高禹村", V1), await whole.join("张芝村", V2)
    await off(whole)
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    await village.desk.submit(SealDispute(id=new_id(), account="村里的账目有问题。", type="2201"), actor(village, "clerk"))
    async with at(whole, village) as clerk, at(whole, whole.hub, "operator") as operator:
        offered = (await clerk.get("/stick", headers=JSON)).json()["receivers"]
        assert set(offered) == {whole.hub.about.node, town.about.node}, "nobody who hears nothing of it"
        assert neighbour.about.node not in offered
        sealed = sealed_ledger(village.certificate)
        ledgers = {}
        for to in (whole.hub, town):
            (raw,) = await exported(clerk, to.about.node)
            got = sticks.opened(to, raw)
            ledgers[to.about.node] = {sticks.batches.unpack(one).ledger for one in got.batches}
            assert b"\xe5\x8f\xb6\xe6\xa0\xb9\xe5\x9c\x9f" not in raw, "a name in clear"
        assert ledgers == {whole.hub.about.node: {V1, "_", sealed}, town.about.node: {V1, "_"}}
        (raw,) = await exported(operator, village.about.node)
        assert {sticks.batches.unpack(one).ledger for one in sticks.opened(village, raw).batches} <= {V1, "_"}
    async with at(whole, whole.hub, "cadre") as cadre:
        for asked in (cadre.get("/stick"), cadre.post("/stick/export", data={"to": village.about.node}), cadre.post("/stick/import")):
            assert (await asked).status_code == 403
    web = edge_app(village)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://desk") as nobody:
        assert (await nobody.get("/stick/files/a.yidi", headers=JSON)).status_code == 401


async def test_what_a_stick_brings_and_is_refused_stands_on_the_page_it_names_and_of_the_sealed_nothing(whole, monkeypatch):
    village = await whole.join("高禹村", V1)
    await off(whole)
    case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    blob = await village.blobs.put(b"\xff\xd8\xff" + bytes(3_000), "田埂.jpg", "image/jpeg")
    await village.desk.submit(AddEvidence(id=new_id(), case=case, blob=blob), actor(village, "clerk"))
    await village.desk.submit(SealDispute(id=new_id(), account="村里的账目有问题。", type="2201"), actor(village, "clerk"))
    sealed, real = sealed_ledger(village.certificate), whole.hub.admission.admit

    async def admit(batch, *given, **more):
        if batch.ledger == sealed:
            raise Refused("lane_fork", lane=f"{sealed} {batch.origin}", seq=1)
        return await real(batch, *given, **more)

    def torn(_):
        raise Refused("frame_broken")

    monkeypatch.setattr(whole.hub.admission, "admit", admit)
    monkeypatch.setattr(sticks.blobs, "unpack", torn)
    async with at(whole, village) as clerk, at(whole, whole.hub, "operator") as operator, at(whole, whole.hub, "department") as window:
        (raw,) = await exported(clerk, whole.hub.about.node)
        job = await imported(operator, raw)
        assert job["told"]["refused"] == [["收到的数据包不完整或被改动。", 1]]
        for browser in (operator, window):
            ((node, name, ledger, code, count),) = [
                tuple(row[field] for field in ("node", "name", "ledger", "code", "count"))
                for row in (await browser.get("/link", headers=JSON)).json()["refused"]
            ]
            assert (node, name, ledger, code, count) == (village.about.node, "高禹村", "", "frame_broken", 1)
        seen = "".join([(await browser.get(path)).text for browser in (operator, window) for path in ("/link", "/stick")])
        assert "高禹村" in seen and "sealed" not in seen and "两份不同" not in seen
    assert {row["ledger"] for row in await whole.hub.journal.rows("quarantine")} == {"", sealed}, "kept all the same"


async def test_what_was_made_can_be_downloaded_whatever_is_done_after_it_and_by_the_next_program(whole):
    village = await whole.join("高禹村", V1)
    async with at(whole, village) as clerk:
        (raw,) = await exported(clerk, whole.hub.about.node)
        (name,) = [file.name for file in (village.folder / sticks.FOLDER).glob("*.yidi")]
        assert "不是导出包" in (await imported(clerk, b"a photo"))["error"]
        page = (await clerk.get("/stick")).text
        assert name in page and "不是导出包" in page
        async with at(whole, village) as after:  # the program is started again: another application, nothing of it in memory
            assert name in (await after.get("/stick")).text
            assert (await after.get(f"/stick/files/{name}")).content == raw
            gone = await after.get("/stick/files/other.yidi")
            assert (gone.status_code, "这个文件已经不在了" in gone.text) == (404, True)
            assert (await after.get(f"/stick/files/{stick_pages.NOTE}")).status_code == 404


@pytest.mark.parametrize("what", ["import", "export"])
async def test_what_a_killed_program_did_not_finish_is_said_by_the_next(whole, monkeypatch, what):
    village = await whole.join("高禹村", V1)
    await village.desk.submit(dispute(V1), actor(village, "clerk"))
    reached, never = asyncio.Event(), asyncio.Event()

    async def hangs(*_, **__):
        reached.set()
        await never.wait()

    async with at(whole, village) as clerk, at(whole, whole.hub, "operator") as operator:
        (raw,) = await exported(clerk, whole.hub.about.node)
        if what == "import":
            monkeypatch.setattr(sticks, "read", hangs)
            await operator.post("/stick/import", files={"file": ("优盘.yidi", raw, "application/octet-stream")}, headers=JSON)
        else:
            monkeypatch.setattr(sticks, "_content", _first_part(sticks._content, hangs))
            monkeypatch.setattr(sticks, "PART_BYTES_MAX", 1)
            await operator.post("/stick/export", data={"to": village.about.node}, headers=JSON)
        await reached.wait()
        monkeypatch.undo()
        sticks.tidy(whole.hub.folder, now_ms() / 1000 + 10 * sticks.KEPT_S)  # the computer stood dark over night
        async with at(whole, whole.hub, "operator") as after:
            page = (await after.get("/stick")).text
            assert {"import": "上次导入没有做完", "export": "上次导出没有做完，请再导出一次"}[what] in page
            assert ("已经收下的都算数；再导入同一个文件" in page) == (what == "import")
            assert "存到优盘" not in page, "half an export"
            assert (await imported(after, raw))["told"]["refused"] == []
            assert "没有做完" not in (await after.get("/stick")).text
        async with at(whole, whole.hub, "operator") as later:
            assert "没有做完" not in (await later.get("/stick")).text


def _first_part(real, hangs):
    async def content(*given):
        async for one in real(*given):
            yield one
            yield one
            await hangs()

    return content


async def test_what_was_made_is_kept_for_an_hour(whole):
    village = await whole.join("高禹村", V1)
    async with at(whole, village) as clerk:
        await exported(clerk, whole.hub.about.node)
        (file,) = (village.folder / sticks.FOLDER).iterdir()
        sticks.tidy(village.folder, now_ms() / 1000 + 1)
        assert file.exists()
        sticks.tidy(village.folder, now_ms() / 1000 + sticks.KEPT_S + 5)
        assert not file.exists()
        assert "过了一小时" in (await clerk.get("/stick")).text
        name = file.name
        assert (await clerk.get(f"/stick/files/{name}")).status_code == 404


async def test_a_page_that_is_drawn_while_the_file_is_finished_does_not_say_that_it_is_gone(whole, monkeypatch):
    village = await whole.join("高禹村", V1)
    go, drawn = asyncio.Event(), stick_pages.page
    real = sticks.write

    async def write(*given):
        await go.wait()
        return await real(*given)

    async def page(request, *given, **more):
        go.set()
        await done(clerk)
        return await drawn(request, *given, **more)

    monkeypatch.setattr(sticks, "write", write)
    async with at(whole, village) as clerk:
        await clerk.post("/stick/export", data={"to": whole.hub.about.node}, headers=JSON)
        monkeypatch.setattr(stick_pages, "page", page)
        shown = (await clerk.get("/stick")).text
        assert "过了一小时" not in shown
        assert "every 1s" in shown, "it asks again, and then shows the file"
        assert "存到优盘" in (await clerk.get("/stick/job", headers={"HX-Request": "true"})).text
