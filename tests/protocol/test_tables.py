"""Code tables: what is packaged hangs together, reading is total, writing is strict, nothing in them can be changed."""

import csv
import re
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands, data, events, place, shapes
from protocol.entry import HEAD_BYTES_MAX
from protocol.problem import Refused
from protocol.tables import PACKAGED, Tables, check

T = Tables.packaged()
TODAY = date(2026, 11, 24)
VILLAGE = "330523/330523111/330523111217"
POWERS = set("log mediate move call_up convene assign close follow_up supervise note review field people admin read sealed erase".split())


def table(name: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(PACKAGED[name][2])
    return found


def changed(name: str, **fields: Any) -> Tables:
    return Tables.of({name: msgspec.json.encode(table(name) | fields)})


# ── what is packaged ──


def test_every_table_is_packaged_read_and_small_enough_for_one_head() -> None:
    assert set(PACKAGED) == set(shapes.SHAPES)
    assert T.broken == ()
    for name, (version, valid_from, content) in PACKAGED.items():
        check(name, content)
        assert T.versions[name] == (version, valid_from)
        assert date.fromisoformat(valid_from)
        assert len(content) < HEAD_BYTES_MAX // 2, name


def test_every_field_of_a_packaged_row_is_known_so_that_no_slip_of_the_pen_is_ignored() -> None:
    kinds = {"types": shapes.TypeRow, "intake": shapes.Intake, "outcomes": shapes.Ending, "lists": shapes.ListRow, "posts": shapes.Post}
    kinds |= {"units": shapes.Unit, "levels": shapes.Level, "limits": shapes.Limit, "clocks": shapes.ClockRule, "calendar": shapes.Year}
    kinds |= {"notices": shapes.Notice, "templates": shapes.Template}
    for name, kind in kinds.items():
        known = {field.encode_name for field in msgspec.structs.fields(kind)}
        for row in table(name)["rows"]:
            assert set(row) <= known, (name, row)


def test_every_code_stands_once() -> None:
    keys = {"types": "code", "intake": "code", "outcomes": "code", "posts": "kind", "units": "path", "limits": "key", "clocks": "key"}
    for name, key in keys.items():
        codes = [row[key] for row in table(name)["rows"]]
        assert len(codes) == len(set(codes)), name


def test_the_types_are_those_of_the_list_and_every_lower_one_has_its_upper() -> None:
    upper = [code for code in T.types if len(code) == 2]
    assert upper == [f"{n:02d}" for n in range(1, 23)] + ["99"]
    assert all(code[:2] in T.types for code in T.types)
    assert sum(len(code) == 4 for code in T.types) == 84
    assert T.type_name("0204") == "邻里·界址围墙"
    assert T.type_name("02") == "邻里"
    assert T.type_name("7777") == "7777"
    assert {code for code in T.types if T.type_flag(code, "sealed")} == {"22", "2201", "2202"}
    assert T.type_flag("0102", "wet_signature") is True
    assert T.type_flag("0302", "not_confirmable")
    assert not T.type_flag("0301", "not_confirmable")
    assert T.type_flag("1002", "collective_from") == 10
    assert (T.type_form("1801", "moj_form"), T.type_form("0204", "moj_form"), T.type_form("2201", "moj_form")) == ("合同", "邻里", "")
    assert all(row.words for row in T.types.values() if row.code != "99")


def test_the_unit_that_helps_first_is_a_row_and_its_types_exist() -> None:
    assert all(place.is_unit(path) for path in T.units)
    assert all(code in T.types for unit in T.units.values() for code in unit.types)
    assert [path for path in T.units if T.unit_flag(path, "discipline")] == ["330523/u12"]
    assert T.units_of("330523") == tuple(T.units)


def test_posts_carry_known_powers_and_a_visitor_sees_no_case() -> None:
    assert {power for post in T.posts.values() for power in post.powers} == POWERS
    assert set(T.posts) == set("clerk mediator officer operator department cadre admin reader discipline".split())
    assert T.post_powers("cadre") == {"field"}
    assert "sealed" not in T.post_powers("operator")
    assert "read" not in T.post_powers("admin")
    assert T.post_powers("nobody") == frozenset()


def test_texts_and_papers_name_each_other() -> None:
    assert all(row.notice in T.notices for row in T.templates.values() if row.notice)
    assert all(row.paper in T.templates for row in T.endings.values() if row.paper)
    assert "第" not in T.template("agreement").mark
    for key, number in (("rights", "23"), ("privacy", "17"), ("ways", "26"), ("confirm", "33")):
        assert T.notice(key).text
        assert number in T.notice(key).basis


def test_the_words_of_commands_have_names() -> None:
    """Codes that stand in docstrings of commands and events are rows of the lists."""
    told = {"kept": "yes partly no", "satisfied": "yes mostly no", "retention": "10 30 forever", "session": "go_on failed"}
    told |= {"risk": "green yellow red", "side": "applicant respondent third", "party": "person company group", "form": "written oral"}
    told |= {"task_result": "settled eased unsettled absent", "evidence": "photo paper voice other signature", "review": "adopt reject"}
    for name, codes in told.items():
        assert {code for code, _ in T.words(name)} == set(codes.split()), name
    assert set(T.endings) == set(re.findall(r"ending: (.*)\.", commands.CloseDispute.__doc__ or "")[0].split(", "))
    assert "visit" in T.intakes
    assert T.word("risk", "red") == "红"
    assert (T.word("risk", "blue"), T.word("nothing", "x"), T.words("nothing")) == ("blue", "x", ())


def test_clocks_that_are_counted_name_a_start_and_quiet_events_exist() -> None:
    starts = {"", "logged", "accepted", "signed", "due", "pledge", "term", "offer", "written", "asked", "task"}
    assert {rule.start for rule in T.clocks.values()} == starts
    assert {f"T{n}" for n in range(1, 34)} <= set(T.clocks)
    assert all(rule.basis for rule in T.clocks.values())
    assert T.quiet_kinds <= set(events.EVENTS)
    assert {level.limit for level in T.levels} <= set(T.clocks)


# ── places ──


def test_the_places_are_those_of_the_file_as_it_came() -> None:
    text = (Path(data.__file__).parent / "places_anji.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == len(T.places) == 234
    assert {place.code_of(path) for path in T.places} == {row["code"] for row in rows}
    assert [len(T.children(path)) for path in ("330523", VILLAGE, "nowhere")] == [15, 0, 0]
    assert sum(len(T.children(path)) for path in T.children("330523")) == 218


def test_names_are_shown_without_their_suffix() -> None:
    assert T.place_name(VILLAGE) == "高禹村"
    assert T.place_full(VILLAGE) == "天子湖镇高禹村"
    assert T.place_name("330523/330523001/330523001002") == "苕秀社区"
    assert T.place_full("330523/330523111") == "天子湖镇"
    assert T.place_full("330523") == "安吉县"
    assert not any(T.place_name(path).endswith("委会") for path in T.places)


def test_an_office_has_its_full_name_and_its_level() -> None:
    assert T.office_name(VILLAGE) == "高禹村人民调解委员会"
    assert T.office_name("330523/330523111") == "天子湖镇综治中心"
    assert T.office_name("330523") == "安吉县社会治理中心"
    assert T.office_name("330523/u02") == "安吉县公安局"
    assert [T.level(path) for path in ("330523", "330523/330523111", VILLAGE, "330523/u02")] == ["县", "乡镇", "村", "县"]
    assert [T.mark(path) for path in ("330523", "330523/330523111", VILLAGE)] == ["已到县", "已到乡镇", "已到村"]


@given(
    st.text(max_size=40) | st.sampled_from([place.COMMON, "330523/sealed/nabc", "330523/u99", "330523/330523999/330523999001", "a/b/c/d/e"])
)
def test_any_path_has_a_name(path: str) -> None:
    for name in (T.place_name(path), T.place_full(path), T.office_name(path), T.level(path), T.mark(path)):
        assert isinstance(name, str)
    assert T.unit_flag(path, "petition") in (True, False)


def test_places_merge_by_a_new_table_and_orphans_are_left_out() -> None:
    rows = [
        ["330523", "安吉县", "county", ""],
        ["330523111", "天子湖镇", "township", "330523"],
        ["330523111300", "新溪村委会", "village", "330523111"],
    ]
    rows += [["1", "孤村", "village", "404"], ["2", "甲", "village", "3"], ["3", "乙", "village", "2"], ["4", "自己", "village", "4"]]
    merged = changed("places", rows=rows)
    assert set(merged.places) == {"330523", "330523/330523111", "330523/330523111/330523111300"}
    assert merged.place_full("330523/330523111/330523111300") == "天子湖镇新溪村"


# ── reading is total, writing is strict ──


def test_a_type_opens_and_closes_on_its_days_with_its_upper_one() -> None:
    rows = [
        {"code": "02", "name": "邻里", "valid_to": "2026-12-31"},
        {"code": "0201", "name": "通行", "valid_from": "2026-02-01", "successor": "0301"},
    ]
    rows += [{"code": "0301", "name": "没有上级"}]
    tables = changed("types", rows=rows)
    assert [row.code for row in tables.types_open(date(2026, 1, 31))] == ["02"]
    assert [row.code for row in tables.types_open(date(2026, 2, 1))] == ["02", "0201"]
    assert [row.code for row in tables.types_open(date(2026, 12, 31))] == ["02", "0201"]
    assert tables.types_open(date(2027, 1, 1)) == ()
    assert tables.type_successor("0201") == "0301"
    assert tables.is_type("0201")
    assert len(T.types_open(TODAY)) == len(T.types)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"rows": 1}', b'{"rows": [{"code": 1}]}', b"\xff", b'{"rows": [], "version": 3}'])
def test_a_broken_table_falls_back_and_is_named(content: bytes) -> None:
    tables = Tables.of({"types": content})
    assert tables.broken == ("types",)
    assert tables.types == T.types
    assert tables.versions["types"] == T.versions["types"]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("weather", b"{}", "没有名为"),
        ("types", b"{}", "rows"),
        ("clocks", b'{"rows": [{"key": "T1", "name": "x", "basis": "", "length": 1, "unit": "fortnight"}]}', "fortnight"),
        ("clocks", b'{"rows": [{"key": "T1", "name": "x", "basis": "", "length": 9999, "unit": "day"}]}', "4000"),
        ("clocks", b'{"rows": [{"key": "T1", "name": "x", "basis": "", "length": 1, "lengths": [-1], "unit": "day"}]}', "4000"),
        ("calendar", b'{"rows": [{"year": 2026, "rest": [["2026-01-01", "2026-12-31", "x"]]}]}', "60"),
        ("calendar", b'{"rows": [{"year": 2026, "rest": [["2026-01-03", "2026-01-01", "x"]]}]}', "60"),
        ("levels", b'{"rows": []}', "levels"),
    ],
)
def test_who_writes_a_table_is_told_what_is_wrong(name: str, content: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why) as refused:
        check(name, content)
    assert refused.value.status == 422
    if name in PACKAGED:
        assert Tables.of({name: content}).broken == (name,)


