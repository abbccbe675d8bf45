"""What a store shows alone is asked after a power cut too, and can be found wrong though every receipt is true (kit/afterwards.py)."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from deploy.demo.cast import VILLAGE
from protocol import certificate as certificates
from protocol import fold as folding
from protocol import hold as rules
from protocol.commands import AcceptDispute, CallUpDispute
from protocol.events import Actor
from protocol.node.config import load
from protocol.node.journal import rebuild
from protocol.node.journal.rows import fetch
from protocol.node.link.answers import piece
from protocol.node.node import Node
from tests.faults.kit.afterwards import Afterwards
from tests.faults.kit.county import founded
from tests.node.desk_kit import dispute, new_id


@asynccontextmanager
async def opened(home: Path) -> AsyncIterator[Node]:
    node = await Node.open(home, load(home / "yidi.toml", {}))
    try:
        yield node
    finally:
        await node.close()


def somebody(node: Node, kind: str) -> Actor:
    return Actor("0" * 31 + "1", f"{kind}.00000001", node.office, node.tables().post_powers(kind), "办事员")


async def carry(source: Node, target: Node) -> None:
    """All that the second hears and lacks."""
    held = await target.journal.heads()
    for (ledger, origin), head in (await source.journal.heads()).items():
        after = held[ledger, origin].seq if (ledger, origin) in held else 0
        while certificates.hears(target.certificate, ledger) and after < head.seq:
            batch = await piece(source.journal, ledger, origin, after, 500)
            assert batch is not None
            await target.admission.admit(batch, source.about.node)
            after = batch.last
    await target.admission.settled()


async def called_up(folder: Path) -> tuple[Path, list[dict[str, str]]]:
    """A village's folder, with its receipts: it accepted a case that its township had called up, so that came too late and is set aside."""
    for name in ("gaoyu", "town"):
        shutil.copytree(await founded() / name, folder / name)
    async with opened(folder / "gaoyu") as village, opened(folder / "town") as town:
        told = await village.desk.submit(dispute(VILLAGE), somebody(village, "clerk"))
        await carry(village, town)
        await town.desk.submit(CallUpDispute(id=new_id(), case=told.subject, reason="镇里来办"), somebody(town, "officer"))
        late = await village.desk.submit(AcceptDispute(id=new_id(), case=told.subject), somebody(village, "clerk"))
        await carry(town, village)
        assert await village.journal.rows("review_row"), "nothing was set aside"
    return folder / "gaoyu", [{"command": one.command} for one in (told, late)]


async def judged(home: Path, acks: list[dict[str, str]]) -> str:
    assert await Afterwards(home).judge(home, acks) == "", "no receipt is untrue"
    return await Afterwards(home).judge(home, acks, whole=True)


async def test_what_was_set_aside_and_has_an_owner_and_a_day_is_in_order(tmp_path):
    assert await judged(*await called_up(tmp_path)) == ""


def reviewed(**changed):
    """`fold._review` with a mistake in it."""
    real = folding._review
    return "_review", lambda *words: msgspec.structs.replace(real(*words), **changed)


def by_occurred(admitted):
    return sorted(map(rules.read, admitted), key=lambda item: item.head.occurred_ms)


@pytest.mark.parametrize(
    ("planted", "why"),
    [
        (reviewed(owner=""), "is to be reviewed by nobody"),
        (reviewed(due_ms=0), ", due 0"),
        (("gathered", by_occurred), "clocks"),
    ],
)
async def test_a_fold_that_leaves_something_to_nobody_or_asks_a_clock_is_found(tmp_path, monkeypatch, planted, why):
    home, acks = await called_up(tmp_path)
    monkeypatch.setattr(folding, *planted)
    async with opened(home) as node:
        await rebuild(node.journal)  # its views are made by the same mistake
    told = await judged(home, acks)
    assert told.startswith("untrue") and why in told


async def test_a_ledger_that_the_node_does_not_hear_is_found(tmp_path, monkeypatch):
    home, acks = await called_up(tmp_path)
    with monkeypatch.context() as planted:
        planted.setattr(certificates, "hears", lambda *_: True)
        async with opened(tmp_path / "town") as town, opened(home) as village:
            await carry(town, village)
    told = await judged(home, acks)
    assert told.startswith("untrue") and "does not hear it" in told


async def test_words_that_are_gone_though_nobody_erased_them_are_found(tmp_path):
    home, acks = await called_up(tmp_path)
    async with opened(home) as node:
        (row,) = [row for row in await node.journal.command(acks[0]["command"]) if row.head.body_hash]
        async with node.journal.writing() as w:
            await fetch(
                w.connection,
                "update entry set body = null, salt = null, erased = 1 where origin = :origin and seq = :seq",
                {"origin": row.origin, "seq": row.seq},
            )
            await w.project([row.subject])
    told = await judged(home, acks)
    assert told.startswith("untrue") and "has no words of" in told
