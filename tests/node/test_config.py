"""A wrong value is named with its line and with what would be right; the environment wins and is named by its variable."""

import json
import logging

import pytest

from protocol.node import config, log


def wrong(tmp_path, text: str, environ: dict[str, str] | None = None) -> str:
    path = tmp_path / "yidi.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(config.ConfigWrong) as refused:
        config.load(path, environ or {})
    return str(refused.value)


def test_defaults_need_no_file():
    assert config.load(None, {}).http.port == 8330


@pytest.mark.parametrize(
    ("text", "line", "right"),
    [
        ('[log]\nlevel = "info"\n[http]\nport = "abc"\n', "第 4 行 http.port", "1 到 65535 的整数"),
        ('[store]\n\nurl = "mysql://x"\n', "第 3 行 store.url", "postgresql+asyncpg://"),
        ('[store]\nurl = "sqlite:///srv/other.db"\n', "第 2 行 store.url", '"sqlite" 或'),
        ("[session]\nidle_minutes = 1\n", "第 2 行 session.idle_minutes", "5 到 1440"),
        ('[link]\nservers = ["a"]\n', "第 2 行 link.servers", "主机:端口"),
        ("[http]\nprot = 1\n", "第 2 行", "http.port"),
        ("x = 1\n", "第 1 行", "http.port"),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_what_would_be_right(tmp_path, text, line, right):
    sentence = wrong(tmp_path, text)
    assert line in sentence
    assert right in sentence


def test_text_that_is_no_toml_is_said_so(tmp_path):
    assert "不是合格的 TOML" in wrong(tmp_path, "[http\n")


def test_the_environment_wins_and_a_wrong_one_is_named_by_its_variable(tmp_path):
    path = tmp_path / "yidi.toml"
    path.write_text("[http]\nport = 9000\n")
    assert config.load(path, {"YIDI_HTTP_PORT": "9001", "YIDI_FOLDER": "x"}).http.port == 9001
    assert "环境变量 YIDI_HTTP_PORT：现在是 99999" in wrong(tmp_path, "[http]\nport = 9000\n", {"YIDI_HTTP_PORT": "99999"})


def test_an_unknown_variable_of_a_known_section_is_refused(tmp_path):
    told = wrong(tmp_path, "", {"YIDI_HTTP_PROT": "8400"})
    assert "环境变量 YIDI_HTTP_PROT" in told and "http.port" in told


def test_digits_are_text_where_text_is_asked_for():
    read = config.load(None, {"YIDI_ROOT_PLACE": "330522", "YIDI_METRICS_TOKEN": "1" * 16, "YIDI_HTTP_HOST": '"0.0.0.0"'})
    assert (read.root.place, read.metrics.token, read.http.host) == ("330522", "1" * 16, "0.0.0.0")


def test_a_file_from_notepad_is_read_or_said_to_be_in_another_code(tmp_path):
    path = tmp_path / "yidi.toml"
    path.write_text("[http]\nport = 9000\n", "utf-8-sig")
    assert config.load(path, {}).http.port == 9000
    path.write_text("# 端口\n[http]\nport = 9000\n", "gbk")
    with pytest.raises(config.ConfigWrong, match="不是 UTF-8"):
        config.load(path, {})


def test_every_key_says_what_would_be_right():
    told = {
        f"{section}.{key}" for section in config.Config.__struct_fields__ for key in getattr(config.Config(), section).__struct_fields__
    }
    assert told == set(config.RIGHT)


def test_a_log_line_takes_ids_and_counts_and_refuses_anything_else(caplog):
    with caplog.at_level(logging.INFO, "yidi"):
        log.event("admitted", ledger="330523", entries=3)
    line = json.loads(log.JsonLines().format(caplog.records[-1]))
    assert (line["event"], line["ledger"], line["entries"]) == ("admitted", "330523", 3)
    with pytest.raises(ValueError, match="account"):
        log.event("logged", account="张三欠我钱")


def test_a_strangers_log_text_is_never_passed_on():
    record = logging.LogRecord("sqlalchemy", logging.ERROR, __file__, 7, "insert %s", ("张三",), None)
    assert "张三" not in log.JsonLines().format(record)
