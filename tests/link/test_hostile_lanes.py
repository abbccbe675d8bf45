"""Whatever an enrolled node, or anybody at a township's server, says and signs: the others go on, and nothing grows by names that it invents."""

from protocol.batch import Batch
from tests.link.kit import N1, V1, origin, soon


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
