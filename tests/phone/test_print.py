"""Papers: what 人民调解法 29 asks for stands in the PDF, in our own Chinese font, and no character is lost in silence."""

import io
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader

from protocol.commands import ConveneUnits, CorrectDispute, Party, SignAgreement
from protocol.node.web import print as paper
from protocol.problem import Refused
from protocol.tables import Tables
from tests.hub_pages.world import Hub, register, world
from tests.node.desk_kit import UNIT, new_id

TABLES = Tables.packaged()


@pytest.fixture
async def hub(tmp_path) -> AsyncIterator[Hub]:
    async with world(tmp_path) as made:
        yield made


async def signed(hub: Hub, **more: Any) -> str:
    told = {
        "terms": ["界石立回原处，以新立界石为准。", "叶根水赔偿叶根土青苗费 412.60 元。"],
        "performance": "2026年12月1日前在村委会当面付清。",
        "facts": "双方菜地中间田埂的界石被挪动约半尺。",
        "responsibility": "叶根水承担移动界石的责任。",
        "due": ["2026-12-01"],
        "amount_fen": 4_126_000,
        **more,
    }
    await hub.root.say(SignAgreement(id=new_id(), case=hub.cases["田埂地界"], **told), hub.root.actor())
    return hub.cases["田埂地界"]


def read(pdf: bytes) -> tuple[str, set[str], PdfReader]:
    """(text without white space, names of embedded fonts, reader)."""
    reader = PdfReader(io.BytesIO(pdf))
    fonts = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]
    told = [font["/DescendantFonts"][0].get_object()["/FontDescriptor"] for font in fonts]
    names = {str(font["/FontName"]) for font in told if "/FontFile2" in font or "/FontFile3" in font}
    return "".join("".join(page.extract_text() for page in reader.pages).split()), names, reader


async def test_the_agreement_opens_with_chinese_glyphs_and_everything_the_law_asks_for(hub: Hub):
    await hub.sign_in("operator")
    said = await hub.client.get(f"/cases/{await signed(hub)}/agreement.pdf")
    assert (said.status_code, said.headers["content-type"]) == (200, "application/pdf")
    text, fonts, reader = read(said.content)
    assert fonts
    assert all("NotoSerifSC" in name for name in fonts)
    case = await hub.root.reads.case(hub.root.actor(), hub.cases["田埂地界"])
    for words in (
        "人民调解协议书", case.agreement.number, case.code, "叶根土，男，1970年生", "当事人乙（被申请人）", "界石被挪动约半尺",
        "叶根水承担移动界石的责任", "一、界石立回原处", "41,260.00元（大写：肆万壹仟贰佰陆拾元整）", "当面付清", "履行期限：2026年12月1日",
        "一式三份", "签名、盖章或者按指印", "三十日内共同向人民法院申请司法确认", "安吉县社会治理中心", "第1页共1页",
    ):  # fmt: skip
        assert words.replace(" ", "") in text, words
    assert len(reader.pages) == 1
    assert len(said.content) < 200_000


async def test_who_joins_prints_the_agreement_without_whole_numbers(hub: Hub):
    case, operator = hub.cases["田埂地界"], hub.root.actor()
    parties = [Party("叶根土", phone="13800000000", id_type="111", id_number="330523197001011239"), Party("叶根水", side="respondent")]
    await hub.root.say(CorrectDispute(id=new_id(), case=case, field="parties", value=parties, reason="补证件"), operator)
    await hub.root.say(ConveneUnits(id=new_id(), case=case, units=[UNIT], purpose="带图来"), operator)
    await register(hub.root, "国土窗口", "department", UNIT, account="unit")
    for account, phone, number in (("operator", "13800000000", "330523197001011239"), ("unit", "138****0000", "330***********1239")):
        await hub.sign_in(account)
        text, _, _ = read((await hub.client.get(f"/cases/{await signed(hub) if account == 'operator' else case}/agreement.pdf")).content)
        assert f"联系电话{phone}" in text and number in text, account
        hub.client.cookies.clear()


