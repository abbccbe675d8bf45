"""What a node's program keeps of memory it no longer needs: the 19 MB of each check of a password must go back to the system."""

import subprocess
import sys

import pytest

CHECK = """
import sys, threading
from argon2 import PasswordHasher
from deploy.memory import be_frugal
if sys.argv[1] == "frugal":
    be_frugal()
hasher = PasswordHasher(time_cost=1, memory_cost=19_456, parallelism=1)
def check():
    for _ in range(3):
        hasher.hash(b"x")
    kept = [bytes(1000) for _ in range(100)]
    print(int(open("/proc/self/statm").read().split()[1]) * 4096 // 1_000_000 - before)
before = int(open("/proc/self/statm").read().split()[1]) * 4096 // 1_000_000
thread = threading.Thread(target=check)
thread.start()
thread.join()
"""

LOADED = """
import gc, weakref
from deploy import memory
class Ring:
    pass
def ring():
    made = Ring()
    made.itself = made
    return weakref.ref(made)
try:
    with memory.loading():
        loaded, looks = ring(), not gc.isenabled()
        raise ImportError
except ImportError:
    later = ring()
print(looks, gc.isenabled(), *(([memory.settle(), loaded() is None, later() is None][1:]) for _ in range(2)))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own settings")
def test_what_a_password_check_took_is_given_back():
    kept = [
        int(subprocess.run([sys.executable, "-c", CHECK, how], capture_output=True, check=True).stdout) for how in ("frugal", "as it is")
    ]
    assert kept[0] < 10, kept
    assert kept[0] < kept[1], "the settings change nothing here any more: what are they for?"


def test_what_a_start_loads_is_looked_through_when_the_node_is_opened_anew_and_not_before():
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, check=True, text=True).stdout
    assert said.split("\n")[0] == "True True [False, True] [True, True]"
