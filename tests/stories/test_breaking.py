"""What breaks the wire or a program: sticks instead of a line, killed programs, bad bytes, revoked nodes. Nothing acknowledged is lost."""

import asyncio
import os
import signal
import ssl

import httpx
import nats
import pytest
import zstandard
from nacl.signing import SigningKey

from deploy.demo.cast import NEIGHBOUR, VILLAGE
from protocol import batch as batches
from protocol import lane
from protocol.events import Draft, NoteAdded, TextBody
from protocol.node.link import subjects
from protocol.tables import Tables
from tests.kit.county import HTML, County, distinct, until, yidi

pytestmark = pytest.mark.asyncio(loop_scope="module")


# ── a stick ──


async def test_a_stick_carries_what_the_cut_line_could_not_and_twice_is_once(county: County, tmp_path):
    clerk, hub = await county.page("wangfang"), await county.page("zhoumin")
    county.demo.cut("gaoyu")
    try:
        await county.online("gaoyu", False, 10)
        saved = await county.log(clerk, VILLAGE, distinct("断网时登记，用优盘带到县里"))
        stick = tmp_path / "stick.yidi"
        exported = await county.yidi("gaoyu", "export", stick)
        assert exported.code == 0, exported.err
        assert (await hub.http.get(f"/cases/{saved['case']}")).status_code == 404, "it came another way"
        first = await county.yidi("hub", "import", stick)
        assert first.code == 0 and "新入账 0 条" not in first.out, first
        assert (await county.shows(hub, saved["case"], 5))["code"] == saved["code"]
        before = await county.digests("hub")
        again = await county.yidi("hub", "import", stick)
        assert again.code == 0 and "新入账 0 条" in again.out, again
        assert await county.digests("hub") == before
        await _refuses_foreign_files(county, stick)
        assert await county.digests("hub") == before
    finally:
        county.demo.heal("gaoyu")
    await county.same("hub", "town", "gaoyu")


async def _refuses_foreign_files(county: County, stick) -> None:
    raw = stick.read_bytes()
    broken = stick.with_name("broken.yidi")
    broken.write_bytes(raw[:-100] + bytes([raw[-100] ^ 1]) + raw[-99:])
    text = stick.with_name("holiday.jpg")
    text.write_bytes(b"\xff\xd8\xff\xe0 no stick of ours")
    others = stick.with_name("others.yidi")
    exported = await county.yidi("gaoyu", "export", others, "--to", county.id_of("town"))
    assert exported.code == 0, exported.err
    for file, why in ((broken, "不完整或被改动"), (text, "不是导出包"), (others, "不是给本机的")):
        ran = await county.yidi("hub", "import", file)
        assert ran.code == 1 and why in ran.err and "Traceback" not in ran.err, ran


# ── bad bytes ──


async def test_bad_bytes_of_a_real_member_are_refused_whole_and_shown_and_good_ones_still_flow(county: County):
    hub, clerk, id_ = await county.page("zhoumin"), await county.page("wangfang"), county.id_of("gaoyu")
    await county.log(clerk, VILLAGE, distinct("坏数据之前的一件"))
    await county.same("hub", "gaoyu")
    own, to_neighbour, forged, foreign = await _crafted(county)
    nc = await _raw_client(county)
    here, there = subjects.live(VILLAGE, id_), subjects.live(NEIGHBOUR, id_)
    before = await county.digests("hub")
    oversized = batches._framed(zstandard.ZstdCompressor().compress(b"\0" * 600_000))
    for subject, body in (
        (here, b"garbage"), (here, b"\0" * 900), (here, oversized), (here, foreign), (there, to_neighbour), (here, forged),
        (here, own[:-3] + bytes(3)),
    ):  # fmt: skip
        await nc.publish(subject, body)
    await nc.flush()
    await nc.close()
    wanted = {
        ("frame_broken", VILLAGE),
        ("frame_too_large", VILLAGE),
        ("lane_foreign", VILLAGE),
        ("lane_foreign", NEIGHBOUR),
        ("signature_wrong", VILLAGE),
    }

    async def shown():
        rows = {(r["code"], r["ledger"]): r for r in (await hub.get("/quarantine"))["rows"] if r["node"] == id_}
        return rows if wanted <= set(rows) and rows["frame_broken", VILLAGE]["count"] >= 3 else None

    rows = await until(shown, "every refusal on the operator's page")
    quarantine, link = [(await hub.http.get(path, headers=HTML)).text for path in ("/quarantine", "/link")]
    full = Tables.packaged().place_full
    assert all(row["sentence"].replace(row["ledger"], full(row["ledger"])) in quarantine for row in rows.values()), (
        "the reason, by the place's name"
    )
    assert all(row["sentence"] in link for row in rows.values()), "and there as well"
    assert await county.digests("hub") == before
    good = await county.log(clerk, VILLAGE, distinct("坏数据之后的一件照样送到"))
    await county.shows(hub, good["case"])
    await county.same("hub", "town", "gaoyu")


