"""A node whose folder is an old one: what others hold of it shows it so, before it writes."""

import asyncio
from types import SimpleNamespace

import pytest

from protocol import have
from protocol.codes import EPOCHS_MAX
from protocol.have import Have
from protocol.node.link import subjects
from protocol.node.link.answers import REFUSED_HEADER
from protocol.node.link.claims import ORIGINS_MAX, SILENT_MAX, SPEAKERS_MAX, Claims
from protocol.node.link.peers import Peers
from protocol.problem import Refused
from tests.link.kit import HUB, N1, T1, V1, V3, V9, now_ms, origin, soon
from tests.link.test_peers import certificate


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


async def test_who_says_that_he_holds_more_of_our_lane_shows_it_or_is_not_believed(county):
    """An answer to a pull is read from the journal; its receipt may come before the commit's own wake has been worked off."""
    hub, _t1, v1, _v2 = county
    v1.write()
    await soon(lambda: hub.has(v1))
    listener, v1.wake.commit = v1.wake.commit, lambda *_: None  # the wake is late
    v1.write(count=3)
    v1.wake.commit = listener
    head = v1.memory.head(V1, origin(N1))
    said = Have(HUB, V1, {origin(N1): (head.seq, head.hash)}, now_ms())
    wire = have.sign(said, hub.signer.key)
    await v1.pump._hearing.have(SimpleNamespace(subject=subjects.have(V1, HUB), data=wire))
    assert not v1.pump.is_overtaken
    more = have.sign(Have(HUB, V1, {origin(N1): (head.seq + 1, bytes(32))}, now_ms()), hub.signer.key)
    await v1.pump._hearing.have(SimpleNamespace(subject=subjects.have(V1, HUB), data=more))
    assert v1.pump.is_overtaken, "nothing is written until it was asked"
    await soon(lambda: not v1.pump.is_overtaken)
    assert v1.pump.state().highest_epoch == 0


@pytest.mark.parametrize("epoch", [2, 999_999_999])
async def test_a_made_up_later_epoch_of_ours_stops_nobody(county, epoch):
    """Without the entry any enrolled computer could have the county's own program go on under epochs that no number has letters for."""
    hub, _t1, v1, _v2 = county
    v1.write()
    await soon(lambda: hub.has(v1))
    said = Have(N1, V1, {origin(N1): (1, bytes(32)), f"{HUB}:{epoch}": (1, b"x" * 32)}, now_ms())
    for _ in range(3):
        await hub.pump._hearing.have(SimpleNamespace(subject=subjects.have(V1, N1), data=have.sign(said, v1.signer.key)))
        await soon(lambda: not hub.pump.is_overtaken)
    state = hub.pump.state()
    assert (state.overtaken, state.highest_epoch) == ((), 0)
    code = ("", "claim_unshown" if epoch < EPOCHS_MAX else "batch_malformed")
    await soon(lambda: (N1, V1, *code) in hub.memory.quarantined)  # who said so is shown


def claims_of(ask, connected: bool = True) -> tuple[Claims, list[str]]:
    """What a node at its first epoch makes of claims, over a line on which `ask` answers; and whom it refused."""
    refused: list[str] = []
    peers = Peers(certificate(HUB))
    for node in (T1, N1):
        peers.learn(certificate(node))
    ground = SimpleNamespace(
        ask=ask, peers=peers, speaks=(), link=SimpleNamespace(is_connected=connected), signer=SimpleNamespace(origin=f"{HUB}:1"),
        quarantine=lambda node, _ledger, _origin, refusal: refused.append(f"{node} {refusal.code}"),
    )  # fmt: skip
    return Claims(ground), refused


async def test_who_claims_to_have_more_and_never_answers_stops_nobody_for_long():
    """It is asked twice. After that its word counts for nothing, for a minute, then for longer."""
    asked = []

    async def silent(node: str, *_: object) -> None:
        asked.append(node)
        raise TimeoutError

    claims, refused = claims_of(silent)
    working = asyncio.create_task(claims.work())
    for _ in range(5):
        claims.note("rogue", V1, f"{HUB}:1", 9)
        await soon(lambda: not claims.is_open)
    assert (asked, refused) == (["rogue"] * SILENT_MAX, ["rogue claim_unshown"])
    assert not claims.overtaken
    working.cancel()


