"""Forgotten passwords at this node: challenges that are open, and what an answer from a node above opens (protocol/recovery.py).

Nothing tells whether an account exists: a challenge is given for any name. Open ones are a row of `local`, never on the wire.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from protocol import certificate as certificates
from protocol import recovery
from protocol.calendar import HOUR_MS
from protocol.certificate import Certificate
from protocol.node.journal import Journal, Writing
from protocol.node.people import People
from protocol.node.shelf import Shelf
from protocol.node.signer import Signer
from protocol.problem import Refused

OPEN: Final = "open challenges"
OPEN_MAX: Final = 20  # names that somebody typed here within a day
PER_HOUR_MAX: Final = 5  # challenges of one name


class Challenge(msgspec.Struct):
    code: str
    until_ms: int
    tries: int = 0
    made: list[int] = []


_decoder = msgspec.msgpack.Decoder(dict[str, Challenge])


class Recovering:
    def __init__(self, journal: Journal, shelf: Shelf, signer: Signer, people: People, chance: Callable[[int], bytes]) -> None:
        """chance: random bytes."""
        self._journal, self._shelf, self._signer, self._people, self._chance = journal, shelf, signer, people, chance

    def above(self) -> list[Certificate]:
        """Nodes that may answer: they receive all that this one does, and more. The nearest first."""
        own, known = self._signer.certificate, self._shelf.certificates
        found = [c for node, c in known.items() if node not in self._shelf.revoked and certificates.is_above(c, own)]
        return sorted(found, key=lambda c: (sum(certificates.is_above(c, other) for other in found), c.node))

    async def ask(self, account: str, now_ms: int) -> str:
        """The challenge to be read aloud; the same again while it is open. Raises Refused field_missing, sign_in_throttled."""
        account = account.strip()[:80]
        if not account:
            raise Refused("field_missing", field="name", what="账号")
        async with self._journal.writing() as w:
            known = await _read(w)
            one = known.get(account)
            if one and one.until_ms > now_ms and one.tries < recovery.TRIES_MAX:
                return one.code
            made = [ms for ms in one.made if ms > now_ms - HOUR_MS] if one else []
            if len(made) >= PER_HOUR_MAX:
                raise Refused("sign_in_throttled", minutes=-(-(made[0] + HOUR_MS - now_ms) // 60_000))
            known[account] = Challenge(recovery.code(self._chance(recovery.CODE_BYTES)), now_ms + recovery.UNTIL_MS, 0, [*made, now_ms])
            await _write(w, known, now_ms)
        return known[account].code

    async def finish(self, account: str, said: str, password: str, now_ms: int) -> None:
        """A new password for whoever brings the right answer. Raises Refused recovery_wrong, field_impossible."""
        account = account.strip()
        async with self._journal.writing() as w:
            known = await _read(w)
            one = known.get(account)
            if one is None or one.until_ms <= now_ms or one.tries >= recovery.TRIES_MAX:
                raise Refused("recovery_wrong", field="answer")
            one.tries += 1  # counted before it is judged
            await _write(w, known, now_ms)
        if not any(recovery.is_answer(said, self._answer(above, account, one.code)) for above in self.above()):
            raise Refused("recovery_wrong", field="answer")
        if account not in {name for name, _ in await self._people.accounts()}:
            raise Refused("recovery_wrong", field="answer")  # a name that is none here, as if the answer were wrong
        try:
            await self._people.passwd(account, password, now_ms)
        except Refused:
            await self._again(account, now_ms)
            raise
        async with self._journal.writing() as w:
            known = await _read(w)
            known.pop(account, None)
            await _write(w, known, now_ms)

    def vouch(self, node: str, account: str, challenge: str) -> str:
        """The answer for a node below, to be read back to whoever asked. Raises Refused field_impossible."""
        other = self._shelf.certificates.get(node)
        if other is None or node in self._shelf.revoked or not certificates.is_above(self._signer.certificate, other):
            raise Refused("field_impossible", field="node", what="机器", why="它不归本机管")
        return recovery.answer(self._signer.key, other.key, node, account, challenge)

    def below(self) -> list[Certificate]:
        own = self._signer.certificate
        found = (c for node, c in self._shelf.certificates.items() if node not in self._shelf.revoked)
        return sorted((c for c in found if certificates.is_above(own, c)), key=lambda c: (c.name, c.node))

    # ── the rest is private ──

    def _answer(self, above: Certificate, account: str, challenge: str) -> str:
        return recovery.answer(self._signer.key, above.key, self._signer.node, account, challenge)

    async def _again(self, account: str, now_ms: int) -> None:
        """A password that was too short is no wrong answer."""
        async with self._journal.writing() as w:
            known = await _read(w)
            if account in known:
                known[account].tries -= 1
                await _write(w, known, now_ms)


async def _read(w: Writing) -> dict[str, Challenge]:
    found = await w.local(OPEN)  # alone: of two answers at once each counts
    return _decoder.decode(found) if found else {}


async def _write(w: Writing, known: dict[str, Challenge], now_ms: int) -> None:
    fresh = {name: one for name, one in known.items() if one.until_ms > now_ms}
    kept = dict(sorted(fresh.items(), key=lambda item: item[1].until_ms)[-OPEN_MAX:])
    await w.set_local(OPEN, msgspec.msgpack.encode(kept))
