"""The key that a node signs with is the one that it joined with: another one is neither made nor taken, for nobody takes what it signs."""

import secrets
import shutil
from pathlib import Path

import pytest

from deploy import keeping, restoring
from deploy.county import County
from protocol.node.config import Config
from protocol.node.identity import Identity, write_whole
from protocol.node.node import Node, now_ms

KEY = "identity/sign.key"


def another(key: Path) -> None:
    write_whole(key, secrets.token_bytes(32))


def half(key: Path) -> None:
    key.write_bytes(key.read_bytes()[:16])


SPOILT = [pytest.param(Path.unlink, id="missing"), pytest.param(another, id="another"), pytest.param(half, id="half")]


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A county with one person, stopped, and a backup of it."""
    folder = tmp_path / "hub"
    county, node = County.open(folder, Config(), now_ms()), await Node.open(folder, Config())
    await county.furnish(node)
    await keeping.register(node, name="周敏", kind="operator", office=node.office)
    await node.close()
    await keeping.backup(folder, Config(), tmp_path / "copy.tar")
    return folder


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "journal" not in path.name}


@pytest.mark.parametrize("spoil", SPOILT)
async def test_a_node_does_not_open_with_another_key_than_it_joined_with(home: Path, spoil):
    kept = (home / KEY).read_bytes()
    spoil(home / KEY)
    (home / "mark").unlink()  # as where more than the key was put back: it would have gone on under a new epoch
    before = files(home)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"sign\.key.*放回去") as refused:
            await Node.open(home, Config())
        assert "登记码" not in str(refused.value), "there is nobody who could give a county one"
    with pytest.raises(RuntimeError, match=r"sign\.key.*放回去"):
        County.open(home, Config(), now_ms())
    assert files(home) == before
    write_whole(home / KEY, kept)
    await (await Node.open(home, Config())).close()


@pytest.mark.parametrize("spoil", SPOILT)
async def test_nothing_is_put_back_to_a_node_that_could_not_sign(home: Path, spoil):
    shutil.copytree(home, home.parent / "kept")
    spoil(home / KEY)
    before = files(home)
    with pytest.raises(RuntimeError, match=r"sign\.key.*放回去"):
        await restoring.restore(home, Config(), home.parent / "copy.tar")
    assert files(home) == before and not list(home.glob("before-restore-*"))
    shutil.copy(home.parent / "kept" / KEY, home / KEY)
    assert await restoring.restore(home, Config(), home.parent / "copy.tar") == 0


def test_what_follows_from_the_key_is_not_made_of_another_one(tmp_path: Path):
    identity = County.open(tmp_path, Config(), now_ms()).identity
    derived = identity.derived("push")
    assert Identity(tmp_path).derived("push") == derived
    (tmp_path / KEY).unlink()
    with pytest.raises(RuntimeError, match=r"sign\.key"):
        Identity(tmp_path).derived("push")
    assert not (tmp_path / KEY).exists()
