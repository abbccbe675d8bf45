"""A node that was given a further ledger speaks of it before the others have heard of its wider certificate: a merged place."""

from protocol import have
from protocol.have import Have
from protocol.node.link import hearing, subjects
from protocol.place import COMMON
from tests.link.kit import HUB, N1, N2, V1, Raw, now_ms, origin, signing_key, soon


async def test_a_have_of_a_ledger_that_its_speaker_does_not_hear_is_no_receipt_and_told_when_it_goes_on(town, monkeypatch):
    hub, v1 = town.node(HUB), town.node(N1)
    hub.enrolled(HUB, N1, N2)
    hub.start(), v1.start()
    v1.write()
    await soon(lambda: v1.has(hub, COMMON) and v1.receipt(HUB, V1, origin(N1)) == 2)
    neighbour, lanes = Raw(town, N2), {origin(N1): (2, v1.memory.head(V1, origin(N1)).hash), origin(N2): (2**40, bytes(32))}
    said = have.sign(Have(N2, V1, lanes, now_ms()), signing_key(N2))
    for _ in range(3):
        await neighbour.say(subjects.have(V1, N2), said)
    await neighbour.say(subjects.have(V1, N2), b"nonsense")  # one after the other on one subject: when this one was read, those were
    await soon(lambda: v1.memory.quarantined)
    assert v1.receipt(N2, V1, origin(N1)) == 0 and not v1.pump.state().behind
    assert not any(key[3] == "lane_foreign" for key in v1.memory.quarantined)
    monkeypatch.setattr(hearing, "WIDER_S", 0)
    await neighbour.say(subjects.have(V1, N2), said)
    await soon(lambda: {key[:2] for key in v1.memory.quarantined if key[3] == "lane_foreign"} == {(N2, V1)})
    assert v1.receipt(N2, V1, origin(N1)) == 0 and not v1.pump.state().behind
    await neighbour.stop()
