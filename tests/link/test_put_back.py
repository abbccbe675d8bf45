"""A node whose folder is an old one: what others hold of it shows it so, before it writes."""

import asyncio

from tests.link.kit import HUB, N1, T1, V1, V3, origin, soon


async def test_a_lane_that_others_hold_more_of_than_its_own_node_is_not_pulled_before_it_is_closed(town, county):
    """Killed in between, the node would go on in it, and count from an old number."""
    hub, t1, v1, _v2 = county
    v1.write(count=20)
    await soon(lambda: hub.has(v1) and t1.has(v1))
    await v1.stop()
    v1again = town.node(N1, town.branch, town.county)  # with an empty disk
    v1again.memory.nodes = dict(hub.memory.nodes)
    v1again.start()
    await soon(lambda: v1again.pump.state().overtaken == (V1,))  # it knows that its own disk lost something
    await asyncio.sleep(0.5)
    assert v1again.memory.head(V1, origin(N1)).seq == 0


async def test_a_folder_put_back_learns_at_its_start_where_it_had_written(town, county):
    """Of that ledger it remembers nothing, and only the county could tell: it would give a number twice elsewhere."""
    hub, t1, _v1, _v2 = county
    t1.write()
    before = {key: list(rows) for key, rows in t1.memory.lanes.items()}
    t1.write(ledger=V3)
    await soon(lambda: hub.memory.head(V3, origin(T1)).seq > 0 and t1.receipt(HUB, V3, origin(T1)))
    await t1.stop()
    again = town.node(T1, town.branch, town.county)
    again.memory.nodes, again.memory.lanes = dict(hub.memory.nodes), before
    told, say = [], hub.pump._hearing._say
    hub.pump._hearing._say = lambda ledger: (told.append(ledger), say(ledger))  # not what it repeats from time to time
    again.start()
    await soon(lambda: V3 in again.pump.state().overtaken)
    assert V3 in told, "at once, not when others happen to speak of it"
