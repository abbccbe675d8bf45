"""View rows: the columns promised, what a list needs of a case, people, tables and nodes; what search finds."""

import msgspec
import pytest

from protocol import commands as c
from protocol import events, merges, views
from protocol.clocks import of_case
from protocol.entry import FORMAT, Admitted, Head
from protocol.fold import fold_person
from tests.protocol.county import COUNTY, MONDAY_MS, TABLES, TOWNSHIP, VILLAGE, County, actor
from tests.protocol.test_task import assigned


def entry(
    ledger: str, seq: int, facts: events.Facts, body: events.Body | None = None, *, subject: str = "7" * 32, turn: int = 0
) -> Admitted:
    packed = msgspec.Raw(msgspec.msgpack.encode(facts))
    head = Head(
        FORMAT,
        ledger,
        "ncountyaa:1",
        seq,
        subject,
        "common",
        turn or seq,
        MONDAY_MS,
        None,
        ("", "node"),
        "c",
        type(facts).__name__,
        packed,
        b"",
    )
    return Admitted(head, None if body is None else msgspec.msgpack.encode(body), MONDAY_MS)


def test_every_row_has_exactly_the_columns_of_its_table() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    world.act(world.county, c.ConveneUnits, subject, COUNTY, when_ms=MONDAY_MS + 9 * 86_400_000)
    world.act(world.village, c.SignAgreement, subject, VILLAGE)
    world.sync()
    person = [
        entry(COUNTY, 1, events.PersonRegistered(COUNTY, 0, ()), events.PersonRegisteredBody("周小满")),
        entry(TOWNSHIP, 1, events.PostGiven(COUNTY, 0, (), "cadre.0000000a", "cadre", "n2"), events.PostGivenBody("驻村干部")),
        entry(TOWNSHIP, 2, events.PostEnded(COUNTY, 0, (), "cadre.0000000a", ("330523/*",), ((VILLAGE, "nvillagea:1", 3),), TOWNSHIP)),
    ]
    common = [
        entry("_", 1, events.TableSet("", 0, (), "types", "2", "2026-01-01", b"{}")),
        entry("_", 2, events.NodeEnrolled("", 0, (), b"cert")),
    ]
    task = world.township.of(assigned(world))
    (opinion,) = world.act(world.county, c.WriteOpinion, subject, COUNTY)
    found = {}
    merged, goes_on = world.log(), world.log()
    into = {goes_on: world.village.case(goes_on)}
    world.village.do(c.MergeDispute(id=world.id(), case=merged, into=goes_on, reason="同一件事"), actor(VILLAGE), cases=into)
    world.act(world.village, c.ReopenDispute, merged, VILLAGE)
    (command,) = merges.unmerged(world.village.case(merged))
    world.village.write([merges.telling(world.village.case(merged), world.village.case(goes_on), command)], "told")
    sorts = (
        ("dispute", world.county.of(subject)),
        ("dispute", world.village.of(merged)),
        ("dispute", world.village.of(goes_on)),
        ("task", task),
        ("person", person),
        ("common", common),
        ("companion", [opinion]),
    )
    for sort, admitted in sorts:
        found |= {table: rows for table, rows in views.rows(sort, admitted, TABLES).items() if table not in found}
    assert set(found) == set(views.TABLES)
    for table, rows in found.items():
        columns = views.TABLES[table]
        assert columns[0].name == "subject"
        assert columns[0].key
        for row in rows:
            assert list(row) == [column.name for column in columns], table
            for column in columns:
                kinds = {"text": str, "int": int, "real": float, "blob": bytes}[column.type]
                assert isinstance(row[column.name], kinds) or (row[column.name] is None and not column.key), (table, column.name)


def test_the_row_of_a_case_says_where_it_stands() -> None:
    world = County()
    subject = world.escalated()
    world.township.arrive(subject)
    world.sync()
    case = world.county.case(subject)
    row = views.rows("dispute", world.county.of(subject), TABLES)["case_row"][0]
    told = {"holder": VILLAGE, "offer_to": TOWNSHIP, "offer_by": VILLAGE, "offer_kind": "escalate", "arrived_ms": case.offer.arrived_ms}
    told |= {"parties": "王阿根、李水生", "status": "mediating", "reviews": 0, "last_origin": "ntownship:1", "last_seq": case.last[1]}
    assert {name: row[name] for name in told} == told
    running = [clock for clock in of_case(case, TABLES) if clock.state == "running"]
    assert row["due_ms"] == min(clock.due_ms for clock in running)
    assert row["due_clock"] in {clock.id for clock in running}


