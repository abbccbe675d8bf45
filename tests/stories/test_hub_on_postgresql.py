"""A hub on a real PostgreSQL: founded, a village joins by a code, writes offline, and both stores hold the same."""

import json
from pathlib import Path

from deploy.demo.cast import COUNTY, VILLAGE
from deploy.demo.check import JSON, Page, new_id, soon
from deploy.nats.servers import free_ports
from tests.kit.county import running, yidi
from tests.kit.machine import needs_postgresql

PASSWORD = "chosen-in-a-story-8"
FORM = {
    "ledger": VILLAGE,
    "type": "0204",
    "party_name": ["宋木根", "齐阿大"],
    "party_phone": ["13700009001", ""],
    "party_side": ["applicant", "respondent"],
}


def configured(folder: Path, url: str) -> dict[str, int]:
    """Both folders with their yidi.toml; returns the ports of the pages."""
    pages, village, nats, leaf = free_ports(4)
    (folder / "hub").mkdir()
    (folder / "village").mkdir()
    hub = f'[http]\nport = {pages}\n[store]\nurl = "{url}"\n[nats]\nport = {nats}\nleaf_port = {leaf}\n'
    (folder / "hub" / "yidi.toml").write_text(f'{hub}[root]\nplace = "{COUNTY}"\naddress = "127.0.0.1:{pages}"\n')
    (folder / "village" / "yidi.toml").write_text(f"[http]\nport = {village}\n")
    return {"hub": pages, "village": village}


async def signed_in(port: int, account: str, once: str) -> Page:
    page = Page(f"http://127.0.0.1:{port}", account)
    got = await page.http.post("/sign-in", data={"name": account, "password": once}, headers=JSON)
    assert got.json() == {"must_choose_password": True}, got.text
    assert (await page.http.post("/password", data={"password": PASSWORD, "again": PASSWORD})).status_code == 200
    return page


def once_in(said: str) -> str:
    return said.split("一次性密码：")[1].partition("（")[0]


@needs_postgresql
async def test_a_county_on_postgresql_takes_what_a_village_wrote_offline(tmp_path, postgres_url):
    ports = configured(tmp_path, postgres_url)
    hub, village = tmp_path / "hub", tmp_path / "village"
    async with running("hub", hub, ports["hub"]):
        hired = await yidi("person", "zhoumin", "--name", "周敏", "--post", "operator", "--folder", hub)
        invited = await yidi("invite", "--place", VILLAGE, "--person", "王芳", "--account", "wangfang", "--folder", hub)
        assert (hired.code, invited.code) == (0, 0), hired.err + invited.err
        joined = await yidi("edge", "enrol", invited.out.split("：", 1)[1].split()[0], "--folder", village)
        assert joined.code == 0 and "高禹村" in joined.out, joined
    assert not (hub / "journal.db").exists()
    assert '"event": "stopped"' in hub.with_suffix(".log").read_text(), "told to end, it closed what it had open"
    async with running("edge", village, ports["village"]):
        clerk = await signed_in(ports["village"], "wangfang", once_in(joined.out))
        saved = await clerk.post("/cases", {"command_id": new_id(), "account": "县里关着机时登记的", **FORM})
        assert not (await clerk.get("/link"))["online"]
        async with running("hub", hub, ports["hub"]):
            operator = await signed_in(ports["hub"], "zhoumin", once_in(hired.out))

            async def arrived() -> bool:
                return (await operator.http.get(f"/cases/{saved['case']}")).status_code == 200

            await soon("the dispute is at the county", arrived)
            assert (await operator.get("/cases", text="县里关着机"))["total"] == 1, "found by its words"
            await operator.step(saved["case"], "UrgeDispute", text="请三天内上门。")
            await soon("the county's word is in the village", lambda: _says(clerk, saved["case"], "请三天内上门。"))
            await soon("both stores hold the same", lambda: _same(hub, village))
            for folder in (hub, village):
                rebuilt = await yidi("rebuild", "--json", "--folder", folder)
                assert json.loads(rebuilt.out)["ok"] and rebuilt.code == 0, rebuilt
            await operator.http.aclose()
        await clerk.http.aclose()


async def _says(page: Page, case: str, text: str) -> bool:
    return text in str(await page.case(case))


async def _same(hub: Path, village: Path) -> bool:
    told = [json.loads((await yidi("digest", "--json", "--folder", folder)).out)["ledgers"] for folder in (hub, village)]
    return told[0][VILLAGE] == told[1][VILLAGE] and told[0]["_"] == told[1]["_"]
