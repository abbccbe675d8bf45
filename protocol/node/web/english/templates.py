"""A template read in Chinese, made into its English twin: `environment(shared, catalogue)` compiles every template that way.

The tree is rewritten, not the page: what a template says itself is replaced once, when it is compiled; what it is given is looked up
only where the expression is named as ours (`own` of the catalogue, by template or for all: "*"). So the words of people reach the page untouched.

A run of words goes from one of `<` `>` `"` to the next, within one block; its expressions are `{1}` `{2}` … of the message.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any, Final

from jinja2 import BytecodeCache, Environment, nodes
from jinja2.visitor import NodeTransformer

from protocol.node.web.english import HOLE, IDEOGRAPH, SIGN, Catalogue, message_of, peeled, pointed, tidy
from protocol.words import OURS

BOUNDS: Final = re.compile('([<>"])')
# Filters whose answer is always ours, never of people or places.
OWN_FILTERS: Final = (
    *("moment", "day", "due", "money", "level", "type", "type_short", "status", "task_status", "result", "risk", "intake"),
    *("side", "ending", "kind", "reach", "offset", "rate", "room", "waited"),
)
NAMING_FILTERS: Final = ("place", "place_full", "office", "office_short")  # names stay; a ledger of no place has words of ours for one
LINES: Final = {"": ("line", "row.line"), "reviews.html": ("row",)}  # of a timeline: its `text` mixes what people wrote with words of ours
NOBODY: Final = "系统"
OWN_CALLS: Final = frozenset(
    {"tables().word()", "tables().words()", "tables().post_name()", "words()", "files_room()", "files_short()", "help_of()"}
)


class English(Environment):
    """The environment of the Chinese pages once more, with the words of its templates replaced."""

    catalogue: Catalogue

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        return rewritten(tree, name or "", self.catalogue)


class _Beside(BytecodeCache):
    """What was compiled in English lies where the Chinese does, under a name of its own: that of these very words."""

    def __init__(self, shared: BytecodeCache, stamp: str) -> None:
        self._stamp, self.load_bytecode, self.dump_bytecode = stamp, shared.load_bytecode, shared.dump_bytecode

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        return super().get_cache_key(f"{name} {self._stamp}", filename)


def environment(shared: Environment, catalogue: Catalogue, more: dict[str, Any]) -> English:
    """more: globals that differ, such as `asset`."""
    made = English(loader=shared.loader, autoescape=True, trim_blocks=shared.trim_blocks, lstrip_blocks=shared.lstrip_blocks)
    made.catalogue = catalogue
    if shared.bytecode_cache:
        made.bytecode_cache = _Beside(shared.bytecode_cache, catalogue.stamp)
    made.globals.update({**shared.globals, **more})
    filters: dict[str, Any] = dict(shared.filters)
    filters |= {name: _in_english(filters[name], catalogue.of(name)) for name in OWN_FILTERS if name in filters}
    filters |= {name: _of_table(filters[name], catalogue) for name in NAMING_FILTERS if name in filters}
    filters["english"] = lambda words, place="": catalogue.of(place).deep(words)
    filters["english_text"] = lambda line: _text(line, catalogue)
    if change := filters.get("party_change"):
        filters["party_change"] = lambda *given: [(catalogue.say(label), old, new) for label, old, new in change(*given)]
    made.filters.update(filters)
    return made


def _text(line: Any, catalogue: Catalogue) -> dict[str, str]:
    """What a line shows, label (still Chinese: templates ask for some by name) → text, in English where the text is ours."""
    return {label: catalogue.say(text) if (line.kind, label) in OURS else text for label, text in line.text.items()}


def _in_english(filter_: Callable[..., Any], catalogue: Catalogue) -> Callable[..., Any]:
    return lambda *given: catalogue.deep(filter_(*given))


def _of_table(filter_: Callable[[str], str], catalogue: Catalogue) -> Callable[[str], str]:
    return lambda path: catalogue.messages.get(filter_(path), filter_(path))


def rewritten(tree: nodes.Template, name: str, catalogue: Catalogue) -> nodes.Template:
    catalogue = catalogue.of(PurePath(name).name)
    known = catalogue.own.get("*", frozenset()) | catalogue.own.get(PurePath(name).name, frozenset()) | OWN_CALLS
    tree = _Expressions(catalogue, known, PurePath(name).name).visit(tree)
    for output in tree.find_all(nodes.Output):
        output.nodes = list(_merged(_output(output.nodes, catalogue)))
    return tree


# ruff: noqa: N802 — jinja calls a visitor's methods after its nodes
class _Expressions(NodeTransformer):
    """Literals replaced, expressions that are ours looked up when they are shown. What is compared with keeps its Chinese."""

    def __init__(self, catalogue: Catalogue, own: frozenset[str], template: str) -> None:
        self._catalogue, self._own, self._lines, self._template = catalogue, own, (*LINES[""], *LINES.get(template, ())), template

    def _looked_up(self, node: nodes.Expr) -> nodes.Expr:
        return nodes.Filter(node, "english", [nodes.Const(self._template)], [], None, None, lineno=node.lineno)

    def visit_Const(self, node: nodes.Const) -> nodes.Expr:
        text = node.value
        return nodes.Const(self._catalogue.say(text), lineno=node.lineno) if isinstance(text, str) and SIGN.search(text) else node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Expr:
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Expr:
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:
        node.value = self.visit(node.value)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:
        if said(node) in self._own:
            return self._looked_up(node)
        if said(node.node) == "names":  # of people, but of nobody: the node itself
            is_nobody = nodes.Compare(node.arg, [nodes.Operand("eq", nodes.Const(""))], lineno=node.lineno)
            has_name = nodes.And(is_nobody, node, lineno=node.lineno)
            return nodes.CondExpr(has_name, nodes.Const(self._catalogue.say(NOBODY)), node, lineno=node.lineno)
        node.node = self.visit(node.node)
        return node

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Expr:
        if said(node) in self._own:
            return self._looked_up(node)
        if node.attr == "text" and said(node.node) in self._lines:
            return nodes.Filter(node.node, "english_text", [], [], None, None, lineno=node.lineno)
        node.node = self.visit(node.node)
        return node

    def visit_Name(self, node: nodes.Name) -> nodes.Expr:
        return self._looked_up(node) if node.ctx == "load" and node.name in self._own else node

    def visit_Call(self, node: nodes.Call) -> nodes.Expr:
        called = said(node)
        node.args = [self.visit(one) for one in node.args]
        node.kwargs = [self.visit(one) for one in node.kwargs]
        if isinstance(node.node, nodes.Getattr) and said(node.node) not in self._own:
            node.node = self.visit(node.node)
        return self._looked_up(node) if called in self._own else node


def said(node: nodes.Node | None) -> str:
    """An expression as the catalogue names it: `step.label`, `tables().word()`, `wrong[name]`; "?" in it for what has no name."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{said(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem):
        return f"{said(node.node)}[{said(node.arg)}]"
    if isinstance(node, nodes.Call):
        return f"{said(node.node)}()"
    return repr(node.value) if isinstance(node, nodes.Const) else "?"


