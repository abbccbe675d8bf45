"""A leaf that was cut off from the server above joins it again by itself: whoever runs it notices, and what waited goes up at once."""

from pathlib import Path

from deploy.nats.servers import Server
from deploy.nats.upward import REFUSED_TIMES, STANDS_MS, Upward
from protocol.node.link import pump
from protocol.place import COMMON
from tests.link.kit import ALL, HUB, N1, T1, soon
from tests.link.proxy import Proxy

MADE = "[7] 2026/11/29 10:23:58.569947 [INF] 127.0.0.1:28436 - lid:{} - Leafnode connection created for account: A\n"
IN = '[7] 2026/11/29 10:23:58.569999 [INF] 127.0.0.1:28436 - lid:{} - JetStream using domains: local "", remote ""\n'
REFUSED = "[7] 2026/11/29 23:57:09.360757 [ERR] 127.0.0.1:21340 - lid:{} - Leafnode Error 'Authorization Violation'\n"
CLOSED = "[7] 2026/11/29 10:23:58.570377 [INF] 127.0.0.1:28436 - lid:{} - Leafnode connection closed: Read Error\n"


def told(upward: Upward, log_file: Path, *lines: str) -> bool:
    with log_file.open("a") as f:
        f.writelines(lines)
    upward.look()
    return upward.carries


def test_what_is_made_and_closed_again_and_again_carries_nothing(tmp_path):
    log_file, now_ms = tmp_path / "leaf.log", [5]
    upward = Upward(log_file, lambda: now_ms[0])
    upward.begin()
    assert not told(upward, log_file), "the file is not there yet"
    for number in range(9):
        assert not told(upward, log_file, MADE.format(number)), "before TLS, before it was let in"
        assert not told(upward, log_file, CLOSED.format(number), MADE.format(number + 1000), CLOSED.format(number + 1000))
    assert not told(upward, log_file, MADE.format(20))
    now_ms[0] += STANDS_MS
    assert not told(upward, log_file), "whoever takes it and is silent"
    assert told(upward, log_file, IN.format(20))
    assert told(upward, log_file, CLOSED.format(19)), "another one, long ago"
    assert told(upward, log_file, CLOSED.format(20)[:70]), "half a line says nothing yet"
    assert not told(upward, log_file, CLOSED.format(20)[70:])
    assert not told(upward, log_file, MADE.format(21))
    now_ms[0] += STANDS_MS + 1
    assert told(upward, log_file), "a server of another release, which says it in other words"


def test_a_log_that_is_begun_anew_is_read_whole_and_a_server_that_died_carries_nothing(tmp_path):
    """nats-server writes a line, then renames its log when that was one too many."""
    log_file, now_ms = tmp_path / "leaf.log", [1]
    upward = Upward(log_file, lambda: now_ms[0])
    told(upward, log_file, MADE.format(1))
    now_ms[0] = 2
    assert told(upward, log_file, IN.format(1))
    assert upward.since_ms == 2
    with log_file.open("a") as f:
        f.write(CLOSED.format(1))
    log_file.rename(tmp_path / "leaf.log.1")
    upward.look()
    assert not upward.carries, "the last line of the old one counts, the new one is not there yet"
    assert told(upward, log_file, MADE.format(2), IN.format(2))
    with log_file.open("a") as f:
        f.write(CLOSED.format(2))
    log_file.rename(tmp_path / "leaf.log.2")
    assert told(upward, log_file, MADE.format(3), IN.format(3))
    upward.begin()
    assert not told(upward, log_file)
    assert not told(upward, log_file), "what the server before it said counts no more"
    upward.close()


