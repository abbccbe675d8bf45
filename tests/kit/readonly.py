"""A disk that becomes read-only under a running program.

`with readonly(pid):` every call of that program (and of its threads) that would change a disk fails with EROFS, by strace, until the end of it;
what stands on the disk meanwhile is what stood there. `Ext4` is a real one in a file, which falls to read-only as it does after an error.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CALLS = "pwrite64,fsync,fdatasync,ftruncate,rename,mkdir,rmdir"
ENDS_S_MAX = 20


@contextmanager
def readonly(pid: int, calls: str = CALLS) -> Iterator[None]:
    command = ["strace", "-f", "-p", str(pid), "-o", os.devnull, "-e", f"trace={calls}", "-e", f"inject={calls}:error=EROFS"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            if "attached" not in (line := tracer.stderr.readline()):
                pytest.skip(f"strace may not attach here: {line}")
            yield
        finally:
            tracer.terminate()
            tracer.communicate()


class Ext4:
    """In a file, mounted for `program` alone (a mount namespace of its own)."""

    def __init__(self, folder: Path, mib: int = 48) -> None:
        self.image, self.at = folder / "ext4", folder / "disk"
        self.at.mkdir()
        with self.image.open("wb") as file:
            file.truncate(mib * 2**20)
        subprocess.run(["mkfs.ext4", "-q", self.image], check=True)

    def command(self, *program: object, options: str = "errors=remount-ro") -> list[str]:
        """Runs the program with the disk mounted. It ends with 77 where this machine mounts none."""
        script = f'mount -t ext4 -o loop,{options} "$1" "$2" || exit 77; shift 2; exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "sh", str(self.image), str(self.at), *map(str, program)]

    def break_down(self, pid: int) -> None:
        """What the kernel does when it finds an error on the disk. pid: of the program."""
        mounts = Path(f"/proc/{pid}/mounts").read_text().splitlines()
        device = next(line.split()[0] for line in mounts if line.split()[1] == str(self.at))
        Path("/sys/fs/ext4", Path(device).name, "trigger_fs_error").write_text("1")

    def repair(self) -> None:
        """When its program has ended: as a start of the machine does. The device goes a moment after it."""
        until = time.monotonic() + ENDS_S_MAX
        while str(self.image) in subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout:
            assert time.monotonic() < until, "the disk is still in use"
            time.sleep(0.05)
        done = subprocess.run(["e2fsck", "-fy", self.image], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stdout
