"""The key that opens the backups of a node: identity/backup.key, never in a backup itself.

It is made when a county is founded and when a computer joins, so that whoever keeps identity/ apart on that day can open every backup. A node of
an older program has none before it is first backed up: it gets one at its start, and whoever runs it is told to keep identity/ once more.
"""

import logging

from protocol.node import log
from protocol.node.config import Config
from protocol.node.identity import Identity

NAME = "backup"


def made_late(identity: Identity, config: Config) -> str:
    """One sentence where the key was not there and is made now; "" where it was, where nothing was founded yet, and for a further program
    of a county, which has the first one's identity. Raises OSError."""
    if not identity.exists or identity.has(NAME) or config.root.beside:
        return ""
    identity.key(NAME)
    log.event("backup key made", level=logging.WARNING, node=identity.about().node)
    return f"新做了备份用的密钥。请现在把 {identity.folder} 再另存一份：以前另存的里面没有它，打不开今后的备份"


def kept(identity: Identity) -> bytes:
    """Raises FileNotFoundError: another key than the one that was there would open no backup."""
    if not identity.has(NAME):
        raise FileNotFoundError(
            f"{identity.folder}/{NAME}.key 不在，没有它打不开备份，另做一把也没有用。请把最近一次另存的 identity/ 整个放回去"
            "（县中心另开的进程：从第一个进程的数据目录拷来）"
        )
    return identity.key(NAME)
