"""Whether a person has begun: registered, taken up or sent somebody himself, anywhere that this node knows of. Asked to show him how, or no more.

    begun = Begun(journal)
    await begun.needs_guide(person)     True: he has not, and did not put the guide away
    await begun.put_away(person)

Nobody acts before he has an account, so only what came since is looked at, some LOOKED_AT_ONCE entries each time he asks; while that is not through, he
is not called a beginner. What was found out, and that he put it away, is a row of this node's own store.
"""

from typing import Any, Final

from protocol.entry import decode_head
from protocol.node.journal import Journal
from protocol.node.journal.rows import fetch

FIRST: Final = ("DisputeLogged", "DisputeTakenUp", "TaskAssigned")
AWAY, DONE = b"away", b"done"
LOOKED_AT_ONCE: Final = 2_000  # some 10 ms of one page


class Begun:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._looked: dict[str, int] = {}  # person → position up to which nothing of his was found

    async def needs_guide(self, person: str) -> bool:
        if await self._journal.local(_key(person)) is not None:
            return False
        async with self._journal.read() as c:
            newest = (await fetch(c, "select max(position) from entry"))[0][0] or 0
            after = self._looked.get(person)
            if after is None:
                after = await _before(c, await _account_ms(c, person), newest)
            sql = "select position, head_bytes from entry where position > :after order by position limit :most"
            rows = await fetch(c, sql, {"after": after, "most": LOOKED_AT_ONCE}) if after < newest else []
        if any(_began(bytes(row[1]), person) for row in rows):
            await self._keep(person, DONE)
            return False
        self._looked[person] = rows[-1][0] if rows else max(after, newest)
        return self._looked[person] >= newest

    async def put_away(self, person: str) -> None:
        await self._keep(person, AWAY)

    async def _keep(self, person: str, word: bytes) -> None:
        self._looked.pop(person, None)
        async with self._journal.writing() as w:
            await w.set_local(_key(person), word)


def _key(person: str) -> str:
    return f"guide {person}"


def _began(head_bytes: bytes, person: str) -> bool:
    if person.encode() not in head_bytes:  # decoding each one would cost more
        return False
    head = decode_head(head_bytes)
    return head.author[0] == person and head.kind in FIRST


async def _account_ms(c: Any, person: str) -> int:
    rows = await fetch(c, "select min(made_ms) from account where person = :person", {"person": person})
    return rows[0][0] or 0


async def _before(c: Any, ms: int, newest: int) -> int:
    """A position before which all came earlier than then; found by halves, for entries stand in the order in which they came."""
    low, high = 0, newest
    while low < high:
        middle = (low + high) // 2
        rows = await fetch(
            c, "select position, received_ms from entry where position > :middle order by position limit 1", {"middle": middle}
        )
        if rows and rows[0][1] < ms:
            low = rows[0][0]
        else:
            high = middle
    return low
