"""Each named point is in the program, is played by row 5, and kills there and nowhere else."""

import ast
import signal
import subprocess
import sys
from collections import Counter

import pytest

from protocol.node.killpoints import NAME, POINTS
from tests.faults.rows import row_05
from tests.kit.source import files, tree_of


def reached() -> Counter[str]:
    """Names that the program comes to, with how many places do."""
    found: Counter[str] = Counter()
    for path, text in files().items():
        if path.endswith(".py") and path.startswith(("protocol/", "deploy/", "hub/", "edge/")):
            for node in ast.walk(tree_of(text, path)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "killpoints.reach":
                    found[ast.literal_eval(node.args[0])] += 1
    return found


def test_every_named_point_stands_in_the_program_and_is_played():
    assert reached().keys() == POINTS.keys() == {*row_05.RUNNING, *row_05.AT_THE_TERMINAL}


@pytest.mark.parametrize(
    ("armed", "lines", "code"),
    [("journal.commit:3", 2, -signal.SIGKILL), ("journal.commit", 0, -signal.SIGKILL), ("blob.write:1", 5, 0), ("", 5, 0)],
)
def test_an_armed_point_kills_at_its_number_and_an_unarmed_one_does_nothing(armed, lines, code):
    program = "from protocol.node import killpoints\nfor n in range(5):\n killpoints.reach('journal.commit')\n print(n, flush=True)"
    ran = subprocess.run([sys.executable, "-c", program], env={NAME: armed} if armed else {}, capture_output=True, text=True)
    assert (ran.returncode, len(ran.stdout.splitlines())) == (code, lines), ran.stderr
