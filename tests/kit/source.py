"""This repository as text: which files belong to it, which modules import which, which words stand in them. For tests of the house.

Everything takes plain texts, so that a test can plant a violation beside the real tree.
"""

import ast
import gc
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("protocol", "hub", "edge", "deploy")
COMMENTS = {
    ".html": r"<!--.*?-->|\{#.*?#\}",
    ".css": r"/\*.*?\*/",
    **dict.fromkeys((".js", ".jsx", ".typ"), r"/\*.*?\*/|(?:(?<=\s)|^)//[^\n]*"),
}


@cache
def files() -> dict[str, str]:
    """path from the root → text, for every file that git tracks or would track; pictures and fonts are left out."""
    # safe.directory: CI may run as another user than the one who cloned
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    found = {}
    for name in sorted({n for n in listed if n}):
        try:
            found[name] = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
    return found


@contextmanager
def _no_collection() -> Iterator[None]:
    """CPython 3.11 counts wrong when a garbage collection inside its parser switches greenlets ("recursion depth mismatch")."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@cache
def tree_of(text: str, path: str = "<text>") -> ast.Module:
    """A module's tree; kept, since every rule reads it."""
    with _no_collection():
        return ast.parse(text, path)


def modules(texts: dict[str, str]) -> dict[str, ast.Module]:
    """module name → its tree, for the product's packages."""
    named = {}
    for path, text in texts.items():
        parts = Path(path).with_suffix("").parts
        if path.endswith(".py") and parts[0] in PACKAGES:
            named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = tree_of(text, path)
    return named


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of everything a module imports, lazily too; `from a import b` gives a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def reached(starts: set[str], trees: dict[str, ast.Module], never: set[str]) -> set[str]:
    """Every module that the packages or modules `starts` lead to, without entering those of `never`: by import, by dotted name
    in a string (`-m a.b`), or by the name of a file beside it (`"child.py"`); a migration comes with the package that holds it."""

    def of(name: str, those: set[str]) -> bool:
        return any(name == one or name.startswith(f"{one}.") for one in those)

    todo, seen = [name for name in trees if of(name, starts)], set()
    packages = {name.rpartition(".")[0] for name in trees}
    while todo:
        name = todo.pop()
        if name in seen or of(name, never):
            continue
        seen.add(name)
        parents = [name.rsplit(".", n)[0] for n in range(1, name.count(".") + 1)]
        beside = name if name in packages else name.rpartition(".")[0]
        named = [n.value for n in ast.walk(trees[name]) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        led = [*parents, *(n for n, _ in imports(trees[name])), *named, *(f"{beside}.{n[:-3]}" for n in named if n.endswith(".py"))]
        led += [other for other in trees if of(other, {f"{name}.migrations"})]
        todo += [other for other in led if other in trees]
    return seen


def words(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(identifier or string, line) of a Python module; docstrings and comments are prose and not among them."""
    prose = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        for field in ("id", "attr", "arg", "name", "asname"):
            if isinstance(word := getattr(node, field, None), str):
                yield word, line
        if isinstance(node, ast.Constant) and id(node) not in prose and isinstance(node.value, str | bytes):
            yield node.value if isinstance(node.value, str) else node.value.decode("latin-1"), line
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield from ((name, line) for name in node.names)


def lines_without_comments(path: str, text: str) -> Iterator[tuple[str, int]]:
    """(line, number) of a template, style, script or paper, its comments blanked."""
    if pattern := COMMENTS.get(Path(path).suffix):
        text = re.sub(pattern, lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL | (re.MULTILINE if "//" in pattern else 0))
    yield from ((line, number) for number, line in enumerate(text.splitlines(), 1))


def functions(tree: ast.AST) -> Iterator[tuple[str, int, int]]:
    """(name, line, number of lines) of every function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1
