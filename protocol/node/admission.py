"""The one door for entries of other nodes: `new = await admission.admit(batch, from_node)`.

A batch is admitted whole or refused whole. Refused are: a ledger outside our reach (lane_foreign), a gap, broken chain, body,
signature or certificate, a lane that its author may not write, anything a revoked origin wrote after its last good entry
(origin_revoked), and other bytes where we already have an entry (lane_fork: a quarantine row is left, ours stays). What we
already have is cut away first, so a batch may come as often as it likes. Unknown events are kept and passed on.
"""

from collections.abc import Callable, Iterable
from typing import Any

from protocol.batch import Batch
from protocol.node.wake import Wake
from protocol.tables import Tables


class Admission:
    def __init__(
        self,
        journal: Any,
        county_public: bytes,
        reach: Iterable[str],
        tables: Callable[[], Tables],
        clock: Callable[[], int],
        wake: Wake,
        arrivals: Callable[[], Any] | None = None,
    ) -> None:
        """reach: what this node covers (*common* always belongs to it) · arrivals: `desk.arrivals`, awaited after an admission."""

    async def admit(self, batch: Batch, from_node: str) -> int:
        """How many entries were new. Raises Refused; then nothing was written."""
        raise NotImplementedError
