"""`yidi restore`: a backup takes the place of the journal; attachments that it brings are held against their addresses. See README."""

import lzma
import os
import shutil
import tarfile
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from deploy import backup_keys
from deploy.county import check_keys
from deploy.taking_back import TakenBack, take_back
from deploy.working import working
from hub.enrolment import Invitation
from protocol.entry import epoch_of, node_of
from protocol.node import healing, killpoints, locks, restored
from protocol.node.blobs import is_address, is_file_of
from protocol.node.config import Config
from protocol.node.gate import Notes, note_restored
from protocol.node.identity import Identity
from protocol.node.journal import has_entries
from protocol.node.journal import restore as restore_journal
from protocol.node.journal.backup import BackupBroken, NotEmpty
from protocol.node.journal.engine import connect_sqlite, sync_folder
from protocol.node.journal.migrate import knows
from protocol.node.machine import files_folder
from protocol.node.node import MARK, now_ms, store_url
from protocol.node.recovering import OPEN
from protocol.node.shelf import Shelf

NAMES_SHOWN: Final = 20  # of accounts, in one line
_NOT_EMPTY: Final = "数据库里已经有台账。请先建一个空的数据库，把 [store] url 改成它，再恢复"


async def restore(folder: Path, config: Config, file: Path) -> int:
    """Puts the backup in the journal's place. The node goes on under a new epoch; what was sent and is not here comes back from peers.

    What the old journal holds behind the backup goes on in the new one (`taking_back`), so that what was never sent is not lost either.
    The new journal takes its place, or the empty database is filled, only when all else is done and it stands, proven, beside the old one:
    stopped before, the node goes on with what it had, after it has heard the others; stopped after, the next start ends it. So does a second
    restore, first of all. Raises RuntimeError, OSError, Refused: the journal was not changed.
    """
    identity, url = Identity(folder), store_url(folder, config)
    embedded = url.startswith("sqlite")
    if not identity.exists:
        raise FileNotFoundError(f"{folder}/identity 不在：先把另存的密钥放回去，再恢复")
    opens = backup_keys.kept(identity)
    identity.signing_key()
    if (about := identity.about()).node == about.root_node and not config.root.beside:
        check_keys(folder)
    async with _alone(folder) as work:
        restored.change_places(folder)
        olds, from_file = restored.olds(folder), embedded or (folder / restored.NAMES[0]).exists()
        if not embedded and await has_entries(url):
            raise RuntimeError(_NOT_EMPTY)
        made, key = work / "journal.db", identity.any_key("store") if embedded else opens
        above = await _unpacked(file, identity, made, key)
        taken = await take_back(made, key, olds, folder, config, now_ms)
        ended = _ended(made, key, now_ms())
        spoilt = _put_files(work / "blobs", files_folder(folder, config) / "blobs")
        note_restored(Notes(folder), now_ms(), "restore")
        killpoints.reach("restore.epoch")
        epoch = identity.new_epoch(max(above, ended.epoch, taken.epoch))
        aside = restored.new_aside(folder, int(time.time()))
        if embedded:
            restored.stand_ready(folder, made, aside)
            killpoints.reach("restore.ready")
            restored.change_places(folder)
        else:
            healing.leave(folder, aside)
            killpoints.reach("restore.move")
            await _filled(url, made, key)
            _put_aside(folder, aside)
    print(f"已恢复。本机从第 {epoch} 纪元继续写：纪元写在 {identity.folder} 里，请再另存一份。")
    _say_what_came_back(folder, taken, bool(olds), from_file)
    _say_what_ended(ended)
    if spoilt:
        print(f"备份里有 {spoilt} 个附件已损坏，没有放回；本机原有的留着，缺的联上后从别的节点取回。")
    if kept := restored.asides(folder):
        named = "、".join(map(str, kept))
        rest = "里面的条目都取回了：确定不缺什么再删。" if taken.is_all else "没有取回、也没有送出去过的条目只在那里：确定不缺什么再删。"
        print(f"原来的台账留在 {named}，{rest}")
    return 0


def _say_what_came_back(folder: Path, taken: TakenBack, had_any: bool, from_file: bool) -> None:
    """had_any: an old journal in a file · from_file: the last one was one, or there was none."""
    sent = "送出去过的，联上后从别的节点取回"
    if not from_file:
        print(f"原来在数据库里的台账没有读：备份以后的条目，{sent}；没有送出去过的，只在原来的数据库里，请留着。")
    elif not had_any:
        print(f"这里没有原来的台账。备份以后的条目，{sent}；没有送出去过的没有了。")
    if taken.new:
        print(f"原来的台账里备份以后的 {taken.new} 条已经取回，没有送出去过的也在里面，联上后照常送出。")
    elif had_any and taken.is_all:
        print("原来的台账里没有备份以后的条目。")
    if taken.left:
        print(f"原来的台账里还有 {taken.left} 条没有取回（接不上、是另一份记录，或者那里坏了）：{sent}；没有送出去过的，只在那里。")
    for why, files in (("是较新版本的程序写的", taken.later), ("读不出来（坏了，或者不是这把密钥的）", taken.unread)):
        for file in files:
            where = "原来的台账" if file.parent == folder else f"{file.parent} 里的台账"
            print(f"{where}{why}，里面的条目没有取回：{sent}；没有送出去过的，只在那里。")
    print("联上、核对完才打开页面（几秒钟）：备份以后依法删除的内容还在备份里。联系不上时，页面上写着怎么先打开用。")


