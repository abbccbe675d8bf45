"""A rig behind real sockets, in a loop of its own thread, for a browser that runs in this one.

with served(tmp_path, "village", "town") as rig:      rig.url["village"], rig.do(lambda r: r.log("village"))
nodes = nodes_of("village", "town")                   the same as a fixture, for tests whose pages need the built scripts
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from deploy.nats.servers import free_ports
from tests.edge.rig import Rig
from tests.kit.browser import leave_pages
from tests.kit.machine import wait_for_port
from tests.kit.source import ROOT

DO_S_MAX = 30
BUNDLE = ROOT / "edge/web/dist/manifest.json"


class Served:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.rig: Rig
        self.url: dict[str, str] = {}
        self.servers: dict[str, uvicorn.Server] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def do(self, what: Callable[[Rig], Awaitable[Any]]) -> Any:
        """Runs in the loop of the nodes and gives back what came of it."""
        return asyncio.run_coroutine_threadsafe(what(self.rig), self.loop).result(DO_S_MAX)

    async def start(self, folder: Path, kinds: tuple[str, ...]) -> None:
        self.rig = await Rig.make(folder)
        for kind in kinds:
            await self.serve(kind)

    async def serve(self, kind: str) -> None:
        """Another node of the rig answers at an address of its own."""
        await self._listen(kind, free_ports(1)[0])

    async def _listen(self, kind: str, port: int) -> None:
        config = uvicorn.Config(self.rig.app(kind), port=port, log_level="warning", timeout_graceful_shutdown=1, lifespan="off")
        server = uvicorn.Server(config)
        self.url[kind], self.servers[kind] = f"http://127.0.0.1:{port}", server
        self._tasks[kind] = self.loop.create_task(server._serve())  # `serve` takes the signals of the whole test run

    def halt(self, kind: str) -> None:
        """Its program no longer answers, until `resume`; what it has stays."""
        self.servers[kind].should_exit = True
        self.do(lambda _: asyncio.wait_for(self._tasks.pop(kind), DO_S_MAX))

    def resume(self, kind: str) -> None:
        """It answers at its address again."""
        port = int(self.url[kind].rpartition(":")[2])
        self.do(lambda _: self._listen(kind, port))
        wait_for_port(port)

    async def stop(self) -> None:
        for server in self.servers.values():
            server.should_exit = True
        await asyncio.gather(*self._tasks.values())
        await self.rig.close()


@contextmanager
def served(folder: Path, *kinds: str) -> Iterator[Served]:
    made = Served()
    thread = threading.Thread(target=made.loop.run_forever, name="nodes", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(made.start(folder, kinds), made.loop).result(DO_S_MAX)
        for url in made.url.values():
            wait_for_port(int(url.rpartition(":")[2]))
        yield made
    finally:
        leave_pages()
        asyncio.run_coroutine_threadsafe(made.stop(), made.loop).result(DO_S_MAX)
        made.loop.call_soon_threadsafe(made.loop.stop)
        thread.join(DO_S_MAX)
        made.loop.close()


def nodes_of(*kinds: str, after: Callable[[Rig], Awaitable[Any]] | None = None) -> Any:
    """A fixture. after: done once they serve."""

    @pytest.fixture
    def nodes(tmp_path: Path) -> Iterator[Served]:
        if not BUNDLE.exists():
            pytest.skip("no bundle: ./run bundle makes it")
        with served(tmp_path, *kinds) as made:
            if after:
                made.do(after)
            yield made

    return nodes


async def signed_out(rig: Rig) -> None:
    """Of everybody at the village, as a restore does it."""
    async with rig.nodes["village"].node.journal.writing() as w:
        await w.connection.exec_driver_sql("delete from session")
