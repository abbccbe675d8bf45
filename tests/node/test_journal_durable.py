"""A PostgreSQL that may forget after a power cut is not opened: the whole command says why, in both languages, and ends with 1."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.nats.servers import free_ports
from protocol.node.journal import Journal, durable
from tests.kit.postgres import Server
from tests.node.journal_kit import Views, no_tables

START_S_MAX = 120


@asynccontextmanager
async def set_to(server: Server, setting: str, value: str) -> AsyncIterator[None]:
    """As an administrator does it, in the running server."""
    await _alter(server, setting, f"set {setting} = {value}", value)
    try:
        yield
    finally:
        await _alter(server, setting, f"reset {setting}", "on")


async def _alter(server: Server, setting: str, how: str, wanted: str) -> None:
    c = await asyncpg.connect(user="yidi", host="127.0.0.1", port=server.port, database="postgres")
    try:
        await c.execute(f"alter system {how}")
        await c.execute("select pg_reload_conf()")
        async with asyncio.timeout(START_S_MAX):  # a reload is heard by each backend in its own time
            while await c.fetchval("select current_setting($1)", setting) != wanted:
                await asyncio.sleep(0.02)
    finally:
        await c.close()


async def open_and_close(url: str) -> None:
    await (await Journal.open(url, None, no_tables, views=Views)).close()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
async def test_a_server_that_forgets_is_not_opened_and_once_it_is_put_right_it_is(postgres_server: Server, postgres_url: str, setting: str):
    async with set_to(postgres_server, setting, "off"):
        with pytest.raises(durable.StoreForgets, match=f"{setting} 现在是 off"):
            await open_and_close(postgres_url)
    await open_and_close(postgres_url)


async def test_what_a_session_can_settle_is_settled_by_ours(postgres_server: Server, postgres_url: str):
    async with set_to(postgres_server, "synchronous_commit", "off"):
        await open_and_close(postgres_url)


@pytest.mark.parametrize("now", ["off", "local"])
async def test_a_pool_between_the_two_that_drops_our_setting_is_noticed(postgres_url: str, now: str):
    engine = create_async_engine(postgres_url, connect_args={"server_settings": {"synchronous_commit": now}})
    async with engine.connect() as c:
        with pytest.raises(durable.StoreForgets, match=f"synchronous_commit 现在是 {now}"):
            await durable.ensure(c)
    await engine.dispose()


async def test_the_program_says_why_and_what_next_and_ends_with_1(postgres_server: Server, postgres_url: str, tmp_path: Path):
    pages, nats, leaf = free_ports(3)
    (tmp_path / "yidi.toml").write_text(
        f'[http]\nport = {pages}\n[store]\nurl = "{postgres_url}"\n[nats]\nport = {nats}\nleaf_port = {leaf}\n'
        f'[root]\nplace = "330523"\naddress = "127.0.0.1:{pages}"\n'
    )
    command = [sys.executable, "-m", "deploy.cli", "hub", "--folder", str(tmp_path)]
    async with set_to(postgres_server, "fsync", "off"):
        ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=START_S_MAX, check=False)
    assert ran.returncode == 1, ran.stderr
    for words in (
        "没有做成：PostgreSQL 的 fsync 现在是 off",
        "请在 postgresql.conf 里改成 fsync = on",
        "Set fsync = on",
        "nothing was started",
    ):
        assert words in ran.stderr, ran.stderr
    assert "Traceback" not in ran.stderr
