"""The judges bite: what is spoilt behind everybody's back, at one node alone, when the world has healed, is named by the one whose it is."""

from collections.abc import Callable
from random import Random

import msgspec
import pytest
from nacl.signing import SigningKey

from protocol import certificate as certificates
from protocol.certificate import Certificate
from protocol.entry import decode_head, encode_head
from protocol.events import facts_of
from tests.simulation import oracles_task, simulate
from tests.simulation.plan import Plan, Step
from tests.simulation.site import Site
from tests.simulation.world import World

RECALLED = Plan(3, "small", 5.0, (Step(1.5, "act", "t1", "recall", 3),))
DRAWN = msgspec.structs.replace(RECALLED, seed=8)  # the costly claims are made at the county and at t1
PICTURED = Plan(4, "small", 4.0, (Step(1.2, "act", "county", "log_with_file", 1),))
REVOKED = Plan(5, "small", 4.0, (Step(1.0, "revoke", "t1v2", "", 1),))
UNSIGN = "update entry set signature = zeroblob(64) where position = (select max(position) from entry where signature is not null)"


def spoilt(monkeypatch: pytest.MonkeyPatch, plan: Plan, spoil: Callable[[World], None]) -> list[str]:
    """What is broken when this was done just before the judges came."""
    assert simulate.run(plan).broken == []
    at_end = oracles_task.at_end  # the first of them

    def judged(world: World) -> list[str]:
        spoil(world)
        return at_end(world)

    monkeypatch.setattr(oracles_task, "at_end", judged)
    return simulate.run(plan).broken


@pytest.mark.parametrize("at", ["county", "t1"])
def test_a_crossed_report_that_one_node_leaves_to_nobody_is_named(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    def spoil(world: World) -> None:
        disk = world.sites[at].disk
        assert disk.rows("select status, recalls, reviews from task_row") == [("reported", 1, 1)], "else nothing was crossed"
        disk.connection.execute("delete from review_row")

    broken = spoilt(monkeypatch, RECALLED, spoil)
    assert any("is recalled and reported at once, and nobody has to look at it" in what and f"(at {at})" in what for what in broken), broken


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ("status = 'recalled'", "is recalled with"),
        ("status = 'declined'", "which nobody said"),
        ("reported_ms = null", "though it was reported with"),
        ("result = 'else'", "is reported with 'else'"),
        ("recalls = 0", "was recalled, and says so nowhere"),
    ],
)
def test_a_row_that_does_not_say_what_was_told_is_named(monkeypatch: pytest.MonkeyPatch, sets: str, says: str) -> None:
    def spoil(world: World) -> None:
        world.sites["t1"].disk.connection.execute(f"update task_row set {sets}")

    broken = spoilt(monkeypatch, RECALLED, spoil)
    assert any(what.startswith("(task)") and says in what for what in broken), broken


@pytest.mark.parametrize("where", ["files", "parts"])
def test_a_file_that_lies_where_nobody_may_know_of_it_is_named(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def spoil(world: World) -> None:
        ((address, cipher),) = world.sites["county"].files.items()
        getattr(world.sites["t1v1"], where)[address] = cipher if where == "files" else (len(cipher), cipher[:9])

    broken = spoilt(monkeypatch, PICTURED, spoil)
    assert any(what.startswith("(f) t1v1 holds file") for what in broken), broken


@pytest.mark.parametrize("at", ["county", "t1"])
@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (UNSIGN, "is not signed by its origin"),
        ("update review_row set owner = ''", "has no owner or no date"),
        ("update review_row set due_ms = 0", "has no owner or no date"),
    ],
)  # fmt: skip
def test_what_is_wrong_at_the_county_or_at_the_drawn_node_is_named(monkeypatch: pytest.MonkeyPatch, at: str, sql: str, says: str) -> None:
    def spoil(world: World) -> None:
        assert Random(f"checks {world.plan.seed}").choice(world.alive()).name == "t1", "else DRAWN is to be another one"
        world.sites[at].disk.connection.execute(sql)

    broken = spoilt(monkeypatch, DRAWN, spoil)
    assert any(says in what and at in what for what in broken), broken


Place = Callable[[Site, Certificate], None]


def by_itself(site: Site) -> Certificate:
    """All that the site's own certificate says, and the signature of somebody else."""
    ours = site.certificate()
    return certificates.issue(SigningKey(bytes(32)), **{name: getattr(ours, name) for name in ours.__struct_fields__[:8]})


def in_the_folder(site: Site, false: Certificate) -> None:
    site.about = msgspec.json.encode(msgspec.structs.replace(site.identity().about(), certificate=certificates.encode(false)))


def announced(site: Site, false: Certificate) -> None:
    assert site.node is not None
    site.node.shelf.certificates = {**site.node.shelf.certificates, false.node: false}


def known(site: Site, false: Certificate) -> None:
    assert site.node is not None
    site.node.pump._ground.peers.learn(msgspec.structs.replace(false, node="nabcdefgh"))


def in_a_lane(site: Site, false: Certificate) -> None:
    sql = "select position, head_bytes from entry where sort = 'lane' and ledger <> '_' order by position"
    position, raw = site.disk.rows(sql)[0]
    head = decode_head(raw)
    facts = msgspec.structs.replace(facts_of(head), certificate=certificates.encode(false))
    head = msgspec.structs.replace(head, facts=msgspec.Raw(msgspec.msgpack.encode(facts)))
    site.disk.connection.execute("update entry set head_bytes = ? where position = ?", (encode_head(head), position))


@pytest.mark.parametrize("place", [in_the_folder, announced, known, in_a_lane])
def test_a_certificate_that_the_county_never_signed_is_named(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    broken = spoilt(monkeypatch, RECALLED, lambda world: place(world.sites["t1v2"], by_itself(world.sites["t1v2"])))
    assert any(what.startswith("(certificate) t1v2") for what in broken), broken


def test_a_node_that_goes_by_the_certificate_of_whoever_was_put_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(world: World) -> None:
        node = world.sites["t1"].node
        assert node is not None
        ((gone, _),) = node.shelf.revoked.items()
        known = node.pump._ground.peers.get(gone)
        assert known is not None
        known.revoked = False

    broken = spoilt(monkeypatch, REVOKED, spoil)
    assert any(what.startswith("(revoked) t1 knows") for what in broken), broken
