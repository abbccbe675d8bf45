"""The suite bites: what is planted is found, what no longer applies is said, what breaks nothing survives and fails the run."""

import asyncio
import json

import msgspec
import pytest

from tests.simulation import mutations
from tests.simulation.mutations import MUTATIONS, Found, Mutation, hunt, is_worth
from tests.simulation.plan import draw
from tests.simulation.planting import Cut, Stale, applies, plant

QUICK = [one for one in MUTATIONS if one.quick]


def _answer(much: int = 1) -> int:
    return 41 * much


async def _waits() -> str:
    await asyncio.sleep(0)
    return "before"


class _Kept:
    @property
    def word(self) -> str:
        return "before"


@pytest.mark.parametrize("one", QUICK, ids=[one.name for one in QUICK])
def test_a_planted_fault_is_found_by_the_first_seeds(one: Mutation):
    found = hunt(one)
    assert found.check, f"{one.breaks}: {found.seeds} seeds were green"


def test_every_mutation_still_applies_and_has_a_name_and_a_bound_of_its_own():
    for one in MUTATIONS:
        for cut in one.cuts:
            applies(cut)
        assert one.by or one.seeds_max > 0
        assert one.by or any(is_worth(one, draw(seed)) for seed in range(1, one.seeds_max + 1)), f"{one.name}: no seed would be run"
    names = [one.name for one in MUTATIONS]
    assert len(set(names)) == len(names) >= 22
    assert {f"M{n}" for n in range(1, 15)} <= set(names)


def test_whoever_imported_a_function_runs_the_planted_one():
    known, kept = _answer, _Kept()
    plant(Cut(f"{__name__}:_answer", "41", "42"))
    plant(Cut(f"{__name__}:_waits", '"before"', '"after"'))
    plant(Cut(f"{__name__}:_Kept.word", '"before"', '"after"'))
    assert (known(), known(2), asyncio.run(_waits()), kept.word) == (42, 84, "after", "after")
    plant(Cut(f"{__name__}:_answer", "42 * much", "42 + much"))
    assert known() == 43, "a second cut of one function finds what the first left"


@pytest.mark.parametrize("where", ["protocol.place:covers", "protocol.place:no_such", "protocol.place:COMMON"])
def test_a_text_that_is_not_there_is_an_error(where: str):
    with pytest.raises(Stale):
        plant(Cut(where, "what nobody wrote", ""))


def test_a_survivor_fails_the_run_and_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    harmless = msgspec.structs.replace(MUTATIONS[0], name="harmless")
    monkeypatch.setattr(mutations, "hunt", lambda one: Found(one.name, 60, "", 1.0, 60))
    monkeypatch.setattr(mutations, "MUTATIONS", (harmless,))
    assert mutations.main(as_json=True) == 1
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["figures"]["survivors"] == ["harmless"] and not said["ok"]
    assert (said["figures"]["mutations"], said["figures"]["found"]) == (1, 0)
