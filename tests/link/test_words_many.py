"""However many words nobody gives, those of a later entry are asked for too."""

import asyncio
from types import SimpleNamespace

import pytest

from protocol.node.link import words
from protocol.node.link.words import Words

LOST = [("330523", "ntown2222:1", seq, "a" * 32) for seq in range(1, 61)]


async def test_the_words_of_a_later_entry_are_asked_for_though_more_than_may_rest_are_given_by_nobody(monkeypatch: pytest.MonkeyPatch):
    async def lacking(*_: object) -> list:
        return LOST

    monkeypatch.setattr(words, "lacking", lacking)
    for name, value in (("RESTS_MAX", 20), ("AT_ONCE", 8), ("REST_S_MIN", 0.02), ("REST_S_MAX", 0.02)):
        monkeypatch.setattr(words, name, value)
    ground = SimpleNamespace(
        journal=None, leads=lambda: True, link=SimpleNamespace(is_connected=True),
        peers=SimpleNamespace(hearers=lambda _: [], worth_asking=list),
    )  # fmt: skip
    asks, asked = Words(ground, SimpleNamespace(is_done=True), lambda *_: True), list[tuple]()
    put = asks._rests.put
    monkeypatch.setattr(asks._rests, "put", lambda one: (asked.append(one), put(one)))
    task = asyncio.create_task(asks.work())
    for _ in range(300):
        if set(asked) == set(LOST):
            break
        await asyncio.sleep(0.02)
    task.cancel()
    assert set(asked) == set(LOST), f"{len(set(asked))} of {len(LOST)} had their turn"
