"""并案: of several registrations of one matter one goes on, the others end in it. Nodes that do not hear each other may merge two cases into one
another, or void the one that another was merged into: then nobody would work on the matter, and one of them is reopened.

Who holds a merged case may always reopen it, if he knows of the merge. Where nothing goes on the node of its office does it by itself:

    its target was voided     it is reopened (not if the target was removed as a sealed matter: it is the same accusation)
    each merged into the other   what the office higher up decided stands, so that of the lower one is reopened; of equals the later id
"""

from typing import Final

from protocol import place
from protocol.case import Case
from protocol.events import DisputeCorrected, DisputeReopened, Draft, TextBody, facts_of

WHY_VOIDED: Final = "并入的那一件已经作废，这一件重新办理"
WHY_CROSSED: Final = "两件互相并入，这一件重新办理"


def merged_in(case: Case) -> list[str]:
    """Codes of registrations that were merged into it, as they still stand; a code that was given anew is none."""
    left = [facts.value for line in case.lines if isinstance(facts := facts_of(line.head), DisputeCorrected) and facts.field == "alias"]
    return [alias for alias in case.aliases if alias in left]


def reopening(case: Case, into: Case) -> Draft | None:
    """DisputeReopened for a merged case whose matter nobody works on; None where somebody does, or will."""
    if case.status != "merged" or case.merged_into != into.id or into.id == case.predecessor:
        return None
    crossed = into.status == "merged" and into.merged_into == case.id and _rank(case) > _rank(into)
    if not crossed and (into.status != "voided" or into.removed):
        return None
    facts = DisputeReopened(case.holder, case.term, tuple(sorted(case.seen.items())))
    return Draft(case.ledger, case.id, "dispute", facts, TextBody(WHY_CROSSED if crossed else WHY_VOIDED))


def _rank(case: Case) -> tuple[int, str]:
    return place.tier(case.holder), case.id
