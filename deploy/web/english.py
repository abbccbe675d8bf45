"""The English twins of the bundles: the same sources with their words replaced, so that a page loads one language and no dictionary.

`in_english(source, catalogue)` takes a source that esbuild has made plain (JSX gone, Chinese unescaped) and gives it with the words said in
English; `messages(source)` names what such a source says. A string is a message as it stands; a template is one with its values
as `{1}` `{2}` …, as in the Python of the pages.
"""

import json
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from protocol.node.web.english import HOLE, IDEOGRAPH, SIGN, Catalogue, message_of, peeled, pointed, tidy

ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
REGEX_AFTER: Final = "(,=:[!&|?{};+-*%<>~^\n"  # a slash behind one of these begins a pattern, not a division
REGEX_WORDS: Final = re.compile(r"\b(return|typeof|case|in|of|void|delete)\s*$")
SKIPPED: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
PATTERN: Final = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
QUOTED: Final = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'', re.DOTALL)


class Literal(NamedTuple):
    """Where it stands, and its parts: texts at even places, sources of values at odd ones."""

    start: int
    end: int
    parts: tuple[str, ...]
    is_template: bool


def literals(source: str, at: int = 0, closing: str = "") -> Iterator[Literal]:
    """The strings and templates of a source, outermost only, in order; `closing`: ends at this brace of its own level."""
    depth = 0
    while at < len(source):
        char = source[at]
        if closing and char == "}" and depth == 0:
            return
        depth += (char == "{") - (char == "}")
        if found := SKIPPED.match(source, at):
            at = found.end()
        elif char in "\"'" and (found := QUOTED.match(source, at)):
            yield Literal(at, found.end(), (_plain(found[0][1:-1]),), False)
            at = found.end()
        elif char == "`":
            literal = _template(source, at)
            yield literal
            at = literal.end
        elif char == "/" and _may_be_pattern(source, at) and (found := PATTERN.match(source, at)):
            at = found.end()
        else:
            at += 1


def _template(source: str, start: int) -> Literal:
    parts, text, at = [], "", start + 1
    while source[at] != "`":
        if source[at] == "\\":
            text, at = text + source[at : at + 2], at + 2
        elif source.startswith("${", at):
            end = _end_of_value(source, at + 2)
            parts += [_plain(text), source[at + 2 : end]]
            text, at = "", end + 1
        else:
            text, at = text + source[at], at + 1
    return Literal(start, at + 1, (*parts, _plain(text)), True)


def _end_of_value(source: str, at: int) -> int:
    """Where the brace stands that closes a `${`."""
    depth, inner = 0, {literal.start: literal.end for literal in literals(source, at, "}")}
    while True:
        if at in inner:
            at = inner[at]
            continue
        if source[at] == "}" and depth == 0:
            return at
        depth += (source[at] == "{") - (source[at] == "}")
        at += 1


def _may_be_pattern(source: str, at: int) -> bool:
    before = source[:at].rstrip(" ")
    return not before or before[-1] in REGEX_AFTER or bool(REGEX_WORDS.search(before[-12:]))


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), text, flags=re.DOTALL) if "\\u" not in text and "\\x" not in text else text


def _text(literal: Literal) -> str:
    return "".join(f"{{{i // 2 + 1}}}" if i % 2 else part for i, part in enumerate(literal.parts))


def messages(source: str) -> Iterator[str]:
    for literal in literals(source):
        if IDEOGRAPH.search(text := _text(literal)):
            yield message_of(text)
        for value in literal.parts[1::2]:
            yield from messages(value)


def in_english(source: str, catalogue: Catalogue) -> str:
    """The source with every message that the catalogue has said in English."""
    made, at = [], 0
    for literal in literals(source):
        made.append(source[at : literal.start])
        text, values = _text(literal), [in_english(value, catalogue) for value in literal.parts[1::2]]
        english = catalogue.messages.get(message_of(text)) if IDEOGRAPH.search(text) else None
        if english is not None:
            before, _, after = peeled(text)
            text = tidy(pointed(before) + english.replace("[s]", "(s)") + pointed(after))
        elif SIGN.search(text) and not IDEOGRAPH.search(text):
            text = tidy(pointed(text))
        elif not values:
            made.append(source[literal.start : literal.end])
            at = literal.end
            continue
        made.append(_written(text, values, literal.is_template))
        at = literal.end
    return "".join([*made, source[at:]])


def _written(text: str, values: list[str], is_template: bool) -> str:
    if not is_template:
        return json.dumps(text, ensure_ascii=False)
    parts, at = [], 0
    for hole in HOLE.finditer(text):
        parts += [_escaped(text[at : hole.start()]), "" if hole[1] else f"${{{values[int(hole[2]) - 1]}}}"]
        at = hole.end()
    return f"`{''.join(parts)}{_escaped(text[at:])}`"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\${").replace("\n", "\\n")
