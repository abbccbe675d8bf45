"""What a tab reads anew of a report, photos and all, while it is typed: nothing of what it typed itself, and one look for all that another tab did."""

from playwright.sync_api import Page

from tests.kit.machine import needs_chromium
from tests.phone.test_halves_browser import STORE
from tests.phone.test_tabs_browser import HOW, MORE, WORDS, at_the_report

pytestmark = needs_chromium
MANY = 20
# counts what is heard of rewritten records, and how often all files of the drafts are read (a sweep, which writes, is another matter)
COUNTED = """() => {
  window.heard = 0; window.reads = 0;
  window.ear = new BroadcastChannel("yidi-rewritten");
  ear.onmessage = () => { heard += 1; };
  const all = IDBObjectStore.prototype.getAll;
  IDBObjectStore.prototype.getAll = function (...more) { if (this.name === "drafts" && this.transaction.mode === "readonly") reads += 1; return all.apply(this, more); };
}"""
# no other transaction on the drafts goes on until it is released
HELD = f"""async () => {{ {STORE}
  const drafts = (await store()).transaction("drafts", "readwrite").objectStore("drafts");
  window.isHeld = true;
  await new Promise((begun) => {{ const go = () => {{ begun(); if (isHeld) drafts.count().onsuccess = go; }}; drafts.count().onsuccess = go; }});
}}"""


def written(page: Page, words: str) -> None:
    """Typed, and all that was asked of this report before is over: one thing is done after the other."""
    heard = page.evaluate("heard")
    page.get_by_label(HOW).fill(words)
    page.wait_for_function("(heard) => window.heard > heard", arg=heard)


def test_typing_reads_no_photos_anew(world, open_page):
    url, hub, run = world
    first, second, _ = at_the_report(open_page, url, run, hub)
    second.page.close()
    first.page.evaluate(COUNTED)
    for n in range(1, 5):
        written(first.page, WORDS[:n])
    written(first.page, WORDS)
    assert first.page.evaluate("reads") == 0


def test_what_another_tab_writes_in_a_row_is_looked_at_once(world, open_page):
    url, hub, run = world
    first, second, subject = at_the_report(open_page, url, run, hub)
    second.page.evaluate(COUNTED)
    person = second.page.evaluate(
        f"async () => {{ {STORE} return (await got((await store()).transaction('state').objectStore('state').get('me'))).person; }}"
    )
    first.page.evaluate(HELD)
    post = "([key, many]) => { const told = new BroadcastChannel('yidi-rewritten'); for (let n = 0; n < many; n++) told.postMessage({ key }); }"
    first.page.evaluate(post, [f"{subject}/{person}", MANY])
    second.page.wait_for_function("(many) => heard === many", arg=MANY)
    first.page.evaluate("isHeld = false")
    written(second.page, MORE)
    assert second.page.evaluate("reads") == 2, "one was under way, one waited"
