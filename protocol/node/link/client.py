"""A node's connection to NATS: hears refusals, keeps what it subscribed to, prefers the first of its servers, never gives up.

    link = Link(node, branch, creds, servers, authority)
    await link.subscribe(subject, cb) · link.on_connect(cb) · await link.run()      (subscribe before or while it runs)

nats-py returns normally from a publish or subscribe that the server refuses, so `refusals` keeps what its error callback heard.
Any other error of the server (revoked!) closes its client for good; then a new one is tried each `RETRY_S`, for the node may have
been let in again. A half-open wire is noticed after 3 pings. While `is_connected` is False nothing is sent: what would be
published into a dying connection is lost without a word, and the pull heals it.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from protocol.node import log
from protocol.node.link import subjects

PING_S, PROBE_S = 2, 0.25
EAGER_S = 60.0  # so long after a connection was lost a server is tried each EAGER_PAUSE_S, then each PATIENT_PAUSE_S: a line may be down for weeks
EAGER_PAUSE_S, PATIENT_PAUSE_S = 0.1, 0.5
CONNECT_S_MAX = 5.0  # the first attempt never returns by itself when it is refused
ASK_S_MAX = 5.0  # a server that is asked at the command line: tried each EAGER_PAUSE_S until it says why
RETRY_S = 5.0  # after the server closed on us: revoked nodes ask seldom
NO_MORE = ("authorization violation", "authentication revoked", "authentication expired")  # nats-server's words, lowered
REFUSALS_MAX = 50
PENDING_BYTES_MAX = 8_388_608  # of one subscription; what overflows is pulled again
PENDING_MESSAGES_MAX = 8_192

Heard = Callable[[Msg], Awaitable[None]]


class LinkState(msgspec.Struct, frozen=True):
    """server: host:port · closed: the server ended it for good, revoked for example.

    refusals: subjects the server refused us, newest last, in its words · trouble: the last error of the connection, "" while it is up.
    """

    connected: bool
    server: str
    closed: bool
    reconnects: int
    refusals: tuple[str, ...]
    trouble: str


class _Client(Client):
    """nats-py waits for the TLS farewell of a dead connection (30 s on a half-open wire) before it tries another: drop it instead."""

    async def _process_op_err(self, e: Exception) -> None:
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()
        await super()._process_op_err(e)


class Link:
    def __init__(self, node: str, branch: str, creds: Path, servers: Sequence[str], authority: Path | None = None) -> None:
        """servers: host:port, best first · authority: PEM of whoever signed their certificates; None: no TLS."""
        self.node, self.branch, self.creds, self.servers = node, branch, creds, tuple(servers)
        self._tls = None if authority is None else ssl.create_default_context(cafile=str(authority))
        self._subscribed: list[tuple[str, Heard, str]] = []
        self._greeted: list[Callable[[], None]] = []
        self._nc: Client | None = None
        self._trying: Client | None = None  # the same once it was connected
        self._lost_s = 0.0
        self._over = asyncio.Event()
        self._gone = asyncio.get_running_loop().create_future()  # done when the connection is lost
        self._refusals: deque[str] = deque(maxlen=REFUSALS_MAX)
        self._reconnects, self._closed, self._trouble = 0, False, ""
        self.is_shut_out = False  # since the last connection the server said that it takes this node no more

    @property
    def is_connected(self) -> bool:
        return self._nc is not None and self._nc.is_connected

    def state(self) -> LinkState:
        trouble = "" if self.is_connected else self._trouble
        return LinkState(self.is_connected, self._server() or "", self._closed, self._reconnects, tuple(self._refusals), trouble)

    def on_connect(self, greeted: Callable[[], None]) -> None:
        """Called after each connection and reconnection, also to another server. Must not block."""
        self._greeted.append(greeted)

    async def subscribe(self, subject: str, cb: Heard, group: str = "") -> None:
        """Held for the life of the link, through every reconnection. group: of all that subscribe in it, one hears each message."""
        self._subscribed.append((subject, cb, group))
        if self._nc is not None and self._nc.is_connected:
            await self._listen(self._nc, subject, cb, group)

    async def publish(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> bool:
        """False: not connected, nothing was sent. True says only that it was handed to the socket."""
        if self._nc is None or not self._nc.is_connected:
            return False
        try:
            await self._nc.publish(subject, body, headers=headers)
        except NatsError:
            return False
        return True

    async def request(self, subject: str, body: bytes, timeout_s: float) -> Msg | None:
        """None: not connected, nobody listens there, or the connection is gone over which it would have come. Raises TimeoutError."""
        if self._nc is None or not self._nc.is_connected:
            return None
        asked = asyncio.ensure_future(self._nc.request(subject, body, timeout=timeout_s))
        try:
            await asyncio.wait({asked, self._gone}, return_when=asyncio.FIRST_COMPLETED)
            return asked.result() if asked.done() else None
        except TimeoutError:
            raise TimeoutError(subject) from None
        except NatsError:
            return None
        finally:
            asked.cancel()

    async def confirm(self) -> None:
        """Returns when the server has judged everything sent before. nats-py's PING overtakes what is pending, hence twice."""
        if self._nc is not None and self._nc.is_connected:
            for _ in range(2):
                await self._nc.flush()

    def refused(self, subject: str) -> bool:
        """Claims that the server refused this subject; nats-py lowers the whole message."""
        return any(f'"{subject.lower()}"' in said for said in self._refusals)

    async def run(self) -> None:
        """Until cancelled: connects, stays, goes home to the first server, begins again when it was closed for good."""
        self._lost_s = asyncio.get_running_loop().time()
        home = asyncio.create_task(self._go_home())
        try:
            while True:
                await self._live_once()
                await asyncio.sleep(RETRY_S if self._closed else 0.2)
        finally:
            await finished(self._leave(home))

    # ── the rest is private ──

    async def _live_once(self) -> None:
        """One client, from its first attempt to its end."""
        self._over.clear()
        if not self.servers:  # nats-py would look for one for ever without giving way: the whole program would stand still
            self._trouble = "no server is named"
            await asyncio.sleep(CONNECT_S_MAX)
            return
        nc = self._trying = _Client()
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                await nc.connect([self._url(s) for s in self.servers], **self._options(nc))
        except (NatsError, OSError, TimeoutError) as error:
            self._note(error)
            await _shut(nc)
            return
        self._nc, self._closed, self.is_shut_out = nc, False, False
        try:
            for subject, cb, group in list(self._subscribed):
                await self._listen(nc, subject, cb, group)
        except NatsError:
            await _shut(nc)
            return
        self._greet()
        await self._over.wait()

    def _options(self, nc: Client) -> dict[str, Any]:
        async def refused(error: Exception) -> None:
            if "permissions violation" in str(error).lower():
                self._refusals.append(str(error))
            else:
                self._note(error)

        async def lost() -> None:
            self._gone.set_result(None)
            self._gone = asyncio.get_running_loop().create_future()

        async def again() -> None:
            self._reconnects += 1
            self.is_shut_out = False
            self._greet()

        async def gone() -> None:
            if nc is self._nc:
                self._closed = True
                self._over.set()
                log.event("link closed by the server", node=self.node, server=self._server() or "")

        return {
            "user_credentials": self.creds,
            "inbox_prefix": subjects.inbox(self.branch, self.node).encode(),
            "dont_randomize": True,
            "no_echo": True,
            "reconnect_time_wait": self._pause_s(),
            "max_reconnect_attempts": -1,
            "connect_timeout": 2,
            "ping_interval": PING_S,
            "max_outstanding_pings": 2,
            "error_cb": refused,
            "disconnected_cb": lost,
            "reconnected_cb": again,
            "closed_cb": gone,
            **({"tls": self._tls} if self._tls else {}),
        }

    def _note(self, error: Exception) -> None:
        """Often the connection only breaks, for the server closes it first: which of many attempts is told why is chance."""
        self._trouble = str(error) or self._trouble or type(error).__name__
        self.is_shut_out = self.is_shut_out or any(words in self._trouble.lower() for words in NO_MORE)

    def _pause_s(self) -> float:
        return EAGER_PAUSE_S if asyncio.get_running_loop().time() - self._lost_s < EAGER_S else PATIENT_PAUSE_S

    def _pace(self) -> None:
        """nats-py reads its options at each attempt."""
        if self.is_connected:
            self._lost_s = asyncio.get_running_loop().time()
        if self._trying is not None:
            self._trying.options["reconnect_time_wait"] = self._pause_s()

    def _url(self, server: str) -> str:
        return f"{'tls' if self._tls else 'nats'}://{server}"

    async def _listen(self, nc: Client, subject: str, cb: Heard, group: str) -> None:
        await nc.subscribe(subject, group, cb=cb, pending_msgs_limit=PENDING_MESSAGES_MAX, pending_bytes_limit=PENDING_BYTES_MAX)

    def _greet(self) -> None:
        for greeted in self._greeted:
            greeted()

    def _server(self) -> str | None:
        url = self._nc.connected_url if self._nc is not None and self._nc.is_connected else None
        return url.netloc if url is not None else None

    async def _go_home(self) -> None:
        """nats-py stays where it fell over to: when the first server answers again, move there."""
        while True:
            await asyncio.sleep(PROBE_S)
            self._pace()
            nc, at = self._nc, self._server()
            if nc is None or at is None or at == self.servers[0] or not await _answers(self.servers[0]):
                continue
            try:
                await nc.flush(2)
                nc.set_server_pool([self._url(s) for s in self.servers])
                await nc.force_reconnect()
            except (NatsError, OSError, TimeoutError):
                continue

    async def _leave(self, home: asyncio.Task[None]) -> None:
        await end([home])
        await self._close()

    async def _close(self) -> None:
        if self._nc is not None:
            nc, self._nc = self._nc, None
            await _shut(nc)


