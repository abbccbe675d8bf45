"""Whole nodes without pages (tests/link/test_whole_nodes.py), judged like a real county: settled first, then by the folders they left.

    await settled(hub, village)                    they hold the same of whatever two of them hear, and still do a moment later; no file is awaited
    await judge(Folders(hub=…, village=…), saved, staffed=OFFICES)     with their programs ended
    await judge(Small(county), saved, staffed=OFFICES)                 nodes of tests/node/desk_kit.py, which stay open

Whoever writes there has no account, so the offices that have people are named.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from deploy import keeping
from protocol import certificate as certificates
from protocol.commands import AddEvidence
from protocol.events import Actor
from protocol.node.bodies import WANTED
from protocol.node.config import Config
from protocol.node.desk import Outcome
from protocol.node.node import Node
from tests.faults.kit import files
from tests.faults.kit.desks import Saved
from tests.faults.kit.files import Kept, Picture
from tests.link.kit import COUNTY, TOWN, V1, V2
from tests.node import desk_kit

STAFFED = (COUNTY, TOWN, V1, V2)
SETTLE_S_MAX, ASK_S = 60.0, 0.1


class Folders:
    """What ended programs left: name → folder."""

    def __init__(self, **folders: Path) -> None:
        self.folders = folders

    @property
    def nodes(self) -> Sequence[str]:
        return tuple(self.folders)

    @asynccontextmanager
    async def opened(self, node: str) -> AsyncIterator[Node]:
        async with keeping.opened(self.folders[node], Config()) as found:
            yield found


class Small:
    """The nodes of such a county: kind → node. They hold the same already (`desk_kit.exchange`)."""

    def __init__(self, county: desk_kit.County) -> None:
        self._public, self._nodes = bytes(county.key.verify_key), {node.kind: node for node in county.nodes}

    @property
    def nodes(self) -> Sequence[str]:
        return tuple(self._nodes)

    @asynccontextmanager
    async def opened(self, node: str) -> AsyncIterator[Any]:
        await self._nodes[node].admission.settled()
        yield _Known(self._nodes[node], self._public)


class _Known:
    """With what such a node knows of itself by its signer alone."""

    def __init__(self, node: desk_kit.Node, root_public: bytes) -> None:
        self._node, self.certificate = node, node.signer.certificate
        self.about = SimpleNamespace(node=node.signer.node, root_public=root_public)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)


def promise(node: str, told: Outcome, with_files: tuple[Kept, ...] = ()) -> Saved:
    """What a desk was told is saved."""
    return Saved(node, "", told.command, told.subject, told.code, told.entries, with_files)


async def attached(node: Node, actor: Actor, told: Outcome, picture: Picture | None) -> tuple[Kept, ...]:
    """A picture is added to what was saved, as a page does it with a form. Returns what is promised thereby."""
    if picture is None:
        return ()
    blob = await node.blobs.put(picture.plain, files.NAME, files.MIME)
    thumb = await node.blobs.put(picture.small, files.NAME, files.MIME) if picture.small else None
    (one,) = promised = files.kept(told.command, picture, blob.address)
    await node.desk.submit(AddEvidence(id=one.command, case=told.subject, blob=blob, thumb=thumb), actor)
    return promised


async def settled(*nodes: Node, seconds: float = SETTLE_S_MAX) -> None:
    """Raises AssertionError with the lanes that differ. A file that does not come in time is left to the judge."""
    began, calm = time.monotonic(), 0
    while calm < 3:
        left = await differing(nodes)
        calm = 0 if left else calm + 1
        assert time.monotonic() - began < seconds, f"not the same after {seconds:.0f} s: " + " · ".join(left[:8])
        await asyncio.sleep(ASK_S)
    for node in nodes:
        await node.admission.settled()
    while (
        any([await node.journal.rows("blob", "stage = :wanted", {"wanted": WANTED}) for node in nodes])
        and time.monotonic() - began < seconds
    ):
        await asyncio.sleep(ASK_S)


async def differing(nodes: Sequence[Node]) -> list[str]:
    held = {node.name: await node.journal.heads() for node in nodes}
    found = []
    for key in sorted({key for heads in held.values() for key in heads}):
        seen = {n.name: held[n.name].get(key) for n in nodes if certificates.hears(n.certificate, key[0])}
        if len({(head.seq, head.hash) if head else None for head in seen.values()}) > 1:
            found.append(f"{key[0]} {key[1]}: " + " ".join(f"{name}={head.seq if head else 0}" for name, head in seen.items()))
    return found
