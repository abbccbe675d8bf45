"""Who came more than once: the cases of these people, kept in memory, so that who came again is told without a look at each case.

Few people come twice about the same (listing.again says what that is), so a county's are some thousand rows. What is kept may hold people who no longer came
twice, never lacks one who did: a changed case is taken out and put in as it stands now, and with a person new here come his other cases.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.calendar import local_date, start_of_day_ms
from protocol.node.journal.rows import among, bound, fetch
from protocol.node.listing import AGAIN_MS, PERSONS_TWICE

VISITS_MAX: Final = 50_000  # about 20 MB; beyond, the store is asked each time
_VISIT: Final = "select subject, person, logged_ms, ledger, type, figures from case_row"


class Visit(NamedTuple):
    subject: str
    person: str
    logged_ms: int
    ledger: str
    type: str
    figures: int


class Visitors:
    def __init__(self) -> None:
        self._visits: dict[str, Visit] | None = None  # by subject; None = not read yet
        self._of: dict[str, set[str]] = {}  # person → subjects
        self.are_too_many = False

    def forget(self) -> None:
        self._visits, self._of, self.are_too_many = None, {}, False

    async def read(self, c: AsyncConnection) -> None:
        """All of them, where they are not known."""
        if self._visits is not None or self.are_too_many:
            return
        rows = await _visits(c, f"person > '' and person in ({PERSONS_TWICE}) limit {VISITS_MAX + 1}", {})
        self.are_too_many = len(rows) > VISITS_MAX
        if not self.are_too_many:
            self._visits = {}
            self._put(rows)

    async def changed(self, c: AsyncConnection, subjects: Collection[str]) -> None:
        """These may have changed, begun or gone."""
        if self._visits is None:
            return
        for subject in subjects:
            if old := self._visits.pop(subject, None):
                self._of[old.person].discard(subject)
        rows = await _visits(c, f"person > '' and {among(c, 'subject', 'some')}", {"some": bound(c, sorted(subjects))})
        self._put([visit for visit in rows if visit.person in self._of])
        unknown = sorted({visit.person for visit in rows} - self._of.keys())
        if unknown:
            theirs = await _visits(c, f"person > '' and {among(c, 'person', 'some')}", {"some": bound(c, unknown)})
            counts: dict[str, int] = {}
            for visit in theirs:
                counts[visit.person] = counts.get(visit.person, 0) + 1
            self._put([visit for visit in theirs if counts[visit.person] > 1])
        if len(self._visits) > VISITS_MAX:
            self.forget()

    def came_again(self, sees: Callable[[Visit], bool], counts: Callable[[Visit], bool]) -> list[Visit]:
        """Each case that counts and whose applicant had come before, as far as the asker sees that; in the order of registration."""
        visits, found = self._visits or {}, []
        for subjects in self._of.values():
            if len(subjects) < 2:
                continue
            theirs = [visit for subject in subjects if sees(visit := visits[subject])]
            some = sorted(visit.logged_ms for visit in theirs)
            if len(some) > 1:
                found += [visit for visit in theirs if counts(visit) and _is_after(visit.logged_ms, some)]
        return sorted(found, key=_logged)

    def _put(self, rows: Iterable[Visit]) -> None:
        assert self._visits is not None
        for visit in rows:
            self._visits[visit.subject] = visit
            self._of.setdefault(visit.person, set()).add(visit.subject)


def _logged(visit: Visit) -> int:
    return visit.logged_ms


def _is_after(logged_ms: int, visits: list[int]) -> bool:
    """Claims that one of these, in order, lies on an earlier day of the 365 before."""
    if visits[0] >= logged_ms:
        return False
    last = bisect_left(visits, start_of_day_ms(local_date(logged_ms))) - 1
    return last >= 0 and visits[last] >= logged_ms - AGAIN_MS


async def _visits(c: AsyncConnection, where: str, values: dict[str, Any]) -> list[Visit]:
    rows = await fetch(c, f"{_VISIT} where {where}", values)
    return [Visit(r[0], r[1] or "", r[2], r[3], r[4] or "", r[5] or 0) for r in rows]
