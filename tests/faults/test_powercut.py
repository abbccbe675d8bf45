"""Rows 6 and 7 can fail: mistakes that somebody could make in one line are planted in the real program, and images are found untrue."""

from pathlib import Path
from random import Random

import pytest

from tests.faults.kit.powercut import Trace, Unmodelled, images
from tests.faults.rows import row_06, row_07
from tests.kit.machine import needs_postgresql, needs_strace

PLANTED = {  # mutation → words that its images must lead to
    "early": ("lost: a command",),
    "nosync": ("lost: a command", "unreadable", "damaged", "the mark is ahead"),
    "blobs-nosync": ("torn: an attachment",),
    "blobs-nofolder": ("lost: an attachment",),
}


@needs_strace
@pytest.mark.parametrize("mutation", PLANTED)
async def test_a_planted_mistake_is_found(tmp_path, mutation):
    words, shown, _ = await row_06.cut(Random(3), tmp_path, "gaoyu", 20, 60, mutation, until=PLANTED[mutation])
    found = {word for word in words if word.startswith(PLANTED[mutation])}
    assert shown > 10 and found, words


@needs_strace
@needs_postgresql
async def test_a_postgresql_that_does_not_sync_is_found(tmp_path):
    words, shown, _ = await row_07.pulled(Random(3), tmp_path, 4, 12, 5, "fsync=off", "nosync", until_wrong=True)
    assert shown > 10 and words.total() > words["true"], words


# ── the model of a disk ──


def left(ops: list, count: int = 400, named: bool = False) -> set[tuple]:
    """Every image that a cut after the last of these operations was drawn to leave."""
    seen = set()
    for image, acks in images([*ops, ("ack", "end")], count, 7, {"/d/old": b"before"}, named):
        if acks:
            seen.add(tuple(sorted(image.items())))
    return seen


def test_what_is_not_synced_may_be_lost_kept_or_torn_and_what_is_synced_stays():
    write = ("write", "/d/old", 0, bytes(1024))
    kept, torn, lost = (("/d/old", bytes(1024)),), (("/d/old", bytes(512)),), (("/d/old", b"before"),)
    assert left([write]) == {kept, torn, lost}
    assert left([write, ("sync", "/d/old", 1)]) == {kept}
    assert left([write, ("failed sync", "/d/old", 1), write, ("sync", "/d/old", 3)]) == {kept}
    assert left([write, ("failed sync", "/d/old", 1)]) == {lost}, "the kernel may have dropped the pages"


def test_a_name_is_durable_when_its_folder_was_synced_and_every_folder_above_it():
    new = [("mkdir", "/d/a"), ("create", "/d/a/x"), ("write", "/d/a/x", 0, b"1"), ("sync", "/d/a/x", 3)]
    old = ("/d/old", b"before")
    assert left([*new, ("sync", "/d/a", 4)]) == {(old,), (("/d/a/x", b"1"), old)}, "the folder itself may be gone"
    assert left([*new, ("sync", "/d/a", 4), ("sync", "/d", 5)]) == {(("/d/a/x", b"1"), old)}
    moved = [*new, ("sync", "/d/a", 4), ("sync", "/d", 5), ("rename", "/d/a/x", "/d/y")]
    assert left(moved) == {(("/d/a/x", b"1"), old), (old, ("/d/y", b"1")), (old,), (("/d/a/x", b"1"), old, ("/d/y", b"1"))}
    assert (("/d/y", b"1")) in next(iter(left([*moved, ("sync", "/d", 7), ("sync", "/d/a", 8)])))


def test_a_call_that_changes_a_file_and_is_not_modelled_is_no_silent_hole(tmp_path: Path):
    hexed = "".join(f"\\x{byte:02x}" for byte in f"{tmp_path}/x".encode())
    with pytest.raises(Unmodelled):
        Trace(tmp_path).read(f'7 pwritev2(3<{hexed}>, [{{iov_base="", iov_len=1}}], 1, 0, 0) = 1\n')


