"""What a phone took from here, and what it lost.

Which open tasks a phone has fetched is noted once each, so that whoever sent it knows whether it got there; that the answer arrived
is not proven by it, but the phone asks again within seconds.

What it lost: its browser cleared its store, with whatever had not been sent. Said to whoever carries it and whoever sent him.

A phone names its store and how far it has counted with every question. Another store under the same session, or a lower count of the same
one, means that the old one is gone: a browser gives a session's cookie and its store to nobody else. What lay in it unsent can't be known
here; what had been sent is in the ledger. A phone with another session is another phone, and nothing is said of it.
"""

from collections.abc import Iterable

import msgspec

from protocol.case import TASK_OPEN
from protocol.node.journal import Journal
from protocol.node.journal.rows import among, bound, fetch


class Store(msgspec.Struct, frozen=True, array_like=True):
    """As a session last named it. cleared_ms: when this node noticed (0: never) · is_told: its carrier has read it."""

    name: str
    count: int
    cleared_ms: int = 0
    is_told: bool = False


async def heard(journal: Journal, person: str, session: str, name: str, count: int, now_ms: int) -> None:
    """The phone asked: what it says of its store, and the open tasks that it gets now. A write only when either changed.

    session: any name of it that is no secret.
    """
    await _note_fetched(journal, person, now_ms)
    before = await _read(journal, f"phone {person}", session)
    if before is not None and (before.name, before.count) == (name, count):
        return
    is_cleared = before is not None and (before.name != name or count < before.count)
    goes_on = before is not None and not is_cleared
    now = msgspec.structs.replace(before, count=count) if goes_on else Store(name, count, now_ms if is_cleared else 0)
    await _write(journal, f"phone {person}", {**await _all(journal, f"phone {person}"), session: now})


async def cleared(journal: Journal, person: str, session: str) -> int:
    """When this session's store was found cleared and its carrier has not been told yet; 0: nothing to tell."""
    found = await _read(journal, f"phone {person}", session)
    return found.cleared_ms if found and not found.is_told else 0


async def told(journal: Journal, person: str, session: str) -> None:
    found = await _read(journal, f"phone {person}", session)
    if found is not None:
        after = msgspec.structs.replace(found, is_told=True)
        await _write(journal, f"phone {person}", {**await _all(journal, f"phone {person}"), session: after})


async def last_cleared(journal: Journal, persons: Iterable[str]) -> dict[str, int]:
    """For who sent them: person → when a phone of theirs was last found cleared; absent: never."""
    names = {f"phone {person}": person for person in persons}
    if not names:
        return {}
    async with journal.read() as c:
        rows = await fetch(c, f"select name, value from local where {among(c, 'name', 'names')}", {"names": bound(c, names)})
    return {names[name]: max((one.cleared_ms for one in _decoder.decode(raw).values()), default=0) for name, raw in rows}


_OPEN = "status in (" + ", ".join(f"'{status}'" for status in TASK_OPEN) + ")"
_times = msgspec.msgpack.Decoder(dict[str, int])


async def _note_fetched(journal: Journal, person: str, now_ms: int) -> None:
    sql = f"select subject from task_row where cadre = :person and {_OPEN} and coalesce(link, '') = ''"
    async with journal.read() as c:
        there = [row[0] for row in await fetch(c, sql, {"person": person})]
    raw = await journal.local(f"fetched {person}")
    known = _times.decode(raw) if raw else {}
    if all(task in known for task in there):
        return
    async with journal.writing() as w:
        await w.set_local(f"fetched {person}", msgspec.msgpack.encode({task: known.get(task, now_ms) for task in there}))


async def fetched(journal: Journal, persons: Iterable[str]) -> dict[str, int]:
    """task → when a phone of the cadre it was given to first took it from this node; absent: never."""
    names = [f"fetched {person}" for person in persons]
    if not names:
        return {}
    async with journal.read() as c:
        rows = await fetch(c, f"select value from local where {among(c, 'name', 'names')}", {"names": bound(c, names)})
    return {task: ms for (raw,) in rows for task, ms in _times.decode(raw).items()}


SESSIONS_MAX = 8  # of one person: older ones are forgotten
_decoder = msgspec.msgpack.Decoder(dict[str, Store])


async def _all(journal: Journal, name: str) -> dict[str, Store]:
    raw = await journal.local(name)
    return _decoder.decode(raw) if raw else {}


async def _read(journal: Journal, name: str, session: str) -> Store | None:
    return (await _all(journal, name)).get(session)


async def _write(journal: Journal, name: str, stores: dict[str, Store]) -> None:
    kept = dict(list(stores.items())[-SESSIONS_MAX:])
    async with journal.writing() as w:
        await w.set_local(name, msgspec.msgpack.encode(kept))
