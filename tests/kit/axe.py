"""WCAG 2.1 AA, as far as a program can tell. Pages are made of the same parts: what was judged once in a run, by whichever of its workers, and found
to be as it should be, is not judged again (axe.js says what is the same). A page none of whose parts is new costs a thirtieth of one that is judged
whole.
"""

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kit.source import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

NEW = (ROOT / "tests/kit/axe.js").read_text("utf-8")
_OF = {"resultTypes": ["violations"]}  # of what is as it should be nothing is told
RULES = {**_OF, "runOnly": ["wcag2a", "wcag2aa", "wcag21aa"], "rules": {"color-contrast": {"enabled": False}}}
CONTRAST = {**_OF, "runOnly": {"type": "rule", "values": ["color-contrast"]}}
JUDGED = """async ([rules, contrast]) => {
  const { isNewPage, unjudged, uncontrasted } = __unjudged, judged = [];
  if (isNewPage) judged.push(await axe.run(document, rules));
  else if (unjudged.length) judged.push(await axe.run({include: unjudged}, rules));
  if (uncontrasted.length) judged.push(await axe.run({include: uncontrasted}, contrast));
  return judged;
}"""
NUMBER = struct.Struct("<Q")


class Known:
    """Numbers of what was found to be as it should be. file: where all workers of a run keep them, one after the other."""

    def __init__(self, file: Path | None = None) -> None:
        self._file, self._read_bytes, self._all = file, 0, set[int]()

    def text(self) -> str:
        if self._file and self._file.exists():
            with self._file.open("rb") as kept:
                kept.seek(self._read_bytes)
                new = kept.read()
            whole = len(new) - len(new) % NUMBER.size
            self._all.update(number for (number,) in NUMBER.iter_unpack(new[:whole]))
            self._read_bytes += whole
        return " ".join(map(str, self._all))

    def add(self, found: list[int]) -> None:
        self._all.update(found)
        if self._file:
            with self._file.open("ab", buffering=0) as kept:
                kept.write(b"".join(map(NUMBER.pack, found)))  # in one write, beside which no other worker's comes between


_known = Known()


def share(file: Path) -> None:
    """With the other workers of this run."""
    global _known
    _known = Known(file)


def accessible(page: "Page", where: str) -> None:
    from axe_playwright_python.base import AxeResults
    from axe_playwright_python.sync_playwright import Axe

    found = [int(number) for number in page.evaluate(NEW, _known.text()).split()]
    if not found:
        return
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(Axe().axe_script)
    for judged in page.evaluate(JUDGED, [RULES, CONTRAST]):
        results = AxeResults(judged)
        assert results.violations_count == 0, f"{where}: {results.generate_report()}"
    _known.add(found)
