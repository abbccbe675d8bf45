"""The board is looked at all day: nobody need touch a key for it to go on, and only the end of the sign-in ends it."""

import asyncio
from pathlib import Path

import httpx
import pytest

from protocol.calendar import MINUTE_MS
from protocol.node.people import IDLE_MS_MAX, SESSION_MS_MAX
from protocol.node.web import stream
from tests.hub_pages.world import PASSWORD, served


@pytest.mark.parametrize(("view", "away_ms", "goes_on"), [
    ("board", IDLE_MS_MAX + MINUTE_MS, True), ("board", SESSION_MS_MAX + MINUTE_MS, False), ("list", IDLE_MS_MAX + MINUTE_MS, False),
])  # fmt: skip
def test_a_board_left_alone_goes_on_until_the_sign_in_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view, away_ms, goes_on):
    monkeypatch.setattr(stream, "STILL_THERE_S", 0.2)
    with served(tmp_path) as (url, hub, run), httpx.Client(base_url=url, timeout=20) as client:
        assert client.post("/sign-in", data={"name": "operator", "password": PASSWORD}).status_code == 303
        with client.stream("GET", f"/stream?view={view}") as said:
            lines = said.iter_lines()
            "".join(iter(lambda: next(lines), ""))  # the first message
            run(asyncio.sleep(0, hub.county.clock.pass_ms(away_ms)))
            told = ""
            for _ in range(6):  # whole messages: one of them may be the page redrawn, which has many lines
                told += "".join(iter(lambda: next(lines), ""))
                if "登录已过期" in told:
                    break
    assert ("登录已过期" in told) is not goes_on


def test_a_stream_that_is_asked_for_anew_neither_uses_the_session_nor_ends_it(tmp_path: Path):
    """The line was cut, or the page is one's own of another post and asks in vain, again and again."""
    with served(tmp_path) as (url, hub, run), httpx.Client(base_url=url, timeout=20) as client:
        assert client.post("/sign-in", data={"name": "operator", "password": PASSWORD}).status_code == 303
        person = hub.actor().person

        def asked(after_ms: int, view: str, **headers: str) -> int:
            run(asyncio.sleep(0, hub.county.clock.pass_ms(after_ms)))
            with client.stream("GET", f"/stream?view={view}", headers=headers) as answer:
                return answer.status_code

        other_post = {"Yidi-Person": person, "Yidi-Post": "operator.00000000"}
        assert [asked(IDLE_MS_MAX // 2 + MINUTE_MS, "frame", **other_post) for _ in range(2)] == [409, 401]
        assert [asked(0, "board"), asked(0, "frame"), asked(0, "board")] == [200, 401, 200]
        assert asked(SESSION_MS_MAX, "board") == 401
