"""Files over real nats-servers and real journals: the small picture comes by itself, the full one when somebody opens it.

Half a file goes on from another holder, its source learns of the second copy, and over a thin line no text ever waits for a file.
"""

import asyncio
import os
import time

import pytest

from protocol.commands import AddEvidence
from protocol.node import blobs as store
from protocol.node import bodies
from protocol.node.link import fetching
from protocol.problem import Refused
from tests.link.kit import HUB, N1, T1, TOWN, V1, Town, origin, soon
from tests.link.proxy import Proxy
from tests.link.test_pump import Blobs
from tests.link.test_whole_nodes import actor, dispute, new_id, soon_equal

PHOTO = b"\xff\xd8\xff" + os.urandom(900_000)
SMALL = b"\xff\xd8\xff" + os.urandom(9_000)


async def added(node, case: str, plain: bytes = PHOTO):
    blob = await node.blobs.put(plain, "界石.jpg", "image/jpeg")
    thumb = await node.blobs.put(SMALL, "界石.jpg", "image/jpeg")
    await node.desk.submit(AddEvidence(id=new_id(), case=case, blob=blob, thumb=thumb), actor(node, "clerk"))
    return blob, thumb


async def row(node, address: str) -> dict:
    found = await node.journal.rows("blob", "address = :address", {"address": address})
    return found[0] if found else {"stage": None, "elsewhere": ""}


async def until(node, address: str, field: str, value: object, most_s: float = 40.0) -> None:
    began = time.monotonic()
    while (await row(node, address))[field] != value:
        assert time.monotonic() - began < most_s, f"{field}: {(await row(node, address))[field]}"
        await asyncio.sleep(0.02)


async def test_up_in_full_down_in_small_and_the_rest_when_it_is_opened(whole):
    town, village = await whole.join("镇", TOWN), await whole.join("甲村", V1)
    case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    up, up_small = await added(village, case)
    await soon_equal(V1, whole.hub, town, village)
    for node in (town, whole.hub):
        await until(node, up.address, "stage", bodies.DONE)
        assert (await node.blobs.get(up), await node.blobs.get(up_small)) == (PHOTO, SMALL)
    await until(village, up.address, "elsewhere", (await row(village, up.address))["elsewhere"])
    assert (await row(village, up.address))["elsewhere"] in (town.about.node, whole.hub.about.node), "the village knows of a second copy"
    down, down_small = await added(town, case, PHOTO + b"2")
    await until(village, down_small.address, "stage", bodies.DONE)
    await until(whole.hub, down.address, "stage", bodies.DONE)
    assert (await row(village, down.address))["stage"] == bodies.ASIDE
    assert village.blobs.progress(down.address).have == 0, "nobody opened it, so not a byte of it came"
    await town.close()  # its author is off: whoever covers the ledger gives it
    whole.nodes.remove(town)
    village.pump.want_blob(down.address)
    await until(village, down.address, "have", down.size + 17)
    assert await village.blobs.get(down) == PHOTO + b"2"


async def test_what_nobody_has_is_said_so_and_never_holds_up_the_others(whole):
    village = await whole.join("甲村", V1)
    case = (await whole.hub.desk.submit(dispute(V1), actor(whole.hub, "operator"))).subject
    await soon_equal(V1, whole.hub, village)
    lost = []
    for n in range(fetching.AT_ONCE + 5):  # more than are looked at in one round, all of a node that lost its files
        blob, _ = await added(village, case, PHOTO[:5_000] + bytes([n]))
        await village.blobs.remove(blob.address)
        lost.append(blob)
    kept, _ = await added(village, case)
    await soon_equal(V1, whole.hub, village)
    await until(whole.hub, kept.address, "stage", bodies.DONE, 60.0)  # each lost file is asked for first
    await until(village, kept.address, "elsewhere", whole.hub.about.node)
    whole.hub.pump.want_blob(lost[0].address)
    await soon(lambda: whole.hub.pump.wait_for(lost[0].address, 9).trouble == fetching.NOBODY)
    await whole.server.stop()
    await soon(lambda: whole.hub.pump.wait_for(lost[0].address, 9).trouble == fetching.OFFLINE)


async def test_a_store_without_room_takes_no_full_file_and_says_so(whole):
    village = await whole.join("甲村", V1)
    case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    whole.hub.blobs.store_bytes_max = 100_000
    blob, thumb = await added(village, case)
    await until(whole.hub, thumb.address, "stage", bodies.DONE)
    await soon(lambda: whole.hub.pump.wait_for(blob.address, blob.size).trouble == fetching.FULL)
    assert whole.hub.blobs.progress(blob.address).have == 0
    whole.hub.blobs.store_bytes_max = 10_000_000
    whole.hub.pump.want_blob(blob.address)
    await until(whole.hub, blob.address, "stage", bodies.DONE)


