"""The house rules that no linter knows, each with a planted violation that it must find.

hub ──► protocol ◄── edge      hub and edge never meet; protocol knows neither
        ├ *.py   pure           no clock, no chance, no input or output
        └ node/  shared shell   both sides reach every module, and it names no role
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lock import licences
from tests.kit.source import files, functions, imports, lines_without_comments, modules, reached, tree_of, words

FUNCTION_LINES_MAX, FILE_LINES_MAX = 60, 500
SOURCES = {".py", ".js", ".jsx", ".css", ".html", ".typ", ".sh", ""}
PROSE = {"LICENSE", "NOTICE"}


def nothing(faults: Iterator[str]) -> None:
    """Fail with every fault on a line of its own."""
    if found := list(faults):
        pytest.fail(f"{len(found)}:\n" + "\n".join(found), pytrace=False)


# ── who may import whom ──────────────────────────────────────────────────────────────────────────────────────────────

MAY_IMPORT = {"protocol": {"protocol"}, "hub": {"hub", "protocol", "deploy"}, "edge": {"edge", "protocol", "deploy"}}
MAY_OF_DEPLOY = "deploy.nats"  # what makes the county's servers and permits; hub and edge configure them, nothing else there


def strays(texts: dict[str, str]) -> Iterator[str]:
    for name, tree in modules(texts).items():
        allowed = MAY_IMPORT.get(name.split(".")[0])
        for target, line in imports(tree):
            top = target.split(".")[0]
            if allowed and top in {"protocol", "hub", "edge", "deploy", "tests"} and top not in allowed:
                yield f"{name}:{line} imports {target}"
            elif allowed and top == "deploy" and target != "deploy" and not target.startswith(MAY_OF_DEPLOY):
                yield f"{name}:{line} imports {target}; of deploy only {MAY_OF_DEPLOY} is for the programs"


def test_hub_and_edge_never_import_each_other_and_protocol_imports_neither():
    nothing(strays(files()))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("hub/web/pages.py", "from edge.main import main"),
        ("edge/main.py", "def start():\n    import hub"),
        ("protocol/node/desk.py", "import hub.main"),
        ("protocol/lane.py", "from deploy.nats import identity"),
        ("edge/web/pages.py", "from deploy.demo import story"),
        ("hub/main.py", "from tests.kit import machine"),
    ],
)
def test_a_planted_import_is_found(path, text):
    assert list(strays({path: text}))


# ── the pure core ────────────────────────────────────────────────────────────────────────────────────────────────────

# An allow list: what is not here may read a clock, a die, a disk or a wire. Add a module with the reason why it can't.
PURE = {
    "__future__", "abc", "base64", "binascii", "bisect", "calendar", "collections", "copy", "csv", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "hashlib", "heapq", "hmac", "itertools", "json", "math", "operator", "re", "string", "struct", "types",
    "typing", "unicodedata", "zlib", "msgspec", "nacl", "zstandard", "protocol", "cryptography",
    "importlib.resources",  # the package's own tables: the same bytes on every machine
}  # fmt: skip
IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "breakpoint"}


def impurities(texts: dict[str, str]) -> Iterator[str]:
    for path, text in texts.items():
        if not re.fullmatch(r"protocol/(data/)?[^/]+\.py", path):
            continue
        tree = tree_of(text, path)
        for target, line in imports(tree):
            if target.split(".")[0] not in PURE and not any(target.startswith(p) or p.startswith(target) for p in PURE if "." in p):
                yield f"{path}:{line} imports {target}"
            if target.startswith("protocol.node"):
                yield f"{path}:{line} imports {target}: the shell stands on the core, not the other way"
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
                yield f"{path}:{node.lineno} calls {node.func.id}()"


def test_the_core_does_no_input_and_output():
    nothing(impurities(files()))


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "import time",
        "from pathlib import Path",
        "import asyncio",
        "import random",
        "import uuid",
        "import importlib.util",
        "from sqlalchemy import text",
        "from protocol.node import journal",
        "x = open('y')",
    ],
)
def test_planted_input_or_output_is_found(text):
    assert list(impurities({"protocol/lane.py": text}))
    assert not list(impurities({"protocol/node/blobs.py": text}))


# ── the shared shell ─────────────────────────────────────────────────────────────────────────────────────────────────


def one_sided(texts: dict[str, str]) -> Iterator[str]:
    trees, demo = modules(texts), "deploy.demo"  # the demo reaches everything
    sides = {
        "hub": reached({"hub", "deploy.cli"}, trees, never={"edge", demo}),
        "edge": reached({"edge", "deploy.cli"}, trees, never={"hub", demo}),
    }
    for name in sorted(trees):
        if name.startswith("protocol.node"):
            missing = [side for side, seen in sides.items() if name not in seen]
            if missing:
                yield f"{name} is not reached from {' nor '.join(missing)}"


def test_both_sides_reach_every_module_of_the_shared_shell():
    nothing(one_sided(files()))


def test_a_module_that_one_side_alone_reaches_is_found():
    shared = {"protocol/__init__.py": "", "protocol/node/__init__.py": "", "protocol/node/a/__init__.py": "CHILD = 'child.py'",
              "protocol/node/a/child.py": "import protocol.node.b", "protocol/node/b.py": "", "protocol/node/c.py": ""}  # fmt: skip
    wiring = {"deploy/__init__.py": "", "deploy/cli.py": "def main():\n    import hub.main, edge.main"}
    texts = {
        **shared,
        **wiring,
        "hub/main.py": "from protocol.node import a, c",
        "edge/main.py": "def main():\n    from protocol.node import a",
    }
    assert list(one_sided(texts)) == ["protocol.node.c is not reached from edge"]


ROLES = {"hub", "hubs", "edge", "edges", "county", "counties", "township", "townships", "village", "villages"}
ROLE_SIGNS = re.compile("[县镇乡村]")
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def roles_in(text: str) -> list[str]:
    """Role words among the whole parts of names (`is_hub`, `HubDesk`, `the-hub`; not `ledge`), and the four signs."""
    return [part for part in PART.findall(text) if part.lower() in ROLES] + ROLE_SIGNS.findall(text)


def roles(texts: dict[str, str]) -> Iterator[str]:
    for path, text in texts.items():
        if not path.startswith("protocol/node/"):
            continue
        yield from (f"{path}: its name says {word}" for word in roles_in(path.removeprefix("protocol/node/")))
        found = words(tree_of(text, path)) if path.endswith(".py") else lines_without_comments(path, text)
        for line_text, line in found:
            yield from (f"{path}:{line} says {word}: {line_text.strip()[:60]}" for word in roles_in(line_text))


def test_the_shared_shell_names_no_role():
    nothing(roles(files()))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("desk.py", "def is_hub(): ..."),
        ("desk.py", "class VillageDesk: ..."),
        ("desk.py", "admit(county_key=1)"),
        ("desk.py", "label = '已到县'"),
        ("desk.py", "sql = f'select {1} from townships'"),
        ("web/case.html", "<p>上报乡镇</p>"),
        ("web/desk.js", "const edgeDesk = 1; // fine"),
        ("print/agreement.typ", "#let village = 1"),
        ("web/hub.css", "a {}"),
    ],
)
def test_a_planted_role_is_found(path, text):
    assert list(roles({f"protocol/node/{path}": text}))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("desk.py", '"""A hub or an edge: prose may say so."""\nknowledge = acknowledged = "hedges"  # county'),
        ("web/case.html", "<p>上报</p>{# 县 #}<!-- village -->"),
        ("web/desk.js", "/* edge */ const knowledge = 'http://a'; // county"),
    ],
)
def test_what_only_looks_like_a_role_is_not(path, text):
    assert list(roles({f"protocol/node/{path}": text})) == []


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def too_long(texts: dict[str, str]) -> Iterator[str]:
    for path, text in texts.items():
        if Path(path).suffix in SOURCES and path not in PROSE and (count := text.count("\n")) > FILE_LINES_MAX:
            yield f"{path} has {count} lines"
        if path.endswith(".py"):
            for name, line, count in functions(tree_of(text, path)):
                if count > FUNCTION_LINES_MAX:
                    yield f"{path}:{line} {name} has {count} lines"


def test_no_function_and_no_file_is_too_long():
    nothing(too_long(files()))


def test_one_line_more_is_found():
    body = "def f():\n" + "    x = 1\n" * (FUNCTION_LINES_MAX - 1)
    assert list(too_long({"a.py": body})) == []
    assert list(too_long({"a.py": body + "    x = 1\n"})) == ["a.py:1 f has 61 lines"]
    assert list(too_long({"a.js": "\n" * FILE_LINES_MAX})) == []
    assert list(too_long({"a.js": "\n" * (FILE_LINES_MAX + 1)})) == ["a.js has 501 lines"]


# ── nothing of one machine ───────────────────────────────────────────────────────────────────────────────────────────

INDEX = re.compile(
    r"""https?://[^\s"'<>)]*?/(?:simple|pypi|npm)\b                                        # the paths of an index
      | https?://(?:registry|pypi|npm|mirrors?|packages)[-\w]*\.[\w.-]+                    # its host, by its first word
      | \b(?:pypi\.org|pythonhosted\.org|npmjs\.(?:com|org)|npmmirror\.com|yarnpkg\.com)\b  # the hosts that everybody knows
      | (?:index[-_]url|find[-_]links|registry|PIP_INDEX\w*|UV_INDEX\w*)\s*[=:]\s*["']?(?:https?:|file:|/)
      | ^deb\s.*https?://""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
MACHINE = re.compile(
    r"""(?:(?<![\w./:~})-])|(?<=file://))/(?:home|Users|root|work|workspace|mnt|private|var/folders|tmp)/[\w.-]+
      | \b[A-Za-z]:\\+(?:Users|Documents|Temp)\b""",
    re.VERBOSE,
)


def addresses(texts: dict[str, str]) -> Iterator[str]:
    for path, text in texts.items():
        for what, shape in (("a package index", INDEX), ("a path of one machine", MACHINE)):
            for match in shape.finditer(text):
                yield f"{path}:{text.count(chr(10), 0, match.start()) + 1} {what}: {match[0][:60]}"


def test_no_file_names_a_package_index_or_a_path_of_one_machine():
    nothing(addresses(files()))


@pytest.mark.parametrize(
    "text",
    [
        "https:/" + "/registry.example.org/htmx.org",
        "--index" + "-url=https:/" + "/a.example/b",
        "https:/" + "/a.example/root/simple/",
        "see py" + "pi.org",
        'path = "/' + 'home/li/yidi"',
        "cd /" + "work/yidi",
        "file:/" + "//tmp" + "/x",
        "C:" + "\\Users\\li",
    ],
)
def test_a_planted_address_is_found(text):
    assert list(addresses({"a.md": text}))


@pytest.mark.parametrize(
    "text", ["#!/usr/bin/env python", "/usr/lib/postgresql", "/dev/null", "http://127.0.0.1:8000/home/x", "/etc/os-release", "a/tmp/b"]
)
def test_what_every_machine_has_is_not(text):
    assert list(addresses({"a.md": text})) == []


def hosts(texts: dict[str, str]) -> Iterator[str]:
    for path, text in texts.items():
        if path.startswith("deploy/lock/") and path.endswith(".lock"):
            yield from (f"{path}: {line}" for line in text.splitlines() if "://" in line or " @ " in line or line.startswith("-"))
            yield from (f"{path}: {line} has no hash" for line in re.findall(r"^\S+==\S+(?: ;[^\\\n]*)?$", text, re.MULTILINE))
        if path.endswith("package-lock.json"):
            yield from (f"{path}: {line.strip()}" for line in text.splitlines() if '"resolved"' in line)


def test_locks_name_no_host_and_hash_everything():
    assert {Path(p).name for p in files() if p.startswith("deploy/lock/")} >= {"run.lock", "test.lock", "node.lock"}
    nothing(hosts(files()))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("deploy/lock/run.lock", "a @ https:/" + "/h/a.whl"),
        ("deploy/lock/run.lock", "--index-url x"),
        ("deploy/lock/run.lock", "a==1.0\nb==2 \\\n    --hash=sha256:00"),
        ("deploy/web/package-lock.json", '{"resolved": "x"}'),
    ],
)
def test_a_planted_host_is_found(path, text):
    assert list(hosts({path: text}))


# ── the rest of the house ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_forbidden_or_unknown_licence_is_found():
    assert licences.may("MIT AND (Apache-2.0 OR GPL-3.0-only)")
    assert not any(map(licences.may, ("GPL-3.0-only", "MIT AND AGPL-3.0-only", "SSPL-1.0", "", "see file")))


def test_the_version_is_the_changelogs_first_heading():
    first = re.search(r"^## \[?(\d+\.\d+\.\d+)", files()["CHANGELOG.md"], re.MULTILINE)
    assert first, "CHANGELOG.md has no heading ## X.Y.Z"
    assert first[1] == tomllib.loads(files()["pyproject.toml"])["project"]["version"]


def test_every_folder_of_tests_is_a_package():
    """Else tests/protocol shadows the package protocol."""
    folders = {parent for path in files() if path.startswith("tests/") and path.endswith(".py") for parent in Path(path).parents}
    assert [str(f) for f in sorted(folders) if f != Path() and f"{f}/__init__.py" not in files()] == []
