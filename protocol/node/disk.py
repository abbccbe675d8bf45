"""What a disk's refusal means to the person at the desk, and whether a disk takes nothing at all."""

import errno
from contextlib import suppress
from pathlib import Path
from typing import Final

MEANS: Final = {errno.ENOSPC: "disk_full", errno.EDQUOT: "disk_full", errno.EROFS: "store_readonly"}  # codes of problem.SENTENCES
_PROBE: Final = ".takes"


def takes_nothing(folder: Path) -> bool:
    """Claims that the system refuses to make anything in it because the disk is read-only: it does so for root too. What a mount says of
    itself is not asked: an ext4 that fell to read-only after an error still calls itself writable (seen on Linux 6.18)."""
    probe = folder / _PROBE
    try:
        with suppress(FileNotFoundError):
            probe.rmdir()  # of a program that was killed in between
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        return error.errno == errno.EROFS
    return False
