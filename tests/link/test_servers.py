"""Who may say and hear what, on real nats-servers; each row goes red when its permission is loosened."""

import asyncio
import sys
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from deploy.nats import servers
from deploy.nats.permissions import allows, leaf_may, node_may
from deploy.nats.servers import Listen
from protocol import certificate as certificates
from protocol import place
from protocol.node.link import client, subjects
from protocol.node.link.client import end
from tests.link.kit import COUNTY, HALL, HUB, N1, N2, N9, NODES, OTHER, T1, TOWN, V1, V2, V9, now_s, soon


class Wire:
    """A bare connection of one node: what it got, and whether the server refused."""

    def __init__(self, link) -> None:
        self.link, self.got = link, []
        self.task = asyncio.create_task(link.run())

    async def up(self) -> "Wire":
        await soon(lambda: self.link.is_connected)
        return self

    async def hears(self, subject: str) -> bool:
        """Subscribes; False: the server said no."""

        async def heard(msg) -> None:
            self.got.append((msg.subject, msg.data))

        await self.link.subscribe(subject, heard)
        await self.link.confirm()
        return not self.link.refused(subject)

    async def says(self, subject: str, body: bytes = b"x") -> bool:
        await self.link.publish(subject, body)
        await self.link.confirm()
        return not self.link.refused(subject)

    async def down(self) -> None:
        await end([self.task])


@pytest.fixture
async def wire(town):
    opened: list[Wire] = []

    async def connect(node: str, *servers: str) -> Wire:
        opened.append(Wire(town.link(node, *servers)))
        return await opened[-1].up()

    yield connect
    await asyncio.gather(*(one.down() for one in opened))


PLACES = {HUB: COUNTY, T1: TOWN, N1: V1, N2: V2, N9: V9}
HEARS = {HUB: set(PLACES.values()), T1: {TOWN, V1, V2}, N1: {V1}, N2: {V2}, N9: {V9}}


@pytest.mark.parametrize("kind", ["live", "have"])
async def test_a_node_speaks_only_as_itself_and_hears_only_what_it_covers(wire, kind):
    wires = {node: await wire(node) for node in PLACES}
    for node, one in wires.items():
        for ledger in PLACES.values():
            subject = f"y1.{kind}.{place.tokens(ledger)}"
            assert await one.hears(f"{subject}.*") == (ledger in HEARS[node]), (node, ledger)
            for speaker in PLACES:
                assert await one.says(f"{subject}.{speaker}") == (speaker == node), (node, speaker)
        for other in PLACES:
            for subject in (subjects.pull("*", other), subjects.blob("*", other), subjects.inbox("*", other) + ".x"):
                assert not await one.hears(subject), (node, subject)
        assert await one.hears(f"y1.{kind}._._._.*")
        assert not await one.hears(">")
        assert not await one.hears("$SYS.>")
        assert not await one.says("$SYS.REQ.CLAIMS.UPDATE")


async def test_an_answer_goes_once_to_the_asker_and_nobody_else_may_write_there(town, wire):
    v1, v2 = await wire(N1), await wire(N2)
    branch = town.certificates[N2].branch

    async def answer(msg) -> None:
        await msg.respond(b"one")

    await v2.link.subscribe(subjects.pull(branch, N2), answer)
    await v2.link.confirm()
    got = await v1.link.request(subjects.pull(branch, N2), b"", 15)
    assert got is not None
    assert got.data == b"one"
    assert not await v2.says(subjects.inbox(branch, N1) + ".unasked")


async def test_what_was_asked_over_a_connection_that_is_lost_is_not_waited_for(town, wire):
    v1, v2 = await wire(N1, town.branch), await wire(N2, town.branch)
    branch, asked = town.certificates[N2].branch, asyncio.Event()

    async def silent(_msg) -> None:
        asked.set()

    await v2.link.subscribe(subjects.pull(branch, N2), silent)
    await v2.link.confirm()
    answer = asyncio.ensure_future(v1.link.request(subjects.pull(branch, N2), b"", 600))
    await asyncio.wait_for(asked.wait(), 15)
    town.leaf.kill()
    assert await asyncio.wait_for(answer, 15) is None


