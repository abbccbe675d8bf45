"""The command `yidi`: one node of a folder at a time. Help in Chinese and English; refusals are one plain sentence, exit 1."""

import argparse
import asyncio
import errno
import json
import logging
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy import memory, tables
from protocol.node.config import Config, ConfigWrong, load
from protocol.problem import Refused

FOLDER = "./yidi-data"
SYSTEM = {
    errno.ENOENT: "没有这个文件或目录",
    errno.EACCES: "没有读写它的权限",
    errno.EPERM: "没有读写它的权限",
    errno.ENOTDIR: "路径中间有一段是文件，不是目录",
    errno.EISDIR: "这是目录，不是文件",
    errno.EEXIST: "已经有了",
    errno.EROFS: "这个盘只能读，不能写",
    errno.EIO: "磁盘读写出错",
    errno.EMFILE: "打开的文件太多",
    errno.ETIMEDOUT: "等了太久没有回答",
    errno.ECONNREFUSED: "那里没有程序在听",
    errno.EHOSTUNREACH: "网络到不了那台机器",
    errno.ENETUNREACH: "网络到不了那台机器",
    socket.EAI_NONAME: "找不到这个主机名",
    socket.EAI_AGAIN: "找不到这个主机名",
}
STORE = {  # what a page says of a form, for whoever sits at a terminal: nobody repairs here, and there is nothing to be saved once more
    "disk_full": "磁盘满了，没有做成。请清出空间，再运行一次。",
    "store_busy": "存储正忙，或者数据库连不上，没有做成。请过一会儿再运行一次。",
    "store_readonly": "存储现在只能读、不能写，没有做成。请检查磁盘或数据库，能写了再运行一次。",
    "store_damaged": "本机台账有损坏，没有做成。请停下本机的程序，运行 yidi heal 修复，再运行一次。",
}
DESCRIPTION = """一地：村、镇、县三级矛盾纠纷台账。村里断网也能登记，联上自动送到镇、县；县里派干部下去，群众最多跑一地。
Yidi: a dispute ledger for village, township and county that works offline and syncs over NATS."""


def main(argv: list[str] | None = None) -> None:
    for stream in (sys.stdout, sys.stderr):
        _never_fails_to_print(stream)
    parser = _parser()
    given = parser.parse_args(argv)
    if not hasattr(given, "call"):
        parser.print_help()
        raise SystemExit(2)
    began = time.monotonic()
    try:
        config_path = Path(given.config) if given.config else Path(given.folder) / "yidi.toml"
        if given.config and not config_path.is_file():
            raise ConfigWrong(f"没有 {config_path} 这个配置文件。")
        raise SystemExit(given.call(given, load(config_path)) or 0)
    except ConfigWrong as wrong:
        told = str(wrong)
    except Refused as refused:
        told = STORE.get(refused.code, refused.sentence)
    except (OSError, RuntimeError) as error:
        from protocol.node.journal.faults import refusal

        meant = refusal(error)
        told = STORE["disk_full"] if meant and meant.code == "disk_full" else f"没有做成：{_plain(error)}"
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    print(told, file=sys.stderr)
    if getattr(given, "json", False):
        failed = {"command": given.command, "ok": False, "seconds": round(time.monotonic() - began, 2), "figures": {}, "why": told}
        print(json.dumps(failed, ensure_ascii=False))
    raise SystemExit(1)


