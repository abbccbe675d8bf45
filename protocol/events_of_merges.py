"""What a case that others were merged into is told of their merges: they lie in other cases, perhaps in other ledgers, and may be set aside there
or undone after their codes and clocks came here.
"""

from protocol.facts import Facts


class MergeTold(Facts):
    """case: that was merged into this one · command: of the merge, which its links here share · stands: whether that case reads merged into
    this one now. The last one told of a command counts; while nothing was told, links count."""

    case: str
    command: str
    stands: bool
