"""Keeping: a backup that is put back loses nothing that others have and repeats no number; a full or locked disk loses no word."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text as sql

from deploy.demo.cast import COUNTY, PASSWORD, VILLAGE
from deploy.demo.check import photo
from protocol.commands import EraseBody
from protocol.events import Actor
from protocol.node.journal.faults import EXIT_CODE
from tests.kit.county import HTML, County, distinct, on_a_new_disk, until
from tests.kit.machine import needs_strace
from tests.kit.readonly import readonly

pytestmark = pytest.mark.asyncio(loop_scope="module")

READONLY = "本机的存储现在只能读、不能写，没有保存"
WRITES_MAX = 60
DISK_MB = 8


async def test_a_restored_hub_has_everything_again_and_goes_on_under_a_new_epoch(county: County, tmp_path):
    hub, clerk, file = await county.page("zhoumin"), await county.page("wangfang"), tmp_path / "hub.tar"
    saved = await county.log(clerk, VILLAGE, distinct("备份以前村里登记"))
    first = await county.log(hub, COUNTY, distinct("备份以前县里登记"))
    await county.shows(hub, saved["case"])
    ran = await county.yidi("hub", "backup", file)
    assert ran.code == 0 and file.exists(), ran
    later = await county.log(clerk, VILLAGE, distinct("备份以后村里登记"))
    second = await county.log(hub, COUNTY, distinct("备份以后县里登记"))
    await county.shows(hub, later["case"])
    await hub.step(later["case"], "GiveInstruction", text="请三天内上门一次。")  # the hub's own word, after the backup
    await county.same("hub", "town", "gaoyu")
    told = await clerk.case(later["case"])
    await county.halt("hub")
    on_a_new_disk(county.home("hub"))
    ran = await county.yidi("hub", "restore", file)
    assert ran.code == 0 and "第 2 纪元" in ran.out, ran
    await county.begin("hub")
    await county.forget("hub")
    hub = await county.page("zhoumin")
    await county.shows(hub, later["case"])
    await county.same("hub", "town", "gaoyu", "liangpeng")
    assert [line["key"] for line in (await hub.case(later["case"]))["lines"]] == [line["key"] for line in told["lines"]]
    third = await county.log(hub, COUNTY, distinct("恢复以后县里登记"))
    assert {entry["origin"] for entry in third["entries"]} == {f"{county.id_of('hub')}:2"}
    assert len({first["code"], second["code"], third["code"]}) == 3
    assert (await county.yidi("hub", "rebuild")).code == 0


async def test_a_restored_village_takes_its_own_entries_back_and_repeats_no_code(county: County, tmp_path):
    clerk, file = await county.page("wangfang"), tmp_path / "village.tar"
    first = await county.log(clerk, VILLAGE, distinct("村里备份以前"), files=None)
    assert (await county.yidi("gaoyu", "backup", file)).code == 0
    second = await county.log(clerk, VILLAGE, distinct("村里备份以后"))
    await county.same("hub", "town", "gaoyu")
    await county.halt("gaoyu")
    on_a_new_disk(county.home("gaoyu"))
    ran = await county.yidi("gaoyu", "restore", file)
    assert ran.code == 0, ran
    county.demo.cut("gaoyu")  # offline too the next number is a new one
    await county.begin("gaoyu")
    await county.forget("gaoyu")
    await _waits_until_opened(county, first)
    clerk = await county.page("wangfang")
    assert (await clerk.http.get(f"/cases/{second['case']}")).status_code == 404, "the backup is older"
    assert "本机由备份恢复，还没有和别的机器核对" in (await clerk.http.get("/desk", headers=HTML)).text
    third = await county.log(clerk, VILLAGE, distinct("恢复以后断着网登记"))
    assert {entry["origin"] for entry in third["entries"]} == {f"{county.id_of('gaoyu')}:2"}
    assert len({first["code"], second["code"], third["code"]}) == 3
    county.demo.heal("gaoyu")
    await county.shows(clerk, second["case"])
    await county.same("hub", "town", "gaoyu")

    async def told_no_more() -> bool:
        return "本机由备份恢复" not in (await clerk.http.get("/desk", headers=HTML)).text

    await until(told_no_more, "it was compared")
    (record,) = county.home("gaoyu").glob("restored-*.json")
    assert '"opened_by":"wangfang"' in record.read_text()
    assert "断网" in record.read_text(), "who opened it and why stays written down"


async def test_a_start_without_a_line_forgets_no_receipt(county: County):
    clerk = await county.page("wangfang")
    await county.log(clerk, VILLAGE, distinct("断网重启以前"))
    await county.same("hub", "town", "gaoyu")

    async def owed() -> dict[str, int]:
        rows = (await county.link("gaoyu"))["standings"]
        return {row["node"]: row["owed"] for row in rows if row["node"] in (county.id_of("hub"), county.id_of("town"))}

    nothing = {county.id_of("hub"): 0, county.id_of("town"): 0}
    await until(lambda: _is(owed, nothing), "both have said that they have all")
    await county.halt("gaoyu")
    county.demo.cut("gaoyu")
    await county.begin("gaoyu")
    assert await owed() == nothing
    rows = (await county.link("gaoyu"))["standings"]
    assert all(row["seen_ms"] for row in rows if row["node"] in nothing), "and when they were heard"
    await county.log(clerk, VILLAGE, distinct("断网重启以后"))
    assert min((await owed()).values()) > 0
    county.demo.heal("gaoyu")
    await until(lambda: _is(owed, nothing), "it is up")


async def _is(asked, wanted) -> bool:
    return await asked() == wanted


async def _waits_until_opened(county: County, saved) -> None:
    """A restored backup shows nothing of the ledger before it was compared; somebody may open it by name and with a reason."""
    async with httpx.AsyncClient(base_url=county.demo.url("gaoyu"), timeout=30) as http:
        for path in ("/sign-in", "/cases", f"/cases/{saved['case']}"):
            got = await http.get(path, headers=HTML)
            assert got.status_code == 503, path
            assert "正在和上级核对" in got.text
        refused = await http.post("/restored/open", data={"name": "wangfang", "password": "wrong", "reason": "急用"}, headers=HTML)
        assert refused.status_code == 401
        assert "账号或密码不对" in refused.text
        bare = await http.post("/restored/open", data={"name": "wangfang", "password": PASSWORD, "reason": " "}, headers=HTML)
        assert bare.status_code == 422
    await county.open_restored("gaoyu")


async def test_what_was_erased_since_the_backup_is_on_no_page_of_the_restored_node(county: County, tmp_path):
    """The others are there: the first page that answers has it erased already, and so has the disk."""
    clerk, file, word = await county.page("wangfang"), tmp_path / "before.tar", distinct("备份以后依法删除的正文")
    saved = await county.log(clerk, VILLAGE, word)
    await county.same("hub", "town", "gaoyu")
    assert (await county.yidi("gaoyu", "backup", file)).code == 0
    ledger, origin, seq = saved["entries"][0]["ledger"], saved["entries"][0]["origin"], saved["entries"][0]["seq"]
    async with county.opened("hub") as node:
        powers = frozenset({"erase"})
        erase = EraseBody(id=distinct("erase")[-9:-1] * 2, item=f"{ledger}|{origin}|{seq}", ground="个人信息保护法第47条")
        await node.desk.submit(erase, Actor("0" * 32, "admin.00000000", COUNTY, powers))
    await until(lambda: word.encode() not in county.everything_stored("gaoyu"), "erased in the village")
    await county.halt("gaoyu")
    on_a_new_disk(county.home("gaoyu"))
    assert (await county.yidi("gaoyu", "restore", file)).code == 0
    assert word.encode() in county.everything_stored("gaoyu"), "the backup has it"
    await county.begin("gaoyu")
    async with httpx.AsyncClient(base_url=county.demo.url("gaoyu"), timeout=30) as http:
        answered = await http.get("/sign-in", headers=HTML)
    assert answered.status_code == 200
    assert word.encode() not in county.everything_stored("gaoyu"), "the first page that answers comes after the erasure"
    await county.forget("gaoyu")
    assert word not in (await (await county.page("wangfang")).http.get(f"/cases/{saved['case']}", headers=HTML)).text


async def test_what_was_saved_offline_and_never_sent_is_there_after_a_restore_and_goes_up_with_its_photo(county: County, tmp_path):
    clerk, file = await county.page("wangfang"), tmp_path / "older.tar"
    assert (await county.yidi("gaoyu", "backup", file)).code == 0
    county.demo.cut("gaoyu")
    form = county.form(VILLAGE, distinct("断着网登记、没有送出去"))
    saved = await clerk.post("/cases", form, {"files": ("墙.png", photo(), "image/png")})
    await county.halt("gaoyu")
    ran = await county.yidi("gaoyu", "restore", file)
    assert ran.code == 0 and "已经取回" in ran.out, ran
    await county.begin("gaoyu")
    await county.forget("gaoyu")
    await county.open_restored("gaoyu")
    clerk = await county.page("wangfang")
    assert (await clerk.case(saved["case"]))["code"] == saved["code"], "nobody has it but the old journal"
    async with county.opened("gaoyu") as node:
        (row,) = await node.journal.rows("blob", "subject = :case and what <> 'thumb'", {"case": saved["case"]})
        assert row["have"] == row["size"] and node.blobs.has(row["address"])
    county.demo.heal("gaoyu")
    await county.shows(await county.page("zhoumin"), saved["case"])
    await county.same("hub", "town", "gaoyu")

    async def is_up() -> bool:
        async with county.opened("hub") as node:
            return node.blobs.has(row["address"])

    await until(is_up, "the photo is at the county", 60)


async def test_what_is_no_backup_of_this_node_is_refused_in_words_and_changes_nothing(county: County, tmp_path):
    others, text = tmp_path / "others.tar", tmp_path / "text.tar"
    assert (await county.yidi("town", "backup", others)).code == 0
    text.write_text("no tar")
    await county.halt("liangpeng")
    before = json.loads((await county.yidi("liangpeng", "digest", "--json")).out)["ledgers"]
    for file in (text, others, tmp_path / "missing.tar"):
        ran = await county.yidi("liangpeng", "restore", file)
        assert ran.code == 1 and ran.err.strip() and "Traceback" not in ran.err, ran
    assert json.loads((await county.yidi("liangpeng", "digest", "--json")).out)["ledgers"] == before
    await county.begin("liangpeng")


async def test_a_running_node_is_not_restored_beneath_itself_nor_started_twice(county: County, tmp_path):
    file, clerk = tmp_path / "village.tar", await county.page("wangfang")
    assert (await county.yidi("gaoyu", "backup", file)).code == 0
    saved = await county.log(clerk, VILLAGE, distinct("正在运行时"))
    for words in (("restore", file), ("edge",)):
        ran = await county.yidi("gaoyu", *words)
        assert ran.code == 1 and "正在运行" in ran.err, ran
    assert (await clerk.case(saved["case"]))["code"] == saved["code"]


async def test_a_locked_store_keeps_what_was_typed_in_the_form(county: County):
    clerk = await county.page("wangfang")
    form = county.form(VILLAGE, distinct("存储被别的程序占着"))
    async with county.opened("gaoyu") as node, node.journal.writing() as w:
        await w.counter("held by a test")
        got = await clerk.http.post("/cases", data=form, headers=HTML)
        _typed_is_kept(got, 503, "存储正忙，没有保存", form)
    again = await clerk.http.post("/cases", data=form)
    assert again.status_code == 201, again.text


async def test_a_form_that_took_minutes_to_write_is_not_lost_by_the_sessions_own_write(county: County):
    """A session notes that it is in use, once a minute: that write meets the locked store first."""
    clerk = await county.page("wangfang")
    async with county.opened("gaoyu") as node, node.journal.writing() as w:
        await w.connection.execute(sql("update session set seen_ms = seen_ms - 120000"))
    form = county.form(VILLAGE, distinct("写了两分钟才保存"))
    async with county.opened("gaoyu") as node, node.journal.writing() as w:
        await w.counter("held by a test")
        got = await clerk.http.post("/cases", data=form, headers=HTML)
    _typed_is_kept(got, 503, "存储正忙，没有保存", form)


def _typed_is_kept(got, status: int, sentence: str, form: dict) -> None:
    assert got.status_code == status, got.text[:300]
    assert sentence in got.text
    for typed in (form["account"], form["command_id"], *form["party_name"], *filter(None, form["party_phone"])):
        assert typed in got.text, f"lost from the form: {typed}"


@needs_strace
async def test_a_disk_that_became_read_only_is_told_everywhere_and_the_same_form_saves_after_it(county: County):
    clerk, process = await county.page("wangfang"), county.demo.processes["gaoyu"]
    saved = await county.log(clerk, VILLAGE, distinct("磁盘变成只读以前"))
    assert (await clerk.http.get("/healthz")).json()["status"] == "ok"
    with readonly(process.pid):
        form = county.form(VILLAGE, distinct("磁盘变成只读了"))
        got = await clerk.http.post("/cases", data=form, headers=HTML)
        _typed_is_kept(got, 507, READONLY, form)
        got = await clerk.http.post("/cases", data=form, files={"files": ("墙.png", photo(), "image/png")}, headers=HTML)
        _typed_is_kept(got, 507, READONLY, form)
        draft = {"form": "/cases", "tab": "t", "command": form["command_id"], "fields": [["account", "写了一半"]]}
        got = await clerk.http.post("/drafts", json=draft)
        assert (got.status_code, got.json()["code"]) == (507, "store_readonly"), got.text
        said = await clerk.http.get("/healthz")
        assert (said.status_code, said.json()["why"], said.json()["store"]) == (503, ["store_readonly", "files_readonly"], "readonly")
        for path, words in (("/today", READONLY), ("/link", READONLY), ("/link", "能写了会自动恢复</span>")):
            assert words in (await clerk.http.get(path, headers=HTML)).text, path
        assert (await clerk.case(saved["case"]))["code"] == saved["code"], "reading goes on"
    assert await asyncio.wait_for(process.wait(), 30) == EXIT_CODE, "it ends by itself, to be started again"
    await county.begin("gaoyu")
    await county.forget("gaoyu")
    clerk = await county.page("wangfang")
    again = await clerk.http.post("/cases", data=form)
    assert again.status_code == 201, again.text
    assert (await clerk.http.get("/healthz")).json()["why"] == []
    assert READONLY not in (await clerk.http.get("/today", headers=HTML)).text
    await county.same("hub", "town", "gaoyu")


@pytest_asyncio.fixture(loop_scope="module")
async def small_disk(county: County, tmp_path):
    """The village's folder on a disk of its own, which is small. Its node runs on it."""
    home, aside = county.home("gaoyu"), tmp_path / "aside"
    await county.halt("gaoyu")
    shutil.copytree(home, aside)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(home)], capture_output=True)
    if mounted.returncode:
        await county.begin("gaoyu")
        pytest.skip("needs a tmpfs of its own: root, and mount allowed")
    try:
        shutil.copytree(aside, home, dirs_exist_ok=True)
        await county.begin("gaoyu")
        yield home
    finally:
        await county.halt("gaoyu")
        shutil.copytree(home, aside, dirs_exist_ok=True)
        subprocess.run(["umount", str(home)], check=True)
        shutil.copytree(aside, home, dirs_exist_ok=True)


