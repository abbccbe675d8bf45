"""WCAG 2.1 AA, as far as a program can tell. Contrast is the dearest rule by far, and says the same of the same colours and size of letters
on the same ground, so each such pair is judged once in a process: on the first element that has it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

_OF = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"], "resultTypes": ["violations"]}  # of what is as it should be nothing is told
OPTIONS = {**_OF, "rules": {"color-contrast": {"enabled": False}}}
JUDGED_CONTRAST = """async known => {
  const styles = new Map(), grounds = new Map()
  const style = e => styles.get(e) ?? styles.set(e, getComputedStyle(e)).get(e)
  const ground = e => {
    if (!e) return ''
    if (grounds.has(e)) return grounds.get(e)
    const s = style(e), placed = /absolute|fixed|sticky/.test(s.position) ? e.className : ''
    const own = s.backgroundColor === 'rgba(0, 0, 0, 0)' ? '' : s.backgroundColor
    const through = !own || own.startsWith('rgba') || s.opacity !== '1'
    const said = [own, s.backgroundImage, s.opacity, placed].join() + (through ? ground(e.parentElement) : '')
    grounds.set(e, own || placed || s.backgroundImage !== 'none' || s.opacity !== '1' ? said : ground(e.parentElement))
    return grounds.get(e)
  }
  const has = new Set(known), kinds = [], first = []
  for (const e of document.body.querySelectorAll('*')) {
    const written = /^(INPUT|TEXTAREA|SELECT)$/.test(e.tagName) || [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
    if (!written || !e.checkVisibility()) continue
    const s = style(e), kind = [s.color, s.fontSize, s.fontWeight, s.textShadow, ground(e)].join(';')
    if (!has.has(kind)) { has.add(kind); kinds.push(kind); first.push(e) }
  }
  const rule = {runOnly: {type: 'rule', values: ['color-contrast']}, resultTypes: ['violations']}
  return [kinds, first.length ? await axe.run({include: first}, rule) : null]
}"""
_contrast: set[str] = set()  # pairs that were found to be enough


def accessible(page: "Page", where: str) -> None:
    from axe_playwright_python.base import AxeResults
    from axe_playwright_python.sync_playwright import Axe

    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(Axe().axe_script)
    kinds, contrast = page.evaluate(JUDGED_CONTRAST, sorted(_contrast))
    for found in (page.evaluate("options => axe.run(document, options)", OPTIONS), contrast):
        if found:
            results = AxeResults(found)
            assert results.violations_count == 0, f"{where}: {results.generate_report()}"
    _contrast.update(kinds)
