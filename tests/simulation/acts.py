"""What people do at random in the simulated county: the acts, how often each is drawn, and one call that does one.

    word = await do(node, kind, random.Random(seed), record)      "accept ok", "take_up refused not_holder", "agree: nothing to do"

An act chooses what to do out of what the node's pages could show, by `chance` alone, and acts through `node.desk` and the pages' own
doors. It never touches a journal, and knows no clock but the node's. A node that is killed in the middle has told nobody anything.
"""

import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

from protocol.problem import Refused
from tests.simulation import acts_case as case
from tests.simulation import acts_insider as insider
from tests.simulation import acts_office as office
from tests.simulation import acts_rash as rash
from tests.simulation import acts_task as task
from tests.simulation import acts_usurper as usurper
from tests.simulation import phone
from tests.simulation.hand import Hand, Nothing
from tests.simulation.record import Acknowledged, Broken, LetGo, Record, Shown, in_memory

__all__ = ["ACTS", "KINDS", "Acknowledged", "Broken", "LetGo", "Record", "Shown", "do", "in_memory", "settle_phones"]

Act = Callable[[Hand], Awaitable[str | None]]

ACTS: Final[dict[str, tuple[int, Act]]] = {
    "log": (6, case.log),
    "log_visit": (1, case.log_visit),
    "log_with_file": (2, case.log_with_file),
    "seal": (3, case.seal),
    "accept": (14, case.accept),
    "decline": (1, case.decline),
    "mediate": (10, case.mediate),
    "agree": (14, case.agree),
    "end": (3, case.end),
    "escalate": (14, case.escalate),
    "hand_down": (6, case.hand_down),
    "transfer": (4, case.transfer),
    "take_up": (24, case.take_up),
    "give_back": (5, case.give_back),
    "call_up": (10, case.call_up),
    "name_handler": (1, case.name_handler),
    "convene": (3, case.convene),
    "close": (9, case.close),
    "reopen": (4, case.reopen),
    "follow_up": (3, case.follow_up),
    "archive": (2, case.archive),
    "merge": (3, case.merge),
    "correct": (3, case.correct),
    "void": (1, case.void),
    "set_risk": (2, case.set_risk),
    "note": (2, case.note),
    "evidence": (4, case.evidence),
    "instruct": (2, case.instruct),
    "urge": (2, case.urge),
    "review": (16, case.review),
    "ask": (3, case.ask),
    "receipts": (4, case.receipts),
    "assign": (8, task.assign),
    "assign_free": (2, task.assign_free),
    "recall": (4, task.recall),
    "urge_task": (2, task.urge_task),
    "confirm_for_unit": (2, task.confirm_for_unit),
    "decline_for_unit": (1, task.decline_for_unit),
    "report_for_unit": (2, task.report_for_unit),
    "task_evidence": (1, task.task_evidence),
    "review_task": (6, task.review_task),
    "hire": (1, office.hire),
    "replace": (2, office.replace),
    "end_post": (1, office.end_post),
    "rename": (1, office.rename),
    "erase": (4, office.erase),
    "set_table": (1, office.set_table),
    "decide_branch": (6, office.decide_branch),
    "late_outcome": (3, rash.late_outcome),
    "out_of_turn": (3, rash.out_of_turn),
    "log_out_of_place": (1, rash.log_out_of_place),
    "take_up_twice": (2, rash.take_up_twice),
    "escalate_twice": (2, rash.escalate_twice),
    "settle_and_escalate": (2, rash.settle_and_escalate),
    "click_twice": (1, rash.click_twice),
    "send_again": (4, rash.send_again),
    "send_answered_again": (3, rash.send_answered_again),
    "borrow_an_id": (1, rash.borrow_an_id),
    "pry": (2, insider.pry),
    "forge": (2, insider.forge),
    "usurp": (0, usurper.usurp),  # plan.py draws it apart, so that everything else is drawn as it was before there was one
    "phone": (16, phone.use),
}  # act → (weight, what it does)
PRESSING: Final = {
    "take_up": 30, "review": 14, "review_task": 8, "agree": 12, "accept": 10, "mediate": 8, "close": 3, "escalate": 9, "follow_up": 2,
    "report_for_unit": 4, "confirm_for_unit": 3, "give_back": 4, "call_up": 4, "hand_down": 3, "reopen": 2, "end": 2, "decide_branch": 4,
    "phone": 12, "assign": 6, "erase": 5,
}  # fmt: skip


async def work(hand: Hand) -> str:
    """Somebody looks at what lies on the desk, and does one thing that waits there, mostly a pressing one; else the next visitor comes in."""
    left = dict(PRESSING)
    while left:
        kind = hand.chance.choices(list(left), list(left.values()))[0]
        del left[kind]
        try:
            said = await ACTS[kind][1](hand)
        except Nothing:
            continue
        return f"{kind} {said or 'ok'}"
    await case.log(hand)
    return "log ok"


ACTS["work"] = (70, work)
KINDS: Final[dict[str, int]] = {kind: weight for kind, (weight, _) in ACTS.items()}


async def do(node: Any, kind: str, chance: random.Random, record: Record) -> str:
    """A word for the trace. Raises Broken, and whatever the node raises but a refusal."""
    if getattr(node, "gate", None) is not None and node.gate.is_waiting:
        return f"{kind}: pages wait for the others"
    try:
        said = await ACTS[kind][1](Hand(node, chance, record))
    except Nothing:
        return f"{kind}: nothing to do"
    except Refused as refused:
        return f"{kind} refused {refused.code}"
    return f"{kind} {said or 'ok'}"


async def settle_phones(node: Any, chance: random.Random, record: Record) -> None:
    """After the faults have ended: the phones of this node have a signal."""
    await phone.settle(Hand(node, chance, record))
