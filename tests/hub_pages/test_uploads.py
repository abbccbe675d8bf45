"""Files in pieces over the pages' own addresses: resumed, refused before a byte, offered again, and nobody gets a file by its hash."""

import json
from base64 import b64encode
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.have import Room
from protocol.node import bodies, room
from protocol.node.blobs import MEGABYTE
from protocol.node.uploads import PIECE_BYTES
from protocol.node.web import words
from protocol.node.web.files import FILES_MAX
from protocol.node.web.page import LANGUAGE
from protocol.node.web.phone.routes import files_told
from tests.hub_pages.world import JSON, TOP, Hub
from tests.node.desk_kit import new_id

PHOTO = b"\xff\xd8\xff\xe0" + b"a boundary stone " * 40_000  # three pieces
SUM = sha256(PHOTO).hexdigest()
SMALL = b"\xff\xd8\xff\xe0" + b"small " * 500


async def ask(hub: Hub, status: int = 200, **more: Any) -> Any:
    about = {"sum": SUM, "size": len(PHOTO), "name": "界石.jpg", "mime": "image/jpeg", **more}
    said = await hub.client.post("/uploads", content=json.dumps(about), headers=JSON)
    assert said.status_code == status, said.text
    return said.json()


async def write(hub: Hub, offset: int, data: bytes | None = None, status: int = 200) -> Any:
    piece = PHOTO[offset : offset + PIECE_BYTES] if data is None else data
    said = await hub.client.put(f"/uploads/{SUM}?size={len(PHOTO)}&offset={offset}", content=piece, headers=JSON)
    assert said.status_code == status, said.text
    return said.json()


async def send(hub: Hub) -> None:
    have = (await ask(hub))["have"]
    while have < len(PHOTO):
        have = (await write(hub, have))["have"]


def named(**more: Any) -> str:
    thumb = b64encode(SMALL).decode()
    return json.dumps({"sum": SUM, "size": len(PHOTO), "name": "界石.jpg", "mime": "image/jpeg", "what": "photo", "thumb": thumb, **more})


async def attach(hub: Hub, case: str, command: str, status: int = 201, **more: Any) -> Any:
    return await hub.post(f"/cases/{case}/files", {"command_id": command, "note": "", "upload": named(**more)}, status)


async def test_a_file_goes_on_where_it_was_cut_and_is_attached_once_however_often_it_is_asked(hub: Hub, tmp_path):
    case, command = hub.cases["田埂地界"], new_id()
    assert await ask(hub) == {"have": 0, "size": len(PHOTO), "piece": PIECE_BYTES, "here": False}
    assert (await write(hub, 0))["have"] == PIECE_BYTES
    assert (await write(hub, 0))["have"] == PIECE_BYTES, "a piece that is here changes nothing"
    assert (await write(hub, 2 * PIECE_BYTES))["have"] == PIECE_BYTES, "nor does one too far"
    await write(hub, PIECE_BYTES, PHOTO[:1000], 422)
    assert await attach(hub, case, command, 404) == {
        "code": "upload_unknown",
        "field": "files",
        "sentence": "还没有传完，或者本机已经没有了，请再选一次，会从断的地方接着传：界石.jpg。",
    }
    (half,) = (tmp_path / "root" / "uploads").iterdir()
    assert b"boundary" not in half.read_bytes(), "not readable on the disk"
    half.write_bytes(half.read_bytes()[:-7])  # a power cut tore the piece
    assert (await ask(hub))["have"] == 0
    await send(hub)
    first = await attach(hub, case, command)
    again = await attach(hub, case, command)  # its answer was lost
    assert again == first
    assert not list((tmp_path / "root" / "uploads").iterdir())
    (attachment,) = (await hub.root.reads.case(hub.actor(), case)).blobs
    assert await hub.root.blobs.get(attachment.blob) == PHOTO
    assert await hub.root.blobs.get(attachment.thumb) == SMALL
    for address, plain in ((attachment.blob.address, PHOTO), (attachment.thumb.address, SMALL)):
        assert (await hub.client.get(f"/files/{case}/{address}")).content == plain


async def test_every_file_that_is_not_here_is_named_at_once(hub: Hub):
    some = [named(name=name, sum=sha256(name.encode()).hexdigest()) for name in ("沟.jpg", "田埂.jpg")]
    await send(hub)
    form = {"command_id": new_id(), "note": "", "upload": [some[0], named(), some[1]]}
    said = await hub.post(f"/cases/{hub.cases['田埂地界']}/files", form, 404)
    assert said["sentence"].endswith("：沟.jpg、田埂.jpg。")
    assert (await hub.root.reads.case(hub.actor(), hub.cases["田埂地界"])).blobs == [], "all or none"


