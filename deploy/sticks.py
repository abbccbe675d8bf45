"""`yidi export` and `yidi import`: the sticks of protocol.node.sticks at the command line."""

from pathlib import Path

from deploy.keeping import check_new, opened
from protocol import bundle
from protocol.node import sticks
from protocol.node.config import Config
from protocol.node.journal.engine import free_again, sync_folder
from protocol.node.node import now_ms
from protocol.problem import Refused


async def export(folder: Path, config: Config, file: Path, to: str) -> int:
    """Everything that the receiver covers and this node has, with the attachments that are here; several files where one is too large.
    Raises FileExistsError, FileNotFoundError (its folder): none was written."""
    check_new(file)
    async with opened(folder, config) as node:
        receiver = to or node.about.root_node
        work = file.parent / f".{file.name}.work"
        work.mkdir(exist_ok=True)
        for left in work.glob("*"):  # of an export that was killed
            left.unlink()
        try:
            made = await sticks.write(node, receiver, work, "part", now_ms())
            names = [file, *(file.with_name(f"{file.stem}-{n}{file.suffix}") for n in range(2, len(made.files) + 1))]
            if there := next((name for name in names if name.exists()), None):
                raise FileExistsError(f"{there} 已经存在")
            named = list[Path]()
            with free_again(named):
                for part, name in zip(made.files, names, strict=True):
                    named.append(part.rename(name))
                sync_folder(file.resolve().parent)
        finally:
            for left in work.glob("*"):
                left.unlink()
            work.rmdir()
        name = node.shelf.certificates[receiver].name
    more = f"（共 {len(names)} 个文件，都要带去：{'、'.join(one.name for one in names)}）" if len(names) > 1 else ""
    print(f"已导出 {made.entries} 条、附件 {made.pieces} 块到 {file}{more}，只有 {name} 能打开。")
    return 0


async def import_(folder: Path, config: Config, file: Path) -> int:
    async with opened(folder, config) as node:
        told = await sticks.read(node, _read(file), now_ms())
    print(f"来自 {told.name}：新入账 {told.new} 条，已有 {told.known} 条，附件 {told.files} 块。")
    if told.early:
        print(f"还有 {told.early} 条接不上：请先导入它前面的那个文件，再导入一次这个文件。")
    if told.gaps:
        print(f"有 {told.gaps} 块附件接不上：同一个附件的前一段在别的文件里。请先导入那个文件，再导入一次这个文件。")
    if told.unnamed:
        print(f"有 {told.unnamed} 块附件本机没有条目提到，没有收下；别的文件都导入以后，可以再导入一次这个文件。")
    for sentence, count in told.refused:
        print(f"拒收 {count} 批：{sentence}（见 连接与台账）")
    return 1 if told.refused or told.early or told.gaps else 0


def _read(file: Path) -> bytes:
    """Raises Refused bundle_wrong before a film that somebody put on the stick is read into memory."""
    if file.stat().st_size > bundle.BUNDLE_BYTES_MAX + 1_024:
        raise Refused("bundle_wrong", why="太大")
    return file.read_bytes()
