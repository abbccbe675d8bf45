"""Versions side by side: a node of each version before against a new county, a new node against a county of each, and both against a node of
a version that does not exist yet. What is new writes kinds of entries that the older one has never heard of.

A version before is the code of a commit, taken out of the history and run in programs of its own, on the libraries of this environment: 0.2.0
is where CHANGELOG first names it, 0.1.0 the last commit before 2026-11-25. A clone without them plays the later version instead, and says so.

Asserted: both hold the same bytes of what both hear; nothing is quarantined; what is unknown is shown as such and gets in nobody's way. In the
end the older node's folder is opened by this version, and all checkers hold there and at the other, over all that either was told is saved.
"""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from jinja2 import Environment

from edge.enrol import enrol
from protocol import entry, generations, have
from protocol.commands import AddParty, Party
from protocol.node.config import Config
from protocol.node.journal import Stored, rebuild
from protocol.node.link import subjects
from protocol.node.node import Node
from protocol.node.web import words
from protocol.place import COMMON
from protocol.words import UNKNOWN_NAME
from tests.faults.kit.desks import Saved
from tests.faults.kit.truth import judge
from tests.faults.kit.whole import STAFFED, Folders, settled
from tests.faults.row import Outcome, Row
from tests.faults.rows import older
from tests.kit.county import until
from tests.link.kit import TOWN, V1
from tests.link.test_whole_nodes import Whole, actor, soon_equal

HERE = Path(__file__).parents[3]
BEFORE = "2026-11-25T00:00:00+00:00"
OLDER = Path(older.__file__).read_text("utf-8")
SAME_S, ENTRIES = 40.0, 3


VERSIONS = {"0.1.0": ("-1", f"--before={BEFORE}"), "0.2.0": ("--reverse", "-S## 0.2.0", "--", "CHANGELOG.md")}


@cache
def commit_of(version: str) -> str:
    """ "" where the history does not reach so far (a shallow clone, or no clone at all)."""
    found = subprocess.run(["git", "log", "--format=%H", *VERSIONS[version]], cwd=HERE, capture_output=True, text=True, check=False)
    return found.stdout.split("\n")[0] if found.returncode == 0 else ""


async def add_party(node: Node, case: str, kind: str) -> dict[str, Any]:
    """An entry of a kind that neither version before knows."""
    party = Party("阿卜杜热合曼", side="respondent")
    command = AddParty(id=secrets.token_hex(8), case=case, party=party, reason="另一家")
    done = await node.desk.submit(command, actor(node, kind))
    return {"command": command.id, "case": case, "entries": done.entries}


def code_of(commit: str) -> Path:
    """Its files, kept for the next round, with the program that talks to us beside them."""
    folder = Path(tempfile.gettempdir()) / f"yidi-code-{commit[:12]}"
    if not (folder / "whole").exists():
        packed = subprocess.run(["git", "archive", commit], cwd=HERE, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=BytesIO(packed)) as tar:
            tar.extractall(folder, filter="data")
        (folder / "whole").touch()
    (folder / "older.py").write_text(OLDER, "utf-8")
    return folder


class Program:
    """An older node: `await Program.start(code, "edge", folder)`, then `await program("log", …)`."""

    def __init__(self, process: asyncio.subprocess.Process, node: str) -> None:
        self.process, self.node = process, node

    @classmethod
    async def start(cls, code: Path, role: str, folder: Path) -> "Program":
        environ = {name: value for name, value in os.environ.items() if not name.startswith("YIDI_")} | {"PYTHONPATH": str(code)}
        words = (sys.executable, "-m", "older", role, str(folder))
        pipe = asyncio.subprocess.PIPE
        log = folder.with_name(folder.name + ".log").open("ab")
        process = await asyncio.create_subprocess_exec(
            *words, cwd=code, env=environ, stdin=pipe, stdout=pipe, stderr=log, limit=2**24, start_new_session=True
        )
        log.close()
        made = cls(process, "")
        made.node = (await made._answer(folder))["node"]
        return made

    async def __call__(self, *words: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write((" ".join(words) + "\n").encode())
        await self.process.stdin.drain()
        return await self._answer()

    async def _answer(self, folder: Path | None = None) -> Any:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 60)
        said = folder.with_name(folder.name + ".log").read_text("utf-8", "replace")[-1500:] if folder and not line else ""
        assert line, f"the older program ended: {said}"
        return json.loads(line)

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        if self.process.returncode is None and self.process.stdin is not None:
            self.process.stdin.write(b"stop\n")
            try:
                await asyncio.wait_for(self.process.wait(), 15)
            except TimeoutError:
                await self.kill()