async def test_sealed_ledgers_are_in_no_wildcard_of_those_who_do_not_list_them(town, wire):
    hub, hall, t1, v1, v2 = [await wire(node) for node in (HUB, HALL, T1, N1, N2)]
    sealed = f"{COUNTY}/sealed/{N1}"
    assert await hub.hears("y1.live.330523.*.*.*")
    assert await hall.hears("y1.live.330523.*.*.*")  # the wildcard is taken, what is sealed is kept out of it
    assert not await hall.hears(f"y1.live.{place.tokens(sealed)}.*")
    for other in (t1, v2):
        assert not await other.hears(f"y1.live.{place.tokens(sealed)}.*")
        assert not await other.hears("y1.live.330523.sealed.*.*")
    assert await v1.hears(f"y1.have.{place.tokens(sealed)}.*")
    await v1.says(subjects.live(sealed, N1), b"sealed")
    await v1.says(subjects.live(V1, N1), b"open")
    await soon(lambda: len(hub.got) == 2)
    await asyncio.sleep(0.1)
    assert [body for _, body in hall.got] == [b"open"]
    assert not t1.got
    assert not v2.got


def test_who_goes_on_for_a_put_out_node_hears_its_sealed_ledger_and_no_other() -> None:
    serves, covers, branch = NODES[HALL]
    key = SigningKey.generate()
    after = certificates.issue(
        key, node=HALL, name="厅", key=bytes(key.verify_key), serves=serves, covers=(*covers, f"{COUNTY}/sealed/{N1}"), short=9,
        valid_from_ms=1, branch=branch,
    )  # fmt: skip
    heard = node_may(after)["sub"]
    assert allows(heard["allow"], f"y1.live.{COUNTY}.sealed.{N1}.{N1}")
    assert allows(heard["deny"], f"y1.live.{COUNTY}.sealed.{N2}.{N2}")
    assert not certificates.hears(after, f"{COUNTY}/sealed/{N2}")


async def test_a_township_goes_on_while_the_county_is_dead(town, wire):
    hub, v9, t1, v1 = await wire(HUB), await wire(N9), await wire(T1, town.branch), await wire(N1, town.branch)
    assert await hub.hears("y1.live.330523.*.*.*")
    assert await t1.hears(f"y1.live.{TOWN.replace('/', '.')}.*.*")
    sealed = f"{COUNTY}/sealed/{N1}"

    async def answer(msg) -> None:
        await msg.respond(b"answer")

    await v1.link.subscribe(subjects.pull("330523111", N1), answer)
    await soon_heard(v1, hub, subjects.live(V1, N1), b"one")
    assert await v1.says(subjects.live(sealed, N1), b"sealed")  # passes the leaf, is heard by the hub alone
    await soon(lambda: b"sealed" in bodies(hub))
    assert (await hub.link.request(subjects.pull("330523111", N1), b"", 15)).data == b"answer"
    with pytest.raises(TimeoutError):  # a leaf answers its branch and the county alone
        await v9.link.request(subjects.pull("330523111", N1), b"", 0.5)
    town.server.kill()
    await soon(lambda: not hub.link.is_connected)
    await v1.says(subjects.live(V1, N1), b"two")
    await soon(lambda: b"two" in bodies(t1))
    assert (await t1.link.request(subjects.pull("330523111", N1), b"", 15)).data == b"answer"
    assert b"sealed" not in bodies(t1)
    await soon(lambda: town.server.state().restarts == 1)
    await soon(lambda: hub.link.is_connected)
    took = await soon_heard(v1, hub, subjects.live(V1, N1), b"three")
    print(f"\ncounty killed and restarted by its watch: flows again after {took:.2f} s more")
    assert town.server.state().last_exit == -9


