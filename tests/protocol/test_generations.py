"""What each release reads, held against the code of each: kinds by generation, and facts that only grew."""

import json
import os
import subprocess
import sys
from functools import cache

import msgspec
import pytest

from protocol.batch import SPEAKS
from protocol.events import EVENTS
from protocol.generations import GENERATION, SINCE, WORD, beyond, generation_of, since
from tests.faults.rows.row_18 import code_of, commit_of

RELEASES = {"0.1.0": 1, "0.2.0": 2}
TELLS = """
import json, msgspec
from protocol.events import EVENTS
print(json.dumps({kind: [field.name for field in msgspec.structs.fields(pair[0])] for kind, pair in EVENTS.items()}))
"""


@cache
def events_of(version: str) -> dict[str, list[str]]:
    """Kind → names of its facts, as that release has them."""
    if not commit_of(version):
        pytest.skip(f"{version} is not in this clone's history (git fetch --unshallow)")
    environ = os.environ | {"PYTHONPATH": str(code_of(commit_of(version)))}
    told = subprocess.run([sys.executable, "-c", TELLS], env=environ, cwd="/", capture_output=True, text=True, check=True)
    return json.loads(told.stdout)


def fields(kind: str) -> list[tuple[str, bool]]:
    return [(field.name, field.required) for field in msgspec.structs.fields(EVENTS[kind][0])]


@pytest.mark.parametrize(("version", "generation"), RELEASES.items())
def test_the_kinds_of_a_release_are_those_of_its_generation(version, generation):
    assert sorted(events_of(version)) == sorted(kind for kind in EVENTS if since(kind) <= generation)
    assert set(beyond(generation)) == set(EVENTS) - set(events_of(version))


@pytest.mark.parametrize("version", RELEASES)
def test_facts_of_a_released_kind_grow_at_their_end_alone(version):
    for kind, names in events_of(version).items():
        now = fields(kind)
        assert [name for name, _ in now[: len(names)]] == names, f"{kind}: an older program would read other facts"
        assert not any(is_required for _, is_required in now[len(names) :]), f"{kind}: what it wrote can't be read here"


def test_every_kind_that_began_later_is_one_of_ours():
    assert set(SINCE) <= set(EVENTS)
    assert beyond(GENERATION) == [] and beyond(0) == list(SINCE)


@pytest.mark.parametrize(
    ("speaks", "generation"),
    [
        ((), 1),
        (("anew",), 1),
        (SPEAKS, 2),
        (("bare",), 2),
        ((*SPEAKS, WORD), GENERATION),
        ((WORD,), GENERATION),
        ((*SPEAKS, "ev4", "ev3"), 4),
        ((*SPEAKS, "ev", "event", "ev²", "ev999999"), 2),
    ],
)
def test_a_have_says_which_generation_its_speaker_reads(speaks, generation):
    assert generation_of(speaks) == generation