async def _same(node: Node, program: Program, ledger: str) -> dict[str, Any]:
    """Waits until both hold the same bytes of the ledger."""
    for _ in range(int(SAME_S / 0.1)):
        here, there = await older.stored(node, ledger), await program("stored", ledger)
        if here == there and here:
            return here
        await asyncio.sleep(0.1)
    raise AssertionError({origin: (len(here.get(origin, [])), len(there.get(origin, []))) for origin in here.keys() | there.keys()})


def _saved(told: list[dict[str, Any]]) -> list[Saved]:
    """What somebody was told is saved."""
    return [Saved("", "", one["command"], one["case"], "", tuple(map(tuple, one["entries"]))) for one in told]


async def an_older_edge(draw: Random, folder: Path, version: str) -> Outcome:
    """An older edge under a new county, killed once while it works, and brought up to this version at the end."""
    code = code_of(commit_of(version))
    whole = await Whole(folder).start()
    edge = None
    try:
        invited = await whole.enrolment.invite(place=V1, name="高禹村")
        await enrol(invited, folder / "old", whole.post)
        edge = await Program.start(code, "edge", folder / "old")
        told = [await edge("log", V1, f"旧版登记{n}") for n in range(ENTRIES)]
        await _same(whole.hub, edge, V1)
        told.append(await older.note(whole.hub, told[0]["case"], "operator", "县里知道了"))
        told.append(await older.log(whole.hub, V1, "operator", "县里替村里登记"))
        told.append(await add_party(whole.hub, told[-1]["case"], "operator"))
        told.append(await edge("note", told[1]["case"], "再去一次"))
        await asyncio.sleep(draw.random() * 0.3)
        await edge.kill()
        told.append(await older.log(whole.hub, V1, "operator", "村里关机时登记"))
        edge = await Program.start(code, "edge", folder / "old")
        told.append(await edge("log", V1, "重开以后登记"))
        found = await _same(whole.hub, edge, V1)
        await _same(whole.hub, edge, COMMON)
        await _is_told_of(whole.hub, "operator", told[4]["case"], edge.node)
        await edge.stop()
        await _is_understood(folder / "old", told[4]["case"], found)
    finally:
        if edge:
            await edge.stop()
        await whole.stop()
    said = f"edge {version} under a new hub: same bytes, killed once, then brought up to this version"
    left = Folders(hub=whole.hub.folder, old=folder / "old")
    return await judge(left, _saved(told), staffed=STAFFED, images=1, said=(said,))


async def _is_understood(folder: Path, case: str, found: dict[str, Any]) -> None:
    """This version opens what the older one kept, byte for byte, and reads what that one could not."""
    node = await Node.open(folder, Config())
    try:
        assert await older.stored(node, V1) == found
        assert len((await node.reads.case(actor(node, "clerk"), case)).parties) == 3
        assert await rebuild(node.journal)
    finally:
        await node.close()