def wanted(blob, size: int) -> dict:
    return {
        "address": blob.address, "size": size, "have": 0, "source": N1, "what": "photo", "ledger": V1, "subject": "a" * 32,
        "added_ms": 1, "stage": bodies.WANTED, "elsewhere": "",
    }  # fmt: skip


async def test_half_a_file_goes_on_from_another_holder_when_its_sender_dies(town: Town, tmp_path):
    hub, t1, v1 = town.node(HUB), town.node(T1), town.node(N1)
    hub.enrolled(HUB, T1, N1)
    for node in (hub, t1, v1):
        node.blobs = Blobs(tmp_path / f"blobs {node.name}", b"s" * 32)
    plain = b"\xff\xd8\xff" + os.urandom(1_400_000)
    blob = await v1.blobs.put(plain, "现场.jpg", "image/jpeg")
    size = v1.blobs.progress(blob.address).total
    for node in (v1, t1):
        node.memory.files[blob.address] = wanted(blob, size) | {"have": size, "stage": bodies.DONE}
    v1.write()
    for node in (hub, t1, v1):
        node.start()
    await soon(lambda: hub.has(v1) and t1.has(v1) and hub.memory.haves.get((T1, V1)))
    for n in range(3):  # what the village could still give before it died
        await hub.blobs.write_chunk(blob.address, await v1.blobs.chunk(blob.address, n * 262_144), size)
    offset = 0
    while one := await v1.blobs.chunk(blob.address, offset):
        offset = (await t1.blobs.write_chunk(blob.address, one, size)).have
    await v1.stop()
    asked: list[tuple[str, int]] = []
    ask = hub.pump._fetching._ask

    async def noted(holder, ledger, address, at):
        answer = await ask(holder, ledger, address, at)
        asked.extend([(holder, at)] if answer is not None else [])
        return answer

    hub.pump._fetching._ask = noted
    hub.memory.files[blob.address] = wanted(blob, size)
    hub.pump.committed([(V1, origin(N1))])
    await soon(lambda: hub.memory.files[blob.address]["have"] == size)
    assert await hub.blobs.get(blob) == plain
    assert min(at for _, at in asked) == 3 * 262_144, "nothing that was here is asked for again"
    assert {holder for holder, at in asked if at > 3 * 262_144} == {T1}


async def test_a_file_that_was_stopped_just_before_its_name_counts_when_it_can_be_opened(town: Town, tmp_path, monkeypatch):
    hub, v1 = town.node(HUB), town.node(N1)
    hub.enrolled(HUB, N1)
    for node in (hub, v1):
        node.blobs = Blobs(tmp_path / f"blobs {node.name}", b"s" * 32)
    blob = await v1.blobs.put(SMALL, "现场.jpg", "image/jpeg")
    size = v1.blobs.progress(blob.address).total
    v1.memory.files[blob.address] = wanted(blob, size) | {"have": size, "stage": bodies.DONE}
    monkeypatch.setattr(store, "_settle", lambda *_: (_ for _ in ()).throw(KeyError))
    with pytest.raises(KeyError):
        await hub.blobs.write_chunk(blob.address, await v1.blobs.chunk(blob.address, 0), size)
    monkeypatch.undo()
    v1.write()
    for node in (hub, v1):
        node.start()
    await soon(lambda: hub.has(v1))
    hub.memory.files[blob.address] = wanted(blob, size)
    hub.pump.committed([(V1, origin(N1))])
    await soon(lambda: hub.memory.files[blob.address]["have"] == size)
    assert await hub.blobs.get(blob) == SMALL, "its source is told of a second copy, and lets go of its own"


async def test_a_full_disk_under_a_file_is_nobody_else_s_fault(whole, monkeypatch):
    village = await whole.join("甲村", V1)
    case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    await soon_equal(V1, whole.hub, village)

    async def full(address: str, packed: bytes, size: int) -> None:
        raise Refused("disk_full")

    monkeypatch.setattr(whole.hub.blobs, "write_chunk", full)
    blob, _ = await added(village, case)
    await soon(lambda: whole.hub.pump.wait_for(blob.address, blob.size).trouble)
    assert whole.hub.pump.wait_for(blob.address, blob.size).trouble == fetching.FULL
    assert not await whole.hub.journal.rows("quarantine")
    monkeypatch.undo()
    whole.hub.pump.want_blob(blob.address)
    await until(whole.hub, blob.address, "stage", bodies.DONE)
    assert not await whole.hub.journal.rows("quarantine")


