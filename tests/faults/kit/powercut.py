"""Power-cut replay: what a real process asked of the disk is recorded; what a power cut may leave of it is rebuilt and judged.

    before = contents(folder)
    ops = record([python, -m, …, folder], folder)          the program under strace; its lines "ACK {json}" are the receipts it showed
    for image, acks in images(ops, 500, seed, before): …   {path below folder: bytes}, receipts shown before the cut

An image holds what was synced before the cut. Of the rest each write is lost, kept or torn at 512 B, and of each folder's makes, renames
and deletes a drawn number survives, in order (as with a journalling file system): a file is there only if every folder above it
is. What a failed sync covered stays lost. A call that changes a file of the folder and is not in KNOWN raises Unmodelled; what it passes by
(sync_file_range) promises nothing. Not seen: mmap (SQLite's -shm: left out), io_uring.
"""

import json
import os
import random
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

KNOWN = "openat,write,pwrite64,pwritev,lseek,ftruncate,truncate,rename,link,mkdir,rmdir,unlink,unlinkat,fsync,fdatasync"
UNKNOWN = "open,creat,writev,pwritev2,fallocate,copy_file_range,sendfile,linkat,renameat,renameat2,mkdirat"
NAMED = ("openat", "rename", "link", "mkdir", "rmdir", "unlink", "truncate")  # calls whose texts are paths
RECORD_S_MAX, TEXT_BYTES_MAX, SECTOR_BYTES = 300, 4_000_000, 512
LINE = re.compile(r"\d+ +(\w+)\((.*)\)\s+= (-?\d+)")
HEX = re.compile(r"(?:\\x[0-9a-f]{2})+")
Op = tuple[Any, ...]
Image = dict[str, bytes]


class Unmodelled(Exception):
    """The traced process changed a file by a call that the model does not know."""


