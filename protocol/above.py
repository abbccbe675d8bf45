"""催办 and 批示 that wait: what an office above said in the present term, and the holder has not acted on since.

The holder has acted with any entry of its own that counts and comes after: one that was decided on the word (`seen` has it), or, of
those that are decided on nothing (a note, a file), one that stands after it in the order and by its clock, for a village that was
without a network may have written its note before it could read the word. A visit sent since counts too; it is an entry of another subject, so
who asks looks for it (listing.URGED). Nothing is written when it is done: an entry of the holder's is the answer, and all can read it.
"""

from typing import Final

from protocol.case import OPEN, Case, Line
from protocol.events import facts_of
from protocol.office import is_above

KINDS: Final = ("DisputeUrged", "InstructionGiven")


def waiting(case: Case) -> list[Line]:
    """In the order of the case."""
    if case.status not in (*OPEN, "closed"):
        return []
    found: list[Line] = []
    for line in case.lines:
        if line.set_aside or line.waiting:
            continue
        if line.kind in KINDS and facts_of(line.head).term == case.term and is_above(line.office, case.holder):
            found.append(line)
        elif found and line.office == case.holder and line.head.author[0]:  # what a node writes by itself is no act of the office
            found = [word for word in found if not _answers(line, word)]
    return found


def _answers(line: Line, word: Line) -> bool:
    seen = dict(facts_of(line.head).seen)
    origin, seq = word.key
    return seen.get(origin, 0) >= seq if seen else line.at_ms >= word.at_ms
