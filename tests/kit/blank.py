"""A journal that was opened once and is empty still: made once for each key, then copied, since its migrations take a tenth of a second of CPU.

await blank_journal(path, key)        afterwards `open_journal` finds there what it would have made itself
"""

import tempfile
from pathlib import Path

from protocol.node.folding import open_journal
from protocol.node.shelf import Shelf

_made: dict[bytes, bytes] = {}  # key → the file


async def blank_journal(path: Path, key: bytes) -> None:
    if path.exists():
        return
    if key not in _made:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "journal.db"
            journal = await open_journal(f"sqlite:///{file}", key, Shelf(lambda: 0))
            await journal.close()
            if any(file.with_name(file.name + end).exists() for end in ("-wal", "-shm")):
                raise RuntimeError("the journal was not closed whole")
            _made[key] = file.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_made[key])
