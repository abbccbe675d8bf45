"""The county's NATS in memory: one server of the county, a leaf at each township, and what `protocol.node.link.client.Link` offers.

    wire = Wire(chance, towns); link = WireLink(wire, name, certificate)      one a program; two may have one node's identity
    wire.weather = Weather(loss=0.2)                  lost, doubled, delayed, reordered: each copy of a message draws its own lot
    wire.cut("t1v2", "t1") · heal                     one way: from a client or server to the next; nobody is told
    wire.stop("t1") · begin                           a server that dies: its clients notice at once
    wire.trust("t1", {"nabcdefgh"})                   whom this server lets in no more

Nobody hears what the real tokens do not allow: the permissions are those that `deploy.nats` writes into them, for clients and for leaves.
A client whose way is cut notices after some seconds, falls over to the next server, and goes home when its first one answers again. What
it sends meanwhile is lost without a word. Between a leaf and the county no client notices anything; whoever runs the leaf does (`turned`).
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from random import Random
from typing import Any, Final

import msgspec

from deploy.nats.permissions import allows, leaf_may, node_may
from protocol.certificate import Certificate
from protocol.node.link import subjects
from protocol.node.link.client import RETRY_S, LinkState
from tests.simulation.virtual import LIFE

COUNTY: Final = "county"
NOTICES_S: Final = (0.3, 4.0)  # until a client notices that nobody answers
CONNECTS_S: Final = (0.02, 0.3)
HOME_S: Final = 0.25
GREEN_S: Final = 0.0005  # between two messages of one way that may not overtake each other

_node_may = lru_cache(4096)(node_may)
_leaf_may = lru_cache(64)(leaf_may)
_allows = lru_cache(65_536)(allows)


class Weather(msgspec.Struct, frozen=True):
    """loss, twice: share of copies · delay_s: from … to, of each hop to a client · shuffled: later ones may overtake."""

    loss: float = 0.0
    twice: float = 0.0
    delay_s: tuple[float, float] = (0.0005, 0.004)
    shuffled: bool = False


class Msg:
    """What answers and hearing read of nats-py's."""

    __slots__ = ("data", "headers", "reply", "subject")

    def __init__(self, subject: str, reply: str, data: bytes, headers: dict[str, str] | None) -> None:
        self.subject, self.reply, self.data, self.headers = subject, reply, data, headers


