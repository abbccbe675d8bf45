"""Whether a store takes what is written, as the last write found it: what the health, the pages and `Journal.writing` go by.

A system that finds its disk wrong turns it read-only (ext4: errors=remount-ro) and answers each write and each sync with EROFS, which SQLite
calls an I/O error. Such a one does not end the program at once: everybody can still read, and is told. But nobody knows what the disk
holds, as after any other error of a sync, and a file that was opened when it could only be read stays so for SQLite. So nothing is written
any more, and the program ends, to be started and verified, as soon as the disk takes something again. A PostgreSQL that may only be
read (it fell back to the second rank) wrote nothing, and is tried again.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protocol.node.disk import takes_nothing


class Writable:
    """is_readonly: the last write was refused for it · needs_start: only a new start may write."""

    def __init__(self, file: Path | None, fatal: Callable[[str], Any]) -> None:
        """file: None where a database sees to its own disk."""
        self._file, self._fatal = file, fatal
        self.is_readonly = self.needs_start = False

    def failed(self, error: BaseException) -> None:
        """An I/O error of the store. It ends the program, unless its disk takes nothing at all."""
        if self._file is not None and takes_nothing(self._file.parent):
            self.refused()
        else:
            self._fatal(f"input/output error: {error}")

    def refused(self) -> None:
        self.is_readonly, self.needs_start = True, self._file is not None

    def is_worth_a_try(self) -> bool:
        """Of a store that took nothing. Ends the program when only a new start may write, and could."""
        if self._file is None:
            return True
        if not takes_nothing(self._file.parent) and os.access(self._file, os.W_OK):  # opening it would drop the locks on it
            self._fatal("the disk takes something again, after it refused a write")
        return False
