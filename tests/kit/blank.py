"""A journal that was opened once and is empty still: made once, then copied and given its key, since its migrations take a tenth of a second of CPU.

await blank_journal(path, key)        afterwards `open_journal` finds there what it would have made itself
"""

import tempfile
from pathlib import Path

from protocol.node.folding import open_journal
from protocol.node.journal.engine import connect_sqlite
from protocol.node.shelf import Shelf

FIRST = bytes(32)  # the key it was made with
KEPT_MAX = 16  # keys that tests draw come once
_made: dict[bytes, bytes] = {}  # key → the file


async def blank_journal(path: Path, key: bytes) -> None:
    if path.exists():
        return
    if not _made:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "journal.db"
            journal = await open_journal(f"sqlite:///{file}", FIRST, Shelf(lambda: 0))
            await journal.close()
            _made[FIRST] = whole(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_made.get(key) or _made[FIRST])
    if key not in _made:
        c = connect_sqlite(path, FIRST, writes=True)
        c.execute(f"pragma rekey = \"x'{key.hex()}'\"")
        c.execute("pragma wal_checkpoint(truncate)")
        c.close()
        if len(_made) < KEPT_MAX:
            _made[key] = whole(path)


def whole(file: Path) -> bytes:
    if any(file.with_name(file.name + end).exists() for end in ("-wal", "-shm")):
        raise RuntimeError("the journal was not closed whole")
    return file.read_bytes()
