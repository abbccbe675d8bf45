"""A program that starts warm is a process like one that starts by exec, and none outlives the test process that it was started for."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from deploy.demo import county
from deploy.nats.servers import free_ports
from tests.kit import launcher, warm
from tests.kit.county import until
from tests.kit.source import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every program starts by exec")
BOTH = pytest.mark.parametrize("begun", [county.begun, warm.begun], ids=["exec", "warm"])
ABOUT = """
import json, os, random, signal, sys, threading
about = {
    "argv": sys.argv[1:3], "folder": os.getcwd(), "names": sorted(os.environ), "path": os.environ["PATH"], "files": sorted(os.listdir("/proc/self/fd")),
    "leads": os.getsid(0) == os.getpid() == os.getpgrp(), "threads": threading.active_count(), "input": sys.stdin.read(), "term": os.isatty(1),
    "signals": [str(signal.getsignal(n)) for n in range(1, 32)], "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "mask": os.umask(18),
    "encoding": [sys.stdout.encoding, sys.stderr.encoding, sys.stdout.errors], "nats": "nats" in sys.modules, "drawn": random.random(),
}
print(json.dumps(about))
"""
WORKER = """
import asyncio, sys
from pathlib import Path
from tests.kit import warm

async def main():
    process = await warm.begun((sys.executable, "-m", "http.server", sys.argv[1], "--bind", "127.0.0.1"), Path(sys.argv[2]))
    print(process.pid, warm._the_launcher().process.pid, flush=True)
    await process.wait()

asyncio.run(main())
"""


def python(*words: object) -> tuple[str, ...]:
    return (sys.executable, "-m", *map(str, words))


def server(log: Path) -> tuple[str, ...]:
    return python("http.server", *free_ports(1), "--bind", "127.0.0.1")


def state(pid: int) -> str:
    """As in /proc/PID/stat; "": there is no such process, or it only waits to be asked for."""
    try:
        found = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
    return found.replace("Z", "")


@BOTH
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("deploy.cli", "--help"), 0, "yidi"),
        (("deploy.cli", "edge", "--folder", "/nowhere"), 1, "还没有登记"),
        (("deploy.cli", "hub", "--nonsense"), 2, "--nonsense"),
        (("timeit", "-n1", "-r1", "import os; os._exit(7)"), 7, ""),
        (("timeit", "-n1", "-r1", "import atexit; atexit.register(print, 'at last'); 1 / 0"), 1, "at last"),
    ],
)
async def test_its_exit_code_is_told(begun, words, code, said, tmp_path):
    process = await begun(python(*words), tmp_path / "log")
    assert [await process.wait(), process.returncode] == [code, code]
    assert said in (tmp_path / "log").read_text()


@BOTH
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGABRT])
async def test_the_signal_that_ended_it_is_told_to_all_who_wait(begun, number, tmp_path):
    process = await begun(server(tmp_path), tmp_path / "log")
    waiting = [asyncio.create_task(process.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    assert process.returncode is None
    process.send_signal(number)
    assert await asyncio.gather(*waiting) == [-number, -number]
    assert state(process.pid) == ""
    with pytest.raises(ProcessLookupError):
        process.send_signal(number)


@BOTH
async def test_it_stands_still_and_goes_on(begun, tmp_path):
    process = await begun(server(tmp_path), tmp_path / "log")
    process.send_signal(signal.SIGSTOP)
    await until(lambda: state(process.pid) == "T", "it stands still")
    assert process.returncode is None
    process.send_signal(signal.SIGCONT)
    await until(lambda: state(process.pid) in ("S", "R"), "it goes on")
    process.kill()
    assert await process.wait() == -signal.SIGKILL


async def test_it_finds_what_it_would_find_after_an_exec(tmp_path, monkeypatch):
    await asyncio.to_thread(warm._the_launcher)  # what follows is later than its beginning
    monkeypatch.setenv("YIDI_HTTP_PORT", "1")
    monkeypatch.delenv("HOME")
    monkeypatch.setenv("SAID", "yes")
    monkeypatch.chdir(tmp_path)
    told = []
    for n, begun in enumerate((county.begun, warm.begun, warm.begun)):
        process = await begun(python("timeit", "-n1", "-r1", ABOUT), log := tmp_path / f"{n}.log")
        assert await process.wait() == 0, log.read_text()
        told.append(json.loads(log.read_text().splitlines()[0]))
    drawn = {about.pop("drawn") for about in told}
    assert len(drawn) == 3, "no two draw alike"
    assert [about.pop("nats") for about in told] == [False, True, True], "warm: it was imported before"
    assert told[0] == told[1] == told[2]
    assert "SAID" in told[0]["names"] and "YIDI_HTTP_PORT" not in told[0]["names"]


async def test_whoever_looks_for_it_by_its_words_finds_it(tmp_path):
    process = await warm.begun(server(tmp_path), tmp_path / "log")
    await until(lambda: b"http.server" in Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0"), "its words show")
    process.terminate()
    await process.wait()


@pytest.mark.parametrize("whom", ["worker", "launcher"])
async def test_nobody_is_left_when_the_worker_or_the_launcher_is_killed(whom, tmp_path):
    log = tmp_path / "log"
    words = (sys.executable, "-c", WORKER, str(free_ports(1)[0]), str(log))
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout
        program, launcher = map(int, (await asyncio.to_thread(worker.stdout.readline)).split())
        await until(lambda: "Serving" in log.read_text(), "the program runs")
        assert state(program) and state(launcher)
        os.kill(worker.pid if whom == "worker" else launcher, signal.SIGKILL)
        try:
            await until(lambda: not state(program) and not state(launcher), "both have ended")
            assert worker.wait(20) == (-signal.SIGKILL if whom == "worker" else 0), "who waits for a program is told that it is gone"
        finally:
            for pid in (program, launcher, worker.pid):
                if state(pid):
                    os.kill(pid, signal.SIGKILL)


def test_a_template_is_compiled_once_until_its_text_changes(monkeypatch):
    texts, kept, real, compiled = {"a.html": "甲"}, launcher.Compiled(), Environment.compile, []
    monkeypatch.setattr(Environment, "compile", lambda self, *given: compiled.append(given[0]) or real(self, *given))

    def drawn() -> str:
        return Environment(loader=DictLoader(texts), bytecode_cache=kept, autoescape=True).get_template("a.html").render()

    assert [drawn(), drawn()] == ["甲", "甲"] and compiled == ["甲"]
    texts["a.html"] = "乙"
    assert [drawn(), drawn()] == ["乙", "乙"] and compiled == ["甲", "乙"]
