"""wire: bytes of one entry in catch-up, packed as two nodes of this version pack it for each other (dictionary, no hash of a body that
travels), against the JSON of the same entries. `plain_bytes_per_entry`: as a node of 0.1.0 gets them, which knows neither.

The texts are those of the demo's desks, each dispute told once (as many texts as `disputes`), cut as a pull cuts them. Ids, salts and
command ids are as random as a page's; they and the hashes are what no packing makes smaller. Beside it: the same entries with every
text of a body replaced by random Chinese characters, as long. Each run is another batch.
"""

import base64
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec

from deploy.county import County
from deploy.demo import build, history, seed
from deploy.demo.cast import COUNTY, TOWNSHIP, VILLAGE, Person
from deploy.demo.seed import Clock, Staff
from protocol import batch as batches
from protocol import entry
from protocol.batch import BATCH_ENTRIES_MAX, Batch
from protocol.lane import LaneHead
from protocol.node.config import load
from protocol.node.journal import Stored
from protocol.node.node import Node, now_ms
from tests.bench.figure import Figure, figure
from tests.bench.kit.history import Bulk, templates
from tests.bench.kit.kept import kept

DAYS = 320


class Sizes(NamedTuple):
    disputes: int


FULL, SLICE = Sizes(400), Sizes(16)


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    kept_at = await kept(f"texts-{sizes.disputes}", lambda part: _played(part, sizes.disputes))
    rows = await _told_once(kept_at)
    of_texts = _batches(rows, runs)
    of_random = _batches(_in_random_words(rows), runs)
    json_bytes = [len(as_json(one)) / len(one.heads) for one in of_texts]
    json_random = [len(as_json(one)) / len(one.heads) for one in of_random]
    packed, packed_random = _packed(of_texts, batches.SPEAKS), _packed(of_random, batches.SPEAKS)
    return {
        "bytes_per_entry": figure(packed, "B", json_bytes, target=200),
        "share_of_json": figure([p / j for p, j in zip(packed, json_bytes, strict=True)], "of JSON", target=0.35),
        "random_bytes_per_entry": figure(packed_random, "B", json_random),
        "plain_bytes_per_entry": figure(_packed(of_texts, ()), "B", json_bytes),
        "unpacked_bytes_per_entry": figure([len(batches.encode(one)) / len(one.heads) for one in of_texts], "B"),
        "incompressible_bytes": figure([_noise(one) for one in of_texts], "B"),
    }


def _packed(some: Sequence[Batch], speaks: Collection[str]) -> list[float]:
    """Bytes an entry, of each batch."""
    frames = [batches.pack(one, speaks) for one in some]
    for frame, one in zip(frames, some, strict=True):
        assert batches.unpack(frame, speaks) == one, "what was packed is not what was there"
    return [len(frame) / len(one.heads) for frame, one in zip(frames, some, strict=True)]


async def _played(folder: Path, disputes: int) -> None:
    """One node that serves the whole county, where everybody acts: so all entries of the village lie in one lane."""
    home = folder / "hub"
    home.mkdir(parents=True)
    (home / "yidi.toml").write_text(f'[root]\nplace = "{COUNTY}"\nserves = ["{COUNTY}/*"]\n')
    clock = Clock(now_ms() - (DAYS + 2) * build.DAY_MS)
    config = load(home / "yidi.toml", {})
    county = County.open(home, config, clock())
    node = await Node.open(home, config, clock)
    try:
        await county.furnish(node)
        staff = await _hired(node)
        plays = list(history.plays(build.SEED, now_ms(), [(VILLAGE, disputes)], DAYS))
        await seed.play([node], clock, plays, staff, lambda _done, _total: None)
    finally:
        await node.close()


