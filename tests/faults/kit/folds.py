"""Cases and tasks as they are folded from their entries: the same wherever the entries are the same, whatever any clock said.

    folds = await folds_of(node)        every case and task here, by subject
    unlike(held)                        a line for each that two nodes with the same entries fold otherwise
    by_clock(fold) · disordered(fold)   why the order of one hangs on a clock or on what came first; why it is no order of causes

What a node adds of its own is left out of the comparison: when it received an entry, and the day that a review is due for it, which is counted
from there. By what a clock may be asked, a fold is given other clocks (each origin's wrong by another amount, its offset unknown) and
another order of arrival: every time in it may change, and nothing else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

import msgspec

from protocol.case import Case, Review, Task, key_text
from protocol.entry import Admitted, Head
from protocol.events import facts_of
from protocol.fold import fold_case, fold_task
from protocol.node.journal import Stored

OTHER_MS = 4 * 365 * 86_400_000  # how far a clock is put back, at most


class Fold(NamedTuple):
    """entries: of its subject, in the order in which they came · fold: once more, of others."""

    of: Case | Task
    entries: Sequence[Stored]
    fold: Callable[[Sequence[Admitted]], Case | Task | None]


class HasFolds(Protocol):
    """What a node holds (truth.Held)."""

    @property
    def folds(self) -> Mapping[str, Fold]: ...


async def folds_of(node: Any) -> dict[str, Fold]:
    """From the entries and not from a view; node: a stopped one, or desk_kit's."""
    found: dict[str, Fold] = {}
    for sort, table, fold in (("dispute", "case_row", fold_case), ("task", "task_row", fold_task)):
        for row in await node.journal.rows(table):
            entries = [e for e in await node.journal.subject(row["subject"]) if e.sort == sort]
            good = node.shelf.good_until([e.admitted for e in entries])

            def again(admitted: Sequence[Admitted], fold: Any = fold, good: Any = good) -> Case | Task | None:
                return fold(admitted, node.shelf(), good)

            of = again([e.admitted for e in entries])
            assert of is not None, f"{table} has {row['subject']} and the journal does not"
            found[of.id] = Fold(of, entries, again)
    return found


def unlike(held: Mapping[str, HasFolds]) -> Iterator[str]:
    first: dict[tuple[str, Any], tuple[str, Any]] = {}
    for name, one in held.items():
        for subject, fold in one.folds.items():
            same = frozenset((*e.key, e.hash, e.body is None) for e in fold.entries)
            told = _plain(fold.of, _is_own)
            other, before = first.setdefault((subject, same), (name, told))
            if told != before:
                fields = [field for field in told if told[field] != before[field]]
                yield f"{subject} reads otherwise at {other} and {name}: " + " · ".join(f"{f} {before[f]!r}, {told[f]!r}" for f in fields)


def held_once(of: Case | Task) -> bool:
    """Claims that each term of the case was opened by one move, and the last one's office holds it."""
    if isinstance(of, Task):
        return True
    return [move.term for move in of.moves] == list(range(1, of.term + 1)) and of.holder == of.moves[-1].to


def by_clock(fold: Fold) -> str:
    received = [e.received_ms for e in fold.entries]  # dealt out the other way round
    altered = [Admitted(_other_clock(e.head), e.body, at_ms, e.erased) for e, at_ms in zip(reversed(fold.entries), received, strict=True)]
    again = fold.fold(altered)
    if again is None:
        return f"{fold.of.id} is none when clocks are others"
    told, other = _plain(fold.of, _is_time), _plain(again, _is_time)
    wrong = [field for field in told if told[field] != other[field]]
    return f"{fold.of.id} reads otherwise when clocks and arrivals are others: {', '.join(wrong)}" if wrong else ""


def disordered(fold: Fold) -> str:
    """A line never stands before one that its writer had seen, or had written before."""
    lines = fold.of.lines
    for n, line in enumerate(lines):
        origin, seq = line.key
        seen = {**dict(facts_of(line.head).seen)}
        seen[origin] = max(seq, seen.get(origin, 0))
        for later in lines[n + 1 :]:
            if later.key[1] <= seen.get(later.key[0], 0):
                return f"{fold.of.id}: {line.kind} {key_text(line.key)} stands before {later.kind} {key_text(later.key)}, which it knew"
    return ""


def _other_clock(head: Head) -> Head:
    back_ms = int.from_bytes(sha256(head.origin.encode()).digest()[:5], "big") % OTHER_MS
    return msgspec.structs.replace(head, occurred_ms=head.occurred_ms - back_ms, offset_ms=None)


def _is_own(of: type, field: str) -> bool:
    return field == "received_ms" or (of is Review and field == "due_ms")


def _is_time(_: type, field: str) -> bool:
    return field.endswith("_ms")


def _plain(value: Any, left_out: Callable[[type, str], bool]) -> Any:
    """Structs as dicts without these fields; a head as its name."""
    if isinstance(value, Head):
        return value.origin, value.seq
    if isinstance(value, msgspec.Struct):
        fields = [field for field in value.__struct_fields__ if not left_out(type(value), field)]
        return {field: _plain(getattr(value, field), left_out) for field in fields}
    if isinstance(value, dict):
        return {key: _plain(one, left_out) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, left_out) for one in value]
    return value
