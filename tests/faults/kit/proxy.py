"""A seeded wire that fails: delay, jitter, bandwidth, stall, one way dead, half open, reset, cut at byte n. TCP: nothing is doubled.

    wire = await Proxy(port, seed).start(target)      whoever should suffer dials `port` instead of `target`
    wire.faults.stalled = True · .faults.dead = {"down"} · .cut() · .half_open() · .heal() · await wire.stop()

Jitter is drawn from (seed, connection, way, block of 1 KiB): the same bytes meet the same delays, however the kernel cuts them up.
"""

import asyncio
import random
import socket
import struct
from dataclasses import dataclass, field

BLOCK_BYTES, IN_FLIGHT_MAX = 1024, 256
STALLED_S, ENDLESS = 0.01, 1 << 62


@dataclass
class Faults:
    """stalled: both ends stay open, nothing flows, the sender meets back pressure · dead: ways in which bytes vanish ("up", "down")
    · cut_after: way → bytes of a connection that arrive before both its ends are reset · cut_in: the same from now on, of all connections
    together: way → bytes that are left; with none left, who connects anew is reset with its first byte."""

    delay_s: float = 0
    jitter_s: float = 0
    bytes_per_s: float = 0  # 0: no limit
    stalled: bool = False
    dead: set[str] = field(default_factory=set)
    cut_after: dict[str, int] = field(default_factory=dict)
    cut_in: dict[str, int] = field(default_factory=dict)


class Proxy:
    def __init__(self, port: int = 0, seed: int = 0) -> None:
        self.port, self.target, self.seed, self.faults, self.is_cut = port, 0, seed, Faults(), False
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._silent: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._made = 0

    async def start(self, target: int) -> "Proxy":
        """Listens on 127.0.0.1:port. Raises OSError when it is taken."""
        self.target = target
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def cut(self) -> None:
        """Every connection is reset, new ones too until `heal`."""
        self.is_cut = True
        for pair in self._pairs:
            for writer in pair:
                reset(writer)
        self._pairs.clear()

    def half_open(self) -> None:
        """The server's ends are reset, the clients' stay open and silent: a router that forgot them. New connections work."""
        for down, up in self._pairs:
            self._silent.add(down)
            reset(up)
        self._pairs.clear()

    def heal(self) -> None:
        self.is_cut, self.faults = False, Faults()

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        self.cut()
        for writer in self._silent:
            reset(writer)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ── the rest is private ──

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            reset(writer)
            return
        if self.is_cut:
            reset(up)
            reset(writer)
            return
        self._made += 1
        self._pairs.append((writer, up))
        for way, source, sink, back in (("up", reader, up, writer), ("down", up_reader, writer, up)):
            task = asyncio.create_task(self._pump(self._made, way, source, sink, back))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _late(self, connection: int, way: str, block: int) -> float:
        jitter = self.faults.jitter_s
        drawn = random.Random(f"{self.seed}/{connection}/{way}/{block}").uniform(0, jitter) if jitter else 0
        return self.faults.delay_s + drawn

    async def _pump(self, connection, way, source, sink, back) -> None:
        loop, seen, due, flying = asyncio.get_running_loop(), 0, 0.0, 0

        def deliver(data: bytes, ended: bool) -> None:
            nonlocal flying
            flying -= 1
            if sink not in self._silent and not sink.transport.is_closing():
                sink.close() if ended else sink.write(data)

        try:
            while True:
                data = await source.read(BLOCK_BYTES - seen % BLOCK_BYTES)
                while self.faults.stalled or flying > IN_FLIGHT_MAX:
                    await asyncio.sleep(STALLED_S)
                left = min(self.faults.cut_after.get(way, ENDLESS) - seen, self.faults.cut_in.get(way, ENDLESS))
                ended, data = not data, data[: max(left, 0)]
                if way in self.faults.dead and not ended:
                    continue
                is_cut = len(data) >= left
                if way in self.faults.cut_in:
                    self.faults.cut_in[way] -= len(data)
                due = max(due + 1e-6, loop.time() + self._late(connection, way, seen // BLOCK_BYTES))  # equal timers may swap
                due += len(data) / self.faults.bytes_per_s if self.faults.bytes_per_s else 0
                flying, seen = flying + 1, seen + len(data)
                loop.call_at(due, deliver, data, ended)
                await sink.drain()
                if is_cut:
                    for end in (sink, back):
                        loop.call_at(due + 0.05, reset, end)  # at once it would drop what is not sent yet
                if ended or is_cut:
                    return
        except OSError:
            reset(back)


def reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN (SO_LINGER 0): what a dead line looks like."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
