"""How much room the disk with a node's folder has: what it says of itself, on its pages and in its Haves."""

import shutil
from pathlib import Path

from protocol.have import MIB_BYTES, Room


def room_of(folder: Path | None) -> Room | None:
    """None where a node keeps nothing on a disk, or the disk does not answer."""
    try:
        usage = shutil.disk_usage(folder) if folder else None
    except OSError:
        return None
    return (
        Room(min(usage.free, usage.total) // MIB_BYTES, usage.total // MIB_BYTES) if usage else None
    )  # a quota may be less than what is free
