"""A restore revives nobody's way in: sessions, one-time passwords and answers to forgotten ones of the day of the backup let nobody in."""

from pathlib import Path

import pytest

from deploy import keeping, restoring
from protocol.node import recovering
from protocol.node.config import Config, Store
from protocol.node.node import Node, now_ms
from protocol.problem import Refused
from tests.kit.machine import needs_postgresql
from tests.node.test_node import founded

OLD, NEW = "旧的那个口令 1", "新的这个口令 2"


async def _put_back(home: Path, config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    await founded(home)
    node = await Node.open(home, Config())
    ((person,),) = await node.journal.select("select subject from person_row", {})
    await node.people.add_account("zhoumin", person, OLD, now_ms())
    await node.people.add_account("chosen", person, OLD, now_ms())
    codes = {name: await node.people.add_account(name, person, None, now_ms()) for name in ("unused", "stolen", "ended")}
    await node.people.end_account("ended", now_ms())
    tokens = [await node.people.sign_in("zhoumin", OLD, now_ms()), await node.people.sign_in("stolen", codes["stolen"], now_ms())]
    await node.recovering.ask("zhoumin", now_ms())
    await node.close()
    await keeping.backup(home, Config(), home.parent / "b.tar")
    capsys.readouterr()
    assert await restoring.restore(home, config, home.parent / "b.tar") == 0
    said = capsys.readouterr().out
    node = await Node.open(home, config)
    try:
        for token in tokens:
            assert await node.people.actor(token, now_ms()) is None and not await node.people.must_choose_password(token)
        for name, code in codes.items():
            with pytest.raises(Refused, match="sign_in_wrong"):
                await node.people.sign_in(name, code, now_ms())
        assert await node.journal.local(recovering.OPEN) is None
        assert await node.people.sign_in("zhoumin", OLD, now_ms()), "who had a password of their own has that of the backup"
        once = await node.people.passwd("unused", None, now_ms())
        assert await node.people.must_choose_password(await node.people.sign_in("unused", once, now_ms())), "a new one opens"
    finally:
        await node.close()
    assert "重新登录" in said and "改过的密码" in said and "停用的账号" in said, said
    assert "stolen、unused" in said and "ended" not in said, "whose one-time passwords are to be given anew"


async def test_nobody_is_signed_in_by_a_backup(tmp_path: Path, capsys):
    await _put_back(tmp_path / "hub", Config(), capsys)


@needs_postgresql
async def test_neither_by_one_that_is_put_back_into_a_database(tmp_path: Path, capsys, postgres_url: str):
    await _put_back(tmp_path / "hub", Config(store=Store(url=postgres_url)), capsys)
