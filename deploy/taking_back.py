"""Before a backup takes a journal's place: what that journal holds behind it goes on in the new one. `told = await take_back(made, key, olds, …)`.

It comes in as from a stick, through the one door (admission): proven and chained, erasures applied, files expected. What does not go on from the
backup (a gap, another history, a place that is not ours any more) or can't be read is left where it is and counted, and so is what stood beside a
lane there and stands nowhere here. The old journals are only read, and the new one is no node's yet: killed in between, nothing has happened.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from protocol.batch import BATCH_ENTRIES_MAX
from protocol.entry import UNREADABLE, epoch_of, node_of
from protocol.node import log
from protocol.node.admission import Admission
from protocol.node.bodies import found_here
from protocol.node.config import Config
from protocol.node.folding import open_journal
from protocol.node.journal import Journal, branches
from protocol.node.journal.engine import connect_sqlite
from protocol.node.journal.faults import refusal
from protocol.node.journal.loose import LOOSE, Loose
from protocol.node.journal.migrate import knows
from protocol.node.journal.salvage import UNREADABLE_STORE
from protocol.node.journal.stored import SELECT, Stored, stored
from protocol.node.link.answers import piece
from protocol.node.machine import Machine
from protocol.node.shelf import Shelf
from protocol.node.wake import Wake
from protocol.place import COMMON
from protocol.problem import OWN_STORE, Refused

Lane = tuple[str, str]
End = tuple[str, int, bytes]  # origin, seq, hash


class TakenBack(msgspec.Struct):
    """new: entries that came over · left: that are known of and did not · later: journals of a later program, · unread: and those that could
    not be read, of which nobody knows what they hold · epoch: the highest of this node in any of them."""

    new: int = 0
    left: int = 0
    later: list[Path] = []
    unread: list[Path] = []
    epoch: int = 0

    @property
    def is_all(self) -> bool:
        return not (self.left or self.later or self.unread)


async def take_back(made: Path, key: bytes, olds: Iterable[Path], folder: Path, config: Config, clock: Callable[[], int]) -> TakenBack:
    """made: the journal of the backup, which nobody has open, and its key · olds: journals of this node's own store key, the last one first.
    Raises Refused disk_full, store_busy, RuntimeError, OSError."""
    machine, shelf, told = Machine(folder, config, clock), Shelf(clock), TakenBack()
    known, others, beside = Counter[Lane](), Counter[Lane](), dict[str, set[End]]()
    identity, about = machine.identity, machine.identity.about()
    store_key = identity.any_key("store") if identity.has("store") else b""
    journal = await open_journal(f"sqlite:///{made.resolve()}", key, shelf)
    try:
        admission = Admission(journal, about.root_public, identity.certificate(), shelf, clock, Wake())
        for file in olds:
            try:
                with closing(_Old(file, store_key)) as old:
                    known |= old.known
                    told.new += await _taken(old, journal, admission, about.node)
                    others |= await _otherwise(old, journal)
                    for ledger, origin, seq, hash_ in old.beside():
                        beside.setdefault(ledger, set()).add((origin, seq, hash_))
            except _Later:
                told.later.append(file)
            except (*UNREADABLE_STORE, *UNREADABLE) as error:
                log.event("old journal could not be read", name_of=file.parent.name, exception=error)
                told.unread.append(file)
        await admission.settled()
        await found_here(journal, machine.blobs())
        here = await _here(journal)
        async with journal.read() as c:
            told.left = sum([len(await branches.unknown(c, ledger, sorted(ends))) for ledger, ends in beside.items()])
    finally:
        await journal.close()
    told.left += sum(max(0, seq - here.get(lane, 0), others[lane]) for lane, seq in known.items())
    told.epoch = max((epoch_of(origin) for _, origin in known if node_of(origin) == about.node), default=0)
    return told


# ── the rest is private ──


class _Later(Exception):
    """The journal of a later program."""


class _Old:
    """A journal that nobody has open; `lane` as of `Journal`. Raises UNREADABLE_STORE, _Later; Refused disk_full, store_busy: not now."""

    def __init__(self, file: Path, key: bytes) -> None:
        self.file, self._key, self._c = file, key, None
        ((version,),) = self._ask("select version_num from alembic_version")
        if not knows(version):
            raise _Later
        rows = self._ask("select ledger, origin, seq, hash from lane")
        self.heads: dict[Lane, tuple[int, bytes]] = {(ledger, origin): (seq, hash_) for ledger, origin, seq, hash_ in rows}
        self.known = Counter({lane: seq for lane, (seq, _) in self.heads.items()})
        for (raw,) in self._ask("select value from local where name like ?", f"{LOOSE}%"):
            loose = msgspec.msgpack.decode(raw, type=Loose)
            lane = (loose.ledger, loose.origin)
            self.known[lane] = max([self.known[lane], *(row.seq for row in loose.rows)])

    async def lane(self, ledger: str, origin: str, after: int, limit: int) -> list[Stored]:
        where = "where ledger = ? and origin = ? and seq > ? order by seq limit ?"
        return [stored(row) for row in self._ask(SELECT + where, ledger, origin, after, limit)]

    def beside(self) -> list[tuple[str, str, int, bytes]]:
        """(ledger, origin, seq, hash) of the entries of other histories; a journal of the first version has no place for them."""
        if not self._ask("select 1 from sqlite_master where name = 'branch'"):
            return []
        return self._ask("select ledger, origin, seq, hash from branch")

    def _ask(self, sql: str, *values: Any) -> list[Any]:
        """After a page that it gave away SQLCipher answers nothing more: what comes next is asked anew."""
        if self._c is None:
            self._c = connect_sqlite(self.file, self._key, False, untouched=True)
        try:
            return self._c.execute(sql, values).fetchall()
        except UNREADABLE_STORE as error:
            self.close()
            if (meant := refusal(error)) and meant.code in ("disk_full", "store_busy"):
                raise meant from error
            raise

    def close(self) -> None:
        if self._c is not None:
            self._c.close()
            self._c = None


async def _taken(old: _Old, journal: Journal, admission: Admission, node: str) -> int:
    """How many entries came over. What others may write rests on *common*, so that comes first."""
    here = await _here(journal)
    behind = sorted((lane for lane, (seq, _) in old.heads.items() if seq > here.get(lane, 0)), key=lambda one: (one[0] != COMMON, one))
    return sum([await _lane(old, admission, node, lane, here.get(lane, 0)) for lane in behind])


async def _here(journal: Journal) -> dict[Lane, int]:
    return {lane: head.seq for lane, head in (await journal.heads()).items()}


async def _otherwise(old: _Old, journal: Journal) -> Counter[Lane]:
    """Lanes of which another history stands in the new journal, and how many entries are in the old one alone."""
    found, heads = Counter[Lane](), await journal.heads()
    for lane, (seq, hash_) in old.heads.items():
        head = heads.get(lane)
        if head is None or (head.seq, head.hash) == (seq, hash_):
            continue
        at = min(seq, head.seq)
        while at and _hash(await old.lane(*lane, at - 1, 1)) != _hash(await journal.lane(*lane, at - 1, 1)):
            at -= 1
        if at < min(seq, head.seq):
            found[lane] = seq - at
    return found


def _hash(one: Sequence[Stored]) -> bytes:
    return one[0].hash if one else b""


async def _lane(old: _Old, admission: Admission, node: str, lane: Lane, after: int) -> int:
    """As far as it goes on and can be read."""
    new = 0
    try:
        while (batch := await piece(old, *lane, after, BATCH_ENTRIES_MAX)) is not None:
            new += await admission.admit(batch, node, by_hand=True)
            after = batch.last
    except Exception as error:
        if isinstance(error, Refused) and error.code in OWN_STORE:
            raise
        code = error.code if isinstance(error, Refused) else type(error).__name__
        log.event("not taken back", ledger=lane[0], origin=lane[1], seq=after + 1, reason_code=code)
    return new
