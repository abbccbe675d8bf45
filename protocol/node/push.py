"""Web Push for phones whose page is closed: an empty knock at the push service that the phone's browser names (RFC 8030, VAPID RFC 8292).

    push = Push(journal, secret, config.push, clock)
    await push.keep(person, endpoint) · await push.drop(endpoint) · await push.run(wake, leads)

Nothing is sent but the knock: no name, no matter, no number. The service still learns that this office had something for that phone,
and when; so a node does it only where its administrator has written `[push] contact`, and only to services that are named there.
Whom to knock: who was given a task on which somebody else has written since. A knock that fails is not made again: the next one is, and the
page asks by itself whenever it is open.
"""

import asyncio
import base64
import logging
import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from protocol.calendar import HOUR_MS
from protocol.entry import decode_head
from protocol.node import log
from protocol.node.config import Push as Rules
from protocol.node.journal import Journal, Writing
from protocol.node.journal.rows import chunks
from protocol.node.wake import Wake
from protocol.problem import Refused

KEPT: Final = "push"  # row of `local`: endpoint → who carries that phone
ENDPOINT_CHARS_MAX, ENDPOINTS_MAX, PHONES_MAX = 1_000, 2_000, 4
GATHER_S: Final = 1.0  # what happens meanwhile is one knock
WAIT_S: Final = 10.0
KNOCKS_MAX: Final = 8  # at once at one service
TTL_S: Final = 86_400  # how long the service keeps it for a phone without signal; of several it keeps the last (Topic)
TOKEN_MS: Final = 12 * HOUR_MS
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})
HTTPS_PORT: Final = 443
GONE: Final = frozenset({404, 410})
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
_HOST: Final = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")  # another name fails where its address is looked up, or its certificate
_NEWS: Final = (
    "select e.head_bytes, t.cadre from entry e join task_row t on t.subject = e.subject"
    " where e.position > :after and e.position <= :upto and e.sort = 'task' and t.cadre > ''"
)


class Kept(msgspec.Struct, frozen=True, array_like=True):
    person: str
    since_ms: int


_decoder = msgspec.msgpack.Decoder(dict[str, Kept])