class Wire:
    """towns: name of a leaf → path of its township. delivered: told of each copy that arrives (link, msg), before it is heard."""

    def __init__(self, chance: Random, towns: dict[str, str]) -> None:
        self.chance, self.towns, self.weather = chance, towns, Weather()
        self.counts: Counter[str] = Counter()
        self.trace = sha256()
        self.delivered: list[Callable[[WireLink, Msg], None]] = []
        self.said: list[Callable[[WireLink, str, bytes], None]] = []
        self.turned = {town: asyncio.Event() for town in towns}  # set when the wire above that leaf may have broken, or carry again
        self._links: list[WireLink] = []
        self._cut: set[tuple[str, str]] = set()
        self._down: set[str] = set()
        self._dead: dict[str, set[str]] = {}
        self._routes: dict[str, list[tuple[WireLink, _Heard]]] = {}
        self._last: dict[tuple[str, str], float] = {}
        self._serial = 0

    # ── what happens to it ──

    def cut(self, source: str, target: str) -> None:
        self._cut.add((source, target))
        self._changed()

    def heal(self, source: str = "", target: str = "") -> None:
        """All of it without names."""
        if source:
            self._cut.discard((source, target))
        else:
            self._cut.clear()
            self._down.clear()
            self.weather = Weather()
        self._changed()

    def stop(self, server: str) -> None:
        self._down.add(server)
        for link in [link for link in self._links if link.at == server]:
            link.drop()
        self._changed()

    def begin(self, server: str) -> None:
        self._down.discard(server)
        self._changed()

    def trust(self, server: str, revoked: Iterable[str]) -> None:
        """Only ever more: a key belongs to a node for ever."""
        dead = self._dead.setdefault(server, set())
        if fresh := set(revoked) - dead:
            dead |= fresh
            for link in [link for link in self._links if link.at == server and link.node in fresh]:
                self.counts["connection of a revoked node cut"] += 1
                link.drop(closed=True)

    # ── what links ask ──

    def join(self, link: "WireLink") -> str:
        self._links.append(link)
        self._routes.clear()
        self._serial += 1
        return str(self._serial)

    def leave(self, link: "WireLink") -> None:
        if link in self._links:
            self._links.remove(link)
            self._routes.clear()

    def forget_routes(self) -> None:
        self._routes.clear()

    def best(self, link: "WireLink") -> str | None:
        return next((s for s in link.servers if self._reaches(link.name, s) and link.node not in self._dead.get(s, ())), None)

    def holds(self, link: "WireLink") -> bool:
        """Claims that the way to where it is connected is open, both ways."""
        return link.at is not None and self._reaches(link.name, link.at)

    def send(self, link: "WireLink", subject: str, reply: str, data: bytes, headers: dict[str, str] | None = None) -> bool:
        """False: nobody listens there."""
        if not link.may_say(subject):
            link.refuse(subject)
            return True
        for said in self.said:
            said(link, subject, data)
        routes = self._owner(subject) if subject.startswith("_INBOX.") else self._routes_of(subject)
        others = [(target, heard) for target, heard in routes if target is not link and target.at is not None]
        for target, heard in others:
            self.counts["messages"] += 1
            if link.at is None or not self._passes(link, target, subject):
                self.counts["cut off"] += 1
                continue
            self._lots(link, target, heard, Msg(subject, reply, data, headers))
        return bool(others)

    # ── the rest is private ──

    def _changed(self) -> None:
        for link in self._links:
            link.poke.set()
        for turned in self.turned.values():
            turned.set()

    def carries(self, leaf: str) -> bool:
        """Claims that the leaf's wire to the county does."""
        return leaf not in self._down and self._reaches(leaf, COUNTY) and self._reaches(COUNTY, leaf)

    def _reaches(self, name: str, server: str) -> bool:
        return server not in self._down and (name, server) not in self._cut and (server, name) not in self._cut

    def _routes_of(self, subject: str) -> list[tuple["WireLink", "_Heard"]]:
        if subject not in self._routes:
            self._routes[subject] = [(link, one) for link in self._links for one in link.hearing(subject)]
        return self._routes[subject]

    def _owner(self, subject: str) -> list[tuple["WireLink", "_Heard"]]:
        return [(link, link.inbox) for link in self._links if subject.startswith(link.prefix)]

    def _passes(self, link: "WireLink", target: "WireLink", subject: str) -> bool:
        """From client to server, over leaves, to the client: what is cut or not allowed anywhere does not arrive."""
        here, there = link.at or "", target.at or ""
        hops = [(link.name, here)]
        if here != there:
            hops += ([(here, COUNTY)] if here != COUNTY else []) + ([(COUNTY, there)] if there != COUNTY else [])
        hops.append((there, target.name))
        if any(hop in self._cut for hop in hops) or (self._down and any(server in self._down for hop in hops for server in hop)):
            return False
        return here == there or _crosses(self.towns.get(here, ""), self.towns.get(there, ""), subject)

    def _lots(self, link: "WireLink", target: "WireLink", heard: "_Heard", msg: Msg) -> None:
        weather, chance, loop = self.weather, self.chance, asyncio.get_running_loop()
        if weather.loss and chance.random() < weather.loss:
            self.counts["lost"] += 1
            return
        copies = 1
        if weather.twice and chance.random() < weather.twice:
            self.counts["doubled"] += 1
            copies = 2
        low, high = weather.delay_s
        for _ in range(copies):
            at = loop.time() + low + chance.random() * (high - low)
            way = (link.name, target.name)
            if weather.shuffled:
                self.counts["reordered"] += at < self._last.get(way, 0.0)
            else:
                at = max(at, self._last.get(way, 0.0) + GREEN_S)
            self._last[way] = max(at, self._last.get(way, 0.0))
            loop.call_at(at, self._arrive, target, target.visit, heard, msg, context=target.context)

    def _arrive(self, target: "WireLink", visit: int, heard: "_Heard", msg: Msg) -> None:
        """In the target's own life: a dead program hears nothing."""
        if target.at is None or target.visit != visit:
            self.counts["lost with a connection"] += 1
            return
        self.trace.update(f"{asyncio.get_running_loop().time():.6f} {target.name} {msg.subject} ".encode() + msg.data)
        for told in self.delivered:
            told(target, msg)
        target.heard(msg)
        heard.take(msg)


class _Heard:
    """A subscription: one message after the other, as nats-py does it."""

    def __init__(self, pattern: str, cb: Callable[[Msg], Any]) -> None:
        self.pattern, self.cb = pattern, cb
        self._queue: deque[Msg] = deque()
        self._busy = False

    def take(self, msg: Msg) -> None:
        self._queue.append(msg)
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        try:
            while self._queue:
                await self.cb(self._queue.popleft())
        finally:
            self._busy = False


