"""What nobody gave is asked for again later, each time twice as long after."""

import asyncio
from collections.abc import Collection
from typing import Generic, TypeVar

K = TypeVar("K")


class Rests(Generic[K]):
    """Seconds of the loop's clock, so a computer whose clock jumps rests no longer. More than keys_max: what was put longest ago is forgotten, and may be
    asked again at once; whoever asks must come to the others too."""

    def __init__(self, s_min: float, s_max: float, keys_max: int) -> None:
        self._s_min, self._s_max, self._keys_max = s_min, s_max, keys_max
        self._kept: dict[K, tuple[float, float]] = {}  # → (due, pause)

    def __len__(self) -> int:
        return len(self._kept)

    def holds(self, key: K) -> bool:
        """Not to be asked for yet."""
        return key in self._kept and self._kept[key][0] > asyncio.get_running_loop().time()

    def left_s(self, key: K) -> float:
        """Until it may be asked for; 0 or less: now."""
        return self._kept[key][0] - asyncio.get_running_loop().time() if key in self._kept else 0.0

    def held(self) -> set[K]:
        return {key for key in self._kept if self.holds(key)}

    def put(self, key: K, s_max: float | None = None) -> None:
        """It was not given, once more. s_max: of this pause, where it is a shorter one."""
        known = self._kept.pop(key, None)  # so that it stands last
        if len(self._kept) >= self._keys_max:
            del self._kept[next(iter(self._kept))]
        pause = min(known[1] * 2, self._s_max) if known else self._s_min
        pause = min(pause, self._s_max if s_max is None else s_max)
        self._kept[key] = (asyncio.get_running_loop().time() + pause, pause)

    def soon(self, key: K, within_s: float) -> None:
        """Somebody looks at it: it rests no longer than this."""
        if key in self._kept:
            due, pause = self._kept[key]
            self._kept[key] = (min(due, asyncio.get_running_loop().time() + within_s), pause)

    def drop(self, key: K) -> None:
        self._kept.pop(key, None)

    def keep(self, keys: Collection[K]) -> None:
        """The others are wanted no more."""
        self._kept = {key: self._kept[key] for key in keys if key in self._kept}

    def clear(self) -> None:
        self._kept.clear()
