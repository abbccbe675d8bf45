"""What the C library keeps of the memory it was given back: as little as it can be told to.

glibc gives each of a node's threads a heap of its own and learns to keep large pieces once one was freed (a check of a password takes
19 MB): an edge that was used for a minute held 150 MB, told so it holds 121. Nothing happens where the library is another.
"""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # <malloc.h>
LARGE_BYTES = 256 * 1024  # a piece from here on is the system's again as soon as it is freed
ARENAS_MAX = 1  # Python's own lock lets one thread at a time allocate, nearly always
_settled = False  # once


def be_frugal() -> None:
    """Call before the first thread starts."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((_ARENA_MAX, ARENAS_MAX), (_MMAP_THRESHOLD, LARGE_BYTES), (_TRIM_THRESHOLD, LARGE_BYTES)):
            mallopt(option, value)


@contextmanager
def loading() -> Iterator[None]:
    """For imports. What they make stays, so Python's looks for cycles pass it by, then and later: they took a fifth of the imports' time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def settle() -> None:
    """What stands after a start stays: Python's looks for cycles pass it by from now on. Each full one took 60 ms, in the middle of some page.
    Again, when the node was opened anew: what was there before is looked through once."""
    global _settled
    if _settled:
        gc.unfreeze()
    _settled = True
    gc.collect()
    gc.freeze()


def collect_rarely() -> None:
    """For a node that takes in many entries at once: each makes a dozen objects that live for a moment and stand in no cycle, and looking
    through them costs a tenth of it all (`./run bench fanin`). Not more rarely than this: a page leaves a thousand objects in cycles, and to
    free 50,000 of them at once took 60 ms, in the middle of one page in a hundred. An edge has no memory to spare for it."""
    gc.set_threshold(5_000, 50, 100)
