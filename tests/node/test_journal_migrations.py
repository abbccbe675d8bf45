"""The tables of a journal: migrations and `schema.kept` say the same, and a start finds its version or brings it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from protocol import views
from protocol.node.journal import Journal, JournalTooNew, migrate, rebuild, schema
from protocol.problem import Refused
from tests.node.journal_kit import KEY, Lane, Views, no_tables, subject


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else f"sqlite:///{tmp_path}/journal.db"


def key_of(url: str) -> bytes | None:
    return KEY if url.startswith("sqlite") else None


def test_the_newest_migration_is_this_programs_version() -> None:
    assert ScriptDirectory(str(migrate.FOLDER)).get_current_head() == migrate.VERSION


async def test_migrations_make_what_the_schema_says(url: str) -> None:
    journal = await Journal.open(url, key_of(url), no_tables, views=Views)
    made = {*schema.view_tables(Views.TABLES).tables, "search_gram", "alembic_version"}

    def differences(connection: Connection) -> list[object]:
        def kept_alone(_thing: object, name: str | None, kind: str, *_more: object) -> bool:
            return not (kind == "table" and name is not None and (name in made or name.startswith("search_gram")))

        options = {"include_object": kept_alone, "compare_type": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), schema.kept)

    async with journal.writing() as w:
        assert await w.connection.run_sync(differences) == []
    await journal.close()


async def test_a_journal_of_a_later_program_is_not_touched(url: str) -> None:
    journal, lane = await Journal.open(url, key_of(url), no_tables, views=Views), Lane()
    async with journal.writing() as w:
        await w.append([lane.say("1")])
        await w.connection.execute(text("update alembic_version set version_num = '9999'"))
    await journal.close()
    with pytest.raises(JournalTooNew, match="9999"):
        await Journal.open(url, key_of(url), no_tables, views=Views)


async def test_a_migration_that_fails_leaves_the_old_journal(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def half_way(*_words: object) -> None:
        raise KeyError

    monkeypatch.setattr(migrate, "_make_views", half_way)
    with pytest.raises(KeyError):
        await Journal.open(url, key_of(url), no_tables, views=Views)
    monkeypatch.undo()
    journal = await Journal.open(url, key_of(url), no_tables, views=Views)
    assert await journal.heads() == {}
    await journal.close()


async def test_the_real_views_make_tables_on_every_store(url: str) -> None:
    journal = await Journal.open(url, key_of(url), no_tables)
    for name, columns in views.TABLES.items():
        assert await journal.rows(name) == []
        for column in columns:
            assert await journal.select(f"select {column.name} from {name}", {}) == []
    await journal.close()


class Newer(Views):
    VERSION = 2


class Filling:
    """Each fill in turn does what it is told: goes on, waits after its first subject, or breaks off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *turns: str) -> None:
        self.turns, self.begun, self.go_on, self.folded = iter(turns), asyncio.Event(), asyncio.Event(), set[str]()
        module = sys.modules["protocol.node.journal.rebuild"]
        self.real = module._subjects
        monkeypatch.setattr(module, "_subjects", self.subjects)
        monkeypatch.setattr(module, "SUBJECTS_MAX", 1)

    async def subjects(self, journal: Journal) -> AsyncIterator[list[str]]:
        turn, count = next(self.turns, "goes on"), 0
        if turn == "breaks off":
            raise KeyError
        async for some in self.real(journal):
            yield some
            count += 1
            if turn == "waits" and count == 1:
                self.begun.set()
                await self.go_on.wait()
        self.folded.add(turn)


async def five_subjects(url: str) -> None:
    journal, lane = await Journal.open(url, key_of(url), no_tables, views=Views), Lane()
    async with journal.writing() as w:
        await w.take([[lane.say(f"words{n}", subject(n)) for n in range(5)]])
    await journal.close()


@pytest.mark.parametrize("second", ["breaks off", "goes on"])
async def test_who_opens_during_the_first_fill_of_an_upgrade_takes_nothing_away(
    url: str, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await five_subjects(url)
    filling = Filling(monkeypatch, "waits", second)
    first = asyncio.create_task(Journal.open(url, key_of(url), no_tables, views=Newer))
    await filling.begun.wait()
    if second == "breaks off":
        with pytest.raises(KeyError):
            await Journal.open(url, key_of(url), no_tables, views=Newer)
    else:
        other = await Journal.open(url, key_of(url), no_tables, views=Newer)
        assert await rebuild(other)
        await other.close()
    filling.go_on.set()
    journal = await first
    assert len(await journal.rows("search")) == len(await journal.rows("sum_row")) == 5
    assert await rebuild(journal)
    assert ("waits" in filling.folded) == (second == "breaks off"), "where the other has done it all, the first stops"
    await journal.close()


async def test_tables_made_anew_under_a_fill_are_filled_from_the_beginning(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of another version comes, and this one once more; each breaks off, and the first goes on over what they left."""
    await five_subjects(url)
    filling = Filling(monkeypatch, "waits", "breaks off", "breaks off")
    first = asyncio.create_task(Journal.open(url, key_of(url), no_tables, views=Newer))
    await filling.begun.wait()
    for shape in (Views, Newer):
        with pytest.raises(KeyError):
            await Journal.open(url, key_of(url), no_tables, views=shape)
    filling.go_on.set()
    journal = await first
    assert len(await journal.rows("search")) == len(await journal.rows("sum_row")) == 5
    assert await rebuild(journal)
    await journal.close()


async def test_a_fill_ends_where_another_version_made_other_tables(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await five_subjects(url)
    filling = Filling(monkeypatch, "waits")
    first = asyncio.create_task(Journal.open(url, key_of(url), no_tables, views=Newer))
    await filling.begun.wait()
    older = await Journal.open(url, key_of(url), no_tables, views=Views)
    filling.go_on.set()
    with pytest.raises(Refused, match="store_busy"):
        await first
    assert await rebuild(older)
    await older.close()
