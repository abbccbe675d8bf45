"""Who may sign in here, and as what: accounts and sessions are rows of this node alone and never travel.

Passwords are Argon2id, checked off the loop. A token is 32 random bytes, told once; only its hash is stored. Every try is
counted before it is judged, per account and per address: past the limit the door stays shut for a while, also for the
right password. An account may start with a one-time code instead of a password: it opens a session that is nobody yet
(`actor` is None, `must_choose_password` is True) until a password is chosen with `change_password`; then the code is gone.
Posts come from the ledger, their powers from the table `posts`; a post that ended takes its sessions along at once.
"""

import asyncio
import base64
import re
import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.events import Actor
from protocol.node.journal import Journal
from protocol.node.journal.rows import named
from protocol.problem import OWN_STORE, Refused
from protocol.tables import Tables

IDLE_MS_MAX = 30 * 60_000  # a desk left alone
FIELD_IDLE_MS_MAX = 14 * 86_400_000  # a phone that was out of reach; field posts see visits only
SESSION_MS_MAX = 12 * 3_600_000  # a desk signs in anew each day
FIELD_SESSION_MS_MAX = 90 * 86_400_000
TOUCH_MS = 60_000  # `seen` is written at most this often: a write is a sync of the disk
ACCOUNT_TRIES_MAX = 5
ADDRESS_TRIES_MAX = 30  # a whole office may sit behind one address
THROTTLE_MS = 15 * 60_000
CODE_MS_MAX = 7 * 86_400_000
CODE_CHARS = 12  # 60 bits
PASSWORD_CHARS_MIN, PASSWORD_CHARS_MAX = 8, 128
CHECKS_AT_ONCE_MAX = 2  # each takes 19 MiB and a core for some 30 ms
FIELD = frozenset({"field"})
ACCOUNT: Final = re.compile(r"[\w.@-]{2,40}")

_UPSERT_ACCOUNT = text(
    "insert into account (name, person, password, post, once, until_ms, made_ms, ended_ms)"
    " values (:name, :person, :password, '', :once, :until_ms, :now_ms, 0)"
    " on conflict (name) do update set person = excluded.person, password = excluded.password, once = excluded.once,"
    " until_ms = excluded.until_ms, ended_ms = 0"
)
_COUNT_TRY = text(
    "insert into throttle (name, failures, since_ms, until_ms) values (:name, 1, :now_ms, 0)"
    " on conflict (name) do update set failures = case when throttle.since_ms < :start_ms then 1 else throttle.failures + 1 end,"
    " since_ms = case when throttle.since_ms < :start_ms then :now_ms else throttle.since_ms end"
)
_NEW_SESSION = text(
    "insert into session (token_hash, account, person, post, made_ms, seen_ms, until_ms)"
    " values (:token_hash, :account, :person, :post, :now_ms, :now_ms, :until_ms)"
)
_SESSION = (
    "select s.account, s.person, s.post, s.seen_ms, s.until_ms, a.once, (select p.name from person_row p where p.subject = s.person) as name"
    " from session s join account a on a.name = s.account"
    " where s.token_hash = :token_hash and a.ended_ms = 0"
)
_POSTS = "select post, kind, ledger, title, home from post_row where subject = :person and ended = 0 order by post"


class Post(msgspec.Struct, frozen=True):
    """kind: a row of table `posts` · office: the path acted for · home: node that serves its phone ("" = none)."""

    post: str
    kind: str
    kind_name: str
    office: str
    title: str
    home: str


def check_account(name: str) -> None:
    """Of a new account, here or at a machine that is to join. Raises Refused field_impossible."""
    if not ACCOUNT.fullmatch(name):
        raise Refused("field_impossible", field="account", what="登录账号", why="2 到 40 个字，可以用汉字、字母、数字")