async def _is_told_of(node: Node, kind: str, case: str, other: str) -> None:
    """By its Have: where the party that was added got to and is not read, on the receipt and on the page of the nodes."""

    async def unread() -> set[str]:
        lines = (await node.reads.case(actor(node, kind), case)).lines
        marks = await node.reads.line_marks(lines)
        return {line.kind for line in lines if marks[line.head.ledger, *line.key][-1].state == "unread"}

    async def so() -> bool:
        return await unread() == {"PartyAdded"}

    await until(so, "the receipt says that the other does not read it", 30)
    (peer,) = [peer for peer in node.pump.peers() if peer.node == other]
    assert peer.reads < generations.since("PartyAdded"), peer


async def an_older_hub(draw: Random, folder: Path, version: str) -> Outcome:
    """A new edge under an older county."""
    folder.mkdir(parents=True, exist_ok=True)
    hub, node = await Program.start(code_of(commit_of(version)), "hub", folder / "county"), None
    try:
        home = Path((await hub("enrol", "new", V1))["folder"])
        node = await Node.open(home, Config())
        await node.start()
        told = [await hub("log", V1, f"旧县登记{n}") for n in range(ENTRIES)]
        told += [await older.log(node, V1, "clerk", f"新村登记{n}") for n in range(draw.randint(1, ENTRIES))]
        await _same(node, hub, V1)
        told.append(await add_party(node, added := told[-1]["case"], "clerk"))
        told.append(await older.note(node, told[0]["case"], "clerk", "村里知道了"))
        told.append(await hub("note", told[-3]["case"], "县里知道了"))
        await _same(node, hub, V1)
        await _same(node, hub, COMMON)
        await _is_told_of(node, "clerk", added, hub.node)
    finally:
        if node:
            await node.close()
        await hub.stop()
    left, said = Folders(edge=home, county=folder / "county" / "hub"), f"new edge under a hub of {version}: same bytes"
    return await judge(left, _saved(told), staffed=STAFFED, images=1, said=(said,))


# ── a version that does not exist yet ──


def _later_entries(draw: Random, node: Node, case: str, after: tuple[int, bytes]) -> list[Stored]:
    """What a later program writes: kinds and fields that this one does not know, chained and signed as ever."""
    seq, at = after
    rows: list[Stored] = []
    kinds = [("DisputeDreamt", [node.office, 1, [], "梦见", {"later": True}]), ("NoteAdded", [node.office, 1, [], "later", 7])]
    for kind, facts in draw.choices(kinds, k=4) + kinds[:1]:
        seq += 1
        salt, body = draw.randbytes(16), msgspec.msgpack.encode({"text": "以后的内容", "mood": ["later", draw.randrange(9)]})
        head: list[Any] = [
            1,
            V1,
            node.signer.origin,
            seq,
            case,
            "dispute",
            50 + seq,
            1_795_000_000_000,
            None,
            ["", "node"],
            f"later-{seq:06d}",
            kind,
        ]
        head += [facts, entry.body_hash(salt, body), {"field": "of a later version"}, draw.randrange(99)]
        raw = msgspec.msgpack.encode(head)
        row = Stored.of(entry.Entry(raw, salt, body), at, None, 1)
        at = row.hash
        rows.append(row)
    last = msgspec.structs.replace(rows[-1], signature=entry.sign(node.signer.key, at))
    return [*rows[:-1], last]


def _later_have(node: Node, lanes: dict[str, tuple[int, bytes]]) -> bytes:
    raw = msgspec.msgpack.encode(
        [node.about.node, V1, lanes, 1_795_000_000_000, "9.9.0", True, ["telepathy"], {}, [9, 10, 11], {"later": 1}, 5]
    )
    return node.signer.key.sign(have._SIGNED_AS + raw).signature + raw


