"""A breakable wire: an asyncio TCP proxy before one port of loopback. All chance comes from one seed: print it.

proxy = await Proxy(port, seed=7).start()      then connect to proxy.port
proxy.delay_ms = (20, 60) · .bytes_s_max = 50_000 · .cut_after(900) · .half_open() · .cut() · .heal() · await .stop()
"""

import asyncio
import random

CHUNK_BYTES_MAX, AHEAD_S_MAX = 16_384, 1.0


class Proxy:
    def __init__(self, upstream: int, seed: int) -> None:
        self.upstream, self.random, self.delay_ms, self.bytes_s_max = upstream, random.Random(seed), (0, 0), float("inf")
        self.bytes_left, self.refusing, self.port = float("inf"), False, 0
        self.open: set[asyncio.StreamWriter] = set()
        self.holes: set[asyncio.StreamWriter] = set()  # what is sent into these vanishes

    async def start(self) -> "Proxy":
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def cut(self) -> None:
        """A reset on both sides of every connection; new ones are dropped until heal()."""
        self.refusing = True
        for writer in self.open:
            writer.transport.abort()

    def cut_after(self, count: int) -> None:
        """The wire breaks inside a message: after `count` more bytes, counted both ways."""
        self.bytes_left = count

    def half_open(self) -> None:
        """Today's connections stay open and carry nothing, for ever (a NAT that forgot). New ones work."""
        self.holes |= self.open

    def heal(self) -> None:
        self.refusing, self.bytes_left = False, float("inf")

    async def stop(self) -> None:
        self.server.close()
        while self.open:
            self.cut()
            await asyncio.sleep(0.005)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            writer.transport.abort()
            return
        self.open |= {writer, up_writer}
        await asyncio.gather(self._pump(reader, up_writer), self._pump(up_reader, writer))
        self.open -= {writer, up_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop, due = asyncio.get_running_loop(), 0.0
        try:
            while chunk := await reader.read(CHUNK_BYTES_MAX):  # a delay line: latency costs no throughput, nothing overtakes
                due = max(loop.time() + self.random.uniform(*self.delay_ms) / 1000, due + len(chunk) / self.bytes_s_max + 1e-6)
                loop.call_at(due, self._deliver, writer, chunk)
                await asyncio.sleep(max(0, due - loop.time() - AHEAD_S_MAX))
        except OSError:
            pass
        await asyncio.sleep(max(0, due - loop.time()) + 0.001)  # what was sent before the end still arrives
        if writer not in self.holes:
            writer.close()

    def _deliver(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        if writer not in self.holes and self.bytes_left > 0:
            chunk = chunk[: min(len(chunk), int(min(self.bytes_left, len(chunk))))]
            self.bytes_left -= len(chunk)
            writer.write(chunk)
            if self.bytes_left <= 0:
                asyncio.get_running_loop().call_later(0.01, self.cut)  # later: the torn piece itself arrives
