"""Every page of the desk in English: whatever Chinese stands on it was written by somebody, or is a name of the tables."""

import httpx
import pytest

from protocol.calendar import DAY_MS
from protocol.node.web.page import LANGUAGE
from tests.edge.pages_kit import at
from tests.edge.rig import Rig
from tests.kit.english import ours_left, words_of_people, words_of_tables

PAGES = (
    *("/desk", "/desk?view=overdue", "/today", "/inbox", "/cases", "/cases?view=due&text=x", "/cases/new", "/tasks", "/calendar", "/link"),
    *("/seal", "/stick", "/forks", "/losses", "/proof", "/reviews", "/people", "/password", "/statistics", "/recover", "/nowhere"),
)
OF_A_CASE = ("", "/parties", "/seal", "/ask", "/transfer", "/dispatch", "/erase", "/peek")
COMMANDS = ("EscalateDispute", "SignAgreement", "CloseDispute", "AcceptDispute", "TakeUpDispute", "MergeDispute", "CorrectDispute")


async def read(client: httpx.AsyncClient, path: str, form: dict[str, str] | None = None) -> str:
    client.cookies.set(LANGUAGE, "en")
    said = await (client.get(path) if form is None else client.post(path, data=form))
    assert 'lang="en"' in said.text or "<html" not in said.text, path
    return said.text


@pytest.mark.parametrize("kind", ["village", "town"])
async def test_whatever_chinese_is_left_was_written_by_somebody(rig: Rig, kind: str):
    cases = await rig.a_busy_village()
    rig.county.clock.pass_ms(28 * DAY_MS)  # the clocks of thirty days end soon
    await rig.everywhere()
    node = rig.nodes[kind]
    known = await words_of_people(node.journal) + "\n" + words_of_tables(node.tables())
    async with at(rig, kind) as client:
        assert ours_left((await client.get("/today")).text, known) != [], "the check sees a page in Chinese"
        paths = [*PAGES, *(f"/cases/{case}{end}" for case in cases for end in OF_A_CASE)]
        left = {path: found for path in paths if (found := ours_left(await read(client, path), known))}
        for path in ("/cases", *(f"/cases/{case}/{command}" for case in cases for command in COMMANDS)):
            if found := ours_left(await read(client, path, {"command_id": "x" * 20}), known):
                left[f"POST {path}"] = found
    assert left == {}, "\n".join(f"{path}: {found}" for path, found in left.items())
