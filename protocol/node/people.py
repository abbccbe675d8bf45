"""Who may sign in here, and as what: accounts and sessions are rows of this node alone and never travel.

Passwords are Argon2id (argon2-cffi), checked off the loop. A token is 32 random bytes, told once; only its hash is stored.
Wrong passwords are counted per account and per address: after TRIES_MAX within the window the door stays shut for a while,
also for the right one. An account may start with a one-time code instead of a password: whoever signs in with it must
choose a password (`needs_password` of the sign-in) before anything else. Roles come from posts (entries), powers from the table `posts`.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from protocol.events import Actor
from protocol.tables import Tables

IDLE_MS_MAX = 30 * 60_000  # a desk left alone
FIELD_IDLE_MS_MAX = 14 * 86_400_000  # a phone that was out of reach; field posts see visits only
SESSION_MS_MAX = 12 * 3_600_000  # a desk signs in anew each day
TRIES_MAX = 5
THROTTLE_MS = 15 * 60_000
CODE_MS_MAX = 7 * 86_400_000
PASSWORD_CHARS_MIN = 8


class Post(msgspec.Struct, frozen=True):
    post: str
    kind: str
    kind_name: str
    office: str
    title: str
    home: str


class People:
    def __init__(self, journal: Any, tables: Callable[[], Tables], chance: Callable[[int], bytes] | None = None) -> None:
        """chance: random bytes for tokens and codes."""

    async def sign_in(self, name: str, password: str, now_ms: int, address: str = "") -> str:
        """A new session's token. Raises Refused sign_in_wrong, sign_in_throttled. A one-time code passes for a password once."""
        raise NotImplementedError

    async def sign_out(self, token: str) -> None:
        raise NotImplementedError

    async def actor(self, token: str, now_ms: int) -> Actor | None:
        """Who acts by this session: None when unknown, idle too long, or without a post that is still held."""
        raise NotImplementedError

    async def must_choose_password(self, token: str) -> bool:
        """True after a sign-in by one-time code: the page then asks for a password (`passwd`)."""
        raise NotImplementedError

    async def posts(self, token: str) -> list[Post]:
        """The posts this session may act as; the chosen one first."""
        raise NotImplementedError

    async def choose_post(self, token: str, post: str) -> None:
        """Raises Refused not_allowed for a post that is not theirs."""
        raise NotImplementedError

    async def add_account(self, name: str, person: str, password: str | None, now_ms: int) -> str:
        """password None: returns a one-time code, else "". An account of that name is replaced, its sessions end."""
        raise NotImplementedError

    async def passwd(self, name: str, password: str | None, now_ms: int) -> str:
        """A new password, or with None a new one-time code (returned). Ends all sessions of the account."""
        raise NotImplementedError

    async def change_password(self, token: str, password: str, now_ms: int) -> None:
        """The signed-in person's own; other sessions of the account end. Raises Refused field_impossible."""
        raise NotImplementedError

    async def accounts(self) -> list[tuple[str, str]]:
        """(name, person) of every account on this node."""
        raise NotImplementedError
