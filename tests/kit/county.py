"""A small real county for story tests: hub, township with its leaf, two villages, as `yidi demo` starts them, and what one does to them.

    county = await County.start(folder)       four programs and two nats-servers on loopback; wires that can be cut
    page = await county.page("wangfang")      a signed-in person at their own node's pages
    await county.yidi("gaoyu", "digest")      the command line of one node's folder

Everything that is typed through `log` is remembered, so that logs can be searched for it.
"""

import asyncio
import io
import secrets
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from deploy import cli, keeping
from deploy.demo.cast import COUNTY, NEIGHBOUR, PASSWORD, PEOPLE, TOWNSHIP, VILLAGE
from deploy.demo.check import Page, new_id, soon
from deploy.demo.county import Demo, Process, answers
from protocol.node.config import load
from protocol.node.identity import Identity
from protocol.node.journal.engine import connect_sqlite
from protocol.node.node import Node
from protocol.place import COMMON
from tests.kit.once import own_routes

WATCHERS = {"hub": "zhoumin", "town": "liqiang", "gaoyu": "wangfang", "liangpeng": "shenmeiqin"}  # who looks at /link of each node
HAS = {  # which of the ledgers that stories write to lie where
    "hub": (COUNTY, TOWNSHIP, VILLAGE, NEIGHBOUR, COMMON),
    "town": (TOWNSHIP, VILLAGE, NEIGHBOUR, COMMON),
    "gaoyu": (VILLAGE, COMMON),
    "liangpeng": (NEIGHBOUR, COMMON),
}
START_S_MAX = 60
HTML = {"Accept": "text/html"}


_founded: list[tempfile.TemporaryDirectory[str]] = []  # once in a process; each county is a copy of its folder, under ports of its own


class Ran(NamedTuple):
    """What a command of the terminal ended with."""

    code: int
    out: str
    err: str


async def yidi(*words: str | Path) -> Ran:
    """One command: the program `yidi` itself, in a thread of ours, for an interpreter of its own takes seconds to start."""
    return await asyncio.to_thread(_command, [*map(str, words)])


def _command(words: list[str]) -> Ran:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err), own_routes():
        try:
            cli.main(words)
        except SystemExit as over:
            code = over.code if isinstance(over.code, int) else 1
        except BaseException:  # what a terminal would show of a fault
            traceback.print_exc()
            code = 1
    return Ran(code, out.getvalue(), err.getvalue())


@asynccontextmanager
async def running(role: str, folder: Path, port: int) -> AsyncIterator[Process]:
    """`yidi hub` or `yidi edge` of a folder, from when its pages answer until the block ends."""
    log = folder.with_suffix(".log")
    process = await Demo.begun((sys.executable, "-m", "deploy.cli", role, "--folder", str(folder)), log)
    try:
        async with asyncio.timeout(START_S_MAX):
            while not await answers(port):
                assert process.returncode is None, log.read_text()[-1500:]
                await asyncio.sleep(0.1)
        yield process
    finally:
        await end(process, signal.SIGTERM)


def on_a_new_disk(home: Path) -> None:
    """Nothing is left there of the journal, so a restore has nothing but the backup."""
    for path in home.glob("journal.db*"):
        path.unlink()
    for path in home.glob("before-restore-*"):
        shutil.rmtree(path)


async def end(process: Process, how: signal.Signals) -> None:
    if process.returncode is None:
        process.send_signal(how)
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()


