"""A folder in which a whole journal lies while a backup is made or put back: `with working(folder) as work: …`; it goes with its program.

A program that was killed leaves it, with words that the law may take meanwhile. Its lock is free then, so whoever comes next removes it: the
next backup or restore there, the next start of a node (`tidy`).
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from protocol.node import locks

PREFIX: Final = ".yidi-work-"


@contextmanager
def working(folder: Path) -> Iterator[Path]:
    """Raises OSError."""
    tidy(folder)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=folder) as made, locks.mine(Path(made)):
        yield Path(made)


def tidy(folder: Path) -> None:
    for left in folder.glob(f"{PREFIX}*"):
        with suppress(locks.Busy, OSError), locks.mine(left):
            shutil.rmtree(left, ignore_errors=True)