async def test_a_full_disk_says_so_and_the_same_form_saves_once_there_is_room(county: County, small_disk: Path):
    clerk, hub = await county.page("wangfang"), await county.page("zhoumin")
    saved = await county.log(clerk, VILLAGE, distinct("磁盘满以前"))
    filler = small_disk / "filler"
    _fill(filler)
    got, form = await _refused(county, clerk)
    _typed_is_kept(got, 507, "磁盘满了，没有保存", form)
    with_photo = county.form(VILLAGE, distinct("磁盘满了还附照片"))
    got = await clerk.http.post("/cases", data=with_photo, files={"files": ("墙.png", photo() + bytes(300_000), "image/png")}, headers=HTML)
    _typed_is_kept(got, 507, "磁盘满了，没有保存", with_photo)
    note = distinct("磁盘满了写的说明")
    county.typed.add(note)
    step = {"command_id": form["command_id"][::-1], "text": note}
    got = await clerk.http.post(f"/cases/{saved['case']}/AddNote", data=step, headers=HTML)
    assert got.status_code == 507 and "磁盘满了，没有保存" in got.text and note in got.text
    assert (await clerk.case(saved["case"]))["code"] == saved["code"], "reading goes on"
    filler.unlink()
    again = await clerk.http.post("/cases", data=form)
    assert again.status_code == 201, again.text
    await county.shows(hub, again.json()["case"])
    assert (await clerk.http.post(f"/cases/{saved['case']}/AddNote", data=step)).status_code == 200
    await county.same("hub", "town", "gaoyu")


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as f:
        for size in (65_536, 4_096, 1):
            try:
                while True:
                    f.write(bytes(size))
            except OSError:
                continue


async def _refused(county: County, clerk):
    """The first form that no longer finds room: what lies in the log already may hold a few more."""
    for _ in range(WRITES_MAX):
        form = county.form(VILLAGE, distinct("磁盘快满了" + "很长的经过" * 300))
        got = await clerk.http.post("/cases", data=form, headers=HTML)
        if got.status_code != 303:
            return got, form
        await asyncio.sleep(0)
    raise AssertionError(f"{WRITES_MAX} forms were saved on a full disk")