async def shuts_out(link: Link) -> bool:
    """Claims that the server of a link which nobody runs takes its node no more: it is asked now."""
    asking = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(ASK_S_MAX):
            while not (link.is_connected or link.is_shut_out):  # noqa: ASYNC110, two conditions, and a quarter of a second does not matter
                await asyncio.sleep(PROBE_S)
    except TimeoutError:
        return False
    finally:
        await end([asking])
    return link.is_shut_out


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels until they have ended: `asyncio.wait_for` (nats-py is full of it) may swallow one cancellation on Python 3.11.

    Whoever waits here may be cancelled more than once too, by an `end` above: it goes on to the end all the same, else what is below is
    left running.
    """
    pending, cancelled = {task for task in tasks if not task.done()}, False
    while pending:
        for task in pending:
            task.cancel()
        try:
            _, pending = await asyncio.wait(pending, timeout=0.2)
        except asyncio.CancelledError:
            cancelled = True
            pending = {task for task in pending if not task.done()}
    if cancelled:
        raise asyncio.CancelledError


async def finished(work: Coroutine[Any, Any, None]) -> None:
    """Returns when the work is done, however often whoever waits for it is cancelled meanwhile."""
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError


async def _answers(server: str) -> bool:
    """An open port is no server: it must say its INFO, which comes before TLS."""
    host, _, port = server.rpartition(":")
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                return (await reader.readline()).startswith(b"INFO")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def _shut(nc: Client) -> None:
    try:
        async with asyncio.timeout(2):
            await nc.close()
    except (NatsError, OSError, TimeoutError):
        return


__all__: Final = ["Link", "LinkState", "end", "shuts_out"]
