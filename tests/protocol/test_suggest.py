"""What words point to: three types at most, from the tables' own words; nothing where nothing was said."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import suggest
from protocol.tables import Tables

TABLES, DAY = Tables.packaged(), date(2026, 11, 26)
WORDS = sorted({word for row in TABLES.types.values() for word in row.words})
OPEN = {word for row in TABLES.types.values() if not TABLES.type_flag(row.code, "sealed") for word in row.words}


def codes(text: str) -> list[str]:
    return [hint.code for hint in suggest.types(text, TABLES, DAY)]


def test_what_was_said_longest_counts_most():
    assert codes("东邻新砌的围墙占了半尺")[0] == "0204"
    assert codes("包工头拖欠民工的工资")[0] == "1002"
    assert codes("老公喝了酒动手打老婆")[0] == "0107"
    assert codes("今天天气不错") == []


def test_a_wide_type_is_offered_only_where_none_of_its_finer_ones_is_spoken_for():
    assert codes("和邻居不和") == ["02"]
    assert "02" not in codes("邻居家的围墙")


def test_a_type_that_has_ended_is_not_offered():
    row = TABLES.types["0204"]
    assert "0204" in codes(row.words[0])
    ended = {**TABLES.types, "0204": type(row)(**{f: getattr(row, f) for f in row.__struct_fields__} | {"valid_to": "2026-01-01"})}
    closed = type(TABLES)(**{f: getattr(TABLES, f) for f in TABLES.__struct_fields__} | {"types": ended})
    assert "0204" not in [hint.code for hint in suggest.types(row.words[0], closed, DAY)]


def test_the_gravest_risk_that_was_heard():
    assert suggest.risk("两家吵了几句", TABLES) is None
    assert suggest.risk("推搡了几下，报警了", TABLES) == suggest.Hint("yellow", ("报警", "推搡"))
    assert suggest.risk("报警了，他说要喝农药", TABLES).code == "red"


@given(st.lists(st.sampled_from(WORDS), max_size=8), st.text(max_size=30))
def test_three_at_most_and_each_says_what_it_heard(words: list[str], more: str):
    text = more.join(words)
    found = suggest.types(text, TABLES, DAY)
    assert len(found) <= suggest.TYPES_MAX and len({hint.code for hint in found}) == len(found)
    for hint in found:
        assert hint.words and all(word in text for word in hint.words)
    assert found or not any(word in text for word in OPEN)


MANY = "我来举报村主任：征地的补偿款、青苗费被他贪污了，安置房也先分给他亲戚，集体分配没有我家户口的份。"


def test_an_accusation_is_heard_whatever_else_was_said_and_is_no_type_that_is_offered():
    assert len(codes(MANY)) == suggest.TYPES_MAX and not any(TABLES.type_flag(code, "sealed") for code in codes(MANY))
    assert suggest.accuses(MANY, TABLES, DAY)
    assert suggest.accuses("水沟堵了。" * suggest.TEXT_CHARS_MAX + "我要检举。", TABLES, DAY)
    assert not suggest.accuses("村主任和村干部来调解过两次，镇长也来过。", TABLES, DAY), "who is named is not accused"


@pytest.mark.parametrize(
    ("said", "spot"),
    [
        ("东邻三组 12 号的围墙占了滴水巷半尺", "三组 12 号"),
        ("他住在石马路 7 号，晚上放歌", "石马路 7 号"),
        ("大坑自然村第二组的水沟堵了，找过工作组", "大坑自然村第二组"),
        ("两家为滴水巷吵了一路，工作组来过", ""),
        ("第10村民小组分的地", "第10村民小组"),
    ],
)
def test_where_it_happened_is_heard_as_it_was_named(said: str, spot: str):
    assert suggest.spot(said) == spot