async def _hired(node: Node) -> Staff:
    staff, chance = Staff(), Random(1)
    wanted = [
        (VILLAGE, "clerk"),
        (TOWNSHIP, "officer"),
        (COUNTY, "operator"),
        *((unit, "department") for unit in node.tables().units_of(COUNTY)),
    ]
    for office, kind in wanted:
        staff.actors[office, kind] = await build.employ(node, Person(history.person_name(chance), kind, office))
    cadre = await build.employ(node, Person(history.person_name(chance), "cadre", TOWNSHIP))
    staff.cadres[TOWNSHIP] = [(cadre.person, node.about.node)]
    staff.actors[TOWNSHIP, f"cadre {cadre.person}"] = cadre
    return staff


async def _told_once(folder: Path) -> list[Stored]:
    """Each dispute once more, with ids as a page draws them; all rows of the village's lane, in order."""
    node = await Node.open(folder / "hub", load(folder / "hub" / "yidi.toml", {}))
    try:
        told = await templates(node.journal, VILLAGE)
        bulk = Bulk(told, {node.signer.origin: node.signer}, {(VILLAGE, node.signer.origin): LaneHead()})
        rows, _ = bulk.cases(len(told))
    finally:
        await node.close()
    return [e for e in rows if e.ledger == VILLAGE]


def _batches(rows: Sequence[Stored], runs: int) -> list[Batch]:
    """`runs` batches one after the other, as a pull cuts them; the last full ones again where the lane is too short."""
    made: list[Batch] = []
    after, prev = 0, entry.START
    while after < len(rows):
        some = rows[after : after + BATCH_ENTRIES_MAX]
        one = batches.cut(some, some[0].ledger, some[0].origin, after, prev)
        if one is None or (made and len(one.heads) < len(made[0].heads) // 2):
            break
        made.append(one)
        prev, after = some[len(one.heads) - 1].hash, one.last
    return [made[n % len(made)] for n in range(max(runs, len(made)))]


def _in_random_words(rows: Sequence[Stored]) -> list[Stored]:
    """The same entries, every text of a body as long and without sense; chained anew, signatures left as they are."""
    chance, made, at = Random(1), [], entry.START
    for e in rows:
        body = None if e.body is None else msgspec.msgpack.encode(_random(msgspec.msgpack.decode(e.body), chance))
        head = msgspec.structs.replace(e.head, body_hash=entry.body_hash(e.salt, body))
        raw = entry.encode_head(head)
        at = entry.chain(at, raw)
        made.append(msgspec.structs.replace(e, head_bytes=raw, body=body, hash=at))
    return made


def _random(value: Any, chance: Random) -> Any:
    if isinstance(value, str):
        return "".join(chr(chance.randrange(0x4E00, 0x9FA6)) if ord(c) > 127 else c for c in value)
    if isinstance(value, list):
        return [_random(one, chance) for one in value]
    return {key: _random(one, chance) for key, one in value.items()} if isinstance(value, dict) else value


def as_json(batch: Batch) -> bytes:
    """The same entries as an interface of JSON would send them: names of fields, nested facts and bodies, bytes in base64."""
    told = [_told(one.head_bytes, one.salt, one.body) for one in batch.entries]
    whole = {"ledger": batch.ledger, "origin": batch.origin, "after": batch.after, "entries": told, "signature": _text(batch.signature)}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"), default=_text).encode()


def _told(raw: bytes, salt: bytes | None, body: bytes | None) -> dict[str, Any]:
    head = entry.decode_head(raw)
    fields = {name: getattr(head, name) for name in head.__struct_fields__ if name not in ("facts", "ledger", "origin")}
    return {**fields, "facts": msgspec.msgpack.decode(head.facts), "salt": salt, "body": msgspec.msgpack.decode(body) if body else None}


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _noise(batch: Batch) -> float:
    """Of each entry: the bytes that are chance or a hash (salt, body hash, subject, command), so that no packing can spare them."""
    heads = [entry.decode_head(raw) for raw in batch.heads]
    salts = sum(len(body[0]) for body in batch.bodies if body) + sum(len(head.body_hash) for head in heads)
    ids = 16 * (len({head.subject for head in heads}) + len({head.command for head in heads}))
    return (salts + ids) / len(heads)
