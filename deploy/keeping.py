"""What an administrator does to one node's folder: people, enrolment, backup, restore, rebuild, digest. Works beside the running node.

Each function opens the folder, does one thing, says in Chinese what it did, and returns the exit code. A running node notices
entries that are written here within a second and sends them on.
"""

import argparse
import asyncio
import getpass
import json
import os
import secrets
import shutil
import sys
import tarfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import date
from pathlib import Path

from msgspec.structs import replace

from deploy import backup_keys
from deploy.county import County
from deploy.nats.upward import Upward
from deploy.working import working
from edge import enrol as joining
from hub.enrolment import Enrolment
from hub.places import merge, split
from protocol import have
from protocol.calendar import local_date
from protocol.commands import GivePost, RegisterPerson
from protocol.events import Actor
from protocol.node import healing, killpoints, locks, restored
from protocol.node.blobs import is_address
from protocol.node.config import Config
from protocol.node.folding import made_anew
from protocol.node.identity import Identity, write_whole
from protocol.node.journal import backup as copy_journal
from protocol.node.journal.backup import BackupBroken
from protocol.node.journal.engine import free_again, sync_folder
from protocol.node.link.client import shuts_out
from protocol.node.machine import Machine, files_folder
from protocol.node.node import Node, now_ms
from protocol.node.people import check_account
from protocol.node.scrubbing import look
from protocol.people_rules import FIRST_POSTS
from protocol.place import is_unit, tier
from protocol.problem import Refused


@asynccontextmanager
async def opened(folder: Path, config: Config) -> AsyncIterator[Node]:
    """Beside the running program and other commands, never beside a heal or a restore: what is written here would be lost. Raises
    FileNotFoundError when the folder was never enrolled, locks.Busy, what Node.open raises."""
    if not Identity(folder).exists:
        raise FileNotFoundError(f"{folder} 里还没有节点。先运行 yidi hub，或 yidi edge enrol 登记码")
    await restored.finish(folder)
    await healing.finish(folder, config)
    async with locks.beside(folder):
        node = await Node.open(folder, config)
        try:
            yield node
        finally:
            await node.close()


def warden(node: Node) -> Actor:
    """Who acts at the command line of this folder: whoever can read its keys may register people of its office and below."""
    return Actor("", "node", node.office, frozenset({"people", "admin"}))


async def enrol(code: str, folder: Path, config: Config) -> int:
    """A folder that was enrolled and then put out (copied, lost and found), whether it heard of it or not, goes on by a new code, over the
    same journal. Stopped before the first account was made, it makes it when it is asked again; stopped before it said that it had joined
    again, it says so."""
    ended = joining.finish_renewal(folder)
    again = Identity(folder).exists and (not Identity(folder).can_sign() or await _is_stopped(folder, config))
    if not again and await _had_no_account(folder, config):
        return 0
    if not again and (ended or joining.has_joined_again(code, folder)):
        return await _joined_again(folder, config)
    again = again or (Identity(folder).exists and await _is_shut_out(folder, config))
    try:
        joined = await (joining.renew if again else joining.enrol)(code, folder)
    except ConnectionError as error:
        address = code.rpartition("/")[0]
        raise OSError(f"连不上 {address}。请确认县中心正在运行、网络通、登记码抄对了，再试一次（登记码还能用）") from error
    async with opened(folder, config) as node:
        await joining.take_in(node, joined.batches)
        print(f"已登记：{node.name}（节点 {node.about.node}）")
        if node.made_up:
            print("这是演示用的县，人和事都是编的：每一页都写明“演示”，真的纠纷不要登记在这里。")
        await _first_account(node)
    if joined.leaf:
        print(f"本节点自带 NATS，监听 {joined.leaf.listen}")
    print(f"{'本机的程序还在运行的，请先停下。' if again else ''}现在运行：yidi edge --folder {folder}")
    return 0


