"""Named points between two steps that must not be torn apart; `./run faults --row 5` lets the program die at each of them.

YIDI_KILL_AT=journal.commit:3 in the environment ends this program by SIGKILL when it comes to that point the third time: no `finally`, no
flush, as when the power goes between the two steps. Unset, as anywhere but there, a point costs one comparison.
"""

import os
import signal
from typing import Final

POINTS: Final = {
    "journal.append": "entries inserted, not committed",
    "journal.project": "views written, not committed",
    "journal.commit": "everything written, not committed",
    "journal.committed": "on the disk, nobody told",
    "journal.checkpoint": "the log copied into the database, on the way to say so",
    "journal.migrate": "tables of this version made, not committed",
    "journal.rebuild": "some views folded again, others not",
    "blob.write": "an attachment synced under its working name",
    "blob.rename": "an attachment under its own name, its folder not synced",
    "identity.write": "a file of the identity synced under its working name",
    "node.mark": "the mark not yet where the journal is",
    "link.publish": "own entries about to go out",
    "link.have": "a receipt about to be said",
    "stick.export": "a stick packed, not written",
    "stick.import": "some batches of a stick admitted, others not",
    "backup.copy": "the journal copied, the backup not put together",
    "restore.ready": "the new journal stands ready, nothing of the old one touched yet",
    "restore.move": "the new journal not in its place yet, or the database not filled; of SQLite the old one's log is gone from there",
    "heal.ready": "the new journal whole beside the damaged one, nothing in its place yet",
    "heal.swap": "the new journal not in its place yet; of SQLite the damaged one's log is gone",
    "restore.epoch": "the files in place and pages told to wait, no new epoch yet, the journal as it was",
}
NAME: Final = "YIDI_KILL_AT"
_armed, _, _times = os.environ.get(NAME, "").partition(":")
_left = int(_times or 1)


def reach(point: str) -> None:
    """point: a name of POINTS."""
    global _left
    if point != _armed:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
