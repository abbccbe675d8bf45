"""What is typed at a desk and not saved stands in no file of the browser: its profile is searched, byte for byte, after the browser was closed.

A whole Chromium with a profile of its own on the disk, as at a clerk's PC. Beside what a page stores by itself, such a browser writes what stands in the
fields into its session files, to fill them again, and what was sent into its list of suggestions, unless a form forbids it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from protocol.commands import Party
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, nodes_of
from tests.kit.browser import ARGS, DESK, Chromium, has_session
from tests.kit.machine import CHROMIUM, needs_chromium

pytestmark = [needs_chromium, pytest.mark.whole_browser]
nodes = nodes_of("village")
WRITES_MS = 3_000  # a browser writes its session files a while after the last key


@pytest.fixture
def clerk(chromium: Chromium, tmp_path: Path, nodes: Served) -> Callable:
    """`with clerk() as page`: in a browser that keeps its profile, and is closed after it."""

    @contextmanager
    def at_work() -> Iterator[Any]:
        with chromium.in_use(CHROMIUM) as browser:
            context = browser.browser_type.launch_persistent_context(
                tmp_path / "profile", executable_path=CHROMIUM, args=ARGS, viewport=DESK, locale="zh-CN"
            )
            try:
                has_session(context, nodes.url["village"], "wangfang", PASSWORD)
                page = context.pages[0]
                page.on("dialog", lambda dialog: dialog.accept())
                yield page
            finally:
                context.close()

    return at_work


def found(profile: Path, words: list[str]) -> list[str]:
    """file: word, of every file that holds one in UTF-8 or UTF-16."""
    files = {path.relative_to(profile): path.read_bytes() for path in profile.rglob("*") if path.is_file() and not path.is_symlink()}
    assert len(files) > 20, "a profile"
    return [
        f"{name}: {word}" for name, held in files.items() for word in words if any(word.encode(c) in held for c in ("utf-8", "utf-16-le"))
    ]


class Words:
    """Each is in no other text, and short enough to be one run of bytes wherever it is written."""

    def __init__(self) -> None:
        self.typed: list[str] = []

    def __call__(self, what: str) -> str:
        self.typed.append(f"{what}{len(self.typed)}号只此一处")
        return self.typed[-1]


def fill(page: Any, form: str, word: Words) -> None:
    """Every field that takes words, and waits until the node has them."""
    from playwright.sync_api import expect

    fields = page.locator(f"{form} :is(textarea, input[type=text], input:not([type])):visible")
    assert fields.count()
    for field in fields.all():
        if "numeric" not in (field.get_attribute("inputmode") or "") and not field.get_attribute("list"):
            field.fill(word(field.get_attribute("name") or ""))
    expect(page.locator(form)).to_have_attribute("data-kept", "")


def test_what_was_typed_and_not_saved_is_in_no_file_of_the_browser(clerk: Callable, nodes: Served, tmp_path: Path):
    url, subject, word = nodes.url["village"], nodes.do(logged), Words()
    with clerk() as page:
        page.goto(f"{url}/cases/new")
        fill(page, "#log", word)
        page.goto(f"{url}/cases/{subject}?step=CloseDispute")
        fill(page, "#form-CloseDispute", word)
        page.goto(f"{url}/cases/{subject}/parties")
        page.locator("details:has(#add-party) > summary").click()
        fill(page, "#add-party", word)
        page.goto(f"{url}/today")
        page.get_by_text("登记纠纷").first.wait_for()
        page.goto(f"{url}/cases/new")  # brought back, and left standing there
        page.wait_for_function("() => document.querySelector('#account').value")
        page.wait_for_timeout(WRITES_MS)
    assert len(word.typed) >= 8
    assert found(tmp_path / "profile", word.typed) == []


def test_what_is_to_be_sealed_is_in_no_file_of_the_browser(clerk: Callable, nodes: Served, tmp_path: Path):
    """Typed only; sent and refused, so that the same page stands there again; and sent."""
    url, subject, word = nodes.url["village"], nodes.do(logged), Words()
    with clerk() as page:
        for path, form in (("/seal", "#seal"), (f"/cases/{subject}/seal", "#seal-case")):
            page.goto(url + path)
            page.fill(f"{form} [name=account]", word("account"))
            page.fill(f"{form} [name=accused]", word("accused"))
            page.wait_for_timeout(WRITES_MS)
            page.fill(f"{form} [name=account]", "")
            page.locator(f"{form} button.main").click()
            page.locator(f"{form} [aria-invalid=true]").first.wait_for()
            page.wait_for_timeout(WRITES_MS)
        page.goto(f"{url}/seal")
        page.fill("#seal [name=account]", word("account"))
        page.fill("#seal [name=accused]", word("accused"))
        page.locator("#seal button.main").click()
        page.get_by_text("回执").first.wait_for()
        page.wait_for_timeout(WRITES_MS)
    assert found(tmp_path / "profile", word.typed) == []


async def logged(rig: Rig) -> str:
    return await rig.log("village", parties=[Party("叶根土")])
