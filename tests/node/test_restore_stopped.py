"""A restore that dies at any step: what was acknowledged is in the journal or in what was put aside, whole, and a start ends what was decided."""

import asyncio
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from deploy import keeping, restoring, running
from protocol.node import healing, restored
from protocol.node.config import Config
from protocol.node.identity import Identity
from protocol.node.journal.engine import connect_sqlite
from protocol.node.node import Node
from tests.node.test_node import founded, hire, stops_at
from tests.node.test_restoring import damaged, dies_healing, names

DIES = """
import asyncio, os, shutil, signal, sys
from pathlib import Path
from deploy import restoring
from protocol.node.config import Config
from protocol.node.node import Node
from tests.node.test_node import hire

home, backup = Path(sys.argv[1]), Path(sys.argv[2])
if sys.argv[3] == "left":
    restoring.restored.olds = lambda folder: []
STEPS = ("os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir")

async def dies_after_a_save():
    await hire(await Node.open(home, Config()), "方志林")
    os.kill(os.getpid(), signal.SIGKILL)

def dies_at(n, folder):
    "Before the n-th change of a name since the journal is about to be replaced."
    left = None
    def step(event, given):
        nonlocal left
        if event in STEPS:
            if left is None and str(given[0]).endswith("restored.json.new"):
                left = n
            if left is not None:
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(step)
    return restoring.restore(folder, Config(), backup)

def in_a_child(made):
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        os._exit(asyncio.run(made()))
    finally:
        os._exit(70)

assert in_a_child(dies_after_a_save) == -signal.SIGKILL
for n in range(200):
    folder = home.with_name(f"stopped-{n}")
    shutil.copytree(home, folder)
    code = in_a_child(lambda: dies_at(n, folder))
    if code != -signal.SIGKILL:
        sys.exit(code)
sys.exit(71)
"""


def put_aside(home: Path) -> set[str]:
    """Names in the journals that stand beside, each read as SQLite would, with its log, from a copy."""
    found = set[str]()
    for n, aside in enumerate(home.glob("before-restore-*")):
        copy = Path(shutil.copytree(aside, home.with_name(f"{home.name}-aside-{n}")))
        if (copy / "journal.db").exists():
            with closing(connect_sqlite(copy / "journal.db", Identity(home).key("store"), True)) as c:
                found |= {name for (name,) in c.execute("select name from person_row")}
    return found


@pytest.mark.parametrize("way", ["taken back", "left"])
async def test_what_was_acknowledged_is_there_wherever_a_restore_was_stopped(tmp_path: Path, way: str):
    """left: as where the old journal can't be read."""
    home = tmp_path / "hub"
    await founded(home)
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", DIES, home, tmp_path / "b.tar", way],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert ran.returncode == 0, ran.stderr
    assert (home / "journal.db-wal").stat().st_size, "what was saved last lies in the log alone"
    stopped = sorted(tmp_path.glob("stopped-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    ended = stopped.pop()
    kept = {"周敏", "方志林"}
    back = {"周敏"} if way == "left" else kept
    seen = list[bool]()
    for folder in stopped:
        node = await running._opened(folder, Config())
        here, waits, epoch = await names(node), node.gate.is_waiting, node.signer.epoch
        await node.close()
        aside, is_over = put_aside(folder), bool(restored.asides(folder))
        assert here == (back if is_over else kept) and here | aside == kept, (folder.name, here, aside)
        assert (not is_over and epoch == 1) or waits, (folder.name, "an old journal, or one that may go away, shown at once")
        assert not is_over or epoch == 2, folder.name
        assert not list(folder.glob("before-restore-*/ready.db")) and not list(folder.glob(".yidi-work-*"))
        seen.append(is_over)
    assert seen == sorted(seen), "once decided it stays so"
    assert len(seen) > 10 and {True, False} == set(seen), seen
    assert put_aside(ended) == kept


async def test_a_restore_given_again_ends_the_one_before_and_names_every_journal_that_was_put_aside(tmp_path: Path, capsys, monkeypatch):
    home = tmp_path / "hub"
    await founded(home)
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    node = await Node.open(home, Config())
    await hire(node, "方志林")
    await node.close()
    monkeypatch.setattr(restoring.time, "time", lambda: 1.0)
    with monkeypatch.context() as patch, pytest.raises(KeyError):
        stops_at(patch, "restore.ready")
        await restoring.restore(home, Config(), tmp_path / "b.tar")
    assert await restoring.restore(home, Config(), tmp_path / "b.tar") == 0
    said = capsys.readouterr().out.splitlines()[-1]
    asides = sorted(str(path) for path in home.glob("before-restore-*"))
    assert len(asides) == 2 and all(aside in said for aside in asides) and "都取回了" in said, said
    assert put_aside(home) == {"周敏", "方志林"}


def noted(home: Path, monkeypatch: pytest.MonkeyPatch, module: object) -> list[tuple[str, str]]:
    """(what, which name) of each change of a name and each sync in `home`, as they come."""
    done = list[tuple[str, str]]()

    def note(holder: object, name: str, what: str, of: int) -> None:
        real = getattr(holder, name)

        def call(*given, **more):
            if Path(given[of]).is_relative_to(home):
                done.append((what, str(Path(given[of]).relative_to(home))))
            return real(*given, **more)

        monkeypatch.setattr(holder, name, call)

    note(os, "link", "link", 1)
    note(Path, "unlink", "unlink", 0)
    note(Path, "rename", "rename", 1)
    note(module, "sync_folder", "sync", 0)
    return done


def the_log_goes_first(done: list[tuple[str, str]], aside: str) -> None:
    """Names that no sync has put on the disk yet may be gone after a power cut, and names that were taken away may be there again."""
    steps = [
        ("link", f"{aside}/journal.db-wal"), ("sync", aside), ("unlink", "journal.db-wal"), ("sync", "."), ("rename", "journal.db"), ("sync", ".")
    ]  # fmt: skip
    at = 0
    for step in steps:
        assert step in done[at:], (step, done[at:])
        at = done.index(step, at) + 1


async def test_a_power_cut_in_a_restore_finds_the_old_log_in_one_place_or_the_other(tmp_path: Path, monkeypatch):
    home = tmp_path / "hub"
    await founded(home)
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    (home / "journal.db-wal").write_bytes(b"a log")
    done = noted(home, monkeypatch, restored)
    assert await restoring.restore(home, Config(), tmp_path / "b.tar") == 0
    (aside,) = (path.name for path in home.glob("before-restore-*"))
    the_log_goes_first(done, aside)


async def test_a_power_cut_in_a_heal_finds_the_old_log_in_one_place_or_the_other(tmp_path: Path, monkeypatch):
    home = tmp_path / "hub"
    await founded(home)
    damaged(home)
    await dies_healing(home, monkeypatch, "heal.ready")
    (home / "journal.db-wal").write_bytes(b"a log")
    done = noted(home, monkeypatch, healing)
    await healing.finish(home, Config())
    (aside,) = (path.parent.name for path in home.glob("*/journal.db-wal"))
    the_log_goes_first(done, aside)
