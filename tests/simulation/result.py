"""What the simulated store gives for SQLAlchemy's results: all rows at once."""

from typing import Any

from protocol.node.journal.rows import row_type


class Result:
    """All rows at once, by position, by name, or as mappings."""

    def __init__(self, rows: list[tuple[Any, ...]], names: tuple[str, ...]) -> None:
        self._names, self._plain = names, rows
        self.returns_rows = bool(names)

    def all(self) -> list[Any]:
        return list(map(row_type(self._names)._make, self._plain))

    def __iter__(self) -> Any:
        return iter(self.all())

    def first(self) -> Any:
        return next(iter(self), None)

    def scalar(self) -> Any:
        return self._plain[0][0] if self._plain else None

    def scalar_one(self) -> Any:
        ((value,),) = self._plain
        return value

    def mappings(self) -> "Mappings":
        return Mappings([dict(zip(self._names, row, strict=True)) for row in self._plain])


class Mappings(list[dict[str, Any]]):
    def all(self) -> list[dict[str, Any]]:
        return self

    def first(self) -> dict[str, Any] | None:
        return self[0] if self else None
