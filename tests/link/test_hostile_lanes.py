"""Whatever an enrolled node, or anybody at a township's server, says and signs: the others go on, and nothing grows by names that it invents."""

from collections import Counter
from types import SimpleNamespace

from protocol import batch as batches
from protocol import place
from protocol.batch import Batch
from protocol.node.link import ground as grounds
from protocol.node.link import subjects
from protocol.node.link.ground import STRANGER
from protocol.problem import SENTENCES, Refused
from tests.link.kit import COUNTY, N1, N2, TOWN, V1, V2, V9, Node, origin, soon

LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


async def hears(node: Node, kind: str, ledger: str, speaker: str, wire: bytes) -> None:
    subject = (subjects.have if kind == "have" else subjects.live)(ledger, speaker)
    heard = node.pump._hearing.have if kind == "have" else node.pump._hearing.live
    await node.pump._ground.guarded(kind, heard)(SimpleNamespace(subject=subject, data=wire))


def strangers(count: int) -> list[str]:
    return ["nzz" + "".join(LETTERS[n >> 5 * i & 31] for i in range(6)) for n in range(count)]


async def test_a_lane_that_this_store_cannot_take_costs_no_worker_and_holds_up_no_file(county):
    """Not refused: a fault, as of a number that no column takes. What is good before it goes in."""
    hub, _, v1, v2 = county
    admit = hub.admits.admit

    async def fails(batch: Batch, from_node: str, *, backlog: bool = False) -> int:
        if batch.ledger == V1 and batch.last > 3:
            raise OverflowError("value out of int64 range")
        return await admit(batch, from_node, backlog=backlog)

    hub.admits.admit = fails
    for _ in range(8):
        v1.write()
    v2.write(count=3)
    await soon(lambda: hub.has(v2) and hub.memory.head(V1, origin(N1)).seq == 3)
    await soon(lambda: any(key[2:] == (origin(N1), "batch_malformed") for key in hub.memory.quarantined))
    await soon(lambda: hub.pump._catchup.is_done)
    assert not any(name.startswith("pull ") for name in hub.pump.state().faults), "no worker ended"


async def test_invented_names_of_ledgers_lanes_and_speakers_fill_no_quarantine(county):
    """Each was a row with its sample, for ever. All of it is counted, and what came of what is sealed stays told apart."""
    hub, _, v1, _ = county
    v1.write()
    await soon(lambda: hub.has(v1))
    for n in range(300):
        await hears(hub, "have", f"{COUNTY}/x{n}/y{n}", N2, b"garbage")
        await hears(hub, "have", f"{COUNTY}/sealed/x{n}", N2, b"garbage")
        invented = Batch(V2, f"{N2}:{n + 1}", 0, bytes(32), (b"x",), (None,), b"s" * 64)
        await hears(hub, "live", V2, N2, batches.pack(invented))
        await hears(hub, "live", V2, N2, batches.pack(Batch(V2, f"{N2}:x{n}", 0, bytes(32), (b"x",), (None,), b"s" * 64)))
    for name in strangers(300):
        await hears(hub, "have", V1, name, b"garbage")
    await hears(hub, "have", V1, N1, b"garbage")
    await soon(lambda: sum(hub.memory.quarantined.values()) == 5 * 300 + 1)
    sealed = f"{COUNTY}/sealed/-"
    assert {(node, ledger, origin_): count for (node, ledger, origin_, _), count in hub.memory.quarantined.items()} == {
        (N2, "", ""): 300, (N2, sealed, ""): 300, (N2, V2, ""): 600, (STRANGER, V1, ""): 300, (N1, V1, ""): 1,
    }  # fmt: skip
    assert place.is_sealed(sealed)


async def test_of_what_is_known_each_kind_is_a_row_up_to_a_bound_and_few_samples_wait(county, monkeypatch):
    hub, _, v1, _ = county
    v1.write()
    await soon(lambda: hub.has(v1))
    ground = hub.pump._ground
    ground.quarantine(N1, V1, origin(N1), Refused("frame_broken"), b"x")
    await soon(lambda: (N1, V1, origin(N1), "frame_broken") in hub.memory.quarantined)
    monkeypatch.setattr(grounds, "KINDS_EACH_MAX", 20)
    hub.memory.full = True
    codes = [code for code, (_, words) in SENTENCES.items() if "{" not in words and code not in grounds.OWN_STORE]
    sample = b"x" * 200_000
    for code in codes:
        for ledger in (V1, TOWN, V9, f"{COUNTY}/sealed/{N1}"):
            ground.quarantine(N1, ledger, "", Refused(code), sample)
    kinds = Counter(node for node, *_ in ground._refusals)
    assert kinds[N1] <= 20 + 2 * len(codes) and len(codes) > 20
    assert sum(len(sample) for _, _, sample, _ in ground._refusals.values() if sample) <= grounds.SAMPLES_MAX * grounds.SAMPLE_BYTES_MAX
    assert not any(sample for (_, ledger, _, _), (_, _, sample, _) in ground._refusals.items() if place.is_sealed(ledger))
    hub.memory.full = False
    await soon(lambda: sum(hub.memory.quarantined.values()) == 1 + 4 * len(codes))
