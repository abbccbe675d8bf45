"""The one page of a restored node before it was compared: it says whose entries it waits for, and somebody can go on without them."""

from types import SimpleNamespace

import httpx

from protocol.node.gate import Gate, Notes, note_restored
from protocol.node.wake import Wake
from protocol.node.web import waiting
from tests.edge.rig import PASSWORD, Rig


async def test_a_computer_that_never_gives_what_it_said_is_named_and_keeps_the_pages_shut_for_nobody(rig: Rig, tmp_path, monkeypatch):
    monkeypatch.setattr(waiting, "HELD_S", 0.05)
    web, town = rig.web("village"), rig.web("town").certificate
    notes = Notes(tmp_path)
    note_restored(notes, 5, "restore")
    web.gate = Gate(notes, SimpleNamespace(awaited_of=lambda: [town.node, "nunknown2"]), web.clock, Wake())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(rig.app("village")), base_url="http://desk") as http:
        shut = await http.get("/cases")
        assert shut.status_code == 503
        assert f"{town.name}、nunknown2" in shut.text
        said = {"name": "wangfang", "password": PASSWORD, "reason": "镇里那台一直不给"}
        opened = await http.post("/restored/open", data=said, headers={"Origin": "http://desk"})
        assert opened.status_code == 303
        assert (await http.get("/sign-in")).status_code == 200
    assert (web.gate.restored.opened_by, web.gate.restored.reason) == ("wangfang", said["reason"])