class People:
    def __init__(
        self,
        journal: Journal,
        tables: Callable[[], Tables],
        chance: Callable[[int], bytes] = secrets.token_bytes,
        idle_ms_max: int = IDLE_MS_MAX,
    ) -> None:
        """chance: random bytes for tokens and codes · idle_ms_max: how long a desk may be left alone before it asks anew."""
        self._journal, self._tables, self._chance, self._idle_ms_max = journal, tables, chance, idle_ms_max
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's row for Argon2id
        self._checks = asyncio.Semaphore(CHECKS_AT_ONCE_MAX)
        self._nobody = ""  # checked for unknown names, so that they take as long

    async def sign_in(self, name: str, password: str, now_ms: int, address: str = "") -> str:
        """A new session's token. Raises Refused sign_in_wrong, sign_in_throttled."""
        name = name.strip()
        if not name.isprintable() or len(name) > PASSWORD_CHARS_MAX:
            name = ""  # nobody's; not a word of it is kept
        self._nobody = self._nobody or await self._hashed(self._chance(16).hex())
        await self._count_try(name, address, now_ms)
        async with self._journal.read() as c:
            account = await _one(c, "select * from account where name = :name and ended_ms = 0", name=name)
            posts = await self._posts_of(c, account.person) if account else []
        said = _code(password) if account and account.once else password
        right = await self._is_right(account.password if account else self._nobody, said)
        if not account or not right or (account.once and account.until_ms < now_ms):
            raise Refused("sign_in_wrong", field="password")
        post = next((p.post for p in posts if p.post == account.post), posts[0].post if posts else "")
        in_field = bool(posts) and all(self._powers(p) == FIELD for p in posts)
        token = base64.urlsafe_b64encode(self._chance(32)).decode().rstrip("=")
        until_ms = now_ms + (FIELD_SESSION_MS_MAX if in_field else SESSION_MS_MAX)
        async with self._journal.writing() as w:
            await w.connection.execute(text("delete from throttle where name = :name"), {"name": _account_key(name)})
            counted_back = text("update throttle set failures = failures - 1 where name = :name")
            await w.connection.execute(counted_back, {"name": _address_key(address)})
            await w.connection.execute(text("delete from session where until_ms < :now_ms"), {"now_ms": now_ms})
            row = {"token_hash": _hash(token), "account": name, "person": account.person, "post": post}
            await w.connection.execute(_NEW_SESSION, {**row, "now_ms": now_ms, "until_ms": until_ms})
        return token

    async def sign_out(self, token: str) -> None:
        async with self._journal.writing() as w:
            await w.connection.execute(text("delete from session where token_hash = :h"), {"h": _hash(token)})

    async def actor(self, token: str, now_ms: int) -> Actor | None:
        """Who acts by this session, which is thereby in use: None, and it is over, as for `standing`."""
        session, actor = await self._acting(token, now_ms)
        if session is not None and not session.once:
            if actor is None:
                await self.sign_out(token)
            elif now_ms - session.seen_ms > TOUCH_MS:
                await self._touch(token, now_ms)
        return actor

    async def standing(self, token: str, now_ms: int, *, idle_counts: bool = True) -> Actor | None:
        """As `actor`, of what a page asks by itself: it keeps nobody signed in. None: unknown, idle too long where that counts, without a
        password of their own, or the post ended."""
        return (await self._acting(token, now_ms, idle_counts))[1]

    async def _acting(self, token: str, now_ms: int, idle_counts: bool = True) -> tuple[Any, Actor | None]:
        """The session, None when unknown, and who acts by it."""
        async with self._journal.read() as c:
            session = await _one(c, _SESSION, token_hash=_hash(token))
            if session is None or session.once:
                return session, None
            posts = await self._posts_of(c, session.person)
        post = next((p for p in posts if p.post == session.post), None)
        powers = self._powers(post) if post else frozenset()
        idle_ms_max = FIELD_IDLE_MS_MAX if powers == FIELD else self._idle_ms_max
        is_idle = idle_counts and now_ms - session.seen_ms > idle_ms_max
        if post is None or is_idle or session.until_ms < now_ms:
            return session, None
        return session, self._actor(session.person, session.name or session.account, post)

    async def in_field(self, actor: Actor, node: str) -> Actor | None:
        """The same person by a post that makes visits, whichever they chose at a desk: rather one whose phone is at home at `node`. None without one."""
        if "field" in actor.powers:
            return actor
        async with self._journal.read() as c:
            posts = [p for p in await self._posts_of(c, actor.person) if "field" in self._powers(p)]
        post = min(posts, key=lambda p: p.home != node, default=None)
        return self._actor(actor.person, actor.name, post) if post else None

    async def _touch(self, token: str, now_ms: int) -> None:
        """The session is in use. A full, locked or read-only store is no reason to turn the person away: what they came to save will say so."""
        try:
            async with self._journal.writing() as w:
                touched = text("update session set seen_ms = :now_ms where token_hash = :h")
                await w.connection.execute(touched, {"now_ms": now_ms, "h": _hash(token)})
        except Refused as refused:
            if refused.code not in OWN_STORE:
                raise

    async def must_choose_password(self, token: str) -> bool:
        """True after a sign-in by one-time code: the page then asks for a password (`change_password`)."""
        async with self._journal.read() as c:
            session = await _one(c, _SESSION, token_hash=_hash(token))
        return session is not None and bool(session.once)

    async def posts(self, token: str) -> list[Post]:
        """The posts this session may act as; the chosen one first."""
        async with self._journal.read() as c:
            session = await _one(c, _SESSION, token_hash=_hash(token))
            posts = await self._posts_of(c, session.person) if session else []
        return sorted(posts, key=lambda p: p.post != session.post) if session else []

    async def choose_post(self, token: str, post: str) -> None:
        """From now on this session acts as `post`, and the next sign-in begins with it. Raises Refused not_allowed."""
        if post not in {p.post for p in await self.posts(token)}:
            raise Refused("not_allowed", what="换岗位")
        async with self._journal.writing() as w:
            chosen = {"post": post, "h": _hash(token)}
            await w.connection.execute(text("update session set post = :post where token_hash = :h"), chosen)
            of_session = "(select account from session where token_hash = :h)"
            await w.connection.execute(text(f"update account set post = :post where name = {of_session}"), chosen)

    async def check_free(self, name: str, person: str) -> None:
        """Claims that an account of this name may be made here for the person. Raises Refused field_impossible."""
        check_account(name)
        if any(known == name and whose != person for known, whose in await self.accounts()):
            raise Refused("field_impossible", field="account", what="登录账号", why="已经有人用了，请换一个")

    async def add_account(self, name: str, person: str, password: str | None, now_ms: int) -> str:
        """password None: returns a one-time code, else "". An account of that name is replaced, its sessions end."""
        name = name.strip()
        if not name or len(name) > PASSWORD_CHARS_MAX:
            raise Refused("field_impossible", field="name", what="账号", why="不能空着，也不能太长")
        code = "" if password else self._new_code()
        hashed = await self._hash_password(name, password) if password else await self._hashed(_code(code))
        row = {"name": name, "person": person, "password": hashed, "once": int(not password), "now_ms": now_ms}
        async with self._journal.writing() as w:
            await w.connection.execute(_UPSERT_ACCOUNT, {**row, "until_ms": now_ms + CODE_MS_MAX})
            await w.connection.execute(text("delete from session where account = :name"), {"name": name})
            await w.connection.execute(text("delete from throttle where name = :name"), {"name": _account_key(name)})
        return code

    async def passwd(self, name: str, password: str | None, now_ms: int) -> str:
        """A new password, or with None a new one-time code (returned). Ends all sessions of the account. Raises Refused."""
        async with self._journal.read() as c:
            account = await _one(c, "select person from account where name = :name", name=name.strip())
        if account is None:
            raise Refused("field_impossible", field="name", what="账号", why="没有这个账号")
        return await self.add_account(name, account.person, password, now_ms)

    async def change_password(self, token: str, password: str, now_ms: int) -> None:
        """The signed-in person's own; other sessions of the account end. Raises Refused sign_in_needed, field_impossible."""
        async with self._journal.read() as c:
            session = await _one(c, _SESSION, token_hash=_hash(token))
        if session is None:
            raise Refused("sign_in_needed")
        hashed = await self._hash_password(session.account, password)
        row = {"name": session.account, "h": _hash(token), "password": hashed, "now_ms": now_ms}
        async with self._journal.writing() as w:
            await w.connection.execute(text("update account set password = :password, once = 0, until_ms = 0 where name = :name"), row)
            await w.connection.execute(text("delete from session where account = :name and token_hash <> :h"), row)
            await w.connection.execute(text("update session set seen_ms = :now_ms where token_hash = :h"), row)

    async def end_account(self, name: str, now_ms: int) -> None:
        async with self._journal.writing() as w:
            row = {"name": name, "now_ms": now_ms}
            await w.connection.execute(text("update account set ended_ms = :now_ms where name = :name"), row)
            await w.connection.execute(text("delete from session where account = :name"), row)

    async def accounts(self) -> list[tuple[str, str]]:
        """(name, person) of every account on this node."""
        rows = await self._journal.select("select name, person from account where ended_ms = 0 order by name", {})
        return [(name, person) for name, person in rows]

    async def nobody_yet(self) -> str:
        """none: no account here · once: nobody has used his one-time code yet · "" somebody has."""
        ((every, used),) = await self._journal.select("select count(*), sum(1 - once) from account where ended_ms = 0", {})
        return "none" if not every else "" if used else "once"

    # ── the rest is private ──

    async def _count_try(self, name: str, address: str, now_ms: int) -> None:
        """Counts first, so that many guesses at once gain nothing. A right password wipes the account's count. Who guesses names leaves as many
        rows as an address may have tries, and none is kept for longer than it counts."""
        limits = ([(_address_key(address), ADDRESS_TRIES_MAX)] if address else []) + [(_account_key(name), ACCOUNT_TRIES_MAX)]
        wait_ms, start_ms = 0, now_ms - THROTTLE_MS
        async with self._journal.writing() as w:
            await w.connection.execute(text("delete from throttle where since_ms < :start_ms"), {"start_ms": start_ms})
            for key, tries_max in limits:
                await w.connection.execute(_COUNT_TRY, {"name": key, "now_ms": now_ms, "start_ms": start_ms})
                got = await _one(w.connection, "select failures, since_ms from throttle where name = :name", name=key)
                if got and got.failures > tries_max:
                    wait_ms = got.since_ms + THROTTLE_MS - now_ms
                    break  # an address that is shut out says nothing of accounts any more
        if wait_ms:
            raise Refused("sign_in_throttled", minutes=-(-wait_ms // 60_000))

    async def _posts_of(self, c: AsyncConnection, person: str) -> list[Post]:
        rows, tables = await named(c, _POSTS, {"person": person}), self._tables()
        return [Post(r.post, r.kind, tables.post_name(r.kind), r.ledger, r.title, r.home) for r in rows]

    def _actor(self, person: str, name: str, post: Post) -> Actor:
        return Actor(person, post.post, post.office, self._powers(post), name, self._tables().places_merged_into(post.office))

    def _powers(self, post: Post) -> frozenset[str]:
        return frozenset(self._tables().post_powers(post.kind))

    def _new_code(self) -> str:
        raw = base64.b32encode(self._chance(8)).decode()[:CODE_CHARS]
        return "-".join(raw[i : i + 4] for i in range(0, CODE_CHARS, 4))

    async def _hash_password(self, name: str, password: str) -> str:
        if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX or password == name:
            raise Refused("field_impossible", field="password", what="密码", why=f"至少 {PASSWORD_CHARS_MIN} 个字符，不能和账号相同")
        return await self._hashed(password)

    async def _hashed(self, password: str) -> str:
        async with self._checks:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def _is_right(self, hashed: str, password: str) -> bool:
        async with self._checks:
            return await asyncio.to_thread(self._verify, hashed, password)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False


async def _one(c: AsyncConnection, sql: str, **words: object) -> Any:
    """The first row, or None."""
    return next(iter(await named(c, sql, words)), None)


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _account_key(name: str) -> str:
    return f"account {name}"


def _address_key(address: str) -> str:
    return f"address {address}"


def _code(said: str) -> str:
    """A code as it is compared: base32 has no 0, 1 or 8, so what was misread is put right."""
    return "".join(said.upper().split()).replace("-", "").replace("0", "O").replace("1", "I").replace("8", "B")