async def _crafted(county: County) -> tuple[bytes, bytes, bytes, bytes]:
    """Packed: the village's true lane; one of its own lanes in the neighbour's ledger; its next entry by another key; a lane of the hub."""
    async with county.opened("gaoyu") as node:
        signer, heads = node.signer, await node.journal.heads()
        rows = await node.journal.lane(VILLAGE, signer.origin, 0, 500)
        own = batches.pack(batches.cut(rows, VILLAGE, signer.origin, 0))
        head = heads[VILLAGE, signer.origin]
    async with county.opened("liangpeng") as node:
        other = node.signer
        theirs = (lane.open_lane(VILLAGE, other.origin, other.certificate),)
        foreign = _packed(lane.EMPTY, theirs, other.origin, other.key)
    note = Draft(NEIGHBOUR, "a" * 32, "dispute", NoteAdded(VILLAGE, 1, ()), TextBody("伪造"))
    opened = lane.open_lane(NEIGHBOUR, signer.origin, signer.certificate)
    next_ = Draft(VILLAGE, "a" * 32, "dispute", NoteAdded(VILLAGE, 1, ()), TextBody("伪造"))
    to_neighbour = _packed(lane.EMPTY, (opened, note), signer.origin, signer.key)
    forged = _packed(lane.LaneHead(head.seq, head.hash, head.signed_seq), (next_,), signer.origin, SigningKey(bytes(32)))
    return own, to_neighbour, forged, foreign


def _packed(after: lane.LaneHead, drafts: tuple[Draft, ...], origin: str, key: SigningKey) -> bytes:
    commit = lane.next_entries(
        after, drafts, origin=origin, key=key, author=("", "node"), command="c" * 12, occurred_ms=1_790_000_000_000, offset_ms=None,
        turns={}, salt=lambda: bytes(16),
    )  # fmt: skip
    proven = commit.entries
    bodies = tuple(None if p.entry.body is None else (p.entry.salt, p.entry.body) for p in proven)
    heads = tuple(p.entry.head_bytes for p in proven)
    return batches.pack(batches.Batch(commit.ledger, origin, after.seq, after.hash, heads, bodies, proven[-1].signature))


async def _raw_client(county: County) -> nats.NATS:
    home = county.home("gaoyu") / "identity"
    tls = ssl.create_default_context(cafile=str(home / "ca.pem"))
    return await nats.connect(f"tls://127.0.0.1:{county.demo.ports.county}", user_credentials=home / "link.creds", tls=tls)


# ── killed programs ──


@pytest.mark.parametrize("victim", ["edge", "leaf", "county server", "hub"])
async def test_what_was_acknowledged_before_a_kill_is_everywhere_after_it(county: County, victim: str):
    node = {"edge": "gaoyu", "leaf": "town", "county server": "hub", "hub": "hub"}[victim]
    clerk, hub, acknowledged = await county.page("wangfang"), await county.page("zhoumin"), []
    writing = asyncio.create_task(_write_on(county, clerk, acknowledged))
    await until(lambda: len(acknowledged) >= 2, "two cases before the kill")
    if victim in ("edge", "hub"):
        await county.halt(node, signal.SIGKILL)
    else:
        pid = county.server_pid(node)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: county.server_pid(node) != pid, f"{victim} comes back by itself")
    if victim != "edge":
        had = len(acknowledged)
        await until(lambda: len(acknowledged) > had, "the village writes on")
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    if victim in ("edge", "hub"):
        await county.begin(node)
    for case in acknowledged:
        await county.shows(hub, case)
        await county.shows(clerk, case, 1)
    await county.same("hub", "town", "gaoyu", "liangpeng")


async def _write_on(county: County, clerk, acknowledged: list[str]) -> None:
    """Registers one case after the other; only what the page said was saved counts."""
    while True:
        try:
            got = await clerk.http.post("/cases", data=county.form(VILLAGE, distinct("程序被杀前后登记")))
        except httpx.TransportError:
            return  # the program is gone
        assert got.status_code == 201, got.text
        acknowledged.append(got.json()["case"])
        await asyncio.sleep(0.05)


async def test_the_page_says_that_the_leaf_died_and_came_back(county: County):
    """After the kill above: 连接与台账 of the township tells of its own nats-server."""
    officer = await county.page("liqiang")
    told = await officer.get("/link")
    server = next((one for one in told.get("servers", []) if one["name"] == "leaf"), None)
    assert server and server["running"] and server["restarts"] >= 1 and server["pid"] == county.server_pid("town"), told.keys()
    text = (await officer.http.get("/link", headers=HTML)).text
    assert "停过 1 次，每次都自己重新起来了" in text