async def test_a_page_without_scripts_that_refuses_leads_back_to_the_form(hub: Hub):
    case, html = hub.cases["田埂地界"], {"accept": "text/html"}
    said = await hub.client.post(f"/cases/{case}/files", data={"command_id": new_id(), "upload": named()}, headers=html)
    assert said.status_code == 404 and f'href="/cases/{case}?step=files"' in said.text
    assert '<details class="step" id="step-files" open>' in (await hub.client.get(f"/cases/{case}?step=files", headers=html)).text


async def test_the_same_file_is_not_sent_again_to_the_case_that_has_it(hub: Hub):
    case, other = hub.cases["田埂地界"], hub.cases["工钱没结清"]
    await send(hub)
    await attach(hub, case, new_id())
    assert (await ask(hub, case=case))["here"] is True
    assert (await ask(hub, case=other))["here"] is False, "a hash alone opens nothing"
    assert (await ask(hub))["here"] is False
    assert (await ask(hub, 404, case="0" * 32))["code"] == "case_unknown"
    await attach(hub, other, new_id(), 404)  # nothing was sent there
    await send(hub)
    await attach(hub, other, new_id())
    assert len({row["address"] for row in await hub.root.journal.rows("blob", "what <> 'thumb'")}) == 1, "one blob on this disk"
    assert [row["stage"] for row in await hub.root.journal.rows("blob")] == [bodies.DONE] * 2


async def test_what_can_not_be_taken_is_refused_before_a_byte_is_sent(hub: Hub):
    assert (await ask(hub, 413, size=30 * MEGABYTE))["sentence"] == "文件太大：最多 20 兆，这个有 30 兆。"
    assert (await ask(hub, 422, name="病毒.exe", mime="application/x-msdownload"))["code"] == "file_kind"
    assert (await ask(hub, 422, sum="../etc/passwd"))["code"] == "command_invalid"
    assert (await ask(hub, name="说明.wps", mime=""))["have"] == 0, "a name says nothing of what is in it"
    assert (await write(hub, 0, b"\xd0\xcf\x11\xe0" + PHOTO[4:PIECE_BYTES], 422))["code"] == "file_kind_unread"
    assert (await ask(hub))["have"] == 0, "nothing of it was kept"
    hub.root.blobs.store_bytes_max = 100_000
    assert (await ask(hub, 507))["sentence"].startswith("本机存附件的地方满了")
    page = await hub.client.get("/cases/new", headers={"accept": "text/html"})
    assert "每个最多 20 兆，本机还能存 0 兆" in page.text
    hub.root.blobs.store_bytes_max = 10 * MEGABYTE
    await write(hub, 0)
    assert (await ask(hub))["have"] == PIECE_BYTES


async def test_little_room_is_said_where_files_are_chosen_before_one_is_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    await ask(hub)  # counts what is here
    blobs = hub.root.blobs

    async def shown() -> str:
        page = (await hub.client.get("/cases/new", headers={"accept": "text/html"})).text
        assert "每个最多 20 兆，本机还能存 " in page
        return page

    monkeypatch.setattr(room.shutil, "disk_usage", lambda _path: SimpleNamespace(free=10**12, total=10**12, used=0))
    blobs.store_bytes_max = 21 * MEGABYTE
    assert "存附件的地方" not in await shown(), "more than a tenth, and than the largest file"
    blobs.store_bytes_max = 19 * MEGABYTE - 1
    assert '<p class="note">本机存附件的地方快满了，还能存 18 兆，照片、录音可能很快收不下；文字照常。' in await shown(), (
        "one of 20 does not fit"
    )
    blobs.store_bytes_max = 100_000
    assert '<p class="note">本机存附件的地方满了，照片、录音现在收不下；文字照常。' in await shown()
    blobs.store_bytes_max = 500 * MEGABYTE
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _path: SimpleNamespace(free=49 * MEGABYTE, total=10**12, used=0))
    assert "本机存附件的磁盘快满了，还能存 49 兆" in await shown(), "less than a tenth, and the disk has no more"