async def test_an_oral_agreement_prints_as_the_form_that_records_it(hub: Hub):
    subject = await signed(hub, form="oral")
    case = await hub.root.reads.case(hub.root.actor(), subject)
    text, _, _ = read(await paper.agreement(case, TABLES))
    assert "人民调解口头协议登记表" in text
    assert "口头调解协议自各方当事人达成协议之日" in text


async def test_a_name_is_never_read_as_markup(hub: Hub):
    case = await hub.root.reads.case(hub.root.actor(), await signed(hub))
    case.parties[0] = Party(name='#panic("x") *甲* $x$ // [', address="\\ 与 @ 路")
    text, _, _ = read(await paper.agreement(case, TABLES))
    assert '#panic("x")*甲*$x$//[' in text


async def test_a_missing_character_is_named_and_left_blank_only_when_asked(hub: Hub):
    case = await hub.root.reads.case(hub.root.actor(), await signed(hub))
    case.parties[0] = msgspec.structs.replace(case.parties[0], name="叶𡋾土")
    with pytest.raises(Refused) as refused:
        await paper.agreement(case, TABLES)
    assert refused.value.code == "glyph_missing"
    assert "“𡋾”" in refused.value.sentence
    text, _, _ = read(await paper.agreement(case, TABLES, blanks=True))
    assert "叶＿土" in text


async def test_the_page_offers_to_print_with_blanks(hub: Hub):
    await hub.sign_in("operator")
    subject = await signed(hub, facts="姓𪚥的也在场。")
    said = await hub.client.get(f"/cases/{subject}/agreement.pdf")
    assert said.status_code == 422
    assert "𪚥" in said.text
    assert "缺字留空打印" in said.text
    again = await hub.client.get(f"/cases/{subject}/agreement.pdf?blanks=1")
    assert again.content.startswith(b"%PDF")


async def test_without_an_agreement_there_is_nothing_to_print(hub: Hub):
    await hub.sign_in("operator")
    said = await hub.client.get(f"/cases/{hub.cases['老宅地基']}/agreement.pdf", headers={"accept": "application/json"})
    assert (said.status_code, said.json()["code"]) == (409, "not_now")
    await hub.sign_in("cadre")
    assert (await hub.client.get(f"/cases/{await signed(hub)}/agreement.pdf")).status_code == 404


async def test_many_parties_and_long_terms_go_over_pages_and_signatures_stay_together(hub: Hub):
    case = await hub.root.reads.case(hub.root.actor(), await signed(hub))
    case.parties = [Party(name=f"工人{n}", phone="13800000000") for n in range(1, 24)]
    longer = msgspec.structs.replace(case.agreement, terms=["按名册发放拖欠的工钱，逐人签收。" * 12] * 20)
    case.agreement = longer
    text, _, reader = read(await paper.agreement(case, TABLES))
    assert len(reader.pages) > 2
    assert "当事人二十三" in text
    assert "二十、按名册" in text
    assert f"共{len(reader.pages)}页" in text


def test_our_reading_of_the_fonts_is_that_of_fonttools():
    for font in sorted(paper.FONTS.glob("*.ttf")):
        told = TTFont(font, lazy=True).getBestCmap()
        assert {c for first, last in paper.cmap_of(font.read_bytes()) for c in range(first, last + 1)} == set(told)
    assert paper.missing("㛃䶮𬭎 县 叶根土") == ""
    assert paper.missing("𡋾与𪚥和𡋾") == "𡋾𪚥"


def test_without_fonts_nothing_is_printed(tmp_path):
    with pytest.raises(Refused) as refused:
        paper.missing("字", tmp_path)
    assert refused.value.code == "paper_unready"


@pytest.mark.parametrize(("n", "words"), [(1, "一"), (10, "十"), (12, "十二"), (20, "二十"), (35, "三十五")])
def test_numerals(n: int, words: str):
    assert paper.numeral(n) == words
