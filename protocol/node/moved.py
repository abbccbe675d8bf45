"""What went on since it was looked at last: the lanes that have new entries, or that nobody can tell.

    moved = await Moved().since(c)      {(ledger, origin): the seq after which it is new}; None = anything may have changed

A row of a view changes by an entry of its subject, which lies in the ledger of that row, or by a transaction that says so (REFOLDS).
So the lanes that went on, and the counter, name all that can have changed.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.node.journal.rows import named
from protocol.node.journal.writing import REFOLDS

Lane = tuple[str, str]  # ledger, origin


class Moved:
    def __init__(self) -> None:
        self._lanes: dict[Lane, tuple[int, bytes]] = {}
        self._refolds = -1

    def forget(self) -> None:
        """What comes next may be anything."""
        self._refolds = -1

    async def since(self, c: AsyncConnection) -> dict[Lane, int] | None:
        """Ask in snapshots of which none is older than the one before."""
        lanes = {(r[0], r[1]): (r[2], bytes(r[3])) for r in await named(c, "select ledger, origin, seq, hash from lane", {})}
        refolds = next((row[0] for row in await named(c, "select value from counter where name = :name", {"name": REFOLDS})), 0)
        before, self._lanes = self._lanes, lanes
        is_known, self._refolds = self._refolds == refolds, refolds
        moved = {key: before.get(key, (0, b""))[0] for key, head in lanes.items() if before.get(key) != head}
        is_cut = any(lanes[key][0] <= seq for key, seq in moved.items()) or not before.keys() <= lanes.keys()
        return moved if is_known and not is_cut else None
