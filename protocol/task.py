"""What may be done with a task, when and by whom: one table. (Stub: signatures are final.)"""

from protocol.case import Task
from protocol.commands import Command
from protocol.context import Context, Step
from protocol.events import Actor, Draft


def decide_task(task: Task | None, command: Command, actor: Actor, context: Context) -> list[Draft]:
    """What the command would write. Raises Refused. AssignTask: task None, its case (if any) in context.cases, context.cadre set."""
    raise NotImplementedError


def steps_task(task: Task, actor: Actor, context: Context) -> list[Step]:
    """Exactly the commands that `decide_task` would not refuse because of status, person, office or power."""
    raise NotImplementedError
