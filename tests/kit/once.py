"""What every application has in common is made once in a test process, not once for each of its thousand: its templates and its routes, half of a
page test. Each application has a state, and a node, of its own."""

import copy
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from litestar import Litestar

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


def make_once() -> None:
    """For every application that this process makes from now on."""
    made: Any = app
    made.Environment = partial(app.Environment, bytecode_cache=_Compiled())
    made.routed = _Routed()
