"""A person's hands at a page: keys, characters, taps are counted and cost what people need for them; what the page made them wait is measured.

hand = Hand(page); await hand.press("F2"); await hand.write("…"); async with hand.waiting(): …; hand.seconds
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

CHARACTER_S, KEY_S = 0.8, 0.3  # 75 Chinese characters a minute, as a clerk writes them; a digit or a key of the form
TAP_S, THUMBED_S = 1.0, 1.2  # finding a button and hitting it; a Chinese character on a phone: 50 a minute
TAKE_PHOTO_S, SIGN_S = 6.0, 4.0  # outside the page: the camera is opened, looks and shoots; a name is drawn


class Hand:
    def __init__(self, page: "Page", character_s: float = CHARACTER_S) -> None:
        self.page, self._character_s = page, character_s
        self.keys, self.characters, self.taps = 0, 0, 0
        self.else_s, self.waited_s = 0.0, 0.0
        self.hit: list[str] = []  # what the page itself saw tapped

    @property
    def seconds(self) -> float:
        return self.characters * self._character_s + self.keys * KEY_S + self.taps * TAP_S + self.else_s + self.waited_s

    async def press(self, *names: str) -> None:
        for name in names:
            await self.page.keyboard.press(name)
            self.keys += 1

    async def write(self, words: str, of_digits: bool = False) -> None:
        """Where the cursor stands. Digits are keys, all else characters of an input method."""
        await self.page.keyboard.insert_text(words)
        if of_digits:
            self.keys += len(words)
        else:
            self.characters += len(words)

    async def tap(self, button: "Locator") -> None:
        """What the page needs until it can be hit counts as waiting."""
        async with self.waiting():
            await button.tap()
        self.taps += 1

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        began = time.monotonic()
        yield
        self.waited_s += time.monotonic() - began


async def drawn(page: "Page", canvas: "Locator") -> None:
    """Something like a name, on a field for signatures."""
    await canvas.scroll_into_view_if_needed()
    box = await canvas.bounding_box()
    assert box, "nowhere to sign"
    x, y = box["x"] + 40, box["y"] + 80
    await page.mouse.move(x, y)
    await page.mouse.down()
    for n in range(24):
        await page.mouse.move(x + n * 9, y + (n % 6 - 3) * 9)
    await page.mouse.up()
