"""What the law takes is gone at every node, byte for byte: tables, search, files, old journals, later sticks, backups that are put back, pages."""

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from deploy.demo.cast import VILLAGE
from deploy.demo.check import new_id, photo
from protocol.node.identity import Identity
from protocol.node.journal.engine import connect_sqlite
from tests.kit.county import HTML, County, Page, bytes_of, on_a_new_disk, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME, OTHER, TOLD, NOTE, COUNTY_NOTE, FILE = (
    "龘靐鱻",
    "齉爨麤",
    "籲龖驫",
    "灪爩虋",
    "癵鸞鸜",
    "鱷鸝龞",
)  # in no other text, and nobody's name
WORDS = (NAME, OTHER, TOLD, NOTE, COUNTY_NOTE, FILE)
INSIDE = b"SECRET-IN-THE-PICTURE"
HOLDERS = {"hub": "zhoumin", "town": "liqiang", "gaoyu": "wangfang"}


def everything(journal: Path, key: bytes) -> bytes:
    """All values of all tables of a store, decrypted."""
    with closing(connect_sqlite(journal, key, False)) as c:
        tables = [name for (name,) in c.execute("select name from sqlite_master where type = 'table' and sql not like '%virtual%'")]
        values = (value for table in tables for row in c.execute(f'select * from "{table}"') for value in row)
        return b"\0".join(v if isinstance(v, bytes) else str(v).encode() for v in values)


def held(county: County, node: str, words: Iterable[str] = WORDS) -> list[str]:
    """Where words still stand at a node: its journal and every old one beside it, and the bytes of each file."""
    home, found = county.home(node), []
    for journal in home.rglob("journal.db"):
        stored = everything(journal, Identity(home).key("store"))
        found += [f"{journal.parent.name}: {word}" for word in words if word.encode() in stored]
    for path in home.rglob("*"):
        if path.is_file():
            raw = bytes_of(path)
            found += [f"{path.name}: {word}" for word in words if word.encode() in raw] + (
                [f"{path.name}: picture"] if INSIDE in raw else []
            )
    return found


def blobs(county: County, node: str) -> list[Path]:
    return [path for path in (county.home(node) / "blobs").glob("*/*") if path.is_file()]


async def pages(county: County, page: Page, case: str) -> str:
    """Whatever this person can ask for about it, as pages and as data."""
    said = ""
    paths = [
        "/cases",
        "/cases?view=open",
        f"/cases/{case}",
        f"/cases/{case}/erase",
        "/tasks",
        "/link",
        "/reviews",
        "/forks",
        "/losses",
        "/",
    ]
    paths += ["/desk", "/inbox", "/board", "/nodes", "/quarantine", f"/cases?text={NAME}", f"/cases?text={TOLD}", "/stream?view=list"]
    for path in [one for one in paths if not one.startswith("/stream")]:
        for accept in ("application/json", "text/html"):
            got = await page.http.get(path, headers={"Accept": accept}, follow_redirects=True)
            said += got.text.replace(f'value="{NAME}"', "").replace(f'value="{TOLD}"', "").replace(f"text={NAME}", "")  # what was asked
    return said


async def written(county: County, clerk: Page, hub: Page) -> str:
    """A case full of words at all three tiers, with a picture, a draft and a note of the county."""
    form = county.form(VILLAGE, f"{TOLD}：两家为了一堵墙，{NAME}说{OTHER}砌过了界。", parties=((NAME, "13700008001"), (OTHER, "")))
    picture = ("files", (f"{FILE}.png", photo() + INSIDE, "image/png"))
    saved = await clerk.post("/cases", form, files=[picture])
    await county.note(clerk, saved["case"], f"{NOTE}，下雨改天再去。")
    await county.shows(hub, saved["case"])
    await hub.step(saved["case"], "AddNote", text=f"{COUNTY_NOTE}：先稳住{NAME}。")
    await county.same("hub", "town", "gaoyu")
    await until(lambda: all(blobs(county, node) for node in HOLDERS), "the picture is at all three")
    return saved["case"]


async def erase(page: Page, case: str) -> int:
    rows = (await page.get(f"/cases/{case}/erase"))["rows"]
    items = [row["item"] for row in rows if row["may"] and not row["erased"]]
    got = await page.http.post(
        f"/cases/{case}/erase",
        data={"item": items, "ground": await _ground(page, case), "command_id": new_id(), "sure": "on"},
        headers={"Accept": "application/json"},
    )
    assert got.status_code == 200, got.text
    return len(items)


