"""WCAG 2.1 AA, as far as a program can tell. Pages are made of the same parts: what was judged once in a process, and found to be as it should
be, is not judged again (axe.js says what is the same). A page none of whose parts is new costs a thirtieth of one that is judged whole.
"""

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
_known: set[int] = set()  # numbers of what was found to be as it should be


def accessible(page: "Page", where: str) -> None:
    from axe_playwright_python.base import AxeResults
    from axe_playwright_python.sync_playwright import Axe

    found = page.evaluate(NEW, list(_known))
    if not found:
        return
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(Axe().axe_script)
    for judged in page.evaluate(JUDGED, [RULES, CONTRAST]):
        results = AxeResults(judged)
        assert results.violations_count == 0, f"{where}: {results.generate_report()}"
    _known.update(found)
