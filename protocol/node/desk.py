"""The one door for what people and the node itself write: `outcome = await desk.submit(command, actor)`.

    desk = Desk(journal, signer, shelf, clock, wake, sealing_key, chance)

- The same accepted command id answers again with the same Outcome and writes nothing; a Refused writes nothing either, and
  the same id may be tried again, mended. An id that another person used is refused.
- State is read, decided and written in one transaction: entries (a lane is opened where needed), views, counters, the
  accepted command. One signature a lane. After the commit, and only then, pump and page streams are woken.
- What the node writes by itself (arrivals, tables, nodes) goes the same way, with ids derived from what caused it.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from protocol.certificate import Certificate
from protocol.commands import Command
from protocol.events import Actor
from protocol.node.signer import Signer
from protocol.node.wake import Wake
from protocol.tables import Tables

NODE = ("", "node")  # author of what the node writes by itself


class Outcome(msgspec.Struct, frozen=True):
    """command: its id · subjects: cases, tasks, persons touched, the first is the one acted on · entries: (ledger, origin, seq)
    · code: case code of a new dispute ("" else) · receipt: number of a sealed report ("" else; then there are no subjects)."""

    command: str
    subjects: tuple[str, ...]
    entries: tuple[tuple[str, str, int], ...]
    code: str = ""
    receipt: str = ""

    @property
    def subject(self) -> str:
        return self.subjects[0] if self.subjects else ""


class Desk:
    def __init__(
        self,
        journal: Any,
        signer: Signer,
        tables: Callable[[], Tables],
        clock: Callable[[], int],
        wake: Wake,
        sealing_key: bytes | None = None,
        chance: Callable[[int], bytes] | None = None,
    ) -> None:
        """sealing_key: X25519 public key, 32 bytes (None: SealDispute is refused) · chance: random bytes (salts)."""
        self.journal, self.signer, self.tables, self.clock, self.wake = journal, signer, tables, clock, wake

    async def submit(self, command: Command, actor: Actor, at_ms: int | None = None, offset_ms: int | None = None) -> Outcome:
        """at_ms: when it was done by the clock of whoever did it (a phone), offset_ms: how far that clock is ahead. Raises Refused."""
        raise NotImplementedError

    async def arrivals(self) -> list[Outcome]:
        """Writes DisputeArrived for every offer to a served office that has not arrived yet. Call at start and after admissions."""
        raise NotImplementedError

    async def set_table(self, name: str, version: str, valid_from: str, content: bytes) -> Outcome:
        """Only where the certificate covers *common*. The same name and version again changes nothing."""
        raise NotImplementedError

    async def enrol_node(self, certificate: Certificate) -> Outcome:
        raise NotImplementedError

    async def revoke_node(self, node: str, last: tuple[tuple[str, str, int], ...], reason: str = "") -> Outcome:
        """last: (ledger, origin, last good seq); what that node wrote after is refused everywhere."""
        raise NotImplementedError
