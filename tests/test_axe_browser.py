"""What the suite holds pages to: what is wrong is found beside all that was judged and right, though each kind is judged once."""

import pytest

from tests.kit.axe import accessible
from tests.kit.browser import DESK, Chromium
from tests.kit.machine import needs_chromium

PAGE = "<!doctype html><html lang=zh-CN><title>甲</title><main><h1>甲</h1><p style='color:#1a1a1b'>看得清</p>{}</main></html>"
GOOD = """<p style='color:#1a1a1c'>也清</p><label for=one>甲</label><input id=one><label>乙<input></label><input aria-label=丙><button>甲</button>
<button aria-label=甲><span></span></button><a href='/'>甲</a> <a href='/'><img src='data:,' alt=甲></a><ul><li>甲</li></ul><ol><li>甲</li></ol>
<div role=button tabindex=0>甲</div><div aria-hidden=true>甲</div><p role=note>甲</p><p lang=en>a</p><p id=there>甲</p>
<button aria-describedby=there aria-pressed=true>甲</button><select aria-label=甲><option>甲</option></select>
<p style='color:#1a1a1b'>前面还有很多字，去 <a href='/' style='color:#1a1aff'>甲</a> 后面也有</p><div style='height:20px; width:90px; overflow:auto'><p style='height:2px'></p></div>
<input name=a autocomplete=name aria-label=甲><div role=listbox aria-label=甲><p role=option>甲</p></div>
<table><tr><th id=丁>甲</th><td headers=丁>丙</td></tr></table><iframe title=甲 srcdoc=甲></iframe>"""  # what is bad below, as it should be


@needs_chromium
@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ("<p style='color:#c0c0c1'>看不清</p>", "color-contrast"),
        ("<div style='background:#2a2a2b'><p style='color:#1a1a1b'>同一个字色，底色深了</p></div>", "color-contrast"),
        ("<p style='color:#1a1a1b; opacity: 0.31'>淡了</p>", "color-contrast"),
        ("<div style='position:absolute; background:#2b2a2a'><p style='color:#1a1a1b'>浮在上面</p></div>", "color-contrast"),
        ("<input>", "label"),
        ("<label for=other></label><input id=other>", "label"),
        ("<button></button>", "button-name"),
        ("<button aria-label=''><span></span></button>", "button-name"),
        ("<a href='/'><img src='data:,'></a>", "image-alt|link-name"),
        ("<ul><div>甲</div></ul>", "list"),
        ("<ol><li>甲</li></ol><li>乙</li>", "listitem"),
        ("<div role=button tabindex=0><button>甲</button></div>", "nested-interactive"),
        ("<div aria-hidden=true><button>甲</button></div>", "aria-hidden-focus"),
        ("<p role=nonsense>甲</p>", "aria-roles"),
        ("<button aria-describedby=nothing aria-pressed=perhaps>甲</button>", "aria-valid-attr-value"),
        ("<select><option>甲</option></select>", "select-name"),
        ("<p lang=nonsense>甲</p>", "valid-lang"),
        (
            "<p style='color:#1a1a1b'>前面还有很多字，去 <a href='/' style='color:#1a1aff; text-decoration:none'>甲</a> 后面也有</p>",
            "link-in-text-block",
        ),
        ("<div style='height:20px; width:90px; overflow:auto'><p style='height:200px'>甲</p></div>", "scrollable-region-focusable"),
        ("<input name=a autocomplete=nonsense aria-label=甲>", "autocomplete-valid"),
        ("<div role=listbox><p>甲</p></div>", "aria-required-children"),
        ("<table><tr><th id=甲>甲</th><td headers=乙>丙</td></tr></table>", "td-headers-attr"),
        ("<iframe srcdoc=甲></iframe>", "frame-title"),
    ],
)
def test_a_page_that_cannot_be_read_by_everybody_is_refused(chromium: Chromium, bad: str, rule: str):
    with chromium.in_use() as browser:
        page = browser.new_context(viewport=DESK).new_page()
        page.set_content(PAGE.format(GOOD))
        accessible(page, "good")
        page.set_content(PAGE.format(bad))
        for _ in range(2):  # what was found wrong is not taken for judged
            with pytest.raises(AssertionError, match=rule):
                accessible(page, "bad")


@needs_chromium
@pytest.mark.parametrize(
    ("good", "bad", "rule"),
    [("<title>甲</title>", "<title></title>", "document-title"), ("<html lang=zh-CN>", "<html>", "html-has-lang")],
)
def test_a_page_without_a_title_or_language_is_refused(chromium: Chromium, good: str, bad: str, rule: str):
    with chromium.in_use() as browser:
        page = browser.new_context(viewport=DESK).new_page()
        page.set_content(PAGE.format(GOOD))
        accessible(page, "good")
        page.set_content(PAGE.format(GOOD).replace(good, bad))
        with pytest.raises(AssertionError, match=rule):
            accessible(page, "bad")
