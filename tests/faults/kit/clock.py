"""A program under another wall clock (libfaketime): a year off, a jump while it runs, a drift. Monotonic time stays real.

clock = Clock(folder); demo.environ["gaoyu"] = clock.environ; clock.set("+365d") · "-2d" · "+0 x1.5" (runs half as fast again)
"""

from pathlib import Path

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), Path())  # MT: for programs with threads


class Clock:
    def __init__(self, folder: Path, offset: str = "+0") -> None:
        self._file = folder / "clock"
        self.set(offset)

    @property
    def environ(self) -> dict[str, str]:
        """For a program that is about to start."""
        # without the last but one a jump back makes every asyncio sleep hang for as long as the jump; without the last each wait for
        # Python's lock comes back at once, and a program with two busy threads takes eighteen times the CPU
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    def set(self, offset: str) -> None:
        """Takes effect at once, in programs that run too."""
        new = self._file.with_suffix(".new")
        new.write_text(offset + "\n")
        new.rename(self._file)  # never half written
