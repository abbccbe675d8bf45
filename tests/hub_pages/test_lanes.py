"""Behind the figures of 连接与台账: one ledger lane by lane, one machine ledger by ledger; nothing of a sealed one."""

import re

from protocol import place
from protocol.calendar import DAY_MS, HOUR_MS
from protocol.node.web import link
from tests.hub_pages.test_nodes import hub
from tests.hub_pages.world import Hub
from tests.node.desk_kit import VILLAGE, new_id

__all__ = ["hub"]


async def test_a_ledger_says_who_wrote_it_up_to_where_and_who_lacks_how_many_since_when(hub: Hub):
    town, village = hub.town.signer, hub.village.signer
    hub.pages.pump.says(town.node, 1_000)
    hub.pages.pump.says(village.node, HOUR_MS, missing=2)
    hub.county.clock.pass_ms(2 * DAY_MS)
    await hub.sign_in("operator")
    told = await hub.get(f"/link/ledger?of={VILLAGE}")
    heads = {origin: head.seq for (_, origin), head in (await hub.root.journal.heads(VILLAGE)).items()}
    assert {one["origin"]: one["seq"] for one in told["written"]} == heads
    assert told["hearers"] == 2
    assert told["digest"] == {one["path"]: one["digest"] for one in (await hub.get("/link"))["ledgers"]}[VILLAGE]
    for one in told["written"]:
        first = await hub.root.journal.entry(VILLAGE, one["origin"], max(one["seq"] - 1, 1))
        last = await hub.root.journal.entry(VILLAGE, one["origin"], one["seq"])
        assert one["last_ms"] == last.received_ms
        lacker = {"node": village.node, "name": village.certificate.name, "count": min(2, one["seq"]), "since_ms": first.received_ms}
        assert one["lackers"] == [lacker]
    page = (await hub.client.get(f"/link/ledger?of={VILLAGE}")).text
    assert page.count(f'<a href="/link/machine?of={village.node}">') == len(heads)
    hub.pages.pump.says(village.node, HOUR_MS)
    assert (await hub.client.get(f"/link/ledger?of={VILLAGE}")).text.count("都收到了") == len(heads)


async def test_a_machine_says_of_which_ledger_it_lacks_how_many_and_what_it_has_that_is_not_here(hub: Hub):
    village, pump = hub.village.signer, hub.pages.pump
    pump.says(village.node, 1_000, missing=2)
    lanes = pump.known.get(village.node).lanes
    lanes[VILLAGE] = {**lanes[VILLAGE], village.origin: (lanes[VILLAGE][village.origin][0] + 12, b"")}
    await hub.sign_in("operator")
    told = await hub.get(f"/link/machine?of={village.node}")
    row = next(one for one in (await hub.get("/nodes"))["rows"] if one["node"] == village.node)
    assert told["row"] == row
    assert sum(one["owed"] for one in told["debts"]) == row["owed"] > 0
    assert min(one["since_ms"] for one in told["debts"] if one["owed"]) == row["owed_since_ms"]
    assert {one["ledger"]: one["due"] for one in told["debts"] if one["due"]} == {VILLAGE: 10} and row["due"] == 10
    assert [one["owed"] for one in told["debts"]] == sorted((one["owed"] for one in told["debts"]), reverse=True)
    page = (await hub.client.get(f"/link/machine?of={village.node}")).text
    assert f'<a href="/link/ledger?of={VILLAGE}">' in page
    pump.says(village.node, 1_000)
    assert (await hub.get(f"/link/machine?of={village.node}"))["debts"] == []
    assert "它该收的，按它自己最近说的，都收到了" in (await hub.client.get(f"/link/machine?of={village.node}")).text


async def test_a_revoked_machine_is_owed_nothing(hub: Hub):
    hub.pages.pump.says(hub.village.signer.node, 1_000, missing=2)
    hub.pages.pump.known.learn(hub.village.signer.certificate, revoked=True)
    await hub.sign_in("operator")
    assert [one["owed"] for one in (await hub.get(f"/link/machine?of={hub.village.signer.node}"))["debts"]] == []
    told = await hub.get(f"/link/ledger?of={VILLAGE}")
    assert told["hearers"] == 1


async def test_of_common_only_its_writer_keeps_count(hub: Hub):
    await hub.sign_in("operator")
    assert (await hub.get(f"/link/ledger?of={place.COMMON}"))["hearers"] == 2
    hub.pages.pump.known.mine = hub.town.signer.certificate
    hub.pages.pump.known.learn(hub.village.signer.certificate)
    told = await hub.get(f"/link/ledger?of={place.COMMON}")
    assert (told["hearers"], {len(one["lackers"]) for one in told["written"]}) == (None, {0})
    assert "由上面清点" in (await hub.client.get(f"/link/ledger?of={place.COMMON}")).text


async def test_neither_page_says_anything_of_a_sealed_ledger_or_of_what_is_not_here(hub: Hub):
    sealed = f"{VILLAGE.split('/')[0]}/sealed/{hub.village.signer.node}"
    hub.pages.pump.says(hub.village.signer.node, 1_000, missing=1)
    hub.pages.pump.known.get(hub.village.signer.node).lanes[sealed] = {hub.village.signer.origin: (3, b"")}
    await hub.sign_in("operator")
    for of in (sealed, "330523/330523999", "", "%00", "_/.."):
        await hub.get(f"/link/ledger?of={of}", 404)
    for of in ("nobody", "", new_id()):
        await hub.get(f"/link/machine?of={of}", 404)
    debts = (await hub.get(f"/link/machine?of={hub.village.signer.node}"))["debts"]
    assert debts and not any(place.is_sealed(one["ledger"]) for one in debts)
    await hub.sign_in("discipline")
    await hub.get(f"/link/ledger?of={VILLAGE}", 404)
    await hub.get(f"/link/machine?of={hub.village.signer.node}", 404)


async def test_of_many_ledgers_some_are_found_by_name_and_what_is_left_out_is_said(hub: Hub, monkeypatch):
    await hub.sign_in("operator")
    page = (await hub.client.get("/link")).text
    rows = re.findall(r'id="ledger-([\w-]+)"', page)
    assert len(rows) >= 3 and "只列出前" not in page
    monkeypatch.setattr(link, "LEDGERS_SHOWN_MAX", 2)
    page = (await hub.client.get("/link")).text
    assert len(re.findall(r'id="ledger-([\w-]+)"', page)) == 2
    assert f"只列出前 2 本，共 {len(rows)} 本" in page
    page = (await hub.client.get(f"/link?find={hub.root.shelf().place_name(VILLAGE)}")).text
    assert re.findall(r'id="ledger-([\w-]+)"', page) == [VILLAGE.replace("/", "-")]
    assert "view=link&amp;find=%" in page
    assert "没有地名里有“没这地方”的台账" in (await hub.client.get("/link?find=没这地方")).text
