"""A county's hub on PostgreSQL as a real program, and its 233 nodes as stand-ins in one other program (stand_ins.py).

async with Centre.found(folder, written, nodes) as centre:         founded once: the nodes enrolled, the first half of each lane here
    async with centre.hub() as hub, centre.crowd() as crowd:       each time a fresh database of it
        told = await crowd.go()                                    all connect at once, and hand in the rest

    async with centre.hub(), centre.beside() as port, …            a second program of that hub (deploy/running.py, `[root] beside`):
                                                                   its pages; the first one has the lead
"""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from deploy.county import County
from deploy.demo import build
from deploy.demo.cast import PASSWORD, Person
from deploy.nats.servers import free_ports
from protocol import batch as batches
from protocol.node.config import load
from protocol.node.fellows import LEAD
from protocol.node.gate import RESTORED
from protocol.node.link.answers import piece
from protocol.node.link.creds import kept_key, public, write_creds
from protocol.node.machine import MARK
from protocol.node.node import Node, now_ms
from protocol.place import COMMON
from protocol.tables import Tables
from tests.bench.crowd import COUNTY, Author, authors
from tests.bench.kit.postgres import database, dropped, postgres
from tests.bench.kit.programs import Program
from tests.bench.kit.wires import Written
from tests.kit.postgres import Server

TEMPLATE = "centre"
ACCOUNT = "zhoumin"
LATER_S_MAX = 600


class Told(msgspec.Struct, frozen=True):
    """Of the crowd: seconds from the word to go until all are connected, and until each has the hub's Have of all that it holds
    · unheard: messages that the nats-server would have handed out besides, where each hears *common* of all (see stand_ins.py)."""

    connected_s: float
    drained_s: float
    entries: int
    cpu_s: float
    unheard: int
    unheard_bytes: int