async def _had_no_account(folder: Path, config: Config) -> bool:
    """Claims that it was enrolled, and stopped before its first account could sign in: now it can."""
    account, _ = joining.first_of(folder)
    if not account:
        return False
    async with opened(folder, config) as node:
        if await node.journal.rows("account", "name = :name and once = 0", {"name": account}):  # with a password of their own
            joining.first_done(folder)
            return False
        print(f"已登记：{node.name}（节点 {node.about.node}）")
        await _first_account(node)
    print(f"现在运行：yidi edge --folder {folder}")
    return True


async def _joined_again(folder: Path, config: Config) -> int:
    """Says it, to whom it was not said: all was done but for the word."""
    async with opened(folder, config) as node:
        print(f"已登记：{node.name}（节点 {node.about.node}）")
    print(f"现在运行：yidi edge --folder {folder}")
    return 0


async def _first_account(node: Node) -> None:
    with joining.alone(node.folder):  # of two passwords only the later one is good
        account, person = joining.first_of(node.folder)
        if account:
            once = await node.people.add_account(account, person, None, now_ms())
            print(f"第一个账号：{account}\n一次性密码：{once}（首次登录后请改掉）", flush=True)
            joining.first_done(node.folder)


async def _is_stopped(folder: Path, config: Config) -> bool:
    async with opened(folder, config) as node:
        await node.forks.load()
        return node.stopped() in ("node_revoked", "node_forked")


async def _is_shut_out(folder: Path, config: Config) -> bool:
    """Claims that a server which this computer dials takes it no more, though its journal does not say why: each is asked, and what its own
    leaf was told last is read."""
    identity, leaf = Identity(folder), Upward(Identity(folder).folder / "leaf.log", now_ms)
    leaf.look()
    leaf.close()
    dialled = [replace(config.link, servers=[server]) for server in dict.fromkeys([*config.link.servers, *identity.about().servers])]
    links = [Machine(folder, replace(config, link=one), now_ms).link() for one in dialled]
    return leaf.is_shut_out or any(await asyncio.gather(*map(shuts_out, links)))


async def register(
    node: Node, *, name: str, kind: str, office: str, title: str = "", phone: str = "", person: str = "", home: str = "", new: str = ""
) -> str:
    """Registers a person (unless `person` is given; new: the id to give them) and gives the post. Returns the person id. Raises Refused
    before anything is written, as far as it can be known here."""
    _check_post(node, kind)
    person_id = person or new or secrets.token_hex(16)
    actor = warden(node)
    if not person:
        await node.desk.submit(RegisterPerson(id=secrets.token_hex(8), person=person_id, office=office, name=name, phone=phone), actor)
    post = f"{kind}.{secrets.token_hex(4)}"
    shown = title or node.tables().post_name(kind)
    given = GivePost(id=secrets.token_hex(8), post=post, person=person_id, office=office, title=shown, home=home or node.about.node)
    await node.desk.submit(given, actor)
    return person_id


def _check_post(node: Node, kind: str) -> None:
    if kind not in (posts := node.tables().posts):
        known = "、".join(f"{one} {row.name}" for one, row in posts.items())
        raise Refused("field_impossible", field="post", what="岗位种类", why=f"没有 {kind}，可以写的有 {known}")


async def person(folder: Path, config: Config, given: argparse.Namespace) -> int:
    async with opened(folder, config) as node:
        office = given.office or node.office
        await node.people.check_free(given.account, given.person)
        id_ = await register(
            node, name=given.name, kind=given.post, office=office, title=given.title, phone=given.phone, person=given.person
        )
        print(f"已登记 {given.name}，岗位：{node.tables().post_name(given.post)}（人员编号 {id_}）")
        if given.account not in {name for name, _ in await node.people.accounts()}:
            once = await node.people.add_account(given.account, id_, None, now_ms())
            print(f"账号：{given.account}\n一次性密码：{once}（首次登录后请改掉）")
    return 0