async def a_later_edge(draw: Random, folder: Path) -> Outcome:
    """Stored unharmed at every tier, forwarded byte for byte by a township to who was away, shown as what it is: unknown."""
    whole = await Whole(folder).start()
    try:
        village, hub = await whole.join("高禹村", V1), whole.hub
        logged = await older.log(village, V1, "clerk", "先登记一件")
        await soon_equal(V1, hub, village)
        lane = (await village.journal.heads(V1))[V1, village.signer.origin]
        made = _later_entries(draw, village, logged["case"], (lane.seq, lane.hash))
        async with village.journal.writing() as w:
            await w.append(made)
            await w.project({logged["case"]})
        village.wake.commit([(V1, village.signer.origin)], [logged["case"]])
        await soon_equal(V1, hub, village)
        lanes = await village.journal.lanes(V1)
        village.pump._ground.version = "9.9.0"
        await _heard(hub, village, _later_have(village, lanes))
        await village.close()
        whole.nodes.remove(village)
        town = await whole.join("天子湖镇", TOWN)  # never met the village: has it from the county
        await soon_equal(V1, hub, town)
        wanted = [(row.head_bytes, row.salt, row.body, row.signature) for row in made]
        for node in (hub, town):
            rows = await node.journal.lane(V1, village.signer.origin, lane.seq, 100)
            assert [(row.head_bytes, row.salt, row.body, row.signature) for row in rows] == wanted, f"{node.name}: not the same bytes"
            case = await node.reads.case(actor(node, "operator" if node is hub else "officer"), logged["case"])
            shown = [line for line in case.lines if line.kind == "DisputeDreamt"]
            assert shown and {_as_pages_say(node, line.kind) for line in shown} == {UNKNOWN_NAME}
            assert not any("以后的内容" in value for line in shown for value in line.text.values())
            assert case.status == "logged" and await rebuild(node.journal)
            assert not await node.journal.rows("quarantine")
        noted = await _goes_on(hub, logged["case"], town)
        await settled(hub, town)
    finally:
        await whole.stop()
    later = [Saved("village", "", row.command, row.subject, "", (row.key,)) for row in made]
    said = f"{len(made)} entries of a later version: same bytes at three tiers, shown as {UNKNOWN_NAME}"
    left = Folders(hub=hub.folder, town=town.folder)
    return await judge(left, [*_saved([logged, noted]), *later], staffed=STAFFED, images=len(made), said=(said,))


def _as_pages_say(node: Node, kind: str) -> str:
    environment = Environment(autoescape=True)
    words.teach(environment, node)
    return environment.from_string("{{ kind | kind }}").render(kind=kind)


async def _heard(hub: Node, village: Node, said: bytes) -> None:
    """Said until it is: what the village's own program had under way may come after it."""

    async def so() -> bool:
        await village.link.publish(subjects.have(V1, village.about.node), said)
        await asyncio.sleep(0.2)
        return any(peer.version == "9.9.0" for peer in hub.pump.peers())

    await until(so, "the county hears a Have of a later version", 60)


async def _goes_on(hub: Node, case: str, town: Node) -> dict[str, Any]:
    """The case is worked on as before."""
    noted = await older.note(town, case, "officer", "镇里接着办")
    await soon_equal(V1, hub, town)
    return noted


KINDS = {"edge": an_older_edge, "hub": an_older_hub}
LATER = "a later edge"
WAYS = (*(f"{kind} {version}" for version in VERSIONS for kind in KINDS), LATER)


async def play(draw: Random, folder: Path) -> Outcome:
    way = draw.choice(ROW.ways)
    if way == LATER:
        return await a_later_edge(draw, folder)
    kind, version = way.split()
    if commit_of(version):
        return await KINDS[kind](draw, folder, version)
    made = await a_later_edge(draw, folder)
    lack = f"{version} is not in this clone's history (git fetch --unshallow): {way} was not played, a later edge instead"
    return msgspec.structs.replace(made, said=(*made.said, lack))


ROW = Row(
    18, "N-2, N-1 and a later version, both ways; unknown events", "syncs without loss, stored unharmed, shown as 未知条目", (), play,
    ways=WAYS,
)  # fmt: skip