def _say_what_ended(ended: "_Ended") -> None:
    print("都请重新登录。账号和密码是备份时的：备份以后改过的密码、停用的账号、停掉的登录，请再做一次。")
    if ended.once:
        named = "、".join(ended.once[:NAMES_SHOWN]) + ("等" if len(ended.once) > NAMES_SHOWN else "")
        print(f"备份时还没用的 {len(ended.once)} 个一次性密码作废，请重新发（yidi passwd 账号）：{named}")
    if ended.codes:
        print(f"备份时还没用的 {ended.codes} 个登记码作废：备份以后可能用过。还要用的请重新发。")


@asynccontextmanager
async def _alone(folder: Path) -> AsyncIterator[Path]:
    """A folder for what is unpacked, while no other program has the node. Raises RuntimeError."""
    from deploy.running import sole

    with sole(folder):
        async with locks.alone(folder):
            with working(folder) as work:
                yield work


async def _unpacked(file: Path, identity: Identity, made: Path, key: bytes) -> int:
    """A journal as the file `made` and the blobs beside it; the highest epoch of this node in it, which a copy of the keys from before does
    not know. Raises RuntimeError when the file is no backup of this node, or one that this program can't open."""
    copy = made.with_name("journal.backup")
    try:
        with tarfile.open(file) as tar:
            tar.extractall(
                made.parent, [one for one in tar if one.isfile() and (one.name == copy.name or _is_blob(one.name))], filter="data"
            )
        await restore_journal(copy, backup_keys.kept(identity), f"sqlite:///{made.resolve()}", key, Shelf(now_ms))
    except FileNotFoundError:
        if file.exists():
            raise RuntimeError(f"{file} 里没有台账，不是备份") from None
        raise
    except (tarfile.TarError, BackupBroken, EOFError, zlib.error, lzma.LZMAError) as wrong:
        raise RuntimeError(
            f"{file} 不是本节点的备份，或者已经损坏，或者 identity/ 不是做它时的那一份（请放回做备份以后另存的）；什么也没有改动"
        ) from wrong
    copy.unlink()
    with closing(connect_sqlite(made, key, False)) as c:
        ((version,),) = c.execute("select version_num from alembic_version").fetchall()
        origins = [origin for (origin,) in c.execute("select distinct origin from lane")]
    if not knows(version):
        raise RuntimeError(f"{file} 是较新版本的程序做的备份，这个程序打不开；什么也没有改动。请先更新程序，再恢复")
    return max((epoch_of(origin) for origin in origins if node_of(origin) == identity.about().node), default=0)


class _Ended(NamedTuple):
    """codes: of enrolment, unused and not late yet · epoch: the highest in which one was given · once: accounts whose one-time password was unused."""

    codes: int
    epoch: int
    once: list[str]


def _ended(made: Path, key: bytes, now_ms: int) -> _Ended:
    """What let somebody in when the backup was made lets nobody in any more, if it may have been used, or ended, since: nobody can tell. Of a code
    that says its epoch the row stays, so that a page can name the place (`void_codes`): by it nobody comes in once there is a higher one."""
    with closing(connect_sqlite(made, key, True)) as c:
        rows = c.execute("select code_hash, content, until_ms from invitation where used_by = ''").fetchall()
        given = {hash_: msgspec.msgpack.decode(content, type=Invitation).epoch for hash_, content, _ in rows}
        codes = sum(until_ms > now_ms for _, _, until_ms in rows)
        once = [name for (name,) in c.execute("select name from account where once = 1 and ended_ms = 0 order by name")]
        c.executemany("delete from invitation where code_hash = ?", [(hash_,) for hash_, epoch in given.items() if not epoch])
        c.execute("delete from session")
        c.execute("update account set until_ms = 0 where once = 1")
        c.execute("delete from local where name = ?", (OPEN,))
        c.execute("pragma journal_mode = delete")  # one file, nothing beside it: it is moved
    return _Ended(codes, max(given.values(), default=0), once)


def _put_aside(folder: Path, aside: Path) -> None:
    """Of a node that now has a database: the file that was its journal, and the mark of it."""
    restored.keep(folder, aside)
    for name in (*healing.NAMES, MARK):
        (folder / name).unlink(missing_ok=True)
    sync_folder(folder)


def _is_blob(name: str) -> bool:
    return name.startswith("blobs/") and is_address(name.rpartition("/")[2])


async def _filled(url: str, source: Path, key: bytes) -> None:
    """The database in one transaction. Raises RuntimeError when another program filled it meanwhile."""
    try:
        await restore_journal(source, key, url, None, Shelf(now_ms))
    except NotEmpty:
        raise RuntimeError(_NOT_EMPTY) from None


def _put_files(source: Path, target: Path) -> int:
    """How many of them are not what their address says: they are left out. What is sound here stays. Moved, not copied: a disk that is nearly
    full has room for it. They are on the disk before they have their names, and so are the names before it is said to be done."""
    found = [path for path in source.glob("*/*") if is_address(path.name) and path.parent.name == path.name[:2]]
    sound = [path for path in found if path.is_file() and is_file_of(path, path.name)]
    places = list[Path]()
    for path in sound:
        place = target / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_file() and is_file_of(place, place.name):
            path.unlink()
            continue
        shutil.move(path, place.with_suffix(".new"))
        places.append(place)
    os.sync()
    for place in places:
        place.with_suffix(".new").rename(place)
    for folder in sorted({place.parent for place in places}):
        sync_folder(folder)
    if places:
        sync_folder(target)
    return len(found) - len(sound)
