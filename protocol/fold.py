"""From entries to state: total, and independent of the order in which entries arrived. (Stub: signatures are final.)"""

from collections.abc import Iterable, Mapping

from protocol.case import Case, Person, Task
from protocol.entry import Admitted
from protocol.tables import Tables

LastGood = Mapping[tuple[str, str], int]  # (ledger, origin) of a revoked node → last good seq; later entries are set aside


def fold_case(admitted: Iterable[Admitted], tables: Tables, last_good: LastGood | None = None) -> Case | None:
    """The case of one subject; None while its registration is not here."""
    raise NotImplementedError


def fold_task(admitted: Iterable[Admitted], tables: Tables, last_good: LastGood | None = None) -> Task | None:
    """The task of one subject; None while its assignment is not here."""
    raise NotImplementedError


def fold_person(admitted: Iterable[Admitted]) -> Person | None:
    """The person of one subject, with posts; None when there is no entry of a person."""
    raise NotImplementedError
