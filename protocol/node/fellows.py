"""Other programs that are this very node, on the same PostgreSQL. Each serves pages and writes; one at a time has the lead.

    fellows = Fellows(journal, wake, me); await fellows.begin(); await fellows.run()

- **Wake.** What one commits wakes the pages and the pump of the others by NOTIFY, some milliseconds after the commit; what was not
  heard (a connection that broke) is found by the look into the journal that each takes every second anyway.
- **Lead.** One publishes, pulls, says Have and writes down what others say; all hear Haves, and pulls are answered by whoever the
  server chooses (`group`). The lead is a row with an end by the database's clock, renewed each second: when its program is
  killed another one has it after `LEASE_S`. Two that both think to lead for a moment do no harm: whatever the pump does may be done twice.

On SQLite there is one program: it leads, and has no group.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import asyncpg

from protocol.node import log
from protocol.node.journal import Journal
from protocol.node.journal.engine import driver_url, outlive_no_database
from protocol.node.journal.rows import fetch
from protocol.node.wake import Wake
from protocol.problem import Refused

CHANNEL: Final = "yidi"
LEASE_S, RENEW_S = 3.0, 1.0
GATHER_S, HEARD_S_MIN = 0.01, 0.25  # what happens meanwhile goes together; what was only heard may wait
LISTENS_S = 5.0
RETRY_S = 1.0
LEAD, GROUP = "lead", "group"  # rows of `local`
_NOW_MS: Final = "(extract(epoch from clock_timestamp()) * 1000)::bigint"
_SEEK: Final = (
    "insert into local (name, value) values (:name, convert_to(:me || ' ' || {until}, 'UTF8')) on conflict (name) do update set value = excluded.value"
    " where split_part(convert_from(local.value, 'UTF8'), ' ', 1) = :me"
    " or split_part(convert_from(local.value, 'UTF8'), ' ', 2)::bigint < {now} returning 1"
).format(until=f"({_NOW_MS} + :lease_ms)", now=_NOW_MS)
_GROUP: Final = "insert into local (name, value) values (:name, :value) on conflict (name) do nothing"
_LEAVE: Final = "delete from local where name = :name and split_part(convert_from(value, 'UTF8'), ' ', 1) = :me returning 1"


class Fellows:
    """changed: another program committed. group: the queue group that pulls are answered in, "" without fellows."""

    def __init__(self, journal: Journal, wake: Wake, me: str) -> None:
        """me: the same after a restart (one program a folder), so that it need not wait for its own lead to end; without blanks."""
        self._journal, self._wake, self._me = journal, wake, me
        self.has_any = journal.url.startswith("postgresql")
        self.changed, self.group = asyncio.Event(), ""
        self.took_over: Callable[[], None] = lambda: None
        self._until = 0.0  # of the lead, by our monotonic clock
        self._said, self._due = asyncio.Event(), set[str]()
        self._passing_on = False
        if self.has_any:
            wake.listen(lambda _: self._say("commit"))
            wake.on_heard(lambda: self._say("heard"))

    @property
    def leads(self) -> bool:
        return not self.has_any or time.monotonic() < self._until

    async def begin(self) -> None:
        """Before anything is sent: takes the lead if nobody has it. Raises Refused."""
        if not self.has_any:
            return
        async with self._journal.writing() as w:
            await fetch(w.connection, _GROUP, {"name": GROUP, "value": secrets.token_hex(8).encode()})
        self.group = (await self._journal.local(GROUP) or b"").decode()
        await self._seek()

    async def run(self) -> None:
        """For ever, with fellows. When one of both fails the other ends too: whoever called begins both anew."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._hold())
                both.create_task(self._talk())
        except ExceptionGroup as several:
            raise several.exceptions[0] from None

    async def leave(self) -> None:
        """At the end: somebody else may lead at once."""
        if self.has_any and self.leads:
            self._until = 0.0
            with suppress(Refused):
                async with self._journal.writing() as w:
                    await fetch(w.connection, _LEAVE, {"name": LEAD, "me": self._me})

    @contextmanager
    def passing_on(self) -> Iterator[None]:
        """What is told to our own listeners inside came from a fellow: it is not told back."""
        self._passing_on = True
        try:
            yield
        finally:
            self._passing_on = False

    # ── the rest is private ──

    async def _hold(self) -> None:
        while True:
            led = self.leads
            try:
                await self._seek()
            except Refused as refused:  # the database is away: the lead ends by itself
                log.event("lead not renewed", reason_code=refused.code)
            if self.leads and not led:
                log.event("lead taken over")
                self.took_over()
            await asyncio.sleep(RENEW_S)

    async def _seek(self) -> None:
        began = time.monotonic()
        async with self._journal.writing() as w:
            got = await fetch(w.connection, _SEEK, {"name": LEAD, "me": self._me, "lease_ms": int(LEASE_S * 1000)})
        self._until = began + LEASE_S if got else 0.0

    def _say(self, what: str) -> None:
        if not self._passing_on:
            self._due.add(what)
            self._said.set()

    async def _talk(self) -> None:
        """One connection that hears and speaks; a broken one is made anew, and then everything may have changed."""
        while True:
            try:
                c = await asyncpg.connect(driver_url(self._journal.url))
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(RETRY_S)
                continue
            try:
                outlive_no_database(c)
                await c.add_listener(CHANNEL, self._heard)
                self.changed.set()
                await self._speak(c)
            finally:
                c.terminate()
            await asyncio.sleep(RETRY_S)

    async def _speak(self, c: Any) -> None:
        """Ends with the connection."""
        heard_s = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LISTENS_S):
                    await self._said.wait()
            self._said.clear()
            due = {"commit"} & self._due
            if "heard" in self._due and time.monotonic() - heard_s > HEARD_S_MIN:
                heard_s = time.monotonic()
                due.add("heard")
            self._due -= due
            try:
                for what in sorted(due):
                    await c.execute("select pg_notify($1, $2)", CHANNEL, f"{self._me} {what}")
                if not due and not self._due:
                    await c.execute("select 1")  # a wire that is dead tells nothing by itself
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return
            await asyncio.sleep(GATHER_S)
            if self._due:
                self._said.set()

    def _heard(self, _connection: Any, _pid: int, _channel: str, said: str) -> None:
        who, _, what = said.partition(" ")
        if who == self._me:
            return
        if what == "commit":
            self.changed.set()
            return
        with self.passing_on():
            self._wake.heard()
