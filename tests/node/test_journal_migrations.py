"""The tables of a journal: migrations and `schema.kept` say the same, and a start finds its version or brings it."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from protocol import views
from protocol.node.journal import Journal, JournalTooNew, migrate, schema
from tests.node.journal_kit import KEY, Lane, Views, no_tables


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