async def test_who_claims_to_have_more_and_lets_us_ask_nothing_is_asked_once_and_shown_as_that():
    """As everybody is to a computer that was put out and has not heard of it."""
    asked = []

    async def refuses(node: str, *_: object) -> SimpleNamespace:
        asked.append(node)
        return SimpleNamespace(data=b"", headers={REFUSED_HEADER: "pull_refused"})

    claims, refused = claims_of(refuses)
    working = asyncio.create_task(claims.work())
    for _ in range(3):
        claims.note(T1, V1, f"{HUB}:2", 9)
        await soon(lambda: not claims.is_open)
    assert (asked, refused, claims.overtaken, claims.highest) == ([T1], [f"{T1} claim_refused"], set(), 0)
    working.cancel()


async def test_whoever_invents_speakers_of_its_branch_is_one_who_stops_nobody_for_long():
    """A leaf lets any name of its branch through: each was asked twice, for seconds, and the next one began anew."""
    asked: list[str] = []

    async def silent(node: str, *_: object) -> None:
        asked.append(node)
        raise TimeoutError

    claims, refused = claims_of(silent)
    working = asyncio.create_task(claims.work())
    names = [f"nfake2{n:03}" for n in range(30)]
    for name in names[:20]:
        claims.note(name, V1, f"{HUB}:1", 9)
    await soon(lambda: not claims.is_open)
    for name in names:
        claims.note(name, V1, f"{HUB}:{len(asked) + 7}", 9)
        await soon(lambda: not claims.is_open)
    assert len(asked) == SILENT_MAX and len(refused) == 1
    claims.note("nlater222", V9, f"{HUB}:1", 9)
    assert claims.is_open, "of another branch"
    working.cancel()


async def test_what_was_said_of_our_lanes_is_bounded_and_holds_a_place_for_whoever_says_it_too():
    """Who fills it may be the one who would have us count on from an old number."""
    claims, _ = claims_of(None)
    for n in range(100):
        claims.note(T1, f"{V1}{n}", f"{HUB}:1", 9)
        claims.note(f"nfake2{n:03}", V1, f"{HUB}:1", 9)
        claims.note(T1, V1, f"{HUB}:{n + 50}", 9)
    claims.note(N1, V1, f"{HUB}:1", 9)
    claims.note(N1, V9, f"{HUB}:3", 9)
    assert len(claims._heard) == ORIGINS_MAX and f"{HUB}:1" in claims._heard, "the latest, and our own"
    assert all(len(said) <= SPEAKERS_MAX for said in claims._heard.values())
    assert (N1, V1) in claims._heard[f"{HUB}:1"]


async def test_an_honest_speaker_is_heard_beside_many_that_a_branch_invents():
    async def answers(node: str, *_: object) -> None:
        if node != N1:
            raise TimeoutError
        raise Refused("claim_unshown")

    claims, refused = claims_of(answers)
    working = asyncio.create_task(claims.work())
    for n in range(50):
        claims.note(f"nfake2{n:03}", V1, f"{HUB}:1", 9)
    claims.note(N1, V1, f"{HUB}:1", 9)
    await soon(lambda: not claims.is_open)
    assert f"{N1} claim_unshown" in refused, "it was asked"
    working.cancel()


@pytest.mark.parametrize(("epoch", "is_believed"), [(1, True), (4, True), (300, False)])
async def test_a_claim_whose_answer_the_line_swallowed_is_believed_rather_than_forked_from(epoch, is_believed):
    async def gone(*_: object) -> None:
        return None

    claims, refused = claims_of(gone, connected=False)
    working = asyncio.create_task(claims.work())
    claims.note("county", V1, f"{HUB}:{epoch}", 9)
    await soon(lambda: not claims.is_open)
    assert (claims.overtaken, claims.highest, refused) == (({V1}, epoch, []) if is_believed else (set(), 0, []))
    working.cancel()