def _plain(error: Exception) -> str:
    """What the system says in English, in Chinese with the name of the file; our own sentences as they are."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    why = SYSTEM.get(error.errno) or error.strerror or str(error)
    return f"{why}：{error.filename}" if error.filename else why


def _never_fails_to_print(stream: Any) -> None:
    """A terminal that knows no Chinese, or not this character of a name (locale C, a GBK console), must not end a command that has
    done its work: a one-time password is said once."""
    if hasattr(stream, "reconfigure"):
        ascii_alone = (stream.encoding or "").lower().replace("-", "") in ("ascii", "ansi_x3.41968", "usascii")
        stream.reconfigure(encoding="utf-8" if ascii_alone else None, errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--folder", default=FOLDER, help=f"数据目录，默认 {FOLDER}（data folder）")
    common.add_argument("--config", default="", help="配置文件，默认是数据目录里的 yidi.toml（TOML file）")
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("yidi", description=DESCRIPTION, formatter_class=formatter)
    commands = parser.add_subparsers(metavar="命令 COMMAND")

    def command(name: str, call: Callable[..., Any], help_: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, parents=[common], help=help_, description=help_)
        made.set_defaults(call=call, command=name)
        return made

    command("hub", _hub, "运行县中心节点；空目录会先建县（run the county hub）")
    edge = command("edge", _edge, "运行村、镇节点；edge enrol CODE 先登记（run an edge, or enrol it）")
    edge.add_argument("words", nargs="*", metavar="enrol CODE", help="用登记码加入本县（join with a one-time code）")
    command("enrol", _enrol, "用登记码加入本县（join a county with a one-time code）").add_argument("code")
    _people_parsers(command)
    _keeping_parsers(command)
    demo = command("demo", _demo, "在一台机器上演示全县（a whole county on this machine）")
    demo.add_argument("scene", nargs="?", default="", choices=["", "centre"], help="centre：县中心大厅（后续版本）")
    demo.add_argument("--check", action="store_true", help="不开页面，把整个故事跑一遍并逐步核对（play and assert the story）")
    demo.add_argument("--json", action="store_true", help="最后一行输出 JSON（JSON as the last line）")
    demo.add_argument("--disputes", type=int, default=0, help="第一次启动时写入多少件纠纷，默认 360（how many seeded disputes）")
    demo.set_defaults(folder="./.demo")
    return parser


def _people_parsers(command: Callable[..., argparse.ArgumentParser]) -> None:
    invite = command("invite", _invite, "县里给新节点发一次性登记码（one-time code for a new node; at the hub）")
    invite.add_argument("--place", required=True, help="辖区路径，例如 330523/330523111/330523111217（path of the office）")
    invite.add_argument("--name", default="", help="节点名称，默认取地名（name of the node）")
    invite.add_argument("--person", default="", help="第一个使用人的姓名（first person）")
    invite.add_argument("--account", default="", help="他的登录账号（account name）")
    invite.add_argument("--post", default="", help="岗位种类，默认村 clerk、镇 officer（kind of post）")
    invite.add_argument("--leaf", default="", help="乡镇自带 NATS 的 主机:端口（host:port of the township's own nats-server）")
    invite.add_argument("--host", action="append", default=[], help="别人访问它页面用的主机名（host name for its certificate）")
    invite.add_argument("--serves", action="append", default=[], help="另外代办的单位路径（further offices it serves）")
    revoke = command("revoke", _revoke, "停用一个节点（revoke a node; at the hub）")
    revoke.add_argument("node")
    revoke.add_argument("--reason", default="")
    renew = command(
        "renew", _renew, "停用一个节点，并给它的地方发新登记码：电脑被复制、丢失（revoke a node and invite its place again; at the hub）"
    )
    renew.add_argument("node")
    renew.add_argument("--reason", default="")
    renew.add_argument("--host", action="append", default=[], help="别人访问它页面用的主机名（host name for its certificate）")
    told = "行政村合并、拆分：place merge 原村 并入村，place split 原村 新村代码 --name 新村名（villages merged or split; at the hub）"
    moved = command("place", _place, told)
    moved.add_argument("what", choices=["merge", "split"])
    moved.add_argument("old", help="合并后不再存在的村，或者被拆的村，例如 330523/330523111/330523111217（path of the place）")
    moved.add_argument("new", help="并入的村；拆分时是新村的 12 位代码（path it goes into; split: code of the new place）")
    moved.add_argument("--name", default="", help="拆分：新村的名称（split: name of the new place）")
    moved.add_argument("--from", dest="day", default="", help="从哪天起，默认今天，例如 2026-12-01（first day, not after today）")
    passwd = command("passwd", _passwd, "改密码，或发一次性密码（new password or one-time code）")
    passwd.add_argument("account")
    passwd.add_argument("--ask", action="store_true", help="现在输入新密码；不加则给一次性密码（type it now）")
    person = command("person", _person, "登记一个人、给岗位和账号（register a person with a post and an account）")
    person.add_argument("account")
    person.add_argument("--name", required=True)
    person.add_argument("--post", required=True, help="岗位种类：clerk、officer、operator、cadre、department、admin、discipline …")
    person.add_argument("--office", default="", help="单位路径，默认本节点（office path）")
    person.add_argument("--title", default="")
    person.add_argument("--phone", default="")
    person.add_argument("--person", default="", help="已登记人员的编号：再给一个岗位（person id, for a further post）")


def _keeping_parsers(command: Callable[..., argparse.ArgumentParser]) -> None:
    command("backup", _backup, "备份到一个文件（consistent backup）").add_argument("file")
    command("restore", _restore, "从备份恢复；恢复后开新纪元（restore; opens a new epoch）").add_argument("file")
    export = command("export", _export, "导出到优盘文件：签名、加密（signed, encrypted bundle）")
    export.add_argument("file")
    export.add_argument("--to", default="", help="收件节点编号；不写则给县中心（node id; default the hub）")
    command("import", _import, "导入优盘文件，重复导入无妨（import a bundle; idempotent）").add_argument("file")
    heal = command("heal", _heal, "修复损坏的台账：核对无误的留下，缺的从别的节点取回（heal a damaged journal from peers）")
    heal.add_argument("--json", action="store_true")
    rebuild = command("rebuild", _rebuild, "由台账重算所有视图并核对（fold every view again and compare）")
    rebuild.add_argument("--json", action="store_true")
    digest = command("digest", _digest, "每个台账的摘要，两处相同即内容相同（digest of every ledger）")
    digest.add_argument("--json", action="store_true")
    tables.parser(command)
    proof = command("proof", _proof, "核对一份证明文件，不用节点和网络（check a proof of one entry, with no node in reach）")
    proof.add_argument("file")
    proof.add_argument("--county", default="", help="县的公钥，64 位十六进制；不写就用文件里的，请自己比对（the county's public key）")


def _hub(given: argparse.Namespace, config: Config) -> None:
    with memory.loading():
        from deploy import running

    running.run(running.run_hub, Path(given.folder), config)


def _edge(given: argparse.Namespace, config: Config) -> int | None:
    if given.words:
        if len(given.words) != 2 or given.words[0] != "enrol":
            print("写法：yidi edge，或 yidi edge enrol 登记码", file=sys.stderr)
            return 2
        given.code = given.words[1]
        return _enrol(given, config)
    with memory.loading():
        from deploy import running
        from edge.enrol import is_joined

    if not is_joined(Path(given.folder)):
        print(f"{given.folder} 还没有登记。请先向县里要登记码，再运行：yidi edge enrol 登记码 --folder {given.folder}", file=sys.stderr)
        return 1
    running.run(running.run_edge, Path(given.folder), config)
    return None


def _enrol(given: argparse.Namespace, config: Config) -> int:
    from deploy import keeping

    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it tells the terminal of each TLS connection that is closed
    return asyncio.run(keeping.enrol(given.code, Path(given.folder), config))


def _invite(given: argparse.Namespace, config: Config) -> int:
    from deploy import keeping

    return asyncio.run(keeping.invite(Path(given.folder), config, given))


def _revoke(given: argparse.Namespace, config: Config) -> int:
    from deploy import keeping

    return asyncio.run(keeping.revoke(Path(given.folder), config, given.node, given.reason))


def _renew(given: argparse.Namespace, config: Config) -> int:
    from deploy import keeping

    return asyncio.run(keeping.renew(Path(given.folder), config, given))


def _place(given: argparse.Namespace, config: Config) -> int:
    from deploy import keeping

    if given.what == "split":
        return asyncio.run(keeping.place_split(Path(given.folder), config, given.old, given.new, given.name.strip(), given.day))
    return asyncio.run(keeping.place_merge(Path(given.folder), config, given.old, given.new, given.day))


def _passwd(given: argparse.Namespace, config: Config) -> int:
    from deploy import keeping

    return asyncio.run(keeping.passwd(Path(given.folder), config, given.account, given.ask))


def _person(given: argparse.Namespace, config: Config) -> int:
    from deploy import keeping

    return asyncio.run(keeping.person(Path(given.folder), config, given))


def _backup(given: argparse.Namespace, config: Config) -> int:
    from deploy import keeping

    return asyncio.run(keeping.backup(Path(given.folder), config, Path(given.file)))


def _restore(given: argparse.Namespace, config: Config) -> int:
    from deploy import restoring

    return asyncio.run(restoring.restore(Path(given.folder), config, Path(given.file)))


def _export(given: argparse.Namespace, config: Config) -> int:
    from deploy import sticks

    return asyncio.run(sticks.export(Path(given.folder), config, Path(given.file), given.to))


def _import(given: argparse.Namespace, config: Config) -> int:
    from deploy import sticks

    return asyncio.run(sticks.import_(Path(given.folder), config, Path(given.file)))


def _heal(given: argparse.Namespace, config: Config) -> int:
    from deploy import keeping

    return asyncio.run(keeping.heal(Path(given.folder), config, given.json))


def _proof(given: argparse.Namespace, _: Config) -> int:
    from deploy import proof

    return proof.check(Path(given.file), given.county)


def _rebuild(given: argparse.Namespace, config: Config) -> int:
    from deploy import keeping

    return asyncio.run(keeping.rebuild(Path(given.folder), config, given.json))


def _digest(given: argparse.Namespace, config: Config) -> int:
    from deploy import keeping

    return asyncio.run(keeping.digest(Path(given.folder), config, given.json))


def _demo(given: argparse.Namespace, _config: Config) -> int:
    if given.scene:
        print("县中心大厅的演示还没有做：yidi demo centre 属于后续版本。", file=sys.stderr)
        return 2
    from deploy.demo import county

    return county.main(Path(given.folder), check=given.check, as_json=given.json, disputes=given.disputes)


if __name__ == "__main__":
    main()