async def invite(folder: Path, config: Config, given: argparse.Namespace) -> int:
    """The invitation is written before its person: what is refused there leaves nobody registered."""
    county = County.of(folder, config, now_ms())
    async with opened(folder, config) as node:
        name = given.name or node.tables().place_name(given.place)
        if not node.tables().is_place(given.place) and not is_unit(given.place):
            raise Refused("field_impossible", field="place", what="辖区", why=f"没有 {given.place} 这个地方")
        kind = ""
        if given.account:
            kind = given.post or FIRST_POSTS[tier(given.place)]
            check_account(given.account)
            _check_post(node, kind)
        elif given.person or given.post:
            raise Refused("field_missing", field="account", what="第一个使用人的登录账号（--account）")
        who = secrets.token_hex(16) if given.account else ""
        enrolment = county.enrolment(node)
        code = await enrolment.invite(
            place=given.place,
            name=name,
            serves=given.serves,
            covers=given.serves,
            hosts=given.host,
            leaf=given.leaf,
            account=given.account,
            person=who,
        )
        if who:
            await register(node, name=given.person or given.account, kind=kind, office=given.place, new=who)
    print(f"登记码（三天内有效，只能用一次）：{code}\n在 {name} 的机器上运行：yidi edge enrol {code}")
    _warn_of(enrolment)
    return 0


def _warn_of(enrolment: Enrolment) -> None:
    if alone := enrolment.dialled_here_alone():
        print(
            f"注意：别的电脑连不上 {'、'.join(alone)}，那是这台电脑自己的地址。要让别的电脑加入，请先在 yidi.toml 里写 [root] address"
            " 和 [nats] host，重启县中心，再发一次登记码。只在这一台上试用，不用管。",
            file=sys.stderr,
        )


async def revoke(folder: Path, config: Config, node_id: str, reason: str) -> int:
    county = County.of(folder, config, now_ms())
    async with opened(folder, config) as node:
        done = await county.enrolment(node).revoke(node_id, reason)
    print(f"已停用 {node_id}：{done.cut} 个连接凭证作废，它此后写的条目不再计入，等承办单位核对。")
    return 0


async def place_split(folder: Path, config: Config, old: str, code: str, name: str, day: str) -> int:
    day = _not_later(day)
    async with opened(folder, config) as node:
        path = await split(node.desk, node.shelf, old=old, code=code, name=name, day=day)
        names = [node.tables().place_full(one) for one in (path, old)]
    print(f"{names[0]}已从{names[1]}拆出，台账从头记起。给它的电脑发登记码：yidi invite --place {path}")
    print(f"{names[1]}没办完的还由它办完，或者由乡镇提级来办。")
    return 0


def _not_later(day: str) -> str:
    """Today where none was given. Raises Refused field_impossible."""
    today = local_date(now_ms()).isoformat()
    try:
        whole = not day or date.fromisoformat(day).isoformat() == day
    except ValueError:
        whole = False
    if not whole:
        raise Refused("field_impossible", field="day", what="日期", why=f"没有 {day} 这一天，请写成 {today} 这样")
    if (day or today) > today:
        raise Refused("field_impossible", field="day", what="日期", why="当天或以后再运行")
    return day or today


async def place_merge(folder: Path, config: Config, old: str, new: str, day: str) -> int:
    county = County.of(folder, config, now_ms())
    day = _not_later(day)
    async with opened(folder, config) as node:
        names = [node.tables().place_full(path) for path in (old, new)]
        widened = await merge(county.enrolment(node), node.desk, node.shelf, old=old, new=new, day=day)
    print(f"{names[0]}已并入{names[1]}。没办完的接着办，由{names[1]}的人承办；以后的登记到{names[1]}。")
    for made in widened:
        print(f"节点 {made.node}（{made.name}）从此也管这本台账：连上以后自己换证、自己重开，不用重新登记。")
    return 0


