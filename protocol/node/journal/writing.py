"""One transaction of the journal: everything in it is on the disk together, or nothing is.

Lanes are gapless: an entry goes in only as the next of its lane, chained to the one before. The same bytes again are
dropped; other bytes under the same number are a fork and refused. On PostgreSQL a lane's head is locked by row when it is
read here, so that two programs on one database take turns at a lane.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entry import chain
from protocol.node.journal import projection
from protocol.node.journal.projection import Views
from protocol.node.journal.rows import among, bound, insert, is_postgres
from protocol.node.journal.stored import COLUMNS, SELECT, LaneHead, Stored, stored
from protocol.problem import Refused

_APPENDED = COLUMNS[1:]  # the position is the store's
_UPSERT_LANE = text(
    "insert into lane (ledger, origin, seq, hash, signed_seq) values (:ledger, :origin, :seq, :hash, :signed_seq)"
    " on conflict (ledger, origin) do update set seq = excluded.seq, hash = excluded.hash, signed_seq = excluded.signed_seq"
)


class Writing:
    """Handed out by `Journal.writing`; of no use after it. `connection` is for tables of `schema.kept` that have no verb here."""

    def __init__(self, connection: AsyncConnection, views: Views, tables: Any, index_later: bool) -> None:
        self.connection, self._views, self._tables, self._later = connection, views, tables, index_later
        self._heads: dict[tuple[str, str], LaneHead] = {}

    # ── lanes ──
    async def lane_head(self, ledger: str, origin: str) -> LaneHead:
        """The last entry of a lane as of this transaction; seq 0 when it is empty. Held until the transaction ends."""
        await self._lock([(ledger, origin)])
        return self._heads[ledger, origin]

    async def append(self, entries: Sequence[Stored]) -> list[Stored]:
        """Each lane's entries in order; lanes may be mixed. Returns what was new: the same bytes again are dropped.

        Raises Refused lane_gap (not the next of its lane), lane_fork (other bytes here, or another history before it).
        """
        await self._lock({(e.ledger, e.origin) for e in entries})
        fresh, again = self._next(entries)
        await self._compare(again)
        if not fresh:
            return []
        fresh = await self._without_erased(fresh)
        await insert(self.connection, "entry", _APPENDED, [_row(e) for e in fresh])
        moved = {(e.ledger, e.origin) for e in fresh}
        heads = [(key, self._heads[key]) for key in sorted(moved)]
        await self.connection.execute(
            _UPSERT_LANE, [{"ledger": k[0], "origin": k[1], "seq": h.seq, "hash": h.hash, "signed_seq": h.signed_seq} for k, h in heads]
        )
        return fresh

    def _next(self, entries: Sequence[Stored]) -> tuple[list[Stored], list[Stored]]:
        """(what goes on from the heads, what lies behind them); moves the heads."""
        fresh, again, heads = [], [], dict(self._heads)
        for e in entries:
            head = heads[e.ledger, e.origin]
            if e.seq <= head.seq:
                again.append(e)
                continue
            if e.seq > head.seq + 1:
                raise Refused("lane_gap", have=head.seq, got=e.seq)
            if chain(head.hash, e.head_bytes) != e.hash:
                raise Refused("lane_fork", lane=f"{e.ledger} {e.origin}", seq=e.seq)
            heads[e.ledger, e.origin] = LaneHead(e.seq, e.hash, e.seq if e.signature else head.signed_seq)
            fresh.append(e)
        self._heads = heads
        return fresh, again

    async def _compare(self, again: Sequence[Stored]) -> None:
        """What is here already must be the same: equal chain hashes vouch for all before them, so each is compared once."""
        fresh_here = {}
        for e in again:
            fresh_here.setdefault((e.ledger, e.origin), []).append(e)
        for (ledger, origin), some in fresh_here.items():
            result = await self.connection.execute(
                text("select seq, hash from entry where ledger = :ledger and origin = :origin and seq between :first and :last"),
                {"ledger": ledger, "origin": origin, "first": min(e.seq for e in some), "last": max(e.seq for e in some)},
            )
            here = {row.seq: bytes(row.hash) for row in result}
            for e in sorted(some, key=lambda e: e.seq):
                if e.seq in here and here[e.seq] != e.hash:
                    raise Refused("lane_fork", lane=f"{ledger} {origin}", seq=e.seq)

    async def _lock(self, keys: Iterable[tuple[str, str]]) -> None:
        wanted = sorted(set(keys) - self._heads.keys())
        if not wanted:
            return
        ledgers, origins = [k[0] for k in wanted], [k[1] for k in wanted]
        if is_postgres(self.connection):
            names = "unnest(cast(:ledgers as text[]), cast(:origins as text[])) as n(ledger, origin)"
            values = {"ledgers": ledgers, "origins": origins}
            await self.connection.execute(
                text(f"insert into lane (ledger, origin, seq, hash) select ledger, origin, 0, :start from {names} on conflict do nothing"),
                {**values, "start": bytes(32)},
            )
            sql = f"select l.* from lane l join {names} using (ledger, origin) order by ledger, origin for update of l"
        else:
            values = {"ledgers": bound(self.connection, ledgers), "origins": bound(self.connection, origins)}
            sql = (
                f"select * from lane where {among(self.connection, 'ledger', 'ledgers')} and {among(self.connection, 'origin', 'origins')}"
            )
        found = {
            (r.ledger, r.origin): LaneHead(r.seq, bytes(r.hash), r.signed_seq) for r in await self.connection.execute(text(sql), values)
        }
        for key in wanted:
            self._heads[key] = found.get(key, LaneHead())

    async def _without_erased(self, fresh: list[Stored]) -> list[Stored]:
        """Bodies whose erasure came before them (a stick, an old peer) never reach the disk."""
        asked = {"ledgers": bound(self.connection, {e.ledger for e in fresh})}
        result = await self.connection.execute(
            text(f"select ledger, origin, seq from erasure where {among(self.connection, 'ledger', 'ledgers')}"), asked
        )
        due = {tuple(row) for row in result}
        if not due:
            return fresh
        met = [e.key for e in fresh if e.key in due]
        if met:
            await self.connection.execute(
                text("delete from erasure where ledger = :l and origin = :o and seq = :s"), [{"l": k[0], "o": k[1], "s": k[2]} for k in met]
            )
        return [_bare(e) if e.key in due else e for e in fresh]

    # ── reading what this transaction sees ──
    async def subject(self, id_: str) -> list[Stored]:
        return (await self.subjects([id_])).get(id_, [])

    async def subjects(self, ids: Iterable[str]) -> dict[str, list[Stored]]:
        """Subject → its entries, in the order of their positions; unknown ones are left out."""
        return await projection.entries_of(self.connection, sorted(set(ids)))

    async def entry(self, ledger: str, origin: str, seq: int) -> Stored | None:
        where = "where ledger = :ledger and origin = :origin and seq = :seq"
        row = (await self.connection.execute(text(SELECT + where), {"ledger": ledger, "origin": origin, "seq": seq})).first()
        return stored(row) if row else None

    # ── views ──
    async def project(self, subjects: Iterable[str]) -> None:
        """Folds each subject anew and replaces its rows in every view and in search."""
        await projection.project(self.connection, self._views, self._tables, subjects, self._later)

    async def erase(self, ledger: str, origin: str, seq: int) -> str:
        """Body, salt, search text and drafts go, now or, when the entry is not here yet, before it is written.

        Returns the subject ("" = not here yet): project it in this transaction. The chain still verifies.
        """
        e = await self.entry(ledger, origin, seq)
        key = {"ledger": ledger, "origin": origin, "seq": seq}
        if e is None:
            await self.connection.execute(
                text("insert into erasure (ledger, origin, seq) values (:ledger, :origin, :seq) on conflict do nothing"), key
            )
            return ""
        where = "where ledger = :ledger and origin = :origin and seq = :seq"
        await self.connection.execute(text(f"update entry set body = null, salt = null, erased = 1 {where}"), key)
        result = await self.connection.execute(
            text("select id, text, pending from search where subject = :subject"), {"subject": e.subject}
        )
        await projection.forget(self.connection, result.all())
        await self.connection.execute(text("delete from draft where subject = :subject"), {"subject": e.subject})
        return e.subject

    # ── commands, counters, names ──
    async def outcome(self, command: str) -> bytes | None:
        """What `remember` was given for an accepted command."""
        row = (await self.connection.execute(text("select outcome from command where id = :id"), {"id": command})).first()
        return bytes(row[0]) if row else None

    async def remember(self, command: str, outcome: bytes) -> None:
        """For ever. Raises Refused store_busy when another program accepted it meanwhile: tried again, it answers the same."""
        result = await self.connection.execute(
            text("insert into command (id, outcome) values (:id, :outcome) on conflict do nothing"), {"id": command, "outcome": outcome}
        )
        if result.rowcount != 1:
            raise Refused("store_busy")

    async def counter(self, name: str) -> int:
        """1, 2, 3 … A transaction that is rolled back gives its number back."""
        sql = (
            "insert into counter (name, value) values (:name, 1) on conflict (name) do update set value = counter.value + 1 returning value"
        )
        return (await self.connection.execute(text(sql), {"name": name})).scalar_one()

    async def set_local(self, name: str, value: bytes) -> None:
        sql = "insert into local (name, value) values (:name, :value) on conflict (name) do update set value = excluded.value"
        await self.connection.execute(text(sql), {"name": name, "value": value})

    # ── other nodes ──
    async def set_have(self, node: str, ledger: str, lanes: Mapping[str, tuple[int, bytes]], at_ms: int, signed: bytes) -> None:
        """What `node` now says it has of `ledger`, all of it: lanes it no longer names fall to 0, `highest` stays."""
        c = self.connection
        await c.execute(
            text("update peer_have set seq = 0, at_ms = :at where node = :node and ledger = :ledger"),
            {"node": node, "ledger": ledger, "at": at_ms},
        )
        rows = [{"n": node, "l": ledger, "o": o, "s": seq, "h": hash_, "at": at_ms} for o, (seq, hash_) in sorted(lanes.items())]
        if rows:
            await c.execute(
                text(
                    "insert into peer_have (node, ledger, origin, seq, hash, highest, at_ms) values (:n, :l, :o, :s, :h, :s, :at)"
                    " on conflict (node, ledger, origin) do update set seq = excluded.seq, hash = excluded.hash, at_ms = excluded.at_ms,"
                    " highest = case when excluded.seq > peer_have.highest then excluded.seq else peer_have.highest end"
                ),
                rows,
            )
        sql = (
            "insert into peer (node, ledger, at_ms, signed) values (:n, :l, :at, :signed)"
            " on conflict (node, ledger) do update set at_ms = excluded.at_ms, signed = excluded.signed"
        )
        await c.execute(text(sql), {"n": node, "l": ledger, "at": at_ms, "signed": signed})

    async def set_own_have(self, ledger: str, at_ms: int, signed: bytes) -> None:
        """The last Have this node said of a ledger: a start that finds less than it here has lost something."""
        sql = (
            "insert into own_have (ledger, at_ms, signed) values (:l, :at, :signed)"
            " on conflict (ledger) do update set at_ms = excluded.at_ms, signed = excluded.signed"
        )
        await self.connection.execute(text(sql), {"l": ledger, "at": at_ms, "signed": signed})

    async def quarantine(self, node: str, ledger: str, origin: str, refused: Refused, at_ms: int, sample: bytes | None = None) -> None:
        """Counts what was refused, one row for each (node, ledger, origin, code). sample: the bytes, if they are to be kept."""
        sql = (
            "insert into quarantine (node, ledger, origin, code, sentence, count, first_ms, last_ms, sample)"
            " values (:n, :l, :o, :code, :sentence, 1, :at, :at, :sample) on conflict (node, ledger, origin, code) do update set"
            " sentence = excluded.sentence, count = quarantine.count + 1, last_ms = excluded.last_ms,"
            " sample = coalesce(excluded.sample, quarantine.sample)"
        )
        values = {"n": node, "l": ledger, "o": origin, "code": refused.code, "sentence": refused.sentence, "at": at_ms, "sample": sample}
        await self.connection.execute(text(sql), values)


def _row(e: Stored) -> tuple[Any, ...]:
    return (
        e.ledger, e.origin, e.seq, e.subject, e.sort, e.command, e.head_bytes, e.salt, e.body, e.hash, e.signature, e.received_ms, int(e.erased),
    )  # fmt: skip


def _bare(e: Stored) -> Stored:
    return Stored(
        0, e.ledger, e.origin, e.seq, e.subject, e.sort, e.command, e.head_bytes, None, None, e.hash, e.signature, e.received_ms, True
    )
