"""Train the dictionary of the wire: `python -m deploy.wire.dictionary`. It is committed, for every node must hold the same bytes.

    --measure   bytes an entry, in catch-up and live, plain and with what this version speaks, against the JSON of the same entries
    --write     train anew and write protocol/data/wire-1.zdict (before a release only: a dictionary that was shipped never changes)

Trained on the live batches of a made-up county (deploy/wire/lanes.py): no text of a real person ever enters it. What is measured is
drawn from other seeds; its texts come from the same templates, as those of a county's clerks come from the same few phrases.
"""

import json
import sys
from collections.abc import Collection, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

from deploy.wire.lanes import Lanes, drawn
from protocol import batch as batches
from protocol import events
from protocol.batch import BARE, BATCH_ENTRIES_MAX, DICT1, DICTIONARIES, SPEAKS, Batch
from protocol.lane import Proven

FILE: Final = Path(__file__).resolve().parents[2] / "protocol/data/wire-1.zdict"
DICTIONARY_BYTES: Final = 112 * 1024  # what zstd trains by default; 64 KiB costs 5 % of the wire
SEED, VILLAGES, EACH = 2026, 150, 12


def trained() -> bytes:
    """Samples are in the bare form, for that is how whoever knows the dictionary sends them."""
    lanes = drawn(SEED, villages=VILLAGES, each=EACH)
    samples: list[Any] = [batches.encode(commit.batch, (BARE,)) for commits in lanes.values() for commit in commits]
    return zstandard.train_dictionary(DICTIONARY_BYTES, samples, dict_id=DICTIONARIES[DICT1]).as_bytes()


def catch_up(lanes: Lanes) -> Iterator[tuple[Batch, list[Proven]]]:
    """Each lane from its first entry, as a node that is behind pulls it."""
    for (ledger, origin), commits in lanes.items():
        rows = [one for commit in commits for one in commit.entries]
        after = 0
        while after < len(rows):
            prev = rows[after - 1].hash if after else bytes(32)
            stored = [
                _Row(o.entry.head_bytes, o.entry.salt, o.entry.body, o.hash, o.signature) for o in rows[after : after + BATCH_ENTRIES_MAX]
            ]
            batch = batches.cut(stored, ledger, origin, after, prev)
            assert batch is not None
            yield batch, rows[after : batch.last]
            after = batch.last


class _Row(msgspec.Struct, frozen=True):
    head_bytes: bytes
    salt: bytes | None
    body: bytes | None
    hash: bytes
    signature: bytes | None


def as_json(one: Proven) -> bytes:
    """The same entry as a JSON document with names, hashes and salt in hexadecimal: what most systems of this kind send."""
    facts, head = events.facts_of(one.head), one.head
    told: dict[str, Any] = {name: getattr(head, name) for name in head.__struct_fields__ if name not in ("facts", "body_hash")}
    told |= {"facts": {name: getattr(facts, name) for name in facts.__struct_fields__}, "body_hash": head.body_hash.hex()}
    if one.entry.body is not None:
        told |= {"salt": (one.entry.salt or b"").hex(), "body": msgspec.msgpack.decode(one.entry.body)}
    return msgspec.json.encode(told)


def measured(lanes: Lanes, speaks: Collection[str]) -> dict[str, float]:
    """Bytes an entry."""
    sizes = {"catch_up": 0, "live": 0, "json": 0}
    count = 0
    for batch, rows in catch_up(lanes):
        sizes["catch_up"] += len(batches.pack(batch, speaks))
        sizes["json"] += sum(len(as_json(one)) for one in rows)
        count += len(rows)
    sizes["live"] = sum(len(batches.pack(commit.batch, speaks)) for commits in lanes.values() for commit in commits)
    return {
        "entries": count,
        **{name: round(size / count, 1) for name, size in sizes.items()},
        "ratio": round(sizes["catch_up"] / sizes["json"], 3),
    }


def main(argv: list[str]) -> None:
    if "--write" in argv:
        FILE.write_bytes(trained())
        print(f"{FILE.name}: {FILE.stat().st_size} bytes, sha256 {sha256(FILE.read_bytes()).hexdigest()}")
    elif "--measure" in argv:
        lanes = drawn(12, villages=10, each=40)
        for speaks in ((), (BARE,), (DICT1,), SPEAKS):
            print(json.dumps({"speaks": speaks, **measured(lanes, speaks)}))
    else:
        print(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
