"""The journal: every entry this node has, in the order it committed them, and the tables the pages read.

    journal = await Journal.open(url, key, tables)          # sqlite:///abs/path.db or postgresql+asyncpg://…
    async with journal.writing() as w:                      # one transaction, one writer at a time
        new = await w.append(entries)                       # gapless lanes, forks refused, duplicates dropped
        await w.project({s.subject for s in new})           # views and search follow in the same transaction
    # the disk has it here; only now tell anybody
    async with journal.read() as connection: …              # a snapshot; never waits for the writer, cannot write

What was refused wrote nothing. A full disk, a busy or a damaged store come as `Refused`; an I/O error ends the program,
since after a failed sync nobody knows what the disk holds: start again, verify, heal from peers.
"""

from protocol.node.journal.backup import BackupBroken, NotEmpty, backup, has_entries, restore
from protocol.node.journal.journal import Journal
from protocol.node.journal.migrate import JournalTooNew
from protocol.node.journal.rebuild import rebuild
from protocol.node.journal.stored import LaneHead, Stored
from protocol.node.journal.witness import Witness
from protocol.node.journal.writing import Writing

__all__ = [
    "BackupBroken",
    "Journal",
    "JournalTooNew",
    "LaneHead",
    "NotEmpty",
    "Stored",
    "Witness",
    "Writing",
    "backup",
    "has_entries",
    "rebuild",
    "restore",
]
