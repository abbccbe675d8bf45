"""Places, ledgers and offices are paths of statistical codes; hierarchy is a comparison of whole segments.

    county 330523 · township 330523/330523111 · village 330523/330523111/330523111217
    unit (window, department, committee) 330523/u07 · *common* _ · sealed ledger 330523/sealed/<node>

A reach (what a node serves or covers) is a list of paths, each exact or, with `/*` at its end, with its subtree.
"""

from collections.abc import Iterable

COMMON = "_"
SEALED = "sealed"
FILL = "_"  # fills what a path lacks in a subject of three tokens
UNIT_PREFIX = "u"
DEPTH_MAX = 3


def segments(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


def within(path: str, root: str) -> bool:
    """Claims that `path` is `root` or lies in its subtree. Whole segments: 330523/33 is not above 330523/330523111."""
    return path == root or path.startswith(f"{root}/")


def covers(reach: Iterable[str], path: str) -> bool:
    """Claims that one of the paths of `reach` is `path`, or ends in `/*` and has `path` in its subtree (itself included)."""
    for r in reach:  # noqa: SIM110, asked for each entry and each Have, and a loop takes a third of the time
        if r == path or (r.endswith("/*") and within(path, r[:-2])):
            return True
    return False


def parent(path: str) -> str | None:
    """The path one level up; None for a county, for *common* and for a sealed ledger."""
    parts = segments(path)
    return None if len(parts) == 1 or is_sealed(path) else "/".join(parts[:-1])


def upward(path: str) -> tuple[str, ...]:
    """The county first, the path itself last."""
    parts = segments(path)
    return tuple("/".join(parts[:n]) for n in range(1, len(parts) + 1))


def code_of(path: str) -> str:
    return segments(path)[-1]


def is_sealed(path: str) -> bool:
    parts = segments(path)
    return len(parts) == DEPTH_MAX and parts[1] == SEALED


def is_unit(path: str) -> bool:
    parts = segments(path)
    return len(parts) == 2 and parts[1].startswith(UNIT_PREFIX)


def tier(path: str) -> int:
    """0 for a county and its units, 1 for a township, 2 for a village: lower is higher up."""
    return 0 if is_unit(path) else len(segments(path)) - 1


def tokens(path: str) -> str:
    """The path as exactly three subject tokens: `330523.330523111._`."""
    parts = segments(path)
    return ".".join((*parts, *[FILL] * (DEPTH_MAX - len(parts))))


def from_tokens(three: str) -> str:
    """The inverse of `tokens`. Raises ValueError for anything that is no path."""
    parts = three.split(".")
    if len(parts) != DEPTH_MAX or not all(parts):
        raise ValueError(f"not three tokens: {three}")
    kept = [p for p in parts if p != FILL]
    if not kept:
        return COMMON
    if parts != kept + [FILL] * (DEPTH_MAX - len(kept)):
        raise ValueError(f"a gap in {three}")
    return "/".join(kept)
