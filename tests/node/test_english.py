"""The English of the pages: nothing that we say lacks it, nothing stands in a catalogue that nobody says, and what people wrote is never read."""

from functools import cache
from types import SimpleNamespace

import pytest
from jinja2 import DictLoader, Environment, FileSystemBytecodeCache, nodes

from deploy.web import english as scripts
from protocol.node.web.english import HOLE, IDEOGRAPH, Catalogue, message_of
from protocol.node.web.english import templates as english
from tests.kit.english import FILES, every
from tests.kit.source import ROOT


@cache
def said() -> dict[str, set[str]]:
    return every()


def files_of(side: str) -> list:
    other = {"hub": "edge", "edge": "hub"}[side]
    return [file for file in FILES if file != ROOT / other / "web/english.toml"]


def holes(text: str) -> list[str]:
    return sorted({hole[2] for hole in HOLE.finditer(text)})


@pytest.mark.parametrize("side", ["hub", "edge"])
def test_everything_that_a_page_can_say_has_an_english(side: str):
    known = Catalogue(files_of(side)).messages
    spoken = {message: where for message, where in said().items() if any(w.startswith(("protocol/", side)) for w in where)}
    assert len(spoken) > 1500
    lacking = sorted(f"{message}  ({min(where)})" for message, where in spoken.items() if message not in known)
    assert lacking == [], "python -m tests.kit.english prints what to translate:\n" + "\n".join(lacking)


def test_no_english_stands_there_for_what_nobody_says_any_more():
    catalogue = Catalogue(FILES)
    here = {*catalogue.messages, *(message for messages in catalogue.places.values() for message in messages)}
    assert sorted(here - said().keys()) == []


def test_what_is_filled_in_is_the_same_on_both_sides():
    catalogue = Catalogue(FILES)
    pairs = [*catalogue.messages.items(), *(pair for messages in catalogue.places.values() for pair in messages.items())]
    assert [message for message, english_ in pairs if holes(message) != holes(english_)] == []
    assert [message for message, english_ in pairs if set('<>"&') & set(english_)] == [], "it would break the page around it"
    bare = [text for pair in pairs for text in pair if set("{}") & set(HOLE.sub("", text))]
    assert bare == [], "a hole without a name is never filled: nothing would meet it, and the page would stay Chinese"
    half = [message for message, english_ in pairs if english_ != message and IDEOGRAPH.search(english_)]
    assert half == [], "an English that is half Chinese"
    assert [message for message in catalogue.messages if message_of(message) != message] == [], "the key is the message without its ends"


def test_an_expression_that_is_called_ours_is_there():
    own, met = Catalogue(FILES).own, {}
    environment = Environment(trim_blocks=True, lstrip_blocks=True)
    for file in [file for side in ("protocol", "hub", "edge") for file in (ROOT / side).rglob("*.html")]:
        tree = environment.parse(file.read_text("utf-8"))
        found = {english.said(node) for node in tree.find_all((nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Call))}
        met.setdefault(file.name, set()).update(found)
    met["*"] = set().union(*met.values())
    assert {name: sorted(some - met.get(name, set())) for name, some in own.items() if some - met.get(name, set())} == {}


@pytest.fixture
def catalogue(tmp_path) -> Catalogue:
    (tmp_path / "a.toml").write_text(
        """[messages]
"登记" = "Log"
"共 {1} 件" = "{1} case[s] in all"
"{1} 条{2}" = "{1} {2!}"
"正在送出" = "being sent"
"现在是“{status}”，不能{what}" = "It is now “{status!}”: cannot {what!}"
"已到{1}" = "At {1}"
"按" = "Press "
"看板" = "Board"
[in.kind]
"登记" = "Logged"
[own]
"*" = ["label"]
""",
        "utf-8",
    )
    return Catalogue([tmp_path / "a.toml"])


