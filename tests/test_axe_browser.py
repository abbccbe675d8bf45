"""What the suite holds pages to: too little contrast is found on whatever ground it stands, though each pair is judged once."""

import pytest

from tests.kit.axe import accessible
from tests.kit.browser import DESK, Chromium
from tests.kit.machine import needs_chromium

PAGE = "<!doctype html><html lang=zh-CN><title>甲</title><main><h1>甲</h1><p style='color:#1a1a1b'>看得清</p>{}</main></html>"


@needs_chromium
@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ("<p style='color:#c0c0c1'>看不清</p>", "color-contrast"),
        ("<div style='background:#2a2a2b'><p style='color:#1a1a1b'>同一个字色，底色深了</p></div>", "color-contrast"),
        ("<p style='color:#1a1a1b; opacity: 0.31'>淡了</p>", "color-contrast"),
        ("<div style='position:absolute; background:#2b2a2a'><p style='color:#1a1a1b'>浮在上面</p></div>", "color-contrast"),
        ("<input>", "label"),
    ],
)
def test_a_page_that_cannot_be_read_by_everybody_is_refused(chromium: Chromium, bad: str, rule: str):
    with chromium.in_use() as browser:
        page = browser.new_context(viewport=DESK).new_page()
        page.set_content(PAGE.format("<p style='color:#1a1a1c'>也清</p>"))
        accessible(page, "good")
        page.set_content(PAGE.format(bad))
        for _ in range(2):  # what was found wrong is not taken for judged
            with pytest.raises(AssertionError, match=rule):
                accessible(page, "bad")
