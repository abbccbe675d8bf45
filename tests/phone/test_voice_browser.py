"""A voice note recorded on a cadre's phone is listened to at the desk: on the page of the task, on that of the case, and opened by itself."""

import io
import wave
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from protocol.commands import AddEvidence, TellTask
from tests.hub_pages.world import PASSWORD, Hub
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id
from tests.phone.test_files_browser import at_the_report, sent

pytestmark = [needs_chromium, pytest.mark.whole_browser]
PLAY_PX = (30, 27)  # where the player has its button
HEARD_S = 0.3
WAV_S = 3
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


def quiet() -> bytes:
    """A sound as a desk attaches it from a recorder."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(2 * 8_000 * WAV_S))
    return made.getvalue()


def heard(page: Page, media: str) -> None:
    page.wait_for_function("([at, s]) => document.querySelector(at).currentTime > s", arg=[media, HEARD_S])
    assert page.locator(media).evaluate("(e) => e.error") is None


def press_play(page: Page, audio: str) -> None:
    """As a person does; before it nothing was fetched."""
    player = page.locator(audio)
    assert player.evaluate("(e) => [e.preload, e.networkState === e.NETWORK_LOADING, e.currentTime]") == ["none", False, 0]
    player.click(position={"x": PLAY_PX[0], "y": PLAY_PX[1]})
    heard(page, audio)


def at_both_sizes(page: Page, audio: str, name: str) -> None:
    for size, end in ((PHONE, "phone"), (DESK, "wide")):
        page.set_viewport_size(size)
        page.locator(audio).scroll_into_view_if_needed()
        box, card = page.locator(audio).bounding_box(), page.locator(audio).locator("xpath=ancestor::section[1]").bounding_box()
        assert box and card
        assert box["width"] >= 240, "room for its button, its time and its line"
        assert card["x"] <= box["x"] and box["x"] + box["width"] <= card["x"] + card["width"]
        look(page, f"{name}-{end}")


def recorded(open_page: Any, url: str, hub: Hub, run: Any) -> tuple[str, str]:
    """(task, address of what was said)."""
    phone, subject = at_the_report(open_page, url, run, hub, permissions=["microphone"])
    phone.page.get_by_role("button", name="录一段话").tap()
    phone.page.wait_for_timeout(1_500)
    phone.page.get_by_role("button", name="停止录音").tap()
    expect(phone.page.get_by_label("第 1 段录音", exact=True)).to_be_visible()
    ((blob, _),) = sent(phone, hub, run, subject)
    return subject, f"/tasks/{subject}/files/{blob.address}"


def test_what_a_cadre_said_is_heard_at_the_desk(world, open_page):
    url, hub, run = world
    subject, address = recorded(open_page, url, hub, run)
    page = open_page(f"{url}/tasks/{subject}", DESK, who=("operator", PASSWORD))
    audio = f"audio[src='{address}']"
    expect(page.get_by_role("link", name="录音")).to_have_attribute("href", address)
    at_both_sizes(page, audio, "task-voice")
    press_play(page, audio)
    was = page.locator(audio).evaluate("(e) => { e.loop = true; e.mark = 'the same one'; return e.currentTime; }")
    run(hub.root.say(TellTask(id=new_id(), task=subject, text="听到了。"), hub.actor()))
    expect(page.locator(".lines")).to_contain_text("听到了。")  # by itself
    assert page.locator(audio).evaluate("(e) => [e.mark, e.paused]") == ["the same one", False], f"stopped after {was} s"
    page.goto(f"{url}/cases/{hub.cases['田埂地界']}")
    at_both_sizes(page, f"#tasks {audio}", "case-voice")
    press_play(page, f"#tasks {audio}")
    page.goto(url + address)  # where the link leads
    page.locator("video").evaluate("(e) => { e.muted = true; e.play(); }")  # not waited for: it may never settle
    heard(page, "video")


def test_a_recording_that_a_desk_attached_is_heard_on_the_page_of_the_case(world, open_page):
    url, hub, run = world
    case = hub.cases["工钱没结清"]
    blob = run(hub.root.blobs.put(quiet(), "当面谈的录音.wav", "audio/wav", "voice"))
    run(hub.root.say(AddEvidence(id=new_id(), case=case, blob=blob), hub.actor()))
    page = open_page(f"{url}/cases/{case}", DESK, who=("operator", PASSWORD))
    expect(page.locator("#files").get_by_role("link", name="当面谈的录音.wav")).to_have_attribute("href", f"/files/{case}/{blob.address}")
    at_both_sizes(page, "#files audio", "case-recording")
    press_play(page, "#files audio")


def test_only_sound_may_be_played_where_a_file_is_opened(world):
    _, hub, run = world
    case = hub.cases["工钱没结清"]
    policies = {}
    for name, mime, raw in (("声.wav", "audio/wav", quiet()), ("照.png", "image/png", PNG), ("文.pdf", "application/pdf", b"%PDF-1.4")):
        blob = run(hub.root.blobs.put(raw, name, mime, "other"))
        run(hub.root.say(AddEvidence(id=new_id(), case=case, blob=blob), hub.actor()))
        said = run(hub.client.get(f"/files/{case}/{blob.address}"))
        policies[blob.mime] = said.headers["content-security-policy"]
    closed = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
    playable = closed.replace("style-src", "media-src 'self'; style-src")
    assert policies == {"audio/wav": playable, "image/png": closed, "application/pdf": closed}
