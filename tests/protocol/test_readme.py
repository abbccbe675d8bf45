"""The README's state diagram is the table of transitions, not a memory of it; its commands exist."""

from pathlib import Path

from protocol import dispute

README = Path(__file__).parents[2] / "README.md"


def test_the_diagram_is_the_table():
    assert dispute.mermaid().strip() in README.read_text("utf-8"), "paste the output of dispute.mermaid() into README.md"


def test_every_command_of_yidi_stands_in_the_readme():
    from deploy.cli import _parser

    commands = next(a for a in _parser()._actions if a.dest == "==SUPPRESS==" or hasattr(a, "choices") and a.choices).choices
    text = README.read_text("utf-8")
    assert commands
    assert [name for name in commands if f"./run {name}" not in text and name != "enrol"] == []
