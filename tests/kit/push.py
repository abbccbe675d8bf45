"""A push service of the tests' own: it answers `status`, and keeps what it was asked."""

import asyncio
from typing import NamedTuple

WAIT_S = 10.0


class Asked(NamedTuple):
    """headers: names in small letters."""

    path: str
    headers: dict[str, str]
    body: bytes


class Service:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.status = 201

    async def __aenter__(self) -> "Service":
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    async def knocked(self, times: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while len(self.asked) < times:
                await asyncio.sleep(0.02)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            first, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.asked.append(Asked(first.split()[1], headers, body))
            writer.write(f"HTTP/1.1 {self.status} Said\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
