"""Every message of ours that a page can show, found in the sources: `missing()` names those that have no English yet.

.venv/bin/python -m tests.kit.english      prints them as lines for a catalogue
"""

import ast
import json
import re
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import msgspec
from jinja2 import Environment

from deploy.web import bundle
from deploy.web import english as scripts
from protocol import words
from protocol.node.web.app import HERE
from protocol.node.web.english import IDEOGRAPH, Catalogue, message_of
from protocol.node.web.english.templates import messages
from protocol.tables import Tables
from tests.kit.source import ROOT

FILES: Final = (
    ROOT / "protocol/english.toml",
    *sorted((HERE / "english").glob("*.toml")),
    *(file for side in ("hub", "edge") if (file := ROOT / side / "web/english.toml").exists()),
)
SIDES: Final = ("protocol", "hub", "edge")
NOT_SHOWN: Final = {  # modules whose Chinese reaches no page in words of ours, and why
    "protocol/money.py": "writes sums in words for papers",
    "protocol/codes.py": "numbers of papers",
    "protocol/suggest.py": "what a person's words are looked through for",
    "protocol/visit_drafts.py": "",
    "protocol/node/config.py": "read by whoever starts the program, at the command line",
    "protocol/node/journal/backup.py": "command line",
    "protocol/node/journal/durable.py": "command line, in both languages",
    "protocol/node/journal/migrate.py": "command line",
    "protocol/node/web/print.py": "papers have their legal form",
    "protocol/node/web/filed.py": "papers have their legal form",
    "protocol/node/web/english/__init__.py": "the translation itself",
    "protocol/access.py": "names are told by how they are written",
    "protocol/node/web/exports.py": "files taken along stay Chinese",
    "protocol/node/web/made_up.py": "files taken along stay Chinese",
}
TABLES: Final = ("types", "intake", "outcomes", "lists", "posts", "levels", "clocks")  # the tables whose names pages show
SPEC: Final = re.compile(r" [fb]\.\w+ |-->")  # lines of protocol/words.py (their labels are messages), and diagrams for README
NAMES: Final = ("name", "mark", "sealed", "common", "unknown")


def template_messages() -> Iterator[tuple[str, str]]:
    environment = Environment(trim_blocks=True, lstrip_blocks=True)
    for side in SIDES:
        for file in sorted((ROOT / side).rglob("*.html")):
            where = str(file.relative_to(ROOT))
            yield from ((message, where) for message in messages(environment.parse(file.read_text("utf-8"))))


def code_messages() -> Iterator[tuple[str, str]]:
    for side in SIDES:
        for file in sorted((ROOT / side).rglob("*.py")):
            where = str(file.relative_to(ROOT))
            if where not in NOT_SHOWN and "/dist/" not in where:
                yield from ((message, where) for message in _literals(ast.parse(file.read_text("utf-8"))))


def _literals(tree: ast.AST) -> Iterator[str]:
    """Strings with Chinese in them, no docstrings; an f-string is one message with its values as {1} {2} …"""
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    skipped |= {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values if isinstance(part, ast.Constant)
    }
    for node in ast.walk(tree):
        text = ""
        if isinstance(node, ast.JoinedStr):
            count, text = 0, ""
            for part in node.values:
                count += not isinstance(part, ast.Constant)
                text += str(part.value) if isinstance(part, ast.Constant) else f"{{{count}}}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            text = node.value
        if IDEOGRAPH.search(text) and not SPEC.search(text):
            yield message_of(text)


def table_messages() -> Iterator[tuple[str, str]]:
    for name in TABLES:
        where = f"protocol/data/{name}.json"
        table = json.loads((ROOT / where).read_text("utf-8"))
        for row in [table, *table["rows"]]:
            yield from ((message_of(row[key]), where) for key in NAMES if IDEOGRAPH.search(str(row.get(key, ""))))
            if row.get("right"):  # pages say what is left when it is over
                yield message_of(row["end"]), where
            yield from ((message_of(flag), where) for flag in row.get("flags", {}).values() if IDEOGRAPH.search(str(flag)))


def script_messages() -> Iterator[tuple[str, str]]:
    """Needs the packages of the bundle (./run bundle), as JSX is read by esbuild."""
    with tempfile.TemporaryDirectory() as folder:
        for side in ("hub", "edge"):
            for path, source in bundle.plain(side, bundle.lay_packages(), Path(folder) / side).items():
                yield from ((message, str(path)) for message in scripts.messages(source))


def label_messages() -> Iterator[tuple[str, str]]:
    yield from ((message_of(label), "protocol/words.py") for line in words._SHOWN.values() for label, *_ in line)


def every() -> dict[str, set[str]]:
    """message → the files that say it."""
    found: dict[str, set[str]] = {}
    for message, where in (*template_messages(), *code_messages(), *label_messages(), *script_messages(), *table_messages()):
        found.setdefault(message, set()).add(where)
    return found


def missing() -> dict[str, set[str]]:
    known = Catalogue(FILES).messages
    return {message: where for message, where in every().items() if message not in known}


# ── a page in English: whatever Chinese stands on it must be somebody's ──

RUN: Final = re.compile("[\u3400-\u9fff]+")
ATTRIBUTES: Final = ("title", "aria-label", "placeholder", "alt", "data-label")
UNREAD: Final = ("script", "style", "textarea")  # a text field holds what somebody types, or words of a paper


class _Shown(HTMLParser):
    """What a page shows or reads out: texts between tags and in the attributes that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.texts, self._unread = list[str](), ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unread = self._unread or (tag if tag in UNREAD else "")
        self.texts += [value for name, value in attrs if name in ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        self._unread = "" if tag == self._unread else self._unread

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.texts.append(data)


async def words_of_people(journal: Any) -> str:
    """Every text in the facts and bodies of the entries that this node has, one a line."""
    found: list[str] = []
    for ledger in await journal.ledgers():
        for origin, (last, _) in (await journal.lanes(ledger)).items():
            for stored in await journal.lane(ledger, origin, 0, last):
                found += _texts(msgspec.msgpack.decode(stored.head.facts))
                if stored.body:
                    found += _texts(msgspec.msgpack.decode(stored.body))
    return "\n".join(found)


def words_of_tables(tables: Tables) -> str:
    """Names of places, offices and units, and what each period rests on: proper names, which stay Chinese."""
    places = [f"{tables.place_full(path)}\n{tables.office_name(path)}" for path in tables.places]
    units = [f"{tables.place_name(path)}\n{tables.office_name(path)}" for path in tables.units]
    return "\n".join([*places, *units, *(rule.basis for rule in tables.clocks.values())])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from (*_texts(key), *_texts(one))


def ours_left(html: str, known: str) -> list[str]:
    """What a page in English still says in Chinese that no person and no table of names has said. Its language names stay: 中文."""
    page = _Shown()
    page.feed(html)
    return sorted({text.strip()[:80] for text in page.texts for run in RUN.findall(text) if run not in known and run != "中文"})


if __name__ == "__main__":
    for message, where in sorted(missing().items(), key=lambda one: (sorted(one[1]), one[0])):
        print(f'{json.dumps(message, ensure_ascii=False)} = ""  # {min(where)}')