def bodies(wire: Wire) -> list[bytes]:
    return [body for _, body in wire.got]


async def soon_heard(speaker: Wire, hearer: Wire, subject: str, body: bytes) -> float:
    """Says it until it is heard: interest crosses the leaf some moments after the subscription."""
    waited = 0.0
    while body not in bodies(hearer):
        assert waited < 15
        await speaker.link.publish(subject, body)
        await asyncio.sleep(0.02)
        waited += 0.02
    return waited


async def test_a_village_falls_over_to_the_county_and_comes_home(town, wire):
    hub, v1 = await wire(HUB), await wire(N1, town.branch, town.county)
    assert await hub.hears("y1.live.330523.*.*.*")
    assert v1.link.state().server == town.branch
    await town.leaf.stop()
    took = await soon(lambda: v1.link.state().server == town.county)
    await soon_heard(v1, hub, subjects.live(V1, N1), b"by the county")
    await town.leaf.start()
    back = await soon(lambda: v1.link.state().server == town.branch)
    print(f"\nleaf stopped: village at the county after {took:.2f} s; leaf started: home after {back:.2f} s")
    await soon_heard(v1, hub, subjects.live(V1, N1), b"by the leaf again")
    assert v1.link.state().reconnects == 2


async def test_a_server_that_has_long_been_away_is_tried_less_often(town, wire, monkeypatch):
    """Ten times a second for weeks would be what an old PC does most."""
    monkeypatch.setattr(client, "EAGER_S", 0.4)
    v1 = await wire(N1, town.branch)

    def pause_s() -> float:
        return v1.link._trying.options["reconnect_time_wait"]

    assert pause_s() == client.EAGER_PAUSE_S
    await town.leaf.stop()
    await soon(lambda: pause_s() == client.PATIENT_PAUSE_S)
    assert not v1.link.is_connected
    await town.leaf.start()
    await soon(lambda: v1.link.is_connected and pause_s() == client.EAGER_PAUSE_S)
    never = await wire_of_nobody(town)
    await soon(lambda: never.link._trying is not None and never.link._trying.options["reconnect_time_wait"] == client.PATIENT_PAUSE_S)
    await never.down()


async def wire_of_nobody(town) -> Wire:
    """It was never connected."""
    return Wire(town.link(N2, "127.0.0.1:9"))


async def test_a_dead_leaf_comes_back_by_itself_and_its_state_says_so(town, wire):
    v1 = await wire(N1, town.branch)
    first = town.leaf.state()
    assert first.running
    assert first.restarts == 0
    assert first.pid
    town.leaf.kill()
    await soon(lambda: town.leaf.state().restarts == 1)
    await soon(lambda: v1.link.is_connected)
    again = town.leaf.state()
    assert again.running
    assert again.pid != first.pid
    assert again.last_exit == -9


async def test_a_dead_leaf_comes_back_also_where_there_was_no_room_for_a_program_at_first(town, monkeypatch):
    real, tried = asyncio.create_subprocess_exec, []

    async def spawned(*words: str, **more: object) -> object:
        tried.append(words)
        if len(tried) == 1:
            raise BlockingIOError(11, "no more processes")
        return await real(*words, **more)

    monkeypatch.setattr(servers.asyncio, "create_subprocess_exec", spawned)
    town.leaf.kill()
    await soon(lambda: town.leaf.state().restarts == 1)
    assert len(tried) == 2
    assert town.leaf.state().running


