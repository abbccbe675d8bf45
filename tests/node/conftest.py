"""For the tests of protocol/node: a PostgreSQL of their own."""

from tests.kit.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]
