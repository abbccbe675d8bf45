"""A start asks the others before it writes, and a restored node before it shows a page; both waits end."""

import asyncio
from types import SimpleNamespace

from protocol.node import gate as gates
from protocol.node.gate import RESTORED, Gate, Notes, note_restored
from protocol.node.wake import Wake

LANE, OTHER = ("330523", "ntown2222:1"), ("330523", "nvill2222:1")


class Pump:
    def __init__(self) -> None:
        self.heard, self.connected = 0, False
        self.strangers = 0  # of those heard
        self.overtaken: tuple[str, ...] = ()
        self.regaining = 0
        self.heads: dict[tuple[str, str], int] = {}
        self.others: dict[tuple[str, str], int] = {}  # what they said last that they hold
        self.said: set[tuple[str, str]] = set()  # (node, ledger)

    @property
    def is_overtaken(self) -> bool:
        return bool(self.overtaken)

    @property
    def proven(self) -> int:
        return self.heard - self.strangers

    def state(self) -> SimpleNamespace:
        link = SimpleNamespace(connected=self.connected)
        return SimpleNamespace(link=link, overtaken=self.overtaken, regaining=self.regaining)

    def missing(self) -> dict[tuple[str, str], int]:
        return {lane: until for lane, until in self.others.items() if until > self.heads.get(lane, 0)}

    def awaited_of(self) -> list[str]:
        return []

    def has_said(self, node: str, ledger: str) -> bool:
        return (node, ledger) in self.said

    def lacks(self, lane: tuple[str, str], until: int) -> bool:
        return self.heads.get(lane, 0) < until and lane in self.missing()


def gate_of(folder, pump: Pump) -> Gate:
    return Gate(Notes(folder), pump, lambda: 7, Wake())


async def running(gate: Gate):
    task = asyncio.create_task(gate.run())
    await asyncio.sleep(0)
    return task


async def test_a_node_that_never_wrote_asks_nobody(tmp_path):
    gate = gate_of(tmp_path, Pump())
    await asyncio.wait_for(gate.asked(), 0.1)


async def test_offline_the_first_save_waits_no_longer_than_it_takes_to_know(tmp_path, monkeypatch):
    monkeypatch.setattr(gates, "OFFLINE_S", 0.05)
    gate = gate_of(tmp_path, Pump())
    gate.ask()
    task = await running(gate)
    await asyncio.wait_for(gate.asked(), gates.ASK_S_MAX)
    task.cancel()


async def test_nothing_is_written_while_others_hold_more_of_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(gates, "CALM_S", 0.01)
    pump = Pump()
    pump.connected, pump.heard, pump.overtaken = True, 1, ("330523",)
    gate = gate_of(tmp_path, pump)
    gate.ask()
    task = await running(gate)
    await asyncio.sleep(0.3)
    assert not gate._asked.is_set()
    pump.overtaken = ()
    await asyncio.wait_for(gate.asked(), gates.ASK_S_MAX)
    task.cancel()


async def test_who_waits_to_write_is_let_go_when_this_node_writes_no_more_as_it_is(tmp_path):
    """A new epoch: the program opens again, and whoever waited is told so instead of hanging until it is closed."""
    pump = Pump()
    pump.connected, pump.heard, pump.overtaken = True, 1, ("330523",)
    gate = gate_of(tmp_path, pump)
    gate.ask()
    task = await running(gate)
    gate.give_up()
    await asyncio.wait_for(gate.asked(), gates.ASK_S_MAX / 2)
    task.cancel()


async def test_pages_of_a_restored_node_wait_until_others_were_heard_and_nothing_is_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(gates, "PULLED_CALM_S", 0.05)
    note_restored(Notes(tmp_path), 5, "restore")
    pump = Pump()
    gate = gate_of(tmp_path, pump)
    assert gate.is_waiting
    task = await running(gate)
    assert not await gate.passed(0.3), "nobody was heard"
    pump.connected, pump.heard, pump.others = True, 3, {LANE: 2}
    assert not await gate.passed(0.3), "something is missing"
    pump.heads = {LANE: 1}
    assert not await gate.passed(0.3), "the last of it"
    pump.heads = {LANE: 2}
    assert await gate.passed(30)
    assert not gate.is_waiting
    assert not (tmp_path / RESTORED).exists()
    assert (tmp_path / "restored-5.json").exists()
    assert not gate_of(tmp_path, pump).is_waiting, "nor after the next start"
    task.cancel()


