"""Money: fen are written, put in capitals and read without losing one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import money
from protocol.problem import Refused

FEN = st.integers(0, money.FEN_MAX)


@pytest.mark.parametrize(
    ("fen", "plain", "capitals"),
    [
        (0, "0.00", "零元整"),
        (5, "0.05", "伍分"),
        (50, "0.50", "伍角整"),
        (1005, "10.05", "壹拾元零伍分"),
        (4_126_000, "41,260.00", "肆万壹仟贰佰陆拾元整"),
        (100_005, "1,000.05", "壹仟元零伍分"),
        (101_000, "1,010.00", "壹仟零壹拾元整"),
        (1_000_100, "10,001.00", "壹万零壹元整"),
        (10_700_053, "107,000.53", "壹拾万柒仟元伍角叁分"),
        (14_095_0, "1,409.50", "壹仟肆佰零玖元伍角整"),
        (600_714, "6,007.14", "陆仟零柒元壹角肆分"),
        (41_260_000, "412,600.00", "肆拾壹万贰仟陆佰元整"),
        (10_000_000_000, "100,000,000.00", "壹亿元整"),
        (10_000_000_100, "100,000,001.00", "壹亿零壹元整"),
        (10_010_000_000, "100,100,000.00", "壹亿零壹拾万元整"),
        (money.FEN_MAX, "100,000,000,000.00", "壹仟亿元整"),
    ],
)
def test_an_amount_is_written_as_papers_need_it(fen: int, plain: str, capitals: str) -> None:
    assert (money.plain(fen), money.capitals(fen)) == (plain, capitals)


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("41260", 4_126_000),
        ("41,260.50", 4_126_050),
        ("￥３００", 30_000),
        ("¥ 300 元", 30_000),
        ("人民币300元整", 30_000),
        ("4.5万", 4_500_000),
        ("4.5万元", 4_500_000),
        ("41万2千6百元", 41_260_000),
        ("三万五千元", 3_500_000),
        ("一万零五", 1_000_500),
        ("十二", 1_200),
        ("两千块钱", 200_000),
        ("1亿5万", 10_005_000_000),
        ("5元5角", 550),
        ("12元零5分", 1_205),
        ("0.5", 50),
        ("0", 0),
        ("肆万壹仟贰佰陆拾元整", 4_126_000),
    ],
)
def test_what_people_write_is_read(text: str, fen: int) -> None:
    assert money.parse(text) == fen


@pytest.mark.parametrize(
    "text", ["", "很多", "-5", "1e5", "1,2", "1,23,456", "3万5", "三千二", "一百五", "万", "1.5万3千", "3万40000", "5.", "1..5", "元"]
)
def test_what_could_mean_two_things_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        money.parse(text, field="amount")
    assert refused.value.code == "field_impossible"
    assert refused.value.field == "amount"


def test_parts_of_a_fen_and_impossible_sums_are_refused_with_their_reason() -> None:
    with pytest.raises(Refused, match="最小到分"):
        money.parse("1.234")
    with pytest.raises(Refused, match="最多"):
        money.parse("1001亿")


@given(FEN)
def test_what_is_written_is_read_back(fen: int) -> None:
    assert money.parse(money.plain(fen)) == fen
    assert money.parse(money.capitals(fen)) == fen


@given(st.integers(1, money.FEN_MAX // 100))
def test_capitals_have_no_two_zeros_and_begin_and_end_with_a_digit(yuan: int) -> None:
    words = money.capitals(yuan * 100)
    assert "零零" not in words
    assert not words.startswith("零")
    assert words.endswith("元整")
    assert "零元" not in words
    assert [c for c in words if c in "壹贰叁肆伍陆柒捌玖"] == ["零壹贰叁肆伍陆柒捌玖"[int(d)] for d in str(yuan) if d != "0"]


@given(st.text(max_size=30) | st.text("0123456789.,万千百十亿元角分零五两", max_size=20))
def test_reading_refuses_or_yields_fen_whatever_is_typed(text: str) -> None:
    try:
        fen = money.parse(text)
    except Refused:
        return
    assert 0 <= fen <= money.FEN_MAX


@pytest.mark.parametrize("fen", [-1, money.FEN_MAX + 1])
def test_no_paper_carries_an_impossible_sum(fen: int) -> None:
    with pytest.raises(ValueError, match="no amount"):
        money.capitals(fen)