class Push:
    """key: what the browser is told as applicationServerKey; "" where pushing is off."""

    def __init__(self, journal: Journal, secret: Callable[[], bytes], rules: Rules, clock: Callable[[], int]) -> None:
        self._journal, self._rules, self._clock = journal, rules, clock
        self._private: Any = _private_of(secret()) if rules.contact else None
        self.key = _text(_point(self._private)) if self._private else ""
        self._tokens: dict[str, tuple[int, str]] = {}  # of each service: until when, the token

    async def keep(self, person: str, endpoint: str) -> None:
        """Knocks for this person go there from now on, and for nobody else. Raises Refused push_refused."""
        if not self.key or not self._may(endpoint):
            raise Refused("push_refused")
        if (before := (await self._kept()).get(endpoint)) is not None and before.person == person:
            return
        async with self._journal.writing(brief=True) as w:
            others = {one: who for one, who in (await _held(w)).items() if one != endpoint}
            theirs = [one for one, who in others.items() if who.person == person]
            for one in theirs[: max(0, len(theirs) - PHONES_MAX + 1)]:
                del others[one]  # an older phone of theirs
            if len(others) >= ENDPOINTS_MAX:
                raise Refused("push_refused")
            await w.set_local(KEPT, msgspec.msgpack.encode({**others, endpoint: Kept(person, self._clock())}))

    async def drop(self, endpoint: str, person: str = "") -> None:
        """person: only if it is theirs."""
        async with self._journal.writing(brief=True) as w:
            kept = await _held(w)
            if endpoint in kept and person in ("", kept[endpoint].person):
                del kept[endpoint]
                await w.set_local(KEPT, msgspec.msgpack.encode(kept))

    async def run(self, wake: Wake, leads: Callable[[], bool]) -> None:
        """For ever. leads: of several programs of one node one knocks."""
        import httpx  # 5 MB that only a node which pushes has

        after = await self._end()
        async with httpx.AsyncClient(timeout=WAIT_S, follow_redirects=False) as http, wake.watch() as changed:
            while True:
                await changed.committed.wait()
                await asyncio.sleep(GATHER_S)
                changed.committed.clear()
                upto = await self._end()
                if upto > after and leads():
                    await self._tell(http, await self._news(after, upto))
                after = max(after, upto)

    # ── the rest is private ──

    async def _end(self) -> int:
        """A position below which nothing will appear any more."""
        upto = await self._journal.barrier() if self._journal.url.startswith("postgresql") else None
        (row,) = await self._journal.select("select coalesce(max(position), 0) from entry", {})
        return row[0] if upto is None else min(row[0], upto)

    async def _news(self, after: int, upto: int) -> set[str]:
        rows = await self._journal.select(_NEWS, {"after": after, "upto": upto})
        return {cadre for head, cadre in rows if decode_head(bytes(head)).author[0] != cadre}

    async def _tell(self, http: Any, persons: set[str]) -> None:
        services = dict[str, list[str]]()
        for endpoint, kept in (await self._kept()).items() if persons else ():
            if kept.person in persons and self._may(endpoint):  # the administrator may have taken a service away since
                services.setdefault(_service(endpoint), []).append(endpoint)
        async with asyncio.TaskGroup() as group:
            for endpoints in services.values():
                group.create_task(self._knocks(http, endpoints))

    async def _knocks(self, http: Any, endpoints: Sequence[str]) -> None:
        """Of one service. When it cannot be reached, the rest of them are left out: each would wait as long."""
        for some in chunks(endpoints, KNOCKS_MAX):
            if not all(await asyncio.gather(*(self._knock(http, endpoint) for endpoint in some))):
                return

    async def _knock(self, http: Any, endpoint: str) -> bool:
        """Claims that the service can be reached."""
        import httpx

        headers = {"TTL": str(TTL_S), "Urgency": "high", "Topic": "task", "Authorization": f"vapid t={self._token(endpoint)}, k={self.key}"}
        try:
            told = await http.post(endpoint, headers=headers)
        except httpx.HTTPError as error:
            log.event("push failed", level=logging.WARNING, exception=error)
            return not isinstance(error, (httpx.ConnectError, httpx.TimeoutException))
        if told.status_code in GONE:
            await self.drop(endpoint)
        elif told.status_code >= 300:
            log.event("push refused", level=logging.WARNING, status=told.status_code)
        return True

    def _may(self, endpoint: str) -> bool:
        """Only a service that the administrator named: else whoever signs in could make this node ask any address. As httpx will read it."""
        import httpx

        try:
            at = httpx.URL(endpoint)
            host, port = at.host, at.port
        except (httpx.InvalidURL, ValueError):
            return False
        here = host in LOOPBACK
        secure = (at.scheme == "https" and port in (None, HTTPS_PORT)) or (here and at.scheme in ("http", "https"))
        named = _HOST.fullmatch(host) is not None and any(fnmatchcase(host, service) for service in self._rules.services)
        return secure and named and not at.userinfo and len(endpoint) <= ENDPOINT_CHARS_MAX and endpoint.isascii()

    def _token(self, endpoint: str) -> str:
        service, now_ms = _service(endpoint), self._clock()
        until_ms, token = self._tokens.get(service, (0, ""))
        if until_ms - now_ms < HOUR_MS:
            until_ms = now_ms + TOKEN_MS
            token = self._signed({"aud": service, "exp": until_ms // 1000, "sub": self._rules.contact})
            self._tokens[service] = (until_ms, token)
        return token

    def _signed(self, claims: dict[str, Any]) -> str:
        """A JWT by ES256."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils

        said = ".".join(_text(msgspec.json.encode(part)) for part in ({"typ": "JWT", "alg": "ES256"}, claims))
        r, s = utils.decode_dss_signature(self._private.sign(said.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{said}.{_text(r.to_bytes(32) + s.to_bytes(32))}"

    async def _kept(self) -> dict[str, Kept]:
        raw = await self._journal.local(KEPT)
        return _decoder.decode(raw) if raw else {}


async def _held(w: Writing) -> dict[str, Kept]:
    """Nobody else changes them until the transaction ends."""
    raw = await w.local(KEPT)
    return _decoder.decode(raw) if raw else {}


def _service(endpoint: str) -> str:
    at = urlsplit(endpoint)
    return f"{at.scheme}://{at.netloc}"


def _private_of(secret: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec  # some megabytes that only a node which pushes has

    return ec.derive_private_key(int.from_bytes(secret) % (_ORDER - 1) + 1, ec.SECP256R1())


def _point(private: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return private.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
