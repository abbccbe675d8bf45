"""Templates are compiled once in a test process, not once for each of its thousand applications: the same code, a third of a page test."""

from functools import partial
from typing import Any

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

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


def compile_once() -> None:
    """For every application that this process makes from now on."""
    made: Any = app
    made.Environment = partial(app.Environment, bytecode_cache=_Compiled())