@pytest.mark.parametrize(
    ("chinese", "english_"),
    [
        ("登记。", "Log. "),
        ("共 1 件", "1 case in all"),
        ("共 2 件", "2 cases in all"),
        ("3 条正在送出 · 登记", "3 being sent · Log"),
        ("现在是“登记”，不能登记。", "It is now “Log”: cannot log. "),
        ("已到登记", "At 登记"),  # a place of that name: what is filled in stays unless it is ours
        ("11月26日 周四 17:30", "Thu 26 Nov 17:30"),
        ("今天 17:30 前", "by today 17:30"),
        ("2026年11月1日至27日", "1 to 27 Nov 2026"),
        ("2026年1月1日至11月27日", "1 Jan to 27 Nov 2026"),
        ("2025年12月1日至2026年1月5日", "1 Dec 2025 to 5 Jan 2026"),
        ("12.3 万元", "123k yuan"),
        ("已到登记 · 2 小时没有登记", "At 登记 · 没有登记, 2 小时"),
        ("没有译文", "没有译文"),
        ("plain", "plain"),
    ],
)
def test_words_of_ours_are_said_in_english(catalogue: Catalogue, chinese: str, english_: str):
    assert catalogue.say(chinese) == english_


def rendered(catalogue: Catalogue, template: str, **context: object) -> str:
    shared = Environment(loader=DictLoader({"page.html": template}), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    shared.filters["kind"] = lambda kind: {"DisputeLogged": "登记"}.get(kind, kind)
    return english.environment(shared, catalogue, {}).get_template("page.html").render(**context)


def test_a_template_keeps_what_people_typed_and_says_the_rest(catalogue: Catalogue):
    template = '<h1 title="登记">{{ title }}</h1><b>{{ label }}</b>共 <i>{{ "登记" if label == "登记" }}</i><p>共 {{ n }} 件。</p>'
    shown = rendered(catalogue, template, title="登记 <共 2 件>", label="登记", n=1)
    assert shown == '<h1 title="Log">登记 &lt;共 2 件&gt;</h1><b>Log</b>共 <i>Log</i><p>1 case in all. </p>'


def test_a_word_may_read_otherwise_within_one_filter(catalogue: Catalogue):
    assert rendered(catalogue, "{{ 'DisputeLogged' | kind }} {{ label }}", label="登记") == "Logged Log"


def test_text_of_a_line_is_ours_only_where_the_rules_say_so(catalogue: Catalogue):
    line = SimpleNamespace(kind="TaskReported", text={"反馈": "登记", "结果": "登记"})
    template = "{% for label, text in line.text.items() %}{{ text }};{% endfor %}"
    assert rendered(catalogue, template, line=line) == "登记;Log;"


def test_a_run_or_literal_without_english_is_found():
    tree = Environment().parse('<p>没有{{ n }}译文</p><i title="也没有">{{ "还没有" if n == "不算" }}</i>')
    assert sorted(english.messages(tree)) == ["也没有", "没有{1}译文", "还没有"]


def test_scripts_say_it_in_english_and_keep_the_rest(catalogue: Catalogue):
    source = 'const a = "登记", b = /"[按]\\/"/.test(x) ? `共 ${n > 1 ? "看板" : `${n}`} 件` : y / 2; // "看板"\nconst c = ["按", "（", n, "）"];'
    made = 'const a = "Log", b = /"[按]\\/"/.test(x) ? `${n > 1 ? "Board" : `${n}`} case(s) in all` : y / 2; // "看板"\nconst c = ["Press ", " (", n, ")"];'
    assert scripts.in_english(source, catalogue) == made.replace('")"]', '") "]')
    assert sorted(scripts.messages(source)) == ["共 {1} 件", "按", "登记", "看板"]


def test_what_was_compiled_in_english_is_found_again_beside_the_chinese_until_its_words_change(tmp_path, monkeypatch):
    """A start that compiles nothing draws its first pages in half the time, in both languages."""
    compiled: list[str] = []
    real = Environment.compile
    monkeypatch.setattr(Environment, "compile", lambda self, *given: compiled.append(type(self).__name__) or real(self, *given))
    (pages := tmp_path / "pages").mkdir()
    (words := tmp_path / "words.toml").write_text('[messages]\n"案件" = "Case"\n')

    def start() -> list[str]:
        shared = Environment(loader=DictLoader({"page.html": "<p>案件</p>"}), bytecode_cache=FileSystemBytecodeCache(str(pages)))
        return [made.get_template("page.html").render() for made in (shared, english.environment(shared, Catalogue([words]), {}))]

    assert [start(), start(), start()] == [["<p>案件</p>", "<p>Case</p>"]] * 3 and compiled == ["Environment", "English"]
    words.write_text('[messages]\n"案件" = "Dispute"\n')
    assert start() == ["<p>案件</p>", "<p>Dispute</p>"] and compiled[2:] == ["English"]
