"""What a kind of fault is to `./run faults`: a numbered row of the table, and one round of it that is drawn from a seed.

tests/faults/rows/row_04.py      ROW = Row(4, "SIGKILL of …", "nothing acknowledged is lost …", ("postgres",), play)
"""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import msgspec


class Outcome(msgspec.Struct, frozen=True):
    """Of one round. acknowledged: promises a person or a peer was given · lost, doubled: of these (both 0, or the round failed)
    · images: rebuilt disks, flipped copies, cut transfers … looked at · said: what happened, a line each, for the table and a failure
    · figures: what was measured, by name (seconds: …_s): kept in the record and shown in the table, never a pass or a failure."""

    acknowledged: int
    lost: int = 0
    doubled: int = 0
    images: int = 0
    said: tuple[str, ...] = ()
    figures: dict[str, float] = {}


class Row(msgspec.Struct, frozen=True):
    """needs: programs without which the row is skipped by name (strace, postgres, chromium, nft, faketime, unshare) · play: one round in an
    empty folder; raises AssertionError when what it expects does not hold · small: the same in seconds, for `./run test`; None: the
    row is only played by the command · small_needs: what that one needs, where it is less · ways: what `play` draws first, by
    `chance.choice(ROW.ways)`: the rounds of a run take them in turn."""

    number: int
    fault: str
    expected: str
    needs: tuple[str, ...]
    play: Callable[[Random, Path], Awaitable[Outcome]]
    small: Callable[[Random, Path], Awaitable[Outcome]] | None = None
    small_needs: tuple[str, ...] | None = None
    ways: tuple[str, ...] = ()


def together(*parts: Outcome) -> Outcome:
    """Of a round that has several parts."""
    sums = [sum(getattr(one, name) for one in parts) for name in ("acknowledged", "lost", "doubled", "images")]
    figures = {name: value for one in parts for name, value in one.figures.items()}
    return Outcome(*sums, tuple(line for one in parts for line in one.said), figures)


def rows() -> dict[int, Row]:
    """Every row there is, by its number."""
    from tests.faults import rows as folder

    modules = sorted(m.name for m in pkgutil.iter_modules(folder.__path__) if m.name.startswith("row_"))
    found = [importlib.import_module(f"{folder.__name__}.{name}").ROW for name in modules]
    return {row.number: row for row in found}
