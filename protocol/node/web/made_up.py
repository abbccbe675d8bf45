"""Files of a node whose people and matters are invented (`node.made_up`): each says so in itself and in its name, for it travels without a page around it."""

from typing import Any, Final

MARK: Final = "演示数据，人和事都是编的"
PREFIX: Final = "演示-"


def mark(node: Any) -> str:
    """What stands in its files; "" where people and matters are real."""
    return MARK if node.made_up else ""


def named(node: Any, name: str) -> str:
    """The name of a file."""
    return PREFIX + name if node.made_up else name
