"""What a person types and what the desk gets: every wrong field with one sentence, everything typed given back."""

import pytest

from protocol.commands import CorrectDispute, HandDownDispute, LogDispute, Party, RecordMediation, SignAgreement
from protocol.node.web import forms
from protocol.problem import Refused

CASE = "a" * 32


def sent(**fields):
    pairs = [(name, v) for name, value in fields.items() for v in (value if isinstance(value, list) else [value])]
    return forms.typed([("command_id", "command-000001"), *pairs])


def logged(**fields):
    typed = {
        "ledger": "330523",
        "type": "0204",
        "account": "田埂的事",
        "party_name": ["叶根土", ""],
        "party_side": ["applicant", "respondent"],
    }
    return forms.fill(LogDispute, sent(**{**typed, **fields}))


def test_a_whole_form_is_a_command_and_an_empty_row_of_a_party_is_left_out():
    filled = logged(party_phone=["13800001234", ""], headcount="3")
    assert filled.wrong == {}
    assert filled.command.parties == [Party("叶根土", phone="13800001234")]
    assert (filled.command.id, filled.command.headcount, filled.command.intake) == ("command-000001", 3, "visit")


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"account": " "}, "account", "请填写什么事。"),
        ({"account": "长" * 2001}, "account", "什么事最多 2000 个字，现在有 2001 个。"),
        ({"party_name": ["", ""]}, "party_name", "请填写当事人（不愿说就写“不愿透露”）。"),
        ({"party_name": ["叶根土", ""], "party_phone": ["", "1380000"]}, "parties", "请填写第 2 位当事人的姓名。"),
        ({"headcount": "几个"}, "headcount", "涉及人数不对：请只填数字。"),
        ({"headcount": "0"}, "headcount", "涉及人数不对：要至少 1。"),
        ({"headcount": "③"}, "headcount", "涉及人数不对：请只填数字。"),
        ({"amount": "很多"}, "amount", None),
        ({"amount": "①"}, "amount", None),
        ({"amount_fen": "²"}, "amount", "金额不对：请只填数字。"),
        ({"amount_fen": "9" * 5000}, "amount", "金额不对：请只填数字。"),
        ({"happened_ms": "③"}, "happened_ms", "发生时间不对：请写成 2026-11-24 10:02 这样的时间。"),
        ({"happened_ms": "上礼拜"}, "happened_ms", "发生时间不对：请写成 2026-11-24 10:02 这样的时间。"),
        ({"title": "题" * 101}, "title", "标题最多 100 个字，现在有 101 个。"),
    ],
)
def test_a_wrong_field_gets_one_sentence_and_nothing_typed_is_lost(fields, field, sentence):
    filled = logged(**fields)
    assert filled.command is None
    assert list(filled.wrong) == [field]
    assert sentence is None or filled.wrong[field] == sentence
    assert filled.form["ledger"] == "330523"


def test_every_wrong_field_is_named_at_once():
    filled = logged(account="", party_name="", headcount="x")
    assert set(filled.wrong) == {"account", "party_name", "headcount"}


@pytest.mark.parametrize(("amount", "fen"), [("41260.5", 4_126_050), ("4.5万", 4_500_000), ("", None)])
def test_money_is_typed_in_yuan(amount, fen):
    assert logged(amount=amount).command.amount_fen == fen


def test_a_program_may_send_fen_and_milliseconds():
    command = logged(amount_fen="1200", happened_ms="1795000000000").command
    assert (command.amount_fen, command.happened_ms) == (1200, 1_795_000_000_000)


def test_a_time_is_read_as_local_time_of_the_country():
    assert logged(happened_ms="2026-11-18T19:06").command.happened_ms == 1_795_000_000_000 - 1_795_000_000_000 % 60_000


def test_terms_are_lines_and_days_are_checked():
    good = sent(terms="一、清渠。\n\n二、各付一半。", performance="月底前", due=["2026-11-30", ""], copies="3")
    command = forms.fill(SignAgreement, good, {"case": CASE}).command
    assert (command.terms, command.due) == (["一、清渠。", "二、各付一半。"], ["2026-11-30"])
    bad = forms.fill(SignAgreement, {**good, "due": ["下个月"]}, {"case": CASE})
    assert bad.wrong == {"due": "日期不对：请写成 2026-11-30 这样的日期。"}
    assert forms.fill(HandDownDispute, sent(to="330523/u01", reason="请办"), {"case": CASE}).wrong == {"due": "请填写要求办结的日期。"}


def test_a_correction_takes_the_shape_of_its_field():
    def corrected(field, value, **more):
        return forms.fill(CorrectDispute, sent(field=field, value=value, reason="写错了", **more), {"case": CASE})

    assert corrected("headcount", "4").command.value == 4
    assert corrected("amount_fen", "3万").command.value == 3_000_000
    assert corrected("type", "0204 界址围墙").command.value == "0204"
    assert corrected("place_text", "").command.value == "", "a wrong place is taken out"
    assert corrected("headcount", "４").command.value == 4, "full width"
    assert corrected("headcount", "③").wrong == {"value": "人数不对：请只填数字。"}
    assert corrected("account", "").wrong == {"value": "请填写改成什么。"}
    assert corrected("parties", "", party_name="张三").command.value == [Party("张三")]


def test_the_address_decides_the_case_not_the_form():
    filled = forms.fill(RecordMediation, sent(account="谈了", result="go_on", case="b" * 32), {"case": CASE})
    assert filled.command.case == CASE


def test_json_is_held_to_the_same_struct():
    with pytest.raises(Refused) as refused:
        forms.from_json(RecordMediation, b'{"id": "command-000001", "account": "x", "result": "go_on", "extra": 1}', {"case": CASE})
    assert refused.value.code == "command_invalid"