def test_a_long_account_is_cut_and_reviews_are_rows() -> None:
    world = County()
    subject = world.accepted(account="长" * 900)
    world.sync()
    world.act(world.county, c.CallUpDispute, subject, COUNTY)
    world.act(world.village, c.EndMediation, subject, VILLAGE)
    world.sync()
    found = views.rows("dispute", world.county.of(subject), TABLES)
    assert len(found["case_row"][0]["account"]) == 200
    assert found["case_row"][0]["reviews"] == 1
    (review,) = found["review_row"]
    assert (review["owner"], review["item"]) == (COUNTY, world.county.case(subject).reviews[0].item)


def test_no_rows_before_the_registration_and_none_for_other_sorts() -> None:
    world = County()
    subject = world.escalated()
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    mine = [one for one in world.township.of(subject) if one.head.origin == "ntownship:1"]
    assert views.rows("dispute", mine, TABLES) == {}
    for sort in ("lane", "sealed", "erasure", "light"):
        assert views.rows(sort, world.county.of(subject), TABLES) == {}
        assert views.search_text(sort, world.county.of(subject)) == ""


def test_a_person_has_posts_in_several_places_and_one_ends() -> None:
    admitted = [
        entry(COUNTY, 1, events.PersonRegistered(COUNTY, 0, ()), events.PersonRegisteredBody("周小满", "13900000001")),
        entry(COUNTY, 2, events.PostGiven(COUNTY, 0, (), "operator.0000000a", "operator", ""), events.PostGivenBody("值班员")),
        entry(TOWNSHIP, 2, events.PostGiven(COUNTY, 0, (), "cadre.0000000b", "cadre", "n2"), events.PostGivenBody("驻村干部"), turn=3),
        entry(COUNTY, 3, events.PostEnded(COUNTY, 0, (), "operator.0000000a"), events.TextBody("调走"), turn=4),
        entry(COUNTY, 4, events.PostEnded(COUNTY, 0, (), "nobody.00000000"), turn=5),
    ]
    person = fold_person(admitted[::-1])
    assert (person.name, person.ledger, person.turn) == ("周小满", COUNTY, 5)
    assert [(post.kind, post.office, post.ended, post.home) for post in person.posts] == [
        ("operator", COUNTY, True, ""),
        ("cadre", TOWNSHIP, False, "n2"),
    ]
    bare = fold_person([msgspec.structs.replace(one, body=None) for one in admitted])
    assert (bare.name, bare.phone, bare.posts[0].title, bare.posts[0].ended) == ("", "", "", True)
    found = views.rows("person", admitted, TABLES)
    assert [(row["post"], row["ledger"], row["ended"]) for row in found["post_row"]] == [
        ("operator.0000000a", COUNTY, 1),
        ("cadre.0000000b", TOWNSHIP, 0),
    ]
    assert views.search_text("person", admitted) == "周小满"
    assert fold_person([]) is None


def test_every_version_of_a_table_is_a_row_and_a_revoked_node_stays_revoked() -> None:
    admitted = [
        entry("_", 1, events.TableSet("", 0, (), "calendar", "2026.1", "2025-11-04", b"one")),
        entry("_", 2, events.TableSet("", 0, (), "calendar", "2027.1", "2026-11-04", b"two")),
        entry("_", 3, events.TableSet("", 0, (), "calendar", "2027.1", "2026-11-05", b"three")),
    ]
    found = views.rows("common", admitted, TABLES)
    assert [(row["version"], row["content"]) for row in found["table_row"]] == [("2026.1", b"one"), ("2027.1", b"three")]
    assert "node_row" not in found
    nodes = [
        entry("_", 1, events.NodeEnrolled("", 0, (), b"old")),
        entry("_", 2, events.NodeRevoked("", 0, (), "n1", ())),
        entry("_", 3, events.NodeEnrolled("", 0, (), b"new")),
    ]
    (row,) = views.rows("common", nodes, TABLES)["node_row"]
    assert (row["certificate"], row["revoked"]) == (b"new", 1)


def test_search_finds_codes_names_places_and_what_was_corrected() -> None:
    world = County()
    subject = world.log(place_text="村口老樟树")
    world.act(world.village, c.CorrectDispute, subject, VILLAGE, field="parties", value=[c.Party("赵大"), c.Party("钱二")])
    text = views.search_text("dispute", world.village.of(subject))
    for word in (world.village.case(subject).code, "王阿根", "李水生", "赵大", "钱二", "滴水巷", "村口老樟树"):
        assert word in text
    assert views.search_text("dispute", [msgspec.structs.replace(one, body=None) for one in world.village.of(subject)]) == (
        world.village.case(subject).code
    )


def test_search_finds_a_task_by_its_purpose_and_address() -> None:
    world = County()
    text = views.search_text("task", world.township.of(assigned(world, address="村口")))
    assert "看现场" in text
    assert "村口" in text


@pytest.mark.parametrize("table", views.TABLES)
def test_keys_come_first(table: str) -> None:
    keys = [column.key for column in views.TABLES[table]]
    assert keys == sorted(keys, reverse=True)