async def _ground(page: Page, case: str) -> str:
    html = (await page.http.get(f"/cases/{case}/erase", headers=HTML)).text
    options = html.partition('name="ground"')[2].split('<option value="')
    return next(value for option in options[1:] if (value := option.partition('"')[0]))


async def gone(county: County) -> None:
    for node in HOLDERS:
        await until(lambda node=node: not held(county, node), f"words at {node}", 60)


async def test_words_that_the_law_takes_are_nowhere_at_any_node_and_come_back_by_no_way(county: County, tmp_path):
    before, after, stick = tmp_path / "before.tar", tmp_path / "after.tar", tmp_path / "old.yidi"
    assert (await county.yidi("gaoyu", "backup", before)).code == 0
    clerk, hub = await county.page("wangfang"), await county.page("zhoumin")
    case = await written(county, clerk, hub)
    assert (await county.yidi("gaoyu", "export", stick)).code == 0
    assert (await county.yidi("gaoyu", "backup", after)).code == 0
    await county.halt("gaoyu")
    assert (await county.yidi("gaoyu", "restore", before)).code == 0, "so that an old journal stands beside the new one"
    await county.begin("gaoyu")
    await county.forget("gaoyu")
    clerk = await county.page("wangfang")
    await county.shows(clerk, case)
    await county.same("hub", "town", "gaoyu")
    for node in HOLDERS:
        assert {word for word in WORDS if any(word in one for one in held(county, node))} == set(WORDS), f"{node} had them all"
    assert any("before-restore" in one for one in held(county, "gaoyu"))
    assert not any("picture" in one for one in held(county, "hub")), "a picture lies nowhere in clear, at no time"
    assert NAME in await pages(county, hub, case)

    assert await erase(hub, case) >= 4
    for node in HOLDERS:
        for path in blobs(county, node):
            os.utime(path, (1, 1))  # else a file that was just taken is left alone for two minutes
    await gone(county)
    await until(lambda: not any(blobs(county, node) for node in HOLDERS), "no picture is left", 60)

    told = await county.yidi("hub", "import", stick)
    assert "新入账 0 条" in told.out, told
    await county.halt("gaoyu")
    assert (await county.yidi("gaoyu", "restore", after)).code == 0
    assert not held(county, "gaoyu"), "what the old journal knew to be erased is erased at once"
    on_a_new_disk(county.home("gaoyu"))
    assert (await county.yidi("gaoyu", "restore", after)).code == 0
    assert any(NAME in one for one in held(county, "gaoyu")), "the backup has them"
    await county.begin("gaoyu")
    async with httpx.AsyncClient(base_url=county.demo.url("gaoyu"), timeout=30) as http:
        assert (await http.get("/sign-in", headers=HTML)).status_code == 200
    inside = everything(county.home("gaoyu") / "journal.db", Identity(county.home("gaoyu")).key("store"))
    assert not [word for word in WORDS if word.encode() in inside], "the first page that answers comes after the erasure"
    for path in blobs(county, "gaoyu"):
        os.utime(path, (1, 1))
    await gone(county)

    await county.forget("gaoyu")
    for node, account in HOLDERS.items():
        page = await county.page(account)
        said = await pages(county, page, case)
        assert not [word for word in WORDS if word in said], node
        assert "依法删除" in said
        async with county.opened(node) as opened:
            assert [found for word in WORDS for found in await opened.journal.search(word)] == []
    assert held(county, "liangpeng") == []
    await county.same("hub", "town", "gaoyu")


async def test_a_disk_that_never_heard_of_it_brings_the_words_back_to_nobody(county: County, tmp_path):
    """A new computer takes the place's ledger from the others, and an old stick after that."""
    clerk, hub, stick = await county.page("wangfang"), await county.page("zhoumin"), tmp_path / "old.yidi"
    case = await written(county, clerk, hub)
    assert (await county.yidi("hub", "export", stick, "--to", county.id_of("gaoyu"))).code == 0
    await erase(hub, case)
    await until(lambda: not [one for one in held(county, "gaoyu") if "blobs" not in one], "erased in the village", 60)
    await county.halt("gaoyu")
    home = county.home("gaoyu")
    for left in home.glob("journal.db*"):
        left.unlink()
    told = await county.yidi("gaoyu", "import", stick)
    assert told.code == 0, told
    assert any(NAME in one for one in held(county, "gaoyu")), "it can't know yet"
    await county.begin("gaoyu")
    await gone(county)
