"""A journal whose key is not here, or is another node's: it is left as it is, and what to do is said. Nothing is made anew over it."""

import secrets
import shutil
from pathlib import Path

import pytest

from deploy import keeping, restoring, running
from deploy.cli import main
from deploy.county import County
from edge.enrol import enrol
from protocol.node import healing
from protocol.node.config import Config
from protocol.node.healing import Gap, Healing
from protocol.node.identity import write_whole
from protocol.node.journal.reseal import PAGE_BYTES
from protocol.node.node import Node, now_ms
from protocol.problem import Refused

KEY = "identity/store.key"


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A county with one person, stopped."""
    folder = tmp_path / "hub"
    county, node = County.open(folder, Config(), now_ms()), await Node.open(folder, Config())
    await county.furnish(node)
    await keeping.register(node, name="周敏", kind="operator", office=node.office)
    await node.close()
    return folder


async def test_nobody_joins_anew_over_a_journal_whose_keys_are_gone(home: Path):
    before = (home / "journal.db").read_bytes()
    (home / "identity").rename(home.parent / "lost")
    with pytest.raises(RuntimeError, match="没有 identity/"):
        await enrol("127.0.0.1:1/no-code", home)
    assert not (home / "identity").exists() and (home / "journal.db").read_bytes() == before
    assert not (home / "renewing").exists()


async def test_no_key_is_made_beside_a_journal_that_another_one_opens(home: Path, capsys):
    before = (home / "journal.db").read_bytes()
    shutil.move(home / KEY, home.parent / "kept.key")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="store.key"):
            await running._opened(home, Config())
    with pytest.raises(RuntimeError, match="store.key"):
        await healing.heal(home, Config(), now_ms)
    assert not (home / KEY).exists() and (home / "journal.db").read_bytes() == before and not list(home.glob("damaged-*"))
    shutil.move(home.parent / "kept.key", home / KEY)
    await (await Node.open(home, Config())).close()


def test_the_command_line_says_that_the_key_is_missing(tmp_path: Path, capsys):
    county = County.open(tmp_path, Config(), now_ms())
    (tmp_path / "journal.db").write_bytes(secrets.token_bytes(PAGE_BYTES))
    assert county.identity.exists and not (tmp_path / KEY).exists()
    with pytest.raises(SystemExit) as ended:
        main(["digest", "--folder", str(tmp_path)])
    said = capsys.readouterr().err
    assert ended.value.code == 1 and "store.key" in said and "Traceback" not in said, said


async def test_a_backup_comes_back_also_where_the_key_of_the_old_journal_is_gone(home: Path):
    await keeping.backup(home, Config(), home.parent / "b.tar")
    (home / KEY).unlink()
    assert await restoring.restore(home, Config(), home.parent / "b.tar") == 0
    node = await Node.open(home, Config())
    assert await node.journal.rows("person_row", "1 = 1", {})
    await node.close()


async def test_a_journal_under_another_nodes_key_is_not_healed_into_an_empty_one(home: Path):
    before, right = (home / "journal.db").read_bytes(), (home / KEY).read_bytes()
    write_whole(home / KEY, secrets.token_bytes(32))
    for _ in range(2):  # at the next start it is not tried again, and the reason is said all the same
        with pytest.raises(RuntimeError, match=r"一条也没有读出来.*store.key"):
            await running._opened(home, Config())
    assert (home / "journal.db").read_bytes() == before
    assert not [name for name in (healing.WORK, healing.STATE, healing.ASKED) if (home / name).exists()] and not list(
        home.glob("damaged-*")
    )
    write_whole(home / KEY, right)
    node = await running._opened(home, Config())
    assert node.signer.epoch == 1 and not node.journal.damaged
    await node.close()


async def test_a_salt_that_flipped_makes_every_page_look_wrong_and_is_healed(home: Path):
    with (home / "journal.db").open("r+b") as f:
        f.write(bytes(16))
    told = await healing.heal(home, Config(), now_ms)
    assert told.pages == (home / told.aside / "journal.db").stat().st_size // PAGE_BYTES and told.entries > 3


async def test_a_journal_that_held_no_entry_yet_is_healed_all_the_same(tmp_path: Path):
    County.open(tmp_path, Config(), now_ms())
    await (await Node.open(tmp_path, Config())).close()
    with (tmp_path / "journal.db").open("r+b") as f:
        f.seek(5 * PAGE_BYTES)
        f.write(bytes(PAGE_BYTES))
    told = await healing.heal(tmp_path, Config(), now_ms)
    assert (told.pages, told.entries, told.loose) == (1, 0, 0)


ONE = [Gap("330523", "nvill2222:1", 1, 9)]


@pytest.mark.parametrize(
    ("entries", "loose", "short", "gone", "stays"),
    [(0, 0, [], [], True), (0, 0, ONE, ONE, True), (0, 0, ONE, [], False), (0, 1, [], [], False), (1, 0, ONE, ONE, False)],
)
def test_what_nothing_was_saved_from_is_not_removed(tmp_path: Path, entries: int, loose: int, short: list, gone: list, stays: bool):
    aside = tmp_path / "damaged-1"
    aside.mkdir()
    (aside / "journal.db").write_bytes(b"the only copy")
    healing.end_state(tmp_path, Healing(now_ms(), 150, entries, loose, short, 2, aside.name, gone=gone))
    assert aside.exists() == stays


async def test_a_node_that_was_damaged_otherwise_still_says_so(home: Path, monkeypatch):
    monkeypatch.setattr(healing, "may_by_itself", lambda *_: False)
    write_whole(home / KEY, secrets.token_bytes(32))
    with pytest.raises(Refused) as refused:
        await running._opened(home, Config())
    assert refused.value.code == "store_damaged"
