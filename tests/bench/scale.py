"""scale: how each cost grows with the length of the store, and with the number of nodes. Exponents: cost ~ size^exponent, 0 is flat.

**Entries**: a township's store, SQLCipher, of 1/100, 1/10 and the whole of `entries`. The smallest was told by real nodes; the others are
its rows multiplied in SQL under other ids (their chains don't verify: only cost is measured here, and nothing that proves one: no pull,
no admission, no rebuild). Asked: the heads of all lanes, a Have of
one ledger with its signature, the digest of all ledgers, a page of the list, its counts, a case, a search of two words, a save.
**Nodes**: a county's own program among 1/16, 1/4 and all of `nodes`, simulated: see scale_nodes.py, which also says of what it makes sure.

The floor of each figure is the same cost at the smallest size; its exponent is given from the first step and from the second, so its `n` is 2,
however often each cost was measured (of several runs the least counts).
"""

import asyncio
import math
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from deploy.demo.cast import TOWNSHIP
from protocol import have, views
from protocol.have import Have
from protocol.node.identity import Identity
from protocol.node.journal import migrate
from protocol.node.journal.engine import connect_sqlite
from protocol.node.node import Node
from tests.bench.figure import Figure, figure
from tests.bench.kit.county import county, opened
from tests.bench.kit.kept import kept
from tests.bench.save import officer, submits
from tests.bench.scale_nodes import UNITS, measure

ENTRIES_A_CASE = 9.4


class Sizes(NamedTuple):
    entries: int
    nodes: int
    disputes: int
    times: int


FULL, SLICE = Sizes(3_000_000, 1_600, 120, 20), Sizes(20_000, 32, 12, 2)
Costs = dict[str, list[float]]  # name → milliseconds (or see UNITS), one of each run


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    by_entries = [await _store(folder, sizes, sizes.entries // part, runs) for part in (100, 10, 1)]
    by_nodes = [await _nodes(folder / f"n{part}", sizes.nodes // part, runs, sizes.times) for part in (16, 4, 1)]
    for what, steps, factor in (("entries", by_entries, 10), ("nodes", by_nodes, 4)):
        for name in steps[-1]:
            small, middle, large = (min(step[name]) for step in steps)  # others at work only ever add to a time
            key, unit = f"{what}_{name.replace(' ', '_')}", UNITS.get(name, "ms")
            figures[f"{key}_{unit.lower()}"] = figure(steps[-1][name], unit, steps[0][name])
            figures[f"{key}_exponent"] = figure([_exponent(small, middle, factor), _exponent(middle, large, factor)], "exponent")
    return figures


def _exponent(small: float, large: float, factor: int) -> float:
    return round(math.log(max(large, 1e-6) / max(small, 1e-6)) / math.log(factor), 3)


async def _nodes(folder: Path, count: int, runs: int, times: int) -> Costs:
    """In a thread: the county has a loop of its own, and nothing of this program works meanwhile."""
    folder.mkdir()
    found = await asyncio.to_thread(measure, folder, count, runs, times)
    await asyncio.to_thread(shutil.rmtree, folder)
    return found


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
