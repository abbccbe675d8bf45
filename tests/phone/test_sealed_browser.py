"""What lies on a cadre's phone is sealed under a key that the browser never hands out, and old phones' records are sealed and sent."""

from playwright.sync_api import expect

from protocol.tables import Tables
from tests.kit.machine import needs_chromium
from tests.phone.test_cadre_browser import Phone, picture

pytestmark = needs_chromium
WORDS = "两家当面把界石立回去了，握了手。"
OPEN = """async () => {
  const db = await new Promise((done) => { const asked = indexedDB.open('yidi-task'); asked.onsuccess = () => done(asked.result); });
  const all = (name) => new Promise((done) => { const got = db.transaction(name).objectStore(name).getAll(); got.onsuccess = () => done(got.result); });
  const text = (value) => value instanceof ArrayBuffer ? new TextDecoder().decode(value) : ArrayBuffer.isView(value) ? new TextDecoder().decode(value)
    : value && typeof value === 'object' ? Object.entries(value).map(([k, v]) => k + text(v)).join(' ') : String(value);
  const key = await new Promise((done) => { const got = db.transaction('state').objectStore('state').get('key'); got.onsuccess = () => done(got.result); });
  const handed = await crypto.subtle.exportKey('raw', key).then(() => 'exported', (e) => e.name);
  return { outbox: text(await all('outbox')), drafts: text(await all('drafts')), tasks: text(await all('tasks')), handed, extractable: key.extractable };
}"""
OLD = """([task, words]) => new Promise(async (done) => {
  const db = await new Promise((ok) => { const asked = indexedDB.open('yidi-task'); asked.onsuccess = () => ok(asked.result); });
  const get = (name) => new Promise((ok) => { const got = db.transaction('state').objectStore('state').get(name); got.onsuccess = () => ok(got.result); });
  const me = await get('me'), tx = db.transaction('outbox', 'readwrite');
  const own = { person: me.person, state: 'waiting', task, at_ms: Date.now() };
  tx.objectStore('outbox').put({ ...own, id: crypto.randomUUID(), n: 9001, kind: 'ConfirmTask', label: '接单' });
  tx.objectStore('outbox').put({ ...own, id: crypto.randomUUID(), n: 9002, kind: 'DeclineTask', label: '谢绝', reason: words });
  tx.oncomplete = done;
})"""


def test_nothing_of_a_visit_can_be_read_on_the_phone_and_all_of_it_arrives(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界", summary="前后吵过两回。", address="三组"))
    phone = Phone.of("cadre", open_page, url)
    phone.signal(False)
    phone.task("田埂地界")
    phone.main("接单")
    phone.main("已到现场")
    phone.page.get_by_text(Tables.packaged().word("task_result", "settled")).tap()
    phone.page.get_by_label("经过和结果").fill(WORDS)
    phone.page.locator("#photo").set_input_files({"name": "现场.png", "mimeType": "image/png", "buffer": picture(800, 600)})
    expect(phone.page.get_by_alt_text("第 1 张照片")).to_be_visible()
    typed = phone.page.evaluate(OPEN)
    phone.page.reload()
    expect(phone.page.get_by_label("经过和结果")).to_have_value(WORDS)
    phone.main("提交反馈")
    expect(phone.status).to_have_text("4 条待发送，有信号时自动发出")
    waiting = phone.page.evaluate(OPEN)
    for kept in (typed, waiting):
        assert (kept["handed"], kept["extractable"]) == ("InvalidAccessError", False)
        for place in ("outbox", "drafts", "tasks"):
            for secret in (WORDS, "界石", "田埂", "叶根土", "13800000000", "吵过", "JFIF"):
                assert secret not in kept[place], f"{secret} can be read in {place}"
    phone.signal(True)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert (task.status, task.words, task.photos, len(task.blobs)) == ("reported", WORDS, 1, 1)


def test_what_an_older_shell_left_open_is_sealed_and_sent(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = Phone.of("cadre", open_page, url)
    phone.signal(False)
    phone.page.evaluate(OLD, [subject, WORDS])
    assert WORDS in phone.page.evaluate(OPEN)["outbox"]
    phone.page.reload()
    expect(phone.page.get_by_text("2 条待发送")).to_be_visible()
    assert WORDS not in phone.page.evaluate(OPEN)["outbox"]
    phone.signal(True)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert task.status == "declined"
    assert WORDS in [text for line in task.lines for text in line.text.values()]
