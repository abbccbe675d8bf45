"""The demo as a person meets it: the whole story passes, a second start finds the same data, Ctrl-C ends all that was started."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from deploy.demo import county

YIDI = (sys.executable, "-m", "deploy.cli")
START_S_MAX, STOP_S_MAX = 240, 30


def test_the_whole_story_holds_on_real_processes():
    ran = subprocess.run([*YIDI, "demo", "--check", "--json"], capture_output=True, text=True, timeout=400)
    told = json.loads(ran.stdout.strip().splitlines()[-1])
    assert (ran.returncode, told["ok"]) == (0, True), ran.stdout[-3000:] + ran.stderr[-2000:]
    assert told["command"] == "demo --check"
    assert told["figures"]["steps"] == 7
    assert told["figures"]["digests_equal"] == 1
    assert told["figures"]["entries"] > 300


def test_a_story_that_fails_says_how_far_it_came(monkeypatch, capsys):
    async def fails(_self, **_words):
        raise AssertionError("没有起来")

    monkeypatch.setattr(county.Demo, "prepare", fails)
    assert county.main(Path(), check=True, as_json=True) == 1
    told = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert (told["ok"], told["figures"]) == (False, {"steps": 0, "entries": 0, "digests_equal": 0})


def started(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """The demo, and what it printed until it invited to open its pages."""
    words = [*YIDI, "demo", "--folder", str(folder), "--disputes", "24"]
    demo = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said, began = "", time.monotonic()
    assert demo.stdout
    while "Ctrl-C" not in said:
        line = demo.stdout.readline()
        assert line or demo.poll() is None, said
        assert time.monotonic() - began < START_S_MAX, said
        said += line
    return demo, said


def children(pid: int) -> list[int]:
    found = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [n for p in found for n in children(p)]


def test_a_second_start_finds_the_same_data_and_ctrl_c_ends_everything(tmp_path):
    digests = []
    for _ in range(2):
        demo, said = started(tmp_path)
        try:
            assert "密码都是" in said
            urls = re.findall(r"http://127\.0\.0\.1:\d+/(?:board|desk)", said)
            assert len(urls) == 4
            for url in urls:
                assert "登录" in urllib.request.urlopen(url, timeout=10).read().decode()
            pids = children(demo.pid)
            assert len(pids) >= 6, "four nodes and two nats-servers"
            ran = subprocess.run([*YIDI, "digest", "--json", "--folder", str(tmp_path / "hub")], capture_output=True, text=True, timeout=60)
            digests.append(json.loads(ran.stdout.splitlines()[-1])["ledgers"])
        finally:
            demo.send_signal(signal.SIGINT)
            assert demo.wait(STOP_S_MAX) == 0
            assert demo.stdout
            demo.stdout.close()
        assert [p for p in pids if Path(f"/proc/{p}").exists() and "Z" not in Path(f"/proc/{p}/stat").read_text().split()[2]] == []
    villages = {ledger: value for ledger, value in digests[0].items() if ledger != "_"}
    assert {ledger: digests[1].get(ledger) for ledger in villages} == villages
