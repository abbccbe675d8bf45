"""Every page of the county in English: whatever Chinese stands on it was written by somebody, or is a name of the tables."""

from pathlib import Path

import pytest

from protocol.node.web.page import LANGUAGE
from tests.hub_pages.world import Hub, world
from tests.kit.english import ours_left, words_of_people, words_of_tables

PAGES = (
    *(
        "/board",
        "/board?figure=held",
        "/today",
        "/cases",
        "/cases?view=review&text=x",
        "/cases/new",
        "/tasks",
        "/calendar",
        "/map",
        "/map?heat=new",
    ),
    *(
        "/statistics",
        "/statistics?period=year",
        "/people",
        "/nodes",
        "/link",
        "/quarantine",
        "/reviews",
        "/losses",
        "/proof",
        "/vouch",
        "/forks",
    ),
    *("/stick", "/seal", "/password", "/nowhere", "/visits/team", "/visits/reassign", "/task"),
)
OF_A_CASE = ("", "/parties", "/seal", "/ask", "/transfer", "/dispatch", "/erase", "/peek")
OF_A_TASK = ("", "/ask/UrgeTask", "/ask/RecallTask", "/ask/ReassignTask")
FORMS = ("LogDispute", "EscalateDispute", "SignAgreement", "CloseDispute", "AcceptDispute")  # sent empty they come back with what is wrong


async def read(hub: Hub, path: str, form: dict[str, str] | None = None) -> str:
    hub.client.cookies.set(LANGUAGE, "en")
    headers = {"accept": "text/html"}
    said = await (hub.client.get(path, headers=headers) if form is None else hub.client.post(path, data=form, headers=headers))
    assert 'lang="en"' in said.text or "<html" not in said.text, path
    return said.text


@pytest.mark.parametrize("who", ["operator", "discipline", "admin", "cadre"])
async def test_whatever_chinese_is_left_was_written_by_somebody(tmp_path: Path, who: str):
    async with world(tmp_path / "county") as hub:
        await hub.sign_in("operator")
        tasks = [await hub.send("田埂地界", bring="卷尺")]
        await hub.sign_in(who)
        people = [await words_of_people(node.journal) for node in (hub.root, hub.town, hub.village)]
        known = "\n".join([*people, words_of_tables(hub.pages.tables()), hub.pages.name])
        assert ours_left((await hub.client.get("/sign-in")).text, known) != [], "the check sees a page in Chinese"
        cases = list(hub.cases.values())
        paths = [*PAGES, *(f"/cases/{case}{end}" for case in cases for end in OF_A_CASE)]
        paths += [f"/visits/team?case={cases[0]}&case={cases[1]}&plan=1", f"/visits/reassign?of={hub.cadre}"]
        paths += [f"/tasks/{task}{end}" for task in tasks for end in OF_A_TASK]
        left = {path: found for path in paths if (found := ours_left(await read(hub, path), known))}
        for form in FORMS:
            path = f"/cases/{cases[0]}/{form}" if form != "LogDispute" else "/cases"
            if found := ours_left(await read(hub, path, {"command_id": "x" * 20}), known):
                left[form] = found
        assert left == {}, "\n".join(f"{path}: {found}" for path, found in left.items())
