"""Attachments come after the text: files that admitted entries name are fetched by pieces, whenever nothing of the ledgers is missing.

The journal's table `blob` says what is wanted (stage), the entries that name it who may have it, and how large it is; a piece is asked from
their authors, then from any other that hears one of the ledgers. A stop at any byte is resumed where it was, from another holder too; the whole is
checked against its address before it counts. Where entries differ about the size, each of them is tried, with a half of its own: the hash decides,
and whoever named the file first keeps it from nobody. Then each author who named that size is told, once, that there is a second copy now, if the
author is there yet. What nobody gives rests, longer each time, and so does a node that does not answer; neither holds up the others, however
many they are (turns.py); nor does a long one over a thin line, which is left for a while after TURN_S, and at once for one that somebody opens.
A store without room takes no more, and says so.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
from nats.aio.msg import Msg
from sqlalchemy import text

from protocol import certificate as certificates
from protocol.certificate import NODE_ID_CHARS
from protocol.node import observe
from protocol.node.blobs import CHUNK_BYTES, total_of
from protocol.node.bodies import ASIDE, DONE, GONE, THUMB, UNTOLD, WANTED, Use, uses
from protocol.node.link import subjects
from protocol.node.link.answers import BlobAsk, refused_as
from protocol.node.link.catchup import CatchUp
from protocol.node.link.file_turns import Row, Turns
from protocol.node.link.ground import Ground
from protocol.node.link.parts import Blobs, Progress
from protocol.node.link.rests import Rests
from protocol.problem import OWN_STORE, Refused

AT_ONCE = 20  # files looked at in one round
PIECE_S_MAX = 5.0
PIECE_S = 1.0  # what came sooner may be larger the next time; what is live does not wait long behind it
PIECE_BYTES_MIN = 4096
TURN_S = 5.0  # of one file that comes: then the others have a turn
LONG_TURN_S = 120.0  # where not all that waits has room: else halves would take it
FITS_S = 60.0  # between two looks whether it has
PAUSE_S_MIN, PAUSE_S_MAX = 0.1, 5.0
REST_S_MIN, REST_S_MAX = 0.2, 600.0  # of one file that nobody gave
RESTS_MAX = 2_000
SILENT_S_MAX = 60.0  # of one node that did not answer: whoever was away for longer is noticed when it is back
_STAGE: Final = text("update blob set stage = :stage where address = :address and stage = :was")
_NOBODY_LEFT: Final = text(
    "update blob set stage = :stage where address in"
    " (select address from blob where source = :source and stage = :was and not exists"
    " (select 1 from blob_use u where u.address = blob.address and substr(u.origin, 1, :id_chars) <> :source) order by address limit 1000)"
)
_WAITING_BYTES: Final = "select coalesce(sum(size - have), 0) from blob where stage = :wanted"
_WHOLE: Final = text("update blob set size = :size, have = :size, stage = :stage where address = :address and stage >= 0")
FULL, NOBODY, OFFLINE, LEFT = "full", "nobody", "offline", "left"


class _Wanted(NamedTuple):
    """One file in one of the sizes that entries name. others: the other ones · is_first: somebody looks at it · until: when its turn ends."""

    address: str
    size: int
    others: frozenset[int]
    is_first: bool
    until: float


@dataclass
class _Half:
    """Of one file in one size, of which something is here or came. giver: who gave all that is here ("": several did, or nobody knows) ·
    false: whose bytes were wrong · slow: who gave next to nothing in a turn · turns: in how many it was asked for."""

    giver: str = ""
    false: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)
    turns: int = 0


class Wait(msgspec.Struct, frozen=True):
    """Why somebody who opened a file does not see it yet. trouble: "" on its way, or OFFLINE, NOBODY (gave it so far), FULL (no room),
    LEFT (whoever waited for it does so no more)."""

    have: int
    total: int
    trouble: str


class Fetching:
    def __init__(self, ground: Ground, catchup: CatchUp, former: Collection[str] = ()) -> None:
        """former: what this node was called before it was enrolled again."""
        self._ground, self._catchup, self._former = ground, catchup, former
        self._turns = Turns(ground.journal, ground.clock)
        self._poke = asyncio.Event()
        self._first: list[str] = []
        self._opened: set[str] = set()  # looked at, not yet noted in the journal
        self._left: set[str] = set()  # given up, and not opened since
        self._hurries = False  # somebody opened one since it was last decided whose turn it is
        self._turn_s, self._looked = TURN_S, -FITS_S
        self._halves: dict[tuple[str, int], _Half] = {}  # (address, size) → of those that come
        self._noting = asyncio.Lock()
        self._rests: Rests[str] = Rests(REST_S_MIN, REST_S_MAX, RESTS_MAX)  # addresses
        self._silent: Rests[str] = Rests(REST_S_MIN, SILENT_S_MAX, RESTS_MAX)  # nodes
        self._trouble: dict[str, str] = {}
        self._told: dict[str, tuple[frozenset[str], frozenset[str]]] = {}  # address → authors who know of our copy, and who did not answer
        self._most: dict[str, int] = {}  # holder whose line turned out to be thin → bytes that it is asked for at once

    def poke(self) -> None:
        """Something was committed: it may name a file."""
        self._poke.set()

    def want(self, address: str) -> None:
        """Somebody looks at this one: before all others, also one that would not have come by itself."""
        self._first = [address, *(a for a in self._first if a != address)][:AT_ONCE]
        self._opened.add(address)
        self._left.discard(address)
        self._hurries = True
        self._rests.soon(address, PAUSE_S_MAX)
        self._poke.set()

    def still(self, address: str) -> None:
        """The page of somebody who waits for it asks by itself: what was given up meanwhile is not wanted again."""
        if address not in self._left:
            self.want(address)

    async def give_up(self, address: str) -> None:
        """Nobody waits for it any more: it has its ordinary place again, and does not come where it came only since it was opened."""
        async with self._noting:
            self._first = [a for a in self._first if a != address]
            self._opened.discard(address)
            self._left.add(address)
            for row in await self._ground.journal.rows("blob", "address = :address", {"address": address}):
                authors = {use.author for use in await uses(self._ground.journal, row)}
                if row["what"] != THUMB and all(map(self._is_from_above, authors)):
                    await self._set(_STAGE, address=address, was=WANTED, stage=ASIDE)
        self._ground.wake.commit([], [])  # who leads turns to the others

    def _is_from_above(self, source: str) -> bool:
        """Claims that files of this author come here only when somebody opens them, as admission has it."""
        known = self._ground.peers.get(source)
        return known is not None and certificates.is_above(known.certificate, self._ground.certificate)

    def again(self) -> None:
        """Somebody is back: what rested is asked for once more."""
        self._rests.clear()
        self._silent.clear()
        self._poke.set()

    def wait(self, address: str, total: int) -> Wait:
        blobs = self._ground.blobs
        have = blobs.progress(address, total).have if blobs is not None else 0
        trouble = LEFT if address in self._left else self._trouble.get(address, "") if self._ground.link.is_connected else OFFLINE
        return Wait(have, total, trouble)

    async def work(self) -> None:
        """For ever. Rests longer while nobody gives what is wanted."""
        pause = PAUSE_S_MIN
        while True:
            self._poke.clear()
            if await self._note_opened() and not self._ground.leads():
                self._ground.wake.commit([], [])  # who leads fetches it
            leads, got = self._ground.leads(), 0
            wanted = await self._wanted() if leads else []
            for row in wanted:
                got += await self._tell(row) if row["stage"] == UNTOLD else await self._fetch(row)
                if self._hurries:
                    break
            pause = PAUSE_S_MIN if got or self._turns.has_new else min(pause * 2, PAUSE_S_MAX)
            if not wanted or not got:
                try:
                    async with asyncio.timeout(pause if leads and self._turns.has_any else None):
                        await self._poke.wait()
                except TimeoutError:
                    pass

    async def _note_opened(self) -> bool:
        async with self._noting:
            opened, self._opened = self._opened, set()
            for address in sorted(opened):
                await self._set(_STAGE, address=address, was=ASIDE, stage=WANTED)
        return bool(opened)

    async def _wanted(self) -> list[Row]:
        """Opened ones, then thumbnails, then the oldest; what rests is left out."""
        if self._ground.blobs is None:
            return []
        self._hurries = False
        rows = await self._turns.next(AT_ONCE, self._first, self._is_resting, self._ground.link.is_connected)
        if not self._turns.has_any:
            self._rests.clear()
        if rows:
            await self._look_for_room()
        return rows

    async def _look_for_room(self) -> None:
        now, blobs = asyncio.get_running_loop().time(), self._ground.blobs
        if blobs is None or now - self._looked < FITS_S:
            return
        self._looked = now
        ((waiting,),) = await self._ground.journal.select(_WAITING_BYTES, {"wanted": WANTED})
        self._turn_s = TURN_S if await blobs.has_room(int(waiting)) else LONG_TURN_S

    def _is_resting(self, row: Row) -> bool:
        _, untold = self._told.get(row["address"], ((), (row["source"],))) if row["stage"] == UNTOLD else ((), ())
        return self._rests.holds(row["address"]) or (bool(untold) and all(map(self._silent.holds, untold)))

    async def _fetch(self, row: Row) -> int:
        """Bytes that were new."""
        try:
            return await self._fetched(row)
        except Refused as refused:
            if refused.code not in ("disk_full", "store_readonly"):
                raise
            return self._rest(row["address"], FULL)

    async def _fetched(self, row: Row) -> int:
        blobs, address = self._ground.blobs, row["address"]
        if blobs is None:
            return 0
        named = await uses(self._ground.journal, row)
        sizes = dict.fromkeys(use.size for use in named)
        new, trouble, until = 0, NOBODY, asyncio.get_running_loop().time() + self._turn_s
        for size in sorted(sizes, key=lambda one: self._half(address, one).turns):
            wanted = _Wanted(address, size, frozenset(sizes) - {size}, address in self._first, until)
            half, came, progress = self._half(address, size), 0, await blobs.settled(address, size, sizes)
            if not progress.is_whole and not await blobs.has_room(size - progress.have):
                trouble = FULL
                continue
            for holder, ledger in self._holders(named, wanted).items():
                if progress.is_whole or (came and self._is_over(wanted)):
                    break
                given = await self._given(blobs, holder, ledger, wanted, progress)
                if given is None:
                    return 1
                brought = given.have - progress.have if given.have >= progress.have else given.have  # or it was begun anew
                if 0 < brought < PIECE_BYTES_MIN and not given.is_whole:
                    half.slow.add(holder)
                came, progress = came + brought, given
            if progress.is_whole:
                await self._came(row, named, progress.total)
                return max(came, 1)
            half.turns += 1
            new += came
            if new and self._is_over(wanted):
                break
        if new >= PIECE_BYTES_MIN:
            return new
        return self._rest(address, trouble)  # no line is so thin, but a holder may mean to hold others up

    def _is_over(self, wanted: _Wanted) -> bool:
        return asyncio.get_running_loop().time() >= wanted.until or (self._hurries and not wanted.is_first)

    async def _given(self, blobs: Blobs, holder: str, ledger: str, wanted: _Wanted, progress: Progress) -> Progress | None:
        """How far it is with all that this holder gives; None: it was given up meanwhile, and the others have their turn."""
        ground, address = self._ground, wanted.address
        half = self._half(address, wanted.size)
        is_mixed = progress.have > 0 and half.giver != holder  # with bytes that somebody else gave
        since, had = asyncio.get_running_loop().time(), progress.have
        while not progress.is_whole and ground.link.is_connected:
            await self._text_first()
            if (wanted.is_first and address not in self._first) or await self._is_aside(address):
                return None
            piece = await self._piece(holder, ledger, address, progress.have)
            if piece is None:
                break
            try:
                after = await blobs.write_chunk(address, piece, wanted.size)
            except Refused as refused:
                if refused.code in OWN_STORE:
                    raise  # nobody else's fault
                if total_of(piece) in wanted.others:
                    break  # its is of a size that another entry names
                progress = blobs.progress(address, wanted.size)
                if is_mixed and not progress.have:
                    is_mixed = False  # whose bytes were the wrong ones nobody knows: all of them from this one
                    continue
                ground.quarantine(holder, ledger, "", refused)
                half.false.add(holder)
                break
            if after.have <= progress.have:
                break  # the holder gives other pieces than it was asked for
            half.giver = "" if is_mixed else holder
            progress, now = after, asyncio.get_running_loop().time()
            if self._is_over(wanted) or (now - since >= TURN_S and progress.have - had < PIECE_BYTES_MIN):
                break
            if now - since >= TURN_S:
                since, had = now, progress.have
        return progress

    def _half(self, address: str, size: int) -> _Half:
        found = self._halves.get((address, size))
        if found is None:
            if len(self._halves) >= RESTS_MAX:
                del self._halves[next(iter(self._halves))]
            found = self._halves[address, size] = _Half()
        return found

    async def _is_aside(self, address: str) -> bool:
        return any(row["stage"] == ASIDE for row in await self._ground.journal.rows("blob", "address = :address", {"address": address}))

    async def _came(self, row: Row, named: list[Use], size: int) -> None:
        ground, address = self._ground, row["address"]
        is_untold = bool(await self._authors(named, size))
        await self._set(_WHOLE, address=address, size=size, stage=UNTOLD if is_untold else DONE)
        self._rests.drop(address)
        self._trouble.pop(address, None)
        self._halves.pop((address, size), None)
        left = await ground.journal.rows("blob", "address = :address", {"address": address})
        if ground.blobs is not None and (not left or left[0]["stage"] == GONE):
            await ground.blobs.remove(address)  # its last body was erased meanwhile
        ground.wake.commit([], sorted({row["subject"], *(use.subject for use in named)}))
        if left and left[0]["stage"] == UNTOLD:
            await self._tell(left[0])

    async def _tell(self, row: Row) -> int:
        """The nodes whose entries name the file may now let go of what they kept for our sake (a phone its photo)."""
        address, size = row["address"], row["size"]
        left = await self._authors(await uses(self._ground.journal, row), size)
        told, _ = self._told.pop(address, (frozenset(), frozenset()))
        for author in sorted(left.keys() - told):
            if not self._silent.holds(author) and await self._ask(author, left[author], address, size) is not None:
                told |= {author}
        untold = frozenset(left) - told
        if untold:
            if len(self._told) >= RESTS_MAX:
                del self._told[next(iter(self._told))]  # those of it who were told are told again
            self._told[address] = told, untold
            return 0 if all(map(self._silent.holds, untold)) else self._rest(address, "")
        if not left and not await self._is_there(row["source"], row["ledger"]):
            await self._set(_NOBODY_LEFT, source=row["source"], was=UNTOLD, stage=DONE, id_chars=NODE_ID_CHARS)
        await self._set(_STAGE, address=address, was=UNTOLD, stage=DONE)
        self._rests.drop(address)
        return 1

    async def _authors(self, named: list[Use], size: int) -> dict[str, str]:
        """Who is to be told that a file of this size is here → the ledger of its entry."""
        found = {use.author: use.ledger for use in reversed(named) if use.size == size and use.what != THUMB}
        return {author: ledger for author, ledger in found.items() if await self._is_there(author, ledger)}

    async def _is_there(self, author: str, ledger: str) -> bool:
        """Claims that somebody is left to be told: who was put out is not, nor what this node was before, nor whom no entry here vouches for."""
        ground = self._ground
        if author in ("", ground.certificate.node, *self._former):
            return False
        if not await ground.vouch(author, ledger):
            await ground.refresh([ledger])  # its first entry may be of this moment
            await ground.vouch(author, ledger)
        known = ground.peers.get(author)
        return known is not None and not known.revoked

    def _rest(self, address: str, trouble: str) -> int:
        self._rests.put(address, None if self._ground.link.is_connected else PAUSE_S_MAX)
        self._trouble.pop(address, None)  # so that it stands last
        self._trouble[address] = trouble
        if len(self._trouble) > RESTS_MAX:
            del self._trouble[next(iter(self._trouble))]
        return 0

    async def _set(self, statement: Any, **values: Any) -> None:
        async with self._ground.journal.writing() as w:
            await w.connection.execute(statement, values)

    async def _text_first(self) -> None:
        while not self._catchup.is_done or not self._ground.calm.is_set():  # noqa: ASYNC110, two conditions, and 20 ms do not matter
            await asyncio.sleep(0.02)

    def _holders(self, named: list[Use], wanted: _Wanted) -> dict[str, str]:
        """The nodes whose entries name it in this size, then whoever hears their ledgers and was heard of → the ledger. Who did not answer a moment
        ago is left out, but not for somebody who looks at the file; who gave all that is here is asked first, who gave
        next to nothing late, and whose bytes were wrong last."""
        peers, found = self._ground.peers, dict[str, str]()
        some = [use for use in named if use.size == wanted.size]
        for use in some:
            if (known := peers.get(use.author)) is None or not known.revoked:
                found.setdefault(use.author, use.ledger)
        for ledger in dict.fromkeys(use.ledger for use in some):
            for known in peers.hearers(ledger):
                found.setdefault(known.certificate.node, ledger)
        for node in ("", self._ground.certificate.node, *self._former):
            found.pop(node, None)
        half = self._half(wanted.address, wanted.size)
        ready = [node for node in found if wanted.is_first or not self._silent.holds(node)]
        return {node: found[node] for node in sorted(ready, key=lambda node: (node in half.false, node in half.slow, node != half.giver))}

    @observe.each("file", lambda _, holder, ledger, *__: {"node": holder, "ledger": ledger})
    async def _piece(self, holder: str, ledger: str, address: str, offset: int) -> bytes | None:
        answer = await self._ask(holder, ledger, address, offset)
        return answer.data if answer is not None and answer.data else None

    async def _ask(self, holder: str, ledger: str, address: str, offset: int) -> Msg | None:
        """None: no answer, or refused. After what did not come in time a quarter is asked for: a thin line carries small pieces."""
        subject, loop = subjects.blob(self._ground.peers.branch(holder, ledger), holder), asyncio.get_running_loop()
        while True:
            began, most = loop.time(), self._most.get(holder, CHUNK_BYTES)
            ask = msgspec.msgpack.encode(BlobAsk(address, offset, most))
            try:
                answer = await self._ground.ask(holder, subject, ask, PIECE_S_MAX, self._text_first)
                break
            except TimeoutError:
                if most == PIECE_BYTES_MIN:
                    self._silent.put(holder)
                    return None
                self._most[holder] = max(most // 4, PIECE_BYTES_MIN)
        if answer is None:
            if self._ground.link.is_connected:
                self._silent.put(holder)  # nobody listens there
            return None
        self._silent.drop(holder)
        if refused_as(answer):
            return None
        if answer.data and loop.time() - began < PIECE_S:
            self._most[holder] = min(most * 2, CHUNK_BYTES)
        return answer
