"""scale: how each cost grows with the length of the store, and with the number of nodes. Exponents: cost ~ size^exponent, 0 is flat.

**Entries**: a township's store, SQLCipher, of 1/100, 1/10 and the whole of `entries`. The smallest was told by real nodes; the others are
its rows multiplied in SQL under other ids (their chains don't verify: only cost is measured here). Asked: the heads of all lanes, a Have of
one ledger with its signature, the digest of all ledgers, a page of the list, its counts, a case, a search of two words, a save.
**Nodes**: one county's hub that hears 1/16, 1/4 and all of `nodes`, each a light lane: no process, but its certificate, its ledger, its own lane
and the county's beside it, in a real journal, and its signed Have. Asked: reading the heads, weighing one Have, looking through all
ledgers for what others lack, the list of peers for the page, a Have of the busiest ledger (*common*). The floor of each figure is the
same cost at the smallest size; its exponent is given from the first step and from the second.
"""

import asyncio
import math
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from nacl.signing import SigningKey

from deploy.demo.cast import TOWNSHIP
from protocol import certificate as certificates
from protocol import have, lane, views
from protocol.entry import origin_of
from protocol.have import Have
from protocol.lane import LaneHead
from protocol.node.desk import row_of
from protocol.node.identity import Identity
from protocol.node.journal import Journal, migrate
from protocol.node.journal.engine import connect_sqlite
from protocol.node.link.peers import Peers
from protocol.node.node import Node
from protocol.place import COMMON
from tests.bench.figure import Figure, figure
from tests.bench.kit.county import county, opened
from tests.bench.kit.kept import kept
from tests.bench.save import officer, submits

ENTRIES_A_CASE = 9.4
ROOT = "330523"


class Sizes(NamedTuple):
    entries: int
    nodes: int
    disputes: int
    times: int