async def renew(folder: Path, config: Config, given: argparse.Namespace) -> int:
    """At the hub: puts a node out and invites its place again. For a copied, stolen or lost computer."""
    county = County.of(folder, config, now_ms())
    async with opened(folder, config) as node:
        enrolment = county.enrolment(node)
        name, code = await enrolment.renew(given.node, given.reason, given.host)
    print(f"已停用 {given.node}（{name}）。\n新的登记码（三天内有效，只能用一次）：{code}")
    print(f"电脑还在：填到它的“连接与台账”里。电脑丢了：在新电脑上运行 yidi edge enrol {code}")
    _warn_of(enrolment)
    return 0


async def passwd(folder: Path, config: Config, account: str, ask: bool) -> int:
    try:
        typed = getpass.getpass("新密码（至少 8 位）：") if ask else None
        if ask and typed != getpass.getpass("再输一次："):
            raise Refused("field_impossible", field="password", what="密码", why="两次输入不一样")
    except EOFError:
        raise RuntimeError("这里没有终端，输不了密码。不加 --ask 就给一个一次性密码") from None
    async with opened(folder, config) as node:
        once = await node.people.passwd(account, typed, now_ms())
    print("密码已改。" if ask else f"一次性密码：{once}（首次登录后请改掉）")
    return 0


async def backup(folder: Path, config: Config, file: Path) -> int:
    """One tar: the journal as an encrypted file, blobs (cipher text), configuration. Keys stay here: keep a copy of them apart."""
    check_new(file)
    async with opened(folder, config) as node:
        if told := backup_keys.made_late(node.identity, config):
            print(told, file=sys.stderr, flush=True)  # at once: it is said this one time, also where the backup fails
        key = backup_keys.kept(node.identity)
        with working(file.resolve().parent) as work:
            copy = work / "journal.backup"
            try:
                await copy_journal(node.journal, copy, key)
            except BackupBroken as broken:
                raise RuntimeError("台账有损坏，没有备份。请停下本机的程序，运行 yidi heal 修复，再备份") from broken
            killpoints.reach("backup.copy")
            has_config = (folder / "yidi.toml").exists()
            with tarfile.open(work / "backup.tar", "w") as tar:
                (work / "backup.tar").chmod(0o600)  # yidi.toml may hold the database's password
                tar.add(copy, "journal.backup")
                _add_files(tar, files_folder(folder, config) / "blobs")
                if has_config:
                    tar.add(folder / "yidi.toml", "yidi.toml")
            _sync(work / "backup.tar")
            shutil.move(work / "backup.tar", file)
            with free_again([file]):
                sync_folder(file.resolve().parent)  # else a power cut may forget the name of what is called done below
    print(f"已备份到 {file}（台账加密，附件本来就是密文）。密钥不在里面：请另存 {folder}/identity（县中心还有 {folder}/county）。")
    if has_config:
        print("yidi.toml 也在里面，没有加密：写了数据库密码、token 的，这个文件要和密码一样保管。恢复时不放回它。")
    return 0


def check_new(file: Path) -> None:
    """Claims that a file may be made there. Raises FileExistsError, FileNotFoundError (its folder), in words."""
    if file.exists():
        raise FileExistsError(f"{file} 已经存在")
    if not file.resolve().parent.is_dir():
        raise FileNotFoundError(f"没有 {file.parent} 这个目录")


def _add_files(tar: tarfile.TarFile, folder: Path) -> None:
    """Whole attachments; of halves the rest would be missing anyhow. One that the law takes meanwhile is in no copy."""
    for path in sorted(path for path in folder.glob("*/*") if is_address(path.name)):
        with suppress(FileNotFoundError):
            tar.add(path, f"blobs/{path.parent.name}/{path.name}")


def _sync(path: Path) -> None:
    with path.open("rb") as f:
        os.fsync(f.fileno())