def test_who_is_refused_again_and_again_is_shut_out_until_it_carries_and_a_wrong_moment_says_nothing(tmp_path):
    """A leaf's clients never hear that it was put out. The county's server that is just starting may refuse once or twice."""
    log_file = tmp_path / "leaf.log"
    upward = Upward(log_file, lambda: 5)
    upward.begin()
    for number in range(REFUSED_TIMES - 1):
        told(upward, log_file, MADE.format(number), REFUSED.format(number), CLOSED.format(number))
    assert not upward.is_shut_out
    assert told(upward, log_file, MADE.format(100), IN.format(100))
    told(upward, log_file, CLOSED.format(100))
    for number in range(200, 200 + REFUSED_TIMES):
        assert not upward.is_shut_out, "what was said before it carried counts no more"
        told(
            upward,
            log_file,
            MADE.format(number),
            REFUSED.format(number),
            CLOSED.format(number),
            MADE.format(-number),
            CLOSED.format(-number),
        )
    assert upward.is_shut_out
    upward.begin()
    told(upward, log_file, MADE.format(1), CLOSED.format(1))
    assert upward.is_shut_out, "its server died and began again: it was let in by nobody"
    assert told(upward, log_file, MADE.format(2), IN.format(2))
    assert not upward.is_shut_out
    upward.close()


def test_a_log_that_is_read_at_once_says_what_it_said_line_by_line(tmp_path):
    """As a command does: the whole log of months, of a leaf that was refused once, was let in again and is at rest now."""
    log_file = tmp_path / "leaf.log"
    refused = [line.format(n) for n in range(REFUSED_TIMES + 9) for line in (MADE, REFUSED, CLOSED)]
    upward = Upward(log_file, lambda: 5)
    told(upward, log_file, *refused, MADE.format(900), IN.format(900), CLOSED.format(900))
    assert not upward.is_shut_out
    told(upward, log_file, *refused)
    assert upward.is_shut_out
    upward.close()


async def test_what_waited_for_a_cut_township_goes_up_when_its_leaf_has_joined_again(town, tmp_path, monkeypatch):
    """No Have is repeated while this runs: else the next one would bring it, up to five seconds later."""
    for name in ("REPEAT_S_MIN", "REPEAT_S_MAX", "QUIET_S"):
        monkeypatch.setattr(pump, name, 600.0)
    await town.leaf.stop()
    wire = await Proxy(town.county_listen.leaf_port, seed=7).start()
    town.leaf = Server(town.leaf.folder, "leaf", town.leaf_listen, town.authority.trust(), f"tls://127.0.0.1:{wire.port}")
    hub, t1 = town.node(HUB).start(), town.node(T1, town.branch)
    hub.enrolled(*ALL)
    turns = []
    town.leaf.turned = lambda carries, again: again or turns.append(carries)
    await town.leaf.start()
    await soon(lambda: town.leaf.state().carries)
    t1.start()
    await soon(lambda: t1.has(hub, COMMON))
    t1.write()
    await soon(lambda: hub.has(t1))
    town.leaf.turned = lambda carries, again: (again or turns.append(carries), carries and t1.pump.rejoined(again))
    wire.cut()
    await soon(lambda: not town.leaf.state().carries)
    t1.write()
    hub.write(ledger=t1.ledger)
    wire.heal()
    await soon(lambda: hub.has(t1))
    await soon(lambda: t1.has(hub, t1.ledger))
    assert turns == [True, False, True]
    assert town.server.state().carries is None, "it dials nobody"
    await wire.stop()


async def test_who_did_not_hear_the_county_s_first_question_behind_a_cut_leaf_is_asked_again(town, monkeypatch):
    """The county's program started anew and knows what nobody has said to it; the village behind the leaf never noticed."""
    monkeypatch.setattr(pump, "QUIET_S", 0.5)
    await town.leaf.stop()
    wire = await Proxy(town.county_listen.leaf_port, seed=8).start()
    town.leaf = Server(town.leaf.folder, "leaf", town.leaf_listen, town.authority.trust(), f"tls://127.0.0.1:{wire.port}")
    await town.leaf.start()
    hub, v1 = town.node(HUB).start(), town.node(N1, town.branch).start()
    hub.enrolled(*ALL)
    v1.write()
    await soon(lambda: v1.has(hub, COMMON) and hub.has(v1) and hub.pump.said(N1, COMMON))
    await hub.stop()
    wire.cut()
    hub.start()
    await soon(lambda: hub.pump._says == {} and hub.pump._ground.link.is_connected and not hub.pump._anew)
    assert hub.pump.said(N1, COMMON) is None, "it heard the first question"
    wire.heal()
    await soon(lambda: hub.pump.said(N1, COMMON))
    assert not any(COMMON in peer.lacks for peer in hub.pump.peers() if peer.node == N1)
    await wire.stop()