async def test_a_township_that_is_cut_off_from_the_county_is_told_so_though_its_own_server_answers(county: County):
    """Its program is connected to its own leaf all the time: what counts is the wire above."""
    officer = await county.page("liqiang")

    async def carries(so: bool) -> bool:
        leaf = next(one for one in (await officer.get("/link"))["servers"] if one["name"] == "leaf")
        return leaf["carries"] is so

    await until(lambda: carries(True), "the leaf joined", 30)
    county.demo.cut("county")
    await until(lambda: carries(False), "the page says that it is cut", 30)
    link = await officer.get("/link")
    assert not link["online"]
    text = (await officer.http.get("/link", headers=HTML)).text
    assert "上面联不上" in text
    assert "本机和下面各台机器之间照常同步" in text
    assert (await officer.http.get("/healthz")).json()["link"] == "cut"
    county.demo.heal("county")
    await until(lambda: carries(True), "the leaf joined again", 30)
    assert (await officer.get("/link"))["online"]
    assert "上面联不上" not in (await officer.http.get("/link", headers=HTML)).text
    await county.same("hub", "town", "gaoyu", "liangpeng")


# ── who is put out ──


async def test_an_enrolment_code_used_twice_is_refused_in_words(county: County, tmp_path):
    place = f"{VILLAGE.rpartition('/')[0]}/330523111202"
    invited = await county.yidi("hub", "invite", "--place", place, "--person", "沈小满", "--account", "xiaoman")
    assert invited.code == 0, invited.err
    code = invited.out.split("：", 1)[1].split()[0]
    county.typed.add(code.rpartition("/")[2])
    first = await yidi("edge", "enrol", code, "--folder", tmp_path / "one")
    assert first.code == 0 and "xiaoman" in first.out, first
    second = await yidi("edge", "enrol", code, "--folder", tmp_path / "two")
    assert second.code == 1 and "登记码不对、已过期或已用过" in second.err, second
    assert not (tmp_path / "two" / "identity" / "node.json").exists()


async def test_a_revoked_village_is_cut_within_seconds_and_the_others_are_not(county: County):
    id_ = county.id_of("gaoyu")
    ran = await county.yidi("hub", "revoke", id_, "--reason", "笔记本丢失")
    assert ran.code == 0 and id_ in ran.out, ran
    await county.online("gaoyu", False, 5)
    for node in ("hub", "town", "liangpeng"):
        assert (await county.link(node))["online"], f"{node} was cut too"
    peer = next(p for p in (await county.link("hub"))["peers"] if p["node"] == id_)
    assert peer["revoked"]
    assert "已停用" in (await (await county.page("zhoumin")).http.get("/link", headers=HTML)).text
    await asyncio.sleep(1.5)
    assert not (await county.link("gaoyu"))["online"], "it came in by another door"


async def test_what_a_village_writes_that_was_revoked_while_away_counts_nowhere(county: County, tmp_path):
    clerk, hub = await county.page("shenmeiqin"), await county.page("zhoumin")
    saved = await county.log(clerk, NEIGHBOUR, distinct("停用以前登记的"))
    await county.shows(hub, saved["case"])
    await county.same("hub", "town", "liangpeng")
    county.demo.cut("liangpeng")
    await county.online("liangpeng", False, 10)
    id_ = county.id_of("liangpeng")
    assert (await county.yidi("hub", "revoke", id_)).code == 0

    async def known_to_the_leaf() -> bool:
        return next(p for p in (await county.link("town"))["peers"] if p["node"] == id_)["revoked"]

    await until(known_to_the_leaf, "the township knows")
    text = distinct("停用以后才写的")
    await county.note(clerk, saved["case"], text)  # it cannot know yet
    county.demo.heal("liangpeng")
    await asyncio.sleep(3)
    assert not (await county.link("liangpeng"))["online"], "a revoked node was let in again"
    stick = tmp_path / "late.yidi"
    assert (await county.yidi("liangpeng", "export", stick)).code == 0
    ran = await county.yidi("hub", "import", stick)
    assert ran.code == 0 and "新入账 1 条" in ran.out, ran
    handed_in = await hub.case(saved["case"])
    (line,) = [line for line in handed_in["lines"] if text in str(line)]
    assert line["set_aside"], line
    (review,) = handed_in["reviews"]
    assert review["owner"] and review["due_ms"], review
    assert text in str(await clerk.case(saved["case"])), "on its own disk it stays"


async def test_a_revoked_village_is_told_as_soon_as_it_hears_of_it(county: County, tmp_path):
    clerk, stick = await county.page("shenmeiqin"), tmp_path / "news.yidi"
    kept = await county.log(await county.page("zhoumin"), NEIGHBOUR, distinct("停用以后县里登记的"))
    exported = await county.yidi("hub", "export", stick, "--to", county.id_of("liangpeng"))
    assert exported.code == 0, exported.err
    imported = await county.yidi("liangpeng", "import", stick)
    assert imported.code == 0, imported
    assert (await clerk.http.get(f"/cases/{kept['case']}")).status_code == 404, "it is told that it is out, and nothing else"

    async def refused():
        got = await clerk.http.post("/cases", data=county.form(NEIGHBOUR, distinct("停用以后再登记")))
        return got if got.status_code == 403 else None

    got = await until(refused, "the village knows", 5)
    assert got.json()["code"] == "node_revoked" and "本机已被县里停用" in got.json()["sentence"]
    page = await clerk.http.post("/cases", data=county.form(NEIGHBOUR, text := distinct("网页上再登记")), headers=HTML)
    assert page.status_code == 403 and "本机已被县里停用" in page.text and text in page.text
