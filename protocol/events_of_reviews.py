"""What was decided about entries that had been set aside, of a case and of a task."""

from protocol.facts import Facts


class ReviewDecided(Facts):
    """item: origin/seq · moves: what is adopted may move the case on to another office (已转办) or out of the one that it was merged into; False in
    what 0.1 and 0.2 wrote: there that was adopted and moved nothing, and what came after was decided on that."""

    item: str
    decision: str
    moves: bool = False


class TaskReviewDecided(Facts):
    item: str
    decision: str
