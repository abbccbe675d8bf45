"""A restore that is decided: another journal stands ready beside the one that is here, and takes its place.

    stand_ready(folder, made, aside)     from here on it is decided
    await finish(folder)                 at each start, before a journal is opened: what was decided is ended

What was here goes to `aside`, whole, with its log, before anything of it is taken away. That it is decided says the name of one file alone,
`before-restore-…/ready.db`: killed at any point a start finds the old journal as it was, or ends it. Of SQLite; a database is filled as a whole.
"""

import os
from pathlib import Path
from typing import Final

from protocol.node import healing, killpoints, locks, log
from protocol.node.healing import NAMES
from protocol.node.journal.engine import sync_folder
from protocol.node.machine import MARK

ASIDE: Final = "before-restore-"  # and the second it was made in; old journals in such folders stay until somebody removes them
READY: Final = "ready.db"


def new_aside(folder: Path, now_s: int) -> Path:
    """A name that is free, for an old journal."""
    while (aside := folder / f"{ASIDE}{now_s}").exists():
        now_s += 1
    return aside


def asides(folder: Path) -> list[Path]:
    """Folders that hold a journal from before a restore."""
    return sorted(path for path in folder.glob(f"{ASIDE}*") if (path / NAMES[0]).exists())


def olds(folder: Path) -> list[Path]:
    """Journals that may hold what no other does, the last one first."""
    return [file for file in (folder / NAMES[0], *(aside / NAMES[0] for aside in asides(folder)[::-1])) if file.exists()]


def stand_ready(folder: Path, made: Path, aside: Path) -> None:
    """made: a whole journal in one file. Raises OSError."""
    with made.open("rb") as f:
        os.fsync(f.fileno())
    aside.mkdir(mode=0o700)
    sync_folder(folder)
    made.rename(aside / READY)
    sync_folder(aside)


async def finish(folder: Path) -> None:
    """Raises OSError, locks.Busy."""
    if _decided(folder):
        async with locks.alone(folder):
            change_places(folder)
        log.event("restore ended")


def change_places(folder: Path) -> None:
    """`finish`, of whoever is alone there. Each step may be done twice, and is on the disk before the next one that needs it. Raises OSError."""
    for aside in _decided(folder):
        keep(folder, aside)
        healing.leave(folder, aside)
        for name in (*NAMES[1:], MARK):
            (folder / name).unlink(missing_ok=True)
        sync_folder(folder)  # a log of the old journal must never be read into the new one
        killpoints.reach("restore.move")
        (aside / READY).rename(folder / NAMES[0])
        sync_folder(folder)
        sync_folder(aside)


def keep(folder: Path, aside: Path) -> None:
    """The journal that is here, with its log, also in `aside`."""
    for name in NAMES:
        if (folder / name).exists() and not (aside / name).exists():
            aside.mkdir(mode=0o700, exist_ok=True)
            os.link(folder / name, aside / name)
    if aside.exists():
        sync_folder(aside)


# ── the rest is private ──


def _decided(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"{ASIDE}*/{READY}"))