class WireLink:
    """Stands in for Link. at: the server it is connected to · name: of the program on the wire · visit: counts connections."""

    def __init__(self, wire: Wire, name: str, certificate: Certificate, servers: tuple[str, ...]) -> None:
        self.wire, self.name, self.servers = wire, name, servers
        self.node, self.branch = certificate.node, certificate.branch
        self.at: str | None = None
        self.visit = 0
        self.poke = asyncio.Event()
        self.subscribed: list[_Heard] = []
        life = LIFE.get()
        if life is None:
            raise RuntimeError("a link belongs to a life")
        self.context = life.context
        may = _node_may(certificate)
        self._says, self._hears, self._denied = tuple(may["pub"]["allow"]), tuple(may["sub"]["allow"]), tuple(may["sub"].get("deny", ()))
        self._hearing: dict[str, list[_Heard]] = {}
        self._greeted: list[Callable[[], None]] = []
        self._answers: dict[str, asyncio.Future[Msg | None]] = {}
        self._replies: set[str] = set()
        self._refusals: deque[str] = deque(maxlen=50)
        self._closed, self._reconnects, self._asked = False, 0, 0
        self.prefix = f"{subjects.inbox(self.branch, self.node)}.{wire.join(self)}."
        self.inbox = _Heard(self.prefix + "*", self._answered)

    # ── as Link ──

    @property
    def is_connected(self) -> bool:
        return self.at is not None

    def state(self) -> LinkState:
        return LinkState(self.is_connected, self.at or "", self._closed, self._reconnects, tuple(self._refusals), "")

    def on_connect(self, greeted: Callable[[], None]) -> None:
        self._greeted.append(greeted)

    async def subscribe(self, subject: str, cb: Callable[[Msg], Any], _group: str = "") -> None:
        self.subscribed.append(_Heard(subject, cb))
        self._hearing.clear()
        self.wire.forget_routes()
        if not _allows(self._hears, subject) and subject not in self._hears:
            self._refusals.append(f'permissions violation for subscription to "{subject.lower()}"')

    def unsubscribe(self, cb: Callable[[Msg], Any]) -> None:
        self.subscribed = [one for one in self.subscribed if one.cb is not cb]
        self._hearing.clear()
        self.wire.forget_routes()

    async def publish(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> bool:
        if self.at is None:
            return False
        self.wire.send(self, subject, "", body, headers)
        return True

    async def request(self, subject: str, body: bytes, timeout_s: float) -> Msg | None:
        if self.at is None:
            return None
        self._asked += 1
        reply = f"{self.prefix}{self._asked}"
        answer = self._answers[reply] = asyncio.get_running_loop().create_future()
        try:
            if not self.wire.send(self, subject, reply, body):
                await asyncio.sleep(GREEN_S)
                return None
            async with asyncio.timeout(timeout_s):
                return await answer
        finally:
            self._answers.pop(reply, None)

    async def confirm(self) -> None:
        await asyncio.sleep(GREEN_S)

    def refused(self, subject: str) -> bool:
        return any(f'"{subject.lower()}"' in said for said in self._refusals)

    async def run(self) -> None:
        try:
            while True:
                self.poke.clear()
                best = self.wire.best(self)
                if best == self.at and best is not None:
                    await self.poke.wait()
                elif self.at is None:
                    await (self._connect(best) if best else self._wait())
                elif self.wire.holds(self):
                    await self._go_home()
                else:
                    await self._notice()
        finally:
            self.at = None
            self.wire.leave(self)

    # ── what the wire asks ──

    def may_say(self, subject: str) -> bool:
        if subject in self._replies:
            self._replies.discard(subject)
            return True
        return _allows(self._says, subject)

    def hearing(self, subject: str) -> list[_Heard]:
        """Asked for it, may have it."""
        found = self._hearing.get(subject)
        if found is None:
            found = [one for one in self.subscribed if _allows((one.pattern,), subject)]
            if found and not (_allows(self._hears, subject) and not _allows(self._denied, subject)):
                found = []
            self._hearing[subject] = found
        return found

    def heard(self, msg: Msg) -> None:
        if msg.reply:
            self._replies.add(msg.reply)

    def refuse(self, subject: str) -> None:
        self.wire.counts["refused by the server"] += 1
        self._refusals.append(f'permissions violation for publish to "{subject.lower()}"')

    def drop(self, closed: bool = False) -> None:
        self.at, self._closed = None, closed
        self.visit += 1
        self.poke.set()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(None)

    # ── the rest is private ──

    async def _answered(self, msg: Msg) -> None:
        answer = self._answers.get(msg.subject)
        if answer is not None and not answer.done():
            answer.set_result(msg)

    def _draw(self, span: tuple[float, float]) -> float:
        return span[0] + self.wire.chance.random() * (span[1] - span[0])

    async def _connect(self, server: str) -> None:
        await asyncio.sleep(RETRY_S if self._closed else self._draw(CONNECTS_S))
        if self.wire.best(self) != server:
            return
        self.at, self._closed = server, False
        self.visit += 1
        self._reconnects += self.visit > 1
        for greeted in self._greeted:
            greeted()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(RETRY_S):
                await self.poke.wait()
        except TimeoutError:
            pass

    async def _go_home(self) -> None:
        await asyncio.sleep(HOME_S)
        if self.wire.holds(self) and self.wire.best(self) not in (None, self.at):
            self.drop()

    async def _notice(self) -> None:
        await asyncio.sleep(self._draw(NOTICES_S))
        if self.at is not None and not self.wire.holds(self):
            self.drop()


@lru_cache(65_536)
def _crosses(here: str, there: str, subject: str) -> bool:
    """Claims that two servers, each a township's leaf or "" for the county's, let a subject pass from the one to the other."""
    return (not here or _allows(_said(here), subject)) and (not there or _allows(_let_in(there), subject))


@lru_cache(64)
def _said(town: str) -> tuple[str, ...]:
    return tuple(_leaf_may(town)["pub"]["allow"])


@lru_cache(64)
def _let_in(town: str) -> tuple[str, ...]:
    return tuple(_leaf_may(town)["sub"]["allow"])