FULL, SLICE = Sizes(3_000_000, 1_600, 120, 20), Sizes(20_000, 48, 12, 2)
Costs = dict[str, list[float]]  # name → milliseconds, one of each run


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    by_entries = [await _store(folder, sizes, sizes.entries // part, runs) for part in (100, 10, 1)]
    by_nodes = [await _nodes(folder / f"n{part}", sizes.nodes // part, runs, sizes.times) for part in (16, 4, 1)]
    for what, steps, factor in (("entries", by_entries, 10), ("nodes", by_nodes, 4)):
        for name in steps[-1]:
            small, middle, large = (min(step[name]) for step in steps)  # others at work only ever add to a time
            key = f"{what}_{name.replace(' ', '_')}"
            figures[f"{key}_ms"] = figure(steps[-1][name], "ms", steps[0][name])
            figures[f"{key}_exponent"] = figure([_exponent(small, middle, factor), _exponent(middle, large, factor)], "exponent")
    return figures


def _exponent(small: float, large: float, factor: int) -> float:
    return round(math.log(max(large, 1e-6) / max(small, 1e-6)) / math.log(factor), 3)


async def _timed(costs: Costs, name: str, times: int, ask: Callable[[], Awaitable[Any]]) -> None:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - began) * 1000)
    costs.setdefault(name, []).append(sorted(took)[len(took) // 2])


# ── by entries ──


def views_shape() -> bytes:
    return migrate.shape_of(views)


async def _store(folder: Path, sizes: Sizes, entries: int, runs: int) -> Costs:
    cases = max(int(sizes.entries / 100 / ENTRIES_A_CASE), 2)
    times = entries // (sizes.entries // 100)
    shape = views_shape().hex()[:8]  # views of another shape would be folded anew, and multiplied entries can't be
    name = f"scale-{sizes.disputes}-{cases}-{times}-{shape}"
    source = await kept(name, lambda where: _multiplied(where, cases, times, sizes.disputes))
    home = folder / f"e{entries}"
    await asyncio.to_thread(shutil.copytree, source, home)
    node = await opened(home / "town")
    try:
        return await _asked(node, runs, sizes.times)
    finally:
        await node.close()
        await asyncio.to_thread(shutil.rmtree, home)


async def _asked(node: Node, runs: int, times: int) -> Costs:
    costs: Costs = {}
    actor, journal, reads = await officer(node), node.journal, node.reads
    subject = (await reads.cases(actor)).rows[0].subject
    heads = await journal.heads()

    async def said_have() -> None:
        have.sign(Have(node.about.node, TOWNSHIP, await journal.lanes(TOWNSHIP), 1), node.signer.key)

    async def digests() -> None:
        for ledger in {ledger for ledger, _ in heads}:
            have.digest(await journal.lanes(ledger))

    for _ in range(runs):
        await _timed(costs, "heads", times, journal.heads)
        await _timed(costs, "have of a ledger", times, said_have)
        await _timed(costs, "digest of all ledgers", times, digests)
        await _timed(costs, "page of the list", times, lambda: reads.cases(actor))
        await _timed(costs, "page 200 of the open ones", times, lambda: reads.cases(actor, "open", page=200))
        await _timed(costs, "counts", times, lambda: reads.counts(actor))
        await _timed(costs, "search", times, lambda: reads.cases(actor, text="围墙 滴水"))
        await _timed(costs, "case", times, lambda: reads.case(actor, subject))
        costs.setdefault("save", []).append(sorted(await submits(node, actor, 2 * times))[times])
    return costs


async def _multiplied(folder: Path, cases: int, times: int, disputes: int) -> None:
    await county(folder, cases, disputes=disputes)
    await asyncio.to_thread(_multiply, folder / "town", times)


def _multiply(folder: Path, times: int) -> None:
    """Every case's rows `times` over: ids with another beginning, numbers that go on in each lane."""
    path, key = folder / "journal.db", Identity(folder).key("store")
    with closing(connect_sqlite(path, key, True)) as c:
        c.execute("pragma synchronous = off")
        c.execute("pragma cache_size = -1500000")
        tables = ("entry", "case_row", "task_row", "clock_row", "review_row")
        names = {t: [row[1] for row in c.execute(f"pragma table_info({t})")] for t in tables}
        span = c.execute("select max(position) from entry").fetchone()[0]
        searched = c.execute("select max(id) from search").fetchone()[0] or 0
        c.execute("create temp table length as select ledger, origin, seq from lane")
        for n in range(1, times):
            c.execute("begin")
            for table in tables:
                chosen = ", ".join(_changed(name, n, span) for name in names[table])
                where = "sort in ('dispute', 'task')" if table == "entry" else "1 = 1"
                least = f"and position <= {span}" if table == "entry" else f"and subject not like '{MARK}%'"
                c.execute(f"insert into {table} ({', '.join(names[table])}) select {chosen} from {table} t where {where} {least}")
            c.execute(f"insert into search (id, subject, text, pending) select id + {n * searched}, {_id('subject', n)}, text, 1"
                      f" from search where id <= {searched}")  # fmt: skip
            c.execute("commit")
        c.execute(f"update lane set seq = seq * {times}, signed_seq = seq * {times} where exists (select 1 from length)")
    _index(path, key)


MARK = "x"  # begins the ids of multiplied rows: no told one has it


def _id(name: str, n: int) -> str:
    return f"'{MARK}{n:03d}' || substr({name}, 5)"


def _changed(name: str, n: int, span: int) -> str:
    if name == "position":
        return f"position + {n * span}"
    if name == "seq":
        return f"seq + {n} * (select l.seq from length l where l.ledger = t.ledger and l.origin = t.origin)"
    return _id(name, n) if name in ("subject", "command", "case_subject") else name


def _index(path: Path, key: bytes) -> None:
    """The search index of the multiplied rows, as `Journal.index` makes it."""
    from protocol.node.journal.search import grams

    with closing(connect_sqlite(path, key, True)) as c:
        c.execute("pragma synchronous = off")
        c.execute("pragma cache_size = -500000")
        while rows := c.execute("select id, text from search where pending = 1 limit 20000").fetchall():
            c.execute("begin")
            c.executemany("insert into search_gram(rowid, grams) values (?, ?)", [(id_, grams(text)) for id_, text in rows])
            c.executemany("update search set pending = 0 where id = ?", [(id_,) for id_, _ in rows])
            c.execute("commit")


# ── by nodes ──


async def _nodes(folder: Path, count: int, runs: int, times: int) -> Costs:
    """A hub's journal with `count` nodes' lanes, and its pump's memory of them."""
    county_key = SigningKey(bytes(32))
    hub = _certificate(county_key, 0, (f"{ROOT}/*", COMMON), (ROOT,))
    nodes = [_certificate(county_key, n, (_ledger(n),), (_ledger(n),)) for n in range(1, count + 1)]
    journal = await Journal.open(f"sqlite:///{folder.resolve() / 'journal.db'}", bytes(32), dict)
    try:
        async with journal.writing() as w:
            rows = [one for n, c in enumerate(nodes, 1) for writer in (c, hub) for one in _opened(_ledger(n), writer)]
            await w.append(rows + [one for c in (hub, *nodes) for one in _opened(COMMON, c)])
        return await _weighed(journal, hub, nodes, runs, times)
    finally:
        await journal.close()


async def _weighed(journal: Journal, hub: certificates.Certificate, nodes: list[certificates.Certificate], runs: int, times: int) -> Costs:
    costs: Costs = {}
    peers = Peers(hub)
    for one in nodes:
        peers.learn(one)
    heads: dict[str, dict[str, LaneHead]] = {}
    for (ledger, origin), head in (await journal.heads()).items():
        heads.setdefault(ledger, {})[origin] = head
    said = [Have(c.node, _ledger(n), have.lanes_of(heads[_ledger(n)]), 1) for n, c in enumerate(nodes, 1)]
    wires = [have.sign(one, _key(n)) for n, one in enumerate(said, 1)]
    for one in said:
        peers.note(one, 1)

    async def weigh() -> None:
        got = have.read(wires[0])
        assert have.is_signed(wires[0], nodes[0].key)
        peers.note(got, 1)

    async def look() -> None:
        assert not any(peers.is_unreceived(ledger, lanes) for ledger, lanes in heads.items() if ledger != COMMON)

    async def shown() -> None:
        assert len(peers.shown(heads)) == len(nodes)

    async def common() -> None:
        have.sign(Have(hub.node, COMMON, have.lanes_of(heads[COMMON]), 1), _key(0))

    async def levels() -> None:
        for ledger in map(_ledger, range(1, 51)):
            assert [c for c in nodes if certificates.hears(c, ledger)] or len(nodes) < 50

    for _ in range(runs):
        await _timed(costs, "heads", times, journal.heads)
        await _timed(costs, "who hears the 50 ledgers of a page", times, levels)
        await _timed(costs, "weighing a have", times, weigh)
        await _timed(costs, "looking through all ledgers", times, look)
        await _timed(costs, "list of peers", times, shown)
        await _timed(costs, "have of common", times, common)
    return costs


def _key(n: int) -> SigningKey:
    return SigningKey(n.to_bytes(32, "big"))


def _ledger(n: int) -> str:
    town = f"{ROOT}{n // 40:03d}"
    return f"{ROOT}/{town}/{town}{n % 40 + 200:03d}"


def _certificate(county_key: SigningKey, n: int, covers: tuple[str, ...], serves: tuple[str, ...]) -> certificates.Certificate:
    letters = "".join("abcdefghijklmnopqrstuvwxyz234567"[n >> shift & 31] for shift in (15, 10, 5, 0))
    return certificates.issue(
        county_key,
        node=f"nscal{letters}",
        name=f"node {n}",
        key=bytes(_key(n).verify_key),
        serves=serves,
        covers=covers,
        short=n + 1,
        valid_from_ms=1,
    )


def _opened(ledger: str, writer: certificates.Certificate) -> list[Any]:
    """The first entry of a lane."""
    n = writer.short - 1
    origin = origin_of(writer.node, 1)
    commit = lane.next_entries(
        None, [lane.open_lane(ledger, origin, writer)], origin=origin, key=_key(n), author=("", "node"), command=f"open{n}",
        occurred_ms=1, offset_ms=None, turns={}, salt=lambda: bytes(16),
    )  # fmt: skip
    return [row_of(one, 1) for one in commit.entries]
