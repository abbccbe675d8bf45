"""What every application has in common is made once in a test process, not once for each of its thousand: its templates and its routes, half of a
page test, and what was worked out of a password, a third of the rest. Each application has a state, and a node, of its own."""

import copy
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from argon2 import PasswordHasher
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from litestar import Litestar

from protocol.node import people
from protocol.node.web import app


class _Compiled(BytecodeCache):
    """Jinja checks the template's text against what was compiled."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if raw := self._kept.get(bucket.key):
            bucket.bytecode_from_string(raw)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


class _Routed:
    """real: for whoever registers a route more at an application, which would be everybody's."""

    def __init__(self) -> None:
        self.real, self._kept = app.routed, dict[tuple, Litestar]()

    def __call__(self, routes: list[Any], dist: Path, home: str, homes: Mapping[str, str]) -> Litestar:
        key = (*(getattr(route, "handler_name", type(route).__name__) for route in routes), dist, home, *homes.items())
        if key not in self._kept:
            self._kept[key] = self.real(routes, dist, home, homes)
        return copy.copy(self._kept[key])


class _Hasher(PasswordHasher):
    """With the parameters of production. The people of tests have few passwords: each is hashed once, and found right once for each hash. What was
    wrong is tried again."""

    _hashed: ClassVar[dict[str, str]] = {}
    _right: ClassVar[set[tuple[str | bytes, str | bytes]]] = set()

    def hash(self, password: str | bytes, **more: Any) -> str:
        key = f"{password!r} {more} {self.time_cost} {self.memory_cost} {self.parallelism}"
        if key not in self._hashed:
            self._hashed[key] = super().hash(password, **more)
        return self._hashed[key]

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        if (hash, password) not in self._right:
            super().verify(hash, password)
            self._right.add((hash, password))
        return True


def make_once() -> None:
    """For every application that this process makes from now on."""
    made: Any = app
    hashes: Any = people
    hashes.PasswordHasher = _Hasher
    made.Environment = partial(app.Environment, bytecode_cache=_Compiled())
    made.routed = _Routed()
