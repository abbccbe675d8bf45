"""Somebody whose certificate the county never signed: a stranger whom a leaf lets in, as whoever runs its server can, or an enrolled node that
gave itself the whole county.

It says everything in good form and well signed: it opens a lane in a ledger of the branch and one in *common*, in which it enrols itself, says in
Haves that it holds them, and answers pulls of them. Nobody may take up anything of it: `certified.py` looks.
"""

import asyncio
from functools import partial
from typing import Any, Final

import msgspec
from nacl.signing import SigningKey

from hub.enrolment import node_id_of
from protocol import batch as batches
from protocol import certificate as certificates
from protocol import entry, have, lane, place
from protocol.certificate import Certificate
from protocol.events import Draft, NodeEnrolled, NoteAdded, TextBody
from protocol.node.link import subjects
from protocol.node.link.answers import LaneAsk
from tests.simulation import acts_insider as insider
from tests.simulation.hand import Hand
from tests.simulation.record import Broken
from tests.simulation.wire import Msg, WireLink

ROUNDS: Final = 2  # Haves alone, so that it is asked; then live batches as well
STAYS_S: Final = 1.0  # after each, to answer what is asked
EPOCH: Final = 8  # of what an enrolled node invents: no folder is put back so often
_asks: Final = msgspec.msgpack.Decoder(LaneAsk)
Written = dict[tuple[str, str], lane.Commit]  # by lane


async def usurp(hand: Hand) -> str:
    """Raises Broken when a stranger is given what only enrolled nodes may have."""
    link, is_stranger = insider.link_of(hand), hand.odds(0.5)
    key = SigningKey(hand.chance.randbytes(32)) if is_stranger else hand.node.desk.signer.key
    false = _signed_by_itself(hand, key, node_id_of(bytes(key.verify_key)) if is_stranger else hand.id)
    origin = entry.origin_of(false.node, 1 if is_stranger else EPOCH)
    hand.record.invented.add(origin)
    written = _written(hand, key, false, origin)
    tool = WireLink(link.wire, f"{link.name}?", false, link.servers) if is_stranger else link
    answer = partial(_answer, tool, written)
    try:
        tool.at = link.at
        await tool.subscribe(subjects.pull(false.branch, false.node), answer)
        for n in range(ROUNDS):
            for (ledger, _), commit in written.items():
                await tool.publish(subjects.have(ledger, false.node), await _have(hand, key, commit, is_stranger))
                if n:
                    await tool.publish(subjects.live(ledger, false.node), batches.pack(commit.batch))
            await asyncio.sleep(STAYS_S)
        if is_stranger:
            await _ask(hand, tool)
    finally:
        if is_stranger:
            link.wire.leave(tool)
        else:
            tool.unsubscribe(answer)
    return "as a stranger" if is_stranger else "as itself"


def _signed_by_itself(hand: Hand, key: SigningKey, node: str) -> Certificate:
    """All that a certificate can give, of the branch in which it stands."""
    mine = hand.node.desk.signer.certificate
    county = place.segments(certificates.seat(mine))[0]
    return certificates.issue(
        key, node=node, name=mine.name, key=bytes(key.verify_key), serves=(f"{county}/*",), covers=(f"{county}/*", place.COMMON),
        short=mine.short, valid_from_ms=hand.now_ms, branch=mine.branch,
    )  # fmt: skip


def _written(hand: Hand, key: SigningKey, false: Certificate, origin: str) -> Written:
    """For an office that it does not serve, in a ledger that the leaf lets through; and its own enrolment."""
    mine = hand.node.desk.signer.certificate
    near = certificates.seat(mine).split("/")[:2]
    paths = {path.removesuffix("/*") for known in (mine, *insider.others(hand)) for path in known.covers if path != place.COMMON}
    ledger = hand.one(sorted(path for path in paths if path.split("/")[:2] == near))
    note = NoteAdded(certificates.seat(false), 1, ())
    drafts = (
        Draft(ledger, hand.new_id(), "dispute", note, TextBody(hand.text())),
        Draft(place.COMMON, false.node, "common", NodeEnrolled("", 0, (), certificates.encode(false))),
    )
    return {(draft.ledger, origin): _commit(hand, key, false, origin, draft) for draft in drafts}


def _commit(hand: Hand, key: SigningKey, false: Certificate, origin: str, draft: Draft) -> lane.Commit:
    return lane.next_entries(
        None, [lane.open_lane(draft.ledger, origin, false), draft], origin=origin, key=key, author=(hand.new_id(), "clerk.00000001"),
        command=hand.new_id(), occurred_ms=hand.now_ms, offset_ms=None, turns={}, salt=lambda: hand.chance.randbytes(entry.SALT_BYTES),
    )  # fmt: skip


async def _have(hand: Hand, key: SigningKey, commit: lane.Commit, is_stranger: bool) -> bytes:
    """Of an enrolled node the truth, and the invented lane beside it: who says less than it holds would only be told it again."""
    ground = hand.node.pump._ground
    lanes = {} if is_stranger else await hand.node.journal.lanes(commit.ledger)
    lanes |= {commit.origin: (commit.head.seq, commit.head.hash)}
    node = entry.node_of(commit.origin)
    return have.sign(have.Have(node, commit.ledger, lanes, hand.now_ms, ground.version, speaks=ground.speaks), key)


async def _answer(tool: WireLink, written: Written, msg: Msg) -> None:
    try:
        ask = _asks.decode(msg.data)
    except entry.UNREADABLE:
        return  # another history of a lane: it has none
    commit = written.get((ask.ledger, ask.origin))
    if commit is not None:
        await tool.publish(msg.reply, batches.pack(commit.batch))


async def _ask(hand: Hand, tool: Any) -> None:
    """All that are enrolled may read *common*, and nobody else."""
    for top in insider.others(hand):
        if certificates.writes(top, place.COMMON):
            body = msgspec.msgpack.encode(LaneAsk(place.COMMON, entry.origin_of(top.node, 1), 0, 50))
            if await insider.is_given(tool, subjects.pull(top.branch, top.node), body):
                raise Broken(f"{tool.node}, which nobody enrolled, was given *common* by {top.node}")
