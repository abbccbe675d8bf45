"""Keys that were kept apart on the first day open every backup; where they can't, that is said, and none is made in their place."""

import shutil
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.county import County
from deploy.demo.cast import VILLAGE
from deploy.keeping import opened
from edge.enrol import enrol, take_in
from protocol.node.config import Config
from protocol.node.node import now_ms
from tests.kit.county import yidi
from tests.node.test_restoring import damaged


@pytest_asyncio.fixture
async def home(tmp_path: Path) -> Path:
    """A county `hub` and a computer `village` on their first day, and beside them what was kept apart of either."""
    hub, village = tmp_path / "hub", tmp_path / "village"
    county = County.open(hub, Config(), now_ms())
    async with opened(hub, Config()) as node:
        await county.furnish(node)
        enrolment = county.enrolment(node)

        async def post(_address: str, body: bytes) -> tuple[int, bytes]:
            return 200, await enrolment.redeem(body)

        joined = await enrol(await enrolment.invite(place=VILLAGE, name="高禹村"), village, post)
    async with opened(village, Config()) as node:
        await take_in(node, joined.batches)
        shutil.copytree(hub / "county", tmp_path / "apart/hub/county")
        for folder in (hub, village):
            shutil.copytree(folder / "identity", tmp_path / "apart" / folder.name / "identity")
    return tmp_path


@pytest.mark.parametrize("name", ["hub", "village"])
async def test_keys_that_were_kept_apart_on_the_first_day_open_a_later_backup(home: Path, name: str):
    folder, file = home / name, home / "copy.tar"
    assert (await yidi("backup", file, "--folder", folder)).code == 0
    shutil.rmtree(folder)
    shutil.copytree(home / "apart" / name, folder)
    ran = await yidi("restore", file, "--folder", folder)
    assert ran.code == 0 and "已恢复" in ran.out, ran
    async with opened(folder, Config()) as node:
        assert await node.journal.heads("_")


async def test_a_backup_whose_key_is_not_there_is_refused_in_words_and_no_other_key_is_made(home: Path):
    folder, file = home / "village", home / "copy.tar"
    key = folder / "identity/backup.key"
    assert (await yidi("backup", file, "--folder", folder)).code == 0
    key.rename(home / "backup.key")
    before = sorted(folder.rglob("*"))
    ran = await yidi("restore", file, "--folder", folder)
    assert ran.code == 1 and "identity/backup.key 不在" in ran.err and "放回去" in ran.err, ran
    assert sorted(folder.rglob("*")) == before
    key.write_bytes(bytes(32))
    ran = await yidi("restore", file, "--folder", folder)
    assert ran.code == 1 and "不是本节点的备份" in ran.err and "另存" in ran.err, ran


@pytest.mark.parametrize("command", ["edge", "backup"])
async def test_a_node_of_an_older_program_gets_the_key_once_and_says_that_identity_is_to_be_kept_again(
    home: Path, monkeypatch, command: str
):
    folder = home / "village"
    key = folder / "identity/backup.key"
    key.unlink(missing_ok=True)
    monkeypatch.setattr("deploy.running.asyncio.run", lambda main: main.close()) if command == "edge" else None
    words = [("edge",), ("edge",)] if command == "edge" else [("backup", home / "a.tar"), ("backup", home / "b.tar")]
    for n, one in enumerate(words):
        ran = await yidi(*one, "--folder", folder)
        assert ran.code == 0 and ran.err.count("再另存一份") == (n == 0), ran
    made = key.read_bytes()
    assert len(made) == 32


async def test_the_one_notice_about_a_key_is_not_lost_with_a_backup_that_fails(home: Path):
    folder = home / "village"
    (folder / "identity/backup.key").unlink(missing_ok=True)
    damaged(folder)
    ran = await yidi("backup", home / "a.tar", "--folder", folder)
    assert ran.code == 1 and "yidi heal" in ran.err and "再另存一份" in ran.err, ran
    assert (folder / "identity/backup.key").exists() and not (home / "a.tar").exists()


async def test_a_second_program_of_the_county_makes_no_key_of_its_own(home: Path, monkeypatch):
    folder = home / "hub"
    (folder / "identity/backup.key").unlink(missing_ok=True)
    (folder / "yidi.toml").write_text("[root]\nbeside = true\n", "utf-8")
    ran = await yidi("backup", home / "copy.tar", "--folder", folder)
    assert ran.code == 1 and "第一个进程" in ran.err, ran
    monkeypatch.setattr("deploy.running.asyncio.run", lambda main: main.close())
    assert "另存" not in (await yidi("hub", "--folder", folder)).err
    assert not (folder / "identity/backup.key").exists()
