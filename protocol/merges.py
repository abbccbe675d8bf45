"""并案: of several registrations of one matter one goes on, the others end in it. Nodes that do not hear each other may merge two cases into one
another, or void the one that another was merged into: then nobody would work on the matter, and one of them is reopened.

Who holds a merged case may reopen it, if he knows of the merge, unless it ended in a sealed matter (node/sealed_end.py). Where nothing goes on the
node of its office does it by itself:

    its target was voided     it is reopened (not if the target was removed as a sealed matter: it is the same accusation)
    its target went back      a successor that nobody took up ended: it is reopened, for who registered it can't see where that goes on
    each merged into the other   what the office higher up decided stands, so that of the lower one is reopened; of equals the later id

A merge leaves links in the case that goes on: the code, and the clocks that are earlier. Whether the merge stands is decided in the other case
alone (it may be late there, rejected, undone by reopening, adopted after all). So a node that covers both tells: MergeTold. Until then links count.
"""

from typing import Final

from protocol import place
from protocol.case import Case, Key, Line
from protocol.events import DisputeCorrected, DisputeMerged, DisputeReopened, Draft, TextBody, facts_of
from protocol.events_of_merges import MergeTold

WHY_VOIDED: Final = "并入的那一件已经作废，这一件重新办理"
WHY_WENT_BACK: Final = "并入的那一件退回原来的单位了，这一件重新办理"
WHY_CROSSED: Final = "两件互相并入，这一件重新办理"


def merged_in(case: Case) -> list[str]:
    """Codes of registrations that were merged into it, as they still stand; a code that was given anew is none."""
    left = [facts.value for line in case.lines if isinstance(facts := facts_of(line.head), DisputeCorrected) and facts.field == "alias"]
    return [alias for alias in case.aliases if alias in left]


def unmerged(case: Case) -> dict[str, str]:
    """{command of a merge of this case that does not stand: the case that it named}."""
    found = [(line.head.command, facts_of(line.head)) for line in case.lines if line.kind == "DisputeMerged" and not line.waiting]
    return {command: facts.into for command, facts in found if isinstance(facts, DisputeMerged) and facts.into != case.merged_into}


def telling(case: Case, into: Case, command: str) -> Draft | None:
    """MergeTold for the case that goes on; None when it reads right already, or when merge or links are not here yet."""
    lines = [(line, facts_of(line.head)) for one in (case, into) for line in one.lines if line.head.command == command and not line.waiting]
    merged = any(isinstance(facts, DisputeMerged) and facts.into == into.id for _, facts in lines)
    linked = any(isinstance(facts, DisputeCorrected) and line.head.subject == into.id for line, facts in lines)
    stands = case.merged_into == into.id
    if not (merged and linked) or stands == (command not in into.unlinked):
        return None
    return Draft(into.ledger, into.id, "dispute", MergeTold("", 1, (), case.id, command, stands))


def told_last(into: Case, command: str) -> Line | None:
    """The last MergeTold of this merge in the case that goes on."""
    told = [line for line in into.lines if line.kind == "MergeTold" and not (line.set_aside or line.waiting)]
    return next((line for line in reversed(told) if getattr(facts_of(line.head), "command", "") == command), None)


def known(case: Case) -> list[Key]:
    """What whether its merges stand is judged by here."""
    return sorted(line.key for line in case.lines if line.kind != "MergeTold" and not line.waiting)


def reopening(case: Case, into: Case) -> Draft | None:
    """DisputeReopened for a merged case whose matter nobody works on; None where somebody does, or will."""
    if case.status != "merged" or case.merged_into != into.id or into.id == case.predecessor or case.sealed:
        return None
    why = WHY_VOIDED if into.status == "voided" and not into.removed else ""
    if into.status == "merged" and into.merged_into == case.id and _rank(case) > _rank(into):
        why = WHY_CROSSED
    if into.status == "merged" and into.term == 1 and into.predecessor and into.merged_into == into.predecessor:
        why = WHY_WENT_BACK
    if not why:
        return None
    facts = DisputeReopened(case.holder, case.term, tuple(sorted(case.seen.items())))
    return Draft(case.ledger, case.id, "dispute", facts, TextBody(why))


def _rank(case: Case) -> tuple[int, str]:
    return place.tier(case.holder), case.id