def test_a_short_pid_is_padded_and_its_calls_count_all_the_same(tmp_path: Path):
    hexed = "".join(f"\\x{byte:02x}" for byte in f"{tmp_path}/x".encode())
    told = (
        f'openat(AT_FDCWD<\\x2f>, "{hexed}", O_WRONLY|O_CREAT, 0666) = 3<{hexed}>\n',
        f'write(3<{hexed}>, "\\x34", 1 <unfinished ...>\n',
    )
    resumed = "<... write resumed>) = 1\n"
    for pid in ("7    ", "1402 ", "32768"):
        ops = Trace(tmp_path).read("".join(f"{pid} {line}" for line in (*told, resumed)))
        assert ops[-1] == ("write", f"{tmp_path}/x", 0, b"4"), pid


def test_appending_goes_to_the_end_of_the_file(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"123")
    hexed = "".join(f"\\x{byte:02x}" for byte in f"{tmp_path}/x".encode())
    lines = f'7 openat(AT_FDCWD<\\x2f>, "{hexed}", O_WRONLY|O_APPEND|O_CREAT, 0666) = 3<{hexed}>\n7 write(3<{hexed}>, "\\x34", 1) = 1\n'
    assert Trace(tmp_path).read(lines)[-1] == ("write", f"{tmp_path}/x", 3, b"4")


def test_a_write_of_many_pieces_is_one_and_a_name_without_its_folder_is_below_where_its_program_stands(tmp_path: Path):
    def hexed(text: str) -> str:
        return "".join(f"\\x{byte:02x}" for byte in text.encode())

    (tmp_path / "data").mkdir()
    lines = f'''7 openat(AT_FDCWD<{hexed(f"{tmp_path}/data")}>, "{hexed("wal/new")}", O_RDWR|O_CREAT, 0600) = 3<{hexed(f"{tmp_path}/data/wal/new")}>
7 pwritev(3<{hexed(f"{tmp_path}/data/wal/new")}>, [{{iov_base="{hexed("12")}", iov_len=2}}, {{iov_base="{hexed("3")}", iov_len=1}}], 2, 8) = 3
7 link("{hexed("wal/new")}", "{hexed("wal/000")}") = 0
7 unlink("{hexed("wal/new")}") = 0
'''
    new, named = f"{tmp_path}/data/wal/new", f"{tmp_path}/data/wal/000"
    assert Trace(tmp_path, tmp_path / "data").read(lines) == [
        ("create", new), ("write", new, 8, b"123"), ("link", new, named), ("unlink", new),
    ]  # fmt: skip


def test_a_second_name_is_durable_with_its_folder_and_has_the_bytes_of_the_first():
    made = [("create", "/d/a"), ("write", "/d/a", 0, b"1"), ("sync", "/d/a", 2), ("link", "/d/a", "/d/b")]
    old, first, second = ("/d/old", b"before"), ("/d/a", b"1"), ("/d/b", b"1")
    assert left(made) == {(old,), (first, old), (first, second, old)}
    assert left([*made, ("unlink", "/d/a"), ("sync", "/d", 5)]) == {(second, old)}


def test_where_a_synced_file_keeps_its_name_what_was_done_before_in_its_folder_is_kept_too():
    made = [("create", "/d/a"), ("create", "/d/b"), ("write", "/d/b", 0, b"1"), ("sync", "/d/b", 3), ("create", "/d/c")]
    old, a, b, c = ("/d/old", b"before"), ("/d/a", b""), ("/d/b", b"1"), ("/d/c", b"")
    assert left(made, named=True) == {(a, b, old), (a, b, c, old)}
    assert (old,) in left(made)
    moved = [*made, ("rename", "/d/b", "/d/z"), ("sync", "/d/z", 6)]
    assert left(moved, named=True) == {(a, c, old, ("/d/z", b"1"))}
