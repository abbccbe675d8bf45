"""A program one of whose system calls fails: `ran = run(command, "fsync,fdatasync", "EIO", 12)` lets its 12th fail, by strace.

strace does not carry the call out and leaves the pages dirty; a real kernel may mark them clean: powercut.py replays that case. `when`
is strace's: 8, 8+ (from then on), 3..5; it counts each thread and each call by itself, from the program's start.
"""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

RUN_S_MAX = 300


class Ran(NamedTuple):
    """code: how it ended · acks: its receipts · naks: what it refused, in its words · failed: calls that were made to fail."""

    code: int
    acks: list[Any]
    naks: list[str]
    done: bool
    failed: int
    errors: str


def run(command: Sequence[object], calls: str, error: str, when: str | int, path: Path | None = None, beside: str = "") -> Ran:
    """path: only calls on that file · beside: calls that fail likewise from the first on, for as long as the others do: up to the n-th."""
    with tempfile.TemporaryDirectory() as d:
        log = Path(d, "log")
        only = ["-P", str(path)] if path else []
        inject = f"inject={calls}:error={error}:when={when}"
        names, _, until = beside.partition(":")
        more = ["-e", f"inject={names}:error={error}:when=1..{until}"] if beside else []
        traced = f"trace={calls},{names}" if beside else f"trace={calls}"
        strace = ["strace", "--seccomp-bpf", "-f", "-qq", "-e", traced, "-e", inject, *more, "-e", "signal=none", *only, "-o", str(log)]
        with subprocess.Popen(
            [*strace, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as p:
            try:
                out, errors = p.communicate(timeout=RUN_S_MAX)
            finally:
                p.kill()
        return told(out, errors, p.returncode, log.read_text().count("(INJECTED)"))


def told(out: str, errors: str, code: int, failed: int = 0) -> Ran:
    """What the writer (writer.py) said; a last line that was cut off is no receipt."""
    lines = out.splitlines() if out.endswith("\n") else out.splitlines()[:-1]
    acks = [json.loads(line[4:]) for line in lines if line.startswith("ACK ")]
    return Ran(code, acks, [line[4:] for line in lines if line.startswith("NAK ")], "DONE" in lines, failed, errors)
