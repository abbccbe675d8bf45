"""Starts a node and keeps it going until it is told to stop: nats-server, node, pages, in this order; and back.

await run_hub(folder, config, again)      founds the county in an empty folder
await run_edge(folder, config, again)     a folder that was enrolled

again: it was open a moment ago; whoever is at work on the journal meanwhile, if that must be healed, is waited for.
"""

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from deploy import backup_keys, memory, tracing
from deploy.nats.identity import Trust
from deploy.nats.servers import Listen, Server
from deploy.working import tidy
from edge.enrol import finish_renewal, leaf_of
from protocol import entry, events
from protocol.node import healing, locks, log, restored
from protocol.node.config import Config
from protocol.node.identity import Identity
from protocol.node.node import Node, now_ms
from protocol.node.version import VERSION
from protocol.node.web import statistics
from protocol.node.web.app import read_templates
from protocol.problem import Refused

AGAIN_S = 1.0  # after what could not be applied
GRACEFUL_S = 1  # open streams would else be waited for
WARM_S, SETTLE_S = 0.5, 2.0  # after a start: the first pages go first
_kept: dict[tuple[str, int], socket.socket] = {}  # host and port of the pages of this program


async def run_hub(folder: Path, config: Config, again: bool = False) -> bool:
    """True: open it again, it goes on under a new epoch. Raises Refused, RuntimeError (nats-server), OSError (a port is taken)."""
    from deploy.county import County, check_store
    from hub.web.enrol import enrol_route
    from hub.web.joining import invitation_route
    from hub.web.pages import app
    from hub.web.renewal import renewal_route

    memory.collect_rarely()
    if config.root.beside:
        node = await Node.open(folder, config)
        return await _serve(node, app(node), None, None)
    await check_store(folder, config)
    county = County.open(folder, config, now_ms())
    server = None
    if config.nats.run:
        listen = Listen(config.nats.port, config.nats.leaf_port, config.nats.host)
        server = await Server(county.identity.folder, "county", listen, county.authority.trust()).start()
    node = await _opened(folder, _with_servers(config, county.servers), again)

    async def applied() -> None:
        if server:
            await server.apply(county.authority.trust())

    enrolment = county.enrolment(node, applied)
    await county.furnish(node)
    await enrolment.announce_trust()
    application = app(node)
    application.register(enrol_route(enrolment))
    application.register(renewal_route(enrolment))
    application.register(invitation_route(enrolment))
    application.state.renews = application.state.invites = True
    watching = asyncio.create_task(_apply_trust(node, server)) if server else None
    return await _serve(node, application, server, watching)


async def run_edge(folder: Path, config: Config, again: bool = False) -> bool:
    """True: open it again. A township's edge also runs the leaf that its enrolment provided for. Raises as run_hub does."""
    from edge.web.pages import edge_app

    finish_renewal(folder)
    server, leaf = None, leaf_of(folder)
    if leaf and config.nats.run:
        host, _, port = leaf.listen.rpartition(":")
        trust = msgspec.json.decode(leaf.trust, type=Trust)
        remote = f"tls://{config.nats.leaf_remote}" if config.nats.leaf_remote else leaf.remote
        server = await Server(Identity(folder).folder, "leaf", Listen(int(port), host=host), trust, remote).start()
    node = await _opened(folder, config, again)
    if server:
        server.turned = node.wire_turned
    watching = asyncio.create_task(_apply_trust(node, server)) if server else None
    return await _serve(node, edge_app(node), server, watching)


async def _opened(folder: Path, config: Config, again: bool = False) -> Node:
    """A journal that was found damaged, or that can't be opened for it, is healed first; a heal that was killed is ended, or made anew.
    Raises what Node.open and heal raise; RuntimeError, why it could not be healed, of one that can't be opened."""
    await restored.finish(folder)
    await healing.finish(folder, config)
    healing.tidy(folder)
    tidy(folder)
    if (folder / healing.ASKED).exists():
        await _healed(folder, config, again)
    for is_first in (True, False):
        try:
            return await Node.open(folder, config)
        except Refused as refused:
            if refused.code != "store_damaged":
                raise
            if not is_first or not healing.may_by_itself(folder, now_ms()):
                if why := healing.why_failed(folder):
                    raise RuntimeError(why) from refused
                raise
        await _healed(folder, config, again)
    raise AssertionError("the second attempt returns or raises")


async def _healed(folder: Path, config: Config, again: bool) -> None:
    """What can't be healed says so, and the node is opened as it is: it shows what it can read and writes nothing. Raises locks.Busy, if not
    `again`: a command is at work here, the next start tries it again."""
    while True:
        (folder / healing.ASKED).unlink(missing_ok=True)
        try:
            await healing.heal(folder, config, now_ms)
        except locks.Busy as busy:
            (folder / healing.ASKED).touch()
            if not again:
                raise
            log.event("heal waits for a command", level=logging.WARNING, exception=busy)
            continue
        except (RuntimeError, Refused, OSError) as error:
            log.event("not healed", level=logging.ERROR, exception=error)
            healing.keep_failed(folder, error)
        return


def _with_servers(config: Config, servers: list[str]) -> Config:
    """The node that runs the county's server finds it where it was told to listen."""
    link = msgspec.structs.replace(config.link, servers=servers)
    return msgspec.structs.replace(config, link=link)


async def _apply_trust(node: Node, server: Server) -> None:
    """Who may connect is said in *common*; our server takes it over without cutting anybody who still may."""
    from hub.enrolment import TRUST_TABLE  # an edge without a server of its own needs none of it

    async with node.wake.watch() as changed:
        while True:
            try:
                said = await node.journal.subject(entry.derive("table", TRUST_TABLE))
                if said and isinstance(facts := events.facts_of(said[-1].head), events.TableSet):
                    await server.apply(msgspec.json.decode(facts.content, type=Trust))
            except Exception as error:  # noqa: BLE001 — the store away, a full disk: who was revoked must not stay connected for it
                log.event("trust not applied", level=logging.ERROR, exception=error)
                await asyncio.sleep(AGAIN_S)
                continue
            await changed.wait()
            changed.take()


