"""A node of one version, in a program of its own, told what to do by lines: `python -m older edge|hub FOLDER`.

It runs under the code that PYTHONPATH names first, so it uses only what both versions have. `edge` opens a folder that was enrolled; `hub`
founds a county, enrols the folders it is told of (`enrol NAME PLACE`), and runs it. Each line of input is answered by one line of JSON.
"""

import asyncio
import json
import secrets
import sys
from pathlib import Path

from protocol import entry
from protocol.commands import AddNote, LogDispute, Party
from protocol.events import Actor
from protocol.node.config import Config
from protocol.node.node import Node


def actor(node: Node, kind: str) -> Actor:
    return Actor(entry.derive(node.office, "someone"), f"{kind}.0000000b", node.office, node.tables().post_powers(kind), "办事员")


async def log(node: Node, ledger: str, kind: str, account: str) -> dict:
    parties = [Party("叶根土"), Party("叶根水", side="respondent")]
    command = LogDispute(id=secrets.token_hex(8), ledger=ledger, type="0204", account=account, parties=parties)
    logged = await node.desk.submit(command, actor(node, kind))
    return {"command": command.id, "case": logged.subject, "entries": logged.entries}


async def note(node: Node, case: str, kind: str, text: str) -> dict:
    command = AddNote(id=secrets.token_hex(8), case=case, text=text)
    done = await node.desk.submit(command, actor(node, kind))
    return {"command": command.id, "case": case, "entries": done.entries}


async def stored(node: Node, ledger: str) -> dict:
    """Every entry of a ledger, as bytes in hex: what must be the same at each node."""
    found = {}
    for origin, (seq, _) in (await node.journal.lanes(ledger)).items():
        rows = await node.journal.lane(ledger, origin, 0, seq)
        found[origin] = [[row.head_bytes.hex(), (row.body or b"").hex(), row.hash.hex()] for row in rows]
    return found


async def serve(node: Node, kind: str, enrol=None) -> None:
    loop = asyncio.get_running_loop()
    print(json.dumps({"node": node.about.node}), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        word, *rest = line.split()
        if word == "log":
            told = await log(node, rest[0], kind, rest[1])
        elif word == "note":
            told = await note(node, rest[0], kind, rest[1])
        elif word == "stored":
            told = await stored(node, rest[0])
        elif word == "enrol":
            told = await enrol(*rest)
        else:
            break
        print(json.dumps(told), flush=True)


async def edge(folder: Path) -> None:
    node = await Node.open(folder, Config())
    await node.start()
    await serve(node, "clerk")
    await node.close()


async def hub(folder: Path) -> None:
    from edge.enrol import enrol
    from tests.link.test_whole_nodes import Whole

    whole = await Whole(folder).start()

    async def joins(name: str, place: str) -> dict:
        code = await whole.enrolment.invite(place=place, name=name)
        await enrol(code, folder / name, whole.post)
        return {"folder": str(folder / name)}

    await serve(whole.hub, "operator", joins)
    await whole.stop()


if __name__ == "__main__":
    asyncio.run({"edge": edge, "hub": hub}[sys.argv[1]](Path(sys.argv[2])))
