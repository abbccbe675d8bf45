"""What pages load is built from what is in the tree, for each side apart, and only when something changed."""

import gzip
import json
import subprocess

import pytest

from deploy.web import bundle
from tests.kit.source import ROOT

DESK_KIB_MAX, PHONE_KIB_MAX = 30, 120  # compressed


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A tree with one shared style, one shared island and one island of each side."""
    shared = tmp_path / "protocol/node/web"
    for path in (
        "protocol/node/web/theme.css",
        "protocol/node/web/islands/keys.js",
        "edge/web/islands/desk.js",
        "hub/web/islands/console.js",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("/* made up */\n")
    monkeypatch.setattr(bundle, "ROOT", tmp_path)
    monkeypatch.setattr(bundle, "SHARED", shared)
    monkeypatch.setattr(bundle, "PINS", [])
    return tmp_path


def test_a_side_is_built_from_shared_sources_and_its_own(tree, capsys):
    there, worker = bundle.entries("edge")
    assert [f.name for f in there] == ["theme.css", "keys.js", "desk.js"]
    assert worker is None
    assert "edge: protocol/node/web/phone/task.jsx is not there yet, left out" in capsys.readouterr().err


def test_a_changed_source_changes_the_stamp_of_the_sides_that_hold_it(tree):
    edge, hub = bundle.stamp("edge"), bundle.stamp("hub")
    (tree / "edge/web/islands/desk.js").write_text("/* other */")
    assert (bundle.stamp("edge") != edge, bundle.stamp("hub") == hub) == (True, True)
    (tree / "protocol/node/web/theme.css").write_text("/* other */")
    assert bundle.stamp("hub") != hub
    edge = bundle.stamp("edge")
    (tree / "edge/web/dist").mkdir()
    (tree / "edge/web/dist/desk-0000.js").write_text("built")
    assert bundle.stamp("edge") == edge  # what was built is no source


def test_two_entries_of_one_name_are_refused(tree):
    (tree / "protocol/node/web/islands/desk.js").write_text("")
    with pytest.raises(SystemExit, match=r"desk\.js: protocol/node/web/islands/desk\.js, edge/web/islands/desk\.js"):
        bundle.entries("edge")
    bundle.entries("hub")


def test_a_part_that_is_imported_only_is_no_entry(tree):
    (tree / "edge/web/islands/_part.js").write_text("")
    assert "_part.js" not in [f.name for f in bundle.entries("edge")[0]]


@pytest.mark.parametrize("side", ["edge", "hub"])
def test_the_manifest_names_what_was_built(side):
    dist = ROOT / side / "web/dist"
    if not dist.exists():
        pytest.skip("nothing bundled here: ./run bundle")
    manifest = json.loads((dist / "manifest.json").read_text())
    assert set(manifest) == {"version", "files"}
    assert sorted(manifest["files"].values()) == sorted(f.name for f in dist.iterdir() if f.name != "manifest.json")
    assert (dist / "theme.css").name in manifest["files"]


@pytest.mark.parametrize("side", ["edge", "hub"])
@pytest.mark.parametrize("tongue", ["", "en-"])
def test_what_a_page_loads_keeps_within_what_an_old_computer_bears(side, tongue):
    """Of statistics the charts come on top."""
    dist = ROOT / side / "web/dist"
    if not dist.exists():
        pytest.skip("nothing bundled here: ./run bundle")
    files = json.loads((dist / "manifest.json").read_text())["files"]
    kib = {name: len(gzip.compress((dist / files[name]).read_bytes(), 9)) / 1024 for name in files if name.endswith(".js")}
    assert sum(kib.get(f"{tongue}{name}", kib.get(name, 0)) for name in ("desk.js", "board.js", "map.js")) <= DESK_KIB_MAX
    assert sum(kib.get(f"{tongue}{name}", kib.get(name, 0)) for name in ("task.js", "sw.js")) <= PHONE_KIB_MAX


def test_run_is_a_posix_script_that_explains_itself():
    said = subprocess.run(["sh", ROOT / "run", "help"], capture_output=True, text=True, check=True).stdout
    for command in ("demo", "test", "check", "hub", "edge enrol CODE", "bundle", "lock"):
        assert command in said


def test_no_script_of_a_desk_brings_charts_along():
    """ECharts belongs to the county's console."""
    imports = {
        side: [
            line
            for file in bundle.sources(side)
            if file.suffix != ".css"
            for line in file.read_text("utf-8").splitlines()
            if line.startswith("import ")
        ]
        for side in ("edge", "hub")
    }
    assert any("echarts" in line for line in imports["hub"])
    assert not [line for line in imports["edge"] if "echarts" in line]
