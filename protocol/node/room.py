"""How much room the disk with a node's folder has: what it says of itself, on its pages and in its Haves."""

import shutil
from pathlib import Path

from protocol.have import Room
from protocol.node.blobs import MEGABYTE


def room_of(folder: Path | None, is_damaged: bool = False) -> Room | None:
    """None where a node keeps nothing on a disk, or the disk does not answer. is_damaged: of the journal there."""
    try:
        usage = shutil.disk_usage(folder) if folder else None
    except OSError:
        return None
    if usage is None:
        return None
    free = min(usage.free, usage.total)  # a quota may be less than what is free
    return Room(free // MEGABYTE, usage.total // MEGABYTE, is_damaged)
