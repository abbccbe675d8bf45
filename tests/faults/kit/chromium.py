"""A real Chromium for a round, beside its event loop: `async with browser() as one: page = await opened(one, url, size)`.

What a page complains of (a script's error, a breach of the policy) is kept in `complaints`, and no round may leave any.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.kit.machine import CHROMIUM

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page, Playwright

ARGS = ["--no-sandbox"]
SIZE = {"width": 1366, "height": 768}
STEP_MS_MAX = 60_000  # of one click or wait: a machine five times as slow is no fault
WHERE = {"locale": "zh-CN", "timezone_id": "Asia/Shanghai"}


@asynccontextmanager
async def playwright() -> AsyncIterator["Playwright"]:
    from playwright.async_api import async_playwright  # a slow import, only for who needs it

    async with async_playwright() as p:
        yield p


@asynccontextmanager
async def browser() -> AsyncIterator["Browser"]:
    async with playwright() as p:
        one = await p.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        try:
            yield one
        finally:
            await one.close()


def watched(context: "BrowserContext", complaints: list[str]) -> None:
    """Whatever page it opens: a script's error is kept; whoever leaves a page that asks is let go."""
    context.set_default_timeout(STEP_MS_MAX)
    context.on("weberror", lambda e: complaints.append(f"{e.page.url if e.page else ''}: {e.error}"))
    context.on("dialog", lambda dialog: dialog.accept())


async def waited(page: "Page", true: Callable[[], Awaitable[Any]], what: str, most_ms: int = STEP_MS_MAX, fails: bool = True) -> Any:
    """Asks again until it holds. Raises AssertionError with what did not come about, and what stands on the page; False if it is not to fail."""
    for _ in range(most_ms // 50):
        if found := await true():
            return found
        await page.wait_for_timeout(50)
    if not fails:
        return False
    raise AssertionError(f"{what}: did not come about on {page.url}: {(await page.inner_text('body'))[:600]}")