@given(st.sampled_from(sorted(PACKAGED)), st.binary(max_size=200) | st.integers(0, 5_000))
def test_no_table_stops_a_node(name: str, cut: bytes | int) -> None:
    content = PACKAGED[name][2][:cut] if isinstance(cut, int) else cut
    tables = Tables.of({name: content})
    assert tables.types


def test_a_later_version_with_unknown_fields_is_read() -> None:
    rows = [row | {"colour": "red"} for row in table("types")["rows"]]
    tables = changed("types", rows=rows, version="2027.1", valid_from="2027-01-01", mood=1)
    assert tables.broken == ()
    assert tables.types == T.types
    assert tables.versions["types"] == ("2027.1", "2027-01-01")


def test_a_county_that_lacks_a_limit_or_text_gets_the_packaged_one() -> None:
    tables = Tables.of(
        {"limits": b'{"rows": [{"key": "group_headcount", "value": 10}]}', "notices": b'{"rows": []}', "templates": b'{"rows": []}'}
    )
    assert (tables.limit("group_headcount"), tables.limit("warn_soon_percent"), tables.limit("warn_late_percent")) == (10, 50, 80)
    assert tables.notice("rights") == T.notice("rights")
    assert tables.template("agreement") == T.template("agreement")
    with pytest.raises(KeyError):
        tables.limit("moon")