async def _serve(node: Node, application: Any, server: Server | None, watching: asyncio.Task[None] | None) -> bool:
    """Until it is told to stop (False), or until the node must be opened again (True)."""
    http = node.config.http
    if server:
        node.servers.append(server.state)
    tls: dict[str, Any] = {"ssl_certfile": http.certificate, "ssl_keyfile": http.key} if http.certificate else {}
    settings = uvicorn.Config(
        application, host=http.host, port=http.port, log_config=None, access_log=False, timeout_graceful_shutdown=GRACEFUL_S, **tls
    )
    pages = _Pages(settings)
    reopening = asyncio.create_task(_reopened(node, pages))
    traces = warming = None
    try:
        traces = tracing.start(node.config.traces.endpoint, node.about.node) if node.config.traces.endpoint else None
        listening = _listen(http.host, http.port)
        await node.start()
        log.event("started", node=node.about.node, port=http.port, version=VERSION)
        warming = asyncio.create_task(_warm(node, application))
        asyncio.get_running_loop().call_later(SETTLE_S, memory.settle)
        await pages.serve(sockets=[listening.dup()])
        return node.outdated.is_set()
    finally:
        for task in (reopening, watching, warming):
            if task:
                task.cancel()
        await node.close()
        if traces:
            await asyncio.to_thread(tracing.stop, traces)
        if server:
            await server.stop()
        if not node.outdated.is_set() and (kept := _kept.pop((http.host, http.port), None)):
            kept.close()
        log.event("stopped", node=node.about.node)


class _Pages(uvicorn.Server):
    """uvicorn raises the signal that ended it once more, which ends the program: the node would never be closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop, ending = asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGINT)
        for one in ending:
            loop.add_signal_handler(one, self.handle_exit, one, None)
        try:
            yield
        finally:
            for one in ending:
                loop.remove_signal_handler(one)  # told again while it closes, it ends at once


def _listen(host: str, port: int) -> socket.socket:
    """Kept while the node opens again: whoever comes meanwhile waits instead of being refused. Raises OSError in words: uvicorn would end
    the program without any."""
    if (host, port) in _kept:
        return _kept[host, port]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named: else 40 ms an answer
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise OSError(f"{host}:{port} 已被别的程序占用或不能用，请在 yidi.toml 的 [http] port 换一个（{error.strerror}）") from error
    _kept[host, port] = listening
    return listening


async def _warm(node: Node, application: Any) -> None:
    """What a start costs once, before somebody waits for it. It may fail: then whoever asks first waits."""
    await asyncio.sleep(WARM_S)
    try:
        await read_templates(application)
        await statistics.warm(node)
    except Exception as error:  # noqa: BLE001, said aloud, and the node goes on
        log.event("warming failed", level=logging.ERROR, exception=error)


async def _reopened(node: Node, pages: uvicorn.Server) -> None:
    await node.outdated.wait()
    pages.should_exit = True


@contextmanager
def sole(folder: Path) -> Iterator[None]:
    """One program a folder: two of the same identity would give the same numbers to different entries. Raises RuntimeError.

    The lock is the kernel's, so it ends with the program, however that ends.
    """
    import fcntl  # not on every system that may read this module

    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder / "running.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RuntimeError(f"{folder} 的节点正在运行，请先停下它") from None
    finally:
        os.close(held)


def with_certificate(folder: Path, config: Config) -> Config:
    """Its two files by their whole paths. Raises OSError in words: one of them alone would mean pages in the clear."""
    http = config.http
    if not http.certificate and not http.key:
        return config
    if not http.certificate or not http.key:
        raise OSError("yidi.toml 里 [http] 的 certificate 和 key 要一起写：只写一个就没有 HTTPS。不用 HTTPS 请都写空")
    certificate, key = (folder.resolve() / file for file in (http.certificate, http.key))
    for name, file in (("certificate", certificate), ("key", key)):
        if not file.is_file():
            raise OSError(f"yidi.toml 里 [http] {name} 写的文件不在：{file}（相对路径从数据目录算起）")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except OSError as error:  # ssl.SSLError is one
        why = getattr(error, "reason", None) or error.strerror
        raise OSError(f"{certificate} 和 {key} 不是一对能用的 PEM 证书和私钥（{why}）") from error
    return msgspec.structs.replace(config, http=msgspec.structs.replace(http, certificate=str(certificate), key=str(key)))


def made_up_all_the_same(folder: Path, config: Config) -> str:
    """One sentence where the folder was founded or joined as a demo and its switch does not say so; else ""."""
    if config.demo.made_up or not Identity(folder).exists or not Identity(folder).about().made_up:
        return ""
    return (
        f"{folder} 是演示用的，人和事都是编的：[demo] made_up 没有开，每一页、每份文书和导出的文件也照样写明“演示”。"
        "要办真的纠纷，请换一个空的数据目录"
    )


def run(main: Callable[[Path, Config, bool], Coroutine[Any, Any, bool]], folder: Path, config: Config) -> None:
    memory.be_frugal()
    config = with_certificate(folder, config)
    with sole(folder):
        log.start(config.log.level)
        for told in (made_up_all_the_same(folder, config), backup_keys.made_late(Identity(folder), config)):
            if told:
                print(told, file=sys.stderr)
        again = False
        while asyncio.run(main(folder, config, again)):
            again = True
