"""A small disk: a tmpfs over a folder in a mount namespace of the command; root or an ordinary user. Gone when the command ends."""

import os
import subprocess
from pathlib import Path
from typing import Any

SCRIPT = 'from=$1 size=$2 to=$3 && shift 3 && mount -t tmpfs -o size="$size" none "$to" && cp -a "$from/." "$to/" && exec "$@"'


def popen(folder: Path, begins_as: Path, size_mb: int, *command: object, **options: Any) -> subprocess.Popen[str]:
    """The command sees, in `folder`, a disk of so many MiB with a copy of what lies in `begins_as`."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    folder.mkdir(parents=True, exist_ok=True)
    words = ["unshare", "--mount", *user, "sh", "-c", SCRIPT, "sh", str(begins_as), f"{size_mb}m", str(folder), *map(str, command)]
    return subprocess.Popen(words, text=True, **options)


def inside(process: subprocess.Popen[str], folder: Path) -> Path:
    """The folder as the running command sees it."""
    return Path(f"/proc/{process.pid}/root{folder}")


def fill(folder: Path, leave: int = 0) -> Path:
    """Fills the disk up to `leave` bytes; unlinking what is returned gives the space back."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as f:
        for size in (65_536, 4_096, 512):
            try:
                while _free(folder) - leave >= size:
                    if f.write(bytes(size)) < size:
                        break
            except OSError:
                continue
    return ballast


def _free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