async def test_pages_wait_for_somebody_who_is_enrolled_and_again_when_it_turns_out_who_else_is(tmp_path, monkeypatch):
    """What strangers say shows nothing: *common* is an old one, and comes first. Then they speak again, and may know more."""
    monkeypatch.setattr(gates, "PULLED_CALM_S", 0.4)
    note_restored(Notes(tmp_path), 5, "restore")
    pump = Pump()
    gate = gate_of(tmp_path, pump)
    task = await running(gate)
    pump.connected, pump.heard, pump.strangers = True, 3, 3
    assert not await gate.passed(0.8)
    pump.strangers = 2
    assert not await gate.passed(0.2)
    pump.strangers = 1
    await asyncio.sleep(0.3)
    assert gate.is_waiting, "anew since then"
    pump.others = {OTHER: 1}
    assert not await gate.passed(0.6)
    pump.heads = {OTHER: 1}
    assert await gate.passed(30)
    task.cancel()


async def test_pages_wait_a_while_for_the_root_where_only_others_were_heard(tmp_path, monkeypatch):
    """Seed 9008704: a township whose disk was full held less than the county, whose answer was lost."""
    monkeypatch.setattr(gates, "PULLED_CALM_S", 0.05)
    monkeypatch.setattr(gates, "ROOT_S", 0.6)
    for spoke in (True, False):
        note_restored(Notes(tmp_path), 5, "restore")
        pump = Pump()
        pump.connected, pump.heard = True, 1
        gate = Gate(Notes(tmp_path), pump, lambda: 7, Wake(), ("nroot2222", "330523/330523111"))
        task = await running(gate)
        assert not await gate.passed(0.3)
        assert gate.waits_for_root and not gate.awaited_of(), "it has said nothing that it could give"
        pump.connected = False
        await asyncio.sleep(0.1)
        pump.connected = True  # a line that comes and goes makes it no longer
        if spoke:
            pump.said.add(("nroot2222", "330523/330523111"))
        assert await gate.passed(30), "also where it is not heard at all"
        task.cancel()


async def test_pages_open_though_others_go_on_writing_all_the_while(tmp_path, monkeypatch):
    monkeypatch.setattr(gates, "PULLED_CALM_S", 0.1)
    note_restored(Notes(tmp_path), 5, "restore")
    pump = Pump()
    gate = gate_of(tmp_path, pump)
    task = await running(gate)
    pump.connected, pump.heard, pump.others = True, 3, {LANE: 5}
    for n in range(6, 200):  # at each moment something that was written just now is on its way
        pump.others, pump.heads = {LANE: n}, {LANE: n - 2}
        if await gate.passed(0.02):
            break
    assert pump.missing()
    assert not gate.is_waiting
    task.cancel()


async def test_a_lane_that_comes_to_be_missing_later_is_waited_for_too(tmp_path, monkeypatch):
    """Whose certificate stood in what was pulled: what it wrote may be an erasure."""
    monkeypatch.setattr(gates, "PULLED_CALM_S", 0.05)
    note_restored(Notes(tmp_path), 5, "restore")
    pump = Pump()
    gate = gate_of(tmp_path, pump)
    task = await running(gate)
    pump.connected, pump.heard, pump.others = True, 3, {LANE: 2}
    assert not await gate.passed(0.2)
    pump.others[OTHER] = 7
    assert not await gate.passed(0.1)
    pump.heads = {LANE: 2}
    assert not await gate.passed(0.2)
    del pump.others[OTHER]  # nobody who counts has it
    assert await gate.passed(30)
    task.cancel()


async def test_whoever_opens_it_before_is_written_down_and_it_is_compared_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(gates, "PULLED_CALM_S", 0.05)
    note_restored(Notes(tmp_path), 5, "restore")
    pump = Pump()
    gate = gate_of(tmp_path, pump)
    gate.open("wangfang", "断网")
    assert await gate.passed(0.1)
    again = gate_of(tmp_path, pump)
    assert again.restored is not None
    assert (again.restored.opened_by, again.restored.reason, again.is_waiting) == ("wangfang", "断网", False)
    pump.connected, pump.heard = True, 1
    task = await running(again)
    for _ in range(200):
        if again.restored is None:
            break
        await asyncio.sleep(0.02)
    assert '"opened_by":"wangfang"' in (tmp_path / "restored-5.json").read_text()
    task.cancel()


async def test_a_note_that_cannot_be_read_keeps_pages_waiting(tmp_path):
    (tmp_path / RESTORED).write_bytes(b"{torn")
    assert gate_of(tmp_path, Pump()).is_waiting