async def test_a_leaf_in_strangers_hands_hears_and_forges_nothing_of_another_township(town, wire):
    """Its creds still good, its own rules gone: what the county's server lets through is all that guards."""
    hub, v9 = await wire(HUB), await wire(N9)
    assert await hub.hears("y1.live.330523.*.*.*")
    await town.leaf.stop()
    config = town.leaf.file.read_text()
    head = "\n".join(line for line in config.splitlines() if line.startswith(("server_name", "listen", "ping", "max_")))
    remote = f'url: "tls://127.0.0.1:{town.county_listen.leaf_port}", credentials: leaf.creds'
    tls = "tls { cert_file: tls.pem, key_file: tls.key, ca_file: ca.pem }"
    stolen = f'{head}\nleafnodes {{ reconnect: "200ms", remotes [ {{ {remote}, {tls} }} ] }}\n'
    town.leaf._write = lambda _: town.leaf.file.write_text(stolen)
    await town.leaf.start()
    thief = await wire_without_creds(town)
    try:
        got: list[bytes] = []

        async def heard(msg) -> None:
            got.append(msg.data)

        for subject in (f"y1.live.{V9.replace('/', '.')}.*", "y1.live.>", "_INBOX.>", f"y1.pull.330523002.{N9}"):
            await thief.subscribe(subject, cb=heard)
        await thief.flush()
        await asyncio.sleep(0.5)
        await v9.says(subjects.live(V9, N9), b"of another township")
        await thief.publish(subjects.live(V9, N9), b"forged")
        await thief.publish(subjects.live(V1, N1), b"of its own branch")
        await soon(lambda: b"of its own branch" in bodies(hub))
        await asyncio.sleep(0.2)
        assert got == []
        assert bodies(hub) == [b"of another township", b"of its own branch"]
    finally:
        await thief.close()


async def wire_without_creds(town):
    import ssl

    import nats

    return await nats.connect(f"tls://{town.branch}", tls=ssl.create_default_context(cafile=str(town.folder / "ca.pem")), no_echo=True)


async def test_a_leaf_without_a_certificate_of_the_county_is_not_parsed(town):
    await town.leaf.stop()
    whole = town.leaf.file.read_text()
    start, end = whole.index("leafnodes"), whole.index("leaf.creds, tls")
    bare = whole[: end + len("leaf.creds")] + ", tls { ca_file: ca.pem } } ] }\n"
    assert start < end
    town.leaf._write = lambda _: town.leaf.file.write_text(bare)
    await town.leaf.start()
    await soon(lambda: "client didn't provide a certificate" in town.server.log_file.read_text())


async def test_revoked_is_cut_at_once_at_every_server_that_was_told(town, wire):
    hub, v1, v2, by_leaf = await wire(HUB), await wire(N1), await wire(N2, town.branch), await wire(N1, town.branch)
    assert await hub.hears("y1.live.330523.*.*.*")
    assert town.authority.revoke(N1) == 1
    assert await town.server.apply(town.authority.trust())
    took = await soon(lambda: v1.link.state().closed)
    await soon_heard(by_leaf, hub, subjects.live(V1, N1), b"by a leaf that has not heard")  # why an entry in *common* is needed too
    assert await town.leaf.apply(town.authority.trust())
    leaf_took = await soon(lambda: by_leaf.link.state().closed)
    await soon(lambda: v1.link.is_shut_out and by_leaf.link.is_shut_out)  # nobody told it that it was put out: the page can say so
    print(f"\nrevoked: cut after {took:.3f} s; at the leaf, once told, after {leaf_took:.3f} s")
    assert hub.link.state().reconnects == v2.link.state().reconnects == 0  # nobody else noticed
    assert not hub.link.is_shut_out
    assert not await town.server.apply(town.authority.trust())  # the same again is nothing to apply


