"""Sound and other files in parts, as players ask for them: over HTTP, from an encrypted blob."""

from collections.abc import AsyncIterator

import pytest

from protocol.commands import AddEvidence
from protocol.node.web.ranges import part_of
from tests.hub_pages.world import Hub, world
from tests.node.desk_kit import new_id

SOUND = b"OggS" + bytes(range(256)) * 2_000
SIZE = len(SOUND)


@pytest.fixture
async def hub(tmp_path) -> AsyncIterator[Hub]:
    async with world(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-1", (0, 2)),
        ("bytes=10-", (10, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=99-1000000", (99, 100)),
        ("Bytes=0-0", (0, 1)),
    ],
)
def test_one_range_of_bytes_is_cut_out(asked: str, part: tuple[int, int]):
    assert part_of(asked, 100) == range(*part)


@pytest.mark.parametrize("asked", ["", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "lines=0-1", "bytes=a-b", "bytes=0-1;", "0-1"])
def test_what_is_no_single_range_gets_the_whole(asked: str):
    assert part_of(asked, 100) is None


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_what_lies_beyond_the_end_is_nothing(asked: str):
    assert part_of(asked, 100) == range(0)


async def test_a_voice_note_is_given_in_the_parts_that_a_player_asks_for(hub: Hub):
    blob = await hub.root.blobs.put(SOUND, "录音.ogg", "audio/ogg", "voice")
    case = next(iter(hub.cases.values()))
    await hub.root.say(AddEvidence(id=new_id(), case=case, blob=blob))
    await hub.sign_in("operator")
    at = f"/files/{case}/{blob.address}"

    async def asked(**headers: str):
        return await hub.client.get(at, headers={name.replace("_", "-"): value for name, value in headers.items()})

    whole = await asked()
    assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, SOUND, "bytes")
    for said, first, last in (("bytes=0-1", 0, 1), ("bytes=300000-300999", 300_000, 300_999), ("bytes=-7", SIZE - 7, SIZE - 1)):
        got = await asked(range=said)
        assert (got.status_code, got.content) == (206, SOUND[first : last + 1])
        assert got.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
        assert got.headers["content-length"] == str(last - first + 1)
        assert got.headers["content-type"] == "audio/ogg" and "content-encoding" not in got.headers
        assert "default-src 'none'" in got.headers["content-security-policy"] and "no-store" in got.headers["cache-control"]
    beyond = await asked(range=f"bytes={SIZE}-")
    assert (beyond.status_code, beyond.content, beyond.headers["content-range"]) == (416, b"", f"bytes */{SIZE}")
    assert (await asked(range="bytes=0-1,5-6")).status_code == 200
    assert (await asked(range="bytes=0-1", if_range='"another"')).content == SOUND, "it is not what the player began with"
    assert (await asked(range="bytes=0-1", if_range=whole.headers["etag"])).status_code == 206
    await hub.sign_in("discipline")
    assert (await asked(range="bytes=0-1")).status_code == 404, "a part is as closed as the whole"
