"""What tests need from the machine: free ports, and programs that not every machine has (`./run test` installs them on Debian).

A test that needs one is marked (`@needs_chromium`) and skipped by name where it is missing, with the command that brings it.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-headless-shell") or ""
)
LIGHT_CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or CHROMIUM  # without a window system: half the CPU
OPEN_S_MAX = 20


def has_chinese_type() -> bool:
    found = shutil.which("fc-list")
    return bool(found and subprocess.run([found, ":lang=zh-cn"], capture_output=True, check=False).stdout.strip())


def needs(package: str, there: bool) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not there, reason=f"needs {package}: apt-get install -y {package}")


needs_chromium = needs("chromium fonts-noto-cjk", bool(CHROMIUM) and has_chinese_type())
needs_strace = needs("strace", bool(shutil.which("strace")))
needs_postgresql = needs("postgresql", any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or bool(shutil.which("initdb")))


def wait_for_port(port: int, process: subprocess.Popen | None = None) -> None:
    """Until something listens; fails when the process that should has ended, or after OPEN_S_MAX seconds."""
    deadline = time.monotonic() + OPEN_S_MAX
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process is None or process.poll() is None, f"it ended with {process.returncode} instead of listening on {port}"
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on {port} after {OPEN_S_MAX} s")