async def test_revoked_is_cut_and_kept_out_also_by_a_token_of_a_clock_that_was_ahead(town):
    """The county's clock ran a year ahead when it enrolled, or was back when it revoked; and it was revoked once more since."""
    ahead_s = now_s() + 365 * 86_400
    town.authority.write_node_creds(town.certificates[N1], town.folder / f"{N1}.creds", town.folder / f"{N1}.seed", ahead_s)
    thief = Wire(town.link(N1))
    try:
        await thief.up()
        before = town.authority.trust()
        assert town.authority.revoke(N1) == 1
        assert town.authority.trust() != before
        assert await town.server.apply(town.authority.trust())
        await soon(lambda: thief.link.is_shut_out)
        again = Wire(town.link(N1))
        try:
            await soon(lambda: again.link.is_shut_out)
        finally:
            await again.down()
    finally:
        await thief.down()
    settled = town.authority.trust()
    town.authority.revoke(N1)
    assert town.authority.trust() == settled, "the same again is nothing to apply"


async def test_a_server_left_over_is_ended_and_another_program_is_not(town):
    pid = town.server.state().pid
    other = type(town.server)(town.server.folder, "county", town.county_listen, town.authority.trust())
    await town.server.stop()
    other._pid_file.write_text("1")  # not ours
    await other.start()
    assert other.state().pid not in (pid, 1)
    await other.stop()


async def test_another_server_on_its_port_is_not_taken_for_our_own(town, monkeypatch):
    monkeypatch.setattr(servers, "FREE_S_MAX", 0.2)
    other = type(town.server)(town._home("other"), "county", town.county_listen, town.authority.trust())
    with pytest.raises(OSError, match=r"已被别的程序占用.*\[nats\] port"):
        await other.start()
    assert not other.state().running and town.server.state().running
    elsewhere = type(town.server)(town._home("other"), "county", Listen(town.county_listen.port, host="192.0.2.1"), town.authority.trust())
    with pytest.raises(OSError, match="192.0.2.1 不是这台电脑的地址"):
        await elsewhere.start()


async def test_a_server_ends_with_the_program_that_started_it(town):
    """SIGKILL: nothing of the program runs any more that could end it."""
    await town.server.stop()
    script = f"""
import asyncio, os, signal
from pathlib import Path
from deploy.nats.identity import Authority
from deploy.nats.servers import Listen, Server

async def main():
    trust = Authority(Path({str(town.folder / "authority")!r}), 0).trust()
    server = await Server(Path({str(town.server.folder)!r}), "county", Listen({town.county_listen.port}), trust).start()
    print(server.state().pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    pid = int((await child.communicate())[0])
    await soon(lambda: not is_running(pid))
    await town.server.start()  # and the port is free


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_permissions_name_the_branch_once_and_no_node():
    may = leaf_may(TOWN)
    assert not any(
        word.startswith("n") for rule in (may["pub"], may["sub"]) for subject in rule["allow"] for word in subject.split(".")[2:]
    )
    assert allows(may["pub"]["allow"], f"y1.live.330523.330523111.330523111299.{N1}")
    assert allows(may["pub"]["allow"], f"y1.live.330523.sealed.{N1}.{N1}")
    assert not allows(may["pub"]["allow"], f"y1.live.{place.tokens(V9)}.{N9}")
    assert not allows(may["pub"]["allow"], f"y1.live._._._.{N1}")  # nobody behind a leaf writes *common*
    assert not allows(may["sub"]["allow"], f"_INBOX.330523002.{N9}.x")
    assert allows(may["pub"]["allow"], f"_INBOX._.{HUB}.x")
    assert not allows(may["pub"]["allow"], f"_INBOX.330523002.{N9}.x")
    assert OTHER not in str(may)


def test_allows_knows_wildcards():
    assert allows(["a.*.c", "b.>"], "a.x.c")
    assert allows(["b.>"], "b.x.y")
    assert not allows(["a.*.c", "b.>"], "a.x.y.c")
    assert not allows(["b.>"], "b")


def test_a_port_is_not_drawn_again_before_the_program_that_it_is_for_can_have_it(monkeypatch):
    low = servers.free_ports(1)[0]
    monkeypatch.setattr(servers, "PORTS", (low, low + 60))
    drawn = [servers.free_ports(1)[0] for _ in range(20)]
    assert len({low, *drawn}) == 21
