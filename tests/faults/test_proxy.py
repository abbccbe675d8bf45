"""The wire that fails (kit/proxy.py) breaks where it is told to."""

import asyncio

import pytest

from tests.faults.kit.proxy import Proxy


async def sink(got: bytearray) -> asyncio.Server:
    """Keeps what arrives, of all connections."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            got.extend(data)
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


async def sent(port: int, data: bytes) -> None:
    """Returns when the other end has closed; raises OSError when it was reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        writer.write_eof()
        await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("left", [1, 700, 1024, 2500])
async def test_a_line_is_cut_so_many_bytes_from_now_on_and_stays_cut_until_it_is_healed(left):
    got = bytearray()
    server = await sink(got)
    wire = await Proxy(seed=3).start(server.sockets[0].getsockname()[1])
    try:
        await sent(wire.port, b"before")
        assert got == b"before"
        wire.faults.cut_in = {"up": left}
        for _ in range(2):  # the second one meets a line without a byte left
            with pytest.raises(OSError):
                await sent(wire.port, bytes(5000))
        assert got == b"before" + bytes(left) and wire.faults.cut_in["up"] == 0
        wire.heal()
        await sent(wire.port, b"after")
        assert got.endswith(b"after")
    finally:
        await wire.stop()
        server.close()
