"""Row 7: the power of the county's server goes while its desk works and villages' entries come in; its store is the embedded one, then PostgreSQL.

What a Have says is a receipt too: it is said after the commit, so it must be true of whatever the cut leaves.
"""

import shutil
import tempfile
from pathlib import Path
from random import Random

from protocol import batch as batches
from protocol.events import Actor
from protocol.node.config import load
from protocol.node.link.answers import piece
from protocol.node.node import Node
from tests.faults.kit.county import founded
from tests.faults.kit.pulled import MEMORY, Cluster
from tests.faults.row import Outcome, Row
from tests.faults.rows import row_06
from tests.node.desk_kit import dispute

COMMITS, COMMITS_SMALL = 40, 10
STEPS, PULLS, PULLS_SMALL = (30, 60), 20, (12, 5)  # on PostgreSQL: an image takes a second, for a server recovers on each


async def inbox(folder: Path, chance: Random, commits: int) -> None:
    """What two villages wrote, as the batches that come in at the hub."""
    for village in ("gaoyu", "liangpeng"):
        home = folder / village
        shutil.copytree(await founded() / village, home)
        node = await Node.open(home, load(home / "yidi.toml", {}))
        try:
            ledger = node.office
            actor = Actor("0" * 31 + "1", "clerk.00000001", ledger, node.tables().post_powers("clerk"), "网格员")
            for n in range(commits):
                await node.desk.submit(dispute(ledger, f"{village}-{n:06}"), actor)
            head = (await node.journal.heads(ledger))[ledger, node.signer.origin]
            known = await _known(folder, ledger, node.signer.origin)
            await _lay(folder / "hub" / "inbox", node, ledger, known, head.seq, chance)
        finally:
            await node.close()


async def _known(folder: Path, ledger: str, origin: str) -> int:
    home = folder / "hub"
    hub = await Node.open(home, load(home / "yidi.toml", {}))
    try:
        heads = await hub.journal.heads(ledger)
        return heads[ledger, origin].seq if (ledger, origin) in heads else 0
    finally:
        await hub.close()


async def _lay(to: Path, node: Node, ledger: str, after: int, upto: int, chance: Random) -> None:
    to.mkdir(exist_ok=True)
    while after < upto:
        batch = await piece(node.journal, ledger, node.signer.origin, after, chance.randrange(1, 12))
        if batch is None:
            batch = await piece(node.journal, ledger, node.signer.origin, after, batches.BATCH_ENTRIES_MAX)
        assert batch is not None
        (to / f"{after:06} {node.about.node}").write_bytes(batches.pack(batch))
        after = batch.last


async def _cut(chance: Random, folder: Path, commits: int, count: int, looked_at: int, *mutations: str):
    shutil.copytree(await founded() / "hub", folder / "hub")
    await inbox(folder, chance, commits)
    return await row_06.cut(chance, folder, "hub", count, looked_at, *mutations)


async def pulled(chance: Random, folder: Path, commits: int, steps: int, pulls: int, *words: str, until_wrong: bool = False):
    """The same on PostgreSQL. until_wrong: as for `Cluster.cut`."""
    shutil.copytree(await founded() / "hub", folder / "hub")
    await inbox(folder, chance, commits)
    with tempfile.TemporaryDirectory(prefix="yidi-pg-", dir=MEMORY if MEMORY.is_dir() else None) as d:
        shutil.copytree(folder / "hub", Path(d) / "hub")
        return await (await Cluster.around(Path(d))).cut(chance, steps, pulls, *words, until_wrong=until_wrong)


def _both(embedded: Outcome, postgres: Outcome) -> Outcome:
    figures = {name: getattr(embedded, name) + getattr(postgres, name) for name in ("acknowledged", "lost", "images")}
    said = [f"{store}: {line}" for store, one in (("embedded", embedded), ("PostgreSQL", postgres)) for line in one.said]
    return Outcome(**figures, said=(*said, f"{postgres.images} images of PostgreSQL"))


async def play(chance: Random, folder: Path) -> Outcome:
    embedded = await _cut(chance, folder, COMMITS, chance.randrange(*row_06.COUNT), row_06.IMAGES)
    postgres = await pulled(chance, folder / "postgres", COMMITS, chance.randrange(*STEPS), PULLS)
    return _both(row_06.outcome(*embedded), row_06.outcome(*postgres))


async def small(chance: Random, folder: Path) -> Outcome:
    embedded = await _cut(chance, folder, COMMITS_SMALL, *row_06.SMALL)
    postgres = await pulled(chance, folder / "postgres", COMMITS_SMALL, *PULLS_SMALL)
    return _both(row_06.outcome(*embedded), row_06.outcome(*postgres))


ROW = Row(
    7, "power cut at the county while villages' entries come in (embedded store, PostgreSQL)", "every receipt and every Have is true",
    ("strace", "postgres"), play, small,
)  # fmt: skip
