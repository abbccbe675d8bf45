"""Which lane is pulled next: one of each speaker in turn, whoever holds the fewest workers first; *common* before all else, since everything
is proven by it (of one speaker one lane at a time, since that too can be invented).

A speaker may have said any number of lanes: what others said waits for one of them, not for all. What stands on doubtful words alone
(needs.py: of a lane that may not exist, of a speaker that gave nothing, of a stranger) has one worker as long as there is anything else, and
never more than half of them: each may cost the whole wait for an answer. Both kinds have their turns apart.
"""

import asyncio
from collections import Counter

from protocol.node.link.needs import Lane, Need, Needs
from protocol.place import COMMON

STALE_S = 1.0  # how long what was found to be due may wait for a new look
SHARE = 10  # a look through all needs takes this part of the time at most
TURNS_MAX = 5_000
AHEAD = 50  # lanes of one speaker made ready at once; of very many, whose looks are seldom, a part of them (SHARE)

_Ready = dict[str, list[Lane]]  # speaker → what is due of its, the next one last


class Turns:
    def __init__(self, needs: Needs, workers: int) -> None:
        self._needs, self._doubtful_max = needs, max(workers // 2, 1)
        self._good: _Ready = {}
        self._doubtful: _Ready = {}
        self._looked, self._cost_s, self._is_fresh = 0.0, 0.0, True
        self._ahead = AHEAD
        self.owes_s = 0.0  # how long until the look that `next` did without; 0: it did not
        self._is_their_turn = False  # of the doubtful ones
        self._turn, self._last = 0, dict[str, int]()
        self._busy: Counter[str] = Counter()
        self._at: dict[Lane, tuple[set[str], bool]] = {}  # what is being pulled: in whose turn, whether it stands on doubtful words

    def fresh(self) -> None:
        """Something came to be due."""
        self._is_fresh = True

    def next(self) -> Lane | None:
        """The lane whose turn it is: call `done` when it was pulled. None: nothing is due, or others are at what is."""
        now = asyncio.get_running_loop().time()
        owes_s = self._looked + SHARE * self._cost_s - now
        if (self._is_fresh or now - self._looked >= STALE_S) and owes_s <= 0:
            self._look(now)
        found = self._taken(now)
        if found is None and self._looked < now and owes_s <= 0:
            self._look(now)
            found = self._taken(now)
        self.owes_s = max(owes_s, 0.0) if found is None else 0.0
        return found

    def done(self, lane: Lane) -> bool:
        """True: another doubtful one may have its turn now."""
        turn, is_doubtful = self._at.pop(lane)
        for name in turn:
            self._busy[name] -= 1
            if not self._busy[name]:
                del self._busy[name]  # speakers come and go without end
        return is_doubtful

    def _look(self, now: float) -> None:
        self._good, self._doubtful, self._looked, self._is_fresh = {}, {}, now, False
        needs, self._ahead = self._needs, max(AHEAD, len(self._needs.kept) // SHARE)
        for lane, need in needs.kept.items():
            if need.busy or need.due > now:
                continue
            is_likely = needs.is_likely(lane)
            if lane[0] != COMMON and self._has_enough(need, is_likely):
                continue
            speakers = needs.speakers(lane, need)
            good = [node for node in speakers if not needs.is_doubted(node)] if is_likely else []
            ready = self._good if good else self._doubtful
            for node in good or dict.fromkeys([*speakers, *need.hinted]) or ("",):
                ready.setdefault(node, []).append(lane)
        for lanes in (*self._good.values(), *self._doubtful.values()):
            lanes.reverse()  # of equal ones what was said first comes first
            lanes.sort(key=lambda lane: (lane[0] == COMMON, -needs.kept[lane].due))
        self._cost_s = asyncio.get_running_loop().time() - now

    def _has_enough(self, need: Need, is_likely: bool) -> bool:
        """Claims that of all who say so as much is ready as they get until the next look: a county has thousands of lanes."""
        for node in (*need.signed, *need.hinted):
            ready = self._good if is_likely and node in need.signed and not self._needs.is_doubted(node) else self._doubtful
            if node not in ready or len(ready[node]) < self._ahead:
                return False
        return bool(need.signed or need.hinted)

    def _taken(self, now: float) -> Lane | None:
        doubtful = sum(is_doubtful for _, is_doubtful in self._at.values())
        if self._is_their_turn and not doubtful and (lane := self._of(self._doubtful, now)):
            self._is_their_turn = False
            return lane
        if lane := self._of(self._good, now):
            self._is_their_turn = True
            return lane
        return self._of(self._doubtful, now) if doubtful < self._doubtful_max else None

    def _of(self, ready: _Ready, now: float) -> Lane | None:
        """Takes it out."""
        best: tuple[tuple[bool, int, int, int, int], str, str] | None = None
        for node in list(ready):
            while ready[node] and not self._is_due(ready[node][-1], now):
                ready[node].pop()
            if not ready[node] or (ready is self._good and self._needs.is_doubted(node)):
                self._is_fresh = self._is_fresh or bool(ready[node])
                del ready[node]
                continue
            lane = ready[node][-1]
            whose = self._needs.whose(lane, node)
            rank = (
                lane[0] != COMMON or self._busy[whose] > 0,
                self._busy[whose],
                self._last.get(whose, 0),
                self._busy[node],
                self._last.get(node, 0),
            )
            if best is None or rank < best[0]:
                best = rank, node, whose
        if best is None:
            return None
        _, node, whose = best
        if len(self._last) > TURNS_MAX:
            self._last.clear()
        self._turn += 1
        lane, turn = ready[node].pop(), {node, whose}
        for name in turn:
            self._last[name] = self._turn
        self._busy.update(turn)
        self._at[lane] = turn, ready is self._doubtful
        return lane

    def _is_due(self, lane: Lane, now: float) -> bool:
        need = self._needs.kept.get(lane)
        return need is not None and not need.busy and need.due <= now
