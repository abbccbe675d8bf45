"""A county that was put back to a backup: a code that was used since is in it as unused, and lets nobody in."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest
from nacl.signing import SigningKey
from sqlalchemy import text

from deploy.county import County
from deploy.demo.cast import NEIGHBOUR, VILLAGE
from deploy.keeping import opened
from edge.enrol import take_in
from hub.enrolment import Invitation, void_codes
from protocol import enrolment as joining
from protocol.node.config import load
from protocol.node.identity import Identity
from protocol.node.link.creds import tls_request
from protocol.node.node import now_ms
from protocol.problem import Refused
from protocol.tables import Tables
from tests.kit.county import on_a_new_disk, yidi
from tests.kit.machine import needs_postgresql
from tests.node.test_restoring import damaged

NEIGHBOUR_NAME, VILLAGE_NAME = (Tables.packaged().place_name(place) for place in (NEIGHBOUR, VILLAGE))
EARLY, LATE, THIEF = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))


async def asked(hub: Path, code: str, key: SigningKey) -> bytes:
    """The certificate that a computer with this key gets for the code."""
    return (await answered(hub, code, key)).certificate


async def answered(hub: Path, code: str, key: SigningKey) -> joining.Answer:
    config, read = load(hub / "yidi.toml", {}), joining.read_code(code)
    county = County.of(hub, config, now_ms())
    async with opened(hub, config) as node:
        node.desk.ready = _at_once  # nobody else is there who could be asked
        tls = (hub / "request.pem").read_bytes()
        body = await county.enrolment(node).redeem(joining.ask(read, key, "U" + code[-4:], "", tls, bytes(24)))
    return joining.open_answer(read.secret, body)


async def _at_once() -> None:
    pass


def founded(hub: Path) -> None:
    hub.mkdir()
    (hub / "yidi.toml").write_text("", "utf-8")
    County.open(hub, load(hub / "yidi.toml", {}), now_ms())
    (hub / "request.pem").write_bytes(tls_request(hub.parent / "tls.key"))


async def invited(hub: Path, place: str) -> str:
    ran = await yidi("invite", "--place", place, "--folder", hub)
    assert ran.code == 0, ran
    return ran.out.split("：", 1)[1].split()[0]


async def test_a_code_that_was_used_since_the_backup_lets_nobody_in(tmp_path: Path):
    await _put_back(tmp_path, "")


@needs_postgresql
async def test_neither_does_one_that_was_put_back_into_a_new_postgresql(tmp_path: Path, postgres_url: str):
    await _put_back(tmp_path, f'[store]\nurl = "{postgres_url}"\n')


async def _put_back(tmp_path: Path, config: str) -> None:
    """Into the store that `config` names."""
    hub, backup = tmp_path / "hub", tmp_path / "hub.tar"
    founded(hub)
    early, late = await invited(hub, VILLAGE), await invited(hub, NEIGHBOUR)
    first = await asked(hub, early, EARLY)
    assert (await yidi("backup", backup, "--folder", hub)).code == 0
    await asked(hub, late, LATE)
    (hub / "yidi.toml").write_text(config, "utf-8")
    on_a_new_disk(hub)
    ran = await yidi("restore", backup, "--folder", hub)
    assert ran.code == 0 and "1 个登记码作废" in ran.out and "重新发" in ran.out, ran
    named = await void(hub)
    for code, key in ((late, THIEF), (late, LATE), (early, THIEF)):
        with pytest.raises(Refused, match="code_unknown_late_or_used"):
            await asked(hub, code, key)
    assert await asked(hub, early, EARLY) == first, "who had joined before and lost the answer gets the same one"
    assert await asked(hub, await invited(hub, NEIGHBOUR), LATE)
    assert (named, await void(hub)) == ([NEIGHBOUR_NAME], []), "it is named until it has got another one"


async def void(hub: Path) -> list[str]:
    """Of which places 各地机器 says that their code is void."""
    async with opened(hub, load(hub / "yidi.toml", {})) as node:
        return await void_codes(node.journal, node.desk.signer.epoch, now_ms())


async def test_a_code_of_an_epoch_in_which_nothing_was_written_lets_nobody_in_either(tmp_path: Path):
    """The keys that are put back are of an earlier one, and no lane of the backup tells of it: it is not begun a second time."""
    hub, backup = tmp_path / "hub", tmp_path / "hub.tar"
    founded(hub)
    await invited(hub, VILLAGE)
    kept = Identity(hub).file.read_bytes()
    Identity(hub).new_epoch()
    late = await invited(hub, NEIGHBOUR)
    assert (await yidi("backup", backup, "--folder", hub)).code == 0
    Identity(hub).file.write_bytes(kept)
    ran = await yidi("restore", backup, "--folder", hub)
    assert ran.code == 0 and "2 个登记码作废" in ran.out, ran
    with pytest.raises(Refused, match="code_unknown_late_or_used"):
        await asked(hub, late, THIEF)


async def test_neither_does_one_of_a_disk_that_was_put_back_by_other_means(tmp_path: Path):
    """The whole journal by its administrator: the node notices that its own entries are missing."""
    hub = tmp_path / "hub"
    founded(hub)
    late = await invited(hub, NEIGHBOUR)
    kept = {path.name: path.read_bytes() for path in hub.glob("journal.db*")}
    await asked(hub, late, LATE)
    for path in hub.glob("journal.db*"):
        path.unlink()
    for name, content in kept.items():
        (hub / name).write_bytes(content)
    with pytest.raises(Refused, match="code_unknown_late_or_used"):
        await asked(hub, late, THIEF)


async def test_a_heal_says_how_many_codes_it_made_void(tmp_path: Path):
    """It goes on under a new epoch, and a code of another one lets nobody in. What an older program gave says no epoch, and still does."""
    hub = tmp_path / "hub"
    founded(hub)
    early, late, old, older = [await invited(hub, place) for place in (VILLAGE, NEIGHBOUR, NEIGHBOUR, NEIGHBOUR)]
    await asked(hub, early, EARLY)
    async with opened(hub, load(hub / "yidi.toml", {})) as node, node.journal.writing() as w:
        hashes = {code: joining.lookup(joining.read_code(code).secret) for code in (old, older)}
        await w.connection.execute(text("update invitation set until_ms = 1 where code_hash = :h"), {"h": hashes[old]})
        found = await w.connection.execute(text("select content from invitation where code_hash = :h"), {"h": hashes[older]})
        content = msgspec.msgpack.decode(found.scalar_one(), type=Invitation)
        content.epoch = 0
        row = {"h": hashes[older], "c": msgspec.msgpack.encode(content)}
        await w.connection.execute(text("update invitation set content = :c where code_hash = :h"), row)
    damaged(hub)
    shutil.copytree(hub, tmp_path / "again")
    ran = await yidi("heal", "--folder", hub)
    assert ran.code == 0 and "1 个登记码作废" in ran.out and "重新发" in ran.out, ran
    with pytest.raises(Refused, match="code_unknown_late_or_used"):
        await asked(hub, late, LATE)
    assert await asked(hub, older, LATE)
    told = json.loads((await yidi("heal", "--json", "--folder", tmp_path / "again")).out)
    assert told["figures"]["epoch"] == 2 and told["figures"]["codes"] == 1, told


async def test_a_place_that_joined_since_the_backup_is_asked_for_no_new_code(tmp_path: Path):
    """Once another node has told the county so: its entry in *common* comes back, what was noted of the code does not."""
    hub, backup = tmp_path / "hub", tmp_path / "hub.tar"
    founded(hub)
    late = await invited(hub, NEIGHBOUR)
    await invited(hub, VILLAGE)
    assert (await yidi("backup", backup, "--folder", hub)).code == 0
    joined = await answered(hub, late, LATE)
    kept = [(path, path.read_bytes()) for path in hub.glob("journal.db*")]
    on_a_new_disk(hub)
    assert (await yidi("restore", backup, "--folder", hub)).code == 0
    assert await void(hub) == [NEIGHBOUR_NAME, VILLAGE_NAME]
    async with opened(hub, load(hub / "yidi.toml", {})) as node:
        await take_in(node, joined.batches)
    assert await void(hub) == [VILLAGE_NAME]
    for path, content in kept:
        path.write_bytes(content)
    assert (await yidi("restore", backup, "--folder", hub)).code == 0
    assert await void(hub) == [VILLAGE_NAME], "where its old journal is there the county knows by itself"
