"""A wire that can be cut: an asyncio TCP relay before one port of this machine, so that the demo can really sever a link.

wire = await Wire(port).start(target)      whoever should be cut connects to `port` instead of `target`
wire.cut()    resets every connection and drops new ones    wire.heal()    lets new ones through
"""

import asyncio
import socket
import struct

CHUNK_BYTES_MAX = 65_536


class Wire:
    def __init__(self, port: int) -> None:
        self.port, self.target, self.is_cut = port, 0, False
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self, target: int) -> "Wire":
        """Listens on 127.0.0.1:port. Raises OSError when the port is taken."""
        self.target = target
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self

    def cut(self) -> None:
        self.is_cut = True
        for writer in list(self._open):
            _reset(writer)

    def heal(self) -> None:
        self.is_cut = False

    async def stop(self) -> None:
        self.cut()
        if self._server:
            self._server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            return _reset(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return _reset(writer)
        if self.is_cut:  # meanwhile
            _reset(far_writer)
            return _reset(writer)
        self._open |= {writer, far_writer}
        try:
            await asyncio.gather(self._relay(reader, far_writer), self._relay(far_reader, writer))
        finally:
            self._open -= {writer, far_writer}

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(CHUNK_BYTES_MAX):
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN (SO_LINGER 0): what a dead line looks like."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
