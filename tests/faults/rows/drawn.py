"""What rows share: Hypothesis examples that follow from the round's own chance, and flipped bits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, seed, settings

from protocol.problem import Refused


def examples(draw: Random, count: int, **more: Any) -> Callable[[Any], Any]:
    """@examples(draw, 200) over @given(…): drawn from the round, kept nowhere; a failure shows its smallest example."""

    def decorate(test: Any) -> Any:
        options = settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck), **more)
        return seed(draw.getrandbits(64))(options(test))

    return decorate


def flipped(raw: bytes, bit: int) -> bytes:
    made = bytearray(raw)
    made[bit // 8] ^= 1 << bit % 8
    return bytes(made)


def flip_file(path: Path, bit: int) -> None:
    """In place; once more puts it back."""
    with path.open("r+b") as file:
        file.seek(bit // 8)
        old = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([old ^ 1 << bit % 8]))


@contextmanager
def refused(*codes: str, what: str = "") -> Iterator[None]:
    """Claims that what is inside is refused, with one of these codes (none named: with any)."""
    try:
        yield
    except Refused as refusal:
        if codes and refusal.code not in codes:
            raise
        return
    raise AssertionError(f"not refused: {what or codes}")