class Crowd:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def go(self) -> Told:
        """Raises AssertionError with its last words."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(b"go\n")
        async with asyncio.timeout(LATER_S_MAX):
            said = await self._process.stdout.readline()
        assert said, "the stand-ins ended"
        return msgspec.json.decode(said, type=Told)


class Centre:
    """url: of the database of the hub that runs now."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server, self.home, self.url = folder, server, folder / "hub", ""
        self.pages, self.second, self.nats, self.leaf = free_ports(4)

    @classmethod
    @asynccontextmanager
    async def found(cls, folder: Path, written: Written, nodes: int) -> AsyncIterator["Centre"]:
        """nodes: how many of the county's take part, those with the longest lanes."""
        async with postgres() as server:
            made = cls(folder, server)
            await server._say(f"create database {TEMPLATE}")
            made._configure(server.url(TEMPLATE))
            (made.home / "county").mkdir(parents=True)
            (made.home / "county" / "county.key").write_bytes(bytes(written.county_key))
            await made._fill(written, nodes)
            yield made

    def _configure(self, url: str) -> None:
        self.home.mkdir(exist_ok=True)
        text = f'[http]\nport = {self.pages}\n[nats]\nport = {self.nats}\nleaf_port = {self.leaf}\n[store]\nurl = "{url}"\n'
        (self.home / "yidi.toml").write_text(f'{text}[root]\nplace = "{COUNTY}"\n')
        self.url = url

    async def _fill(self, written: Written, nodes: int) -> None:
        config = load(self.home / "yidi.toml", {})
        county = County.open(self.home, config, now_ms())
        node = await Node.open(self.home, config)
        try:
            await county.furnish(node)
            operator = await build.employ(node, Person("周敏", "operator", COUNTY))
            await node.people.add_account(ACCOUNT, operator.person, PASSWORD, now_ms())
            halves = sorted(written.halves, key=lambda pieces: -sum(map(len, pieces)))
            lanes = [[batches.unpack(wire) for wire in pieces] for pieces in halves]
            some = _busiest(authors(written.county_key, Tables.packaged()), lanes, nodes)
            for author in some:
                await node.desk.enrol_node(author.signer.certificate)
                self._write_creds(county, author)
            names = {author.signer.origin for author in some}
            taking_part = [pieces for pieces in lanes if pieces[0].origin in names]
            await asyncio.gather(*(node.admission.admit(pieces[0], pieces[0].origin, backlog=True) for pieces in taking_part))
            await node.admission.settled()
            crowd = {
                "paths": [author.path for author in some],
                "lanes": [[batches.encode(one) for one in pieces] for pieces in taking_part],
            }
            crowd["lanes"].append(await _common(node))  # of which an outage took nothing
            crowd |= {"county_key": bytes(written.county_key), "hub": node.about.certificate}
            (self.folder / "crowd.bin").write_bytes(msgspec.msgpack.encode(crowd))
            shutil.copy(self.home / "identity" / "ca.pem", self.folder / "ca.pem")
        finally:
            await node.close()

    def _write_creds(self, county: County, author: Author) -> None:
        node, folder = author.signer.node, self.folder / "creds"
        key = kept_key(folder / f"{node}.seed")
        write_creds(folder / f"{node}.creds", county.authority.node_jwt(author.signer.certificate, public(key), now_ms() // 1_000), key)

    async def entries(self) -> int:
        """On the hub's disk now."""
        return await self._value("select count(*) from entry")

    async def leader(self) -> str:
        """Which program of the hub pulls now (protocol/node/fellows.py)."""
        return await self._value(f"select split_part(convert_from(value, 'UTF8'), ' ', 1) from local where name = '{LEAD}'")

    async def _value(self, sql: str) -> Any:
        c = await asyncpg.connect(self.url.replace("+asyncpg", ""))
        try:
            return await c.fetchval(sql)
        finally:
            await c.close()

    @asynccontextmanager
    async def hub(self) -> AsyncIterator[Program]:
        url = await database(self.server, TEMPLATE)
        for name in (MARK, RESTORED):  # each run begins as if no other had been: its own saves of before are no loss
            (self.home / name).unlink(missing_ok=True)
        self._configure(url)
        program = await Program.start("hub", self.folder, self.pages)
        try:
            yield program
        finally:
            await program.stop()
            await dropped(self.server, url)

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[int]:
        """The port of its pages: a further program of the hub that runs, from the same identity, on the same database and nats-server."""
        home = self.folder / "beside"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.home / "identity", home / "identity")
        (home / "yidi.toml").write_text(
            f'[http]\nport = {self.second}\n[store]\nurl = "{self.url}"\n[link]\nservers = ["127.0.0.1:{self.nats}"]\n'
            f'[files]\nfolder = "{self.home}"\n[root]\nbeside = true\n'
        )
        program = await Program.start("beside", self.folder, self.second)
        try:
            yield self.second
        finally:
            await program.stop()

    @asynccontextmanager
    async def crowd(self) -> AsyncIterator[Crowd]:
        """Ready to go; nobody is connected yet."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.kit.stand_ins", str(self.folder), f"127.0.0.1:{self.nats}",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=dict(os.environ),
        )  # fmt: skip
        try:
            assert process.stdout
            async with asyncio.timeout(LATER_S_MAX):
                ready = await process.stdout.readline()
            assert ready == b"ready\n", "the stand-ins did not start"
            yield Crowd(process)
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


async def _common(node: Node) -> list[bytes]:
    """What the hub said to all, whole."""
    (head,), pieces = (await node.journal.heads(COMMON)).values(), list[bytes]()
    after = 0
    while after < head.seq and (got := await piece(node.journal, COMMON, node.signer.origin, after, batches.BATCH_ENTRIES_MAX)):
        pieces.append(batches.encode(got))
        after = got.last
    return pieces


def _busiest(known: dict[str, Author], lanes: Sequence[Sequence[Any]], nodes: int) -> list[Author]:
    """Those with the longest lanes, then the others: every one of the county's when there is room."""
    by_origin = {author.signer.origin: author for author in known.values()}
    busy = dict.fromkeys([pieces[0].origin for pieces in lanes] + list(by_origin))
    return [by_origin[origin] for origin in busy][:nodes]
