"""Who joins the county and who is put out: invite, redeem, revoke. The hub's half of protocol.enrolment.

    code = await enrolment.invite(place="330523/330523111/330523111217", name="高禹村", account="gaoyu", person=…)
    answer = await enrolment.redeem(body)          POST /enrol: bytes in, bytes out (application/octet-stream), Refused with its status
    await enrolment.revoke("nabcdefgh", "笔记本丢失")
    name, code = await enrolment.renew("nabcdefgh")    the same place again, for whoever types the code

A code is good for three days and one key. What a node may say on the wire (`authority`) and which certificates its servers show
(`ca`) is made elsewhere and comes as an argument; the node becomes known to all by an entry in *common*, written through the desk.
"""

import ipaddress
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final, Protocol

import msgspec
from nacl.signing import SigningKey
from sqlalchemy import text

from protocol import batch as batches
from protocol import certificate as certificates
from protocol import enrolment as joining
from protocol import entry, place
from protocol.certificate import Certificate
from protocol.enrolment import Answer, Ask, Code, Leaf
from protocol.events import NodeEnrolled, facts_of
from protocol.node.journal.rows import is_postgres
from protocol.node.link.answers import piece
from protocol.node.losses import claimed
from protocol.node.widening import TOKENS_TABLE
from protocol.problem import Refused

KIND = "node"
TRUST_TABLE = "trust"  # of *common*: what every server of the county holds; a leaf applies it when it changes
TOKENS_KEPT_MAX = 100  # of nodes that were widened before; with some 1.5 KB each the table stays within one head
LEAF: Final = re.compile(r"[\w.-]+:\d{2,5}", re.ASCII)
PORT_MAX = 65_535
FIRST_BYTES_MAX = 2_000_000  # more than this of the office's own ledger is left to the link


class Authority(Protocol):
    """deploy.nats.identity.Authority."""

    def node_jwt(self, certificate: Certificate, user: str, now_s: int) -> str: ...
    def leaf_jwt(self, node: str, township: str, user: str, now_s: int) -> str: ...
    def wider(self, certificate: Certificate, now_s: int) -> dict[str, str]: ...
    def trust(self) -> msgspec.Struct: ...
    def learn(self, said: bytes) -> None: ...
    def revoke(self, node: str) -> int: ...


class Signing(Protocol):
    """deploy.nats.certificates.CertificateAuthority."""

    @property
    def pem(self) -> bytes: ...
    def sign(self, request_pem: bytes, name: str, hosts: Sequence[str], now_s: int) -> bytes: ...


class Invitation(msgspec.Struct):
    """hosts: names and addresses by which others reach the node's pages · leaf: host:port of the server it runs ("" = none).

    node, short, key: filled at redemption · epoch: of the county that gave the code (0: an older program) · instead_of: the node that was
    put out, for whose place it is ("": another invitation, or an older program's).
    """

    secret: bytes
    name: str
    serves: tuple[str, ...]
    covers: tuple[str, ...]
    branch: str
    hosts: tuple[str, ...]
    leaf: str
    account: str
    person: str
    node: str = ""
    short: int = 0
    key: bytes = b""
    used_ms: int = 0
    epoch: int = 0
    instead_of: str = ""


class Revocation(msgspec.Struct, frozen=True):
    """cut: how many users of the node no server lets in any more · last: (ledger, origin, last good seq) as the hub has it."""

    node: str
    cut: int
    last: tuple[tuple[str, str, int], ...]


