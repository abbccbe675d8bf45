"""Files of a node whose people and matters are invented say so on each of their own pages and in their names; those of a real one say nothing of it.

What its screens say: tests/phone/test_made_up_browser.py.
"""

import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator
from urllib.parse import unquote

import httpx
import pytest
from pypdf import PdfReader

from protocol.node.config import Config, Demo
from protocol.node.web.made_up import MARK
from tests.edge.pages_kit import at
from tests.edge.rig import Rig


@pytest.fixture
async def rig(tmp_path) -> AsyncIterator[Rig]:
    made = await Rig.make(tmp_path)
    made.web("village").config = Config(demo=Demo(made_up=True))
    yield made
    await made.close()


def name_of(said: httpx.Response) -> str:
    assert said.status_code == 200, said.text
    return unquote(said.headers["content-disposition"].partition("UTF-8''")[2])


async def taken(client: httpx.AsyncClient, case: str) -> dict[str, httpx.Response]:
    line = (await client.get(f"/cases/{case}")).text.partition(f"/cases/{case}/proof/")[2].partition('"')[0]
    paths = {
        "agreement": f"/cases/{case}/agreement.pdf",
        "intake": f"/cases/{case}/papers/intake",
        "proof": f"/cases/{case}/proof/{line}",
        "list": "/cases.csv",
        "book": "/cases.xlsx",
        "figures": "/statistics.csv",
        "figured": "/statistics.xlsx",
    }
    return {name: await client.get(path) for name, path in paths.items()}


async def test_every_file_of_a_made_up_node_says_so(rig: Rig):
    cases = await rig.a_busy_village()
    async with at(rig, "village") as client:
        files = await taken(client, cases[1])
    for name, said in files.items():
        assert name_of(said).startswith("演示-"), name
    for name in ("agreement", "intake"):
        for page in PdfReader(io.BytesIO(files[name].content)).pages:
            text = "".join(page.extract_text().split())
            assert text.count(MARK) == 2, "above and below"
    assert json.loads(files["proof"].content)["shown"]["演示"] == MARK
    for name in ("list", "figures"):
        assert next(csv.reader(io.StringIO(files[name].content.decode("utf-8-sig")))) == ["演示", MARK]
    for name in ("book", "figured"):
        with zipfile.ZipFile(io.BytesIO(files[name].content)) as book:
            sheets = [book.read(part).decode() for part in book.namelist() if part.startswith("xl/worksheets/sheet")]
            assert sheets and all(sheet.count(MARK) == 2 for sheet in sheets), "printed above and below"
            assert 'name="演示-' in book.read("xl/workbook.xml").decode()
            assert MARK in book.read("xl/sharedStrings.xml").decode()


async def test_every_page_of_a_long_paper_says_so(rig: Rig):
    case = await rig.log("village", 1, account="\n".join(["这一段要写满一页纸。" * 20] * 30))
    async with at(rig, "village") as client:
        said = await client.get(f"/cases/{case}/papers/intake")
    pages = PdfReader(io.BytesIO(said.content)).pages
    assert len(pages) > 1
    assert all("".join(page.extract_text().split()).count(MARK) == 2 for page in pages)


async def test_a_real_node_says_nothing_of_it(rig: Rig):
    rig.web("village").config = Config()
    cases = await rig.a_busy_village()
    async with at(rig, "village") as client:
        files = await taken(client, cases[1])
    for name, said in files.items():
        assert "演示" not in name_of(said) and MARK not in said.content.decode(errors="replace"), name
    for name in ("agreement", "intake"):
        assert "演示" not in PdfReader(io.BytesIO(files[name].content)).pages[0].extract_text()