# ── runs of words ──

Piece = str | nodes.Expr


def runs(output: list[nodes.Expr]) -> Iterator[list[Piece]]:
    """What stands between two edges, words and expressions in order; each edge by itself."""
    run: list[Piece] = []
    for node in output:
        if not isinstance(node, nodes.TemplateData):
            run.append(node)
            continue
        for i, piece in enumerate(BOUNDS.split(node.data)):
            if i % 2:
                yield run
                yield [piece]
                run = []
            elif piece:
                run.append(piece)
    yield run


def text_of(run: list[Piece]) -> str:
    """The run as a message, with its ends: '共 {1} 件。'"""
    count, parts = 0, []
    for piece in run:
        count += not isinstance(piece, str)
        parts.append(piece if isinstance(piece, str) else f"{{{count}}}")
    return "".join(parts)


def messages(tree: nodes.Template) -> Iterator[str]:
    """Every message of a template that needs an English: its runs, and the literals in its expressions."""
    for output in tree.find_all(nodes.Output):
        yield from (message_of(text) for run in runs(output.nodes) if IDEOGRAPH.search(text := text_of(run)))
    met: list[str] = []
    _Literals(met).visit(tree)
    yield from met


class _Literals(_Expressions):
    """The same walk, which only notes what it meets."""

    def __init__(self, met: list[str]) -> None:
        super().__init__(Catalogue([]), frozenset(), "")
        self._met = met

    def visit_Const(self, node: nodes.Const) -> nodes.Expr:
        if isinstance(node.value, str) and IDEOGRAPH.search(node.value):
            self._met.append(message_of(node.value))
        return node


def _output(output: list[nodes.Expr], catalogue: Catalogue) -> Iterator[nodes.Expr]:
    for run in runs(output):
        text = text_of(run)
        if not SIGN.search(text):
            yield from (_data(piece) if isinstance(piece, str) else piece for piece in run)
        elif (english := catalogue.messages.get(message_of(text))) is None:
            unknown = IDEOGRAPH.search(text)
            yield from (piece if not isinstance(piece, str) else _data(piece if unknown else tidy(pointed(piece))) for piece in run)
        else:
            before, _, after = peeled(text)
            expressions = [piece for piece in run if not isinstance(piece, str)]
            yield from _put(tidy(pointed(before) + english + pointed(after)), expressions)


def _put(english: str, expressions: list[nodes.Expr]) -> Iterator[nodes.Expr]:
    at, last = 0, None
    for hole in re.finditer(rf"{HOLE.pattern}|\[s\]", english):
        yield _data(english[at : hole.start()])
        at = hole.end()
        if hole[0] == "[s]":
            yield _s(last) if last is not None else _data("s")
        elif not hole[1]:
            last = expressions[int(hole[2]) - 1]
            yield last
    yield _data(english[at:])


def _s(number: nodes.Expr) -> nodes.Expr:
    text = nodes.Filter(number, "string", [], [], None, None, lineno=number.lineno)
    is_one = nodes.Compare(text, [nodes.Operand("eq", nodes.Const("1"))], lineno=number.lineno)
    return nodes.CondExpr(is_one, nodes.Const(""), nodes.Const("s"), lineno=number.lineno)


def _data(text: str) -> nodes.TemplateData:
    return nodes.TemplateData(text)


def _merged(pieces: Iterator[nodes.Expr]) -> Iterator[nodes.Expr]:
    kept: list[str] = []
    for piece in pieces:
        if isinstance(piece, nodes.TemplateData):
            kept.append(piece.data)
            continue
        if kept:
            yield _data("".join(kept))
            kept = []
        yield piece
    if kept:
        yield _data("".join(kept))
