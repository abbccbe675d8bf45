"""Each part of the pump is timed, and a span where somebody traces; what is asked is what the bench and /metrics show."""

import os
from collections import Counter
from contextlib import contextmanager

from protocol.node import observe
from protocol.node.blobs import Blobs
from tests.link.kit import HUB, N1, T1, V1, origin, soon


async def test_each_part_of_the_pump_is_timed_and_a_span(county, tmp_path):
    hub, t1, v1, _ = county
    said: list[tuple[str, dict]] = []

    @contextmanager
    def span(kind, facts):
        said.append((kind, facts))
        yield

    before = {kind: timing.count for kind, timing in observe.timings.items()}
    observe.trace(span)
    try:
        v1.write()
        await soon(lambda: v1.receipt(HUB, V1, origin(N1)) == v1.receipt(T1, V1, origin(N1)) == 2)
        await hub.stop()
        v1.write(count=30)
        await soon(lambda: t1.has(v1))
        await v1.stop()
        for node in (hub, v1):
            node.blobs = Blobs(tmp_path / node.name, b"s" * 32)
        blob = await v1.blobs.put(b"\xff\xd8\xff" + os.urandom(5_000), "现场.jpg", "image/jpeg")
        size = v1.blobs.progress(blob.address).total
        row = {"address": blob.address, "size": size, "what": "photo", "ledger": V1, "subject": "a" * 32, "added_ms": 1, "elsewhere": ""}
        v1.memory.files[blob.address] = row | {"have": size, "source": "", "stage": 3}
        hub.memory.files[blob.address] = row | {"have": 0, "source": N1, "stage": 1}
        hub.start(), v1.start()
        await soon(lambda: hub.has(v1) and hub.blobs.has(blob.address))
    finally:
        observe.trace(None)
    counted = Counter(kind for kind, _ in said)
    asked = ("publish", "have", "pull", "answer", "file")
    assert all(counted[kind] for kind in asked), counted
    assert all(observe.timings[kind].count - before[kind] >= counted[kind] for kind in asked)
    lanes = [facts for kind, facts in said if kind == "pull"]
    assert {"ledger": V1, "origin": origin(N1)}.items() <= max(lanes, key=lambda facts: facts["ledger"] == V1).items()