class Enrolment:
    def __init__(
        self,
        journal: Any,
        desk: Any,
        certificate: Certificate,
        county_key: SigningKey,
        sealing_public: bytes,
        authority: Authority,
        ca: Signing,
        clock: Callable[[], int],
        *,
        address: str,
        servers: Sequence[str],
        leaf_remote: str,
        applied: Callable[[], Awaitable[Any]],
        made_up: bool = False,
        chance: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """certificate: the hub's own · address: host:port of the hub's pages, as a village reaches it · servers: of NATS.

        leaf_remote: where leaves dial, `tls://host:port` · applied: gives the county's own server the new `authority.trust()` · made_up: who
        joins is told that people and matters are invented.
        """
        self._journal, self._desk, self._own, self._key, self._sealing = journal, desk, certificate, county_key, sealing_public
        self._authority, self._ca, self._clock, self._chance, self._applied = authority, ca, clock, chance, applied
        self._address, self._servers, self._remote, self._made_up = address, tuple(servers), leaf_remote, made_up

    def dialled_here_alone(self) -> list[str]:
        """The addresses of this county that a code names, and no other machine can dial: loopback, or every address of whoever asks."""
        servers = list(filter(_is_local, self._servers))
        named = [*filter(_is_local, [self._address]), *(servers if len(servers) == len(self._servers) else [])]
        return list(dict.fromkeys(named))

    async def invite(
        self,
        *,
        place: str,
        name: str,
        serves: Sequence[str] = (),
        covers: Sequence[str] = (),
        hosts: Sequence[str] = (),
        leaf: str = "",
        account: str = "",
        person: str = "",
        instead_of: str = "",
    ) -> str:
        """The code, told once. place: the office's path; serves and covers besides it.

        A township covers its subtree. leaf: host:port at which its nats-server will be found by its villages. instead_of: a node that was put
        out; what was given for it before and nobody used is void. Raises Refused.
        """
        branch = branch_of(place)
        reach = tuple(dict.fromkeys([f"{place}/*" if is_branch(place) else place, *covers]))
        check_leaf(place, leaf)
        code = Code(self._address, self._chance(joining.SECRET_BYTES))
        made = Invitation(
            code.secret, name, (place, *serves), reach, branch, tuple(hosts), leaf, account, person,
            epoch=self._desk.signer.epoch, instead_of=instead_of,
        )  # fmt: skip
        now_ms = self._clock()
        try:  # impossible paths are refused now, not in the village
            self._certificate(msgspec.structs.replace(made, node="naaaaaaaa", short=1, key=bytes(32), used_ms=now_ms))
        except ValueError as error:
            raise Refused("field_impossible", field="place", what="辖区", why=str(error)) from error
        row = {"h": joining.lookup(code.secret), "kind": KIND, "c": msgspec.msgpack.encode(made), "now": now_ms}
        async with self._journal.writing() as w:
            await w.connection.execute(_FORGET, {"kind": KIND, "now": now_ms})
            for hash_, content in (await w.connection.execute(_UNUSED, {"kind": KIND})).all() if instead_of else ():
                if _is_instead_of(msgspec.msgpack.decode(content, type=Invitation), instead_of):
                    await w.connection.execute(_VOID, {"h": hash_})
            await w.connection.execute(_INVITE, {**row, "until": now_ms + joining.CODE_MS_MAX})
        return code.text

    async def redeem(self, body: bytes) -> bytes:
        """Raises Refused code_unknown_late_or_used, key_put_out, key_not_proven. Asked again with the same keys, it answers the same.

        A key that was put out gets nothing more, by no code: a node goes on with a new one, and whoever brings a good code is told so. Nor does
        a code that was not used yet when the county's store was put back: it may have been since, and nobody here knows. (After that the
        county writes under another epoch.)
        """
        hash_ = joining.name_of(body)
        await self._desk.ready()
        if self._desk.stopped() == "store_busy":  # it was put back: it opens again in a moment, under another epoch
            raise Refused("store_busy")
        async with self._journal.writing() as w:
            alone = (
                " for update" if is_postgres(w.connection) else ""
            )  # of two who bring the code at once one has used it when the other reads
            row = (await w.connection.execute(text(_FIND + alone), {"h": hash_, "kind": KIND})).first()
            if row is None or row.until_ms < self._clock():
                raise Refused("code_unknown_late_or_used")
            invited = msgspec.msgpack.decode(row.content, type=Invitation)
            asked = joining.open_ask(invited.secret, body)
            if row.used_by not in ("", asked.key.hex()) or (not row.used_by and invited.epoch not in (0, self._desk.signer.epoch)):
                raise Refused("code_unknown_late_or_used")
            if node_id_of(asked.key) in self._desk.shelf.revoked:
                raise Refused("key_put_out")
            if not row.used_by:
                invited.key, invited.node, invited.used_ms = asked.key, node_id_of(asked.key), self._clock()
                given = max((c.short for c in self._desk.shelf.certificates.values()), default=0)
                while invited.short <= given:  # a store that was put back counts from an old number; *common* knows what was given since
                    invited.short = self._own.short + await w.counter("node short")
                used = {"h": hash_, "now": invited.used_ms, "by": asked.key.hex(), "c": msgspec.msgpack.encode(invited)}
                await w.connection.execute(_USE, used)
                if invited.leaf:
                    await w.set_local(f"leaf {invited.branch}", invited.leaf.encode())
        made = self._certificate(invited)
        await self._desk.enrol_node(made)
        return joining.answer(invited.secret, await self._answer(invited, asked, made), self._chance(24))

    async def announce_trust(self) -> None:
        """Writes into *common* what every server must hold; a leaf that was away finds it there. Call at start."""
        for row in await self._journal.rows("table_row", f"name = '{TRUST_TABLE}'"):
            self._authority.learn(bytes(row["content"]))
        trust = msgspec.json.encode(self._authority.trust())
        await self._desk.set_table(TRUST_TABLE, sha256(trust).hexdigest()[:12], "2000-01-01", trust)

    async def revoke(self, node: str, reason: str = "") -> Revocation:
        """Cuts its connections and says so to all. What it writes after `last` counts nowhere until a holder adopts it.

        Again: the connections are cut once more, everywhere, `last` stays, for what came in since must not count by that.
        Raises Refused node_unknown; field_impossible for the hub itself, which would stop the county for good.
        """
        await self._row_of(node)
        cut = self._authority.revoke(node)
        await self._applied()
        await self._desk.ready()  # a store that was put back knows its own word and what others hold only then
        if (gone := self._desk.shelf.certificates.get(node)) is not None:
            async with self._journal.writing() as w:
                await w.connection.execute(_USED_UP, {"kind": KIND, "by": gone.key.hex()})
        if (known := self._desk.shelf.revoked.get(node)) is not None:
            await self.announce_trust()
            return Revocation(node, cut, tuple((*lane, seq) for lane, seq in known.items()))
        heads = {lane: head for lane, head in (await self._journal.heads()).items() if entry.node_of(lane[1]) == node}
        last = tuple((*lane, head.seq) for lane, head in heads.items())
        said, heard_ms = await claimed(self._journal, node)
        beyond = [(*lane, seq) for lane, seq in said.items() if seq > (heads[lane].seq if lane in heads else 0)]
        await self._desk.revoke_node(node, last, reason, {lane: head.hash for lane, head in heads.items()}, beyond, heard_ms)
        await self.announce_trust()
        return Revocation(node, cut, last)

    async def renew(self, node: str, reason: str = "", hosts: Sequence[str] = ()) -> tuple[str, str]:
        """(name, code): the node is revoked, if it is not yet, and its place is invited again. Whoever types the code goes on there.

        Again: another code, and none that was given before and not used lets anybody in. The old sealed ledger goes along: a report that was
        sealed on that computer and had not left it yet still finds its way. Raises what `revoke` does.
        """
        row = await self._row_of(node)
        old = certificates.decode(bytes(row["certificate"] or b""))
        if not row["revoked"]:
            await self.revoke(node, reason)
        first, *more = old.serves
        path = first.removesuffix("/*")
        leaf = (await self._journal.local(f"leaf {old.branch}") or b"").decode() if is_branch(path) else ""
        leaf = leaf if LEAF.fullmatch(leaf) else ""  # an older program took one without a port, by which no server ever ran
        covers = (*old.covers, certificates.sealed_ledger(old))
        code = await self.invite(place=path, name=old.name, serves=more, covers=covers, hosts=hosts, leaf=leaf, instead_of=node)
        return old.name, code

    async def widen(self, node: str, paths: Sequence[str]) -> Certificate | None:
        """The node serves and covers these too from now on: a new certificate and new tokens for the same keys, carried by *common*.

        A running node takes them and opens again by itself. None when it has them already, or is not known.
        """
        rows = await self._journal.rows("node_row", "subject = :node and revoked = 0", {"node": node})
        if not rows:
            return None
        old = certificates.decode(bytes(rows[0]["certificate"] or b""))
        new = [path for path in paths if not (place.covers(old.serves, path) and place.covers(old.covers, path))]
        if not new:
            return None
        made = certificates.issue(
            self._key, node=old.node, name=old.name, key=old.key, serves=(*old.serves, *new), covers=(*old.covers, *new),
            short=old.short, valid_from_ms=max(self._clock(), old.valid_from_ms + 1), branch=old.branch,
        )  # fmt: skip
        said = await self._journal.rows("table_row", f"name = '{TOKENS_TABLE}'", order="version desc", limit=1)
        given = self._authority.wider(made, self._clock() // 1_000)
        kept = msgspec.json.decode(bytes(said[0]["content"]), type=dict[str, str]) if said else {}
        latest = [(key, token) for key, token in kept.items() if key not in given][-TOKENS_KEPT_MAX:]
        tokens = dict(latest) | given
        version = f"{self._clock():015d}"
        await self._desk.set_table(TOKENS_TABLE, version, "2000-01-01", msgspec.json.encode(tokens))
        await self._desk.enrol_node(made)  # after its tokens, so that whoever has it has them
        return made

    # ── the rest is private ──

    async def _row_of(self, node: str) -> dict[str, Any]:
        """Its row of node_row; a store that was put back may know it only once it has what others hold."""
        if node == self._own.node:
            raise Refused("field_impossible", field="node", what="节点", why="这是县中心自己，不能停用")
        asked = "node_row", "subject = :node", {"node": node}
        if not (rows := await self._journal.rows(*asked)):
            await self._desk.ready()
            rows = await self._journal.rows(*asked)
        if not rows:
            raise Refused("node_unknown", node=node)
        return rows[0]

    def _certificate(self, invited: Invitation) -> Certificate:
        return certificates.issue(
            self._key,
            node=invited.node,
            name=invited.name,
            key=invited.key,
            serves=invited.serves,
            covers=invited.covers,
            short=invited.short,
            valid_from_ms=invited.used_ms,
            branch=invited.branch,
        )

    async def _answer(self, invited: Invitation, asked: Ask, made: Certificate) -> Answer:
        now_s = self._clock() // 1_000
        leaf = None
        if invited.leaf:
            jwt = self._authority.leaf_jwt(made.node, invited.serves[0], asked.leaf_user, now_s)
            leaf = Leaf(jwt, msgspec.json.encode(self._authority.trust()), self._remote, invited.leaf)
        near = invited.leaf.encode() or (await self._journal.local(f"leaf {invited.branch}") or b"")
        hosts = [*invited.hosts, *([near.decode().rpartition(":")[0]] if invited.leaf else [])]
        return Answer(
            certificate=certificates.encode(made),
            county_public=bytes(self._key.verify_key),
            sealing_public=self._sealing,
            county_node=self._own.node,
            jwt=self._authority.node_jwt(made, asked.user, now_s),
            servers=tuple(dict.fromkeys([*([near.decode()] if near else []), *self._servers])),
            authority=self._ca.pem,
            tls=self._ca.sign(asked.tls, made.node, hosts, now_s),
            batches=tuple(await self._batches(place.COMMON) + await self._batches(invited.serves[0], FIRST_BYTES_MAX)),
            account=invited.account,
            person=invited.person,
            leaf=leaf,
            made_up=self._made_up,
        )

    async def _batches(self, ledger: str, bytes_max: int = joining.ANSWER_BYTES_MAX) -> list[bytes]:
        """All lanes of a ledger, packed; nothing when they are larger than that."""
        packed: list[bytes] = []
        for (_, origin), head in (await self._journal.heads(ledger)).items():
            after = 0
            while after < head.signed_seq and (got := await piece(self._journal, ledger, origin, after, batches.BATCH_ENTRIES_MAX)):
                packed.append(batches.pack(got))
                after = got.last
        return packed if sum(map(len, packed)) <= bytes_max else []


def _is_instead_of(made: Invitation, node: str) -> bool:
    """An older program did not say of whom; the sealed ledger that goes along, the last of what it covers, does."""
    return made.instead_of == node or (not made.instead_of and made.covers[-1].endswith(f"/{place.SEALED}/{node}"))


async def void_codes(journal: Any, epoch: int, now_ms: int) -> list[str]:
    """Names of the places whose code lets nobody in, though it was never used and its time is not over: the county that gave it writes under
    another epoch since. A place that has got another code meanwhile is not named, nor one where a node joined after that code was given: by
    it, as *common* knows, though what was put back does not."""
    rows = await journal.rows("invitation", "kind = :kind and until_ms >= :now", {"kind": KIND, "now": now_ms}, order="made_ms, code_hash")
    read = [(row, msgspec.msgpack.decode(bytes(row["content"]), type=Invitation)) for row in rows]
    given = {one.serves[0] for _, one in read if one.epoch == epoch}
    void = [(row["made_ms"], one) for row, one in read if not row["used_by"] and one.epoch not in (0, epoch) and one.serves[0] not in given]
    joined = await _joined_ms(journal) if void else {}
    return list(dict.fromkeys(one.name for made_ms, one in void if joined.get(one.serves[0], 0) <= made_ms))


async def _joined_ms(journal: Any) -> dict[str, int]:
    """Place → when the newest of its nodes that are not put out joined. That is what its first certificate says: a wider one comes later."""
    first: dict[str, Certificate] = {}
    for (raw,) in await journal.select(_ENROLLED, {"common": place.COMMON}):
        facts = facts_of(entry.decode_head(bytes(raw)))
        with suppress(Refused):  # what this version can't read
            made = certificates.decode(facts.certificate if isinstance(facts, NodeEnrolled) else b"")
            first[made.node] = min(first.get(made.node, made), made, key=lambda one: one.valid_from_ms)
    joined: dict[str, int] = {}
    for one in first.values():
        joined[one.serves[0]] = max(one.valid_from_ms, joined.get(one.serves[0], 0))
    return joined


def node_id_of(key: bytes) -> str:
    """Follows from the key: a key belongs to a node id for ever."""
    number = int.from_bytes(sha256(b"yidi node\0" + key).digest()[:5])
    return "n" + "".join("abcdefghijklmnopqrstuvwxyz234567"[number >> 5 * n & 31] for n in range(8))


def check_leaf(place: str, leaf: str) -> None:
    """leaf: of an invitation, "" = none. Raises Refused field_impossible."""
    if leaf and not is_branch(place):
        raise Refused("field_impossible", field="leaf", what="乡镇机器的地址", why="只有乡镇一级可以带")
    if leaf and not (LEAF.fullmatch(leaf) and int(leaf.rpartition(":")[2]) <= PORT_MAX):
        raise Refused("field_impossible", field="leaf", what="乡镇机器的地址", why="请写成 10.0.0.2:4222 这样的 主机:端口")


def _is_local(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host in ("", "localhost")
    return ip.is_loopback or ip.is_unspecified


def is_branch(path: str) -> bool:
    """Claims that the place may have nodes of its own below it and a server for them."""
    return place.tier(path) == 1


def branch_of(path: str) -> str:
    parts = place.segments(path)
    return parts[1] if place.tier(path) > 0 else place.FILL


_INVITE = text(
    "insert into invitation (code_hash, kind, content, made_ms, until_ms, used_ms, used_by) values (:h, :kind, :c, :now, :until, 0, '')"
)
_FORGET = text("delete from invitation where kind = :kind and until_ms < :now")  # the codes lie in them
_UNUSED = text("select code_hash, content from invitation where kind = :kind and used_by = ''")
_VOID = text("delete from invitation where code_hash = :h and used_by = ''")
_USED_UP = text("delete from invitation where kind = :kind and used_by = :by")  # another program's shelf may not know yet who was put out
_ENROLLED = "select head_bytes from entry where ledger = :common and subject in (select subject from node_row where revoked = 0)"
_FIND = "select content, until_ms, used_by from invitation where code_hash = :h and kind = :kind"
_USE = text("update invitation set used_ms = :now, used_by = :by, content = :c where code_hash = :h and used_by = ''")
