"""What may be done with a dispute, when and by whom: one table. (Stub: signatures are final.)"""

from protocol.case import Case
from protocol.commands import Command
from protocol.context import Cadre, Context, Step
from protocol.events import Actor, Draft

__all__ = ["Cadre", "Context", "Step", "arrival", "decide", "mermaid", "steps"]


def decide(case: Case | None, command: Command, actor: Actor, context: Context) -> list[Draft]:
    """What the command would write. Raises Refused. Takes LogDispute (case None) and every CaseCommand; AssignTask → task.decide_task."""
    raise NotImplementedError


def steps(case: Case | None, actor: Actor, context: Context) -> list[Step]:
    """Exactly the commands that `decide` would not refuse because of status, holder or power. None: what starts a case."""
    raise NotImplementedError


def arrival(case: Case, serves: tuple[str, ...]) -> Draft | None:
    """DisputeArrived, which the node of the office that was offered the case writes by itself; None when nothing is to be written."""
    raise NotImplementedError


def mermaid() -> str:
    """The state diagram of the README, from the table."""
    raise NotImplementedError