def test_nothing_in_the_tables_can_be_changed() -> None:
    assert Tables.packaged() is T
    with pytest.raises(AttributeError):
        T.broken = ("types",)  # type: ignore[misc]
    for mapping in (T.types, T.places, T.posts, T.lists, T.lists["risk"], T.clocks):
        with pytest.raises(TypeError):
            mapping["x"] = None  # type: ignore[index]
    with pytest.raises(AttributeError):
        T.types["02"].name = "x"  # type: ignore[misc]


def merged_tables(*ends: tuple[str, str]) -> Tables:
    """The packaged places with some rows ended: (path, code of the successor)."""
    ended = dict(ends)
    rows = [
        msgspec.structs.replace(row, valid_to="2026-01-01", successor=ended[path]) if path in ended else row
        for path, row in Tables.packaged().places.items()
    ]
    return Tables.of({"places": msgspec.json.encode({"version": "x", "valid_from": "2026-01-01", "rows": rows})})


def test_a_merged_place_keeps_its_path_and_points_at_where_it_goes_on() -> None:
    town = "330523/330523111"
    a, b, c = Tables.packaged().children(town)[:3]
    tables = merged_tables((a, b.rpartition("/")[2]), (b, c.rpartition("/")[2]))
    assert [tables.is_ended(path) for path in (a, b, c)] == [True, True, False]
    assert [tables.place_successor(path) for path in (a, b, c)] == [c, c, ""]  # through both merges
    assert tables.places_merged_into(c) == (a, b)
    assert tables.places_merged_into(b) == ()
    assert not {a, b} & set(tables.children(town))
    assert tables.place_name(a) == "原" + Tables.packaged().place_name(a)
    assert tables.is_place(a)


def test_places_that_name_each_other_as_successors_have_none() -> None:
    a, b = Tables.packaged().children("330523/330523111")[:2]
    tables = merged_tables((a, b.rpartition("/")[2]), (b, a.rpartition("/")[2]))
    assert (tables.place_successor(a), tables.place_successor(b), tables.places_merged_into(a)) == ("", "", ())
    gone = merged_tables((a, "999999999999"))
    assert (gone.is_ended(a), gone.place_successor(a)) == (True, "")
