"""Tests of what is seen on a screen that failed beside all the others are run once more, alone: `python -m tests.kit.alone`, after a whole run.

Six of them share two cores there, and a browser waits for its turn; what fails alone too is broken. Nothing else is asked twice: what
shows that nothing is lost, done twice or shown to the wrong person (link/, faults/, simulation/, stories/, node/ …) failed when it failed.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

FAILED = Path(".pytest_cache/v/cache/lastfailed")  # pytest's own record
SEEN = re.compile(r"_browser\.py::|^tests/bench/test_bench\.py::")
MOST = 4  # more is no want of a turn


def worth_it(failed: Iterable[str]) -> list[str]:
    """Those to run again; none where one of them is not of a screen, or they are many."""
    names = list(failed)
    return names if 0 < len(names) <= MOST and all(map(SEEN.search, names)) else []


def main(failed: Path = FAILED, options: Sequence[str] = ("-q",)) -> int:
    """The exit code of the second run; 1 where there is none."""
    names = worth_it(json.loads(failed.read_text())) if failed.exists() else []
    if not names:
        return 1
    print(f"failed beside the others, once more alone: {' · '.join(names)}", flush=True)
    code = subprocess.run([sys.executable, "-m", "pytest", *options, *names], check=False).returncode
    print(f"{len(names)} failed beside the others; alone {'they fail too' if code else 'they pass: look why'}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