async def heal(folder: Path, config: Config, as_json: bool) -> int:
    """Of a stopped node: what is proven goes into a new journal, what is missing comes back from the others once it runs."""
    from deploy.running import sole

    began = time.monotonic()
    if not Identity(folder).exists:
        raise FileNotFoundError(f"{folder} 里还没有节点")
    with sole(folder):
        await restored.finish(folder)
        done = await healing.heal(folder, config, now_ms)
    missing = sum(gap.last - gap.first + 1 for gap in done.short)
    if as_json:
        counted = {"pages": done.pages, "entries": done.entries, "loose": done.loose}
        figures = counted | {"missing": missing, "epoch": done.epoch, "codes": done.codes}
        print(json.dumps({"command": "heal", "ok": True, "seconds": round(time.monotonic() - began, 2), "figures": figures}))
        return 0
    print(
        f"修好了：损坏 {done.pages} 页，台账里核对无误的 {done.entries} 条都在。"
        + (f"本机从第 {done.epoch} 纪元继续写。" if done.epoch else "")
    )
    if missing:
        print(f"还差 {missing} 条，启动以后向别的机器取；其中 {done.loose} 条本机还有，前面的补齐就接上。取不回的会逐条列在“连接与台账”。")
        for gap in done.short:
            print(f"  {gap.ledger}  {gap.origin}  第 {gap.first}–{gap.last} 条")
    if done.epoch:
        print(f"请把 {folder}/identity 再另存一份：纪元写在里面。")
    if done.codes:
        print(f"发出去还没用的 {done.codes} 个登记码作废，还要用的请重新发。")
    print("都请重新登录。" + (f"损坏的文件留在 {folder / done.aside}，补齐以后自动删除。" if done.aside else ""))
    return 0


async def rebuild(folder: Path, config: Config, as_json: bool) -> int:
    """Entries and attachments are held against their hashes first: of damaged entries no view is made."""
    began = time.monotonic()
    async with opened(folder, config) as node:
        found = await look(node.journal, node.blobs)
        same = not found.entries and await made_anew(node.journal, node.shelf)
    if as_json:
        figures = {"same": int(same), "damaged": len(found.entries), "files": len(found.files)}
        print(json.dumps({"command": "rebuild", "ok": same, "seconds": round(time.monotonic() - began, 2), "figures": figures}))
    elif found.entries:
        print(f"本机台账有损坏：{len(found.entries)} 处与签名对不上，没有重算。请停下本机的程序，运行 yidi heal 修复；缺的从别的节点取回。")
    else:
        if found.files:
            print(f"有 {len(found.files)} 个附件已损坏，联上后重新取回。")
        print("重算完成：每一张视图都与台账一致。" if same else "重算完成：有视图与台账不一致，已改正。")
    return 0 if same else 1


async def digest(folder: Path, config: Config, as_json: bool) -> int:
    began = time.monotonic()
    async with opened(folder, config) as node:
        found = await digests(node)
    if as_json:
        figures = {"ledgers": len(found), "entries": sum(entries for _, entries in found.values())}
        told = {"command": "digest", "ok": True, "seconds": round(time.monotonic() - began, 2), "figures": figures, "ledgers": found}
        print(json.dumps(told, ensure_ascii=False))
    else:
        for ledger, (hash_, entries) in found.items():
            print(f"{hash_[:16]}  {entries:>7} 条  {ledger}")
    return 0


async def digests(node: Node) -> dict[str, tuple[str, int]]:
    """ledger → (digest, entries), of every ledger this node holds."""
    found = {}
    for ledger in await node.journal.ledgers():
        lanes = await node.journal.lanes(ledger)
        found[ledger] = (have.digest(lanes), sum(seq for seq, _ in lanes.values()))
    return found


def save_config(folder: Path, text: str) -> None:
    write_whole(folder / "yidi.toml", text.encode(), 0o644)
