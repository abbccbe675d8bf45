"""One TOML file plus environment, checked whole before anything opens.

A wrong value is refused with its line (or the name of its variable), what stands there, and what would be right; an unknown
key likewise. Environment wins over the file: YIDI_HTTP_PORT=8400 sets `port` of `[http]`.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
ADDRESS: Final = r"^(|[^\s/]+:\d{1,5})$"
ENV_PREFIX = "YIDI_"


class Http(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """certificate, key: PEM files, from the node's folder; with both the pages are served over HTTPS (phones need it, loopback does not)."""

    host: str = "127.0.0.1"
    port: Port = 8330
    certificate: str = ""
    key: str = ""


class Store(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """url: "sqlite" = an encrypted file in the folder; or postgresql+asyncpg://user@host/database."""

    url: Annotated[str, msgspec.Meta(pattern=r"^(sqlite|postgresql\+asyncpg://.+)$")] = "sqlite"


class Link(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """servers: host:port of nats-servers, best first; empty = those named at enrolment."""

    servers: list[Annotated[str, msgspec.Meta(pattern=r"^[^\s:/]+:\d{1,5}$")]] = []


class Nats(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A nats-server that this node starts and keeps alive. port: clients; leaf_port: leaves dial in; leaf_remote: where a leaf dials."""

    run: bool = True
    host: str = "127.0.0.1"
    port: Port = 4222
    leaf_port: Port = 7422
    leaf_remote: Annotated[str, msgspec.Meta(pattern=ADDRESS)] = ""


class Root(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Only where the ledger of all begins: the six-digit code of the place, what it serves besides, how others reach it.

    beside: a further program of the same node on the same PostgreSQL: pages and desk; enrolment and messages are the first one's.
    """

    place: Annotated[str, msgspec.Meta(pattern=r"^\d{6}$")] = "330523"
    serves: list[str] = []
    address: Annotated[str, msgspec.Meta(pattern=ADDRESS)] = ""
    beside: bool = False


class Session(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    idle_minutes: Annotated[int, msgspec.Meta(ge=5, le=1440)] = 30


class Files(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """file_mb_max: of one file taken here · store_mb_max: of all files here · half_days_max: how long a broken upload is kept ·
    folder: where they lie, shared by all programs of one node, from the root; "" = the node's own folder."""

    folder: Annotated[str, msgspec.Meta(pattern=r"^(|/.+|[A-Za-z]:.+)$")] = ""
    file_mb_max: Annotated[int, msgspec.Meta(ge=1, le=20)] = 20
    store_mb_max: Annotated[int, msgspec.Meta(ge=20, le=10_000_000)] = 20_480
    half_days_max: Annotated[int, msgspec.Meta(ge=1, le=90)] = 7


class Metrics(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """token: who shows it as `Authorization: Bearer …` may read /metrics; "" = there is no such page."""

    token: Annotated[str, msgspec.Meta(pattern=r"^(|\S{16,200})$")] = ""


class Traces(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """endpoint: where spans go by OTLP over HTTP; "" = nowhere. Needs the extra `traces`."""

    endpoint: Annotated[str, msgspec.Meta(pattern=r"^(|https?://\S+)$")] = ""


class Demo(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """made_up: people and matters here are invented; every page says so, and nobody can mistake it for an office's own. What is founded or
    joined meanwhile stays so (identity.About)."""

    made_up: bool = False


SERVICES: Final = ("fcm.googleapis.com", "updates.push.services.mozilla.com", "*.push.apple.com", "*.notify.windows.com")


class Push(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Knocks at the push services of phones whose page is closed. contact: whom such a service may write to; "" = nothing is sent.
    services: host names that may be knocked at, `*` for any part."""

    contact: Annotated[str, msgspec.Meta(pattern=r"^(|mailto:\S+@\S+|https://\S+)$")] = ""
    services: list[Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9.*-]+$")]] = msgspec.field(default_factory=lambda: list(SERVICES))


class Log(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    level: Annotated[str, msgspec.Meta(pattern=r"^(debug|info|warning|error)$")] = "info"


class Config(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    http: Http = msgspec.field(default_factory=Http)
    store: Store = msgspec.field(default_factory=Store)
    link: Link = msgspec.field(default_factory=Link)
    nats: Nats = msgspec.field(default_factory=Nats)
    root: Root = msgspec.field(default_factory=Root)
    session: Session = msgspec.field(default_factory=Session)
    files: Files = msgspec.field(default_factory=Files)
    log: Log = msgspec.field(default_factory=Log)
    metrics: Metrics = msgspec.field(default_factory=Metrics)
    traces: Traces = msgspec.field(default_factory=Traces)
    demo: Demo = msgspec.field(default_factory=Demo)
    push: Push = msgspec.field(default_factory=Push)


DEFAULTS: Final = Config()
RIGHT: Final[dict[str, str]] = {
    "http.host": '本机地址，例如 "127.0.0.1" 或 "0.0.0.0"',
    "http.port": "1 到 65535 的整数，例如 8330",
    "http.certificate": "证书文件的路径（PEM），和 key 一起写；不用 HTTPS 就都写空",
    "http.key": "私钥文件的路径（PEM），和 certificate 一起写；不用 HTTPS 就都写空",
    "store.url": '"sqlite" 或 "postgresql+asyncpg://用户@主机/库名"',
    "link.servers": '一组 "主机:端口"，最近的写在前面，例如 ["127.0.0.1:4222"]',
    "nats.run": "true 或 false",
    "nats.host": '本机地址，例如 "127.0.0.1"',
    "nats.port": "1 到 65535 的整数，例如 4222",
    "nats.leaf_port": "1 到 65535 的整数，例如 7422",
    "nats.leaf_remote": '上级的 "主机:端口"，例如 "10.0.0.1:7422"',
    "root.place": '六位区划代码，例如 "330523"',
    "root.serves": '一组路径，例如 ["330523/330523001/*"]',
    "root.address": '别的机器怎样找到这里，例如 "10.0.0.1:8330"',
    "root.beside": "true 或 false",
    "files.folder": '各个进程共用的文件夹，要写完整的路径，例如 "/srv/yidi-files"；只有一个进程就写空',
    "session.idle_minutes": "5 到 1440 的整数（分钟），例如 30",
    "files.file_mb_max": "1 到 20 的整数（兆），例如 20",
    "metrics.token": "16 到 200 个字符的口令，不给监控系统看就写空",
    "demo.made_up": "true 或 false：这里的人和事是不是编的，是的话每一页都会写明",
    "push.contact": '推送服务有事找谁，例如 "mailto:admin@example.org"；不用推送就写空',
    "push.services": '一组允许的推送服务主机名，例如 ["fcm.googleapis.com"]',
    "traces.endpoint": '接收追踪数据的地址，例如 "http://127.0.0.1:4318/v1/traces"，不用就写空',
    "files.store_mb_max": "20 到 10000000 的整数（兆），例如 20480",
    "files.half_days_max": "1 到 90 的整数（天），例如 7",
    "log.level": '"debug"、"info"、"warning" 或 "error"',
}


class ConfigWrong(Exception):
    """The argument is a whole Chinese sentence: where, what stands there, what would be right."""


def load(path: Path | None, environ: Mapping[str, str] | None = None) -> Config:
    """Reads the file (None or absent: defaults) and the environment. Raises ConfigWrong."""
    environ = os.environ if environ is None else environ
    try:
        text = path.read_text("utf-8-sig") if path and path.exists() else ""  # with the mark that Notepad puts first
    except UnicodeDecodeError:
        raise ConfigWrong(f"{path} 不是 UTF-8 编码的文字：请用记事本打开，另存为时编码选 UTF-8。") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigWrong(f"{path} 不是合格的 TOML：{error}") from error
    variables = _overlay(values, environ)
    try:
        return msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise ConfigWrong(_explain(str(error), path, text, values, variables)) from error


def _overlay(values: dict[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Lays the environment over `values`; returns dotted key → variable name. Raises ConfigWrong for an unknown variable."""
    used: dict[str, str] = {}
    for name in sorted(n for n in environ if n.startswith(ENV_PREFIX)):
        section, _, key = name[len(ENV_PREFIX) :].lower().partition("_")
        dotted = f"{section}.{key}"
        if dotted not in RIGHT:
            if key and section in Config.__struct_fields__:
                known = "、".join(k for k in RIGHT if k.startswith(f"{section}."))
                raise ConfigWrong(f"环境变量 {name}：没有“{dotted}”这一项。可以写的有：{known}。")
            continue  # YIDI_FOLDER and the like belong to the command line
        values.setdefault(section, {})[key] = _parsed(environ[name], isinstance(getattr(getattr(DEFAULTS, section), key), str))
        used[dotted] = name
    return used


def _parsed(text: str, is_text: bool) -> Any:
    """is_text: digits are text too where text is asked for, as a bare word is anywhere."""
    try:
        found = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text
    return text if is_text and not isinstance(found, str) else found


def _explain(error: str, path: Path | None, text: str, values: dict[str, Any], variables: dict[str, str]) -> str:
    found = re.search(r"`\$\.?([\w.]*)", error)
    dotted = found.group(1) if found else ""
    if unknown := re.search(r"unknown field `(\w+)`", error):
        name = f"{dotted}.{unknown.group(1)}".lstrip(".")
        known = "、".join(k for k in RIGHT if k.startswith(dotted)) or "、".join(sorted({k.split(".")[0] for k in RIGHT}))
        return f"{path} {_line(text, name)}：没有“{name}”这一项。可以写的有：{known}。"
    have: Any = values
    for part in dotted.split("."):
        have = have.get(part) if isinstance(have, dict) else None
    where = f"环境变量 {variables[dotted]}" if dotted in variables else f"{path} {_line(text, dotted)} {dotted}"
    return f"{where}：现在是 {have!r}，应该是{RIGHT.get(dotted, error)}。"


def _line(text: str, dotted: str) -> str:
    """`第 7 行`: where the key stands in the file, "" if it cannot be found."""
    section, _, key = dotted.rpartition(".")
    here = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[([\w.]+)\]", line):
            here = header.group(1)
        if here == section and re.match(rf"\s*{re.escape(key)}\s*=", line) or here == dotted and not section:
            return f"第 {number} 行"
        if re.match(rf"\s*{re.escape(dotted)}\s*=", line):
            return f"第 {number} 行"
    return ""