async def test_over_a_thin_line_no_text_waits_for_a_file(town: Town, tmp_path):
    """1 Mbit a second; a recording takes twenty of them. Each text that is written meanwhile is there long before the file is."""
    hub, proxy = town.node(HUB), await Proxy(town.county_listen.port, 5).start()
    v1 = town.node(N1, f"127.0.0.1:{proxy.port}")
    hub.enrolled(HUB, N1)
    for node in (hub, v1):
        node.blobs = Blobs(tmp_path / f"blobs {node.name}", b"s" * 32)
    blob = await v1.blobs.put(PHOTO + os.urandom(1_500_000), "现场.jpg", "image/jpeg")
    size = v1.blobs.progress(blob.address).total
    v1.memory.files[blob.address] = wanted(blob, size) | {"have": size, "stage": bodies.DONE}
    v1.write()
    hub.start(), v1.start()
    await soon(lambda: hub.has(v1))
    proxy.bytes_s_max = 120_000  # and the file has 2,400,000: ten pieces, of which each text waits for one or two
    hub.memory.files[blob.address] = wanted(blob, size)
    hub.pump.committed([(V1, origin(N1))])
    await soon(lambda: hub.blobs.progress(blob.address).have)
    order = []
    for n in range(3):
        v1.write(text=f"第{n}次")
        await soon(lambda: hub.has(v1), 30)
        order.append(hub.blobs.progress(blob.address).have)
    assert order[-1] < size, "three texts came while one file was on its way"
    proxy.bytes_s_max = float("inf")
    await soon(lambda: hub.blobs.has(blob.address), 60)
    await proxy.stop()


async def test_small_pictures_come_before_any_full_one_and_what_is_opened_before_all(whole, monkeypatch):
    async def fetches_nothing(self, row):
        return 0

    monkeypatch.setattr(fetching, "AT_ONCE", 4)  # the first twenty are full ones
    monkeypatch.setattr(fetching.Fetching, "_fetch", fetches_nothing)
    village = await whole.join("甲村", V1)
    case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    blobs = []
    for n in range(30):
        blob = await village.blobs.put(PHOTO[:500] + bytes([n]), "界石.jpg", "image/jpeg")
        thumb = await village.blobs.put(SMALL[:200] + bytes([n]), "界石.jpg", "image/jpeg") if n >= 26 else None  # the last ones' alone
        await village.desk.submit(AddEvidence(id=new_id(), case=case, blob=blob, thumb=thumb), actor(village, "clerk"))
        blobs.append(blob)
    await soon_equal(V1, whole.hub, village)
    wanting = fetching.Fetching(whole.hub.pump._ground, whole.hub.pump._catchup)  # one that was just started
    assert [row["what"] for row in await wanting._wanted()] == [fetching.THUMB] * 4
    wanting.want(blobs[-1].address)
    assert (await wanting._wanted())[0]["address"] == blobs[-1].address


async def test_what_is_given_up_takes_no_more_of_the_line_and_comes_only_where_it_would_have_come_unopened(whole, monkeypatch):
    town, village = await whole.join("镇", TOWN), await whole.join("甲村", V1)
    case = (await village.desk.submit(dispute(V1), actor(village, "clerk"))).subject
    await soon_equal(V1, whole.hub, town, village)
    real, asked = fetching.Fetching._piece, []

    async def given_up_meanwhile(self, holder: str, ledger: str, address: str, offset: int):
        asked.append((self, address, offset))
        if offset == 0 and address in mistaken:
            await self.give_up(address)
        return await real(self, holder, ledger, address, offset)

    monkeypatch.setattr(fetching.Fetching, "_piece", given_up_meanwhile)
    down, small = await added(town, case, PHOTO + b"3")
    mistaken = {down.address}
    await until(village, small.address, "stage", bodies.DONE)
    assert (await row(village, down.address))["stage"] == bodies.ASIDE
    asked.clear()
    village.pump.want_blob(down.address)
    await soon(lambda: village.blobs.progress(down.address).have == store.CHUNK_BYTES)
    await until(village, down.address, "stage", bodies.ASIDE)
    village.pump.still_wants_blob(down.address)  # a page that is open yet asks once more, of its own accord
    assert village.pump.wait_for(down.address, down.size).trouble == fetching.LEFT
    later, _ = await added(town, case, PHOTO + b"4")
    await soon_equal(V1, whole.hub, town, village)
    village.pump.want_blob(later.address)
    await until(village, later.address, "stage", bodies.DONE)
    mine = [(address, offset) for by, address, offset in asked if by is village.pump._fetching]  # a piece may be asked for once more
    assert list(dict.fromkeys(mine)) == [(down.address, 0), *((later.address, n * store.CHUNK_BYTES) for n in range(4))]
    assert mine.count((down.address, 0)) == 1
    mistaken.clear()
    village.pump.want_blob(down.address)
    await until(village, down.address, "stage", bodies.DONE)
    assert village.pump.wait_for(down.address, down.size).trouble == ""
    up, _ = await added(village, case, PHOTO + b"5")  # comes to the county by itself
    mistaken.add(up.address)
    await soon(lambda: whole.hub.blobs.progress(up.address).have > 0)
    await until(whole.hub, up.address, "stage", bodies.DONE)