class County:
    def __init__(self, folder: Path) -> None:
        self.folder, self.demo = folder, Demo(folder)
        self.typed: set[str] = set()
        self._pages: dict[tuple[str, str], Page] = {}

    @classmethod
    async def start(cls, folder: Path) -> "County":
        county = cls(folder)
        if not _founded:
            made = tempfile.TemporaryDirectory()
            await Demo(Path(made.name)).prepare(near=False, disputes=0, seed=1)
            _founded.append(made)
        await asyncio.to_thread(shutil.copytree, _founded[0].name, folder, dirs_exist_ok=True)
        try:
            await county.demo.prepare(near=False, disputes=0, seed=1)
            await county.demo.start()
        except BaseException:
            await county.demo.stop()
            raise
        return county

    async def stop(self) -> None:
        for page in self._pages.values():
            await page.http.aclose()
        await self.demo.stop()

    # ── people ──

    async def page(self, account: str, node: str = "", password: str = "") -> Page:
        """Signed in once; a session outlives restarts of its node, not a restored backup (`forget`)."""
        node = node or next(person.node for person in PEOPLE if person.account == account)
        if (account, node) not in self._pages:
            page = Page(self.demo.url(node), account)
            if password:
                got = await page.http.post("/sign-in", data={"name": account, "password": password})
                assert got.status_code == 200, got.text
            else:
                await page.sign_in()
            self._pages[account, node] = page
        return self._pages[account, node]

    async def open_restored(self, node: str, account: str = "") -> None:
        """Somebody opens the pages of a restored node that can't reach the others, by name."""
        account = account or WATCHERS[node]
        async with httpx.AsyncClient(base_url=self.demo.url(node), timeout=30) as http:
            said = {"name": account, "password": PASSWORD, "reason": "村里断网，有人来登记"}
            got = await http.post("/restored/open", data=said, headers={"Accept": "application/json"})
            assert got.status_code == 200, got.text

    async def forget(self, node: str) -> None:
        """Pages of this node are signed in anew."""
        for key in [key for key in self._pages if key[1] == node]:
            await self._pages.pop(key).http.aclose()

    def form(
        self, ledger: str, account: str, parties: Sequence[tuple[str, str]] = (("宋木根", "13700009001"), ("齐阿大", "")), **more: Any
    ) -> dict:
        """A filled 登记 form."""
        self.typed |= {account, *(text for party in parties for text in party if text)}
        return {
            "command_id": new_id(), "ledger": ledger, "type": "0204", "account": account, "party_name": [name for name, _ in parties],
            "party_phone": [phone for _, phone in parties], "party_side": ["applicant", *["respondent"] * (len(parties) - 1)], **more,
        }  # fmt: skip

    async def log(self, page: Page, ledger: str, account: str, **more: Any) -> Any:
        """A registered dispute: {case, code, entries …}."""
        return await page.post("/cases", self.form(ledger, account, **more))

    async def note(self, page: Page, case: str, text: str) -> Any:
        self.typed.add(text)
        return await page.step(case, "AddNote", text=text)

    # ── nodes ──

    def home(self, node: str) -> Path:
        return self.folder / node

    def id_of(self, node: str) -> str:
        return Identity(self.home(node)).about().node

    async def yidi(self, node: str, *words: str | Path) -> Ran:
        return await yidi(*words, "--folder", self.home(node))

    @asynccontextmanager
    async def opened(self, node: str) -> AsyncIterator[Node]:
        """The node's own store, beside the running program, as the command line opens it."""
        async with keeping.opened(self.home(node), load(self.home(node) / "yidi.toml", {})) as found:
            yield found

    async def halt(self, node: str, how: signal.Signals = signal.SIGTERM) -> None:
        await end(self.demo.processes[node], how)

    async def begin(self, node: str) -> None:
        await self.demo.start_node(node)

    def server_pid(self, node: str) -> int:
        """Of the nats-server that this node runs."""
        return int((self.home(node) / "identity" / f"{'county' if node == 'hub' else 'leaf'}.pid").read_text())

    # ── claims ──

    async def link(self, node: str) -> Any:
        return await (await self.page(WATCHERS[node])).get("/link")

    async def digests(self, node: str) -> dict[str, str]:
        return {row["path"]: row["digest"] for row in (await self.link(node))["ledgers"]}

    async def same(self, *nodes: str, seconds: float = 40) -> None:
        """Waits until these nodes hold the same entries of every ledger that two of them share."""
        found: dict[str, dict[str, str]] = {}

        async def equal() -> bool:
            found.update({node: await self.digests(node) for node in nodes})
            shared = {ledger: [found[node].get(ledger) for node in nodes if ledger in HAS[node]] for ledger in HAS["hub"]}
            return all(len(set(digests)) < 2 for digests in shared.values())

        await soon(f"{nodes} hold the same: {found}", equal, seconds)

    async def shows(self, page: Page, case: str, seconds: float = 30) -> Any:
        """The case as this page shows it, as soon as it is there."""

        async def there() -> Any:
            got = await page.http.get(f"/cases/{case}")
            return got.json() if got.status_code == 200 else None

        return await soon(f"{page.account} sees {case}", there, seconds)

    async def online(self, node: str, wanted: bool, seconds: float) -> None:
        async def so() -> bool:
            return (await self.link(node))["online"] is wanted

        await soon(f"{node} online: {wanted}", so, seconds)

    def logs(self) -> dict[Path, str]:
        return {path: path.read_text(errors="replace") for path in self.folder.rglob("*.log")}

    def told_by_logs(self) -> list[str]:
        """What was typed and yet stands in a log."""
        return [f"{path.name}: {word}" for path, text in self.logs().items() for word in self.typed if word in text]

    def everything_stored(self, node: str) -> bytes:
        """All columns of all tables of the node's store, decrypted: where nothing may be, nothing is found here."""
        c = connect_sqlite(self.home(node) / "journal.db", Identity(self.home(node)).key("store"), False)
        try:
            tables = [name for (name,) in c.execute("select name from sqlite_master where type = 'table' and sql not like '%virtual%'")]
            values = (value for table in tables for row in c.execute(f'select * from "{table}"') for value in row)
            return b"\0".join(v if isinstance(v, bytes) else str(v).encode() for v in values)
        finally:
            c.close()

    def found_in_files(self, node: str, words: Iterable[str]) -> list[str]:
        files = ((path.name, bytes_of(path)) for path in self.home(node).rglob("*") if path.is_file())
        return [f"{name}: {word}" for name, raw in files for word in words if word.encode() in raw]


def bytes_of(file: Path) -> bytes:
    """Of a program's file, which may be gone as soon as it was found: then it holds nothing."""
    with suppress(FileNotFoundError):
        return file.read_bytes()
    return b""


async def until(true: Callable[[], Awaitable[Any]] | Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """`soon` for claims that need not wait themselves. A node that gives no answer, as one that opens again by itself, is asked again."""

    async def asked() -> Any:
        try:
            found = true()
            return await found if isinstance(found, Awaitable) else found
        except httpx.TransportError:
            return None

    return await soon(what, asked, seconds)


def distinct(words: str) -> str:
    """A sentence that no other test types."""
    return f"{words}（{secrets.token_hex(4)}）"
