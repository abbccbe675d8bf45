"""A fault planted in production code, in this process and for good: the text of one function is changed, nothing else.

    plant(Cut("protocol.node.link.catchup:CatchUp._pull", "after = head", "after = head + 1"))

The text must stand there exactly once, else Stale rises: a mutation that no longer applies is a defect of the suite, not a success.
Whoever imported the function before runs the changed one, too: the code of the function object itself is replaced.
"""

import functools
import importlib
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import msgspec

_planted: dict[str, str] = {}  # function → its text with what was planted before


class Stale(RuntimeError):
    """The text that the cut names is not in the function, or not once."""


class Cut(msgspec.Struct, frozen=True):
    """where: `module:function` or `module:Class.method` · old, new: texts, lines indented as in the function from its `def` on."""

    where: str
    old: str
    new: str


class Mutation(msgspec.Struct, frozen=True):
    """breaks: what goes wrong, in words · seeds_max: the first so many must be enough · needs: kinds of steps
    or acts of which a seed's plan must have one to be worth running (all: ()) · by: tests instead of seeds · quick: found within seconds."""

    name: str
    breaks: str
    cuts: tuple[Cut, ...]
    seeds_max: int = 60
    needs: tuple[str, ...] = ()
    by: str = ""
    quick: bool = False


def plant(cut: Cut) -> None:
    """Raises Stale."""
    found, target, source, module = _read(cut)
    _planted[cut.where] = source = source.replace(cut.old, cut.new)
    made = _compiled(source, target, module)
    if made.__code__.co_freevars != target.__code__.co_freevars:
        raise Stale(f"{cut.where}: it would need other names of its surroundings")
    target.__code__ = made.__code__
    target.__defaults__, target.__kwdefaults__ = made.__defaults__, made.__kwdefaults__
    for cached in (found, getattr(found, "__wrapped__", None)):
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()


def applies(cut: Cut) -> None:
    """Plants nothing. Raises Stale."""
    _, target, source, module = _read(cut)
    _compiled(source.replace(cut.old, cut.new), target, module)


def _read(cut: Cut) -> tuple[Any, Any, str, Any]:
    """(what the name stands for, the function itself, its text, its module)."""
    module_name, _, path = cut.where.partition(":")
    module = importlib.import_module(module_name)
    try:
        found = functools.reduce(_part, path.split("."), module)
    except AttributeError as error:
        raise Stale(f"{cut.where}: no such function") from error
    target = _bare(found)
    source = _planted.get(cut.where) or textwrap.dedent(inspect.getsource(target))
    if source.count(cut.old) != 1:
        raise Stale(f"{cut.where}: {cut.old!r} stands there {source.count(cut.old)} times")
    return found, target, source, module


def _part(owner: Any, name: str) -> Any:
    return inspect.getattr_static(owner, name)


def _bare(found: Any) -> Any:
    """The function itself under staticmethod, property, caches and decorators that keep what they wrap."""
    if isinstance(found, property):
        return _bare(found.fget)
    if isinstance(found, staticmethod | classmethod):
        return _bare(found.__func__)
    found = inspect.unwrap(found)
    if not inspect.isfunction(found):
        raise Stale(f"{found!r} is no function")
    return found


def _compiled(source: str, target: Callable[..., Any], module: Any) -> Any:
    space: dict[str, Any] = {}
    code = compile(source, inspect.getsourcefile(target) or "planted", "exec", flags=target.__code__.co_flags & 0x1000000)
    exec(code, module.__dict__, space)
    return _bare(space[target.__name__])