async def test_a_full_disk_takes_no_text_either_and_a_higher_limit_does_not_help(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path):
    await ask(hub)  # counts what is here
    blobs, free = hub.root.blobs, {"files": 0, "ledger": 0}
    monkeypatch.setattr(hub.pages, "folder", tmp_path, raising=False)
    monkeypatch.setattr(words, "room_of", lambda folder: Room(free["files" if folder == blobs.folder else "ledger"], 10**6))

    async def shown(files: int, ledger: int) -> list[str]:
        free.update(files=files, ledger=ledger)
        page = (await hub.client.get("/cases/new", headers={"accept": "text/html"})).text
        phone = files_told(hub.pages, lambda text: text)["short"]
        assert phone.replace("中心的机器", "本机") in page
        return [page, phone]

    for mib in (0, 3):
        for limit in (500 * MEGABYTE, 100_000):
            blobs.store_bytes_max = limit
            for said in await shown(mib, mib):
                assert "文字照常" not in said and "调高上限" not in said
                assert "的磁盘满了，照片、录音、文字都可能存不下。请告诉管理员清出空间。" in said
    blobs.store_bytes_max = 500 * MEGABYTE
    for said in await shown(4, 4):
        assert "存附件的磁盘快满了，还能存 4 兆，照片、录音可能很快收不下；文字照常。请告诉管理员清出空间。" in said
    for said in await shown(0, 10**5):
        assert "存附件的磁盘满了，照片、录音现在收不下；文字照常。请告诉管理员清出空间。" in said, "a disk of its own"
    blobs.store_bytes_max = 100_000
    for said in await shown(10**5, 10**5):
        assert "存附件的地方满了，照片、录音现在收不下；文字照常。请告诉管理员清出空间，或者调高上限。" in said
    free.update(files=0, ledger=0)
    hub.client.cookies.set(LANGUAGE, "en")
    page = (await hub.client.get("/cases/new", headers={"accept": "text/html"})).text
    assert "This computer has a full disk: photos, recordings and text may all find no room." in page


async def test_one_file_more_than_a_form_takes_is_refused_in_words_and_none_is_lost(hub: Hub, tmp_path):
    case = hub.cases["田埂地界"]
    await send(hub)
    form = {"command_id": new_id(), "note": "", "upload": [named()] * (FILES_MAX + 1)}
    said = await hub.post(f"/cases/{case}/files", form, 422)
    assert (said["code"], said["field"]) == ("files_too_many", "files") and "最多附 20 个文件，这里有 21 个" in said["sentence"]
    assert (await hub.root.reads.case(hub.actor(), case)).blobs == []
    assert len(list((tmp_path / "root" / "uploads").iterdir())) == 1, "what was sent is still there to be named again"
    assert (await ask(hub))["have"] == len(PHOTO)
    await hub.post(f"/cases/{case}/files", {**form, "upload": [named()] * FILES_MAX}, 201)
    assert len((await hub.root.reads.case(hub.actor(), case)).blobs) == 1, "the same file, however often it was named"


async def test_a_new_case_with_more_photos_than_a_form_takes_is_not_written_without_them(hub: Hub):
    form = {"command_id": new_id(), "type": "0204", "ledger": TOP, "account": "两家的水沟堵了。", "party_name": "叶根土"}
    photos = [("files", (f"{n}.jpg", SMALL + bytes([n]), "image/jpeg")) for n in range(FILES_MAX + 1)]
    before = (await hub.get("/cases"))["total"]
    said = await hub.client.post("/cases", data=form, files=photos, headers=JSON)
    assert said.status_code == 422 and "最多附 20 个文件，这里有 21 个" in said.json()["wrong"]["files"]
    assert (await hub.get("/cases"))["total"] == before
    assert (await hub.client.post("/cases", data=form, files=photos[1:], headers=JSON)).status_code == 201


async def test_other_bytes_than_were_named_are_dropped_and_a_half_is_its_senders_alone(hub: Hub):
    case = hub.cases["田埂地界"]
    other = PHOTO[:4] + bytes(len(PHOTO) - 4)
    for offset in range(0, len(PHOTO), PIECE_BYTES):
        await write(hub, offset, other[offset : offset + PIECE_BYTES])
    assert (await attach(hub, case, new_id(), 400))["code"] == "frame_broken"
    assert (await ask(hub))["have"] == 0
    await write(hub, 0)
    assert (await ask(hub, 401, person="f" * 32))["code"] == "sign_in_needed"
    await hub.client.post("/sign-out")
    assert (await hub.client.put(f"/uploads/{SUM}?size=9&offset=0", content=b"x", headers=JSON)).status_code == 401
    await hub.sign_in("operator")
    assert (await ask(hub))["have"] == PIECE_BYTES
    said = await hub.client.delete(f"/uploads/{SUM}?size={len(PHOTO)}", headers=JSON)
    assert (said.status_code, (await ask(hub))["have"]) == (200, 0)


async def test_a_thumbnail_that_is_none_is_left_out_and_the_file_counts(hub: Hub):
    case = hub.cases["田埂地界"]
    for n, thumb in enumerate(("no base64!", b64encode(b"<svg onload=x>").decode(), b64encode(b"\xff\xd8\xff" + bytes(21_000)).decode())):
        await send(hub)
        await attach(hub, case, new_id(), thumb=thumb)
        assert (await hub.root.reads.case(hub.actor(), case)).blobs[n].thumb is None