def contents(folder: Path) -> Image:
    """What surely lies on the disk before the recording."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def record(
    command: Sequence[object], folder: Path, *more: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> list[Op]:
    """Runs the command to its end under strace. more: options of strace · cwd: of whoever names files without their folder. Raises
    Unmodelled; AssertionError when it failed."""
    with tempfile.TemporaryDirectory() as d:
        log, errors = Path(d, "log"), Path(d, "errors")
        calls = f"trace={KNOWN},{UNKNOWN}"
        strace = [
            "strace",
            "--seccomp-bpf",
            "-f",
            "-y",
            "-xx",
            "-s",
            str(TEXT_BYTES_MAX),
            "-e",
            calls,
            "-e",
            "signal=none",
            *more,
            "-o",
            log,
        ]
        with errors.open("wb") as err:
            words = [*map(str, strace), *map(str, command)]
            with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=err, start_new_session=True, env=environ) as p:
                try:
                    p.wait(RECORD_S_MAX)
                except BaseException:
                    os.killpg(p.pid, signal.SIGKILL)  # strace alone would leave the command behind
                    raise
        assert p.returncode == 0, f"ended with {p.returncode}: {errors.read_text()[-1500:]}"
        return Trace(folder, cwd).read(log.read_text())


class Trace:
    """The lines of strace as operations on one folder."""

    def __init__(self, folder: Path, cwd: Path | None = None) -> None:
        self.folder, self.cwd, self.ops = str(folder), cwd or folder, list[Op]()
        self._begun: dict[str, tuple[str, int]] = {}
        self._at: dict[str, int] = {}
        self._size = {str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        self._appending: set[str] = set()

    def read(self, log: str) -> list[Op]:
        for line in log.splitlines():
            pid, since = line.split(" ", 1)[0], len(self.ops)
            if line.endswith("<unfinished ...>"):  # another thread came between
                self._begun[pid] = line.removesuffix("<unfinished ...>"), since
                continue
            if resumed := re.match(r"\d+ +<\.\.\. \w+ resumed>(.*)", line):
                head, since = self._begun.pop(pid)
                line = head + resumed[1]
            if m := LINE.match(line):
                self._call(m[1], m[2], int(m[3]), since)
        return self.ops

    def _call(self, call: str, raw: str, ret: int, since: int) -> None:
        args = HEX.sub(lambda h: "%" + h[0].replace("\\x", "") + "%", raw)  # keep what is hex apart
        texts = [bytes.fromhex(h) for h in re.findall(r'"%?([0-9a-f]*)%?"', args)]
        of = re.match(r"(\d+|AT_FDCWD)<%([0-9a-f]+)%>", args)
        place = bytes.fromhex(of[2]).decode() if of else ""
        if call == "write" and args.startswith("1<"):
            self.ops += [("ack", json.loads(word)) for word in re.findall(rb"^ACK (.*)$", texts[0], re.MULTILINE)]
        names = [str(self.cwd / t.decode(errors="replace")) for t in texts] if call in NAMED else [place]
        if call in ("openat", "unlinkat") and texts:
            names = [str(Path(place) / texts[0].decode(errors="replace"))]
        inside = [(name + "/").startswith(self.folder + "/") for name in names]
        if not any(inside) or (ret < 0 and "sync" not in call):
            return
        if call in UNKNOWN.split(","):
            raise Unmodelled(f"{call} {names}")
        if call in ("rename", "link") and not all(inside):
            raise Unmodelled(f"{call} across the edge of the folder: {names}")
        self._operation(call, names, args, texts, ret, since)

    def _operation(self, call: str, names: list[str], args: str, texts: list[bytes], ret: int, since: int) -> None:
        name, last = names[0], args.rsplit(", ", 1)[-1]
        if call == "openat":
            self._at[name] = 0
            self._appending = self._appending | {name} if "O_APPEND" in args else self._appending - {name}
            self.ops += [("create", name)] * ("O_CREAT" in args) + [("size", name, 0)] * ("O_TRUNC" in args)
            if "O_TRUNC" in args:
                self._size[name] = 0
        elif call == "lseek":
            self._at[name] = ret
        elif call in ("ftruncate", "truncate"):
            self._size[name] = int(last)
            self.ops.append(("size", name, int(last)))
        elif call in ("write", "pwrite64", "pwritev"):
            at = int(last) if call != "write" else self._size.get(name, 0) if name in self._appending else self._at.get(name, 0)
            if call == "write":
                self._at[name] = at + ret
            self._size[name] = max(self._size.get(name, 0), at + ret)
            self.ops.append(("write", name, at, b"".join(texts)[:ret]))
        elif call in ("fsync", "fdatasync"):
            self.ops.append(("failed sync" if ret else "sync", name, since))
        else:
            if call in ("rename", "link"):
                self._size[names[1]] = self._size.pop(name, 0) if call == "rename" else self._size.get(name, 0)
            self.ops.append(({"unlinkat": "unlink", "rmdir": "unlink"}.get(call, call), *names))


# ── images ──


def folder_of(name: str) -> str:
    return name.rpartition("/")[0]


def carry_out(names: dict[str, Any], data: dict[Any, bytearray], key: Any, op: Op) -> None:
    kind, name, *rest = op
    if kind in ("size", "write"):
        file, at = data[key], rest[0]
        file.extend(bytes(max(0, at - len(file))))
        if kind == "write":
            file[at : at + len(rest[1])] = rest[1]
        else:
            del file[at:]
    elif kind in ("create", "mkdir", "name"):
        names[name] = rest[0]
    elif (file := names.pop(name, None)) is not None and kind == "rename":
        names[rest[0]] = file


class _Disk:
    """live: name → file as the process sees it · names, data: what is surely on the disk · pending: what is not."""

    def __init__(self, before: Image, named: bool = False) -> None:
        self.named = named
        self.names: dict[str, Any] = {name: name for name in before}
        self.data: dict[Any, bytearray] = {name: bytearray(content) for name, content in before.items()}
        self.live, self.pending, self.folders = dict(self.names), list[tuple[int, Any, Op]](), set[str]()

    def take(self, i: int, op: Op) -> None:
        kind, name = op[:2]
        if kind == "rename" and folder_of(name) != folder_of(op[2]):  # its new name is its new folder's affair
            if (file := self.live.pop(name, None)) is not None:
                self.live[op[2]] = file
                self.pending += [(i, folder_of(op[2]), ("name", op[2], file)), (i, folder_of(name), ("unlink", name))]
        elif kind == "link":
            if (file := self.live.get(name)) is not None:
                self.live[op[2]] = file
                self.pending.append((i, folder_of(op[2]), ("name", op[2], file)))
        elif kind in ("create", "mkdir", "rename", "unlink"):
            if kind in ("create", "mkdir") and name in self.live:
                return
            if kind in ("create", "mkdir"):
                op = (*op, i)
                self.data[i] = bytearray()
                self.folders |= {name} if kind == "mkdir" else set()
            carry_out(self.live, self.data, i, op)
            self.pending.append((i, folder_of(name), op))  # the key says whose sync makes it durable: the folder's …
        elif kind in ("size", "write") and name in self.live:
            self.pending.append((i, self.live[name], op))  # … or the file's
        elif kind in ("sync", "failed sync"):
            self._sync(name, op)

    def _sync(self, name: str, op: Op) -> None:
        key = name if name in self.folders or name not in self.live else self.live[name]
        done = [p for p in self.pending if p[1] == key and p[0] < op[2]]
        if self.named and op[0] == "sync" and key not in self.folders:
            done = sorted([*done, *self._names_of(key, op[2])], key=lambda p: p[0])
        for _, of, o in done if op[0] == "sync" else []:
            carry_out(self.names, self.data, of, o)
        dropped = set(map(id, done)) if op[0] == "sync" else {id(p) for p in done if p[2][0] in ("size", "write")}
        self.pending = [p for p in self.pending if id(p) not in dropped]

    def _names_of(self, file: Any, until: int) -> list[tuple[int, Any, Op]]:
        """What was done to names up to the last that concerns this file; of its folders alone, in order: less than a real one keeps."""
        of_names = [p for p in self.pending if p[2][0] not in ("size", "write") and p[0] < until]
        last = {p[1]: p[0] for p in of_names if p[2][-1] == file or self.live.get(p[2][2] if p[2][0] == "rename" else "") == file}
        return [p for p in of_names if p[0] <= last.get(p[1], -1)]

    def draw(self, chance: random.Random) -> Image:
        """One thing that may be left after a cut here."""
        touched = {key for _, key, op in self.pending if op[0] in ("size", "write")}
        names, data, kept = dict(self.names), {k: bytearray(v) if k in touched else v for k, v in self.data.items()}, dict[Any, int]()
        for _, key, op in self.pending:
            fate = chance.random()
            if op[0] not in ("size", "write"):
                kept.setdefault(key, chance.randint(0, sum(p[1] == key and p[2][0] not in ("size", "write") for p in self.pending)))
                kept[key] -= 1
                fate = 1 if kept[key] >= 0 else 0
            elif op[0] == "write" and 0.45 < fate < 0.6 and len(op[3]) > SECTOR_BYTES:
                op = (*op[:3], op[3][: SECTOR_BYTES * chance.randrange(1, len(op[3]) // SECTOR_BYTES + 1)])
            if fate > 0.45:
                carry_out(names, data, key, op)
        gone = self.folders - names.keys()
        return {
            name: bytes(data[file])
            for name, file in names.items()
            if name not in self.folders and not any(name.startswith(folder + "/") for folder in gone)
        }


def images(ops: Sequence[Op], count: int, seed: int, before: Image, named: bool = False) -> Iterator[tuple[Image, list[Any]]]:
    """`count` pairs (image, receipts shown before the cut); same seed, same images. named: a file that is synced has its names, as with
    ext4 and XFS; our own files do not rest on it, those of PostgreSQL do."""
    chance, disk, acks = random.Random(seed), _Disk(before, named), list[Any]()
    cuts = sorted(chance.randrange(len(ops) + 1) for _ in range(count))
    for i, op in enumerate([*ops, ("end", "")]):
        while cuts and cuts[0] == i:
            cuts.pop(0)
            yield disk.draw(chance), list(acks)
        if op[0] == "ack":
            acks.append(op[1])
        else:
            disk.take(i, op)


def lay(image: Image, folder: Path, to: Path, keep: Callable[[str], bool] = lambda name: not name.endswith("-shm")) -> None:
    """The image as files in a folder of its own."""
    for name, content in image.items():
        if keep(name):
            path = to / Path(name).relative_to(folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
