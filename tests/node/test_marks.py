"""Who can have a receipt for a ledger: found by its path, for a page asks it of 50 ledgers among 1,600 nodes."""

from random import Random

import pytest

from protocol import certificate as certificates
from protocol.certificate import Certificate
from protocol.node.shelf import Shelf

COUNTY = "330523"
TOWNS = [f"{COUNTY}/33052310{n}" for n in range(9)]
PATHS = [COUNTY, *TOWNS, *(f"{town}/{town[-9:]}20{n}" for town in TOWNS for n in range(9))]


def known(n: int, *covers: str) -> Certificate:
    return Certificate(f"nn{n:07d}", "", bytes(32), covers, covers, n + 1, 1, "_")


def test_whoever_hears_a_ledger_is_found_by_its_path_as_by_asking_each(monkeypatch: pytest.MonkeyPatch):
    chance, shelf = Random(20261129), Shelf(lambda: 1)
    sealed = f"{COUNTY}/sealed/nn0000003"
    for _ in range(2):  # also after *common* was read again
        some = [known(n, *(path + chance.choice(("", "/*")) for path in chance.sample(PATHS, chance.randint(1, 3)))) for n in range(120)]
        shelf.certificates = {one.node: one for one in [*some, known(120, f"{COUNTY}/sealed/*")]}
        for ledger in (*PATHS, f"{COUNTY}/u07", sealed):
            found = {one.node for one in shelf.hearers(ledger)}
            assert found == {one.node for one in shelf.certificates.values() if certificates.hears(one, ledger)}, ledger
    shelf.certificates = {one.node: one for one in (known(n, path) for n, path in enumerate(PATHS))}
    asked = list[str]()
    monkeypatch.setattr(certificates, "hears", lambda one, _: bool(asked.append(one.node)))
    for ledger in PATHS[-50:]:
        shelf.hearers(ledger)
    assert len(asked) <= 3 * 50, "of all nodes only those are weighed that lie on its way up"
