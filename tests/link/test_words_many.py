"""However many words nobody gives, those of a later entry are asked for too."""

import asyncio
from types import SimpleNamespace

import pytest

from protocol.node.link import words
from protocol.node.link.words import Words

LOST = [("330523", "ntown2222:1", seq, "a" * 32) for seq in range(1, 61)]


def words_of(monkeypatch: pytest.MonkeyPatch, lost: list, **bounds: float) -> Words:
    """Over a line on which nobody else is, of an entry table that lacks these."""

    async def lacking(*_: object) -> list:
        return list(lost)

    monkeypatch.setattr(words, "lacking", lacking)
    for name, value in bounds.items():
        monkeypatch.setattr(words, name, value)
    ground = SimpleNamespace(
        journal=None, leads=lambda: True, link=SimpleNamespace(is_connected=True),
        peers=SimpleNamespace(hearers=lambda _: [], worth_asking=list),
    )  # fmt: skip
    return Words(ground, SimpleNamespace(is_done=True), lambda *_: True)


async def test_the_words_of_a_later_entry_are_asked_for_though_more_than_may_rest_are_given_by_nobody(monkeypatch: pytest.MonkeyPatch):
    asks = words_of(monkeypatch, LOST, RESTS_MAX=20, AT_ONCE=8, REST_S_MIN=0.02, REST_S_MAX=0.02)
    asked = list[tuple]()
    put = asks._rests.put
    monkeypatch.setattr(asks._rests, "put", lambda one: (asked.append(one), put(one)))
    task = asyncio.create_task(asks.work())
    for _ in range(300):
        if set(asked) == set(LOST):
            break
        await asyncio.sleep(0.02)
    task.cancel()
    assert set(asked) == set(LOST), f"{len(set(asked))} of {len(LOST)} had their turn"


async def test_more_words_than_are_asked_for_at_once_all_come_though_nothing_else_is_committed(monkeypatch: pytest.MonkeyPatch):
    """Each is given at once, so nothing rests that would have it looked again."""
    lost = list(LOST)
    asks = words_of(monkeypatch, lost, AT_ONCE=8, REST_S_MIN=0.02)

    async def given(one: tuple) -> None:
        lost.remove(one)

    monkeypatch.setattr(asks, "_fetch", given)
    task = asyncio.create_task(asks.work())
    for _ in range(100):
        if not lost:
            break
        await asyncio.sleep(0.02)
    task.cancel()
    assert not lost, f"{len(lost)} of {len(LOST)} wait for the next commit"


async def test_what_is_committed_while_the_words_are_looked_for_is_looked_through_too(monkeypatch: pytest.MonkeyPatch):
    asks = words_of(monkeypatch, [])
    seen = words.lacking

    async def lacking(*_: object) -> list:
        asks.committed("330523")
        return await seen()

    monkeypatch.setattr(words, "lacking", lacking)
    await asks._look()
    assert asks._since
